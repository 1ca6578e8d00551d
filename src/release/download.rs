//! A release that is elsewhere: downloaded once, kept, and believed for its checksum alone.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use sha2::{Digest, Sha256};
use url::Url;

use super::archive::Archive;
use super::{ReleaseError, hexadecimal};
use crate::event::Observer;

/// The name of a list of checksums, as `sha256sum` writes it.
pub const LIST: &str = "SHA256SUMS";

/// A release's archive, or the list of checksums beside several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// For `https` or `http`: the checksum vouches for what comes.
    pub url: Url,
    /// Of what is at the URL; 64 hexadecimal digits in lower case.
    pub sha256: String,
}

/// How long a download may take, and how much it may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub connect: Duration,
    /// Between two pieces.
    pub silence: Duration,
    pub whole: Duration,
    /// In bytes.
    pub most: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            silence: Duration::from_secs(30),
            whole: Duration::from_secs(900),
            most: 512 << 20,
        }
    }
}

/// The archive, from `cache` where it is there already. `machine` chooses among those of a list, as `uname -m` names it.
pub async fn fetch(
    remote: &Remote,
    machine: &str,
    cache: &Path,
    limits: &Limits,
    observer: &dyn Observer,
) -> Result<Archive, ReleaseError> {
    if !is_list(&remote.url) {
        return Ok(Archive {
            name: remote.url.to_string(),
            packed: kept(remote, cache, limits, observer).await?,
        });
    }
    let list = kept(remote, cache, limits, observer).await?;
    let chosen = choose(&String::from_utf8_lossy(&list), remote, machine)?;
    Ok(Archive {
        name: chosen.url.to_string(),
        packed: kept(&chosen, cache, limits, observer).await?,
    })
}

fn is_list(url: &Url) -> bool {
    url.path_segments()
        .and_then(|mut parts| parts.next_back())
        .is_some_and(|last| last == LIST)
}

/// Whether it is on this machine, where no proxy gets at it.
fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// The only archive of a list, or the only one for a processor.
fn choose(list: &str, remote: &Remote, machine: &str) -> Result<Remote, ReleaseError> {
    let archives: Vec<(&str, &str)> = list
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(sum, name)| (sum, name.trim_start_matches([' ', '*'])))
        .filter(|(sum, name)| sum.len() == 64 && name.ends_with(".tar.gz") && !name.contains('/'))
        .collect();
    let ours: Vec<_> = match archives.as_slice() {
        [_] => archives.clone(),
        _ => archives
            .iter()
            .copied()
            .filter(|(_, name)| name.contains(&format!("-{machine}-")))
            .collect(),
    };
    let [(sum, name)] = ours.as_slice() else {
        return Err(ReleaseError::NoChoice {
            list: remote.url.to_string(),
            machine: machine.to_owned(),
            names: archives
                .iter()
                .map(|(_, name)| (*name).to_owned())
                .collect(),
        });
    };
    let mut url = remote.url.clone();
    if let Ok(mut parts) = url.path_segments_mut() {
        parts.pop().push(name);
    }
    Ok(Remote {
        url,
        sha256: sum.to_lowercase(),
    })
}

/// What is at a URL, from the cache where the cache has it. A file there is believed no more than the network.
async fn kept(
    remote: &Remote,
    cache: &Path,
    limits: &Limits,
    observer: &dyn Observer,
) -> Result<Vec<u8>, ReleaseError> {
    let path = cache.join(&remote.sha256);
    if let Ok(content) = std::fs::read(&path)
        && checksum(&content) == remote.sha256
    {
        return Ok(content);
    }
    let content = download(remote, limits, observer).await?;
    let found = checksum(&content);
    if found != remote.sha256 {
        return Err(ReleaseError::Checksum {
            url: remote.url.to_string(),
            wanted: remote.sha256.clone(),
            found,
        });
    }
    keep(cache, &path, &content).map_err(|source| ReleaseError::Cache {
        path: cache.to_owned(),
        source,
    })?;
    Ok(content)
}

fn checksum(content: &[u8]) -> String {
    hexadecimal(&Sha256::digest(content))
}

/// Beside, synced, renamed: a run that is killed leaves the whole file or none of that name.
fn keep(cache: &Path, path: &Path, content: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(cache)?;
    let mut file = tempfile::NamedTempFile::new_in(cache)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

async fn download(
    remote: &Remote,
    limits: &Limits,
    observer: &dyn Observer,
) -> Result<Vec<u8>, ReleaseError> {
    let url = &remote.url;
    let failed = |error: reqwest::Error| ReleaseError::Download {
        url: url.to_string(),
        source: error.without_url(),
    };
    let large = || ReleaseError::TooLarge {
        name: url.to_string(),
        most: limits.most,
    };
    let mut builder = reqwest::Client::builder()
        .connect_timeout(limits.connect)
        .read_timeout(limits.silence)
        .timeout(limits.whole)
        .user_agent(concat!("hubctl/", env!("CARGO_PKG_VERSION")));
    if is_here(url) {
        builder = builder.no_proxy();
    }
    let client = builder.build().map_err(failed)?;
    observer.note(format!("downloading {url}"));
    let mut answer = client.get(url.clone()).send().await.map_err(failed)?;
    if !answer.status().is_success() {
        return Err(ReleaseError::Refused {
            url: url.to_string(),
            status: answer.status().to_string(),
        });
    }
    if answer
        .content_length()
        .is_some_and(|length| length > limits.most)
    {
        return Err(large());
    }
    let mut content = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(failed)? {
        if (content.len() + piece.len()) as u64 > limits.most {
            return Err(large());
        }
        content.extend_from_slice(&piece);
    }
    Ok(content)
}

#[cfg(test)]
mod tests;
