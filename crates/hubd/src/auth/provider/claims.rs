//! What a provider says of a person, read from its claims.

use serde_json::{Map, Value};

/// Claims as a provider sent them, already verified.
pub type Claims = Map<String, Value>;

/// Where to look in the claims.
#[derive(Debug, Clone)]
pub struct Reading<'a> {
    /// The claim that becomes the user name; dots lead into objects.
    pub username: &'a str,
    /// The claim with the groups; dots lead into objects.
    pub groups: Option<&'a str>,
}

/// A person, as a provider says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Person {
    /// What becomes the user name, as it was sent.
    pub username: String,
    /// The provider's own, lasting identifier of the person.
    pub subject: String,
    /// The e-mail address, if the provider has verified it.
    pub verified_email: Option<String>,
    /// The organisation's own domain, as Google Workspace says it.
    pub hosted_domain: Option<String>,
    /// Groups, teams or projects.
    pub groups: Vec<String>,
    /// Organisations.
    pub organizations: Vec<String>,
    /// What JupyterLab shows.
    pub info: Map<String, Value>,
}

/// A claim that is needed and not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the provider sent no claim {0:?}: set username_claim to one of what it sends, or ask for the scope that carries it"
)]
pub struct MissingClaim(pub String);

/// Reads a person from the claims.
pub fn person(claims: &Claims, reading: &Reading<'_>) -> Result<Person, MissingClaim> {
    let username = find(claims, reading.username)
        .and_then(text)
        .filter(|name| !name.is_empty())
        .ok_or_else(|| MissingClaim(reading.username.to_owned()))?;
    let subject = claims
        .get("sub")
        .and_then(text)
        .ok_or_else(|| MissingClaim("sub".to_owned()))?;
    // Some providers send the flag as a text. Whoever sends none has not verified anything.
    let verified = matches!(claims.get("email_verified"), Some(Value::Bool(true)))
        || claims.get("email_verified").and_then(Value::as_str) == Some("true");
    let verified_email = claims
        .get("email")
        .and_then(Value::as_str)
        .filter(|_| verified)
        .map(str::to_owned);
    let hosted_domain = claims
        .get("hd")
        .and_then(Value::as_str)
        .map(str::to_lowercase);
    let groups = reading
        .groups
        .and_then(|path| find(claims, path))
        .map(names)
        .unwrap_or_default();
    let mut info = Map::new();
    for (claim, key) in [
        ("name", "name"),
        ("name", "display_name"),
        ("picture", "avatar_url"),
    ] {
        if let Some(value @ Value::String(_)) = claims.get(claim) {
            info.insert(key.to_owned(), value.clone());
        }
    }
    Ok(Person {
        username,
        subject,
        verified_email,
        hosted_domain,
        groups,
        organizations: Vec::new(),
        info,
    })
}

/// A claim by its name; a name with dots that is no claim itself leads into objects (`realm_access.roles`).
fn find<'a>(claims: &'a Claims, path: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(path) {
        return Some(value);
    }
    let (first, rest) = path.split_once('.')?;
    find(claims.get(first)?.as_object()?, rest)
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Names of groups: a list of texts, or of objects with a `name`, or one text.
fn names(value: &Value) -> Vec<String> {
    match value {
        Value::Array(list) => list
            .iter()
            .filter_map(|one| {
                one.as_str()
                    .or_else(|| one.get("name")?.as_str())
                    .map(str::to_owned)
            })
            .collect(),
        Value::String(one) => vec![one.clone()],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(claims: Value, username: &str, groups: Option<&str>) -> Result<Person, MissingClaim> {
        let Value::Object(claims) = claims else {
            panic!("an object")
        };
        person(&claims, &Reading { username, groups })
    }

    #[test]
    fn providers_say_it_each_in_their_way() {
        let keycloak = json!({"sub": "f1", "preferred_username": "ada", "email": "ada@uni.example", "email_verified": true,
            "name": "Ada L", "realm_access": {"roles": ["teacher", "student"]}});
        let person = read(keycloak, "preferred_username", Some("realm_access.roles")).unwrap();
        assert_eq!((&*person.username, &*person.subject), ("ada", "f1"));
        assert_eq!(person.groups, ["teacher", "student"]);
        assert_eq!(person.verified_email.as_deref(), Some("ada@uni.example"));
        assert_eq!(person.info["display_name"], "Ada L");

        let google = json!({"sub": 117, "email": "Ada@Uni.example", "email_verified": "true", "hd": "Uni.example"});
        let person = read(google, "email", None).unwrap();
        assert_eq!(
            (&*person.username, &*person.subject),
            ("Ada@Uni.example", "117")
        );
        assert_eq!(person.hosted_domain.as_deref(), Some("uni.example"));

        let gitlab = json!({"sub": "9", "nickname": "ada", "groups": ["uni", "uni/physics"], "email": "a@b"});
        let person = read(gitlab, "nickname", Some("groups")).unwrap();
        assert_eq!(person.groups, ["uni", "uni/physics"]);
        assert_eq!(person.verified_email, None, "nobody said it was verified");

        let dotted = json!({"sub": "9", "https://x.example/name": "ada", "g": [{"name": "one"}, {"id": 2}, "two"]});
        let person = read(dotted, "https://x.example/name", Some("g")).unwrap();
        assert_eq!(
            (&*person.username, person.groups),
            ("ada", vec!["one".to_owned(), "two".to_owned()])
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        for (claims, username, missing) in [
            (
                json!({"sub": "1"}),
                "preferred_username",
                "preferred_username",
            ),
            (json!({"sub": "1", "u": ""}), "u", "u"),
            (json!({"sub": "1", "u": ["ada"]}), "u", "u"),
            (json!({"u": "ada"}), "u", "sub"),
            (json!({"sub": "1", "u": {"v": 1}}), "u.w", "u.w"),
        ] {
            assert_eq!(
                read(claims, username, None),
                Err(MissingClaim(missing.to_owned()))
            );
        }
        for verified in [json!(false), json!("false"), json!(1), json!(null)] {
            let claims =
                json!({"sub": "1", "u": "ada", "email": "a@b", "email_verified": verified});
            assert_eq!(read(claims, "u", None).unwrap().verified_email, None);
        }
    }
}
