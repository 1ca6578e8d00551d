//! Argon2id, on a pool of its own that never takes the whole machine.

use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;

/// The longest password that is looked at, in bytes; hashing a longer one would only cost time.
pub const LONGEST: usize = 1024;
/// How many may wait for their turn before the next one is told to come again.
const WAITING: usize = 512;

/// Hashes and verifies passwords.
///
/// Each one takes 19 MiB and some 20 ms of a core (the parameters OWASP gives), so only so many run at once: thirty
/// logins at the same moment wait for one another, and the pages stay quick.
#[derive(Debug, Clone)]
pub struct Hasher {
    turns: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    /// Verified in place of the hash of a user who does not exist, so that both take as long.
    decoy: Arc<str>,
}

/// Why a password was neither right nor wrong.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// Too many wait already.
    #[error("{WAITING} logins are waiting already")]
    Busy,
    /// The hash or the hashing is broken.
    #[error("hashing a password: {0}")]
    Broken(String),
}

impl Hasher {
    /// With half of the cores, one at least.
    pub fn new() -> Result<Self, HashError> {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let decoy = hash(b"a password nobody has").map_err(HashError::Broken)?;
        Ok(Self {
            turns: Arc::new(Semaphore::new((cores / 2).max(1))),
            waiting: Arc::new(AtomicUsize::new(0)),
            decoy: decoy.into(),
        })
    }

    /// Hashes a password: a PHC string that names algorithm, parameters and salt.
    pub async fn hash(&self, password: &str) -> Result<String, HashError> {
        let password = password.as_bytes().to_vec();
        self.run(move || hash(&password)).await
    }

    /// Whether the password is the one of that hash. `None` (no such user) takes as long and is never right.
    pub async fn verify(&self, stored: Option<&str>, password: &str) -> Result<bool, HashError> {
        let exists = stored.is_some();
        let stored = stored.map_or_else(|| Arc::clone(&self.decoy), Arc::from);
        let password = password
            .as_bytes()
            .get(..LONGEST)
            .unwrap_or(password.as_bytes())
            .to_vec();
        self.run(move || verify(&stored, &password))
            .await
            .map(|right| right && exists)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, String> + Send + 'static,
    ) -> Result<T, HashError> {
        let waiting = Waiting::enter(&self.waiting)?;
        let turn = Arc::clone(&self.turns)
            .acquire_owned()
            .await
            .map_err(|e| HashError::Broken(e.to_string()))?;
        drop(waiting);
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        done.await
            .map_err(|e| HashError::Broken(e.to_string()))?
            .map_err(HashError::Broken)
    }
}

/// One of those who wait; leaves the queue however it ends.
struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    fn enter(count: &Arc<AtomicUsize>) -> Result<Self, HashError> {
        let entered = Self(Arc::clone(count));
        if count.fetch_add(1, Ordering::Relaxed) >= WAITING {
            Err(HashError::Busy)
        } else {
            Ok(entered)
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Hashes on this thread: for the shell's verbs; the server goes through [`Hasher`].
pub fn hash(password: &[u8]) -> Result<String, String> {
    Argon2::default()
        .hash_password(password)
        .map(|hash| hash.to_string())
        .map_err(|e| e.to_string())
}

fn verify(stored: &str, password: &[u8]) -> Result<bool, String> {
    let stored =
        PasswordHash::new(stored).map_err(|e| format!("the stored hash is no PHC string: {e}"))?;
    match Argon2::default().verify_password(password, &stored) {
        Ok(()) => Ok(true),
        Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn tells_right_from_wrong() {
        let hasher = Hasher::new().unwrap();
        let hash = hasher.hash("correct horse").await.unwrap();
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        assert!(hasher.verify(Some(&hash), "correct horse").await.unwrap());
        assert!(!hasher.verify(Some(&hash), "correct horse ").await.unwrap());
        assert!(!hasher.verify(Some(&hash), "").await.unwrap());
        assert!(!hasher.verify(None, "a password nobody has").await.unwrap());
        assert!(matches!(
            hasher.verify(Some("plain"), "plain").await,
            Err(HashError::Broken(_))
        ));
        assert_ne!(hasher.hash("correct horse").await.unwrap(), hash, "salted");
    }

    #[tokio::test]
    async fn an_unknown_name_takes_as_long() {
        let hasher = Hasher::new().unwrap();
        let hash = hasher.hash("right").await.unwrap();
        // The fastest of several: what the work takes, without what the machine did beside.
        let mut fastest = [f64::MAX; 2];
        for _ in 0..5 {
            for (index, stored) in [Some(&*hash), None].into_iter().enumerate() {
                let start = Instant::now();
                assert!(!hasher.verify(stored, "wrong").await.unwrap());
                fastest[index] = fastest[index].min(start.elapsed().as_secs_f64());
            }
        }
        let ratio = fastest[1] / fastest[0];
        assert!(
            (0.5..2.0).contains(&ratio),
            "known {} s, unknown {} s",
            fastest[0],
            fastest[1]
        );
    }

    #[tokio::test]
    async fn who_gives_up_leaves_the_queue() {
        let hasher = Hasher::new().unwrap();
        let all = hasher.turns.available_permits();
        let turns = hasher
            .turns
            .acquire_many(u32::try_from(all).unwrap())
            .await
            .unwrap();
        let mut waiting: Vec<_> = (0..WAITING)
            .map(|_| Box::pin(hasher.verify(None, "x")))
            .collect();
        for one in &mut waiting {
            assert!(futures::poll!(one).is_pending());
        }
        assert!(matches!(
            hasher.verify(None, "x").await,
            Err(HashError::Busy)
        ));
        drop(waiting);
        assert_eq!(hasher.waiting.load(Ordering::Relaxed), 0);
        drop(turns);
        assert!(!hasher.verify(None, "x").await.unwrap());
    }
}
