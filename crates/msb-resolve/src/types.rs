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

/// The refinement of `ty` that `value` breaks, in words; `None` if it holds all that this version checks.
pub(crate) fn refused(ty: &Type, value: &Value) -> Option<String> {
    let Value::Int(number) = value else { return None };
    ty.refine.iter().find_map(|refine| match refine {
        Refine::Range(from, to) if !(from.node..=to.node).contains(number) => {
            Some(format!("from {} to {}", from.node, to.node))
        }
        _ => None,
    })
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
