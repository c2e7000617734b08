//! Blocks, and going on after an error: one run reports every mistake it can tell apart.
//!
//! Where a rule does not parse, the message names the furthest token that was understood no more and
//! what would have been right there. Parsing goes on at the next word that begins a rule of the same
//! block, at the block's `}`, or at a line that begins with a keyword of an outer block, which means
//! that a `}` was forgotten. Everything that is skipped is skipped once, so time stays linear.

use crate::habits::{Habit, habit};
use crate::lexer::ERRORS_MAX;
use crate::scan::clipped;
use crate::token::{Kind, Token};
use crate::tokens::{Context, Expected, Parsed, Tokens, sign};
use msb_diag::{Diagnostic, Span, codes};
use nom::Input;

/// A kind of block: what stands between its braces.
#[derive(Debug)]
pub(crate) struct BlockSpec {
    /// What an entry is called: `` a rule of `fs` ``.
    pub(crate) entry: &'static str,
    /// The words that an entry can begin with; empty if any word can.
    pub(crate) starts: &'static [&'static str],
    /// Words that begin something outside of the block.
    pub(crate) outer: &'static [&'static str],
}

/// What an item of a file is called.
pub(crate) const ITEM: &str = "an item";

/// Words that begin an item of a file.
pub(crate) const ITEM_STARTS: &[&str] = &["profile", "policy", "group", "const", "tool", "test"];

/// Words that begin an item and never a statement.
pub(crate) const ITEM_ONLY_STARTS: &[&str] = &["profile", "policy", "group", "const", "test"];

/// Words that begin a statement or an item: a rule's block ends where a line begins with one of them
/// that begins no rule of the block.
pub(crate) const OUTER_OF_RULES: &[&str] = &[
    "include", "fs", "net", "syscalls", "limits", "caps", "env", "exec", "tools", "tool", "assert", "accept",
    "sandbox", "profile", "policy", "group", "const", "test",
];

impl BlockSpec {
    fn is_start(&self, at: Tokens<'_>) -> bool {
        if self.starts.is_empty() {
            // Any word can be a value too, so only a new line is a safe place to go on.
            return at.next().kind == Kind::Word && at.next().first_on_line;
        }
        at.at_word(self.starts)
    }

    fn is_outer(&self, at: Tokens<'_>) -> bool {
        let is_outer = begins_outer(at) && at.at_word(self.outer) && !at.at_word(self.starts);
        // Lines carry no meaning: where any word begins an entry, only what cannot follow one tells them apart.
        let opens = |at: Tokens<'_>| at.at_sign("{") || at.at_sign("(");
        let no_limit = self.entry == "a limit"
            && at.skip().next().kind == Kind::Word
            && !at.skip().at_word(&["unlimited"]);
        is_outer && (!self.starts.is_empty() || opens(at.skip()) || opens(at.skip().skip()) || no_limit)
    }
}

/// Whether a line begins here with a word that begins something outside of a block of rules. `exec /usr/bin` does not:
/// it was meant as a rule.
fn begins_outer(at: Tokens<'_>) -> bool {
    let value = matches!(at.after_next().kind, Kind::Path | Kind::Var | Kind::Text(_));
    at.next().first_on_line
        && at.at_word(OUTER_OF_RULES)
        && !(value && at.at_word(&["exec", "env", "assert"]))
}

