//! Microversions: which shape of Nova's and Cinder's API a request asks for.

use reqwest::Method;
use serde_json::Value;

use super::retry::Safety;
use super::session::Request;
use super::transport::Call;
use super::{Cloud, CloudError, Service};

/// What we ask of Nova: tags at create (2.52) and the flavor within the server (2.47) are in it, and every Nova since
/// 2017 has it.
const COMPUTE_MINOR: u16 = 52;

impl Cloud {
    pub(super) fn microversion(&self, request: &Request<'_>) -> Vec<(&'static str, String)> {
        match request.service {
            Service::Compute => {
                let minor = request.minor.unwrap_or(0).max(COMPUTE_MINOR);
                let minor = match self.inner.compute_range.get() {
                    Some((low, high)) => minor.clamp(*low, *high),
                    None => minor,
                };
                vec![
                    ("openstack-api-version", format!("compute 2.{minor}")),
                    // What Novas before 2.27 read.
                    ("x-openstack-nova-api-version", format!("2.{minor}")),
                ]
            }
            Service::BlockStorage => request
                .minor
                .map(|minor| vec![("openstack-api-version", format!("volume 3.{minor}"))])
                .unwrap_or_default(),
            Service::Image | Service::Network | Service::Dns => Vec::new(),
        }
    }

    /// The cloud would not take our compute microversion: asks which ones it takes.
    pub(super) async fn negotiate(&self, act: &str) -> Result<(), CloudError> {
        let range = self
            .inner
            .compute_range
            .get_or_try_init(|| async {
                let mut url = self.endpoint(act, Service::Compute)?;
                // The version's own root, without the project that some catalogs put behind it.
                if let Some((before, _)) = url.path().split_once("/v2.1") {
                    let root = format!("{before}/v2.1/");
                    url.set_path(&root);
                }
                let answer = self
                    .inner
                    .transport
                    .send(&Call {
                        act: "asking for compute's versions",
                        method: Method::GET,
                        url,
                        headers: Vec::new(),
                        body: None,
                        token: Some(self.inner.keystone.token().await?.value.clone()),
                        safety: Safety::Repeat,
                    })
                    .await?;
                Ok::<_, CloudError>(version_range(&answer.body).unwrap_or((1, 1)))
            })
            .await?;
        self.observer().detail(format!(
            "compute takes microversions 2.{} to 2.{}",
            range.0, range.1
        ));
        Ok(())
    }

    /// Whether compute takes this microversion, as far as is known without asking.
    pub(super) fn compute_takes(&self, minor: u16) -> bool {
        self.inner
            .compute_range
            .get()
            .is_none_or(|(_, high)| minor <= *high)
    }
}

/// `min_version` and `version` of Nova's version document, minor parts.
fn version_range(body: &str) -> Option<(u16, u16)> {
    let document: Value = serde_json::from_str(body).ok()?;
    let version = document
        .get("version")
        .filter(|version| version.is_object())
        .or_else(|| {
            document
                .get("versions")?
                .as_array()?
                .iter()
                .find(|version| version["id"] == "v2.1")
        })?;
    let minor = |key: &str| version.get(key)?.as_str()?.strip_prefix("2.")?.parse().ok();
    Some((minor("min_version")?, minor("version")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_both_documents() {
        let one = r#"{"version": {"id": "v2.1", "min_version": "2.1", "version": "2.38"}}"#;
        let all = r#"{"versions": [{"id": "v2.0", "version": "", "min_version": ""},
                      {"id": "v2.1", "min_version": "2.1", "version": "2.93"}]}"#;
        assert_eq!(version_range(one), Some((1, 38)));
        assert_eq!(version_range(all), Some((1, 93)));
        assert_eq!(version_range("<html>"), None);
    }
}
