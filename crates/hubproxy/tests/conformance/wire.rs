//! HTTP/1.1 byte by byte: what a client that tidies up after itself would hide.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

pub trait Both: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Both for T {}

/// A connection, and what was read from it and not yet used.
pub struct Connection {
    pub stream: Box<dyn Both>,
    read: Vec<u8>,
}

/// What came back.
#[derive(Debug)]
pub enum Outcome {
    Reply(Reply),
    /// The connection ended before a whole reply.
    Closed,
    /// Nothing more within the patience of the test.
    Hangs,
}

#[derive(Debug, Default)]
pub struct Reply {
    pub status: u16,
    /// Names in lower case, in the order they came.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|header| header.0 == name);
        found.next().map(|header| header.1.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Outcome {
    pub fn reply(self) -> Reply {
        match self {
            Self::Reply(reply) => reply,
            other => panic!("no reply: {other:?}"),
        }
    }
}

impl Connection {
    pub async fn tcp(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("a listener");
        stream.set_nodelay(true).expect("a socket option");
        Self::over(stream)
    }

    pub async fn unix(path: &Path) -> Self {
        Self::over(UnixStream::connect(path).await.expect("a listener"))
    }

    /// `Err` when the handshake fails.
    pub async fn tls(
        address: SocketAddr,
        config: Arc<rustls::ClientConfig>,
    ) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        let name = rustls::pki_types::ServerName::try_from("localhost").expect("a name");
        Ok(Self::over(
            TlsConnector::from(config).connect(name, stream).await?,
        ))
    }

    pub fn over(stream: impl Both + 'static) -> Self {
        Self {
            stream: Box::new(stream),
            read: Vec::new(),
        }
    }

    /// Sends all of it. A peer that has answered and closed already is no failure.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
        let _ = self.stream.flush().await;
    }

    /// Sends a request as [`request`] writes it, and waits for the answer.
    pub async fn ask(&mut self, text: &str, host: &str, patience: Duration) -> Outcome {
        let bytes = request(text, host);
        self.send(&bytes).await;
        self.reply(bytes.starts_with(b"HEAD "), patience).await
    }

    pub async fn reply(&mut self, head_only: bool, patience: Duration) -> Outcome {
        match timeout(patience, self.read_reply(head_only)).await {
            Ok(Some(reply)) => Outcome::Reply(reply),
            Ok(None) => Outcome::Closed,
            Err(_) => Outcome::Hangs,
        }
    }

    /// Up to so many bytes beyond the last reply, fewer if the connection ends or nothing more comes.
    pub async fn bytes(&mut self, count: usize, patience: Duration) -> Vec<u8> {
        let _ = timeout(patience, async {
            while self.read.len() < count && self.more().await {}
        })
        .await;
        let count = count.min(self.read.len());
        self.read.drain(..count).collect()
    }

    /// Whether the peer ends the connection within this time.
    pub async fn closes(&mut self, within: Duration) -> bool {
        timeout(within, async { while self.more().await {} })
            .await
            .is_ok()
    }

    async fn more(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer).await {
            Ok(count) if count > 0 => {
                self.read.extend_from_slice(&buffer[..count]);
                true
            }
            _ => false,
        }
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.read.windows(2).position(|two| two == b"\r\n") {
                let line: Vec<u8> = self.read.drain(..end + 2).collect();
                return Some(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            if !self.more().await {
                return None;
            }
        }
    }

    async fn exactly(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.read.len() < count {
            if !self.more().await {
                return None;
            }
        }
        Some(self.read.drain(..count).collect())
    }

    async fn read_reply(&mut self, head_only: bool) -> Option<Reply> {
        let reply = self.head().await?;
        // What comes before the answer proper.
        if reply.status < 200 && reply.status != 101 {
            return Box::pin(self.read_reply(head_only)).await;
        }
        self.body(reply, head_only).await
    }

    /// One message's first line and headers; of a request, too (`status` is 0 then).
    async fn head(&mut self) -> Option<Reply> {
        let first = self.line().await?;
        let status = first
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let mut reply = Reply {
            status: status.unwrap_or_default(),
            ..Reply::default()
        };
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                return Some(reply);
            }
            let (name, value) = line.split_once(':')?;
            reply
                .headers
                .push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    async fn body(&mut self, mut reply: Reply, head_only: bool) -> Option<Reply> {
        if head_only || matches!(reply.status, 101 | 204 | 304) {
            return Some(reply);
        }
        let chunked = reply
            .header("transfer-encoding")
            .is_some_and(|coding| coding.contains("chunked"));
        if chunked {
            loop {
                let size = self.line().await?;
                let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
                let chunk = self.exactly(size).await?;
                self.line().await?;
                if size == 0 {
                    return Some(reply);
                }
                reply.body.extend(chunk);
            }
        }
        if let Some(length) = reply.header("content-length") {
            reply.body = self.exactly(length.parse().ok()?).await?;
        } else {
            while self.more().await {}
            reply.body = std::mem::take(&mut self.read);
        }
        Some(reply)
    }
}

/// The bytes of `METHOD TARGET`, header lines, an empty line, and a body. What is not said is added: the version, `Host`,
/// and the length of a body. A text that begins with `raw ` is the bytes themselves, save that line ends become CR LF.
pub fn request(text: &str, host: &str) -> Vec<u8> {
    if let Some(raw) = text.strip_prefix("raw ") {
        return raw.replace("\r\n", "\n").replace('\n', "\r\n").into_bytes();
    }
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let mut bytes = format!("{} HTTP/1.1\r\n", lines.next().unwrap_or_default());
    let headers: Vec<&str> = lines.collect();
    let has = |wanted: &str| {
        headers.iter().any(|line| {
            let name = line.split(':').next().unwrap_or_default();
            name.eq_ignore_ascii_case(wanted)
        })
    };
    if !has("host") {
        bytes += &format!("Host: {host}\r\n");
    }
    for header in &headers {
        bytes += &format!("{header}\r\n");
    }
    if text.contains("\n\n") && !has("content-length") && !has("transfer-encoding") {
        bytes += &format!("Content-Length: {}\r\n", body.len());
    }
    (bytes + "\r\n" + body).into_bytes()
}
