//! What upstream sees of a request, and the client of an answer.

use crate::program::{Program, Proxy};
use crate::table::{Place, Row, differs, same};
use crate::upstream::Upstream;

const REQUEST: &[Row] = &[
    same(
        "GET /\nHost: name.example",
        &["up host: name.example", "up x-forwarded-host: name.example"],
    ),
    same(
        "GET /\nHost: name.example:99",
        &[
            "up host: name.example:99",
            "up x-forwarded-port: 99",
            "up x-forwarded-host: name.example:99",
        ],
    ),
    same(
        "GET /\nHost: name.example",
        &[
            "up x-forwarded-port: 80",
            "up x-forwarded-proto: http",
            "up x-forwarded-for: 127.0.0.1",
        ],
    ),
    // What a proxy before this one said comes first.
    same(
        "GET /\nHost: n\nX-Forwarded-For: 9.9.9.9\nX-Forwarded-Proto: https\nX-Forwarded-Port: 443\nX-Forwarded-Host: first.example",
        &[
            "up x-forwarded-for: 9.9.9.9,127.0.0.1",
            "up x-forwarded-proto: https,http",
            "up x-forwarded-port: 443,80",
            "up x-forwarded-host: first.example",
        ],
    ),
    same(
        "GET /\nX-Forwarded-For: 8.8.8.8, 9.9.9.9",
        &["up x-forwarded-for: 8.8.8.8, 9.9.9.9,127.0.0.1"],
    ),
    same(
        "GET /\nX-Forwarded-For: 8.8.8.8\nX-Forwarded-For: 9.9.9.9",
        &["up x-forwarded-for: 8.8.8.8, 9.9.9.9,127.0.0.1"],
    ),
    // What decides on cross-site requests goes through as it is.
    same(
        "GET /\nOrigin: http://evil.example\nReferer: http://evil.example/x\nSec-Fetch-Mode: cors\nSec-Fetch-Site: cross-site\nSec-Fetch-Dest: empty\nX-XSRFToken: t\nAuthorization: token t",
        &[
            "up origin: http://evil.example",
            "up referer: http://evil.example/x",
            "up sec-fetch-mode: cors",
            "up sec-fetch-site: cross-site",
            "up sec-fetch-dest: empty",
            "up x-xsrftoken: t",
            "up authorization: token t",
        ],
    ),
    same(
        "GET /\nCookie: a=1; b=2; _xsrf=\"2|x\"",
        &["up cookie: a=1; b=2; _xsrf=\"2|x\""],
    ),
    same("GET /\nCookie: a=1\nCookie: b=2", &["up cookie: a=1; b=2"]),
    differs(
        "lines stay lines; they mean the same",
        "GET /\nAccept: a/b\nAccept: c/d",
        &["up accept: a/b, c/d"],
        &["up accept: a/b | c/d"],
    ),
    same(
        "GET /\nAccept-Encoding: gzip, br\nRange: bytes=0-1\nIf-None-Match: \"x\"\nDNT: 1",
        &[
            "up accept-encoding: gzip, br",
            "up range: bytes=0-1",
            "up if-none-match: \"x\"",
            "up dnt: 1",
        ],
    ),
    same("GET /\nTrailer: X-T", &["up no trailer"]),
    same("GET /\nX-Long: {long}", &["200"]),
    same(
        "GET /",
        &["up no content-length", "up no transfer-encoding"],
    ),
    same("DELETE /", &["200", "up content-length: 0"]),
    same("OPTIONS /", &["200", "up content-length: 0"]),
    same("POST /\n\nabc", &["up content-length: 3", "got abc"]),
    same(
        "POST /\nContent-Length: 0",
        &["up content-length: 0", "got "],
    ),
    same(
        "POST /\nTransfer-Encoding: chunked\n\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        &["up transfer-encoding: chunked", "got abcde"],
    ),
    same("DELETE /\n\nabc", &["got abc"]),
    same("POST /\nExpect: 100-continue\n\nabc", &["200", "got abc"]),
    differs(
        "what a client says of its own connection ends at the proxy",
        "GET /\nConnection: close, X-Mine\nX-Mine: 1\nKeep-Alive: timeout=3\nProxy-Authorization: x\nTE: trailers",
        &["200", "up x-mine: 1", "up keep-alive: timeout=3"],
        &["200", "up no x-mine", "up no keep-alive"],
    ),
];

