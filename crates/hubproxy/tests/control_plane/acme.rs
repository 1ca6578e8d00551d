//! ACME against Pebble (a Debian package), for a name and for an IP address, by both challenges.

use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::certificates::Authority;
use crate::program::client::request;
use crate::program::{Program, Proxy, backend, eventually, free_port, write};
use hub_api::proxy::{AcmePhase, AcmeStatus, CertificateSource};
use nix::sys::signal::Signal;

/// A directory with its resolver, both on ports of their own.
struct Pebble {
    pebble: Program,
    _resolver: Program,
    command: Command,
    directory: String,
    authority: PathBuf,
    /// Where it looks for HTTP-01 and for TLS-ALPN-01.
    http: u16,
    tls: u16,
}

fn listens(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

impl Pebble {
    fn start(folder: &Path) -> Self {
        Self::with_lifetime(folder, 30 * 24 * 3600)
    }

    /// Its certificates are valid for so many seconds.
    fn with_lifetime(folder: &Path, seconds: u32) -> Self {
        let authority = Authority::new();
        let own = authority.issue(folder, "pebble", &["localhost", "127.0.0.1"]);
        let [port, management, http, tls, dns, dns_management] = [(); 6].map(|()| free_port());
        let config = serde_json::json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{port}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": own.certificate,
            "privateKey": own.key,
            "httpPort": http,
            "tlsPort": tls,
            "ocspResponderURL": "",
            "certificateValidityPeriod": seconds,
            "externalAccountBindingRequired": false,
        }});
        let config = write(folder, "pebble.json", &config.to_string());
        let mut resolver = Command::new("pebble-challtestsrv");
        resolver.args([
            "-http01",
            "",
            "-https01",
            "",
            "-tlsalpn01",
            "",
            "-defaultIPv6",
            "",
        ]);
        resolver.args(["-dns01", &format!("127.0.0.1:{dns}")]);
        resolver.args(["-management", &format!("127.0.0.1:{dns_management}")]);
        let resolver = Program::spawn(&resolver);
        let mut pebble = Command::new("pebble");
        pebble
            .args(["-strict", "-config"])
            .arg(config)
            .args(["-dnsserver", &format!("127.0.0.1:{dns}")]);
        pebble.env("PEBBLE_VA_NOSLEEP", "1");
        let command = pebble;
        let pebble = Program::spawn(&command);
        eventually("pebble listens", || listens(port).then_some(()));
        eventually("its resolver listens", || listens(dns).then_some(()));
        Self {
            pebble,
            _resolver: resolver,
            command,
            directory: format!("https://localhost:{port}/dir"),
            authority: authority.write(folder),
            http,
            tls,
        }
    }

    /// Settings for a proxy that is looked at by this directory.
    fn settings(&self, folder: &Path, names: &[&str], challenge: &str) -> PathBuf {
        let token = write(folder, "token", "secret\n");
        let text = format!(
            "workers = 1\n[http]\nlisten = [\"127.0.0.1:{}\"]\n[https]\nlisten = [\"127.0.0.1:{}\"]\n\
             [tls.acme]\nnames = {names:?}\ncontact = [\"admin@example.org\"]\nstorage = {:?}\ndirectory = {:?}\n\
             challenge = {challenge:?}\ndirectory_ca = {:?}\n[api]\nlisten = \"127.0.0.1:0\"\ntoken_file = {token:?}\n",
            self.http,
            self.tls,
            folder.join("acme"),
            self.directory,
            self.authority,
        );
        write(folder, "hubproxy.toml", &text)
    }
}

