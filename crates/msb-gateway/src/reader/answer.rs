//! What the gateway itself answers, in words that a person or a model can act on: problem details (RFC 9457), or text for
//! whoever asks for text alone. Many programs show no body of an error, but its reason phrase, so that it says the same in short.

use crate::limits::{Holder, Limit};
use crate::path;
use crate::rules::{Only, RuleId, Target};
use crate::state::{State, word_of};
use bytes::Bytes;
use http_body_util::Full;
use hyper::ext::ReasonPhrase;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
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
    let title = "the sandbox's policy does not let this request through";
    let mut body = Map::new();
    body.insert("type".to_owned(), json!(kind));
    body.insert("title".to_owned(), json!(title));
    body.insert("status".to_owned(), json!(status.as_u16()));
    body.insert("detail".to_owned(), json!(detail));
    // What npm shows of a body.
    body.insert("error".to_owned(), json!(detail));
    if let Some(rule) = rule {
        body.insert("rule".to_owned(), rule.clone());
    }
    let phrase = phrase(status, needed.as_deref());
    if let Some(needed) = needed {
        body.insert("needed".to_owned(), json!(needed));
    }
    let mut text = Value::Object(body).to_string();
    text.push('\n');
    let mut answer = Response::new(Full::new(Bytes::from(text)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    answer.extensions_mut().insert(Words(format!("{title}: {detail}\n")));
    if let Some(phrase) = phrase {
        answer.extensions_mut().insert(phrase);
    }
    answer
}

/// The same as a body, in words.
#[derive(Debug, Clone)]
struct Words(String);

/// Bytes of a reason phrase, beyond which it says less.
const PHRASE_BYTES_MAX: usize = 240;

/// What HTTP/1.1 says behind the status (RFC 9112, 4), which is what pip, requests and urllib show.
fn phrase(status: StatusCode, needed: Option<&str>) -> Option<ReasonPhrase> {
    let plain = match status {
        StatusCode::FORBIDDEN => "Forbidden by the sandbox's policy",
        StatusCode::TOO_MANY_REQUESTS => "Too Many Requests for the sandbox's policy",
        _ => return None,
    };
    let whole = needed.map(|needed| format!("{plain}, which needs: {needed}"));
    let whole = whole.filter(|whole| whole.len() <= PHRASE_BYTES_MAX && whole.is_ascii());
    ReasonPhrase::try_from(whole.unwrap_or_else(|| plain.to_owned()).into_bytes()).ok()
}

/// How an answer of the gateway's own is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// For programs.
    Json,
    /// For people.
    Text,
}

/// What a request asks for (RFC 9110, 12.5.1): text where it names that and no JSON, as browsers do.
pub(super) fn form(headers: &HeaderMap) -> Form {
    let accepted = || headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let names = |kind: &str| accepted().any(|value| value.to_ascii_lowercase().contains(kind));
    if names("text/") && !names("json") { Form::Text } else { Form::Json }
}

/// `answer` in that form, where it is the gateway's own and has another.
pub(super) fn in_form<B>(form: Form, answer: &Response<B>) -> Option<Own> {
    let Words(words) = answer.extensions().get().filter(|_| form == Form::Text)?;
    let mut text = Response::new(Full::new(Bytes::from(words.clone())));
    *text.status_mut() = answer.status();
    *text.headers_mut() = answer.headers().clone();
    text.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if let Some(phrase) = answer.extensions().get::<ReasonPhrase>() {
        text.extensions_mut().insert(phrase.clone());
    }
    Some(text)
}

/// No rule has this method and path.
pub(super) fn no_rule(
    state: &State,
    rules: &[RuleId],
    target: &Target,
    (method, path): (&str, &str),
    needed: Option<String>,
) -> Own {
    let first = rules.first().copied();
    let rule = first.and_then(|rule| state.origin(rule)).and_then(|origin| state.log.origin(origin));
    let allowed: Vec<String> =
        rules.iter().filter_map(|rule| state.rules.rule(*rule)?.only.as_ref().map(shown)).collect();
    let host = match target {
        Target::Name(name) => format!("\"{name}\""),
        other => other.to_string(),
    };
    let way = match &needed {
        Some(needed) => format!("; to allow it, the policy needs: {needed}"),
        None if path::plain(path).is_none() => {
            "; servers read this path differently, so that no rule allows it".to_owned()
        }
        None => String::new(),
    };
    let detail =
        format!("{method} {path} is not allowed on {host}: its rules allow {}{way}", allowed.join(", or "));
    problem(StatusCode::FORBIDDEN, "no-rule", &detail, rule, needed)
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
