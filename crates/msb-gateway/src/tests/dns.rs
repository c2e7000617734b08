use super::*;
use crate::rules::{Allow, Endpoint, Limits, Peer, Protocol};
use hickory_proto::op::Query;
use proptest::prelude::*;

fn rules() -> Rules {
    let allow = |host: &str| Allow {
        endpoint: Endpoint {
            protocol: Protocol::Tls,
            peer: Peer::Host(msb_host::parse(host).unwrap_or_else(|bad| panic!("{bad:?}"))),
            ports: vec![(443, 443)],
        },
        only: None,
        inject: None,
        inspect: false,
        limits: Limits::default(),
        origin: 1,
    };
    Rules { allow: vec![allow("api.example.org"), allow("*.wild.example")], ..Rules::default() }
}

fn names() -> Names {
    let fixed = vec![("api.example.org".to_owned(), Ipv4Addr::new(198, 18, 1, 1))];
    Names::new(fixed, Ipv4Addr::new(198, 19, 0, 1), 100, Instant::now())
}

fn query(name: Name, kind: RecordType) -> Vec<u8> {
    let mut message = Message::new();
    message.set_id(7).set_recursion_desired(true).add_query(Query::query(name, kind));
    message.set_edns(Edns::new());
    message.to_vec().unwrap_or_default()
}

fn ask(name: Name, kind: RecordType) -> (Message, Outcome) {
    let (bytes, lookup) = answer(&query(name, kind), &rules(), &mut names(), Instant::now())
        .unwrap_or_else(|| panic!("no answer"));
    (Message::from_vec(&bytes).unwrap_or_else(|error| panic!("{error}")), lookup.outcome)
}

