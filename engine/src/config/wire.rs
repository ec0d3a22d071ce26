// SPDX-License-Identifier: Apache-2.0
//! The configuration as written. [`super::compile`] turns it into what the hot path reads; nothing else does.

mod credentials;
#[cfg(feature = "schema")]
mod schema;

pub use credentials::{
    ApiKeySetWire, ApiKeyWire, CertificateUse, ClientCertificatesWire, CredentialWire, ForwardedWire,
    HopWire, RequireWire, TlsWire,
};

use crate::mcp::Version;
use crate::token::DEFAULT_PATHS;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, Visitor};

/// The whole document.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ConfigWire {
    /// What the proxy's own configuration says.
    #[serde(default)]
    pub host: HostWire,
    /// What happens to requests that no server and no route claims.
    #[serde(default)]
    pub unmatched: Unmatched,
    /// MCP servers behind the gate.
    pub servers: Vec<ServerWire>,
    /// Plain HTTP beside MCP.
    #[serde(default)]
    pub routes: Vec<RouteWire>,
    /// Authorization servers by name.
    #[serde(default)]
    pub issuers: BTreeMap<String, IssuerWire>,
    /// Sets of API keys by name.
    #[serde(default)]
    pub api_keys: BTreeMap<String, ApiKeySetWire>,
    /// Client certificates that others have seen.
    #[serde(default)]
    pub client_certificates: ClientCertificatesWire,
    /// Host (with port, if not the scheme's own) to proxy cluster.
    #[serde(default)]
    pub clusters: BTreeMap<String, String>,
    /// Policies by name.
    #[serde(default)]
    pub policies: BTreeMap<String, PolicySourceWire>,
    /// Secrets of the gate itself.
    #[serde(default)]
    pub secrets: SecretsWire,
    /// What signs the gate's own tokens for upstreams.
    pub signer: Option<SignerWire>,
    /// Credentials that ended before their time.
    #[serde(default)]
    pub revocation: RevocationWire,
    /// Bounds.
    #[serde(default)]
    pub limits: LimitsWire,
    /// What decisions leave behind for access logs.
    #[serde(default)]
    pub audit: AuditWire,
    /// How metrics are named and bounded.
    #[serde(default)]
    pub metrics: MetricsWire,
}

/// `revocation`
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct RevocationWire {
    /// Lists by name; read once more, by [`crate::revocation::ListWire`].
    #[cfg_attr(feature = "schema", schemars(with = "BTreeMap<String, schema::AnyObject>"))]
    pub lists: BTreeMap<String, IgnoredAny>,
    /// Lists that are fetched, by name.
    pub feeds: BTreeMap<String, RevocationFeedWire>,
}

/// One of `revocation.feeds`
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RevocationFeedWire {
    /// Where the list is.
    pub uri: String,
    /// The issuer whose tokens it is about; all credentials if absent.
    pub issuer: Option<String>,
    /// Within how many seconds a change takes effect.
    pub refresh_seconds: Option<u32>,
    /// What holds while no list comes.
    pub on_failure: OnFailureWire,
    /// With `on_failure: close`: how old a list may be, in seconds.
    pub max_stale_seconds: Option<u32>,
    /// How long a fetch may take, in milliseconds.
    pub timeout_milliseconds: Option<u32>,
}

/// `on_failure`
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OnFailureWire {
    /// The last good list.
    KeepLast,
    /// 503.
    Close,
}

/// `host`
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct HostWire {
    /// Whether the proxy's configuration sets `allow_on_headers_stop_iteration` for this filter.
    pub headers_stop_iteration: bool,
    /// Whether a route's metadata (namespace `toolgate`, key `server`) may choose the server.
    pub route_metadata: bool,
}

/// `unmatched`
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Unmatched {
    /// 404.
    #[default]
    Refuse,
    /// Forwarded, but only for hosts that no server and no route names.
    Pass,
}

