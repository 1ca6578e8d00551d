//! `hubctl add-users`: people, with a password each.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::people::{self, HandOut};
use super::{Context, server};
use crate::event::Observer;
use crate::handout;
use crate::state::State;
use crate::ui::Exit;
use crate::users::{self, Added, Person, Request, UsersError, sheet};

/// Longest list that is read, in bytes.
const LONGEST: u64 = 16 << 20;

/// Make users with a password of their own each
///
/// Names, a list from a spreadsheet, or a number of training users whose numbering goes on where it left off. Users that
/// exist are left alone. The passwords are in `credentials.csv` in the deployment's state folder, and on slips to print and
/// cut in `handout.html` beside it; the server gets hashes only.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names of users to make
    #[arg(required_unless_present_any = ["count", "from"])]
    pub names: Vec<String>,
    /// Make the people of this list, CSV whose first line names its columns: name, and if you like password, admin,
    /// full_name, email; `-` reads standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["names", "count"])]
    pub from: Option<PathBuf>,
    /// Make so many users called after --prefix
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub count: Option<u32>,
    /// What numbered users are called: training01, training02, …
    #[arg(long, default_value = "training", requires = "count")]
    pub prefix: String,
    /// Give the users named here, or all of the list, the hub's admin rights
    #[arg(long, conflicts_with = "count")]
    pub admin: bool,
    #[command(flatten)]
    pub handout: HandOut,
    /// The deployment; default: the spec's
    #[arg(long = "deployment", value_name = "NAME")]
    pub name: Option<String>,
}

pub(super) async fn run(context: &Context, args: &Args) -> anyhow::Result<Exit> {
    let mut request = Request {
        people: people(context, args)?,
        count: args.count.unwrap_or(0) as usize,
        prefix: args.prefix.clone(),
        admins: spec_admins(context),
        url: String::new(),
    };
    request.check()?;
    args.handout.check()?;
    let name = context.name(args.name.as_deref())?;
    let state = context.state(&name)?;
    people::refuse_notebook(&state, "for several people make a hub under another `name`")?;
    let passwords = request.passwords();
    let host = server::of(context, &name, &state).await?;
    request.url = people::url(&state.receipt()?);
    let added = users::add(&host, &state, &request, passwords, &*context.ui).await?;
    people::hand_out(context, &state, &args.handout)?;
    report(context, &state, &added, host.exchanges());
    if added.refused.is_empty() {
        Ok(Exit::Ok)
    } else {
        Ok(Exit::Error)
    }
}

/// Those named, or those of the list.
fn people(context: &Context, args: &Args) -> anyhow::Result<Vec<Person>> {
    let mut people = match &args.from {
        Some(path) => read(context, path)?,
        None => args.names.iter().map(|name| name.as_str().into()).collect(),
    };
    for person in &mut people {
        person.admin |= args.admin;
    }
    Ok(people)
}

fn read(context: &Context, path: &Path) -> anyhow::Result<Vec<Person>> {
    let reading = || format!("reading {}", path.display());
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin()
            .lock()
            .take(LONGEST)
            .read_to_end(&mut bytes)
            .context("reading standard input")?;
    } else {
        std::fs::File::open(path)
            .and_then(|file| file.take(LONGEST).read_to_end(&mut bytes))
            .with_context(reading)?;
    }
    let people = sheet::read(&bytes)
        .map_err(UsersError::Sheet)
        .with_context(reading)?;
    if people.iter().any(|person| person.password.is_some()) && is_open(path) {
        (&*context.ui as &dyn Observer).warn(format!(
            "{} has passwords in it and may be read by others: `chmod 600 {0}`",
            path.display()
        ));
    }
    Ok(people)
}

/// Whether others than its owner may read a file.
fn is_open(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o077 != 0)
}

/// The spec's `hub.admins`.
fn spec_admins(context: &Context) -> Vec<String> {
    if !context.has_spec() {
        return Vec::new();
    }
    context.spec().map_or(Vec::new(), |spec| spec.hub.admins)
}

fn report(context: &Context, state: &State, added: &Added, exchanges: usize) {
    let ui = &context.ui;
    let created: Vec<&str> = added.created.iter().map(|c| c.user.as_str()).collect();
    if ui.is_json() {
        ui.record(&serde_json::json!({
            "event": "done",
            "changed": created.len() + added.completed.len() + added.promoted.len(),
            "created": created,
            "existing": added.existing,
            "completed": added.completed,
            "promoted": added.promoted,
            "refused": added.refused,
            "without_password": added.without_password,
            "credentials": state.path(users::credentials::FILE),
            "handout": state.path(handout::FILE),
            "ssh_exchanges": exchanges,
            "seconds": context.started.elapsed().as_secs_f64(),
        }));
        return;
    }
    let told = |what: &str, names: &[String]| {
        if !names.is_empty() {
            ui.say(&format!("{what}: {}", names.join(", ")));
        }
    };
    for (name, why) in &added.refused {
        ui.say(&format!("not made: {name}: {why}"));
    }
    told("left alone, they exist", &added.existing);
    told("completed what they lacked", &added.completed);
    told("hub admins now", &added.promoted);
    told(
        "exist, but their passwords are not known here",
        &added.without_password,
    );
    if !created.is_empty() {
        ui.say(&format!("made {}: {}", created.len(), created.join(", ")));
        people::tell_files(context, state);
    }
}
