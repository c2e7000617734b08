//! Whether one tool takes no more than another, with arguments as evidence where it does.
//!
//! Ranges, choices, lists and records are compared by their bounds, texts by what their patterns accept: both
//! patterns become automata that read a text together, and a text that the one accepts and the other refuses is
//! found, or there is none. What is too large to be decided counts as more.

use super::{Tool, ToolParam, ToolType, Value};
use crate::{Path, Policy};
use regex_automata::Anchored;
use regex_automata::dfa::dense::{BuildError, Builder, Config, DFA};
use regex_automata::dfa::{Automaton, StartKind};
use regex_automata::util::primitives::StateID;
use regex_automata::util::{start, syntax};
use std::collections::{HashMap, VecDeque};

/// Bytes of the automaton of one pattern; those of arguments need a few thousand.
const AUTOMATON_BYTES_MAX: usize = 1 << 20;
/// Places in both automata that are looked at before a comparison is given up.
const PLACES_MAX: usize = 200_000;
/// Items of a list, characters of a text, that evidence is written out with.
const EVIDENCE_MAX: u64 = 256;

/// What one type accepts and another does not.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Beyond<T> {
    /// Nothing.
    Nothing,
    /// This.
    This(T),
    /// It could not be found out, or is too long to be shown.
    Unshown,
}

impl<T> Beyond<T> {
    fn map<U>(self, with: impl FnOnce(T) -> Option<U>) -> Beyond<U> {
        match self {
            Beyond::Nothing => Beyond::Nothing,
            Beyond::This(value) => with(value).map_or(Beyond::Unshown, Beyond::This),
            Beyond::Unshown => Beyond::Unshown,
        }
    }
}

/// Arguments that `own` takes and `its` do not.
pub(crate) fn arguments(own: &[ToolParam], its: &[ToolParam]) -> Beyond<Vec<(String, Value)>> {
    let named = |name: &str, among: &[ToolParam]| among.iter().find(|param| param.name == name).cloned();
    // The others as they have to be, and this one.
    let with = |param: &ToolParam, value: Value| {
        let mut all = required(own.iter().filter(|other| other.name != param.name))?;
        all.push((param.name.clone(), value));
        Some(all)
    };
    let mut unshown = false;
    for param in own {
        let beyond = match named(&param.name, its) {
            None => sample(&param.ty).map_or(Beyond::Unshown, Beyond::This),
            Some(other) => param.ty.beyond(&other.ty),
        };
        match beyond.map(|value| with(param, value)) {
            Beyond::Nothing => {}
            Beyond::This(arguments) => return Beyond::This(arguments),
            Beyond::Unshown => unshown = true,
        }
    }
    let needed =
        |param: &&ToolParam| !param.optional && named(&param.name, own).is_none_or(|own| own.optional);
    if its.iter().any(|param| needed(&param)) {
        return required(own.iter()).map_or(Beyond::Unshown, Beyond::This);
    }
    if unshown { Beyond::Unshown } else { Beyond::Nothing }
}

/// A value for each of `params` that has to have one.
fn required<'p>(params: impl Iterator<Item = &'p ToolParam>) -> Option<Vec<(String, Value)>> {
    params
        .filter(|param| !param.optional)
        .map(|param| Some((param.name.clone(), sample(&param.ty)?)))
        .collect()
}

/// A value of the type, as short as it can be; `None` where it has none, or none that is short.
fn sample(ty: &ToolType) -> Option<Value> {
    Some(match ty {
        ToolType::Bool => Value::Bool(true),
        ToolType::Int { min, max } => Value::Int(0.clamp(*min, *max)),
        ToolType::Number => Value::Int(0),
        ToolType::Text { .. } => match Language::of(ty)?.beyond(None) {
            Beyond::This(text) => Value::Text(text),
            Beyond::Nothing | Beyond::Unshown => return None,
        },
        ToolType::OneOf(words) => Value::Text(words.first()?.clone()),
        ToolType::List { of, min, .. } => repeated(sample(of), *min)?,
        ToolType::Record(fields) => Value::Record(required(fields.iter())?),
        ToolType::Path { under } => Value::Path(under.clone()),
        ToolType::Json => Value::Bool(true),
    })
}

fn repeated(value: Option<Value>, count: u64) -> Option<Value> {
    let count = usize::try_from(count).ok().filter(|_| count <= EVIDENCE_MAX)?;
    if count == 0 { Some(Value::List(Vec::new())) } else { Some(Value::List(vec![value?; count])) }
}

