//! Profiles: documents of the same shape beneath the operator's, each one set of choices.

use std::path::Path;
use std::sync::Arc;

use super::document;
use super::node::{Node, Value};
use super::problem::{Place, Problem, Problems};
use super::suggest;
use super::yaml;

/// A profile that comes with the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    pub name: &'static str,
    /// The document itself, with its leading comment.
    pub text: &'static str,
}

impl Profile {
    /// What it is, in one line: the first line of its comment.
    pub fn summary(&self) -> &'static str {
        self.text
            .lines()
            .next()
            .unwrap_or("")
            .trim_start_matches('#')
            .trim()
    }

    /// Its whole leading comment, without the `#`.
    pub fn description(&self) -> String {
        self.text
            .lines()
            .map_while(|line| line.strip_prefix('#'))
            .map(|line| line.strip_prefix(' ').unwrap_or(line))
            .collect::<Vec<_>>()
            .join("\n")
    }
}

/// The profiles that come with the program. `profile:` takes their names, or the path of a file.
pub fn profiles() -> &'static [Profile] {
    &[
        Profile {
            name: "hard-way",
            text: include_str!("../../profiles/hard-way.yaml"),
        },
        Profile {
            name: "jupyterhub",
            text: include_str!("../../profiles/jupyterhub.yaml"),
        },
        Profile {
            name: "notebook",
            text: include_str!("../../profiles/notebook.yaml"),
        },
        Profile {
            name: "rust",
            text: include_str!("../../profiles/rust.yaml"),
        },
        Profile {
            name: "sdsc",
            text: include_str!("../../profiles/sdsc.yaml"),
        },
        Profile {
            name: "sudo",
            text: include_str!("../../profiles/sudo.yaml"),
        },
    ]
}

/// A profile's document and the name problems call it.
pub(super) struct Found {
    pub(super) name: Arc<str>,
    pub(super) folder: Option<std::path::PathBuf>,
    pub(super) tree: Option<Node>,
}

/// Finds and reads the profile called `name`. `place` is where it is named, `folder` where relative paths start.
pub(super) fn find(
    name: &str,
    place: &Place,
    folder: &Path,
    problems: &mut Problems,
) -> Option<Found> {
    let wrong =
        |message: String, hint: String| Problem::new(place.clone(), "profile", message).hint(hint);
    if let Some(profile) = profiles().iter().find(|profile| profile.name == name) {
        let name: Arc<str> = format!("profile {}", profile.name).into();
        return read(name, profile.text, None, problems);
    }
    let known: Vec<&str> = profiles().iter().map(|profile| profile.name).collect();
    let list: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    if !name.contains(['/', '.']) {
        problems.push(wrong(
            format!("`{}` is not a profile", super::walk::shown(name)),
            suggest::choice(name, &known).unwrap_or(format!(
                "there is {}; a profile of your own is given by its path: `./{name}.yaml`",
                list.join(", ")
            )),
        ));
        return None;
    }
    // Like other paths: beside the file that names it, or where the command runs.
    let path = match place {
        Place::Argument { .. } => Path::new(name).to_owned(),
        _ => folder.join(name),
    };
    match document::read(&path) {
        Ok(text) => {
            let folder = path.parent().map(Path::to_owned);
            read(path.display().to_string().into(), &text, folder, problems)
        }
        Err((message, hint)) => {
            let hint = if message == "does not exist" {
                format!(
                    "paths start beside the file that names them; profiles that come with hubctl: {}",
                    list.join(", ")
                )
            } else {
                hint
            };
            problems.push(wrong(format!("{} {message}", path.display()), hint));
            None
        }
    }
}

fn read(
    name: Arc<str>,
    text: &str,
    folder: Option<std::path::PathBuf>,
    problems: &mut Problems,
) -> Option<Found> {
    let mut tree = match yaml::parse(&name, text, problems) {
        Ok(tree) => tree,
        Err(problem) => {
            problems.push(problem);
            None
        }
    };
    if let Some(Node {
        value: Value::Map(map),
        ..
    }) = &mut tree
    {
        for (field, why) in [
            (
                "name",
                "a profile serves many deployments; each has a name of its own",
            ),
            (
                "profile",
                "a profile has no profile beneath it; copy what you need from the other",
            ),
        ] {
            if let Some(entry) = map.get(field) {
                problems.push(
                    Problem::new(entry.place.clone(), field, "does not belong in a profile")
                        .hint(why),
                );
                map.remove(field);
            }
        }
    }
    // A profile that is no group of fields has nothing to say.
    let tree = tree.filter(|tree| match &tree.value {
        Value::Map(_) => true,
        Value::Empty | Value::Null => false,
        _ => {
            problems.push(
                Problem::new(tree.place.clone(), "", "is not a profile")
                    .hint("it is made of fields, such as `limits:` and below it `seats: 30`"),
            );
            false
        }
    });
    Some(Found { name, folder, tree })
}
