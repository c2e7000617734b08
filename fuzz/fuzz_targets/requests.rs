//! What both versions of HTTP are fuzzed with: bytes go to the library as they would where requests are read; it and the
//! checks behind it answer without a panic, and a request that passes names the rule's host and no other.

use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Request, Response, Version, body::Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use msb_gateway::path::plain;
use msb_gateway::request::check;
use msb_gateway::rules::Target;
use std::cell::RefCell;
use std::convert::Infallible;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::{Builder, Runtime};

thread_local! {
    static RUNTIME: RefCell<Runtime> =
        RefCell::new(Builder::new_current_thread().enable_time().build().expect("a runtime"));
}

async fn serve(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let target = Target::Name("a.example".to_owned());
    let (parts, _) = request.into_parts();
    if check(&parts, &target, 443, true).is_ok() {
        for authority in parts
            .uri
            .authority()
            .map(|it| it.as_str())
            .into_iter()
            .chain(parts.headers.get_all("host").iter().filter_map(|it| it.to_str().ok()))
        {
            let host = authority.to_ascii_lowercase();
            let host = host.strip_suffix(":443").unwrap_or(&host);
            let plain =
                matches!(msb_host::parse(host), Ok(msb_host::Host::Name(name)) if name == "a.example");
            assert!(plain, "{authority:?}");
        }
        assert!(parts.headers.get_all("host").iter().count() <= 1);
    }
    if let Some(plain) = plain(parts.uri.path()) {
        assert!(plain.split('/').all(|segment| segment != ".."));
    }
    Ok(Response::new(Full::default()))
}

/// Has a server read `bytes` to their end.
pub fn read(version: Version, bytes: &[u8]) {
    RUNTIME.with_borrow(|runtime| {
        runtime.block_on(async {
            let (mut client, server) = tokio::io::duplex(1 << 16);
            let writes = async {
                // The server may have closed already.
                let _ = client.write_all(bytes).await;
                let _ = client.shutdown().await;
                let mut answer = Vec::new();
                let _ = client.read_to_end(&mut answer).await;
            };
            let io = TokioIo::new(server);
            let serves = async {
                match version {
                    Version::HTTP_2 => {
                        let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                        builder.max_concurrent_streams(128).max_header_list_size(64 * 1024);
                        let _ = builder.serve_connection(io, service_fn(serve)).await;
                    }
                    _ => {
                        let mut builder = hyper::server::conn::http1::Builder::new();
                        let _ = builder.half_close(true).serve_connection(io, service_fn(serve)).await;
                    }
                }
            };
            let ((), ()) = tokio::join!(writes, serves);
        });
    });
}
