//! The verbs.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hub_api::helper::{Answer, Instance, Options, Password, Request, Server, Start, VERSION, Verb};
use nix::unistd::Group;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{Instant, sleep_until, timeout};

use crate::account::{Account, admit};
use crate::pam::Pam;
use crate::places::{Places, remove, write};
use crate::refusal::Refusal;
use crate::systemd::Systemd;
use crate::{container, create, environment, unit};

/// The longest a start may be given.
const LONGEST_START: u32 = 600;
/// More than the template unit's `TimeoutStopSec=`.
const END_WITHIN: Duration = Duration::from_secs(60);
const KILL_WITHIN: Duration = Duration::from_secs(20);
/// Fewer than the requests that are served at once: however many guess passwords, servers start and stop.
const LOGINS: usize = 192;
/// The least a denial takes: the time tells neither of an account that does not exist nor of a password that is right
/// though its account is refused. Longer than the longest that PAM itself delays a wrong one: the two seconds that
/// `pam_unix` asks for, up to a quarter more by chance, and the hashing.
const DENIAL: Duration = Duration::from_secs(3);
/// The file with what is said of one run, in the unit's own folder.
const DROP_IN: &str = "run.conf";
const LOOK_WITHIN: Duration = Duration::from_secs(10);

/// What the verbs need.
pub struct Helper {
    options: Arc<Options>,
    pam: Pam,
    places: Places,
    /// Logins that may wait at once.
    logins: Semaphore,
    /// Two verbs for one unit wait for one another.
    units: Mutex<HashMap<String, Arc<Mutex<()>>>>,
    accounts: Mutex<()>,
}

impl Helper {
    pub fn new(options: Options, places: Places) -> Self {
        Self {
            pam: Pam::new(&options.pam_service),
            options: Arc::new(options),
            places,
            logins: Semaphore::new(LOGINS),
            units: Mutex::default(),
            accounts: Mutex::default(),
        }
    }

    /// Does what is asked.
    pub async fn answer(&self, request: Request) -> Answer {
        if request.version != VERSION {
            return Answer::Refused {
                message: format!(
                    "the hub speaks version {} of the helper's protocol, the helper version {VERSION}: \
                     install both from one release",
                    request.version
                ),
            };
        }
        let done = match request.verb {
            Verb::Authenticate { name, password } => self.authenticate(&name, password).await,
            Verb::Start(start) => self.start(start).await,
            Verb::Stop(server) => self.end(&server, false).await,
            Verb::Kill(server) => self.end(&server, true).await,
            Verb::Create { name } => self.create(&name).await,
        };
        done.unwrap_or_else(Answer::from)
    }

    async fn authenticate(&self, name: &str, password: Password) -> Result<Answer, Refusal> {
        let _one_of_them = self.logins.try_acquire().map_err(|_| {
            Refusal::doing("checking a password")("too many log in at once; try again in a moment")
        })?;
        let denial = Instant::now() + DENIAL;
        let answer = self.checked(name, password).await?;
        if answer == Answer::Denied {
            sleep_until(denial).await;
        }
        Ok(answer)
    }

    async fn checked(&self, name: &str, password: Password) -> Result<Answer, Refusal> {
        // Modules make paths and queries of a name: what cannot be an account's does not reach them.
        if Instance::new(name, "").is_err() {
            return Ok(Answer::Denied);
        }
        // PAM is asked whoever it is, so that one denial takes as long as another.
        if !self.pam.authenticate(name, password).await? {
            return Ok(Answer::Denied);
        }
        match self.admit(name).await {
            Ok(account) => Ok(Answer::Authenticated {
                name: account.name,
                groups: account.groups,
            }),
            Err(Refusal::Refused(why)) => {
                tracing::info!(name, why, "denied though the password is right");
                Ok(Answer::Denied)
            }
            Err(error) => Err(error),
        }
    }

    async fn start(&self, start: Start) -> Result<Answer, Refusal> {
        let instance = Instance::new(&start.server.user, &start.server.name)?;
        let account = self.admit(&start.server.user).await?;
        let socket = self.places.socket(&instance);
        let profile = start.profile.as_deref();
        let text = match &self.options.container {
            None => unit::drop_in(&self.options, &account, &socket, profile)?,
            Some(asked) => {
                let profile = unit::asked(&self.options, profile)?;
                let variables: Vec<&str> = start.environment.keys().map(String::as_str).collect();
                container::drop_in(asked, &account, &instance, &socket, profile, &variables)?
            }
        };
        let environment = environment::render(&start.environment, &self.options.environment)?;
        let within = Duration::from_secs(start.within.clamp(1, LONGEST_START).into());
        let unit = instance.unit();

        let drop_in = self.places.drop_in(&instance).join(DROP_IN);

        let own = self.own(&unit).await;
        let _alone = own.lock().await;
        let run = async {
            let systemd = Systemd::connect().await?;
            systemd.end(&unit, false).await?;
            self.prepare(&instance, &account, &text, &environment)?;
            systemd.start(&unit, &drop_in).await
        };
        let started = timeout(within, run).await;
        // It has been read, or never will be.
        let _ = remove(&self.places.environment(&instance));
        let invocation = started.map_err(|_| Refusal::late("starting the unit"))??;
        tracing::info!(unit, "started");
        Ok(Answer::Started {
            socket,
            unit,
            invocation,
        })
    }

