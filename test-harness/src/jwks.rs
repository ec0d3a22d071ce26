//! A foreign issuer: its keys are made here, its tokens are signed by `jsonwebtoken`, and it misbehaves on request.

use std::{
    fmt,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Result, anyhow};
use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as URL};
use jsonwebtoken::{Algorithm, EncodingKey};
use p256::pkcs8::EncodePrivateKey;
use rsa::{
    pkcs1::EncodeRsaPrivateKey,
    rand_core::{OsRng, RngCore},
    traits::PublicKeyParts,
};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::serve::Server;

/// A key pair of the foreign issuer.
#[derive(Clone)]
pub struct Key {
    /// Its name in tokens and in the JWKS.
    pub id: String,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// The public half, as it stands in a JWKS.
    pub jwk: Value,
    signing: EncodingKey,
}

impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Key")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

impl Key {
    /// A fresh key for `algorithm`: RSA with 2,048 bits, on the curve that it names, or 64 bytes of a secret.
    ///
    /// # Errors
    /// If no key can be made.
    pub fn generate(id: &str, algorithm: Algorithm) -> Result<Self> {
        let (signing, mut jwk) = match algorithm {
            Algorithm::RS256 | Algorithm::RS384 | Algorithm::RS512 => rsa_key()?,
            Algorithm::PS256 | Algorithm::PS384 | Algorithm::PS512 => rsa_key()?,
            Algorithm::ES256 => ec_key()?,
            Algorithm::ES384 => p384_key()?,
            Algorithm::EdDSA => ed25519_key()?,
            Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => secret_key(),
            other => return Err(anyhow!("no keys for {other:?} here")),
        };
        jwk["kid"] = json!(id);
        jwk["use"] = json!("sig");
        jwk["alg"] = json!(name(algorithm));
        Ok(Self { id: id.to_owned(), algorithm, jwk, signing })
    }

    /// The same key for all algorithms of its kind: its JWK names none (RFC 7517 section 4.4).
    #[must_use]
    pub fn unbound(mut self) -> Self {
        if let Some(jwk) = self.jwk.as_object_mut() {
            jwk.remove("alg");
        }
        self
    }

    /// The same key, signing with another algorithm of its kind.
    #[must_use]
    pub fn with_algorithm(&self, algorithm: Algorithm) -> Self {
        Self { algorithm, ..self.clone() }
    }

    /// Signs `claims` under the usual header.
    ///
    /// # Errors
    /// If signing fails.
    pub fn sign(&self, claims: &Value) -> Result<String> {
        let header = json!({ "typ": "at+jwt", "alg": name(self.algorithm), "kid": self.id });
        self.sign_raw(&header.to_string(), &claims.to_string())
    }

    /// Signs exactly these header and payload texts.
    ///
    /// # Errors
    /// If signing fails.
    pub fn sign_raw(&self, header: &str, payload: &str) -> Result<String> {
        let message = format!("{}.{}", URL.encode(header), URL.encode(payload));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.signing, self.algorithm)?;
        Ok(format!("{message}.{signature}"))
    }
}

fn name(algorithm: Algorithm) -> String {
    format!("{algorithm:?}")
}

fn rsa_key() -> Result<(EncodingKey, Value)> {
    let private = rsa::RsaPrivateKey::new(&mut OsRng, 2048)?;
    let jwk = json!({
        "kty": "RSA",
        "n": URL.encode(private.n().to_bytes_be()),
        "e": URL.encode(private.e().to_bytes_be()),
    });
    Ok((EncodingKey::from_rsa_der(private.to_pkcs1_der()?.as_bytes()), jwk))
}

fn ec_key() -> Result<(EncodingKey, Value)> {
    let private = p256::SecretKey::random(&mut OsRng);
    let jwk = serde_json::from_str(&private.public_key().to_jwk_string())?;
    Ok((EncodingKey::from_ec_der(private.to_pkcs8_der()?.as_bytes()), jwk))
}

fn p384_key() -> Result<(EncodingKey, Value)> {
    let private = p384::SecretKey::random(&mut OsRng);
    let jwk = serde_json::from_str(&private.public_key().to_jwk_string())?;
    Ok((EncodingKey::from_ec_der(private.to_pkcs8_der()?.as_bytes()), jwk))
}

fn ed25519_key() -> Result<(EncodingKey, Value)> {
    let private = ed25519_dalek::SigningKey::generate(&mut OsRng);
    let x = URL.encode(private.verifying_key().as_bytes());
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": x });
    Ok((EncodingKey::from_ed_der(private.to_pkcs8_der()?.as_bytes()), jwk))
}

fn secret_key() -> (EncodingKey, Value) {
    let mut secret = [0; 64];
    OsRng.fill_bytes(&mut secret);
    (EncodingKey::from_secret(&secret), json!({ "kty": "oct", "k": URL.encode(secret) }))
}

/// The seconds since 1970.
#[must_use]
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[derive(Debug)]
struct Shared {
    keys: Mutex<Vec<Key>>,
    fetches: AtomicU64,
    status: Mutex<StatusCode>,
    cache_control: Mutex<Option<String>>,
    held: watch::Sender<bool>,
}

