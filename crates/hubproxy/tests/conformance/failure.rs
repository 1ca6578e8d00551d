//! What a client sees when there is no answer to give.

use crate::address::free;
use crate::program::{Program, Proxy};
use crate::routing::add;
use crate::table::{Place, Row, differs, same};
use crate::upstream::Upstream;

const PLAIN: &[Row] = &[
    same("GET /none", &["404", "starts content-type: text/html"]),
    same("GET /refuses", &["503", "starts content-type: text/html"]),
    same("GET /up\nX-Act: close", &["503"]),
    same("POST /refuses\n\nbody", &["503"]),
    same("GET /no-such-host", &["503"]),
    same("GET /no-such-socket", &["503"]),
];

async fn routes(proxy: &Proxy, upstream: &Upstream) {
    add(proxy, "/up", &format!("http://{}", upstream.address)).await;
    add(proxy, "/refuses", &format!("http://{}", free())).await;
    add(proxy, "/no-such-host", "http://host.invalid:80").await;
    add(proxy, "/no-such-socket", "http+unix://%2Fno%2Fsuch.sock").await;
}

pub async fn plain(program: Program) {
    let upstream = Upstream::start("up").await;
    let proxy = Proxy::start(program, &[]).await;
    routes(&proxy, &upstream).await;
    Place::public(&proxy).side_by_side(PLAIN).await;
}

const TARGET: &[Row] = &[
    // The hub's page, with the code it is about; of its headers two.
    same(
        "GET /none?a=b&c=%20",
        &[
            "404",
            "from page",
            "line GET /hub/error/404?url=%2Fnone%3Fa%3Db%26c%3D%2520",
            "header content-type: application/json",
        ],
    ),
    same(
        "GET /refuses/x",
        &[
            "503",
            "from page",
            "line GET /hub/error/503?url=%2Frefuses%2Fx",
            "up no cookie",
        ],
    ),
    same(
        "POST /refuses\nCookie: a=1\n\nbody",
        &[
            "503",
            "from page",
            "line GET /hub/error/503?url=%2Frefuses",
            "up no cookie",
            "got ",
        ],
    ),
    same("GET /up\nX-Act: close", &["503", "from page"]),
    // An answer is an answer.
    same("GET /up\nX-Act: status 503", &["503", "from up"]),
    same("GET /up\nX-Act: status 404", &["404", "from up"]),
    same("HEAD /none", &["404", "body "]),
];

pub async fn target(program: Program) {
    let (upstream, page) = (Upstream::start("up").await, Upstream::start("page").await);
    let target = format!("http://{}/hub/error", page.address);
    for option in [target.clone(), format!("{target}/")] {
        let proxy = Proxy::start(program, &["--error-target", &option]).await;
        routes(&proxy, &upstream).await;
        Place::public(&proxy).side_by_side(TARGET).await;
    }
}

const TARGET_GONE: &[Row] = &[
    same("GET /none", &["404", "body Not Found"]),
    same("GET /refuses", &["503", "body Service Unavailable"]),
];

pub async fn target_gone(program: Program) {
    let upstream = Upstream::start("up").await;
    let proxy = Proxy::start(
        program,
        &["--error-target", &format!("http://{}/hub/error", free())],
    )
    .await;
    routes(&proxy, &upstream).await;
    Place::public(&proxy).side_by_side(TARGET_GONE).await;
}

const PATH: &[Row] = &[
    same(
        "GET /none",
        &["404", "header content-type: text/html", "body of 404"],
    ),
    same(
        "GET /refuses",
        &["503", "header content-type: text/html", "body of anything"],
    ),
    same("HEAD /none", &["404", "body "]),
];

const PATH_EMPTY: &[Row] = &[
    same("GET /none", &["404", "body Not Found"]),
    same("GET /refuses", &["503", "body Service Unavailable"]),
];

pub async fn path(program: Program) {
    let upstream = Upstream::start("up").await;
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("pages")).expect("a folder");
    std::fs::create_dir(folder.path().join("empty")).expect("a folder");
    std::fs::write(folder.path().join("pages/404.html"), "of 404").expect("a file");
    std::fs::write(folder.path().join("pages/error.html"), "of anything").expect("a file");
    let proxy = Proxy::start_in(program, &["--error-path", "{folder}/pages"], folder).await;
    routes(&proxy, &upstream).await;
    Place::public(&proxy).side_by_side(PATH).await;

    let folder = tempfile::tempdir().expect("a folder");
    let proxy = Proxy::start_in(program, &["--error-path={folder}"], folder).await;
    routes(&proxy, &upstream).await;
    Place::public(&proxy).side_by_side(PATH_EMPTY).await;
}

const TIMES: &[Row] = &[
    same("GET /\nX-Act: wait 100", &["200"]),
    same("GET /\nX-Act: never", &["503"]),
];

const TIMES_CLIENT: &[Row] = &[
    same("GET /\nX-Act: wait 100", &["200"]),
    differs(
        "the client is told",
        "GET /\nX-Act: never",
        &["closed"],
        &["closed"],
    ),
];

pub async fn timeouts(program: Program) {
    let upstream = Upstream::start("up").await;
    let target = format!("http://{}", upstream.address);
    let proxy = Proxy::start(
        program,
        &["--proxy-timeout", "600", "--default-target", &target],
    )
    .await;
    Place::public(&proxy).side_by_side(TIMES).await;
    let proxy = Proxy::start(program, &["--timeout=600", "--default-target", &target]).await;
    Place::public(&proxy).side_by_side(TIMES_CLIENT).await;
}

/// A connection that does nothing is ended after `--keep-alive-timeout`, and not before.
pub async fn keep_alive_timeout(program: Program) {
    let upstream = Upstream::start("up").await;
    let target = format!("http://{}", upstream.address);
    let proxy = Proxy::start(
        program,
        &["--keep-alive-timeout", "1000", "--default-target", &target],
    )
    .await;
    let mut client = crate::wire::Connection::tcp(proxy.public).await;
    assert_eq!(
        client
            .ask("GET /", "h", crate::table::PATIENCE)
            .await
            .reply()
            .status,
        200
    );
    let since = tokio::time::Instant::now();
    assert!(client.closes(crate::table::PATIENCE).await, "it stays open");
    assert!(
        since.elapsed() >= std::time::Duration::from_millis(900),
        "closed after {:?}",
        since.elapsed()
    );
}
