//! Numbers that were written otherwise: with quotes, with a unit, with a fraction.

use super::node::{Kind, Scalar};

/// How to write what was meant as a number.
pub(super) fn hint(path: &str, scalar: &Scalar, whole: bool) -> String {
    let raw = scalar.raw.trim();
    let plain =
        raw.parse::<i64>().is_ok() || !whole && raw.parse::<f64>().is_ok_and(f64::is_finite);
    if scalar.kind == Kind::Text && plain {
        return format!("write `{raw}`, without quotes");
    }
    if let (Kind::Float(float), true) = (scalar.kind, whole) {
        if float.is_finite() && float.abs() < 1e9 {
            return format!("write `{}`", float.ceil());
        }
        return "write it in digits".to_owned();
    }
    let end = raw
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(raw.len());
    let (number, unit) = raw.split_at(end);
    let (Ok(number), Some((factor, name))) = (
        number.parse::<f64>(),
        unit_of(path, &unit.trim().to_lowercase()),
    ) else {
        return "write it in digits".to_owned();
    };
    let number = number * factor;
    format!(
        "write `{}`: {name}",
        if whole { number.ceil() } else { number }
    )
}

/// By what a unit is multiplied for the field at `path`, and the unit that the field counts in.
fn unit_of(path: &str, unit: &str) -> Option<(f64, &'static str)> {
    let of = |units: &[(&[&str], f64)], name| {
        units
            .iter()
            .find(|(words, _)| words.contains(&unit))
            .map(|(_, factor)| (*factor, name))
    };
    const SECOND: &[&str] = &["s", "sec", "secs", "second", "seconds"];
    const MINUTE: &[&str] = &["m", "min", "mins", "minute", "minutes"];
    const HOUR: &[&str] = &["h", "hour", "hours"];
    match path {
        "volume.size" | "server.boot_volume" => of(
            &[
                (&["g", "gb", "gib"], 1.0),
                (&["t", "tb", "tib"], 1024.0),
                (&["m", "mb", "mib"], 1.0 / 1024.0),
            ],
            "the unit is GiB",
        ),
        "spawner.start_timeout" => of(
            &[(SECOND, 1.0), (MINUTE, 60.0), (HOUR, 3600.0)],
            "the unit is seconds",
        ),
        "hub.cull_after_minutes" => of(
            &[(SECOND, 1.0 / 60.0), (MINUTE, 1.0), (HOUR, 60.0)],
            "the unit is minutes",
        ),
        _ => None,
    }
}
