//! Settings that belong to one kind of hub, spawner or authenticator.

use super::Checks;
use crate::spec::model::{
    Authenticator, AuthenticatorKind, Hub, HubKind, HubUser, Spawner, SpawnerKind,
};

impl Checks<'_> {
    /// What is set for a kind that was not chosen has no use, and what a kind needs must be there.
    pub(super) fn choices(&mut self) {
        self.account();
        self.notebook();
        self.containers();
        if self.sound(&["authenticator"]) {
            self.provider();
        }
    }

    /// The account that the hub runs as, and what starts the servers.
    fn account(&mut self) {
        if self.spec.hub.kind != HubKind::Jupyterhub
            || !self.sound(&["hub.kind", "hub.user", "spawner.kind"])
        {
            return;
        }
        let spawner = self.spec.spawner.kind;
        match (self.spec.hub.user, spawner) {
            (HubUser::Jupyterhub, SpawnerKind::Systemd | SpawnerKind::Local) => self.problem(
                "hub.user",
                format!(
                    "is `jupyterhub`, and `spawner.kind: {}` starts servers as other users, which takes root",
                    spawner.word()
                ),
                "set `spawner.kind` to `sudo` or `docker`, or `hub.user: root`",
            ),
            (HubUser::Root, SpawnerKind::Sudo) => self.problem(
                "hub.user",
                "is `root`, and `spawner.kind: sudo` is for a hub without root",
                "set `hub.user: jupyterhub`, or `profile: sudo` for all of it",
            ),
            _ => {}
        }
    }

    fn notebook(&mut self) {
        let notebook = self.spec.hub.kind == HubKind::Notebook;
        if !self.sound(&["hub.kind"]) {
            return;
        }
        let (hub, usual) = (&self.spec.hub, Hub::default());
        let (given, why) = if notebook {
            (
                vec![
                    ("hub.user", hub.user != usual.user),
                    ("hub.admins", !hub.admins.is_empty()),
                    ("hub.extra_config", hub.extra_config.is_some()),
                ],
                "is for a hub, and `hub.kind: notebook` is none",
            )
        } else {
            (
                vec![
                    ("hub.port", hub.port != usual.port),
                    ("hub.base_url", hub.base_url != usual.base_url),
                ],
                "has no use without `hub.kind: notebook`",
            )
        };
        for (path, given) in given {
            if given {
                self.warning(path, why, "remove it");
            }
        }
    }

    fn containers(&mut self) {
        if !self.sound(&["spawner.kind"]) {
            return;
        }
        let spawner = &self.spec.spawner;
        if spawner.kind != SpawnerKind::Docker {
            for (path, given) in [
                ("spawner.image", spawner.image.is_some()),
                ("spawner.source", spawner.source.is_some()),
                (
                    "spawner.network",
                    spawner.network != Spawner::default().network,
                ),
            ] {
                if given {
                    self.warning(
                        path,
                        "has no use without `spawner.kind: docker`",
                        "remove it, or set `spawner.kind: docker`",
                    );
                }
            }
            return;
        }
        if !self.spec.shows_host_environment() {
            let environment = &self.spec.environment;
            for (path, given) in [
                ("environment.packages", !environment.packages.is_empty()),
                ("environment.conda", !environment.conda.is_empty()),
                ("environment.r", environment.r),
            ] {
                if given {
                    self.warning(
                        path,
                        "is not seen by the servers, whose image brings its own",
                        "put it into the image, or leave out `spawner.image` and `spawner.source`",
                    );
                }
            }
        }
    }

    /// What an authenticator other than `pam` needs to be told.
    fn provider(&mut self) {
        let asked = &self.spec.authenticator;
        let word = asked.kind.word();
        if asked.kind == AuthenticatorKind::Pam {
            let usual = Authenticator::default();
            for (path, given) in [
                ("client_id", asked.client_id.is_some()),
                ("client_secret_file", asked.client_secret_file.is_some()),
                ("client_secret_env", asked.client_secret_env.is_some()),
                ("issuer", asked.issuer.is_some()),
                (
                    "username_claim",
                    asked.username_claim != usual.username_claim,
                ),
                ("allowed_users", !asked.allowed_users.is_empty()),
                ("allowed_groups", !asked.allowed_groups.is_empty()),
                ("allowed_domains", !asked.allowed_domains.is_empty()),
            ] {
                if given {
                    self.problem(
                        &format!("authenticator.{path}"),
                        "is a provider's, and `authenticator.kind` is `pam`",
                        "name the provider in `authenticator.kind`, or remove this line",
                    );
                }
            }
            return;
        }
        if asked.client_id.is_none() {
            self.problem(
                "authenticator.client_id",
                format!("is missing: `{word}` knows this hub by it"),
                "register https://YOUR-HUB/hub/oauth_callback with the provider, which gives an id and a secret",
            );
        }
        match (&asked.client_secret_file, &asked.client_secret_env) {
            (None, None) => self.problem(
                "authenticator.client_secret_file",
                "is missing",
                "name the file with the client's secret here, or the variable that holds it in `client_secret_env`; never the secret itself",
            ),
            (Some(_), Some(_)) => self.problem(
                "authenticator.client_secret_env",
                "names a second place of the client's secret",
                "remove one of the two",
            ),
            _ => {}
        }
        match (asked.kind, &asked.issuer) {
            (AuthenticatorKind::Oidc, None) => self.problem(
                "authenticator.issuer",
                "is missing: the address that the provider's tokens are from",
                "`issuer: https://login.example.org/realms/class`",
            ),
            (AuthenticatorKind::Google, Some(_)) => {
                self.problem("authenticator.issuer", "is known for `google`", "remove it")
            }
            _ => {}
        }
        let domains = !asked.allowed_domains.is_empty();
        if domains && asked.kind != AuthenticatorKind::Google {
            self.problem(
                "authenticator.allowed_domains",
                format!("is for `google`, and `authenticator.kind` is `{word}`"),
                "use `allowed_users` or `allowed_groups`",
            );
        }
        let groups = !asked.allowed_groups.is_empty();
        if groups && asked.kind == AuthenticatorKind::Google {
            self.problem(
                "authenticator.allowed_groups",
                "is not for `google`, which has no groups here",
                "use `allowed_users` or `allowed_domains`",
            );
        }
        if asked.allowed_users.is_empty() && !groups && !domains {
            self.problem(
                "authenticator.allowed_users",
                "is empty, and so nobody may log in: a provider's people are not yours by themselves",
                "name users, or `allowed_groups` (`allowed_domains` with `google`)",
            );
        }
    }
}
