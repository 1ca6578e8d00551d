//! `hubctl list`: every deployment of the project.

use super::Context;
use crate::infra;
use crate::ui::Exit;

/// List the deployments in the project, found by their tags
#[derive(Debug, clap::Args)]
pub struct Args {}

pub(super) async fn run(context: &Context, _: &Args) -> anyhow::Result<Exit> {
    let cloud = context.cloud().await?;
    let deployments = infra::list(&cloud).await?;
    if context.ui.is_json() {
        for deployment in &deployments {
            context.ui.record(deployment);
        }
    } else if deployments.is_empty() {
        context.ui.say("no deployment in this project");
    } else {
        let mut table = format!(
            "{:<24} {:<10} {:<16} {:<20} {}\n",
            "NAME", "SERVER", "ADDRESS", "CREATED", "EXPIRES"
        );
        for deployment in &deployments {
            let server = deployment.server.as_ref();
            table.push_str(&format!(
                "{:<24} {:<10} {:<16} {:<20} {}\n",
                deployment.name,
                deployment.status.as_deref().unwrap_or("-"),
                server.map_or("-".to_owned(), |server| server.address.to_string()),
                server
                    .and_then(|server| server.created.as_deref())
                    .or(deployment.newest.as_deref())
                    .map_or_else(|| "-".to_owned(), seconds),
                deployment
                    .expires
                    .as_deref()
                    .map_or_else(|| "-".to_owned(), seconds),
            ));
        }
        context.ui.data(&table);
    }
    Ok(Exit::Ok)
}

/// A time in the cloud's words, to the second.
fn seconds(time: &str) -> String {
    infra::gc::moment(time).map_or_else(
        || time.to_owned(),
        |moment| {
            let format =
                time::macros::format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
            moment.format(format).unwrap_or_default()
        },
    )
}
