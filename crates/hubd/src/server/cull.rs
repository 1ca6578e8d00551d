//! The idle culler: ends servers that nobody uses, or that are too old, and takes away users who went.

use std::time::{Duration, Instant};

use hub_api::hub::Cull;

use super::refusal::log_name;
use super::state::State;
use super::{Servers, watch};
use crate::clock::Timestamp;
use crate::spawner::ServerKey;
use crate::store::{StoreError, server, user};

/// When a server is too long idle, or too old; `None`: never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub idle: Option<Duration>,
    pub max_age: Option<Duration>,
}

/// Why a server is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Nobody used it for this long.
    Idle(Duration),
    /// It runs for this long.
    Age(Duration),
}

/// The limits for a member of `groups`: the first rule that names one of them, and what it leaves open as for everybody.
pub fn limits(cull: &Cull, groups: &[String]) -> Limits {
    let rule = cull.groups.iter().find(|rule| groups.contains(&rule.group));
    let seconds = |seconds: u64| (seconds > 0).then(|| Duration::from_secs(seconds));
    Limits {
        idle: seconds(rule.and_then(|rule| rule.idle).unwrap_or(cull.idle)),
        max_age: seconds(rule.and_then(|rule| rule.max_age).unwrap_or(cull.max_age)),
    }
}

impl Limits {
    /// Whether a server is to be ended. One that was never used is idle since its start.
    pub fn verdict(
        self,
        started: Option<Timestamp>,
        last_activity: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<Why> {
        let over = |since: Option<Timestamp>, limit: Option<Duration>| {
            let for_ = now.since(since?);
            (for_ >= limit?).then_some(for_)
        };
        over(last_activity.max(started), self.idle)
            .map(Why::Idle)
            .or_else(|| over(started, self.max_age).map(Why::Age))
    }
}

/// How much further the clock may get than time went by, before it is said to have leapt.
const LEAP: Duration = Duration::from_secs(60);

/// Whether the clock was set, or the machine slept: what looks like idleness is then none.
fn has_leapt(before: (Instant, Timestamp), now: (Instant, Timestamp)) -> bool {
    now.1.since(before.1) > now.0.saturating_duration_since(before.0) + LEAP
}

/// A server that is to be ended.
struct Due {
    key: ServerKey,
    why: Why,
}

impl Servers {
    /// Culls, until it is dropped.
    pub(super) async fn watch_idle(&self) {
        let cull = &self.0.config.cull;
        if !cull.enabled {
            return;
        }
        // What servers did while the hub was away they report within one interval; before that all look idle.
        tokio::time::sleep(Duration::from_secs(self.0.config.spawn.activity_interval)).await;
        let mut ticks = watch::every(cull.every);
        let mut before = self.moment();
        loop {
            ticks.tick().await;
            let now = self.moment();
            if has_leapt(before, now) {
                tracing::warn!(
                    "the clock went ahead by itself: servers may say first what they did"
                );
                tokio::time::sleep(Duration::from_secs(self.0.config.spawn.activity_interval))
                    .await;
                before = self.moment();
                continue;
            }
            before = now;
            if let Err(error) = self.cull().await {
                tracing::error!(%error, "looking for idle servers");
            }
        }
    }

    fn moment(&self) -> (Instant, Timestamp) {
        (Instant::now(), self.0.store.clock().now())
    }

    /// Looks at every server once.
    pub async fn cull(&self) -> Result<(), StoreError> {
        if self.due().await?.is_empty() && !self.0.config.cull.users {
            return Ok(());
        }
        // The proxy may know of use that nobody reported yet.
        if let Err(error) = self.check_routes().await {
            tracing::warn!(%error, "asking the proxy when servers were used");
        }
        let cull = &self.0.config.cull;
        for Due { key, why } in self.due().await? {
            tracing::info!(server = log_name(&key), ?why, "culling");
            let ended = if cull.remove_named_servers && !key.name.is_empty() {
                self.remove(&key).await
            } else {
                self.stop(&key).await
            };
            if let Err(error) = ended {
                tracing::error!(server = log_name(&key), %error, "culling");
            }
        }
        if cull.users {
            self.cull_users().await?;
        }
        Ok(())
    }

