//! Rules of files and of system calls.

use super::Reader;
use crate::document::{Kind, Node};
use crate::lists;
use msb_syntax::ast::{
    Action, ActionKind, FsOption, FsOptionKind, FsRule, FsVerb, Spanned, SysRule, SysRuleKind,
};

/// The verbs of `fs` by their members.
pub(crate) const VERBS: &[(&str, FsVerb)] = &[
    ("read", FsVerb::Read),
    ("write", FsVerb::Write),
    ("create", FsVerb::Create),
    ("append", FsVerb::Append),
    ("run", FsVerb::Run),
    ("deny", FsVerb::Deny),
    ("deny_read", FsVerb::DenyRead),
    ("deny_write", FsVerb::DenyWrite),
    ("deny_run", FsVerb::DenyRun),
    ("scratch", FsVerb::Scratch),
    ("overlay", FsVerb::Overlay),
    ("device", FsVerb::Device),
    ("socket", FsVerb::Socket),
    ("proc", FsVerb::Proc),
];

impl Reader<'_> {
    /// `{"write": ["$workspace"], "at": "/work"}`
    pub(super) fn fs(&mut self, node: &Node) -> Option<FsRule> {
        let (mut verb, mut paths, mut options, mut doc) = (None, Vec::new(), Vec::new(), String::new());
        let members = self.map(node, "a rule such as `{read: [/usr]}`");
        for (key, inner) in members {
            if let Some((_, found)) = VERBS.iter().find(|(word, _)| *word == key.text) {
                if verb.is_some() {
                    self.wrong_kind(node, "a rule with one verb");
                }
                verb = Some(Spanned { node: *found, span: key.span });
                paths = self.paths(inner);
                continue;
            }
            let kind = match key.text.as_str() {
                "doc" => {
                    doc = self.doc(inner);
                    None
                }
                "at" => self.path(inner).map(FsOptionKind::At),
                "from" => self.path(inner).map(FsOptionKind::From),
                "size" => self.quantity("size", inner).map(FsOptionKind::Size),
                "inodes" => self.quantity("inodes", inner).map(FsOptionKind::Inodes),
                "optional" => self.flag(inner).then_some(FsOptionKind::Optional),
                "missing" => self.choice(inner, lists::MISSING).map(FsOptionKind::Missing),
                "symlinks" => self.choice(inner, lists::SYMLINKS).map(FsOptionKind::Symlinks),
                "beside" => self.spanned_string(inner, "a name in a text").map(FsOptionKind::Beside),
                "depth" => self.quantity("depth", inner).map(FsOptionKind::Depth),
                "enforce" => self.choice(inner, lists::ENFORCE).map(FsOptionKind::Enforce),
                _ => {
                    let known = [lists::FS_VERBS, lists::FS_OPTIONS, &["doc"]].concat();
                    self.unknown(key, &known);
                    None
                }
            };
            options.extend(kind.map(|kind| FsOption { kind, span: key.span.to(inner.span) }));
        }
        let known = |word: &str| [lists::FS_VERBS, lists::FS_OPTIONS, &["doc"]].concat().contains(&word);
        if verb.is_none() && !members.is_empty() && members.iter().all(|(key, _)| known(&key.text)) {
            self.wrong_kind(node, "a rule with a verb such as `read` or `write`");
        }
        Some(FsRule { doc, verb: verb?, paths, options, span: node.span })
    }

    /// A word out of `words`.
    pub(super) fn choice(
        &mut self,
        node: &Node,
        words: &'static [&'static str],
    ) -> Option<msb_syntax::ast::Name> {
        let wanted = format!("`{}`", words.join("` or `"));
        self.fragment(node, &wanted, |it| it.one_of("one of these words", words))
    }

    /// `{"allow": ["@basic-io", "socket where domain == AF_UNIX"]}`, `{"errno": "ENOSYS", "calls": […]}`
    pub(super) fn syscalls(&mut self, node: &Node) -> Option<SysRule> {
        let (mut rule, mut action, mut calls, mut doc) = (None, None, None, String::new());
        let members = self.map(node, "a rule such as `{allow: [\"@basic-io\"]}`");
        let mut verbs = 0;
        for (key, inner) in members {
            verbs += usize::from(lists::SYSCALL_RULES.contains(&key.text.as_str()));
            let kind = match key.text.as_str() {
                "allow" => ActionKind::Allow,
                "log" => ActionKind::Log,
                "notify" => ActionKind::Notify,
                "trap" => ActionKind::Trap,
                "kill" => ActionKind::Kill,
                "errno" => {
                    let name = self.name(inner, "the name of an error in a text");
                    let span = key.span.to(inner.span);
                    action = name.map(|name| Action { kind: ActionKind::Errno(name), span });
                    continue;
                }
                "calls" => {
                    calls = Some(inner);
                    continue;
                }
                "default" => {
                    let wanted = "an action in a text";
                    rule = self.fragment(inner, wanted, |it| it.action()).map(SysRuleKind::Default);
                    continue;
                }
                "arch" => {
                    let names = self.all(inner, "a list of architectures", |it, node| {
                        it.name(node, "an architecture in a text")
                    });
                    if self.filled(inner) {
                        rule = Some(SysRuleKind::Arch(names));
                    }
                    continue;
                }
                "doc" => {
                    doc = self.doc(inner);
                    continue;
                }
                _ => {
                    let known = [lists::SYSCALL_RULES, &["calls", "doc"]].concat();
                    self.unknown(key, &known);
                    continue;
                }
            };
            action = Some(Action { kind, span: key.span });
            calls = Some(inner);
        }
        let errno = members.iter().any(|(key, _)| key.text == "errno");
        let given = members.iter().any(|(key, _)| key.text == "calls");
        if verbs > 1 {
            self.wrong_kind(node, "a rule with one action");
            return None;
        }
        if errno && !given {
            self.missing(node.span, "calls");
        }
        if given && !errno || verbs == 0 && !members.is_empty() {
            self.wrong_kind(node, "a rule with an action such as `allow`, or with `errno` and `calls`");
            return None;
        }
        if let Some((action, calls)) = action.zip(calls) {
            let items = self.all(calls, "a list of system calls", |it, node| {
                it.fragment(node, "system calls in a text", |it| it.system_calls())
            });
            if self.filled(calls) {
                rule = Some(SysRuleKind::Action { action, items });
            }
        }
        Some(SysRule { doc, kind: rule?, span: node.span })
    }

    /// Whether a list has anything in it; says so where not.
    pub(super) fn filled(&mut self, node: &Node) -> bool {
        let empty = matches!(&node.kind, Kind::List(nodes) if nodes.is_empty());
        if empty {
            self.wrong_kind(node, "a list with at least one text");
        }
        matches!(node.kind, Kind::List(_)) && !empty
    }
}
