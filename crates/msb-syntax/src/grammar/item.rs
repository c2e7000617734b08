//! A file: edition, imports, and the items.

use super::statement::{include, statements};
use super::tool::tool;
use super::value::{default_value, group, optional_args, qname, simple_type, value};
use super::{claim, syscalls};
use crate::EDITION;
use crate::ast::{Block, BlockKind, File, Import, Include, Item, Name, Param, Spanned, Value};
use crate::recover::{
    ITEM, ITEM_STARTS, OUTER_OF_RULES, docs, nearest, recover_head, recover_item, report, too_many,
};
use crate::scan::parameter_name;
use crate::token::Kind;
use crate::tokens::{Expected, Failed, Parsed, Tokens, integer, name, one_of, sign, string, word};
use msb_diag::{Diagnostic, Span, codes};
use nom::Parser;
use nom::combinator::opt;
use nom::multi::separated_list0;
use nom::sequence::{delimited, preceded};

/// The whole file; what is wrong is in the context.
pub(crate) fn file(input: Tokens<'_>) -> File {
    let mut file = File::default();
    let mut at = first_edition(input, &mut file);
    while !at.is_end() && !too_many(at.context) {
        let (after_docs, doc) = docs(at);
        at = after_docs;
        if at.is_end() {
            break;
        }
        if let Ok((rest, number)) = edition(at) {
            if let Some(first) = &file.edition {
                second_edition(at.span_to(rest), first.span, at);
            }
            // Where it only came too late, that has been said.
            file.edition.get_or_insert(number);
            at = rest;
            continue;
        }
        let done = if at.at_word(&["import"]) {
            import(at).map(|(rest, import)| {
                if !file.items.is_empty() {
                    late_import(at, rest);
                }
                file.imports.push(import);
                rest
            })
        } else {
            item(at, doc).map(|(rest, item)| {
                file.items.push(item);
                rest
            })
        };
        at = done.unwrap_or_else(|_| {
            if file.items.is_empty() {
                at.expect(Expected::Literal("import"));
            }
            let first = at.index() == 0;
            report(at.context, None);
            if first && is_foreign(at) {
                at.context.foreign.set(true);
                return at.context.nth(usize::MAX);
            }
            recover_item(at)
        });
    }
    file
}

/// Whether a file that begins here was written in another language: what it begins with is no misspelt policy.
fn is_foreign(at: Tokens<'_>) -> bool {
    let mut words = ITEM_STARTS.iter().chain(OUTER_OF_RULES).chain(&["edition", "import", "version"]);
    let similar = nearest(at.next(), at.text(), &[Expected::Choice(ITEM, ITEM_STARTS)]).is_some();
    !words.any(|word| at.at_word(&[word])) && !similar
}

/// `edition 2026`
fn edition(input: Tokens<'_>) -> Parsed<'_, Spanned<u64>> {
    if !input.at_word(&["edition"]) {
        return Err(nom::Err::Error(Failed));
    }
    preceded(word("edition"), integer("the year of an edition, such as `2026`")).parse(input)
}

/// The edition at the beginning of the file, which decides how all the rest is read.
fn first_edition<'a>(input: Tokens<'a>, file: &mut File) -> Tokens<'a> {
    if !input.at_word(&["edition"]) {
        missing_edition(input);
        return input;
    }
    let Ok((rest, number)) = edition(input) else {
        report(input.context, None);
        return recover_item(input);
    };
    if number.node != EDITION {
        let found = Diagnostic::new(codes::UNKNOWN_EDITION, format!("unknown edition `{}`", number.node))
            .label(number.span, "")
            .help(format!("write `edition {EDITION}`, the only one that this version knows"))
            .edit(number.span, EDITION.to_string());
        input.context.found.borrow_mut().push(found);
    }
    file.edition = Some(number);
    rest
}

fn second_edition(second: Span, first: Span, at: Tokens<'_>) {
    let found = Diagnostic::new(codes::DUPLICATE_SETTING, "`edition` is given twice")
        .label(second, "")
        .label(first, "the first")
        .help("remove this one")
        .edit(second, "");
    at.context.found.borrow_mut().push(found);
}

