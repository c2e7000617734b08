//! One connection whose requests are read: TLS on both sides, then request by request.

use super::answer;
use super::dial::{self, NotReached};
use super::metered::{Count, Metered, Prefixed};
use crate::audit::{Decision, Subject};
use crate::authority::{Authority, Failed, Protocols};
use crate::hello::{ALERT_NO_APPLICATION_PROTOCOL, alert};
use crate::limits::{Holder, Joined, Limit, Quota};
use crate::needed;
use crate::path;
use crate::request::{self, Odd};
use crate::rules::{Protocol, RuleId, Target};
use crate::state::{State, about, set};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Either, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1 as client1, http2 as client2};
use hyper::header::{
    CONNECTION, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION,
    TE, TRANSFER_ENCODING, UPGRADE,
};
use hyper::server::conn::{http1 as server1, http2 as server2};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Uri, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use serde_json::Value;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// How long a TLS handshake may take, on either side.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// How long a program may take for the head of a request, and how long a connection may be idle.
const HEAD_MAX: Duration = Duration::from_secs(120);
/// Requests at once on one connection of HTTP/2.
const STREAMS_MAX: u32 = 128;
/// Bytes of the head of a request.
const HEAD_BYTES_MAX: u32 = 64 * 1024;
/// Bytes that a stream of HTTP/2 has on its way to a peer who does not take them.
const STREAM_SEND_BYTES_MAX: usize = 32 * 1024;
/// Bytes of HTTP/2 that may come before somebody takes those before, on a stream and on a connection. A receiver who is
/// 100 ms away and takes everything gets 20 MB each second by it.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 2 << 20;
/// How much of a body is read that goes nowhere, and for how long.
const UNWANTED_BYTES_MAX: usize = 16 << 20;
const UNWANTED_MAX: Duration = Duration::from_secs(5);
const HTTP_1: &[u8] = b"http/1.1";
const HTTP_2: &[u8] = b"h2";

type Body = Either<Full<Bytes>, Incoming>;

/// What the requests of one connection have in common.
struct Link {
    state: Arc<State>,
    authority: Option<Arc<Authority>>,
    target: Target,
    port: u16,
    spoken: Protocol,
    rules: Vec<RuleId>,
    /// The rule that the connection came in by.
    rule: RuleId,
    /// Others whose requests it carries.
    joined: std::sync::Mutex<HashMap<RuleId, Joined>>,
    count: Arc<Count>,
    lines: std::sync::Mutex<HashMap<Option<RuleId>, Arc<Line>>>,
    /// What a connection that changed its protocol is passed on by.
    tunnel: std::sync::Mutex<Option<JoinHandle<()>>>,
}

/// A way to the server. Requests whose rule has a quota of its own have one of their own: on a connection that streams of
/// several rules share, nobody could say whose the bytes are.
struct Line {
    quota: Option<Quota>,
    sender: Mutex<Option<Sender>>,
}

/// How requests get to the server.
enum Sender {
    One(client1::SendRequest<Incoming>),
    Many(client2::SendRequest<Incoming>),
}

/// Serves a connection until it ends.
pub(super) async fn serve(state: Arc<State>, authority: Option<Arc<Authority>>, job: super::Job) {
    let started = Instant::now();
    let (pass, held) = (job.pass, job.held);
    let stream = match TcpStream::from_std(std::net::TcpStream::from(job.client)) {
        Ok(stream) => stream,
        Err(_) => return,
    };
    // Without it answers come later, and that is all.
    let _ = stream.set_nodelay(true);
    let origin = state.origin(job.rule);
    let about = about(job.spoken, &job.target, job.port);
    state.log.decided(Subject::Connection, Decision::Allow, origin, about.clone());
    let link = Arc::new(Link {
        count: Arc::default(),
        state: Arc::clone(&state),
        authority,
        target: job.target,
        port: job.port,
        spoken: job.spoken,
        rules: job.rules,
        rule: job.rule,
        joined: std::sync::Mutex::default(),
        lines: std::sync::Mutex::default(),
        tunnel: std::sync::Mutex::default(),
    });
    let mut ending = Ending { state, origin, about, started, count: Arc::clone(&link.count), how: None };
    let client = Prefixed::new(job.first, stream);
    let ended = if link.spoken == Protocol::Https {
        serve_tls(&link, client, &job.hello.alpn).await
    } else {
        serve_http(&link, client, Version::HTTP_11).await
    };
    // It counts as open, and has no end yet, for as long as bytes go to and fro.
    let tunnel = link.tunnel.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(tunnel) = tunnel {
        // How it ended is between the two.
        let _ = tunnel.await;
    }
    ending.how = Some(ended);
    drop(ending);
    flush(&link.state);
    drop((pass, held));
}

