//! How credentials are found and put together: the traps people fall into, one a line.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use super::*;

/// A machine with a current folder, a home and a system folder, all empty, and no variables.
struct Machine {
    root: tempfile::TempDir,
    env: BTreeMap<String, String>,
}

impl Machine {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for folder in ["cwd", "home/.config/openstack", "xdg/openstack", "etc"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        Self {
            root,
            env: BTreeMap::new(),
        }
    }

    fn file(self, path: &str, text: &str) -> Self {
        fs::write(self.root.path().join(path), text).unwrap();
        self
    }

    /// `clouds.yaml` in the home.
    fn clouds(self, text: &str) -> Self {
        self.file("home/.config/openstack/clouds.yaml", text)
    }

    fn env(mut self, variables: &[(&str, &str)]) -> Self {
        for (name, value) in variables {
            self.env.insert((*name).into(), (*value).into());
        }
        self
    }

    fn load(&self, os_cloud: Option<&str>) -> Result<CloudConfig, CloudError> {
        let path = self.root.path();
        let places = Places {
            cwd: path.join("cwd"),
            home: Some(path.join("home")),
            xdg_config_home: None,
            system: path.join("etc"),
        };
        CloudConfig::load(&self.env, &places, os_cloud)
    }

    fn ok(&self, os_cloud: Option<&str>) -> CloudConfig {
        self.load(os_cloud).unwrap_or_else(|error| {
            panic!("{error} ({:?})", error.hint());
        })
    }

    /// Message and hint, with the machine's root as `/`.
    fn error(&self, os_cloud: Option<&str>) -> String {
        let error = self.load(os_cloud).expect_err("must not load");
        assert_eq!(error.category(), super::super::Category::Config);
        format!("{error}\n{}", error.hint().unwrap_or_default())
            .replace(self.root.path().to_str().unwrap(), "")
    }
}

const TWO: &str = "
clouds:
  class:
    auth: {auth_url: 'https://one:5000/v3', username: ada, password: p, project_name: class}
  other:
    auth: {auth_url: 'https://two:5000/v3', username: ada, password: p, project_name: other}
";

const ONE: &str = "
clouds:
  class:
    auth: {auth_url: 'https://one:5000/v3', username: ada, password: p, project_name: class}
";

fn password(config: &CloudConfig) -> (&UserRef, &str, Option<&Scope>) {
    match &config.auth {
        Auth::Password {
            user,
            password,
            scope,
        } => (user, password.reveal(), scope.as_ref()),
        other => panic!("{other:?}"),
    }
}

fn named(name: &str, domain: Domain) -> UserRef {
    UserRef::Name {
        name: name.into(),
        domain,
    }
}

fn default_domain() -> Domain {
    Domain::Id("default".into())
}

#[test]
fn the_cloud_asked_for_is_taken() {
    let env = [("OS_CLOUD", "other")];
    for (variables, os_cloud, url) in [
        (&env[..0], Some("class"), "https://one:5000/v3"),
        (&env[..], None, "https://two:5000/v3"),
        (&env[..], Some("class"), "https://one:5000/v3"),
    ] {
        let machine = Machine::new().clouds(TWO).env(variables);
        assert_eq!(machine.ok(os_cloud).auth_url, url);
    }
}

#[test]
fn the_only_cloud_needs_no_asking_and_one_of_several_does() {
    assert_eq!(Machine::new().clouds(ONE).ok(None).name, "class");
    assert_eq!(
        Machine::new().clouds(TWO).error(None),
        "/home/.config/openstack/clouds.yaml has several clouds: class, other\n\
         choose one with --os-cloud NAME or OS_CLOUD=NAME"
    );
}

#[test]
fn a_cloud_that_is_not_there_is_told_with_those_that_are() {
    assert_eq!(
        Machine::new().clouds(TWO).error(Some("clas")),
        "there is no cloud clas in /home/.config/openstack/clouds.yaml (did you mean class?)\nit has: class, other"
    );
    assert_eq!(
        Machine::new()
            .clouds(TWO)
            .env(&[("OS_CLOUD", "nope")])
            .error(None),
        "there is no cloud nope in /home/.config/openstack/clouds.yaml\nit has: class, other"
    );
    assert_eq!(
        Machine::new().clouds("clouds: {}").error(Some("class")),
        "there is no cloud class in /home/.config/openstack/clouds.yaml\n\
         /home/.config/openstack/clouds.yaml has no clouds at all"
    );
}

