use super::*;
use proptest::prelude::*;

fn canonical(text: &str) -> String {
    match parse(text) {
        Ok(host) => host.to_string(),
        Err(bad) => format!("{bad:?}"),
    }
}

#[test]
fn one_host_has_one_form() {
    for text in ["example.org", "EXAMPLE.org", "example.org.", "ｅxample.org", "example。org"] {
        assert_eq!(canonical(text), "example.org", "{text}");
    }
    for text in ["bücher.example", "BÜCHER.example", "xn--bcher-kva.example", "XN--Bcher-KVA.example."] {
        assert_eq!(canonical(text), "xn--bcher-kva.example", "{text}");
    }
    assert_eq!(canonical("*.Example.ORG"), "*.example.org");
    assert_eq!(canonical("10.1.2.3"), "10.1.2.3");
    assert_eq!(canonical("::ffff:10.1.2.3"), "10.1.2.3");
    assert_eq!(canonical("2001:DB8:0::1"), "[2001:db8::1]");
}

#[test]
fn spellings_of_addresses_are_no_names() {
    for text in
        ["127.1", "0177.0.0.1", "0x7f.0.0.1", "2130706433", "0x7f000001", "017700000001", "127.0.0.1."]
    {
        assert_eq!(canonical(text), "Spelling(127.0.0.1)", "{text}");
    }
    for text in ["256.1.1.1", "1.2.3.4.5", "99999999999", "a.1", "example.0x1g", "08"] {
        assert!(!matches!(parse(text), Ok(Host::Address(_))), "{text}");
    }
    assert_eq!(canonical("a.1"), "Number");
    assert_eq!(canonical("08"), "Number");
}

#[test]
fn what_dns_does_not_take_is_refused() {
    let label = "a".repeat(64);
    for text in
        ["a b", "a\0.org", "a..b", ".a", "-a.org", "a_b.org", "a-.org", label.as_str(), "é\u{202e}.org"]
    {
        assert_eq!(parse(text), Err(BadHost::Name), "{text:?}");
    }
    assert_eq!(parse(""), Err(BadHost::Empty));
    for text in ["*", "a.*.org", "*a.org", "*.*.org", "*.10.0.0.1"] {
        assert!(parse(text).is_err(), "{text}");
    }
    assert_eq!(parse("https://user@Example.org:443/x"), Err(BadHost::Url("Example.org".to_owned())));
    assert_eq!(parse("example.org:443"), Err(BadHost::Url("example.org".to_owned())));
    assert_eq!(parse("example.org/x"), Err(BadHost::Url("example.org".to_owned())));
}

#[test]
fn suffixes_are_those_of_the_list() {
    for name in ["com", "co.uk", "github.io", "internal", "s3.amazonaws.com"] {
        assert!(is_public_suffix(name), "{name}");
    }
    for name in ["example.com", "example.co.uk", "me.github.io", "wikipedia.org", "ci.internal"] {
        assert!(!is_public_suffix(name), "{name}");
    }
}

#[test]
fn names_that_look_like_others_are_found() {
    // A Cyrillic а.
    assert_eq!(confusable("аpi.openai.com").as_deref(), Some("api.openai.com"));
    assert_eq!(confusable("xn--pi-6kc.openai.com").as_deref(), Some("api.openai.com"));
    assert_eq!(confusable("api.openai.com"), None);
    assert_eq!(confusable("bücher.example"), None);
    assert_eq!(confusable("пример.рф"), None);
    assert_eq!(confusable("exaмple漢.org").as_deref(), Some(""));
}

#[test]
fn ranges_are_read_and_written() {
    let network = |text: &str| Network::parse(text).map(|it| it.to_string());
    assert_eq!(network("10.0.0.0/8").as_deref(), Ok("10.0.0.0/8"));
    assert_eq!(network("[2001:db8::]/32").as_deref(), Ok("[2001:db8::]/32"));
    assert_eq!(network("10.0.0.1/32").as_deref(), Ok("10.0.0.1"));
    assert_eq!(network("0.0.0.0/0").as_deref(), Ok("0.0.0.0/0"));
    assert_eq!(Network::parse("10.1.0.0/33"), Err(BadNetwork::Bits));
    assert_eq!(Network::parse("10.1.0.300"), Err(BadNetwork::Address));
    let Err(BadNetwork::NotFirst(first)) = Network::parse("10.1.2.3/8") else { panic!("not the first") };
    assert_eq!(first.to_string(), "10.0.0.0/8");
    assert_eq!(first.last().to_string(), "10.255.255.255");
}

#[test]
fn kinds_are_those_of_the_registries() {
    let cases = [
        ("127.8.0.1", Kind::Loopback),
        ("::1", Kind::Loopback),
        ("169.254.169.254", Kind::Metadata),
        ("fd00:ec2::254", Kind::Metadata),
        ("::ffff:169.254.169.254", Kind::Metadata),
        ("64:ff9b::a9fe:a9fe", Kind::Metadata),
        ("2002:a9fe:a9fe::1", Kind::Metadata),
        ("169.254.1.1", Kind::Special),
        ("10.0.0.1", Kind::Private),
        ("172.31.255.255", Kind::Private),
        ("100.100.1.1", Kind::Private),
        ("fd12::1", Kind::Private),
        ("224.0.0.1", Kind::Special),
        ("255.255.255.255", Kind::Special),
        ("fe80::1", Kind::Special),
        ("fec0::1", Kind::Private),
        ("64:ff9b:1::a01:203", Kind::Private),
        ("::127.0.0.1", Kind::Special),
        ("::", Kind::Special),
        ("100::1", Kind::Special),
        ("2001:2::2", Kind::Special),
        ("2001:2:1::1", Kind::Public),
        ("0.0.0.0", Kind::Special),
        ("172.32.0.1", Kind::Public),
        ("93.184.216.34", Kind::Public),
        ("2606:2800::1", Kind::Public),
    ];
    for (address, expected) in cases {
        assert_eq!(kind(address.parse().expect("an address")), expected, "{address}");
    }
}

proptest! {
    /// What is canonical stays as it is.
    #[test]
    fn parsing_is_idempotent(text in "\\PC{0,40}") {
        if let Ok(host) = parse(&text) {
            prop_assert_eq!(parse(host.to_string().trim_matches(['[', ']'])), Ok(host));
        }
    }

    #[test]
    fn a_range_has_its_ends(address in any::<u32>(), bits in 0u8..=32) {
        let text = format!("{}/{bits}", std::net::Ipv4Addr::from(address));
        let network = match Network::parse(&text) {
            Ok(network) | Err(BadNetwork::NotFirst(network)) => network,
            Err(bad) => panic!("{bad:?}"),
        };
        prop_assert!(network.contains(network.first()) && network.contains(network.last()));
        prop_assert!(network.contains(std::net::Ipv4Addr::from(address).into()));
        prop_assert!(network.covers(&Network::of(network.last())));
        prop_assert_eq!(Network::parse(&network.to_string()), Ok(network));
    }
}
