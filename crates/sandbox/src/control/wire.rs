//! A client's connection, which can be cut.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// A connection, with or without TLS.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {
    fn tcp(&self) -> &TcpStream;
}

impl Stream for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Stream for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// What decides the fate of a connection, from within a request.
#[derive(Debug)]
pub struct Shears {
    /// Bytes that may still go out.
    left: AtomicU64,
    reset: AtomicBool,
}

impl Shears {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            left: AtomicU64::new(u64::MAX),
            reset: AtomicBool::new(false),
        })
    }

    /// Nothing more goes out; the peer sees a reset.
    pub fn reset(&self) {
        self.reset.store(true, Ordering::SeqCst);
        self.left.store(0, Ordering::SeqCst);
    }

    /// So many bytes more go out, then the connection ends.
    pub fn cut(&self, after: u64) {
        self.left.store(after, Ordering::SeqCst);
    }
}

/// A stream under shears.
pub struct Wire {
    pub stream: Box<dyn Stream>,
    pub shears: Arc<Shears>,
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let left = self.shears.left.load(Ordering::SeqCst);
        if left == 0 && !bytes.is_empty() {
            if self.shears.reset.load(Ordering::SeqCst) {
                // Closing then sends RST rather than FIN.
                self.stream.tcp().set_zero_linger()?;
            }
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let may = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let written = std::task::ready!(Pin::new(&mut self.stream).poll_write(cx, &bytes[..may]))?;
        if left != u64::MAX {
            let written = u64::try_from(written).unwrap_or(u64::MAX);
            self.shears
                .left
                .store(left.saturating_sub(written), Ordering::SeqCst);
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
