//! The types of parameters, and whether a value is of one.

use msb_syntax::ast::{Refine, Type, TypeKind, Value};

/// What a parameter can hold, as far as this version goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamType {
    /// A directory.
    Dir,
    /// A regular file.
    File,
    /// A file or a directory.
    Path,
    /// Text.
    Text,
    /// A number without a unit.
    Int,
    /// Bytes.
    Size,
    /// A time.
    Duration,
    /// A share.
    Percent,
    /// The name or the address of a host.
    Host,
    /// A text that nobody inside sees.
    Secret,
}

/// Types of the language that this version does not enforce.
const LATER: &[&str] = &[
    "bool", "rate", "sock", "glob", "hostpat", "ip", "cidr", "port", "ports", "endpoint", "syscall",
    "sysset", "errno", "cap", "signal", "arch", "number", "json",
];

/// What other languages call the types.
const ELSEWHERE: &[(&[&str], &str)] = &[
    (&["directory", "folder", "Directory", "workspace"], "dir"),
    (&["str", "text", "String", "char", "varchar"], "string"),
    (&["integer", "number", "i32", "i64", "u32", "u64", "uint", "Int"], "int"),
    (&["bytes", "bytesize"], "size"),
    (&["time", "timeout", "interval"], "duration"),
    (&["hostname", "domain", "url", "server"], "host"),
    (&["password", "token", "key", "apikey", "credential"], "secret"),
];

/// What a type that was written stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// This one.
    Now(ParamType),
    /// A type of the language that this version does not have.
    Later,
    /// No type of the language; perhaps this was meant.
    Unknown(Option<&'static str>),
}

impl ParamType {
    /// Every type and its name.
    pub const ALL: &[(&'static str, ParamType)] = &[
        ("dir", ParamType::Dir),
        ("file", ParamType::File),
        ("path", ParamType::Path),
        ("string", ParamType::Text),
        ("int", ParamType::Int),
        ("size", ParamType::Size),
        ("duration", ParamType::Duration),
        ("percent", ParamType::Percent),
        ("host", ParamType::Host),
        ("secret", ParamType::Secret),
    ];

    /// Its name in the language.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, ty)| *ty == self).map_or("", |(word, _)| word)
    }

    /// Whether it names a place.
    #[must_use]
    pub fn is_path(self) -> bool {
        matches!(self, ParamType::Dir | ParamType::File | ParamType::Path)
    }

    /// The type that `ty` names; `None` if this version has none such.
    #[must_use]
    pub fn of(ty: &Type) -> Option<ParamType> {
        match known(ty) {
            Known::Now(ty) => Some(ty),
            Known::Later | Known::Unknown(_) => None,
        }
    }

    /// Whether a value of type `self` may stand where `wanted` is declared: the same type, or one that is
    /// included in it. Nothing is converted.
    #[must_use]
    pub fn fits(self, wanted: ParamType) -> bool {
        self == wanted || (wanted == ParamType::Path && self.is_path())
    }

    /// Whether the literal `value` may stand where `self` is declared.
    #[must_use]
    pub fn takes(self, value: &Value) -> bool {
        match value {
            // A path with a space or a comma in it has to be quoted.
            Value::Text(text) => {
                matches!(self, ParamType::Text | ParamType::Host)
                    || (self.is_path() && text.starts_with(['/', '~']))
            }
            Value::Path(_) => self.is_path(),
            Value::Int(_) => self == ParamType::Int,
            Value::Size(_) => self == ParamType::Size,
            Value::Duration(_) => self == ParamType::Duration,
            Value::Percent(_) => self == ParamType::Percent,
            Value::Address(_) => self == ParamType::Host,
            _ => false,
        }
    }
}

/// What `ty` stands for.
pub(crate) fn known(ty: &Type) -> Known {
    let TypeKind::Name(name) = &ty.kind else { return Known::Later };
    if let Some((_, known)) = ParamType::ALL.iter().find(|(word, _)| word == name) {
        return Known::Now(*known);
    }
    if LATER.contains(&name.as_str()) {
        return Known::Later;
    }
    if let Some((_, meant)) = ELSEWHERE.iter().find(|(names, _)| names.contains(&name.as_str())) {
        return Known::Unknown(Some(meant));
    }
    let words = ParamType::ALL.iter().map(|(word, _)| *word).chain(LATER.iter().copied());
    Known::Unknown(crate::nearest(name, words))
}

/// Whether a value is what a type asks for behind its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refined {
    /// It is.
    Holds,
    /// It is not; what it must be, in words.
    Breaks(String),
    /// This version cannot say: a regular expression, a place, or a value that launch gives.
    Later,
}

/// Whether `value` is what each refinement of `ty` asks for.
pub(crate) fn refined(ty: &Type, value: &Value) -> Refined {
    let within = |from: u64, to: u64, number: u64, of: &str| {
        if (from..=to).contains(&number) {
            Refined::Holds
        } else {
            Refined::Breaks(format!("from {from} to {to}{of}"))
        }
    };
    let one = |refine: &Refine| match (refine, value) {
        (_, Value::Var { .. }) => Refined::Later,
        (Refine::Range(from, to), Value::Int(number)) => within(from.node, to.node, *number, ""),
        (Refine::Range(from, to), Value::Text(text)) => {
            let characters = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
            within(from.node, to.node, characters, " characters long")
        }
        (Refine::In(all), value) if all.iter().any(|it| it.node == *value) => Refined::Holds,
        (Refine::In(all), _) => {
            let all: Vec<String> = all.iter().map(|it| written(&it.node)).collect();
            Refined::Breaks(format!("one of {}", all.join(", ")))
        }
        (Refine::Range(..) | Refine::Regex(_) | Refine::Under(_), _) => Refined::Later,
    };
    ty.refine.iter().map(one).find(|it| *it != Refined::Holds).unwrap_or(Refined::Holds)
}

/// A value of a list of choices as somebody would write it.
fn written(value: &Value) -> String {
    match value {
        Value::Text(text) => format!("`\"{text}\"`"),
        Value::Path(text) => format!("`{text}`"),
        Value::Int(number) => format!("`{number}`"),
        other => format!("the {}", describe(other)),
    }
}

/// The kind of a value, in the words of the language.
#[must_use]
pub fn describe(value: &Value) -> &'static str {
    match value {
        Value::Text(_) => "string",
        Value::Int(_) => "int",
        Value::Size(_) => "size",
        Value::Duration(_) => "duration",
        Value::Rate(..) => "rate",
        Value::Percent(_) => "percent",
        Value::Path(_) => "path",
        Value::Var { .. } => "parameter",
        Value::Address(_) => "address",
        Value::Ident(_) => "word",
        Value::Flags(_) => "set of flags",
        Value::List(_) => "list",
    }
}
