//! An ACME directory that says what Let's Encrypt's says and refuses every order.

use std::io::{BufRead, BufReader, Read, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Serves a recorded directory and as much of RFC 8555 and RFC 9773 as it takes to see an order; `window` is what it says
/// of renewals. What is asked comes back in lines, of orders their payload.
pub fn recorded_directory(certificate: &str, key: &str, window: &str) -> (u16, Receiver<String>) {
    let window = window.to_owned();
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let base = format!("https://localhost:{port}");
    let directory = include_str!("../../data/letsencrypt-directory.json")
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
    let (say, asked) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (config, say, base, directory, window) = (
                Arc::clone(&config),
                say.clone(),
                base.clone(),
                directory.clone(),
                window.clone(),
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
                        url if url.starts_with("/acme/renewal-info/") => {
                            ("200 OK", "Retry-After: 21600\r\n".to_owned(), window.clone())
                        }
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
