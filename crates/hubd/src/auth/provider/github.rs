//! GitHub, which speaks OAuth but not OpenID Connect: its user, organisations and teams are read from its API.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use sha2::{Digest, Sha256};
use url::Url;

use super::claims::{Claims, Person};
use super::{Departure, ProviderError};

/// A page of a list; further ones are asked for until one is not full.
const PAGE: usize = 100;
/// Beyond so many pages nobody is looked for.
const PAGES: usize = 20;

/// GitHub, or a GitHub Enterprise of one's own.
pub struct Github {
    site: Url,
    api: Url,
    client_id: String,
    client_secret: String,
    scopes: Vec<String>,
    http: reqwest::Client,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Token {
    Granted {
        access_token: String,
    },
    Refused {
        error: String,
        error_description: Option<String>,
    },
}

#[derive(Deserialize)]
struct User {
    id: u64,
    login: String,
    name: Option<String>,
    avatar_url: Option<String>,
}

#[derive(Deserialize)]
struct Organization {
    login: String,
}

#[derive(Deserialize)]
struct Team {
    slug: String,
    organization: Organization,
}

#[derive(Deserialize)]
struct Email {
    email: String,
    primary: bool,
    verified: bool,
}

impl Github {
    /// With the site (absent: github.com). Nothing is asked yet.
    pub fn new(
        site: Option<&str>,
        client_id: &str,
        client_secret: &str,
        scopes: Vec<String>,
        http: reqwest::Client,
    ) -> Result<Self, url::ParseError> {
        let site = Url::parse(site.unwrap_or("https://github.com"))?;
        // GitHub Enterprise Server has its API on a path, github.com on a host of its own.
        let api = if site.host_str() == Some("github.com") {
            Url::parse("https://api.github.com/")?
        } else {
            site.join("/api/v3/")?
        };
        Ok(Self {
            site,
            api,
            client_id: client_id.to_owned(),
            client_secret: client_secret.to_owned(),
            scopes,
            http,
        })
    }

    /// The address to send the browser to, and what to remember until it is back.
    pub fn depart(&self, callback: &str) -> Result<Departure, ProviderError> {
        let [state, verifier]: [String; 2] = [random(), random()];
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
        let mut url = self.on_site("/login/oauth/authorize")?;
        url.query_pairs_mut()
            .append_pair("client_id", &self.client_id)
            .append_pair("redirect_uri", callback)
            .append_pair("response_type", "code")
            .append_pair("scope", &self.scopes.join(" "))
            .append_pair("state", &state)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        Ok(Departure {
            url: url.into(),
            state,
            nonce: String::new(),
            verifier,
        })
    }

    /// Takes the code to GitHub, and asks it who this is.
    pub async fn arrive(
        &self,
        code: &str,
        callback: &str,
        verifier: &str,
    ) -> Result<Person, ProviderError> {
        let token = self.token(code, callback, verifier).await?;
        let user: User = self.get(&token, "user", &[]).await?;
        let mut person = Person {
            username: user.login.clone(),
            subject: user.id.to_string(),
            info: Claims::new(),
            ..Person::default()
        };
        person.info.insert(
            "name".to_owned(),
            json!(user.name.as_deref().unwrap_or(&user.login)),
        );
        person.info.insert(
            "display_name".to_owned(),
            json!(user.name.as_deref().unwrap_or(&user.login)),
        );
        if let Some(picture) = user.avatar_url {
            person.info.insert("avatar_url".to_owned(), json!(picture));
        }
        let granted = |wanted: &[&str]| self.scopes.iter().any(|scope| wanted.contains(&&**scope));
        if granted(&["read:org", "admin:org", "write:org"]) {
            let organizations: Vec<Organization> = self.list(&token, "user/orgs").await?;
            person.organizations = organizations.into_iter().map(|one| one.login).collect();
            let teams: Vec<Team> = self.list(&token, "user/teams").await?;
            person.groups = teams
                .into_iter()
                .map(|team| format!("{}:{}", team.organization.login, team.slug))
                .collect();
        }
        if granted(&["user:email", "user"]) {
            let emails: Vec<Email> = self.list(&token, "user/emails").await?;
            person.verified_email = emails
                .into_iter()
                .find(|one| one.primary && one.verified)
                .map(|one| one.email);
        }
        Ok(person)
    }

    async fn token(
        &self,
        code: &str,
        callback: &str,
        verifier: &str,
    ) -> Result<String, ProviderError> {
        let doing = "exchanging the code for a token";
        let form = [
            ("client_id", &*self.client_id),
            ("client_secret", &*self.client_secret),
            ("code", code),
            ("redirect_uri", callback),
            ("code_verifier", verifier),
        ];
        let answer = self
            .http
            .post(self.on_site("/login/oauth/access_token")?)
            .header("Accept", "application/json")
            .form(&form)
            .send()
            .await
            .and_then(reqwest::Response::error_for_status)
            .map_err(|e| ProviderError::new(doing, e.without_url()))?;
        match answer
            .json()
            .await
            .map_err(|e| ProviderError::new(doing, e.without_url()))?
        {
            Token::Granted { access_token } => Ok(access_token),
            Token::Refused {
                error,
                error_description,
            } => Err(ProviderError::text(
                doing,
                &error_description.unwrap_or(error),
            )),
        }
    }

    /// All of a list. An organisation may hide itself from apps it has not approved; it is then not in the list.
    async fn list<T: DeserializeOwned>(
        &self,
        token: &str,
        path: &str,
    ) -> Result<Vec<T>, ProviderError> {
        let mut all = Vec::new();
        for page in 1..=PAGES {
            let query = [("per_page", PAGE.to_string()), ("page", page.to_string())];
            let part: Vec<T> = self.get(token, path, &query).await?;
            let full = part.len() == PAGE;
            all.extend(part);
            if !full {
                break;
            }
        }
        Ok(all)
    }