    fn prepare(
        &self,
        instance: &Instance,
        account: &Account,
        text: &str,
        environment: &str,
    ) -> Result<(), Refusal> {
        let doing = "preparing the unit";
        let gid = Group::from_name(&self.options.proxy_group)
            .map_err(Refusal::doing(doing))?
            .ok_or_else(|| {
                Refusal::doing(doing)(format!("there is no group {:?}", self.options.proxy_group))
            })?
            .gid
            .as_raw();
        let files = || -> std::io::Result<()> {
            self.places.user_folder(account, gid)?;
            // A socket that an earlier run left. The folder is the user's: what is there instead stays there.
            let _ = std::fs::remove_file(self.places.socket(instance));
            remove(&self.places.ended(&instance.to_string()))?;
            let folder = self.places.drop_in(instance);
            std::fs::create_dir_all(&folder)?;
            write(&folder.join(DROP_IN), text, 0o644)?;
            write(&self.places.environment(instance), environment, 0o600)
        };
        files().map_err(Refusal::doing(doing))
    }

    async fn end(&self, server: &Server, by_force: bool) -> Result<Answer, Refusal> {
        let instance = Instance::new(&server.user, &server.name)?;
        let unit = instance.unit();
        let own = self.own(&unit).await;
        // To kill does not wait for a stop that takes its time.
        let mut alone = if by_force {
            None
        } else {
            Some(own.lock().await)
        };
        let run = async { Systemd::connect().await?.end(&unit, by_force).await };
        let within = if by_force { KILL_WITHIN } else { END_WITHIN };
        timeout(within, run)
            .await
            .map_err(|_| Refusal::late("ending the unit"))??;
        // What a start or stop that is under way has written is its own to remove.
        alone = alone.or_else(|| own.try_lock().ok());
        if alone.is_some() {
            let _ = std::fs::remove_dir_all(self.places.drop_in(&instance));
            let _ = remove(&self.places.ended(&instance.to_string()));
        }
        tracing::info!(unit, by_force, "ended");
        Ok(Answer::Ended)
    }

    async fn create(&self, name: &str) -> Result<Answer, Refusal> {
        // One after the other: the tools lock the system's files, and fail where they are locked.
        let _alone = self.accounts.lock().await;
        let there = match self.admit(name).await {
            Ok(account) => Some(account),
            Err(error @ Refusal::Unavailable { .. }) => return Err(error),
            Err(Refusal::Refused(_)) => None,
        };
        if there.is_some() && self.options.accounts.is_some() {
            return Ok(Answer::Account { created: false });
        }
        create::account(&self.options, name).await?;
        let account = self.admit(name).await?;
        tracing::info!(name, uid = account.uid, "made an account");
        Ok(Answer::Account { created: true })
    }

    async fn admit(&self, name: &str) -> Result<Account, Refusal> {
        let (options, name) = (self.options.clone(), name.to_owned());
        let looking = tokio::task::spawn_blocking(move || admit(&options, &name));
        timeout(LOOK_WITHIN, looking)
            .await
            .map_err(|_| Refusal::late("looking for the account"))?
            .map_err(Refusal::doing("looking for the account"))?
    }

    async fn own(&self, unit: &str) -> Arc<Mutex<()>> {
        let mut units = self.units.lock().await;
        units.retain(|_, lock| Arc::strong_count(lock) > 1);
        units.entry(unit.to_owned()).or_default().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::tests::options;

    #[tokio::test]
    async fn another_version_is_told_and_nothing_is_done() {
        let helper = Helper::new(options(), Places::default());
        let verb = Verb::Kill(Server {
            user: "ada".to_owned(),
            name: String::new(),
        });
        let said = helper.answer(Request { version: 99, verb }).await;
        assert!(matches!(said, Answer::Refused { message } if message.contains("99")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_that_is_none_does_not_reach_pam_and_is_denied_like_another() {
        // There is no such service: PAM, were it asked, would be unavailable.
        let helper = Helper::new(
            Options {
                pam_service: "hub-helper-test-no-such-service".to_owned(),
                ..options()
            },
            Places::default(),
        );
        for name in ["../ada", "ada\0", "ada\n", "Ada", "", "ada@example.org"] {
            let asked = Instant::now();
            let verb = Verb::Authenticate {
                name: name.to_owned(),
                password: Password::new("x"),
            };
            let said = helper
                .answer(Request {
                    version: VERSION,
                    verb,
                })
                .await;
            assert_eq!(said, Answer::Denied, "{name:?}");
            assert!(asked.elapsed() >= DENIAL, "{name:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn guesses_do_not_take_all_that_is_served() {
        let helper = Arc::new(Helper::new(options(), Places::default()));
        let mut guesses = tokio::task::JoinSet::new();
        for _ in 0..=LOGINS {
            let helper = helper.clone();
            guesses.spawn(async move {
                let verb = Verb::Authenticate {
                    name: "no name".to_owned(),
                    password: Password::new("x"),
                };
                let version = VERSION;
                helper.answer(Request { version, verb }).await
            });
        }
        let said = guesses.join_all().await;
        let denied = said.iter().filter(|answer| **answer == Answer::Denied);
        assert_eq!(denied.count(), LOGINS);
        let busy = |answer: &&Answer| matches!(answer, Answer::Unavailable { message } if message.contains("too many"));
        assert_eq!(said.iter().filter(busy).count(), 1);
    }

    #[tokio::test]
    async fn a_name_that_is_none_reaches_neither_files_nor_systemd() {
        let helper = Helper::new(options(), Places::default());
        for user in ["../../etc", "root", "ada\nUser=root", "nobody"] {
            let verb = Verb::Start(Start {
                server: Server {
                    user: user.to_owned(),
                    name: String::new(),
                },
                environment: Default::default(),
                profile: None,
                within: 1,
            });
            let said = helper
                .answer(Request {
                    version: VERSION,
                    verb,
                })
                .await;
            assert!(matches!(said, Answer::Refused { .. }), "{user:?}: {said:?}");
        }
    }
}
