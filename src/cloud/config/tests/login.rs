//! As whom: kinds of logins, their fields, what is missing, what is never shown.

use super::*;

#[test]
fn users_and_projects_come_by_name_and_by_id() {
    for (auth, user, scope) in [
        (
            "username: ada, project_name: class",
            named("ada", default_domain()),
            Some(Scope::ProjectName {
                name: "class".into(),
                domain: default_domain(),
            }),
        ),
        (
            "username: ada, user_domain_name: Users, project_name: class, project_domain_name: Projects",
            named("ada", Domain::Name("Users".into())),
            Some(Scope::ProjectName {
                name: "class".into(),
                domain: Domain::Name("Projects".into()),
            }),
        ),
        (
            "username: ada, user_domain_id: u1, project_name: class, project_domain_id: p1",
            named("ada", Domain::Id("u1".into())),
            Some(Scope::ProjectName {
                name: "class".into(),
                domain: Domain::Id("p1".into()),
            }),
        ),
        // One domain for both, as OpenStack lets one write it.
        (
            "username: ada, domain_name: Uni, project_name: class",
            named("ada", Domain::Name("Uni".into())),
            Some(Scope::ProjectName {
                name: "class".into(),
                domain: Domain::Name("Uni".into()),
            }),
        ),
        // Only the user's domain told: the project is in it.
        (
            "username: ada, user_domain_name: Uni, project_name: class",
            named("ada", Domain::Name("Uni".into())),
            Some(Scope::ProjectName {
                name: "class".into(),
                domain: Domain::Name("Uni".into()),
            }),
        ),
        (
            "username: ada, default_domain: uni, project_name: class",
            named("ada", Domain::Id("uni".into())),
            Some(Scope::ProjectName {
                name: "class".into(),
                domain: Domain::Id("uni".into()),
            }),
        ),
        (
            "user_id: u7, project_id: 1234",
            UserRef::Id("u7".into()),
            Some(Scope::ProjectId("1234".into())),
        ),
        // Words from before Keystone v3, and dashes.
        (
            "username: ada, tenant-name: class",
            named("ada", default_domain()),
            Some(Scope::ProjectName {
                name: "class".into(),
                domain: default_domain(),
            }),
        ),
        ("username: ada", named("ada", default_domain()), None),
        (
            "username: ada, trust_id: t1",
            named("ada", default_domain()),
            Some(Scope::Trust("t1".into())),
        ),
    ] {
        let machine = Machine::new().clouds(&format!(
            "clouds: {{a: {{auth: {{auth_url: 'https://one', password: p, {auth}}}}}}}"
        ));
        let config = machine.ok(None);
        assert_eq!(password(&config), (&user, "p", scope.as_ref()), "{auth}");
    }
}

#[test]
fn every_kind_of_login_is_known_under_its_names() {
    let secret = || Secret::new("s");
    for (entry, expected) in [
        (
            "auth_type: v3applicationcredential, auth: {application_credential_id: a, application_credential_secret: s, ",
            Auth::ApplicationCredential {
                id: "a".into(),
                secret: secret(),
            },
        ),
        // Nobody who writes these means a password.
        (
            "auth: {application_credential_id: a, application_credential_secret: s, ",
            Auth::ApplicationCredential {
                id: "a".into(),
                secret: secret(),
            },
        ),
        (
            "auth_type: password, auth: {application_credential_id: a, application_credential_secret: s, ",
            Auth::ApplicationCredential {
                id: "a".into(),
                secret: secret(),
            },
        ),
        (
            "auth_type: v3applicationcredential, auth: {application_credential_name: n, \
             application_credential_secret: s, user_id: u, ",
            Auth::NamedApplicationCredential {
                name: "n".into(),
                user: UserRef::Id("u".into()),
                secret: secret(),
            },
        ),
        (
            "auth_type: v3applicationcredential, auth: {application_credential_name: n, \
             application_credential_secret: s, username: ada, user_domain_name: Uni, ",
            Auth::NamedApplicationCredential {
                name: "n".into(),
                user: named("ada", Domain::Name("Uni".into())),
                secret: secret(),
            },
        ),
        (
            "auth_type: v3token, auth: {token: s, project_id: p, ",
            Auth::Token {
                token: secret(),
                scope: Some(Scope::ProjectId("p".into())),
            },
        ),
        (
            "auth_type: token, auth: {token: s, ",
            Auth::Token {
                token: secret(),
                scope: None,
            },
        ),
        (
            "auth: {token: s, ",
            Auth::Token {
                token: secret(),
                scope: None,
            },
        ),
        (
            "auth_type: v3password, auth: {user_id: u, password: s, ",
            Auth::Password {
                user: UserRef::Id("u".into()),
                password: secret(),
                scope: None,
            },
        ),
    ] {
        let machine = Machine::new().clouds(&format!(
            "clouds: {{a: {{{entry}auth_url: 'https://one'}}}}}}"
        ));
        assert_eq!(machine.ok(None).auth, expected, "{entry}");
    }
}

