//! Tools: what can be called outside of the sandbox, with which arguments.
//!
//! Every argument is validated before anything happens. A pattern is matched against the whole of a text, in
//! time linear in its length.

pub(crate) mod within;

use crate::{Decision, OriginId, Path, Policy, Rate, SyscallAction};
use regex_automata::meta::{Builder, Config, Regex};
use regex_automata::util::syntax;

/// EINVAL: what a call gives whose arguments are not those of the tool.
const EINVAL: u16 = 22;
/// ENOENT: what a call gives of a tool that does not exist.
const ENOENT: u16 = 2;
/// Bytes of a pattern.
pub const PATTERN_BYTES_MAX: usize = 256;
/// Bytes of a compiled pattern; the patterns of arguments need a few thousand.
const PATTERN_PROGRAM_BYTES_MAX: usize = 1 << 18;

/// A tool that the sandbox may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// Its parameters.
    pub params: Vec<ToolParam>,
    /// What it gives back.
    pub result: Option<ToolType>,
    /// The command, a word each; empty where whoever starts the sandbox provides the tool.
    pub exec: Vec<Word>,
    /// The parameter that becomes its standard input; `None` where that is all arguments, as one object of JSON.
    pub stdin: Option<String>,
    /// The policy that it runs under; `None` is the caller's, narrowed.
    pub sandbox: Option<ToolSandbox>,
    /// How often it may be called.
    pub rate: Option<Rate>,
    /// How many times in all.
    pub quota: Option<u64>,
    /// How long one call may take.
    pub timeout_ms: Option<u64>,
    /// How many calls at once.
    pub concurrency: Option<u64>,
    /// How much one call may give back.
    pub result_bytes: Option<u64>,
    /// Whether a person is asked.
    pub confirm: bool,
    /// Whether a command of its name is put on the PATH.
    pub shim: bool,
    /// Whether the log has the arguments.
    pub log_args: bool,
    /// The line.
    pub origin: OriginId,
}

/// The policy that a tool runs under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolSandbox {
    /// Its name and arguments, as written behind `in`.
    pub name: String,
    /// What it means, in terms of the parameters of the policy that has the tool; `None` where that is a circle: the
    /// policy of a tool that has, by way of others, this tool.
    pub policy: Option<Box<Policy>>,
    /// The line.
    pub origin: OriginId,
}

/// A parameter of a tool, or a field of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolParam {
    /// Its name.
    pub name: String,
    /// Whether it may be left out: it is optional, or has a default.
    pub optional: bool,
    /// What its value must be.
    pub ty: ToolType,
}

/// What a value must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolType {
    /// true or false.
    Bool,
    /// A whole number in this range.
    Int {
        /// Least.
        min: i64,
        /// Most.
        max: i64,
    },
    /// Any number.
    Number,
    /// A text of so many characters, all of which match the pattern.
    Text {
        /// Fewest characters.
        min: u64,
        /// Most characters.
        max: u64,
        /// As in the crate `regex`.
        pattern: Option<String>,
    },
    /// One of these texts.
    OneOf(Vec<String>),
    /// So many values of one type.
    List {
        /// Of each.
        of: Box<ToolType>,
        /// Fewest.
        min: u64,
        /// Most.
        max: u64,
    },
    /// Named values.
    Record(Vec<ToolParam>),
    /// A path below this one.
    Path {
        /// Which.
        under: Path,
    },
    /// Anything that JSON can say.
    Json,
}

/// A word of a tool's command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// As it stands.
    Literal(String),
    /// The value of a parameter of the tool.
    Param(String),
    /// The value of a parameter of the policy, by index.
    Open(usize),
}

/// A value of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// true or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A text.
    Text(String),
    /// A path as the policy names it.
    Path(Path),
    /// Several.
    List(Vec<Value>),
    /// Named ones.
    Record(Vec<(String, Value)>),
}

/// Why a call is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// In words.
    pub why: String,
    /// The tool's line; `None` where no tool has the name.
    pub origin: Option<OriginId>,
}

/// `pattern`, to be matched against the whole of a text.
///
/// # Errors
/// Why it is no pattern, in a few words.
pub fn pattern(pattern: &str) -> Result<Regex, String> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(format!("more than {PATTERN_BYTES_MAX} bytes"));
    }
    // Alone first, so that it cannot close the group around it.
    if let Err(error) = syntax::parse(pattern) {
        let text = error.to_string();
        let last = text.lines().last().unwrap_or("not a regular expression");
        return Err(last.trim_start_matches("error: ").to_owned());
    }
    // It is matched a few times at most, against short texts: automata for more take longer to make than they save.
    let config = Config::new()
        .nfa_size_limit(Some(PATTERN_PROGRAM_BYTES_MAX))
        .dfa(false)
        .hybrid(false)
        .onepass(false)
        .backtrack(false);
    let built = Builder::new().configure(config).build(&format!("^(?:{pattern})$"));
    built.map_err(|_| "too large once its repetitions are written out".to_owned())
}

impl Policy {
    /// Validates a call, for parameters that lie apart: the tool's line, or why not.
    ///
    /// # Errors
    /// There is no such tool, or its arguments are others.
    pub fn call_tool(&self, name: &str, args: &[(String, Value)]) -> Result<OriginId, Refusal> {
        self.call_tool_where(name, args, &Path::covers)
    }

