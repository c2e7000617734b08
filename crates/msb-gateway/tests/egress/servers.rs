//! Servers on the host: bytes, datagrams, TLS and HTTP, each on a thread of its own.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::thread;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// An authority that the gateway is told to trust.
pub struct TestAuthority {
    issuer: Issuer<'static, KeyPair>,
    pub file: PathBuf,
}

impl TestAuthority {
    pub fn new(dir: &Path) -> TestAuthority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Another name than that of certificates, or they look as if they had signed themselves.
        params.distinguished_name.push(rcgen::DnType::CommonName, "authority of the tests");
        let key = KeyPair::generate().unwrap();
        let file = dir.join("authority.pem");
        std::fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
        TestAuthority { issuer: Issuer::new(params, key), file }
    }

    /// A server's side of TLS for these names.
    pub fn server(&self, names: &[&str], alpn: &[&str]) -> Arc<rustls::ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let chain = vec![self.certificate(names, &key, |_| ())];
        Arc::new(server_config(chain, &key, alpn))
    }

    /// A certificate for these names, changed by `change` before it is signed.
    pub fn certificate(
        &self,
        names: &[&str],
        key: &KeyPair,
        change: impl FnOnce(&mut CertificateParams),
    ) -> CertificateDer<'static> {
        params(names, change).signed_by(key, &self.issuer).unwrap().der().clone()
    }

    /// An authority that this one vouches for, and its certificate.
    pub fn below(&self) -> (Issuer<'static, KeyPair>, CertificateDer<'static>) {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "another authority of the tests");
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        (Issuer::new(params, key), certificate)
    }
}

pub fn params(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    change(&mut params);
    params
}

/// A server's side of TLS with this chain.
pub fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: &KeyPair,
    alpn: &[&str],
) -> rustls::ServerConfig {
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|it| it.as_bytes().to_vec()).collect();
    config
}

/// Serves each connection with `serve`, on a thread of its own.
pub fn tcp(
    address: impl Into<std::net::IpAddr>,
    port: u16,
    serve: impl Fn(TcpStream) + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind((address.into(), port)).unwrap();
    let bound = listener.local_addr().unwrap();
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = Arc::clone(&serve);
            thread::spawn(move || serve(stream));
        }
    });
    bound
}

/// Sends everything back.
pub fn echo(mut stream: TcpStream) {
    let mut buffer = [0; 64 * 1024];
    while let Ok(read) = stream.read(&mut buffer) {
        if read == 0 || stream.write_all(&buffer[..read]).is_err() {
            return;
        }
    }
}

/// Sends datagrams back, in capitals.
pub fn udp_echo(address: impl Into<std::net::IpAddr>, port: u16) -> SocketAddr {
    let socket = UdpSocket::bind((address.into(), port)).unwrap();
    let bound = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut buffer = vec![0; 65_536];
        while let Ok((read, from)) = socket.recv_from(&mut buffer) {
            // Whoever is gone needs no answer.
            let _ = socket.send_to(&buffer[..read].to_ascii_uppercase(), from);
        }
    });
    bound
}

/// Answers one line of HTTP/1.1 over TLS, then closes.
pub fn tls_hello(config: Arc<rustls::ServerConfig>) -> impl Fn(TcpStream) + Send + Sync + 'static {
    move |stream| {
        let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut stream = rustls::StreamOwned::new(connection, stream);
        let mut buffer = [0; 4096];
        if stream.read(&mut buffer).is_ok() {
            // The client may be satisfied already.
            let _ =
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n");
            let _ = stream.flush();
        }
    }
}

/// Serves HTTP, by TLS where there is a configuration, 1.1 and 2.
pub fn http(address: impl Into<std::net::IpAddr>, tls: Option<Arc<rustls::ServerConfig>>) -> SocketAddr {
    http_counted(address, tls).0
}

/// The same, and how many bytes came, on the wire.
pub fn http_counted(
    address: impl Into<std::net::IpAddr>,
    tls: Option<Arc<rustls::ServerConfig>>,
) -> (SocketAddr, Arc<AtomicU64>) {
    let came = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&came);
    let listener = TcpListener::bind((address.into(), 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let bound = listener.local_addr().unwrap();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let acceptor = tls.map(tokio_rustls::TlsAcceptor::from);
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let stream = Counted { stream, came: Arc::clone(&counter) };
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    match acceptor {
                        None => serve(stream, false).await,
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                let is_2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                                serve(stream, is_2).await;
                            }
                        }
                    }
                });
            }
        });
    });
    (bound, came)
}

/// A socket whose bytes are counted as they come.
struct Counted {
    stream: tokio::net::TcpStream,
    came: Arc<AtomicU64>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.came.fetch_add((buf.filled().len() - before) as u64, Ordering::Relaxed);
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

async fn serve<S>(stream: S, is_2: bool)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = hyper::service::service_fn(answer);
    let io = TokioIo::new(stream);
    // How a client ends is not the server's affair.
    if is_2 {
        let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(io, service)
            .await;
    } else {
        let _ =
            hyper::server::conn::http1::Builder::new().serve_connection(io, service).with_upgrades().await;
    }
}

async fn answer(mut request: Request<Incoming>) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    let is_head = request.method() == hyper::Method::HEAD;
    let text = match request.uri().path() {
        path @ ("/ws" | "/ws-sink") => {
            let echoes = path == "/ws";
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                if let Ok(upgraded) = upgrade.await {
                    let (mut from, mut to) = tokio::io::split(TokioIo::new(upgraded));
                    // How it ends is the client's affair.
                    let _ = if echoes {
                        tokio::io::copy(&mut from, &mut to).await
                    } else {
                        tokio::io::copy(&mut from, &mut tokio::io::sink()).await
                    };
                }
            });
            let response = Response::builder()
                .status(StatusCode::SWITCHING_PROTOCOLS)
                .header("connection", "upgrade")
                .header("upgrade", "websocket");
            return Ok(response.body(Full::default().boxed()).unwrap());
        }
        "/v1/stream" => {
            let (send, receive) = tokio::sync::mpsc::unbounded_channel();
            tokio::spawn(async move {
                for number in 0..3 {
                    let event = Bytes::from(format!("data: {number}\n\n"));
                    if send.send(Ok(Frame::data(event))).is_err() {
                        return;
                    }
                    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
                }
            });
            let body = StreamBody::new(Received(receive)).boxed();
            return Ok(Response::builder().header("content-type", "text/event-stream").body(body).unwrap());
        }
        "/v1/upload" => {
            let body = request.into_body().collect().await.map(|it| it.to_bytes().len()).unwrap_or(0);
            format!("{body} bytes\n")
        }
        "/v1/headers" => {
            let lines = request.headers().iter();
            lines
                .map(|(name, value)| format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())))
                .collect()
        }
        "/v1/bytes" => {
            // As many as somebody takes.
            let body = StreamBody::new(Endless).boxed();
            return Ok(Response::new(body));
        }
        // hyper leaves it to us to say nothing by HTTP/2.
        _ if is_head => String::new(),
        path => format!("{} {path} {:?}\n", request.method(), request.version()),
    };
    Ok(Response::builder().header("alt-svc", "h3=\":443\"").body(Full::from(text).boxed()).unwrap())
}

struct Endless;

impl futures_core::Stream for Endless {
    type Item = Result<Frame<Bytes>, Infallible>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 10_000])))))
    }
}

struct Received(tokio::sync::mpsc::UnboundedReceiver<Result<Frame<Bytes>, Infallible>>);

impl futures_core::Stream for Received {
    type Item = Result<Frame<Bytes>, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx)
    }
}
