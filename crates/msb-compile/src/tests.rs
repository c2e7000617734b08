use super::*;

/// A folder in memory.
struct Folder(&'static [(&'static str, &'static [u8])]);

impl Files for Folder {
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        let file = self.0.iter().find(|(name, _)| *name == path);
        file.map(|(_, bytes)| bytes.to_vec())
            .ok_or_else(|| ReadError { reason: "no such file or directory".to_owned() })
    }
}

fn codes_of(path: &str, bytes: &'static [u8]) -> Vec<(u16, String)> {
    let files: &'static [(&'static str, &'static [u8])] = Box::leak(Box::new([("it.msb", bytes)]));
    let checked = check(&Folder(files), path, &Options::default());
    assert!(checked.policy.is_none());
    checked.diagnostics.into_iter().map(|found| (found.code.0, found.message)).collect()
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let found = codes_of("that.msb", b"");
    assert_eq!(found, [(20, "cannot read `that.msb`: no such file or directory".to_owned())]);
}

#[test]
fn a_file_that_is_not_text_is_refused() {
    assert_eq!(codes_of("it.msb", b"edition 2026\n\xff\xfe").iter().map(|it| it.0).collect::<Vec<_>>(), [17]);
}

#[test]
fn a_plan_in_place_of_a_policy_is_recognised() {
    let found = codes_of("it.msb", b"MSBP\x01\x00\x00\x00\xff");
    assert_eq!(found.len(), 1);
    assert!(found[0].1.contains("plan"), "{found:?}");
}

#[test]
fn a_file_that_is_too_long_is_not_parsed() {
    let long: &'static [u8] = Box::leak(vec![b'#'; msb_syntax::FILE_BYTES_MAX + 1].into_boxed_slice());
    assert_eq!(codes_of("it.msb", long).iter().map(|it| it.0).collect::<Vec<_>>(), [9]);
}

#[test]
fn of_two_policies_the_named_one_is_compiled() {
    let text: &'static [u8] = b"edition 2026\npolicy a { include std.base }\npolicy b { include std.base }\n";
    let files: &'static [(&'static str, &'static [u8])] = Box::leak(Box::new([("it.msb", text)]));
    let named = |name: &str| Options { policy: Some(name.to_owned()), ..Options::default() };
    let compiled = compile(&Folder(files), "it.msb", &named("b"));
    assert_eq!(compiled.policy.map(|policy| policy.name), Some("b".to_owned()));
    assert!(compiled.plan.is_some());
    let unknown = check(&Folder(files), "it.msb", &named("bb"));
    assert_eq!(unknown.diagnostics.first().map(|found| found.code), Some(codes::UNKNOWN_NAME));
}

#[test]
fn a_trace_changes_the_plan_and_not_the_policy() {
    let text: &'static [u8] = b"edition 2026\npolicy a { include std.base }\n";
    let files: &'static [(&'static str, &'static [u8])] = Box::leak(Box::new([("it.msb", text)]));
    let with = |trace| compile(&Folder(files), "it.msb", &Options { trace, ..Options::default() });
    let (plain, traced) = (with(false), with(true));
    assert_ne!(plain.plan, traced.plan);
    assert_eq!(plain.policy, traced.policy);
}

/// What emit refuses is said on the line that asked.
#[test]
fn a_plan_that_cannot_be_is_reported_on_its_line() {
    let text: &'static [u8] =
        b"edition 2026\npolicy a {\n  include std.base\n  env { set HOME = \"/a:b\" }\n}\n";
    let files: &'static [(&'static str, &'static [u8])] = Box::leak(Box::new([("it.msb", text)]));
    let compiled = compile(&Folder(files), "it.msb", &Options::default());
    let errors: Vec<_> = compiled.diagnostics.iter().filter(|found| found.is_error()).collect();
    assert_eq!(errors.len(), 1);
    let span = errors[0].span().expect("a place");
    assert_eq!(compiled.sources.line_column(span).map(|(line, ..)| line), Some(4));
    assert!(compiled.plan.is_none() && compiled.policy.is_none());
}
