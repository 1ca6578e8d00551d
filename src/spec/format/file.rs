//! Paths on this machine. Whether the file is there is checked where the path has been resolved.

use super::Wrong;

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
