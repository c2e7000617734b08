//! What the gateway itself answers, in words that a person or a model can act on: problem details (RFC 9457).

use crate::limits::{Holder, Limit};
use crate::rules::{Only, RuleId, Target};
use crate::state::{State, word_of};
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use msb_plan::OriginId;
use serde_json::{Map, Value, json};

/// An answer of the gateway's own.
pub(super) type Own = Response<Full<Bytes>>;

fn problem(
    status: StatusCode,
    kind: &str,
    detail: &str,
    rule: Option<&Value>,
    needed: Option<String>,
) -> Own {
    let mut body = Map::new();
    body.insert("type".to_owned(), json!(kind));
    body.insert("title".to_owned(), json!("the sandbox's policy does not let this request through"));
    body.insert("status".to_owned(), json!(status.as_u16()));
    body.insert("detail".to_owned(), json!(detail));
    if let Some(rule) = rule {
        body.insert("rule".to_owned(), rule.clone());
    }
    if let Some(needed) = needed {
        body.insert("needed".to_owned(), json!(needed));
    }
    let mut text = Value::Object(body).to_string();
    text.push('\n');
    let mut answer = Response::new(Full::new(Bytes::from(text)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    answer
}

/// No rule has this method and path.
pub(super) fn no_rule(
    state: &State,
    rules: &[RuleId],
    (spoken, target, port): (&str, &Target, u16),
    (method, path): (&str, &str),
) -> Own {
    let first = rules.first().copied();
    let rule = first.and_then(|rule| state.origin(rule)).and_then(|origin| state.log.origin(origin));
    let allowed: Vec<String> =
        rules.iter().filter_map(|rule| state.rules.rule(*rule)?.only.as_ref().map(shown)).collect();
    let host = match target {
        Target::Name(name) => format!("\"{name}\""),
        other => other.to_string(),
    };
    let needed = format!("allow {spoken} {host}:{port} only {method} {path}");
    let detail = format!(
        "{method} {path} is not allowed on {host}: its rules allow {}; to allow it, the policy needs: {needed}",
        allowed.join(", or ")
    );
    problem(StatusCode::FORBIDDEN, "no-rule", &detail, rule, Some(needed))
}

fn shown(only: &Only) -> String {
    format!("{} {}", only.methods.join(", "), only.paths.join(" ")).trim_end().to_owned()
}

/// A limit was met.
pub(super) fn limited(state: &State, (holder, limit): (Holder, Limit)) -> Own {
    let origin = match holder {
        Holder::Rule(rule) => state.origin(rule),
        Holder::Total(index) => state.rules.totals.get(index).map(|total| OriginId(total.origin)),
    };
    let rule = origin.and_then(|origin| state.log.origin(origin));
    let detail = match limit {
        Limit::Rate(_) => "too many requests in this time; wait as Retry-After says",
        Limit::Connections => "too many connections at once",
        Limit::Quota => "the quota of bytes is used up; no more of this run goes there",
    };
    let mut answer = problem(StatusCode::TOO_MANY_REQUESTS, word_of(limit), detail, rule, None);
    if let Limit::Rate(wait) = limit {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}

/// The request itself is odd.
pub(super) fn odd(words: &str) -> Own {
    problem(StatusCode::BAD_REQUEST, "odd-request", words, None, None)
}

/// The server was not reached.
pub(super) fn bad_gateway(detail: &str) -> Own {
    let mut answer = problem(StatusCode::BAD_GATEWAY, "not-reached", detail, None, None);
    *answer.status_mut() = StatusCode::BAD_GATEWAY;
    answer
}

/// The name leads where no rule says.
pub(super) fn address_not_named(detail: &str) -> Own {
    problem(StatusCode::FORBIDDEN, "address-not-named", detail, None, None)
}
