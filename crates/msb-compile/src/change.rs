//! Edits that change a decision: made in memory and asked again before they are named.
//!
//! A line more goes to the end of its section. Less in the line that decides is tried item by item, the least
//! first; an item that stands for more than what was asked about loses only that.

use crate::fix::Instead;
use crate::{Checked, Files, Options, check};
use msb_check::{Change, Explained};
use msb_diag::{FileId, Span, codes};
use msb_syntax::ast::{Block, EnvRuleKind, Item, Net, NetRuleKind, SetKind, Stmt, StmtKind, SysRuleKind};
use std::cell::Cell;

/// Edits that are tried for one answer.
const TRIES_MAX: usize = 64;

/// A piece of the text, and what stands there instead.
struct Edit {
    start: usize,
    end: usize,
    with: String,
}

/// Leaves only such edits in `answer` as change it; says so where there is none.
pub(crate) fn tried(
    files: &dyn Files,
    path: &str,
    options: &Options,
    request: &str,
    checked: &Checked,
    answer: &mut Explained,
) {
    let file = FileId::default();
    let Some(text) = checked.sources.get(file).map(|source| source.text.clone()) else { return };
    // YAML and JSON are edited by whoever wrote them: the words say what to write.
    if msb_data::Form::of(path) != msb_data::Form::Msb {
        return;
    }
    let (tree, _) = msb_syntax::parse(file, &text);
    let name = checked.policy.as_ref().map(|policy| policy.name.as_str());
    let claimed = Cell::new(false);
    let changes = |edits: &[&Edit]| {
        let Some(edited) = apply(&text, edits) else { return false };
        let again = check(&Instead { files, path, text: &edited }, path, options);
        let Some(policy) = &again.policy else {
            claimed
                .set(claimed.get() || again.diagnostics.iter().any(|it| it.code == codes::ASSERTION_FAILED));
            return false;
        };
        let again = crate::answer(policy, again.sources.clone(), request).answers;
        let same = |it: &Explained| it.allowed == answer.allowed && it.request == answer.request;
        let other = |it: &Explained| it.allowed != answer.allowed;
        again.iter().any(other) && !again.iter().any(same)
    };
    let block = tree.items.iter().find_map(|item| match item {
        Item::Block(block) if Some(block.name.node.as_str()) == name => Some(block),
        _ => None,
    });
    let span = answer.rule.as_ref().and_then(|rule| {
        let policy = checked.policy.as_ref()?;
        let index = policy.origins.iter().position(|origin| origin == rule)?;
        checked.spans.get(index).copied().filter(|span| span.file == file)
    });
    let change = match (&answer.edit, block) {
        (Change::Nothing, _) => return,
        (Change::Write { section, line }, Some(block)) => {
            let edit = written(block, section, line);
            let more = changes(&[&edit]).then(|| answer.change.clone());
            // A deny of all that one item allows is refused as a contradiction: that item goes.
            more.or_else(|| {
                let span = span.filter(|_| answer.allowed)?;
                let less = less(&tree.items, span, &text, "");
                let edit = less.iter().take(TRIES_MAX).find(|edit| changes(&[edit]))?;
                Some(words(&text, span, edit))
            })
        }
        (Change::Take { name, also }, Some(block)) => {
            // A tool stands for itself: there is no less of it.
            if let Some(tool) = span.and_then(|span| tool_at(block, span)) {
                let edit = Edit { start: tool.start as usize, end: tool.end as usize, with: String::new() };
                // Without it the request is about nothing: what is left has to be a policy.
                let left = apply(&text, &[&edit]);
                let left = left.map(|text| check(&Instead { files, path, text: &text }, path, options));
                let words = left.and_then(|left| left.policy).map(|_| "take the tool away".to_owned());
                finish(answer, words, Some(block), claimed.get());
                return;
            }
            let less = span.map_or_else(Vec::new, |span| less(&tree.items, span, &text, name));
            let less = less.get(..less.len().min(TRIES_MAX)).unwrap_or_default();
            let also = also.as_ref().map(|(section, line)| (section, line, written(block, section, line)));
            let alone = less.iter().find(|edit| changes(&[edit]));
            let words = |edit| span.map(|span| words(&text, span, edit));
            alone.and_then(words).or_else(|| {
                let (section, line, more) = also?;
                let both = less.iter().find(|edit| changes(&[edit, &more]))?;
                Some(format!("{}, and write `{line}` in `{section}`", words(both)?))
            })
        }
        (_, None) => None,
    };
    finish(answer, change, block, claimed.get());
}