impl ToolType {
    /// A value of this type that is none of `other`.
    pub(crate) fn beyond(&self, other: &ToolType) -> Beyond<Value> {
        let this = |value: Option<Value>| value.map_or(Beyond::Unshown, Beyond::This);
        match (self, other) {
            (own, its) if own == its => Beyond::Nothing,
            (_, ToolType::Json)
            | (ToolType::Bool, ToolType::Bool)
            | (ToolType::Number | ToolType::Int { .. }, ToolType::Number) => Beyond::Nothing,
            (ToolType::Int { min, max }, ToolType::Int { min: least, max: most }) => {
                match (min < least, max > most) {
                    (true, _) => Beyond::This(Value::Int(*min)),
                    (_, true) => Beyond::This(Value::Int(*max)),
                    _ => Beyond::Nothing,
                }
            }
            // Numbers that are not whole are in no range.
            (ToolType::Number, ToolType::Int { max, .. }) => this(max.checked_add(1).map(Value::Int)),
            (ToolType::OneOf(words), ToolType::OneOf(_) | ToolType::Text { .. }) => {
                let more = words.iter().find(|word| other.validate(&Value::Text((*word).clone())).is_err());
                more.map_or(Beyond::Nothing, |word| Beyond::This(Value::Text(word.clone())))
            }
            (ToolType::Text { .. }, ToolType::Text { .. } | ToolType::OneOf(_)) => {
                match (Language::of(self), Language::of(other)) {
                    (Some(own), Some(its)) => own.beyond(Some(&its)).map(|text| Some(Value::Text(text))),
                    _ => Beyond::Unshown,
                }
            }
            (ToolType::List { of, min, max }, ToolType::List { of: item, min: least, max: most }) => {
                if min < least {
                    return this(repeated(sample(of), *min));
                }
                if max > most {
                    return this(repeated(sample(of), most.saturating_add(1).max(*min)));
                }
                if *max == 0 {
                    return Beyond::Nothing;
                }
                of.beyond(item).map(|value| repeated(Some(value), (*min).max(1)))
            }
            (ToolType::Record(own), ToolType::Record(its)) => {
                arguments(own, its).map(|fields| Some(Value::Record(fields)))
            }
            (ToolType::Path { under }, ToolType::Path { under: above }) => {
                if above.covers(under) {
                    Beyond::Nothing
                } else {
                    Beyond::This(Value::Path(under.clone()))
                }
            }
            (ToolType::Json, other) => {
                let value = if *other == ToolType::Bool { Value::Int(0) } else { Value::Bool(true) };
                Beyond::This(value)
            }
            (own, _) => this(sample(own)),
        }
    }
}

/// The texts of a type.
struct Language {
    automaton: DFA<Vec<u32>>,
    /// Fewest characters.
    min: u64,
    /// Most characters.
    max: u64,
}

/// A place in both automata, after so many characters.
type Place = (StateID, Option<StateID>, u64);

impl Language {
    /// Of a type of texts; `None` for another type, and for a pattern that is too large.
    fn of(ty: &ToolType) -> Option<Language> {
        let any = || "(?s:.*)".to_owned();
        let (min, max, written) = match ty {
            ToolType::Text { min, max, pattern } => (*min, *max, pattern.clone().unwrap_or_else(any)),
            ToolType::OneOf(words) => {
                let words: Vec<String> = words.iter().map(|word| escaped(word)).collect();
                (0, u64::MAX, words.join("|"))
            }
            _ => return None,
        };
        // What is no pattern was reported, and matches nothing.
        if matches!(ty, ToolType::Text { pattern: Some(it), .. } if syntax::parse(it).is_err()) {
            return None;
        }
        let build = |written: &str| -> Result<DFA<Vec<u32>>, Box<BuildError>> {
            let config = Config::new()
                .start_kind(StartKind::Anchored)
                .dfa_size_limit(Some(AUTOMATON_BYTES_MAX))
                .determinize_size_limit(Some(AUTOMATON_BYTES_MAX));
            Builder::new().configure(config).build(&format!("^(?:{written})$")).map_err(Box::new)
        };
        Some(Language { automaton: build(&written).ok()?, min, max })
    }

