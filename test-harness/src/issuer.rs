//! The development issuer: `toolgate issuer` as a child process.

use std::{net::SocketAddr, process::Command, time::Duration};

use anyhow::{Context, Result, anyhow, ensure};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as URL};
use rsa::rand_core::{OsRng, RngCore};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{envoy::http, foreign, paths, process::Process};

/// What `toolgate issuer` says on its first line.
#[derive(Clone, Debug, Deserialize)]
pub struct Endpoints {
    /// The claim `iss`.
    pub issuer: String,
    /// Where the keys are.
    pub jwks_uri: String,
    /// Where tokens are given out.
    pub token_endpoint: String,
    /// Where people log in.
    pub authorization_endpoint: String,
    /// Where it is driven from.
    pub admin: String,
}

/// What a login through a browser gave.
#[derive(Clone, Debug)]
pub struct Login {
    /// The client that registered itself for it.
    pub client: String,
    /// The access token.
    pub access: String,
    /// What renews it, once.
    pub refresh: String,
}

/// A running `toolgate issuer`; ended on drop.
#[derive(Debug)]
pub struct Issuer {
    process: Process,
    endpoints: Endpoints,
}

/// A client of the issuer: its secret is its name and `-secret`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// Roles: developer.
    Alice,
    /// Roles: readonly.
    Bob,
    /// Roles: admin.
    Root,
    /// No roles.
    Carol,
}

impl Client {
    /// Its client id.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Alice => "alice",
            Self::Bob => "bob",
            Self::Root => "root",
            Self::Carol => "carol",
        }
    }
}

impl Issuer {
    /// Starts it on a free port.
    ///
    /// # Errors
    /// If the binary is missing or does not say where it listens.
    pub async fn start() -> Result<Self> {
        Self::start_with(&["--token-lifetime", "1h"]).await
    }

    /// The same with other options.
    ///
    /// # Errors
    /// If the binary is missing or does not say where it listens.
    pub async fn start_with(options: &[&str]) -> Result<Self> {
        let mut command = Command::new(paths::toolgate()?);
        command.args(["issuer", "--listen", "127.0.0.1:0"]).args(options);
        let (process, line) =
            Process::start_with_line("toolgate issuer", command, Duration::from_secs(20)).await?;
        let endpoints = serde_json::from_str(&line)
            .with_context(|| format!("`toolgate issuer` said `{}` instead of its endpoints", line.trim()))?;
        Ok(Self { process, endpoints })
    }

    /// Where everything is.
    #[must_use]
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// Where it listens.
    ///
    /// # Errors
    /// If its URL does not hold an address.
    pub fn address(&self) -> Result<SocketAddr> {
        let authority = self.endpoints.issuer.strip_prefix("http://").unwrap_or_default();
        let authority = authority.split('/').next().unwrap_or_default();
        authority.parse().with_context(|| format!("`{}` has no address", self.endpoints.issuer))
    }

    /// A token by the client credentials grant.
    ///
    /// # Errors
    /// If the issuer refuses.
    pub async fn token(&self, client: Client, resource: &str) -> Result<String> {
        let secret = format!("{}-secret", client.id());
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", client.id()),
            ("client_secret", &secret),
            ("resource", resource),
        ];
        let answer = http()?.post(&self.endpoints.token_endpoint).form(&form).send().await?;
        let status = answer.status();
        let body: Value = answer.json().await?;
        ensure!(status.is_success(), "the issuer refused a token for {}: {status} {body}", client.id());
        token_in(&body, "access_token")
    }

    /// Registers a client and logs a user in through the page: authorization code with PKCE.
    ///
    /// # Errors
    /// If the issuer refuses.
    pub async fn log_in(&self, user: Client, resource: &str) -> Result<Login> {
        const BACK: &str = "http://127.0.0.1/callback";
        let metadata = json!({
            "client_name": "the harness",
            "redirect_uris": [BACK],
            "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"],
        });
        let url = format!("{}/register", self.endpoints.issuer);
        let registered: Value = http()?.post(&url).json(&metadata).send().await?.json().await?;
        let client = token_in(&registered, "client_id")?;
        let verifier = URL.encode(rand_bytes());
        let challenge = URL.encode(Sha256::digest(&verifier));
        let query = [
            ("response_type", "code"),
            ("client_id", &client),
            ("redirect_uri", BACK),
            ("resource", resource),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        let page = reqwest::Url::parse_with_params(&self.endpoints.authorization_endpoint, query)?;
        let back = foreign::consent(page.as_str(), user.id(), &format!("{}-password", user.id())).await?;
        let back = reqwest::Url::parse(&back)?;
        let code = back.query_pairs().find(|(name, _)| name == "code").map(|(_, code)| code.into_owned());
        let code = code.ok_or_else(|| anyhow!("no code in `{back}`"))?;
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", &client),
            ("code", &code),
            ("redirect_uri", BACK),
            ("code_verifier", &verifier),
        ];
        self.tokens(&client, &form).await
    }

    /// Trades the refresh token of a login for the next tokens.
    ///
    /// # Errors
    /// If the issuer refuses.
    pub async fn renew(&self, login: &Login) -> Result<Login> {
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", login.client.as_str()),
            ("refresh_token", login.refresh.as_str()),
        ];
        self.tokens(&login.client, &form).await
    }

    async fn tokens(&self, client: &str, form: &[(&str, &str)]) -> Result<Login> {
        let answer = http()?.post(&self.endpoints.token_endpoint).form(form).send().await?;
        let status = answer.status();
        let body: Value = answer.json().await?;
        ensure!(status.is_success(), "the issuer refused tokens: {status} {body}");
        let (access, refresh) = (token_in(&body, "access_token")?, token_in(&body, "refresh_token")?);
        Ok(Login { client: client.to_owned(), access, refresh })
    }

    /// Signs any claims with the current key.
    ///
    /// # Errors
    /// If the issuer refuses.
    pub async fn mint(&self, claims: &Value) -> Result<String> {
        let body = self.admin("/mint", &json!({ "claims": claims })).await?;
        token_in(&body, "access_token").or_else(|_| token_in(&body, "token"))
    }

    /// Makes the issuer sign with a new key.
    ///
    /// # Errors
    /// If the issuer refuses.
    pub async fn rotate(&self, algorithm: Option<&str>) -> Result<()> {
        let wish = algorithm.map_or_else(|| json!({}), |algorithm| json!({ "algorithm": algorithm }));
        self.admin("/rotate", &wish).await.map(drop)
    }

    async fn admin(&self, path: &str, body: &Value) -> Result<Value> {
        let url = format!("{}{path}", self.endpoints.admin);
        let answer = http()?.post(&url).json(body).send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        ensure!(status.is_success(), "`{url}` answered {status}: {text}");
        Ok(serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// What it wrote so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log().snapshot()
    }
}

fn rand_bytes() -> [u8; 32] {
    let mut bytes = [0; 32];
    OsRng.fill_bytes(&mut bytes);
    bytes
}

fn token_in(body: &Value, name: &str) -> Result<String> {
    let token = body.get(name).and_then(Value::as_str).map(str::to_owned);
    token.ok_or_else(|| anyhow!("no `{name}` in {body}"))
}
