//! `hubctl status`: what stands, and whether it works.

use hub_api::proxy::Status;

use super::Context;
use super::certificate;
use super::deployment::{Deployment, trust, url};
use crate::event::Silent;
use crate::health::{self, Endpoint, Report};
use crate::infra::{self, Outcome};
use crate::state::State;
use crate::ui::Exit;

/// Show what stands, in the cloud and on the host, and whether the hub answers
///
/// With the deployment's hub.yaml it also tells what drifted from it. Without, the cloud's tags are enough.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The deployment; default: the spec's
    pub name: Option<String>,
}

pub(super) async fn run(context: &Context, args: &Args) -> anyhow::Result<Exit> {
    let name = context.name(args.name.as_deref())?;
    let has_spec = context.has_spec() && context.outline()?.name.as_ref() == Some(&name);
    if has_spec {
        with_spec(context).await
    } else {
        without_spec(context, &name).await
    }
}

async fn with_spec(context: &Context) -> anyhow::Result<Exit> {
    let mut deployment = Deployment::open(context).await?;
    let cloud = deployment.plan_cloud().await;
    let items = deployment.inventory.items();
    let mut proxy = None;
    let drift = match cloud {
        Ok(plan) => {
            let host = deployment.plan_host(&plan).await;
            match host {
                Ok(Some(work)) => {
                    proxy = work.proxy;
                    Drift::Known {
                        cloud: plan.changes.len(),
                        host: work.plan.steps.len(),
                    }
                }
                Ok(None) => Drift::Unknown(
                    "the host was not looked at; `hubctl provision` goes on from here".to_owned(),
                ),
                Err(error) => Drift::Unknown(format!("{error:#}")),
            }
        }
        Err(error) => Drift::Unknown(format!("{error:#}")),
    };
    let endpoint = deployment.endpoint().ok();
    Ok(show(
        context,
        &deployment.spec.name,
        &items,
        deployment.outcome.as_ref(),
        endpoint,
        Some(drift),
        proxy.as_ref(),
    )
    .await)
}

async fn without_spec(context: &Context, name: &str) -> anyhow::Result<Exit> {
    let cloud = context.cloud().await?;
    let inventory = infra::observe(&cloud, name).await?;
    let outcome = Outcome::of(&inventory);
    let state = State::peek(&context.state_base()?, name);
    let trust = trust(&state)?;
    let endpoint = match &outcome {
        Some(outcome) => {
            let domain = inventory
                .recordsets
                .first()
                .map(|record| record.name.trim_end_matches('.'));
            let receipt = state.receipt()?;
            let url = match receipt.url.filter(|_| receipt.notebook) {
                Some(url) => url,
                None => url(domain, outcome.address, "/"),
            };
            let endpoint = Endpoint::new(&url, Some(outcome.address), &trust)?;
            Some(if receipt.notebook {
                endpoint.of_notebook()
            } else {
                endpoint
            })
        }
        None => None,
    };
    Ok(show(
        context,
        name,
        &inventory.items(),
        outcome.as_ref(),
        endpoint,
        None,
        None,
    )
    .await)
}

/// How far the deployment is from its spec.
enum Drift {
    Known { cloud: usize, host: usize },
    Unknown(String),
}

async fn show(
    context: &Context,
    name: &str,
    items: &[infra::Item],
    outcome: Option<&Outcome>,
    endpoint: Option<Endpoint>,
    drift: Option<Drift>,
    proxy: Option<&Result<Status, String>>,
) -> Exit {
    let health = match &endpoint {
        Some(endpoint) => Some(health::light(endpoint, &Silent).await),
        None => None,
    };
    let works = health.as_ref().is_some_and(Report::is_healthy);
    let ui = &context.ui;
    if ui.is_json() {
        ui.record(&serde_json::json!({
            "event": "status",
            "name": name,
            "server": outcome,
            "items": items,
            "url": endpoint.as_ref().map(|endpoint| endpoint.url().to_string()),
            "works": works,
            "health": health,
            "proxy": match proxy {
                Some(Ok(status)) => serde_json::json!(status),
                Some(Err(why)) => serde_json::json!({"error": why}),
                None => serde_json::Value::Null,
            },
            "drift": match &drift {
                Some(Drift::Known { cloud, host }) => serde_json::json!({"cloud": cloud, "host": host}),
                Some(Drift::Unknown(why)) => serde_json::json!({"unknown": why}),
                None => serde_json::Value::Null,
            },
        }));
    } else {
        let mut text = String::new();
        for item in items {
            text.push_str(&format!("cloud   {item}\n"));
        }
        if items.is_empty() {
            text.push_str("cloud   nothing\n");
        }
        if let Some(outcome) = outcome {
            let addresses: Vec<String> = outcome
                .addresses()
                .iter()
                .map(ToString::to_string)
                .collect();
            text.push_str(&format!(
                "server  {} at {}\n",
                outcome.status,
                addresses.join(", ")
            ));
        }
        if let (Some(endpoint), Some(report)) = (&endpoint, &health) {
            text.push_str(&format!("hub     {}\n", endpoint.url()));
            for link in &report.links {
                text.push_str(&format!("        {}: {}\n", link.part.name(), link.seen));
            }
            if let Some(broken) = &report.broken {
                text.push_str(&format!("broken  {broken}\n        {}\n", broken.hint));
            }
        }
        match proxy {
            Some(Ok(status)) => {
                text.push_str(&format!(
                    "proxy   hubproxy {}: {} routes, {} connections\n",
                    status.version, status.routes, status.connections
                ));
                for line in certificate::lines(status) {
                    text.push_str(&format!("        {line}\n"));
                }
            }
            Some(Err(why)) => text.push_str(&format!("proxy   does not say how it is: {why}\n")),
            None => {}
        }
        match drift {
            Some(Drift::Known { cloud: 0, host: 0 }) => text.push_str("drift   none\n"),
            Some(Drift::Known { cloud, host }) => text.push_str(&format!(
                "drift   {cloud} changes in the cloud, {host} steps on the host; `hubctl plan` shows them\n"
            )),
            Some(Drift::Unknown(why)) => text.push_str(&format!("drift   not known: {why}\n")),
            None => {}
        }
        ui.data(&text);
    }
    if works || outcome.is_none() {
        Exit::Ok
    } else {
        Exit::Health
    }
}
