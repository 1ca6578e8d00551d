//! What is asked of a proxy: so many clients at once, each sending its next request when it has the answer to the last.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use crate::process::cpu;

/// Clients at once.
pub const CLIENTS: usize = 64;
/// Bytes there and back in a WebSocket's round trip.
const FRAME: usize = 64;

/// Where and how a proxy is asked.
#[derive(Clone)]
pub struct Door {
    pub address: SocketAddr,
    pub tls: Option<Arc<ClientConfig>>,
}

/// For how long, and what of the proxy's is looked at.
#[derive(Clone, Copy)]
pub struct Stint {
    /// Not counted.
    pub warm: Duration,
    pub time: Duration,
    /// Whose time on the CPU is read.
    pub pid: u32,
}

impl Stint {
    fn is_over(&self, started: Instant) -> bool {
        started.elapsed() > self.warm + self.time
    }

    fn counts(&self, started: Instant) -> bool {
        started.elapsed() >= self.warm
    }
}

/// What came of it.
pub struct Done {
    count: usize,
    seconds: f64,
    cpu: Duration,
    /// Microseconds of each, in ascending order.
    latencies: Vec<u32>,
}

impl Done {
    #[expect(clippy::cast_precision_loss, reason = "counts are small")]
    pub fn rate(&self) -> f64 {
        self.count as f64 / self.seconds
    }

    /// Microseconds of the proxy's on the CPU for each.
    #[expect(clippy::cast_precision_loss, reason = "counts are small")]
    pub fn cpu(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.count as f64
    }

    /// In milliseconds; `percent` of all were as fast or faster.
    pub fn percentile(&self, percent: usize) -> f64 {
        let at = (self.latencies.len() * percent / 100).min(self.latencies.len().saturating_sub(1));
        self.latencies
            .get(at)
            .map_or(f64::NAN, |micros| f64::from(*micros) / 1000.0)
    }
}

trait Both: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Both for T {}

impl Door {
    async fn open(&self) -> anyhow::Result<Box<dyn Both>> {
        let stream = TcpStream::connect(self.address)
            .await
            .context("connecting")?;
        stream.set_nodelay(true)?;
        Ok(match &self.tls {
            None => Box::new(stream),
            Some(config) => {
                let name = ServerName::try_from("localhost").context("naming the server")?;
                let connector = TlsConnector::from(config.clone());
                Box::new(
                    connector
                        .connect(name, stream)
                        .await
                        .context("the TLS handshake")?,
                )
            }
        })
    }

    /// Requests on connections that stay. The targets are asked for in turn.
    ///
    /// # Errors
    ///
    /// If a connection ends or an answer is not 200.
    pub async fn requests(&self, targets: &[String], stint: Stint) -> anyhow::Result<Done> {
        let requests: Arc<Vec<Vec<u8>>> =
            Arc::new(targets.iter().map(|target| request(target)).collect());
        let mut clients = JoinSet::new();
        let started = Instant::now();
        for number in 0..CLIENTS {
            let (door, requests) = (self.clone(), requests.clone());
            // Each begins elsewhere.
            let mut turn = number * requests.len() / CLIENTS;
            clients.spawn(async move {
                let mut stream = door.open().await?;
                let mut buffer = vec![0; 16 * 1024];
                let mut latencies = Vec::new();
                while !stint.is_over(started) {
                    turn = (turn + 1) % requests.len();
                    let sent = Instant::now();
                    stream
                        .write_all(&requests[turn])
                        .await
                        .context("sending a request")?;
                    answer(&mut stream, &mut buffer).await?;
                    if stint.counts(started) {
                        latencies.push(micros(sent));
                    }
                }
                Ok(latencies)
            });
        }
        finished(clients, started, stint).await
    }

    /// Connections, each ended after its TLS handshake.
    ///
    /// # Errors
    ///
    /// If a handshake fails.
    pub async fn handshakes(&self, stint: Stint) -> anyhow::Result<Done> {
        let mut clients = JoinSet::new();
        let started = Instant::now();
        for _ in 0..8 {
            let door = self.clone();
            clients.spawn(async move {
                let mut latencies = Vec::new();
                while !stint.is_over(started) {
                    let began = Instant::now();
                    let mut stream = door.open().await?;
                    if stint.counts(started) {
                        latencies.push(micros(began));
                    }
                    let _ = stream.shutdown().await;
                }
                Ok(latencies)
            });
        }
        finished(clients, started, stint).await
    }

