//! What cannot be together: checks that look at several fields.

use super::model::{
    AuthenticatorKind, FloatingIpChoice, HostKey, Source, SpawnerKind, Spec, TlsKind,
};
use super::node::Node;
use super::problem::{Place, Problem, Problems};

const MEBI: u64 = 1024 * 1024;
const GIBI: u64 = 1024 * MEBI;
/// Below it, no notebook server starts: it and one kernel take some 150 MiB.
const LEAST_MEMORY: u64 = 128 * MEBI;
/// Below it, the first import of a larger library ends the kernel.
const LOW_MEMORY: u64 = 256 * MEBI;
/// No cloud has a flavor with more.
const MOST_MEMORY: u64 = 32 * 1024 * GIBI;

/// The place of the value at `path`, or of the nearest group above it that somebody wrote.
pub(super) fn nearest(tree: &Node, path: &str) -> Place {
    let mut path = path;
    loop {
        if let Some(node) = tree.at(path) {
            return tree
                .key_place(path)
                .filter(|_| node.map().is_some())
                .unwrap_or(&node.place)
                .clone();
        }
        match path.rsplit_once(['.', '[']) {
            Some((above, _)) => path = above,
            None => return tree.place.clone(),
        }
    }
}

pub(super) struct Checks<'a> {
    spec: &'a Spec,
    tree: &'a Node,
    bad: &'a [String],
    pub(super) problems: Problems,
    pub(super) warnings: Problems,
}

impl<'a> Checks<'a> {
    /// `bad` are the paths whose values were wrong and are not in `spec`: what depends on them is not checked.
    pub(super) fn new(spec: &'a Spec, tree: &'a Node, bad: &'a [String]) -> Self {
        Self {
            spec,
            tree,
            bad,
            problems: Problems::default(),
            warnings: Problems::default(),
        }
    }

    pub(super) fn run(&mut self) {
        self.network();
        self.dns();
        self.access();
        self.server();
        self.hub();
        self.tls();
        self.files();
        self.limits();
        self.environment();
    }

    /// Whether the values at these paths are what was written.
    fn sound(&self, paths: &[&str]) -> bool {
        paths.iter().all(|path| {
            !self.bad.iter().any(|bad| {
                let within = |a: &str, b: &str| {
                    a.strip_prefix(b)
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
                };
                within(bad, path) || within(path, bad)
            })
        })
    }

    /// The path of the `kept`th entry of a list as it was written: wrong entries have been taken out.
    fn entry(&self, list: &str, kept: usize) -> String {
        let mut taken: Vec<usize> = self
            .bad
            .iter()
            .filter_map(|bad| {
                bad.strip_prefix(list)?
                    .strip_prefix('[')?
                    .strip_suffix(']')?
                    .parse()
                    .ok()
            })
            .collect();
        taken.sort_unstable();
        let mut index = kept;
        for gone in taken {
            if gone <= index {
                index += 1;
            }
        }
        format!("{list}[{index}]")
    }

    /// A problem with the `kept`th entry of a list.
    fn entry_problem(
        &mut self,
        list: &str,
        kept: usize,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let place = nearest(self.tree, &format!("{list}[{kept}]"));
        let path = self.entry(list, kept);
        self.problems
            .push(Problem::new(place, path, message).hint(hint));
    }

    fn problem(&mut self, path: &str, message: impl Into<String>, hint: impl Into<String>) {
        let place = nearest(self.tree, path);
        self.problems
            .push(Problem::new(place, path, message).hint(hint));
    }

    fn warning(&mut self, path: &str, message: impl Into<String>, hint: impl Into<String>) {
        let place = nearest(self.tree, path);
        self.warnings
            .push(Problem::new(place, path, message).hint(hint));
    }

