//! Looking at the host: one exchange.

use std::collections::BTreeSet;
use std::time::Duration;

use hub_api::proxy::Status;
use serde::Deserialize;
use serde_json::json;

use super::desired::{Content, Desired, Download, StatusPlace};
use super::distribution::DISTRIBUTIONS;
use super::facts::Facts;
use super::names::{LOCK, SSH_GUARD, STAMP, UPGRADED};
use super::{SetupError, lock, template};
use crate::event::{Event, Observer};
use crate::host::{Command, Host, Limits};

/// How long cloud-init may take to finish a first boot.
const CLOUD_INIT: Duration = Duration::from_secs(600);

/// Reports what is on the host of all that `desired` speaks of.
pub async fn observe(
    host: &Host,
    desired: &Desired,
    observer: &dyn Observer,
) -> Result<Facts, SetupError> {
    let script = format!(
        "{}\n\nobserve({})\n",
        template::OBSERVE,
        python(&request(desired))
    );
    let limits = Limits::new(
        Duration::from_secs(90),
        CLOUD_INIT + Duration::from_secs(120),
    );
    let (mut facts, mut strange) = (None, None);
    let output = host
        .exchange(
            &runner(),
            framed(&script),
            limits,
            |line| match serde_json::from_str(&line) {
                Ok(Answer::Waiting {
                    what,
                    state,
                    elapsed,
                    deadline,
                }) => observer.on(Event::Waiting {
                    what,
                    state,
                    elapsed_seconds: elapsed,
                    deadline_seconds: deadline,
                }),
                Ok(Answer::Facts { facts: found }) => facts = Some(*found),
                Err(error) => strange = Some(format!("{error}: {line}")),
            },
        )
        .await?;
    if output.exit_status != 0 {
        return Err(SetupError::Observe {
            status: output.exit_status,
            stderr: output.stderr.trim().to_owned(),
        });
    }
    facts.ok_or(SetupError::Answer {
        line: strange.unwrap_or_else(|| output.stderr.clone()),
    })
}

/// What hubproxy says of itself now, or why it says nothing. One exchange.
pub async fn proxy_status(
    host: &Host,
    place: &StatusPlace,
) -> Result<Result<Status, String>, SetupError> {
    let request = json!({"listen": place.listen, "token": place.token});
    let script = format!(
        "{}\n\nprint(json.dumps(proxy_status({})))\n",
        template::OBSERVE,
        python(&request)
    );
    let limits = Limits::new(Duration::from_secs(30), Duration::from_secs(60));
    let mut said = String::new();
    let output = host
        .exchange(&runner(), framed(&script), limits, |line| said = line)
        .await?;
    match serde_json::from_str(&said) {
        Ok(value) => Ok(status_of(&value)),
        Err(_) => Err(SetupError::Observe {
            status: output.exit_status,
            stderr: output.stderr.trim().to_owned(),
        }),
    }
}

fn status_of(value: &serde_json::Value) -> Result<Status, String> {
    match value.get("error").and_then(serde_json::Value::as_str) {
        Some(why) => Err(why.to_owned()),
        None => serde_json::from_value(value.clone()).map_err(|error| error.to_string()),
    }
}

impl Facts {
    /// What hubproxy says of itself, or why it says nothing; `None` where there is none to ask.
    pub fn proxy_status(&self) -> Option<Result<Status, String>> {
        self.proxy.as_ref().map(status_of)
    }
}

#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Answer {
    Waiting {
        what: String,
        state: String,
        elapsed: f64,
        deadline: f64,
    },
    Facts {
        facts: Box<Facts>,
    },
}

/// Root's Python, which first reads a program of a length given in a line, and then is that program. What follows on its
/// input is the program's.
pub(super) fn runner() -> Command {
    Command::new("sudo").args([
        "-n",
        "python3",
        "-I",
        "-c",
        "import sys; i = sys.stdin.buffer; exec(compile(i.read(int(i.readline())), 'hubctl', 'exec'))",
    ])
}

