//! Tools: their types, their commands, their options.

use super::{Habit, Mistake, help};
use crate::scan::clipped;
use crate::token::Kind;
use crate::tokens::Tokens;

pub(super) fn tools(m: Mistake<'_>) -> Option<Habit> {
    types(m).or_else(|| options(m)).or_else(|| heads(m))
}

fn types(m: Mistake<'_>) -> Option<Habit> {
    if m.wants("a refinement") {
        if let Some(text) = m.is_text() {
            if m.type_before() == Some("enum") || m.type_before() == Some("oneof") {
                return choice(m);
            }
            return m.instead(
                format!("write `r\"{}\"`: a pattern has an `r` before it", clipped(text)),
                format!("r{}", m.text),
            );
        }
        if m.at.next().kind == Kind::Path && m.text.len() > 2 && m.text.ends_with('/') {
            let pattern = m.text.trim_matches('/');
            return m.instead(format!("write `r\"{}\"`", clipped(pattern)), format!("r\"{pattern}\""));
        }
        if m.type_before() == Some("list") && m.is_word() {
            let parenthesis = m.before()?;
            let end = m.ahead(1);
            let edit = end.at_sign(")").then(|| (parenthesis.span().to(end.span()), format!("<{}>", m.text)));
            return Some(Habit { help: format!("write `list<{}>`", m.text), edit });
        }
        if m.text == ".." {
            return help("write both ends: `0..5`, which are included");
        }
        if m.text == "r" && m.ahead(1).text().starts_with('\'') {
            let pattern = m.ahead(1).text().trim_matches('\'');
            let right = format!("r\"{pattern}\"");
            return Some(Habit {
                help: format!("write `{}`", clipped(&right)),
                edit: Some((m.at.span().to(m.ahead(1).span()), right)),
            });
        }
        if m.at.next().kind == Kind::Var && m.type_before() == Some("path") {
            return m.write(format!("under {}", m.text));
        }
        if matches!(m.text, "<" | "<=" | ">") {
            return help("write a range, both ends included: `0..9`");
        }
    }
    if m.wants_literal("..")
        && m.expected.len() == 1
        && m.before().is_some_and(|it| matches!(it.next().kind, Kind::Int(_)))
    {
        let first = m.before().map(Tokens::text).unwrap_or_default();
        if m.text == ")" {
            return help(format!("write both ends of the range: `0..{first}`"));
        }
        if m.text == "," {
            return m.write("..");
        }
    }
    if m.wants("a type") && m.text == "[" && matches!(m.ahead(1).next().kind, Kind::Text(_)) {
        let edit = m.bracketed().map(|(inner, span)| (span, inner.replace(',', " |").replace("  ", " ")));
        return Some(Habit {
            help: "write the texts with `|` between them: `\"a\" | \"b\"`".to_owned(),
            edit,
        });
    }
    if m.wants_literal("|") && m.expected.len() == 1 && m.text == "," {
        return m.instead("write `|` between the texts", if m.is_glued() { " |" } else { "|" });
    }
    if m.text == "?" && m.wants_literal(")") && m.wants_literal(",") {
        return help("write `?` behind the name: `name?: string(1..200)`");
    }
    if m.wants_literal("?") && m.is_word() && m.after("optional") {
        return help(format!("write `{}?`: a `?` behind the name says that it may be left out", m.text));
    }
    if m.wants_literal("{") && m.expected.len() == 1 && m.at.next().kind == Kind::Var && m.after("in") {
        let span = m.before()?.span().to(m.at.span());
        let right = format!("under {}", m.text);
        return Some(Habit { help: format!("write `{right}`"), edit: Some((span, right)) });
    }
    if m.text == "[" && m.wants_literal("(") && m.wants_literal("=") {
        let before = m.before()?;
        if before.at_word(&["list"]) {
            let edit = m.bracketed().map(|(inner, span)| (span, format!("<{inner}>")));
            let element = m.bracketed().map_or("string", |(inner, _)| inner);
            return Some(Habit { help: format!("write `list<{}>`", clipped(element)), edit });
        }
        if m.at.skip().at_sign("]") {
            let span = before.span().to(m.at.skip().span());
            let right = format!("list<{}>", before.text());
            return Some(Habit { help: format!("write `{right}`"), edit: Some((span, right)) });
        }
        let edit = m.bracketed().map(|(inner, span)| (span, format!("({inner})")));
        return Some(Habit { help: "write parentheses: `int(1..5)`".to_owned(), edit });
    }
    None
}

