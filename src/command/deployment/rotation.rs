//! Another SSH key and other secrets for a deployment that stands.

use anyhow::Context as _;

use super::{Deployment, SECOND_SESSION};
use crate::command::rotate::{Journal, keys};
use crate::command::server;
use crate::event::{Event, Observer};
use crate::host::{Host, Identity};
use crate::infra::{self, is_same_key, tag};
use crate::key;
use crate::setup::names::NOTEBOOK_ACCOUNT;
use crate::spec::HubKind;
use crate::tls;
use crate::users::Credentials;

impl Deployment<'_> {
    /// Makes a new key the one that gets in, and the old ones no more.
    ///
    /// The new one is let in, tried, and made this machine's before the old ones go; a run that is killed anywhere is let
    /// in by one of them and goes on.
    pub(in crate::command) async fn rotate_key(
        &mut self,
        journal: &mut Journal,
    ) -> anyhow::Result<()> {
        let outcome = self
            .outcome
            .clone()
            .context("the cloud gave the server no address")?;
        let host = self.connect(&outcome, server::SSH_DEADLINE).await?;
        let started = self.start_phase("key");
        let new = match &journal.new_key {
            Some(new) => new.clone(),
            None => {
                let new = key::ensure_next(&self.state)?;
                keys::change(&host, std::slice::from_ref(&new), &[]).await?;
                let mut target = host.target().clone();
                target.identities = vec![Identity::File(self.state.path(key::NEXT))];
                Host::connect(&target, SECOND_SESSION, &*self.context.ui)
                    .await
                    .context("trying the new key; the old one still gets in")?;
                journal.new_key = Some(new.clone());
                journal.save(&self.state)?;
                new
            }
        };
        key::adopt_next(&self.state)?;
        self.local.public_key = Some(new.clone());

        // From here on with the new one.
        let mut target = host.target().clone();
        target.identities = vec![Identity::File(self.state.path(key::FILE)), Identity::Agent];
        let host = Host::connect(&target, SECOND_SESSION, &*self.context.ui).await?;
        let kept = &self.spec.ssh.authorized_keys;
        let old: Vec<String> = journal
            .old_keys
            .iter()
            .filter(|old| {
                !is_same_key(old, &new) && !kept.iter().any(|kept| is_same_key(kept, old))
            })
            .cloned()
            .collect();
        keys::change(&host, std::slice::from_ref(&new), &old).await?;
        self.host = Some(host);
        self.replace_key_pair(&new).await?;
        self.finish_phase("key", started);
        Ok(())
    }

    /// OpenStack's copy, for servers that are made later.
    async fn replace_key_pair(&self, public: &str) -> anyhow::Result<()> {
        let pace = infra::Pace::default();
        if infra::replace_key_pair(&self.cloud, &self.spec.name, public, &pace).await? {
            self.context.ui.on(Event::Note {
                message: format!("key pair {} holds the new key", tag::name(&self.spec.name)),
            });
        }
        Ok(())
    }

    /// Forgets the secrets, the authority and the certificate, and the password of a notebook server unless it is kept: the
    /// next look at the host finds them to be made anew.
    pub(in crate::command) fn renew_secrets(&mut self, keep_password: bool) -> anyhow::Result<()> {
        if self.spec.hub.kind == HubKind::Notebook && !keep_password {
            let mut credentials = Credentials::load(&self.state)?;
            credentials.remove(NOTEBOOK_ACCOUNT);
            credentials.save(&self.state)?;
        }
        self.receipt.secrets.clear();
        self.state.write_receipt(&self.receipt)?;
        Ok(tls::forget(&self.state)?)
    }
}
