//! Rules of the network.

use super::Reader;
use crate::document::{Key, Kind, Node};
use crate::lists;
use msb_diag::{Diagnostic, codes};
use msb_syntax::ast::{
    Endpoint, NetOption, NetOptionKind, NetRule, NetRuleKind, PathExpr, Peer, PortRange, Spanned,
};

/// Whether an endpoint is one that `listen` publishes, which may have another port inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Published {
    Yes,
    No,
}

impl Reader<'_> {
    /// `{"allow": [{"https": "api.example.org", "port": 443}], "inject": "$key"}`
    pub(super) fn net_rule(&mut self, node: &Node) -> Option<NetRule> {
        let (mut kind, mut options, mut doc) = (None, Vec::new(), String::new());
        let members = self.map(node, "a rule with `allow`, `deny`, `listen` or `total`");
        let verb = members.iter().filter(|(key, _)| lists::NET_VERBS.contains(&key.text.as_str())).count();
        if verb != 1 && !members.is_empty() {
            self.wrong_kind(node, "a rule with one of `allow`, `deny`, `listen` and `total`");
            return None;
        }
        let has = |word: &str| members.iter().any(|(key, _)| key.text == word);
        let known: &[&str] = match () {
            () if has("listen") => &[],
            () if has("total") => lists::NET_LIMITS,
            () => lists::NET_OPTIONS,
        };
        for (key, inner) in members {
            match key.text.as_str() {
                "allow" => kind = self.endpoints(inner, Published::No).map(NetRuleKind::Allow),
                "deny" => kind = self.endpoints(inner, Published::No).map(NetRuleKind::Deny),
                "listen" => kind = self.endpoints(inner, Published::Yes).map(NetRuleKind::Listen),
                "total" => kind = self.flag(inner).then_some(NetRuleKind::Total),
                "doc" => doc = self.doc(inner),
                "burst" if known.contains(&"burst") => {
                    if !has("rate") {
                        self.missing(node.span, "rate");
                    }
                }
                word if known.contains(&word) => {
                    let option = self.option(key, inner, members);
                    options.extend(option.map(|kind| NetOption { kind, span: key.span.to(inner.span) }));
                }
                _ => {
                    let known = [known, lists::NET_VERBS, &["doc"]].concat();
                    self.unknown(key, &known);
                }
            }
        }
        let kind = kind?;
        if kind == NetRuleKind::Total && options.is_empty() {
            self.missing(node.span, "rate");
            return None;
        }
        Some(NetRule { doc, kind, options, span: node.span })
    }

    fn option(&mut self, key: &Key, node: &Node, members: &[(Key, Node)]) -> Option<NetOptionKind> {
        let direction = |word: &str| Some(Spanned { node: word.to_owned(), span: key.span });
        let quota = |it: &mut Self, direction| {
            it.quantity("quota", node).map(|size| NetOptionKind::Quota { size, direction })
        };
        match key.text.as_str() {
            "only" => self.only(node),
            "inject" => {
                self.fragment(node, "a parameter in a text", |it| it.parameter()).map(NetOptionKind::Inject)
            }
            "inspect" => self.flag(node).then_some(NetOptionKind::Inspect),
            "optional" => self.flag(node).then_some(NetOptionKind::Optional),
            "rate" => {
                let rate = self.fragment(node, "a rate in a text", |it| it.rate());
                let burst = members.iter().find(|(key, _)| key.text == "burst");
                let burst = burst.and_then(|(_, node)| self.int(node));
                rate.map(|rate| NetOptionKind::Rate { rate, burst })
            }
            "quota" => quota(self, None),
            "quota_up" => quota(self, direction("up")),
            "quota_down" => quota(self, direction("down")),
            _ => self.int(node).map(NetOptionKind::Connections),
        }
    }

    /// Methods, or `{"methods": […], "paths": […]}`
    fn only(&mut self, node: &Node) -> Option<NetOptionKind> {
        let (mut methods, mut paths): (_, Vec<PathExpr>) = (node, Vec::new());
        if let Kind::Map(members) = &node.kind {
            for (key, inner) in members {
                match key.text.as_str() {
                    "methods" => methods = inner,
                    "paths" => paths = self.paths(inner),
                    _ => self.unknown(key, &["methods", "paths"]),
                }
            }
        }
        let list = self.all(methods, "a list of methods", |it, node| it.choice(node, lists::METHODS));
        self.filled(methods).then_some(NetOptionKind::Only { methods: list, paths })
    }

    fn endpoints(&mut self, node: &Node, published: Published) -> Option<Vec<Endpoint>> {
        let all = self.all(node, "a list of endpoints", |it, node| it.endpoint(node, published));
        self.filled(node).then_some(all)
    }

    /// `{"https": "api.example.org", "port": 443}`, `{"unix": "/run/x.sock"}`, `{"tcp": "host", "port": 0, "at": 3000}`
    fn endpoint(&mut self, node: &Node, published: Published) -> Option<Endpoint> {
        let (mut end, mut ports, mut inside) = (None, Vec::new(), None);
        if let Kind::Text { text, .. } = &node.kind
            && let Some(data) = crate::said::endpoint(text)
        {
            let found = Diagnostic::new(codes::WRONG_DATA, "expected an endpoint as data, found a text");
            self.say(found.label(node.span, "").help(format!("write `{data}`")).edit(node.span, data));
            return None;
        }
        let members = self.map(node, "an endpoint such as `{https: api.example.org, port: 443}`");
        for (key, inner) in members {
            let word = key.text.as_str();
            if lists::PROTOCOLS.contains(&word) {
                if end.is_some() {
                    self.wrong_kind(node, "an endpoint with one protocol");
                }
                let protocol = Spanned { node: word.to_owned(), span: key.span };
                let peer = if word == "unix" { self.path(inner).map(Peer::Path) } else { self.peer(inner) };
                end = peer.map(|peer| (protocol, peer));
            } else if word == "port" {
                ports.extend(self.port(inner));
            } else if word == "ports" {
                ports.extend(self.all(inner, "a list of ports", Reader::port));
                self.filled(inner);
            } else if word == "at" && published == Published::Yes {
                inside = self.int(inner);
            } else {
                let at: &[&str] = if published == Published::Yes { &["at"] } else { &[] };
                let known = [lists::PROTOCOLS, &["port", "ports"], at].concat();
                self.unknown(key, &known);
            }
        }
        let has_protocol = members.iter().any(|(key, _)| lists::PROTOCOLS.contains(&key.text.as_str()));
        if !has_protocol && !members.is_empty() {
            self.wrong_kind(node, "an endpoint with a protocol such as `https`");
        }
        let (protocol, peer) = end?;
        if matches!(peer, Peer::Path(_)) && !ports.is_empty() {
            self.wrong_kind(node, "a socket without ports");
            return None;
        }
        Some(Endpoint { protocol, peer, ports, inside, span: node.span })
    }

    /// A name, an address, `any` and the like, a parameter; `{"name": …}` is a name in any case.
    fn peer(&mut self, node: &Node) -> Option<Peer> {
        const WANTED: &str = "a host, an address or a parameter in a text";
        if let Kind::Map(members) = &node.kind
            && let [(key, inner)] = members.as_slice()
            && key.text == "name"
        {
            return self.spanned_string(inner, WANTED).map(Peer::Text);
        }
        let text = self.spanned_string(node, WANTED)?;
        if lists::PEERS.contains(&text.node.as_str()) {
            return Some(Peer::Word(text));
        }
        if text.node.starts_with('$') {
            return self.fragment(node, WANTED, |it| it.parameter()).map(Peer::Var);
        }
        if is_address(&text.node) {
            return self.fragment(node, WANTED, |it| it.address()).map(Peer::Address);
        }
        Some(Peer::Text(text))
    }

    /// `443`, `"8000..8080"`
    fn port(&mut self, node: &Node) -> Option<PortRange> {
        if let Kind::Text { text, .. } = &node.kind
            && let Some((from, to)) = text.split_once("..")
            && let (Ok(from), Ok(to)) = (from.trim().parse(), to.trim().parse())
        {
            return Some(PortRange {
                from: Spanned { node: from, span: node.span },
                to: Spanned { node: to, span: node.span },
            });
        }
        let port = self.int(node)?;
        Some(PortRange { from: port.clone(), to: port })
    }
}

/// Whether a text is meant as an address: it begins like one and has no letters that a name would have.
pub(crate) fn is_address(text: &str) -> bool {
    let four = text.split(['.', '/']).filter(|part| !part.is_empty()).count() >= 4;
    let digits = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b'/');
    text.starts_with('[') || digits && four
}