#[test]
fn without_any_file_the_places_looked_at_are_named() {
    let told = Machine::new().error(Some("class"));
    assert_eq!(
        told.lines().next().unwrap(),
        "no clouds.yaml found for cloud class (--os-cloud); looked for /cwd/clouds.yaml, \
         /home/.config/openstack/clouds.yaml, /etc/clouds.yaml"
    );
    let told = Machine::new().error(None);
    assert!(
        told.starts_with("no clouds.yaml found and no OS_* variables; looked for /cwd/"),
        "{told}"
    );
}

#[test]
fn the_first_file_found_wins_and_is_the_only_one() {
    let entry = |host: &str| {
        format!("clouds: {{a: {{auth: {{auth_url: 'https://{host}', username: u, password: p}}}}}}")
    };
    for (files, host) in [
        (
            &["cwd/clouds.yaml", "home/.config/openstack/clouds.yaml"][..],
            "cwd",
        ),
        (
            &["cwd/clouds.yml", "home/.config/openstack/clouds.yaml"],
            "cwd",
        ),
        (
            &["home/.config/openstack/clouds.yml", "etc/clouds.yaml"],
            "home",
        ),
        (&["cwd/clouds.yaml", "cwd/clouds.yml"], "cwd"),
        (&["etc/clouds.yaml"], "etc"),
    ] {
        let mut machine = Machine::new();
        for (i, file) in files.iter().enumerate() {
            let host = if i == 0 {
                file.split('/').next().unwrap()
            } else {
                "later"
            };
            machine = machine.file(file, &entry(host));
        }
        assert_eq!(machine.ok(None).auth_url, format!("https://{host}"));
    }
    // Clouds of a file further back do not shine through.
    let machine = Machine::new().file("cwd/clouds.yaml", ONE).clouds(TWO);
    assert!(
        machine
            .error(Some("other"))
            .starts_with("there is no cloud other in /cwd/clouds.yaml")
    );
}

#[test]
fn xdg_config_home_comes_before_the_home() {
    let machine = Machine::new()
        .file("xdg/openstack/clouds.yaml", ONE)
        .clouds(TWO);
    let path = machine.root.path();
    let env: BTreeMap<_, _> = [
        ("HOME", path.join("home")),
        ("XDG_CONFIG_HOME", path.join("xdg")),
    ]
    .map(|(name, value)| (name.to_owned(), value.display().to_string()))
    .into();
    let places = Places::usual(&env, path.join("cwd"));
    let config = CloudConfig::load(&env, &places, None).unwrap();
    assert_eq!(
        config.source,
        path.join("xdg/openstack/clouds.yaml").display().to_string()
    );
}

#[test]
fn json_is_a_format_too() {
    let json = r#"{"clouds": {"a": {"auth": {"auth_url": "https://j", "username": "u", "password": "p"}}}}"#;
    let machine = Machine::new().file("cwd/clouds.json", json);
    assert_eq!(machine.ok(None).auth_url, "https://j");
}

#[test]
fn os_client_config_file_comes_first_and_must_be_there() {
    let machine = Machine::new().clouds(TWO).file("mine.yaml", ONE);
    let path = machine.root.path().join("mine.yaml").display().to_string();
    let machine = machine.env(&[("OS_CLIENT_CONFIG_FILE", &path)]);
    assert_eq!(machine.ok(None).name, "class");
    let machine = Machine::new()
        .clouds(ONE)
        .env(&[("OS_CLIENT_CONFIG_FILE", "gone.yaml")]);
    assert_eq!(
        machine.error(None),
        "reading /cwd/gone.yaml: No such file or directory (os error 2)\nOS_CLIENT_CONFIG_FILE names it"
    );
}

