//! What a finding says to write, in the words of the data that it is about.
//!
//! The checker names rules as the language has them: `` write `limits { memory 1GiB }` ``. In a policy that is data
//! nobody can type that. Whatever stands between backticks and is a statement, a rule or an option of the language is
//! written as the same piece of YAML or JSON; names, values and hosts are the same in all of them and stay.

use crate::data::{Data, json_flow, yaml_flow};
use crate::{Form, write};
use msb_diag::{FileId, has_errors};

/// Where a piece of the language stands in a whole policy: what is before and behind it, and the members on the way to it.
struct Place {
    before: &'static str,
    behind: &'static str,
    /// Members, from the file on; lists have one element each.
    path: &'static [&'static str],
    /// Members there that belong to the frame.
    frame: &'static [&'static str],
}

const fn place(
    before: &'static str,
    behind: &'static str,
    path: &'static [&'static str],
    frame: &'static [&'static str],
) -> Place {
    Place { before, behind, path, frame }
}

/// Every place, those of statements first: a rule may look like one of another section.
const PLACES: &[Place] = &[
    place("policy x { ", " }", &["policies"], &["name"]),
    place("policy x { fs { ", " } }", &["policies", "fs"], &[]),
    place("policy x { syscalls { ", " } }", &["policies", "syscalls"], &[]),
    place("policy x { net { ", " } }", &["policies", "net"], &[]),
    place("policy x { limits { ", " } }", &["policies", "limits"], &[]),
    place("policy x { exec { ", " } }", &["policies", "exec"], &[]),
    place("policy x { env { ", " } }", &["policies", "env"], &[]),
    place("policy x { sandbox { ", " } }", &["policies", "sandbox"], &[]),
    place("policy x { fs { read /x ", " } }", &["policies", "fs"], &["read"]),
    place("policy x { net { allow https \"x\" ", " } }", &["policies", "net"], &["allow"]),
    place("policy x { tool x() { ", " } }", &["policies", "tool"], &["name"]),
    place("", " policy x { }", &[], &["edition", "policies"]),
];

/// `text`, a help, for a policy in `form`.
#[must_use]
pub fn said(form: Form, text: &str) -> String {
    let mut out = String::new();
    for (index, part) in text.split('`').enumerate() {
        if index > 0 {
            out.push('`');
        }
        // A second mark that is missing leaves text.
        let between = index % 2 == 1;
        match between.then(|| in_form(form, part)).flatten() {
            Some(data) => out.push_str(&data),
            None => out.push_str(part),
        }
    }
    out
}

/// A piece of the language as data; `None` for what is the same in both, or no piece of the language.
fn in_form(form: Form, piece: &str) -> Option<String> {
    /// A help is a line or two.
    const PIECE_BYTES_MAX: usize = 200;
    if form == Form::Msb || piece.len() > PIECE_BYTES_MAX || !piece.contains(' ') && piece != "optional" {
        return None;
    }
    // Parameters are declared in a head.
    if piece.starts_with("policy NAME(") {
        let head = place("", " { }", &["policies"], &["name"]);
        return at(&head, form, piece);
    }
    PLACES.iter().find_map(|place| at(place, form, piece))
}

/// An endpoint of the language as one of data, in the flow style that YAML and JSON share.
pub(crate) fn endpoint(text: &str) -> Option<String> {
    let whole = place("policy x { net { allow ", " } }", &["policies", "net", "allow"], &[]);
    data_of(&whole, text).map(|data| json_flow(&data))
}

/// What a piece of the language is as data, read in its place.
fn data_of(place: &Place, piece: &str) -> Option<Data> {
    let text = format!("edition 2026\n{}{piece}{}\n", place.before, place.behind);
    let (tree, found) = msb_syntax::parse(FileId(0), &text);
    if has_errors(&found) {
        return None;
    }
    let mut data = write::file(&tree).ok()?;
    for name in place.path {
        data = match member(data, name)? {
            Data::List(mut all) if all.len() == 1 => all.pop()?,
            Data::List(_) => return None,
            other => other,
        };
    }
    Some(data)
}

fn at(place: &Place, form: Form, piece: &str) -> Option<String> {
    let Data::Map(mut members) = data_of(place, piece)? else { return None };
    members.retain(|(name, _)| !place.frame.contains(&name.as_str()));
    if members.is_empty() {
        return None;
    }
    // A rule is an element of a list; all else are members of what is there already.
    let rule = place.frame.is_empty() && matches!(place.path.last(), Some(&("fs" | "syscalls" | "net")));
    let whole = Data::Map(members);
    let flow = if form == Form::Yaml { yaml_flow(&whole) } else { json_flow(&whole) };
    Some(match (rule, form) {
        (true, Form::Yaml) => format!("- {flow}"),
        (true, _) => flow,
        (false, _) => flow.trim_start_matches('{').strip_suffix('}').unwrap_or(&flow).to_owned(),
    })
}

fn member(data: Data, wanted: &str) -> Option<Data> {
    let Data::Map(members) = data else { return None };
    members.into_iter().find(|(name, _)| name == wanted).map(|(_, data)| data)
}
