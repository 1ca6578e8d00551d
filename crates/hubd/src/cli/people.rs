//! Users and tokens from the shell.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use hub_api::hub::Hub as Config;

use crate::auth::password::hash::Hasher;
use crate::auth::password::{PasswordFile, first_secret};
use crate::clock::Clock;
use crate::name;
use crate::scope::Catalog;
use crate::store::token::{MintError, New, OwnerId};
use crate::store::{Store, StoreError, people, server, service, session, token, user};

/// Whose token, and what it may do.
#[derive(Debug, Args)]
pub struct TokenArgs {
    /// The user whose token it is
    #[arg(long, required_unless_present = "service", conflicts_with = "service")]
    user: Option<String>,
    /// The service whose token it is
    #[arg(long)]
    service: Option<String>,
    /// What it is for
    #[arg(long, default_value = "made by hubd token")]
    note: String,
    /// Seconds it lives; absent: for ever
    #[arg(long)]
    expires_in: Option<u64>,
    /// A scope it has; may be given more than once
    #[arg(long = "scope")]
    scopes: Vec<String>,
}

/// What to do with users
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Add users
    Add {
        #[arg(required = true)]
        names: Vec<String>,
        /// Make them admins
        #[arg(long)]
        admin: bool,
    },
    /// List users
    List,
    /// Give users a first-login secret and print it, in place of any password they have
    ///
    /// For a hub with `auth.password_file`. A secret lasts until its owner has chosen a password; browsers in which the
    /// user is logged in are logged out.
    Secret {
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Log users out of every browser
    ///
    /// Their servers run on, and API tokens that they made stay.
    LogOut {
        #[arg(required_unless_present = "all")]
        names: Vec<String>,
        /// Everybody
        #[arg(long, conflicts_with = "names")]
        all: bool,
    },
    /// Remove users, with their tokens; their files stay
    Remove {
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Make a user an admin
    Admin {
        name: String,
        /// Make the user no longer an admin
        #[arg(long)]
        off: bool,
    },
}

/// Opens the store with the people of the configuration in it, as the hub does.
async fn open(config: Config) -> anyhow::Result<Store> {
    let clock = Clock::system();
    let store = Store::open(
        &config.database,
        Catalog::new(config.custom_scopes.clone())?,
        clock.clone(),
    )?;
    let (known, now) = (store.clone(), clock.now());
    store
        .write(move |connection| {
            people::load(
                connection,
                &config,
                known.catalog(),
                &Default::default(),
                now,
            )
        })
        .await?;
    Ok(store)
}

pub(super) async fn token(config: Config, args: TokenArgs) -> anyhow::Result<String> {
    let store = open(config).await?;
    let (known, now) = (store.clone(), store.clock().now());
    let made = store.write(move |connection| {
        let owner = match (&args.user, &args.service) {
            (Some(name), _) => user::find(connection, &name::normalize_user(name))?
                .map(|user| OwnerId::User(user.id)),
            (None, Some(name)) => {
                service::find(connection, name)?.map(|service| OwnerId::Service(service.id))
            }
            (None, None) => None,
        };
        let new = New {
            scopes: (!args.scopes.is_empty()).then(|| args.scopes.clone()),
            expires_in: args.expires_in.map(Duration::from_secs),
            ..New::of(owner.ok_or(MintError::Owner)?, &args.note)
        };
        token::mint(connection, known.catalog(), now, &new)
    });
    let (secret, _) = made.await.context("making a token")?;
    Ok(format!("{secret}\n"))
}

pub(super) async fn user(config: Config, command: UserCommand) -> anyhow::Result<String> {
    let passwords = match &config.auth.password_file {
        Some(file) => {
            let path = file.path.clone();
            Some(PasswordFile::open(
                path,
                file.minimum_length,
                Hasher::new()?,
            )?)
        }
        None => None,
    };
    let store = open(config).await?;
    match command {
        UserCommand::Secret { names } => {
            let Some(passwords) = passwords else {
                bail!(
                    "the hub keeps no passwords: set auth.password_file, or give them where the accounts are"
                );
            };
            secrets(&store, &passwords, names).await
        }
        UserCommand::Add { names, admin } => add(&store, names, admin).await,
        UserCommand::List => list(&store).await,
        UserCommand::LogOut { all: true, .. } => {
            store
                .write(|connection| session::end_all(connection))
                .await?;
            Ok(String::new())
        }
        UserCommand::LogOut { names, .. } => log_out(&store, names).await,
        UserCommand::Remove { names } => remove(&store, passwords.as_ref(), names).await,
        UserCommand::Admin { name, off } => {
            let wanted = name::normalize_user(&name);
            let found = store.write(move |connection| {
                let Some(user) = user::find(connection, &wanted)? else {
                    return Ok::<_, StoreError>(false);
                };
                user::set_admin(connection, user.id, !off)?;
                Ok(true)
            });
            if !found.await? {
                bail!("there is no user {name}");
            }
            Ok(String::new())
        }
    }
}

async fn add(store: &Store, names: Vec<String>, admin: bool) -> anyhow::Result<String> {
    let names: Vec<String> = names
        .iter()
        .map(|name| name::normalize_user(name))
        .collect();
    if let Some(bad) = names.iter().find(|name| !name::is_valid_user(name)) {
        bail!("{bad:?} cannot be the name of a user");
    }
    let now = store.clock().now();
    let report = store.write(move |connection| {
        let mut report = String::new();
        for name in names {
            if user::find(connection, &name)?.is_some() {
                report.push_str(&format!("{name} is there already\n"));
            } else {
                user::create(connection, now, &name, admin)?;
            }
        }
        Ok::<_, StoreError>(report)
    });
    Ok(report.await?)
}

async fn remove(
    store: &Store,
    passwords: Option<&PasswordFile>,
    names: Vec<String>,
) -> anyhow::Result<String> {
    let removal = store.write(move |connection| {
        let mut refused = Vec::new();
        let mut gone = Vec::new();
        for name in names {
            let Some(user) = user::find(connection, &name::normalize_user(&name))? else {
                refused.push(format!("there is no user {name}"));
                continue;
            };
            if server::of_user(connection, user.id)?
                .iter()
                .any(|server| server.target.is_some())
            {
                refused.push(format!(
                    "{name} has a server that runs: stop it on the admin page first"
                ));
                continue;
            }
            user::delete(connection, user.id)?;
            gone.push(user.name);
        }
        Ok::<_, StoreError>((refused, gone))
    });
    let (refused, gone) = removal.await?;
    if let Some(passwords) = passwords {
        for name in gone {
            passwords.remove(&name).await?;
        }
    }
    if !refused.is_empty() {
        bail!("{}", refused.join("\n"));
    }
    Ok(String::new())
}

async fn secrets(
    store: &Store,
    passwords: &PasswordFile,
    names: Vec<String>,
) -> anyhow::Result<String> {
    let names: Vec<String> = names
        .iter()
        .map(|name| name::normalize_user(name))
        .collect();
    if let Some(bad) = names.iter().find(|name| !name::is_valid_user(name)) {
        bail!("{bad:?} cannot be the name of a user");
    }
    let mut text = String::new();
    for name in &names {
        let secret = first_secret();
        passwords.set(name, &secret, true).await?;
        writeln!(text, "{name} {secret}")?;
    }
    end_sessions(store, names).await?;
    Ok(text)
}

async fn log_out(store: &Store, names: Vec<String>) -> anyhow::Result<String> {
    let unknown = end_sessions(store, names).await?;
    if !unknown.is_empty() {
        bail!("there is no user {}", unknown.join(", no user "));
    }
    Ok(String::new())
}

/// Logs users out of every browser. Those who are none.
async fn end_sessions(store: &Store, names: Vec<String>) -> Result<Vec<String>, StoreError> {
    let ended = store.write(move |connection| {
        let mut unknown = Vec::new();
        for name in names {
            match user::find(connection, &name::normalize_user(&name))? {
                Some(user) => session::end_of_user(connection, user.id, None)?,
                None => unknown.push(name),
            }
        }
        Ok(unknown)
    });
    ended.await
}

async fn list(store: &Store) -> anyhow::Result<String> {
    let query = user::Query {
        sort: user::Sort::Name,
        limit: u32::MAX,
        ..user::Query::default()
    };
    let (users, _) = store
        .read(move |connection| user::list(connection, &query))
        .await?;
    let mut text = String::new();
    for user in users {
        let admin = if user.admin { "admin" } else { "" };
        let activity = user
            .last_activity
            .map_or_else(|| "never".to_owned(), |at| at.to_string());
        writeln!(
            text,
            "{}\t{admin}\t{activity}\t{}",
            user.name,
            user.groups.join(",")
        )?;
    }
    Ok(text)
}

pub(super) async fn backup(config: Config, to: PathBuf) -> anyhow::Result<String> {
    let store = Store::open(
        &config.database,
        Catalog::new(config.custom_scopes)?,
        Clock::system(),
    )?;
    store.backup(to).await?;
    Ok(String::new())
}
