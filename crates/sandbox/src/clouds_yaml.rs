//! The `clouds.yaml` a sandbox is used with.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::{Value, json};

/// What the entries are made from.
pub struct Entries<'a> {
    /// With `/v3`.
    pub auth_url: &'a str,
    pub password: &'a str,
    pub admin_password: &'a str,
    pub credential_id: &'a str,
    pub credential_secret: &'a str,
    pub regions: &'a [String],
    pub cacert: Option<&'a Path>,
}

impl Entries<'_> {
    fn json(&self) -> Value {
        let entry = |auth: Value, more: Value| {
            let mut entry = json!({"auth": auth, "interface": "public", "identity_api_version": 3});
            // With two regions a client must be told which, so the first is named here too.
            entry["region_name"] = json!(self.regions.first());
            if let Some(path) = self.cacert {
                entry["cacert"] = json!(path);
            }
            if let (Some(entry), Value::Object(more)) = (entry.as_object_mut(), more) {
                entry.extend(more);
            }
            entry
        };
        let by_password = |name: &str, password: &str| {
            json!({
                "auth_url": self.auth_url,
                "username": name,
                "password": password,
                "project_name": name,
                "user_domain_name": "Default",
                "project_domain_name": "Default",
            })
        };
        let credential = json!({
            "auth_url": self.auth_url,
            "application_credential_id": self.credential_id,
            "application_credential_secret": self.credential_secret,
        });
        json!({"clouds": {
            "sandbox": entry(by_password("sandbox", self.password), json!({})),
            "sandbox-appcred": entry(credential, json!({"auth_type": "v3applicationcredential"})),
            "sandbox-admin": entry(by_password("admin", self.admin_password), json!({})),
        }})
    }

    /// Writes `clouds.yaml` into a directory, for its owner only.
    pub fn write(&self, dir: &Path) -> anyhow::Result<PathBuf> {
        let path = dir.join("clouds.yaml");
        let text = serde_yaml_ng::to_string(&self.json()).context("writing clouds.yaml")?;
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("opening {}", path.display()))?;
        file.write_all(text.as_bytes())
            .with_context(|| format!("writing {}", path.display()))?;
        Ok(path)
    }
}