/// One of `servers`
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ServerWire {
    /// Its name in metrics, logs and audit.
    pub name: String,
    /// Which requests are its.
    #[serde(rename = "match")]
    pub matches: MatchWire,
    /// The external URL of the server: RFC 9728 resource.
    pub resource: String,
    /// The MCP versions that may be spoken.
    pub versions: Option<Vec<String>>,
    /// Whose tokens are accepted.
    #[serde(default)]
    pub issuers: Vec<String>,
    /// Which sets of API keys are accepted.
    #[serde(default)]
    pub api_keys: Vec<String>,
    /// What a client certificate is good for.
    pub client_certificates: Option<CertificateUse>,
    /// What must be shown.
    #[serde(default)]
    pub require: RequireWire,
    /// The oldest TLS that a caller may use.
    pub require_tls: Option<TlsWire>,
    /// Which policy judges.
    pub policy: String,
    /// Which policy is asked beside it, without changing an answer.
    pub shadow_policy: Option<String>,
    /// Who callers without credentials are.
    pub anonymous: Option<AnonymousWire>,
    /// How denials are worded.
    #[serde(default)]
    pub denial: DenialStyle,
    /// What is known of its tools.
    #[serde(default)]
    pub tools: ToolsWire,
    /// Browser origins that may call.
    #[serde(default)]
    pub origins: Vec<String>,
    /// Cross-origin resource sharing.
    #[serde(default)]
    pub cors: CorsWire,
    /// What the upstream sees.
    #[serde(default)]
    pub upstream: UpstreamWire,
    /// Proof of possession (RFC 9449); not accepted if absent.
    pub dpop: Option<DpopWire>,
    /// Scopes that the metadata document advertises.
    #[serde(default)]
    pub scopes_supported: Vec<String>,
    /// What the server may ask of clients.
    #[serde(default)]
    pub server_requests: ServerRequestsWire,
    /// Which answers are looked into.
    #[serde(default)]
    pub answers: Answers,
    /// What becomes of tasks; bound to their callers if there is a secret for it, else denied.
    pub tasks: Option<TasksWire>,
}

/// `server_requests`
#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ServerRequestsWire {
    /// `sampling/createMessage`
    pub sampling: Permission,
    /// `elicitation/create`
    pub elicitation: Permission,
    /// `roots/list`
    pub roots: Permission,
    /// Requests and notifications that no published version knows.
    pub other: Permission,
}

impl Default for ServerRequestsWire {
    fn default() -> Self {
        ServerRequestsWire {
            sampling: Permission::Allow,
            elicitation: Permission::Allow,
            roots: Permission::Allow,
            other: Permission::Deny,
        }
    }
}

/// A plain yes or no of the operator.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// Yes.
    Allow,
    /// No.
    Deny,
}

/// `tasks`
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TasksWire {
    /// Bound to caller and tool.
    Bound,
    /// As the server has them.
    Unbound,
    /// None.
    Deny,
}

/// `answers`
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Answers {
    /// All of them.
    #[default]
    Inspect,
    /// Event streams, and JSON answers to requests for lists.
    Lists,
}

/// `dpop`
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DpopWire {
    /// Which tokens are accepted.
    pub mode: DpopMode,
    /// Algorithms that proofs may be signed with.
    pub algorithms: Option<Vec<String>>,
    /// How far `iat` may be from now, in seconds.
    pub window_seconds: Option<u32>,
    /// How long a nonce is good, in seconds; no nonces if absent.
    pub nonce_seconds: Option<u32>,
}

/// `dpop.mode`
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DpopMode {
    /// Bound tokens with a proof, unbound ones as bearer tokens.
    Accepted,
    /// Only bound tokens with a proof.
    Required,
}

/// `match`
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MatchWire {
    /// Host names; every host if absent.
    pub hosts: Option<Vec<String>>,
    /// The one path.
    pub path: Option<String>,
    /// A path and all below it, by segments.
    pub path_prefix: Option<String>,
    /// Paths of a form with open segments, like `/servers/{id}`; for routes only.
    pub path_template: Option<String>,
    /// HTTP methods, every method if absent; for routes only.
    pub methods: Option<Vec<String>>,
}

/// `anonymous`
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AnonymousWire {
    /// The role of callers without credentials.
    pub role: String,
}

/// `denial`
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DenialStyle {
    /// 403 with a JSON-RPC error.
    #[default]
    Explicit,
    /// 200 with a JSON-RPC error that a model can read.
    Readable,
    /// As if the target did not exist.
    Hidden,
}

/// `tools`
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ToolsWire {
    /// Known tools.
    pub catalogue: Vec<ToolWire>,
    /// Whether arguments have to fit the tool's schema.
    pub schemas: Schemas,
    /// What becomes of a tool that is not the one that was pinned.
    pub drift: Drift,
}

