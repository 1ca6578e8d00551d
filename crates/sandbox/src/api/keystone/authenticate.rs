//! Who a request for a token is from, and for what scope. Pure: looks, changes nothing.

use serde_json::Value;
use time::OffsetDateTime;

use super::{ApplicationCredential, Identity, KeystoneError, Project, User};
use crate::api::Fields;

/// A proven identity and the scope it asked for.
#[derive(Debug)]
pub struct Proof {
    pub user_id: String,
    pub project_id: Option<String>,
    pub roles: Vec<&'static str>,
    pub methods: Vec<String>,
    pub credential: Option<ApplicationCredential>,
    /// No later than this: a token made from a token dies with it.
    pub expires: Option<OffsetDateTime>,
}

/// What one method proved: who, perhaps bound to a project.
struct Known {
    user_id: String,
    credential: Option<ApplicationCredential>,
    project_id: Option<String>,
    expires: Option<OffsetDateTime>,
}

/// Checks the body of `POST /v3/auth/tokens`.
pub fn authenticate(
    identity: &Identity,
    body: &Value,
    now: OffsetDateTime,
) -> Result<Proof, KeystoneError> {
    let auth = body
        .get("auth")
        .filter(|a| a.is_object())
        .ok_or_else(|| missing("auth"))?;
    let proofs = auth.get("identity").ok_or_else(|| missing("identity"))?;
    let methods = proofs.texts("methods").ok_or_else(|| missing("methods"))?;
    let mut known = None;
    for method in &methods {
        let given = proofs.get(method).ok_or_else(KeystoneError::unauthorized)?;
        known = Some(match method.as_str() {
            "password" => password(identity, given)?,
            "token" => token(identity, given)?,
            "application_credential" => credential(identity, given, now)?,
            other => {
                return Err(KeystoneError::denied(format!(
                    "Attempted to authenticate with an unsupported method: {other}."
                )));
            }
        });
    }
    let known = known.ok_or_else(KeystoneError::unauthorized)?;
    let scope = auth.get("scope").filter(|s| !s.is_null());
    let project_id = match (scope, &known.credential) {
        (Some(_), Some(_)) => {
            return Err(KeystoneError::denied(
                "Application credentials cannot request a scope.",
            ));
        }
        (Some(scope), None) => scoped(identity, scope)?,
        (None, _) => known.project_id,
    };
    let roles = match (&known.credential, &project_id) {
        (Some(credential), _) => credential.roles.clone(),
        (None, Some(project)) => roles(identity, &known.user_id, project)?,
        (None, None) => Vec::new(),
    };
    Ok(Proof {
        user_id: known.user_id,
        project_id,
        roles,
        methods,
        credential: known.credential,
        expires: known.expires,
    })
}

fn missing(field: &str) -> KeystoneError {
    KeystoneError::bad(format!("'{field}' is a required property"))
}

fn password(identity: &Identity, given: &Value) -> Result<Known, KeystoneError> {
    let user = given.get("user").ok_or_else(|| missing("user"))?;
    let secret = user.text("password").ok_or_else(|| missing("password"))?;
    let found = find_user(identity, user)?;
    if found.password != secret {
        return Err(KeystoneError::unauthorized());
    }
    Ok(Known {
        user_id: found.id.clone(),
        credential: None,
        project_id: None,
        expires: None,
    })
}

fn token(identity: &Identity, given: &Value) -> Result<Known, KeystoneError> {
    let id = given.text("id").ok_or_else(|| missing("id"))?;
    let token = identity
        .token(&id)
        .ok_or_else(KeystoneError::unauthorized)?;
    if token.credential.is_some() {
        // A restricted credential's token cannot be made into another.
        return Err(KeystoneError::unauthorized());
    }
    Ok(Known {
        user_id: token.user_id.clone(),
        credential: None,
        project_id: token.project_id.clone(),
        expires: Some(token.expires),
    })
}

fn credential(
    identity: &Identity,
    given: &Value,
    now: OffsetDateTime,
) -> Result<Known, KeystoneError> {
    let found = match given.text("id") {
        Some(id) => identity.credentials.iter().find(|c| c.id == id),
        None => {
            let name = given.text("name").ok_or_else(|| missing("id"))?;
            let user = find_user(identity, given.get("user").ok_or_else(|| missing("user"))?)?;
            identity
                .credentials
                .iter()
                .find(|c| c.name == name && c.user_id == user.id)
        }
    };
    let found = found.ok_or_else(|| match given.text("id") {
        Some(id) => KeystoneError::not_found("Application Credential", &id),
        None => KeystoneError::unauthorized(),
    })?;
    let secret = given.text("secret").ok_or_else(|| missing("secret"))?;
    if found.secret != secret || found.expires.is_some_and(|at| at <= now) {
        return Err(KeystoneError::unauthorized());
    }
    Ok(Known {
        user_id: found.user_id.clone(),
        project_id: Some(found.project_id.clone()),
        expires: found.expires,
        credential: Some(found.clone()),
    })
}

