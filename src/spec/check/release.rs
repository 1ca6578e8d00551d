//! Where hubctl's own programs come from.

use super::Checks;
use crate::spec::model::ReleaseSource;

impl Checks<'_> {
    /// What is downloaded runs on the server: a checksum has to vouch for it.
    pub(super) fn release(&mut self) {
        let release = &self.spec.release;
        if !self.sound(&["release.source", "release.sha256"]) {
            return;
        }
        match (&release.source, &release.sha256) {
            (Some(ReleaseSource::Url(_)), None) => self.problem(
                "release.source",
                "is a URL without a checksum: nothing says that what comes from there is hubctl's",
                "set `release.sha256`; the release's SHA256SUMS says it",
            ),
            (Some(ReleaseSource::Folder(_)) | None, Some(_)) => self.problem(
                "release.sha256",
                "is for a release that is downloaded, and `release.source` names no URL",
                "remove it, or name the archive's URL in `release.source`",
            ),
            _ => {}
        }
    }
}
