//! How many spaces stand between two lexemes of one line.

use msb_syntax::Class;

/// A lexeme and what it is at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) class: Class,
    pub(crate) text: &'a str,
    pub(crate) role: Role,
}

/// What a sign is at its place, where that decides the space beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// `{` of a block.
    Open,
    /// `}` of a block.
    Close,
    /// `:` before ports.
    Ports,
    /// Everything else.
    Plain,
}

/// What brackets and comparison signs mean in an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signs {
    /// `(` groups, `<` compares: conditions and sets of system calls.
    Group,
    /// `(` follows what it belongs to, `<` holds a type.
    Call,
}

/// The spaces between `before` and `after`, where nothing is aligned.
pub(crate) fn gap(before: Token<'_>, after: Token<'_>, signs: Signs) -> usize {
    let sign = |token: Token<'_>| if token.class == Class::Sign { Some(token.text.to_owned()) } else { None };
    let (left, right) = (sign(before), sign(after));
    let (left, right) = (left.as_deref().unwrap_or_default(), right.as_deref().unwrap_or_default());
    match (before.role, after.role) {
        (Role::Open, Role::Close) | (Role::Ports, _) => return 0,
        (Role::Open, _) | (_, Role::Open | Role::Close) => return 1,
        _ => {}
    }
    if matches!(right, "," | ")" | "]" | "}" | "?" | "." | ".." | ":")
        || matches!(left, "." | ".." | "(" | "[" | "{")
    {
        return 0;
    }
    match signs {
        // `syscall(300)`; and `>=`, which is two signs.
        Signs::Group => {
            let number = right == "(" && before.text == "syscall";
            usize::from(!(number || left == ">" && right == "="))
        }
        Signs::Call => usize::from(!(matches!(right, "(" | "<" | ">") || left == "<")),
    }
}
