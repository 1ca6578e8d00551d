use super::*;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn dummy(edit: impl FnOnce(&mut Auth)) -> Authenticators {
    let dummy = hub_api::hub::Dummy {
        dangerous: true,
        password: Some("right".to_owned()),
    };
    let mut auth = Auth {
        dummy: Some(dummy),
        ..Auth::default()
    };
    edit(&mut auth);
    Authenticators::new(&auth, &Key::generate()).unwrap()
}

async fn login(
    authenticators: &Authenticators,
    name: &str,
    password: &str,
) -> Result<Identity, Refusal> {
    authenticators
        .login(Attempt {
            address: HERE,
            name,
            password,
            is_known: false,
        })
        .await
}

#[tokio::test]
async fn names_are_normalised_and_lists_kept() {
    let hub = dummy(|auth| {
        auth.admin_users = vec!["root".to_owned()];
        auth.blocked_users = vec!["mallory".to_owned(), "Trudy".to_owned()];
    });
    assert_eq!(
        login(&hub, "Alice", "right").await.unwrap(),
        Identity::named("alice")
    );
    assert_eq!(
        login(&hub, "ROOT", "right").await.unwrap().admin,
        Some(true)
    );
    for (name, password) in [
        ("alice", "wrong"),
        ("mallory", "right"),
        ("Trudy", "right"),
        ("trudy", "right"),
        ("a/b", "right"),
        ("", "right"),
    ] {
        assert!(
            matches!(login(&hub, name, password).await, Err(Refusal::Denied)),
            "{name}"
        );
    }
}

#[tokio::test]
async fn nobody_whom_no_list_lets_in() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("passwords");
    for (edit, is_known, allowed) in [
        (Auth::default(), true, false),
        (
            Auth {
                allow_all: true,
                ..Auth::default()
            },
            false,
            true,
        ),
        (
            Auth {
                allowed_users: vec!["alice".to_owned()],
                ..Auth::default()
            },
            false,
            true,
        ),
        (
            Auth {
                allow_existing_users: true,
                ..Auth::default()
            },
            true,
            true,
        ),
        (
            Auth {
                allow_existing_users: true,
                ..Auth::default()
            },
            false,
            false,
        ),
        (
            Auth {
                allow_all: true,
                blocked_users: vec!["alice".to_owned()],
                ..Auth::default()
            },
            false,
            false,
        ),
    ] {
        let password_file = hub_api::hub::PasswordFile {
            path: path.clone(),
            minimum_length: 10,
        };
        let auth = Auth {
            password_file: Some(password_file),
            ..edit
        };
        let hub = Authenticators::new(&auth, &Key::generate()).unwrap();
        hub.passwords()
            .unwrap()
            .set("alice", "a long password", false)
            .await
            .unwrap();
        let attempt = Attempt {
            address: HERE,
            name: "alice",
            password: "a long password",
            is_known,
        };
        assert_eq!(hub.login(attempt).await.is_ok(), allowed, "{auth:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn failures_are_delayed_then_refused() {
    let hub = dummy(|auth| auth.failures_per_minute = 2);
    for _ in 0..4 {
        assert!(matches!(
            login(&hub, "alice", "wrong").await,
            Err(Refusal::Denied)
        ));
    }
    let before = tokio::time::Instant::now();
    assert!(login(&hub, "alice", "right").await.is_ok());
    assert_eq!(before.elapsed(), Duration::from_millis(500));
    for number in 0..8 {
        assert!(matches!(
            login(&hub, &format!("x{number}"), "wrong").await,
            Err(Refusal::Denied)
        ));
    }
    assert!(matches!(
        login(&hub, "alice", "right").await,
        Err(Refusal::TooMany(_))
    ));
}

#[test]
fn what_makes_no_sense_is_said_at_the_start() {
    let key = Key::generate();
    let harmless = hub_api::hub::Dummy {
        dangerous: false,
        password: None,
    };
    let auth = Auth {
        dummy: Some(harmless),
        ..Auth::default()
    };
    assert!(matches!(
        Authenticators::new(&auth, &key),
        Err(AuthError::Dummy)
    ));
    let auth = Auth {
        pam: Some(hub_api::hub::Pam::default()),
        ..auth
    };
    assert!(matches!(
        Authenticators::new(&auth, &key),
        Err(AuthError::SeveralForms)
    ));
}
