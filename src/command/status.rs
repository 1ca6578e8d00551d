//! `hubctl status`: what stands, and whether it works.

mod show;

use super::Context;
use super::deployment::{Deployment, place_of, trust, url};
use super::server;
use super::way::Way;
use crate::event::Silent;
use crate::health::{self, Endpoint, Report};
use crate::host::Host;
use crate::infra::{self, Item, Outcome};
use crate::setup::{self, Vitals};
use crate::state::State;
use crate::ui::{Diagnosis, Exit};
use hub_api::proxy::Status;
use show::show;

/// Show what stands, in the cloud and on the host, and whether the hub answers
///
/// With the deployment's hub.yaml it also tells what drifted from it. Without, the cloud's tags are enough. It takes no
/// lock and changes nothing: it can be asked while another run works.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The deployment; default: the spec's
    pub name: Option<String>,
}

/// All that is known of a deployment.
struct Standing {
    name: String,
    items: Vec<Item>,
    outcome: Option<Outcome>,
    /// Where the hub is for its users.
    url: Option<String>,
    /// The way there, where one was found.
    way: Option<Way>,
    health: Option<Report>,
    /// The server from inside, or why it was not looked at.
    vitals: Option<Result<Vitals, String>>,
    proxy: Option<Result<Status, String>>,
    drift: Option<Drift>,
    /// The process of a run that works on it now.
    busy: Option<String>,
}

/// How far the deployment is from its spec.
enum Drift {
    Known { cloud: usize, host: usize },
    Unknown(String),
}

pub(super) async fn run(context: &Context, args: &Args) -> anyhow::Result<Exit> {
    let name = context.name(args.name.as_deref())?;
    let has_spec = context.has_spec() && context.outline()?.name.as_ref() == Some(&name);
    let busy = State::busy(&context.state_base()?, &name);
    let mut standing = if has_spec {
        with_spec(context).await?
    } else {
        without_spec(context, &name).await?
    };
    standing.busy = busy;
    if let Some(way) = &standing.way {
        standing.health = Some(health::light(way.endpoint(), &Silent).await);
    }
    let works = standing.health.as_ref().is_some_and(Report::is_healthy);
    show(context, &standing, works);
    Ok(if works || standing.outcome.is_none() {
        Exit::Ok
    } else {
        Exit::Health
    })
}

async fn with_spec(context: &Context) -> anyhow::Result<Standing> {
    let mut deployment = Deployment::look(context).await?;
    let cloud = deployment.plan_cloud().await;
    let mut proxy = None;
    let drift = match cloud {
        Ok(plan) => match deployment.plan_host(&plan).await {
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
        },
        Err(error) => Drift::Unknown(format!("{error:#}")),
    };
    let vitals = match deployment.host() {
        Some(host) => Some(look_inside(host).await),
        None => None,
    };
    let url = deployment.outcome.as_ref();
    let url = url.map(|outcome| deployment.url(outcome));
    let way = deployment.way().await.ok();
    Ok(Standing {
        name: deployment.spec.name.clone(),
        items: deployment.inventory.items(),
        url,
        way,
        outcome: deployment.outcome.clone(),
        health: None,
        vitals,
        proxy,
        drift: Some(drift),
        busy: None,
    })
}

async fn without_spec(context: &Context, name: &str) -> anyhow::Result<Standing> {
    let cloud = context.cloud().await?;
    let inventory = infra::observe(&cloud, name).await?;
    let outcome = Outcome::of(&inventory);
    let state = context.state_for_reading(name)?;
    let mut standing = Standing {
        name: name.to_owned(),
        items: inventory.items(),
        url: None,
        way: None,
        health: None,
        vitals: None,
        proxy: None,
        drift: None,
        busy: None,
        outcome: outcome.clone(),
    };
    if let Some(outcome) = &outcome {
        let domain = inventory
            .recordsets
            .first()
            .map(|record| record.name.trim_end_matches('.'));
        let receipt = state.receipt()?;
        let host = server::visit_server(context, &state, outcome).await;
        let url = match &receipt.url {
            Some(own) if receipt.is_on_loopback() => own.clone(),
            _ => url(domain, outcome.address, &place_of(&receipt)),
        };
        let way = if !receipt.is_on_loopback() {
            let endpoint = Endpoint::new(&url, Some(outcome.address), &trust(&state)?)?;
            Some(Way::straight(endpoint))
        } else if let Ok(host) = &host {
            Way::over(host, &url).await.ok()
        } else {
            None
        };
        standing.way = way.map(|way| way.with_notebook(receipt.notebook));
        standing.url = Some(url);
        standing.vitals = Some(match host {
            Ok(host) => look_inside(&host).await,
            Err(error) => Err(Diagnosis::of(&error).fault().cause),
        });
    }
    Ok(standing)
}

async fn look_inside(host: &Host) -> Result<Vitals, String> {
    setup::vitals(host)
        .await
        .map_err(|error| Diagnosis::of(&error.into()).fault().cause)
}
