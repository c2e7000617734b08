//! Hosts, ports and protocols.

use super::{Habit, Mistake, help, trailing_comma};
use crate::grammar::{METHODS, PROTOCOLS};
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
    if m.text == "[" {
        // `[2001:db8::/32]`: the prefix length stands behind the bracket.
        let inner = written.trim_start_matches('[').split(']').next().unwrap_or_default();
        if let Some((address, bits)) = inner.split_once('/').filter(|(address, _)| address.contains(':')) {
            let port = written.split_once(']').map_or("", |(_, rest)| rest);
            let right = format!("[{address}]/{bits}{port}");
            return Some(Habit { help: format!("write `{right}`"), edit: Some((span, right)) });
        }
        if matches!(m.at.skip().next().kind, Kind::Text(_)) {
            return help("write an endpoint for each: `https \"a.example.org\", https \"b.example.org\"`");
        }
    }
    if m.text.starts_with('*') && written.contains('.') {
        let (host, port) = written
            .split_once(':')
            .map_or((written, String::new()), |(host, port)| (host, format!(":{port}")));
        let right = format!("\"{host}\"{port}");
        return Some(Habit {
            help: format!("write `{right}`: hosts have quotes"),
            edit: Some((span, right)),
        });
    }
    if m.at.next().kind == Kind::Regex {
        return help("write a pattern such as `\"*.example.org\"`: hosts are no regular expressions");
    }
    if let Kind::Int(port) = m.at.next().kind {
        let verb = m.rule_begins();
        if verb == Some("listen") {
            return m.write(format!("host:{port}"));
        }
        if port == 53 {
            return help("remove the rule: the names of other rules are looked up without one");
        }
        return help(format!(
            "write who is dialled before the port: `\"api.example.org\":{port}`, or `any:{port}` for every public address"
        ));
    }
    if m.is(&["to", "from", "host", "port"])
        && matches!(m.at.skip().next().kind, Kind::Text(_) | Kind::Address)
    {
        return m.remove(format!("remove `{}`: who is dialled stands behind the protocol", m.text));
    }
    if m.at.is_end() || m.text == "}" {
        let protocol = m.before().map(Tokens::text).unwrap_or_default();
        return help(format!("write who is dialled: `{protocol} \"api.example.org\"`"));
    }
    if m.text == "," && m.ahead(1).at_word(PROTOCOLS) {
        let first = m.before().map(Tokens::text).unwrap_or_default();
        let second = m.ahead(1).text();
        return help(format!(
            "write who is dialled for each: `{first} \"a.example.org\", {second} \"a.example.org\"`"
        ));
    }
    if m.at.next().kind == Kind::Var && m.text.contains('/') {
        let host = m.text.split('/').next().unwrap_or_default();
        return help(format!(
            "write `{host}`: a host has no path; paths stand behind `only`: `only GET /v1/*`"
        ));
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
        (&["UDP", "quic", "ntp"], "udp"),
    ];
    if m.text == ":" {
        return m.remove("remove the `:`");
    }
    if m.text == "[" {
        let say = "write the endpoints without brackets, with `,` between them";
        return if m.ahead(1).at_word(PROTOCOLS) { m.without_brackets(say) } else { help(say) };
    }
    if let Some((first, second)) = m.text.split_once('/').filter(|_| m.at.next().kind == Kind::Path)
        && PROTOCOLS.contains(&first)
        && PROTOCOLS.contains(&second)
    {
        return help(format!(
            "write an endpoint for each: `{first} \"a.example.org\", {second} \"a.example.org\"`"
        ));
    }
    if m.text == "dns" || m.text == "DNS" {
        return help("remove it: the names of other rules are looked up without a rule");
    }
    if m.is(&["icmp", "ping", "sctp", "raw", "icmp6"]) {
        return help(format!("remove it: `{}` does not leave a sandbox, only `tcp` and `udp` do", m.text));
    }
    if m.is(METHODS) {
        return help(format!(
            "write the methods behind the host: `https \"api.example.org\" only {}`",
            m.text
        ));
    }
    if let Some(habit) = m.synonym(BY_NAME) {
        return Some(habit);
    }
    if let Some(host) = m.is_text() {
        if let Some((scheme, rest)) = host.split_once("://") {
            let protocol = if matches!(scheme, "http" | "ws") { "http" } else { "https" };
            let name = rest.split(['/', ':']).next().unwrap_or_default();
            let whole = rest.trim_end_matches('/') == name && !name.contains(['"', '\\']);
            let right = format!("{protocol} \"{}\"", clipped(name));
            let edit = whole.then(|| (m.at.span(), right.clone()));
            return Some(Habit { help: format!("write `{right}`: a host, without scheme and path"), edit });
        }
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
        if first.index().checked_sub(1).is_some_and(|it| m.at.context.nth(it).at_sign("..")) {
            let protocol = m.protocol_before().unwrap_or("tcp");
            return help(format!(
                "write the host again before each range: `{protocol} \"a.example.org\":80..90, {protocol} \"a.example.org\":{second}`"
            ));
        }
        let span = first.span().to(m.at.span());
        let ports = format!("{{{}, {second}}}", first.text());
        return Some(Habit { help: format!("write `{ports}`"), edit: Some((span, ports)) });
    }
    if let Kind::Int(port) = m.at.next().kind {
        if before.at_word(&["listen"]) {
            return m.write(format!("tcp host:{port}"));
        }
        // To open the port of everybody is for a person to say.
        return help(format!(
            "write the host that is meant, `tcp \"api.example.org\":{port}`, or `tcp any:{port}` for every public address"
        ));
    }
    if m.text.starts_with('*') && m.glued().0.contains('.') {
        let (written, span) = m.glued();
        let right = host_as_rule(written)?;
        let edit = (!written.contains('/')).then(|| (span, right.clone()));
        return Some(Habit { help: format!("write `{right}`: the protocol comes first"), edit });
    }
    if let Some((protocol, port)) = m.text.split_once('/').filter(|(_, port)| port.parse::<u16>().is_ok())
        && PROTOCOLS.contains(&protocol)
    {
        return help(format!(
            "write the host that is meant, `{protocol} \"api.example.org\":{port}`, or `{protocol} any:{port}` for every public address"
        ));
    }
    let everybody =
        ["all", "any", "everything", "everyone", "internet", "public", "world", "outbound", "egress"];
    if m.is(&everybody) || m.text.starts_with('*') {
        if m.in_claim() {
            return m.instead("write `tcp any`", "tcp any");
        }
        return if before.at_word(&["deny"]) {
            help("remove the rule: what no rule allows is denied")
        } else {
            help(
                "write `tcp any` for every public address, or better the hosts that the program needs: `https \"api.example.org\"`",
            )
        };
    }
    if m.at.next().kind == Kind::Address && m.in_claim() {
        return m.write(format!("tcp {}", m.text));
    }
    if m.is_word() || m.at.next().kind == Kind::Address {
        let (written, span) = m.glued();
        if written.contains('.') {
            let right = if m.is_word() { host_as_rule(written)? } else { format!("tcp {written}") };
            return Some(Habit {
                help: format!("write `{right}`: the protocol comes first"),
                edit: (!m.is_word() || !written.contains('/')).then_some((span, right)),
            });
        }
    }
    trailing_comma(m)
}

