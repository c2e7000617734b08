//! No profile has a rule that nothing needs: each is taken away in turn, and something breaks.
//!
//! A rule is what stands between two commas: a path, a variable, a group of calls, an included profile. A grant is
//! needed where a script that works with it does not work without it. A deny is needed where what it refuses can be
//! done without it.

use crate::confined::{Confined, Trial};
use crate::rules::{self, Proof, Rules};
use crate::tools;
use msb_testkit::{Account, Need};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// A rule of a profile: where it stands in the profile's JSON.
#[derive(Debug, Clone)]
struct Item {
    /// The profile within the file.
    profile: usize,
    /// The section, the rule in it, and the word of the rule.
    at: Vec<Step>,
    /// What it says: `read /etc/services`, `errno EPERM chmod`.
    label: String,
}

#[derive(Debug, Clone)]
enum Step {
    Key(String),
    Index(usize),
}

/// The file of the standard library as JSON.
fn standard(name: &str) -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../policy-lang/std/{name}.msb"));
    let mut convert = Command::new(&msb_testkit::binaries().msbc);
    let ended = msb_testkit::finish(convert.arg("convert").arg(file).args(["--to", "json"]), 60);
    assert_eq!(ended.code(), 0, "{}", ended.err());
    serde_json::from_slice(&ended.stdout).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn items(file: &Value) -> Vec<Item> {
    let mut all = Vec::new();
    let profiles = file["profiles"].as_array().expect("profiles");
    for (index, profile) in profiles.iter().enumerate() {
        let mut add = |at: Vec<Step>, label: String| all.push(Item { profile: index, at, label });
        let key = |key: &str| Step::Key(key.to_owned());
        for (section, content) in profile.as_object().expect("an object") {
            match (section.as_str(), content) {
                ("name" | "doc" | "docs" | "params" | "accept", _) => {}
                ("include", Value::Array(names)) => {
                    for (n, name) in names.iter().enumerate() {
                        let name =
                            name.as_str().or_else(|| name.as_object()?.keys().next().map(String::as_str));
                        add(vec![key(section), Step::Index(n)], format!("include {}", name.expect("a name")));
                    }
                }
                ("env", Value::Object(rules)) => {
                    for (verb, names) in rules {
                        for (n, name) in names.as_array().into_iter().flatten().enumerate() {
                            let label = format!("{verb} {}", name.as_str().expect("a name"));
                            add(vec![key(section), key(verb), Step::Index(n)], label);
                        }
                        for name in names.as_object().into_iter().flat_map(|names| names.keys()) {
                            add(vec![key(section), key(verb), key(name)], format!("{verb} {name}"));
                        }
                    }
                }
                ("fs" | "syscalls", Value::Array(rules)) => {
                    for (r, rule) in rules.iter().enumerate() {
                        for (n, (verb, label)) in subjects(rule).into_iter().enumerate() {
                            add(vec![key(section), Step::Index(r), key(&verb), Step::Index(n)], label);
                        }
                    }
                }
                other => panic!("this test does not know of {other:?}"),
            }
        }
    }
    all
}

/// What a rule is about, with the word under which it stands.
fn subjects(rule: &Value) -> Vec<(String, String)> {
    let rule = rule.as_object().expect("a rule");
    let (verb, list) = rule.iter().find(|(_, value)| value.is_array()).expect("a list");
    let errno = rule.get("errno").and_then(Value::as_str);
    let action = errno.map_or(verb.clone(), |errno| format!("errno {errno}"));
    let word =
        |value: &Value| value.as_str().expect("text").split(" where ").next().unwrap_or_default().to_owned();
    list.as_array()
        .into_iter()
        .flatten()
        .map(|value| (verb.clone(), format!("{action} {}", word(value))))
        .collect()
}

/// `file` without `item`; a rule about nothing goes, too.
fn without(file: &Value, item: &Item) -> Value {
    let mut file = file.clone();
    let mut place = &mut file["profiles"][item.profile];
    let (last, above) = item.at.split_last().expect("a place");
    for step in above {
        place = match step {
            Step::Key(key) => &mut place[key.as_str()],
            Step::Index(index) => &mut place[*index],
        };
    }
    match (last, place) {
        (Step::Key(key), Value::Object(rules)) => drop(rules.remove(key)),
        (Step::Index(index), Value::Array(list)) => {
            let removed = list.remove(*index);
            // A condition stands at the end of its list, and is about all of it.
            let condition =
                removed.as_str().and_then(|it| it.split_once(" where ")).map(|(_, it)| it.to_owned());
            if let (Some(condition), Some(Value::String(last))) = (condition, list.last_mut()) {
                last.push_str(&format!(" where {condition}"));
            }
        }
        other => panic!("{other:?}"),
    }
    for section in ["fs", "syscalls"] {
        if let Some(Value::Array(rules)) = file["profiles"][item.profile].get_mut(section) {
            rules.retain(|rule| !subjects(rule).is_empty());
        }
    }
    file
}