/// `tools.schemas`
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Schemas {
    /// They are not looked at.
    #[default]
    Off,
    /// They have to fit what is known.
    Check,
    /// They have to fit, and a tool whose schema is not known or not understood cannot be called.
    Require,
}

/// `tools.drift`
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Drift {
    /// It is counted.
    #[default]
    Report,
    /// It is counted, and it is not there for anybody.
    Withhold,
}

/// One of `tools.catalogue`
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ToolWire {
    /// Its name.
    pub name: String,
    /// The operator's class for it.
    pub class: Option<String>,
    /// What must be shown to call it, besides what its server requires.
    #[serde(default)]
    pub require: RequireWire,
    /// The schema of its arguments; read from the document.
    #[cfg_attr(feature = "schema", schemars(with = "Option<schema::AnyObject>"))]
    pub input_schema: Option<IgnoredAny>,
    /// The pin of its definition.
    pub pin: Option<String>,
}

/// `cors`
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct CorsWire {
    /// Origins whose pages may read answers.
    pub origins: Vec<String>,
}

/// `upstream`
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamWire {
    /// What becomes of the client's `Authorization`.
    pub authorization: AuthorizationWire,
    /// Whether the upstream is told who calls (`x-toolgate-*`).
    pub identity_headers: bool,
    /// A token of the gate's own.
    pub internal_jwt: Option<InternalJwtWire>,
}

impl Default for UpstreamWire {
    fn default() -> Self {
        UpstreamWire {
            authorization: AuthorizationWire::default(),
            identity_headers: true,
            internal_jwt: None,
        }
    }
}

/// `upstream.internal_jwt`
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct InternalJwtWire {
    /// Its `aud`.
    pub audience: String,
    /// Where it stands.
    #[serde(default)]
    pub header: JwtHeader,
}

/// `upstream.internal_jwt.header`
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum JwtHeader {
    /// `Authorization: Bearer TOKEN`
    #[default]
    #[serde(rename = "authorization")]
    Authorization,
    /// `x-toolgate-token: TOKEN`
    #[serde(rename = "x-toolgate-token")]
    Own,
}

/// `signer`
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SignerWire {
    /// Seeds of Ed25519 keys; the first signs, all are published.
    pub keys: Vec<SecretWire>,
    /// The `iss` of its tokens.
    pub issuer: String,
    /// Where the public keys are served.
    pub jwks_path: Option<String>,
    /// How long a token is good, in seconds.
    pub lifetime_seconds: Option<u32>,
}

/// `upstream.authorization`
#[derive(Debug, Default)]
pub enum AuthorizationWire {
    /// Removed.
    #[default]
    Strip,
    /// Passed on as it came.
    Keep,
    /// Replaced by this value.
    Value(SecretWire),
}

impl<'de> Deserialize<'de> for AuthorizationWire {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AuthorizationVisitor)
    }
}

struct AuthorizationVisitor;

impl<'de> Visitor<'de> for AuthorizationVisitor {
    type Value = AuthorizationWire;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`strip`, `keep` or `{ value: { env: NAME } }`")
    }

    /// Another text is not repeated: who writes one here means a credential.
    fn visit_str<E: de::Error>(self, word: &str) -> Result<AuthorizationWire, E> {
        match word {
            "strip" => Ok(AuthorizationWire::Strip),
            "keep" => Ok(AuthorizationWire::Keep),
            _ => Err(E::custom(
                "this is neither `strip` nor `keep`, and a credential cannot stand in the configuration, which is public in the proxy's dump; write `{ value: { env: NAME } }`",
            )),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<AuthorizationWire, A::Error> {
        let mut value = None;
        while let Some(name) = map.next_key::<String>()? {
            if name != "value" {
                return Err(de::Error::unknown_field(&name, &["value"]));
            }
            value = Some(map.next_value()?);
        }
        value.map(AuthorizationWire::Value).ok_or_else(|| de::Error::missing_field("value"))
    }
}

/// A secret: only ever a name in the environment.
#[derive(Debug)]
pub struct SecretWire {
    /// The name of the environment variable.
    pub env: String,
}

impl<'de> Deserialize<'de> for SecretWire {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretVisitor)
    }
}

struct SecretVisitor;