/// `{ entry* }`; each entry is given the text of its `##` lines. After the `{` it always succeeds.
pub(crate) fn block<'a, O>(
    spec: &'static BlockSpec,
    mut entry: impl FnMut(Tokens<'a>, String) -> Parsed<'a, O>,
) -> impl FnMut(Tokens<'a>) -> Parsed<'a, Vec<O>> {
    move |input: Tokens<'a>| {
        let (mut at, opened) = match sign("{")(input) {
            Ok((at, opened)) => (at, Some(opened)),
            // The rules below stand there all the same, and their `}` too.
            Err(_) if input.next().first_on_line && !spec.starts.is_empty() && spec.is_start(input) => {
                report(input.context, None);
                (input, None)
            }
            Err(wrong) => return Err(wrong),
        };
        let mut entries = Vec::new();
        loop {
            let (after_docs, doc) = docs(at);
            at = after_docs;
            if opened.is_none()
                && (at.is_end() || spec.is_outer(at) || at.at_sign("}") && is_of_outer(input, at))
            {
                return Ok((at, entries));
            }
            if at.at_sign("}") {
                return Ok((at.skip(), entries));
            }
            if too_many(at.context) {
                return Ok((at, entries));
            }
            at.expect(Expected::Literal("}"));
            let stops = if at.is_end() || spec.is_outer(at) {
                at.expect(Expected::Choice(spec.entry, spec.starts));
                true
            } else {
                match entry(at, doc) {
                    Ok((rest, output)) => {
                        entries.push(output);
                        at = rest;
                        continue;
                    }
                    Err(_) => {
                        at.expect(Expected::Choice(spec.entry, spec.starts));
                        false
                    }
                }
            };
            report(at.context, opened);
            if stops {
                return Ok((at, entries));
            }
            at = recover(at, spec);
        }
    }
}

/// Whether a `}` closes more than the block without a `{` whose first entry is at `first`: it stands further to the
/// left than the line that begins the block.
fn is_of_outer(first: Tokens<'_>, brace: Tokens<'_>) -> bool {
    let mut head = first;
    while let Some(index) = head.index().checked_sub(1) {
        head = head.context.nth(index);
        if head.next().first_on_line {
            break;
        }
    }
    margin(brace).zip(margin(head)).is_some_and(|(brace, head)| brace.len() < head.len())
}

/// The text of the `##` lines here. Lines with nothing behind them to document are an error.
pub(crate) fn docs(input: Tokens<'_>) -> (Tokens<'_>, String) {
    let mut lines: Vec<&str> = Vec::new();
    let mut at = input;
    while at.next().kind == Kind::Doc {
        let line = at.text().trim_start_matches('#').trim_end();
        lines.push(line.strip_prefix(' ').unwrap_or(line));
        at = at.skip();
    }
    if !lines.is_empty() && (at.is_end() || at.at_sign("}")) {
        let found =
            Diagnostic::new(codes::UNEXPECTED, "unexpected `##`: nothing follows that it could document")
                .label(input.span_to(at), "")
                .help("write `#` for a comment");
        at.context.found.borrow_mut().push(found);
    }
    (at, lines.join("\n"))
}

/// Whether to stop because of the number of errors.
pub(crate) fn too_many(context: &Context<'_>) -> bool {
    context.found.borrow().len() >= ERRORS_MAX
}

