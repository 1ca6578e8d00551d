//! What is on a page, and what is not.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::secret::Secret;
use crate::users::Credential;

fn hub() -> Hub {
    Hub {
        name: "class".into(),
        url: "https://hub.example.org/".into(),
        certificate: Certificate::Deployment,
    }
}

fn credentials(rows: &[(&str, &str, &str, Note)]) -> Credentials {
    let mut all = Credentials::default();
    for (user, full_name, password, note) in rows {
        all.put(Credential {
            user: (*user).into(),
            full_name: (*full_name).into(),
            password: Secret::new(*password),
            note: *note,
            ..Credential::default()
        });
    }
    all
}

#[test]
fn a_slip_has_what_its_person_needs_and_nothing_from_elsewhere() {
    let people = credentials(&[
        (
            "ada",
            "Ada <Lovelace> & \"Co\"",
            "maple-river-42",
            Note::None,
        ),
        ("bob", "", "old-password", Note::Changed),
        ("carl", "", "carls-password", Note::NoAccount),
        ("dora", "", "a<b>&amp;\"'c", Note::None),
    ]);
    let page = page(&hub(), &people).unwrap();
    assert_eq!(page.matches("class=\"slip\"").count(), 3);
    for part in [
        "Ada &lt;Lovelace&gt; &amp; &quot;Co&quot;",
        "<dd>maple-river-42</dd>",
        "the one you chose yourself",
        "<dd>a&lt;b&gt;&amp;amp;&quot;",
        "carl (account removed on the server)",
        "https://hub.example.org",
    ] {
        assert!(page.contains(part), "{part} is not in\n{page}");
    }
    for part in [
        "old-password",
        "carls-password",
        "<Lovelace>",
        "src=",
        "url(",
        "@import",
        "<script",
    ] {
        assert!(!page.contains(part), "{part} is in\n{page}");
    }
    let mut public = hub();
    public.certificate = Certificate::Public;
    let page = super::page(&public, &people).unwrap();
    assert!(!page.contains("Your browser will say"));
}

#[test]
fn a_page_is_private_and_takes_the_place_of_nothing_else() {
    let base = tempfile::tempdir().unwrap();
    let state = State::open(base.path(), "class").unwrap();
    let people = credentials(&[("ada", "", "maple-river-42", Note::None)]);
    let copy = base.path().join("slips.html");
    for _ in 0..2 {
        write(&state, &hub(), &people, Some(&copy)).unwrap();
    }
    for path in [&copy, &state.path(FILE)] {
        let mode = std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }
    for content in [&b"my thesis"[..], b"\xff\xfe"] {
        std::fs::write(&copy, content).unwrap();
        let error = write(&state, &hub(), &people, Some(&copy)).unwrap_err();
        assert!(matches!(error, HandoutError::Foreign { .. }), "{error}");
        assert_eq!(std::fs::read(&copy).unwrap(), content);
    }
    let error = check(&base.path().join("no/folder/slips.html")).unwrap_err();
    assert!(matches!(error, HandoutError::Io { .. }), "{error}");
    let nowhere = Hub {
        url: String::new(),
        ..hub()
    };
    let error = write(&state, &nowhere, &people, None).unwrap_err();
    assert!(error.hint().contains("provision"), "{error}");
}
