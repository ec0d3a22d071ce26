// SPDX-License-Identifier: Apache-2.0
//! The configuration as compiled: what the hot path reads.
//!
//! What enters: the document (JSON), once, and a look-up for secrets. What leaves: a [`Config`] in which every name
//! is resolved, or the first thing that is wrong with its path and how to mend it. An empty server list, an unknown
//! name, an inline secret: refused.

pub mod audit;
mod compile;
mod credentials;
pub mod facts;
mod meter;
pub mod origin;
pub mod protobuf;
mod rate;
pub mod template;
#[cfg(test)]
mod tests;
pub mod wire;

pub(crate) use compile::requirement;
pub use compile::{ConfigError, Secrets};
pub use credentials::{Certificates, CredentialKind, Credentials, ForwardedHeader, Requirement};
pub use facts::{Fact, FilterState};
pub use meter::ToolMeter;
pub use rate::{RateEffect, RateLimit, RateOn, RateSource};
pub use wire::{
    Answers, DenialStyle, Drift, JwtHeader, MetricSyntax, Permission, RouteAnswer, Schemas, ScopeChallenge,
    Unmatched,
};

use crate::apikey::ApiKeys;
use crate::bundle::{BundleRules, OnExpiry};
use crate::connection::TlsVersion;
use crate::dpop::{DpopRules, NonceKey};
use crate::feed::{Endpoint, RefreshPolicy, SharedState};
use crate::introspection::Endpoints;
use crate::keys::{DiscoveryRules, KeySet, SecretSet, SlowCurve};
use crate::mcp::{Marks, ServerRequest, Target, VersionSet};
use crate::onward::Signer;
use crate::pin::Pin;
use crate::policy::Policy;
use crate::schema::Schema;
use crate::seal::SealKey;
use crate::token::IssuerRules;
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use origin::{HostName, PathRule, Url};

/// A compiled configuration.
#[derive(Debug)]
pub struct Config {
    /// How the proxy runs the filter.
    pub host_mode: HostMode,
    /// Whether route metadata may choose the server.
    pub route_metadata: RouteMetadata,
    /// Whether a filter behind the gate can tell that it was there.
    pub presence: Presence,
    /// What happens to what nothing claims.
    pub unmatched: Unmatched,
    /// MCP servers.
    pub servers: Vec<Server>,
    /// Plain routes.
    pub routes: Vec<Route>,
    /// Issuers.
    pub issuers: Vec<Issuer>,
    /// API keys.
    pub api_keys: ApiKeys,
    /// What becomes of `x-forwarded-client-cert`.
    pub forwarded: ForwardedHeader,
    /// Where policies come from.
    pub policies: Vec<PolicyOrigin>,
    /// Their names, in the same order.
    pub policy_names: Vec<Arc<str>>,
    /// Credentials that ended before their time.
    pub revocation: Revocation,
    /// Bounds.
    pub limits: Limits,
    /// How often something may happen.
    pub rates: Vec<RateLimit>,
    /// Metric names.
    pub metrics: Metrics,
    /// What of decisions goes to filter state.
    pub filter_state: FilterState,
    /// Whether answers name the rule.
    pub show_rule: ShowRule,
    /// What decisions leave behind.
    pub audit: audit::Audit,
    /// What authenticates shared data.
    pub shared_state: SharedState,
    /// What signs the gate's own tokens; there whenever an upstream gets one.
    pub signer: Option<Signer>,
    /// Makes and checks nonces for proofs of possession; there whenever a place asks for them.
    pub nonces: Option<NonceKey>,
    /// What is legal but should be known: shown by `toolgate config check`.
    pub warnings: Vec<Warning>,
}

/// Something legal that an operator should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where.
    pub path: Vec<crate::json::Segment>,
    /// What.
    pub message: String,
}

/// Design section 3, "Host modes".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostMode {
    /// Pausing in the header phase stops everything: headers may leave before the body is judged.
    Streamed,
    /// Headers are held until the body is judged.
    Held,
}

