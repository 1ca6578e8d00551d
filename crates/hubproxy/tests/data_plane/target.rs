//! Targets to forward to: one that says what it got, and ones that follow a script.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::mpsc;

/// A target on loopback; it ends with the test's runtime.
pub struct Target {
    pub address: SocketAddr,
    pub connections: Arc<AtomicUsize>,
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "http://{}", self.address)
    }
}

impl Target {
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Answers each request with what it was, as JSON.
    pub async fn echo() -> Self {
        Self::each(|stream, _| async move { echo(stream).await }).await
    }

    /// Runs `serve` for each connection, with its number.
    pub async fn each<F, T>(serve: F) -> Self
    where
        F: Fn(TcpStream, usize) -> T + Send + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, counter.fetch_add(1, Ordering::SeqCst)));
            }
        });
        Self {
            address,
            connections,
        }
    }

    /// Answers the head of each connection's first request with fixed bytes, and passes on what it read.
    pub async fn script(answer: impl Into<Vec<u8>>) -> (Self, mpsc::UnboundedReceiver<Vec<u8>>) {
        let answer: Arc<[u8]> = answer.into().into();
        let (requests, received) = mpsc::unbounded_channel();
        let target = Self::each(move |mut stream, _| {
            let answer = Arc::clone(&answer);
            let requests = requests.clone();
            async move {
                let head = read_head(&mut stream).await;
                let _ = requests.send(head);
                let _ = stream.write_all(&answer).await;
                // Whatever follows is read until the proxy closes.
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest).await;
                if !rest.is_empty() {
                    let _ = requests.send(rest);
                }
            }
        })
        .await;
        (target, received)
    }
}

/// An echoing target on a Unix socket.
pub fn echo_on_socket(folder: &Path) -> PathBuf {
    let path = folder.join("target.sock");
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(echo(stream));
        }
    });
    path
}

/// Reads to the end of a head; what came of a body with it is in there too.
pub async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut read = Vec::new();
    while !read.windows(4).any(|window| window == b"\r\n\r\n") {
        if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
            break;
        }
    }
    read
}

pub async fn echo<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S) {
    let service = service_fn(|request: Request<Incoming>| async move {
        let (parts, body) = request.into_parts();
        let status = parts
            .uri
            .path()
            .strip_prefix("/status/")
            .and_then(|code| code.parse().ok())
            .unwrap_or(200_u16);
        let headers: Vec<(&str, &str)> = parts
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap_or("?")))
            .collect();
        let mut length = 0_u64;
        let mut sum = 0_u64;
        let mut body = body;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { break };
            if let Ok(data) = frame.into_data() {
                length += data.len() as u64;
                sum += data.iter().map(|byte| u64::from(*byte)).sum::<u64>();
            }
        }
        let text = json!({
            "method": parts.method.as_str(),
            "url": parts.uri.to_string(),
            "headers": headers,
            "length": length,
            "sum": sum,
        })
        .to_string();
        Ok::<_, Infallible>(
            Response::builder()
                .status(status)
                .body(Full::new(Bytes::from(text)))
                .unwrap(),
        )
    });
    let _ = hyper::server::conn::http1::Builder::new()
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