    async fn due(&self) -> Result<Vec<Due>, StoreError> {
        let (cull, now) = (self.0.config.cull.clone(), self.0.store.clock().now());
        let due: Vec<Due> = self
            .0
            .store
            .read(move |connection| {
                let mut due = Vec::new();
                for row in server::active(connection)? {
                    let groups = user::groups_of(connection, &row.user)?;
                    let limits = limits(&cull, &groups);
                    if let Some(why) = limits.verdict(row.started, row.last_activity, now) {
                        let key = ServerKey {
                            user: row.user,
                            name: row.name,
                        };
                        due.push(Due { key, why });
                    }
                }
                Ok::<_, StoreError>(due)
            })
            .await?;
        Ok(due
            .into_iter()
            .filter(|due| self.state(&due.key) == State::Ready)
            .collect())
    }

    /// Deletes users without a server who were not active for as long as a server may be idle. Admins stay.
    async fn cull_users(&self) -> Result<(), StoreError> {
        let (cull, now) = (self.0.config.cull.clone(), self.0.store.clock().now());
        let gone = self
            .0
            .store
            .write(move |connection| {
                let query = user::Query {
                    active: Some(false),
                    limit: u32::MAX,
                    ..user::Query::default()
                };
                let mut gone = Vec::new();
                for user in user::list(connection, &query)?.0 {
                    let limits = limits(&cull, &user.groups);
                    let idle = Limits {
                        max_age: None,
                        ..limits
                    };
                    if !user.admin
                        && idle
                            .verdict(Some(user.created), user.last_activity, now)
                            .is_some()
                    {
                        user::delete(connection, user.id)?;
                        gone.push(user.name);
                    }
                }
                Ok::<_, StoreError>(gone)
            })
            .await?;
        for user in gone {
            tracing::info!(user, "culled");
            // What is left of his servers is the memory of how they ended.
            self.stop_all_of(&user).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use hub_api::hub::CullRule;

    use super::*;

    fn cull() -> Cull {
        Cull {
            idle: 3600,
            max_age: 0,
            groups: vec![
                CullRule {
                    group: "gpu".to_owned(),
                    idle: Some(600),
                    max_age: Some(7200),
                },
                CullRule {
                    group: "staff".to_owned(),
                    idle: Some(0),
                    max_age: None,
                },
            ],
            ..Cull::default()
        }
    }

    fn at(seconds: i64) -> Option<Timestamp> {
        Some(Timestamp(seconds * 1_000_000))
    }

    #[test]
    fn the_first_rule_that_fits_counts() {
        let groups = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>()
        };
        let seconds = Duration::from_secs;
        for (of, idle, max_age) in [
            (groups(&[]), Some(seconds(3600)), None),
            (groups(&["gpu"]), Some(seconds(600)), Some(seconds(7200))),
            (groups(&["staff"]), None, None),
            (
                groups(&["staff", "gpu"]),
                Some(seconds(600)),
                Some(seconds(7200)),
            ),
        ] {
            assert_eq!(limits(&cull(), &of), Limits { idle, max_age }, "{of:?}");
        }
    }

    #[test]
    fn a_clock_that_was_set_is_no_idleness() {
        let start = Instant::now();
        let after = |steady: u64, clock: i64| {
            (
                start + Duration::from_secs(steady),
                Timestamp(clock * 1_000_000),
            )
        };
        let before = after(0, 1000);
        for (now, leapt) in [
            (after(600, 1600), false),
            (after(600, 1650), false),
            (after(600, 8800), true),
            // Set back: everybody looks busy, which ends nothing.
            (after(600, 10), false),
        ] {
            assert_eq!(has_leapt(before, now), leapt, "{now:?}");
        }
    }

    #[test]
    fn idle_and_old() {
        let limits = Limits {
            idle: Some(Duration::from_secs(600)),
            max_age: Some(Duration::from_secs(7200)),
        };
        let now = Timestamp(10_000_000_000);
        assert_eq!(limits.verdict(at(9_000), at(9_500), now), None);
        assert_eq!(
            limits.verdict(at(9_000), at(9_400), now),
            Some(Why::Idle(Duration::from_secs(600)))
        );
        assert_eq!(
            limits.verdict(at(9_000), None, now),
            Some(Why::Idle(Duration::from_secs(1_000))),
            "one that nobody ever used is idle since its start"
        );
        assert_eq!(
            limits.verdict(at(2_000), at(9_999), now),
            Some(Why::Age(Duration::from_secs(8_000)))
        );
        assert_eq!(limits.verdict(None, None, now), None);
        let never = Limits {
            idle: None,
            max_age: None,
        };
        assert_eq!(never.verdict(at(0), at(0), now), None);
    }
}
