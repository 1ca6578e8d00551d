//! Another key for the key pair of a deployment that stands.

use super::{InfraError, tag};
use crate::cloud::Cloud;

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
) -> Result<bool, InfraError> {
    let name = tag::name(deployment);
    let holds_it = async || -> Result<Option<bool>, InfraError> {
        let found = cloud.find_key_pair(&name).await?;
        Ok(found.map(|pair| is_same_key(&pair.public_key, public_key)))
    };
    match holds_it().await? {
        Some(true) => return Ok(false),
        Some(false) => cloud.delete_key_pair(&name).await?,
        None => {}
    }
    match cloud.create_key_pair(&name, public_key).await {
        Ok(_) => Ok(true),
        // It was made and the answer lost; or somebody was faster, which is only good where it is this key.
        Err(error) if error.is_lost() || error.is_conflict() => match holds_it().await? {
            Some(true) => Ok(true),
            _ => Err(error.into()),
        },
        Err(error) => Err(error.into()),
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
