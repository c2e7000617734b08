use super::*;
use crate::tool::within::Beyond;

fn text(min: u64, max: u64, pattern: Option<&str>) -> ToolType {
    ToolType::Text { min, max, pattern: pattern.map(str::to_owned) }
}

fn of(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn tool(params: Vec<ToolParam>) -> Tool {
    Tool {
        name: "put".to_owned(),
        params,
        result: None,
        exec: Vec::new(),
        stdin: None,
        sandbox: None,
        rate: None,
        quota: None,
        timeout_ms: None,
        concurrency: None,
        result_bytes: None,
        confirm: false,
        shim: false,
        log_args: true,
        origin: OriginId(7),
    }
}

#[test]
fn a_pattern_matches_the_whole_text() {
    for (pattern, value, expected) in [
        ("a|b", "a", true),
        ("a|b", "ab", false),
        ("^[a-z]+$", "abc", true),
        ("[a-z]+", "abc\n", false),
        ("[a-z]+", "ABC", false),
        ("(?i)[a-z]+", "ABC", true),
        (".*", "a\nb", false),
    ] {
        assert_eq!(text(0, 99, Some(pattern)).validate(&of(value)).is_ok(), expected, "{pattern} {value:?}");
    }
}

#[test]
fn what_is_no_pattern_is_refused() {
    for bad in ["(", "(?=a)b", "(a)\\1", "(a{1000}){1000}", "a)|(?:b", &"a".repeat(257)] {
        assert!(pattern(bad).is_err(), "{bad}");
    }
}

#[test]
fn characters_are_counted_and_not_bytes() {
    assert_eq!(text(1, 2, None).validate(&of("\u{e9}\u{e9}")), Ok(()));
    assert!(text(1, 2, None).validate(&of("abc")).is_err());
}

#[test]
fn a_call_has_the_arguments_of_its_tool() {
    let param = |name: &str, optional, ty| ToolParam { name: name.to_owned(), optional, ty };
    let row = vec![param("col", false, text(1, 4, None)), param("n", true, ToolType::Bool)];
    let rows = ToolType::List { of: Box::new(ToolType::Record(row)), min: 0, max: 1 };
    let params = vec![param("id", false, ToolType::Int { min: 1, max: 9 }), param("rows", true, rows)];
    let tool = tool(params);
    let policy = Policy { tools: vec![tool], ..policy(Vec::new(), SyscallAction::Errno(1)) };
    let arg = |name: &str, value| (name.to_owned(), value);
    let row = |col: &str| Value::List(vec![Value::Record(vec![arg("col", of(col))])]);
    let cases = [
        (vec![arg("id", Value::Int(1))], true),
        (vec![arg("id", Value::Int(9)), arg("rows", row("a"))], true),
        (vec![], false),
        (vec![arg("id", Value::Int(0))], false),
        (vec![arg("id", Value::Int(1)), arg("id", Value::Int(1))], false),
        (vec![arg("id", Value::Int(1)), arg("other", Value::Int(1))], false),
        (vec![arg("id", of("1"))], false),
        (vec![arg("id", Value::Int(1)), arg("rows", row("abcde"))], false),
        (vec![arg("id", Value::Int(1)), arg("rows", Value::List(vec![Value::Record(vec![])]))], false),
    ];
    for (args, expected) in cases {
        assert_eq!(policy.call_tool("put", &args).is_ok(), expected, "{args:?}");
    }
    let decision = policy.decide(&Request::Call { tool: "put", args: &[] });
    assert_eq!(decision, Decision { action: SyscallAction::Errno(22), origin: Some(OriginId(7)) });
    let unknown = policy.decide(&Request::Call { tool: "get", args: &[] });
    assert_eq!(unknown, Decision { action: SyscallAction::Errno(2), origin: None });
}

pub(super) fn any_type() -> impl Strategy<Value = ToolType> {
    let range = || (0..4u64, 0..4u64).prop_map(|(a, b)| (a.min(b), a.max(b)));
    let leaf = prop_oneof![
        Just(ToolType::Bool),
        Just(ToolType::Number),
        Just(ToolType::Json),
        (-2..3i64, 0..3i64).prop_map(|(min, more)| ToolType::Int { min, max: min + more }),
        (range(), prop::sample::select(vec![None, Some("[ab]*"), Some("a*")]))
            .prop_map(|((min, max), pattern)| text(min, max, pattern)),
        prop::collection::vec(prop::sample::select(vec!["a", "b", "ab"]), 1..3)
            .prop_map(|words| ToolType::OneOf(words.into_iter().map(str::to_owned).collect())),
    ];
    leaf.prop_recursive(2, 8, 2, move |inner| {
        let record = prop::collection::vec(
            (prop::sample::select(vec!["x", "y"]), any::<bool>(), inner.clone())
                .prop_map(|(name, optional, ty)| ToolParam { name: name.to_owned(), optional, ty }),
            0..2,
        );
        prop_oneof![
            (inner, range()).prop_map(|(of, (min, max))| ToolType::List { of: Box::new(of), min, max }),
            record.prop_map(ToolType::Record),
        ]
    })
}

pub(super) fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        (-3..6i64).prop_map(Value::Int),
        "[abc]{0,4}".prop_map(Value::Text),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        let field = (prop::sample::select(vec!["x", "y", "z"]), inner.clone());
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::List),
            prop::collection::vec(field.prop_map(|(name, value)| (name.to_owned(), value)), 0..3)
                .prop_map(Value::Record),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// What is shown is of the one type and not of the other; where nothing is, no value is.
    #[test]
    fn a_narrower_type_takes_no_more(own in any_type(), other in any_type(), value in any_value()) {
        match own.beyond(&other) {
            Beyond::This(value) => {
                prop_assert_eq!(own.validate(&value), Ok(()));
                prop_assert!(other.validate(&value).is_err(), "{:?}", value);
            }
            Beyond::Nothing if own.validate(&value).is_ok() => {
                prop_assert_eq!(other.validate(&value), Ok(()));
            }
            Beyond::Nothing | Beyond::Unshown => {}
        }
        prop_assert_eq!(own.beyond(&own), Beyond::Nothing);
    }

    /// What is found of patterns is so of every text of a few letters.
    #[test]
    fn patterns_are_compared_by_what_they_match(own in any_pattern(), other in any_pattern()) {
        let (own, other) = (text(0, 4, Some(&own)), text(1, 3, Some(&other)));
        let more = |text: &&String| {
            let value = of(text);
            own.validate(&value).is_ok() && other.validate(&value).is_err()
        };
        let all = texts();
        let shortest = all.iter().find(more);
        match own.beyond(&other) {
            Beyond::This(Value::Text(found)) => {
                prop_assert!(more(&&found), "{}", found);
                prop_assert_eq!(shortest.map(String::len), Some(found.len()));
            }
            Beyond::Nothing => prop_assert_eq!(shortest, None),
            other => prop_assert!(false, "{:?}", other),
        }
    }
}

