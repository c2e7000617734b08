//! What a run made that a search of the policy looks for: the next start denies it, and until then it is for whoever works in
//! the folder to know of; so is what it denies where it is there alone (`missing skip`). And what a run leaves in the way of the
//! next one's search.
//!
//! The folder is searched before the run and after it, as deep as the launcher does, and what was not there before is told. Times
//! would not tell: a program can give a folder that is older than the run another name.

use super::refusals::printable;
use msb_plan::{Deny, Missing, Path as PlanPath, Plan, Rights, Search};
use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::fstatat;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Directories that are looked into, as many as a launcher does.
const DIRECTORIES_MAX: usize = 1 << 15;

/// Something that a search finds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    /// Where.
    pub(super) path: PathBuf,
    /// What it is.
    pub(super) what: What,
    /// Its device and inode: another one under the same name is new.
    identity: (u64, u64),
}

/// Why it is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    /// The line with this number looks for it.
    LookedFor(u16),
    /// A folder that cannot be looked into.
    Closed,
    /// A folder that was not looked into, after so many others.
    Late,
}

impl Found {
    /// What is said before a run of a folder that cannot be looked into, and that a program of this user could open: the
    /// launcher denies all of it.
    pub(super) fn closed_line(&self) -> Option<String> {
        let is_ours = || {
            let owner = std::fs::symlink_metadata(&self.path)
                .is_ok_and(|stat| stat.uid() == nix::unistd::geteuid().as_raw());
            owner || can_enter(&self.path)
        };
        (self.what == What::Closed && is_ours()).then(|| {
            let path = shown(&self.path);
            format!(
                "`{path}` cannot be looked into, and stays as it is: `chmod u+rwx {}` opens it",
                word(&path)
            )
        })
    }

    /// In one line, for people. The name comes from inside: nothing of it is for a terminal to obey, nor for a shell.
    pub(super) fn line(&self) -> String {
        let path = shown(&self.path);
        if !matches!(self.what, What::LookedFor(_)) {
            return format!("what this run made in `{path}` is not known: it could not be searched");
        }
        match self.path.file_name().and_then(|name| name.to_str()) {
            // The settings that are looked at must start nothing: `core.pager` is one of them.
            Some(".git") => format!(
                "made in this run: `{path}`, whose settings git on the host takes; look with `git --no-pager -c core.fsmonitor=false \
                 -C {} config --list --local`",
                word(&shown(self.path.parent().unwrap_or(&self.path)))
            ),
            _ => format!("made in this run: `{path}`, which programs on the host may run or trust"),
        }
    }

    /// As a line of a report.
    pub(super) fn to_json(&self, plan: &Plan<'_>) -> Value {
        let (event, origin) = match self.what {
            What::LookedFor(origin) => ("made", plan.origins.get(usize::from(origin))),
            What::Closed | What::Late => ("not_searched", None),
        };
        let origin =
            origin.map(|at| json!({"file": at.file, "line": at.line, "column": at.column, "text": at.text}));
        json!({"event": event, "path": self.path.to_string_lossy(), "origin": origin, "sentence": self.line()})
    }
}

/// A path without what a terminal would obey or hide.
pub(super) fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