impl<'de> Visitor<'de> for SecretVisitor {
    type Value = SecretWire;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`{ env: NAME }`")
    }

    /// The text is not repeated: it may be a secret.
    fn visit_str<E: de::Error>(self, _: &str) -> Result<SecretWire, E> {
        Err(E::custom(
            "a secret cannot stand in the configuration, which is public in the proxy's dump; write `{ env: NAME }`",
        ))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretWire, A::Error> {
        let mut env = None;
        while let Some(name) = map.next_key::<String>()? {
            if name != "env" {
                return Err(de::Error::unknown_field(&name, &["env"]));
            }
            env = Some(map.next_value()?);
        }
        env.map(|env| SecretWire { env }).ok_or_else(|| de::Error::missing_field("env"))
    }
}

/// One of `routes`
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RouteWire {
    /// Its name, which policy rules may use.
    pub name: String,
    /// Which requests are its.
    #[serde(rename = "match")]
    pub matches: MatchWire,
    /// Whom it lets through without a policy.
    pub allow: Option<RouteAllow>,
    /// Whose tokens are accepted.
    #[serde(default)]
    pub issuers: Vec<String>,
    /// Which sets of API keys are accepted.
    #[serde(default)]
    pub api_keys: Vec<String>,
    /// What a client certificate is good for.
    pub client_certificates: Option<CertificateUse>,
    /// What must be shown.
    #[serde(default)]
    pub require: RequireWire,
    /// The oldest TLS that a caller may use.
    pub require_tls: Option<TlsWire>,
    /// Which policy judges.
    pub policy: Option<String>,
    /// What the gate answers itself; without it requests go on.
    pub answer: Option<RouteAnswer>,
    /// The external URL whose metadata a 401 names.
    pub resource: Option<String>,
    /// Proof of possession (RFC 9449); not accepted if absent.
    pub dpop: Option<DpopWire>,
    /// What the upstream sees.
    #[serde(default)]
    pub upstream: UpstreamWire,
}

impl RouteWire {
    /// Whether anything is written about credentials.
    pub(super) fn asks_who_calls(&self) -> bool {
        let RequireWire { credentials, acr, amr, max_age_seconds } = &self.require;
        let required =
            !(credentials.is_empty() && acr.is_empty() && amr.is_empty()) || max_age_seconds.is_some();
        required
            || self.client_certificates.is_some()
            || !(self.issuers.is_empty() && self.api_keys.is_empty())
    }
}

/// `answer` of a route
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RouteAnswer {
    /// Who calls, and what may be called.
    Whoami,
}

/// `allow` of a route
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RouteAllow {
    /// Everyone, without credentials.
    Anyone,
}

/// One of `issuers`
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct IssuerWire {
    /// The `iss` of its tokens, compared exactly.
    pub issuer: String,
    /// Accepted audiences.
    pub audiences: Vec<String>,
    /// Accepted signature algorithms.
    pub algorithms: Vec<String>,
    /// Where its keys are.
    #[serde(default)]
    pub jwks: JwksWire,
    /// The secrets that it shares with the gate, instead of keys.
    #[serde(default)]
    pub secrets: Vec<IssuerSecretWire>,
    /// Where claims are found.
    #[serde(default)]
    pub claims: ClaimsWire,
    /// Clock leeway in seconds.
    pub leeway_seconds: Option<u32>,
    /// Which `typ` its tokens have.
    #[serde(default)]
    pub typ: TypWire,
    /// Longest accepted time from `iat` to `exp`, in seconds.
    pub max_lifetime_seconds: Option<u64>,
    /// Longest accepted time since `iat`, in seconds.
    pub max_age_seconds: Option<u64>,
    /// The only clients whose tokens are accepted.
    pub clients: Option<Vec<String>>,
    /// Claims that must be there.
    #[serde(default)]
    pub required_claims: Vec<String>,
}

/// `typ`
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TypWire {
    /// RFC 9068: `at+jwt`.
    #[default]
    Strict,
    /// Also `JWT` or none.
    Relaxed,
}

/// One of `secrets` of an issuer
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct IssuerSecretWire {
    /// The `kid` that tokens name it by.
    pub id: Option<String>,
    /// The secret.
    pub value: SecretWire,
    /// How the environment writes it.
    #[serde(default)]
    pub encoding: SecretEncoding,
    /// From when it counts no more.
    pub until: Option<String>,
}

/// `encoding` of a secret
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SecretEncoding {
    /// The bytes of the text.
    #[default]
    Plain,
    /// As `k` of a JWK (RFC 7518 section 6.4.1).
    Base64url,
}

