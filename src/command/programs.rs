//! Our own programs for the server, from where the spec says that they are.

use std::path::PathBuf;

use anyhow::Context as _;

use super::Context;
use crate::release::{self, Limits, Program, Remote};
use crate::setup;
use crate::spec::{ReleaseSource, Spec};

/// Finds those that the spec puts on the server; a release that is elsewhere is downloaded first.
pub(super) async fn find(context: &Context, spec: &Spec) -> anyhow::Result<Vec<Program>> {
    let names = setup::programs(spec);
    let folder = match &spec.release.source {
        Some(ReleaseSource::Url(url)) if !names.is_empty() => {
            let remote = Remote {
                url: url.clone(),
                sha256: spec
                    .release
                    .sha256
                    .clone()
                    .context("release.source is a URL and needs release.sha256")?,
            };
            let cache = context.cache()?.join("releases");
            let machine = std::env::consts::ARCH;
            let archive =
                release::fetch(&remote, machine, &cache, &Limits::default(), &*context.ui).await?;
            return Ok(names
                .into_iter()
                .map(|name| archive.program(name))
                .collect::<Result<_, _>>()?);
        }
        Some(ReleaseSource::Folder(folder)) => Some(folder.as_path()),
        _ => None,
    };
    let hubctl: Option<PathBuf> = std::env::current_exe().ok();
    let folders = release::folders(folder, hubctl.as_deref());
    Ok(names
        .into_iter()
        .map(|name| Program::find(name, &folders))
        .collect::<Result<_, _>>()?)
}
