//! A machine's disk and volumes as they were at one moment.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{Entry, Namespaces};
use crate::machine::command::Program;
use crate::machine::process::end_all;
use crate::machine::{MachineError, disk, image};

/// A disk of gigabytes, on a busy box.
const COPY_WITHIN: Duration = Duration::from_secs(20 * 60);

/// What [`Namespaces::restore`] brings a machine back to. Its files go with the
/// sandbox.
#[derive(Debug, Clone)]
pub struct Saved {
    /// The machine's id: another one has other keys.
    id: String,
    /// What the machine had written, as a layer over the image it was made from.
    layer: PathBuf,
    /// What cannot lie on an overlay.
    disk: PathBuf,
    /// Files of volumes, and their copies.
    volumes: Vec<(PathBuf, PathBuf)>,
}

impl Namespaces {
    /// Keeps a machine's disk and volumes under this name, for [`Self::restore`]. The machine is switched off for it and
    /// on again; the cloud does not see that.
    pub async fn save(&self, id: &str, name: &str) -> Result<Saved, MachineError> {
        let entry = self.entry(id).await?;
        let mut machine = entry.machine.lock().await;
        let _hold = Hold::of(&entry);
        if let Some(process) = &mut machine.process {
            process.power_off().await;
        }
        let volumes: Vec<PathBuf> = machine.volumes.iter().map(|v| v.file.clone()).collect();
        let folder = self.instance.dir().join("saved").join(name);
        let base = &machine.spec.image;
        let saved = Saved::copy(id, &machine.dir, base, &volumes, &folder).await;
        self.switch_on(&mut machine).await?;
        saved
    }

    /// Brings a machine back to what was saved of it: its processes end at once, then it starts anew. The cloud does not
    /// see that. The volumes must be those it had.
    pub async fn restore(&self, saved: &Saved) -> Result<(), MachineError> {
        let entry = self.entry(&saved.id).await?;
        let mut machine = entry.machine.lock().await;
        let _hold = Hold::of(&entry);
        if let Some(mut process) = machine.process.take() {
            process.end().await;
        }
        let group = machine.group.clone();
        let group =
            group.ok_or_else(|| MachineError("the machine was not made whole".to_owned()))?;
        end_all(&group).await;
        disk::unmount(&machine.dir).await?;
        machine.mounted = false;
        let mut volumes = Vec::new();
        for volume in machine.volumes.drain(..) {
            volume.close(&group).await?;
            volumes.push(volume.file);
        }
        saved.put_back(&machine.dir).await?;
        machine.spec.image.clone_from(&saved.layer);
        disk::mount(&machine.dir, &saved.layer).await?;
        machine.mounted = true;
        for file in volumes {
            machine.open_volume(&self.instance, &file).await?;
        }
        self.switch_on(&mut machine).await
    }
}

/// Lets a machine that is off be taken for one that runs, until this is dropped.
struct Hold(Arc<AtomicBool>);

impl Hold {
    fn of(entry: &Entry) -> Self {
        entry.held.store(true, Ordering::Relaxed);
        Self(Arc::clone(&entry.held))
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl Saved {
    /// Copies the files of a machine that is off. `dir` is the machine's, `folder` where the copies go.
    async fn copy(
        id: &str,
        dir: &Path,
        base: &Path,
        volumes: &[PathBuf],
        folder: &Path,
    ) -> Result<Self, MachineError> {
        if folder.exists() {
            let text = format!("{} was saved already", folder.display());
            return Err(MachineError(text));
        }
        let making =
            |error: std::io::Error| MachineError(format!("making {}: {error}", folder.display()));
        std::fs::create_dir_all(folder).map_err(making)?;
        let saved = Self {
            id: id.to_owned(),
            layer: folder.join("layer"),
            disk: folder.join("disk"),
            volumes: volumes
                .iter()
                .enumerate()
                .map(|(number, file)| (file.clone(), folder.join(format!("volume-{number}"))))
                .collect(),
        };
        // What a file system has that was in use until a moment ago may not be in its file yet.
        Program::new("writing the disk out", "sync").run().await?;
        copy(&dir.join("upper"), &saved.layer).await?;
        image::put_over(base, &saved.layer)?;
        copy(&dir.join("disk"), &saved.disk).await?;
        for (file, kept) in &saved.volumes {
            copy(file, kept).await?;
        }
        Ok(saved)
    }

    /// Puts an empty layer over what was saved, and the volumes' files back. The machine is off, its disk unmounted, its
    /// volumes closed.
    async fn put_back(&self, dir: &Path) -> Result<(), MachineError> {
        for name in ["upper", "work", "disk"] {
            image::remove(&dir.join(name)).await?;
        }
        copy(&self.disk, &dir.join("disk")).await?;
        for (file, kept) in &self.volumes {
            // A file of its own: a device that is still being let go of has the other one.
            let fresh = file.with_extension("part");
            copy(kept, &fresh).await?;
            std::fs::rename(&fresh, file).map_err(|error| {
                MachineError(format!("putting {} back: {error}", file.display()))
            })?;
        }
        Ok(())
    }
}

async fn copy(from: &Path, to: &Path) -> Result<(), MachineError> {
    Program::new(format!("copying {}", from.display()), "cp")
        .args(["-a", "--reflink=auto", "--sparse=always"])
        .args([from, to])
        .within(COPY_WITHIN)
        .run()
        .await
        .map(drop)
}
