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
