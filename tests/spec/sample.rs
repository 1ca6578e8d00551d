//! The `hub.yaml` that `hubctl init` writes.

use hubctl::spec::size::Flavor;
use hubctl::spec::{self, Document, Offer, sample};

fn flavor(name: &str, gib: u64, vcpus: u64) -> Flavor {
    Flavor {
        name: name.to_owned(),
        memory: gib * 1024,
        vcpus,
        disk: gib * 10,
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn class() -> Offer {
    Offer {
        name: "class".to_owned(),
        cloud: Some("mycloud".to_owned()),
        seats: 30,
        images: words(&["Debian 12", "Ubuntu 24.04"]),
        flavors: vec![
            flavor("m1.small", 2, 1),
            flavor("m1.large", 8, 4),
            flavor("m1.xlarge", 16, 8),
            flavor("m1.2xlarge", 32, 16),
        ],
        volumes: true,
        networks: words(&["private"]),
        external_networks: words(&["public"]),
        schema: Some("hub.schema.json".to_owned()),
        ..Offer::default()
    }
}

/// Names as a cloud may have them, made to break out of comments and values.
fn hostile() -> Offer {
    let names = words(&[
        "no",
        "1.0",
        "a: b # c",
        "two\nname: other",
        "'\"",
        "- x",
        "ü\u{2028}name: x",
        "[",
        "*a",
        "null",
    ]);
    Offer {
        name: "class".to_owned(),
        cloud: Some("on".to_owned()),
        domain: Some("hub.example.org".to_owned()),
        images: names.clone(),
        flavors: names.iter().map(|name| flavor(name, 64, 1)).collect(),
        networks: names.clone(),
        external_networks: names,
        schema: Some("x\nname: evil".to_owned()),
        ..Offer::default()
    }
}

fn empty() -> Offer {
    Offer {
        name: "class".to_owned(),
        ..Offer::default()
    }
}

fn too_small() -> Offer {
    Offer {
        seats: 200,
        networks: words(&["one", "two"]),
        external_networks: words(&["public", "campus"]),
        flavors: (0..40).map(|n| flavor(&format!("c{n}"), n, 2)).collect(),
        ..class()
    }
}

fn load(text: &str) -> Result<spec::Loaded, spec::Problems> {
    let folder = tempfile::tempdir().unwrap();
    // The sample without a domain may have a certificate of its own, too: for the address, then.
    let (certificate, key) = super::certificate::made_for(&["hub.example.org", "192.0.2.7"]);
    std::fs::write(folder.path().join("hub.pem"), certificate).unwrap();
    std::fs::write(folder.path().join("hub.key"), key).unwrap();
    spec::load(&Document::new("hub.yaml", text, folder.path()), None, &[])
}

#[test]
fn the_sample_is_valid_as_it_is() {
    for offer in [class(), hostile(), empty(), too_small()] {
        let text = sample(&offer);
        let loaded = load(&text).unwrap_or_else(|problems| panic!("{text}\n{problems}"));
        assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
        assert_eq!(loaded.spec.name, "class");
        assert_eq!(loaded.spec.cloud, offer.cloud);
        assert_eq!(loaded.spec.domain, offer.domain);
    }
}

#[test]
fn each_of_its_settings_can_be_taken_up() {
    for offer in [class(), hostile(), empty(), too_small()] {
        let text = sample(&offer);
        let before = load(&text).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let mut settings = 0;
        for (index, line) in lines.iter().enumerate() {
            let bare = line.trim_start();
            if !bare.starts_with('#') || bare == "#" || bare.starts_with("# ") {
                continue;
            }
            settings += 1;
            let mut taken: Vec<String> = lines.iter().map(|&line| line.to_owned()).collect();
            taken[index] = line.replacen('#', "", 1);
            let taken = taken.join("\n");
            let loaded = load(&taken).unwrap_or_else(|problems| panic!("{line}: {problems}"));
            assert!(loaded.warnings.is_empty(), "{line}: {}", loaded.warnings);
            let (key, _) = bare[1..].split_once(':').unwrap();
            let said = |loaded: &spec::Loaded| serde_json::to_string(&loaded.spec).unwrap();
            // What repeats the default changes nothing; the others must arrive.
            if !matches!(key, "floating_ip" | "cull_after_minutes" | "web") {
                assert_ne!(said(&loaded), said(&before), "{line}");
            }
        }
        assert!(settings >= 14, "{settings} settings in\n{text}");
    }
}

#[test]
fn the_sample_reads_like_this() {
    insta::with_settings!({ snapshot_path => "snapshots", prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("sample-class", sample(&class()));
        insta::assert_snapshot!("sample-empty", sample(&empty()));
        insta::assert_snapshot!("sample-too-small", sample(&too_small()));
    });
}
