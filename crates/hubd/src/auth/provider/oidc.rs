//! OpenID Connect: discovery, the code flow with PKCE and nonce, claims of ID token and user info (Google, GitLab, any).

use std::sync::Arc;
use std::time::{Duration, Instant};

use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreErrorResponseType, CoreGenderClaim, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreProviderMetadata,
    CoreResponseType, CoreRevocableToken, CoreRevocationErrorResponse,
    CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AdditionalClaims, AuthenticationFlow, AuthorizationCode, Client, ClientId, ClientSecret,
    CsrfToken, EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet, IdTokenFields,
    IssuerUrl, Nonce, OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope,
    StandardErrorResponse, StandardTokenResponse, TokenResponse, UserInfoClaims,
};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::claims::Claims;
use super::{Departure, ProviderError};

/// How long what a provider says of itself is believed; its keys change now and then.
const METADATA_FOR: Duration = Duration::from_secs(3600);

/// All claims beside those that the standard names.
#[derive(Debug, Serialize, Deserialize)]
struct OtherClaims {
    #[serde(flatten)]
    all: Claims,
}

impl AdditionalClaims for OtherClaims {}

type Fields = IdTokenFields<
    OtherClaims,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;
type OidcClient = Client<
    OtherClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    StandardTokenResponse<Fields, CoreTokenType>,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// An OpenID provider.
pub struct Oidc {
    issuer: IssuerUrl,
    client_id: ClientId,
    client_secret: ClientSecret,
    scopes: Vec<String>,
    http: reqwest::Client,
    metadata: Mutex<Option<(Instant, Arc<CoreProviderMetadata>)>>,
}

impl Oidc {
    /// With the provider of that issuer. Nothing is asked yet: a provider that is down keeps no hub from starting.
    pub fn new(
        issuer: &str,
        client_id: &str,
        client_secret: &str,
        scopes: Vec<String>,
        http: reqwest::Client,
    ) -> Result<Self, url::ParseError> {
        Ok(Self {
            issuer: IssuerUrl::new(issuer.to_owned())?,
            client_id: ClientId::new(client_id.to_owned()),
            client_secret: ClientSecret::new(client_secret.to_owned()),
            scopes,
            http,
            metadata: Mutex::new(None),
        })
    }

    /// The address to send the browser to, and what to remember until it is back.
    pub async fn depart(&self, callback: &str) -> Result<Departure, ProviderError> {
        let client = self.client(callback).await?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let mut request = client.authorize_url(
            AuthenticationFlow::<CoreResponseType>::AuthorizationCode,
            CsrfToken::new_random,
            Nonce::new_random,
        );
        for scope in self.scopes.iter().filter(|scope| *scope != "openid") {
            request = request.add_scope(Scope::new(scope.clone()));
        }
        let (url, state, nonce) = request.set_pkce_challenge(challenge).url();
        Ok(Departure {
            url: url.into(),
            state: state.into_secret(),
            nonce: nonce.secret().clone(),
            verifier: verifier.into_secret(),
        })
    }

    /// Takes the code to the provider; the claims of the ID token, with those of the user info beside.
    pub async fn arrive(
        &self,
        code: &str,
        callback: &str,
        nonce: &str,
        verifier: &str,
    ) -> Result<Claims, ProviderError> {
        let client = self.client(callback).await?;
        let tokens = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .map_err(|e| ProviderError::new("finding the token endpoint", e))?
            .set_pkce_verifier(PkceCodeVerifier::new(verifier.to_owned()))
            .request_async(&self.http)
            .await
            .map_err(|e| ProviderError::new("exchanging the code for tokens", e))?;
        let id_token = tokens.id_token().ok_or_else(|| {
            ProviderError::text(
                "reading the tokens",
                "there is no ID token: is `openid` among the scopes?",
            )
        })?;
        let nonce = Nonce::new(nonce.to_owned());
        let verified = match id_token.claims(&client.id_token_verifier(), &nonce) {
            Ok(claims) => claims.clone_claims(),
            Err(openidconnect::ClaimsVerificationError::SignatureVerification(_)) => {
                // The provider may have changed its keys since we asked.
                self.metadata.lock().await.take();
                let client = self.client(callback).await?;
                let claims = id_token
                    .claims(&client.id_token_verifier(), &nonce)
                    .map_err(|e| ProviderError::new("verifying the ID token", e))?;
                claims.clone_claims()
            }
            Err(error) => return Err(ProviderError::new("verifying the ID token", error)),
        };
        let (subject, mut claims) =
            verified.map_err(|e| ProviderError::new("reading the ID token", e))?;
        if let Ok(request) = client.user_info(tokens.access_token().clone(), Some(subject)) {
            let info: UserInfoClaims<OtherClaims, CoreGenderClaim> = request
                .request_async(&self.http)
                .await
                .map_err(|e| ProviderError::new("asking for the user info", e))?;
            let info = serde_json::to_value(info)
                .map_err(|e| ProviderError::new("reading the user info", e))?;
            if let serde_json::Value::Object(info) = info {
                // What is signed counts first.
                for (claim, value) in info {
                    if claims.get(&claim).is_none_or(serde_json::Value::is_null) {
                        claims.insert(claim, value);
                    }
                }
            }
        }
        Ok(claims)
    }

    async fn client(&self, callback: &str) -> Result<OidcClient, ProviderError> {
        let metadata = self.metadata().await?;
        let redirect = RedirectUrl::new(callback.to_owned())
            .map_err(|e| ProviderError::new("reading the callback's address", e))?;
        let client = Client::from_provider_metadata(
            CoreProviderMetadata::clone(&metadata),
            self.client_id.clone(),
            Some(self.client_secret.clone()),
        );
        Ok(client.set_redirect_uri(redirect))
    }

    async fn metadata(&self) -> Result<Arc<CoreProviderMetadata>, ProviderError> {
        let mut known = self.metadata.lock().await;
        if let Some((when, metadata)) = &*known
            && when.elapsed() < METADATA_FOR
        {
            return Ok(Arc::clone(metadata));
        }
        let metadata = CoreProviderMetadata::discover_async(self.issuer.clone(), &self.http)
            .await
            .map_err(|e| {
                ProviderError::new(
                    &format!(
                        "reading {}/.well-known/openid-configuration",
                        self.issuer.trim_end_matches('/')
                    ),
                    e,
                )
            })?;
        let metadata = Arc::new(metadata);
        *known = Some((Instant::now(), Arc::clone(&metadata)));
        Ok(metadata)
    }
}

/// The subject and all claims of a verified ID token.
trait CloneClaims {
    fn clone_claims(&self)
    -> Result<(openidconnect::SubjectIdentifier, Claims), serde_json::Error>;
}

impl CloneClaims for openidconnect::IdTokenClaims<OtherClaims, CoreGenderClaim> {
    fn clone_claims(
        &self,
    ) -> Result<(openidconnect::SubjectIdentifier, Claims), serde_json::Error> {
        let claims = match serde_json::to_value(self)? {
            serde_json::Value::Object(claims) => claims,
            _ => Claims::new(),
        };
        Ok((self.subject().clone(), claims))
    }
}
