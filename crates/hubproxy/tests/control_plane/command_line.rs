//! The command line: what is refused and how, names, exit codes, the process id, check-config.

use std::os::unix::fs::symlink;
use std::process::{Command, Output};

use nix::sys::signal::Signal;

use crate::program::client::request;
use crate::program::{Program, Proxy, backend, hubproxy, write};

fn output(options: &[&str]) -> Output {
    hubproxy().args(options).output().unwrap()
}

#[test]
fn refusals_end_with_one_and_say_why_on_standard_error() {
    for (options, reason) in [
        (&["--bogus"][..], "--bogus"),
        (&["--port", "1", "--socket", "/s"], "--socket"),
        (
            &["--error-target", "http://x", "--error-path", "/x"],
            "Cannot specify both error-target and error-path",
        ),
        (
            &["--redirect-port", "8080"],
            "HTTPS redirection specified but certificates not provided",
        ),
        (
            &["--ssl-cert", "/nonexistent", "--ssl-key", "/nonexistent"],
            "/nonexistent",
        ),
        (&["--storage-backend", "x"], "--storage-backend"),
        (&["--config", "/nonexistent"], "/nonexistent"),
        (&["--config", "/x", "--port", "1"], "--port"),
    ] {
        let output = output(options);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{options:?}: {error}");
        assert!(error.contains(reason), "{options:?}: {error}");
    }
}

#[test]
fn help_and_version_end_with_zero() {
    let help = output(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    let text = String::from_utf8_lossy(&help.stdout).into_owned();
    for option in [
        "--error-target",
        "--api-ssl-reject-unauthorized",
        "--custom-header",
        "--config",
        "--no-x-forward",
    ] {
        assert!(text.contains(option), "{option} in {text}");
    }
    assert!(String::from_utf8_lossy(&output(&["-V"]).stdout).starts_with("hubproxy "));
}

#[test]
fn under_the_others_name_it_does_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().join("configurable-http-proxy");
    symlink(env!("CARGO_BIN_EXE_hubproxy"), &name).unwrap();
    let version = Command::new(&name).arg("--version").output().unwrap();
    assert!(
        String::from_utf8_lossy(&version.stdout).starts_with("5.3.0 "),
        "{version:?}"
    );
    let mut command = Command::new(&name);
    command.args([
        "--ip",
        "127.0.0.1",
        "--port=0",
        "--api-ip=127.0.0.1",
        "--log-level=debug",
    ]);
    let proxy = Proxy::started(Program::spawn(&command));
    assert_eq!(
        request(proxy.public, "GET", "/_chp_healthz", &[], b"").text(),
        "{\"status\":\"OK\"}"
    );
}

#[test]
fn it_says_what_the_other_says() {
    let target = format!("http://{}", backend::echo());
    let folder = tempfile::tempdir().unwrap();
    let pid_file = folder.path().join("proxy.pid");
    let options = [
        "--default-target",
        &target,
        "--pid-file",
        pid_file.to_str().unwrap(),
        "--auto-rewrite",
    ];
    let mut proxy = Proxy::chp(&options, None);
    for text in [
        "[ConfigProxy] warn: REST API is not authenticated.",
        "[ConfigProxy] info: AutoRewrite of Location headers enabled.",
        &format!("[ConfigProxy] info: Adding route / -> {target}"),
        &format!("[ConfigProxy] info: Route added / -> {target}"),
        "[ConfigProxy] info: Proxying http://127.0.0.1:",
        "[ConfigProxy] info: Writing pid ",
    ] {
        proxy.program.wait_for(text);
    }
    assert_eq!(request(proxy.public, "GET", "/", &[], b"").status, 200);
    assert_eq!(
        std::fs::read_to_string(&pid_file).unwrap(),
        proxy.program.pid().to_string()
    );
    assert_eq!(proxy.program.terminate(), Some(2));
    assert!(!pid_file.exists());
    proxy.program.wait_for("[ConfigProxy] warn: Terminated");
}

#[test]
fn an_interrupt_ends_with_two_as_well() {
    let mut proxy = Proxy::chp(&[], Some("secret"));
    proxy.program.signal(Signal::SIGINT);
    assert_eq!(proxy.program.wait().code(), Some(2));
    assert!(
        !proxy
            .program
            .said
            .iter()
            .any(|line| line.contains("secret") || line.contains("not authenticated"))
    );
}

#[test]
fn an_address_that_is_taken_is_said() {
    let proxy = Proxy::chp(&[], None);
    let port = proxy.public.port().to_string();
    let output = output(&["--ip", "127.0.0.1", "--port", &port, "--api-port", "0"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains(&format!("listening on 127.0.0.1:{port}: ")),
        "{said}"
    );
    assert!(said.contains("is another proxy running?"), "{said}");
}

#[test]
fn sockets_in_place_of_ports() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let mut command = hubproxy();
    command.args([
        "--socket",
        &path("public"),
        "--api-socket",
        &path("api"),
        "--metrics-socket",
        &path("metrics"),
    ]);
    let mut program = Program::spawn(&command);
    program.wait_for("Serve metrics at ");
    let target = format!("{{\"target\":\"http://{}\"}}", backend::echo());
    let ask = |socket: &str, method: &str, url: &str, body: &[u8]| {
        crate::program::client::unix_request(&folder.path().join(socket), method, url, &[], body)
    };
    assert_eq!(
        ask("api", "POST", "/api/routes/", target.as_bytes()).status,
        201
    );
    assert_eq!(ask("public", "GET", "/x", b"").status, 200);
    let metrics = ask("metrics", "GET", "/metrics", b"");
    assert!(
        metrics.text().contains("\nrequests_web 1\n"),
        "{}",
        metrics.text()
    );
    assert_eq!(ask("metrics", "GET", "/", b"").status, 404);
    assert_eq!(program.terminate(), Some(2));
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        0,
        "its sockets go with it"
    );
}

#[test]
fn a_file_is_checked_and_every_problem_said() {
    let folder = tempfile::tempdir().unwrap();
    let right = "[http]\nlisten = [\"127.0.0.1:0\"]\n[api]\nlisten = \"unix:/run/x\"\n";
    let path = write(folder.path(), "hubproxy.toml", right);
    let path = path.to_str().unwrap();
    assert_eq!(
        output(&["--config", path, "--check-config"]).status.code(),
        Some(0)
    );
    std::fs::write(path, "bogus = 1\nworkers = 0\n[http]\nlisten = []\n").unwrap();
    let checked = output(&["--config", path, "--check-config"]);
    assert_eq!(checked.status.code(), Some(1));
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(
        said.contains(&format!("error: {path}: line 1: bogus: ")),
        "{said}"
    );
    std::fs::write(path, "workers = 0\n[http]\nlisten = []\n").unwrap();
    let said =
        String::from_utf8_lossy(&output(&["--config", path, "--check-config"]).stderr).into_owned();
    assert_eq!(said.lines().count(), 3, "{said}");
}
