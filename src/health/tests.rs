//! What each broken link is called, against a server that answers what it is told to over real TLS.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use time::OffsetDateTime;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::event::Silent;
use crate::secret::Secret;
use crate::state::State;
use crate::tls::{self, Names};

/// Answers by method and path: status, further header lines, body.
type Answers = BTreeMap<&'static str, (u16, &'static str, &'static str)>;

struct Server {
    port: u16,
    authority: String,
    task: tokio::task::JoinHandle<()>,
    _base: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    async fn start(domain: &str, made: OffsetDateTime, answers: Answers) -> Self {
        let base = tempfile::tempdir().unwrap();
        let state = State::open(base.path(), "class").unwrap();
        let leaf = tls::ensure(&state, &Names::new(Some(domain), []), made).unwrap();
        let chain = vec![CertificateDer::from_pem_slice(leaf.certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(leaf.key.reveal().as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let answers = Arc::new(answers);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, answers) = (acceptor.clone(), Arc::clone(&answers));
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        let _ = serve(stream, &answers).await;
                    }
                });
            }
        });
        Self {
            port,
            authority: leaf.authority.unwrap(),
            task,
            _base: base,
        }
    }

    fn endpoint(&self, name: &str, authority: &str) -> Endpoint {
        Endpoint::new(
            &format!("https://{name}:{}/", self.port),
            Some("127.0.0.1".parse().unwrap()),
            &Trust::Authority(authority.to_owned()),
        )
        .unwrap()
    }

    fn own(&self) -> Endpoint {
        self.endpoint("hub.example.org", &self.authority)
    }
}