#[test]
fn secure_yaml_lies_over_clouds_yaml() {
    let machine = Machine::new()
        .clouds("clouds: {class: {auth: {auth_url: 'https://one', username: ada, password: old}}}")
        .file(
            "home/.config/openstack/secure.yaml",
            "clouds: {class: {auth: {password: new}}}",
        );
    assert_eq!(password(&machine.ok(None)).1, "new");
    // Its place is of its own.
    let machine = Machine::new()
        .clouds("clouds: {class: {auth: {auth_url: 'https://one', username: ada}}}")
        .file("etc/secure.yml", "clouds: {class: {auth: {password: far}}}");
    assert_eq!(password(&machine.ok(None)).1, "far");
    let machine = Machine::new()
        .clouds("clouds: {class: {auth: {auth_url: 'https://one', username: ada}}}")
        .file("cwd/mine", "clouds: {class: {auth: {password: named}}}")
        .env(&[("OS_CLIENT_SECURE_FILE", "mine")]);
    assert_eq!(password(&machine.ok(None)).1, "named");
}

#[test]
fn a_file_that_may_not_be_read_is_passed_over_and_named() {
    let machine = Machine::new().file("cwd/clouds.yaml", TWO);
    let path = machine.root.path().join("cwd/clouds.yaml");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(&path).is_ok() {
        return; // root reads everything
    }
    assert!(
        machine
            .error(None)
            .contains("/cwd/clouds.yaml (not readable)")
    );
}

#[test]
fn broken_files_are_named_with_the_place() {
    for (text, expected) in [
        ("clouds: [", "did not find expected node content"),
        ("clouds: {a: {auth: {}}\n", "did not find expected"),
        ("just text", "it holds no mapping"),
        ("clouds: [a, b]", "clouds is no mapping"),
        ("clouds: {a: {x: *nowhere}}", "unknown anchor"),
    ] {
        let told = Machine::new().clouds(text).error(None);
        assert!(
            told.starts_with("/home/.config/openstack/clouds.yaml: "),
            "{told}"
        );
        assert!(told.contains(expected), "{told}");
    }
}

#[test]
fn merge_keys_work() {
    let machine = Machine::new().clouds(
        "
.base: &base {auth_url: 'https://one', username: ada, password: p}
clouds:
  class: {auth: {<<: *base, project_name: class}}
  other: {auth: {<<: *base, project_name: other}}
",
    );
    let config = machine.ok(Some("other"));
    assert_eq!(config.auth_url, "https://one");
    let Some(Scope::ProjectName { name, .. }) = password(&config).2 else {
        panic!("no project")
    };
    assert_eq!(name, "other");
}

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
fn variables_come_before_a_file_and_after_a_name() {
    let env = [
        ("OS_AUTH_URL", "https://env"),
        ("OS_USERNAME", "eve"),
        ("OS_PASSWORD", "p"),
    ];
    let machine = Machine::new().clouds(ONE).env(&env);
    assert_eq!(machine.ok(None).auth_url, "https://env");
    let config = machine.ok(Some("class"));
    assert_eq!(config.auth_url, "https://one:5000/v3");
    assert_eq!(config.unused, ["OS_AUTH_URL", "OS_PASSWORD", "OS_USERNAME"]);
    assert_eq!(machine.ok(Some("envvars")).auth_url, "https://env");
    let machine = Machine::new()
        .clouds(ONE)
        .env(&env)
        .env(&[("OS_CLOUD", "class")]);
    assert_eq!(machine.ok(None).auth_url, "https://one:5000/v3");
    // Its name can be changed.
    let machine = Machine::new().env(&env).env(&[("OS_CLOUD_NAME", "mine")]);
    assert_eq!(machine.ok(None).name, "mine");
}

#[test]
fn stray_variables_are_no_cloud() {
    let machine = Machine::new().clouds(ONE).env(&[
        ("OS_REGION_NAME", "north"),
        ("OS_VOLUME_API_VERSION", "3"),
        ("OS_TEST_PATH", "x"),
        ("OS_USERNAME", ""),
    ]);
    let config = machine.ok(None);
    assert_eq!(config.name, "class");
    assert_eq!(config.region.as_deref(), Some("north"));
}

