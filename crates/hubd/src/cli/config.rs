//! Reading the configuration file, and what can be wrong with it beyond its grammar.

use std::path::Path;

use anyhow::{Context, bail};
use hub_api::hub::{Hub as Config, SpawnerKind};

use crate::auth::provider;
use crate::scope::{self, Catalog};
use crate::session::key::Key;

/// Reads the file and refuses one with problems, all named at once.
pub fn load(path: &Path) -> anyhow::Result<Config> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("reading the configuration {}", path.display()))?;
    let config: Config = toml::from_str(&text)
        .with_context(|| format!("reading the configuration {}", path.display()))?;
    let problems = problems(&config);
    if !problems.is_empty() {
        bail!(
            "the configuration {} cannot be used:\n  {}",
            path.display(),
            problems.join("\n  ")
        );
    }
    Ok(config)
}

/// Makes the parts that read more of the configuration than its grammar, and throws them away.
pub(super) fn try_parts(config: &Config) -> anyhow::Result<()> {
    crate::auth::Authenticators::new(&config.auth, &Key::generate())?;
    crate::spawner::from_configuration(&config.spawn)?;
    crate::service::check_users(config)?;
    Ok(())
}

/// What is wrong with a configuration, each with its key.
pub fn problems(config: &Config) -> Vec<String> {
    let mut problems = Vec::new();
    let base = &config.base_url;
    if !base.starts_with('/') || !base.ends_with('/') || base.contains("//") {
        problems.push(format!(
            "base_url: {base:?} must start and end with one slash"
        ));
    }
    if let Some(public) = &config.public_url {
        match url::Url::parse(public) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {}
            _ => problems.push(format!(
                "public_url: {public:?} is no http or https address"
            )),
        }
    }
    match Catalog::new(config.custom_scopes.clone()) {
        Err(error) => problems.push(format!("custom_scopes: {error}")),
        Ok(catalog) => {
            if let Err(error) = scope::merge(&catalog, &config.roles) {
                problems.push(format!("roles: {error}"));
            }
            for service in &config.services {
                let name = &service.name;
                if let Err(error) = catalog.check(
                    &service.oauth_client_allowed_scopes,
                    &format!("service {name}"),
                ) {
                    problems.push(format!(
                        "services.{name}.oauth_client_allowed_scopes: {error}"
                    ));
                }
            }
        }
    }
    let providers = &config.auth.oauth;
    for (at, oauth) in providers.iter().enumerate() {
        let (id, label) = (&oauth.id, provider::label(oauth));
        if providers[..at].iter().any(|other| other.id == *id) {
            problems.push(format!("auth.oauth[{at}].id: {id:?} is there twice"));
        } else if providers[..at]
            .iter()
            .any(|other| provider::label(other) == label)
        {
            problems.push(format!(
                "auth.oauth {id:?}: another button says {label:?} too: give each its own label"
            ));
        }
    }
    for oauth in providers {
        if oauth.create_accounts && config.spawn.kind != SpawnerKind::Systemd {
            problems.push(format!(
                "auth.oauth {:?}: create_accounts is for servers that run as accounts of this server, and spawn.kind is \
                 another",
                oauth.id
            ));
        }
    }
    for role in &config.roles {
        for service in role.services.iter().flatten() {
            if !config.services.iter().any(|known| known.name == *service) {
                problems.push(format!(
                    "roles.{}: there is no service {service:?}",
                    role.name
                ));
            }
        }
    }
    for (at, service) in config.services.iter().enumerate() {
        let name = &service.name;
        if name.is_empty() || name.contains('/') {
            problems.push(format!(
                "services[{at}].name: {name:?} cannot be the name of a service"
            ));
        }
        if config.services[..at]
            .iter()
            .any(|other| other.name == *name)
        {
            problems.push(format!("services[{at}].name: {name:?} is there twice"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_good() {
        assert_eq!(problems(&Config::default()), Vec::<String>::new());
        assert_eq!(toml::from_str::<Config>("").unwrap(), Config::default());
    }

    #[test]
    fn the_example_of_the_readme_is_right() {
        let readme = include_str!("../../README.md");
        let example = readme
            .split("```toml\n")
            .nth(1)
            .and_then(|rest| rest.split("```").next())
            .unwrap();
        let config: Config = toml::from_str(example).unwrap();
        assert_eq!(problems(&config), Vec::<String>::new());
        assert_eq!(config.auth.admin_users, ["ada"]);
    }

    #[test]
    fn every_problem_is_named_with_its_key() {
        let config: Config = toml::from_str(
            r#"
            base_url = "hub"
            public_url = "hub.example.org"
            [[roles]]
            name = "admin"
            scopes = ["self"]
            [[roles]]
            name = "idle"
            services = ["nobody"]
            [[services]]
            name = "a/b"
            [[auth.oauth]]
            id = "one"
            kind = "github"
            client_id = "x"
            client_secret_file = "/x"
            create_accounts = true
            [[auth.oauth]]
            id = "two"
            kind = "oidc"
            label = "GitHub"
            client_id = "x"
            client_secret_file = "/x"
            [[auth.oauth]]
            id = "one"
            kind = "google"
            client_id = "x"
            client_secret_file = "/x"
            [spawn]
            kind = "process"
            "#,
        )
        .unwrap();
        let found = problems(&config);
        for key in [
            "base_url",
            "public_url",
            "roles: the role admin",
            "roles.idle",
            "services[0].name",
            "auth.oauth \"one\": create_accounts",
            "auth.oauth \"two\": another button says \"GitHub\"",
            "auth.oauth[2].id",
        ] {
            assert!(
                found.iter().any(|problem| problem.starts_with(key)),
                "{key} in {found:#?}"
            );
        }
    }

    #[test]
    fn an_unknown_key_is_an_error() {
        assert!(toml::from_str::<Config>("base_ulr = '/'").is_err());
        assert!(toml::from_str::<Config>("[listen]\nprivate = 'x'").is_err());
    }
}