fn text(name: &str) -> Name {
    Name::from_ascii(name).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn names_of_the_policy_have_one_address() {
    for name in ["api.example.org.", "API.Example.ORG.", "api.example.org"] {
        let (message, outcome) = ask(text(name), RecordType::A);
        assert_eq!(outcome, Outcome::Address(Ipv4Addr::new(198, 18, 1, 1)), "{name}");
        assert_eq!(message.response_code(), ResponseCode::NoError);
        assert_eq!(message.answers().len(), 1);
        // Asked in odd capitals, answered in them: some resolvers check (0x20).
        let asked = message.queries()[0].name().to_string();
        assert_eq!(asked.trim_end_matches('.'), name.trim_end_matches('.'));
    }
    let (_, outcome) = ask(text("x.wild.example."), RecordType::A);
    assert_eq!(outcome, Outcome::Address(Ipv4Addr::new(198, 19, 0, 1)));
}

#[test]
fn other_types_are_empty_and_other_names_do_not_exist() {
    for kind in [RecordType::AAAA, RecordType::HTTPS, RecordType::SVCB, RecordType::TXT, RecordType::MX] {
        let (message, outcome) = ask(text("api.example.org."), kind);
        assert_eq!((message.response_code(), message.answers().len()), (ResponseCode::NoError, 0));
        assert_eq!(outcome, Outcome::Empty);
        assert_eq!(ask(text("x.wild.example."), kind).1, Outcome::Empty, "a lease only for an address");
    }
    for name in ["example.org.", "wild.example.", "secret.attacker.example.", "org.", ".", "host."] {
        for kind in [RecordType::A, RecordType::AAAA, RecordType::TXT, RecordType::PTR] {
            let (message, _) = ask(text(name), kind);
            assert_eq!(message.response_code(), ResponseCode::NXDomain, "{name} {kind}");
        }
    }
}

#[test]
fn labels_are_bytes_and_not_text() {
    let odd = [
        Name::from_labels([b"api\0".to_vec(), b"example".to_vec(), b"org".to_vec()]),
        Name::from_labels([b"api.example".to_vec(), b"org".to_vec()]),
        Name::from_labels([b"api.example.org".to_vec()]),
        Name::from_labels(["api．".as_bytes().to_vec(), b"wild".to_vec(), b"example".to_vec()]),
        Name::from_labels([b"_dmarc".to_vec(), b"wild".to_vec(), b"example".to_vec()]),
    ];
    for name in odd.into_iter().flatten() {
        let (message, outcome) = ask(name.clone(), RecordType::A);
        assert_eq!((message.response_code(), outcome), (ResponseCode::NXDomain, Outcome::NotAName), "{name}");
    }
}

#[test]
fn answers_are_not_answered() {
    let mut bytes = query(text("api.example.org."), RecordType::A);
    bytes[2] |= 0x80;
    assert_eq!(answer(&bytes, &rules(), &mut names(), Instant::now()), None);
    assert_eq!(answer(&[0; 1], &rules(), &mut names(), Instant::now()), None);
    let (bytes, lookup) =
        answer(&[0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xff], &rules(), &mut names(), Instant::now())
            .unwrap_or_default_answer();
    assert_eq!(lookup.outcome, Outcome::Malformed);
    assert_eq!(bytes[3] & 0xf, 1);
}

trait OrDefault {
    fn unwrap_or_default_answer(self) -> (Vec<u8>, Lookup);
}

impl OrDefault for Option<(Vec<u8>, Lookup)> {
    fn unwrap_or_default_answer(self) -> (Vec<u8>, Lookup) {
        self.unwrap_or_else(|| panic!("no answer"))
    }
}

proptest! {
    #[test]
    fn any_bytes_are_decided(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Some((answer, _)) = answer(&bytes, &rules(), &mut names(), Instant::now()) {
            let message = Message::from_vec(&answer);
            prop_assert!(message.is_ok_and(|message| message.message_type() == MessageType::Response));
        }
    }
}

/// The text of the extended error, and its code.
fn extended_error(message: &Message) -> Option<(u16, String)> {
    let option = message.extensions().as_ref()?.options().as_ref().iter().find_map(|(code, option)| {
        (u16::from(*code) == EDE_OPTION).then(|| Vec::<u8>::try_from(option).ok()).flatten()
    })?;
    let (code, text) = option.split_first_chunk::<2>()?;
    Some((u16::from_be_bytes(*code), String::from_utf8_lossy(text).into_owned()))
}

#[test]
fn refusals_say_why_and_answers_do_not() {
    for (name, expected) in [
        ("other.example.org.", Some("no rule of the sandbox's policy names other.example.org")),
        ("_dmarc.api.example.org.", Some("no rule of the sandbox's policy can name this")),
        ("1.113.0.203.in-addr.arpa.", Some("no name of the sandbox's policy has this address")),
        ("api.example.org.", None),
    ] {
        let (message, _) = ask(text(name), RecordType::A);
        let expected = expected.map(|text| (EDE_BLOCKED, text.to_owned()));
        assert_eq!(extended_error(&message), expected, "{name}");
    }
}

#[test]
fn addresses_inside_lead_back_to_their_names() {
    let (message, outcome) = ask(text("1.1.18.198.in-addr.arpa."), RecordType::PTR);
    assert_eq!(outcome, Outcome::Pointer("api.example.org".to_owned()));
    assert_eq!(message.answers()[0].data().to_string(), "api.example.org.");
    for name in [
        "2.1.18.198.in-addr.arpa.",
        "9.113.0.203.in-addr.arpa.",
        "1.18.198.in-addr.arpa.",
        "b.a.8.b.d.0.1.0.0.2.ip6.arpa.",
    ] {
        let (message, outcome) = ask(text(name), RecordType::PTR);
        assert_eq!(
            (message.response_code(), outcome),
            (ResponseCode::NXDomain, Outcome::NoPointer),
            "{name}"
        );
    }
    assert_eq!(ask(text("1.1.18.198.in-addr.arpa."), RecordType::A).1, Outcome::Empty);
}

/// No answer is longer than what every client takes, so that none is truncated.
#[test]
fn the_longest_answer_fits_the_smallest_datagram() {
    let label = "a".repeat(63);
    let longest = format!("{label}.{label}.{label}.{}.", "a".repeat(61));
    for (name, kind) in [
        (longest.clone(), RecordType::A),
        (longest, RecordType::TXT),
        (format!("{label}.{label}.{label}.{}.wild.example.", "a".repeat(48)), RecordType::A),
    ] {
        let found = answer(&query(text(&name), kind), &rules(), &mut names(), Instant::now());
        let (bytes, lookup) = found.unwrap_or_else(|| panic!("no answer"));
        assert!(bytes.len() <= 512, "{} of {lookup:?}", bytes.len());
    }
}

#[test]
fn another_version_of_edns_is_told_so() {
    let mut message = Message::from_vec(&query(text("api.example.org."), RecordType::A)).unwrap_or_default();
    let mut edns = Edns::new();
    edns.set_version(1);
    message.set_edns(edns);
    let bytes = message.to_vec().unwrap_or_default();
    let found = answer(&bytes, &rules(), &mut names(), Instant::now());
    let (bytes, lookup) = found.unwrap_or_else(|| panic!("no answer"));
    let message = Message::from_vec(&bytes).unwrap_or_default();
    // BADVERS, which shares its number with BADSIG (RFC 6895, 2.3).
    assert_eq!((u16::from(message.response_code()), lookup.outcome), (16, Outcome::Malformed));
    assert!(message.answers().is_empty());
}