/// `enum("a", "b")`
fn choice(m: Mistake<'_>) -> Option<Habit> {
    let parenthesis = m.before()?;
    let word = m.at.context.nth(parenthesis.index().checked_sub(1)?);
    let (inner, span) = Mistake { at: parenthesis, text: "(", ..m }.bracketed()?;
    let right = inner.split(',').map(str::trim).collect::<Vec<_>>().join(" | ");
    let edit = (word.span().to(span), right);
    Some(Habit {
        help: "write the texts with `|` between them: `\"a\" | \"b\"`".to_owned(),
        edit: Some(edit),
    })
}

fn options(m: Mistake<'_>) -> Option<Habit> {
    if m.wants("a string or a parameter")
        && matches!(m.at.next().kind, Kind::Word | Kind::Path | Kind::Sign("-"))
    {
        let (word, span) = m.glued();
        let right = format!("\"{word}\"");
        let plain = !word.is_empty() && !word.contains(['"', '\\']);
        return plain.then(|| Habit {
            help: format!("write quotes round each word: `{right}`"),
            edit: Some((span, right)),
        });
    }
    if m.wants("a string or a parameter") && m.text == "[" {
        let edit = m.bracketed().map(|(inner, span)| (span, inner.replace(", ", " ").replace(',', " ")));
        return Some(Habit {
            help: "write the words side by side: `exec \"git\" $arguments`".to_owned(),
            edit,
        });
    }
    if m.wants("a string or a parameter")
        && m.text == "{"
        && m.ahead(1).next().kind == Kind::Word
        && m.ahead(2).at_sign("}")
    {
        let right = format!("${}", m.ahead(1).text());
        return Some(Habit {
            help: format!("write `{right}`"),
            edit: Some((m.at.span().to(m.ahead(2).span()), right)),
        });
    }
    if m.wants_literal("->") && m.is(&["returns", "return", "gives", "as"]) {
        return m.write("->");
    }
    if m.wants("the name of a tool")
        && let Some(text) = m.is_text()
    {
        return m.instead(format!("write `{}`: names have no quotes", clipped(text)), text);
    }
    if !m.wants("an option of the tool") {
        return None;
    }
    if m.is(&["true", "yes", "on", "always"]) && m.after("confirm") | m.after("shim") {
        return m.remove("remove it: the option stands alone");
    }
    if m.is(&["description", "doc", "summary", "help"]) {
        return help("write it as a comment above the tool: `## …`");
    }
    const NAMES: &[(&[&str], &str)] = &[
        (&["command", "cmd", "run"], "exec"),
        (&["max_output", "output", "limit", "max_bytes"], "result"),
        (&["ask", "approve", "approval", "confirmation"], "confirm"),
        (&["max_calls", "calls"], "quota"),
        (&["wall", "time", "deadline"], "timeout"),
        (&["policy", "sandbox"], "in"),
        (&["parallel", "max_parallel"], "concurrency"),
        (&["input"], "stdin"),
    ];
    m.synonym(NAMES)
}

fn heads(m: Mistake<'_>) -> Option<Habit> {
    let named = m.before().and_then(|it| it.index().checked_sub(1)).map(|it| m.at.context.nth(it));
    if m.wants_literal("(")
        && m.expected.len() == 1
        && m.text == "{"
        && named.is_some_and(|it| it.at_word(&["tool"]))
    {
        return m.instead("write `()` before `{`: a tool has parameters, or none", "() {");
    }
    None
}

impl<'a> Mistake<'a> {
    /// `enum` in `enum("a"`
    fn type_before(self) -> Option<&'a str> {
        let parenthesis = self.before().filter(|it| it.at_sign("("))?;
        let word = parenthesis.index().checked_sub(1)?;
        Some(Tokens::text(self.at.context.nth(word)))
    }
}