    fn network(&mut self) {
        let network = &self.spec.network;
        if !self.sound(&["network", "server.floating_ip"]) {
            return;
        }
        if network.name.is_some() {
            for (path, given) in [
                ("network.cidr", network.cidr.is_some()),
                ("network.dns", !network.dns.is_empty()),
            ] {
                if given {
                    self.problem(
                        path,
                        "is for a network of our own, but `network.name` names an existing one",
                        "remove one of the two",
                    );
                }
            }
        } else if self.spec.server.floating_ip == FloatingIpChoice::None && network.cidr.is_some() {
            self.problem(
                "server.floating_ip",
                "is `none`, but nothing else leads into a network of our own (`network.cidr`)",
                "use `auto`, or give the provider network in `network.name`",
            );
        }
        if self.spec.server.floating_ip == FloatingIpChoice::None && network.external.is_some() {
            self.warning(
                "network.external",
                "has no use while `server.floating_ip` is `none`",
                "a provider network goes into `network.name`",
            );
        }
    }

    fn dns(&mut self) {
        if !self.sound(&["domain", "dns"]) {
            return;
        }
        let Some(domain) = &self.spec.domain else {
            if self.spec.dns.wait {
                self.problem(
                    "dns.wait",
                    "has nothing to wait for: `domain` is not set",
                    "give the hub's DNS name in `domain`, or remove this line",
                );
            }
            if self.spec.dns.zone.is_some() {
                self.problem(
                    "dns.zone",
                    "has no use: `domain` is not set",
                    "give the hub's DNS name in `domain`, or remove this line",
                );
            }
            return;
        };
        let domain = domain.trim_end_matches('.');
        if let Some(zone) = &self.spec.dns.zone {
            let zone = zone.trim_end_matches('.');
            if domain != zone && !domain.ends_with(&format!(".{zone}")) {
                self.problem(
                    "dns.zone",
                    format!("does not contain `{domain}`, the hub's DNS name"),
                    "the zone is the end of the name: `example.org` for `hub.example.org`",
                );
            }
        }
    }

    fn access(&mut self) {
        for (path, sources, what) in [
            (
                "access.ssh",
                &self.spec.access.ssh,
                "hubctl could not reach the server either",
            ),
            (
                "access.web",
                &self.spec.access.web,
                "nobody could open the hub, and hubctl could not check it",
            ),
        ] {
            if !self.sound(&[path]) {
                continue;
            }
            if sources.is_empty() {
                self.problem(
                    path,
                    format!("lets nobody in: {what}"),
                    "`[operator]` is the least",
                );
            }
            let anywhere =
                |source: &Source| matches!(source, Source::Net(net) if net.prefix_len() == 0);
            if sources.iter().any(anywhere)
                && sources.iter().any(|source| *source == Source::Operator)
            {
                self.warning(
                    path,
                    "lets everyone in; `operator` beside it changes nothing",
                    "remove one of the two",
                );
            }
        }
    }