/// `api.example.org:443/v1` as an endpoint.
fn host_as_rule(written: &str) -> Option<String> {
    let authority = written.split('/').next()?;
    Some(match authority.split_once(':') {
        Some((host, port)) => format!("https \"{host}\":{port}"),
        None => format!("https \"{authority}\""),
    })
}

pub(super) fn ports(m: Mistake<'_>) -> Option<Habit> {
    if m.wants_literal("..") && m.text == "-" {
        return m.write("..");
    }
    let numbers = |it: Tokens<'_>| matches!(it.next().kind, Kind::Int(_));
    if m.text == ".." && m.wants_literal(",") && m.before().is_some_and(numbers) && numbers(m.ahead(1)) {
        let (from, to) = (m.before().map(Tokens::text).unwrap_or_default(), m.ahead(1).text());
        return help(format!(
            "write an endpoint of its own for the range: `, tcp \"a.example.org\":{from}..{to}`"
        ));
    }
    if m.wants("a port") && m.is(&["*", "any", "all"]) {
        return help("leave the port out, for every port; or write ports such as `{80, 443}`");
    }
    if m.wants("a port") && m.text == "[" {
        let edit = m.bracketed().map(|(inner, span)| (span, format!("{{{inner}}}")));
        return Some(Habit { help: "write braces: `{80, 443}`".to_owned(), edit });
    }
    if m.wants("a port") {
        // services(5)
        const NAMES: &[(&str, &str)] = &[
            ("https", "443"),
            ("http", "80"),
            ("ssh", "22"),
            ("dns", "53"),
            ("smtp", "25"),
            ("git", "9418"),
        ];
        if let Some((_, port)) = NAMES.iter().find(|(name, _)| *name == m.text) {
            return m.write(*port);
        }
        if let Some(port) =
            m.is_text().filter(|text| text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty())
        {
            return m.instead(format!("write `{port}`, without quotes"), port);
        }
    }
    if m.at.next().kind == Kind::Path && m.after("only") && m.wants("a method") {
        return help(format!("write the methods before the path: `only GET {}`", clipped(m.text)));
    }
    let behind_host = m.wants_literal(":") && m.wants("an option");
    if behind_host && m.at.next().kind == Kind::Path && m.is_glued() {
        return help(format!("write the path behind `only`: `only GET {}`", clipped(m.text)));
    }
    if behind_host && m.before().is_some_and(|it| it.next().kind == Kind::Address) {
        if m.text == "-" {
            return help("write a range of addresses such as `10.0.0.0/28`, or each address by itself");
        }
        if m.text == "." && m.is_glued() {
            return help("write four numbers of at most 255, such as `10.0.0.1`");
        }
    }
    if behind_host && m.at.at_word(PROTOCOLS) && m.at.next().first_on_line {
        return help(format!("write `allow` before `{}`, or `,` behind the line above", m.text));
    }
    if behind_host && let Kind::Int(port) = m.at.next().kind {
        return m.write(format!(":{port}"));
    }
    if behind_host && m.is(&["port", "ports"]) && matches!(m.ahead(1).next().kind, Kind::Int(_)) {
        let span = m.at.span().to(m.ahead(1).span());
        let right = format!(":{}", m.ahead(1).text());
        return Some(Habit { help: format!("write `{right}`"), edit: Some((span, right)) });
    }
    if behind_host && m.is_text().is_some() && !m.at.next().first_on_line {
        let protocol = m.protocol_before()?;
        let text = clipped(m.text);
        return m.instead(format!("write `, {protocol} {text}`"), format!(", {protocol} {}", m.text));
    }
    if behind_host && m.is(&["methods", "method", "allow_methods", "with"]) {
        return m.write("only");
    }
    None
}

