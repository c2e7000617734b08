//! Runs every example of README.md, docs/ and policy-lang/spec/ against the built commands.
//!
//! The commands come from `MSB_BIN_DIR`; without it `scripts/build.sh` builds them first, so that no stale
//! binary answers. Each page has a folder of its own with a copy of policy-lang/ and scripts/.

use msb_docs_test::{Block, Example, blocks, matches, steps};
use msb_testkit::{Need, skip};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::{env, fs};
use tempfile::TempDir;

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the checkout")
}

/// The folder of `msbc` and `msb-launch`.
fn bin_dir() -> &'static Path {
    static BIN_DIR: OnceLock<PathBuf> = OnceLock::new();
    BIN_DIR.get_or_init(|| {
        if let Some(dir) = env::var_os("MSB_BIN_DIR") {
            return PathBuf::from(dir);
        }
        let built = Command::new("scripts/build.sh").current_dir(checkout()).status().expect("bash");
        assert!(built.success(), "scripts/build.sh failed");
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| checkout().join("target"), PathBuf::from).join("dist")
    })
}

/// Every page with its examples.
fn pages() -> BTreeMap<PathBuf, Vec<Block>> {
    let mut files = vec![PathBuf::from("README.md"), PathBuf::from("policy-lang/CHANGELOG.md")];
    for folder in ["docs/src", "docs/adr", "policy-lang/spec"] {
        markdown_below(&checkout(), Path::new(folder), &mut files);
    }
    // The policies on pages of codes are compiled by msb-compile's own test; here are those that show a launch.
    let mut codes = Vec::new();
    markdown_below(&checkout(), Path::new("policy-lang/errors"), &mut codes);
    let page = |file: &PathBuf| fs::read_to_string(checkout().join(file)).expect("a page");
    files.extend(codes.into_iter().filter(|file| page(file).contains("```console")));
    let read = |file: PathBuf| {
        let text = fs::read_to_string(checkout().join(&file)).expect("a page");
        let found = blocks(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        (file, found)
    };
    files.into_iter().map(read).collect()
}

fn markdown_below(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(root.join(folder)).expect("a folder of pages") {
        let entry = entry.expect("an entry");
        let path = folder.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            markdown_below(root, &path, files);
        } else if path.extension().is_some_and(|e| e == "md") {
            files.push(path);
        }
    }
}

/// A folder for the commands of one page.
fn workbench() -> TempDir {
    let dir = TempDir::new().expect("a folder");
    let copied = Command::new("cp")
        .args(["-r", "policy-lang", "scripts"])
        .arg(dir.path())
        .current_dir(checkout())
        .status()
        .expect("cp");
    assert!(copied.success());
    fs::create_dir(dir.path().join("home")).expect("a home");
    dir
}

/// What `script` prints on both streams, and its exit status.
fn shell(dir: &Path, script: &str) -> (String, i32) {
    let path = format!("{}:{}", bin_dir().display(), env::var("PATH").expect("PATH"));
    let out = Command::new("bash")
        .args(["-c", &format!("exec 2>&1\n{script}")])
        .current_dir(dir)
        .env("PATH", path)
        .env("HOME", dir.join("home"))
        .env("MSB_BIN_DIR", bin_dir())
        .env("CARGO_TARGET_DIR", dir.join("target"))
        .env("NO_COLOR", "1")
        .env("COLUMNS", "100")
        .output()
        .expect("bash");
    (String::from_utf8_lossy(&out.stdout).into_owned(), out.status.code().unwrap_or(-1))
}