/// Whether requests are marked. A proxy's worker without a VM of the filter lets everything pass, and nothing of the gate
/// runs there: only another filter can refuse what has no mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Each is, in filter state.
    Marked,
    /// None is.
    Unmarked,
}

/// Whether route metadata is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteMetadata {
    /// It is not.
    Ignored,
    /// It may name the server.
    Read,
}

/// Whether answers name the rule that denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShowRule {
    /// They do not: the rule goes to audit and metrics only.
    Never,
    /// They do.
    Always,
}

/// An MCP server behind the gate.
#[derive(Debug)]
pub struct Server {
    /// Its name in metrics and logs.
    pub name: Arc<str>,
    /// Host names; every host if empty.
    pub hosts: Vec<HostName<'static>>,
    /// Its path.
    pub path: PathRule,
    /// Its external URL.
    pub resource: Url,
    /// That URL as written.
    pub resource_text: String,
    /// Where its RFC 9728 document is, as an absolute URL.
    pub metadata_url: String,
    /// The path of that document.
    pub metadata_path: String,
    /// The document.
    pub metadata: String,
    /// Versions that may be spoken.
    pub versions: VersionSet,
    /// Whose tokens are accepted, for which audiences.
    pub issuers: Vec<Audience>,
    /// What callers may show besides, and what they must.
    pub credentials: Credentials,
    /// The oldest TLS that a caller may use.
    pub tls: Option<TlsVersion>,
    /// Index of the policy.
    pub policy: usize,
    /// A policy that is asked beside it, and changes nothing.
    pub shadow: Option<Candidate>,
    /// The role of callers without credentials.
    pub anonymous: Option<Arc<str>>,
    /// How denials are worded.
    pub denial: DenialStyle,
    /// Which scopes a challenge names when a token opens too little.
    pub scope_challenge: ScopeChallenge,
    /// Known tools, sorted by name.
    pub tools: Vec<Tool>,
    /// Whether arguments have to fit schemas.
    pub schemas: Schemas,
    /// What becomes of tools that are not the pinned ones.
    pub drift: Drift,
    /// What becomes of tasks.
    pub tasks: Tasks,
    /// Whether sessions stay with who began them.
    pub sessions: Sessions,
    /// What it may ask of clients.
    pub server_requests: ServerRequests,
    /// The capabilities that clients declare to it in vain.
    pub denied_capabilities: Vec<&'static str>,
    /// Which of its answers are looked into.
    pub answers: Answers,
    /// Browser origins that may call.
    pub origins: Vec<String>,
    /// Browser origins whose pages may read answers.
    pub cors: Vec<String>,
    /// What its upstream sees of the caller.
    pub upstream: Upstream,
    /// What proofs of possession have to be like, where they are accepted.
    pub dpop: Option<DpopRules>,
}

/// Whether sessions stay with who began them.
#[derive(Debug)]
pub enum Sessions {
    /// Their ids are bound to the caller under this key.
    Bound(SealKey),
    /// They are as the server has them.
    Unbound,
}

/// What becomes of a server's tasks.
#[derive(Debug)]
pub enum Tasks {
    /// Their ids are bound to caller and tool under this key.
    Bound(SealKey),
    /// They are as the server has them: who knows an id may use it.
    Unbound,
    /// There are none.
    Off,
}

/// What a server may ask of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerRequests {
    /// `sampling/createMessage`
    pub sampling: Permission,
    /// `elicitation/create`
    pub elicitation: Permission,
    /// `roots/list`
    pub roots: Permission,
    /// What no published version knows.
    pub other: Permission,
}

