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
    heads::heads,
    settings::quantities,
    settings::limits,
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
    settings::accepts,
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

    /// Replaces it.
    fn instead(self, help: impl Into<String>, text: impl Into<String>) -> Option<Habit> {
        Some(Habit { help: help.into(), edit: Some((self.at.span(), text.into())) })
    }

    /// `write X`, and X in its place.
    fn write(self, text: impl Into<String>) -> Option<Habit> {
        let text = text.into();
        self.instead(format!("write `{text}`"), text)
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
    if entry && m.text == "-" && (m.at.next().first_on_line || m.before().is_some_and(|it| it.at_sign("{"))) {
        return m.instead("remove it: entries have no `-` before them", "");
    }
    if entry && m.text == "," && m.wants_literal("}") {
        return m.instead("remove it: no comma stands between rules", "");
    }
    if m.wants_literal("{") && m.is(&[":", "="]) {
        return m.instead(format!("remove the `{}`", m.text), "");
    }
    if m.wants_literal("{") && m.text == "(" {
        return help("write `{`, and `}` in place of `)`");
    }
    if m.expected.len() == 1 && m.wants_literal("{") && m.is_word() {
        return help(format!("write `{{` before `{}`, and `}}` behind the last entry", m.text));
    }
    if let Some(comma) = trailing_comma(m).filter(|_| m.is(&["}", ")", "]"])) {
        return Some(comma);
    }
    None
}
