//! What is in the way of a launch: the launcher names the line of the policy that it could not hold, and here the folder is
//! looked through for what an earlier run, or anybody, left there, with what to type.

use super::made::{Found, What, shown, word};
use msb_plan::event::{Failure, Step};
use msb_plan::{Path as PlanPath, Plan};
use nix::libc::{EFBIG, ELOOP};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

/// Something that has to go before the launch.
#[derive(Debug)]
pub(super) struct Obstacle {
    path: PathBuf,
    sentence: String,
}

impl Obstacle {
    /// In one line, for people.
    pub(super) fn line(&self) -> &str {
        &self.sentence
    }

    /// As a line of a report.
    pub(super) fn to_json(&self) -> Value {
        json!({"event": "in_the_way", "path": self.path.to_string_lossy(), "sentence": self.sentence})
    }
}

/// What `failure` is about, if it can be found: among what the searches of `plan` `found` before the launch, and what its
/// denies name, of which `place` gives the path on the host.
pub(super) fn find(
    failure: Failure,
    plan: &Plan<'_>,
    found: impl Iterator<Item = Found>,
    place: impl Fn(PlanPath<'_>) -> Option<PathBuf>,
) -> Option<Obstacle> {
    let found: Vec<Found> = found.collect();
    if failure.step == Step::Search && i32::from(failure.errno) == EFBIG {
        let root = plan.searches.iter().find(|search| failure.origin == Some(search.origin))?.root;
        return Some(crowded(&place(root)?, &found));
    }
    let named = plan.denies.iter().filter(|deny| failure.origin == Some(deny.origin));
    let named =
        named.filter_map(|deny| Some((place(PlanPath { rest: "", ..deny.path })?, place(deny.path)?)));
    let of_line = plan.searches.iter().filter(|search| failure.origin == Some(search.origin));
    let searched = of_line.flat_map(|search| {
        let root = place(search.root).unwrap_or_default();
        let here = found.iter().filter(move |found| found.what == What::LookedFor(search.origin.0));
        here.map(move |found| {
            // Of what is looked for itself, the first component was found.
            let whole = || Some(found.path.parent()?.join(search.rest));
            let path = if found.path.ends_with(search.rest) { None } else { whole() };
            (root.clone(), path.unwrap_or_else(|| found.path.clone()))
        })
    });
    let mut places = named.chain(searched);
    match failure.step {
        Step::DenyHardLink => places.find_map(|(_, path)| hard_link(path)),
        Step::DenySource if i32::from(failure.errno) == ELOOP => {
            places.find_map(|(root, path)| strange_link(&root, &path))
        }
        _ => None,
    }
}

fn hard_link(path: PathBuf) -> Option<Obstacle> {
    let stat = std::fs::symlink_metadata(&path).ok().filter(|stat| stat.is_file() && stat.nlink() > 1)?;
    let (name, file) = (shown(&path), word(&shown(&path)));
    let others = stat.nlink() - 1;
    let sentence = format!(
        "`{name}` has {others} other hard link{}: `cp -p {file} {file}.new && mv {file}.new {file}` makes it a file of its own",
        if others == 1 { "" } else { "s" }
    );
    Some(Obstacle { path, sentence })
}

/// The first link below `root` on the way to `path` that goes up from what it names itself, or round in a circle.
fn strange_link(root: &Path, path: &Path) -> Option<Obstacle> {
    let mut ways: Vec<&Path> =
        path.ancestors().take_while(|way| *way != root && !way.as_os_str().is_empty()).collect();
    ways.reverse();
    ways.into_iter().find_map(|way| {
        let to = std::fs::read_link(way).ok()?;
        let mut after_name = to.components().skip_while(|part| !matches!(part, Component::Normal(_)));
        let is_circle = || way.metadata().is_err_and(|error| error.raw_os_error() == Some(ELOOP));
        if !after_name.any(|part| part == Component::ParentDir) && !is_circle() {
            return None;
        }
        let name = shown(way);
        let sentence =
            format!("`{name}` is a symbolic link to `{}`: `rm {}` takes it away", shown(&to), word(&name));
        Some(Obstacle { path: way.to_owned(), sentence })
    })
}

/// Where most of what is searched lies: a folder of `root`, or `root` itself.
fn crowded(root: &Path, found: &[Found]) -> Obstacle {
    // Without a `/` at its end.
    let root: &Path = &root.components().collect::<PathBuf>();
    let mut counts: BTreeMap<PathBuf, usize> = BTreeMap::new();
    let mut total = 0;
    for child in std::fs::read_dir(root).into_iter().flatten().flatten() {
        if child.file_type().is_ok_and(|kind| kind.is_dir()) {
            let path = child.path();
            let directories = std::fs::read_dir(&path).into_iter().flatten().flatten().count();
            let places = found.iter().filter(|found| found.path.starts_with(&path)).count();
            total += 1 + directories + places;
            counts.insert(path, 1 + directories + places);
        }
    }
    let most = counts.into_iter().max_by_key(|(_, count)| *count).filter(|(_, count)| *count * 2 > total);
    let path = most.map_or_else(|| root.to_owned(), |(path, _)| path);
    let sentence = format!(
        "most of it lies in `{0}`: `find {1} -maxdepth 3 -type d` lists it",
        shown(&path),
        word(&shown(&path))
    );
    Obstacle { path, sentence }
}
