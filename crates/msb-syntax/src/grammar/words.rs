//! Every word that the grammar knows, by place: for completion, and to hold other grammars against.

use super::{claim, fs, net, statement, syscalls, tool};
use crate::recover::ITEM_STARTS;
use crate::token::SIGNS;

/// Words that can stand in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words {
    /// The place, as one word.
    pub place: &'static str,
    /// The words.
    pub words: &'static [&'static str],
}

const WORDS: &[Words] = &[
    Words { place: "file", words: &["edition", "import"] },
    Words { place: "item", words: ITEM_STARTS },
    Words { place: "head", words: &["as", "extends", "for"] },
    Words { place: "statement", words: statement::STATEMENTS.starts },
    Words { place: "fs", words: fs::VERBS },
    Words { place: "fs-option", words: fs::OPTIONS },
    Words { place: "missing", words: fs::MISSING },
    Words { place: "symlinks", words: fs::SYMLINKS },
    Words { place: "enforce", words: fs::ENFORCE },
    Words { place: "net", words: net::SPEC.starts },
    Words { place: "net-whole", words: &["none", "host"] },
    Words { place: "protocol", words: net::PROTOCOLS },
    Words { place: "peer", words: net::PEERS },
    Words { place: "net-option", words: net::OPTIONS },
    Words { place: "method", words: net::METHODS },
    Words { place: "syscalls", words: syscalls::SPEC.starts },
    Words { place: "action", words: syscalls::ACTIONS },
    Words {
        place: "condition",
        words: &["where", "and", "or", "not", "in", "has", "any", "all", "only", "on"],
    },
    Words { place: "limits", words: &["hard", "unlimited"] },
    Words { place: "caps", words: &["none"] },
    Words { place: "env", words: statement::ENV.starts },
    Words { place: "exec", words: statement::EXEC.starts },
    Words { place: "tty", words: &["none", "private"] },
    Words { place: "tool", words: tool::SPEC.starts },
    Words { place: "claim", words: claim::SPEC.starts },
    Words { place: "probe", words: claim::PROBES },
    Words { place: "access", words: claim::ACCESSES },
    Words { place: "reason", words: &["by", "because", "than"] },
    Words { place: "sign", words: &SIGNS },
];

/// Every word of the grammar by its place; most are names elsewhere. The place `sign` has the punctuation.
#[must_use]
pub fn words() -> &'static [Words] {
    WORDS
}
