//! Whether what the notebooks run in is installed, and the wait until it is.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::StreamExt;
use hub_api::hub;
use inotify::{Inotify, WatchMask};
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

/// How soon it is looked again where the system does not tell of changes.
const WITHOUT_NEWS: Duration = Duration::from_secs(2);

/// The file that says that notebooks can be started, if there is one to wait for.
#[derive(Debug)]
pub struct Notebooks {
    ready: Option<PathBuf>,
    within: Duration,
    /// One waits for news, the others for that one: the system gives a user few watches.
    watching: Mutex<()>,
}

/// The wait was over before they were installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the notebooks were not installed within {} seconds", .0.as_secs())]
pub struct NotInstalled(pub Duration);

impl Notebooks {
    pub fn new(config: &hub::Notebooks) -> Self {
        Self {
            ready: config.ready.clone(),
            within: Duration::from_secs(config.install_timeout),
            watching: Mutex::default(),
        }
    }

    /// Whether notebooks can be started now.
    pub fn are_ready(&self) -> bool {
        self.ready.as_deref().is_none_or(Path::exists)
    }

    /// Waits until they can be started, as long as a start may.
    ///
    /// # Errors
    /// Where that was not long enough.
    pub async fn wait(&self) -> Result<(), NotInstalled> {
        let Some(ready) = self.ready.as_deref().filter(|ready| !ready.exists()) else {
            return Ok(());
        };
        let waiting = async {
            let _one = self.watching.lock().await;
            until_there(ready).await;
        };
        timeout(self.within, waiting)
            .await
            .map_err(|_| NotInstalled(self.within))
    }
}

async fn until_there(path: &Path) {
    loop {
        // Before the look: what comes between the two is news.
        let watch = watch(path);
        if path.exists() {
            return;
        }
        let told = match watch {
            Ok(watch) => change(watch).await,
            Err(error) => Err(error),
        };
        if let Err(error) = told {
            tracing::warn!(%error, path = %path.display(), "waiting for a change; looking again instead");
            sleep(WITHOUT_NEWS).await;
        }
    }
}

/// Waits for a change in the folder that a path is in, or in the nearest one above it that is there.
async fn change(watch: Inotify) -> std::io::Result<()> {
    let mut events = watch.into_event_stream([0_u8; 4096])?;
    match events.next().await {
        Some(event) => event.map(|_| ()),
        None => Err(std::io::Error::other("the system tells nothing more")),
    }
}

fn watch(path: &Path) -> std::io::Result<Inotify> {
    let inotify = Inotify::init()?;
    let mask = WatchMask::CREATE
        | WatchMask::MOVED_TO
        | WatchMask::DELETE_SELF
        | WatchMask::MOVE_SELF
        | WatchMask::ATTRIB
        | WatchMask::ONLYDIR;
    let mut result = Ok(());
    for folder in path.ancestors().skip(1) {
        // A folder that is not there, or may not be read, is left to the one above it.
        result = inotify.watches().add(folder, mask).map(|_| ());
        if result.is_ok() {
            break;
        }
    }
    result.map(|()| inotify)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn waiting_for(path: &Path, seconds: u64) -> Arc<Notebooks> {
        Arc::new(Notebooks::new(&hub::Notebooks {
            ready: Some(path.to_owned()),
            install_timeout: seconds,
        }))
    }

    #[tokio::test]
    async fn folders_that_come_and_go_are_followed_until_the_file_is_there() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("opt/notebook");
        let ready = folder.join("stamp");
        let notebooks = waiting_for(&ready, 60);
        assert!(!notebooks.are_ready());
        let waiting: Vec<_> = (0..5)
            .map(|_| {
                let notebooks = notebooks.clone();
                tokio::spawn(async move { notebooks.wait().await })
            })
            .collect();
        tokio::task::yield_now().await;
        std::fs::create_dir_all(&folder).unwrap();
        tokio::task::yield_now().await;
        // As an installer that begins anew does.
        std::fs::remove_dir(&folder).unwrap();
        tokio::task::yield_now().await;
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("other"), "").unwrap();
        assert!(waiting.iter().all(|wait| !wait.is_finished()));
        std::fs::write(folder.join("new"), "").unwrap();
        std::fs::rename(folder.join("new"), &ready).unwrap();
        for wait in waiting {
            assert_eq!(wait.await.unwrap(), Ok(()));
        }
        assert!(notebooks.are_ready());
    }

    #[tokio::test]
    async fn who_gives_up_hands_the_watch_on() {
        let base = tempfile::tempdir().unwrap();
        let ready = base.path().join("stamp");
        let notebooks = waiting_for(&ready, 60);
        let spawn = || {
            let notebooks = notebooks.clone();
            tokio::spawn(async move { notebooks.wait().await })
        };
        let first = spawn();
        tokio::task::yield_now().await;
        let second = spawn();
        tokio::task::yield_now().await;
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        std::fs::write(&ready, "").unwrap();
        assert_eq!(second.await.unwrap(), Ok(()));
    }

    #[tokio::test]
    async fn the_wait_has_an_end() {
        let base = tempfile::tempdir().unwrap();
        let notebooks = waiting_for(&base.path().join("stamp"), 0);
        assert_eq!(notebooks.wait().await, Err(NotInstalled(Duration::ZERO)));
        assert!(Notebooks::new(&hub::Notebooks::default()).are_ready());
    }
}
