//! What people write who come from other languages, and what to write here instead.
//!
//! A message that lists what was expected is right and seldom helps: who wrote `deny ptrace`, `read [/a]` or
//! `"512MiB"` knows what they mean. Each function below knows the mistakes of one place, by what the parser
//! expected there. An edit is given where there is one answer that a program can make.

mod calls;
mod claims;
mod files;
mod heads;
mod network;
mod settings;
mod tools;

use crate::recover::{edit_distance, nearest};
use crate::scan::clipped;
use crate::token::Kind;
use crate::tokens::{Expected, Tokens};
use msb_diag::Span;

/// What to type, and the same as an edit where there is one.
#[derive(Debug)]
pub(crate) struct Habit {
    pub(crate) help: String,
    pub(crate) edit: Option<(Span, String)>,
}

/// The mistake at a token, with what would have been right there.
#[derive(Clone, Copy)]
struct Mistake<'a> {
    at: Tokens<'a>,
    text: &'a str,
    expected: &'a [Expected],
}

type Known = fn(Mistake<'_>) -> Option<Habit>;

/// By place, the narrower before the wider.
const PLACES: &[Known] = &[
    settings::accepts,
    tools::tools,
    heads::heads,
    settings::quantities,
    settings::limits,
    network::methods,
    files::paths,
    files::files,
    calls::conditions,
    calls::calls,
    calls::actions,
    network::peers,
    network::protocols,
    network::ports,
    network::terms,
    network::networks,
    settings::environment,
    settings::commands,
    settings::capabilities,
    claims::claims,
    heads::statements,
    heads::items,
    lists,
];

/// The habit that explains the token at `at`, which is none of `expected`.
pub(crate) fn habit(at: Tokens<'_>, expected: &[Expected]) -> Option<Habit> {
    let mistake = Mistake { at, text: at.text(), expected };
    PLACES.iter().find_map(|known| known(mistake))
}

impl<'a> Mistake<'a> {
    /// Whether something with this description would have been right.
    fn wants(self, what: &str) -> bool {
        self.expected.iter().any(|one| match one {
            Expected::Choice(name, _) | Expected::Kind(name) => *name == what,
            Expected::Literal(_) => false,
        })
    }

    fn wants_literal(self, text: &str) -> bool {
        self.expected.iter().any(|one| matches!(one, Expected::Literal(literal) if *literal == text))
    }

    fn is_word(self) -> bool {
        self.at.next().kind == Kind::Word
    }

    fn is_text(self) -> Option<&'a str> {
        match &self.at.next().kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    fn is(self, words: &[&str]) -> bool {
        words.contains(&self.text)
    }

    /// The token before it.
    fn before(self) -> Option<Tokens<'a>> {
        let index = self.at.index().checked_sub(1)?;
        Some(self.at.context.nth(index))
    }

    fn after(self, text: &str) -> bool {
        self.before().is_some_and(|before| before.text() == text)
    }

    /// Everything up to the next white space, comma or bracket, as it stands; nothing where that is long.
    fn glued(self) -> (&'a str, Span) {
        let span = self.at.span();
        let rest = self.at.context.text.get(self.at.next().range().start..).unwrap_or_default();
        let length = rest
            .find(|c: char| c.is_whitespace() || matches!(c, ',' | '{' | '}' | '(' | ')'))
            .unwrap_or(rest.len());
        let end = span.start.saturating_add(u32::try_from(length).unwrap_or(0));
        const SHOWN_BYTES_MAX: usize = 100;
        (if length > SHOWN_BYTES_MAX { "" } else { &rest[..length] }, Span { end, ..span })
    }

    /// The token so many places behind it.
    fn ahead(self, count: usize) -> Tokens<'a> {
        (0..count).fold(self.at, |at, _| at.skip())
    }

    /// Whether anything but white space stands between it and the token before it.
    fn is_glued(self) -> bool {
        self.before().is_some_and(|before| before.next().end == self.at.next().start)
    }

    /// Whether it stands directly behind a number.
    fn is_glued_to_number(self) -> bool {
        let digit = |it: Tokens<'_>| it.text().starts_with(|c: char| c.is_ascii_digit());
        self.is_glued() && self.before().is_some_and(digit)
    }

    /// `[a, b]` from here, or in braces or parentheses: what stands in between, and the span of all. At most a line.
    fn bracketed(self) -> Option<(&'a str, Span)> {
        let close = match self.text {
            "[" => "]",
            "{" => "}",
            "(" => ")",
            _ => return None,
        };
        let mut at = self.at.skip();
        let mut depth = 1;
        while !(at.is_end() || at.next().first_on_line && depth > 1) {
            if at.at_sign(self.text) {
                depth += 1;
            } else if at.at_sign(close) {
                depth -= 1;
            }
            if depth == 0 {
                let inner = self.at.next().range().end..at.next().range().start;
                let inner = self.at.context.text.get(inner)?.trim();
                return (!inner.contains('\n')).then(|| (inner, self.at.span().to(at.span())));
            }
            at = at.skip();
        }
        None
    }

    /// Takes the brackets from round what stands in them.
    fn without_brackets(self, say: &str) -> Option<Habit> {
        let edit =
            self.bracketed().filter(|(inner, _)| !inner.contains(['[', '{', '(']) && !inner.is_empty());
        let edit =
            edit.map(|(inner, span)| (span, format!("{}{inner}", if self.is_glued() { " " } else { "" })));
        Some(Habit { help: say.to_owned(), edit })
    }

    /// Replaces it.
    fn instead(self, help: impl Into<String>, text: impl Into<String>) -> Option<Habit> {
        Some(Habit { help: help.into(), edit: Some((self.at.span(), text.into())) })
    }

    /// Takes it away; what it divided stays divided.
    fn remove(self, help: impl Into<String>) -> Option<Habit> {
        self.instead(help, self.at.gap())
    }

    /// `write X`, and X in its place.
    fn write(self, text: impl Into<String>) -> Option<Habit> {
        let text = text.into();
        self.instead(format!("write `{text}`"), text)
    }

    /// [`Self::synonym`], also of a wrong word that is misspelt, where it is long enough to be told.
    fn synonym_like(self, table: &[(&[&str], &str)]) -> Option<Habit> {
        const LETTERS_MIN: usize = 6;
        self.synonym(table).or_else(|| {
            let long = self.is_word() && self.text.len() >= LETTERS_MIN;
            let known = nearest(self.at.next(), self.text, self.expected).is_some();
            let similar = |wrong: &&str| wrong.len() >= LETTERS_MIN && edit_distance(self.text, wrong) <= 1;
            let found = table.iter().filter(|_| long && !known).find(|(wrong, _)| wrong.iter().any(similar));
            found.and_then(|(_, right)| self.write(*right))
        })
    }

    /// The first right word beside the wrong one.
    fn synonym(self, table: &[(&[&str], &str)]) -> Option<Habit> {
        let (_, right) = table.iter().find(|(wrong, _)| self.is(wrong))?;
        self.write(*right)
    }
}

