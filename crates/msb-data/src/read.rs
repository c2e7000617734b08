//! Data to tree. What a member has to be is asked for in one place each; everything wrong is said.

#![allow(
    clippy::redundant_closure_for_method_calls,
    reason = "a method of a type with a lifetime is not general enough to be passed by its name"
)]

mod block;
mod net;
mod rules;
mod tool;
mod value;

pub(crate) use block::word;
pub(crate) use net::is_address;
pub(crate) use rules::VERBS;
pub(crate) use value::is_more_than_text;

use crate::document::{Key, Kind, Node};
use crate::lists;
use msb_diag::{Diagnostic, FileId, Severity, Span, codes, is_invisible};
use msb_resolve::nearest;
use msb_syntax::ast::{BlockKind, File, Import, Item, Name, PathExpr, PathKind, Spanned};
use msb_syntax::{EDITION, Fragment, Read};

/// The tree of `node`, the content of `file`.
pub(crate) fn file(file: FileId, text: &str, node: &Node, found: &mut Vec<Diagnostic>) -> File {
    let mut reader = Reader { file, text, found: Vec::new() };
    let tree = reader.whole(node);
    // The characters of the file are looked at once, as a whole.
    reader.found.retain(|it| it.is_error() || it.code != codes::INVISIBLE_CHARACTER);
    invisible(file, text, &mut reader.found);
    found.append(&mut reader.found);
    tree
}

/// Warns of characters that a reviewer does not see.
fn invisible(file: FileId, text: &str, found: &mut Vec<Diagnostic>) {
    const WARNINGS_MAX: usize = 100;
    let characters = text.char_indices().skip(usize::from(text.starts_with('\u{feff}')));
    for (at, character) in characters.filter(|(_, it)| is_invisible(*it)).take(WARNINGS_MAX) {
        let span = crate::document::span(file, at, at + character.len_utf8());
        let message = format!("the file has the invisible character U+{:04X}", u32::from(character));
        let one = Diagnostic::new(codes::INVISIBLE_CHARACTER, message).label(span, "");
        found.push(one.help("remove it, or type the text anew"));
    }
}

/// What members are called elsewhere.
const ELSEWHERE: &[(&[&str], &str)] = &[
    (&["policy"], "policies"),
    (&["profile"], "profiles"),
    (&["group"], "groups"),
    (&["const", "consts", "constant", "variables", "vars"], "constants"),
    (&["test"], "tests"),
    (&["filesystem", "files", "file", "mounts", "volumes", "paths"], "fs"),
    (&["network", "networking", "egress", "hosts"], "net"),
    (&["seccomp", "syscall"], "syscalls"),
    (&["resources", "limit", "rlimits"], "limits"),
    (&["capabilities", "capability"], "caps"),
    (&["environment", "envs", "variables", "vars"], "env"),
    (&["includes", "inherits", "base"], "include"),
    (&["command", "process", "entrypoint", "run"], "exec"),
    (&["description", "comment"], "doc"),
    (&["parameters", "arguments", "args", "inputs"], "params"),
    (&["assertions", "asserts", "claims"], "assert"),
];

struct Reader<'a> {
    file: FileId,
    text: &'a str,
    found: Vec<Diagnostic>,
}

