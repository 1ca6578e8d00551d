//! The program from outside, where no cloud is needed: what it says, where, and its exit status.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "cli/release.rs"]
mod release;

use std::fs;
use std::path::Path;

use assert_cmd::Command;

/// hubctl in an empty home, with nothing of this machine's environment.
fn hubctl(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hubctl"));
    command.env_clear().env("HOME", folder).current_dir(folder);
    command
}

struct Said {
    code: i32,
    out: String,
    err: String,
}

fn say(command: &mut Command) -> Said {
    let output = command.output().unwrap();
    Said {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn a_broken_spec_is_refused_with_every_problem_before_anything_is_contacted() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("hub.yaml"),
        "name: Class\nserver:\n  flavour: m1.large\n",
    )
    .unwrap();
    for verb in ["validate", "plan", "provision", "render"] {
        let said = say(hubctl(folder.path()).arg(verb));
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{verb}");
        for part in [
            "hub.yaml:1:7: name: ",
            "hub.yaml:3:3: server.flavour: ",
            "flavor",
        ] {
            assert!(said.err.contains(part), "{verb}: {part}: {}", said.err);
        }
    }
}

#[test]
fn data_goes_to_standard_output_and_talk_to_standard_error() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("hub.yaml"), "name: class\n").unwrap();
    let said = say(hubctl(folder.path()).arg("validate"));
    assert_eq!(said.out, "hub.yaml is valid: class, profile rust\n");
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    let said = say(hubctl(folder.path()).arg("schema"));
    let schema: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(schema["required"], serde_json::json!(["name"]));
    let said = say(hubctl(folder.path()).args(["validate", "--output", "json"]));
    let record: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(record["event"], "valid");
}

#[test]
fn without_credentials_it_says_where_it_looked() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("hub.yaml"), "name: class\n").unwrap();
    let said = say(hubctl(folder.path()).args(["plan"]));
    assert_eq!(said.code, 2, "{}", said.err);
    assert!(said.err.contains("clouds.yaml"), "{}", said.err);
    let said = say(hubctl(folder.path()).args(["plan", "--output", "json"]));
    let last: serde_json::Value = serde_json::from_str(said.out.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["event"], &last["exit"]),
        (&"failed".into(), &2.into())
    );
}

#[test]
fn a_spec_is_begun_offline_and_never_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let init = ["init", "--offline", "--name", "course", "--seats", "12"];
    assert_eq!(say(hubctl(folder.path()).args(init)).code, 0);
    let said = say(hubctl(folder.path()).arg("validate"));
    assert_eq!(said.out, "hub.yaml is valid: course, profile rust\n");
    let said = say(hubctl(folder.path()).args(init));
    assert_eq!(said.code, 1);
    assert!(said.err.contains("is there already"), "{}", said.err);
}

#[test]
fn what_would_be_sent_can_be_read_and_holds_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("hub.yaml"),
        "name: class\nprofile: jupyterhub\n",
    )
    .unwrap();
    let said = say(hubctl(folder.path()).args(["render", "out"]));
    assert_eq!((said.code, said.out.as_str()), (0, "out\n"), "{}", said.err);
    let root = folder.path().join("out/files/etc");
    assert!(root.join("systemd/system/jupyterhub.service").exists());
    let secret = fs::read_to_string(root.join("jupyterhub/secrets/proxy-token")).unwrap();
    assert_eq!(secret, "(secret, not shown)\n");
}

#[test]
fn a_deployment_has_to_be_named_where_there_is_no_spec() {
    let folder = tempfile::tempdir().unwrap();
    for verb in ["destroy", "status"] {
        let said = say(hubctl(folder.path()).arg(verb));
        assert_eq!(said.code, 1, "{verb}");
        assert!(said.err.contains("which deployment?"), "{}", said.err);
    }
}

/// A program that is to go onto the server and is not here is missed before anything is made.
#[tokio::test]
async fn a_missing_program_is_said_before_anything_is_made() {
    let cloud = sandbox::Sandbox::start(sandbox::Options::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("hub.yaml"),
        "name: class\nrelease:\n  source: nowhere\n",
    )
    .unwrap();
    let (home, clouds) = (folder.path().to_owned(), cloud.clouds_yaml.clone());
    let told = tokio::task::spawn_blocking(move || {
        let mut all = Vec::new();
        for verb in [&["provision", "--yes"][..], &["plan"], &["render", "out"]] {
            let mut command = hubctl(&home);
            command
                .env("OS_CLIENT_CONFIG_FILE", &clouds)
                .env("OS_CLOUD", "sandbox");
            all.push((verb, say(command.args(verb))));
        }
        all
    })
    .await
    .unwrap();
    for (verb, said) in told {
        assert_eq!(said.code, 2, "{verb:?}: {}", said.err);
        for part in [
            "hubproxy, which goes onto the server, is in none of nowhere",
            "cargo build --release -p hubproxy",
        ] {
            assert!(said.err.contains(part), "{verb:?}: {part}: {}", said.err);
        }
    }
    let made = cloud.control.requests();
    let made: Vec<_> = made
        .iter()
        .filter(|request| request.method != "GET" && !request.path.starts_with("/auth"))
        .collect();
    assert!(made.is_empty(), "{made:?}");
}