    /// Validates a call where `covers` says which paths lie at another one or below it.
    ///
    /// # Errors
    /// There is no such tool, or its arguments are others.
    pub fn call_tool_where(
        &self,
        name: &str,
        args: &[(String, Value)],
        covers: Covers<'_>,
    ) -> Result<OriginId, Refusal> {
        let Some(tool) = self.tools.iter().find(|tool| tool.name == name) else {
            return Err(Refusal { why: format!("there is no tool `{name}`"), origin: None });
        };
        match fields(&tool.params, args, covers) {
            Ok(()) => Ok(tool.origin),
            Err(why) => Err(Refusal { why, origin: Some(tool.origin) }),
        }
    }

    /// Whether a call is decided alike for all parameters: none of them puts a path of it below another than those that
    /// are below it by name.
    #[must_use]
    pub fn call_is_proved(&self, name: &str, args: &[(String, Value)]) -> bool {
        let may = |under: &Path, path: &Path| {
            under.covers(path) || (under.base != path.base && under.may_cover(path, 0))
        };
        // More paths that are below make no call be refused.
        self.call_tool(name, args).is_ok() == self.call_tool_where(name, args, &may).is_ok()
    }

    /// Decides a call.
    #[must_use]
    pub fn decide_tool(&self, name: &str, args: &[(String, Value)]) -> Decision {
        match self.call_tool(name, args) {
            Ok(origin) => Decision { action: SyscallAction::Allow, origin: Some(origin) },
            Err(Refusal { origin, .. }) => {
                let errno = if origin.is_some() { EINVAL } else { ENOENT };
                Decision { action: SyscallAction::Errno(errno), origin }
            }
        }
    }
}

/// Whether the second path lies at the first one, or below it.
pub type Covers<'a> = &'a dyn Fn(&Path, &Path) -> bool;

fn fields(params: &[ToolParam], args: &[(String, Value)], covers: Covers<'_>) -> Result<(), String> {
    for (index, (name, value)) in args.iter().enumerate() {
        let Some(param) = params.iter().find(|param| param.name == *name) else {
            return Err(format!("there is no argument `{name}`"));
        };
        if args.iter().take(index).any(|(other, _)| other == name) {
            return Err(format!("`{name}` is given twice"));
        }
        param.ty.validate_where(value, covers).map_err(|why| format!("`{name}` {why}"))?;
    }
    match params.iter().find(|param| !param.optional && args.iter().all(|(name, _)| *name != param.name)) {
        Some(missing) => Err(format!("`{}` is missing", missing.name)),
        None => Ok(()),
    }
}

impl ToolType {
    /// Whether `value` is one, for parameters that lie apart.
    ///
    /// # Errors
    /// Why it is none, to follow its name.
    pub fn validate(&self, value: &Value) -> Result<(), String> {
        self.validate_where(value, &Path::covers)
    }

    fn validate_where(&self, value: &Value, covers: Covers<'_>) -> Result<(), String> {
        let range = |count: u64, min: u64, max: u64, what: &str| {
            if (min..=max).contains(&count) {
                Ok(())
            } else {
                Err(format!("has {count} {what}, not {min} to {max}"))
            }
        };
        match (self, value) {
            (ToolType::Bool, Value::Bool(_)) | (ToolType::Json, _) | (ToolType::Number, Value::Int(_)) => {
                Ok(())
            }
            (ToolType::Int { min, max }, Value::Int(number)) => {
                if (min..=max).contains(&number) {
                    Ok(())
                } else {
                    Err(format!("is {number}, not from {min} to {max}"))
                }
            }
            (ToolType::Text { min, max, pattern: wanted }, Value::Text(text)) => {
                let characters = text.chars().count() as u64;
                range(characters, *min, *max, "characters")?;
                match wanted {
                    // One that is no pattern was reported, and matches nothing.
                    Some(wanted) if !pattern(wanted).is_ok_and(|it| it.is_match(text)) => {
                        Err(format!("does not match `{wanted}`"))
                    }
                    _ => Ok(()),
                }
            }
            (ToolType::OneOf(words), Value::Text(text)) => {
                if words.contains(text) {
                    Ok(())
                } else {
                    Err(format!("is not one of {}", words.join(", ")))
                }
            }
            (ToolType::List { of, min, max }, Value::List(values)) => {
                range(values.len() as u64, *min, *max, "items")?;
                values
                    .iter()
                    .try_for_each(|value| of.validate_where(value, covers))
                    .map_err(|why| format!("has an item that {why}"))
            }
            (ToolType::Record(params), Value::Record(values)) => {
                fields(params, values, covers).map_err(|why| format!("is wrong: {why}"))
            }
            (ToolType::Path { under }, Value::Path(path)) => {
                if covers(under, path) {
                    Ok(())
                } else {
                    Err("is not below what it has to be".to_owned())
                }
            }
            _ => Err(format!("is not {}", self.words())),
        }
    }

    /// What it is, with its article.
    #[must_use]
    pub fn words(&self) -> &'static str {
        match self {
            ToolType::Bool => "true or false",
            ToolType::Int { .. } => "a whole number",
            ToolType::Number => "a number",
            ToolType::Text { .. } => "a text",
            ToolType::OneOf(_) => "one of the words",
            ToolType::List { .. } => "a list",
            ToolType::Record(_) => "a record",
            ToolType::Path { .. } => "a path",
            ToolType::Json => "JSON",
        }
    }

    /// Shows each path of it to `visit`.
    pub(crate) fn places(&mut self, visit: &mut impl FnMut(&mut Path)) {
        match self {
            ToolType::Path { under } => visit(under),
            ToolType::List { of, .. } => of.places(visit),
            ToolType::Record(fields) => fields.iter_mut().for_each(|field| field.ty.places(visit)),
            _ => {}
        }
    }
}
