//! A real OpenID provider that a server of the sandbox reaches, and people who log in to its hub there.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use reqwest::cookie::Jar;

use crate::directory::seen_from;
use crate::hubctl::done;
use crate::story::{NAME, Story};

const SECRET: &str = "the-secret-of-hub-and-provider-0123456789";

/// Ends when it is dropped.
struct Provider {
    program: Child,
    /// Kept open: it ends when it has nobody to speak to.
    _said: BufReader<ChildStdout>,
    issuer: String,
}

impl Provider {
    /// For a hub whose users come back to this address.
    fn start(story: &Story, callback: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let installed = Command::new(root.join("scripts/peers"))
            .arg("--web")
            .status();
        assert!(installed.unwrap().success(), "scripts/peers --web");
        let address = story.operator.receipt(NAME)["address"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        let mut program = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "node"])
            .arg(root.join("crates/hubd/tests/browser/provider.mjs"))
            .arg(root.join("target/peers/web"))
            .args([callback, SECRET, &seen_from(address).to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("setpriv starts");
        let mut issuer = String::new();
        let mut said = BufReader::new(program.stdout.take().unwrap());
        said.read_line(&mut issuer).unwrap();
        Self {
            program,
            _said: said,
            issuer: issuer.trim().to_owned(),
        }
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// People log in at a provider: who is named has an account from the first login on, and nobody else is let in. With one
/// hub, and with the other in its place.
pub(crate) fn people_come_from_a_provider(story: &mut Story) {
    let url = story.operator.receipt(NAME)["url"]
        .as_str()
        .unwrap()
        .to_owned();
    let provider = Provider::start(story, &format!("{url}hub/oauth_callback"));
    let file = story.operator.folder.join("client-secret");
    std::fs::write(&file, format!("{SECRET}\n")).unwrap();
    for set in [
        "authenticator.kind=oidc".to_owned(),
        "authenticator.client_id=hub".to_owned(),
        format!("authenticator.client_secret_file={}", file.display()),
        format!("authenticator.issuer={}", provider.issuer),
        "authenticator.allowed_users=[grace]".to_owned(),
    ] {
        story.set(&set);
    }
    first_login(
        story,
        &provider,
        &url,
        "grace",
        "/etc/jupyterhub root:root 600",
    );
    story.set("hub.kind=hubd");
    story.set("proxy.kind=hubproxy");
    story.set("authenticator.allowed_users=[grace, lin]");
    first_login(story, &provider, &url, "lin", "/etc/hubd root:hubd 640");
}

/// Somebody who is allowed comes for the first time, after somebody who is not; `secret` is how the client's is kept.
fn first_login(story: &mut Story, provider: &Provider, url: &str, name: &str, secret: &str) {
    story.hubctl(&["provision", "--yes"]);
    story.is_settled();

    let server = story.server();
    let account = format!("getent passwd {name} || echo nobody");
    // JupyterHub makes the accounts of those that it is told by name when it starts.
    if !secret.starts_with("/etc/jupyterhub") {
        assert_eq!(server.run(&account), "nobody");
    }
    assert_eq!(log_in(story, provider, url, "bob"), 403);
    assert_eq!(log_in(story, provider, url, name), 200);
    let account = server.run(&account);
    assert!(
        account.ends_with(&format!(":/home/{name}:/bin/bash")),
        "{account}"
    );
    assert_eq!(
        server.run(&format!("stat -c '%U %a' /home/{name}; id -nG {name}")),
        format!("{name} 700\n{name} jupyterhub-users")
    );
    // Nobody of the doctor's can log in there: it says so, and that nothing else is broken.
    let events = story.hubctl(&["doctor"]);
    let login = events.iter().find(|event| event["part"] == "login");
    assert_eq!(login.unwrap()["state"], "untried", "{login:?}");
    assert_eq!(done(&events)["healthy"], true);

    // The secret went nowhere but into its file, which the hub alone reads.
    let (folder, kept) = secret.split_once(' ').unwrap();
    assert_eq!(
        server.run(&format!(
            "sudo stat -c '%U:%G %a' {folder}/secrets/oauth-client-secret"
        )),
        kept
    );
    let told = server.run_with(
        "exec 3<&0; sudo journalctl --no-pager --output=cat </dev/null | grep -cFf /dev/fd/3 || true",
        SECRET,
    );
    assert_eq!(told, "0", "the journal has the secret");
    story.tell("people of a provider");
}

/// Goes to the hub and by way of the provider to its own page; the status of what is shown in the end.
fn log_in(story: &Story, provider: &Provider, url: &str, name: &str) -> u16 {
    let authority = std::fs::read(story.operator.state(NAME).join("ca.pem")).unwrap();
    let work = async {
        let client = reqwest::Client::builder()
            .add_root_certificate(reqwest::Certificate::from_pem(&authority)?)
            .cookie_provider(Arc::new(Jar::default()))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(Duration::from_secs(60))
            .build()?;
        let hub = reqwest::Url::parse(url).unwrap();
        let mut at = hub.join("hub/oauth_login?next=%2Fhub%2Fhome").unwrap();
        for _ in 0..20 {
            let mut reply = client.get(at.clone()).send().await?;
            if !reply.status().is_redirection() {
                if !at.as_str().starts_with(&provider.issuer) {
                    return Ok(reply.status().as_u16());
                }
                // The provider's own page: its login, then its consent.
                let form: &[(&str, &str)] = if reply.text().await?.contains("name=\"login\"") {
                    &[("prompt", "login"), ("login", name), ("password", "any")]
                } else {
                    &[("prompt", "consent")]
                };
                reply = client.post(at.clone()).form(form).send().await?;
            }
            let next = reply.headers()["location"].to_str().unwrap();
            at = at.join(next).unwrap();
        }
        panic!("{name} is never at an end: {at}");
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime
        .block_on(work)
        .unwrap_or_else(|error: reqwest::Error| panic!("{name}: {error:?}"))
}