    /// Bytes there and back through as many WebSockets as there are clients.
    ///
    /// # Errors
    ///
    /// If one cannot be opened, or ends.
    pub async fn round_trips(&self, target: &str, stint: Stint) -> anyhow::Result<Done> {
        let mut clients = JoinSet::new();
        let open = upgrade(target);
        let started = Instant::now();
        for _ in 0..CLIENTS {
            let (door, open) = (self.clone(), open.clone());
            clients.spawn(async move {
                let mut stream = door.open().await?;
                stream.write_all(&open).await?;
                let mut buffer = vec![0; 4096];
                let (mut filled, mut head) = (0, None);
                while head.is_none() {
                    let count = stream.read(&mut buffer[filled..]).await?;
                    ensure!(count > 0, "the connection ended before the upgrade");
                    filled += count;
                    head = end_of_head(&buffer[..filled]);
                }
                ensure!(
                    buffer.starts_with(b"HTTP/1.1 101"),
                    "no upgrade: {}",
                    String::from_utf8_lossy(&buffer[..filled])
                );
                let mut latencies = Vec::new();
                let frame = [b'x'; FRAME];
                while !stint.is_over(started) {
                    let sent = Instant::now();
                    stream.write_all(&frame).await?;
                    stream
                        .read_exact(&mut buffer[..FRAME])
                        .await
                        .context("reading what was sent")?;
                    if stint.counts(started) {
                        latencies.push(micros(sent));
                    }
                }
                Ok(latencies)
            });
        }
        finished(clients, started, stint).await
    }
}

async fn finished(
    mut clients: JoinSet<anyhow::Result<Vec<u32>>>,
    started: Instant,
    stint: Stint,
) -> anyhow::Result<Done> {
    let meter = tokio::spawn(async move {
        let began = started + stint.warm;
        tokio::time::sleep_until(began.into()).await;
        let (before, since) = (cpu(stint.pid), Instant::now());
        tokio::time::sleep_until((began + stint.time).into()).await;
        (cpu(stint.pid).saturating_sub(before), since.elapsed())
    });
    let mut latencies = Vec::new();
    while let Some(client) = clients.join_next().await {
        latencies.extend(client??);
    }
    let (cpu, time) = meter.await?;
    latencies.sort_unstable();
    let (count, seconds) = (latencies.len(), time.as_secs_f64());
    Ok(Done {
        count,
        seconds,
        cpu,
        latencies,
    })
}

fn micros(since: Instant) -> u32 {
    u32::try_from(since.elapsed().as_micros()).unwrap_or(u32::MAX)
}

/// What JupyterLab sends with a request, about.
fn headers() -> &'static str {
    "Host: localhost\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
     Accept: application/json\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\n\
     Referer: http://localhost/user/alice/lab\r\nCookie: jupyterhub-session-id=0123456789abcdef0123456789abcdef; \
     _xsrf=2|01234567|0123456789abcdef0123456789abcdef|1234567890\r\nSec-Fetch-Mode: cors\r\n\
     Sec-Fetch-Site: same-origin\r\n"
}

fn request(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\n{}\r\n", headers()).into_bytes()
}

fn upgrade(target: &str) -> Vec<u8> {
    format!(
        "GET {target} HTTP/1.1\r\n{}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        headers()
    )
    .into_bytes()
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .map(|at| at + 4)
}

/// Reads one answer, which must be 200 and say its length.
async fn answer(stream: &mut (impl AsyncRead + Unpin), buffer: &mut [u8]) -> anyhow::Result<()> {
    let (mut filled, mut wanted) = (0, None);
    while wanted.is_none_or(|wanted| filled < wanted) {
        let count = stream
            .read(&mut buffer[filled..])
            .await
            .context("reading an answer")?;
        ensure!(count > 0, "the connection ended within an answer");
        filled += count;
        if wanted.is_none()
            && let Some(end) = end_of_head(&buffer[..filled])
        {
            let head = &buffer[..end];
            if !head.starts_with(b"HTTP/1.1 200") {
                bail!(
                    "an answer that is not 200: {}",
                    String::from_utf8_lossy(head)
                );
            }
            wanted = Some(end + length(head).context("an answer without a length")?);
        }
    }
    Ok(())
}

fn length(head: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"\r\ncontent-length:";
    let found = head
        .windows(NAME.len())
        .position(|part| part.eq_ignore_ascii_case(NAME))?;
    let rest = &head[found + NAME.len()..];
    let end = rest.iter().position(|byte| *byte == b'\r')?;
    std::str::from_utf8(&rest[..end]).ok()?.trim().parse().ok()
}