impl ServerRequests {
    /// Whether that kind is allowed. What became of a client's own tasks may be asked by who may have them started.
    #[must_use]
    pub fn allows(&self, kind: ServerRequest) -> Permission {
        match kind {
            ServerRequest::Sampling => self.sampling,
            ServerRequest::Elicitation => self.elicitation,
            ServerRequest::Roots => self.roots,
            ServerRequest::Other => self.other,
            ServerRequest::ClientTask => match (self.sampling, self.elicitation) {
                (Permission::Deny, Permission::Deny) => Permission::Deny,
                (Permission::Allow, _) | (_, Permission::Allow) => Permission::Allow,
            },
        }
    }

    /// The capabilities that a client declares in vain.
    #[must_use]
    pub fn denied_capabilities(&self) -> Vec<&'static str> {
        let all = [("sampling", self.sampling), ("elicitation", self.elicitation), ("roots", self.roots)];
        all.into_iter()
            .filter(|(_, permission)| *permission == Permission::Deny)
            .map(|(name, _)| name)
            .collect()
    }
}

/// A policy that is tried out.
#[derive(Debug)]
pub struct Candidate {
    /// Its index.
    pub policy: usize,
    /// The role of callers without credentials, which it may not have.
    pub anonymous: Option<Arc<str>>,
}

/// Where a policy comes from.
#[derive(Debug)]
pub enum PolicyOrigin {
    /// The configuration.
    Inline(Rc<Policy>),
    /// It is the one that allows everyone everything.
    Development(Rc<Policy>),
    /// A URL, through a cluster, under a signature.
    Bundle(Box<PolicyBundle>),
}

impl PolicyOrigin {
    /// The policy, where the configuration has it.
    #[must_use]
    pub fn policy(&self) -> Option<&Rc<Policy>> {
        match self {
            PolicyOrigin::Inline(policy) | PolicyOrigin::Development(policy) => Some(policy),
            PolicyOrigin::Bundle(_) => None,
        }
    }
}

/// A policy that is fetched.
#[derive(Debug)]
pub struct PolicyBundle {
    /// Where.
    pub target: Endpoint,
    /// How often.
    pub refresh: RefreshPolicy,
    /// What it has to be like.
    pub rules: BundleRules,
    /// What holds once it has ended.
    pub on_expiry: OnExpiry,
}

/// A known tool.
#[derive(Debug)]
pub struct Tool {
    /// Its name: a metric label.
    pub name: Arc<str>,
    /// The operator's class for it.
    pub class: Option<Arc<str>>,
    /// What must be shown to call it, besides what its server requires.
    pub require: Requirement,
    /// The schema of its arguments, where the configuration has it.
    pub schema: Option<Schema>,
    /// Which headers mirror its arguments, where the configuration has its schema.
    pub marks: Option<Marks>,
    /// The pin of its definition, where the configuration has one.
    pub pin: Option<Pin>,
    /// How its calls are metered, where its class is one of `metrics.classes`.
    pub meter: Option<ToolMeter>,
}

/// A plain HTTP route.
#[derive(Debug)]
pub struct Route {
    /// Its name in policies, metrics and logs.
    pub name: Arc<str>,
    /// Host names; every host if empty.
    pub hosts: Vec<HostName<'static>>,
    /// Its path.
    pub path: PathRule,
    /// HTTP methods; every method if empty.
    pub methods: Vec<String>,
    /// The oldest TLS that a caller may use.
    pub tls: Option<TlsVersion>,
    /// Who may use it.
    pub access: Access,
    /// What the gate answers itself; without it requests go on.
    pub answer: Option<RouteAnswer>,
    /// What its upstream sees of the caller.
    pub upstream: Upstream,
}

/// Who may use a route.
#[derive(Debug)]
pub enum Access {
    /// Everyone.
    Anyone,
    /// Whom a policy lets through.
    Policy(Box<RouteRules>),
}

impl Route {
    /// The policy that says who may use it, if one does.
    #[must_use]
    pub fn policy(&self) -> Option<usize> {
        match &self.access {
            Access::Anyone => None,
            Access::Policy(rules) => Some(rules.policy),
        }
    }
}

