use super::*;
use hyper::Request;

fn parts(target: &str, hosts: &[&str], version: Version) -> Parts {
    let mut request = Request::builder().method("GET").uri(target).version(version);
    for host in hosts {
        request = request.header(HOST, *host);
    }
    request.body(()).unwrap_or_else(|error| panic!("{error}")).into_parts().0
}

fn name() -> Target {
    Target::Name("api.example.org".to_owned())
}

#[test]
fn one_host_in_every_spelling() {
    for host in ["api.example.org", "API.example.org", "api.example.org.", "api.example.org:8443"] {
        let parts = parts("/", &[host], Version::HTTP_11);
        assert_eq!(check(&parts, &name(), 8443, true), Ok(()), "{host}");
    }
    for host in [
        "",
        "example.org",
        "api.example.org.evil.example",
        "evil.example:8443",
        "api.example.org:443",
        "api.example.org:",
        "api.example.org:84430",
        "a@api.example.org",
        "api.example.org, evil.example",
        "[::1]",
        "0x7f.1",
        "198.18.1.1",
        "api%2eexample.org",
        "api.example.org/x",
        "api.example.org#",
    ] {
        let parts = parts("/", &[host], Version::HTTP_11);
        assert!(check(&parts, &name(), 8443, true).is_err(), "{host}");
    }
}

#[test]
fn every_place_that_names_a_host_must_agree() {
    let ok =
        |target: &str, hosts: &[&str], version| check(&parts(target, hosts, version), &name(), 443, true);
    assert_eq!(ok("https://api.example.org/", &[], Version::HTTP_2), Ok(()));
    assert_eq!(ok("https://api.example.org/", &["api.example.org"], Version::HTTP_2), Ok(()));
    assert_eq!(ok("https://api.example.org/", &["evil.example"], Version::HTTP_2), Err(Odd::OtherHost));
    assert_eq!(ok("https://evil.example/", &["api.example.org"], Version::HTTP_2), Err(Odd::OtherHost));
    assert_eq!(ok("http://api.example.org/", &[], Version::HTTP_2), Err(Odd::Target));
    assert_eq!(ok("https://api.example.org/", &[], Version::HTTP_11), Err(Odd::HostMissing));
    assert_eq!(ok("/", &[], Version::HTTP_2), Err(Odd::HostMissing));
    assert_eq!(ok("/", &["api.example.org"; 2], Version::HTTP_11), Err(Odd::HostTwice));
}

#[test]
fn an_address_and_the_host_have_their_names() {
    let address = Target::Address([203, 0, 113, 10].into());
    let six = Target::Address("2001:db8::1".parse().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    let ok = |host: &str, target: &Target| {
        check(&parts("/", &[host], Version::HTTP_11), target, 80, false).is_ok()
    };
    assert!(ok("203.0.113.10", &address) && ok("203.0.113.10:80", &address) && !ok("203.0.113.11", &address));
    assert!(ok("[2001:db8::1]", &six) && ok("[2001:DB8:0::1]:80", &six) && !ok("[::1]", &six));
    assert!(!ok("api.example.org", &address), "an address has no name");
    for host in ["localhost", "host", "host.internal", "127.0.0.1", "198.18.0.4"] {
        assert!(ok(host, &Target::Loopback), "{host}");
    }
    assert!(!ok("evil.example", &Target::Loopback));
}
