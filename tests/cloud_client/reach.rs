//! Clouds that are not there.

use std::net::TcpListener;

use hubctl::cloud::{CloudError, Unreached};

use crate::support::{Fixture, told};

/// The login, with another address.
async fn at(fixture: &Fixture, auth_url: &str) -> CloudError {
    let mut config = fixture.config("sandbox");
    auth_url.clone_into(&mut config.auth_url);
    fixture.try_connect(config).await.map(drop).unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_of_not_being_there_is_told_apart() {
    let fixture = Fixture::new("default");
    // Bound and not listening would hang: this was let go.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let https = fixture.sandbox.auth_url.replace("http://", "https://");
    for (url, expected, words) in [
        (
            format!("http://127.0.0.1:{port}/v3"),
            Unreached::Refused,
            "connection refused",
        ),
        (
            "http://keystone.invalid:5000/v3".to_owned(),
            Unreached::Name,
            "its name cannot be resolved",
        ),
        (https, Unreached::Protocol, ""),
    ] {
        let error = at(&fixture, &url).await;
        let CloudError::Unreachable { why, reason, .. } = &error else {
            panic!("{url}: {error:?}")
        };
        assert_eq!(*why, expected, "{url}: {reason}");
        assert!(
            error
                .to_string()
                .starts_with("logging in to cloud sandbox: "),
            "{error}"
        );
        assert!(reason.contains(words), "{reason}");
        assert!(error.hint().is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_with_something_else_behind_it_is_told() {
    let fixture = Fixture::new("default");
    let base = fixture.sandbox.auth_url.replace("/v3", "");
    let error = at(&fixture, &format!("{base}/horizon")).await;
    let said = format!("{error} | {}", error.hint().unwrap());
    assert!(
        said.contains(&format!(
            "no Keystone answers at {base}/horizon/v3/auth/tokens"
        )),
        "{said}"
    );
    assert!(said.contains("look at auth_url of cloud sandbox"), "{said}");
    let said = told::<()>(Err(at(&fixture, "cloud.example:5000").await));
    assert!(
        said.contains("auth_url of cloud sandbox: cloud.example:5000 is not an HTTP address"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cloud_that_answers_nothing_is_given_up_at_the_deadline() {
    let fixture = Fixture::new("default");
    // Accepts and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = fixture.config("sandbox");
    config.auth_url = format!("http://{}/v3", silent.local_addr().unwrap());
    config.limits.attempt = std::time::Duration::from_millis(300);
    config.limits.total = std::time::Duration::from_millis(900);
    let error = fixture.try_connect(config).await.map(drop).unwrap_err();
    assert!(matches!(error, CloudError::Deadline { .. }), "{error:?}");
    assert!(error.hint().unwrap().contains("api_timeout"));
}