#[test]
fn logins_we_cannot_do_say_what_to_do_instead() {
    for kind in [
        "v3oidcpassword",
        "v3multifactor",
        "v2password",
        "none",
        "http_basic",
    ] {
        let machine = Machine::new().clouds(&format!(
            "clouds: {{a: {{auth_type: {kind}, auth: {{auth_url: 'https://one'}}}}}}"
        ));
        let told = machine.error(None);
        assert!(
            told.contains(&format!("auth_type {kind} is not supported")),
            "{told}"
        );
        assert!(
            told.contains("openstack application credential create"),
            "{told}"
        );
    }
}

#[test]
fn an_application_credential_takes_no_project_with_it() {
    let machine = Machine::new().clouds(
        "clouds: {a: {auth: {auth_url: 'https://one', application_credential_id: a, \
         application_credential_secret: s, project_id: stale}}}",
    );
    let config = machine.ok(None);
    assert!(matches!(config.auth, Auth::ApplicationCredential { .. }));
    assert_eq!(
        config.notes,
        ["project_id not used: an application credential brings its own project"]
    );
}

#[test]
fn what_is_missing_is_named_all_at_once() {
    for (auth, expected) in [
        ("{}", "auth_url, username, password are missing"),
        (
            "{auth_url: 'https://one', username: ada}",
            "password is missing",
        ),
        (
            "{auth_url: 'https://one', password: p}",
            "username is missing",
        ),
        (
            "{auth_url: 'https://one', application_credential_id: a}",
            "application_credential_secret is missing",
        ),
        (
            "{auth_url: '', username: ada, password: p}",
            "auth_url is missing",
        ),
    ] {
        let told = Machine::new()
            .clouds(&format!("clouds: {{a: {{auth: {auth}}}}}"))
            .error(None);
        assert_eq!(
            told,
            format!(
                "cloud a in /home/.config/openstack/clouds.yaml: {expected}\n\
                 add to the auth of cloud a, or to secure.yaml beside it"
            )
        );
    }
}

#[test]
fn openrc_variables_are_a_cloud() {
    let machine = Machine::new().env(&[
        ("OS_AUTH_URL", "https://env:5000/v3"),
        ("OS_USERNAME", "ada"),
        ("OS_PASSWORD", "p'$\" w"),
        ("OS_PROJECT_NAME", "class"),
        ("OS_USER_DOMAIN_NAME", "Uni"),
        ("OS_PROJECT_DOMAIN_ID", "uni"),
        ("OS_REGION_NAME", "north"),
        ("OS_INTERFACE", "internal"),
        ("OS_IDENTITY_API_VERSION", "3"),
        ("OS_PROJECT_ID", ""),
    ]);
    let config = machine.ok(None);
    assert_eq!(config.name, "envvars");
    assert_eq!(config.region.as_deref(), Some("north"));
    assert_eq!(config.interfaces, ["internal"]);
    assert_eq!(
        password(&config),
        (
            &named("ada", Domain::Name("Uni".into())),
            "p'$\" w",
            Some(&Scope::ProjectName {
                name: "class".into(),
                domain: Domain::Id("uni".into())
            })
        )
    );
}

