//! WebSockets: the upgrade, the tunnel, and what is answered where there is none.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hubproxy::forward::Options;
use hubproxy::serve::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixListener};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::proxy::{Client, Proxy, Recorder};
use crate::target::{Target, read_head};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

fn upgrade(url: &str) -> String {
    format!(
        "GET {url} HTTP/1.1\r\nHost: h:99\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nOrigin: http://h:99\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
    )
}

/// A target that echoes messages.
async fn echo<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(stream: S) {
    let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else {
        return;
    };
    while let Some(Ok(message)) = socket.next().await {
        if message.is_text() || message.is_binary() {
            socket.send(message).await.unwrap();
        }
    }
}

async fn open(proxy: &Proxy, url: &str) -> tokio_tungstenite::WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(proxy.address).await.unwrap();
    let request = format!("ws://{}{url}", proxy.address)
        .into_client_request()
        .unwrap();
    tokio_tungstenite::client_async(request, stream)
        .await
        .unwrap()
        .0
}

#[tokio::test]
async fn messages_go_both_ways() {
    let target = Target::each(|stream, _| echo(stream)).await;
    let proxy = Proxy::start();
    proxy.route("/user/ada", &target);
    let mut socket = open(&proxy, "/user/ada/api/kernels/1/channels?x").await;
    for size in [0, 1, 125, 70_000, 3_000_000] {
        let message = Message::binary(vec![7; size]);
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
    }
    socket.close(None).await.unwrap();
    while let Some(Ok(_)) = socket.next().await {}
}

#[tokio::test]
async fn the_target_may_be_a_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ws.sock");
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(async move { echo(listener.accept().await.unwrap().0).await });
    let proxy = Proxy::start();
    proxy.route(
        "/",
        format!("http+unix://{}", path.to_str().unwrap().replace('/', "%2F")),
    );
    let mut socket = open(&proxy, "/").await;
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(
        socket.next().await.unwrap().unwrap(),
        Message::text("hello")
    );
}

#[tokio::test]
async fn the_upgrade_arrives_with_the_headers_of_one() {
    let (target, mut requests) =
        Target::script("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\nSec-WebSocket-Protocol: p\r\n\r\nearly").await;
    let proxy = Proxy::start();
    proxy.route("/", &target);
    let mut client = proxy.connect().await;
    // Frames may follow the request at once.
    client.write(upgrade("/a?b=%20c") + "frames").await;
    let answer = client.head().await;
    assert_eq!(answer.status, 101);
    assert_eq!(answer.header("sec-websocket-accept"), Some("x"));
    assert_eq!(answer.header("sec-websocket-protocol"), Some("p"));
    assert_eq!(answer.header("upgrade"), Some("websocket"));
    assert_eq!(client.take(5).await, b"early");
    client.stream.shutdown().await.unwrap();
    let head = String::from_utf8(requests.recv().await.unwrap()).unwrap();
    for line in [
        "GET /a?b=%20c HTTP/1.1",
        "host: h:99",
        "origin: http://h:99",
        "connection: Upgrade",
        "upgrade: websocket",
        "x-forwarded-proto: ws",
        "x-forwarded-port: 99",
        "x-forwarded-for: 127.0.0.1",
    ] {
        assert!(
            head.lines().any(|one| one == line),
            "{line} is not in {head}"
        );
    }
    assert!(!head.contains("x-forwarded-host"), "{head}");
    assert_eq!(requests.recv().await.unwrap(), b"frames");
}

#[tokio::test]
async fn another_answer_is_passed_on_and_ends_the_connection() {
    let (target, _requests) =
        Target::script("HTTP/1.1 403 Forbidden\r\nX-Why: z\r\nContent-Length: 2\r\n\r\nno").await;
    let proxy = Proxy::start();
    proxy.route("/", &target);
    let mut client = proxy.connect().await;
    client
        .write(upgrade("/") + "GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n")
        .await;
    let answer = client.answer().await;
    assert_eq!(
        (answer.status, answer.text(), answer.header("x-why")),
        (403, "no", Some("z"))
    );
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(
        client.is_closed().await,
        "what was sent as frames is not read as a request"
    );
}

#[tokio::test]
async fn errors_are_bare() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let proxy = Proxy::start();
    proxy.route("/dead", format!("http://{closed}"));
    for (url, status) in [("/dead/x", 503), ("/nowhere", 404)] {
        let mut client = proxy.connect().await;
        client.write(upgrade(url)).await;
        let answer = client.answer().await;
        assert_eq!(
            (
                answer.status,
                answer.header("content-length"),
                answer.header("connection")
            ),
            (status, Some("0"), Some("close"))
        );
        assert!(client.is_closed().await);
    }
}