/// Who may use a route under a policy.
#[derive(Debug)]
pub struct RouteRules {
    /// Index of the policy.
    pub policy: usize,
    /// Whose tokens are accepted, for which audiences.
    pub issuers: Vec<Audience>,
    /// What callers may show besides, and what they must.
    pub credentials: Credentials,
    /// The document a 401 names, if there is one.
    pub metadata_url: Option<String>,
    /// What proofs of possession have to be like, where they are accepted.
    pub dpop: Option<DpopRules>,
}

/// What an upstream sees of the caller.
#[derive(Debug)]
pub struct Upstream {
    /// What becomes of `Authorization`.
    pub authorization: Authorization,
    /// Whether it is told who calls.
    pub identity_headers: IdentityHeaders,
    /// A token of the gate's own.
    pub internal_jwt: Option<InternalJwt>,
}

/// A token of the gate's own for an upstream.
#[derive(Clone, Debug)]
pub struct InternalJwt {
    /// Its `aud`.
    pub audience: String,
    /// Where it stands.
    pub header: JwtHeader,
}

/// Whether the upstream is told who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityHeaders {
    /// It is: `x-toolgate-*`.
    Sent,
    /// It is not. What a client sends under these names is removed all the same.
    Withheld,
}

/// What becomes of the client's `Authorization`.
pub enum Authorization {
    /// Removed.
    Strip,
    /// Passed on.
    Keep,
    /// Replaced by this.
    Replace(Rc<[u8]>),
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Authorization::Strip => "Strip",
            Authorization::Keep => "Keep",
            Authorization::Replace(_) => "Replace(<secret>)",
        })
    }
}

/// One issuer at one server: which of its audiences mean this server.
#[derive(Clone, Debug)]
pub struct Audience {
    /// Index of the issuer.
    pub issuer: usize,
    /// Accepted `aud` values: the issuer's, without those that are another server's resource.
    pub accepted: Vec<String>,
}

/// An authorization server whose tokens are accepted.
#[derive(Debug)]
pub struct Issuer {
    /// Its name in the configuration: a metric label.
    pub name: Arc<str>,
    /// How its tokens are judged.
    pub rules: IssuerRules,
    /// Where its keys come from.
    pub keys: KeyOrigin,
}

/// Where an issuer's keys come from.
#[derive(Debug)]
pub enum KeyOrigin {
    /// The environment: secrets that issuer and gate share.
    Secrets(Rc<SecretSet>),
    /// The configuration.
    Inline(Rc<KeySet>),
    /// Nowhere: the issuer itself is asked about each token.
    Introspection(Box<Endpoints>),
    /// A URL, through a cluster.
    Remote {
        /// Where.
        place: KeyPlace,
        /// How often.
        refresh: RefreshPolicy,
    },
}

/// Where a key set is that is fetched.
#[derive(Debug)]
pub enum KeyPlace {
    /// At a URL of the configuration.
    At(Endpoint),
    /// Where the issuer's metadata says.
    Discovered {
        /// Where that may be, in the order in which it is looked for.
        places: Vec<Endpoint>,
        /// How it is read.
        rules: DiscoveryRules,
    },
}

/// Credentials that ended before their time.
#[derive(Debug)]
pub struct Revocation {
    /// Lists of the configuration.
    pub lists: Vec<RevocationList>,
    /// Lists that are fetched.
    pub feeds: Vec<RevocationFeed>,
}

/// A revocation list of the configuration.
#[derive(Debug)]
pub struct RevocationList {
    /// Index of the issuer whose tokens it is about; all credentials if there is none.
    pub issuer: Option<usize>,
    /// What it says.
    pub list: crate::revocation::ListWire,
}

/// A revocation list that is fetched.
#[derive(Debug)]
pub struct RevocationFeed {
    /// Its name: a metric label.
    pub name: Arc<str>,
    /// Index of the issuer whose tokens it is about; all credentials if there is none.
    pub issuer: Option<usize>,
    /// Where.
    pub target: Endpoint,
    /// How often.
    pub refresh: RefreshPolicy,
    /// What holds while no list comes.
    pub on_failure: crate::revocation::OnFailure,
    /// In which form it comes.
    pub form: ListForm,
}

