//! Names of the time zone database.

use super::Wrong;
use crate::spec::suggest;

/// The names Debian's `tzdata` had when this was written, one a line.
const KNOWN: &str = include_str!("time_zones.txt");

pub(super) fn check(text: &str) -> Result<(), Wrong> {
    super::line(text)?;
    if KNOWN.lines().any(|known| known == text) {
        return Ok(());
    }
    let city = |name: &'static str| name.rsplit('/').next().unwrap_or(name);
    let near = suggest::nearest(text, KNOWN.lines())
        .or_else(|| KNOWN.lines().find(|known| suggest::same(city(known), text)));
    if let Some(near) = near {
        return Err(Wrong::new(
            "is not a time zone",
            format!("did you mean `{near}`?"),
        ));
    }
    // A zone made after this list was is let through: `Area/City`.
    let sound = text.contains('/')
        && text.split('/').all(|part| {
            part.starts_with(|c: char| c.is_ascii_uppercase())
                && part
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+'))
        });
    if sound {
        return Ok(());
    }
    Err(Wrong::new(
        "is not a time zone",
        "a name such as `Europe/Zurich` or `UTC`",
    ))
}
