//! Compares who may say `unsafe` with `layers.toml`: the lint that forbids it can be turned off where it stands.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// A sentence for each crate that may say `unsafe` and is not in `may`, and for each in `may` that need not be.
pub(super) fn check(root: &Path, may: &BTreeSet<String>) -> Result<Vec<String>, Box<dyn Error>> {
    let mut wrong = Vec::new();
    for manifest in manifests(root)? {
        let folder = manifest.parent().unwrap_or(root);
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let table: toml::Table = fs::read_to_string(&manifest)?.parse()?;
        let lints = table.get("lints").and_then(|lints| lints.get("workspace"));
        if lints.and_then(toml::Value::as_bool) != Some(true) {
            wrong.push(format!("{name} does not take the workspace's lints"));
        }
        let allowing =
            sources(folder)?.into_iter().filter(|file| file.1.lines().any(allows)).map(|file| file.0);
        let allowing: Vec<PathBuf> = allowing.collect();
        match (may.contains(&name), allowing.first()) {
            (false, Some(file)) => {
                wrong.push(format!("{} allows unsafe code, and layers.toml does not", file.display()));
            }
            (true, None) => wrong.push(format!("{name} has no unsafe code, but may by layers.toml")),
            _ => {}
        }
    }
    Ok(wrong)
}

/// Whether a line turns the lint off. A group of lints that holds it counts too.
pub(super) fn allows(line: &str) -> bool {
    let line = line.trim_start();
    let attribute = line.starts_with("#[") || line.starts_with("#![");
    let turns_off = ["allow(", "expect(", "warn("].iter().any(|word| line.contains(word));
    attribute && turns_off && line.contains("unsafe_code")
}

fn manifests(root: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut manifests = vec![root.join("benches/Cargo.toml")];
    for entry in fs::read_dir(root.join("crates"))? {
        manifests.push(entry?.path().join("Cargo.toml"));
    }
    manifests.retain(|manifest| manifest.is_file());
    manifests.sort();
    Ok(manifests)
}

/// Every Rust file below `folder`, with its text.
fn sources(folder: &Path) -> Result<Vec<(PathBuf, String)>, Box<dyn Error>> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push((path.clone(), fs::read_to_string(path)?));
            }
        }
    }
    found.sort();
    Ok(found)
}
