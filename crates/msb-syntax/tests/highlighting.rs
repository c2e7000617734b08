//! The TextMate grammar, run as editors run it, colours every token as what the lexer takes it for.
//!
//! The interpreter here is as much of TextMate as the grammar uses: rules with `match` or `begin` and `end`, captures,
//! includes from the repository; line by line, the earliest match wins, of two the first in the list, the `end` of the
//! open rule before all.

use fancy_regex::Regex;
use msb_syntax::{Class, lexemes};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

struct Rule {
    name: Option<String>,
    begin: Regex,
    captures: BTreeMap<usize, String>,
    /// Of a rule that spans: its end, what that captures, and the rules inside.
    inside: Option<(Regex, BTreeMap<usize, String>, Vec<usize>)>,
}

/// All rules; a list of rules is their indices in the order of trial.
struct Grammar {
    rules: Vec<Rule>,
    top: Vec<usize>,
}

struct Reader<'a> {
    repository: &'a Value,
    rules: Vec<Rule>,
    /// What an include has become, so that those that include themselves end.
    known: BTreeMap<String, Vec<usize>>,
    /// The lists of patterns that are read later, by the rule that they are inside of.
    later: Vec<(usize, &'a Value)>,
}

impl<'a> Reader<'a> {
    fn list(&mut self, patterns: &'a Value) -> Vec<usize> {
        let patterns = patterns.as_array().map_or(&[][..], Vec::as_slice);
        patterns.iter().flat_map(|pattern| self.pattern(pattern)).collect()
    }

    fn pattern(&mut self, pattern: &'a Value) -> Vec<usize> {
        if let Some(name) = pattern["include"].as_str() {
            let name = name.trim_start_matches('#');
            if let Some(known) = self.known.get(name) {
                return known.clone();
            }
            let repository = self.repository;
            let list = self.list(&repository[name]["patterns"]);
            self.known.insert(name.to_owned(), list.clone());
            return list;
        }
        let captures = |key: &str| -> BTreeMap<usize, String> {
            let all = pattern[key].as_object().into_iter().flatten();
            all.filter_map(|(at, it)| Some((at.parse().ok()?, it["name"].as_str()?.to_owned()))).collect()
        };
        // `^` and `$` are about lines in the expressions of editors.
        let regex =
            |key: &str| Regex::new(&format!("(?m){}", pattern[key].as_str().expect(key))).expect("a pattern");
        let name = pattern["name"].as_str().map(str::to_owned);
        let index = self.rules.len();
        self.rules.push(if pattern["match"].is_string() {
            Rule { name, begin: regex("match"), captures: captures("captures"), inside: None }
        } else {
            let inside = Some((regex("end"), captures("endCaptures"), Vec::new()));
            self.later.push((index, &pattern["patterns"]));
            Rule { name, begin: regex("begin"), captures: captures("beginCaptures"), inside }
        });
        vec![index]
    }
}

fn grammar() -> Grammar {
    let path = policy_lang().join("grammar/msb.tmLanguage.json");
    let text = std::fs::read_to_string(path).expect("the grammar");
    let json: Value = serde_json::from_str(&text).expect("JSON");
    let mut reader = Reader {
        repository: &json["repository"],
        rules: Vec::new(),
        known: BTreeMap::new(),
        later: Vec::new(),
    };
    let top = reader.list(&json["patterns"]);
    while let Some((index, patterns)) = reader.later.pop() {
        let list = reader.list(patterns);
        if let Some((_, _, inside)) = &mut reader.rules[index].inside {
            *inside = list;
        }
    }
    Grammar { rules: reader.rules, top }
}

