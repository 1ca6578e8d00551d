//! Everything that would be sent to a host, in a folder to read.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use super::desired::{Content, Desired};
use super::facts::Facts;
use super::{SetupError, apply, diff, observe, template};

/// Writes what would be sent to a fresh host: each file at its place below `folder/files`, the programs that observe and
/// apply, what the first is asked, and the steps the second is given.
///
/// Secrets are not written; their files hold a line that says so. The folder is made for its owner alone all the same.
pub fn render(desired: &Desired, folder: &Path) -> Result<(), SetupError> {
    let write = |inside: &str, text: &str| {
        let path = folder.join(inside.trim_start_matches('/'));
        let made = path.parent().map_or(Ok(()), |parent| {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(parent)
        });
        made.and_then(|()| {
            let mut file = fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&path)?;
            std::io::Write::write_all(&mut file, text.as_bytes())
        })
        .map_err(|source| SetupError::Write { path, source })
    };
    for file in &desired.files {
        let text = match &file.content {
            Content::Text(text) => text.clone(),
            Content::Secret(_) => "(secret, not shown)\n".to_owned(),
            Content::Bytes(bytes) => format!("({} bytes)\n", bytes.len()),
            Content::Program(program) => {
                format!(
                    "(program for {}, sha256 {})\n",
                    program.machine,
                    program.sha256()
                )
            }
        };
        write(&format!("files{}", file.path), &text)?;
    }
    write(&format!("files{}", desired.ssh.path), &desired.ssh.content)?;
    let plan = diff(desired, &Facts::fresh());
    let pretty = |value: &serde_json::Value| format!("{value:#}\n");
    write("observe.py", template::OBSERVE)?;
    write("observe.json", &pretty(&observe::request(desired)))?;
    write("apply.py", template::APPLY)?;
    write("apply.json", &pretty(&apply::header(&plan).0))?;
    let steps: String = plan
        .steps
        .iter()
        .map(|step| format!("{} ({})\n", step.name, step.why))
        .collect();
    write("steps.txt", &steps)
}

impl Facts {
    /// A host about which nothing is known but that it is there.
    fn fresh() -> Self {
        Self {
            disk_free_mb: u64::MAX,
            ..Self::default()
        }
    }
}
