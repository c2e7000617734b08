//! Grants that are too much, or more than they seem.

use super::conflicts::Places;
use super::{RightsExt, Rule};
use crate::context::Context;
use crate::paths::{covers, shown};
use msb_diag::{Diagnostic, FileId, Span, codes};
use msb_policy::{Base, FsKind, Links, Missing, Path, Rights};
use msb_resolve::LayerId;
use std::collections::HashMap;

/// What nobody may write: whole systems and what they start from. `true` takes what is below it, too.
const TOO_BROAD: &[(&str, bool)] = &[
    ("", false),
    ("bin", true),
    ("boot", true),
    ("etc", true),
    ("home", false),
    ("lib", true),
    ("lib32", true),
    ("lib64", true),
    ("media", false),
    ("mnt", false),
    ("opt", false),
    ("root", false),
    ("run", false),
    ("sbin", true),
    ("srv", false),
    ("sys", true),
    ("tmp", false),
    ("usr", true),
    ("var", false),
    ("var/lib", false),
    ("var/log", false),
    ("var/run", false),
    ("var/spool", true),
    ("var/tmp", false),
];

/// Places in a home, and in the system, that hold what opens other doors.
const CREDENTIALS: &[(Base, &str, &str)] = &[
    (Base::Home, "", "keys and tokens of all programs"),
    (Base::Home, ".aws", "keys of a cloud account"),
    (Base::Home, ".azure", "tokens of a cloud account"),
    (Base::Home, ".bash_history", "what was typed, passwords included"),
    (Base::Home, ".config", "tokens of many programs"),
    (Base::Home, ".config/gcloud", "tokens of a cloud account"),
    (Base::Home, ".config/gh", "a token of a code host"),
    (Base::Home, ".docker", "tokens of registries"),
    (Base::Home, ".git-credentials", "passwords of code hosts"),
    (Base::Home, ".gnupg", "private keys"),
    (Base::Home, ".kube", "tokens of clusters"),
    (Base::Home, ".netrc", "passwords"),
    (Base::Home, ".npmrc", "a token of a registry"),
    (Base::Home, ".pypirc", "a token of a registry"),
    (Base::Home, ".ssh", "private keys"),
    (Base::Root, "etc", "host keys and passwords"),
    (Base::Root, "etc/gshadow", "passwords of groups"),
    (Base::Root, "etc/shadow", "passwords"),
    (Base::Root, "etc/ssh", "host keys"),
    (Base::Root, "home", "the homes of all users"),
    (Base::Root, "root", "the home of root"),
    (Base::Root, "tmp", "sockets and files of everybody's sessions"),
];

/// Folders in which services keep the sockets through which they act for who connects (file-hierarchy(7)); below
/// `run/user` each user's. To show one is to show all of these sockets: docs/adr/0056-folders-of-sockets.md.
const SOCKET_FOLDERS: &[&str] = &["run", "run/user", "var/run", "var/run/user"];

/// Whether a folder is one of [`SOCKET_FOLDERS`], or a user's.
fn has_sockets(path: &Path) -> bool {
    let of_user = path.rest.rsplit_once('/').is_some_and(|(above, _)| above.ends_with("run/user"));
    path.base == Base::Root && (SOCKET_FOLDERS.contains(&path.rest.as_str()) || of_user)
}

/// Whether a grant may be there at all; what is wrong with it is reported.
pub(super) fn grant_allowed(
    cx: &mut Context<'_>,
    source: &Path,
    target: &Path,
    rights: Rights,
    span: Span,
    at: Span,
) -> bool {
    let path = shown(cx, source);
    if rights.write && too_broad(source) {
        cx.say(
            Diagnostic::new(codes::WRITE_TOO_BROAD, format!("`write {path}` is too broad"))
                .label(span, "the host would run or trust what is written here")
                .help(
                    "grant the one directory that the program works in, as a parameter: `write $workspace`",
                ),
        );
        return false;
    }
    if source.base == Base::Root && (source.rest == "dev" || source.rest.starts_with("dev/")) {
        cx.say(device_beyond_std(span, &path));
        return false;
    }
    if source.base == Base::Root {
        crate::net::dangerous_socket(cx, source, span);
    }
    if has_sockets(source) {
        cx.say(
            Diagnostic::new(
                codes::SOCKET_OF_A_SERVICE,
                format!("`{path}` has the sockets of services in it"),
            )
            .label(span, "who sees a socket connects to it, and services act for who does")
            .help(format!("name what the program needs of it, such as `read {path}/NAME`")),
        );
        return false;
    }
    target_free(cx, target, at)
}