/// One word of a shell's: what is written here is pasted there.
pub(super) fn word(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+,:@".contains(&byte);
    if text.bytes().all(is_plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// Whether names in a directory can be looked up.
fn can_enter(directory: &Path) -> bool {
    nix::unistd::access(directory, nix::unistd::AccessFlags::X_OK).is_ok()
}

/// What the searches of `plan` find, and what is there of what it denies only then; `place` gives the path on the host of a plan's.
pub(super) fn find(plan: &Plan<'_>, place: impl Fn(PlanPath<'_>) -> Option<PathBuf>) -> BTreeSet<Found> {
    let mut walk = Walk { left: DIRECTORIES_MAX, found: BTreeSet::new() };
    for searches in plan.searches.chunk_by(|one, other| one.root == other.root) {
        let Some(root) = searches.first().and_then(|first| place(first.root)) else { continue };
        walk.directory(&root, 0, searches);
    }
    let skipped = |deny: &&Deny<'_>| deny.missing == Missing::Skip && deny.rights.contains(Rights::WRITE);
    for deny in plan.denies.iter().filter(skipped) {
        if let Some(path) = place(deny.path) {
            walk.add(&path, What::LookedFor(deny.origin.0));
        }
    }
    walk.found
}

/// What is in `after` and not in `before`.
pub(super) fn news(before: &BTreeSet<Found>, after: &BTreeSet<Found>) -> Vec<Found> {
    let mut made: Vec<Found> = after.difference(before).cloned().collect();
    // What lies in something new is no news.
    made.dedup_by(|later, earlier| later.path.starts_with(&earlier.path));
    made
}

struct Walk {
    left: usize,
    found: BTreeSet<Found>,
}

impl Walk {
    fn directory(&mut self, directory: &Path, level: u8, searches: &[Search<'_>]) {
        // The next launch refuses so many; a program may have made them.
        let Some(()) = self.count() else { return self.add(directory, What::Late) };
        let entries = match std::fs::read_dir(directory) {
            Ok(entries) if can_enter(directory) => entries,
            _ => return self.add(directory, What::Closed),
        };
        let here: Vec<&Search<'_>> = searches.iter().filter(|search| search.depth >= level).collect();
        let asked: BTreeSet<&[u8]> = here
            .iter()
            .flat_map(|search| [search.beside.as_bytes(), first(search.rest).as_bytes()])
            .collect();
        let is_last = searches.iter().all(|search| search.depth <= level);
        let (mut present, mut below) = (Vec::new(), Vec::new());
        for entry in entries.flatten() {
            let name = entry.file_name();
            if !is_last && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                below.push(name.clone());
            }
            if asked.contains(name.as_bytes()) {
                present.push(name);
            }
        }
        self.add_here(directory, &here, |name| present.iter().any(|it| it.as_bytes() == name.as_bytes()));
        if below.is_empty() {
            return;
        }
        let deepest: Vec<&Search<'_>> = searches.iter().filter(|search| search.depth > level).collect();
        let ends_below = deepest.iter().all(|search| search.depth == level + 1);
        let opened = if ends_below { File::open(directory).ok() } else { None };
        for name in below {
            let path = directory.join(name);
            match &opened {
                Some(parent) => self.deepest(parent, &path, &deepest),
                None => self.directory(&path, level + 1, searches),
            }
        }
    }

    /// Asks in a directory in `parent` for what the searches look for, where none of them looks deeper: most have many files,
    /// and nothing of it.
    fn deepest(&mut self, parent: &File, path: &Path, searches: &[&Search<'_>]) {
        let (Some(()), Some(own)) = (self.count(), path.file_name()) else {
            return self.add(path, What::Late);
        };
        let mut asked: Vec<(&str, bool)> = Vec::new();
        let mut is_closed = false;
        let mut has = |name| {
            if let Some((_, is_there)) = asked.iter().find(|(other, _)| *other == name) {
                return *is_there;
            }
            let there = fstatat(parent, &Path::new(own).join(name), AtFlags::AT_SYMLINK_NOFOLLOW);
            is_closed |= there.is_err_and(|errno| !matches!(errno, Errno::ENOENT | Errno::ENOTDIR));
            asked.push((name, there.is_ok()));
            there.is_ok()
        };
        let found: Vec<&Search<'_>> =
            searches.iter().filter(|search| has(search.beside) && has(first(search.rest))).copied().collect();
        if is_closed {
            self.add(path, What::Closed);
        }
        self.add_here(path, &found, |_| true);
    }

    /// Adds what `searches` find in `directory`, which `has` what it has.
    fn add_here(&mut self, directory: &Path, searches: &[&Search<'_>], has: impl Fn(&str) -> bool) {
        for search in searches {
            let name = first(search.rest);
            // What is looked for itself; of what lies beside something else, what is denied.
            let found = if name == search.beside { name } else { search.rest };
            if has(name) && has(search.beside) {
                self.add(&directory.join(found), What::LookedFor(search.origin.0));
            }
        }
    }

    /// Counts a directory; `None` for one too many.
    fn count(&mut self) -> Option<()> {
        self.left = self.left.checked_sub(1)?;
        Some(())
    }

    fn add(&mut self, path: &Path, what: What) {
        // What has gone away meanwhile is not there.
        if let Ok(stat) = std::fs::symlink_metadata(path) {
            let identity = (stat.dev(), stat.ino());
            self.found.insert(Found { path: path.to_owned(), what, identity });
        }
    }
}

/// The first component of a path.
fn first(path: &str) -> &str {
    path.split('/').next().unwrap_or_default()
}
