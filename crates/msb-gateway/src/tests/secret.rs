use super::*;

#[test]
fn a_secret_is_a_bearer_token_or_a_header_of_its_own() {
    let one = Secret::of("sk-4711\n").unwrap_or_else(|BadSecret(why)| panic!("{why}"));
    assert_eq!((one.name().as_str(), one.value().as_bytes()), ("authorization", &b"Bearer sk-4711"[..]));
    let two = Secret::of("x-api-key: sk-4711").unwrap_or_else(|BadSecret(why)| panic!("{why}"));
    assert_eq!((two.name().as_str(), two.value().as_bytes()), ("x-api-key", &b"sk-4711"[..]));
    for bad in ["", "\n", "a\nb", "not a header: x", "a\0b"] {
        assert!(Secret::of(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn nothing_shows_it() {
    let secret = Secret::of("sk-4711").unwrap_or_else(|BadSecret(why)| panic!("{why}"));
    assert!(!format!("{secret:?} {:?}", secret.value()).contains("4711"));
    assert_eq!(secret.redact("/x?key=sk-4711&y"), "/x?key=[redacted]&y");
    assert!(
        Secret::load("env:MSB_NO_SUCH_VARIABLE")
            .is_err_and(|BadSecret(why)| why.contains("MSB_NO_SUCH_VARIABLE"))
    );
}

#[test]
fn it_is_read_from_where_it_is() {
    let file = tempfile::NamedTempFile::new().unwrap_or_else(|error| panic!("{error}"));
    assert!(std::fs::write(file.path(), "sk-file\n").is_ok());
    let loaded = Secret::load(&format!("file:{}", file.path().display()));
    assert!(loaded.is_ok_and(|it| it.value().as_bytes() == b"Bearer sk-file"));
    let printed = Secret::load("command:echo sk-printed");
    assert!(printed.is_ok_and(|it| it.value().as_bytes() == b"Bearer sk-printed"));
    for bad in ["sk-4711", "fd:1", "fd:x", "file:/no/such/file", "command:false", "command:"] {
        assert!(Secret::load(bad).is_err(), "{bad}");
    }
}

/// A command is no shell's, has a time, and is quoted where it fails.
#[test]
fn a_command_prints_it() {
    let printed = |words: &str| printed(words, Duration::from_secs(5));
    assert_eq!(printed("echo  a $HOME;b"), Ok("a $HOME;b\n".to_owned()));
    assert_eq!(printed(""), Err("no program is named".to_owned()));
    assert!(printed("/no/such/program").is_err_and(|why| why.contains("No such file")));
    let failed = printed("ls /no/such/file").err().unwrap_or_default();
    assert!(failed.starts_with("it ended with exit status: 2: ls: cannot access"), "{failed}");
    assert!(printed("head -c 20000 /dev/zero").is_err_and(|why| why.contains("longer than 16 KiB")));
    // One that says without an end ends when nobody reads.
    assert!(printed("yes").is_err());
    let slow = super::printed("sleep 100", Duration::from_millis(50));
    assert_eq!(slow, Err("it took longer than 0 s".to_owned()));
}