/// Gives the error of the furthest place, once.
pub(crate) fn report<'a>(context: &'a Context<'a>, opened: Option<Span>) {
    let (at, expected) = context.furthest();
    let again = context.reported.replace(Some(at.index())) == Some(at.index());
    let closes = expected.contains(&Expected::Literal("}"));
    let outer = at.is_end() || begins_outer(at);
    let unclosed = outer && closes;
    // Items begin at the margin: one that does not was meant to be inside.
    let inside = closes
        && at.at_word(ITEM_ONLY_STARTS)
        && margin(at).map_or_else(|| is_declaration(at), |margin| !margin.is_empty());
    // The lexer knows best what a token is that is none; what a star or a `$` was meant for, the place says.
    let between = at.text().starts_with(';') && expected.contains(&Expected::Literal(")"));
    let explains = at.next().kind != Kind::Bad || at.text().starts_with(['*', '!', '$']) || between;
    let habit = if unclosed || !explains { None } else { habit(at, &expected) };
    if again || at.next().kind == Kind::Bad && habit.is_none() {
        // The lexer has said what is wrong with it.
        return;
    }
    if is_consequence(at, &expected, opened.filter(|_| unclosed)) {
        return;
    }
    context.explained.borrow_mut().push(at.index());
    context.unclosed.set(context.unclosed.get() || unclosed);
    let shown = match at.next().kind {
        Kind::End => "end of file".to_owned(),
        Kind::Doc => "`##`".to_owned(),
        _ => format!("`{}`", clipped(at.text())),
    };
    let mut found =
        Diagnostic::new(codes::UNEXPECTED, format!("unexpected {shown}, expected {}", list(&expected)));
    found = found.label(at.span(), "");
    if let Some(opened) = opened.filter(|_| unclosed && !inside) {
        found = found.label(opened, "this `{` is not closed");
    }
    let (help, edit) = match habit.filter(|_| !is_comment(at)) {
        Some(Habit { help, edit }) => (help, edit),
        None if inside => (format!("move it out of the policy: a `{}` stands beside it", at.text()), None),
        None => (help(at, &expected, unclosed), fix(at, &expected, unclosed)),
    };
    found = found.help(help);
    if let Some((span, text)) = edit {
        context.repaired.set(context.repaired.get().max(span.end));
        found = found.edit(span, text);
    }
    context.found.borrow_mut().push(found);
}

/// `policy name {`, `const name =`: a keyword with what follows one.
fn is_declaration(at: Tokens<'_>) -> bool {
    let name = at.skip();
    let named = matches!(name.next().kind, Kind::Word | Kind::Group | Kind::Text(_));
    let goes_on = ["{", "(", "=", ":"].iter().any(|sign| name.skip().at_sign(sign));
    named && (goes_on || name.skip().at_word(&["extends", "for"]))
}

/// A comment of other languages, or a `##` inside of a rule.
fn is_comment(at: Tokens<'_>) -> bool {
    let text = at.text();
    at.next().kind == Kind::Doc
        || at.next().kind == Kind::Path && (text.starts_with("//") || text.starts_with("/*"))
}

/// Whether an error follows from one that was given: after a `}` that was forgotten, what stands outside of
/// the block looks misplaced, and a string without an end takes the `}` of its line with it.
fn is_consequence(at: Tokens<'_>, expected: &[Expected], unclosed: Option<Span>) -> bool {
    let context = at.context;
    if expected.contains(&Expected::Choice(ITEM, ITEM_STARTS)) {
        let unbalanced = context.unclosed.get() || context.closed_early.get();
        return unbalanced && (at.text() == "}" || at.at_word(OUTER_OF_RULES));
    }
    let Some(opened) = unclosed else { return false };
    let takes_brace = |at: Tokens<'_>| {
        matches!(at.next().kind, Kind::Text(_) | Kind::Bad | Kind::Regex) && {
            let text = at.text();
            text.contains('}') && text.starts_with(['"', 'r']) && (text.len() < 2 || !text.ends_with('"'))
        }
    };
    // Only what stands between the brace and here, and each token at most once for each error.
    let mut before = at.index();
    while let Some(index) = before.checked_sub(1) {
        let token = context.nth(index);
        if token.next().start <= opened.start {
            return false;
        }
        if takes_brace(token) {
            return true;
        }
        before = index;
    }
    false
}

/// Skips to where an entry of the block, its end, or something outside of it begins.
fn recover<'a>(entry_start: Tokens<'a>, spec: &BlockSpec) -> Tokens<'a> {
    let (furthest, _) = entry_start.context.furthest();
    let resumed = resume(entry_start, furthest, spec);
    entry_start.context.skip_between(furthest, resumed);
    resumed
}