/// `jwks`
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct JwksWire {
    /// Fetched from here.
    pub uri: Option<String>,
    /// Written here; read from the document, since it is kept as it is.
    #[cfg_attr(feature = "schema", schemars(with = "Option<schema::AnyObject>"))]
    pub inline: Option<IgnoredAny>,
    /// Shortest time between fetches, in seconds.
    pub min_refresh_seconds: Option<u32>,
    /// Longest time between fetches, in seconds.
    pub max_refresh_seconds: Option<u32>,
    /// How long the last good keys serve while fetching fails, in seconds.
    pub max_stale_seconds: Option<u32>,
    /// How long one fetch may take, in milliseconds.
    pub timeout_milliseconds: Option<u32>,
}

/// `claims`
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ClaimsWire {
    /// Claims that hold roles.
    pub roles: Vec<String>,
    /// Claims that hold scopes.
    pub scopes: Vec<String>,
    /// Claims that hold groups.
    pub groups: Vec<String>,
}

impl Default for ClaimsWire {
    fn default() -> Self {
        let list = |names: &[&str]| names.iter().map(|name| String::from(*name)).collect();
        let [roles, scopes, groups] = DEFAULT_PATHS.map(list);
        ClaimsWire { roles, scopes, groups }
    }
}

/// One of `policies`
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PolicySourceWire {
    /// The policy itself; compiled from the document.
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::policy::wire::PolicyWire>"))]
    pub inline: Option<IgnoredAny>,
}

/// `secrets`
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct SecretsWire {
    /// The key under which shared data is authenticated; without it nothing is shared between workers.
    pub shared_state: Option<SecretWire>,
}

/// `limits`
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct LimitsWire {
    /// Largest request body, in bytes.
    pub max_body_bytes: usize,
    /// Deepest JSON of a request.
    pub max_json_depth: usize,
    /// Largest list answer that is filtered, and largest event of a stream, in bytes.
    pub max_answer_bytes: usize,
    /// Longest time for which a client may keep a list, in milliseconds.
    pub max_list_ttl_milliseconds: u64,
    /// Largest token, in bytes.
    pub max_token_bytes: usize,
    /// Tokens remembered in each VM.
    pub token_cache_entries: usize,
    /// How long a request waits for keys, in milliseconds.
    pub max_wait_milliseconds: u32,
    /// Requests that wait for keys at once in one VM.
    pub max_waiting: usize,
    /// How much of each second one VM may spend on costly signatures, in milliseconds.
    pub verify_milliseconds_per_second: u32,
    /// Whether ES384 is verified in the module where the proxy cannot.
    pub es384_in_module: bool,
}

impl Default for LimitsWire {
    fn default() -> Self {
        LimitsWire {
            max_body_bytes: 1 << 20,
            max_json_depth: 64,
            max_answer_bytes: 4 << 20,
            max_list_ttl_milliseconds: 60_000,
            max_token_bytes: 8_192,
            token_cache_entries: 4_096,
            max_wait_milliseconds: 5_000,
            max_waiting: 1_024,
            verify_milliseconds_per_second: 100,
            es384_in_module: false,
        }
    }
}

/// `audit`
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct AuditWire {
    /// Whether decisions are written to filter state (`wasm.toolgate_*`) for access logs and traces.
    pub filter_state: bool,
    /// Whether answers name the rule that denied.
    pub show_rule: bool,
}

/// `metrics`
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct MetricsWire {
    /// How labels are written into names.
    pub syntax: MetricSyntax,
    /// How many series one VM may define.
    pub max_series: usize,
}

impl Default for MetricsWire {
    fn default() -> Self {
        MetricsWire { syntax: MetricSyntax::default(), max_series: 5_000 }
    }
}

/// `metrics.syntax`
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum MetricSyntax {
    /// `name;label=value`, for the shipped stats tags.
    #[default]
    Envoy,
    /// `name.label=.=value;.;`, for Istio's extra stat tags.
    Istio,
    /// `name_label_value`, for hosts that know no tags.
    Flat,
}

/// The versions a server speaks unless it says otherwise.
pub(super) const DEFAULT_VERSIONS: [Version; 4] =
    [Version::V2025_03_26, Version::V2025_06_18, Version::V2025_11_25, Version::V2026_07_28];