/// Writes the end of a connection down, also where the run ends before it.
struct Ending {
    state: Arc<State>,
    origin: Option<msb_plan::OriginId>,
    about: Value,
    started: Instant,
    count: Arc<Count>,
    /// How it ended by itself.
    how: Option<Result<(), Failed>>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        let mut more = std::mem::take(&mut self.about);
        match self.how.take() {
            None => set(&mut more, "reason", "end-of-run"),
            Some(Ok(())) => set(&mut more, "reason", "closed"),
            Some(Err(Failed(why))) => {
                set(&mut more, "reason", "broken");
                set(&mut more, "error", why);
            }
        }
        let milliseconds = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        set(&mut more, "duration_ms", milliseconds);
        let bytes = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
        self.state.log.ended(self.origin, bytes(&self.count.up_bytes), bytes(&self.count.down_bytes), more);
    }
}

/// Writes the log out. What is not written down does not happen: without a log everything ends.
fn flush(state: &State) {
    if state.log.flush().is_err() {
        std::process::exit(1);
    }
}

/// Ends the client's TLS. The server is asked first which version of HTTP it speaks, so that both sides speak the
/// same.
async fn serve_tls<C>(link: &Arc<Link>, client: C, offered: &[Vec<u8>]) -> Result<(), Failed>
where
    C: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let authority = link.authority.as_ref().ok_or_else(|| Failed("this plan has no authority".to_owned()))?;
    let known = |it: &&Vec<u8>| it.as_slice() == HTTP_2 || it.as_slice() == HTTP_1;
    let protocols: Protocols = offered.iter().filter(known).cloned().collect();
    // HTTP/1.0 is answered as it asks, and nothing is chosen.
    let is_old = |it: &Vec<u8>| it.as_slice() == b"http/1.0";
    if !offered.is_empty() && protocols.is_empty() && !offered.iter().any(is_old) {
        let mut client = client;
        // The client may be gone, and is refused all the same.
        let _ = client.write_all(&alert(ALERT_NO_APPLICATION_PROTOCOL)).await;
        let _ = client.shutdown().await;
        return Err(Failed("the program offers no version of HTTP".to_owned()));
    }
    // A server that is not reached is tried again for each request, and each is told.
    let line = link.line(link.rule);
    let version = match link.connect(&line, &protocols).await {
        Ok((sender, version)) => {
            *line.sender.lock().await = Some(sender);
            version
        }
        Err(_) if protocols.first().is_some_and(|first| first == HTTP_2) && protocols.len() == 1 => {
            Version::HTTP_2
        }
        Err(_) => Version::HTTP_11,
    };
    let chosen: Protocols = match version {
        _ if protocols.is_empty() => Vec::new(),
        Version::HTTP_2 => vec![HTTP_2.to_vec()],
        _ => vec![HTTP_1.to_vec()],
    };
    let acceptor = TlsAcceptor::from(authority.server(&link.target, &chosen)?);
    let client = timeout(HANDSHAKE_MAX, acceptor.accept(client)).await??;
    serve_http(link, client, version).await
}

async fn serve_http<C>(link: &Arc<Link>, client: C, version: Version) -> Result<(), Failed>
where
    C: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(|request| {
        let link = Arc::clone(link);
        async move {
            let form = answer::form(request.headers());
            let answer = link.handle(request).await;
            flush(&link.state);
            Ok::<_, Infallible>(match answer::in_form(form, &answer) {
                Some(text) => own(text),
                None => answer,
            })
        }
    });
    let io = TokioIo::new(client);
    if version == Version::HTTP_2 {
        server2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(HEAD_BYTES_MAX)
            .max_send_buf_size(STREAM_SEND_BYTES_MAX)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .serve_connection(io, service)
            .await?;
    } else {
        server1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_MAX)
            .half_close(true)
            .preserve_header_case(true)
            .max_buf_size(HEAD_BYTES_MAX as usize)
            .serve_connection(io, service)
            .with_upgrades()
            .await?;
    }
    Ok(())
}

