//! The options of an `fs` rule: which belong to which verb, and what they say.

use crate::context::Context;
use crate::paths::{self, Place};
use crate::values;
use msb_diag::{Diagnostic, Span, codes};
use msb_policy::Missing;
use msb_resolve::nearest;
use msb_syntax::ast::{FsOption, FsOptionKind, FsRule, FsVerb, Name, Spanned, Value};

#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) at: Option<Place>,
    pub(super) at_span: Option<Span>,
    pub(super) size: Option<u64>,
    pub(super) inodes: Option<u64>,
    pub(super) optional: bool,
    pub(super) missing: Option<Missing>,
}

/// The options of `rule`; `None` where the rule itself could not be understood, which was reported.
pub(super) fn options(cx: &mut Context<'_>, rule: &FsRule) -> Option<Options> {
    if let FsVerb::Create | FsVerb::Append | FsVerb::Overlay | FsVerb::Socket = rule.verb.node {
        let (verb, help) = later(rule.verb.node);
        cx.say(
            Diagnostic::new(codes::NOT_ENFORCED, format!("`{verb}` is not enforced by this version"))
                .label(rule.verb.span, "not enforced yet")
                .help(help),
        );
        return None;
    }
    let mut options = Options::default();
    let mut good = true;
    for (index, option) in rule.options.iter().enumerate() {
        let word = word(&option.kind);
        let earlier = rule.options.iter().take(index).find(|other| self::word(&other.kind) == word);
        if let Some(first) = earlier {
            cx.say(
                Diagnostic::new(codes::DUPLICATE_SETTING, format!("`{word}` is given twice"))
                    .label(option.span, "again here")
                    .label(first.span, "first here")
                    .help("keep one of them"),
            );
        } else if !belongs(word, rule.verb.node) {
            cx.say(foreign(option, word, rule));
        } else {
            links(cx, option, rule.verb.node);
            good &= read(cx, option, &mut options).is_some();
        }
    }
    good.then_some(options)
}

/// Links that a program makes lead where it wants them to.
fn links(cx: &mut Context<'_>, option: &FsOption, verb: FsVerb) {
    let follows = matches!(&option.kind, FsOptionKind::Symlinks(how) if how.node == "follow");
    if follows && verb == FsVerb::Write {
        cx.say(
            Diagnostic::new(codes::LINKS_FOLLOWED, "the program decides where these links lead")
                .label(option.span, "followed in a place that it writes")
                .help("write `symlinks refuse`"),
        );
    }
}

fn later(verb: FsVerb) -> (&'static str, &'static str) {
    match verb {
        FsVerb::Create => ("create", "use `write` on a directory of its own"),
        FsVerb::Append => ("append", "use `write` on a directory of its own"),
        FsVerb::Socket => ("socket", "leave it out: no socket of the host is reachable"),
        _ => ("overlay", "use `read`, with a `scratch` for what is written"),
    }
}

fn word(kind: &FsOptionKind) -> &'static str {
    match kind {
        FsOptionKind::At(_) => "at",
        FsOptionKind::Size(_) => "size",
        FsOptionKind::Inodes(_) => "inodes",
        FsOptionKind::From(_) => "from",
        FsOptionKind::Optional => "optional",
        FsOptionKind::Missing(_) => "missing",
        FsOptionKind::Symlinks(_) => "symlinks",
        FsOptionKind::Enforce(_) => "enforce",
    }
}

fn belongs(word: &str, verb: FsVerb) -> bool {
    let grant = matches!(verb, FsVerb::Read | FsVerb::Write | FsVerb::Run);
    let deny = matches!(verb, FsVerb::Deny | FsVerb::DenyRead | FsVerb::DenyWrite | FsVerb::DenyRun);
    match word {
        "at" | "optional" | "symlinks" => grant,
        "size" | "inodes" => verb == FsVerb::Scratch,
        "missing" | "enforce" => deny,
        _ => false,
    }
}

fn foreign(option: &FsOption, word: &str, rule: &FsRule) -> Diagnostic {
    let of = match word {
        "at" | "optional" | "symlinks" => "`read`, `write` and `run`",
        "size" | "inodes" => "`scratch`",
        "from" => "`overlay`",
        _ => "`deny`",
    };
    Diagnostic::new(codes::WRONG_OPTION, format!("`{word}` has no meaning here"))
        .label(option.span, format!("belongs to {of}"))
        .label(rule.verb.span, "not to this")
        .help(format!("take `{word}` away"))
}

/// Reads one option; `None` where it was reported.
fn read(cx: &mut Context<'_>, option: &FsOption, options: &mut Options) -> Option<()> {
    match &option.kind {
        FsOptionKind::At(path) => {
            options.at = Some(paths::place(cx, path)?);
            options.at_span = Some(path.span);
        }
        FsOptionKind::Size(value) => {
            let bytes = values::size(cx, value, "size")?;
            options.size =
                Some(in_range(cx, value, bytes, SIZE_BYTES_MIN, SIZE_BYTES_MAX, "4KiB to 1024TiB")?);
        }
        FsOptionKind::Inodes(value) => {
            let count = values::int(cx, value, "inodes")?;
            options.inodes = Some(in_range(cx, value, count, 2, INODES_MAX, "2 to 4294967295")?);
        }
        FsOptionKind::Optional => options.optional = true,
        FsOptionKind::Missing(name) => options.missing = Some(missing(cx, name)?),
        FsOptionKind::From(_) | FsOptionKind::Symlinks(_) | FsOptionKind::Enforce(_) => {
            let word = word(&option.kind);
            cx.say(
                Diagnostic::new(codes::NOT_ENFORCED, format!("`{word}` is not enforced by this version"))
                    .label(option.span, "not enforced yet")
                    .help(format!("take `{word}` away")),
            );
            return None;
        }
    }
    Some(())
}

/// A page: the least that tmpfs can hold on every architecture we know.
const SIZE_BYTES_MIN: u64 = 4096;
/// The bound that a plan has for any number of bytes.
const SIZE_BYTES_MAX: u64 = 1 << 50;
/// tmpfs(5) takes more; nobody has the memory.
const INODES_MAX: u64 = u32::MAX as u64;

fn in_range(
    cx: &mut Context<'_>,
    value: &Spanned<Value>,
    number: u64,
    min: u64,
    max: u64,
    range: &str,
) -> Option<u64> {
    if (min..=max).contains(&number) {
        return Some(number);
    }
    let (code, what) = if number < min {
        (codes::LIMIT_TOO_LOW, "too little for a scratch directory")
    } else {
        (codes::LIMIT_TOO_HIGH, "more than a scratch directory can hold")
    };
    cx.say(
        Diagnostic::new(code, what)
            .label(value.span, format!("must be {range}"))
            .help(format!("write a value from {range}")),
    );
    None
}

fn missing(cx: &mut Context<'_>, name: &Name) -> Option<Missing> {
    match name.node.as_str() {
        // Whether a directory is put there depends on each path.
        "mask" => Some(Missing::Mask { directory: false }),
        "fail" => Some(Missing::Fail),
        "skip" => Some(Missing::Skip),
        other => {
            let unknown =
                Diagnostic::new(codes::UNKNOWN_NAME, format!("unknown way to be missing `{other}`"))
                    .label(name.span, "expected `mask`, `fail` or `skip`");
            cx.say(match nearest(other, ["mask", "fail", "skip"]) {
                Some(meant) => unknown.help(format!("did you mean `{meant}`?")).edit(name.span, meant),
                None => unknown.help("write `missing mask`"),
            });
            None
        }
    }
}
