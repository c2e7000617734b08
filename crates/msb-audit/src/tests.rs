use super::*;

fn log(events: &[&str]) -> Vec<String> {
    let mut chain = Chain::default();
    events.iter().map(|event| chain.seal(&format!("{{\"event\":\"{event}\"}}"))).collect()
}

fn whole() -> Vec<String> {
    log(&["lookup", "connection", "end", "totals"])
}

#[track_caller]
fn check(lines: &[String], expected: Result<&[(u64, bool)], (u64, Why)>) {
    let found = verify(lines.concat().as_bytes()).expect("memory can be read");
    let found = found
        .map(|runs| runs.iter().map(|run| (run.lines, run.is_whole)).collect::<Vec<_>>())
        .map_err(|broken| (broken.line, broken.why));
    assert_eq!(found, expected.map(<[_]>::to_vec));
}

#[test]
fn lines_begin_with_their_number_and_the_digest_of_the_one_before() {
    let lines = whole();
    assert_eq!(lines[0], format!("{{\"seq\":0,\"prev\":\"{}\",\"event\":\"lookup\"}}\n", "0".repeat(64)));
    let before = hexadecimal(&digest(lines[0].trim_end().as_bytes()));
    assert_eq!(lines[1], format!("{{\"seq\":1,\"prev\":\"{before}\",\"event\":\"connection\"}}\n"));
    assert_eq!(Chain::default().seal("{}"), format!("{{\"seq\":0,\"prev\":\"{}\"}}\n", "0".repeat(64)));
}

#[test]
fn a_whole_log_is_good() {
    check(&whole(), Ok(&[(4, true)]));
    check(&[], Ok(&[]));
    check(&[whole(), whole()].concat(), Ok(&[(4, true), (4, true)]));
}

#[test]
fn a_changed_line_shows_at_the_next() {
    let mut lines = whole();
    lines[1] = lines[1].replace("connection", "connectiom");
    check(&lines, Err((3, Why::Changed)));
}

/// The last line has none after it: the report has its digest.
#[test]
fn a_changed_last_line_shows_by_its_digest_alone() {
    let mut lines = whole();
    lines[3] = lines[3].replace("}", ",\"up_bytes\":1}");
    let runs = verify(lines.concat().as_bytes()).expect("read").expect("it follows");
    let good = verify(whole().concat().as_bytes()).expect("read").expect("it follows");
    assert_ne!(runs[0].last, good[0].last);
}

#[test]
fn missing_moved_and_added_lines_show() {
    let number = |expected, found| Why::Number { expected, found };
    let lines = whole();
    for gone in 0..3 {
        let mut left = lines.clone();
        left.remove(gone);
        let at = gone as u64;
        check(&left, Err((at + 1, number(at, at + 1))));
    }
    let mut moved = lines.clone();
    moved.swap(1, 2);
    check(&moved, Err((2, number(1, 2))));
    let mut twice = lines.clone();
    twice.insert(1, lines[1].clone());
    check(&twice, Err((3, number(2, 1))));
    // With its number put right it still does not follow.
    let mut added = lines.clone();
    added.insert(1, lines[1].replace("connection", "request"));
    added[2] = added[2].replace("\"seq\":1", "\"seq\":2");
    check(&added, Err((3, Why::Changed)));
}

#[test]
fn what_is_cut_off_shows_as_far_as_it_can() {
    let lines = whole();
    check(&lines[..3], Ok(&[(3, false)]));
    let mut cut = lines.clone();
    cut[3].truncate(20);
    check(&cut, Err((4, Why::Cut)));
    // A run is not begun before the last one has ended.
    check(&[&lines[..3], &lines].concat(), Err((4, Why::Number { expected: 3, found: 0 })));
    check(&lines[1..], Err((1, Why::Number { expected: 0, found: 1 })));
}

#[test]
fn what_is_no_log_is_no_log() {
    for text in ["{}\n", "hello\n", "[]\n", "\n", "{\"seq\":0,\"prev\":0,\"event\":\"end\"}\n"] {
        check(&[text.to_owned()], Err((1, Why::NotALine)));
    }
    check(&[format!("{}\n", "x".repeat(1 << 20))], Err((1, Why::TooLong)));
}
