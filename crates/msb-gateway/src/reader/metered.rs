//! A connection to a server, with its bytes counted and held to the quota of the rule whose request is on it.

use crate::limits::{Quota, Way};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that are read at once under a quota.
const PIECE_BYTES: usize = 16 * 1024;

/// What is counted.
#[derive(Debug, Default)]
pub(super) struct Count {
    pub(super) up_bytes: AtomicU64,
    pub(super) down_bytes: AtomicU64,
}

/// A socket whose bytes are counted.
#[derive(Debug)]
pub(super) struct Metered<S> {
    inner: S,
    quota: Option<Quota>,
    count: Arc<Count>,
    piece: Vec<u8>,
}

impl<S> Metered<S> {
    pub(super) fn new(inner: S, quota: Option<Quota>, count: Arc<Count>) -> Metered<S> {
        Metered { inner, quota, count, piece: Vec::new() }
    }
}

fn used_up() -> io::Error {
    io::Error::new(io::ErrorKind::QuotaExceeded, "the quota is used up")
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Some(quota) = &this.quota else {
            let before = buf.filled().len();
            let polled = Pin::new(&mut this.inner).poll_read(cx, buf);
            let read = buf.filled().len() - before;
            this.count.down_bytes.fetch_add(read as u64, Ordering::Relaxed);
            return polled;
        };
        let wanted = quota.reserve(Way::Down, buf.remaining().min(PIECE_BYTES));
        if wanted == 0 && buf.remaining() > 0 {
            return Poll::Ready(Err(used_up()));
        }
        this.piece.resize(wanted, 0);
        let mut piece = ReadBuf::new(&mut this.piece);
        let polled = Pin::new(&mut this.inner).poll_read(cx, &mut piece);
        let read = piece.filled().len();
        quota.give_back(Way::Down, wanted - read);
        buf.put_slice(piece.filled());
        this.count.down_bytes.fetch_add(read as u64, Ordering::Relaxed);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let may = this.quota.as_ref().map_or(bytes.len(), |quota| quota.reserve(Way::Up, bytes.len()));
        if may == 0 && !bytes.is_empty() {
            return Poll::Ready(Err(used_up()));
        }
        let polled = Pin::new(&mut this.inner).poll_write(cx, bytes.get(..may).unwrap_or(bytes));
        let written = match &polled {
            Poll::Ready(Ok(written)) => *written,
            _ => 0,
        };
        if let Some(quota) = &this.quota {
            quota.give_back(Way::Up, may - written);
        }
        this.count.up_bytes.fetch_add(written as u64, Ordering::Relaxed);
        polled
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

/// A socket of which some bytes were read already.
#[derive(Debug)]
pub(super) struct Prefixed<S> {
    first: Vec<u8>,
    read: usize,
    inner: S,
}

impl<S> Prefixed<S> {
    pub(super) fn new(first: Vec<u8>, inner: S) -> Prefixed<S> {
        Prefixed { first, read: 0, inner }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Prefixed<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let rest = this.first.get(this.read..).unwrap_or_default();
        if rest.is_empty() {
            this.first = Vec::new();
            this.read = 0;
            return Pin::new(&mut this.inner).poll_read(cx, buf);
        }
        let piece = rest.get(..buf.remaining()).unwrap_or(rest);
        buf.put_slice(piece);
        this.read += piece.len();
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prefixed<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}