/// Every text of up to four of these letters, the shortest first.
fn texts() -> Vec<String> {
    let mut all = vec![String::new()];
    let mut last = all.clone();
    for _ in 0..4 {
        last = last.iter().flat_map(|text| ["a", "b", "c"].map(|letter| format!("{text}{letter}"))).collect();
        all.extend(last.iter().cloned());
    }
    all
}

fn any_pattern() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec!["a", "b", "[ab]", "[a-c]", "^a", "b$", ""]).prop_map(str::to_owned);
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a}{b}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}|{b})")),
            inner.clone().prop_map(|it| format!("({it})*")),
            inner.prop_map(|it| format!("({it}){{0,2}}")),
        ]
    })
}

#[test]
fn texts_beyond_a_pattern_are_found() {
    let branch = |pattern: &str| text(0, u64::MAX, Some(pattern));
    let beyond = |own: &ToolType, other: &ToolType| match own.beyond(other) {
        Beyond::This(Value::Text(text)) => Some(text),
        Beyond::Nothing => None,
        other => panic!("{other:?}"),
    };
    let agents = branch("^agent/[a-z0-9-]{1,40}$");
    assert_eq!(beyond(&agents, &branch("^agent/.+$")), None);
    assert_eq!(beyond(&agents, &text(1, 46, None)), None);
    assert_eq!(beyond(&agents, &text(1, 45, None)).map(|it| it.len()), Some(46));
    assert_eq!(beyond(&branch("^agent/.+$"), &agents).as_deref(), Some("agent/ "));
    assert_eq!(
        beyond(&branch("(?i)abc"), &branch("abc")).map(|it| it.to_lowercase()).as_deref(),
        Some("abc")
    );
    // Characters are counted, not bytes.
    assert_eq!(beyond(&branch("\u{e9}{2}"), &text(0, 2, None)), None);
    assert_eq!(beyond(&text(0, 3, None), &text(0, 2, None)).as_deref(), Some("aaa"));
    let words = |all: &[&str]| ToolType::OneOf(all.iter().map(|it| (*it).to_owned()).collect());
    assert_eq!(beyond(&branch(r"a|b\."), &words(&["a", "b.", "c"])), None);
    assert_eq!(beyond(&branch("a|b."), &words(&["a", "b."])).as_deref(), Some("ba"));
    assert_eq!(beyond(&words(&["dev", "release"]), &words(&["release"])).as_deref(), Some("dev"));
}

/// What cannot be decided in bounded memory and time counts as more.
#[test]
fn what_is_too_large_to_be_compared_counts_as_more() {
    let large = text(0, u64::MAX, Some("(.*a.{12}){9}"));
    assert_eq!(large.beyond(&text(0, 9, Some("b+"))), Beyond::Unshown);
}

/// What is proved of a call is so wherever the parameters lie, in each other and in what the policy names among it.
#[test]
fn a_proof_of_a_call_holds_for_every_binding() {
    let at = |base, rest: &str| Path { base, rest: rest.to_owned() };
    let bases = [Base::Root, Base::Param(0), Base::Param(1)];
    let rests = ["", "a", "a/b", "b"];
    let paths = || bases.iter().flat_map(|base| rests.map(|rest| at(*base, rest)));
    let bound = ["/", "/a", "/a/b", "/b", "/b/a", "/c"];
    let (mut proved, mut open) = (0, 0);
    for under in paths() {
        let ty = ToolType::List { of: Box::new(ToolType::Path { under: under.clone() }), min: 0, max: 2 };
        let param = ToolParam { name: "at".to_owned(), optional: false, ty };
        let policy = Policy { tools: vec![tool(vec![param])], ..super::open::with(Vec::new()) };
        for path in paths() {
            let arguments = [("at".to_owned(), Value::List(vec![Value::Path(path.clone())]))];
            let apart = policy.call_tool("put", &arguments).is_ok();
            let answer = |first: &str, second: &str| {
                let given = |index| Some(if index == 0 { first } else { second }.to_owned());
                let places = Places::apart_but(&policy, given);
                let covers = |above: &Path, path: &Path| places.covers(above, path);
                policy.call_tool_where("put", &arguments, &covers).is_ok()
            };
            let mut bindings = bound.iter().flat_map(|first| bound.map(|second| answer(first, second)));
            let same = bindings.all(|answer| answer == apart);
            if policy.call_is_proved("put", &arguments) {
                proved += 1;
                assert!(same, "{under:?} {path:?}");
            } else {
                open += 1;
            }
        }
    }
    assert!(proved > 40 && open > 40, "{proved} {open}");
}