/// Runs the transcript `block`; what went wrong. A command may fail only where the next one is `echo $?`.
fn run_transcript(dir: &Path, block: &Block) -> Vec<String> {
    let steps = match steps(&block.text) {
        Ok(steps) => steps,
        Err(e) => return vec![e],
    };
    let mut wrong = Vec::new();
    let mut status = 0;
    for (i, step) in steps.iter().enumerate() {
        let (printed, now) = shell(dir, &format!("(exit {status})\n{}", step.command));
        status = now;
        if !matches(&step.expected, &printed) {
            wrong.push(format!("`{}` printed\n{printed}instead of\n{}", step.command, step.expected));
        }
        let told = steps.get(i + 1).is_some_and(|next| next.command == "echo $?");
        if status != 0 && !told {
            wrong.push(format!("`{}` ended with {status}, printing\n{printed}", step.command));
        }
    }
    wrong
}

fn has_node() -> bool {
    Command::new("node").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// What is wrong with a policy that is said to be accepted (`code` is none) or refused with `code`.
fn check_policy(dir: &Path, text: &str, code: Option<&str>) -> Option<String> {
    fs::write(dir.join("example.msb"), text).expect("a file");
    let (printed, status) = shell(dir, "msbc check example.msb");
    match code {
        None => (status != 0).then(|| format!("is refused ({status}):\n{printed}")),
        Some(code) => (status != 1 || !printed.contains(code))
            .then(|| format!("is not refused with {code} ({status}):\n{printed}")),
    }
}

#[test]
fn every_example_does_what_the_page_says() {
    let mut wrong = Vec::new();
    let mut examples = 0;
    for (page, blocks) in pages() {
        if blocks.iter().all(|b| b.example == Example::None) {
            continue;
        }
        let dir = workbench();
        for block in &blocks {
            let found = match &block.example {
                Example::ConsoleOfNode if !has_node() => {
                    skip(Need::Node, "node is not here");
                    continue;
                }
                Example::Console | Example::ConsoleOfNode => run_transcript(dir.path(), block),
                Example::Accept => check_policy(dir.path(), &block.text, None).into_iter().collect(),
                Example::Reject(code) => {
                    check_policy(dir.path(), &block.text, Some(code)).into_iter().collect()
                }
                Example::File(name) => {
                    fs::write(dir.path().join(name), &block.text).expect("a file");
                    continue;
                }
                Example::None => continue,
            };
            examples += 1;
            wrong.extend(found.into_iter().map(|w| format!("{}:{}: {w}", page.display(), block.line)));
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n\n"));
    assert!(examples >= 20, "only {examples} examples were found");
}

#[test]
fn policies_of_the_benches_and_the_rig_are_accepted_without_a_warning() {
    let dir = workbench();
    let mut wrong = Vec::new();
    for folder in ["benches/policies", "rig/policies"] {
        for entry in fs::read_dir(checkout().join(folder)).expect(folder) {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|e| e == "msb") {
                let (printed, status) = shell(dir.path(), &format!("msbc check '{}'", path.display()));
                if (status, printed.as_str()) != (0, "") {
                    wrong.push(format!("{} ({status}):\n{printed}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_readme_names_the_two_commands() {
    let readme = fs::read_to_string(checkout().join("README.md")).expect("README.md");
    for command in ["scripts/demo.sh", "scripts/test.sh"] {
        assert!(readme.contains(command), "{command}");
        assert!(checkout().join(command).is_file(), "{command}");
    }
}

#[test]
fn every_page_of_the_book_is_in_its_summary() {
    let summary = fs::read_to_string(checkout().join("docs/src/SUMMARY.md")).expect("SUMMARY.md");
    for page in pages().into_keys().filter(|p| p.starts_with("docs/src") && !p.ends_with("SUMMARY.md")) {
        let name = page.strip_prefix("docs/src").expect("below").to_str().expect("UTF-8").to_owned();
        assert!(summary.contains(&format!("({name})")), "{name}");
    }
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut broken = Vec::new();
    for page in pages().into_keys() {
        let text = fs::read_to_string(checkout().join(&page)).expect("a page");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            if file.is_empty() || link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let from = checkout().join(&page);
            if !from.parent().expect("a folder").join(file).exists() {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}