fn missing_edition(input: Tokens<'_>) {
    // It may stand further down; to insert a second one would not help.
    let mut at = input;
    while !at.is_end() {
        if at.next().first_on_line && at.at_word(&["edition"]) && matches!(at.after_next().kind, Kind::Int(_))
        {
            let found = Diagnostic::new(codes::MISSING_EDITION, "`edition` is not the first statement")
                .label(at.span_to(at.skip().skip()), "")
                .help("move it to the first line");
            at.context.found.borrow_mut().push(found);
            return;
        }
        at = at.skip();
    }
    if input.at_sign("{") || input.at_sign("[") {
        // It is data, and that is said.
        return;
    }
    let begin = Span { end: input.span().start, ..input.span() };
    let misspelt = nearest(input.next(), input.text(), &[Expected::Literal("edition")]).is_some();
    if input.at_word(&["version", "syntax", "language"]) || misspelt {
        let mut at = input.skip();
        while !at.is_end() && !at.next().first_on_line {
            at = at.skip();
        }
        let span = input.span_to(at);
        let found =
            Diagnostic::new(codes::MISSING_EDITION, format!("`{}` in the place of `edition`", input.text()))
                .label(span, "")
                .help(format!("write `edition {EDITION}`"))
                .edit(span, format!("edition {EDITION}"));
        input.context.found.borrow_mut().push(found);
        input.context.reported.set(Some(input.index()));
        return;
    }
    let first = docs(input).0;
    let known = first.is_end()
        || first.at_word(&["import"])
        || first.at_word(ITEM_STARTS)
        || nearest(first.next(), first.text(), &[Expected::Choice(ITEM, ITEM_STARTS)]).is_some();
    if !known {
        // It is no policy at all, and that is said.
        return;
    }
    let found = Diagnostic::new(codes::MISSING_EDITION, "missing `edition`")
        .label(begin, "")
        .help(format!("write `edition {EDITION}` on the first line"))
        .edit(begin, format!("edition {EDITION}\n"));
    input.context.found.borrow_mut().push(found);
}

/// `import "./org.msb" as org`, `import std.python`
fn import(input: Tokens<'_>) -> Parsed<'_, Import> {
    let (rest, _) = word("import")(input)?;
    if matches!(rest.next().kind, Kind::Text(_)) {
        let (rest, path) = string("a file")(rest)?;
        let (rest, name) = preceded(word("as"), name("a name for the import")).parse(rest)?;
        return Ok((rest, Import::File { path, name }));
    }
    rest.expect(Expected::Kind("a file"));
    qname.map(Import::Library).parse(rest)
}

fn late_import<'a>(start: Tokens<'a>, rest: Tokens<'a>) {
    let found = Diagnostic::new(codes::UNEXPECTED, "unexpected `import` after an item")
        .label(start.span_to(rest), "")
        .help("write imports below `edition`, before everything else");
    start.context.found.borrow_mut().push(found);
}

