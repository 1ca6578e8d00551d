//! How the machines of one sandbox are made.

use std::path::PathBuf;
use std::time::Duration;

use ipnet::Ipv4Net;

/// Which control groups a machine sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum View {
    /// As the host has them.
    #[default]
    Host,
    /// Unified v2 alone, as Debian 12 and Ubuntu have it. On a host with v1 controllers the machine then has none, and
    /// only the machine's own limits hold.
    Unified,
}

/// How the machines of one sandbox are made.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where disks are while machines run; must be on a real file system, not on an overlay.
    pub state_dir: PathBuf,
    /// Where images are kept from run to run.
    pub cache_dir: PathBuf,
    /// Where floating IPs come from. Left out, it is the sandbox's own: 172.24.4.0/24 for the first on this box,
    /// 172.24.5.0/24 for a second one at the same time.
    pub pool: Option<Ipv4Net>,
    pub view: View,
    /// Holds the package manager's lock for so long after the first boot, as unattended upgrades do.
    pub apt_lock: Option<Duration>,
}

impl Options {
    pub fn new(state_dir: impl Into<PathBuf>, cache_dir: impl Into<PathBuf>) -> Self {
        Self {
            state_dir: state_dir.into(),
            cache_dir: cache_dir.into(),
            pool: None,
            view: View::default(),
            apt_lock: None,
        }
    }
}