fn start(config: &Path) -> Proxy {
    Proxy::file(config)
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

fn acme(proxy: &Proxy) -> AcmeStatus {
    status(proxy).acme.unwrap()
}

/// The certificate that is served for a name is one of the directory's.
fn is_issued(proxy: &Proxy, tls: SocketAddr, name: &str) {
    let acme = eventually("a certificate and a date to renew it", || {
        Some(acme(proxy)).filter(|acme| acme.phase == AcmePhase::Issued && acme.next_try.is_some())
    });
    assert_eq!((acme.failures, acme.last_error), (0, None));
    assert!(acme.next_try.unwrap() > time::OffsetDateTime::now_utc() + time::Duration::days(1));
    let certificate = &status(proxy).certificates[0];
    assert_eq!(certificate.source, CertificateSource::Acme);
    assert!(certificate.issuer.contains("Pebble"), "{certificate:?}");
    assert!(
        certificate.names.contains(&name.to_owned()),
        "{certificate:?}"
    );
    let shown = shown(tls, name);
    assert!(shown.contains("Pebble"), "{shown}");
}

/// The issuer of what a client is shown, whom it need not trust.
fn shown(tls: SocketAddr, name: &str) -> String {
    let output = Command::new("openssl")
        .args(["s_client", "-connect", &tls.to_string(), "-showcerts"])
        .args(if name.parse::<std::net::IpAddr>().is_ok() {
            vec!["-noservername"]
        } else {
            vec!["-servername", name]
        })
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines()
        .find(|line| line.trim_start().starts_with("i:"))
        .unwrap_or("nothing")
        .to_owned()
}

fn issues(names: &[&str], challenge: &str) {
    let folder = tempfile::tempdir().unwrap();
    let pebble = Pebble::start(folder.path());
    let mut proxy = start(&pebble.settings(folder.path(), names, challenge));
    let tls = SocketAddr::from(([127, 0, 0, 1], pebble.tls));
    is_issued(&proxy, tls, names[0]);
    for name in names {
        assert!(
            status(&proxy).certificates[0]
                .names
                .contains(&(*name).to_owned())
        );
    }

    // What is kept is closed to others, and a restart orders nothing.
    let storage = folder.path().join("acme").join(
        pebble
            .directory
            .replace("https://", "")
            .replace([':', '/'], "-"),
    );
    for name in ["account.json", "certificate.pem"] {
        let mode = std::fs::metadata(storage.join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let serial = status(&proxy).certificates[0].serial.clone();
    assert_eq!(proxy.program.terminate(), Some(0));
    let proxy = start(&folder.path().join("hubproxy.toml"));
    assert_eq!(acme(&proxy).phase, AcmePhase::Issued);
    assert_eq!(status(&proxy).certificates[0].serial, serial);
}

#[test]
fn a_name_is_proven_over_http() {
    issues(&["hub.example.org", "www.example.org"], "http-01");
}

#[test]
fn a_name_is_proven_over_tls() {
    issues(&["hub.example.org"], "tls-alpn-01");
}

#[test]
fn an_address_is_proven_over_http() {
    issues(&["127.0.0.1"], "http-01");
}

#[test]
fn an_address_is_proven_over_tls() {
    issues(&["127.0.0.1", "hub.example.org"], "tls-alpn-01");
}

#[test]
fn a_failure_is_explained_and_a_self_signed_certificate_serves() {
    let folder = tempfile::tempdir().unwrap();
    let pebble = Pebble::start(folder.path());
    let config = pebble.settings(folder.path(), &["hub.example.org"], "http-01");
    // The directory looks where nobody is.
    let elsewhere = free_port();
    let text = std::fs::read_to_string(&config).unwrap();
    let text = text.replace(
        &format!("127.0.0.1:{}\"]\n[https]", pebble.http),
        &format!("127.0.0.1:{elsewhere}\"]\n[https]"),
    );
    std::fs::write(&config, &text).unwrap();
    let mut proxy = start(&config);
    let failed = eventually("a failure", || {
        Some(acme(&proxy)).filter(|acme| acme.phase == AcmePhase::Failed)
    });
    let reason = failed.last_error.unwrap();
    assert!(
        reason.contains("hub.example.org: http-01 failed: "),
        "{reason}"
    );
    let wait = failed.next_try.unwrap() - failed.last_failure.unwrap();
    assert!((15..=18).contains(&wait.whole_minutes()), "{wait}");
    assert_eq!(
        status(&proxy).certificates[0].source,
        CertificateSource::SelfSigned
    );
    proxy
        .program
        .wait_for("no certificate for hub.example.org: ");

    // It serves meanwhile, and goes on at once when told to, once what was wrong is right.
    let target = backend::echo();
    let body = serde_json::json!({ "target": format!("http://{target}") }).to_string();
    let token = [("Authorization", "token secret")];
    assert_eq!(
        request(proxy.api, "POST", "/api/routes/", &token, body.as_bytes()).status,
        201
    );
    let tls = SocketAddr::from(([127, 0, 0, 1], pebble.tls));
    assert!(shown(tls, "hub.example.org").contains("no certificate yet"));
    proxy.program.signal(Signal::SIGHUP);
    eventually("a second try", || {
        Some(acme(&proxy)).filter(|acme| acme.failures == 2)
    });
}

#[test]
fn a_directory_that_is_away_is_asked_again_soon() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let token = write(folder.path(), "token", "secret\n");
    let text = format!(
        "workers = 1\n[https]\nlisten = [\"127.0.0.1:0\"]\n[tls.acme]\nnames = [\"hub.example.org\"]\nstorage = {:?}\n\
         directory = \"https://localhost:{}/dir\"\nchallenge = \"tls-alpn-01\"\ndirectory_ca = {:?}\n\
         [api]\nlisten = \"127.0.0.1:0\"\ntoken_file = {token:?}\n",
        folder.path().join("acme"),
        free_port(),
        authority.write(folder.path()),
    );
    let proxy = start(&write(folder.path(), "hubproxy.toml", &text));
    let failed = eventually("a failure", || {
        Some(acme(&proxy)).filter(|acme| acme.phase == AcmePhase::Failed)
    });
    let reason = failed.last_error.unwrap();
    assert!(
        reason.contains("reaching the directory https://localhost:"),
        "{reason}"
    );
    assert!(reason.contains("refused"), "{reason}");
    let wait = failed.next_try.unwrap() - failed.last_failure.unwrap();
    assert!((60..=72).contains(&wait.whole_seconds()), "{wait}");
}

/// A directory that says what Let's Encrypt's says (`meta.profiles`), and is asked for nothing else.
#[test]
fn a_profile_that_the_directory_does_not_offer_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let own = authority.issue(folder.path(), "directory", &["localhost"]);
    let (port, asked) = recorded_directory(&own.certificate_pem, &own.key_pem);
    let token = write(folder.path(), "token", "secret\n");
    let settings = |profile: &str, name: &str| {
        format!(
            "workers = 1\n[https]\nlisten = [\"127.0.0.1:0\"]\n[tls.acme]\nnames = [{name:?}]\nstorage = {:?}\n\
             directory = \"https://localhost:{port}/directory\"\nchallenge = \"tls-alpn-01\"\n{profile}\n\
             directory_ca = {:?}\n[api]\nlisten = \"127.0.0.1:0\"\ntoken_file = {token:?}\n",
            folder.path().join("acme"),
            authority.write(folder.path()),
        )
    };
    let config = write(
        folder.path(),
        "hubproxy.toml",
        &settings("profile = \"longlived\"", "hub.example.org"),
    );
    let proxy = start(&config);
    let failed = eventually("a refusal", || {
        Some(acme(&proxy)).filter(|acme| acme.phase == AcmePhase::Failed)
    });
    assert_eq!(
        failed.last_error.unwrap(),
        "the directory does not offer the profile \"longlived\": it has classic, shortlived, tlsclient, tlsserver"
    );
    drop(proxy);
    assert!(asked.try_iter().all(|line| line == "GET /directory"));

    // An offered one, and the short-lived one for an address, go into the order.
    for (profile, name, expected) in [
        ("profile = \"tlsserver\"", "hub.example.org", "tlsserver"),
        ("", "192.0.2.7", "shortlived"),
    ] {
        std::fs::write(&config, settings(profile, name)).unwrap();
        let _ = std::fs::remove_dir_all(folder.path().join("acme"));
        let proxy = start(&config);
        let order = eventually("an order", || {
            asked
                .try_iter()
                .find(|line| line.contains("\"identifiers\""))
        });
        let order: serde_json::Value = serde_json::from_str(&order).unwrap();
        assert_eq!(order["profile"], expected);
        assert_eq!(order["identifiers"][0]["value"], name);
        let failed = eventually("a refusal", || {
            Some(acme(&proxy)).filter(|acme| acme.phase == AcmePhase::Failed)
        });
        // What the double says to every order: this account has had too many.
        assert!(failed.last_error.unwrap().contains("too many certificates"));
        let wait = failed.next_try.unwrap() - failed.last_failure.unwrap();
        assert!(
            (7200..=8640).contains(&wait.whole_seconds()),
            "Retry-After is respected: {wait}"
        );
    }
}

/// Serves a recorded directory and as much of RFC 8555 as it takes to see an order; what is asked comes back in lines,
/// of orders their payload.
fn recorded_directory(certificate: &str, key: &str) -> (u16, std::sync::mpsc::Receiver<String>) {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use std::io::{BufRead, BufReader, Read, Write};
    use std::sync::Arc;

    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let base = format!("https://localhost:{port}");
    let directory = include_str!("../data/letsencrypt-directory.json")
        .replace("https://acme-v02.api.letsencrypt.org", &base);
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_no_client_auth()
    .with_single_cert(chain, key)
    .unwrap();
    let config = Arc::new(config);
    let (say, asked) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (config, say, base, directory) = (
                Arc::clone(&config),
                say.clone(),
                base.clone(),
                directory.clone(),
            );
            std::thread::spawn(move || {
                let connection = rustls::ServerConnection::new(config).unwrap();
                let mut stream = BufReader::new(rustls::StreamOwned::new(connection, stream));
                loop {
                    let (mut first, mut length) = (String::new(), 0);
                    loop {
                        let mut line = String::new();
                        if stream.read_line(&mut line).unwrap_or(0) == 0 {
                            return;
                        }
                        if let Some(value) =
                            line.to_ascii_lowercase().strip_prefix("content-length:")
                        {
                            length = value.trim().parse().unwrap();
                        }
                        if line == "\r\n" {
                            break;
                        }
                        if first.is_empty() {
                            first = line;
                        }
                    }
                    let mut body = vec![0; length];
                    stream.read_exact(&mut body).unwrap();
                    let words: Vec<&str> = first.split(' ').collect();
                    let (status, more, answer) = match words[1] {
                        "/directory" => ("200 OK", String::new(), directory.clone()),
                        "/acme/new-nonce" => ("200 OK", String::new(), String::new()),
                        "/acme/new-acct" => {
                            let location = format!("Location: {base}/acme/acct/1\r\n");
                            ("201 Created", location, "{\"status\":\"valid\"}".to_owned())
                        }
                        "/acme/new-order" => (
                            "429 Too Many Requests",
                            "Retry-After: 7200\r\n".to_owned(),
                            "{\"type\":\"urn:ietf:params:acme:error:rateLimited\",\"detail\":\"too many certificates\",\
                             \"status\":429}"
                                .to_owned(),
                        ),
                        other => panic!("{other}"),
                    };
                    let line = if words[1] == "/acme/new-order" {
                        payload(&body)
                    } else {
                        format!("{} {}", words[0], words[1])
                    };
                    let _ = say.send(line);
                    let length = answer.len();
                    let answer = if words[0] == "HEAD" {
                        ""
                    } else {
                        answer.as_str()
                    };
                    let head = format!(
                        "HTTP/1.1 {status}\r\nReplay-Nonce: bm9uY2U\r\nCache-Control: no-store\r\n{more}Content-Length: {length}\r\n\r\n"
                    );
                    stream
                        .get_mut()
                        .write_all(format!("{head}{answer}").as_bytes())
                        .unwrap();
                    stream.get_mut().flush().unwrap();
                }
            });
        }
    });
    (port, asked)
}

