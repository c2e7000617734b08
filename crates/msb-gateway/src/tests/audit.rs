use super::*;
use std::io::{Read as _, Seek as _};

#[test]
fn days_are_those_of_the_calendar() {
    for (days, date) in [
        (0, (1970, 1, 1)),
        (59, (1970, 3, 1)),
        (11_016, (2000, 2, 29)),
        (19_782, (2024, 2, 29)),
        (20_778, (2026, 11, 21)),
    ] {
        assert_eq!(civil(days), date, "{days}");
    }
    assert_eq!(now().len(), "2026-11-21T23:40:12.123456Z".len());
}

#[test]
fn every_line_is_one_json_object_and_counted() {
    let mut file = tempfile::tempfile().unwrap_or_else(|error| panic!("{error}"));
    let copy = file.try_clone().unwrap_or_else(|error| panic!("{error}"));
    let origins = [Origin { file: "a.msb", line: 7, column: 3, text: "allow tls \"a.example\"" }];
    let log = Log::new(Some(copy), "box-1", "abc", &origins);
    let text = format!("a\nb\u{7}{}", "x".repeat(2000));
    log.decided(Subject::Lookup, Decision::Deny, None, json!({"name": text}));
    log.decided(Subject::Connection, Decision::Allow, Some(OriginId(0)), json!({"target": "a.example"}));
    log.ended(Some(OriginId(0)), 3, 4, json!({"reason": "closed"}));
    log.finish(Kernel::Listed);
    assert!(log.flush().is_ok());
    let mut written = String::new();
    let read = file.rewind().and_then(|()| file.read_to_string(&mut written));
    assert!(read.is_ok());
    let lines: Vec<Value> = written
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    assert_eq!(lines.len(), 4);
    assert!(lines.iter().all(|line| line["sandbox"] == "box-1" && line["policy"] == "abc"));
    assert_eq!(lines[0]["name"].as_str().map(|name| name.chars().count()), Some(TEXT_CHARS_MAX + 1));
    assert_eq!(lines[1]["rule"]["line"], 7);
    assert_eq!((&lines[3]["up_bytes"], &lines[3]["lookups"]["denied"]), (&json!(3), &json!(1)));
}

#[test]
fn a_log_that_is_full_says_so() {
    let full = File::options().write(true).open("/dev/full").unwrap_or_else(|error| panic!("{error}"));
    let log = Log::new(Some(full), "", "", &[]);
    log.finish(Kernel::Listed);
    assert!(log.flush().is_err());
}
