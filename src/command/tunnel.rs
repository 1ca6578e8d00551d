//! `hubctl tunnel`: the hub on a local port, by way of SSH.

use std::net::TcpListener;

use anyhow::Context as _;

use super::{Context, server, way};
use crate::event::Observer;
use crate::host::{Destination, Passage};
use crate::ui::Exit;

/// Bring the hub to a port of this machine, over SSH, until interrupted
///
/// For a hub that nothing but SSH reaches: a security group that is closed, a network without floating IPs, a hub under
/// repair. Connections come out on the server's own loopback, at the port that users reach. The certificate is for the
/// hub's name, not for `localhost`, and the browser says so.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The port here; 0 takes a free one
    #[arg(short, long, default_value_t = 8443)]
    pub port: u16,
    /// Where connections come out, as the server sees it; default: where the hub is (127.0.0.1:443)
    #[arg(long, value_name = "HOST:PORT", value_parser = destination)]
    pub to: Option<Destination>,
    /// The deployment; default: the spec's
    #[arg(long = "deployment", value_name = "NAME")]
    pub name: Option<String>,
}

fn destination(text: &str) -> Result<Destination, String> {
    let (host, port) = text
        .rsplit_once(':')
        .ok_or("write HOST:PORT, e.g. 127.0.0.1:443")?;
    let host = host.trim_matches(['[', ']']);
    match port.parse() {
        Ok(port) if port != 0 && !host.is_empty() => Ok(Destination {
            host: host.to_owned(),
            port,
        }),
        _ => Err("write HOST:PORT, e.g. 127.0.0.1:443".to_owned()),
    }
}

pub(super) async fn run(context: &Context, args: &Args) -> anyhow::Result<Exit> {
    let name = context.name(args.name.as_deref())?;
    // A port that is taken is said before anything is contacted.
    let listener = TcpListener::bind(("127.0.0.1", args.port)).with_context(|| {
        format!(
            "listening on port {} of this machine (`--port 0` takes a free one)",
            args.port
        )
    })?;
    let address = listener.local_addr().context("asking for the port")?;
    let host = server::visit(context, &name).await?;
    let known = context.state_for_reading(&name)?.receipt()?.url;
    let (place, path) = way::destination(known.as_deref());
    let plain = known.is_some_and(|url| url.starts_with("http:"));
    let (to, scheme, path) = match &args.to {
        // Of another place nothing is known but what its port is for.
        Some(to) if *to != place => {
            let scheme = if to.port == 443 { "https" } else { "http" };
            (to.clone(), scheme, "/".to_owned())
        }
        _ => (place, if plain { "http" } else { "https" }, path),
    };
    let url = format!("{scheme}://localhost:{}{path}", address.port());
    let ui = &context.ui;
    if ui.is_json() {
        ui.record(&serde_json::json!({"event": "tunnel", "url": url, "address": address}));
    } else {
        ui.data(&url);
        ui.say(&format!(
            "leads to {}:{} on the server; Ctrl-C ends it",
            to.host, to.port
        ));
    }
    let observer: &dyn Observer = &*context.ui;
    host.tunnel(listener, to.clone(), |passage| {
        if passage == Passage::Refused {
            observer.warn(format!(
                "nothing takes connections at {}:{} on the server; `hubctl doctor` finds out why",
                to.host, to.port
            ));
        }
    })
    .await?;
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_has_a_port() {
        let found = destination("[::1]:443").unwrap();
        assert_eq!((found.host.as_str(), found.port), ("::1", 443));
        for odd in ["443", "localhost:", "localhost:0", ":443", "localhost:http"] {
            assert!(destination(odd).is_err(), "{odd}");
        }
    }
}