/// The payload of a JWS.
fn payload(jws: &[u8]) -> String {
    let jws: serde_json::Value = serde_json::from_slice(jws).unwrap();
    let text = jws["payload"].as_str().unwrap();
    let mut bits = 0u32;
    let mut count = 0;
    let mut bytes = Vec::new();
    for byte in text.bytes() {
        let value = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
            .iter()
            .position(|c| *c == byte);
        bits = bits << 6 | u32::try_from(value.unwrap()).unwrap();
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).unwrap());
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn plain_http_is_redirected_while_challenges_are_answered() {
    let folder = tempfile::tempdir().unwrap();
    let pebble = Pebble::start(folder.path());
    let proxy = start(&pebble.settings(folder.path(), &["hub.example.org"], "http-01"));
    let tls = SocketAddr::from(([127, 0, 0, 1], pebble.tls));
    is_issued(&proxy, tls, "hub.example.org");
    let http = SocketAddr::from(([127, 0, 0, 1], pebble.http));
    let answer = request(
        http,
        "GET",
        "/user/ada?x=1",
        &[("Host", "hub.example.org")],
        b"",
    );
    assert_eq!(answer.status, 301);
    assert_eq!(
        answer.header("location").unwrap(),
        format!("https://hub.example.org:{}/user/ada?x=1", pebble.tls)
    );
    // A token of nobody's is redirected as everything else.
    assert_eq!(
        request(http, "GET", "/.well-known/acme-challenge/x", &[], b"").status,
        301
    );
}

#[test]
fn a_certificate_is_renewed_in_time_also_by_a_directory_that_forgot_the_account() {
    let folder = tempfile::tempdir().unwrap();
    let mut pebble = Pebble::with_lifetime(folder.path(), 12);
    let mut proxy = start(&pebble.settings(folder.path(), &["hub.example.org"], "tls-alpn-01"));
    let serial = || status(&proxy).certificates[0].clone();
    let first = eventually("the first certificate", || {
        Some(serial()).filter(|now| now.source == CertificateSource::Acme)
    });
    let second = eventually("its renewal", || {
        Some(serial()).filter(|now| now.serial != first.serial)
    });
    assert!(
        time::OffsetDateTime::now_utc() < first.not_after,
        "{first:?} {second:?}"
    );
    // The directory starts anew and knows nobody.
    pebble.pebble.signal(Signal::SIGKILL);
    pebble.pebble.wait();
    pebble.pebble = Program::spawn(&pebble.command);
    let third = eventually("a renewal with a new account", || {
        Some(serial()).filter(|now| now.serial != second.serial)
    });
    assert!(third.not_after > second.not_after);
    proxy
        .program
        .wait_for("the directory does not know the account any more");
}