    fn server(&mut self) {
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

    fn hub(&mut self) {
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

    fn tls(&mut self) {
        if !self.sound(&["tls"]) {
            return;
        }
        let tls = &self.spec.tls;
        let files = [
            (
                "tls.certificate",
                tls.certificate.is_some(),
                "the certificate and its chain",
                "`certificate: hub.pem`",
            ),
            (
                "tls.key",
                tls.key.is_some(),
                "the private key",
                "`key: hub.key`",
            ),
        ];
        for (path, given, what, example) in files {
            match (tls.kind, given) {
                (TlsKind::Own, false) => {
                    let place = nearest(self.tree, "tls.kind");
                    self.problems.push(
                        Problem::new(place, path, "is missing, and `tls.kind` is `own`")
                            .hint(format!("the file with {what}, PEM: {example}")),
                    );
                }
                (TlsKind::SelfSigned, true) => self.problem(
                    path,
                    "has no use while `tls.kind` is `self-signed`",
                    "set `tls.kind: own`, or remove this line",
                ),
                _ => {}
            }
        }
    }

    /// Files that will be sent must be there, and be what they are named for.
    fn files(&mut self) {
        let tls = &self.spec.tls;
        let files = [
            (
                "tls.certificate",
                &tls.certificate,
                "CERTIFICATE",
                "a certificate",
            ),
            ("tls.key", &tls.key, "PRIVATE KEY", "a private key"),
            (
                "host.ca_bundle",
                &self.spec.host.ca_bundle,
                "CERTIFICATE",
                "a certificate",
            ),
        ];
        for (path, file, label, what) in files {
            let Some(file) = file.as_ref().filter(|_| self.sound(&[path])) else {
                continue;
            };
            let shown = file.display();
            match super::document::read(file) {
                Err((message, hint)) => {
                    let hint = if message == "does not exist" {
                        "paths start beside the file that names them".to_owned()
                    } else {
                        hint
                    };
                    self.problem(path, format!("is {shown}, which {message}"), hint);
                }
                Ok(text) if !text.contains("-----BEGIN ") => self.problem(
                    path,
                    format!("is {shown}, which is not in PEM form"),
                    format!("a PEM file has a line `-----BEGIN {label}-----`"),
                ),
                Ok(text)
                    if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY")
                        || text.contains("Proc-Type: 4,ENCRYPTED") =>
                {
                    self.problem(
                        path,
                        format!(
                            "is {shown}, a key with a passphrase, which the proxy cannot ask for"
                        ),
                        format!("`openssl pkey -in {shown} -out hub.key` writes it without one"),
                    );
                }
                Ok(text) => {
                    let has = text.lines().any(|line| {
                        line.starts_with("-----BEGIN ")
                            && line.trim_end().ends_with(&format!("{label}-----"))
                    });
                    if !has {
                        let hint = match path {
                            "tls.certificate" if text.contains("PRIVATE KEY") => {
                                "are `certificate` and `key` the wrong way round?"
                            }
                            "tls.key" if text.contains("BEGIN CERTIFICATE") => {
                                "are `certificate` and `key` the wrong way round?"
                            }
                            _ => "is it the right file?",
                        };
                        self.problem(
                            path,
                            format!(
                                "is {shown}, which holds no {}",
                                what.trim_start_matches("a ")
                            ),
                            hint,
                        );
                    }
                }
            }
        }
    }

    fn limits(&mut self) {
        let limits = &self.spec.limits;
        if self.spec.spawner.kind == SpawnerKind::Local && self.sound(&["spawner.kind"]) {
            for (path, given) in [
                ("limits.memory", limits.memory.is_some()),
                ("limits.cpu", limits.cpu.is_some()),
            ] {
                if given && self.sound(&[path]) {
                    self.problem(
                        path,
                        "cannot be kept: `spawner.kind: local` knows no limits",
                        "set `spawner.kind: systemd`, or remove this line",
                    );
                }
            }
        }
        let Some(memory) = limits.memory.filter(|_| self.sound(&["limits.memory"])) else {
            return;
        };
        if memory.bytes < LEAST_MEMORY {
            self.problem(
                "limits.memory",
                format!("is {memory}; a notebook server with one kernel does not start in less than 128M"),
                "`512M` runs small exercises, `1G` and more suits data",
            );
        } else if memory.bytes < LOW_MEMORY {
            self.warning(
                "limits.memory",
                format!("is {memory}; kernels will end at the first import of a larger library"),
                "`512M` runs small exercises, `1G` and more suits data",
            );
        }
        if self.sound(&["limits.seats"]) {
            let all = memory.bytes.saturating_mul(u64::from(limits.seats));
            if all > MOST_MEMORY {
                self.problem(
                    "limits.memory",
                    format!(
                        "is {memory} for each of {} seats, {} TiB together; no server is that large",
                        limits.seats,
                        all / (1024 * GIBI)
                    ),
                    "`M` is MiB, `G` is GiB",
                );
            }
        }
    }

    fn environment(&mut self) {
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