fn too_broad(path: &Path) -> bool {
    match path.base {
        Base::Home => path.rest.is_empty(),
        Base::Param(_) => false,
        // /home/NAME is a home.
        Base::Root if path.rest.strip_prefix("home/").is_some_and(|name| !name.contains('/')) => true,
        Base::Root => TOO_BROAD.iter().any(|(broad, below)| {
            path.rest == *broad
                || (*below && path.rest.strip_prefix(broad).is_some_and(|rest| rest.starts_with('/')))
        }),
    }
}

pub(super) fn device_beyond_std(span: Span, path: &str) -> Diagnostic {
    Diagnostic::new(codes::DEVICE_BEYOND_STD, format!("device `{path}` is beyond the standard ones"))
        .label(span, "a driver of the host would be open to the program")
        .help("write `device @std` for null, zero, full, random, urandom, a private terminal and /dev/shm")
}

/// Whether something may be put at `target`; if not, that is reported.
pub(super) fn target_free(cx: &mut Context<'_>, target: &Path, span: Span) -> bool {
    if target.base != Base::Root {
        return true;
    }
    let under = |top: &str| {
        target.rest == top || target.rest.strip_prefix(top).is_some_and(|rest| rest.starts_with('/'))
    };
    let path = shown(cx, target);
    let (why, help) = if target.rest.is_empty() {
        ("the root is put together by the launcher", "name the directories that the program needs")
    } else if under("proc") {
        ("the launcher mounts a procfs of its own there", "write `proc /proc/self`")
    } else if under("dev") {
        ("the launcher makes the devices there", "write `device @std`")
    } else {
        return true;
    };
    cx.say(
        Diagnostic::new(codes::RESERVED_PATH, format!("`{path}` belongs to the launcher"))
            .label(span, why)
            .help(help),
    );
    false
}

/// Warns of grants that are more than they seem.
pub(super) fn risks(cx: &mut Context<'_>, rules: &[Rule], clear: bool) {
    let places = Places::of(rules);
    for rule in rules {
        covers_policy(cx, rule);
        credentials(cx, rule);
        skipped(cx, rule, &places);
        followed(cx, rule, &places);
    }
    snapshot(cx, rules, &places);
    if clear {
        write_and_run(cx, rules);
    }
}

/// A policy that its own program may rewrite confines nothing the next time.
fn covers_policy(cx: &mut Context<'_>, rule: &Rule) {
    let FsKind::Grant { source, rights, .. } = &rule.kind else { return };
    let Some(file) = cx.sources.get(FileId(0)) else { return };
    let Some(rest) = file.name.strip_prefix('/').filter(|_| rights.write) else { return };
    let policy = Path { base: Base::Root, rest: rest.to_owned() };
    if covers(source, &policy) {
        let path = shown(cx, source);
        cx.say(
            Diagnostic::new(codes::WRITE_COVERS_POLICY, format!("`write {path}` covers this policy"))
                .label(rule.span, "the program could change the policy that confines it")
                .help("keep the policy outside of what it grants"),
        );
    }
}

/// What a search of the policy's own finds once, when the sandbox starts, where more may be made while it runs.
fn snapshot<'r>(cx: &mut Context<'_>, rules: &'r [Rule], places: &Places<'r>) {
    // What a profile says is not for its user to mend.
    let later = rules.iter().filter(|rule| rule.layer == LayerId::POLICY).find_map(|rule| {
        let FsKind::DenyFound { search, .. } = &rule.kind else { return None };
        Some((rule, search, writable_above(&search.root, places)?))
    });
    let Some((rule, search, writable)) = later else { return };
    let levels = search.depth;
    cx.say(
        Diagnostic::new(codes::SNAPSHOT_OF_PATTERN, "what is made later is not denied")
            .label(rule.span, format!("is looked for when the sandbox starts, {levels} levels deep"))
            .label(writable.span, "the program can make more")
            .help(
                "deny the places that are known by their paths, too, and say `accept MSB0603 because \"…\"`",
            ),
    );
}