fn item(input: Tokens<'_>, doc: String) -> Parsed<'_, Item> {
    if input.at_word(&["tool"]) {
        return tool(input, doc).map(|(rest, tool)| (rest, Item::Tool(tool)));
    }
    let (rest, keyword) = one_of(ITEM, ITEM_STARTS)(input)?;
    match keyword.node.as_str() {
        "group" => {
            let (rest, name) = group(rest)?;
            let (rest, set) = preceded(sign("="), syscalls::set).parse(rest)?;
            Ok((rest, Item::Group { name, set }))
        }
        "const" => {
            let (rest, name) = name("the name of a constant")(rest)?;
            if rest.at_sign(":") && !matches!(rest.after_next().kind, Kind::Word) {
                return rest.fail(Expected::Literal("="));
            }
            let (rest, ty) = opt(preceded(sign(":"), simple_type)).parse(rest)?;
            let (rest, value) = preceded(sign("="), value).parse(rest)?;
            // Conditions name a number without a `$`.
            if !matches!(value.node, Value::Int(_) | Value::Ident(_) | Value::Flags(_)) {
                usable(input, &name, "a constant");
            }
            Ok((rest, Item::Const { name, ty, value }))
        }
        "test" => test(input, rest),
        "profile" => block(input, rest, BlockKind::Profile, doc),
        _ => block(input, rest, BlockKind::Policy, doc),
    }
}

/// `"title" for name(args) { … }`
fn test<'a>(start: Tokens<'a>, input: Tokens<'a>) -> Parsed<'a, Item> {
    let (rest, title) = string("a string")(input)?;
    let (rest, of) = preceded(word("for"), qname).parse(rest)?;
    let (rest, args) = optional_args(rest)?;
    let (rest, claims) = claim::claims(rest)?;
    Ok((rest, Item::Test { title, of, args, claims, span: start.span_to(rest) }))
}

/// What stands between a block's name and its `{`.
type Head = (Vec<Param>, Option<Include>);

/// A profile or policy, from its name. Where the head is wrong, the body is read all the same.
fn block<'a>(start: Tokens<'a>, input: Tokens<'a>, kind: BlockKind, doc: String) -> Parsed<'a, Item> {
    let (rest, name) = name("a name")(input)?;
    let head_span = start.span_to(rest);
    let (at_body, (params, extends)) = match head(rest, kind) {
        Ok((at_body, head)) if at_body.at_sign("{") => (at_body, head),
        wrong => {
            if let Ok((at_body, _)) = wrong {
                at_body.expect(Expected::Literal("{"));
            }
            let Some(at_body) = recover_head(rest) else {
                return Err(nom::Err::Error(Failed));
            };
            report(rest.context, None);
            (at_body, Head::default())
        }
    };
    let (rest, stmts) = statements(at_body)?;
    let span = start.span_to(rest);
    Ok((rest, Item::Block(Block { kind, doc, name, params, extends, stmts, head: head_span, span })))
}

fn head(input: Tokens<'_>, kind: BlockKind) -> Parsed<'_, Head> {
    let (rest, params) = match input {
        _ if input.at_sign("(") => params(input, ["(", ")"])?,
        _ if has_braced_params(input) => braced_params(input)?,
        _ => (input, Vec::new()),
    };
    if params.is_empty() {
        input.expect(Expected::Literal("("));
    }
    if kind == BlockKind::Policy && rest.at_word(&["extends"]) {
        let (rest, extends) = preceded(word("extends"), include).parse(rest)?;
        return Ok((rest, (params, Some(extends))));
    }
    if kind == BlockKind::Policy {
        rest.expect(Expected::Literal("extends"));
    }
    Ok((rest, (params, None)))
}

/// Says of a name that `$name` cannot be written with it.
pub(super) fn usable(at: Tokens<'_>, name: &Name, what: &str) {
    let meant = parameter_name(&name.node).unwrap_or_default();
    if meant != name.node {
        let found = Diagnostic::new(codes::UNEXPECTED, format!("`{}` is not the name of {what}", name.node))
            .label(name.span, "")
            .help(format!("write `{meant}`: letters are small, and `_` joins words"))
            .edit(name.span, &meant);
        // Its uses are the same mistake: what an edit repairs is not said again.
        let found = uses(at, &name.node).fold(found, |found, span| found.edit(span, format!("${meant}")));
        at.context.found.borrow_mut().push(found);
    }
}

/// Where `$name` stands below, which is no name of a parameter.
fn uses<'a>(at: Tokens<'a>, name: &'a str) -> impl Iterator<Item = Span> + 'a {
    let rest = std::iter::successors(Some(at.skip()), |at| Some(at.skip()).filter(|next| !next.is_end()));
    let uses =
        rest.filter(move |at| at.next().kind == Kind::Bad && at.text().strip_prefix('$') == Some(name));
    uses.map(Tokens::span)
}

fn params<'a>(input: Tokens<'a>, [open, close]: [&'static str; 2]) -> Parsed<'a, Vec<Param>> {
    delimited(sign(open), separated_list0(sign(","), param), sign(close)).parse(input)
}

/// Whether `{name: type} {` stands here: parameters, as other languages write them.
fn has_braced_params(input: Tokens<'_>) -> bool {
    let named =
        input.at_sign("{") && input.after_next().kind == Kind::Word && input.skip().skip().at_sign(":");
    if !named {
        return false;
    }
    let mut at = input.skip();
    while !(at.is_end() || at.at_sign("}") || at.at_sign("{")) {
        at = at.skip();
    }
    at.at_sign("}") && (at.skip().at_sign("{") || at.skip().at_word(&["extends"]))
}

/// The parameters, said to stand in the wrong signs.
fn braced_params(input: Tokens<'_>) -> Parsed<'_, Vec<Param>> {
    let (rest, params) = params(input, ["{", "}"])?;
    let span = input.span_to(rest);
    let inside = input.skip().next().range().start..span.end as usize - "}".len();
    let right = format!("({})", input.context.text.get(inside).unwrap_or_default().trim_end());
    let found = Diagnostic::new(codes::UNEXPECTED, "unexpected `{`, expected `(`")
        .label(span, "these are parameters")
        .help(format!("write `{right}`"))
        .edit(span, right);
    input.context.found.borrow_mut().push(found);
    Ok((rest, params))
}

fn param(input: Tokens<'_>) -> Parsed<'_, Param> {
    let (rest, name) = name("the name of a parameter")(input)?;
    let (rest, ty) = preceded(sign(":"), simple_type).parse(rest)?;
    let (rest, default) = default_value(rest)?;
    usable(input, &name, "a parameter");
    Ok((rest, Param { name, ty, default, span: input.span_to(rest) }))
}
