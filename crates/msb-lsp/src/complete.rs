//! What can be typed at a place.

use crate::hover::{called, constants};
use crate::names;
use crate::site::{Place, Site, site};
use crate::words::{LIMITS, TYPES, has, meaning, of};
use msb_diag::codes::TABLE;
use msb_resolve::STANDARD;
use msb_syntax::ast::File;
use msb_syscalls::{Arch, all, capability_name, errno_name, groups};

/// A suggestion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Suggestion {
    pub(crate) label: String,
    /// A few words beside it.
    pub(crate) detail: String,
    pub(crate) kind: Kind,
}

/// The protocol's `CompletionItemKind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Function = 3,
    Field = 5,
    Variable = 6,
    Module = 9,
    Value = 12,
    Keyword = 14,
    Constant = 21,
}

/// Every suggestion for byte `at`, and where what is being typed begins; editors filter by it.
pub(crate) fn complete(text: &str, file: &File, at: usize) -> (usize, Vec<Suggestion>) {
    let Some(site) = site(text, at) else { return (at, Vec::new()) };
    let mut list = List { place: site.place, all: Vec::new() };
    if site.typed.starts_with('$') {
        list.values(file, at);
    } else if site.typed.starts_with('@') {
        list.groups(file, &site);
    } else {
        match site.place {
            Place::File => list.file(file, &site),
            Place::Block => list.block(file, &site),
            Place::Fs => list.fs(file, &site, at),
            Place::Net => list.net(file, &site, at),
            Place::Syscalls => list.syscalls(file, &site),
            Place::Limits => list.limits(&site),
            Place::Env => list.env(file, &site, at),
            Place::Exec => list.exec(file, &site, at),
            Place::Tool => list.tool(file, &site, at),
            Place::Claims => list.claims(file, &site, at),
            Place::Sandbox => {}
        }
    }
    let mut seen = std::collections::HashSet::new();
    list.all.retain(|it| seen.insert(it.label.clone()));
    (site.start, list.all)
}

struct List {
    place: Place,
    all: Vec<Suggestion>,
}

impl List {
    fn add(&mut self, kind: Kind, label: impl Into<String>, detail: impl Into<String>) {
        self.all.push(Suggestion { label: label.into(), detail: detail.into(), kind });
    }

    fn keywords(&mut self, words: &[&str]) {
        for word in words {
            self.add(Kind::Keyword, *word, meaning(self.place, word).unwrap_or_default());
        }
    }

    fn table(&mut self, kind: Kind, rows: &[(&str, &str)]) {
        rows.iter().for_each(|(name, about)| self.add(kind, *name, *about));
    }

    fn values(&mut self, file: &File, at: usize) {
        for (name, _) in names::values(file, at) {
            self.add(Kind::Variable, format!("${name}"), "");
        }
    }

    fn groups(&mut self, file: &File, site: &Site<'_>) {
        if site.place == Place::Fs {
            return self.add(Kind::Constant, "@std", "null, zero, full, random, urandom and tty");
        }
        for item in &file.items {
            if let msb_syntax::ast::Item::Group { name, .. } = item {
                self.add(Kind::Constant, name.node.as_str(), "a group of this file");
            }
        }
        groups().iter().for_each(|group| self.add(Kind::Constant, group.name, group.about));
    }

    fn calls(&mut self, file: &File, site: &Site<'_>) {
        self.groups(file, site);
        all(Arch::X86_64).iter().for_each(|call| self.add(Kind::Function, call.name, call.to_string()));
    }

    fn tools(&mut self, file: &File) {
        names::tools(file).for_each(|tool| self.add(Kind::Function, tool.name.node.as_str(), ""));
    }

    /// Profiles; behind `std.` without it.
    fn profiles(&mut self, file: &File, last: &str) {
        for standard in STANDARD {
            let prefix = if last == "." { "" } else { "std." };
            for block in names::blocks(names::standard(standard.name)) {
                let own = &block.name.node;
                let inner = if own == standard.name { String::new() } else { format!(".{own}") };
                let about = block.doc.lines().next().unwrap_or_default();
                self.add(Kind::Module, format!("{prefix}{}{inner}", standard.name), about);
            }
        }
        if last != "." {
            for block in names::blocks(file) {
                self.add(
                    Kind::Module,
                    block.name.node.as_str(),
                    block.doc.lines().next().unwrap_or_default(),
                );
            }
        }
    }

    /// The parameters of the profile whose arguments are being typed.
    fn arguments(&mut self, file: &File, entry: &[&str]) {
        let name: String = entry.iter().skip(1).take_while(|word| **word != "(").copied().collect();
        match names::profile(file, &name) {
            Some(names::Declared::Standard { name, block, .. }) => {
                names::blocks(names::standard(name))
                    .nth(block)
                    .into_iter()
                    .for_each(|block| self.params(block));
            }
            Some(names::Declared::Block(block)) => self.params(block),
            _ => {}
        }
    }

