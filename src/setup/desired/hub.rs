//! The hub: what each kind of it puts on the server.

use tera::Context;

use super::files::secret_file;
use super::{ManagedFile, ManagedFolder, Site, Unit, Venv, hubd, jupyterhub, notebook};
use crate::secret::Secret;
use crate::setup::SetupError;
use crate::setup::hub::HubPlaces;
use crate::setup::names::SERVER_SOCKETS_MOUNT;
use crate::spec::model::{HubKind, Spec};

pub(super) const UNITS: &str = "/etc/systemd/system";
/// The program of the proxy's unit that asks the hub for the routes.
pub(super) const RECHECK: &str = "/usr/local/lib/hubctl/recheck-routes.py";

/// All that belongs to the hub.
pub(super) struct Hub {
    pub(super) accounts: Vec<&'static str>,
    /// An account with a home, for one person.
    pub(super) person: Option<&'static str>,
    /// Groups of the users and admins.
    pub(super) groups: Vec<&'static str>,
    /// Packages of the distribution.
    pub(super) packages: Vec<&'static str>,
    pub(super) folders: Vec<ManagedFolder>,
    pub(super) files: Vec<ManagedFile>,
    pub(super) units: Vec<Unit>,
    pub(super) venv: Option<Venv>,
    /// What the slice of users' servers reads beside its own file, where there is one.
    pub(super) servers: Option<Vec<String>>,
    /// Whether it starts before what the notebooks run in is installed.
    pub(super) page_first: bool,
}

/// Names of our own programs that a kind of hub needs on the server.
pub(super) fn programs(kind: HubKind) -> Vec<&'static str> {
    match kind {
        HubKind::Jupyterhub | HubKind::Notebook => Vec::new(),
        HubKind::Hubd => hubd::PROGRAMS.to_vec(),
    }
}

pub(super) fn hub(spec: &Spec, site: &Site, context: &Context) -> Result<Hub, SetupError> {
    match spec.hub.kind {
        HubKind::Jupyterhub => jupyterhub::hub(spec, site, context),
        HubKind::Hubd => hubd::hub(spec, site, context),
        HubKind::Notebook => notebook::hub(spec, site, context),
    }
}

/// Where users' servers listen.
pub(super) fn sockets_mount() -> Unit {
    Unit {
        name: SERVER_SOCKETS_MOUNT,
        reads: Vec::new(),
        enable: true,
        // Other options come with the next boot: it cannot be mounted anew under sockets that are in use.
        verb: "reload",
        ready: Vec::new(),
        early: false,
    }
}

/// What the hub alone, and root, may read.
pub(super) fn secret(places: &HubPlaces, name: &str, secret: &Secret) -> ManagedFile {
    let line = Secret::new(format!("{}\n", secret.reveal()));
    let mut file = secret_file(&places.secret(name), line);
    (file.group, file.mode) = (places.account, places.secret_mode);
    file
}
