//! Names of deployments, hosts and accounts.

use super::Wrong;
use crate::spec::model::Memory;

/// Longest name of a deployment. With our suffixes it still is a label of DNS.
const LONGEST_NAME: usize = 40;

pub(super) fn deployment(text: &str) -> Result<(), Wrong> {
    super::line(text)?;
    let wrong = |message: String| {
        Wrong::new(
            message,
            format!("for example `{}`", slug(text).unwrap_or("class".to_owned())),
        )
    };
    if text.chars().count() > LONGEST_NAME {
        return Err(wrong(format!(
            "has {} characters; {LONGEST_NAME} is the most",
            text.chars().count()
        )));
    }
    if let Some(odd) = text
        .chars()
        .find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-'))
    {
        return Err(wrong(format!(
            "has {} in it; a name is made of lower case letters, digits and `-`",
            character(odd)
        )));
    }
    if !text.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Err(wrong("starts with no letter".to_owned()));
    }
    if text.ends_with('-') {
        return Err(wrong("ends with `-`".to_owned()));
    }
    Ok(())
}

fn character(c: char) -> String {
    match c {
        ' ' => "a space".to_owned(),
        c if c.is_uppercase() => format!("the capital `{c}`"),
        c => format!("`{c}`"),
    }
}

/// The nearest name that is allowed: `My Class 2026` is `my-class-2026`.
fn slug(text: &str) -> Option<String> {
    let mut slug = String::new();
    for c in text.to_lowercase().chars() {
        match c {
            'a'..='z' | '0'..='9' => slug.push(c),
            _ if !slug.ends_with('-') => slug.push('-'),
            _ => {}
        }
    }
    let mut slug = slug.trim_matches('-').to_owned();
    if slug.starts_with(|c: char| c.is_ascii_digit()) {
        slug.insert_str(0, "hub-");
    }
    slug.truncate(LONGEST_NAME);
    let slug = slug.trim_end_matches('-');
    (!slug.is_empty()).then(|| slug.to_owned())
}

/// A mail address, roughly: what it must have to be delivered anywhere.
pub(super) fn email(text: &str) -> Result<(), Wrong> {
    super::line(text)?;
    let fine = text.split_once('@').is_some_and(|(name, host)| {
        !name.is_empty() && host.contains('.') && !host.contains('@') && !text.contains([' ', ','])
    });
    if fine {
        return Ok(());
    }
    Err(Wrong::new(
        super::unlike(text, "wants a mail address"),
        "one address, without a name or `mailto:`: `ada@example.org`",
    ))
}

pub(super) fn domain(text: &str) -> Result<(), Wrong> {
    super::line(text)?;
    if let Some((_, rest)) = text.split_once("://") {
        let host = rest.split(['/', ':']).next().unwrap_or(rest);
        return Err(Wrong::new(
            "is a URL, wants a DNS name",
            format!("write `{}`", host.to_lowercase()),
        ));
    }
    if text.parse::<std::net::IpAddr>().is_ok() {
        return Err(Wrong::new(
            "is an address, wants a DNS name",
            "remove the line: without a domain the hub is reached by its address",
        ));
    }
    if let Some((host, _)) = text.split_once(['/', ':']) {
        return Err(Wrong::new(
            "has a port or a path behind the DNS name",
            format!("write `{host}`"),
        ));
    }
    if text.contains('*') {
        return Err(Wrong::new(
            "is a wildcard, wants the one name the hub is reached by",
            format!("for example `{}`", text.replace('*', "hub")),
        ));
    }
    if !text.is_ascii() {
        return Err(Wrong::new(
            "has letters in it that DNS does not have",
            "write it in its `xn--` form, as the registrar shows it",
        ));
    }
    if text.contains(|c: char| c.is_ascii_uppercase()) {
        return Err(Wrong::new(
            "has capitals in it",
            format!("write `{}`", text.to_lowercase()),
        ));
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    let labels: Vec<&str> = name.split('.').collect();
    let sound = |label: &&str| {
        (1..=63).contains(&label.len())
            && label
                .chars()
                .all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if let Some(label) = labels.iter().find(|label| !sound(label)) {
        let message = if label.is_empty() {
            "has two dots in a row, or starts with one".to_owned()
        } else {
            format!("has the part `{label}`, which DNS does not allow")
        };
        return Err(Wrong::new(
            message,
            "each part is made of lower case letters, digits and inner `-`, at most 63 characters",
        ));
    }
    if labels.len() < 2 {
        return Err(Wrong::new(
            "is a single word, wants a whole DNS name",
            format!("for example `{name}.example.org`"),
        ));
    }
    if name.len() > 253 {
        return Err(Wrong::new(
            format!("has {} characters; DNS allows 253", name.len()),
            "use a shorter name",
        ));
    }
    Ok(())
}

/// Checks a Linux account's name as `useradd` does: lower case letters, digits, `_` and `-`, at most 32 characters,
/// starting with a letter or `_`. The error is a predicate (`has a space in it`).
pub fn user_name(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("is empty".to_owned());
    }
    if text.chars().count() > 32 {
        return Err(format!(
            "has {} characters; 32 is the most",
            text.chars().count()
        ));
    }
    if let Some(odd) = text
        .chars()
        .find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '_' | '-'))
    {
        return Err(format!(
            "has {} in it; an account is made of lower case letters, digits, `-` and `_`",
            character(odd)
        ));
    }
    if !text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_') {
        return Err("starts with no letter".to_owned());
    }
    Ok(())
}

