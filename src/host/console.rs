//! What cloud-init prints about host keys on the server's console.

use super::Fingerprint;

/// The host keys named in a console log: SHA-256 fingerprints and whole public keys between cloud-init's markers.
///
/// Each line may carry a prefix (a time stamp, `ci-info:`, a syslog header). Keys outside the markers are not believed: any
/// program may write to the console. Of several blocks (one a boot) the last counts.
pub fn fingerprints(log: &str) -> Vec<Fingerprint> {
    let (mut short, mut whole) = (Vec::new(), Vec::new());
    let mut current: Option<(Kind, Vec<Fingerprint>)> = None;
    for line in log.lines() {
        match (marker(line), &mut current) {
            (Some((Mark::Begin, kind)), _) => current = Some((kind, Vec::new())),
            (Some((Mark::End, kind)), _) => match current.take() {
                Some((Kind::Fingerprints, keys)) if kind == Kind::Fingerprints => short = keys,
                Some((Kind::Keys, keys)) if kind == Kind::Keys => whole = keys,
                _ => {}
            },
            (None, Some((_, keys))) => keys.extend(key_in(line)),
            (None, None) => {}
        }
    }
    short.extend(whole);
    short.sort();
    short.dedup();
    short
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Fingerprints,
    Keys,
}

enum Mark {
    Begin,
    End,
}

fn marker(line: &str) -> Option<(Mark, Kind)> {
    let inner = line.trim_end().strip_suffix("-----")?;
    let (_, inner) = inner.rsplit_once("-----")?;
    let (mark, rest) = if let Some(rest) = inner.strip_prefix("BEGIN ") {
        (Mark::Begin, rest)
    } else {
        (Mark::End, inner.strip_prefix("END ")?)
    };
    let kind = match rest {
        "SSH HOST KEY FINGERPRINTS" => Kind::Fingerprints,
        "SSH HOST KEY KEYS" => Kind::Keys,
        _ => return None,
    };
    Some((mark, kind))
}

fn key_in(line: &str) -> Option<Fingerprint> {
    let mut words = line.split_whitespace();
    while let Some(word) = words.next() {
        if let Some(fingerprint) = Fingerprint::parse(word) {
            return Some(fingerprint);
        }
        if word.starts_with("ssh-") || word.starts_with("ecdsa-sha2-") {
            return Fingerprint::of_base64(words.next()?);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED: &str = "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU";
    const RSA: &str = "SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8";

    fn texts(log: &str) -> Vec<String> {
        fingerprints(log).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn plain_and_prefixed_blocks_are_read() {
        let plain = format!(
            "boot\n-----BEGIN SSH HOST KEY FINGERPRINTS-----\n3072 {RSA} root@class (RSA)\n256 {ED} root@class (ED25519)\n\
             -----END SSH HOST KEY FINGERPRINTS-----\nlogin:\n"
        );
        assert_eq!(texts(&plain), [ED, RSA]);
        let prefixed: String = plain
            .lines()
            .map(|line| format!("<14>Nov 22 20:53:04 cloud-init: {line}\r\n"))
            .collect();
        assert_eq!(texts(&prefixed), [ED, RSA]);
        let kernel: String = plain
            .lines()
            .map(|line| format!("[   12.345678] cloud-init[512]: ci-info: {line}\n"))
            .collect();
        assert_eq!(texts(&kernel), [ED, RSA]);
    }

    #[test]
    fn whole_keys_count_as_their_fingerprints() {
        let log = format!(
            "-----BEGIN SSH HOST KEY FINGERPRINTS-----\n256 {ED} root@class (ED25519)\n-----END SSH HOST KEY FINGERPRINTS-----\n\
             -----BEGIN SSH HOST KEY KEYS-----\n\
             ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl root@class\n\
             -----END SSH HOST KEY KEYS-----\n"
        );
        assert_eq!(texts(&log), [ED]);
    }

    #[test]
    fn keys_outside_or_in_an_unfinished_block_are_not_believed() {
        for log in [
            format!("256 {ED} root@class (ED25519)\n"),
            format!("-----BEGIN SSH HOST KEY FINGERPRINTS-----\n256 {ED} root@class\n"),
            format!("-----BEGIN CERTIFICATE-----\n256 {ED}\n-----END CERTIFICATE-----\n"),
            String::new(),
        ] {
            assert_eq!(texts(&log), [""; 0], "{log}");
        }
    }

    #[test]
    fn the_last_boot_counts() {
        let block = |key: &str| {
            format!(
                "-----BEGIN SSH HOST KEY FINGERPRINTS-----\n256 {key} r\n-----END SSH HOST KEY FINGERPRINTS-----\n"
            )
        };
        assert_eq!(texts(&(block(RSA) + &block(ED))), [ED]);
    }
}
