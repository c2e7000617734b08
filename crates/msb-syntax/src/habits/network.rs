//! Hosts, ports and protocols.

use super::{Habit, Mistake, help, trailing_comma};
use crate::scan::clipped;
use crate::token::Kind;
use crate::tokens::Tokens;

pub(super) fn peers(m: Mistake<'_>) -> Option<Habit> {
    if !m.wants("a peer") {
        return None;
    }
    let (written, span) = m.glued();
    if let Some(rest) = written.strip_prefix("://") {
        let host = rest.split(['/', ':']).next().unwrap_or_default();
        let protocol = m.before().map(Tokens::text).unwrap_or_default();
        return Some(Habit {
            help: format!("write `{protocol} \"{host}\"`: a host in quotes, without `://` and a path"),
            edit: (!rest.contains(['/', ':'])).then(|| (span, format!(" \"{host}\""))),
        });
    }
    if written.starts_with("::") {
        let (address, port) = match written.rsplit_once(':') {
            Some((address, port)) if !address.ends_with(':') && address.len() > 1 => {
                (address, format!(":{port}"))
            }
            _ => (written, String::new()),
        };
        return Some(Habit {
            help: format!("write `[{address}]{port}`: IPv6 addresses have brackets"),
            edit: Some((span, format!("[{address}]{port}"))),
        });
    }
    if let Some(port) = written.strip_prefix(':') {
        let listens =
            m.before().and_then(|it| it.index().checked_sub(1)).map(|index| m.at.context.nth(index));
        if listens.is_some_and(|it| it.at_word(&["listen"])) {
            return Some(Habit {
                help: format!("write `host:{port}`, a port of the host's own loopback"),
                edit: Some((span, format!("host:{port}"))),
            });
        }
        return help(format!(
            "write `any:{port}` for every public address, or `host:{port}` for the host's loopback"
        ));
    }
    if m.is_word() && written.contains('.') {
        let (host, port) = match written.split_once(':') {
            Some((host, port)) => (host, format!(":{port}")),
            None => (written, String::new()),
        };
        let host = host.trim_end_matches('/');
        return Some(Habit {
            help: format!("write `\"{host}\"{port}`: hosts have quotes"),
            edit: Some((span, format!("\"{host}\"{port}"))),
        });
    }
    if m.is_word() && m.text == "localhost" {
        return m.instead("write `host`, the host's own loopback", "host");
    }
    if m.is(&["all", "internet", "public", "everywhere", "world"]) || m.text.starts_with('*') {
        return m.instead("write `any`, every public address", "any");
    }
    None
}

pub(super) fn protocols(m: Mistake<'_>) -> Option<Habit> {
    if !m.wants("a protocol") {
        return None;
    }
    const BY_NAME: &[(&[&str], &str)] = &[
        (&["wss", "websocket", "http2", "h2", "grpc"], "https"),
        (&["ws"], "http"),
        (&["ssl", "TLS"], "tls"),
        (
            &["TCP", "tcp4", "tcp6", "ssh", "ftp", "git", "postgres", "postgresql", "mysql", "redis", "smtp"],
            "tcp",
        ),
        (&["UDP", "dns", "quic", "ntp"], "udp"),
    ];
    if let Some(habit) = m.synonym(BY_NAME) {
        return Some(habit);
    }
    if let Some(host) = m.is_text() {
        return m.instead(
            format!("write `https \"{0}\"` or `tcp \"{0}\"`", clipped(host)),
            format!("https {}", m.text),
        );
    }
    let before = m.before()?;
    if before.at_sign(",")
        && let (Kind::Int(second), Some(first)) = (&m.at.next().kind, before.index().checked_sub(1))
    {
        let first = m.at.context.nth(first);
        let span = first.span().to(m.at.span());
        let ports = format!("{{{}, {second}}}", first.text());
        return Some(Habit { help: format!("write `{ports}`"), edit: Some((span, ports)) });
    }
    if let Kind::Int(port) = m.at.next().kind {
        let peer = if before.at_word(&["listen"]) { "host" } else { "any" };
        return m.write(format!("tcp {peer}:{port}"));
    }
    if m.is(&["all", "any", "everything", "everyone"]) || m.text.starts_with('*') {
        return if before.at_word(&["deny"]) {
            help("remove the rule: what no rule allows is denied")
        } else {
            help(
                "write `tcp any` for every public address, or better the hosts that the program needs: `https \"api.example.org\"`",
            )
        };
    }
    if m.is_word() || m.at.next().kind == Kind::Address {
        let (written, span) = m.glued();
        let host = if m.is_word() { format!("\"{written}\"") } else { written.to_owned() };
        if written.contains('.') && !written.contains([':', '/']) {
            let right = if m.is_word() { format!("https {host}") } else { format!("tcp {host}") };
            return Some(Habit {
                help: format!("write `{right}`: the protocol comes first"),
                edit: Some((span, right)),
            });
        }
    }
    trailing_comma(m)
}

pub(super) fn ports(m: Mistake<'_>) -> Option<Habit> {
    if m.wants_literal("..") && m.text == "-" {
        return m.write("..");
    }
    if m.wants("a port") && m.is(&["*", "any", "all"]) {
        return help("leave the port out, for every port; or write ports such as `{80, 443}`");
    }
    if m.wants("a port") && m.text == "[" {
        return help("write braces: `{80, 443}`");
    }
    None
}

pub(super) fn terms(m: Mistake<'_>) -> Option<Habit> {
    if m.wants("a parameter") && m.is_text().is_some() && m.after("inject") {
        return help(
            "declare a parameter, `key: secret`, and write `inject $key`: a secret never stands in a policy",
        );
    }
    None
}

pub(super) fn networks(m: Mistake<'_>) -> Option<Habit> {
    let after_net = m.after("net") && m.wants_literal("none") && m.wants_literal("{");
    if !after_net {
        return None;
    }
    if m.is(&["false", "off", "no", "deny", "disabled", "isolated", "null"]) {
        return m.write("none");
    }
    if m.is(&["true", "on", "yes", "all", "any", "allow", "full", "enabled"]) {
        return help("write `{ allow https \"api.example.org\" }`, with the hosts that the program needs");
    }
    if m.at.next().first_on_line || m.text == "}" {
        return help("write `net none`, or `net { … }` with rules");
    }
    None
}
