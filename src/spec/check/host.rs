//! The server, its operators, the hub and what notebooks run in.

use super::Checks;
use crate::spec::model::{AuthenticatorKind, HostKey};

impl Checks<'_> {
    pub(super) fn server(&mut self) {
        if self.sound(&["server.rebuild", "server.image"])
            && self.spec.server.rebuild
            && self.spec.server.image.is_none()
        {
            self.warning(
                "server.rebuild",
                "without `server.image` makes the server anew whenever a newer Debian image appears",
                "name the image, or remove this line when the rebuild is done",
            );
        }
        if self.sound(&["ssh.host_key"]) && self.spec.ssh.host_key == HostKey::TrustOnFirstUse {
            self.warning(
                "ssh.host_key",
                "believes whatever answers first: anyone between you and the server can read everything",
                "`console` or `injected` need no trust",
            );
        }
        let mut seen: Vec<&str> = Vec::new();
        let keys = &self.spec.ssh.authorized_keys;
        let doubles: Vec<usize> = keys
            .iter()
            .enumerate()
            .filter_map(|(index, key)| {
                let body = key.split_whitespace().nth(1)?;
                let double = seen.contains(&body);
                seen.push(body);
                double.then_some(index)
            })
            .collect();
        if self.sound(&["ssh.authorized_keys"]) {
            for index in doubles {
                self.warning(
                    &format!("ssh.authorized_keys[{index}]"),
                    "is a key that stands in the list already",
                    "remove one of the two",
                );
            }
        }
    }

    pub(super) fn hub(&mut self) {
        for (index, name) in self.spec.hub.admins.iter().enumerate() {
            if SYSTEM_ACCOUNTS.contains(&name.as_str())
                && self.spec.authenticator.kind == AuthenticatorKind::Pam
            {
                self.entry_problem(
                    "hub.admins",
                    index,
                    format!("`{name}` is an account of the system's, not a user of the hub"),
                    "name a user that `hubctl add-users` makes",
                );
            } else if self.spec.hub.admins[..index].contains(name) {
                self.entry_problem(
                    "hub.admins",
                    index,
                    format!("`{name}` stands in the list already"),
                    "remove one of the two",
                );
            }
        }
    }

    pub(super) fn environment(&mut self) {
        for (index, package) in self.spec.environment.conda.iter().enumerate() {
            if package.starts_with('-') || package.contains(char::is_whitespace) {
                self.entry_problem(
                    "environment.conda",
                    index,
                    format!("`{package}` is no package"),
                    "a name, with a version behind it where one is wanted: `gdal`, `python=3.12`",
                );
            }
        }
        for (index, package) in self.spec.environment.packages.iter().enumerate() {
            let end = package
                .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')))
                .unwrap_or(package.len());
            let (name, rest) = package.split_at(end);
            match name.to_lowercase().replace('_', "-").as_str() {
                "jupyterlab" => self.entry_problem(
                    "environment.packages",
                    index,
                    "names JupyterLab, which has a field of its own",
                    match rest.trim_start_matches(['=', ' ']) {
                        "" => "remove it: `environment.jupyterlab` is its version".to_owned(),
                        version => format!("`environment.jupyterlab: \"{version}\"`"),
                    },
                ),
                "jupyterhub" => self.entry_problem(
                    "environment.packages",
                    index,
                    "names JupyterHub, which comes in the hub's own version",
                    "remove it: `hub.version` is its version",
                ),
                _ => {}
            }
        }
    }
}

/// Accounts a Debian or Ubuntu image has. None may be an administrator of the hub.
const SYSTEM_ACCOUNTS: &[&str] = &[
    "root",
    "daemon",
    "bin",
    "sys",
    "sync",
    "games",
    "man",
    "lp",
    "mail",
    "news",
    "uucp",
    "proxy",
    "www-data",
    "backup",
    "list",
    "irc",
    "nobody",
    "sshd",
    "messagebus",
    "syslog",
    "debian",
    "ubuntu",
    "jupyterhub",
];