fn help(text: impl Into<String>) -> Option<Habit> {
    Some(Habit { help: text.into(), edit: None })
}

/// `read /a, }`
fn trailing_comma(m: Mistake<'_>) -> Option<Habit> {
    let before = m.before().filter(|before| before.at_sign(","))?;
    let closes = m.at.is_end() || m.is(&["}", ")", "]", ","]);
    (closes || m.is_word()).then(|| Habit {
        help: "remove the `,` before it".to_owned(),
        edit: Some((before.span(), String::new())),
    })
}

/// Lists as other languages write them, wherever an entry of a block was expected.
fn lists(m: Mistake<'_>) -> Option<Habit> {
    let entry = m.expected.iter().any(|one| matches!(one, Expected::Choice(..)));
    let dash = m.text == "-" && m.at.skip().next().start > m.at.next().end;
    if entry && dash && (m.at.next().first_on_line || m.before().is_some_and(|it| it.at_sign("{"))) {
        return m.instead("remove it: entries have no `-` before them", "");
    }
    if entry
        && m.text == ":"
        && m.wants_literal("}")
        && m.before().is_some_and(|it| it.next().kind == Kind::Word)
    {
        return m.remove("remove the `:`");
    }
    if entry && m.text == "," && m.wants_literal("}") {
        return m.instead("remove it: no comma stands between rules", "");
    }
    if m.wants_literal("{") && m.is(&[":", "="]) {
        return m.remove(format!("remove the `{}`", m.text));
    }
    if m.wants_literal("=") && !m.wants_literal(":") && !m.wants("a value") {
        if m.text == ":" {
            return m.instead("write `=` in the place of `:`", if m.is_glued() { " =" } else { "=" });
        }
        if m.expected.len() == 1
            && matches!(m.at.next().kind, Kind::Text(_) | Kind::Path | Kind::Var | Kind::Int(_))
        {
            let text = clipped(m.text);
            return m.instead(format!("write `=` before `{text}`"), format!("= {}", m.text));
        }
    }
    if m.wants("a string") && m.is_word() && m.expected.len() == 1 && m.at.next().kind == Kind::Word {
        let (word, span) = m.glued();
        let plain = !word.is_empty() && !word.contains(['"', '\\']);
        let alone = m.ahead(1).next().first_on_line || m.ahead(1).at_sign("}") || word.len() > m.text.len();
        let edit = (plain && alone).then(|| (span, format!("\"{word}\"")));
        return Some(Habit {
            help: format!("write quotes round text: `\"{}\"`", clipped(if plain { word } else { "…" })),
            edit,
        });
    }
    if m.wants_literal("}") && m.wants_literal(",") && m.expected.len() == 2 && m.is_word() {
        return m.instead(format!("write `,` before `{}`", m.text), format!(", {}", m.text));
    }
    if m.wants_literal("{") && m.is(&["(", "["]) {
        let close = if m.text == "(" { ")" } else { "]" };
        return help(format!("write `{{`, and `}}` in place of `{close}`"));
    }
    if entry && m.text == "{" && m.after("{") {
        return help("remove this `{`, and the `}` that belongs to it");
    }
    if m.expected.len() > 1 && m.wants_literal("{") && m.is_text().is_some_and(|text| m.wants_literal(text)) {
        let text = m.is_text().unwrap_or_default();
        return m.instead(format!("write `{text}`, without quotes"), text);
    }
    let limits = m.wants_literal("hard") && !matches!(m.ahead(1).next().kind, Kind::Sign(_));
    if (m.expected.len() == 1 || limits) && m.wants_literal("{") && m.is_word() {
        return help(format!("write `{{` before `{}`, and `}}` behind the last entry", m.text));
    }
    if let Some(comma) = trailing_comma(m).filter(|_| m.is(&["}", ")", "]"])) {
        return Some(comma);
    }
    None
}
