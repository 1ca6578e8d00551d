//! TLS on each side: to clients, of the API, to targets; and the way from HTTP to it.

use crate::address::free;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::version::{TLS12, TLS13};

use crate::authority::{Authority, Pair};
use crate::program::{Program, Proxy, TOKEN};
use crate::routing::add;
use crate::table::{PATIENCE, Place, judge, same};
use crate::upstream::Upstream;
use crate::wire::{Connection, Outcome};

/// An authority, a certificate for the proxy, one for a client, and one that nobody here trusts; as files, too.
struct Files {
    authority: Authority,
    client: Pair,
    stranger: Pair,
    folder: Option<tempfile::TempDir>,
}

impl Files {
    fn new() -> Self {
        let (authority, stranger) = (Authority::new(), Authority::new());
        let folder = tempfile::tempdir().expect("a folder");
        let server = authority.pair("127.0.0.1");
        let client = authority.pair("127.0.0.1");
        server.write(folder.path(), "server");
        client.write(folder.path(), "client");
        std::fs::write(folder.path().join("ca.pem"), &authority.certificate).expect("a file");
        // More than one authority in a file.
        let both = format!("{}{}", Authority::new().certificate, authority.certificate);
        std::fs::write(folder.path().join("cas.pem"), both).expect("a file");
        let stranger = stranger.pair("127.0.0.1");
        Self {
            authority,
            client,
            stranger,
            folder: Some(folder),
        }
    }

    fn client(&self, own: Option<&Pair>) -> Arc<ClientConfig> {
        self.authority.client(own, &[&TLS13, &TLS12])
    }

    async fn proxy(&mut self, program: Program, arguments: &[&str]) -> Proxy {
        let folder = self.folder.take().expect("its folder");
        Proxy::start_in(program, arguments, folder).await
    }
}

/// What came back, or nothing if the handshake failed or the connection ended.
async fn ask(address: SocketAddr, config: Arc<ClientConfig>, text: &str) -> Option<Outcome> {
    let mut connection = Connection::tls(address, config).await.ok()?;
    match connection.ask(text, "h", PATIENCE).await {
        Outcome::Closed => None,
        outcome => Some(outcome),
    }
}

#[track_caller]
fn all(program: Program, lines: &[&str], outcome: Option<Outcome>) {
    let outcome = outcome.expect("an answer");
    for line in lines {
        if let Err(found) = judge(line, &outcome) {
            panic!("{program:?}: wanted {line:?}: {found}");
        }
    }
}

const SERVER: [&str; 4] = [
    "--ssl-key",
    "{folder}/server.key",
    "--ssl-cert={folder}/server.pem",
    "--default-target",
];

