//! A target that echoes what it was asked, in a thread of this process.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

/// Starts it; it lives as long as the test. Each answer's body is the request's head; `X-Sleep` makes it wait so many
/// milliseconds after its own head.
pub fn echo() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            // Head and body go out apart, and the second must not wait for the first's receipt.
            stream.set_nodelay(true).unwrap();
            std::thread::spawn(move || while answer(&stream).is_some() {});
        }
    });
    address
}

fn answer(stream: &TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    loop {
        let before = head.len();
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
        if &head[before..] == "\r\n" {
            break;
        }
    }
    let value = |name: &str| {
        head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name)
                .then(|| value.trim().to_owned())
        })
    };
    let length: usize = value("content-length")
        .and_then(|length| length.parse().ok())
        .unwrap_or_default();
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let mut stream = stream;
    if value("upgrade").is_some() {
        // A WebSocket as far as a proxy is concerned: bytes go both ways.
        stream
            .write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
            .ok()?;
        let mut byte = [0; 512];
        loop {
            let count = reader.read(&mut byte).ok().filter(|count| *count > 0)?;
            stream.write_all(&byte[..count]).ok()?;
        }
    }
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
        head.len()
    )
    .ok()?;
    stream.flush().ok()?;
    if let Some(sleep) = value("x-sleep").and_then(|sleep| sleep.parse().ok()) {
        std::thread::sleep(std::time::Duration::from_millis(sleep));
    }
    stream.write_all(head.as_bytes()).ok()
}
