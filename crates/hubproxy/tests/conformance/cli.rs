//! The command line: what is refused and how, what is said, and how it ends.

use crate::address::free;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::program::{Program, Proxy, TOKEN, run};
use crate::table::{Place, same};

/// Ended with this code (`None`: it still ran after a while), having said this.
struct Refusal {
    arguments: &'static [&'static str],
    chp: (Option<i32>, &'static str),
    ours: (Option<i32>, &'static str),
}

const fn same_end(arguments: &'static [&'static str], code: i32, says: &'static str) -> Refusal {
    Refusal {
        arguments,
        chp: (Some(code), says),
        ours: (Some(code), says),
    }
}

const fn other_end(
    arguments: &'static [&'static str],
    chp: (Option<i32>, &'static str),
    ours: (Option<i32>, &'static str),
) -> Refusal {
    Refusal {
        arguments,
        chp,
        ours,
    }
}

const REFUSALS: &[Refusal] = &[
    other_end(
        &["--version"],
        (Some(0), "5.3.0"),
        (Some(0), env!("CARGO_PKG_VERSION")),
    ),
    other_end(
        &["-V"],
        (Some(0), "5.3.0"),
        (Some(0), env!("CARGO_PKG_VERSION")),
    ),
    same_end(&["--help"], 0, "--error-target"),
    same_end(&["-h"], 0, "--keep-alive-timeout"),
    other_end(
        &["--no-such-option"],
        (Some(1), "--no-such-option"),
        (Some(1), "--no-such-option"),
    ),
    other_end(&["--port"], (Some(1), "--port"), (Some(1), "--port")),
    other_end(
        &["--socket", "s", "--port", "{port}"],
        (Some(1), "cannot be used with"),
        (Some(1), "cannot be used with"),
    ),
    other_end(
        &["--socket=s", "--ip=127.0.0.1"],
        (Some(1), "cannot be used with"),
        (Some(1), "cannot be used with"),
    ),
    // Its rule for these two names the options wrongly and never holds.
    other_end(
        &["--api-socket", "s", "--api-port", "{port}"],
        (None, ""),
        (None, ""),
    ),
    other_end(
        &["--metrics-socket", "s", "--metrics-port", "{port}"],
        (None, ""),
        (None, ""),
    ),
    same_end(
        &["--error-target", "http://h", "--error-path", "p"],
        1,
        "Cannot specify both error-target and error-path. Pick one.",
    ),
    same_end(
        &["--redirect-port", "{port}"],
        1,
        "HTTPS redirection specified but certificates not provided.",
    ),
    same_end(
        &["--custom-header", "none"],
        1,
        "A colon was expected in custom header: none",
    ),
    same_end(
        &["--custom-header", ":x"],
        1,
        "A colon was expected in custom header: :x",
    ),
    same_end(
        &["--ssl-key", "/no/such.key", "--ssl-cert", "/no/such.pem"],
        1,
        "/no/such",
    ),
    same_end(
        &[
            "--api-ssl-key",
            "/no/such.key",
            "--api-ssl-cert",
            "/no/such.pem",
        ],
        1,
        "/no/such",
    ),
    // What it takes for a number or a level, and runs with.
    other_end(&["--log-level", "loud"], (None, ""), (Some(1), "loud")),
    other_end(&["--timeout", "soon"], (None, ""), (Some(1), "soon")),
];

pub async fn refusals(program: Program) {
    for chunk in REFUSALS.chunks(4) {
        futures_util::future::join_all(chunk.iter().map(|refusal| refused(program, refusal))).await;
    }
}

async fn refused(program: Program, refusal: &Refusal) {
    let (code, says) = if program == Program::Chp {
        refusal.chp
    } else {
        refusal.ours
    };
    let mut arguments: Vec<String> = Vec::new();
    // Nothing is to be bound by chance where others may want it.
    let has = |option: &str| {
        refusal
            .arguments
            .iter()
            .any(|argument| argument.starts_with(option))
    };
    if !has("--socket") && !has("--port") {
        let address = free();
        arguments.extend([
            format!("--ip={}", address.ip()),
            format!("--port={}", address.port()),
        ]);
    }
    if !has("--api-socket") && !has("--api-port") {
        let address = free();
        arguments.extend([
            format!("--api-ip={}", address.ip()),
            format!("--api-port={}", address.port()),
        ]);
    }
    let port = free().port().to_string();
    arguments.extend(
        refusal
            .arguments
            .iter()
            .map(|argument| argument.replace("{port}", &port)),
    );
    let patience = if code.is_some() {
        Duration::from_secs(20)
    } else {
        Duration::from_millis(1500)
    };
    let (found, said) = run(program, &arguments, patience).await;
    assert_eq!(found, code, "{program:?} {:?}: {said}", refusal.arguments);
    assert!(
        said.contains(says),
        "{program:?} {:?}: no {says:?} in {said}",
        refusal.arguments
    );
}

/// What JupyterHub gives, each value in its two forms, and what its log is looked through for.
pub async fn as_the_hub_does(program: Program) {
    let proxy = Proxy::start(
        program,
        &[
            "--error-target",
            "http://127.0.0.1:1/hub/error",
            "--log-level",
            "debug",
        ],
    )
    .await;
    crate::routing::add(&proxy, "/", "http://127.0.0.1:1").await;
    for text in [
        "Proxying http://".to_owned(),
        " to (no default)".to_owned(),
        "Proxy API at http://".to_owned(),
        "Adding route / -> http://127.0.0.1:1".to_owned(),
        "Route added / -> http://127.0.0.1:1".to_owned(),
        "201 POST /api/routes".to_owned(),
    ] {
        proxy.says(&text).await;
    }
    assert!(
        !proxy.log().contains(TOKEN),
        "the token is in the log:\n{}",
        proxy.log()
    );
    let proxy = Proxy::start(
        program,
        &[
            "--log-level=debug",
            "--error-target=http://127.0.0.1:1/hub/error",
        ],
    )
    .await;
    Place::public(&proxy)
        .side_by_side(&[same("GET /", &["404"])])
        .await;
    let quiet = Proxy::start(program, &["--log-level", "ERROR"]).await;
    crate::routing::add(&quiet, "/", "http://127.0.0.1:1").await;
    assert!(!quiet.log().contains("Adding route"), "{}", quiet.log());
}

/// Addresses whose next port is free on `localhost`. Below the ports that connections take, or one might have it first.
fn free_with_next() -> impl Iterator<Item = std::net::SocketAddr> {
    let start = u16::try_from(std::process::id() % 5000).expect("a small number");
    let is_free = |address: (std::net::IpAddr, u16)| std::net::TcpListener::bind(address).is_ok();
    let (ip, localhost) = (free().ip(), std::net::Ipv4Addr::LOCALHOST.into());
    (0..5000)
        .map(move |at| 20_000 + (start + at) % 5000 * 2)
        .filter(move |port| is_free((ip, *port)) && is_free((localhost, port + 1)))
        .map(move |port| (ip, port).into())
}

/// The port of the API, where only the public one is given.
pub async fn the_ports(program: Program) {
    // Another test may have one of the two by the time the program binds it: it then ends, and takes others.
    for public in free_with_next().take(10) {
        if listens_next_to(program, public).await {
            return;
        }
    }
    panic!("{program:?} ended with each of ten pairs of ports");
}

/// Whether the API is on the next port; not if the program ended.
async fn listens_next_to(program: Program, public: std::net::SocketAddr) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    let mut child = program
        .command()
        .args([
            "--ip",
            &public.ip().to_string(),
            "--port",
            &public.port().to_string(),
        ])
        .current_dir(folder.path())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("setpriv, of util-linux");
    let api = format!("localhost:{}", public.port() + 1);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    loop {
        let connected = tokio::net::TcpStream::connect(&api).await.is_ok();
        if child.try_wait().expect("a child").is_some() {
            return false;
        }
        if connected {
            return true;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "{program:?} does not listen on {api}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Without a token anybody may change the routes, and it says so.
pub async fn without_a_token(program: Program) {
    let (public, api) = (free(), free());
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    let file = std::fs::File::create(&log).expect("a file");
    let mut child = program
        .command()
        .env_remove("CONFIGPROXY_AUTH_TOKEN")
        .args([
            "--ip",
            &public.ip().to_string(),
            "--port",
            &public.port().to_string(),
        ])
        .args([
            "--api-ip",
            &api.ip().to_string(),
            "--api-port",
            &api.port().to_string(),
        ])
        .current_dir(folder.path())
        .stdout(file.try_clone().expect("a second handle"))
        .stderr(file)
        .spawn()
        .expect("setpriv, of util-linux");
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while tokio::net::TcpStream::connect(api).await.is_err() {
        assert!(
            child.try_wait().expect("a child").is_none(),
            "{program:?} ended"
        );
        assert!(
            tokio::time::Instant::now() < deadline,
            "{program:?} does not listen"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut client = crate::wire::Connection::tcp(api).await;
    let outcome = client
        .ask(
            "POST /api/routes/x\n\n{\"target\":\"http://127.0.0.1:1\"}",
            "h",
            crate::table::PATIENCE,
        )
        .await;
    assert_eq!(outcome.reply().status, 201);
    let said = std::fs::read_to_string(&log).expect("a log");
    assert!(said.contains("REST API is not authenticated."), "{said}");
}

/// Both signals end it with 2, and take the pid file away.
pub async fn signals(program: Program) {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut proxy = Proxy::start(program, &["--pid-file", "{folder}/pid"]).await;
        let file = proxy.folder.path().join("pid");
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        while std::fs::read_to_string(&file).unwrap_or_default() != proxy.pid().to_string() {
            assert!(
                tokio::time::Instant::now() < deadline,
                "{program:?} wrote no pid file\n{}",
                proxy.log()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        proxy.signal(signal);
        assert_eq!(
            proxy.ended().await.code(),
            Some(2),
            "{program:?} {signal}\n{}",
            proxy.log()
        );
        assert!(!file.exists(), "{program:?} left its pid file");
    }
}
