//! Paths on this machine. Whether the file is there is checked where the path has been resolved.

use super::{Wrong, address};

pub(super) fn path(text: &str) -> Result<(), Wrong> {
    super::line(text)?;
    if text.starts_with("-----BEGIN") {
        return Err(Wrong::new(
            "is the content of a file, wants its path",
            "save it as a file beside this one and write the file's name here",
        ));
    }
    if text.contains("://") {
        return Err(Wrong::new(
            "is a URL, wants a file on this machine",
            "download it and write the file's path here",
        ));
    }
    if text.starts_with('~') && !text.starts_with("~/") {
        return Err(Wrong::new(
            "starts with `~` and a name, which is not understood",
            "write the whole path",
        ));
    }
    Ok(())
}

/// A folder of programs, or where a release is downloaded from.
pub(super) fn release_source(text: &str) -> Result<(), Wrong> {
    if text.contains("://") {
        address::url(text)
    } else {
        path(text)
    }
}

pub(super) fn sha256(text: &str) -> Result<(), Wrong> {
    super::line(text)?;
    if text.len() == 64 && text.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')) {
        return Ok(());
    }
    Err(Wrong::new(
        super::unlike(text, "wants 64 hexadecimal digits in lower case"),
        "what `sha256sum` prints before the name, or the line's beginning in SHA256SUMS",
    ))
}
