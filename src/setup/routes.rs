//! What the proxy of the server serves, as it says itself. One exchange, nothing changed.

use std::time::Duration;

use hub_api::proxy::Routes;
use serde::Deserialize;
use serde_json::json;

use super::HubPlaces;
use super::desired::proxy_api;
use super::names::TRAEFIK_CONFIGURATION;
use super::observe::{framed, python, runner};
use super::{SetupError, template};
use crate::host::{Host, Limits};
use crate::spec::model::ProxyKind;

#[derive(Deserialize)]
struct Answer {
    proxy: Option<String>,
    #[serde(default)]
    routes: Routes,
    problem: Option<String>,
}

/// The proxy's name and its routes, or why it does not tell them.
pub async fn routes(host: &Host) -> Result<Result<(String, Routes), String>, SetupError> {
    let tokens = HubPlaces::all().map(|hub| hub.secret("proxy-token"));
    let place = |kind, name: &str| {
        // With a JupyterHub that cannot use a Unix socket it is on a port.
        let listen = [
            proxy_api(Some(kind), true).1,
            proxy_api(Some(kind), false).1,
        ];
        json!({"name": name, "listen": listen, "tokens": tokens})
    };
    // It has the port that others have without a Unix socket: whether it is there is seen by its file.
    let traefik = json!({
        "name": "traefik",
        "listen": [proxy_api(Some(ProxyKind::Traefik), false).1],
        "tokens": tokens,
        "settings": TRAEFIK_CONFIGURATION,
    });
    let places = json!([
        traefik,
        place(ProxyKind::Hubproxy, "hubproxy"),
        place(ProxyKind::Chp, "configurable-http-proxy"),
    ]);
    let script = format!("{}\n\nroutes({})\n", template::ROUTES, python(&places));
    let limits = Limits::new(Duration::from_secs(30), Duration::from_secs(60));
    let mut said = String::new();
    let output = host
        .exchange(&runner(), framed(&script), limits, |line| said = line)
        .await?;
    match serde_json::from_str::<Answer>(&said) {
        Ok(Answer {
            problem: Some(problem),
            ..
        }) => Ok(Err(problem)),
        Ok(answer) => Ok(Ok((answer.proxy.unwrap_or_default(), answer.routes))),
        Err(_) => Err(SetupError::Observe {
            status: output.exit_status,
            stderr: output.stderr.trim().to_owned(),
        }),
    }
}
