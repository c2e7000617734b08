//! HTTP/2 as a library speaks it, with the order of things in a test's hands.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use std::future::Future;
use std::path::Path;
use std::sync::Arc;

/// What a program inside says in TLS that trusts `trust` and offers `alpn`.
pub fn tls(trust: &Path, alpn: &[&str]) -> rustls::ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_file_iter(trust).unwrap().flatten());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|it| it.as_bytes().to_vec()).collect();
    config
}

/// Runs a future to its end.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A connection to the first name of a policy.
pub async fn connect(trust: &Path, port: u16) -> SendRequest<Full<Bytes>> {
    let stream = tokio::net::TcpStream::connect(("198.18.1.1", port)).await.unwrap();
    let name = ServerName::try_from("api.example.org").unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(tls(trust, &["h2"])));
    let stream = connector.connect(name, stream).await.unwrap();
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (sender, connection) = handshake.unwrap();
    tokio::spawn(connection);
    sender
}

/// A request, whose answer has begun.
pub async fn ask(
    sender: &SendRequest<Full<Bytes>>,
    port: u16,
    method: &str,
    path: &str,
    body: Vec<u8>,
) -> hyper::Result<Response<Incoming>> {
    let mut sender = sender.clone();
    sender.ready().await?;
    let request = Request::builder()
        .method(method)
        .uri(format!("https://api.example.org:{port}{path}"))
        .body(Full::from(body))
        .unwrap();
    sender.send_request(request).await
}

/// How many bytes of an answer come before it ends or breaks off.
pub async fn length(answer: Response<Incoming>) -> u64 {
    let (mut body, mut bytes) = (answer.into_body(), 0);
    while let Some(Ok(frame)) = body.frame().await {
        bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
    }
    bytes
}
