//! TLS: certificates from files, chosen by name, loaded again; versions; clients' certificates; the redirect; HSTS.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use hub_api::proxy::CertificateSource;
use nix::sys::signal::Signal;
use rustls::{HandshakeKind, SupportedProtocolVersion};

use crate::program::certificates::{Authority, Pair, Secure, connect, shown_names};
use crate::program::client::{over, request};
use crate::program::{Program, Proxy, address, backend, eventually, hubproxy, write};

static TLS12: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];
static TLS13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// `[https]` with these certificates, the first for clients that name nothing.
fn config(folder: &Path, pairs: &[&Pair], https: &str, more: &str) -> std::path::PathBuf {
    let target = format!("http://{}", backend::echo());
    let files: String = pairs
        .iter()
        .map(|pair| {
            format!(
                "[[tls.files]]\ncertificate = {:?}\nkey = {:?}\n",
                pair.certificate, pair.key
            )
        })
        .collect();
    let token = write(folder, "token", "secret\n");
    let text = format!(
        "workers = 1\ndefault_target = {target:?}\n{more}\n[https]\nlisten = [\"127.0.0.1:0\"]\n{https}\n{files}\n\
         [api]\nlisten = \"127.0.0.1:0\"\ntoken_file = {token:?}\n"
    );
    write(folder, "hubproxy.toml", &text)
}

fn status(proxy: &Proxy) -> hub_api::proxy::Status {
    let answer = request(
        proxy.api,
        "GET",
        "/api/status",
        &[("Authorization", "token secret")],
        b"",
    );
    serde_json::from_slice(&answer.body).unwrap()
}

#[test]
fn the_certificate_is_chosen_by_the_name_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let first = authority.issue(folder.path(), "first", &["hub.example.org"]);
    let second = authority.issue(folder.path(), "second", &["*.users.example.org"]);
    let third = authority.issue(folder.path(), "third", &["127.0.0.1"]);
    let proxy = Proxy::file(&config(folder.path(), &[&first, &second, &third], "", ""));
    let client = authority.client();
    for (name, shown) in [
        ("hub.example.org", "DNSName(hub.example.org)"),
        ("ada.users.example.org", "DNSName(*.users.example.org)"),
        ("127.0.0.1", "IPAddress(7f:00:00:01)"),
    ] {
        let connection = client
            .connect(proxy.public, name)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(shown_names(&connection), [shown]);
        assert_eq!(
            over(connection, "GET", "/", &[("Host", name)], b"").status,
            200
        );
    }
    let certificates = status(&proxy).certificates;
    assert_eq!(certificates.len(), 3);
    assert_eq!(certificates[0].names, ["hub.example.org"]);
    assert_eq!(certificates[0].source, CertificateSource::File);
    assert_eq!(certificates[0].issuer, "hubproxy test authority");
}

#[test]
fn a_renewed_file_is_taken_up_and_a_broken_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let pair = authority.issue(folder.path(), "hub", &["hub.example.org"]);
    let mut proxy = Proxy::file(&config(folder.path(), &[&pair], "", ""));
    let serial = || status(&proxy).certificates[0].serial.clone();
    let before = serial();
    // As certbot does it: written, without a word to anybody.
    authority.issue(folder.path(), "hub", &["hub.example.org"]);
    let renewed = eventually("the new certificate", || {
        Some(serial()).filter(|now| *now != before)
    });
    assert!(
        authority
            .client()
            .connect(proxy.public, "hub.example.org")
            .is_ok()
    );

    // The key of another.
    let other = authority.issue(folder.path(), "other", &["hub.example.org"]);
    std::fs::write(&pair.key, other.key_pem).unwrap();
    proxy.program.signal(Signal::SIGHUP);
    proxy.program.wait_for("the old certificate stays: ");
    let now = status(&proxy);
    assert_eq!(now.certificates[0].serial, renewed);
    assert!(
        now.warnings[0].starts_with("certificate files: "),
        "{:?}",
        now.warnings
    );
    assert!(
        authority
            .client()
            .connect(proxy.public, "hub.example.org")
            .is_ok()
    );

    authority.issue(folder.path(), "hub", &["hub.example.org"]);
    proxy.program.signal(Signal::SIGHUP);
    eventually("all is right again", || {
        status(&proxy).warnings.is_empty().then_some(())
    });
    assert_ne!(status(&proxy).certificates[0].serial, renewed);
}

#[test]
fn old_versions_are_not_spoken() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let pair = authority.issue(folder.path(), "hub", &["hub.example.org"]);
    let mut old = authority.client();
    old.versions = TLS12;
    let proxy = Proxy::file(&config(folder.path(), &[&pair], "", ""));
    assert!(old.connect(proxy.public, "hub.example.org").is_ok());
    let proxy = Proxy::file(&config(
        folder.path(),
        &[&pair],
        "min_version = \"1.3\"",
        "",
    ));
    assert!(old.connect(proxy.public, "hub.example.org").is_err());
    assert!(
        authority
            .client()
            .connect(proxy.public, "hub.example.org")
            .is_ok()
    );
}

#[test]
fn http2_is_offered_unless_it_is_switched_off() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let pair = authority.issue(folder.path(), "hub", &["hub.example.org"]);
    let mut client = authority.client();
    client.alpn = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let agreed = |https: &str| {
        let proxy = Proxy::file(&config(folder.path(), &[&pair], https, ""));
        let connection: Secure = client.connect(proxy.public, "hub.example.org").unwrap();
        connection.conn.alpn_protocol().map(<[u8]>::to_vec)
    };
    assert_eq!(agreed("").unwrap(), b"h2");
    assert_eq!(agreed("http2 = false").unwrap(), b"http/1.1");
}

