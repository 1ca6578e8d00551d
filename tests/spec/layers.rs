//! A document over its profile and under `--set`: which one holds, and where it was said.

use std::fs;

use hubctl::spec::{self, Document, Loaded};
use serde_json::{Value as Json, json};

fn load(profile: &str, text: &str, sets: &[&str]) -> Loaded {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("profile.yaml"), profile).unwrap();
    let text = format!("name: class\nprofile: ./profile.yaml\n{text}");
    let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
    let document = Document::new("hub.yaml", text, folder.path());
    spec::load(&document, None, &sets).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn the_nearest_word_holds() {
    // Profile, document, arguments: what is in force at the pointer.
    let cases: &[(&str, &str, &[&str], &str, Json)] = &[
        ("", "", &[], "/limits/seats", json!(10)),
        ("limits: {seats: 20}", "", &[], "/limits/seats", json!(20)),
        (
            "limits: {seats: 20}",
            "limits: {seats: 30}",
            &[],
            "/limits/seats",
            json!(30),
        ),
        (
            "limits: {seats: 20}",
            "limits: {seats: 30}",
            &["limits.seats=40"],
            "/limits/seats",
            json!(40),
        ),
        (
            "",
            "",
            &["limits.seats=40", "limits.seats=50"],
            "/limits/seats",
            json!(50),
        ),
        // Groups are laid over field by field, lists as a whole.
        (
            "limits: {seats: 20, memory: 2G}",
            "limits: {seats: 30}",
            &[],
            "/limits/memory",
            json!("2G"),
        ),
        (
            "hub: {admins: [ada, grace]}",
            "hub: {admins: [alan]}",
            &[],
            "/hub/admins",
            json!(["alan"]),
        ),
        (
            "hub: {admins: [ada, grace]}",
            "hub: {admins: []}",
            &[],
            "/hub/admins",
            json!([]),
        ),
        (
            "",
            "hub: {admins: [ada]}",
            &["hub.admins[1]=grace"],
            "/hub/admins",
            json!(["ada", "grace"]),
        ),
        (
            "",
            "hub: {admins: [ada]}",
            &["hub.admins[0]=grace"],
            "/hub/admins",
            json!(["grace"]),
        ),
        (
            "",
            "",
            &["hub.admins=[ada, grace]"],
            "/hub/admins",
            json!(["ada", "grace"]),
        ),
        (
            "",
            "",
            &["limits={seats: 3, memory: 1G}"],
            "/limits/seats",
            json!(3),
        ),
        (
            "",
            "limits: {memory: 2G}",
            &["limits={seats: 3}"],
            "/limits/memory",
            json!("2G"),
        ),
        // The first entry of the default is replaced; the second stays.
        (
            "",
            "",
            &["access.ssh[0]=operator"],
            "/access/ssh",
            json!(["operator", "::/0"]),
        ),
        (
            "",
            "",
            &["access.ssh=[operator]"],
            "/access/ssh",
            json!(["operator"]),
        ),
        // Nothing behind the colon says nothing; null is the default, whatever lies below.
        (
            "limits: {seats: 20}",
            "limits: {seats: }",
            &[],
            "/limits/seats",
            json!(20),
        ),
        (
            "limits: {seats: 20}",
            "limits:",
            &[],
            "/limits/seats",
            json!(20),
        ),
        (
            "limits: {seats: 20}",
            "limits: {seats: null}",
            &[],
            "/limits/seats",
            json!(10),
        ),
        (
            "limits: {seats: 20}",
            "limits: ~",
            &[],
            "/limits/seats",
            json!(10),
        ),
        (
            "limits: {seats: 20}",
            "",
            &["limits.seats=null"],
            "/limits/seats",
            json!(10),
        ),
        (
            "volume: {size: 10}",
            "",
            &["volume=null"],
            "/volume",
            json!(null),
        ),
        (
            "volume: {size: 10}",
            "volume: null",
            &["volume.size=20"],
            "/volume/size",
            json!(20),
        ),
        (
            "domain: a.example.org",
            "domain: ~",
            &[],
            "/domain",
            json!(null),
        ),
        // On a command line the quotes are the shell's: a number is what was typed.
        ("", "", &["hub.version=6.10"], "/hub/version", json!("6.10")),
        ("", "", &["server.image=12"], "/server/image", json!("12")),
        (
            "",
            "",
            &["server.availability_zone=true"],
            "/server/availability_zone",
            json!("true"),
        ),
        (
            "",
            "",
            &["server.flavor=a=b"],
            "/server/flavor",
            json!("a=b"),
        ),
        (
            "",
            "",
            &["server.floating_ip=none"],
            "/server/floating_ip",
            json!("none"),
        ),
        (
            "",
            "server: {rebuild: False}",
            &[],
            "/server/rebuild",
            json!(false),
        ),
        ("", "limits: {cpu: 2}", &[], "/limits/cpu", json!(2.0)),
        (
            "",
            "limits: {memory: 1536M}",
            &[],
            "/limits/memory",
            json!("1536M"),
        ),
        (
            "",
            "access: {web: [192.0.2.7]}",
            &[],
            "/access/web",
            json!(["192.0.2.7/32"]),
        ),
        // Anchors are understood, also behind `>` and `|`, in flow and with quotes.
        (
            "",
            "hub: {admins: &staff [ada]}\nhost: {packages: [git]}",
            &[],
            "/hub/admins",
            json!(["ada"]),
        ),
        (
            "",
            "hub:\n  kind: jupyterhub\n  extra_config: |\n    c.a = 1\n    c.b = {'x': 2}\n",
            &[],
            "/hub/extra_config",
            json!("c.a = 1\nc.b = {'x': 2}\n"),
        ),
        (
            "",
            "cloud: &c mine\nserver: {image: *c}",
            &[],
            "/server/image",
            json!("mine"),
        ),
        ("", "cloud: !!str 12", &[], "/cloud", json!("12")),
    ];
    for (profile, text, sets, pointer, expected) in cases {
        let loaded = load(profile, text, sets);
        let spec = serde_json::to_value(&loaded.spec).unwrap();
        assert_eq!(
            spec.pointer(pointer).unwrap_or(&Json::Null),
            expected,
            "{profile:?} {text:?} {sets:?}"
        );
    }
}

