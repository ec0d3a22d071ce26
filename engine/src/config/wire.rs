// SPDX-License-Identifier: Apache-2.0
//! The configuration as written. [`super::compile`] turns it into what the hot path reads; nothing else does.

mod audit;
mod credentials;
mod issuer;
mod meter;
mod operation;
mod place;
mod policy;
mod rate;
mod revocation;
mod route;
#[cfg(feature = "schema")]
mod schema;
mod secret;
mod upstream;

pub use audit::{ArgumentsWire, AuditWire, CollectorWire, OutletWire, ShownWire};
pub use credentials::{
    ApiKeySetWire, ApiKeyWire, CertificateUse, ClientCertificatesWire, CredentialWire, ForwardedWire,
    HopWire, RequireWire, TlsWire,
};
pub use issuer::{
    ClaimsWire, IntrospectionWire, IssuerSecretWire, IssuerWire, JwksWire, SecretEncoding, TypWire,
};
pub use meter::{ToolKindWire, ToolMeterWire, ToolOperation};
pub use operation::{HostWire, LimitsWire, MetricSyntax, MetricsWire, Unmatched};
pub(super) use place::DEFAULT_VERSIONS;
pub use place::{
    AnonymousWire, Answers, CorsWire, DenialStyle, DpopMode, DpopWire, Drift, MatchWire, Permission, Schemas,
    ScopeChallenge, ServerRequestsWire, ServerWire, SessionsWire, TasksWire, ToolWire, ToolsWire,
};
pub use policy::{BundleWire, OnExpiryWire, PolicySourceWire};
pub use rate::{RateBy, RateCounted, RateOnWire, RateWire};
pub use revocation::{OnFailureWire, RevocationFeedWire, RevocationWire};
pub use route::{RouteAllow, RouteAnswer, RouteWire};
pub use secret::{SecretWire, SecretsWire};
pub use upstream::{AuthorizationWire, InternalJwtWire, JwtHeader, SignerWire, UpstreamWire};

use crate::json::Named;
use alloc::string::String;
use alloc::vec::Vec;
use serde::Deserialize;

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
    pub issuers: Named<IssuerWire>,
    /// Sets of API keys by name.
    #[serde(default)]
    pub api_keys: Named<ApiKeySetWire>,
    /// Client certificates that others have seen.
    #[serde(default)]
    pub client_certificates: ClientCertificatesWire,
    /// Host (with port, if not the scheme's own) to proxy cluster.
    #[serde(default)]
    pub clusters: Named<String>,
    /// Policies by name.
    #[serde(default)]
    pub policies: Named<PolicySourceWire>,
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
    /// What decisions leave behind.
    #[serde(default)]
    pub audit: AuditWire,
    /// How metrics are named and bounded.
    #[serde(default)]
    pub metrics: MetricsWire,
}
