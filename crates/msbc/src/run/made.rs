//! What a run made that a search of the policy looks for: the next start denies it, and until then it is for whoever works in
//! the folder to know of.
//!
//! The launcher searched the folder before the run; here it is searched again, as deep, and what was born since then is told.

use msb_plan::{Path as PlanPath, Plan, Search};
use serde_json::{Value, json};
use std::fs::{DirEntry, Metadata};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Directories that are looked into, as many as a launcher does.
const DIRECTORIES_MAX: usize = 1 << 15;
/// How far the times of files are behind the clock: a tick of the kernel's (CONFIG_HZ, at least 100).
const CLOCK: Duration = Duration::from_millis(10);

/// Something that was made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Made {
    /// Where.
    pub(super) path: PathBuf,
    /// The line that looks for it.
    origin: u16,
}

impl Made {
    /// In one line, for people. The name comes from inside: nothing of it is for a terminal to obey.
    pub(super) fn line(&self) -> String {
        let mut path = String::new();
        for character in self.path.to_string_lossy().chars() {
            if character.is_control() || msb_diag::is_invisible(character) {
                path.extend(character.escape_unicode());
            } else {
                path.push(character);
            }
        }
        let parent = || path.rsplit_once('/').map_or("", |(parent, _)| parent);
        match self.path.file_name().and_then(|name| name.to_str()) {
            Some(".git") => format!(
                "made in this run: `{path}`, whose settings git on the host takes; look with `git -c core.fsmonitor=false -C {} \
                 config --list --local`",
                parent()
            ),
            _ => format!("made in this run: `{path}`, which programs on the host may run or trust"),
        }
    }

    /// As a line of a report.
    pub(super) fn to_json(&self, plan: &Plan<'_>) -> Value {
        let origin = plan
            .origins
            .get(usize::from(self.origin))
            .map(|at| json!({"file": at.file, "line": at.line, "column": at.column, "text": at.text}));
        json!({"event": "made", "path": self.path.to_string_lossy(), "origin": origin, "sentence": self.line()})
    }
}

/// What was made since `since` of what the searches of `plan` look for; `place` gives the path on the host of a plan's.
pub(super) fn find(
    plan: &Plan<'_>,
    place: impl Fn(PlanPath<'_>) -> Option<PathBuf>,
    since: SystemTime,
) -> Vec<Made> {
    let since = since.checked_sub(CLOCK).unwrap_or(since);
    let mut walk = Walk { since, left: DIRECTORIES_MAX, made: Vec::new() };
    for searches in plan.searches.chunk_by(|one, other| one.root == other.root) {
        let Some(root) = searches.first().and_then(|first| place(first.root)) else { continue };
        walk.directory(&root, 0, searches);
    }
    walk.made.sort();
    walk.made.dedup_by(|later, earlier| later.path == earlier.path);
    walk.made
}

struct Walk {
    since: SystemTime,
    left: usize,
    made: Vec<Made>,
}

impl Walk {
    fn directory(&mut self, directory: &Path, level: u8, searches: &[Search<'_>]) {
        // What cannot be read, or is too much, the next launch refuses; here it is only told of less.
        let Some(left) = self.left.checked_sub(1) else { return };
        self.left = left;
        let Ok(entries) = std::fs::read_dir(directory) else { return };
        let entries: Vec<DirEntry> = entries.flatten().collect();
        for search in searches.iter().filter(|search| search.depth >= level) {
            let has =
                |name: &str| entries.iter().any(|entry| entry.file_name().as_bytes() == name.as_bytes());
            let name = search.rest.split('/').next().unwrap_or_default();
            // What is looked for itself; of what lies beside something else, what is denied.
            let found = if name == search.beside { name } else { search.rest };
            let path = directory.join(found);
            if has(name) && has(search.beside) && self.is_new(&path) {
                self.made.push(Made { path, origin: search.origin.0 });
            }
        }
        if searches.iter().all(|search| search.depth <= level) {
            return;
        }
        for entry in entries.iter().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            self.directory(&entry.path(), level + 1, searches);
        }
    }

    /// Whether somebody made it since then; a file system that knows no births knows changes (statx(2)).
    fn is_new(&self, path: &Path) -> bool {
        let Ok(stat) = std::fs::symlink_metadata(path) else { return false };
        let changed = |stat: &Metadata| {
            let since_epoch =
                Duration::new(stat.ctime().unsigned_abs(), u32::try_from(stat.ctime_nsec()).unwrap_or(0));
            SystemTime::UNIX_EPOCH + since_epoch
        };
        stat.created().unwrap_or_else(|_| changed(&stat)) >= self.since
    }
}
