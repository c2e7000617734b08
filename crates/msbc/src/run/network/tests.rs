use super::*;

/// What is told, and what is counted, of these lines of a log.
fn followed(lines: &[Value]) -> (Vec<String>, Counts, String) {
    let (from, mut to) = io::pipe().expect("a pipe");
    let kept = tempfile::NamedTempFile::new().expect("a file");
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let writer = std::thread::spawn(move || to.write_all(text.as_bytes()));
    let file = kept.reopen().expect("the same file");
    let mut told = Vec::new();
    let counts = follow(Log { from, to: Some(file) }, |refused| told.push(refused.what.clone()));
    writer.join().expect("no panic").expect("written");
    let kept = std::fs::read_to_string(kept.path()).expect("the log");
    (told, counts.expect("a whole log"), kept)
}

fn lookup(name: &str) -> Value {
    json!({"event": "lookup", "decision": "deny", "name": name, "reason": "no-rule"})
}

#[test]
fn a_refusal_is_told_once_and_counted_each_time() {
    let allowed = json!({"event": "lookup", "decision": "allow", "name": "a.example"});
    let many = json!({"event": "connection", "decision": "deny", "times": 40, "reason": "too-many-to-list"});
    let lines = [lookup("a"), allowed, lookup("b"), lookup("a"), many];
    let (told, counts, kept) = followed(&lines);
    assert_eq!(told, ["look up a", "look up b", "more connections than are listed"]);
    assert_eq!((counts.kinds, counts.times, counts.is_cut), (3, 43, false));
    assert_eq!(kept.lines().count(), lines.len());
}

/// What is not told any more is of one kind however often it comes.
#[test]
fn kinds_are_counted_beyond_those_that_are_told() {
    let names: Vec<Value> = (0..100).map(|number| lookup(&format!("n{number}"))).collect();
    let lines = [names.clone(), names.clone(), names].concat();
    let (told, counts, _) = followed(&lines);
    assert_eq!(told.len(), TOLD_MAX);
    assert_eq!((counts.kinds, counts.times, counts.is_cut), (100, 300, true));
}