fn resume<'a>(entry_start: Tokens<'a>, furthest: Tokens<'a>, spec: &BlockSpec) -> Tokens<'a> {
    // Always at least one token, so that a block comes to its end.
    // The rule may have opened braces of its own, of a set or of ports, before it went wrong.
    let mut open_braces = 0usize;
    let mut at = entry_start;
    while at.index() < furthest.index() {
        open_braces = if at.at_sign("{") {
            open_braces + 1
        } else {
            open_braces.saturating_sub(at.at_sign("}").into())
        };
        at = at.skip();
    }
    let entry_margin = margin(entry_start);
    loop {
        let moved = at.index() > entry_start.index();
        if at.is_end() || (open_braces == 0 && (at.at_sign("}") || spec.is_outer(at))) {
            return at;
        }
        // A misspelt entry begins no entry, but stands where its neighbour stood.
        let is_sibling = || {
            let margin = margin(at);
            matches!(at.next().kind, Kind::Word | Kind::Doc) && margin.is_some() && margin == entry_margin
        };
        // Behind a sign that joins, a word is a value.
        let is_value = || {
            let before = at.context.nth(at.index().saturating_sub(1));
            !before.next().first_on_line
                && matches!(
                    before.next().kind,
                    Kind::Sign("=" | "==" | "!=" | ":" | "(" | "[" | "-" | "+" | "&" | "|" | "->")
                )
        };
        let repaired = at.next().start < entry_start.context.repaired.get();
        if open_braces == 0 && moved && !repaired && (spec.is_start(at) && !is_value() || is_sibling()) {
            return at;
        }
        if moved && at.at_word(ITEM_ONLY_STARTS) && margin(at) == Some("") {
            // Whatever was open, an item at the left margin is an item.
            return at;
        }
        if at.at_sign("{") {
            open_braces += 1;
        } else if at.at_sign("}") {
            open_braces -= 1;
        }
        at = at.skip();
    }
}

/// The white space before the next token, if it is the first of its line.
fn margin(at: Tokens<'_>) -> Option<&str> {
    let before = at.context.text.get(..at.next().range().start)?;
    let text = before.trim_end_matches([' ', '\t']);
    at.next().first_on_line.then(|| &before[text.len()..])
}

/// Skips to the next item, for errors outside of blocks.
pub(crate) fn recover_item(item_start: Tokens<'_>) -> Tokens<'_> {
    let (furthest, _) = item_start.context.furthest();
    let mut at = if furthest.index() > item_start.index() { furthest } else { item_start.skip() };
    let is_item = |at: Tokens<'_>| {
        let behind_brace = at.context.nth(at.index().saturating_sub(1)).at_sign("}");
        (at.next().first_on_line || behind_brace) && at.at_word(ITEM_ONLY_STARTS)
            || at.next().first_on_line && at.at_word(&["tool", "import"])
    };
    while !at.is_end() && !is_item(at) {
        at = at.skip();
    }
    item_start.context.skip_between(furthest, at);
    at
}