async fn serve(
    mut stream: impl AsyncReadExt + AsyncWriteExt + Unpin,
    answers: &Answers,
) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).await?;
        request.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&request);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            if count == 0 {
                return Ok(());
            }
            continue;
        };
        let length = head
            .to_lowercase()
            .split("content-length: ")
            .nth(1)
            .and_then(|rest| rest.split("\r\n").next())
            .map_or(0, |text| text.parse().unwrap());
        if body.len() >= length {
            break;
        }
    }
    let text = String::from_utf8_lossy(&request).into_owned();
    let target = text.split(" HTTP").next().unwrap_or_default();
    let path = target.split('?').next().unwrap_or_default();
    let (status, headers, body) = answers
        .get(path)
        .copied()
        .unwrap_or((404, "", "nothing here"));
    let answer = format!(
        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

const HUB: (u16, &str, &str) = (
    200,
    "X-JupyterHub-Version: 6.1.1\r\n",
    r#"{"version": "6.1.1"}"#,
);
const FORM: (u16, &str, &str) = (
    200,
    "Set-Cookie: _xsrf=abc; Path=/hub/\r\n",
    r#"<form><input name="username"><input name="password"></form>"#,
);
const LET_IN: (u16, &str, &str) = (302, "Location: /hub/home\r\n", "");

async fn hub(answers: &[(&'static str, (u16, &'static str, &'static str))]) -> Server {
    let mut all = Answers::from([("GET /hub/api", HUB)]);
    all.extend(answers.iter().copied());
    Server::start("hub.example.org", OffsetDateTime::now_utc(), all).await
}

fn broken(report: Report) -> (Part, String) {
    let broken = report.broken.expect("broken");
    assert!(!broken.hint.is_empty());
    (broken.part, broken.cause)
}

#[tokio::test]
async fn a_light_check_of_a_healthy_hub_knows_its_version_and_the_certificates_end() {
    let server = hub(&[]).await;
    let report = light(&server.own(), &Silent).await;
    assert_eq!(report.broken, None);
    assert_eq!(report.hub_version.as_deref(), Some("6.1.1"));
    let left = report.expires.unwrap() - OffsetDateTime::now_utc();
    assert_eq!(left.whole_days(), 364);
    let parts: Vec<Part> = report.links.iter().map(|link| link.part).collect();
    assert_eq!(
        parts,
        [Part::Connection, Part::Certificate, Part::Proxy, Part::Hub]
    );
    assert!(report.healthy().is_ok());
}

#[tokio::test]
async fn a_light_check_names_the_link_that_is_broken() {
    let server = hub(&[]).await;
    let stranger = hub(&[]).await;
    let report = light(
        &server.endpoint("hub.example.org", &stranger.authority),
        &Silent,
    )
    .await;
    assert_eq!(
        broken(report),
        (
            Part::Certificate,
            "the certificate is signed by an authority that is not trusted here".into()
        )
    );
    let (part, cause) = broken(
        light(
            &server.endpoint("other.example.org", &server.authority),
            &Silent,
        )
        .await,
    );
    assert_eq!(part, Part::Certificate);
    assert!(
        cause.starts_with("the certificate is for another name"),
        "{cause}"
    );

    let long_ago = OffsetDateTime::now_utc() - time::Duration::days(366);
    let expired = Server::start("hub.example.org", long_ago, Answers::new()).await;
    assert_eq!(
        broken(light(&expired.own(), &Silent).await),
        (Part::Certificate, "the certificate has ended".into())
    );
    let tomorrow = OffsetDateTime::now_utc() + time::Duration::days(2);
    let early = Server::start("hub.example.org", tomorrow, Answers::new()).await;
    assert_eq!(
        broken(light(&early.own(), &Silent).await),
        (Part::Certificate, "the certificate is not valid yet".into())
    );

    for (answer, part, cause) in [
        (
            (503, "", "<h1>Service Unavailable"),
            Part::Hub,
            "the proxy cannot reach the hub (HTTP 503 Service Unavailable)",
        ),
        (
            (404, "", ""),
            Part::Hub,
            "the proxy knows no way to the hub",
        ),
        (
            (500, "X-JupyterHub-Version: 6.1.1\r\n", ""),
            Part::Hub,
            "HTTP 500 Internal Server Error instead of its version",
        ),
        (
            (200, "", "Welcome to nginx"),
            Part::Hub,
            "HTTP 200 OK instead of its version",
        ),
    ] {
        let server = hub(&[("GET /hub/api", answer)]).await;
        assert_eq!(
            broken(light(&server.own(), &Silent).await),
            (part, cause.into())
        );
    }
}

#[tokio::test]
async fn nothing_there_and_no_tls_are_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = hub(&[]).await;
    let endpoint = Endpoint::new(
        &format!("https://127.0.0.1:{port}/"),
        None,
        &Trust::Authority(server.authority.clone()),
    )
    .unwrap();
    let plain = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    assert_eq!(
        broken(light(&endpoint, &Silent).await),
        (Part::Certificate, "what answers does not speak TLS".into())
    );
    plain.abort();
    let _ = plain.await;
    assert_eq!(
        broken(light(&endpoint, &Silent).await),
        (
            Part::Connection,
            format!("127.0.0.1:{port} refuses connections")
        )
    );
}

#[tokio::test]
async fn without_tls_only_this_machine_is_asked() {
    for url in [
        "http://hub.example.org/",
        "http://192.0.2.7/",
        "http://localhost/",
        "ftp://127.0.0.1/",
    ] {
        assert!(Endpoint::new(url, None, &Trust::Anyone).is_err(), "{url}");
    }
    let elsewhere = Some("192.0.2.7".parse().unwrap());
    assert!(Endpoint::new("http://127.0.0.1/", elsewhere, &Trust::Anyone).is_err());

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}/");
    let endpoint = Endpoint::new(&url, None, &Trust::Anyone).unwrap();
    let answers = Arc::new(Answers::from([("GET /hub/api", HUB)]));
    let plain = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            serve(stream, &answers).await.unwrap();
        }
    });
    let report = light(&endpoint, &Silent).await;
    plain.abort();
    assert_eq!(report.broken, None);
    assert_eq!(report.expires, None);
    let parts: Vec<Part> = report.links.iter().map(|link| link.part).collect();
    assert_eq!(parts, [Part::Proxy, Part::Hub]);
}

#[tokio::test]
async fn people_log_in_elsewhere_where_the_page_leads_away_or_asks_for_nothing() {
    const AWAY: (u16, &str, &str) = (302, "Location: https://idp.example.org/auth\r\n", "");
    const FIRST: (u16, &str, &str) = (302, "Location: /hub/oauth_login?next=\r\n", "");
    const BUTTON: (u16, &str, &str) = (200, "", "<a href=/hub/oauth_login>Sign in</a>");
    const BROKEN: (u16, &str, &str) = (500, "", "<h1>500 : Internal Server Error</h1>");
    const ITSELF: (u16, &str, &str) = (302, "Location: /hub/login?next=%2Fhub%2F\r\n", "");
    for (page, elsewhere) in [
        (AWAY, true),
        (FIRST, true),
        (BUTTON, true),
        (FORM, false),
        (BROKEN, false),
        (ITSELF, false),
    ] {
        let server = hub(&[("GET /hub/login", page)]).await;
        assert_eq!(
            Browser::logs_in_elsewhere(&server.own()).await,
            elsewhere,
            "{page:?}"
        );
    }
}