/// Names the edit that was found, or says why there is none.
fn finish(answer: &mut Explained, change: Option<String>, block: Option<&Block>, claimed: bool) {
    match change {
        Some(change) => {
            if matches!(answer.edit, Change::Write { .. }) && change != answer.change {
                answer.edit = Change::Take { name: String::new(), also: None };
            }
            answer.change = change;
        }
        None => {
            answer.change = no_edit(answer, block, claimed);
            answer.edit = Change::Nothing;
        }
    }
}

/// The `tool` of `block` whose name stands at `span`.
fn tool_at(block: &Block, span: Span) -> Option<Span> {
    block.stmts.iter().find_map(|stmt| match &stmt.kind {
        StmtKind::Tool(tool) if tool.name.span == span => Some(stmt.span),
        _ => None,
    })
}

/// Why there is no edit.
fn no_edit(answer: &Explained, block: Option<&Block>, claimed: bool) -> String {
    if claimed {
        return "no single line of the policy changes it: a claim of its own requires it".to_owned();
    }
    let parent = block.and_then(|block| block.extends.as_ref()).map(|extends| {
        let parts: Vec<&str> = extends.name.parts.iter().map(|part| part.node.as_str()).collect();
        parts.join(".")
    });
    match (&answer.rule, parent) {
        (Some(rule), _) => {
            format!("no single line of the policy changes it: see {}:{}", rule.file, rule.line)
        }
        (None, Some(parent)) if !answer.allowed => {
            format!(
                "no single line of the policy changes it: `{parent}`, which it extends, would have to allow it"
            )
        }
        (None, _) => "no single line of the policy changes it".to_owned(),
    }
}

/// `text` with edits that do not overlap.
fn apply(text: &str, edits: &[&Edit]) -> Option<String> {
    let mut edits = edits.to_vec();
    edits.sort_by_key(|edit| std::cmp::Reverse(edit.start));
    let mut edited = text.to_owned();
    for edit in edits {
        edited = format!("{}{}{}", edited.get(..edit.start)?, edit.with, edited.get(edit.end..)?);
    }
    Some(edited)
}

/// What is left of the line at `span` after `edit`.
fn words(text: &str, span: Span, edit: &Edit) -> String {
    let (start, end) = (span.start as usize, span.end as usize);
    if edit.start <= start && edit.end >= end && edit.with.is_empty() {
        return "take this line away".to_owned();
    }
    let before = text.get(start..edit.start.max(start)).unwrap_or_default();
    let after = text.get(edit.end.min(end)..end).unwrap_or_default();
    let apart = match edit.with.is_empty() {
        true => after.starts_with(char::is_whitespace) && !before.ends_with(char::is_whitespace),
        false => !edit.with.ends_with(' '),
    };
    let line: Vec<&str> = before.split_whitespace().collect();
    let line = line.join(" ") + if before.ends_with(char::is_whitespace) { " " } else { "" };
    let after: Vec<&str> = after.split_whitespace().collect();
    let ends = after.first().is_none_or(|word| word.starts_with(','));
    let glue = if apart && !ends { " " } else { "" };
    format!("write `{}{}{glue}{}` in place of this line", line, edit.with, after.join(" "))
}

