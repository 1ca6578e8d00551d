//! The systemd spawner from a shell: what the hub does, one call a process. For the proofs of confinement, which run it
//! on a machine as the hub's account: each call is a hub that was started anew.
//!
//! `spawner prepare|start|poll|kills|stop USER [SERVER]` reads `{"environment", "profile", "state"}` and writes JSON.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use anyhow::Context;
use hubd::spawner::systemd::Systemd;
use hubd::spawner::{Launch, ServerKey, Spawner, Status, Target};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut words = std::env::args().skip(1);
    let verb = words.next().context("which verb?")?;
    let key = ServerKey {
        user: words.next().context("whose server?")?,
        name: words.next().unwrap_or_default(),
    };
    let given: Value = serde_json::from_reader(std::io::stdin())?;
    let spawner = Systemd::new(&hub_api::hub::Systemd::default());
    let said = match verb.as_str() {
        "prepare" => json!({"target": path(&spawner.prepare(&key).await?)}),
        "start" => {
            let profile = given["profile"]
                .as_str()
                .map(|slug| serde_json::from_value(json!({"slug": slug, "display_name": slug})));
            let launch = Launch {
                environment: given
                    .get("environment")
                    .map(|environment| {
                        serde_json::from_value::<BTreeMap<String, String>>(environment.clone())
                    })
                    .transpose()?
                    .unwrap_or_default(),
                profile: profile.transpose()?,
                within: Duration::from_secs(20),
                key,
            };
            let target = spawner.prepare(&launch.key).await?;
            let started = spawner.start(&launch, &target).await?;
            json!({"target": path(&started.target), "state": started.state})
        }
        "poll" => match spawner.poll(&key, &given["state"]).await? {
            Status::Running => json!({"running": true}),
            Status::Ended(ending) => json!({
                "running": false,
                "code": ending.code,
                "out_of_memory": ending.out_of_memory,
                "last_lines": ending.last_lines,
            }),
        },
        "kills" => json!(spawner.memory_kills(&key).await),
        "stop" => {
            spawner.stop(&key, &given["state"]).await?;
            Value::Null
        }
        other => anyhow::bail!("{other:?} is no verb"),
    };
    writeln!(std::io::stdout(), "{said}")?;
    Ok(())
}

fn path(target: &Target) -> String {
    match target {
        Target::Unix(path) => path.display().to_string(),
        Target::Tcp(address) => address.to_string(),
    }
}
