//! Packages and their versions.

use super::Wrong;

pub(super) fn version(text: &str) -> Result<(), Wrong> {
    super::line(text)?;
    let bare = text.trim_start_matches(['v', '=', '~', '^', '>', '<', '!', ' ']);
    let sound = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_digit())
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+'))
            && !text.contains("..")
            && text.ends_with(|c: char| c.is_ascii_alphanumeric())
    };
    if sound(text) {
        return Ok(());
    }
    if sound(bare) {
        return Err(Wrong::new(
            super::unlike(text, "wants the version and nothing else"),
            format!("write `{bare}`"),
        ));
    }
    Err(Wrong::new(
        super::unlike(text, "wants a version such as 6.1.1"),
        "name one version: what is installed then does not change by itself",
    ))
}

pub(super) fn debian(text: &str) -> Result<(), Wrong> {
    super::line(text)?;
    if text.contains([' ', ',']) {
        return Err(Wrong::new(
            "names several packages",
            format!(
                "give each an entry of its own: `[{}]`",
                text.split([' ', ','])
                    .filter(|name| !name.is_empty())
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        ));
    }
    let name = text.split(['=', ':']).next().unwrap_or("");
    let sound = name.len() >= 2
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name
            .chars()
            .all(|c| matches!(c, 'a'..='z' | '0'..='9' | '+' | '.' | '-'));
    if !sound {
        return Err(Wrong::new(
            "is not the name of a distribution package",
            "for example `r-base`; Python packages belong in `environment.packages`",
        ));
    }
    if !text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '.' | '-' | '=' | ':' | '~'))
    {
        return Err(Wrong::new(
            "is not a distribution package",
            "`NAME`, or `NAME=VERSION`",
        ));
    }
    Ok(())
}

/// A pip requirement: `name`, `name[extra]>=1,<2; marker` or `name @ https://…`.
pub(super) fn requirement(text: &str) -> Result<(), Wrong> {
    super::line(text)?;
    if text.starts_with('-') {
        return Err(Wrong::new(
            "is an option of pip, wants a package",
            "for example `pandas>=2`; where packages come from is `host.pip_index_url`",
        ));
    }
    if text.starts_with(['.', '/', '~']) {
        return Err(Wrong::new(
            "is a path, which the server does not have",
            "name a package, or `name @ https://…` for one from elsewhere",
        ));
    }
    if text.contains("://") && !text.contains(" @ ") && !text.contains('@') {
        return Err(Wrong::new(
            "is a URL without the package's name",
            format!("write `name @ {text}`"),
        ));
    }
    let (requirement, marker) = match text.split_once(';') {
        Some((requirement, marker)) => (requirement.trim(), Some(marker.trim())),
        None => (text, None),
    };
    if marker.is_some_and(str::is_empty) {
        return Err(Wrong::new("has nothing behind the `;`", "remove the `;`"));
    }
    let end = requirement
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')))
        .unwrap_or(requirement.len());
    let (name, rest) = requirement.split_at(end);
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric())
        || !name.ends_with(|c: char| c.is_ascii_alphanumeric())
    {
        return Err(Wrong::new(
            "is not a pip requirement",
            "a package's name, and a version if need be: `pandas>=2`",
        ));
    }
    let mut rest = rest.trim_start();
    if let Some(extras) = rest.strip_prefix('[') {
        let Some((_, after)) = extras.split_once(']') else {
            return Err(Wrong::new(
                "has a `[` that is not closed",
                format!("`{name}[extra]`"),
            ));
        };
        rest = after.trim_start();
    }
    if rest.is_empty() || rest.starts_with('@') {
        return Ok(());
    }
    specifiers(name, rest)
}

fn specifiers(name: &str, rest: &str) -> Result<(), Wrong> {
    let rest = rest
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'))
        .unwrap_or(rest);
    for specifier in rest.split(',').map(str::trim) {
        let operator = specifier
            .find(|c: char| !matches!(c, '<' | '>' | '=' | '!' | '~'))
            .unwrap_or(specifier.len());
        let (operator, version) = specifier.split_at(operator);
        let version = version.trim();
        match operator {
            "" => {
                return Err(Wrong::new(
                    format!("has `{specifier}` behind the package's name"),
                    "one package is one entry of the list; a version comes behind `==` or `>=`",
                ));
            }
            "=" => {
                return Err(Wrong::new(
                    "has a single `=`",
                    format!("write `{name}=={version}`"),
                ));
            }
            "==" | ">=" | "<=" | "!=" | "~=" | "<" | ">" | "===" => {}
            other => {
                return Err(Wrong::new(
                    format!("has `{other}` in it, which pip does not know"),
                    "pip knows ==, !=, >=, <=, >, < and ~=",
                ));
            }
        }
        let sound = version.starts_with(|c: char| c.is_ascii_alphanumeric())
            && version.chars().all(|c| {
                c.is_ascii_alphanumeric() || matches!(c, '.' | '*' | '+' | '!' | '-' | '_')
            });
        if !sound {
            return Err(Wrong::new(
                format!("has no version behind `{operator}`"),
                format!("for example `{name}{operator}2`"),
            ));
        }
    }
    Ok(())
}
