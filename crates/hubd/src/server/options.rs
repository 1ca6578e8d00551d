//! What a user chose for a server, checked against what the operator offers.

use hub_api::hub::{Profile, Spawn};
use serde_json::{Map, Value};

use super::environment::Choices;

/// The profiles that a member of `groups` may choose from.
pub fn offered<'a>(
    spawn: &'a Spawn,
    groups: &'a [String],
) -> impl Iterator<Item = &'a Profile> + Clone {
    spawn.profiles.iter().filter(|profile| {
        profile.groups.is_empty() || profile.groups.iter().any(|group| groups.contains(group))
    })
}

/// The profile that the options name, or the first one that is offered. The error is for the user.
pub fn chosen<'a>(
    spawn: &'a Spawn,
    groups: &'a [String],
    options: &Map<String, Value>,
) -> Result<Option<&'a Profile>, String> {
    let mut offered = offered(spawn, groups);
    let Some(wanted) = options.get("profile").filter(|value| !value.is_null()) else {
        return Ok(offered.next());
    };
    let wanted = wanted
        .as_str()
        .ok_or("the option `profile` must be a string")?;
    let names = offered
        .clone()
        .map(|profile| profile.slug.as_str())
        .collect::<Vec<_>>()
        .join(", ");
    match offered.find(|profile| profile.slug == wanted) {
        Some(profile) => Ok(Some(profile)),
        None if names.is_empty() => Ok(None),
        None => Err(format!(
            "there is no profile {wanted:?} for you: choose one of {names}"
        )),
    }
}

/// What the operator chose for a server of this profile.
pub fn choices(spawn: &Spawn, profile: Option<&Profile>) -> Choices {
    let mut more = spawn.environment.clone();
    if let Some(profile) = profile {
        more.extend(profile.environment.clone());
    }
    Choices {
        activity_interval: spawn.activity_interval,
        default_url: Some(spawn.default_url.clone()).filter(|url| !url.is_empty()),
        mem_limit: profile.and_then(|profile| profile.mem_limit),
        cpu_limit: profile
            .and_then(|profile| profile.cpu_limit)
            .map(|limit| limit.to_string()),
        more,
        ..Choices::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spawn() -> Spawn {
        let profile = |slug: &str, groups: &[&str]| Profile {
            slug: slug.to_owned(),
            display_name: slug.to_owned(),
            description: String::new(),
            mem_limit: Some(1 << 30),
            cpu_limit: Some(1.5),
            image: None,
            environment: [("SIZE".to_owned(), slug.to_owned())].into(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        };
        Spawn {
            profiles: vec![profile("small", &[]), profile("large", &["staff"])],
            environment: [("SIZE".to_owned(), "none".to_owned())].into(),
            ..Spawn::default()
        }
    }

    fn options(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn the_first_is_taken_by_those_who_do_not_choose() {
        let spawn = spawn();
        let chosen = chosen(&spawn, &[], &Map::new()).unwrap().unwrap();
        assert_eq!(chosen.slug, "small");
        let choices = choices(&spawn, Some(chosen));
        assert_eq!(choices.more["SIZE"], "small");
        assert_eq!(choices.cpu_limit.as_deref(), Some("1.5"));
        assert_eq!(choices.default_url.as_deref(), Some("/lab"));
    }

    #[test]
    fn a_profile_of_another_group_is_not_offered() {
        let spawn = spawn();
        let wish = options(json!({"profile": "large"}));
        let error = chosen(&spawn, &[], &wish).unwrap_err();
        assert!(error.ends_with("choose one of small"), "{error}");
        let staff = ["staff".to_owned()];
        assert_eq!(
            chosen(&spawn, &staff, &wish).unwrap().unwrap().slug,
            "large"
        );
        assert!(chosen(&spawn, &staff, &options(json!({"profile": 3}))).is_err());
    }

    #[test]
    fn where_nothing_is_offered_options_are_kept_and_mean_nothing() {
        let wish = options(json!({"profile": "x", "other": 1}));
        assert_eq!(chosen(&Spawn::default(), &[], &wish), Ok(None));
    }
}
