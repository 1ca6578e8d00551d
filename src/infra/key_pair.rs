//! Another key for the key pair of a deployment that stands.

use super::apply::made;
use super::{InfraError, Pace, tag};
use crate::cloud::{Cloud, KeyPair};

/// Whether two public keys are the same, whatever they are called.
pub fn is_same_key(one: &str, other: &str) -> bool {
    let code = |key: &str| -> Option<(String, String)> {
        let mut words = key.split_whitespace();
        Some((words.next()?.to_owned(), words.next()?.to_owned()))
    };
    code(one).is_some() && code(one) == code(other)
}

/// Lets the key pair hold this public key; returns whether it held another, or was not there. The server that stands got
/// its key when it was made and does not notice: servers that are made later do.
///
/// Nova changes no key pair: the old one is deleted and a new one made. A run that is killed in between leaves none; the
/// next one makes it, as any run makes a key pair that is missing.
pub async fn replace_key_pair(
    cloud: &Cloud,
    deployment: &str,
    public_key: &str,
    pace: &Pace,
) -> Result<bool, InfraError> {
    let name = tag::name(deployment);
    let is_it = |pair: &KeyPair| is_same_key(&pair.public_key, public_key);
    let find = async || Ok(cloud.find_key_pair(&name).await?.filter(is_it));
    match cloud.find_key_pair(&name).await? {
        Some(pair) if is_it(&pair) => return Ok(false),
        Some(_) => cloud.delete_key_pair(&name).await?,
        None => {}
    }
    let create = async || cloud.create_key_pair(&name, public_key).await;
    match made(pace.every, create, find).await {
        // Somebody was faster, which is only good where it is this key.
        Err(InfraError::Cloud(error)) if error.is_conflict() && find().await?.is_none() => {
            Err(error.into())
        }
        Err(InfraError::Cloud(error)) if error.is_conflict() => Ok(true),
        made => made.map(|_| true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_by_what_they_are() {
        assert!(is_same_key("ssh-ed25519 AAAA me@here", "ssh-ed25519  AAAA"));
        for other in [
            "ssh-ed25519 AAAB me@here",
            "ssh-rsa AAAA",
            "ssh-ed25519",
            "",
        ] {
            assert!(!is_same_key("ssh-ed25519 AAAA", other), "{other}");
        }
        assert!(!is_same_key("", ""));
    }
}
