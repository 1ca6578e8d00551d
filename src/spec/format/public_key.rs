//! Lines of `authorized_keys`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Wrong;

const KINDS: &[&str] = &[
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];
const PASTE: &str = "paste the one line of the file that ends in `.pub`: `ssh-ed25519 AAAA… name`";

/// A private key was pasted. It is never shown.
pub(super) fn private() -> Wrong {
    Wrong::new(
        "is a PRIVATE key (not shown); it must not be in this file",
        "take it out at once; if the file has been shared or committed, make a new key. Only the public half, from the file that ends in `.pub`, belongs here",
    )
}

pub(super) fn check(text: &str) -> Result<(), Wrong> {
    // The second is how the base64 of an OpenSSH private key begins when its frame was left behind.
    if text.contains("PRIVATE KEY") || text.contains("b3BlbnNzaC1rZXktdjE") {
        return Err(private());
    }
    if text.trim().lines().count() > 1 {
        return Err(Wrong::new(
            "has several lines",
            "one key is one line; give each an entry of its own in the list",
        ));
    }
    let text = text.trim();
    super::line(text)?;
    let mut words = text.split_whitespace();
    let (kind, body) = (words.next().unwrap_or(""), words.next());
    if kind == "ssh-dss" {
        return Err(Wrong::new(
            "is a DSA key, which no current server accepts",
            "make a new one with `ssh-keygen -t ed25519`",
        ));
    }
    if !KINDS.contains(&kind) {
        return Err(stranger(text));
    }
    let Some(body) = body else {
        return Err(Wrong::new(format!("has nothing behind `{kind}`"), PASTE));
    };
    let cut = || {
        Wrong::new(
            "is damaged: part of the key is missing or was changed",
            "copy the whole line again, without a line break in it",
        )
    };
    let blob = STANDARD.decode(body).map_err(|_| cut())?;
    let fields = fields(&blob).ok_or_else(cut)?;
    if fields.first() != Some(&kind.as_bytes()) {
        return Err(Wrong::new(
            format!("says `{kind}`, but the key behind it is of another kind"),
            "copy the whole line again",
        ));
    }
    match (kind, fields.as_slice()) {
        ("ssh-ed25519", [_, key]) if key.len() == 32 => Ok(()),
        ("ssh-ed25519", _) => Err(cut()),
        ("ssh-rsa", [_, _, modulus]) => {
            let bits = modulus.iter().skip_while(|byte| **byte == 0).count() * 8;
            if bits < 2048 {
                return Err(Wrong::new(
                    format!("is an RSA key of {bits} bits, too weak"),
                    "make a new one with `ssh-keygen -t ed25519`",
                ));
            }
            Ok(())
        }
        (_, [_, _, _, ..]) => Ok(()),
        _ => Err(cut()),
    }
}

/// A line that starts with no kind of key.
fn stranger(text: &str) -> Wrong {
    if text.starts_with("AAAA") {
        return Wrong::new("has no kind of key before the `AAAA…`", PASTE);
    }
    if text.starts_with("---- BEGIN SSH2") {
        return Wrong::new(
            "is in another program's format",
            "`ssh-keygen -i -f FILE` prints the line that belongs here",
        );
    }
    if text.contains(['/', '~', '\\']) && !text.contains(' ') || text.ends_with(".pub") {
        return Wrong::new(
            "is the path of a file, wants what is in it",
            "paste the file's one line: `ssh-ed25519 AAAA… name`",
        );
    }
    if KINDS.iter().any(|kind| text.contains(&format!(" {kind} "))) {
        return Wrong::new(
            "has options before the key, which are not understood here",
            PASTE,
        );
    }
    Wrong::new("is not an SSH public key", PASTE)
}

/// The length-prefixed fields of a key, or `None` where they do not fill it exactly.
fn fields(mut blob: &[u8]) -> Option<Vec<&[u8]>> {
    let mut fields = Vec::new();
    while !blob.is_empty() {
        let (length, rest) = blob.split_first_chunk::<4>()?;
        let (field, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        fields.push(field);
        blob = rest;
    }
    Some(fields)
}
