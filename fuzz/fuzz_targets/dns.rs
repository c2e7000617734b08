//! Any bytes as a question to the gateway's DNS: what is answered is a well-formed answer to it, and only names of the
//! policy have an address.

#![no_main]

use hickory_proto::op::{Message, MessageType};
use libfuzzer_sys::fuzz_target;
use msb_gateway::dns::{Outcome, answer};
use msb_gateway::names::Names;
use msb_gateway::rules::{Allow, Endpoint, Limits, Peer, Protocol, Rules};
use std::net::Ipv4Addr;
use std::sync::LazyLock;
use std::time::Instant;

static RULES: LazyLock<Rules> = LazyLock::new(|| {
    let allow = |host: &str| Allow {
        endpoint: Endpoint {
            protocol: Protocol::Tls,
            peer: Peer::Host(msb_host::parse(host).expect("a host")),
            ports: vec![(443, 443)],
        },
        only: None,
        inject: None,
        inspect: false,
        limits: Limits::default(),
        origin: 1,
    };
    Rules { allow: vec![allow("a.example"), allow("*.b.example")], ..Rules::default() }
});

fuzz_target!(|bytes: &[u8]| {
    let now = Instant::now();
    let fixed = vec![("a.example".to_owned(), Ipv4Addr::new(198, 18, 1, 1))];
    let mut names = Names::new(fixed, Ipv4Addr::new(198, 19, 0, 1), 16, now);
    let Some((answer, lookup)) = answer(bytes, &RULES, &mut names, now) else { return };
    let message = Message::from_vec(&answer).expect("an answer that can be read");
    assert_eq!(message.message_type(), MessageType::Response);
    assert_eq!(answer.get(..2), bytes.get(..2), "the answer to this question");
    match lookup.outcome {
        Outcome::Address(_) => {
            assert!(lookup.name == "a.example" || lookup.name.ends_with(".b.example"), "{}", lookup.name);
        }
        Outcome::Pointer(name) => {
            assert_eq!((lookup.name.as_str(), name.as_str()), ("1.1.18.198.in-addr.arpa", "a.example"));
        }
        _ => assert!(message.answers().is_empty()),
    }
});