#[test]
fn each_value_knows_where_it_was_said() {
    let loaded = load(
        "hub: {admins: [ada]}\nlimits: {seats: 20}\n",
        "server:\n  image: debian\nlimits:\n  memory: 1G\n",
        &["server.flavor=m1.large"],
    );
    let place = |path: &str| {
        let place = loaded.place(path).map(ToString::to_string);
        place.map(|place| place.rsplit('/').next().unwrap_or_default().to_owned())
    };
    for (path, expected) in [
        ("server.image", Some("hub.yaml:4:10")),
        ("limits.memory", Some("hub.yaml:6:11")),
        ("limits.seats", Some("profile.yaml:2:17")),
        ("hub.admins[0]", Some("profile.yaml:1:16")),
        ("server.flavor", Some("--set server.flavor=m1.large")),
        ("server.login", None),
        ("volume.size", None),
    ] {
        assert_eq!(place(path).as_deref(), expected, "{path}");
    }
    let problem = loaded.problem(
        "server.flavor",
        "is not a flavor of this cloud",
        "`openstack flavor list`",
    );
    assert_eq!(
        problem.to_string(),
        "--set server.flavor=m1.large: server.flavor: is not a flavor of this cloud\n    `openstack flavor list`"
    );
    let problem = loaded.problem("hub.version", "is not in the registry", "look there");
    assert!(
        problem
            .to_string()
            .contains("profile.yaml:1:1: hub.version: "),
        "{problem}"
    );
}