pub async fn request(program: Program) {
    let upstream = Upstream::start("up").await;
    let proxy = Proxy::start(
        program,
        &["--default-target", &format!("http://{}", upstream.address)],
    )
    .await;
    Place::public(&proxy)
        .with("{long}", "x".repeat(6000))
        .side_by_side(REQUEST)
        .await;
}

const ANSWER: &[Row] = &[
    same(
        "GET /\nX-Act: status 200; Set-Cookie: a=1; Set-Cookie: b=2; X-Own: 1; Cache-Control: no-store",
        &[
            "200",
            "header set-cookie: a=1 | b=2",
            "header x-own: 1",
            "header cache-control: no-store",
            "header content-type: application/json",
        ],
    ),
    same(
        "GET /\nX-Act: status 201; Location: /x",
        &["201", "header location: /x"],
    ),
    same(
        "GET /\nX-Act: status 302; Location: http://{upstream}/next?q=1",
        &["302", "header location: http://{upstream}/next?q=1"],
    ),
    same("GET /\nX-Act: status 204", &["204", "body "]),
    same(
        "GET /\nX-Act: status 304; ETag: \"x\"",
        &["304", "header etag: \"x\"", "body "],
    ),
    same("GET /\nX-Act: status 404", &["404", "from up"]),
    same("GET /\nX-Act: status 424", &["424", "from up"]),
    same("GET /\nX-Act: status 500", &["500", "from up"]),
    same("GET /\nX-Act: status 503", &["503", "from up"]),
    same("GET /\nX-Act: status 599", &["599", "from up"]),
    same(
        "HEAD /",
        &[
            "200",
            "header content-type: application/json",
            "has header content-length",
            "body ",
        ],
    ),
    same(
        "GET /\nX-Act: chunked",
        &[
            "200",
            "from up",
            "header transfer-encoding: chunked",
            "no header content-length",
        ],
    ),
    same("GET /\nX-Act: bare", &["200", "from up"]),
    same("GET /\nX-Act: early", &["200", "from up"]),
    differs(
        "half an answer ends, so that the client knows",
        "GET /\nX-Act: half",
        &["hangs"],
        &["closed"],
    ),
    // A client of the old kind gets neither chunks nor a connection that stays.
    same(
        "raw GET / HTTP/1.0\nHost: h\nX-Act: chunked\n\n",
        &["200", "from up", "no header transfer-encoding"],
    ),
    same("raw GET / HTTP/1.0\n\n", &["200", "from up"]),
    same(
        "GET /\nConnection: close",
        &["200", "header connection: close"],
    ),
];

pub async fn answer(program: Program) {
    let upstream = Upstream::start("up").await;
    let proxy = Proxy::start(
        program,
        &["--default-target", &format!("http://{}", upstream.address)],
    )
    .await;
    Place::public(&proxy)
        .with("{upstream}", upstream.address.to_string())
        .side_by_side(ANSWER)
        .await;
}

const UNTOUCHED: &[Row] = &[
    same(
        "GET /",
        &[
            "up no x-forwarded-for",
            "up no x-forwarded-proto",
            "up no x-forwarded-port",
            "up no x-forwarded-host",
        ],
    ),
    same(
        "GET /\nX-Forwarded-For: 9.9.9.9",
        &["up x-forwarded-for: 9.9.9.9", "up no x-forwarded-proto"],
    ),
];

const CUSTOM: &[Row] = &[
    same("GET /", &["up x-one: 1", "up x-two: a: b"]),
    same(
        "GET /\nX-One: client\nx-two: client",
        &["up x-one: 1", "up x-two: a: b"],
    ),
];

const ORIGIN: &[Row] = &[same(
    "GET /\nHost: name.example",
    &["up host: {upstream}", "up x-forwarded-host: name.example"],
)];

const PORT: &str = "the port of the target is not one the client can reach";

