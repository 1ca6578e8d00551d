//! "Did you mean": the nearest known word.

use strsim::damerau_levenshtein;

/// Whether two words differ only in case, `-` and `_`.
pub(super) fn same(a: &str, b: &str) -> bool {
    plain(a) == plain(b)
}

fn plain(word: &str) -> String {
    word.chars()
        .filter(|c| !matches!(c, '-' | '_' | ' '))
        .flat_map(char::to_lowercase)
        .collect()
}

/// The known word that `word` most likely was meant to be.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = plain(word);
    let length = word.chars().count();
    // A word of nobody's: comparing it costs its length times that of each known one.
    if length == 0 || length > 64 {
        return None;
    }
    known
        .into_iter()
        .map(|known| {
            let other = plain(known);
            let distance = damerau_levenshtein(&word, &other);
            let begins = length >= 3
                && (other.starts_with(&word) || word.starts_with(&other) && other.len() >= 3);
            // What one begins with the other is nearer than its length says: `auth` and `authenticator`.
            (
                if begins { distance.min(2) } else { distance },
                other.chars().count(),
                known,
            )
        })
        .filter(|(distance, other, _)| *distance <= allowed(length.max(*other)))
        .min_by_key(|(distance, ..)| *distance)
        .map(|(.., known)| known)
}

/// How many letters may be wrong in a word of `length` letters.
fn allowed(length: usize) -> usize {
    match length {
        0..=2 => 0,
        3..=4 => 1,
        5..=8 => 2,
        _ => 3,
    }
}

/// What people write for fields that have another name here, or none.
const OTHER_WORDS: &[(&str, &str)] = &[
    (
        "server.size",
        "did you mean `flavor`? Sizes in GiB are `volume.size` for the homes, `server.boot_volume` for the system",
    ),
    (
        "server.name",
        "the server is called as the deployment: `name`, at the beginning of a line",
    ),
    ("server.network", "did you mean `network.name`?"),
    (
        "acme",
        "certificates from Let's Encrypt are not made yet; `tls.kind: own` takes one you have",
    ),
    (
        "letsencrypt",
        "certificates from Let's Encrypt are not made yet; `tls.kind: own` takes one you have",
    ),
    ("email", "no mail address is needed"),
    (
        "https",
        "HTTPS is always on; certificates are set under `tls`",
    ),
    (
        "users",
        "users are no part of this file: `hubctl add-users` makes them",
    ),
    (
        "students",
        "users are no part of this file: `hubctl add-users` makes them; how many fit is `limits.seats`",
    ),
    (
        "password",
        "no password belongs in this file; `hubctl add-users` makes one for each user",
    ),
    (
        "passwords",
        "no password belongs in this file; `hubctl add-users` makes one for each user",
    ),
    (
        "username",
        "OpenStack's credentials belong in `clouds.yaml`; `cloud` names the entry",
    ),
    (
        "authurl",
        "OpenStack's credentials belong in `clouds.yaml`; `cloud` names the entry",
    ),
    (
        "auth",
        "OpenStack's credentials belong in `clouds.yaml` (`cloud` names the entry); who may log in to the hub is `authenticator`",
    ),
    (
        "region",
        "the region comes from `clouds.yaml`; `cloud` names the entry",
    ),
    (
        "project",
        "the project comes from `clouds.yaml`; `cloud` names the entry",
    ),
    ("oscloud", "did you mean `cloud`?"),
    (
        "clouds",
        "did you mean `cloud`? It names one entry of `clouds.yaml`",
    ),
    ("instance", "did you mean `server`?"),
    ("vm", "did you mean `server`?"),
    ("machine", "did you mean `server`?"),
    (
        "ram",
        "memory for each seat is `limits.memory`; the server's comes with `server.flavor`",
    ),
    (
        "mem",
        "memory for each seat is `limits.memory`; the server's comes with `server.flavor`",
    ),
    ("cpus", "did you mean `limits.cpu`?"),
    (
        "disk",
        "homes on a volume of their own: `volume.size`; the server's disk: `server.boot_volume`",
    ),
    (
        "storage",
        "homes on a volume of their own: `volume.size`; the server's disk: `server.boot_volume`",
    ),
    (
        "keypair",
        "hubctl makes a key of its own; further public keys go into `ssh.authorized_keys`",
    ),
    (
        "keyname",
        "hubctl makes a key of its own; further public keys go into `ssh.authorized_keys`",
    ),
    ("sshkeys", "did you mean `ssh.authorized_keys`?"),
    ("sshkey", "did you mean `ssh.authorized_keys`?"),
    (
        "securitygroup",
        "hubctl makes the security group; who may connect is `access.ssh` and `access.web`",
    ),
    (
        "securitygroups",
        "hubctl makes the security group; who may connect is `access.ssh` and `access.web`",
    ),
    (
        "firewall",
        "who may connect is `access.ssh` and `access.web`",
    ),
    ("port", "the hub is served on 443, the port of HTTPS"),
    ("hostname", "did you mean `domain`?"),
    ("fqdn", "did you mean `domain`?"),
    ("pip", "did you mean `environment.packages`?"),
    ("apt", "did you mean `host.packages`?"),
    ("requirements", "did you mean `environment.packages`?"),
    ("culler", "did you mean `hub.cull_after_minutes`?"),
    ("config", "did you mean `hub.extra_config`?"),
];