fn find_user<'a>(identity: &'a Identity, user: &Value) -> Result<&'a User, KeystoneError> {
    let found = match (user.text("id"), user.text("name")) {
        (Some(id), _) => identity.users.iter().find(|u| u.id == id),
        (None, Some(name)) => {
            in_default_domain(user.get("domain").ok_or_else(|| missing("domain"))?)?;
            identity.users.iter().find(|u| u.name == name)
        }
        (None, None) => None,
    };
    found.ok_or_else(KeystoneError::unauthorized)
}

fn in_default_domain(domain: &Value) -> Result<(), KeystoneError> {
    let is = domain.text("id").map_or_else(
        || {
            domain
                .text("name")
                .is_some_and(|name| name.eq_ignore_ascii_case("default"))
        },
        |id| id == "default",
    );
    if is {
        Ok(())
    } else {
        Err(KeystoneError::unauthorized())
    }
}

fn scoped(identity: &Identity, scope: &Value) -> Result<Option<String>, KeystoneError> {
    if scope.has("unscoped") {
        return Ok(None);
    }
    let Some(wanted) = scope.get("project") else {
        // Domain and system scope: nobody here has a role there.
        return Err(KeystoneError::unauthorized());
    };
    let found: Option<&Project> = match (wanted.text("id"), wanted.text("name")) {
        (Some(id), _) => identity.projects.iter().find(|p| p.id == id),
        (None, Some(name)) => {
            in_default_domain(wanted.get("domain").ok_or_else(|| missing("domain"))?)?;
            identity.projects.iter().find(|p| p.name == name)
        }
        (None, None) => None,
    };
    found
        .map(|p| Some(p.id.clone()))
        .ok_or_else(KeystoneError::unauthorized)
}

/// The roles a user has on a project: none is a 401, as in Keystone.
fn roles(
    identity: &Identity,
    user: &str,
    project: &str,
) -> Result<Vec<&'static str>, KeystoneError> {
    let project = identity.projects.iter().find(|p| p.id == project);
    let direct: Vec<_> = project
        .into_iter()
        .flat_map(|p| &p.members)
        .filter(|(id, _)| id == user)
        .map(|(_, role)| *role)
        .collect();
    // Keystone's implied roles.
    match direct.as_slice() {
        [] => Err(KeystoneError::unauthorized()),
        roles if roles.contains(&"admin") => Ok(vec!["admin", "member", "reader"]),
        roles if roles.contains(&"member") => Ok(vec!["member", "reader"]),
        roles => Ok(roles.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::clock;
    use serde_json::json;

    fn identity() -> Identity {
        let mut identity = Identity::default();
        let ada = identity.add_user("ada", "pw");
        let project = identity.add_project("class", &[(&ada, "member")]);
        identity.add_project("other", &[]);
        identity.credentials.push(ApplicationCredential {
            id: "ac".into(),
            name: "lab".into(),
            secret: "s".into(),
            user_id: ada,
            project_id: project,
            roles: vec!["member"],
            ..ApplicationCredential::default()
        });
        identity
    }

    fn by_password(password: &str, scope: Value) -> Value {
        let user = json!({"name": "ada", "domain": {"name": "Default"}, "password": password});
        json!({"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}})
    }

    fn outcome(body: &Value) -> Result<Option<String>, String> {
        let identity = identity();
        authenticate(&identity, body, clock::now())
            .map(|p| {
                p.project_id.and_then(|id| {
                    identity
                        .projects
                        .iter()
                        .find(|p| p.id == id)
                        .map(|p| p.name.clone())
                })
            })
            .map_err(|e| format!("{e:?}"))
    }

    #[test]
    fn a_password_scopes_to_a_project_with_a_role_only() {
        let project = |name: &str| json!({"project": {"name": name, "domain": {"id": "default"}}});
        assert_eq!(
            outcome(&by_password("pw", project("class"))),
            Ok(Some("class".into()))
        );
        assert_eq!(outcome(&by_password("pw", Value::Null)), Ok(None));
        assert!(
            outcome(&by_password("no", project("class")))
                .unwrap_err()
                .contains("401")
        );
        assert!(
            outcome(&by_password("pw", project("other")))
                .unwrap_err()
                .contains("401")
        );
        assert!(
            outcome(&by_password("pw", project("none")))
                .unwrap_err()
                .contains("401")
        );
        assert!(outcome(&json!({})).unwrap_err().contains("400"));
    }

    #[test]
    fn an_application_credential_brings_its_scope_and_takes_none() {
        let with = |given: Value, scope: Value| json!({"auth": {"identity": {"methods": ["application_credential"], "application_credential": given}, "scope": scope}});
        let by_id = json!({"id": "ac", "secret": "s"});
        let by_name = json!({"name": "lab", "secret": "s", "user": {"name": "ada", "domain": {"id": "default"}}});
        assert_eq!(
            outcome(&with(by_id.clone(), Value::Null)),
            Ok(Some("class".into()))
        );
        assert_eq!(
            outcome(&with(by_name, Value::Null)),
            Ok(Some("class".into()))
        );
        let refused = outcome(&with(by_id, json!({"project": {"id": "x"}}))).unwrap_err();
        assert!(
            refused.contains("Application credentials cannot request a scope."),
            "{refused}"
        );
        assert!(outcome(&with(json!({"id": "ac", "secret": "x"}), Value::Null)).is_err());
    }
}