/// `only GET POST`, where a path could follow, too.
pub(super) fn methods(m: Mistake<'_>) -> Option<Habit> {
    let behind_method =
        m.wants_literal(",") && m.wants("a path") && m.before().is_some_and(|it| it.at_word(METHODS));
    if behind_method && m.is(METHODS) {
        return m.instead(format!("write `,` before `{}`", m.text), format!(", {}", m.text));
    }
    if behind_method && m.is(&["|", "and", "or", "+"]) {
        return m.write(",");
    }
    None
}

pub(super) fn terms(m: Mistake<'_>) -> Option<Habit> {
    if m.wants("a method") && m.is(&["[", "{", "("]) {
        return m.without_brackets("write the methods without brackets: `only GET, HEAD`");
    }
    if m.wants("a method")
        && let Some(text) = m.is_text()
    {
        return m.instead(format!("write `{}`, without quotes", clipped(text)), text);
    }
    if m.wants("a method") && (m.text.starts_with('*') || m.is(&["any", "all", "ANY", "ALL"])) {
        return help("leave `only` out: without it every method is allowed");
    }
    if m.wants("an option") && m.wants("a rule of `net`") {
        if m.is(&["path", "paths", "route", "routes", "url", "urls", "uri"]) {
            return help("write the paths behind methods: `only GET /v1/*`");
        }
        if m.text == "burst" {
            return help("write `burst` behind a rate: `rate 10/s burst 20`");
        }
        if m.at.next().kind == Kind::Path
            && m.before().is_some_and(|it| matches!(it.next().kind, Kind::Size(_)))
        {
            return m.remove("remove it: a quota is for all of the run; `rate` counts by time");
        }
        if m.is(&["upload", "uploads", "out", "upstream"]) && m.wants("a direction") {
            return m.write("up");
        }
        if m.is(&["download", "downloads", "in", "downstream"]) && m.wants("a direction") {
            return m.write("down");
        }
        if m.is(&["as", "header", "in"]) && m.last_word(&["inject"]).is_some() {
            return help(
                "remove it: the header is said where the secret is, as in `x-api-key: …`, and is `authorization` otherwise",
            );
        }
    }
    if m.wants("a limit") && m.after("total") && matches!(m.at.next().kind, Kind::Rate(..)) {
        return m.write(format!("rate {}", m.text));
    }
    if m.wants("a limit") && m.after("total") && matches!(m.at.next().kind, Kind::Size(_)) {
        return m.write(format!("quota {}", m.text));
    }
    if m.wants("a rule of `net`") && m.is(&["rate", "quota", "connections"]) {
        return if m.rule_begins() == Some("listen") {
            help(format!("write `total {} …`: what is published has no limits of its own", m.text))
        } else {
            m.instead(
                format!(
                    "write `total {}` for all connections, or write it behind the rule that it is for",
                    m.text
                ),
                format!("total {}", m.text),
            )
        };
    }
    if m.wants("a parameter") && m.after("inject") && m.is_word() && m.ahead(1).next().first_on_line {
        return m.write(format!("${}", m.text));
    }
    if m.wants("a quantity") && m.is(&["up", "down"]) && m.after("quota") {
        let size = m.ahead(1);
        let span = m.at.span().to(size.span());
        let right = format!("{} {}", size.text(), m.text);
        return Some(Habit { help: format!("write `{right}`"), edit: Some((span, right)) });
    }
    if m.wants("a rule of `net`") && !m.in_claim() {
        if m.is(&["accept", "permit", "outbound", "out", "egress", "enable"]) && !m.at.skip().at_sign("{") {
            return m.write("allow");
        }
        if m.is(&["egress", "outbound", "ingress", "inbound", "rules"]) {
            return help("write the rules themselves: `net { allow https \"api.example.org\" }`");
        }
        if m.is(&["drop", "reject", "block", "forbid", "disallow"]) {
            return m.write("deny");
        }
        if m.text == "default" && m.at.skip().at_word(&["deny", "drop", "reject", "none"]) {
            let span = m.at.span().to(m.at.skip().span());
            let say = "remove it: what no rule allows is denied";
            return Some(Habit { help: say.to_owned(), edit: Some((span, String::new())) });
        }
        if m.is(&["publish", "expose", "ports", "bind"]) {
            return m.write("listen");
        }
        if m.text == "-"
            || m.is(&[
                "ip", "ip6", "iptables", "add", "rule", "chain", "table", "tcp", "udp", "https", "http",
            ])
        {
            return help(
                "write `allow` or `deny`, a protocol and a host: `allow https \"api.example.org\":443`",
            );
        }
    }
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

impl<'a> Mistake<'a> {
    /// The last of these words before it, within a rule.
    fn last_word(self, words: &[&str]) -> Option<&'a str> {
        let mut index = self.at.index();
        // A rule is short; what is not is not looked through.
        for _ in 0..32 {
            index = index.checked_sub(1)?;
            let at = self.at.context.nth(index);
            if at.at_word(words) {
                return Some(at.text());
            }
            if at.at_sign("{") || at.at_sign("}") {
                return None;
            }
        }
        None
    }

    fn rule_begins(self) -> Option<&'a str> {
        self.last_word(&["allow", "deny", "listen", "total"])
    }

    fn protocol_before(self) -> Option<&'a str> {
        self.last_word(&["tcp", "udp", "tls", "https", "http"])
    }

    /// Whether a connection of a claim is meant, and not one of a rule.
    fn in_claim(self) -> bool {
        self.last_word(&["connect", "allow", "deny", "never"]) == Some("connect") || self.wants("a claim")
    }
}