/// A hint for a field that is not one, among `siblings`, in a document with the fields `paths`, in the group `group`.
pub(super) fn field(
    word: &str,
    group: &str,
    siblings: &[&str],
    paths: &[String],
) -> Option<String> {
    if let Some(sibling) = siblings.iter().find(|sibling| same(sibling, word)) {
        return Some(format!("did you mean `{sibling}`?"));
    }
    let path = super::walk::below(group, word);
    if let Some((_, hint)) = OTHER_WORDS
        .iter()
        .find(|(other, _)| other.contains('.') && *other == path)
        .or_else(|| OTHER_WORDS.iter().find(|(other, _)| same(other, word)))
    {
        return Some((*hint).to_owned());
    }
    let elsewhere: Vec<&str> = paths
        .iter()
        .map(String::as_str)
        .filter(|path| same(path.rsplit('.').next().unwrap_or(path), word))
        .collect();
    match elsewhere.as_slice() {
        [] => {}
        [one] => return Some(moved(one, group)),
        several if several.len() <= 3 => {
            let several: Vec<String> = several.iter().map(|path| format!("`{path}`")).collect();
            return Some(format!("did you mean {}?", several.join(" or ")));
        }
        _ => {}
    }
    if let Some(sibling) = nearest(word, siblings.iter().copied()) {
        return Some(format!("did you mean `{sibling}`?"));
    }
    let leaf = |path: &'_ String| path.rsplit('.').next().map(str::to_owned);
    let leaves: Vec<String> = paths.iter().filter_map(leaf).collect();
    if let Some(near) = nearest(word, leaves.iter().map(String::as_str)) {
        let mut found = paths
            .iter()
            .filter(|path| path.rsplit('.').next() == Some(near));
        if let (Some(one), None) = (found.next(), found.next()) {
            return Some(moved(one, group));
        }
    }
    let siblings: Vec<String> = siblings
        .iter()
        .map(|sibling| format!("`{sibling}`"))
        .collect();
    (!siblings.is_empty()).then(|| format!("the fields here are {}", siblings.join(", ")))
}

fn moved(path: &str, group: &str) -> String {
    match path.rsplit_once('.') {
        None => format!(
            "did you mean `{path}`? It stands at the beginning of a line, outside `{group}`"
        ),
        Some((parent, leaf)) if group.is_empty() => {
            format!("did you mean `{path}`? Put `{leaf}` below `{parent}:`, indented by two spaces")
        }
        Some(_) => format!("did you mean `{path}`?"),
    }
}

/// A hint for a word that is not one of `choices`.
pub(super) fn choice(word: &str, choices: &[&str]) -> Option<String> {
    nearest(word, choices.iter().copied()).map(|near| format!("did you mean `{near}`?"))
}
