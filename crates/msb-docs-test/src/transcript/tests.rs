use super::{Step, matches, steps};

#[test]
fn commands_and_what_they_print() {
    let step =
        |command: &str, expected: &str| Step { command: command.to_owned(), expected: expected.to_owned() };
    let found = steps("$ a \\\n  b\none\ntwo\n$ c\n").expect("two commands");
    assert_eq!(found, [step("a \\\n  b", "one\ntwo\n"), step("c", "")]);
    assert!(steps("output\n$ a\n").is_err());
    assert!(steps("").is_err());
    assert!(steps("$ a \\\n").is_err());
}

#[test]
fn dots_stand_for_anything_and_nothing_else_does() {
    let cases = [
        ("a\nb\n", "a\nb\n", true),
        ("a\n", "a\nb\n", false),
        ("a\nb\n", "a\n", false),
        ("", "", true),
        ("", "a\n", false),
        ("a\n...\nd\n", "a\nb\nc\nd\n", true),
        ("a\n...\nd\n", "a\nd\n", true),
        ("a\n...\n", "a\nb\n", true),
        ("...\nd\n", "a\nb\n", false),
        ("took ... ms\n", "took 12 ms\n", true),
        ("took ... ms\n", "took 12 s\n", false),
        ("→ ... (EPERM ...)\n", "→ refused (EPERM no)\n", true),
    ];
    for (expected, actual, same) in cases {
        assert_eq!(matches(expected, actual), same, "{expected:?} {actual:?}");
    }
}
