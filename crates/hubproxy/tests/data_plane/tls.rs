//! TLS: HTTP/1.1 and HTTP/2 to clients, https targets verified or not.

use std::sync::Arc;

use arc_swap::ArcSwap;
use http_body_util::BodyExt;
use hubproxy::forward::{ClientTls, Options};
use hubproxy::routes::Table;
use hubproxy::serve::{Limits, Listener, Server, Silent};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use serde_json::{Map, Value};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::proxy::{Answer, Client, Proxy};
use crate::target::{Target, echo, read_head};

struct Identity {
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Identity {
    fn new() -> Self {
        Self::of(["localhost".to_owned(), "127.0.0.1".to_owned()])
    }

    fn of(names: impl Into<Vec<String>>) -> Self {
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        Self {
            certificate: made.cert.der().clone(),
            key: made.signing_key.serialize_der(),
        }
    }

    fn server(&self, protocols: &[&str]) -> Arc<ServerConfig> {
        let key = PrivateKeyDer::try_from(self.key.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], key)
            .unwrap();
        config.alpn_protocols = protocols
            .iter()
            .map(|protocol| protocol.as_bytes().to_vec())
            .collect();
        Arc::new(config)
    }

    fn client(&self, protocols: &[&str]) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols
            .iter()
            .map(|protocol| protocol.as_bytes().to_vec())
            .collect();
        Arc::new(config).into()
    }
}

struct Encrypted {
    proxy: Proxy,
    identity: Identity,
}

impl Encrypted {
    fn start(options: Options, limits: Limits, protocols: &[&str]) -> Self {
        let identity = Identity::new();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let listener =
            Listener::tcp(listener).with_tls(Arc::new(ArcSwap::new(identity.server(protocols))));
        let (table, server) = crate::proxy::serve(listener, options, limits, Arc::new(Silent));
        Self {
            proxy: Proxy {
                address,
                table,
                server: Some(server),
            },
            identity,
        }
    }

    async fn connect(&self) -> Client<tokio_rustls::client::TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.proxy.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        Client::new(
            self.identity
                .client(&["http/1.1"])
                .connect(name, stream)
                .await
                .unwrap(),
        )
    }

    async fn send(&self, request: &str) -> Answer {
        let mut client = self.connect().await;
        client.write(request).await;
        client.answer().await
    }

    fn http2(&self) -> reqwest::Client {
        let certificate = reqwest::Certificate::from_der(&self.identity.certificate).unwrap();
        reqwest::Client::builder()
            .add_root_certificate(certificate)
            .use_rustls_tls()
            .build()
            .unwrap()
    }

    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.proxy.address.port())
    }
}

