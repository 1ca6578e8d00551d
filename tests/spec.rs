//! Specs from outside: every example and profile is valid, every broken one gets exactly the words beside it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "spec/certificate.rs"]
mod certificate;
#[path = "spec/combinations.rs"]
mod combinations;
#[path = "spec/layers.rs"]
mod layers;
#[path = "spec/mutation.rs"]
mod mutation;
#[path = "spec/reference.rs"]
mod reference;
#[path = "spec/sample.rs"]
mod sample;
#[path = "spec/schema.rs"]
mod schema;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use hubctl::spec::{self, Document};

fn yaml_files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} holds no case", folder.display());
    files
}

/// The arguments of a case: comment lines `# $ --set path=value`.
fn arguments(text: &str) -> (Option<String>, Vec<String>) {
    let (mut profile, mut sets) = (None, Vec::new());
    for argument in text.lines().filter_map(|line| line.strip_prefix("# $ ")) {
        match argument.split_once(' ') {
            Some(("--set", set)) => sets.push(set.to_owned()),
            Some(("--profile", name)) => profile = Some(name.to_owned()),
            _ => panic!("{argument} is no argument"),
        }
    }
    (profile, sets)
}

/// What `hubctl validate` would say to a case, under the name `hub.yaml`.
fn verdict(path: &Path) -> String {
    let text = fs::read(path).unwrap();
    let mut document = match String::from_utf8(text) {
        Ok(text) => Document::new("hub.yaml", text, path.parent().unwrap()),
        Err(_) => return spec_problems(Document::read(path).unwrap_err(), path),
    };
    document.home = Some(PathBuf::from("/home/ada"));
    let (profile, sets) = arguments(&document.text);
    let mut said = String::new();
    match spec::load(&document, profile.as_deref(), &sets) {
        Err(problems) => {
            assert!(!problems.is_empty());
            // Every message is short enough to be read.
            for problem in &problems {
                assert!(problem.message.chars().count() <= 160, "{problem}");
            }
            said = spec_problems(problems, path);
        }
        Ok(loaded) => {
            for warning in &loaded.warnings {
                writeln!(said, "warning: {warning}").unwrap();
            }
        }
    }
    said
}

fn spec_problems(problems: spec::Problems, path: &Path) -> String {
    let folder = path.parent().unwrap().display().to_string();
    format!("{problems}\n").replace(&format!("{folder}/"), "")
}

/// Every case of a folder against the words beside it. To accept what is said now: `BLESS=1 cargo test --test spec`, then
/// read the difference.
fn compare(folder: &str, at_least: usize) {
    let mut wrong = String::new();
    let cases = yaml_files(folder);
    for path in &cases {
        let said = verdict(path);
        assert!(!said.is_empty(), "nothing is said of {}", path.display());
        let expected = path.with_extension("txt");
        if std::env::var_os("BLESS").is_some() {
            fs::write(&expected, &said).unwrap();
        }
        match fs::read_to_string(&expected) {
            Ok(expected) if expected == said => {}
            Ok(expected) => {
                let path = path.display();
                writeln!(wrong, "{path}\n--- expected\n{expected}--- said\n{said}").unwrap();
            }
            Err(_) => writeln!(wrong, "{} has no {}", path.display(), expected.display()).unwrap(),
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(cases.len() >= at_least, "only {} cases", cases.len());
}

#[test]
fn broken_specs_get_the_words_beside_them() {
    compare("tests/spec/broken", 80);
}

#[test]
fn doubtful_specs_are_warned_of_in_the_words_beside_them() {
    compare("tests/spec/warned", 2);
}

#[test]
fn odd_but_sound_specs_are_accepted() {
    for path in yaml_files("tests/spec/accepted") {
        assert_eq!(verdict(&path), "", "{}", path.display());
    }
}

/// The examples in a folder of their own, with the files beside them that they name.
fn examples() -> (tempfile::TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("certs")).unwrap();
    let (certificate, key) = certificate::made("hub.example.org");
    for (file, content) in [
        ("hub.example.org.pem", &certificate),
        ("hub.example.org.key", &key),
        ("institution-ca.pem", &certificate),
    ] {
        fs::write(folder.path().join("certs").join(file), content).unwrap();
    }
    let copied = yaml_files("examples")
        .iter()
        .map(|path| {
            let copy = folder.path().join(path.file_name().unwrap());
            fs::copy(path, &copy).unwrap();
            copy
        })
        .collect();
    (folder, copied)
}

#[test]
fn every_example_is_valid_and_warns_of_nothing() {
    let (_folder, files) = examples();
    for path in files {
        let document = Document::read(&path).unwrap();
        match spec::load(&document, None, &[]) {
            Ok(loaded) => assert!(loaded.warnings.is_empty(), "{}", loaded.warnings),
            Err(problems) => panic!("{problems}"),
        }
        assert!(
            document
                .text
                .starts_with("# yaml-language-server: $schema=../docs/hub.schema.json\n# ")
        );
        let wide = document
            .text
            .lines()
            .filter(|line| !line.contains("ssh-"))
            .map(|line| line.chars().count())
            .max();
        assert!(wide <= Some(120), "{} is wide", path.display());
    }
}

#[test]
fn every_profile_is_valid_and_says_what_it_is() {
    let document = Document::new("hub.yaml", "name: class\n", "");
    for profile in spec::profiles() {
        let loaded = spec::load(&document, Some(profile.name), &[]).unwrap();
        assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
        assert!(profile.summary().ends_with('.'), "{}", profile.name);
        assert!(!profile.description().is_empty());
    }
    let embedded: Vec<&str> = spec::profiles()
        .iter()
        .map(|profile| profile.name)
        .collect();
    let files: Vec<String> = yaml_files("profiles")
        .iter()
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(embedded, files, "each file of profiles/ is embedded");
}