fn credentials(cx: &mut Context<'_>, rule: &Rule) {
    let (FsKind::Grant { source, .. } | FsKind::Overlay { source, .. }) = &rule.kind else { return };
    let exact = |base: &Base, rest: &str| {
        let known = Path { base: *base, rest: rest.to_owned() };
        // The whole home, or all of /etc, only by its own name: what is below may well be harmless.
        source == &known || (!BROAD.contains(&rest) && covers(&known, source))
    };
    let Some((_, _, what)) = CREDENTIALS.iter().find(|(base, rest, _)| exact(base, rest)) else { return };
    let path = shown(cx, source);
    cx.say(
        Diagnostic::new(codes::CREDENTIALS_READABLE, format!("`{path}` holds credentials"))
            .label(rule.span, *what)
            .help("grant the one file or directory that the program needs"),
    );
}

const BROAD: &[&str] = &["", ".config", "etc", "home", "tmp"];

fn skipped(cx: &mut Context<'_>, rule: &Rule, places: &Places<'_>) {
    let (root, path, rights) = match &rule.kind {
        FsKind::Deny { path, missing: Missing::Skip, rights } => (path, shown(cx, path), rights),
        // What is looked for is there.
        FsKind::DenyFound { search, missing: Missing::Skip, rights } if search.rest != search.beside => {
            (&search.root, shown(cx, &search.root.join(&format!("**/{}", search.rest))), rights)
        }
        _ => return,
    };
    if !rights.write {
        return;
    }
    if let Some(writable) = writable_above(root, places) {
        cx.say(
            Diagnostic::new(codes::DENY_SKIPPED, format!("the program may create `{path}`"))
                .label(rule.whole, "skipped when nothing is there at launch")
                .label(writable.span, "writable by this")
                .help("write `missing mask`"),
        );
    }
}

/// The first grant by which `path`, or what it lies in, can be written.
fn writable_above<'r>(path: &Path, places: &Places<'r>) -> Option<&'r Rule> {
    let above = places.granted_above(path).chain(places.put_above(path));
    let writable =
        above.filter(|(_, other)| matches!(&other.kind, FsKind::Grant { rights, .. } if rights.write));
    writable.min_by_key(|(at, _)| *at).map(|(_, writable)| writable)
}

/// A link that the program left in one run leads the next launch wherever it points.
fn followed(cx: &mut Context<'_>, rule: &Rule, places: &Places<'_>) {
    let Some((source, Links::Follow)) = rule.kind.source() else { return };
    // The last component of what is written itself is not the program's to change.
    let parent = source.rest.rsplit_once('/').map_or("", |(parent, _)| parent);
    let parent = Path { base: source.base, rest: parent.to_owned() };
    let writable = places
        .granted_above(&parent)
        .filter(|(_, other)| matches!(&other.kind, FsKind::Grant { rights, .. } if rights.write))
        .filter(|_| !source.rest.is_empty())
        .min_by_key(|(at, _)| *at)
        .map(|(_, other)| other);
    let agents = matches!(source.base, Base::Param(_)) && !source.rest.is_empty();
    if !agents && writable.is_none() {
        return;
    }
    let path = shown(cx, source);
    let mut found = Diagnostic::new(codes::LINKS_FOLLOWED, format!("`{path}` may be a link to anywhere"))
        .label(rule.whole, "followed by the launcher, with the rights of who launches");
    if let Some(writable) = writable {
        found = found.label(writable.span, "the program can put a link there");
    }
    cx.say(found.help("take `symlinks follow` away, or name what the link leads to"));
}

/// A place where a program can write a file and then run it.
fn write_and_run(cx: &mut Context<'_>, rules: &[Rule]) {
    let mut seen: HashMap<&Path, (Rights, &Rule)> = HashMap::new();
    for rule in rules {
        let FsKind::Grant { target, rights, .. } = &rule.kind else { continue };
        let Some(known) = seen.get_mut(target) else {
            seen.insert(target, (*rights, rule));
            continue;
        };
        let (before, both) = (known.0, known.0.and(*rights));
        known.0 = both;
        let was = before.write && before.run;
        if both.write && both.run && !was {
            let (path, first) = (shown(cx, target), known.1.span);
            cx.say(
                Diagnostic::new(codes::WRITE_AND_RUN, format!("`{path}` is both writable and runnable"))
                    .label(rule.span, "together with this")
                    .label(first, "the program can run what it wrote")
                    .help("say why with `accept MSB0611 because \"…\"`, or take one of the rights away"),
            );
        }
    }
}