    fn params(&mut self, block: &msb_syntax::ast::Block) {
        for param in &block.params {
            self.add(Kind::Field, format!("{}: ", param.name.node), "");
        }
    }

    fn file(&mut self, file: &File, site: &Site<'_>) {
        let last = site.entry.last().copied().unwrap_or_default();
        let first = site.entry.first().copied().unwrap_or_default();
        if !site.open.is_empty() {
            if last == ":" {
                self.table(Kind::Value, TYPES);
            }
            return;
        }
        match (first, last) {
            ("import", "import" | ".") => self.profiles(&File::default(), last),
            (_, "extends" | "for") => self.profiles(file, last),
            ("policy" | "profile", "policy" | "profile") | ("edition", "edition") => {}
            ("policy", _) => self.keywords(&["extends"]),
            _ => {
                if file.edition.is_none() {
                    self.keywords(&["edition"]);
                }
                self.keywords(&["import"]);
                self.keywords(of("item"));
            }
        }
    }

    fn block(&mut self, file: &File, site: &Site<'_>) {
        let last = site.entry.last().copied().unwrap_or_default();
        let first = site.entry.first().copied().unwrap_or_default();
        match (first, last) {
            ("include", "include" | ".") => return self.profiles(file, last),
            ("include", "(" | ",") => return self.arguments(file, &site.entry),
            ("net", "net") => self.keywords(of("net-whole")),
            ("limits", "limits") => self.keywords(&["hard"]),
            ("tools", _) => self.tools(file),
            ("caps", "caps" | ",") => {
                self.keywords(of("caps"));
                return (0..64)
                    .filter_map(capability_name)
                    .for_each(|name| self.add(Kind::Constant, name, ""));
            }
            ("accept", "accept" | ",") => {
                for row in TABLE.iter().filter(|row| row.severity == msb_diag::Severity::Warning) {
                    self.add(Kind::Value, row.code.to_string(), row.title);
                }
                return;
            }
            ("accept", _) => self.keywords(&["because"]),
            ("tool", _) if last == ":" => return self.table(Kind::Value, TYPES),
            _ => {}
        }
        if site.open.is_empty() {
            self.keywords(of("statement"));
        }
    }

    fn fs(&mut self, file: &File, site: &Site<'_>, at: usize) {
        let last = site.entry.last().copied().unwrap_or_default();
        match last {
            "" => self.keywords(of("fs")),
            "missing" => self.keywords(of("missing")),
            "symlinks" => self.keywords(of("symlinks")),
            "enforce" => self.keywords(of("enforce")),
            "size" | "inodes" | "beside" | "depth" => {}
            "deny" => {
                self.keywords(&["read", "write", "run"]);
                self.values(file, at);
            }
            "," | "at" | "from" => self.values(file, at),
            verb if has("fs", verb) => {
                self.values(file, at);
                self.groups(file, site);
            }
            _ => {
                self.keywords(of("fs-option"));
                self.keywords(of("fs"));
            }
        }
    }

    fn net(&mut self, file: &File, site: &Site<'_>, at: usize) {
        let last = site.entry.last().copied().unwrap_or_default();
        let methods = site.entry.iter().rev().take_while(|word| has("method", word) || **word == ",").count();
        let only = site.entry.iter().rev().nth(methods) == Some(&"only");
        match last {
            "" => self.keywords(of("net")),
            "only" => self.keywords(of("method")),
            "," if only => self.keywords(of("method")),
            "allow" | "deny" | "listen" | "," => self.keywords(of("protocol")),
            "inject" => self.values(file, at),
            "total" => self.keywords(&["rate", "quota", "connections"]),
            "unix" => self.values(file, at),
            "rate" | "quota" | "connections" | "burst" | ":" => {}
            word if has("protocol", word) => {
                self.keywords(of("peer"));
                self.values(file, at);
            }
            _ => {
                self.keywords(of("net-option"));
                self.keywords(of("net"));
            }
        }
    }

