//! Data without positions, with members in order: what is written as JSON or YAML.

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Data {
    Bool(bool),
    Int(u64),
    Text(String),
    List(Vec<Data>),
    Map(Vec<(String, Data)>),
}

impl Data {
    pub(crate) fn text(text: impl Into<String>) -> Data {
        Data::Text(text.into())
    }
}

/// What fits this many columns stands on one line.
const WIDTH_MAX: usize = 100;

/// JSON, small objects on one line.
pub(crate) fn json(data: &Data) -> String {
    let mut out = String::new();
    json_into(data, 0, &mut out);
    out.push('\n');
    out
}

fn json_into(data: &Data, indent: usize, out: &mut String) {
    let flow = json_flow(data);
    if indent > 0 && indent + flow.len() <= WIDTH_MAX && depth(data) <= 2 {
        out.push_str(&flow);
        return;
    }
    let inner = indent + 2;
    let line = |out: &mut String, first: bool, indent: usize| {
        out.push_str(if first { "\n" } else { ",\n" });
        out.push_str(&" ".repeat(indent));
    };
    match data {
        Data::List(all) if !all.is_empty() => {
            out.push('[');
            for (index, one) in all.iter().enumerate() {
                line(out, index == 0, inner);
                json_into(one, inner, out);
            }
            out.push_str(&format!("\n{}]", " ".repeat(indent)));
        }
        Data::Map(all) if !all.is_empty() => {
            out.push('{');
            for (index, (name, one)) in all.iter().enumerate() {
                line(out, index == 0, inner);
                out.push_str(&format!("{}: ", quoted(name)));
                json_into(one, inner, out);
            }
            out.push_str(&format!("\n{}}}", " ".repeat(indent)));
        }
        _ => out.push_str(&flow),
    }
}

pub(crate) fn json_flow(data: &Data) -> String {
    match data {
        Data::Bool(it) => it.to_string(),
        Data::Int(it) => it.to_string(),
        Data::Text(it) => quoted(it),
        Data::List(all) => format!("[{}]", all.iter().map(json_flow).collect::<Vec<_>>().join(", ")),
        Data::Map(all) if all.is_empty() => "{}".to_owned(),
        Data::Map(all) => {
            let member = |(name, it): &(String, Data)| format!("{}: {}", quoted(name), json_flow(it));
            format!("{{{}}}", all.iter().map(member).collect::<Vec<_>>().join(", "))
        }
    }
}

/// As a string of JSON, which is one of YAML too; what a reviewer does not see is escaped.
fn quoted(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    let hidden = |it: char| msb_diag::is_invisible(it) || it.is_control();
    if !quoted.contains(hidden) {
        return quoted;
    }
    let mut out = String::new();
    for character in quoted.chars() {
        if hidden(character) {
            // JSON escapes UTF-16, YAML code points; below 2¹⁶ they are the same.
            let mut units = [0; 2];
            character
                .encode_utf16(&mut units)
                .iter()
                .for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        } else {
            out.push(character);
        }
    }
    out
}

/// YAML, small mappings and lists in brackets.
pub(crate) fn yaml(data: &Data) -> String {
    let mut out = String::new();
    yaml_into(data, 0, &mut out);
    out
}

/// The value on lines of its own, each `indent` deep; the first line's indentation is there already.
fn yaml_into(data: &Data, indent: usize, out: &mut String) {
    let margin = " ".repeat(indent);
    let value = |data: &Data, indent: usize, column: usize, out: &mut String| {
        let flow = yaml_flow(data);
        let block = matches!(data, Data::List(all) if !all.is_empty())
            || matches!(data, Data::Map(all) if !all.is_empty());
        let fits = column + flow.len() < WIDTH_MAX && depth(data) <= 2;
        if !block || fits {
            out.push_str(&format!(" {flow}\n"));
        } else {
            out.push_str(&format!("\n{}", " ".repeat(indent)));
            yaml_into(data, indent, out);
        }
    };
    match data {
        Data::Map(all) if !all.is_empty() => {
            for (index, (name, one)) in all.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { &margin });
                let name = scalar(name);
                out.push_str(&format!("{name}:"));
                value(one, indent + 2, indent + name.len() + 2, out);
            }
        }
        Data::List(all) if !all.is_empty() => {
            for (index, one) in all.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { &margin });
                out.push('-');
                let flow = yaml_flow(one);
                let nested = matches!(one, Data::List(_) | Data::Map(_)) && flow.len() > 2;
                if !nested || indent + 2 + flow.len() < WIDTH_MAX && depth(one) <= 3 {
                    out.push_str(&format!(" {flow}\n"));
                } else {
                    out.push(' ');
                    yaml_into(one, indent + 2, out);
                }
            }
        }
        _ => out.push_str(&format!("{}\n", yaml_flow(data))),
    }
}

pub(crate) fn yaml_flow(data: &Data) -> String {
    match data {
        Data::Bool(it) => it.to_string(),
        Data::Int(it) => it.to_string(),
        Data::Text(it) => scalar(it),
        Data::List(all) => format!("[{}]", all.iter().map(yaml_flow).collect::<Vec<_>>().join(", ")),
        Data::Map(all) => {
            let member = |(name, it): &(String, Data)| format!("{}: {}", scalar(name), yaml_flow(it));
            format!("{{{}}}", all.iter().map(member).collect::<Vec<_>>().join(", "))
        }
    }
}

/// Without quotes where no reader of YAML takes it for anything but this text, inside of brackets too.
fn scalar(text: &str) -> String {
    const TAKEN: &[&str] = &["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || b"/$".contains(&byte));
    let belongs = |byte: u8| byte.is_ascii_alphanumeric() || b"_./$-".contains(&byte);
    let taken = TAKEN.contains(&text.to_ascii_lowercase().as_str());
    if first && text.bytes().all(belongs) && !taken { text.to_owned() } else { quoted(text) }
}

fn depth(data: &Data) -> usize {
    match data {
        Data::Bool(_) | Data::Int(_) | Data::Text(_) => 0,
        Data::List(all) => 1 + all.iter().map(depth).max().unwrap_or(0),
        Data::Map(all) => 1 + all.iter().map(|(_, it)| depth(it)).max().unwrap_or(0),
    }
}