#[test]
fn an_application_credential_beside_an_older_openrc_is_the_one_meant() {
    let machine = Machine::new().env(&[
        ("OS_AUTH_URL", "https://env"),
        ("OS_AUTH_TYPE", "v3applicationcredential"),
        ("OS_APPLICATION_CREDENTIAL_ID", "a"),
        ("OS_APPLICATION_CREDENTIAL_SECRET", "s"),
        ("OS_PROJECT_ID", "stale"),
        ("OS_USERNAME", "ada"),
    ]);
    let config = machine.ok(None);
    assert!(matches!(config.auth, Auth::ApplicationCredential { .. }));
    assert_eq!(
        config.notes,
        ["OS_PROJECT_ID not used: an application credential brings its own project"]
    );
}

#[test]
fn a_secret_left_out_of_the_file_may_come_from_the_environment() {
    let machine = Machine::new()
        .clouds(
            "clouds: {class: {auth: {auth_url: 'https://one', username: ada, project_name: c}}}",
        )
        .env(&[("OS_PASSWORD", "typed"), ("OS_CLOUD", "class")]);
    let config = machine.ok(None);
    assert_eq!(password(&config).1, "typed");
    assert_eq!(
        config.notes,
        ["password of cloud class is from OS_PASSWORD"]
    );
    assert!(config.unused.is_empty());
}

#[test]
fn numbers_that_yaml_makes_of_text_are_text_again_or_refused() {
    let machine = |auth: &str| {
        Machine::new().clouds(&format!(
            "clouds: {{a: {{auth: {{auth_url: 'https://one', username: ada, {auth}}}}}}}"
        ))
    };
    assert_eq!(password(&machine("password: 123456").ok(None)).1, "123456");
    assert_eq!(password(&machine("password: '0123'").ok(None)).1, "0123");
    // openstacksdk reads this one as octal, and logs in with 83.
    assert_eq!(password(&machine("password: 0123").ok(None)).1, "0123");
    for unquoted in ["password: 1.50", "password: 12e4", "password: true"] {
        assert!(
            machine(unquoted).error(None).contains("put it in quotes"),
            "{unquoted}"
        );
    }
    let machine = Machine::new()
        .clouds("clouds: {2024: {auth: {auth_url: 'https://one', username: ada, password: p}}}");
    assert_eq!(machine.ok(Some("2024")).name, "2024");
}

#[test]
fn no_secret_is_seen_in_debug_output_or_advice() {
    let machine = Machine::new()
        .clouds(
            "clouds: {a: {auth: {auth_url: 'https://one', username: u, password: hunter2}, cert: c, key: k}}",
        )
        .file("cwd/c", "hunter2")
        .file("cwd/k", "hunter2");
    let config = machine.ok(None);
    assert!(!format!("{config:?}").contains("hunter2"));
    assert!(!config.explain_refusal("no").contains("hunter2"));
}

#[test]
fn a_refusal_is_explained_by_where_the_login_is_from() {
    let config = Machine::new()
        .clouds(ONE)
        .env(&[("OS_CLOUD", "class"), ("OS_PASSWORD", "x")])
        .ok(None);
    let advice = config.explain_refusal("The request you have made requires authentication.");
    assert!(
        advice.starts_with(
            "user ada of domain default, project class of domain default or the password in /"
        ),
        "{advice}"
    );
    assert!(
        advice.ends_with("; set in the environment, and not used: OS_PASSWORD"),
        "{advice}"
    );
    let advice = config.explain_refusal("Application credentials cannot request a scope.");
    assert!(advice.contains("unset OS_PROJECT_ID"), "{advice}");
}