/// Skips to the `{` of a declaration whose head is wrong; `None` if there is none before the next item.
pub(crate) fn recover_head(head_start: Tokens<'_>) -> Option<Tokens<'_>> {
    let (furthest, _) = head_start.context.furthest();
    let mut at = if furthest.index() > head_start.index() { furthest } else { head_start };
    loop {
        if at.at_sign("{") {
            at.context.skip_between(furthest, at);
            return Some(at);
        }
        let next = at.next();
        if at.is_end() || next.first_on_line && (at.at_word(ITEM_STARTS) || at.at_word(OUTER_OF_RULES)) {
            return None;
        }
        at = at.take_from(1);
    }
}

/// `` `a`, `b` or a path ``
fn list(expected: &[Expected]) -> String {
    let mut shown: Vec<String> = Vec::new();
    for one in expected {
        let texts: Vec<String> = match one {
            Expected::Literal(text) => vec![format!("`{text}`")],
            // A few words are shown themselves; of many the help has the list.
            Expected::Choice(_, words) if (1..=4).contains(&words.len()) => {
                words.iter().map(|word| format!("`{word}`")).collect()
            }
            Expected::Choice(what, _) | Expected::Kind(what) => vec![(*what).to_owned()],
        };
        for text in texts {
            if !shown.contains(&text) {
                shown.push(text);
            }
        }
    }
    // Signs and words first, then what has a name.
    shown.sort_by_key(|text| !text.starts_with('`'));
    either(&shown)
}

/// What to type instead of the token at `at`.
fn help(at: Tokens<'_>, expected: &[Expected], unclosed: bool) -> String {
    let text = at.text();
    if at.next().kind == Kind::Doc {
        return "write `#` for a comment inside a rule".to_owned();
    }
    if is_comment(at) {
        return "write `#` for a comment".to_owned();
    }
    if unclosed {
        return if at.is_end() {
            "write `}` at the end".to_owned()
        } else {
            format!("write `}}` before `{text}`")
        };
    }
    if text == "=" {
        let after_name = if expected.contains(&Expected::Literal(":")) {
            "write `:` between a name and its value"
        } else if expected.contains(&Expected::Kind("a comparison")) {
            "write `==` to compare"
        } else {
            "write the value without `=`"
        };
        return after_name.to_owned();
    }
    if expected.contains(&Expected::Choice(ITEM, ITEM_STARTS)) {
        if text == "}" {
            return "remove this `}`, or one before it: no block is open here".to_owned();
        }
        if at.at_word(OUTER_OF_RULES) {
            return format!(
                "write `{text}` inside of `policy name {{ … }}`; is there a `}}` too many before it?"
            );
        }
    }
    if let Some(near) = nearest(at.next(), text, expected) {
        return format!("did you mean `{near}`?");
    }
    let only_literals = expected.iter().all(|one| matches!(one, Expected::Literal(_)));
    if let Some((_, hint)) = HINTS.iter().find(|(mistake, _)| *mistake == text && !only_literals) {
        return (*hint).to_owned();
    }
    let mut parts: Vec<String> = Vec::new();
    let mut literals: Vec<String> = Vec::new();
    for one in expected {
        match one {
            Expected::Literal(text) => literals.push(format!("`{text}`")),
            Expected::Choice(what, words) => {
                let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
                let colon = if words.is_empty() { "" } else { ": " };
                parts.push(format!("{what}{colon}{}", either(&words)));
            }
            Expected::Kind(what) => parts.push(match example(what) {
                Some(example) => format!("{what} such as {example}"),
                None => (*what).to_owned(),
            }),
        }
    }
    if parts.is_empty() {
        let replaced = matches!(text, "," | ":" | "=" | ";" | "-" | "|" | "&" | "+" | ".")
            || literals.len() > 1 && matches!(at.next().kind, Kind::Word | Kind::Text(_));
        let place = match replaced {
            _ if at.is_end() => "at the end".to_owned(),
            true => format!("in the place of `{}`", clipped(text)),
            false => format!("before `{}`", clipped(text)),
        };
        return format!("write {} {place}", either(&literals));
    }
    format!("write {}", parts.join("; or "))
}

/// The same as an edit, where a program can make it: what goes, and what comes.
fn fix(at: Tokens<'_>, expected: &[Expected], unclosed: bool) -> Option<(Span, String)> {
    let text = at.text();
    let span = at.span();
    let marks = Span { end: span.start.saturating_add(2), ..span };
    if at.next().kind == Kind::Doc || at.next().kind == Kind::Path && text.starts_with("//") {
        return Some((marks, "#".to_owned()));
    }
    if unclosed {
        // Where the brace belongs is for a person to say.
        return None;
    }
    if text == "=" {
        let instead = if expected.contains(&Expected::Literal(":")) {
            ":"
        } else if expected.contains(&Expected::Kind("a comparison")) {
            "=="
        } else {
            at.gap()
        };
        return Some((span, instead.to_owned()));
    }
    nearest(at.next(), text, expected).map(|near| (span, near.to_owned()))
}

/// `a, b or c`
fn either(words: &[String]) -> String {
    match words.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

/// What people write who come from other languages.
const HINTS: &[(&str, &str)] = &[
    ("&", "write `and` in conditions, and `,` between rules"),
    ("|", "write `or` in conditions, and `,` between others"),
    ("==", "write `=` for a value"),
    ("-", "remove it: numbers are not negative here"),
    ("import", "write imports below `edition`, before everything else"),
];

/// How the kinds of [`Expected::Kind`] look; one without a row says all by its name.
const EXAMPLES: &[(&str, &str)] = &[
    ("a path", "`/data`, `$repo/src`, `~/notes` or `\"/with blanks\"`"),
    ("a set of system calls", "`read`, `@basic-io` or `{read, write}`"),
    ("a value", "`\"text\"`, `12`, `1GiB`, `30s`, `/path`, `$name` or `O_RDONLY`"),
    ("a quantity", "`512MiB`, `30s`, `12`, `50%` or `$name`"),
    ("a type", "`dir`, `file`, `string`, `int(1..20)` or `list<string>`"),
    ("a string", "`\"text\"`"),
    ("a file", "`\"./org.msb\"`"),
    ("a name", "`std.python`"),
    ("a port", "`443`, `8000..8080` or `{80, 443}`"),
    (
        "a peer",
        "`\"api.example.org\"`, `10.0.0.0/8`, `[::1]`, `any`, `private`, `host`, `metadata` or `$name`",
    ),
    ("a parameter", "`$name`"),
    ("a diagnostic code", "`MSB0611`"),
    ("an environment variable", "`HOME`, or `LC_*` for several"),
    ("a group", "`@name`"),
    ("a condition", "`domain == AF_UNIX`, `prot has any PROT_EXEC`, `fd in 0..2` or `not (…)`"),
    ("a comparison", "`== 1`, `!= 1`, `< 1`, `in {1, 2}`, `in 1..2` or `has any A | B`"),
    ("a constant", "`12`, `0x1f` or `O_RDONLY`"),
    ("a refinement", "`1..20`, `r\"[a-z]+\"`, `under $dir` or `in {1, 2}`"),
    ("a rate", "`10/min`"),
    ("an address family and protocol", "`tcp`"),
];

fn example(what: &str) -> Option<&'static str> {
    EXAMPLES.iter().find(|(kind, _)| *kind == what).map(|&(_, example)| example)
}

/// The expected word that is at most two edits from what was written.
pub(crate) fn nearest(token: &Token, text: &str, expected: &[Expected]) -> Option<&'static str> {
    if token.kind != Kind::Word {
        return None;
    }
    let words = expected.iter().flat_map(|one| match one {
        Expected::Literal(text) => std::slice::from_ref(text),
        Expected::Choice(_, words) => words,
        Expected::Kind(_) => &[],
    });
    let same = |word: &&&str| word.eq_ignore_ascii_case(text);
    let near = match words.clone().find(same) {
        Some(same) => (0, *same),
        None => words.map(|word| (edit_distance(text, word), *word)).min()?,
    };
    // Two edits make any short word of any other.
    let allowed = if near.1.len().min(text.len()) < 4 { 1 } else { 2 };
    (near.0 <= allowed && text.len() > 1).then_some(near.1)
}

/// Levenshtein's distance with transpositions of neighbours; long words are far from everything.
pub(crate) fn edit_distance(a: &str, b: &str) -> usize {
    const WORD_BYTES_MAX: usize = 24;
    if a.len() > WORD_BYTES_MAX || b.len() > WORD_BYTES_MAX {
        return usize::MAX;
    }
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let change = usize::from(a[i - 1] != b[j - 1]);
                let mut least = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + change);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    least = least.min(rows[i - 2][j - 2] + 1);
                }
                least
            };
        }
    }
    rows[a.len()][b.len()]
}