/// `line` at the end of `section`, which is made where there is none.
fn written(block: &Block, section: &str, line: &str) -> Edit {
    let is = |stmt: &&Stmt| {
        matches!(
            (&stmt.kind, section),
            (StmtKind::Fs(_), "fs")
                | (StmtKind::Syscalls(_), "syscalls")
                | (StmtKind::Env(_), "env")
                | (StmtKind::Net(_), "net")
        )
    };
    match block.stmts.iter().find(is) {
        Some(Stmt { kind: StmtKind::Net(Net::None | Net::Host), span, .. }) => {
            Edit { start: span.start as usize, end: span.end as usize, with: format!("net {{ {line} }}") }
        }
        Some(Stmt { span, .. }) => {
            let at = (span.end as usize).saturating_sub(1);
            Edit { start: at, end: at, with: format!("\n    {line}\n  ") }
        }
        None => {
            let at = (block.span.end as usize).saturating_sub(1);
            Edit { start: at, end: at, with: format!("  {section} {{ {line} }}\n") }
        }
    }
}

/// Ways to say less in the rule at `span`, the least first.
fn less(items: &[Item], span: Span, text: &str, name: &str) -> Vec<Edit> {
    let stmts = items.iter().flat_map(|item| match item {
        Item::Block(block) => block.stmts.as_slice(),
        _ => &[],
    });
    let mut edits = Vec::new();
    for stmt in stmts {
        let lists: Vec<(Span, Vec<Span>)> = match &stmt.kind {
            StmtKind::Fs(rules) => rules
                .iter()
                .map(|rule| (rule.span, rule.paths.iter().map(|path| path.span).collect()))
                .collect(),
            StmtKind::Env(rules) => rules
                .iter()
                .map(|rule| match &rule.kind {
                    EnvRuleKind::Pass(names) => {
                        let of_name = |it: &&msb_syntax::ast::Name| it.node == name;
                        (rule.span, names.iter().filter(of_name).map(|it| it.span).collect())
                    }
                    _ => (rule.span, Vec::new()),
                })
                .collect(),
            StmtKind::Net(Net::Rules(rules)) => rules
                .iter()
                .map(|rule| match &rule.kind {
                    NetRuleKind::Allow(ends) | NetRuleKind::Deny(ends) | NetRuleKind::Listen(ends) => {
                        (rule.span, ends.iter().map(|end| end.span).collect())
                    }
                    NetRuleKind::Total => (rule.span, Vec::new()),
                })
                .collect(),
            StmtKind::Syscalls(rules) => {
                for rule in rules.iter().filter(|rule| rule.span == span) {
                    let SysRuleKind::Action { items, .. } = &rule.kind else { continue };
                    let sets = items.iter().filter(|item| !matches!(item.set.kind, SetKind::Call(_)));
                    edits.extend(sets.map(|item| {
                        let at = item.set.span.end as usize;
                        Edit { start: at, end: at, with: format!(" - {name}") }
                    }));
                }
                rules
                    .iter()
                    .map(|rule| match &rule.kind {
                        SysRuleKind::Action { items, .. } => {
                            let call = |item: &&msb_syntax::ast::SysItem| {
                                matches!(&item.set.kind, SetKind::Call(call) if call == name)
                            };
                            (rule.span, items.iter().filter(call).map(|item| item.set.span).collect())
                        }
                        _ => (rule.span, Vec::new()),
                    })
                    .collect()
            }
            _ if stmt.span == span => vec![(span, Vec::new())],
            _ => Vec::new(),
        };
        for (rule, members) in lists.into_iter().filter(|(rule, _)| *rule == span) {
            edits.extend(members.into_iter().filter_map(|member| without(text, rule, member)));
            edits.push(Edit { start: rule.start as usize, end: rule.end as usize, with: String::new() });
        }
    }
    edits
}

/// A member of a list and the comma that goes with it; `None` where it is the only one.
fn without(text: &str, rule: Span, member: Span) -> Option<Edit> {
    let (start, end) = (member.start as usize, member.end as usize);
    let after = text.get(end..rule.end as usize)?;
    if let Some(comma) = after.find(|it: char| !it.is_whitespace()).filter(|at| after[*at..].starts_with(','))
    {
        let rest = after.get(comma + 1..)?;
        let space = rest.len() - rest.trim_start().len();
        return Some(Edit { start, end: end + comma + 1 + space, with: String::new() });
    }
    let before = text.get(rule.start as usize..start)?.trim_end();
    let comma = before.strip_suffix(',')?;
    Some(Edit { start: rule.start as usize + comma.len(), end, with: String::new() })
}
