//! Routes that survive a restart: a small JSON file, written whole and renamed into place.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::de::{DeserializeSeed, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::macros::format_description;
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::routes::Table;

/// How long changes are gathered after a write: ten thousand routes are some writes, not ten thousand. A change that
/// comes alone is written at once.
const GATHER: Duration = Duration::from_millis(50);
/// How often times of last use are written, which are no change of the table.
const ACTIVITY: Duration = Duration::from_secs(60);
/// How long after a write that failed it is tried again.
const RETRY: Duration = Duration::from_secs(5);
const VERSION: u32 = 1;

/// Why there are no saved routes.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file is there and cannot be read.
    #[error("reading the saved routes in {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is broken and cannot be set aside.
    #[error("setting aside the broken {}: {source}", path.display())]
    SetAside {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What became of the saved routes at the start.
#[derive(Debug, PartialEq, Eq)]
pub enum Loaded {
    /// There is no file yet.
    Nothing,
    /// This many routes are back.
    Routes(usize),
    /// The file was broken and lies here now.
    Broken {
        /// Its new name.
        aside: PathBuf,
        /// What was wrong with it.
        reason: String,
    },
}

#[derive(Deserialize)]
struct SavedRoute {
    last_activity_ms: i64,
    data: Map<String, Value>,
}

/// Hands on one saved route after the other, so that ten thousand of them need the memory of one.
struct Each<F>(F);

impl<'de, F: FnMut(String, SavedRoute)> Visitor<'de> for Each<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("saved routes")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let mut version = None;
        while let Some(key) = map.next_key::<String>()? {
            match (key.as_str(), version) {
                ("version", _) => version = Some(map.next_value::<u32>()?),
                ("routes", Some(VERSION)) => map.next_value_seed(Routes(&mut self.0))?,
                ("routes", _) => return Err(A::Error::custom("its version is not known")),
                _ => return Err(A::Error::custom(format!("there is no field {key}"))),
            }
        }
        Ok(())
    }
}

struct Routes<'a, F>(&'a mut F);

impl<'de, F: FnMut(String, SavedRoute)> DeserializeSeed<'de> for Routes<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F: FnMut(String, SavedRoute)> Visitor<'de> for Routes<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("routes by their paths")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((spec, route)) = map.next_entry()? {
            (self.0)(spec, route);
        }
        Ok(())
    }
}

fn each(text: &[u8], hand_on: impl FnMut(String, SavedRoute)) -> serde_json::Result<()> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    deserializer.deserialize_map(Each(hand_on))?;
    deserializer.end()
}

/// Fills the table from the file. A file that was torn by a crash of the machine is set aside, and the hub fills the
/// table again.
pub fn load(path: &Path, table: &Table) -> Result<Loaded, StateError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Loaded::Nothing),
        Err(source) => {
            return Err(StateError::Read {
                path: path.to_owned(),
                source,
            });
        }
    };
    // All of it is read before any of it counts.
    if let Err(error) = each(&text, |_, _| ()) {
        return set_aside(path, error.to_string());
    }
    let mut count = 0;
    let filled = each(&text, |spec, saved| match table.insert(&spec, saved.data) {
        Ok(route) => {
            route.set_last_activity_ms(saved.last_activity_ms);
            count += 1;
        }
        Err(error) => warn!("the saved route {spec} is left out: {error}"),
    });
    match filled {
        Ok(()) => Ok(Loaded::Routes(count)),
        Err(error) => set_aside(path, error.to_string()),
    }
}

fn set_aside(path: &Path, reason: String) -> Result<Loaded, StateError> {
    let stamp = OffsetDateTime::now_utc()
        .format(format_description!(
            "[year][month][day]T[hour][minute][second]Z"
        ))
        .unwrap_or_default();
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".broken-{stamp}"));
    let aside = PathBuf::from(name);
    fs::rename(path, &aside).map_err(|source| StateError::SetAside {
        path: path.to_owned(),
        source,
    })?;
    Ok(Loaded::Broken { aside, reason })
}

/// Writes the table to the file: a temporary file beside it, synced, renamed, the folder synced.
pub fn save(path: &Path, table: &Table) -> io::Result<usize> {
    let routes = table.list(None);
    write_into(path, 0o600, |file| {
        write!(file, "{{\"version\":{VERSION},\"routes\":{{")?;
        for (index, route) in routes.iter().enumerate() {
            let spec = Value::from(&*route.path);
            write!(
                file,
                "{}\n{spec}:{{\"last_activity_ms\":{},\"data\":{}}}",
                if index > 0 { "," } else { "" },
                route.last_activity_ms(),
                route.posted()
            )?;
        }
        file.write_all(b"\n}}\n")
    })?;
    Ok(routes.len())
}