impl Reader<'_> {
    // ---- what every part uses ----------------------------------------------------------------------

    fn say(&mut self, found: Diagnostic) {
        self.found.push(found);
    }

    fn wrong_kind(&mut self, node: &Node, wanted: &str) {
        let message = format!("expected {wanted}, found {}", node.what());
        let found = Diagnostic::new(codes::WRONG_DATA, message).label(node.span, "");
        let written = self.text.get(node.span.start as usize..node.span.end as usize).unwrap_or_default();
        let one_line = !written.contains('\n') && !written.is_empty();
        self.say(match &node.kind {
            Kind::Odd(_) | Kind::Bool(_) | Kind::Int(_) if wanted.contains("a rate") => {
                found.help("write how often, such as `10/min`")
            }
            Kind::Odd(_)
                if wanted.starts_with("a whole number")
                    && written.starts_with(|c: char| c.is_ascii_digit()) =>
            {
                found.help("write a whole number in plain digits, such as `64`")
            }
            Kind::Odd(_) | Kind::Bool(_) | Kind::Int(_) if wanted.contains("text") && one_line => {
                let quoted = format!("\"{written}\"");
                found.help(format!("write quotes round it: `{quoted}`")).edit(node.span, quoted)
            }
            Kind::Text { text, .. } if wanted == "a whole number" && text.parse::<u64>().is_ok() => {
                found.help(format!("write `{text}`, without quotes")).edit(node.span, text.as_str())
            }
            Kind::Text { text, .. }
                if wanted.starts_with("a mapping with `edition`") && text.starts_with("edition ") =>
            {
                found.help("give the file a name that ends in `.msb`: this is the language, and no data")
            }
            Kind::Text { verbatim: Some(_), .. } if wanted.starts_with("a list of") && one_line => {
                let listed = format!("[{written}]");
                found.help(format!("write brackets round it: `{listed}`")).edit(node.span, listed)
            }
            Kind::Map(members)
                if matches!(wanted, "a list of policies" | "a list of profiles")
                    && members.iter().all(|(key, _)| key.text != "name") =>
            {
                let name = members.first().map_or("agent", |(key, _)| key.text.as_str());
                found.help(match written.starts_with('{') {
                    true => format!("write a list, each with its name: `[{{\"name\": \"{name}\", …}}]`"),
                    false => format!("write a list, each with its name: `- name: {name}`"),
                })
            }
            Kind::Map(_) if wanted.starts_with("a list") && !written.starts_with('{') => {
                found.help("write `- ` before its first member, and indent the others as far")
            }
            Kind::List(_) if wanted.starts_with("a mapping") && !written.starts_with('[') => {
                found.help("write the members without `- ` before them")
            }
            Kind::Map(_) if wanted.starts_with("a rule with one ") => {
                found.help("write a rule for each: `- read: …`, and `- write: …` on a line of its own")
            }
            _ => found.help(format!("write {wanted}")),
        });
    }

    /// The members of a mapping.
    fn map<'n>(&mut self, node: &'n Node, wanted: &str) -> &'n [(Key, Node)] {
        if let Kind::Map(members) = &node.kind {
            return members;
        }
        self.wrong_kind(node, wanted);
        &[]
    }

    fn list<'n>(&mut self, node: &'n Node, wanted: &str) -> &'n [Node] {
        if let Kind::List(nodes) = &node.kind {
            return nodes;
        }
        self.wrong_kind(node, wanted);
        &[]
    }

    fn string<'n>(&mut self, node: &'n Node, wanted: &str) -> Option<&'n str> {
        if let Kind::Text { text, .. } = &node.kind {
            if text.contains('\0') {
                let nul = Diagnostic::new(codes::UNEXPECTED, "the text has a NUL").label(node.span, "");
                self.say(nul.help("remove it: it would end the text early wherever the kernel reads it"));
                return None;
            }
            return Some(text);
        }
        self.wrong_kind(node, wanted);
        None
    }

    fn spanned_string(&mut self, node: &Node, wanted: &str) -> Option<Spanned<String>> {
        self.string(node, wanted).map(|text| Spanned { node: text.to_owned(), span: node.span })
    }

    /// Documentation: lines without the marks.
    fn doc(&mut self, node: &Node) -> String {
        let text = self.string(node, "a text").unwrap_or_default();
        // As in a comment of the language: a terminal would obey.
        if let Some(control) = text.lines().flat_map(str::chars).find(|&it| it.is_control() && it != '\t') {
            let message = format!("the text has the control character U+{:04X}", u32::from(control));
            let found = Diagnostic::new(codes::UNEXPECTED, message).label(node.span, "");
            self.say(found.help("remove it; tabs and line ends are the only control characters of a policy"));
            return String::new();
        }
        text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
    }

    /// `true`; what is `false` is as if it were not there.
    fn flag(&mut self, node: &Node) -> bool {
        if let Kind::Bool(set) = node.kind {
            return set;
        }
        self.wrong_kind(node, "`true` or `false`");
        false
    }

    fn int(&mut self, node: &Node) -> Option<Spanned<u64>> {
        if let Kind::Int(value) = node.kind {
            return Some(Spanned { node: value, span: node.span });
        }
        self.wrong_kind(node, "a whole number");
        None
    }

    /// What a text says in the language.
    fn fragment<T>(
        &mut self,
        node: &Node,
        wanted: &str,
        read: impl Fn(Fragment<'_>) -> Read<T>,
    ) -> Option<T> {
        let Kind::Text { text, verbatim } = &node.kind else {
            self.wrong_kind(node, wanted);
            return None;
        };
        let exact = verbatim.and_then(|at| Fragment::verbatim(self.file, self.text, at, at + text.len()));
        let fragment = exact.unwrap_or_else(|| Fragment::written(text, node.span));
        let (value, mut found) = read(fragment);
        self.found.append(&mut found);
        value
    }

    /// What the name of a member says in the language.
    fn key<T>(&mut self, key: &Key, read: impl Fn(Fragment<'_>) -> Read<T>) -> Option<T> {
        let (value, mut found) = read(Fragment::written(&key.text, key.span));
        self.found.append(&mut found);
        value
    }

    fn name(&mut self, node: &Node, wanted: &str) -> Option<Name> {
        self.fragment(node, wanted, |it| it.name())
    }

    /// A list of which each node is read by `one`.
    fn all<T>(
        &mut self,
        node: &Node,
        wanted: &str,
        mut one: impl FnMut(&mut Self, &Node) -> Option<T>,
    ) -> Vec<T> {
        self.list(node, wanted).iter().filter_map(|node| one(self, node)).collect()
    }

    /// There is no such member.
    fn unknown(&mut self, key: &Key, known: &[&str]) {
        let found = Diagnostic::new(codes::UNKNOWN_MEMBER, format!("unknown member `{}`", key.text))
            .label(key.span, "");
        let written = self.text.get(key.span.start as usize..key.span.end as usize);
        let elsewhere = ELSEWHERE.iter().find(|(names, _)| names.contains(&key.text.as_str()));
        let elsewhere = elsewhere.map(|&(_, meant)| meant).filter(|meant| known.contains(meant));
        self.say(match nearest(&key.text, known.iter().copied()).or(elsewhere) {
            Some(meant) if written == Some(key.text.as_str()) => {
                found.help(format!("did you mean `{meant}`?")).edit(key.span, meant)
            }
            Some(meant) => found.help(format!("did you mean `{meant}`?")),
            None if matches!(key.text.as_str(), "statements" | "rules" | "spec" | "body") => {
                found.help(format!("write what is in `{}` beside it: `fs`, `limits`, `syscalls`", key.text))
            }
            None => found.help(format!("the members here are `{}`", known.join("`, `"))),
        });
    }

    fn missing(&mut self, span: Span, what: &str) {
        // What is there may be long; its beginning is enough.
        let line = self.text.get(span.start as usize..span.end as usize).unwrap_or_default();
        let length = u32::try_from(line.find('\n').unwrap_or(line.len())).unwrap_or(u32::MAX);
        let span = Span { end: span.start.saturating_add(length), ..span };
        let found = Diagnostic::new(codes::UNKNOWN_MEMBER, format!("missing member `{what}`"));
        self.say(found.label(span, "").help(format!("write `{what}` here")));
    }

    /// A path: `$name/…` and `@group` as in the language, all else as it is; `{"path": …}` as it is in
    /// any case.
    fn path(&mut self, node: &Node) -> Option<PathExpr> {
        if let Kind::Map(members) = &node.kind
            && let [(key, inner)] = members.as_slice()
            && key.text == "path"
        {
            let text = self.string(inner, "a path in a text")?;
            return self.literal_path(text, node.span);
        }
        let text = self.string(node, "a path in a text")?;
        if text.starts_with(['$', '@']) {
            return self.fragment(node, "a path in a text", |it| it.path());
        }
        self.literal_path(text, node.span)
    }

    fn literal_path(&mut self, text: &str, span: Span) -> Option<PathExpr> {
        if let Some(character) = text.chars().find(|&it| is_invisible(it) || it.is_control()) {
            let message = format!("the path has the invisible character U+{:04X}", u32::from(character));
            let found = Diagnostic::new(codes::INVISIBLE_CHARACTER, message).raise(Severity::Error);
            self.say(found.label(span, "").help("remove it, or type the path anew"));
            return None;
        }
        Some(PathExpr { kind: PathKind::Path(text.to_owned()), span })
    }

    fn paths(&mut self, node: &Node) -> Vec<PathExpr> {
        let paths = self.all(node, "a list of paths", Reader::path);
        if matches!(&node.kind, Kind::List(nodes) if nodes.is_empty()) {
            self.wrong_kind(node, "a list of at least one path");
        }
        paths
    }

    // ---- the file ----------------------------------------------------------------------------------

    fn whole(&mut self, node: &Node) -> File {
        let mut file = File::default();
        let members = self.map(node, "a mapping with `edition` and `policies`");
        if let Some((first, _)) = members.first()
            && members.iter().all(|(key, _)| !lists::FILE.contains(&key.text.as_str()))
            && members.len() > 1
        {
            let message = format!("unknown member `{}`, and no `edition` and no `policies`", first.text);
            let found =
                Diagnostic::new(codes::UNKNOWN_MEMBER, message).label(first.span, "this is no policy");
            self.say(found.help(format!(
                "write `edition` with the value {EDITION}, and `policies` with a list of policies"
            )));
            return file;
        }
        for (key, node) in members {
            match key.text.as_str() {
                "edition" => file.edition = self.edition(node),
                "imports" => file.imports = self.all(node, "a list of imports", Reader::import),
                "policies" | "profiles" => {
                    let kind = if key.text == "policies" { BlockKind::Policy } else { BlockKind::Profile };
                    let wanted =
                        if key.text == "policies" { "a list of policies" } else { "a list of profiles" };
                    let blocks = self.list(node, wanted);
                    file.items.extend(blocks.iter().filter_map(|it| self.block(it, kind)).map(Item::Block));
                }
                "groups" => {
                    for (key, node) in self.map(node, "a mapping of groups to sets") {
                        let name = self.key(key, |it| it.group());
                        let set = self.fragment(node, "a set of system calls in a text", |it| it.set());
                        file.items.extend(name.zip(set).map(|(name, set)| Item::Group { name, set }));
                    }
                }
                "constants" => {
                    for (key, node) in self.map(node, "a mapping of names to values") {
                        file.items.extend(self.constant(key, node));
                    }
                }
                "tool" => file
                    .items
                    .extend(self.all(node, "a list of tools", Reader::tool).into_iter().map(Item::Tool)),
                "tests" => file.items.extend(self.all(node, "a list of tests", Reader::test)),
                _ => self.unknown(key, lists::FILE),
            }
        }
        if file.edition.is_none() && !self.found.iter().any(Diagnostic::is_error) {
            let found = Diagnostic::new(codes::MISSING_EDITION, "missing `edition`");
            let begin = Span { end: node.span.start, ..node.span };
            self.say(found.label(begin, "").help(format!("write `edition` with the value {EDITION}")));
        }
        file
    }

    fn edition(&mut self, node: &Node) -> Option<Spanned<u64>> {
        let edition = self.int(node)?;
        if edition.node != EDITION {
            let found =
                Diagnostic::new(codes::UNKNOWN_EDITION, format!("unknown edition `{}`", edition.node))
                    .label(edition.span, "")
                    .help(format!("write {EDITION}, the only one that this version knows"));
            self.say(found.edit(edition.span, EDITION.to_string()));
        }
        Some(edition)
    }

    fn import(&mut self, node: &Node) -> Option<Import> {
        let Kind::Map(members) = &node.kind else {
            let wanted = "the name of a library in a text, or `file` and `as`";
            return self.fragment(node, wanted, |it| it.dotted_name()).map(Import::Library);
        };
        let (mut path, mut name) = (None, None);
        for (key, node) in members {
            match key.text.as_str() {
                "file" => path = self.spanned_string(node, "the path of a file in a text"),
                "as" => name = self.name(node, "a name in a text"),
                _ => self.unknown(key, &["file", "as"]),
            }
        }
        for (member, there) in [("file", path.is_some()), ("as", name.is_some())] {
            if !there && !members.iter().any(|(key, _)| key.text == member) {
                self.missing(node.span, member);
            }
        }
        Some(Import::File { path: path?, name: name? })
    }
}
