//! A release as `make dist` packs it. Programs are read out of it in memory: nothing that it names is written anywhere.

use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

use super::{Program, ReleaseError};

/// The largest program that is taken out, in bytes: more is no program of ours.
const LARGEST: u64 = 256 << 20;

/// An archive whose checksum was right.
pub struct Archive {
    /// What it is called in messages: its URL.
    pub(super) name: String,
    pub(super) packed: Vec<u8>,
}

impl Archive {
    /// Reads a program out of it: the first file of that name, whatever folder it is in.
    pub fn program(&self, name: &str) -> Result<Program, ReleaseError> {
        let unreadable = |source| ReleaseError::Archive {
            name: self.name.clone(),
            source,
        };
        let mut archive = tar::Archive::new(GzDecoder::new(self.packed.as_slice()));
        for entry in archive.entries().map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let path = entry.path().map_err(unreadable)?.into_owned();
            if !entry.header().entry_type().is_file() || !path.ends_with(name) {
                continue;
            }
            let mut content = Vec::new();
            entry
                .take(LARGEST + 1)
                .read_to_end(&mut content)
                .map_err(unreadable)?;
            if content.len() as u64 > LARGEST {
                return Err(ReleaseError::TooLarge {
                    name: format!("{name} in {}", self.name),
                    most: LARGEST,
                });
            }
            return Program::new(name, &self.place(&path), content);
        }
        Err(ReleaseError::NotInArchive {
            name: name.to_owned(),
            archive: self.name.clone(),
        })
    }

    fn place(&self, path: &Path) -> PathBuf {
        Path::new(&self.name).join(path)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::tests::elf;
    use super::*;

    fn archive(entries: &[(&str, &[u8])]) -> Archive {
        let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(
            Vec::new(),
            flate2::Compression::fast(),
        ));
        for (path, content) in entries {
            let mut header = tar::Header::new_gnu();
            // Not `set_path`, which refuses what an attacker would write.
            header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
            header.set_size(content.len() as u64);
            header.set_mode(0o755);
            header.set_cksum();
            tar.append(&header, *content).unwrap();
        }
        Archive {
            name: "https://example.org/hubctl.tar.gz".to_owned(),
            packed: tar.into_inner().unwrap().finish().unwrap(),
        }
    }

    #[test]
    fn a_program_is_found_wherever_it_lies_and_nothing_is_written() {
        let program = elf(62);
        let archive = archive(&[
            ("hubctl-1/README.md", b"read me"),
            ("../../../../etc/hubd", &program),
            ("hubctl-1/lib/hubctl/hubproxy", &program),
        ]);
        let found = archive.program("hubproxy").unwrap();
        assert_eq!((found.content(), &*found.machine), (&*program, "x86_64"));
        assert_eq!(
            found.found.display().to_string(),
            "https://example.org/hubctl.tar.gz/hubctl-1/lib/hubctl/hubproxy"
        );
        // A name that leads out of the archive leads nowhere: only the content is taken.
        assert_eq!(archive.program("hubd").unwrap().content(), program);
        assert!(!Path::new("/etc/hubd").is_file());
        assert_eq!(
            archive.program("hub-helper").unwrap_err().to_string(),
            "hub-helper is not in https://example.org/hubctl.tar.gz"
        );
    }

    #[test]
    fn what_is_no_archive_is_said() {
        let broken = Archive {
            name: "https://example.org/hubctl.tar.gz".to_owned(),
            packed: b"<html>not found</html>".to_vec(),
        };
        let error = broken.program("hubd").unwrap_err();
        assert_eq!(
            error.to_string(),
            "https://example.org/hubctl.tar.gz is no tar.gz archive"
        );
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(b"no archive within").unwrap();
        let broken = Archive {
            packed: packed.finish().unwrap(),
            ..broken
        };
        assert!(broken.program("hubd").is_err());
    }
}
