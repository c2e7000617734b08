use super::*;
use proptest::prelude::*;

/// A ClientHello in one record.
fn record(extensions: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let list: Vec<u8> = extensions
        .iter()
        .flat_map(|(kind, content)| [&kind.to_be_bytes()[..], &long(content)].concat())
        .collect();
    let body = [&[3, 3][..], &[7; 32], &[0], &long(&[0x13, 1]), &[1, 0], &long(&list)].concat();
    let message = [&[CLIENT_HELLO, 0][..], &long(&body)].concat();
    [&[RECORD_HANDSHAKE, 3, 1][..], &long(&message)].concat()
}

/// Bytes behind their length.
fn long(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes(), bytes].concat()
}

fn name(name: &[u8]) -> (u16, Vec<u8>) {
    (EXTENSION_SERVER_NAME, long(&[&[0], &long(name)[..]].concat()))
}

fn said(bytes: &[u8]) -> Hello {
    match first(bytes) {
        First::Tls(hello) => hello,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_asked_for_is_read() {
    let alpn = (EXTENSION_ALPN, long(&[&[2][..], b"h2", &[8], b"http/1.1"].concat()));
    let bytes = record(&[(0x0a0a, vec![]), name(b"Api.Example.org"), alpn]);
    let hello = said(&bytes);
    assert_eq!(hello.server_name.as_deref(), Some("Api.Example.org"));
    assert_eq!(hello.alpn, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    assert!(!hello.is_encrypted);
    assert_eq!(said(&record(&[])).server_name, None);
    for kind in [EXTENSION_ECH, EXTENSION_ESNI] {
        assert!(said(&record(&[name(b"a.example"), (kind, vec![0; 8])])).is_encrypted);
    }
}

#[test]
fn what_does_not_add_up_is_refused() {
    let twice = record(&[name(b"a.example"), name(b"b.example")]);
    let nul = record(&[name(b"a.example\0.evil.example")]);
    let empty = record(&[name(b"")]);
    let two = {
        let both = [&[0][..], &long(b"a.example"), &[0], &long(b"b.example")].concat();
        record(&[(EXTENSION_SERVER_NAME, long(&both))])
    };
    let space = record(&[name(b"a example")]);
    for bytes in [twice, nul, empty, two, space] {
        assert_eq!(first(&bytes), First::BadTls);
    }
    let mut server = record(&[]);
    server[5] = 2;
    assert_eq!(first(&server), First::BadTls);
    // Found by fuzzing: one byte a record, none of which begins a hello.
    let mut slow = Vec::new();
    for _ in 0..3 {
        slow.extend([RECORD_HANDSHAKE, 3, 0, 0, 1, 0xcb]);
        assert_eq!(first(&slow), First::BadTls);
    }
    assert_eq!(first(&[RECORD_HANDSHAKE, 2]), First::BadTls);
    assert_eq!(first(&[RECORD_HANDSHAKE, 3, 1, 0, 0]), First::BadTls);
    assert_eq!(first(&[RECORD_HANDSHAKE, 3, 1, 0xff, 0xff]), First::BadTls);
}

#[test]
fn other_beginnings_are_told_apart() {
    for (bytes, expected) in [
        (&b"GET / HTTP/1.1"[..], First::Http),
        (b"PROPFIND / ", First::Http),
        (b"\r\nGET / ", First::Http),
        (b"GE", First::More),
        (b"", First::More),
        (b"SSH-2.0-x", First::Other),
        (b"get / ", First::Other),
        (b" GET", First::Other),
        (&[0x80, 0x2e, 1, 3, 1], First::Other),
        (b"THISMETHODISMUCHTOOLONGTOBEONE", First::Other),
    ] {
        assert_eq!(first(bytes), expected, "{bytes:?}");
    }
}

/// The same message in records of these lengths.
fn fragmented(bytes: &[u8], lengths: &[usize]) -> Vec<u8> {
    let mut rest = &bytes[5..];
    let mut all = Vec::new();
    for length in lengths {
        let (part, after) = rest.split_at((*length).clamp(1, rest.len().max(1)).min(rest.len()));
        if !part.is_empty() {
            all.extend([&[RECORD_HANDSHAKE, 3, 3][..], &long(part)].concat());
        }
        rest = after;
    }
    if !rest.is_empty() {
        all.extend([&[RECORD_HANDSHAKE, 3, 3][..], &long(rest)].concat());
    }
    all
}

proptest! {
    #[test]
    fn any_bytes_are_decided(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = first(&bytes);
        let mut record = vec![RECORD_HANDSHAKE, 3, 1];
        record.extend(long(&bytes));
        let _ = first(&record);
    }

    /// However a hello is cut into records and pieces, it says the same, and nothing before it is whole.
    #[test]
    fn fragments_make_no_difference(lengths in prop::collection::vec(1..60_usize, 0..30)) {
        let whole = record(&[name(b"api.example.org"), (43, vec![2, 3, 4])]);
        let bytes = fragmented(&whole, &lengths);
        prop_assert_eq!(first(&bytes), first(&whole));
        for end in 1..bytes.len() {
            prop_assert_eq!(first(&bytes[..end]), First::More, "{} of {}", end, bytes.len());
        }
    }

    #[test]
    fn a_changed_byte_never_panics(at in 0..120_usize, to in any::<u8>()) {
        let mut bytes = record(&[name(b"api.example.org")]);
        if let Some(byte) = bytes.get_mut(at) {
            *byte = to;
        }
        let _ = first(&bytes);
    }
}
