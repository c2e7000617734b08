//! The terms of an allow, and limits of all connections together.

use crate::bounds::{REQUEST_PATHS_MAX, too_many};
use crate::context::Context;
use crate::params::kind_word;
use crate::values;
use crate::values::article;
use msb_diag::{Diagnostic, Span, codes};
use msb_host::Host;
use msb_policy::{Endpoint, Method, NetLimits, Only, ParamKind, Peer, Protocol, Rate, Terms};
use msb_syntax::ast::{self, Name, NetOption, NetOptionKind, PathKind, Spanned, Value};

/// What stands after an allow; `None` where something was reported.
pub(super) fn terms(
    cx: &mut Context<'_>,
    options: &[NetOption],
    endpoint: &Endpoint,
    written: &ast::Endpoint,
) -> Option<Terms> {
    let limits = limits(cx, options);
    let mut terms = Terms::default();
    let mut good = true;
    for option in options {
        match &option.kind {
            NetOptionKind::Only { methods, paths } => {
                good &= reads_requests(cx, endpoint, option.span, "only");
                terms.only = only(cx, methods, paths);
                good &= terms.only.is_some();
            }
            NetOptionKind::Inject(name) => {
                terms.inject = inject(cx, name, endpoint, written);
                good &= terms.inject.is_some();
            }
            NetOptionKind::Inspect => {
                good &= reads_requests(cx, endpoint, option.span, "inspect");
                terms.inspect = true;
            }
            NetOptionKind::Optional => terms.optional = true,
            NetOptionKind::Rate { .. } | NetOptionKind::Quota { .. } | NetOptionKind::Connections(_) => {}
        }
    }
    terms.limits = limits?;
    good.then_some(terms)
}

/// Whether the gateway can read what is spoken.
fn reads_requests(cx: &mut Context<'_>, endpoint: &Endpoint, span: Span, what: &str) -> bool {
    let reads = matches!(endpoint.protocol, Protocol::Https | Protocol::Http);
    if !reads {
        let word = endpoint.protocol.word();
        let name = "https";
        cx.say(
            Diagnostic::new(
                codes::REQUESTS_NOT_SEEN,
                format!("`{what}` needs requests, and `{word}` has none"),
            )
            .label(span, "nobody reads what is in it")
            .help(format!("write `{name}` in place of `{word}`: the gateway then reads the requests")),
        );
    }
    reads
}

fn only(cx: &mut Context<'_>, methods: &[Name], paths: &[ast::PathExpr]) -> Option<Only> {
    let known =
        |name: &Name| Method::ALL.iter().find(|(word, _)| *word == name.node).map(|(_, method)| *method);
    let mut methods: Vec<Method> = methods.iter().filter_map(known).collect();
    methods.sort_unstable();
    methods.dedup();
    let mut patterns = Vec::new();
    for path in paths {
        match &path.kind {
            PathKind::Path(text) if text.starts_with('/') && !text.contains("..") => {
                patterns.push(text.clone());
            }
            _ => {
                cx.say(
                    Diagnostic::new(
                        codes::PATH_NOT_NORMAL,
                        "the path of a request begins with `/`, and has no `..`",
                    )
                    .label(path.span, "not the path of a request")
                    .help("write something like `/v1/*`"),
                );
                return None;
            }
        }
    }
    patterns.sort();
    patterns.dedup();
    if let Some(last) = paths.last().filter(|_| patterns.len() > REQUEST_PATHS_MAX) {
        let help = "name what they have in common, such as `/v1/*`";
        cx.say(too_many(patterns.len(), "paths of requests", REQUEST_PATHS_MAX, last.span, help));
        return None;
    }
    Some(Only { methods, paths: patterns })
}