pub async fn to_clients(program: Program) {
    let upstream = Upstream::start("up").await;
    let target = format!("http://{}", upstream.address);
    let mut files = Files::new();
    let proxy = files
        .proxy(program, &[&SERVER[..], &[&target]].concat())
        .await;
    for version in [&TLS12, &TLS13] {
        let config = files.authority.client(None, &[version]);
        let lines = [
            "200",
            "from up",
            "up host: name.example",
            "up x-forwarded-proto: https",
            "up x-forwarded-port: 443",
        ];
        all(
            program,
            &lines,
            ask(proxy.public, config, "GET /\nHost: name.example").await,
        );
    }
    let text = "GET /\nHost: name.example:8443";
    all(
        program,
        &["up x-forwarded-port: 8443"],
        ask(proxy.public, files.client(None), text).await,
    );
    let mut client = Connection::tls(proxy.public, files.client(None))
        .await
        .expect("a handshake");
    let text = "GET /\nConnection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    let reply = client.ask(text, "name.example", PATIENCE).await.reply();
    assert_eq!(reply.status, 101);
    let line = String::from_utf8_lossy(&client.bytes(10_000, PATIENCE / 8).await).into_owned();
    assert!(
        line.contains(r#"["x-forwarded-proto","wss"]"#)
            && line.contains(r#"["x-forwarded-port","443"]"#),
        "{line}"
    );
    // Somebody who speaks no TLS gets no page.
    let mut plain = Connection::tcp(proxy.public).await;
    let outcome = plain.ask("GET /", "h", PATIENCE).await;
    assert!(
        !matches!(&outcome, Outcome::Reply(reply) if reply.status < 400),
        "{outcome:?}"
    );
    // The API stays as it is.
    Place::api(&proxy)
        .side_by_side(&[same("GET /api/routes\n{auth}", &["200"])])
        .await;
}

/// Client certificates: asked for, and insisted on.
pub async fn of_clients(program: Program) {
    let upstream = Upstream::start("up").await;
    let target = format!("http://{}", upstream.address);
    let mut files = Files::new();
    let options = [
        "--ssl-ca",
        "{folder}/ca.pem",
        "--ssl-request-cert",
        "--ssl-reject-unauthorized",
    ];
    let proxy = files
        .proxy(program, &[&SERVER[..], &[&target], &options].concat())
        .await;
    for (own, wanted) in [
        (Some(&files.client), true),
        (Some(&files.stranger), false),
        (None, false),
    ] {
        let answered = ask(proxy.public, files.client(own), "GET /")
            .await
            .is_some();
        assert_eq!(answered, wanted, "{program:?}");
    }
}

pub async fn of_the_api(program: Program) {
    let mut files = Files::new();
    let options = [
        "--api-ssl-key",
        "{folder}/server.key",
        "--api-ssl-cert",
        "{folder}/server.pem",
        "--api-ssl-ca",
        "{folder}/cas.pem",
        "--api-ssl-request-cert",
        "--api-ssl-reject-unauthorized",
    ];
    let proxy = files.proxy(program, &options).await;
    let text = format!("GET /api/routes\nAuthorization: token {TOKEN}");
    for (own, wanted) in [
        (Some(&files.client), true),
        (Some(&files.stranger), false),
        (None, false),
    ] {
        let answered = ask(proxy.api, files.client(own), &text).await.is_some();
        assert_eq!(answered, wanted, "{program:?}");
    }
    let config = files.client(Some(&files.client));
    all(
        program,
        &["403"],
        ask(proxy.api, config, "GET /api/routes").await,
    );
    // The public side is not behind it.
    Place::public(&proxy)
        .side_by_side(&[same("GET /", &["404"])])
        .await;
}

/// `https` targets, with the options that JupyterHub's `internal_ssl` gives.
pub async fn to_targets(program: Program) {
    let mut files = Files::new();
    let ip = free().ip().to_string();
    let pair = files.authority.pair(&ip);
    let server = |files: &Files, clients| files.authority.server(&pair, clients);
    let open = Upstream::tls("open", server(&files, false)).await;
    let strict = Upstream::tls("strict", server(&files, true)).await;
    // The real one looks for the name that the client sent as Host in the target's certificate, hubproxy for the target's.
    let place = async |proxy: &Proxy, [open_is, other_is, strict_is]: [&str; 3]| {
        let other = if program == Program::Chp {
            other_is
        } else {
            open_is
        };
        for (path, host, wanted) in [
            ("/open", "localhost", open_is),
            ("/open", "name.example", other),
            ("/strict", "localhost", strict_is),
        ] {
            let mut client = Connection::tcp(proxy.public).await;
            let reply = client
                .ask(&format!("GET {path}"), host, PATIENCE)
                .await
                .reply();
            let status = reply.status.to_string();
            assert_eq!(
                status,
                wanted,
                "{program:?} {path} as {host}: {}\n{}",
                reply.text(),
                proxy.log()
            );
        }
    };
    let add_all = async |proxy: &Proxy| {
        add(proxy, "/open", &format!("https://{}", open.address)).await;
        add(proxy, "/strict", &format!("https://{}", strict.address)).await;
    };
    // Nobody this machine trusts.
    let proxy = Proxy::start(program, &[]).await;
    add_all(&proxy).await;
    place(&proxy, ["503", "503", "503"]).await;
    let folder = files.folder.take().expect("its folder");
    let path = folder.path().display().to_string();
    let options = [
        format!("--client-ssl-key={path}/client.key"),
        format!("--client-ssl-cert={path}/client.pem"),
        format!("--client-ssl-ca={path}/cas.pem"),
    ];
    let options: Vec<&str> = options
        .iter()
        .map(String::as_str)
        .chain([
            "--client-ssl-request-cert",
            "--client-ssl-reject-unauthorized",
        ])
        .collect();
    let proxy = Proxy::start(program, &options).await;
    add_all(&proxy).await;
    place(&proxy, ["200", "503", "200"]).await;
    let proxy = Proxy::start(program, &["--insecure"]).await;
    add_all(&proxy).await;
    // The real one sets for each https target what this option is to unset.
    let open_is = if program == Program::Chp {
        "503"
    } else {
        "200"
    };
    place(&proxy, [open_is, open_is, "503"]).await;
}

pub async fn redirect(program: Program) {
    for (to, port) in [
        (None, "{port}"),
        (Some("8443"), "8443"),
        (Some("443"), "443"),
    ] {
        let mut files = Files::new();
        let redirect = free();
        let redirect_port = redirect.port().to_string();
        let mut options = vec![
            "--ssl-key",
            "{folder}/server.key",
            "--ssl-cert",
            "{folder}/server.pem",
            "--redirect-port",
            &redirect_port,
        ];
        options.extend(to.iter().flat_map(|to| ["--redirect-to", to]));
        let mut proxy = files.proxy(program, &options).await;
        proxy.wait_for(redirect).await;
        let port = port.replace("{port}", &proxy.public.port().to_string());
        proxy
            .says(&format!(
                "Added HTTP to HTTPS redirection from {redirect_port} to {port}"
            ))
            .await;
        // CHP compares this number with a text, and so names it even where it goes without saying.
        let port = if port == "443" && program == Program::Hubproxy {
            String::new()
        } else {
            format!(":{port}")
        };
        Place::at(&proxy, redirect)
            .with("{port}", port)
            .side_by_side(&[
                same(
                    "GET /x?y=1\nHost: name.example",
                    &["301", "header location: https://name.example{port}/x?y=1"],
                ),
                same(
                    "GET /x\nHost: name.example:80",
                    &["301", "header location: https://name.example{port}/x"],
                ),
                same(
                    "POST /x\nHost: name.example\n\nbody",
                    &["301", "header location: https://name.example{port}/x"],
                ),
                same("raw GET /x HTTP/1.0\n\n", &["400", "body has HTTPS"]),
            ])
            .await;
    }
}
