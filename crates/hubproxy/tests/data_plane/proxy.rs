//! A proxy to test, and raw clients of it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hubproxy::forward::{Forwarder, Options};
use hubproxy::routes::Table;
use hubproxy::serve::{Exchange, Limits, Listener, Observer, Server, Silent};
use serde_json::{Map, Value};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What no step of a test takes.
pub const PATIENCE: Duration = Duration::from_secs(10);

pub struct Proxy {
    pub address: SocketAddr,
    pub table: Arc<Table>,
    pub server: Option<Server>,
}

impl Proxy {
    pub fn start() -> Self {
        Self::with(Options::default(), Limits::default())
    }

    pub fn with(options: Options, limits: Limits) -> Self {
        Self::observed(options, limits, Arc::new(Silent))
    }

    pub fn observed(options: Options, limits: Limits, observer: Arc<dyn Observer>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (table, server) = serve(Listener::tcp(listener), options, limits, observer);
        Self {
            address,
            table,
            server: Some(server),
        }
    }

    pub fn route(&self, path: &str, target: impl ToString) -> &Self {
        let mut data = Map::new();
        data.insert("target".to_owned(), Value::from(target.to_string()));
        self.table.insert(path, data).unwrap();
        self
    }

    pub async fn connect(&self) -> Client<TcpStream> {
        Client::new(TcpStream::connect(self.address).await.unwrap())
    }

    /// Sends bytes on a connection of their own and reads to the end of it, or of the first answer.
    pub async fn send(&self, bytes: impl AsRef<[u8]>) -> Answer {
        let mut client = self.connect().await;
        client.write(bytes).await;
        client.answer().await
    }

    pub async fn get(&self, url: &str) -> Answer {
        self.send(format!("GET {url} HTTP/1.1\r\nHost: hub.example\r\n\r\n"))
            .await
    }
}

pub fn serve(
    listener: Listener,
    options: Options,
    limits: Limits,
    observer: Arc<dyn Observer>,
) -> (Arc<Table>, Server) {
    let table = Table::new();
    let forwarder = Forwarder::new(Arc::clone(&table), options, observer);
    (
        table,
        Server::start(vec![listener], forwarder, limits, 1).unwrap(),
    )
}

/// One answer, read by a parser that is not the proxy's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (one, value) = line.split_once(':')?;
            one.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body as the JSON that the echoing target answers.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A client that sends what it is told.
pub struct Client<S> {
    pub stream: S,
    pub read: Vec<u8>,
}

impl<S: AsyncRead + tokio::io::AsyncWrite + Unpin> Client<S> {
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            read: Vec::new(),
        }
    }

    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// Reads more; false at the end.
    pub async fn more(&mut self) -> bool {
        let read = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.read)).await;
        match read.unwrap_or_else(|_| {
            panic!(
                "nothing came after {:?}",
                String::from_utf8_lossy(&self.read)
            )
        }) {
            Ok(read) => read > 0,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => false,
            Err(error) => panic!("{error}"),
        }
    }

    pub async fn is_closed(&mut self) -> bool {
        self.read.is_empty() && !self.more().await
    }

    async fn until(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = self
                .read
                .windows(end.len())
                .position(|window| window == end)
            {
                return self.read.drain(..at + end.len()).collect();
            }
            assert!(
                self.more().await,
                "the connection ended after {:?}",
                String::from_utf8_lossy(&self.read)
            );
        }
    }

    /// Takes so many bytes.
    pub async fn take(&mut self, count: usize) -> Vec<u8> {
        while self.read.len() < count {
            assert!(
                self.more().await,
                "the connection ended after {} of {count} bytes",
                self.read.len()
            );
        }
        self.read.drain(..count).collect()
    }

    /// The head of the next answer.
    pub async fn head(&mut self) -> Answer {
        let head = String::from_utf8(self.until(b"\r\n\r\n").await).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer {
            status,
            head,
            body: Vec::new(),
        }
    }

    /// The next answer to anything but HEAD.
    pub async fn answer(&mut self) -> Answer {
        let mut answer = self.head().await;
        if let Some(length) = answer.header("content-length") {
            let length = length.parse().unwrap();
            answer.body = self.take(length).await;
        } else if answer.header("transfer-encoding") == Some("chunked") {
            loop {
                let line = String::from_utf8(self.until(b"\r\n").await).unwrap();
                let size = usize::from_str_radix(line.trim(), 16).unwrap();
                let data = self.take(size + 2).await;
                answer.body.extend_from_slice(&data[..size]);
                if size == 0 {
                    break;
                }
            }
        } else if answer.status != 204 && answer.status != 304 && answer.status != 101 {
            while self.more().await {}
            answer.body = std::mem::take(&mut self.read);
        }
        answer
    }
}

/// An exchange that was reported.
#[derive(Debug, Clone)]
pub struct Reported {
    pub line: String,
    pub route: Option<String>,
    pub received: u64,
    pub sent: u64,
}

/// Keeps what it is told.
#[derive(Default)]
pub struct Recorder {
    pub exchanges: Mutex<Vec<Reported>>,
    pub told: tokio::sync::Notify,
}

impl Observer for Recorder {
    fn detailed(&self) -> bool {
        true
    }

    fn finished(&self, exchange: &Exchange<'_>) {
        let line = format!(
            "{:?} {} {} {} {:?}",
            exchange.kind,
            exchange.method,
            exchange.uri,
            exchange.status.as_u16(),
            exchange.outcome
        );
        self.exchanges.lock().unwrap().push(Reported {
            line,
            route: exchange.route.map(str::to_owned),
            received: exchange.received,
            sent: exchange.sent,
        });
        self.told.notify_one();
    }
}

impl Recorder {
    /// The next exchange that is reported.
    pub async fn next(&self) -> Reported {
        loop {
            let first = {
                let mut exchanges = self.exchanges.lock().unwrap();
                (!exchanges.is_empty()).then(|| exchanges.remove(0))
            };
            match first {
                Some(exchange) => return exchange,
                None => tokio::time::timeout(PATIENCE, self.told.notified())
                    .await
                    .unwrap(),
            }
        }
    }
}
