//! How credentials are found and put together: the traps people fall into, one a line.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use super::*;

mod choose;
mod login;
mod settings;

/// A machine with a current folder, a home and a system folder, all empty, and no variables.
struct Machine {
    root: tempfile::TempDir,
    env: BTreeMap<String, String>,
}

impl Machine {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for folder in ["cwd", "home/.config/openstack", "xdg/openstack", "etc"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        Self {
            root,
            env: BTreeMap::new(),
        }
    }

    fn file(self, path: &str, text: &str) -> Self {
        fs::write(self.root.path().join(path), text).unwrap();
        self
    }

    /// `clouds.yaml` in the home.
    fn clouds(self, text: &str) -> Self {
        self.file("home/.config/openstack/clouds.yaml", text)
    }

    fn env(mut self, variables: &[(&str, &str)]) -> Self {
        for (name, value) in variables {
            self.env.insert((*name).into(), (*value).into());
        }
        self
    }

    fn load(&self, os_cloud: Option<&str>) -> Result<CloudConfig, CloudError> {
        let path = self.root.path();
        let places = Places {
            cwd: path.join("cwd"),
            home: Some(path.join("home")),
            xdg_config_home: None,
            system: path.join("etc"),
        };
        CloudConfig::load(&self.env, &places, os_cloud)
    }

    fn ok(&self, os_cloud: Option<&str>) -> CloudConfig {
        self.load(os_cloud).unwrap_or_else(|error| {
            panic!("{error} ({:?})", error.hint());
        })
    }

    /// Message and hint, with the machine's root as `/`.
    fn error(&self, os_cloud: Option<&str>) -> String {
        let error = self.load(os_cloud).expect_err("must not load");
        assert_eq!(error.category(), super::super::Category::Config);
        format!("{error}\n{}", error.hint().unwrap_or_default())
            .replace(self.root.path().to_str().unwrap(), "")
    }
}

const TWO: &str = "
clouds:
  class:
    auth: {auth_url: 'https://one:5000/v3', username: ada, password: p, project_name: class}
  other:
    auth: {auth_url: 'https://two:5000/v3', username: ada, password: p, project_name: other}
";

const ONE: &str = "
clouds:
  class:
    auth: {auth_url: 'https://one:5000/v3', username: ada, password: p, project_name: class}
";

fn password(config: &CloudConfig) -> (&UserRef, &str, Option<&Scope>) {
    match &config.auth {
        Auth::Password {
            user,
            password,
            scope,
        } => (user, password.reveal(), scope.as_ref()),
        other => panic!("{other:?}"),
    }
}

fn named(name: &str, domain: Domain) -> UserRef {
    UserRef::Name {
        name: name.into(),
        domain,
    }
}

fn default_domain() -> Domain {
    Domain::Id("default".into())
}