impl Link {
    /// Decides a request, and gives it to the server if it is allowed.
    async fn handle(self: &Arc<Self>, mut request: Request<Incoming>) -> Response<Body> {
        let method = request.method().as_str().to_owned();
        let path = request.uri().path().to_owned();
        let mut about = about(self.spoken, &self.target, self.port);
        set(&mut about, "method", method.clone());
        set(&mut about, "path", self.redacted(&path));
        let upgrade = is_websocket(request.headers()).then(|| hyper::upgrade::on(&mut request));
        let (mut parts, body) = request.into_parts();
        let is_tls = self.spoken == Protocol::Https;
        if let Err(odd) = request::check(&parts, &self.target, self.port, is_tls) {
            set(&mut about, "reason", odd.reason());
            self.state.log.decided(Subject::Request, Decision::Deny, self.first_origin(), about);
            return refused(answer::odd(odd.words()), &parts.headers, body).await;
        }
        let fitting = self.state.rules.for_request(&self.rules, &method, path::plain(&path).as_deref());
        let says_more = |rule: &RuleId| self.state.rules.rule(*rule).is_some_and(|rule| rule.only.is_some());
        let is_overridden = request::overrides(&parts.headers) && fitting.iter().any(says_more);
        let fitting: Vec<RuleId> =
            fitting.into_iter().filter(|rule| !(is_overridden && says_more(rule))).collect();
        if is_overridden && fitting.is_empty() {
            set(&mut about, "reason", Odd::Override.reason());
            self.state.log.decided(Subject::Request, Decision::Deny, self.first_origin(), about);
            return own(answer::odd(Odd::Override.words()));
        }
        if fitting.is_empty() {
            set(&mut about, "reason", "no-rule");
            let needed = needed::request(self.spoken, &self.target, self.port, (&method, &path));
            let needed = needed.map(|needed| needed + &self.state.rules.treated(&self.rules));
            if let Some(needed) = &needed {
                set(&mut about, "needed", self.redacted(needed));
            }
            self.state.log.decided(Subject::Request, Decision::Deny, self.first_origin(), about);
            let answer = answer::no_rule(&self.state, &self.rules, &self.target, (&method, &path), needed);
            return refused(answer, &parts.headers, body).await;
        }
        let admitted = self.state.meters.admit_request(&fitting, Instant::now());
        let rule = match admitted.and_then(|rule| self.join(rule).map(|()| rule)) {
            Ok(rule) => rule,
            Err(limit) => {
                self.state.limited(Subject::Request, limit, about);
                return refused(answer::limited(&self.state, limit), &parts.headers, body).await;
            }
        };
        self.state.log.decided(Subject::Request, Decision::Allow, self.state.origin(rule), about.clone());
        forward_only(&mut parts.headers, parts.version, upgrade.is_some());
        // The target of a request to a server is a path, and Host says the rest (RFC 9112, 3.2.1); by HTTP/2 both are
        // there (RFC 9113, 8.3.1), from Host where the program left the other out.
        let path = parts.uri.path_and_query().map_or("/", |it| it.as_str());
        if parts.version < Version::HTTP_2 {
            parts.uri = path.parse().unwrap_or_else(|_| Uri::from_static("/"));
            parts.version = Version::HTTP_11;
        } else if let (None, Some(host)) = (parts.uri.authority(), parts.headers.get(HOST)) {
            let whole =
                Uri::builder().scheme("https").authority(host.as_bytes()).path_and_query(path).build();
            parts.uri = whole.unwrap_or(parts.uri);
        }
        let inject = self.state.rules.rule(rule).and_then(|rule| rule.inject);
        if let Some(secret) = inject.and_then(|index| self.state.secrets.get(index)).and_then(Option::as_ref)
        {
            parts.headers.insert(secret.name(), secret.value().clone());
        }
        let sent = self.send(&self.line(rule), Request::from_parts(parts, body)).await;
        self.answered(sent, upgrade, about)
    }

