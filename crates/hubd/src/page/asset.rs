//! Static files: compiled in, named by what is in them, so that browsers may keep them for good.

use std::path::{Path, PathBuf};

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};

/// What a browser may keep for ever: its name changes with it.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// What must be asked for again, and is answered "not modified" where it is.
const ASK_AGAIN: &str = "public, max-age=300";

/// A picture of the operator's that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AssetError {
    /// It cannot be read.
    #[error("pages.logo_file: reading {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is none of the kinds that browsers show.
    #[error("pages.logo_file: {0}: the name must end in .svg, .png, .jpg or .webp")]
    Kind(PathBuf),
}

/// One static file.
#[derive(Debug)]
struct Asset {
    /// As asked for without a hash: `hub.css`.
    name: String,
    /// As pages link it: `hub.0123456789ab.css`.
    hashed: String,
    kind: &'static str,
    content: Vec<u8>,
    etag: HeaderValue,
}

/// All static files.
#[derive(Debug)]
pub struct Assets(Vec<Asset>);

impl Assets {
    /// Those compiled in, and the operator's logo in place of ours.
    pub fn new(logo: Option<&Path>) -> Result<Self, AssetError> {
        let mut all = vec![
            asset(
                "hub.css",
                "text/css; charset=utf-8",
                include_bytes!("../../static/hub.css").to_vec(),
            ),
            asset(
                "pending.js",
                "text/javascript; charset=utf-8",
                include_bytes!("../../static/pending.js").to_vec(),
            ),
            asset(
                "icon.svg",
                "image/svg+xml",
                include_bytes!("../../static/logo.svg").to_vec(),
            ),
        ];
        all.push(match logo {
            Some(path) => {
                let extension = path
                    .extension()
                    .and_then(|extension| extension.to_str())
                    .map(str::to_lowercase);
                let kind = match extension.as_deref() {
                    Some("svg") => "image/svg+xml",
                    Some("png") => "image/png",
                    Some("jpg" | "jpeg") => "image/jpeg",
                    Some("webp") => "image/webp",
                    _ => return Err(AssetError::Kind(path.to_owned())),
                };
                let content = std::fs::read(path).map_err(|source| AssetError::Read {
                    path: path.to_owned(),
                    source,
                })?;
                asset("logo", kind, content)
            }
            None => asset(
                "logo",
                "image/svg+xml",
                include_bytes!("../../static/logo.svg").to_vec(),
            ),
        });
        Ok(Self(all))
    }

    /// How pages link a file: relative to `{base}hub/static/`.
    pub fn link<'a>(&'a self, name: &'a str) -> &'a str {
        self.0
            .iter()
            .find(|asset| asset.name == name)
            .map_or(name, |asset| &asset.hashed)
    }

    /// The answer for a file, by its name with or without the hash; `None` if there is none.
    pub fn answer(&self, name: &str, asked: &HeaderMap) -> Option<Response> {
        let asset = self
            .0
            .iter()
            .find(|asset| asset.hashed == name || asset.name == name)?;
        let keep = if asset.hashed == name {
            FOR_EVER
        } else {
            ASK_AGAIN
        };
        let known = asked
            .get(header::IF_NONE_MATCH)
            .is_some_and(|tag| tag == asset.etag);
        let mut response = if known {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            ([(header::CONTENT_TYPE, asset.kind)], asset.content.clone()).into_response()
        };
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
        headers.insert(header::ETAG, asset.etag.clone());
        // An SVG opened by itself is a document: whatever is in the operator's, it runs nothing.
        headers.insert(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(
                "frame-ancestors 'none'; default-src 'none'; style-src 'unsafe-inline'; sandbox",
            ),
        );
        Some(response)
    }
}

fn asset(name: &str, kind: &'static str, content: Vec<u8>) -> Asset {
    let hash: String = Sha256::digest(&content)
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let hashed = match name.rsplit_once('.') {
        Some((stem, extension)) => format!("{stem}.{hash}.{extension}"),
        None => format!("{name}.{hash}"),
    };
    let etag = HeaderValue::from_str(&format!("\"{hash}\""))
        .unwrap_or_else(|_| HeaderValue::from_static("\"\""));
    Asset {
        name: name.to_owned(),
        hashed,
        kind,
        content,
        etag,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_linked_is_kept_for_ever() {
        let assets = Assets::new(None).unwrap();
        let link = assets.link("hub.css").to_owned();
        assert!(
            link.starts_with("hub.") && link.ends_with(".css") && link.len() > "hub.css".len(),
            "{link}"
        );
        let response = assets.answer(&link, &HeaderMap::new()).unwrap();
        assert_eq!(response.headers()[header::CACHE_CONTROL], FOR_EVER);
        let asked = HeaderMap::from_iter([(
            header::IF_NONE_MATCH,
            response.headers()[header::ETAG].clone(),
        )]);
        assert_eq!(
            assets.answer("hub.css", &asked).unwrap().status(),
            StatusCode::NOT_MODIFIED
        );
        assert_eq!(
            assets.answer("hub.css", &asked).unwrap().headers()[header::CACHE_CONTROL],
            ASK_AGAIN
        );
        for none in ["", "hub.000000000000.css", "../hub.css", "hub"] {
            assert!(assets.answer(none, &HeaderMap::new()).is_none(), "{none}");
        }
    }

    #[test]
    fn the_style_stays_small() {
        assert!(include_bytes!("../../static/hub.css").len() < 20_000);
    }

    #[test]
    fn a_logo_is_of_a_kind_that_browsers_show() {
        let folder = tempfile::tempdir().unwrap();
        let logo = folder.path().join("uni.PNG");
        assert!(matches!(
            Assets::new(Some(&logo)),
            Err(AssetError::Read { .. })
        ));
        std::fs::write(&logo, b"not looked into").unwrap();
        let assets = Assets::new(Some(&logo)).unwrap();
        assert_eq!(
            assets.answer("logo", &HeaderMap::new()).unwrap().headers()[header::CONTENT_TYPE],
            "image/png"
        );
        assert!(matches!(
            Assets::new(Some(Path::new("/x/logo.html"))),
            Err(AssetError::Kind(_))
        ));
    }
}
