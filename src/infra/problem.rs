//! What stands in the way of a plan: all of it at once, each with its remedy.

use std::fmt;

use serde::Serialize;

/// One thing that stands in the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What is the matter, with numbers: `0 floating IPs left of 2`.
    pub message: String,
    /// What to do about it: ``192.0.2.7 is unattached: `--set server.floating_ip=192.0.2.7` ``.
    pub hint: String,
    /// Whether it is about how much the project may have.
    pub quota: bool,
}

impl Problem {
    pub(super) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: hint.into(),
            quota: false,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if self.hint.is_empty() {
            Ok(())
        } else {
            write!(f, "\n  {}", self.hint)
        }
    }
}

/// Everything that stands in the way; nothing was changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl Problems {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether all of them are about quotas: the project is too small, nothing is wrong with the spec.
    pub fn is_quota(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|problem| problem.quota)
    }

    pub(super) fn add(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// Keeps the value, or takes the problem.
    pub(super) fn take<T>(&mut self, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.add(problem)).ok()
    }
}

/// Finds what `wanted` names among `all`, by id or by name. Several of that name are a problem that lists them, none
/// is one that lists what there is.
///
/// `field` is the spec's, for the remedy; `noun` what is looked for, as in `image`.
pub(super) fn pick<'a, T>(
    field: &str,
    noun: &str,
    wanted: &str,
    all: impl IntoIterator<Item = &'a T>,
    id: impl Fn(&T) -> &str,
    name: impl Fn(&T) -> &str,
) -> Result<&'a T, Problem> {
    let all: Vec<&T> = all.into_iter().collect();
    if let Some(found) = all.iter().find(|item| id(item) == wanted) {
        return Ok(found);
    }
    let mut named = all.iter().filter(|item| name(item) == wanted);
    match (named.next(), named.next()) {
        (Some(found), None) => Ok(found),
        (Some(first), Some(second)) => {
            let ids: Vec<&str> = [id(first), id(second)]
                .into_iter()
                .chain(named.map(|item| id(item)))
                .collect();
            Err(Problem::new(
                format!(
                    "{} {noun}s are called {wanted}: {}",
                    ids.len(),
                    ids.join(", ")
                ),
                format!("name one by its id: `--set {field}={}`", ids[0]),
            ))
        }
        (None, _) => {
            let mut names: Vec<&str> = all
                .iter()
                .map(|item| name(item))
                .filter(|name| !name.is_empty())
                .collect();
            names.sort_unstable();
            names.dedup();
            Err(Problem::new(
                format!("no {noun} is called {wanted}"),
                there_is(field, noun, wanted, &names),
            ))
        }
    }
}

/// What there is instead of what was asked for, the nearest first in words.
fn there_is(field: &str, noun: &str, wanted: &str, names: &[&str]) -> String {
    const SHOWN: usize = 20;
    if names.is_empty() {
        return format!("the cloud shows no {noun} at all: check the project and the region");
    }
    let nearest = names
        .iter()
        .map(|name| {
            (
                strsim::damerau_levenshtein(&name.to_lowercase(), &wanted.to_lowercase()),
                name,
            )
        })
        .min()
        .filter(|(distance, _)| *distance <= 1 + wanted.chars().count() / 4);
    let list = names[..names.len().min(SHOWN)].join(", ");
    let more = names.len().saturating_sub(SHOWN);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    match nearest {
        Some((_, name)) => {
            format!("did you mean `--set {field}={name}`? there is {list}{more}")
        }
        None => format!("there is {list}{more}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(wanted: &str, all: &[(&'static str, &'static str)]) -> Result<String, String> {
        pick(
            "server.flavor",
            "flavor",
            wanted,
            all,
            |item| item.0,
            |item| item.1,
        )
        .map(|item| item.0.to_owned())
        .map_err(|problem| problem.to_string())
    }

    #[test]
    fn names_and_ids_are_found_and_doubt_is_told() {
        let all = [
            ("1", "m1.small"),
            ("2", "m1.large"),
            ("3", "m1.large"),
            ("4", "1"),
        ];
        for (wanted, found) in [
            ("m1.small", Ok("1")),
            ("2", Ok("2")),
            ("1", Ok("1")), // an id before a name
            (
                "m1.large",
                Err(
                    "2 flavors are called m1.large: 2, 3\n  name one by its id: `--set server.flavor=2`",
                ),
            ),
            (
                "m1.smal",
                Err(
                    "no flavor is called m1.smal\n  did you mean `--set server.flavor=m1.small`? there is 1, m1.large, m1.small",
                ),
            ),
            (
                "gpu",
                Err("no flavor is called gpu\n  there is 1, m1.large, m1.small"),
            ),
        ] {
            assert_eq!(
                find(wanted, &all),
                found.map(str::to_owned).map_err(str::to_owned),
                "{wanted}"
            );
        }
        assert_eq!(
            find("x", &[]).unwrap_err(),
            "no flavor is called x\n  the cloud shows no flavor at all: check the project and the region"
        );
    }

    #[test]
    fn long_lists_are_cut() {
        let names: Vec<String> = (0..30).map(|i| format!("flavor-{i:02}")).collect();
        let error = pick("f", "flavor", "zzz", &names, |n| n, |n| n).unwrap_err();
        assert!(
            error.hint.ends_with("flavor-19 and 10 more"),
            "{}",
            error.hint
        );
    }
}
