//! Where a request goes.

use crate::program::{Program, Proxy, TOKEN};
use crate::table::{Place, Row, differs, same};
use crate::upstream::Upstream;
use crate::wire::{Connection, Outcome};

/// Adds a route as the hub does.
pub async fn add(proxy: &Proxy, path: &str, target: &str) {
    let body = serde_json::json!({"target": target, "jupyterhub": true});
    let text = format!("POST /api/routes{path}\nAuthorization: token {TOKEN}\n\n{body}");
    let mut connection = Connection::tcp(proxy.api).await;
    let outcome = connection.ask(&text, "api", crate::table::PATIENCE).await;
    assert!(
        matches!(&outcome, Outcome::Reply(reply) if reply.status == 201),
        "{path}: {outcome:?}\n{}",
        proxy.log()
    );
}

const RAW: &str = "upstream sees the bytes the client sent";

const BY_PATH: &[Row] = &[
    same("GET /", &["200", "from root", "line GET /"]),
    same("GET /x?y=1", &["from root", "line GET /x?y=1"]),
    same("GET /a", &["from a", "line GET /a"]),
    same("GET /a/", &["from a", "line GET /a/"]),
    same("GET /a?x=/b", &["from a", "line GET /a?x=/b"]),
    same("GET /a/b", &["from ab", "line GET /a/b"]),
    same("GET /a/b/c/d", &["from ab"]),
    same("GET /a/bc", &["from a"]),
    same("GET /ab", &["from root"]),
    // A node between two routes has no target: what is above it answers.
    same("GET /deep/er", &["from root"]),
    same("GET /deep/er/still/x", &["from deep"]),
    // Decoded for the match, raw to the upstream.
    same("GET /a%2Fb/x", &["from ab", "line GET /a%2Fb/x"]),
    same("GET /%61/b", &["from ab", "line GET /%61/b"]),
    same(
        "GET /user/foo%20bar/x",
        &["from space", "line GET /user/foo%20bar/x"],
    ),
    same(
        "GET /user/%C3%BC/x",
        &["from umlaut", "line GET /user/%C3%BC/x"],
    ),
    same("GET /user/foo@bar/x", &["from at"]),
    same(
        "GET /user/foo%40bar/x",
        &["from at", "line GET /user/foo%40bar/x"],
    ),
    // Empty segments inside count.
    same("GET /a//b", &["from a", "line GET /a//b"]),
    // Dot segments are resolved for the match.
    differs(
        RAW,
        "GET /a/x/../b",
        &["from ab", "line GET /a/b"],
        &["from ab", "line GET /a/x/../b"],
    ),
    differs(
        RAW,
        "GET /a/./b",
        &["from ab", "line GET /a/b"],
        &["from ab", "line GET /a/./b"],
    ),
    differs(
        RAW,
        "GET /a/b/../../x",
        &["from root", "line GET /x"],
        &["from root", "line GET /a/b/../../x"],
    ),
    differs(
        RAW,
        "GET /a/%2e%2e/x",
        &["from root", "line GET /x"],
        &["from root", "line GET /a/%2e%2e/x"],
    ),
    same("GET /../../a/b", &["from ab"]),
    // The absolute form.
    differs(
        "the host of an absolute target counts, and Host does not (RFC 9112, section 3.2.2)",
        "GET http://other.example/a/b?q",
        &["from ab", "line GET /a/b?q", "up host: {host}"],
        &["from ab", "line GET /a/b?q", "up host: other.example"],
    ),
    same("GET http://other.example", &["from root", "line GET /"]),
    // Characters a URL must not hold.
    differs(
        RAW,
        "GET /a/b/{x}|^?{y}|^",
        &["from ab", "line GET /a/b/%7Bx%7D|^?{y}|^"],
        &["from ab", "line GET /a/b/{x}|^?{y}|^"],
    ),
    differs(
        "no browser sends it",
        "GET /a/b/`",
        &["from ab", "line GET /a/b/%60"],
        &["400"],
    ),
    differs(
        RAW,
        "GET /a\\b",
        &["from ab", "line GET /a/b"],
        &["from ab", "line GET /a\\b"],
    ),
    differs(
        "two slashes at the start are no name of a host",
        "GET //x/a/b",
        &["from ab", "line GET //x/a/b"],
        &["from root", "line GET //x/a/b"],
    ),
    same("GET /with/slash/x", &["from slash"]),
    // Every method.
    same("PUT /a\n\nbody", &["from a", "line PUT /a", "got body"]),
    same("PROPFIND /a", &["from a", "line PROPFIND /a"]),
    same("HEAD /a", &["200", "body "]),
    // Never a route's.
    same(
        "GET /_chp_healthz",
        &[
            "200",
            r#"body {"status":"OK"}"#,
            "header content-type: application/json",
        ],
    ),
    same("POST /_chp_healthz", &["200", r#"body {"status":"OK"}"#]),
    same("GET /_chp_healthz?x", &["from root"]),
    same("GET /_chp_healthz/", &["from root"]),
];

pub async fn by_path(program: Program) {
    let proxy = Proxy::start(program, &[]).await;
    let mut upstreams = Vec::new();
    for (name, path) in [
        ("root", "/"),
        ("a", "/a"),
        ("ab", "/a/b"),
        ("deep", "/deep/er/still"),
        ("space", "/user/foo%20bar"),
        ("umlaut", "/user/%C3%BC"),
        ("at", "/user/foo@bar"),
        ("slash", "/with/slash/"),
    ] {
        let upstream = Upstream::start(name).await;
        add(&proxy, path, &format!("http://{}", upstream.address)).await;
        upstreams.push(upstream);
    }
    Place::public(&proxy).side_by_side(BY_PATH).await;
}

const NO_ROOT: &[Row] = &[
    same(
        "GET /",
        &["404", "starts content-type: text/html", "body has 404"],
    ),
    same("GET /other", &["404"]),
    same("GET /a/x", &["from a"]),
    same("HEAD /other", &["404", "body "]),
    same("POST /other\n\nbody", &["404"]),
    same("GET /not-a-url", &["500"]),
    differs(
        "bad encoding is the client's fault",
        "GET /%ZZ",
        &["500"],
        &["400"],
    ),
    differs(
        "bad encoding is the client's fault",
        "GET /%",
        &["500"],
        &["400"],
    ),
    differs(
        "bytes that are no UTF-8 are the client's fault",
        "GET /%FF",
        &["500"],
        &["400"],
    ),
];

pub async fn without_a_root(program: Program) {
    let proxy = Proxy::start(program, &[]).await;
    let upstream = Upstream::start("a").await;
    add(&proxy, "/a", &format!("http://{}", upstream.address)).await;
    add(&proxy, "/not-a-url", "elsewhere").await;
    Place::public(&proxy).side_by_side(NO_ROOT).await;
}

const BY_HOST: &[Row] = &[
    same(
        "GET /x\nHost: one.example",
        &["from one", "line GET /x", "up host: one.example"],
    ),
    same("GET /x\nHost: one.example:8000", &["from one"]),
    same("GET /x\nHost: two.example", &["from two"]),
    same(
        "GET /p/x\nHost: two.example",
        &["from two-p", "line GET /p/x"],
    ),
    same("GET /x\nHost: three.example", &["from root"]),
    same("GET /one.example\nHost: three.example", &["from root"]),
];

pub async fn by_host(program: Program) {
    let proxy = Proxy::start(program, &["--host-routing"]).await;
    let mut upstreams = Vec::new();
    for (name, path) in [
        ("root", "/"),
        ("one", "/one.example"),
        ("two", "/two.example"),
        ("two-p", "/two.example/p"),
    ] {
        let upstream = Upstream::start(name).await;
        add(&proxy, path, &format!("http://{}", upstream.address)).await;
        upstreams.push(upstream);
    }
    Place::public(&proxy).side_by_side(BY_HOST).await;
    Place::api(&proxy)
        .side_by_side(&[
            same(
                "GET /api/routes/two.example/p\n{auth}",
                &["200", r#"json /host "two.example""#],
            ),
            same(
                "GET /api/routes/one.example\n{auth}",
                &["200", r#"json /host "one.example""#],
            ),
            same(
                "GET /api/routes\n{auth}",
                &[
                    "200",
                    r#"json /~1one.example/host "one.example""#,
                    "json no /~1/host",
                ],
            ),
        ])
        .await;
}

const PREPENDED: &[Row] = &[
    same("GET /a/x?q=1", &["line GET /base/a/x?q=1"]),
    same("GET /a", &["line GET /base/a"]),
    same("GET /slash/x", &["line GET /base/slash/x"]),
    differs(
        "a query is no part of a target",
        "GET /query/x?q=1",
        &["line GET /base/query/x?k=v&q=1"],
        &["line GET /base/query/x?q=1"],
    ),
];

const NOT_PREPENDED: &[Row] = &[
    same("GET /a/x?q=1", &["line GET /a/x?q=1"]),
    same("GET /query/x", &["line GET /query/x"]),
];

const STRIPPED: &[Row] = &[
    same("GET /a/x?q=1", &["line GET /base/x?q=1"]),
    same("GET /plain/x/y", &["line GET /x/y"]),
    same("GET /plain/", &["line GET /"]),
    same("GET /plain", &["line GET /"]),
    same("GET /plain?q", &["line GET /?q"]),
    same("GET /_chp_healthz", &["200"]),
];

const NEITHER: &[Row] = &[same("GET /a/x?q=1", &["line GET /x?q=1"])];

pub async fn path_options(program: Program) {
    let upstream = Upstream::start("up").await;
    let base = format!("http://{}", upstream.address);
    let cases: [(&[&str], &[Row]); 4] = [
        (&[], PREPENDED),
        (&["--no-prepend-path"], NOT_PREPENDED),
        (&["--no-include-prefix"], STRIPPED),
        (&["--no-include-prefix", "--no-prepend-path"], NEITHER),
    ];
    futures_util::future::join_all(cases.map(|(options, rows)| {
        let base = &base;
        async move {
            let proxy = Proxy::start(program, options).await;
            add(&proxy, "/a", &format!("{base}/base")).await;
            add(&proxy, "/slash", &format!("{base}/base/")).await;
            add(&proxy, "/query", &format!("{base}/base?k=v")).await;
            add(&proxy, "/plain", base).await;
            Place::public(&proxy).side_by_side(rows).await;
        }
    }))
    .await;
}

pub async fn default_target(program: Program) {
    let upstream = Upstream::start("default").await;
    let target = format!("http://{}", upstream.address);
    let equals = format!("--default-target={target}");
    for options in [
        &["--default-target", target.as_str()][..],
        &[equals.as_str()],
    ] {
        let proxy = Proxy::start(program, options).await;
        Place::public(&proxy)
            .side_by_side(&[same("GET /any", &["from default"])])
            .await;
        Place::api(&proxy)
            .with("{target}", target.clone())
            .side_by_side(&[same(
                "GET /api/routes\n{auth}",
                &[r#"json /~1/target "{target}""#, "json no /~1/jupyterhub"],
            )])
            .await;
    }
}

pub async fn replaced_and_removed(program: Program) {
    let proxy = Proxy::start(program, &[]).await;
    let (one, two) = (Upstream::start("one").await, Upstream::start("two").await);
    add(&proxy, "/a", &format!("http://{}", one.address)).await;
    // A connection that lives through the change follows it.
    let mut client = Connection::tcp(proxy.public).await;
    let mut from = async |wanted: &str| {
        let reply = client
            .ask("GET /a/x", "h", crate::table::PATIENCE)
            .await
            .reply();
        assert!(
            reply.text().contains(&format!("\"backend\":\"{wanted}\""))
                || reply.status.to_string() == wanted,
            "{reply:?}"
        );
    };
    from("one").await;
    add(&proxy, "/a", &format!("http://{}", two.address)).await;
    from("two").await;
    Place::api(&proxy)
        .in_order(&[
            same("DELETE /api/routes/a\n{auth}", &["204", "body "]),
            same("DELETE /api/routes/a\n{auth}", &["404"]),
        ])
        .await;
    from("404").await;
}
