//! Credentials as every OpenStack client takes them: `clouds.yaml` and its siblings, and the `OS_*` variables.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::CloudError;

/// Where configuration files are looked for.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// The current folder.
    pub cwd: PathBuf,
    /// `$HOME`.
    pub home: Option<PathBuf>,
    /// `$XDG_CONFIG_HOME`; without it `~/.config`.
    pub xdg_config_home: Option<PathBuf>,
    /// `/etc/openstack`; another folder in tests.
    pub system: PathBuf,
}

/// How to reach one cloud, and as whom.
#[derive(Debug, Clone)]
pub struct CloudConfig {
    /// The entry's name: of `clouds.yaml`, or `envvars`.
    pub name: String,
}

impl CloudConfig {
    /// Puts the credentials together. `os_cloud` is `--os-cloud`, or the spec's `cloud` where neither that nor
    /// `OS_CLOUD` is given.
    pub fn load(
        env: &BTreeMap<String, String>,
        places: &Places,
        os_cloud: Option<&str>,
    ) -> Result<Self, CloudError> {
        let _ = (env, places, os_cloud);
        todo!()
    }
}
