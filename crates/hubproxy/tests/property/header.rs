//! What upstream sees of a client's headers, against the rules written down once more.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

use crate::program::{Program, Proxy};
use crate::runner;
use crate::upstream::Upstream;
use crate::wire::{Connection, Outcome};

type Headers = Vec<(String, String)>;

const NAMES: &[&str] = &[
    "X-A",
    "x-b",
    "X-C",
    "Accept",
    "Accept-Encoding",
    "Cookie",
    "cookie",
    "Authorization",
    "Origin",
    "Referer",
    "User-Agent",
    "Sec-Fetch-Mode",
    "Content-Type",
    "Range",
    "If-None-Match",
    "Forwarded",
    "Via",
    "X-Real-IP",
    "X-Scheme",
    "X-XSRFToken",
    "X-Forwarded-For",
    "x-forwarded-for",
    "X-Forwarded-Proto",
    "X-Forwarded-Port",
    "X-Forwarded-Host",
    "Keep-Alive",
    "TE",
    "Trailer",
    "Proxy-Connection",
];
/// What a `Connection` may name beside itself.
const NOMINATED: &[&str] = &["keep-alive", "X-A", "x-b, x-c", "Accept , X-C"];
const FORWARDED: [&str; 4] = [
    "x-forwarded-for",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-forwarded-host",
];

/// What is to arrive: by name in lower case, values of one name in their order.
fn wanted(host: &str, sent: &[(String, String)]) -> Headers {
    let all = |name: &str| -> Vec<&str> {
        let of_name = sent
            .iter()
            .filter(|header| header.0.eq_ignore_ascii_case(name));
        of_name.map(|header| header.1.as_str()).collect()
    };
    let nominated: Vec<String> = all("connection")
        .iter()
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    let mut headers: Headers = vec![("host".to_owned(), host.to_owned())];
    for (name, value) in sent {
        let name = name.to_ascii_lowercase();
        let ends_here = matches!(
            &*name,
            "connection"
                | "keep-alive"
                | "proxy-connection"
                | "te"
                | "trailer"
                | "transfer-encoding"
                | "upgrade"
        );
        if ends_here || nominated.contains(&name) || FORWARDED.contains(&&*name) || name == "cookie"
        {
            continue;
        }
        headers.push((name, value.clone()));
    }
    if !all("cookie").is_empty() {
        headers.push(("cookie".to_owned(), all("cookie").join("; ")));
    }
    let port = host.split_once(':').map_or("80", |(_, port)| port);
    for (name, own) in [
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-port", port),
        ("x-forwarded-proto", "http"),
    ] {
        let before = all(name).join(", ");
        let value = if all(name).is_empty() {
            own.to_owned()
        } else {
            format!("{before},{own}")
        };
        headers.push((name.to_owned(), value));
    }
    let first = all("x-forwarded-host").join(", ");
    let value = if all("x-forwarded-host").is_empty() {
        host.to_owned()
    } else {
        first
    };
    headers.push(("x-forwarded-host".to_owned(), value));
    headers
}

fn sorted(mut headers: Headers) -> Headers {
    // Those of one name stay in their order.
    headers.sort_by(|a, b| a.0.cmp(&b.0));
    headers
}

fn sent() -> impl Strategy<Value = (String, Headers)> {
    let value = prop_oneof![
        "[!-~]([ -~]{0,14}[!-~])?",
        select(&["a=1", "http", "https", "9.9.9.9", "close"][..]).prop_map(str::to_owned)
    ];
    let header = (select(NAMES), value).prop_map(|(name, value)| (name.to_owned(), value));
    let connection = prop::option::weighted(0.3, select(NOMINATED));
    let host = "[a-z][a-z0-9.-]{0,10}(:[1-9][0-9]{1,3})?";
    (host, vec(header, 0..10), connection).prop_map(|(host, mut headers, connection)| {
        headers.extend(connection.map(|value| ("Connection".to_owned(), value.to_owned())));
        (host, headers)
    })
}

#[test]
fn upstream_sees_what_the_rules_say() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let (upstream, proxy) = runtime.block_on(async {
        let upstream = Upstream::start("up").await;
        let target = format!("http://{}", upstream.address);
        let proxy = Proxy::start(
            Program::Hubproxy,
            &["--log-level", "error", "--default-target", &target],
        )
        .await;
        (upstream, proxy)
    });
    let kept = std::cell::Cell::new(None);
    let ask = async |host: &str, headers: &Headers| {
        let mut connection: Connection = match kept.take() {
            Some(connection) => connection,
            None => Connection::tcp(proxy.public).await,
        };
        let mut text = format!("GET /x HTTP/1.1\r\nHost: {host}\r\n");
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        connection.send((text + "\r\n").as_bytes()).await;
        let outcome = connection
            .reply(false, std::time::Duration::from_secs(20))
            .await;
        if matches!(&outcome, Outcome::Reply(reply) if reply.header("connection") != Some("close"))
        {
            kept.set(Some(connection));
        }
        outcome
    };
    runner("tests/property/corpus/header.seeds", 384)
        .run(&sent(), |(host, headers)| {
            let outcome = runtime.block_on(ask(&host, &headers));
            let Outcome::Reply(reply) = outcome else {
                return Err(TestCaseError::fail(format!("{outcome:?}\n{}", proxy.log())));
            };
            prop_assert_eq!(reply.status, 200, "{}", reply.text());
            let echo: Value = serde_json::from_slice(&reply.body)
                .map_err(|error| TestCaseError::fail(error.to_string()))?;
            let saw = echo["headers"].as_array().cloned().unwrap_or_default();
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let saw: Headers = saw
                .iter()
                .map(|pair| (text(&pair[0]).to_ascii_lowercase(), text(&pair[1])))
                .collect();
            prop_assert_eq!(sorted(saw), sorted(wanted(&host, &headers)));
            Ok(())
        })
        .expect("headers as the rules say");
    drop(upstream);
}