/// A table of rules, the file that they are in, and what its scripts need.
struct Case<'a> {
    rules: &'a Rules,
    file: &'a Value,
    tools: Option<PathBuf>,
}

impl Case<'_> {
    /// Runs `script` under `profile` of `file`: whether it works, and what was said.
    fn run(
        &self,
        confined: &mut Confined,
        (file, profile): (&Value, &str),
        files: &[(&str, &str)],
        script: &str,
    ) -> (bool, String) {
        let json = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
        let mut include = json(self.rules.beside);
        include.as_array_mut().expect("a list").push(json!({profile: json(self.rules.arguments)}));
        let trial = Trial { include, profiles: Some(&file["profiles"]), tools: self.tools.as_deref() };
        let tools = self.tools.as_deref().unwrap_or(Path::new("/nowhere"));
        match confined.try_run(&trial, files, &format!("TOOLS={}; {script}", tools.display())) {
            Ok(ended) => (ended.code() == 0, format!("{} {}{}", ended.code(), ended.out(), ended.err())),
            // The compiler knows that nothing can work.
            Err(said) if said.contains("MSB0719") => (false, said),
            Err(said) => panic!("{said}"),
        }
    }

    /// What is wrong with `item`, whose proof this is.
    #[expect(clippy::print_stdout, reason = "what this machine cannot show is for the log of the test run")]
    fn judge(&self, confined: &mut Confined, item: &Item, proof: Proof) -> Option<String> {
        let (script, with) = match proof {
            Proof::Works(script) => (script, true),
            Proof::Refuses(script) => (script, false),
            Proof::Elsewhere(why) => {
                println!("{}: {why}", item.label);
                return None;
            }
        };
        let path = item.label.split_once(" /etc/").map(|(_, rest)| Path::new("/etc").join(rest));
        if let Some(path) = path.filter(|path| !path.exists()) {
            // Without it on the host there is nothing to be shown.
            println!("{} is not on this machine", path.display());
            return None;
        }
        let (files, profile) = (self.rules.files, self.rules.file);
        let (whole, said) = self.run(confined, (self.file, profile), files, script);
        if whole != with {
            return Some(format!("{}: with it, `{script}`: {said}", item.label));
        }
        let (less, said) = self.run(confined, (&without(self.file, item), profile), files, script);
        (less == with).then(|| format!("{}: without it, `{script}`: {said}", item.label))
    }
}