/// A running foreign issuer; stopped on drop.
#[derive(Debug)]
pub struct TestIssuer {
    server: Server,
    shared: Arc<Shared>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl TestIssuer {
    /// Starts it with one RS256 and one ES256 key.
    ///
    /// # Errors
    /// If no key can be made or no port bound.
    pub fn start() -> Result<Self> {
        let keys = vec![Key::generate("rsa-1", Algorithm::RS256)?, Key::generate("ec-1", Algorithm::ES256)?];
        let shared = Arc::new(Shared {
            keys: Mutex::new(keys),
            fetches: AtomicU64::new(0),
            status: Mutex::new(StatusCode::OK),
            cache_control: Mutex::new(None),
            held: watch::Sender::new(false),
        });
        let router = Router::new().route("/jwks", get(jwks)).with_state(Arc::clone(&shared));
        Ok(Self { server: Server::axum(router)?, shared })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Its name in tokens: the claim `iss`.
    #[must_use]
    pub fn issuer(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Where its keys are.
    #[must_use]
    pub fn jwks_uri(&self) -> String {
        format!("{}/jwks", self.issuer())
    }

    /// The first key for RS256 (or the first of all, after rotations that left none).
    ///
    /// # Errors
    /// If it has no key.
    pub fn key(&self) -> Result<Key> {
        self.key_for(Algorithm::RS256).or_else(|_| {
            lock(&self.shared.keys).first().cloned().ok_or_else(|| anyhow!("the issuer has no key"))
        })
    }

    /// The first key for `algorithm`.
    ///
    /// # Errors
    /// If there is none.
    pub fn key_for(&self, algorithm: Algorithm) -> Result<Key> {
        let keys = lock(&self.shared.keys);
        let found = keys.iter().find(|key| key.algorithm == algorithm).cloned();
        found.ok_or_else(|| anyhow!("the issuer has no key for {algorithm:?}"))
    }

    /// The key of that name.
    ///
    /// # Errors
    /// If there is none.
    pub fn key_named(&self, id: &str) -> Result<Key> {
        let keys = lock(&self.shared.keys);
        let found = keys.iter().find(|key| key.id == id).cloned();
        found.ok_or_else(|| anyhow!("the issuer has no key `{id}`"))
    }

    /// The claims of a good token for the next five minutes.
    #[must_use]
    pub fn claims(&self, subject: &str, audience: &str, roles: &[&str]) -> Value {
        json!({
            "iss": self.issuer(),
            "sub": subject,
            "aud": audience,
            "iat": now(),
            "exp": now() + 300,
            "client_id": "harness",
            "roles": roles,
        })
    }

    /// A good token.
    ///
    /// # Errors
    /// If signing fails.
    pub fn token(&self, subject: &str, audience: &str, roles: &[&str]) -> Result<String> {
        self.key()?.sign(&self.claims(subject, audience, roles))
    }

    /// Replaces all keys with one new key and gives it.
    ///
    /// # Errors
    /// If no key can be made.
    pub fn rotate(&self, id: &str, algorithm: Algorithm) -> Result<Key> {
        let key = Key::generate(id, algorithm)?;
        *lock(&self.shared.keys) = vec![key.clone()];
        Ok(key)
    }

    /// Adds a new key beside the others and gives it.
    ///
    /// # Errors
    /// If no key can be made.
    pub fn add(&self, id: &str, algorithm: Algorithm) -> Result<Key> {
        let key = Key::generate(id, algorithm)?;
        lock(&self.shared.keys).push(key.clone());
        Ok(key)
    }

    /// Puts a key beside the others.
    pub fn publish(&self, key: &Key) {
        lock(&self.shared.keys).push(key.clone());
    }

    /// How often the JWKS was asked for.
    #[must_use]
    pub fn fetches(&self) -> u64 {
        self.shared.fetches.load(Ordering::SeqCst)
    }

    /// Answers from now on with this status; 200 serves the keys.
    pub fn answer_with(&self, status: StatusCode) {
        *lock(&self.shared.status) = status;
    }

    /// Sends this `cache-control` from now on.
    pub fn cache_control(&self, value: Option<&str>) {
        *lock(&self.shared.cache_control) = value.map(str::to_owned);
    }

    /// Keeps every answer back until [`Self::release`].
    pub fn hold(&self) {
        self.shared.held.send_replace(true);
    }

    /// Lets the answers go.
    pub fn release(&self) {
        self.shared.held.send_replace(false);
    }
}

async fn jwks(State(shared): State<Arc<Shared>>) -> Response {
    shared.fetches.fetch_add(1, Ordering::SeqCst);
    let mut held = shared.held.subscribe();
    // Fails only when the sender is gone, and `shared` holds it.
    held.wait_for(|held| !held).await.ok();
    drop(held);
    let status = *lock(&shared.status);
    if status != StatusCode::OK {
        return (status, "the foreign issuer was told to fail").into_response();
    }
    let keys = lock(&shared.keys).iter().map(|key| key.jwk.clone()).collect::<Vec<_>>();
    let mut response = axum::Json(json!({ "keys": keys })).into_response();
    if let Some(value) = lock(&shared.cache_control).as_deref().and_then(|value| value.parse().ok()) {
        response.headers_mut().insert(header::CACHE_CONTROL, value);
    }
    response
}