#[tokio::test]
async fn what_came_encrypted_is_said_to_the_target() {
    let target = Target::echo().await;
    let options = Options {
        hsts: Some("max-age=1".parse().unwrap()),
        ..Options::default()
    };
    let encrypted = Encrypted::start(options, Limits::default(), &["h2", "http/1.1"]);
    encrypted.proxy.route("/", &target);
    let answer = encrypted.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert_eq!(
        answer.header("strict-transport-security"),
        Some("max-age=1")
    );
    let headers = answer.json()["headers"].to_string();
    assert!(
        headers.contains(r#"["x-forwarded-proto","https"]"#)
            && headers.contains(r#"["x-forwarded-port","443"]"#),
        "{headers}"
    );
}

#[tokio::test]
async fn http2_requests_arrive_as_http1() {
    let target = Target::echo().await;
    let encrypted = Encrypted::start(Options::default(), Limits::default(), &["h2", "http/1.1"]);
    encrypted.proxy.route("/", &target);
    let client = encrypted.http2();
    let answer = client
        .post(encrypted.url("/a?b"))
        .header("cookie", "a=1")
        .header("te", "trailers")
        .body("hello")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.version(), http::Version::HTTP_2);
    assert!(answer.headers().get("connection").is_none());
    let seen: Value = answer.json().await.unwrap();
    assert_eq!(
        (
            seen["method"].as_str(),
            seen["url"].as_str(),
            seen["length"].as_u64()
        ),
        (Some("POST"), Some("/a?b"), Some(5))
    );
    let headers = seen["headers"].to_string();
    let host = format!(r#"["host","localhost:{}"]"#, encrypted.proxy.address.port());
    for header in [
        &host,
        r#"["cookie","a=1"]"#,
        r#"["content-length","5"]"#,
        r#"["x-forwarded-proto","https"]"#,
    ] {
        assert!(headers.contains(header), "{header} is not in {headers}");
    }
    assert!(!headers.contains(r#"["te""#), "{headers}");

    // Many at once on one connection, and a large body without a length.
    let many = (0..50).map(|n| client.get(encrypted.url(&format!("/{n}"))).send());
    for (n, answer) in futures_util::future::join_all(many)
        .await
        .into_iter()
        .enumerate()
    {
        let seen: Value = answer.unwrap().json().await.unwrap();
        assert_eq!(seen["url"], format!("/{n}"));
    }
    let chunks = (0..100).map(|_| Ok::<_, std::io::Error>(vec![1; 100_000]));
    let body = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
    let seen: Value = client
        .put(encrypted.url("/"))
        .body(body)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(seen["length"], 10_000_000);
    assert_eq!(
        client
            .get(encrypted.url("/%zz"))
            .send()
            .await
            .unwrap()
            .status(),
        400
    );
}

/// A body that need not be as long as was declared.
async fn http2_with_length(
    encrypted: &Encrypted,
    declared: usize,
    body: &'static str,
) -> Option<u16> {
    let stream = TcpStream::connect(encrypted.proxy.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = encrypted
        .identity
        .client(&["h2"])
        .connect(name, stream)
        .await
        .unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let request = http::Request::post("https://localhost/a")
        .header("content-length", declared)
        .body(http_body_util::Full::new(bytes::Bytes::from_static(
            body.as_bytes(),
        )))
        .unwrap();
    let answer = sender.send_request(request).await.ok()?;
    let status = answer.status().as_u16();
    // Whole, or it does not count.
    answer.into_body().collect().await.ok()?;
    Some(status)
}

#[tokio::test]
async fn a_length_that_is_not_the_bodys_does_not_split_requests() {
    let (whole, mut ended) = tokio::sync::mpsc::unbounded_channel();
    let target = Target::each(move |mut stream, _| {
        let whole = whole.clone();
        async move {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let mut read = read_head(&mut stream).await;
            // The target answers at once, which is its right; what counts is what it was sent.
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
            let _ = stream.write_all(answer).await;
            let _ = stream.read_to_end(&mut read).await;
            let _ = whole.send(String::from_utf8(read).unwrap());
        }
    })
    .await;
    let mut encrypted = Encrypted::start(Options::default(), Limits::default(), &["h2"]);
    encrypted.proxy.route("/", &target);
    const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n";
    for declared in [0, 5, 1000] {
        let exchange = http2_with_length(&encrypted, declared, HIDDEN);
        tokio::time::timeout(crate::proxy::PATIENCE, exchange)
            .await
            .unwrap();
    }
    // Now every connection to the target is closed, and what went over it is whole.
    let server = encrypted.proxy.server.take().unwrap();
    server.drain(std::time::Duration::ZERO).await;
    for _ in 0..target.connections() {
        let sent = tokio::time::timeout(crate::proxy::PATIENCE, ended.recv()).await;
        let sent = sent.unwrap().unwrap();
        let Some((head, body)) = sent.split_once("\r\n\r\n") else {
            assert_eq!(sent, "");
            continue;
        };
        let declared = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        assert!(body.len() <= declared.unwrap().parse().unwrap(), "{sent:?}");
    }
}

#[tokio::test]
async fn an_http2_stream_whose_window_stays_shut_is_ended_alone() {
    use tokio::io::AsyncWriteExt;
    let (ended, mut is_ended) = tokio::sync::mpsc::unbounded_channel();
    let endless = Target::each(move |mut stream, _| {
        let ended = ended.clone();
        async move {
            read_head(&mut stream).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
            while stream.write_all(&[0; 64 * 1024]).await.is_ok() {}
            let _ = ended.send(());
        }
    })
    .await;
    let target = Target::echo().await;
    let limits = Limits {
        send_timeout: std::time::Duration::from_millis(200),
        ..Limits::default()
    };
    let encrypted = Encrypted::start(Options::default(), limits, &["h2"]);
    encrypted
        .proxy
        .route("/", &target)
        .route("/endless", &endless);
    let client = encrypted.http2();
    let get = |path: &str| client.get(encrypted.url(path)).send();
    // Its body is never read, and so its window never opened again.
    let _unread = get("/endless").await.unwrap();
    tokio::time::timeout(crate::proxy::PATIENCE, is_ended.recv())
        .await
        .unwrap();
    assert_eq!(get("/").await.unwrap().status(), 200);
    assert_eq!(encrypted.proxy.server.as_ref().unwrap().connections(), 1);
}

#[tokio::test]
async fn an_http2_answer_that_breaks_off_is_an_error() {
    let (target, _requests) = {
        let target = Target::each(|mut stream, _| async move {
            use tokio::io::AsyncWriteExt;
            read_head(&mut stream).await;
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
                .await
                .unwrap();
        })
        .await;
        (target, ())
    };
    let encrypted = Encrypted::start(Options::default(), Limits::default(), &["h2"]);
    encrypted.proxy.route("/", &target);
    let answer = encrypted
        .http2()
        .get(encrypted.url("/"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    answer.bytes().await.unwrap_err();
}

#[tokio::test]
async fn the_certificate_can_change_while_it_serves() {
    let target = Target::echo().await;
    let first = Identity::new();
    let second = Identity::new();
    let config = Arc::new(ArcSwap::new(first.server(&["http/1.1"])));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let listener = Listener::tcp(listener).with_tls(Arc::clone(&config));
    let (table, server): (Arc<Table>, Server) = crate::proxy::serve(
        listener,
        Options::default(),
        Limits::default(),
        Arc::new(Silent),
    );
    let mut data = Map::new();
    data.insert("target".to_owned(), Value::from(target.to_string()));
    table.insert("/", data).unwrap();
    let name = || ServerName::try_from("localhost").unwrap();
    let connect = async || TcpStream::connect(address).await.unwrap();
    first
        .client(&[])
        .connect(name(), connect().await)
        .await
        .unwrap();
    config.store(second.server(&["http/1.1"]));
    first
        .client(&[])
        .connect(name(), connect().await)
        .await
        .unwrap_err();
    second
        .client(&[])
        .connect(name(), connect().await)
        .await
        .unwrap();
    drop(server);
}

#[tokio::test]
async fn a_challenge_is_a_handshake_and_nothing_else() {
    let encrypted = Encrypted::start(Options::default(), Limits::default(), &["acme-tls/1"]);
    let stream = TcpStream::connect(encrypted.proxy.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = encrypted
        .identity
        .client(&["acme-tls/1"])
        .connect(name, stream)
        .await
        .unwrap();
    assert!(Client::new(stream).is_closed().await);
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_given_up() {
    let limits = Limits {
        header_timeout: std::time::Duration::from_millis(50),
        ..Limits::default()
    };
    let encrypted = Encrypted::start(Options::default(), limits, &["http/1.1"]);
    let mut client = encrypted.proxy.connect().await;
    assert!(client.is_closed().await);
    // The client may see the end before it is counted.
    let server = encrypted.proxy.server.as_ref().unwrap();
    tokio::time::timeout(std::time::Duration::from_secs(5), async {
        while server.connections() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the connection to be given up");
}

/// A target that shows this certificate.
async fn showing(identity: &Identity) -> Target {
    let acceptor = TlsAcceptor::from(identity.server(&[]));
    Target::each(move |stream, _| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                echo(stream).await;
            }
        }
    })
    .await
}

/// A proxy whose one route leads there.
fn to(url: &str, tls: ClientTls) -> Proxy {
    let proxy = Proxy::with(
        Options {
            client_tls: Arc::new(tls),
            ..Options::default()
        },
        Limits::default(),
    );
    proxy.route("/", url);
    proxy
}

#[tokio::test]
async fn a_target_may_have_a_certificate_for_another_name_which_it_must_then_show() {
    let identity = Identity::of(["hub.example.org".to_owned()]);
    let target = showing(&identity).await;
    let url = format!("https://{}", target.address);
    let trusting = || ClientTls::new(Some(vec![identity.certificate.clone()]), None, false);
    let named = |name: &str| {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        to(&url, trusting().named(name))
    };
    // Its address is not in the certificate.
    assert_eq!(to(&url, trusting()).get("/").await.status, 503);
    let known = named("hub.example.org");
    assert_eq!(known.get("/a").await.json()["url"], "/a");
    assert_eq!(named("other.example.org").get("/").await.status, 503);
    // The name does not make up for an authority that nobody knows.
    let name = ServerName::try_from("hub.example.org").unwrap();
    let other = Identity::of(["hub.example.org".to_owned()]);
    let unknown = ClientTls::new(Some(vec![other.certificate.clone()]), None, false).named(name);
    assert_eq!(to(&url, unknown).get("/").await.status, 503);
    // Nor is a WebSocket let through to somebody else.
    let upgrade = "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    let refused = named("other.example.org").send(upgrade).await;
    assert_eq!(refused.status, 503);
}

#[tokio::test]
async fn https_targets_are_verified_unless_that_is_turned_off() {
    let identity = Identity::new();
    let target = showing(&identity).await;
    let url = format!("https://{}", target.address);
    let with = |tls: ClientTls| to(&url, tls);
    let other = Identity::new();
    let unknown = with(ClientTls::new(
        Some(vec![other.certificate.clone()]),
        None,
        false,
    ));
    assert_eq!(unknown.get("/").await.status, 503);
    let insecure = with(ClientTls::new(None, None, true));
    assert_eq!(insecure.get("/").await.status, 200);
    let known = with(ClientTls::new(
        Some(vec![identity.certificate.clone()]),
        None,
        false,
    ));
    let before = target.connections();
    for n in 0..3 {
        assert_eq!(
            known.get(&format!("/{n}")).await.json()["url"],
            format!("/{n}")
        );
    }
    assert_eq!(target.connections(), before + 1, "connections are kept");
    let posted = known.send(format!(
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n{}",
        "x".repeat(100_000)
    ));
    assert_eq!(posted.await.json()["length"], 100_000);
}