pub(super) fn login(text: &str) -> Result<(), Wrong> {
    super::line(text)?;
    user_name(text).map_err(|message| {
        let slug: String = text
            .to_lowercase()
            .split('@')
            .next()
            .unwrap_or_default()
            .chars()
            .map(|c| match c {
                ' ' | '.' => '-',
                c => c,
            })
            .filter(|c| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-'))
            .collect();
        let slug = match slug.trim_start_matches('-') {
            number if number.starts_with(|c: char| c.is_ascii_digit()) => format!("user-{number}"),
            slug => slug.to_owned(),
        };
        Wrong {
            message,
            hint: user_name(&slug)
                .is_ok()
                .then(|| format!("for example `{slug}`")),
        }
    })
}

pub(super) fn url_path(text: &str) -> Result<(), Wrong> {
    super::line(text)?;
    if text.contains("://") {
        return Err(Wrong::new(
            "is a URL, wants only the path within a user's server",
            "for example `/lab`",
        ));
    }
    if !text.starts_with('/') {
        return Err(Wrong::new("starts with no `/`", format!("write `/{text}`")));
    }
    if text.contains(char::is_whitespace) {
        return Err(Wrong::new("has a space in it", "write `%20` for a space"));
    }
    Ok(())
}

pub(super) fn lines(text: &str) -> Result<(), Wrong> {
    if text.contains("PRIVATE KEY") {
        return Err(super::public_key::private());
    }
    if let Some(odd) = text
        .chars()
        .find(|c| c.is_control() && !matches!(c, '\n' | '\t'))
    {
        return Err(Wrong::new(
            format!("has the control character {} in it", odd.escape_default()),
            "remove it; lines end with a line feed alone",
        ));
    }
    Ok(())
}

pub(super) fn memory(text: &str) -> Result<(), Wrong> {
    super::line(text)?;
    let Err(message) = text.parse::<Memory>() else {
        return Ok(());
    };
    let message = super::unlike(text, &message);
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit = unit.trim();
    let hint = if number.parse::<f64>().is_err() {
        "a number and `M` or `G`"
    } else if unit.is_empty() {
        return Err(Wrong::new(
            format!("is {number}, without a unit"),
            format!("`{number}G` is GiB, `{number}M` is MiB"),
        ));
    } else if let Some(unit) = ["M", "G"]
        .into_iter()
        .find(|known| unit.to_uppercase().starts_with(known))
    {
        return Err(Wrong::new(message, format!("write `{number}{unit}`")));
    } else {
        "the unit is `M` (MiB) or `G` (GiB)"
    };
    Err(Wrong::new(message, hint))
}
