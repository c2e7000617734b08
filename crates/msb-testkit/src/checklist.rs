//! The rows of the security checklist (`probes/checklist.tsv`) and the probes that stand for them.

use std::path::{Path, PathBuf};
use std::process::Command;

/// How much a row matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Blocks a release.
    Must,
    /// Holds, or there is a reason that is written down.
    Should,
    /// Reported.
    May,
}

/// What a probe must find under a strict policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// It works.
    Allowed,
    /// It is refused, or there is nothing to try it on.
    Blocked,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// `category.name`.
    pub id: String,
    /// How much it matters.
    pub level: Level,
    /// What must come of it.
    pub expected: Expected,
    /// Where it comes from and which policy may permit it.
    pub note: String,
}

impl Row {
    /// What stands before the dot.
    #[must_use]
    pub fn category(&self) -> &str {
        self.id.split('.').next().unwrap_or_default()
    }
}

/// Where the probes are.
#[must_use]
pub fn probes_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("probes")
}

/// Every row, in the order of the file.
///
/// # Panics
/// When the file is not as it should be.
#[must_use]
pub fn checklist() -> Vec<Row> {
    let path = probes_dir().join("checklist.tsv");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    assert_eq!(lines.next(), Some("id\tlevel\texpected\tnote"), "the head of checklist.tsv");
    lines.map(row).collect()
}

fn row(line: &str) -> Row {
    let fields: Vec<&str> = line.split('\t').collect();
    let [id, level, expected, note] = fields[..] else { panic!("checklist.tsv: `{line}`") };
    let level = match level {
        "must" => Level::Must,
        "should" => Level::Should,
        "may" => Level::May,
        _ => panic!("checklist.tsv: `{level}` is no level"),
    };
    let expected = match expected {
        "allowed" => Expected::Allowed,
        "blocked" => Expected::Blocked,
        _ => panic!("checklist.tsv: `{expected}` is nothing to expect"),
    };
    Row { id: id.into(), level, expected, note: note.into() }
}

/// The ids of all probes, from the probes themselves.
///
/// # Panics
/// When they can't be listed.
#[must_use]
pub fn probe_ids() -> Vec<String> {
    let list = Command::new("/usr/bin/python3").arg(probes_dir().join("probe.py")).arg("--list").output();
    let list = list.unwrap_or_else(|error| panic!("/usr/bin/python3: {error}"));
    assert!(list.status.success(), "{}", String::from_utf8_lossy(&list.stderr));
    String::from_utf8_lossy(&list.stdout).lines().map(str::to_owned).collect()
}
