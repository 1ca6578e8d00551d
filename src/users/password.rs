//! Passwords that can be read out in class, and their hashes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use base64::Engine;
use rand::TryRng;
use sha_crypt::{PasswordHasher, ShaCrypt};
use tokio::task::JoinHandle;

use crate::secret::Secret;

/// Short everyday words, none of them easily taken for another one when heard.
const WORDS: &str = include_str!("words.txt");
/// How many there are: eleven bits each.
const WORD_COUNT: usize = 2048;
const WORDS_EACH: usize = 4;

/// A new password: four words and two digits, `maple-river-cloud-tiger-42`. All are equally likely: 50 bits.
pub fn generate() -> Secret {
    static LIST: LazyLock<Vec<&str>> = LazyLock::new(|| WORDS.split_ascii_whitespace().collect());
    let mut parts: Vec<String> = (0..WORDS_EACH)
        .map(|_| {
            let [high, low] = random_bytes::<2>();
            let place = usize::from(u16::from_be_bytes([high, low])) % WORD_COUNT;
            LIST.get(place).copied().unwrap_or_default().to_owned()
        })
        .collect();
    parts.push(format!("{:02}", two_digits()));
    Secret::new(parts.join("-"))
}

/// 0 to 99, each as likely as the others: bytes that would favour the low ones are thrown again.
fn two_digits() -> u8 {
    loop {
        let [byte] = random_bytes::<1>();
        if byte < 200 {
            return byte % 100;
        }
    }
}

fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0_u8; N];
    #[expect(
        clippy::expect_used,
        reason = "a system without randomness cannot go on"
    )]
    rand::rngs::SysRng
        .try_fill_bytes(&mut bytes)
        .expect("the operating system gives random bytes");
    bytes
}

/// The hash of a notebook server's password, as Jupyter Server writes it: Argon2id with the parameters that it uses
/// (`jupyter_server.auth.security.passwd`). The same salt gives the same hash.
pub fn jupyter_hash(password: &Secret, salt: &Secret) -> Result<Secret, argon2::Error> {
    const MEMORY_KIB: u32 = 10_240;
    const PASSES: u32 = 10;
    const LANES: u32 = 8;
    let parameters = argon2::Params::new(MEMORY_KIB, PASSES, LANES, Some(32))?;
    let salt = salt.reveal().as_bytes();
    let mut hash = [0_u8; 32];
    argon2::Argon2::new(
        argon2::Algorithm::Argon2id,
        argon2::Version::V0x13,
        parameters,
    )
    .hash_password_into(password.reveal().as_bytes(), salt, &mut hash)?;
    let base64 = |bytes: &[u8]| base64::engine::general_purpose::STANDARD_NO_PAD.encode(bytes);
    Ok(Secret::new(format!(
        "argon2:$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${}${}",
        base64(salt),
        base64(&hash)
    )))
}

/// A password and its hash as `/etc/shadow` has it (sha512-crypt).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hashed {
    pub password: Secret,
    pub hash: String,
}

impl Hashed {
    pub fn new(password: Secret) -> Self {
        let hash = hash(&password);
        Self { password, hash }
    }
}

/// New passwords with their hashes, made on all processors while something else is waited for.
///
/// The rounds are the system's own 5,000. Fifty random bits would bear fewer, but then who reads one line of
/// `/etc/shadow` would have to know how its password was chosen to judge it.
#[derive(Debug)]
pub struct Ahead {
    workers: Vec<JoinHandle<Vec<Hashed>>>,
    /// Nobody wants them any more.
    stop: Arc<AtomicBool>,
}

impl Ahead {
    /// Begins to make so many. Needs a tokio runtime.
    pub fn begin(count: usize) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let stop = Arc::new(AtomicBool::new(false));
        let workers = (0..processors)
            .map(|worker| {
                let share = count / processors + usize::from(worker < count % processors);
                let stop = Arc::clone(&stop);
                tokio::task::spawn_blocking(move || {
                    (0..share)
                        .take_while(|_| !stop.load(Ordering::Relaxed))
                        .map(|_| Hashed::new(generate()))
                        .collect()
                })
            })
            .collect();
        Self { workers, stop }
    }

    /// All of them, when they are made.
    pub async fn all(mut self) -> Result<Vec<Hashed>, tokio::task::JoinError> {
        let mut all = Vec::new();
        for worker in std::mem::take(&mut self.workers) {
            all.extend(worker.await?);
        }
        Ok(all)
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// One password's hash, for `/etc/shadow`.
pub fn hash(password: &Secret) -> String {
    let salt = random_bytes::<12>();
    #[expect(clippy::expect_used, reason = "12 bytes are a valid salt")]
    ShaCrypt::SHA512
        .hash_password_with_salt(password.reveal().as_bytes(), &salt)
        .expect("a salted hash")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_words_are_2048_different_short_ones_and_a_password_has_fifty_bits() {
        let words: Vec<&str> = WORDS.split_ascii_whitespace().collect();
        let different: BTreeSet<&str> = words.iter().copied().collect();
        assert_eq!((words.len(), different.len()), (WORD_COUNT, WORD_COUNT));
        for word in words {
            assert!((3..=7).contains(&word.len()), "{word}");
            assert!(word.bytes().all(|byte| byte.is_ascii_lowercase()), "{word}");
        }
        let bits = f64::from(2048_u16).log2() * 4.0 + 100_f64.log2();
        assert!(bits > 50.0, "{bits}");
    }

    #[test]
    fn a_password_is_four_words_and_two_digits_and_never_the_same() {
        let words: BTreeSet<&str> = WORDS.split_ascii_whitespace().collect();
        let passwords: BTreeSet<String> =
            (0..1000).map(|_| generate().reveal().to_owned()).collect();
        assert_eq!(passwords.len(), 1000);
        let mut used = BTreeSet::new();
        for password in &passwords {
            let parts: Vec<&str> = password.split('-').collect();
            assert_eq!(parts.len(), 5, "{password}");
            assert!(
                parts.iter().take(4).all(|part| words.contains(part)),
                "{password}"
            );
            assert!(
                parts.last().unwrap().len() == 2 && parts.last().unwrap().parse::<u8>().is_ok(),
                "{password}"
            );
            used.extend(parts.into_iter().take(4).map(str::to_owned));
        }
        // 4,000 throws at 2,048 words leave about 290 of them out; a part of the list that is never thrown would show.
        assert!(used.len() > 1600, "{}", used.len());
    }

    #[tokio::test]
    async fn hashes_are_what_the_server_checks_passwords_with() {
        let mut made = Ahead::begin(2).all().await.unwrap();
        made.push(Hashed::new(Secret::new("maple-river-cloud-tiger-42")));
        assert_eq!(made.len(), 3);
        for Hashed { password, hash } in &made {
            assert!(hash.starts_with("$6$"), "{hash}");
            let salt = hash.rsplit_once('$').unwrap().0.rsplit('$').next().unwrap();
            let made = std::process::Command::new("openssl")
                .args([
                    "passwd",
                    "-6",
                    "-salt",
                    &format!("rounds=5000${salt}"),
                    password.reveal(),
                ])
                .output()
                .unwrap();
            assert_eq!(&String::from_utf8(made.stdout).unwrap().trim(), hash);
        }
    }

    #[tokio::test]
    async fn as_many_are_made_as_asked_for_and_none_twice() {
        for count in [0, 1, 7] {
            let made = Ahead::begin(count).all().await.unwrap();
            let different: BTreeSet<&str> = made.iter().map(|one| one.hash.as_str()).collect();
            assert_eq!((made.len(), different.len()), (count, count));
        }
    }
}
