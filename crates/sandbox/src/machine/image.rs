//! The disk images machines start from: directory trees, one laid over the other.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::MachineError;
use super::command::Program;

const RECIPE: &str = include_str!("../../machine/image.sh");
/// The build takes about a minute; on a busy box with a slow registry many.
const BUILD_WITHIN: Duration = Duration::from_secs(20 * 60);

/// Returns the base image, a Debian 12 as cloud images have it. Builds it where `cache` does not have it yet or has it
/// from another recipe; of several sandboxes at once, one builds and the others wait.
pub(super) async fn prepare(cache: &Path) -> Result<PathBuf, MachineError> {
    let preparing = |error: io::Error| {
        MachineError(format!(
            "preparing the image in {}: {error}",
            cache.display()
        ))
    };
    std::fs::create_dir_all(cache).map_err(preparing)?;
    let tree = cache.join(format!("debian-12-{}", stamp()));
    if tree.exists() {
        return Ok(tree);
    }
    // The build holds the lock itself: it goes on where the sandbox that started it is killed.
    Program::new("building the image", "flock")
        .arg(cache.join("lock"))
        .args(["sh", "-c", RECIPE, "sandbox"])
        .arg(&tree)
        .args(sources())
        .within(BUILD_WITHIN)
        .run()
        .await?;
    Ok(tree)
}

/// The first characters of a hash over all that the image is made from.
fn stamp() -> String {
    let mut hash = Sha256::new();
    hash.update(RECIPE);
    if let Some(source) = sources() {
        hash.update(std::fs::read(source).unwrap_or_default());
    }
    hash.update(std::fs::read("/etc/pip.conf").unwrap_or_default());
    let mut authorities: Vec<PathBuf> = std::fs::read_dir("/usr/local/share/ca-certificates")
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    authorities.sort();
    for file in authorities {
        hash.update(std::fs::read(file).unwrap_or_default());
    }
    let hash = hash.finalize();
    hash.iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// This host's own apt sources, where it is the same Debian; otherwise Debian's usual ones.
fn sources() -> Option<PathBuf> {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    if !release
        .lines()
        .any(|line| line == "VERSION_CODENAME=bookworm")
    {
        return None;
    }
    [
        "/etc/apt/sources.list.d/debian.sources",
        "/etc/apt/sources.list",
    ]
    .into_iter()
    .map(PathBuf::from)
    .find(|path| path.exists())
}

/// The layers of an image, topmost first: a snapshot names the image it was made over in a file beside it.
pub(super) fn layers(image: &Path) -> Vec<PathBuf> {
    let mut layers = vec![image.to_owned()];
    while let Some(top) = layers.last()
        && let Ok(below) = std::fs::read_to_string(base_file(top))
    {
        layers.push(PathBuf::from(below.trim_end_matches('\n')));
    }
    layers
}

/// Keeps a machine's disk as an image of its own: the machine's layer is copied, what is below is shared.
pub(super) async fn keep(upper: &Path, base: &Path, tree: &Path) -> Result<(), MachineError> {
    let keeping =
        |error: io::Error| MachineError(format!("keeping the disk as {}: {error}", tree.display()));
    if let Some(parent) = tree.parent() {
        std::fs::create_dir_all(parent).map_err(keeping)?;
    }
    let copy = tree.with_extension("part");
    remove(&copy).await?;
    Program::new("copying the disk", "cp")
        .args(["-a", "--reflink=auto"])
        .arg(upper)
        .arg(&copy)
        .within(BUILD_WITHIN)
        .run()
        .await?;
    // As of any image: each machine made from it has an identity of its own.
    if copy.join("etc").is_dir() {
        std::fs::write(copy.join("etc/machine-id"), "").map_err(keeping)?;
    }
    put_over(base, tree)?;
    std::fs::rename(&copy, tree).map_err(keeping)
}

/// Notes that a tree is a layer over this image.
pub(super) fn put_over(base: &Path, tree: &Path) -> Result<(), MachineError> {
    std::fs::write(base_file(tree), format!("{}\n", base.display()))
        .map_err(|error| MachineError(format!("keeping the disk as {}: {error}", tree.display())))
}

/// Removes an image made by [`keep`].
pub(super) async fn forget(tree: &Path) -> Result<(), MachineError> {
    let base = base_file(tree);
    if !base.exists() {
        let text = format!("{} is no snapshot: it is left alone", tree.display());
        return Err(MachineError(text));
    }
    remove(tree).await?;
    remove(&base).await
}

fn base_file(tree: &Path) -> PathBuf {
    let mut name = tree.as_os_str().to_owned();
    name.push(".base");
    PathBuf::from(name)
}

pub(super) async fn remove(tree: &Path) -> Result<(), MachineError> {
    Program::new(format!("removing {}", tree.display()), "rm")
        .args(["-rf", "--one-file-system"])
        .arg(tree)
        .within(Duration::from_secs(300))
        .run()
        .await
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_lies_over_the_one_it_was_made_from() {
        let dir = tempfile::tempdir().unwrap();
        let (base, middle, top) = (
            dir.path().join("base"),
            dir.path().join("middle"),
            dir.path().join("top"),
        );
        assert_eq!(layers(&base), [base.as_path()]);
        std::fs::write(base_file(&middle), format!("{}\n", base.display())).unwrap();
        std::fs::write(base_file(&top), format!("{}\n", middle.display())).unwrap();
        assert_eq!(layers(&top), [top, middle, base]);
    }
}