    /// A shortest text that is in this one and not in `other`.
    fn beyond(&self, other: Option<&Language>) -> Beyond<String> {
        let Some(begin) = self.start() else { return Beyond::Unshown };
        let theirs = match other.map(Language::start) {
            Some(None) => return Beyond::Unshown,
            start => start.flatten(),
        };
        // More characters than any bound make no difference.
        let bounds = [Some(self), other].into_iter().flatten().flat_map(|it| [it.min, it.max]);
        let most = bounds.filter(|bound| *bound != u64::MAX).max().map_or(0, |bound| bound.saturating_add(1));
        let bytes = self.bytes(other);
        let begin: Place = (begin, theirs, 0);
        let mut came: HashMap<Place, Option<(Place, u8)>> = HashMap::from([(begin, None)]);
        let mut waiting = VecDeque::from([begin]);
        while let Some(place) = waiting.pop_front() {
            let (own, its, count) = place;
            let accepted = other.zip(its).is_some_and(|(other, its)| other.accepts(its, count));
            if self.accepts(own, count) && !accepted {
                return written(place, &came).map_or(Beyond::Unshown, Beyond::This);
            }
            for &byte in &bytes {
                let next = self.automaton.next_state(own, byte);
                // The first byte of a character; RFC 3629.
                let longer = count + u64::from(!(0x80..0xc0).contains(&byte));
                if self.automaton.is_dead_state(next) || longer > self.max {
                    continue;
                }
                let its = other.zip(its).map(|(other, its)| other.automaton.next_state(its, byte));
                let next: Place = (next, its, longer.min(most));
                if let std::collections::hash_map::Entry::Vacant(new) = came.entry(next) {
                    new.insert(Some((place, byte)));
                    waiting.push_back(next);
                }
            }
            if came.len() > PLACES_MAX {
                return Beyond::Unshown;
            }
        }
        Beyond::Nothing
    }

    fn start(&self) -> Option<StateID> {
        self.automaton.start_state(&start::Config::new().anchored(Anchored::Yes)).ok()
    }

    /// Whether a text that ends here is one.
    fn accepts(&self, at: StateID, count: u64) -> bool {
        (self.min..=self.max).contains(&count)
            && self.automaton.is_match_state(self.automaton.next_eoi_state(at))
    }

    /// A byte of each kind that either automaton tells from others, those that read well first.
    fn bytes(&self, other: Option<&Language>) -> Vec<u8> {
        let well = |byte: &u8| match byte {
            b'a'..=b'z' => 0,
            b'0'..=b'9' => 1,
            b' '..=b'~' => 2,
            _ => 3,
        };
        let mut all: Vec<u8> = (0..=u8::MAX).collect();
        all.sort_by_key(well);
        let class = |byte: u8| {
            let of = |language: &Language| language.automaton.byte_classes().get(byte);
            // Whether a byte begins a character is told apart, too.
            (of(self), other.map(of), (0x80..0xc0).contains(&byte))
        };
        let mut known = Vec::new();
        all.retain(|byte| {
            let new = !known.contains(&class(*byte));
            known.push(class(*byte));
            new
        });
        all
    }
}

/// A pattern of `word` alone.
fn escaped(word: &str) -> String {
    word.chars().map(|character| format!("\\x{{{:x}}}", u32::from(character))).collect()
}

/// The text that leads to `place`.
fn written(mut place: Place, came: &HashMap<Place, Option<(Place, u8)>>) -> Option<String> {
    let mut bytes = Vec::new();
    while let Some(Some((before, byte))) = came.get(&place) {
        bytes.push(*byte);
        place = *before;
    }
    bytes.reverse();
    String::from_utf8(bytes).ok().filter(|text| text.chars().count() as u64 <= EVIDENCE_MAX)
}

/// A value as a claim says it.
fn shown(value: &Value, path: &dyn Fn(&Path) -> String) -> String {
    let named = |fields: &[(String, Value)]| -> Vec<String> {
        fields.iter().map(|(name, value)| format!("{name}: {}", shown(value, path))).collect()
    };
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Text(text) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        Value::Path(at) => path(at),
        Value::List(values) => {
            let values: Vec<String> = values.iter().map(|value| shown(value, path)).collect();
            format!("[{}]", values.join(", "))
        }
        Value::Record(fields) => format!("{{{}}}", named(fields).join(", ")),
    }
}

impl Policy {
    /// A call as a claim says it; `…` for arguments that are too long to be written.
    pub(crate) fn shown_tool(&self, name: &str, arguments: Option<&[(String, Value)]>) -> String {
        let Some(arguments) = arguments else { return format!("call {name}(…)") };
        let path = |at: &Path| self.shown(at);
        let arguments: Vec<String> =
            arguments.iter().map(|(name, value)| format!("{name}: {}", shown(value, &path))).collect();
        format!("call {name}({})", arguments.join(", "))
    }
}

impl Tool {
    /// Arguments that this tool takes.
    pub(crate) fn arguments(&self) -> Option<Vec<(String, Value)>> {
        required(self.params.iter())
    }
}
