//! What stands behind every proxy: one fixed answer, as fast as it can be given, and an echo for WebSockets.

use std::net::SocketAddr;
use std::thread;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;

/// The length of the answer's body, about that of a JSON status.
const BODY: usize = 128;

/// Serves on a thread of its own until the process ends.
///
/// # Errors
///
/// If no loopback port is free.
pub fn start() -> anyhow::Result<SocketAddr> {
    let listener =
        std::net::TcpListener::bind("127.0.0.1:0").context("listening on the loopback")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    thread::spawn(move || {
        runtime.block_on(async move {
            let Ok(listener) = TcpListener::from_std(listener) else {
                return;
            };
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream));
            }
        });
    });
    Ok(address)
}

async fn serve(mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let answer = format!(
        "HTTP/1.1 200 OK\r\nServer: backend\r\nContent-Type: application/json\r\nX-Content-Type-Options: nosniff\r\n\
         Content-Length: {BODY}\r\n\r\n{}",
        "x".repeat(BODY)
    );
    let mut buffer = vec![0; 16 * 1024];
    let mut filled = 0;
    loop {
        match stream.read(&mut buffer[filled..]).await {
            Ok(count) if count > 0 => filled += count,
            _ => return,
        }
        while let Some(end) = buffer[..filled]
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
        {
            let head = buffer[..end].to_ascii_lowercase();
            if head.windows(18).any(|part| part == b"upgrade: websocket") {
                return echo(stream).await;
            }
            buffer.copy_within(end + 4..filled, 0);
            filled -= end + 4;
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

async fn echo(mut stream: TcpStream) {
    // The answer to the key that every client here sends (RFC 6455, section 1.3).
    let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    let mut buffer = vec![0; 4096];
    let mut text = head.as_bytes().to_vec();
    while stream.write_all(&text).await.is_ok() {
        match stream.read(&mut buffer).await {
            Ok(count) if count > 0 => text = buffer[..count].to_vec(),
            _ => return,
        }
    }
}
