//! A connection to a target.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::BytesMut;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::options::Options;
use crate::routes::{Endpoint, Target};
use crate::stream::Stream;

enum Layer {
    Plain(Stream),
    Tls(Box<TlsStream<Stream>>),
}

/// A connection to a target and what was read from it but not yet used.
pub(crate) struct Upstream {
    layer: Layer,
    pub read: BytesMut,
    /// Whether it served an exchange before.
    pub reused: bool,
}

impl Upstream {
    /// Connects to a target within the options' time.
    pub(super) async fn dial(target: &Target, options: &Options) -> io::Result<Self> {
        let dialled =
            tokio::time::timeout(options.connect_timeout, Self::connect(target, options)).await;
        dialled.unwrap_or_else(|_| {
            Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "connecting took too long",
            ))
        })
    }

    async fn connect(target: &Target, options: &Options) -> io::Result<Self> {
        let stream = match &target.endpoint {
            Endpoint::Address(address) => tcp(TcpStream::connect(address).await?)?,
            Endpoint::Name(name, port) => tcp(TcpStream::connect((&**name, *port)).await?)?,
            Endpoint::Unix(path) => Stream::Unix(UnixStream::connect(path).await?),
        };
        let layer = if target.tls {
            let config = options.client_tls.config().map_err(io::Error::other)?;
            let name = match (options.client_tls.server_name(), &target.endpoint) {
                (Some(name), _) => name.clone(),
                (None, Endpoint::Address(address)) => ServerName::from(address.ip()),
                (None, Endpoint::Name(name, _)) => {
                    ServerName::try_from(name.to_string()).map_err(io::Error::other)?
                }
                (None, Endpoint::Unix(_)) => {
                    return Err(io::Error::other(
                        "TLS over a Unix socket has no name to verify",
                    ));
                }
            };
            Layer::Tls(Box::new(
                TlsConnector::from(Arc::clone(&config))
                    .connect(name, stream)
                    .await?,
            ))
        } else {
            Layer::Plain(stream)
        };
        Ok(Self {
            layer,
            read: BytesMut::new(),
            reused: false,
        })
    }

    /// Whether an idle connection is still open and silent.
    pub(super) fn is_idle(&mut self) -> bool {
        let mut byte = [0];
        let mut byte = ReadBuf::new(&mut byte);
        self.read.is_empty()
            && Pin::new(self)
                .poll_read(&mut Context::from_waker(Waker::noop()), &mut byte)
                .is_pending()
    }
}

fn tcp(stream: TcpStream) -> io::Result<Stream> {
    stream.set_nodelay(true)?;
    Ok(Stream::Tcp(stream))
}

impl AsyncRead for Upstream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.layer {
            Layer::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Layer::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Upstream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.layer {
            Layer::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Layer::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.layer {
            Layer::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Layer::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.layer {
            Layer::Plain(_) => Poll::Ready(Ok(())),
            Layer::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.layer {
            Layer::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Layer::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