fn inject(cx: &mut Context<'_>, name: &Name, endpoint: &Endpoint, written: &ast::Endpoint) -> Option<usize> {
    let index = cx.params.iter().position(|param| param.ir.name == name.node)?;
    let param = cx.params.get(index)?.clone();
    if param.ir.kind != ParamKind::Secret {
        let is = kind_word(param.ir.kind);
        cx.say(
            Diagnostic::new(codes::WRONG_TYPE, format!("expected a secret, found {} {is}", article(is)))
                .label(name.span, format!("`${}` is {} {is}", name.node, article(is)))
                .label(param.declared, "declared here")
                .help(format!("declare it as `{}: secret`", name.node)),
        );
        return None;
    }
    let (message, why) = match (&endpoint.peer, endpoint.protocol) {
        (_, Protocol::Http) => ("would be sent in the clear", "everybody on the way can read it"),
        (_, Protocol::Tcp | Protocol::Udp | Protocol::Tls) => {
            ("cannot be put into this", "there is no request to put it into")
        }
        (Peer::Host(Host::Name(_)) | Peer::Param(_), Protocol::Https) => return Some(index),
        _ => ("would be given to more than one host", "who gets it is not one host"),
    };
    cx.say(
        Diagnostic::new(codes::SECRET_EXPOSED, format!("`${}` {message}", name.node))
            .label(name.span, why)
            .label(written.span, "sent to this")
            .help("name one host, and speak `https` to it"),
    );
    None
}

/// Rates, quotas and counts; `None` where something was reported.
pub(super) fn limits(cx: &mut Context<'_>, options: &[NetOption]) -> Option<NetLimits> {
    let mut limits = NetLimits::default();
    let mut good = true;
    for (index, option) in options.iter().enumerate() {
        let same = |other: &&NetOption| word(&other.kind) == word(&option.kind);
        if let Some(first) = options.iter().take(index).find(same) {
            cx.say(
                Diagnostic::new(codes::DUPLICATE_SETTING, format!("`{}` is given twice", word(&option.kind)))
                    .label(option.span, "again here")
                    .label(first.span, "first here")
                    .help("keep one of them"),
            );
            good = false;
            continue;
        }
        match &option.kind {
            NetOptionKind::Rate { rate: written, burst } => {
                limits.rate = rate(cx, written, burst.as_ref());
                good &= limits.rate.is_some();
            }
            NetOptionKind::Quota { size, direction } => {
                let bytes = values::size(cx, size, "quota");
                let field = match direction.as_ref().map(|name| name.node.as_str()) {
                    Some("up") => &mut limits.up_bytes,
                    Some("down") => &mut limits.down_bytes,
                    _ => &mut limits.both_bytes,
                };
                *field = bytes;
                good &= bytes.is_some();
            }
            NetOptionKind::Connections(count) => {
                limits.connections = u32::try_from(count.node).ok().filter(|count| *count > 0);
                if limits.connections.is_none() {
                    cx.say(
                        Diagnostic::new(
                            codes::NUMBER_OUT_OF_RANGE,
                            format!("`{}` connections are out of range", count.node),
                        )
                        .label(count.span, "must be from 1 to 4294967295")
                        .help("write something like `connections 16`"),
                    );
                    good = false;
                }
            }
            _ => {}
        }
    }
    good.then_some(limits)
}

/// What an option is; of quotas, one for each direction.
fn word(kind: &NetOptionKind) -> &'static str {
    match kind {
        NetOptionKind::Only { .. } => "only",
        NetOptionKind::Inject(_) => "inject",
        NetOptionKind::Inspect => "inspect",
        NetOptionKind::Optional => "optional",
        NetOptionKind::Rate { .. } => "rate",
        NetOptionKind::Connections(_) => "connections",
        NetOptionKind::Quota { direction, .. } => match direction.as_ref().map(|name| name.node.as_str()) {
            Some("up") => "quota … up",
            Some("down") => "quota … down",
            _ => "quota",
        },
    }
}

/// Reads `10/min burst 5`; of the connections that the language has no other word for, and of tool calls.
pub(crate) fn rate(
    cx: &mut Context<'_>,
    written: &Spanned<Value>,
    burst: Option<&Spanned<u64>>,
) -> Option<Rate> {
    let Value::Rate(count, period_us) = written.node else {
        return values::mistaken(cx, written, "rate", "rate", "10/min");
    };
    let zero = if count == 0 {
        Some(written.span)
    } else {
        burst.filter(|burst| burst.node == 0).map(|burst| burst.span)
    };
    if let Some(span) = zero {
        cx.say(
            Diagnostic::new(codes::NUMBER_OUT_OF_RANGE, "a rate of nothing lets nothing through")
                .label(span, "must be at least 1")
                .help("write something like `rate 10/min burst 5`, or take the rule away"),
        );
        return None;
    }
    Some(Rate { count, period_us, burst: burst.map_or(count, |burst| burst.node) })
}