/// Puts `content` at `path` so that a crash leaves the old file or the new one, never half of one.
pub fn write_whole(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    write_into(path, mode, |file| file.write_all(content))
}

fn write_into(
    path: &Path,
    mode: u32,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let folder = path
        .parent()
        .ok_or_else(|| io::Error::other("the path has no folder"))?;
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let temporary = PathBuf::from(name);
    // What a crash left behind may have another mode.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&temporary)?;
    let mut file = BufWriter::new(file);
    write(&mut file)?;
    file.into_inner()?.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(folder)?.sync_all()
}

/// Keeps the file up to date until `stop` turns true, and writes it a last time then.
pub async fn keep(path: PathBuf, table: Arc<Table>, mut stop: watch::Receiver<bool>) {
    let mut changes = table.changes();
    let mut activity = tokio::time::interval(ACTIVITY);
    activity.tick().await;
    let mut failing = false;
    loop {
        let stopping = tokio::select! {
            changed = changes.changed() => changed.is_err(),
            _ = activity.tick() => false,
            _ = stop.wait_for(|stop| *stop) => true,
        };
        changes.mark_unchanged();
        let (to, from) = (path.clone(), Arc::clone(&table));
        let result = tokio::task::spawn_blocking(move || save(&to, &from)).await;
        match result {
            Ok(Ok(_)) if failing => {
                info!("the routes are saved in {} again", path.display());
                failing = false;
            }
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                if !failing {
                    error!(
                        "saving the routes in {}: {error}; trying again",
                        path.display()
                    );
                }
                failing = true;
                if !stopping {
                    changes.mark_changed();
                    tokio::select! {
                        () = tokio::time::sleep(RETRY) => {}
                        _ = stop.wait_for(|stop| *stop) => {}
                    }
                }
            }
            Err(error) => error!("saving the routes: {error}"),
        }
        if stopping {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(GATHER) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(target: &str) -> Map<String, Value> {
        let mut data = Map::new();
        data.insert("target".to_owned(), Value::from(target));
        data.insert("user".to_owned(), Value::from("ada"));
        data
    }

    #[test]
    fn what_was_saved_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("routes.json");
        let table = Table::default();
        assert_eq!(load(&path, &table).unwrap(), Loaded::Nothing);
        table
            .insert("/user/ada lovelace", data("http://127.0.0.1:1"))
            .unwrap()
            .set_last_activity_ms(1234);
        table
            .insert("/", data("http+unix://%2Frun%2Fhub.sock"))
            .unwrap();
        assert_eq!(save(&path, &table).unwrap(), 2);
        let again = Table::default();
        assert_eq!(load(&path, &again).unwrap(), Loaded::Routes(2));
        let route = again.get("/user/ada lovelace").unwrap();
        assert_eq!(
            (route.last_activity_ms(), route.fields()),
            (1234, data("http://127.0.0.1:1"))
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_torn_file_is_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("routes.json");
        for text in [
            "{\"version\":1,\"routes\":{\"/\":{\"last_",
            "",
            "{\"version\":9,\"routes\":{}}",
            "{\"version\":1,\"routes\":{\"/a\":{\"last_activity_ms\":1,\"data\":{\"target\":\"x\"}},\"/b\":{}}}",
        ] {
            fs::write(&path, text).unwrap();
            let table = Table::default();
            let Loaded::Broken { aside, .. } = load(&path, &table).unwrap() else {
                panic!("{text}")
            };
            assert_eq!(fs::read_to_string(&aside).unwrap(), text);
            assert!(
                aside.to_string_lossy().contains("routes.json.broken-"),
                "{aside:?}"
            );
            assert!(!path.exists());
            assert!(
                table.list(None).is_empty(),
                "half a file counts for nothing"
            );
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let error = load(folder.path(), &Table::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains("directory"), "{error}");
    }

    #[test]
    fn a_crash_while_writing_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("routes.json");
        write_whole(&path, b"old", 0o600).unwrap();
        // What a crash before the rename leaves: the temporary file, half of it.
        fs::write(folder.path().join("routes.json.new"), "ne").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        write_whole(&path, b"new", 0o600).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[tokio::test]
    async fn changes_are_gathered_and_the_last_ones_written_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("routes.json");
        let table = Arc::new(Table::default());
        let (stop, stopping) = watch::channel(false);
        let keeper = tokio::spawn(keep(path.clone(), Arc::clone(&table), stopping));
        for number in 0..1000 {
            table
                .insert(&format!("/user/{number}"), data("http://127.0.0.1:1"))
                .unwrap();
        }
        stop.send(true).unwrap();
        tokio::time::timeout(Duration::from_secs(20), keeper)
            .await
            .unwrap()
            .unwrap();
        let again = Table::default();
        assert_eq!(load(&path, &again).unwrap(), Loaded::Routes(1000));
    }
}