impl Grammar {
    /// The names that hold for each byte of `text`.
    fn colour<'g>(&'g self, text: &str) -> Vec<Vec<&'g str>> {
        let mut names: Vec<Vec<&str>> = vec![Vec::new(); text.len()];
        let mut open: Vec<usize> = Vec::new();
        let mut line_start = 0;
        for line in text.split_inclusive('\n') {
            let mut at = 0;
            // A rule may begin without taking anything; not for ever.
            let mut standing = 0;
            while at <= line.len() {
                let end = open.last().and_then(|&rule| self.rules[rule].inside.as_ref());
                let list = end.map_or(&self.top, |(_, _, inside)| inside);
                let ends = end.and_then(|(regex, ..)| regex.captures_from_pos(line, at).expect("a match"));
                let mut first = ends.as_ref().map(|it| (it.get(0).expect("all").start(), None));
                for &rule in list {
                    let found = self.rules[rule].begin.find_from_pos(line, at).expect("a match");
                    if let Some(found) = found.filter(|it| first.is_none_or(|(start, _)| it.start() < start))
                    {
                        first = Some((found.start(), Some(rule)));
                    }
                }
                let mut paint = |from: usize, to: usize, name: &'g str| {
                    names[line_start + from..line_start + to].iter_mut().for_each(|it| it.push(name));
                };
                let Some((start, rule)) = first else {
                    for &rule in &open {
                        self.rules[rule].name.iter().for_each(|name| paint(at, line.len(), name));
                    }
                    break;
                };
                for &rule in &open {
                    self.rules[rule].name.iter().for_each(|name| paint(at, start, name));
                }
                let (captured, captures) = match rule {
                    Some(rule) => {
                        let found = self.rules[rule].begin.captures_from_pos(line, at).expect("a match");
                        (found.expect("found before"), &self.rules[rule].captures)
                    }
                    None => (ends.expect("found before"), &end.expect("an open rule").1),
                };
                let stop = captured.get(0).expect("all").end();
                for &rule in &open {
                    self.rules[rule].name.iter().for_each(|name| paint(start, stop, name));
                }
                if let Some(rule) = rule {
                    self.rules[rule].name.iter().for_each(|name| paint(start, stop, name));
                }
                for (group, name) in captures {
                    if let Some(part) = captured.get(*group) {
                        paint(part.start(), part.end(), name);
                    }
                }
                match rule {
                    Some(rule) if self.rules[rule].inside.is_some() => open.push(rule),
                    Some(_) => {}
                    None => drop(open.pop()),
                }
                standing = if stop == at { standing + 1 } else { 0 };
                at = if standing > 8 || stop == at && rule.is_some_and(|it| self.rules[it].inside.is_none()) {
                    stop + 1
                } else {
                    stop
                };
            }
            line_start += line.len();
        }
        names
    }
}

fn policy_lang() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policy-lang")
}

/// Every policy of the language's own: examples, standard profiles, accepted and refused cases, blocks of the reference.
fn policies() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for folder in ["examples", "std", "conformance/accept", "conformance/reject"] {
        for entry in std::fs::read_dir(policy_lang().join(folder)).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|it| it == "msb")
                && let Ok(text) = std::fs::read_to_string(&path)
            {
                all.push((path.display().to_string(), text));
            }
        }
    }
    for entry in std::fs::read_dir(policy_lang().join("spec")).expect("a folder") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("text");
        for (index, block) in text.split("```msb").skip(1).enumerate() {
            let block = block.split_once('\n').map_or("", |(_, rest)| rest);
            let block = block.split("\n```").next().unwrap_or_default();
            all.push((format!("{}, block {index}", path.display()), format!("{block}\n")));
        }
    }
    all
}

/// The beginnings of names of which one has to hold, of each class; none where it is free.
fn wanted(class: Class) -> &'static [&'static str] {
    match class {
        Class::Comment | Class::Doc => &["comment"],
        Class::Text => &["string.quoted"],
        Class::Regex => &["string.regexp"],
        Class::Path => &["string.unquoted.path"],
        Class::Var => &["variable.parameter"],
        Class::Group => &["support.constant.group"],
        Class::Number => &["constant.numeric"],
        Class::Address => &["constant.other.address"],
        _ => &[],
    }
}

#[test]
fn every_token_has_the_colour_of_its_class() {
    let grammar = grammar();
    let mut wrong = Vec::new();
    let (mut compared, mut texts) = (0, 0);
    for (name, text) in policies() {
        let all = lexemes(&text);
        // What is no token, such as `5m`, has no colour that would be right.
        if msb_diag::has_errors(&msb_syntax::parse(msb_diag::FileId(0), &text).1) {
            continue;
        }
        texts += 1;
        let names = grammar.colour(&text);
        for lexeme in all {
            let wanted = wanted(lexeme.class);
            let of_other = ["comment", "string", "variable", "constant.numeric", "constant.other.address"];
            compared += 1;
            for byte in lexeme.range() {
                let has = |begin: &str| names[byte].iter().any(|name| name.starts_with(begin));
                let right = match wanted {
                    [] => !of_other.iter().any(|begin| has(begin)),
                    all => all.iter().any(|begin| has(begin)),
                };
                if !right {
                    let line = text[..byte].matches('\n').count() + 1;
                    wrong.push(format!(
                        "{name}:{line}: {:?} `{}` is {:?}",
                        lexeme.class,
                        lexeme.text(&text),
                        names[byte]
                    ));
                    break;
                }
            }
        }
    }
    assert!(texts > 300 && compared > 10_000, "{texts} {compared}");
    assert!(wrong.is_empty(), "{} of {compared}:\n{}", wrong.len(), wrong.join("\n"));
}