    fn answered(
        &self,
        sent: Result<Response<Incoming>, NotReached>,
        upgrade: Option<hyper::upgrade::OnUpgrade>,
        mut about: Value,
    ) -> Response<Body> {
        let mut response = match sent {
            Ok(response) => response,
            Err(NotReached::AddressNotNamed(found)) => {
                let found: Vec<String> = found.iter().map(ToString::to_string).collect();
                let detail = format!(
                    "{} has only addresses that a name does not allow: {}; a rule must name them besides",
                    self.target,
                    found.join(", ")
                );
                set(&mut about, "reason", "address-not-named");
                set(&mut about, "addresses", found);
                self.state.log.decided(Subject::Request, Decision::Deny, self.first_origin(), about);
                return own(answer::address_not_named(&detail));
            }
            Err(NotReached::Failed(why)) => {
                return own(answer::bad_gateway(&format!("{} was not reached: {why}", self.target)));
            }
        };
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let Some(client) = upgrade else {
                return own(answer::bad_gateway("the server changed the protocol without being asked"));
            };
            let server = hyper::upgrade::on(&mut response);
            let tunnel = tokio::spawn(async move {
                if let (Ok(client), Ok(server)) = (client.await, server.await) {
                    let (mut client, mut server) = (TokioIo::new(client), TokioIo::new(server));
                    // How it ends is between the two.
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                }
            });
            *self.tunnel.lock().unwrap_or_else(PoisonError::into_inner) = Some(tunnel);
            return response.map(Either::Right);
        }
        forward_only(response.headers_mut(), Version::HTTP_11, false);
        // HTTP/3 is somewhere else, and not what was decided about (RFC 7838).
        response.headers_mut().remove("alt-svc");
        response.map(Either::Right)
    }

    /// Counts the connection for `rule`, once.
    fn join(&self, rule: RuleId) -> Result<(), (Holder, Limit)> {
        let mut joined = self.joined.lock().unwrap_or_else(PoisonError::into_inner);
        if rule != self.rule && !joined.contains_key(&rule) {
            joined.insert(rule, self.state.meters.join(rule)?);
        }
        Ok(())
    }

    /// The way to the server for requests of `rule`.
    fn line(&self, rule: RuleId) -> Arc<Line> {
        let meters = &self.state.meters;
        let key = meters.has_own_quota(rule).then_some(rule);
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || {
            let quota = meters.quota(rule).filter(Quota::is_limited);
            Arc::new(Line { quota, sender: Mutex::new(None) })
        };
        Arc::clone(lines.entry(key).or_insert_with(new))
    }

    /// Sends a request to the server, over a new connection if the one that there was is closed.
    async fn send(&self, line: &Line, request: Request<Incoming>) -> Result<Response<Incoming>, NotReached> {
        let version = request.version();
        let mut request = request;
        let mut tries = 0;
        loop {
            tries += 1;
            let mut held = line.sender.lock().await;
            let is_open = match held.as_mut() {
                None => false,
                Some(Sender::One(sender)) => sender.ready().await.is_ok(),
                Some(Sender::Many(sender)) => sender.ready().await.is_ok(),
            };
            if !is_open {
                let protocols = match (self.spoken, version) {
                    (Protocol::Https, Version::HTTP_2) => vec![HTTP_2.to_vec()],
                    (Protocol::Https, _) => vec![HTTP_1.to_vec()],
                    _ => Vec::new(),
                };
                *held = None;
                let (sender, now) = self.connect(line, &protocols).await?;
                if (now == Version::HTTP_2) != (version == Version::HTTP_2) {
                    let why = "it speaks another version of HTTP than before";
                    return Err(NotReached::Failed(why.to_owned()));
                }
                *held = Some(sender);
            }
            let sent = match held.as_mut() {
                // One request after the other: the lock is held until the answer begins.
                Some(Sender::One(sender)) => sender.try_send_request(request).await,
                Some(Sender::Many(sender)) => {
                    let mut sender = sender.clone();
                    drop(held);
                    sender.try_send_request(request).await
                }
                None => return Err(NotReached::Failed("no connection".to_owned())),
            };
            match sent {
                Ok(response) => return Ok(response),
                Err(mut error) => match error.take_message() {
                    // Closed by the server meanwhile, and nothing of the request was sent.
                    Some(unsent) if tries < 3 => request = unsent,
                    _ => return Err(NotReached::Failed(reason(error.error()))),
                },
            }
        }
    }

    /// A new connection to the server.
    async fn connect(&self, line: &Line, protocols: &Protocols) -> Result<(Sender, Version), NotReached> {
        let stream = dial::connect(&self.state, self.spoken, &self.target, self.port).await?;
        let stream = Metered::new(stream, line.quota.clone(), Arc::clone(&self.count));
        if self.spoken != Protocol::Https {
            return begin(stream, Version::HTTP_11).await;
        }
        let failed = |why: String| NotReached::Failed(why);
        let authority =
            self.authority.as_ref().ok_or_else(|| failed("this plan has no authority".to_owned()))?;
        let config = authority.client(protocols).map_err(|Failed(why)| failed(why))?;
        let name = match &self.target {
            Target::Name(name) => {
                ServerName::try_from(name.clone()).map_err(|error| failed(error.to_string()))?
            }
            Target::Address(address) => ServerName::from(*address),
            Target::Loopback => {
                ServerName::try_from("localhost").map_err(|error| failed(error.to_string()))?
            }
        };
        let connecting = TlsConnector::from(config).connect(name, stream);
        let stream = match timeout(HANDSHAKE_MAX, connecting).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(failed(format!("TLS: {error}"))),
            Err(_) => return Err(failed("TLS: no answer".to_owned())),
        };
        let version = match stream.get_ref().1.alpn_protocol() {
            Some(HTTP_2) => Version::HTTP_2,
            _ => Version::HTTP_11,
        };
        begin(stream, version).await
    }

    fn redacted(&self, text: &str) -> String {
        let secrets = self.state.secrets.iter().flatten();
        secrets.fold(text.to_owned(), |text, secret| secret.redact(&text))
    }

    fn first_origin(&self) -> Option<msb_plan::OriginId> {
        self.rules.first().and_then(|rule| self.state.origin(*rule))
    }
}