    async fn get<T: DeserializeOwned>(
        &self,
        token: &str,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<T, ProviderError> {
        let doing = format!("asking GitHub for {path}");
        let url = self
            .api
            .join(path)
            .map_err(|e| ProviderError::new(&doing, e))?;
        let answer = self
            .http
            .get(url)
            .query(query)
            .bearer_auth(token)
            .header("Accept", "application/vnd.github+json")
            .header("User-Agent", "hubd")
            .send()
            .await
            .and_then(reqwest::Response::error_for_status)
            .map_err(|e| ProviderError::new(&doing, e))?;
        answer
            .json()
            .await
            .map_err(|e| ProviderError::new(&doing, e))
    }

    fn on_site(&self, path: &str) -> Result<Url, ProviderError> {
        self.site
            .join(path)
            .map_err(|e| ProviderError::new("reading GitHub's address", e))
    }
}

/// 256 random bits as text; enough for a PKCE verifier (43 characters).
fn random() -> String {
    let bytes: [u8; 32] = rand::random();
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::{Arc, Mutex};

    use axum::extract::{Form, Query, State};
    use axum::http::{HeaderMap, StatusCode};
    use axum::routing::{get, post};
    use axum::{Json, Router};
    use serde_json::Value;

    use super::*;

    /// What came to the token endpoint.
    type Seen = Arc<Mutex<HashMap<String, String>>>;

    /// The part of a GitHub Enterprise's API that is used, with 150 organisations on two pages.
    async fn enterprise() -> (String, Seen) {
        let seen = Seen::default();
        let asked = |headers: &HeaderMap| {
            headers
                .get("authorization")
                .is_some_and(|it| it == "Bearer gho_1")
        };
        let only = move |headers: HeaderMap, value: Value| async move {
            if asked(&headers) {
                Ok(Json(value))
            } else {
                Err(StatusCode::UNAUTHORIZED)
            }
        };
        let router = Router::new()
            .route(
                "/login/oauth/access_token",
                post(|State(seen): State<Seen>, Form(form): Form<HashMap<String, String>>| async move {
                    let good = form["code"] == "good";
                    *seen.lock().unwrap() = form;
                    Json(if good {
                        json!({"access_token": "gho_1", "token_type": "bearer"})
                    } else {
                        json!({"error": "bad_verification_code", "error_description": "The code is incorrect."})
                    })
                }),
            )
            .route("/api/v3/user", get(move |headers| only(headers, json!({"id": 7, "login": "Ada", "name": null}))))
            .route(
                "/api/v3/user/orgs",
                get(move |headers, Query(query): Query<HashMap<String, usize>>| {
                    let first = (query["page"] - 1) * query["per_page"];
                    let last = (first + query["per_page"]).min(150);
                    let page: Vec<Value> = (first..last).map(|n| json!({"login": format!("org{n}")})).collect();
                    only(headers, json!(page))
                }),
            )
            .route(
                "/api/v3/user/teams",
                get(move |headers| only(headers, json!([{"slug": "staff", "organization": {"login": "uni"}}]))),
            )
            .route(
                "/api/v3/user/emails",
                get(move |headers| {
                    let emails = json!([
                        {"email": "other@x.example", "primary": false, "verified": true},
                        {"email": "ada@uni.example", "primary": true, "verified": true},
                    ]);
                    only(headers, emails)
                }),
            )
            .with_state(seen.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let site = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (site, seen)
    }

    fn github(site: &str, scopes: &[&str]) -> Github {
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        Github::new(Some(site), "id", "secret", scopes, reqwest::Client::new()).unwrap()
    }

    #[tokio::test]
    async fn a_person_with_organisations_teams_and_address() {
        let (site, seen) = enterprise().await;
        let github = github(&site, &["read:user", "read:org", "user:email"]);
        let departure = github
            .depart("https://hub.example/hub/oauth_callback")
            .unwrap();
        let url = Url::parse(&departure.url).unwrap();
        let sent: HashMap<_, _> = url.query_pairs().into_owned().collect();
        assert_eq!(sent["state"], departure.state);
        assert_eq!(
            sent["code_challenge"],
            URL_SAFE_NO_PAD.encode(Sha256::digest(&departure.verifier))
        );
        assert_ne!(github.depart("https://x").unwrap().state, departure.state);

        let person = github
            .arrive("good", "https://hub.example/cb", &departure.verifier)
            .await
            .unwrap();
        assert_eq!((&*person.username, &*person.subject), ("Ada", "7"));
        assert_eq!(person.organizations.len(), 150);
        assert_eq!(person.groups, ["uni:staff"]);
        assert_eq!(person.verified_email.as_deref(), Some("ada@uni.example"));
        assert_eq!(person.info["display_name"], "Ada");
        assert_eq!(seen.lock().unwrap()["code_verifier"], departure.verifier);
    }

    #[tokio::test]
    async fn what_github_says_against_it_is_told() {
        let (site, _) = enterprise().await;
        let error = github(&site, &[])
            .arrive("bad", "x", "v")
            .await
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "exchanging the code for a token: The code is incorrect."
        );
        // No scope for organisations: they are not asked for, and nobody is in any.
        let person = github(&site, &["read:user"])
            .arrive("good", "x", "v")
            .await
            .unwrap();
        assert!(
            person.organizations.is_empty()
                && person.groups.is_empty()
                && person.verified_email.is_none()
        );
    }
}