#[tokio::test]
async fn only_websockets_are_upgraded() {
    let target = Target::echo().await;
    let proxy = Proxy::start();
    proxy.route("/", &target);
    for request in [
        // The upgrade to HTTP/2 that some proxies pass on, and with it all that follows.
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    ] {
        let answer = proxy.send(request).await;
        assert_eq!(answer.status, 200, "{request}");
        let headers = answer.json()["headers"].to_string();
        assert!(
            !headers.contains(r#"["upgrade""#)
                && !headers.contains(r#"["connection""#)
                && !headers.contains("http2-settings"),
            "{request}: {headers}"
        );
    }
    for body in [
        "Content-Length: 5\r\n\r\nhello",
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        let request = upgrade("/").strip_suffix("\r\n").unwrap().to_owned() + body;
        assert_eq!(proxy.send(request).await.status, 400);
    }
}

#[tokio::test]
async fn a_websocket_may_be_silent_for_long() {
    let target = Target::each(|stream, _| echo(stream)).await;
    let options = Options {
        proxy_timeout: Some(Duration::from_millis(400)),
        ..Options::default()
    };
    let limits = Limits {
        client_timeout: Some(Duration::from_millis(400)),
        keep_alive_timeout: Duration::from_millis(400),
        header_timeout: Duration::from_millis(400),
        ..Limits::default()
    };
    let proxy = Proxy::with(options, limits);
    proxy.route("/", &target);
    // Until it is open the times count, and a busy machine may take longer than they are.
    let mut socket = loop {
        let stream = TcpStream::connect(proxy.address).await.unwrap();
        let request = format!("ws://{}/", proxy.address)
            .into_client_request()
            .unwrap();
        if let Ok((socket, _)) = tokio_tungstenite::client_async(request, stream).await {
            break socket;
        }
    };
    tokio::time::sleep(Duration::from_millis(1000)).await;
    socket.send(Message::text("still here")).await.unwrap();
    assert_eq!(
        socket.next().await.unwrap().unwrap(),
        Message::text("still here")
    );
}

#[tokio::test]
async fn activity_is_what_the_client_says() {
    let target = Target::each(|mut stream, _| async move {
        read_head(&mut stream).await;
        stream
            .write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
            .await
            .unwrap();
        stream.write_all(b"from the server").await.unwrap();
        let mut byte = [0];
        while stream.read(&mut byte).await.unwrap() > 0 {
            stream.write_all(&byte).await.unwrap();
        }
    })
    .await;
    let proxy = Proxy::start();
    proxy.route("/", &target);
    let route = proxy.table.get("/").unwrap();
    let mut client = proxy.connect().await;
    client.write(upgrade("/")).await;
    client.head().await;
    client.take(15).await;
    route.set_last_activity_ms(0);
    client.write("x").await;
    client.take(1).await;
    assert!(route.last_activity_ms() > 0);
}

#[tokio::test]
async fn what_the_server_says_is_no_activity() {
    let (go, gone) = tokio::sync::watch::channel(false);
    let target = Target::each(move |mut stream, _| {
        let mut gone = gone.clone();
        async move {
            read_head(&mut stream).await;
            stream
                .write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
                .await
                .unwrap();
            gone.wait_for(|gone| *gone).await.unwrap();
            stream.write_all(b"from the server").await.unwrap();
            std::future::pending::<()>().await;
        }
    })
    .await;
    let proxy = Proxy::start();
    proxy.route("/", &target);
    let route = proxy.table.get("/").unwrap();
    let mut client = proxy.connect().await;
    client.write(upgrade("/")).await;
    client.head().await;
    route.set_last_activity_ms(0);
    go.send(true).unwrap();
    client.take(15).await;
    assert_eq!(route.last_activity_ms(), 0);
}

#[tokio::test]
async fn an_end_is_passed_on_and_reported() {
    let target = Target::each(|mut stream, _| async move {
        read_head(&mut stream).await;
        stream
            .write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\nbye")
            .await
            .unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
    })
    .await;
    let recorder = Arc::new(Recorder::default());
    let proxy = Proxy::observed(
        Options::default(),
        Limits::default(),
        Arc::clone(&recorder) as _,
    );
    proxy.route("/", &target);
    let mut client = proxy.connect().await;
    client.write(upgrade("/w")).await;
    client.head().await;
    client.write("four").await;
    client.stream.shutdown().await.unwrap();
    while client.more().await {}
    assert_eq!(client.read, b"bye");
    let reported = recorder.next().await;
    assert_eq!(
        (reported.line.as_str(), reported.received, reported.sent),
        ("WebSocket GET /w 101 Complete", 4, 3)
    );
    while proxy.server.as_ref().unwrap().connections() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_slow_reader_holds_the_other_side_back() {
    const LENGTH: usize = 16 * 1024 * 1024;
    let target = Target::each(|mut stream, _| async move {
        read_head(&mut stream).await;
        stream
            .write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
            .await
            .unwrap();
        let mut read = 0;
        let mut buffer = vec![0; 4096];
        while read < LENGTH {
            read += stream.read(&mut buffer).await.unwrap();
        }
        stream.write_all(b"all").await.unwrap();
    })
    .await;
    let proxy = Proxy::start();
    proxy.route("/", &target);
    let mut client: Client<TcpStream> = proxy.connect().await;
    client.write(upgrade("/")).await;
    client.head().await;
    client.write(vec![1; LENGTH]).await;
    assert_eq!(client.take(3).await, b"all");
}