/// Runs `judge` for every item, two at a time; what is wrong is what fails.
fn each(
    items: &[Item],
    confined: [Confined; 2],
    judge: impl Fn(&mut Confined, &Item) -> Option<String> + Sync,
) {
    let queue = Mutex::new(items.iter());
    let wrong = Mutex::new(Vec::new());
    let next = || queue.lock().expect("no panic").next();
    let (next, judge, fails) = (&next, &judge, |what| wrong.lock().expect("no panic").push(what));
    let fails = &fails;
    std::thread::scope(|scope| {
        for mut confined in confined {
            scope.spawn(move || {
                while let Some(item) = next() {
                    judge(&mut confined, item).into_iter().for_each(fails);
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("no panic");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn ordinary() -> [Confined; 2] {
    [Confined::new(Account::ordinary()), Confined::new(Account::ordinary())]
}

/// Holds every rule of a file to its row.
fn hold(rules: &Rules, tools: Option<&Path>, confined: [Confined; 2]) {
    let file = standard(rules.file);
    let items: Vec<Item> = items(&file).into_iter().filter(|item| item.profile == 0).collect();
    let mut labels: Vec<&str> = items.iter().map(|item| item.label.as_str()).collect();
    let mut rows: Vec<&str> = rules.rows.iter().map(|(label, _)| *label).collect();
    labels.sort_unstable();
    rows.sort_unstable();
    assert_eq!(labels, rows, "each rule has one row, and each row a rule");
    let case = Case { rules, file: &file, tools: tools.map(Path::to_path_buf) };
    each(&items, confined, |confined, item| {
        let (_, proof) = rules.rows.iter().find(|(label, _)| *label == item.label)?;
        case.judge(confined, item, *proof)
    });
}

#[test]
fn base_has_no_rule_that_nothing_needs() {
    hold(&rules::BASE, None, ordinary());
}

#[test]
fn python_has_no_rule_that_nothing_needs() {
    let Some(made) = tools::venv(&["uv"]) else { return };
    hold(&rules::PYTHON, Some(made.path()), ordinary());
}

#[test]
fn node_has_no_rule_that_nothing_needs() {
    if !tools::need(Need::Node, &["node"]) {
        return;
    }
    let Some(made) = tools::nodenv() else { return };
    hold(&rules::NODE, Some(made.path()), ordinary());
}

#[test]
fn git_has_no_rule_that_nothing_needs() {
    if tools::need(Need::Git, &["git"]) {
        hold(&rules::GIT, None, ordinary());
    }
}

#[test]
fn gcc_and_ci_have_no_rule_that_nothing_needs() {
    let all = tools::need(Need::Compiler, &["gcc"])
        && tools::need(Need::Make, &["make"])
        && tools::need(Need::Git, &["git"]);
    if all {
        hold(&rules::GCC, None, ordinary());
        hold(&rules::CI, None, ordinary());
    }
}

#[test]
fn rust_has_no_rule_that_nothing_needs() {
    if !tools::need(Need::Compiler, &["gcc"]) {
        return;
    }
    let (Some(one), Some(other)) = (tools::rustup(), tools::rustup()) else { return };
    let user = Account::ordinary();
    hold(
        &rules::RUST,
        None,
        [Confined::with_rustup(user, one.path()), Confined::with_rustup(user, other.path())],
    );
}

/// The rule of `file` that an item stands in.
fn rule_of<'f>(file: &'f Value, item: &Item) -> &'f Value {
    match item.at.as_slice() {
        [Step::Key(section), Step::Index(rule), ..] => {
            &file["profiles"][item.profile][section.as_str()][*rule]
        }
        _ => &Value::Null,
    }
}

/// Each path of std.workspace cannot be written, whether it is there before or not (where it says `missing skip`, if it
/// is), and without its rule it can.
#[test]
fn workspace_has_no_rule_that_nothing_needs() {
    let rules = &rules::WORKSPACE;
    let file = standard(rules.file);
    let case = Case { rules, file: &file, tools: None };
    let items = items(&file);
    assert!(items.len() > 20);
    each(&items, ordinary(), |confined, item| {
        let Some(path) = item.label.strip_prefix("deny_write $root/") else {
            if item.label == "set GIT_CONFIG_SYSTEM" {
                let script =
                    "test \"$GIT_CONFIG_SYSTEM\" = /etc/gitconfig && grep -qx /.vscode /etc/gitignore";
                return case.judge(confined, item, Proof::Works(script));
            }
            // The profiles that it includes are held to their own rules.
            let included = ["settings", "hooks", "helpers", "home", "repositories", "subfolders"];
            assert!(included.iter().any(|name| item.label == format!("include {name}")), "{}", item.label);
            return None;
        };
        let rule = rule_of(&file, item);
        // What a search finds: two levels deep beside a repository, where no other rule looks for it, else in the next.
        let searched = path.strip_prefix("**/").map(|name| {
            let beside = rule["beside"].as_str().or(name.split('/').next()).unwrap_or_default();
            let place = if rule["depth"] == 1 { "sub" } else { "a/sub" };
            (name, beside, place)
        });
        let (path, found) = match searched {
            Some((name, beside, place)) => {
                let is_itself = name.trim_end_matches('/') == beside;
                let found = if beside == ".git" { ".git/info/exclude" } else { beside };
                (format!("{place}/{name}"), Some(format!("{place}/{found}")).filter(|_| !is_itself))
            }
            None => (path.to_owned(), None),
        };
        let path = path.as_str();
        let twin = items.iter().any(|other| other.label == format!("deny_write $root/**/{path}"));
        let name = file["profiles"][item.profile]["name"].as_str()?;
        let (dir, target) = match path.strip_suffix('/') {
            Some(dir) => (dir, format!("{dir}/planted")),
            None => (path.rsplit_once('/').map_or(".", |(above, _)| above), path.to_owned()),
        };
        let script = format!("mkdir -p {dir} 2>/dev/null; echo planted >{target}");
        let there = [(target.as_str(), "before")];
        let beside = found.as_ref().map(|found| (found.as_str(), "before"));
        let is_kept_from_being_made = match searched {
            Some(_) => found.is_some() && rule["missing"] == "mask",
            None => rule["missing"] != "skip",
        };
        for is_there in [false, true] {
            if !is_there && !is_kept_from_being_made {
                continue;
            }
            let files: Vec<(&str, &str)> =
                beside.into_iter().chain(there.into_iter().filter(|_| is_there)).collect();
            let files = files.as_slice();
            let (whole, _) = case.run(confined, (&file, name), files, &script);
            let (less, said) = case.run(confined, (&without(&file, item), name), files, &script);
            // What is there a search finds as well: in the folder itself, too.
            let found_as_well = is_there && searched.is_none() && twin;
            if whole || (!less && !found_as_well) {
                return Some(format!("{name}, {path}, there before: {is_there}: {whole}, {less}: {said}"));
            }
        }
        None
    });
}

#[test]
fn a_rule_that_nothing_needs_is_found() {
    let mut file = standard("base");
    let rule = json!({"read": ["/var/lib"], "optional": true});
    file["profiles"][0]["fs"].as_array_mut().expect("rules").push(rule);
    let item = items(&file).into_iter().find(|item| item.label == "read /var/lib").expect("the rule");
    let case = Case { rules: &rules::BASE, file: &file, tools: None };
    let said = case.judge(&mut Confined::new(Account::ordinary()), &item, Proof::Works("true"));
    assert!(said.is_some_and(|said| said.contains("without it")));
}