/// A text behind a line with its length in bytes.
pub(super) fn framed(text: &str) -> Vec<u8> {
    format!("{}\n{text}", text.len()).into_bytes()
}

/// JSON as a Python expression.
pub(super) fn python(value: &serde_json::Value) -> String {
    // The JSON text, quoted once more, is a Python string literal too.
    format!("json.loads({})", serde_json::Value::from(value.to_string()))
}

/// Packages to ask about: what is wanted, and what goes with it on one distribution or another.
fn packages(desired: &Desired) -> BTreeSet<&str> {
    let mut names: BTreeSet<&str> = desired.packages.iter().map(String::as_str).collect();
    for one in &DISTRIBUTIONS {
        for name in one.beside(&desired.packages) {
            names.insert(name);
        }
    }
    names
}

/// What is to be looked at.
pub(super) fn request(desired: &Desired) -> serde_json::Value {
    let mut files = Vec::new();
    let mut add = |path: &str, text: bool| files.push(json!({"path": path, "text": text}));
    for file in &desired.files {
        add(&file.path, matches!(file.content, Content::Text(_)));
    }
    for folder in &desired.folders {
        add(folder.path, false);
    }
    for edit in &desired.edits {
        add(&edit.path, true);
    }
    for path in &desired.absent {
        add(path, false);
    }
    for other in &desired.other_hubs {
        if let Some(database) = other.database {
            add(database, false);
        }
    }
    for venv in &desired.venvs {
        add(&format!("{}/{STAMP}", venv.folder), true);
        add(&lock::path(venv.folder), true);
        for (_, link) in &venv.links {
            add(link, false);
        }
    }
    if let Some(download) = &desired.download {
        add(&format!("{}/{}", download.folder, Download::STAMP), true);
    }
    if let Some(conda) = &desired.conda {
        add(&format!("{}/{STAMP}", conda.folder), true);
        add(&format!("{}/kernel.json", conda.kernel), false);
        add(&lock::path(conda.folder), true);
    }
    add(desired.ssh.path, true);
    add(&format!("{}/bin/uv", desired.uv.folder), false);
    add(UPGRADED, false);
    let accounts: Vec<&str> = desired
        .accounts
        .iter()
        .copied()
        .chain(desired.person)
        .chain([desired.login.as_str()])
        .collect();
    json!({
        "cloud_init_deadline": CLOUD_INIT.as_secs(),
        "files": files,
        "packages": packages(desired),
        "units": desired.units.iter()
            .map(|unit| json!({"name": unit.name, "reads": unit.reads}))
            .chain(desired.retired.iter().map(|name| json!({"name": name, "reads": []})))
            .chain(desired.other_hubs.iter().flat_map(|hub| hub.units)
                .map(|name| json!({"name": name, "reads": []})))
            .chain([json!({"name": SSH_GUARD, "reads": []})])
            .collect::<Vec<_>>(),
        "servers": desired.other_hubs.iter()
            .map(|hub| json!({"hub": hub.service, "units": hub.user_units()}))
            .collect::<Vec<_>>(),
        "accounts": accounts,
        "groups": desired.groups,
        "venvs": desired.venvs.iter().map(|venv| venv.folder).collect::<Vec<_>>(),
        "npm": desired.npm.iter()
            .map(|npm| json!({"folder": npm.folder, "package": npm.package}))
            .collect::<Vec<_>>(),
        "containers": desired.containers.as_ref().map(|containers| json!({
            "network": containers.network, "device": containers.device, "image": containers.image,
        })),
        "tables": desired.nft_tables.keys().collect::<Vec<_>>(),
        "volume": desired.volume,
        "ports": desired.ports,
        "proxy": desired.status.as_ref()
            .map(|place| json!({"listen": place.listen, "token": place.token})),
        "lock": LOCK,
    })
}
