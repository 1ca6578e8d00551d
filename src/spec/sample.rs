//! The commented `hub.yaml` that `hubctl init` writes from what the cloud offers.
//!
//! Prose is behind `# `, settings to take up are behind `#` alone: an editor's "uncomment" makes each of them valid.

use std::fmt::Write as _;

use super::model::Limits;
use super::size::{self, Flavor};

/// What the sample is made from. Everything but the name may be empty: then the sample says how to find out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offer {
    /// Name of the deployment.
    pub name: String,
    /// The `clouds.yaml` entry that was asked.
    pub cloud: Option<String>,
    /// The hub's DNS name, where one is known.
    pub domain: Option<String>,
    /// People working at the same time. 0: not known.
    pub seats: u32,
    /// Names of images, best first; the first is the one that is taken by itself.
    pub images: Vec<String>,
    pub flavors: Vec<Flavor>,
    /// Whether the cloud can boot from volumes.
    pub volumes: bool,
    /// Names of networks a server may be in.
    pub networks: Vec<String>,
    /// Names of external networks.
    pub external_networks: Vec<String>,
    /// Path or URL of the JSON Schema, for editors.
    pub schema: Option<String>,
}

/// Most names listed of one kind; some clouds have hundreds of images.
const MOST: usize = 12;

/// Writes the sample. It is valid as it is, and with any of its settings taken up.
pub fn sample(offer: &Offer) -> String {
    let mut out = String::new();
    let limits = Limits {
        seats: if offer.seats == 0 {
            Limits::default().seats
        } else {
            offer.seats
        },
        ..Limits::default()
    };
    head(&mut out, offer);
    server(&mut out, offer, &limits);
    network(&mut out, offer);
    out.push_str(ACCESS);
    limits_part(&mut out, &limits);
    out.push_str(REST);
    out
}

fn head(out: &mut String, offer: &Offer) {
    if let Some(schema) = &offer.schema {
        out.push_str(&format!(
            "# yaml-language-server: $schema={}\n",
            one_line(schema)
        ));
    }
    out.push_str(
        "# One hub on one OpenStack server. `hubctl validate` checks this file, `hubctl plan` shows what it leads to,\n\
         # `hubctl provision` does it.\n\
         #\n\
         # Only the name must be given. Lines that start with `#` and no space are settings to take up: remove the `#`.\n\n\
         # Name of the deployment. Every cloud resource carries it.\n",
    );
    out.push_str(&format!("name: {}\n\n", scalar(&offer.name)));
    out.push_str(PROFILE);
    out.push_str("# Entry of clouds.yaml. `--os-cloud` and OS_CLOUD come first.\n");
    out.push_str(&setting("", "cloud", offer.cloud.as_deref(), "mycloud"));
    out.push_str("\n# The hub's DNS name. Without one it is reached by its address.\n");
    out.push_str(&setting(
        "",
        "domain",
        offer.domain.as_deref(),
        "hub.example.org",
    ));
}

fn server(out: &mut String, offer: &Offer, limits: &Limits) {
    out.push_str("\nserver:\n");
    names(out, "Images", &offer.images, "openstack image list");
    out.push_str("  # Default: the newest public Debian 12.\n");
    out.push_str(&setting(
        "  ",
        "image",
        None,
        offer.images.first().map_or("debian-12", String::as_str),
    ));
    out.push('\n');
    let chosen = flavors(out, offer, limits);
    let example = chosen
        .or(offer.flavors.iter().max_by_key(|flavor| flavor.memory))
        .map_or("m1.large", |flavor| flavor.name.as_str());
    out.push_str(&setting(
        "  ",
        "flavor",
        chosen.map(|flavor| flavor.name.as_str()),
        example,
    ));
    out.push_str(
        "\n  # How it is reached: `auto` makes a floating IP and keeps it, `none` uses the server's own address on a\n  \
         # provider network, an address is one that the project has already.\n  #floating_ip: auto\n",
    );
}

/// The table of flavors; the one that is recommended.
fn flavors<'a>(out: &mut String, offer: &'a Offer, limits: &Limits) -> Option<&'a Flavor> {
    let chosen = size::smallest(&offer.flavors, limits, offer.volumes);
    if offer.flavors.is_empty() {
        out.push_str("  # `openstack flavor list` shows the cloud's flavors.\n");
    } else {
        let mut sorted: Vec<&Flavor> = offer.flavors.iter().collect();
        sorted.sort_by_key(|flavor| (flavor.memory, flavor.vcpus, flavor.disk, &flavor.name));
        // The recommended one and its neighbours, where there are too many for a table.
        let middle = chosen
            .and_then(|chosen| sorted.iter().position(|flavor| *flavor == chosen))
            .unwrap_or(sorted.len());
        let start = middle
            .saturating_sub(MOST / 2)
            .min(sorted.len().saturating_sub(MOST));
        let width = sorted
            .iter()
            .map(|flavor| flavor.name.chars().count())
            .max()
            .unwrap_or(0)
            .clamp(6, 40);
        let _ = writeln!(
            out,
            "  # {:width$}  memory     vCPUs  disk      seats of {}",
            "Flavor",
            size::words(size::SEAT_MIB)
        );
        for flavor in sorted.iter().skip(start).take(MOST) {
            let disk = match flavor.disk {
                0 => "volume".to_owned(),
                disk => format!("{disk} GiB"),
            };
            let _ = writeln!(
                out,
                "  # {:width$}  {:<9}  {:<5}  {disk:<8}  {}{}",
                one_line(&flavor.name),
                size::words(flavor.memory),
                flavor.vcpus,
                size::seats_held(limits, flavor.memory),
                if Some(*flavor) == chosen {
                    format!("  <- smallest for {}", limits.seats)
                } else {
                    String::new()
                }
            );
        }
        if sorted.len() > MOST {
            let _ = writeln!(
                out,
                "  # … {} in all: `openstack flavor list`",
                sorted.len()
            );
        }
        match chosen {
            Some(flavor) => {
                let mut said = size::advice(flavor, limits);
                said.extend(size::nearly(&offer.flavors, limits, offer.volumes));
                for sentence in said {
                    let _ = writeln!(out, "  # {}", one_line(&sentence));
                }
            }
            None => {
                let _ = writeln!(
                    out,
                    "  # {}",
                    one_line(&size::advice_without(&offer.flavors, limits))
                );
                out.push_str("  # Ask for fewer seats, or give each less (both under `limits`).\n");
            }
        }
    }
    out.push_str("  # Default: the smallest that holds the seats.\n");
    chosen
}