const REWRITTEN: &[Row] = &[
    same(
        "GET /\nHost: n.example:9\nX-Act: status 302; Location: http://{upstream}/next?q=1#f",
        &["302", "header location: http://n.example:9/next?q=1#f"],
    ),
    differs(
        PORT,
        "GET /\nHost: n.example\nX-Act: status 201; Location: http://{upstream}/next",
        &["header location: http://n.example:{port}/next"],
        &["header location: http://n.example/next"],
    ),
    differs(
        PORT,
        "GET /\nHost: n.example\nX-Act: status 301; Location: http://{upstream}/next",
        &["header location: http://n.example:{port}/next"],
        &["header location: http://n.example/next"],
    ),
    differs(
        PORT,
        "GET /\nHost: n.example\nX-Act: status 307; Location: http://{upstream}/next",
        &["header location: http://n.example:{port}/next"],
        &["header location: http://n.example/next"],
    ),
    differs(
        PORT,
        "GET /\nHost: n.example\nX-Act: status 308; Location: http://{upstream}/next",
        &["header location: http://n.example:{port}/next"],
        &["header location: http://n.example/next"],
    ),
    differs(
        "See Other is a redirect, too",
        "GET /\nHost: n.example\nX-Act: status 303; Location: http://{upstream}/next",
        &["header location: http://{upstream}/next"],
        &["header location: http://n.example/next"],
    ),
    same(
        "GET /\nHost: n.example\nX-Act: status 200; Location: http://{upstream}/next",
        &["header location: http://{upstream}/next"],
    ),
    same(
        "GET /\nHost: n.example\nX-Act: status 302; Location: http://elsewhere.example/next",
        &["header location: http://elsewhere.example/next"],
    ),
    same(
        "GET /\nHost: n.example\nX-Act: status 302; Location: /relative",
        &["header location: /relative"],
    ),
];

const PROTOCOL: &[Row] = &[
    same(
        "GET /\nHost: n.example\nX-Act: status 302; Location: http://{upstream}/next",
        &["header location: https://{upstream}/next"],
    ),
    same(
        "GET /\nHost: n.example\nX-Act: status 302; Location: http://elsewhere.example/next",
        &["header location: http://elsewhere.example/next"],
    ),
];

const BOTH: &[Row] = &[same(
    "GET /\nHost: n.example:9\nX-Act: status 302; Location: http://{upstream}/next",
    &["header location: https://n.example:9/next"],
)];

pub async fn options(program: Program) {
    let upstream = Upstream::start("up").await;
    let target = format!("http://{}", upstream.address);
    let cases: [(&[&str], &[Row]); 6] = [
        (&["--no-x-forward"], UNTOUCHED),
        (
            &["--custom-header", "X-One: 1", "--custom-header=x-two:a: b"],
            CUSTOM,
        ),
        (&["--change-origin"], ORIGIN),
        (&["--auto-rewrite"], REWRITTEN),
        (&["--protocol-rewrite", "https"], PROTOCOL),
        (&["--protocol-rewrite=https", "--auto-rewrite"], BOTH),
    ];
    futures_util::future::join_all(cases.map(|(options, rows)| {
        let (upstream, port, target) = (
            upstream.address.to_string(),
            upstream.address.port(),
            &target,
        );
        async move {
            let options = [options, &["--default-target", target.as_str()]].concat();
            let proxy = Proxy::start(program, &options).await;
            Place::public(&proxy)
                .with("{upstream}", upstream)
                .with("{port}", port.to_string())
                .side_by_side(rows)
                .await;
        }
    }))
    .await;
}

/// Connections to upstream are used again, and so are a client's to us.
pub async fn keep_alive(program: Program) {
    let upstream = Upstream::start("up").await;
    let proxy = Proxy::start(
        program,
        &["--default-target", &format!("http://{}", upstream.address)],
    )
    .await;
    let mut client = crate::wire::Connection::tcp(proxy.public).await;
    for _ in 0..10 {
        let reply = client
            .ask("GET /", "h", crate::table::PATIENCE)
            .await
            .reply();
        assert_eq!(reply.status, 200);
        assert_ne!(reply.header("connection"), Some("close"));
    }
    assert_eq!(upstream.connections(), 1);
    // Two requests at once, in one packet, are answered in their order.
    let pair = [
        crate::wire::request("GET /one", "h"),
        crate::wire::request("GET /two", "h"),
    ]
    .concat();
    client.send(&pair).await;
    for path in ["/one", "/two"] {
        let reply = client.reply(false, crate::table::PATIENCE).await.reply();
        assert!(
            reply.text().contains(&format!("\"target\":\"{path}\"")),
            "{}",
            reply.text()
        );
    }
}
