//! The options of an `fs` rule: which belong to which verb, and what they say.

use super::found::{self, How};
use crate::context::Context;
use crate::paths::{self, Place};
use crate::values;
use msb_diag::{Diagnostic, Span, codes};
use msb_policy::{Base, Links, Missing, Path};
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
    pub(super) from: Option<Place>,
    pub(super) how: How,
    symlinks: Option<Links>,
}

impl Options {
    /// What happens when `source` is named by a symbolic link. What lies below a parameter is the program's to
    /// change: a link that it left there would lead the next launch anywhere.
    pub(super) fn links(&self, source: &Path) -> Links {
        self.symlinks.unwrap_or(match source.base {
            Base::Param(_) => Links::Refuse,
            Base::Root | Base::Home => Links::Follow,
        })
    }
}

/// The options of `rule`; `None` where the rule itself could not be understood, which was reported.
pub(super) fn options(cx: &mut Context<'_>, rule: &FsRule) -> Option<Options> {
    if let FsVerb::Create | FsVerb::Append = rule.verb.node {
        let (verb, why) = match rule.verb.node {
            FsVerb::Create => ("create", "no part of the kernel tells a new file from an old one here"),
            _ => ("append", "no part of the kernel holds a file to its end without root"),
        };
        cx.say(
            Diagnostic::new(codes::VERB_NOT_HELD, format!("`{verb}` can not be held"))
                .label(rule.verb.span, why)
                .help("use `write` on a directory of its own, or `overlay`, which discards all changes"),
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
            good &= read(cx, option, &mut options).is_some();
        }
    }
    if let (Some(_), Some(at)) = (&options.from, options.at_span) {
        cx.say(
            Diagnostic::new(codes::WRONG_OPTION, "`at` has no meaning beside `from`")
                .label(at, "`from` says what is shown, and the rule's own path where")
                .help("take `at` away"),
        );
        good = false;
    }
    found::only_for_searches(cx, rule);
    good.then_some(options)
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
        FsOptionKind::Beside(_) => "beside",
        FsOptionKind::Depth(_) => "depth",
    }
}

fn belongs(word: &str, verb: FsVerb) -> bool {
    let grant = matches!(verb, FsVerb::Read | FsVerb::Write | FsVerb::Run);
    let source = grant || matches!(verb, FsVerb::Overlay | FsVerb::Socket);
    let deny = matches!(verb, FsVerb::Deny | FsVerb::DenyRead | FsVerb::DenyWrite | FsVerb::DenyRun);
    match word {
        "at" | "symlinks" => source,
        "optional" => source || verb == FsVerb::Device,
        "size" | "inodes" => matches!(verb, FsVerb::Scratch | FsVerb::Overlay),
        "from" => verb == FsVerb::Overlay,
        "missing" | "enforce" | "beside" | "depth" => deny,
        _ => false,
    }
}

fn foreign(option: &FsOption, word: &str, rule: &FsRule) -> Diagnostic {
    let of = match word {
        "at" | "symlinks" => "`read`, `write`, `run`, `overlay` and `socket`",
        "optional" => "`read`, `write`, `run`, `overlay`, `socket` and `device`",
        "size" | "inodes" => "`scratch` and `overlay`",
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
        FsOptionKind::From(path) => options.from = Some(paths::place(cx, path)?),
        FsOptionKind::Symlinks(name) => {
            options.symlinks = Some(if name.node == "follow" { Links::Follow } else { Links::Refuse });
        }
        FsOptionKind::Enforce(name) if name.node == "snapshot" => options.how.snapshot = Some(option.span),
        FsOptionKind::Enforce(name) => enforce(cx, name)?,
        FsOptionKind::Beside(name) => options.how.beside = Some(found::beside(cx, name)?),
        FsOptionKind::Depth(levels) => options.how.depth = Some(found::depth(cx, levels)?),
    }
    Some(())
}

/// A page: the least that tmpfs can hold on every architecture we know.
pub(super) const SIZE_BYTES_MIN: u64 = 4096;
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

/// `enforce mount` says what holds anyway. Nobody is asked about files, which `enforce broker` would be.
fn enforce(cx: &mut Context<'_>, name: &Name) -> Option<()> {
    if name.node == "mount" {
        return Some(());
    }
    cx.say(
        Diagnostic::new(
            codes::NOT_ENFORCED,
            format!("`enforce {}` is not enforced by this version", name.node),
        )
        .label(name.span, "nobody outside is asked about files")
        .help("write `enforce snapshot`, which denies what is there at launch, or name each path"),
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
