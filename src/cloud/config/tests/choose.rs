//! Which file, which entry, and what lies beneath and above it.

use super::*;

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
fn places_are_made_of_the_environment() {
    let env = BTreeMap::from([("HOME".to_owned(), "/home/ada".to_owned())]);
    let places = Places::usual(&env, "/work".into());
    assert_eq!(places.home.as_deref(), Some(Path::new("/home/ada")));
    assert_eq!(places.xdg_config_home, None);
    assert_eq!(places.system, Path::new("/etc/openstack"));
}
