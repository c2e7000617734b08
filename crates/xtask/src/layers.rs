//! Compares the crates' dependencies with `layers.toml`, so that the design's absences stay absent.

mod unsafety;

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::{env, io};

/// What each crate uses, or may use.
type Edges = BTreeMap<String, BTreeSet<String>>;

/// A sentence for each edge that `layers.toml` does not have.
pub(crate) fn check() -> Result<Vec<String>, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let allowed: toml::Table = std::fs::read_to_string(root.join("crates/xtask/layers.toml"))?.parse()?;
    let may_use = rows(&allowed)?;
    let linked_allowed = list(allowed.get("launcher").and_then(|row| row.get("linked")))?;

    let mut wrong = compare(&edges(&cargo(&root, METADATA)?)?, &may_use);
    let linked = linked(&cargo(&root, LAUNCHER_TREE)?);
    if !linked.contains("msb-launch") {
        return Err("`cargo tree` does not list msb-launch".into());
    }
    wrong.extend(unsafety::check(&root, &list(allowed.get("unsafe").and_then(|row| row.get("may")))?)?);
    let surplus = linked.difference(&linked_allowed);
    wrong.extend(surplus.map(|name| format!("msb-launch links {name}, which is not in layers.toml")));
    Ok(wrong)
}

const METADATA: &[&str] = &["metadata", "--format-version", "1", "--no-deps"];
const LAUNCHER_TREE: &[&str] = &[
    "tree",
    "-p",
    "msb-launch",
    "-e",
    "no-dev,no-build,no-proc-macro",
    "--prefix",
    "none",
    "--format",
    "{p}",
];

fn cargo(root: &Path, words: &[&str]) -> io::Result<String> {
    let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let out = Command::new(program).args(words).current_dir(root).output()?;
    if out.status.success() {
        return Ok(String::from_utf8_lossy(&out.stdout).into_owned());
    }
    Err(io::Error::other(String::from_utf8_lossy(&out.stderr).into_owned()))
}

fn rows(table: &toml::Table) -> Result<Edges, Box<dyn Error>> {
    let rows = table.get("may-use").and_then(toml::Value::as_table).ok_or("layers.toml has no [may-use]")?;
    rows.iter().map(|(name, row)| Ok((name.clone(), list(Some(row))?))).collect()
}

fn list(value: Option<&toml::Value>) -> Result<BTreeSet<String>, Box<dyn Error>> {
    let items = value.and_then(toml::Value::as_array).ok_or("layers.toml has a row that is no list")?;
    let text = |item: &toml::Value| {
        item.as_str().map(str::to_owned).ok_or("layers.toml has an item that is no text")
    };
    Ok(items.iter().map(text).collect::<Result<_, _>>()?)
}

/// The direct dependencies of each crate of the workspace, those for tests left out.
fn edges(metadata: &str) -> Result<Edges, Box<dyn Error>> {
    let metadata: Value = serde_json::from_str(metadata)?;
    let packages = metadata["packages"].as_array().ok_or("cargo metadata has no packages")?;
    let name = |value: &Value| value["name"].as_str().unwrap_or_default().to_owned();
    let uses = |package: &Value| {
        let dependencies = package["dependencies"].as_array().into_iter().flatten();
        dependencies.filter(|d| d["kind"].as_str() != Some("dev")).map(name).collect()
    };
    Ok(packages.iter().map(|package| (name(package), uses(package))).collect())
}

/// The names in a `cargo tree`, whose lines are `NAME vVERSION …`.
fn linked(tree: &str) -> BTreeSet<String> {
    tree.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

fn compare(actual: &Edges, allowed: &Edges) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, uses) in actual {
        let Some(may_use) = allowed.get(name) else {
            wrong.push(format!("{name} has no row in layers.toml"));
            continue;
        };
        let surplus = uses.difference(may_use);
        wrong.extend(surplus.map(|used| format!("{name} uses {used}, which is not in layers.toml")));
    }
    let gone = allowed.keys().filter(|name| !actual.contains_key(*name));
    wrong.extend(gone.map(|name| format!("layers.toml has a row for {name}, which is no crate")));
    wrong
}

#[cfg(test)]
mod tests;