#[test]
fn half_an_openrc_is_told_in_its_own_words() {
    let machine = Machine::new().env(&[("OS_USERNAME", "ada"), ("OS_PROJECT_NAME", "class")]);
    assert_eq!(
        machine.error(None),
        "the OS_* variables make no whole login: OS_AUTH_URL, OS_PASSWORD are missing\n\
         source the openrc file of your cloud again, or choose a cloud of clouds.yaml with --os-cloud"
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
fn regions_are_chosen_and_bring_their_values() {
    let clouds = "
clouds:
  class:
    auth: {auth_url: 'https://{region_name}.cloud:5000/v3', username: ada, password: p, project_name: north-class}
    regions:
      - north
      - name: south
        values: {interface: internal, auth: {project_name: south-class}}
";
    let machine = Machine::new().clouds(clouds);
    let config = machine.ok(None);
    assert_eq!(config.region.as_deref(), Some("north"));
    assert_eq!(config.auth_url, "https://north.cloud:5000/v3");
    assert_eq!(
        config.notes,
        ["region north of cloud class, the first of 2"]
    );
    let config = Machine::new()
        .clouds(clouds)
        .env(&[("OS_REGION_NAME", "south")])
        .ok(None);
    assert_eq!(config.auth_url, "https://south.cloud:5000/v3");
    assert_eq!(config.interfaces, ["internal"]);
    assert!(
        matches!(password(&config).2, Some(Scope::ProjectName { name, .. }) if name == "south-class")
    );
    assert_eq!(
        Machine::new()
            .clouds(clouds)
            .env(&[("OS_REGION_NAME", "South")])
            .error(None),
        "cloud class has no region South (did you mean south?)\n\
         OS_REGION_NAME asks for it; /home/.config/openstack/clouds.yaml lists: north, south"
    );
    // One name is no list of all there are.
    let config = Machine::new()
        .clouds("clouds: {a: {region_name: north, auth: {auth_url: 'https://one', username: u, password: p}}}")
        .env(&[("OS_REGION_NAME", "west")])
        .ok(None);
    assert_eq!(config.region.as_deref(), Some("west"));
}

#[test]
fn profiles_lie_beneath() {
    let public = "
public-clouds:
  acme: {region_name: north, interface: internal, auth: {auth_url: 'https://acme', user_domain_name: Acme}}
";
    for key in ["profile", "cloud"] {
        let machine = Machine::new()
            .file("etc/clouds-public.yaml", public)
            .clouds(&format!(
                "clouds: {{class: {{{key}: acme, interface: public, auth: {{username: ada, password: p}}}}}}"
            ));
        let config = machine.ok(None);
        assert_eq!(config.auth_url, "https://acme");
        assert_eq!(config.region.as_deref(), Some("north"));
        assert_eq!(config.interfaces, ["public"]);
        assert_eq!(
            password(&config).0,
            &named("ada", Domain::Name("Acme".into()))
        );
    }
    let told = Machine::new()
        .clouds("clouds: {class: {profile: acme, auth: {username: ada, password: p}}}")
        .error(None);
    assert!(told.contains("auth_url is missing"), "{told}");
}

#[test]
fn certificates_and_their_checks() {
    let entry = |rest: &str| {
        format!(
            "clouds: {{a: {{auth: {{auth_url: 'https://one', username: u, password: p}}, {rest}}}}}"
        )
    };
    for (rest, verify) in [
        ("x: 1", true),
        ("verify: true", true),
        ("verify: false", false),
        ("verify: 'False'", false),
        ("verify: no", false),
        ("insecure: true", false),
        ("insecure: 'True', verify: true", false),
        ("insecure: false", true),
        // As with the other clients: what is not checked needs no certificate.
        ("verify: false, cacert: /nowhere/ca.pem", false),
    ] {
        assert_eq!(
            Machine::new().clouds(&entry(rest)).ok(None).verify,
            verify,
            "{rest}"
        );
    }
    assert!(
        Machine::new()
            .clouds(&entry("verify: maybe"))
            .error(None)
            .contains("verify is neither true nor false")
    );
    let told = Machine::new()
        .clouds(&entry("cacert: gone.pem"))
        .error(None);
    assert!(
        told.contains("cacert: reading /cwd/gone.pem: No such file or directory"),
        "{told}"
    );

    let pem = rcgen::generate_simple_self_signed(vec!["one".into()]).unwrap();
    for (rest, file) in [
        ("cacert: ~/ca.pem", "home/ca.pem"),
        ("cacert: ca.pem", "cwd/ca.pem"),
        ("verify: ./ca.pem", "cwd/ca.pem"),
    ] {
        let machine = Machine::new()
            .clouds(&entry(rest))
            .file(file, &pem.cert.pem());
        let config = machine.ok(None);
        assert_eq!(config.ca, pem.cert.pem().as_bytes(), "{rest}");
        config.http_client().unwrap().build().unwrap();
    }
    let machine = Machine::new()
        .clouds(&entry("cacert: ca.pem"))
        .file("cwd/ca.pem", "no certificate");
    let error = machine.ok(None).http_client().expect_err("no certificate");
    assert_eq!(error.to_string(), "cacert of cloud a holds no certificate");
    // The certificate itself, as Terraform's users write it.
    let inline = format!(
        "clouds:\n  a:\n    auth: {{auth_url: 'https://one', username: u, password: p}}\n    cacert: |\n{}",
        pem.cert
            .pem()
            .lines()
            .map(|line| format!("      {line}\n"))
            .collect::<String>()
    );
    assert!(!Machine::new().clouds(&inline).ok(None).ca.is_empty());
    // A client certificate and its key.
    let machine = Machine::new()
        .clouds(&entry("cert: c.pem, key: k.pem"))
        .file("cwd/c.pem", &pem.cert.pem())
        .file("cwd/k.pem", &pem.signing_key.serialize_pem());
    machine.ok(None).http_client().unwrap().build().unwrap();
}

#[test]
fn os_cacert_belongs_to_the_machine() {
    let machine = Machine::new()
        .clouds(ONE)
        .file("cwd/ca.pem", "pem")
        .env(&[("OS_CACERT", "ca.pem")]);
    assert_eq!(machine.ok(None).ca, b"pem");
}

#[test]
fn endpoints_interfaces_and_time_limits() {
    let machine = Machine::new().clouds(
        "
clouds:
  a:
    auth: {auth_url: 'https://one', username: u, password: p}
    interface: internalURL
    compute_endpoint_override: https://nova/v2.1
    block-storage-endpoint-override: https://cinder/v3
    api_timeout: 20
    networks:
      - {name: public, routes_externally: true}
      - {name: private, nat_destination: true, default_interface: true}
",
    );
    let config = machine.ok(None);
    assert_eq!(config.interfaces, ["internal"]);
    assert_eq!(
        config.endpoint_override(Service::Compute),
        Some("https://nova/v2.1")
    );
    assert_eq!(
        config.endpoint_override(Service::BlockStorage),
        Some("https://cinder/v3")
    );
    assert_eq!(config.endpoint_override(Service::Network), None);
    assert_eq!(config.limits.attempt, Duration::from_secs(20));
    assert_eq!(config.networks.len(), 2);
    assert!(config.networks[0].routes_externally && config.networks[1].nat_destination);
    let entry = |rest: &str| {
        format!(
            "clouds: {{a: {{auth: {{auth_url: 'https://one', username: u, password: p}}, {rest}}}}}"
        )
    };
    for (rest, message) in [
        (
            "interface: outside",
            "interface outside is none of public, internal, admin",
        ),
        ("api_timeout: soon", "api_timeout is no number of seconds"),
        (
            "networks: [{routes_externally: true}]",
            "an entry of networks has no name",
        ),
        ("auth_type: [password]", "auth_type is no text"),
    ] {
        let told = Machine::new().clouds(&entry(rest)).error(None);
        assert!(told.contains(message), "{told}");
    }
}

#[test]
fn endpoint_overrides_come_as_variables_too() {
    let machine = Machine::new().env(&[
        ("OS_AUTH_URL", "https://env"),
        ("OS_USERNAME", "ada"),
        ("OS_PASSWORD", "p"),
        ("OS_NETWORK_ENDPOINT_OVERRIDE", "http://n"),
        ("OS_ENDPOINT_TYPE", "adminURL"),
        ("OS_INSECURE", "true"),
        ("OS_FORCE_IPV4", "true"),
    ]);
    let config = machine.ok(None);
    assert_eq!(config.endpoint_override(Service::Network), Some("http://n"));
    assert_eq!(config.interfaces, ["admin"]);
    assert!(!config.verify && config.force_ipv4);
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

#[test]
fn places_are_made_of_the_environment() {
    let env = BTreeMap::from([("HOME".to_owned(), "/home/ada".to_owned())]);
    let places = Places::usual(&env, "/work".into());
    assert_eq!(places.home.as_deref(), Some(Path::new("/home/ada")));
    assert_eq!(places.xdg_config_home, None);
    assert_eq!(places.system, Path::new("/etc/openstack"));
}
