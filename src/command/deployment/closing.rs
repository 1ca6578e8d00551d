//! The closing words of `provision`: what it did, where the hub is, and after the first time what to do next.

use anyhow::Context as _;

use super::Deployment;
use crate::host::Host;
use crate::spec::{AuthenticatorKind, HubKind, ProxyKind, Spec, TlsKind};
use crate::state::{Certificate, State};
use crate::tls;
use crate::ui::counted;
use crate::users::credentials;

impl Deployment<'_> {
    pub(in crate::command) fn report(&mut self, changed: usize) -> anyhow::Result<()> {
        let outcome = self.outcome.as_ref().context("there is no server")?;
        let url = url::Url::parse(&self.url(outcome))
            .context("the hub's URL")?
            .to_string();
        let first = self.receipt.url.replace(url.clone()).is_none();
        self.receipt.notebook = self.spec.hub.kind == HubKind::Notebook;
        self.receipt.certificate = match self.spec.tls.kind {
            TlsKind::SelfSigned => Certificate::Deployment,
            _ if self.spec.tls.staging => Certificate::Staging,
            _ => Certificate::Public,
        };
        self.state.write_receipt(&self.receipt)?;
        let seconds = self.context.started.elapsed().as_secs_f64();
        let ui = &self.context.ui;
        if ui.is_json() {
            ui.record(&serde_json::json!({
                "event": "done",
                "changed": changed,
                "api_calls": self.cloud.api_calls(),
                "ssh_exchanges": self.host.as_ref().map_or(0, Host::exchanges),
                "seconds": seconds,
                "url": url,
            }));
            return Ok(());
        }
        let table = self
            .timings
            .iter()
            .map(|(phase, seconds)| format!("{phase} {seconds:.1} s"))
            .collect::<Vec<_>>()
            .join(", ");
        let what = match changed {
            0 => "nothing to do".to_owned(),
            _ => counted(changed, "change"),
        };
        ui.say(&format!("\n{what} in {seconds:.1} s ({table})"));
        if first {
            ui.say(&next(&self.spec, &self.state));
        }
        ui.data(&url);
        Ok(())
    }
}

/// What people ask once it stands: how somebody gets in, and why their browser warns.
fn next(spec: &Spec, state: &State) -> String {
    let mut lines = Vec::new();
    if spec.hub.kind == HubKind::Notebook {
        let file = state.path(credentials::FILE);
        lines.push(format!("its password: {}", file.display()));
    } else if spec.authenticator.kind == AuthenticatorKind::Pam {
        lines.push(format!(
            "next: `hubctl add-users --count {}` makes accounts, and slips with their passwords to hand out",
            spec.limits.seats
        ));
    }
    match spec.tls.kind {
        TlsKind::None => lines.push(
            "only the server itself reaches it: `hubctl tunnel` leads there from here".to_owned(),
        ),
        TlsKind::SelfSigned => {
            lines.push(format!(
                "browsers warn of its certificate, but those that trust {}",
                state.path(tls::AUTHORITY).display()
            ));
            if matches!(spec.proxy.kind, ProxyKind::Hubproxy | ProxyKind::Traefik) {
                lines.push(format!(
                    "  one that all of them trust: {}`tls: {{kind: acme}}`",
                    if spec.domain.is_some() {
                        ""
                    } else {
                        "`domain` and "
                    }
                ));
            }
        }
        TlsKind::Own | TlsKind::Acme | TlsKind::AcmeIp => {}
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_hub_tells_how_people_get_in_and_why_browsers_warn() {
        let base = tempfile::tempdir().unwrap();
        let state = State::open(base.path(), "class").unwrap();
        let said =
            |spec: &Spec| next(spec, &state).replace(&base.path().display().to_string(), "STATE");
        let mut spec = Spec::named("class");
        spec.limits.seats = 12;
        assert_eq!(
            said(&spec),
            "next: `hubctl add-users --count 12` makes accounts, and slips with their passwords to hand out\n\
             browsers warn of its certificate, but those that trust STATE/class/ca.pem\n  \
             one that all of them trust: `domain` and `tls: {kind: acme}`"
        );
        spec.hub.kind = HubKind::Notebook;
        spec.tls.kind = TlsKind::Acme;
        assert_eq!(said(&spec), "its password: STATE/class/credentials.csv");
    }
}