#[test]
fn sessions_are_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let pair = authority.issue(folder.path(), "hub", &["hub.example.org"]);
    let proxy = Proxy::file(&config(folder.path(), &[&pair], "", ""));
    for versions in [TLS13, TLS12] {
        let mut client = authority.client();
        client.versions = versions;
        let config = client.config();
        let kind = || {
            let mut connection =
                connect(Arc::clone(&config), proxy.public, "hub.example.org").unwrap();
            // The tickets of TLS 1.3 come with the first bytes.
            connection
                .write_all(b"GET / HTTP/1.1\r\nHost: hub.example.org\r\nConnection: close\r\n\r\n")
                .unwrap();
            let _ = connection.read_to_end(&mut Vec::new());
            connection.conn.handshake_kind().unwrap()
        };
        assert_eq!(kind(), HandshakeKind::Full);
        assert_eq!(kind(), HandshakeKind::Resumed);
    }
}

#[test]
fn clients_show_a_certificate_where_it_is_required() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let ca = authority.write(folder.path());
    let pair = authority.issue(folder.path(), "hub", &["hub.example.org"]);
    let user = authority.issue(folder.path(), "ada", &["ada"]);
    let https = format!("client_certificates = \"require\"\nclient_ca = {ca:?}");
    let proxy = Proxy::file(&config(folder.path(), &[&pair], &https, ""));
    let ask = |identity: Option<(String, String)>| {
        let mut client = authority.client();
        client.identity = identity;
        client.versions = TLS12;
        client
            .connect(proxy.public, "hub.example.org")
            .map(|stream| over(stream, "GET", "/", &[], b"").status)
    };
    assert_eq!(
        ask(Some((user.certificate_pem, user.key_pem))).unwrap(),
        200
    );
    assert!(ask(None).is_err());
    let stranger = Authority::new().issue(folder.path(), "eve", &["eve"]);
    assert!(ask(Some((stranger.certificate_pem, stranger.key_pem))).is_err());
}

#[test]
fn http_is_redirected_and_https_stays() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let pair = authority.issue(folder.path(), "hub", &["hub.example.org"]);
    let https = "[https.hsts]\nmax_age_seconds = 63072000\ninclude_subdomains = true";
    let http = "[http]\nlisten = [\"127.0.0.1:0\"]\nredirect_port = 443";
    let mut proxy = Proxy::file(&config(folder.path(), &[&pair], https, http));
    let line = proxy
        .program
        .wait_for("Added HTTP to HTTPS redirection from ");
    let port: u16 = line
        .split("from ")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let plain = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let answer = request(
        plain,
        "GET",
        "/user/ada/lab?x=%20",
        &[("Host", "hub.example.org:80")],
        b"",
    );
    assert_eq!(answer.status, 301);
    assert_eq!(
        answer.header("location"),
        Some("https://hub.example.org/user/ada/lab?x=%20")
    );
    assert_eq!(answer.header("strict-transport-security"), None);
    let stream = authority
        .client()
        .connect(proxy.public, "hub.example.org")
        .unwrap();
    let answer = over(stream, "GET", "/", &[], b"");
    assert_eq!(
        answer.header("strict-transport-security"),
        Some("max-age=63072000; includeSubDomains")
    );
    assert!(
        answer
            .text()
            .to_lowercase()
            .contains("x-forwarded-proto: https"),
        "{}",
        answer.text()
    );
}

#[test]
fn the_others_options_with_an_encrypted_key() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let pair = authority.issue(folder.path(), "hub", &["hub.example.org"]);
    let encrypted = folder.path().join("encrypted.key");
    let status = std::process::Command::new("openssl")
        .args(["pkcs8", "-topk8", "-passout", "pass:open-sesame", "-in"])
        .arg(&pair.key)
        .arg("-out")
        .arg(&encrypted)
        .status()
        .unwrap();
    assert!(status.success());
    let start = |passphrase: Option<&str>| {
        let mut command = hubproxy();
        command.args([
            "--ip",
            "127.0.0.1",
            "--port",
            "0",
            "--api-ip",
            "127.0.0.1",
            "--redirect-port",
            "0",
        ]);
        command
            .args([
                "--redirect-to",
                "8443",
                "--ssl-ciphers",
                "HIGH",
                "--ssl-key",
            ])
            .arg(&encrypted);
        command.arg("--ssl-cert").arg(&pair.certificate);
        if let Some(passphrase) = passphrase {
            command.env("CONFIGPROXY_SSL_KEY_PASSPHRASE", passphrase);
        }
        Program::spawn(&command)
    };
    for (passphrase, reason) in [
        (None, "give its passphrase"),
        (Some("wrong"), "is the passphrase right?"),
    ] {
        let mut program = start(passphrase);
        assert_eq!(program.wait().code(), Some(1));
        assert!(
            program.said.iter().any(|line| line.contains(reason)),
            "{:?}",
            program.said
        );
    }
    let mut program = start(Some("open-sesame"));
    program.wait_for("warn: --ssl-ciphers is ignored");
    let line = program.wait_for("Added HTTP to HTTPS redirection from ");
    assert!(line.ends_with(" to 8443"), "{line}");
    let public = address(&program.wait_for("Proxying https://"));
    assert!(
        authority
            .client()
            .connect(public, "hub.example.org")
            .is_ok()
    );
}