fn network(out: &mut String, offer: &Offer) {
    out.push_str("\nnetwork:\n");
    names(out, "Networks", &offer.networks, "openstack network list");
    out.push_str("  # Default: the project's only one, or a new one where it has none.\n");
    let several = offer.networks.len() > 1;
    let example = offer.networks.first().map_or("private", String::as_str);
    out.push_str(&setting("  ", "name", None, example));
    if several {
        out.push_str(
            "  # There are several: take one up above, or `provision` stops and asks for it.\n",
        );
    }
    out.push('\n');
    names(
        out,
        "External networks",
        &offer.external_networks,
        "openstack network list --external",
    );
    out.push_str("  # Where floating IPs come from. Default: the only one there is.\n");
    let external = offer.external_networks.first().map(String::as_str);
    let chosen = external.filter(|_| offer.external_networks.len() > 1);
    if chosen.is_some() {
        out.push_str("  # There are several: is this the one the Internet is behind?\n");
    }
    out.push_str(&setting(
        "  ",
        "external",
        chosen,
        external.unwrap_or("public"),
    ));
}

const PROFILE: &str = "\
# What it is made of. Default: `rust`, hubctl's own hub and proxy; `hubctl profiles` lists the others.
#profile: jupyterhub

";

const ACCESS: &str = "
# Who may connect: networks in CIDR form, or `operator` for the address this machine is seen under.
access:
  # Default: everyone. SSH takes keys alone, and only yours.
  #ssh: [operator]
  #web: [0.0.0.0/0, \"::/0\"]

# Homes on a volume of their own, in GiB: it outlives the server. Default: on the server's disk.
#volume: {size: 100}
";

fn limits_part(out: &mut String, limits: &Limits) {
    let _ = write!(
        out,
        "
limits:
  # People working at the same time.
  seats: {}
  # Memory of each one's server. Default: an even share of the flavor's, less {} for the system.
  #memory: 512M
  # CPUs of each one's server. Default: all of the server's, shared.
  #cpu: 2
",
        limits.seats,
        size::words(size::RESERVE_MIB)
    );
}

const REST: &str = "
hub:
  # Users with the hub's admin rights. `hubctl add-users` makes the accounts.
  #admins: [ada]
  # Stop servers that nobody used for so many minutes; 0 never.
  #cull_after_minutes: 60

environment:
  # Python packages for everyone, as pip names them.
  #packages: [numpy, pandas, matplotlib]

host:
  # Packages of the distribution.
  #packages: [git, graphviz]
  #timezone: Europe/Zurich

# The certificate. Default: from an authority of this deployment's own; browsers that do not know it warn.
# One from Let's Encrypt, which all of them know: `tls: {kind: acme}` with a domain, `tls: {kind: acme-ip}` without one.
# One that you have, with its key, beside this file:
#tls: {kind: own, certificate: hub.pem, key: hub.key}

ssh:
  # Further people who may log in as operators: the line of their `.pub` file.
  #authorized_keys: [\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBt631fapnqmA0f2/FmhkUAR2yYtToPdMFyyRARE2TZH grace@laptop\"]
";

/// A line of prose with the names there are.
fn names(out: &mut String, what: &str, names: &[String], command: &str) {
    if names.is_empty() {
        let _ = writeln!(out, "  # `{command}` shows what the cloud has.");
        return;
    }
    let shown: Vec<String> = names.iter().take(MOST).map(|name| one_line(name)).collect();
    let more = match names.len() {
        all if all > MOST => format!(", … {all} in all: `{command}`"),
        _ => String::new(),
    };
    let _ = writeln!(out, "  # {what}: {}{more}", shown.join(", "));
}

/// `key: value`, or `#key: example` where there is no value.
fn setting(indent: &str, key: &str, value: Option<&str>, example: &str) -> String {
    match value {
        Some(value) => format!("{indent}{key}: {}\n", scalar(value)),
        None => format!("{indent}#{key}: {}\n", scalar(example)),
    }
}

/// A text as YAML on one line, quoted where it must be. The names are the cloud's: anything may be in them.
fn scalar(text: &str) -> String {
    let clean = one_line(text);
    match serde_yaml::to_string(&clean) {
        Ok(yaml) if yaml.trim_end().lines().count() == 1 => yaml.trim_end().to_owned(),
        _ => format!("{clean:?}"),
    }
}

/// Without line breaks and control characters, which would leave the comment or the value.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') {
                ' '
            } else {
                c
            }
        })
        .collect::<String>()
        .trim()
        .to_owned()
}
