//! Named waits: each says what it waits for, what that looks like now, and ends at a deadline.

use std::time::Duration;

use tokio::time::Instant;

use crate::event::{Event, Observer};

/// What one look found.
pub enum Probe<T> {
    /// It is there.
    Ready(T),
    /// Not yet; the text says what it looks like now (`BUILD, spawning`).
    Pending(String),
}

/// A wait: what for, how often to look, how long at most.
pub struct Wait {
    pub what: String,
    pub every: Duration,
    pub within: Duration,
}

/// Why a wait ended without what it waited for.
#[derive(Debug, thiserror::Error)]
pub enum WaitError<E> {
    #[error("waited {} s for {what}; last seen: {state}", within.as_secs())]
    Deadline {
        what: String,
        state: String,
        within: Duration,
    },
    /// A look failed in a way that more waiting does not heal.
    #[error(transparent)]
    Failed(E),
}

impl Wait {
    pub fn new(what: impl Into<String>, every: Duration, within: Duration) -> Self {
        Self {
            what: what.into(),
            every,
            within,
        }
    }

    /// Looks until the probe is ready, fails, or the deadline passes. The probe should carry its own shorter deadline;
    /// a look that hangs past the wait's deadline is given up.
    pub async fn until<T, E>(
        &self,
        observer: &dyn Observer,
        mut probe: impl AsyncFnMut() -> Result<Probe<T>, E>,
    ) -> Result<T, WaitError<E>> {
        let started = Instant::now();
        let deadline = started + self.within;
        let mut state = "no answer yet".to_owned();
        loop {
            match tokio::time::timeout_at(deadline, probe()).await {
                Ok(Ok(Probe::Ready(value))) => return Ok(value),
                Ok(Ok(Probe::Pending(now))) => state = now,
                Ok(Err(error)) => return Err(WaitError::Failed(error)),
                Err(_) => {}
            }
            observer.on(Event::Waiting {
                what: self.what.clone(),
                state: state.clone(),
                elapsed_seconds: started.elapsed().as_secs_f64(),
                deadline_seconds: self.within.as_secs_f64(),
            });
            if Instant::now() + self.every >= deadline {
                return Err(WaitError::Deadline {
                    what: self.what.clone(),
                    state,
                    within: self.within,
                });
            }
            tokio::time::sleep(self.every).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Silent;

    fn wait() -> Wait {
        Wait::new("tea", Duration::from_millis(5), Duration::from_millis(60))
    }

    #[tokio::test]
    async fn ends_with_what_it_waited_for() {
        let mut looks = 0;
        let found = wait()
            .until(&Silent, async || {
                looks += 1;
                Ok::<_, String>(if looks == 3 {
                    Probe::Ready(looks)
                } else {
                    Probe::Pending("cold".into())
                })
            })
            .await;
        assert_eq!(found.ok(), Some(3));
    }

    #[tokio::test]
    async fn says_what_it_last_saw_at_the_deadline() {
        let error = wait()
            .until(&Silent, async || {
                Ok::<Probe<()>, String>(Probe::Pending("cold".into()))
            })
            .await
            .expect_err("never ready");
        assert_eq!(error.to_string(), "waited 0 s for tea; last seen: cold");
    }

    #[tokio::test]
    async fn a_probe_that_hangs_is_given_up_at_the_deadline() {
        let error = wait()
            .until(&Silent, async || {
                std::future::pending::<()>().await;
                Ok::<Probe<()>, String>(Probe::Pending(String::new()))
            })
            .await
            .expect_err("hangs");
        assert!(matches!(error, WaitError::Deadline { .. }));
    }
}