#[test]
fn the_profile_is_the_arguments_then_the_documents() {
    let folder = tempfile::tempdir().unwrap();
    for (name, seats) in [("a", 1), ("b", 2), ("c", 3)] {
        fs::write(
            folder.path().join(format!("{name}.yaml")),
            format!("limits: {{seats: {seats}}}\n"),
        )
        .unwrap();
    }
    let document = Document::new(
        "hub.yaml",
        "name: class\nprofile: ./a.yaml\n",
        folder.path(),
    );
    let seats = |profile: Option<&str>, sets: &[String]| {
        let loaded =
            spec::load(&document, profile, sets).unwrap_or_else(|problems| panic!("{problems}"));
        (loaded.spec.profile, loaded.spec.limits.seats)
    };
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (b, c) = (at("b.yaml"), at("c.yaml"));
    let set = [format!("profile={b}")];
    assert_eq!(seats(None, &[]), ("./a.yaml".to_owned(), 1));
    assert_eq!(seats(None, &set), (b, 2));
    assert_eq!(seats(Some(&c), &set), (c.clone(), 3));
    assert_eq!(
        seats(Some("jupyterhub"), &set),
        ("jupyterhub".to_owned(), 10)
    );
}

/// Paths start beside the file that says them; on the command line, where the command runs.
#[test]
fn paths_start_beside_the_file_that_says_them() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir_all(root.join("profiles/certs")).unwrap();
    fs::create_dir_all(root.join("home")).unwrap();
    let (certificate, key) = super::certificate::made("hub.example.org");
    fs::write(root.join("profiles/certs/hub.pem"), &certificate).unwrap();
    fs::write(
        root.join("profiles/p.yaml"),
        "tls: {kind: own, certificate: certs/hub.pem}\n",
    )
    .unwrap();
    fs::write(root.join("hub.key"), &key).unwrap();
    fs::write(root.join("home/ca.pem"), certificate).unwrap();
    let text =
        "name: class\nprofile: profiles/p.yaml\ntls: {key: hub.key}\nhost: {ca_bundle: ~/ca.pem}\n";
    let document = Document::new("hub.yaml", text, root).with_home(Some(root.join("home")));
    let tls = |sets: &[String]| {
        let spec = spec::load(&document, None, sets)
            .unwrap_or_else(|problems| panic!("{problems}"))
            .spec;
        (
            spec.tls.certificate.unwrap(),
            spec.tls.key.unwrap(),
            spec.host.ca_bundle.unwrap(),
        )
    };
    let expected = (
        root.join("profiles/certs/hub.pem"),
        root.join("hub.key"),
        root.join("home/ca.pem"),
    );
    assert_eq!(tls(&[]), expected);
    let other = root.join("other.key");
    fs::write(&other, &key).unwrap();
    assert_eq!(tls(&[format!("tls.key={}", other.display())]).1, other);
}

#[test]
fn what_is_written_out_is_read_in_again() {
    let loaded = load(
        "",
        "limits: {memory: 1G}\nvolume: {size: 3}\naccess: {ssh: [operator]}\n",
        &[],
    );
    let yaml = loaded.to_yaml().unwrap();
    let text = yaml.replace("./profile.yaml", "jupyterhub");
    let again = spec::load(&Document::new("again", text, ""), None, &[])
        .unwrap_or_else(|problems| panic!("{problems}\n{yaml}"));
    let expected = spec::Spec {
        profile: "jupyterhub".to_owned(),
        ..loaded.spec
    };
    assert_eq!(again.spec, expected);
}

/// `destroy` and `status` must find the deployment of a spec that could not be carried out.
#[test]
fn name_and_cloud_are_read_from_a_broken_spec() {
    let outline = |text: &str, sets: &[&str]| {
        let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
        let found = spec::outline(&Document::new("hub.yaml", text, ""), None, &sets);
        (found.name, found.cloud)
    };
    let some = |text: &str| Some(text.to_owned());
    let broken = "name: class\ncloud: mine\nflavour: x\ntls: {kind: own, certificate: gone.pem, key: gone.key}\n";
    assert_eq!(outline(broken, &[]), (some("class"), some("mine")));
    assert_eq!(
        outline(broken, &["name=other", "cloud=12", "nonsense"]),
        (some("other"), some("12"))
    );
    assert_eq!(
        outline("name: Not A Name\nprofile: gone\n", &[]),
        (None, None)
    );
    assert_eq!(outline("name: [", &[]), (None, None));
    assert_eq!(outline("", &["name=class"]), (some("class"), None));
}