#[tokio::test]
async fn a_full_check_says_how_far_a_user_gets() {
    const STREAM: &str = "Content-Type: text/event-stream\r\n";
    const FAILED: (u16, &str, &str) = (
        200,
        STREAM,
        "data: {\"progress\": 0, \"message\": \"Server requested\"}\n\n\
         data: {\"progress\": 100, \"failed\": true, \"message\": \"Spawn failed: no such file\"}\n\n",
    );
    const READY: (u16, &str, &str) = (
        200,
        STREAM,
        "data: {\"progress\": 100, \"ready\": true, \"message\": \"\"}\n\n",
    );
    const ASKED: &str = "POST /hub/api/users/ada/server";
    const TOLD: &str = "GET /hub/api/users/ada/server/progress";
    let login = [("GET /hub/login", FORM), ("POST /hub/login", LET_IN)];
    let with =
        |more: &[(&'static str, (u16, &'static str, &'static str))]| [&login[..], more].concat();
    let table: Vec<(Vec<_>, Part, &str)> = vec![
        (
            vec![(
                "GET /hub/login",
                (200, "", "<a href=oauth>Sign in with GitHub</a>"),
            )],
            Part::Login,
            "https://hub.example.org/hub/login asks for no password",
        ),
        (
            vec![
                ("GET /hub/login", FORM),
                (
                    "POST /hub/login",
                    (
                        403,
                        "",
                        "<p class=\"login_error\">\n Invalid username or password\n </p>",
                    ),
                ),
            ],
            Part::Login,
            "Invalid username or password",
        ),
        (
            vec![(
                "GET /hub/login",
                (302, "Location: https://elsewhere.example.com/\r\n", ""),
            )],
            Part::Login,
            "/hub/login leads away from the hub, to https://elsewhere.example.com",
        ),
        (
            vec![("GET /hub/login", (302, "Location: /hub/login\r\n", ""))],
            Part::Login,
            "/hub/login leads in circles",
        ),
        (
            with(&[(
                ASKED,
                (500, "", r#"{"status": 500, "message": "out of memory"}"#),
            )]),
            Part::Spawn,
            "out of memory (HTTP 500 Internal Server Error)",
        ),
        (
            with(&[(ASKED, (202, "", "")), (TOLD, FAILED)]),
            Part::Spawn,
            "Spawn failed: no such file",
        ),
        (
            with(&[(ASKED, (202, "", "")), (TOLD, (200, STREAM, ""))]),
            Part::Spawn,
            "the hub stopped telling of the start before its end",
        ),
        (
            with(&[
                (ASKED, (202, "", "")),
                (TOLD, READY),
                ("GET /user/ada/lab", (503, "", "")),
            ]),
            Part::Notebook,
            "the page of the user's server (/user/ada/lab) is HTTP 503 Service Unavailable",
        ),
        (
            with(&[
                (ASKED, (201, "", "")),
                ("GET /user/ada/lab", (200, "", "lab")),
                (
                    "POST /user/ada/api/kernels",
                    (500, "", r#"{"message": "", "reason": "No such kernel"}"#),
                ),
            ]),
            Part::Kernel,
            "No such kernel (HTTP 500 Internal Server Error)",
        ),
        (
            with(&[
                (ASKED, (201, "", "")),
                ("GET /user/ada/lab", (200, "", "lab")),
                ("POST /user/ada/api/kernels", (201, "", r#"{"id": "k"}"#)),
                ("GET /user/ada/api/kernels/k/channels", (400, "", "")),
            ]),
            Part::Kernel,
            "the WebSocket is refused (HTTP 400 Bad Request)",
        ),
    ];
    for (answers, part, cause) in table {
        let server = hub(&answers).await;
        let report = full(
            &server.own(),
            "ada",
            &Secret::new("x"),
            Duration::from_secs(5),
            &Silent,
        )
        .await;
        let (found, said) = broken(report);
        let said = said.replace(&format!(":{}", server.port), "");
        assert_eq!((found, said.as_str()), (part, cause));
    }
}

#[test]
fn an_endpoint_is_an_https_url() {
    let trust = Trust::Authority(String::new());
    for url in ["http://hub.example.org/", "hub.example.org", "https://"] {
        let error = Endpoint::new(url, None, &trust).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "{url} is not the URL of a hub: it must be https://NAME/, or http:// on this machine itself"
            )
        );
    }
    assert!(matches!(
        Endpoint::new("https://hub.example.org", None, &trust),
        Err(EndpointError::Authority)
    ));
}
