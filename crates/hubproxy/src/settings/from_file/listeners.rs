//! `[http]` and `[https]`: the public listeners.

use std::collections::BTreeSet;

use hub_api::proxy::{File, Listen};

use super::files::with_mode;
use crate::config::Problems;
use crate::settings::Listener;

/// The listeners, and the port that plain HTTP is redirected to.
pub(super) fn listeners(file: &File, problems: &mut Problems) -> (Vec<Listener>, Option<u16>) {
    if file.http.is_none() && file.https.is_none() {
        problems.add("", "nothing to serve: write [http], [https] or both");
    }
    let mut listeners = Vec::new();
    let mut redirect = None;
    if let Some(http) = &file.http {
        if http.redirect == Some(true) && file.https.is_none() {
            problems.add("http.redirect", "there is no [https] to redirect to");
        }
        redirect = http.redirect.unwrap_or(file.https.is_some()).then(|| {
            let port = file
                .https
                .iter()
                .flat_map(|https| &https.listen)
                .find_map(|listen| match listen {
                    Listen::Tcp(address) => Some(address.port()),
                    Listen::Unix(_) => None,
                });
            http.redirect_port.or(port).unwrap_or(443)
        });
        if http.listen.is_empty() {
            problems.add("http.listen", "needs at least one address");
        }
        let plain = |listen: &Listen| Listener {
            address: with_mode(listen.clone(), 0o666),
            tls: false,
        };
        listeners.extend(http.listen.iter().map(plain));
    }
    if let Some(https) = &file.https {
        if https.listen.is_empty() {
            problems.add("https.listen", "needs at least one address");
        }
        let secure = |listen: &Listen| Listener {
            address: with_mode(listen.clone(), 0o666),
            tls: true,
        };
        listeners.extend(https.listen.iter().map(secure));
    }
    let mut seen = BTreeSet::new();
    for listener in &listeners {
        let address = listener.address.to_string();
        if !address.ends_with(":0") && !seen.insert(address.clone()) {
            problems.add(
                if listener.tls {
                    "https.listen"
                } else {
                    "http.listen"
                },
                format!("{address} is there twice"),
            );
        }
    }
    (listeners, redirect)
}