/// In which form a revocation list comes.
#[derive(Debug)]
pub enum ListForm {
    /// One JSON document.
    Json,
    /// A manifest that one of these has signed under a name, and shards.
    Shards(crate::revocation::Packers),
}

/// Bounds, resolved.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest request body, in bytes.
    pub body: usize,
    /// JSON bounds of requests.
    pub json: crate::json::Limits,
    /// Largest list answer and stream event, in bytes.
    pub answer: usize,
    /// Longest time for which a client may keep a list, in milliseconds.
    pub list_ttl_millis: u64,
    /// Largest token, in bytes.
    pub token: usize,
    /// Tokens remembered.
    pub token_cache: usize,
    /// What they may take, in bytes.
    pub token_cache_bytes: usize,
    /// How long a request waits, for keys or for what an issuer says of its token, in milliseconds.
    pub wait_millis: u32,
    /// Requests waiting at once.
    pub waiting: usize,
    /// How long a bound session lasts, in seconds.
    pub session_secs: u64,
    /// Milliseconds of each second for costly signatures.
    pub verify_millis: u32,
    /// Whether ES384 is verified in the module.
    pub slow_curve: SlowCurve,
}

/// Metric names, resolved.
#[derive(Clone, Copy, Debug)]
pub struct Metrics {
    /// How labels are written.
    pub syntax: MetricSyntax,
    /// How many series one VM defines.
    pub max_series: usize,
}

impl Config {
    /// Whether records or limits have the caller's address, so that it is worth asking for. Rules that look at it say so
    /// themselves.
    #[must_use]
    pub fn looks_at_source(&self) -> bool {
        self.audit.source == audit::Source::Recorded
            || self.rates.iter().any(|limit| limit.source == RateSource::Needed)
    }

    /// Whether some issuer is asked about its tokens.
    #[must_use]
    pub fn asks_issuers(&self) -> bool {
        self.issuers.iter().any(|issuer| matches!(issuer.keys, KeyOrigin::Introspection(_)))
    }

    /// The names of policies that allow everyone everything.
    pub fn insecure(&self) -> impl Iterator<Item = &str> {
        let each = self.policies.iter().zip(&self.policy_names);
        each.filter(|(origin, _)| matches!(origin, PolicyOrigin::Development(_))).map(|(_, name)| &**name)
    }
}

impl Server {
    /// Whether requests to `host` are its.
    #[must_use]
    pub fn takes_host(&self, host: &HostName<'_>) -> bool {
        self.hosts.is_empty() || self.hosts.iter().any(|own| own.covers(host))
    }

    /// The document that a challenge names: where no token is accepted, it would send clients to nobody.
    #[must_use]
    pub fn challenge_url(&self) -> Option<&str> {
        (!self.issuers.is_empty()).then_some(self.metadata_url.as_str())
    }

    /// The index of a known tool.
    #[must_use]
    pub fn tool_index(&self, name: &str) -> Option<usize> {
        self.tools.binary_search_by(|tool| (*tool.name).cmp(name)).ok()
    }

    /// A known tool, with its index.
    #[must_use]
    pub fn tool(&self, name: &str) -> Option<(usize, &Tool)> {
        let at = self.tool_index(name)?;
        Some((at, self.tools.get(at)?))
    }

    /// The known tool that a call is aimed at, with its index.
    #[must_use]
    pub fn tool_of(&self, target: &Target<'_>) -> Option<(usize, &Tool)> {
        let Target::Tool(name) = target else { return None };
        self.tool(name)
    }

    /// The class that the catalogue gives to the tool that a call is aimed at.
    #[must_use]
    pub fn class_of(&self, target: &Target<'_>) -> Option<&str> {
        self.tool_of(target)?.1.class.as_deref()
    }
}