    fn syscalls(&mut self, file: &File, site: &Site<'_>) {
        let last = site.entry.last().copied().unwrap_or_default();
        let condition = site.entry.iter().rposition(|word| *word == "where");
        let within = condition.map(|at| &site.entry[at + 1..]);
        match last {
            "" => return self.keywords(of("syscalls")),
            "default" => return self.keywords(of("action")),
            "errno" => {
                return (1..4096).filter_map(errno_name).for_each(|name| self.add(Kind::Constant, name, ""));
            }
            "arch" | "on" => return self.table(Kind::Value, &[("x86_64", ""), ("aarch64", "")]),
            "where" | "and" | "or" | "not" => return self.argument_names(site),
            "has" => return self.keywords(&["any", "all", "only"]),
            _ => {}
        }
        if let Some(within) = within.filter(|_| last != "," || !site.open.is_empty()) {
            let value = matches!(
                last,
                "==" | "!=" | "<" | ">" | "<=" | "=" | "any" | "all" | "only" | "|" | "{" | ","
            );
            let argument = within.iter().rev().find_map(|word| called(&site.entry)?.arg(word));
            if value {
                let members = argument.map_or(&[][..], |(_, kind)| constants(kind));
                return members
                    .iter()
                    .for_each(|it| self.add(Kind::Constant, it.name, format!("{:#x}", it.value)));
            }
            if last == "(" {
                return self.argument_names(site);
            }
            if called(&site.entry).is_some_and(|call| call.arg(last).is_some()) {
                return self.keywords(&["==", "!=", "<", "<=", ">", ">=", "in", "has"]);
            }
            return self.keywords(&["and", "or", "on", "allow", "errno", "kill", "log"]);
        }
        let operand = matches!(last, "," | "+" | "-" | "&" | "{" | "(");
        let errno = site.entry.first() == Some(&"errno") && site.entry.len() == 2;
        if operand || errno || site.entry.len() == 1 && has("action", last) {
            return self.calls(file, site);
        }
        self.keywords(&["where", "on"]);
        self.keywords(of("syscalls"));
    }

    fn argument_names(&mut self, site: &Site<'_>) {
        let Some(call) = called(&site.entry) else { return };
        for arg in call.args.iter().filter(|arg| arg.kind != msb_syscalls::Kind::Pointer) {
            self.add(Kind::Field, arg.name, call.to_string());
        }
    }

    fn limits(&mut self, site: &Site<'_>) {
        if site.entry.len() == 1 { self.keywords(&["unlimited"]) } else { self.table(Kind::Field, LIMITS) }
    }

    fn env(&mut self, file: &File, site: &Site<'_>, at: usize) {
        match site.entry.as_slice() {
            ["set", _] => self.keywords(&["="]),
            [.., "=" | "from"] => self.values(file, at),
            ["secret", _] => self.keywords(&["from"]),
            [.., "pass" | "set" | "secret" | ","] => {}
            _ => self.keywords(of("env")),
        }
    }

    fn exec(&mut self, file: &File, site: &Site<'_>, at: usize) {
        match site.entry.last().copied().unwrap_or_default() {
            "tty" => self.keywords(of("tty")),
            "cwd" => self.values(file, at),
            "command" | "user" | "hostname" => {}
            _ => self.keywords(of("exec")),
        }
    }

    fn tool(&mut self, file: &File, site: &Site<'_>, at: usize) {
        match site.entry.last().copied().unwrap_or_default() {
            "log" => self.keywords(&["args", "none"]),
            "in" => self.profiles(file, ""),
            "stdin" => self.values(file, at),
            "rate" | "quota" | "timeout" | "concurrency" | "result" | "burst" => {}
            _ => self.keywords(of("tool")),
        }
    }

    fn claims(&mut self, file: &File, site: &Site<'_>, at: usize) {
        let last = site.entry.last().copied().unwrap_or_default();
        let syscall = site.entry.contains(&"syscall");
        if syscall && site.open.last() == Some(&"(") {
            if matches!(last, "(" | ",") {
                return self.argument_names(site);
            }
            let name = site.entry.iter().rev().find(|word| {
                !matches!(**word, ":" | "|") && !word.starts_with(|it: char| it.is_ascii_uppercase())
            });
            let argument = name.and_then(|name| called(&site.entry)?.arg(name));
            let members = argument.map_or(&[][..], |(_, kind)| constants(kind));
            return members
                .iter()
                .for_each(|it| self.add(Kind::Constant, it.name, format!("{:#x}", it.value)));
        }
        match last {
            "" => self.keywords(of("claim")),
            "allow" | "deny" | "never" => self.keywords(of("probe")),
            "narrower" => self.keywords(&["than"]),
            "than" => self.profiles(file, ""),
            "open" | "unix" => self.values(file, at),
            "for" => self.keywords(of("access")),
            "connect" | "listen" => self.keywords(of("protocol")),
            "request" => self.keywords(of("method")),
            word if has("method", word) && site.entry.contains(&"request") => {
                self.keywords(&["https", "http"]);
            }
            "syscall" => self.calls(file, site),
            "call" => self.tools(file),
            "env" | "because" => {}
            "by" => TABLE.iter().for_each(|row| self.add(Kind::Value, row.code.to_string(), row.title)),
            word if has("protocol", word) => self.keywords(of("peer")),
            _ => {
                if site.entry.contains(&"open") && !site.entry.contains(&"for") {
                    self.keywords(&["for"]);
                }
                self.keywords(&["because", "by"]);
                self.keywords(of("claim"));
            }
        }
    }
}
