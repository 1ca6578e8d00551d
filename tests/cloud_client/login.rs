//! Ways to log in, and how a refused one is told.

use hubctl::cloud::config::{Auth, Domain, Scope, UserRef};
use hubctl::cloud::{Category, Filter};
use hubctl::secret::Secret;
use sandbox::Options;

use crate::support::{Fixture, told};

#[tokio::test(flavor = "multi_thread")]
async fn by_password_by_credential_and_by_token() {
    let fixture = Fixture::new("default");
    let cloud = fixture.connect().await;
    let (project, user) = (cloud.project(), cloud.user());
    assert_eq!(user.name, "sandbox");
    let credential = fixture
        .try_connect(fixture.config("sandbox-appcred"))
        .await
        .unwrap();
    assert_eq!(credential.project(), project);

    // Everything by id.
    let mut config = fixture.config("sandbox");
    let Auth::Password { password, .. } = config.auth.clone() else {
        panic!("sandbox is a password entry")
    };
    config.auth = Auth::Password {
        user: UserRef::Id(user.id.clone()),
        password: password.clone(),
        scope: Some(Scope::ProjectId(project.id.clone())),
    };
    let by_id = fixture.try_connect(config.clone()).await.unwrap();
    assert_eq!(by_id.project(), project);

    // A token of one's own.
    let answer = reqwest::Client::new()
        .post(format!("{}/auth/tokens", fixture.sandbox.auth_url))
        .json(&serde_json::json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user": {"id": user.id, "password": password.reveal()}}},
            "scope": {"project": {"id": project.id}}}}))
        .send()
        .await
        .unwrap();
    let token = answer.headers()["x-subject-token"]
        .to_str()
        .unwrap()
        .to_owned();
    config.auth = Auth::Token {
        token: Secret::new(token),
        scope: Some(Scope::ProjectId(project.id.clone())),
    };
    let by_token = fixture.try_connect(config.clone()).await.unwrap();
    by_token.list_networks(&Filter::all()).await.unwrap();

    // No project: nothing can be made.
    config.auth = Auth::Password {
        user: UserRef::Id(user.id),
        password,
        scope: None,
    };
    let told = told(fixture.try_connect(config).await.map(drop));
    assert!(told.contains("name no project"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_login_says_where_it_is_from_and_no_secret() {
    let fixture = Fixture::new("default");
    let mut config = fixture.config("sandbox");
    config.auth = Auth::Password {
        user: UserRef::Name {
            name: "sandbox".into(),
            domain: Domain::Name("Default".into()),
        },
        password: Secret::new("hunter2"),
        scope: Some(Scope::ProjectName {
            name: "sandbox".into(),
            domain: Domain::Name("Default".into()),
        }),
    };
    let error = fixture.try_connect(config).await.map(drop).unwrap_err();
    assert_eq!(error.category(), Category::Auth);
    assert!(error.request_id().is_some(), "{error:?}");
    let hint = error.hint().unwrap();
    assert!(
        hint.contains("user sandbox of domain Default, project sandbox"),
        "{hint}"
    );
    assert!(hint.contains("clouds.yaml"), "{hint}");
    assert!(!format!("{error} {error:?} {hint}").contains("hunter2"));

    let mut config = fixture.config("sandbox-appcred");
    config.auth = Auth::ApplicationCredential {
        id: "gone".into(),
        secret: Secret::new("hunter2"),
    };
    let told = told(fixture.try_connect(config).await.map(drop));
    assert!(
        told.contains("openstack application credential create"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn regions_are_never_guessed() {
    let fixture = Fixture::new("two-regions");
    let mut config = fixture.config("sandbox");
    assert!(config.region.is_some());
    let cloud = fixture.try_connect(config.clone()).await.unwrap();
    assert_eq!(cloud.region(), config.region.as_deref());
    config.region = None;
    let said = told(fixture.try_connect(config.clone()).await.map(drop));
    assert!(
        said.starts_with("cloud sandbox has several regions") && said.contains("OS_REGION_NAME"),
        "{said}"
    );
    config.region = Some("RegionTow".into());
    let said = told(fixture.try_connect(config).await.map(drop));
    assert!(
        said.starts_with("cloud sandbox has no region RegionTow (did you mean RegionTwo?)"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn https_with_an_authority_of_its_own() {
    let fixture = Fixture::with(Options {
        tls: true,
        ..Options::default()
    });
    let cloud = fixture.connect().await;
    cloud.list_networks(&Filter::all()).await.unwrap();

    // Without its certificate it is not believed.
    let text = std::fs::read_to_string(&fixture.sandbox.clouds_yaml).unwrap();
    let without: String = text
        .lines()
        .filter(|line| !line.contains("cacert"))
        .map(|line| format!("{line}\n"))
        .collect();
    std::fs::write(&fixture.sandbox.clouds_yaml, &without).unwrap();
    let told = told(
        fixture
            .try_connect(fixture.config("sandbox"))
            .await
            .map(drop),
    );
    assert!(
        told.contains("signed by an authority this machine does not trust"),
        "{told}"
    );
    assert!(told.contains("as cacert in clouds.yaml"), "{told}");

    // Unless it is not to be checked at all.
    let mut config = fixture.config("sandbox");
    config.verify = false;
    fixture
        .try_connect(config)
        .await
        .unwrap()
        .list_networks(&Filter::all())
        .await
        .unwrap();
}
