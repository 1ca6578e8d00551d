//! `hubctl routes`: what the proxy serves.

use anyhow::bail;

use super::{Context, server};
use crate::setup;
use crate::ui::{Exit, counted};

/// Show what the proxy serves: paths, where they lead, when they were last used
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The deployment; default: the spec's
    #[arg(long = "deployment", value_name = "NAME")]
    pub name: Option<String>,
}

pub(super) async fn run(context: &Context, args: &Args) -> anyhow::Result<Exit> {
    let name = context.name(args.name.as_deref())?;
    let state = context.state_for_reading(&name)?;
    anyhow::ensure!(
        !state.receipt()?.notebook,
        "{name} is one person's notebook server: it has one address, and no routes"
    );
    let host = server::visit(context, &name).await?;
    let (proxy, routes) = match setup::routes(&host).await? {
        Ok(found) => found,
        Err(problem) => bail!("the proxy does not tell its routes: {problem}"),
    };
    let ui = &context.ui;
    if ui.is_json() {
        ui.record(&serde_json::json!({"event": "routes", "proxy": proxy, "routes": routes}));
        return Ok(Exit::Ok);
    }
    let shown: Vec<[String; 3]> = routes
        .iter()
        .map(|(path, route)| {
            let used = route.last_activity.map_or_else(
                || "-".to_owned(),
                |time| super::moment(time.to_offset(time::UtcOffset::UTC)),
            );
            [path.clone(), readable(&route.target), used]
        })
        .collect();
    let width = |at: usize| shown.iter().map(|row| row[at].len()).max().unwrap_or(0);
    let (first, second) = (width(0).max(4), width(1).max(6));
    let mut table = format!(
        "{:<first$}  {:<second$}  LAST USED (UTC)\n",
        "PATH", "TARGET"
    );
    for [path, target, used] in &shown {
        table.push_str(&format!("{path:<first$}  {target:<second$}  {used}\n"));
    }
    ui.data(&table);
    ui.say(&format!("{} of {proxy}", counted(shown.len(), "route")));
    Ok(Exit::Ok)
}

/// A target as people read it: the socket's path rather than its encoding.
fn readable(target: &str) -> String {
    match target.strip_prefix("http+unix://") {
        Some(encoded) => format!("unix:{}", encoded.replace("%2F", "/").replace("%2f", "/")),
        None => target.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_a_path() {
        assert_eq!(
            readable("http+unix://%2Frun%2Fjupyter%2Fada%2Fserver.sock"),
            "unix:/run/jupyter/ada/server.sock"
        );
        assert_eq!(readable("http://127.0.0.1:881"), "http://127.0.0.1:881");
    }
}
