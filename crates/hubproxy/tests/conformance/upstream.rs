//! An upstream that answers with what it saw, or as the request's `X-Act` tells it to.
//!
//! | `X-Act` | what it does |
//! |---|---|
//! | `status CODE[; NAME: VALUE]...` | answers that, with those headers (`NAME=VALUE` where a colon is in the way) |
//! | `close` | ends the connection without an answer |
//! | `never` | does not answer |
//! | `half` | promises a hundred bytes, sends ten, ends the connection |
//! | `chunked` | sends the answer in three chunks |
//! | `bare` | sends the answer without a length and ends the connection |
//! | `early` | sends `103 Early Hints` before the answer |
//! | `talk` | after an upgrade: sends a byte every 20 ms and reads nothing |
//! | `wait MS` | answers after so many milliseconds |

use crate::address::free;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::wire::Both;

/// Ends with this value.
pub struct Upstream {
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Upstream {
    pub async fn start(name: &'static str) -> Self {
        Self::listen(name, None).await
    }

    pub async fn tls(name: &'static str, config: rustls::ServerConfig) -> Self {
        Self::listen(name, Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn listen(name: &'static str, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(free()).await.expect("a free address");
        let address = listener.local_addr().expect("an address");
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = connections.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                let tls = tls.clone();
                tokio::spawn(async move {
                    let _ = stream.set_nodelay(true);
                    match tls {
                        None => serve(stream, name).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, name).await;
                            }
                        }
                    }
                });
            }
        });
        Self {
            address,
            connections,
            accepting,
        }
    }

    pub fn unix(name: &'static str, path: &Path) -> Self {
        let listener = UnixListener::bind(path).expect("a socket");
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, name));
            }
        });
        Self {
            address: SocketAddr::from(([0, 0, 0, 0], 0)),
            connections: Arc::default(),
            accepting,
        }
    }

    /// How many connections it has been sent so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// A request as it came.
struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        let mut found = self
            .headers
            .iter()
            .filter(|header| header.0.eq_ignore_ascii_case(name));
        found.next().map(|header| header.1.as_str())
    }

    fn echo(&self, name: &str) -> String {
        json!({
            "backend": name, "method": self.method, "target": self.target,
            "headers": self.headers, "body": self.body,
        })
        .to_string()
    }
}

async fn serve(stream: impl Both, name: &'static str) {
    let mut stream = tokio::io::BufReader::new(stream);
    while let Some(request) = read(&mut stream).await {
        if !answer(&mut stream, &request, name).await {
            return;
        }
    }
}

async fn line(stream: &mut (impl tokio::io::AsyncBufRead + Unpin)) -> Option<String> {
    let mut bytes = Vec::new();
    tokio::io::AsyncBufReadExt::read_until(stream, b'\n', &mut bytes)
        .await
        .ok()?;
    let text = String::from_utf8_lossy(bytes.strip_suffix(b"\r\n")?);
    Some(text.into_owned())
}

async fn read(stream: &mut (impl tokio::io::AsyncBufRead + Unpin)) -> Option<Request> {
    let first = line(stream).await?;
    let mut words = first.splitn(3, ' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut request = Request {
        method,
        target,
        headers: Vec::new(),
        body: String::new(),
    };
    loop {
        let line = line(stream).await?;
        if line.is_empty() {
            break;
        }
        let (header, value) = line.split_once(':')?;
        request
            .headers
            .push((header.to_owned(), value.trim().to_owned()));
    }
    let mut body = Vec::new();
    if request.header("transfer-encoding").is_some() {
        loop {
            let size = usize::from_str_radix(line(stream).await?.split(';').next()?, 16).ok()?;
            let mut chunk = vec![0; size];
            stream.read_exact(&mut chunk).await.ok()?;
            if size > 0 {
                line(stream).await?;
                body.extend(chunk);
            } else {
                while !line(stream).await?.is_empty() {}
                break;
            }
        }
    } else if let Some(length) = request.header("content-length") {
        body = vec![0; length.parse().ok()?];
        stream.read_exact(&mut body).await.ok()?;
    }
    request.body = String::from_utf8_lossy(&body).into_owned();
    Some(request)
}

/// Whether the connection goes on.
async fn answer(
    stream: &mut (impl Both + tokio::io::AsyncBufRead),
    request: &Request,
    name: &str,
) -> bool {
    let act = request.header("x-act").unwrap_or_default().to_owned();
    let (act, rest) = act.split_once(' ').unwrap_or((act.as_str(), ""));
    let body = request.echo(name);
    let upgrade = request
        .header("upgrade")
        .is_some_and(|to| to.eq_ignore_ascii_case("websocket"));
    let full = |head: &str| {
        let length = if head.starts_with("204") || head.starts_with("304") {
            String::new()
        } else {
            format!("Content-Length: {}\r\n", body.len())
        };
        let body = if length.is_empty() || request.method == "HEAD" {
            ""
        } else {
            &body
        };
        format!("HTTP/1.1 {head}\r\nContent-Type: application/json\r\n{length}\r\n{body}")
    };
    let mut goes_on = true;
    let text = match act {
        "status" => {
            let mut parts = rest.split("; ");
            let mut head = format!("{} Said So", parts.next().unwrap_or("200"));
            for header in parts {
                head += &format!(
                    "\r\n{}",
                    header.replacen('=', ": ", usize::from(!header.contains(": ")))
                );
            }
            full(&head)
        }
        "close" => return false,
        "never" => {
            // Until the peer ends it.
            let _ = stream.read(&mut [0; 1]).await;
            return false;
        }
        "half" => {
            goes_on = false;
            "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789".to_owned()
        }
        "chunked" => {
            let (first, rest) = body.split_at(body.len() / 3);
            let (second, third) = rest.split_at(rest.len() / 2);
            let mut text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned();
            for chunk in [first, second, third, ""] {
                text += &format!("{:x}\r\n{chunk}\r\n", chunk.len());
            }
            text
        }
        "bare" => {
            goes_on = false;
            format!("HTTP/1.1 200 OK\r\n\r\n{body}")
        }
        "early" => format!(
            "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n{}",
            full("200 OK")
        ),
        "wait" => {
            tokio::time::sleep(Duration::from_millis(rest.parse().unwrap_or(0))).await;
            full("200 OK")
        }
        _ if upgrade => {
            switch(stream, act, &body).await;
            return false;
        }
        _ => full("200 OK"),
    };
    stream.write_all(text.as_bytes()).await.is_ok() && stream.flush().await.is_ok() && goes_on
}

/// Becomes something else than HTTP: first sends what it saw, as a line, then every byte back.
async fn switch(stream: &mut (impl Both + tokio::io::AsyncBufRead), act: &str, saw: &str) {
    let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                Sec-WebSocket-Accept: it-does\r\nX-Own: kept\r\n\r\n";
    let _ = stream.write_all(format!("{head}{saw}\n").as_bytes()).await;
    let _ = stream.flush().await;
    let mut buffer = [0; 4096];
    if act == "talk" {
        while stream.write_all(b".").await.is_ok() && stream.flush().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        return;
    }
    while let Ok(count) = stream.read(&mut buffer).await {
        if count == 0
            || stream.write_all(&buffer[..count]).await.is_err()
            || stream.flush().await.is_err()
        {
            return;
        }
    }
}
