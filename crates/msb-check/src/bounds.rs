//! Bounds that a plan has, said with the line that exceeds them.

use crate::context::Context;
use msb_diag::{Diagnostic, Span, codes};
use msb_policy::{EnvRule, Exec, FsKind, FsRule};

/// Parameters of one policy.
pub(crate) const PARAMS_MAX: usize = 32;
/// Grants and scratch directories of one policy.
pub(crate) const MOUNTS_MAX: usize = 256;
/// Denied paths of one policy.
pub(crate) const DENIES_MAX: usize = 256;
/// Searches for denied paths.
pub(crate) const SEARCHES_MAX: usize = 256;
/// Rules of the environment.
pub(crate) const ENV_MAX: usize = 256;
/// Ports of the sandbox that are published.
pub(crate) const LISTENS_MAX: usize = 64;
/// Ports and ranges of them of one endpoint.
pub(crate) const PORTS_MAX: usize = 256;
/// Paths of requests of one rule.
pub(crate) const REQUEST_PATHS_MAX: usize = 64;
/// Limits of all connections together.
pub(crate) const TOTALS_MAX: usize = 64;
/// Words of the default command.
pub(crate) const COMMAND_MAX: usize = 256;
/// Bytes of the name of a parameter.
pub(crate) const NAME_BYTES_MAX: usize = 64;
/// Bytes of one path, without the final NUL of `PATH_MAX` (limits.h).
pub(crate) const PATH_BYTES_MAX: usize = 4094;
/// Bytes of one component of a path: `NAME_MAX` of limits.h.
pub(crate) const COMPONENT_BYTES_MAX: usize = 255;
/// Bytes of one string that is not a path.
pub(crate) const TEXT_BYTES_MAX: usize = 32 * 1024;

/// A text that a plan cannot hold.
pub(crate) fn bad_text(span: Span) -> Diagnostic {
    Diagnostic::new(codes::LIMIT_OF_THE_LANGUAGE, "text is too long or has a NUL in it")
        .label(span, format!("at most {TEXT_BYTES_MAX} bytes, none of them NUL"))
        .help("shorten it")
}

/// Reports `span` for having more of something than a plan can hold.
pub(crate) fn too_many(count: usize, what: &str, max: usize, span: Span, help: &str) -> Diagnostic {
    Diagnostic::new(codes::LIMIT_OF_THE_LANGUAGE, format!("{count} {what} are too many"))
        .label(span, format!("at most {max}"))
        .help(help)
}

/// Reports sections that have more entries than a plan can hold.
pub(crate) fn bounds(cx: &mut Context<'_>, fs: &[FsRule], env: &[EnvRule], exec: &Exec) {
    let denies = fs.iter().filter(|rule| matches!(rule.kind, FsKind::Deny { .. })).count();
    let searches = fs.iter().filter(|rule| matches!(rule.kind, FsKind::DenyFound { .. })).count();
    let sections = [
        (
            "parameters",
            cx.resolved.block.params.len(),
            PARAMS_MAX,
            "write what is always the same as `const`",
        ),
        (
            "granted paths",
            fs.len() - denies - searches,
            MOUNTS_MAX,
            "name a directory in place of what is in it",
        ),
        ("denied paths", denies, DENIES_MAX, "name a directory in place of what is in it"),
        ("searches for denied paths", searches, SEARCHES_MAX, "name a directory in place of what is in it"),
        ("environment rules", env.len(), ENV_MAX, "name a prefix, such as `pass LC_*`, in place of each"),
        ("words in the command", exec.command.len(), COMMAND_MAX, "put them into a script, and name that"),
    ];
    for (what, count, max, help) in sections {
        if count > max {
            cx.say(
                Diagnostic::new(codes::LIMIT_OF_THE_LANGUAGE, format!("{count} {what} are too many"))
                    .label(cx.resolved.block.head, format!("a policy has at most {max}"))
                    .help(help),
            );
        }
    }
}
