//! Ports of the sandbox on the host's loopback: where they may be, and that none is published for two.

use super::{Rule, endpoint};
use crate::context::Context;
use msb_diag::{Diagnostic, Severity, codes};
use msb_policy::{NetKind, Peer, Protocol, Publish};
use msb_syntax::ast;

/// What is published: on the loopback of the host and nowhere else.
pub(super) fn listen(cx: &mut Context<'_>, written: &ast::Endpoint) -> Option<Publish> {
    let publish = endpoint::published(cx, written)?;
    let protocol = &written.protocol.node;
    let inside = written.inside.as_ref().map_or_else(String::new, |it| format!(" at {}", it.node));
    if publish.addresses().is_empty() {
        let text = cx.sources.text(written.span);
        let ports = text.rsplit_once(':').map_or("PORT", |(_, ports)| ports).to_owned();
        cx.say(
            Diagnostic::new(codes::LISTEN_BEYOND_LOOPBACK, "a port is published beyond the host's loopback")
                .label(written.span, "other machines could connect to it")
                .help(format!("write `listen {protocol} host:{ports}`")),
        );
        return None;
    }
    let mistake = |message: &str, label: &str| {
        Diagnostic::new(codes::EVERY_PORT, message).raise(Severity::Error).label(written.span, label)
    };
    let host = if publish.at.peer == Peer::Loopback {
        "host".to_owned()
    } else {
        cx.sources.text(written.span).split_whitespace().nth(1).unwrap_or("host").to_owned()
    };
    if written.ports.is_empty() {
        let help = if inside.is_empty() {
            format!("write `listen {protocol} {host}:8080`")
        } else {
            format!("write `listen {protocol} {host}:0{inside}` for one that is free")
        };
        cx.say(mistake("no port is named", "one port is published, or a few").help(help));
        return None;
    }
    let single = matches!(publish.at.ports.as_slice(), [(first, last)] if first == last);
    let free = publish.at.ports.iter().any(|(first, _)| *first == 0);
    if free && (publish.inside.is_none() || !single) {
        let found =
            mistake("a free port is published for no port of the sandbox", "port 0 is one that is free");
        cx.say(found.help(format!(
            "write `listen {protocol} {host}:0 at 8080`, with the port that the server inside has"
        )));
        return None;
    }
    if publish.inside.is_some() && !single {
        let found = mistake("several ports are published for one of the sandbox", "`at` is for one port");
        cx.say(found.help(format!("write each: `listen {protocol} {host}:8080{inside}, …`")));
        return None;
    }
    Some(publish)
}

/// Reports a port of the host that is published for two ports of the sandbox.
pub(super) fn conflicts(cx: &mut Context<'_>, rules: &[Rule]) {
    let listens: Vec<(&Rule, &Publish)> = rules
        .iter()
        .filter_map(|rule| match &rule.kind {
            NetKind::Listen(publish) => Some((rule, publish)),
            _ => None,
        })
        .collect();
    let datagrams = |publish: &Publish| publish.at.protocol == Protocol::Udp;
    for (index, (rule, publish)) in listens.iter().enumerate() {
        let clash = listens.iter().take(index).find_map(|(other, earlier)| {
            let shared = earlier.addresses().iter().any(|it| publish.addresses().contains(it));
            let ports = publish.at.ports.iter().flat_map(|(first, last)| *first..=*last);
            let taken = |port: &u16| {
                let has = earlier.at.ports.iter().any(|(first, last)| (*first..=*last).contains(port));
                *port != 0 && has && earlier.inside(*port) != publish.inside(*port)
            };
            let port = ports.into_iter().find(taken)?;
            (shared && datagrams(earlier) == datagrams(publish)).then_some((
                *other,
                earlier.inside(port),
                port,
            ))
        });
        let Some((other, inside, port)) = clash else { continue };
        cx.say(
            Diagnostic::new(codes::DUPLICATE_SETTING, format!("port {port} of the host is published twice"))
                .label(rule.span, format!("for port {} of the sandbox", publish.inside(port)))
                .label(other.span, format!("for port {inside} of the sandbox"))
                .help("take one of the two away, or give it another port of the host"),
        );
    }
}