async fn begin<S>(stream: S, version: Version) -> Result<(Sender, Version), NotReached>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let failed = |error: hyper::Error| NotReached::Failed(reason(&error));
    let io = TokioIo::new(stream);
    if version == Version::HTTP_2 {
        let builder = { client2::Builder::new(TokioExecutor::new()) }
            .max_header_list_size(HEAD_BYTES_MAX)
            .max_send_buf_size(STREAM_SEND_BYTES_MAX)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .clone();
        let (sender, connection) = builder.handshake(io).await.map_err(failed)?;
        tokio::spawn(connection);
        return Ok((Sender::Many(sender), version));
    }
    let builder =
        { client1::Builder::new() }.preserve_header_case(true).max_buf_size(HEAD_BYTES_MAX as usize).clone();
    let (sender, connection) = builder.handshake(io).await.map_err(failed)?;
    tokio::spawn(connection.with_upgrades());
    Ok((Sender::One(sender), version))
}

/// An error with what is behind it: hyper's own words leave that out.
fn reason(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// The answer to a request whose body nobody wants. It is read nevertheless, as far as that is cheap: a program that is
/// still sending when the connection is closed sees that, and not the answer. One that waits to be asked for its body
/// (RFC 9110, 10.1.1) is not asked.
async fn refused(answer: answer::Own, headers: &HeaderMap, mut body: Incoming) -> Response<Body> {
    let mut left = UNWANTED_BYTES_MAX;
    let read = async {
        while let Some(Ok(frame)) = body.frame().await {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            left = left.saturating_sub(bytes);
            if left == 0 {
                return;
            }
        }
    };
    if !headers.contains_key(EXPECT) {
        // When it takes longer, the program sees what it would have seen otherwise.
        let _ = timeout(UNWANTED_MAX, read).await;
    }
    own(answer)
}

fn own(answer: answer::Own) -> Response<Body> {
    answer.map(Either::Left)
}

/// Whether a request asks for WebSocket (RFC 6455, 4.1). Other protocols, HTTP/2 in the clear above all, would hide
/// requests.
fn is_websocket(headers: &HeaderMap) -> bool {
    let mut upgrades = headers.get_all(UPGRADE).iter();
    let first = upgrades.next();
    first.is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(b"websocket")) && upgrades.next().is_none()
}

/// Takes out what is between two neighbours and not for the next one (RFC 9110, 7.6.1).
fn forward_only(headers: &mut HeaderMap, version: Version, upgrades: bool) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let takes_trailers = version >= Version::HTTP_2
        && headers.get(TE).is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(b"trailers"));
    let ours = [CONNECTION, UPGRADE, TE, TRANSFER_ENCODING, EXPECT, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION];
    // Who is meant is not between two neighbours: without Host a server would choose somebody.
    let named = named.iter().filter(|name| **name != HOST);
    for name in named.chain(&ours) {
        headers.remove(name);
    }
    for name in ["keep-alive", "proxy-connection"] {
        headers.remove(name);
    }
    if takes_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    if upgrades {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    }
}
