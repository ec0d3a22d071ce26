// SPDX-License-Identifier: Apache-2.0
//! Everything that is counted, as one table: name, kind, labels, and what it says.
//!
//! The unit is the end of the name. Histograms of the host take whole numbers, so durations are in `_milliseconds` or
//! `_microseconds`.

use super::Label;

/// How a metric behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Is set.
    Gauge,
    /// Goes up by one where a sample is 1, and down by one where it is 0; a gauge to who reads it.
    Level,
    /// A distribution of whole numbers.
    Histogram,
}

/// Makes the enum and its tables out of `Name: Kind "name" [Labels] "help";`. The labels stand in the order in which
/// they are written into names.
macro_rules! catalogue {
    ($($metric:ident: $kind:ident $name:literal [$($label:ident),*] $help:literal;)*) => {
        /// Everything that is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Metric {
            $(#[doc = $help] $metric,)*
        }

        impl Metric {
            /// The whole catalogue.
            pub const ALL: &'static [Metric] = &[$(Metric::$metric),*];

            /// Its name, unit included.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Metric::$metric => $name,)* }
            }

            /// How it behaves.
            #[must_use]
            pub fn kind(self) -> Kind {
                match self { $(Metric::$metric => Kind::$kind,)* }
            }

            /// What it says, for people.
            #[must_use]
            pub fn help(self) -> &'static str {
                match self { $(Metric::$metric => $help,)* }
            }

            /// Its labels, in the order in which they are written.
            #[must_use]
            pub fn labels(self) -> &'static [Label] {
                match self { $(Metric::$metric => &[$(Label::$label),*],)* }
            }
        }
    };
}

catalogue! {
    Requests: Counter "toolgate_requests_total" [Server, Method, Tool, Decision, Reason]
        "requests by server or route, MCP method, tool, decision and reason";
    Answers: Counter "toolgate_answers_total" [Server, Route, Method, Tool, Status]
        "what became of requests: answers by status, denials included";
    Errors: Counter "toolgate_errors_total" [Server, Class]
        "denials and failed answers by class";
    UpstreamDuration: Histogram "toolgate_upstream_duration_milliseconds" [Server, Method, Tool]
        "time from the verdict to the answer in milliseconds";
    RequestBytes: Counter "toolgate_request_bytes_total" [Server]
        "bytes of request bodies";
    AnswerBytes: Counter "toolgate_answer_bytes_total" [Server]
        "bytes of answer bodies, as the server sent them";
    ClassInFlight: Level "toolgate_class_in_flight" [Server, Class]
        "calls under way by class of tool";
    ClassCalls: Counter "toolgate_class_calls_total" [Server, Class, Operation, Type, Status]
        "finished calls by class of tool, operation, type and status";
    ClassDuration: Histogram "toolgate_class_duration_milliseconds" [Server, Class, Type]
        "time from the verdict to the answer in milliseconds by class of tool";
    ClassTokens: Counter "toolgate_class_tokens_total" [Server, Class, Type]
        "tokens that results report by class of tool";
    ClassMemory: Gauge "toolgate_class_memory_bytes" [Server, Class, Type]
        "memory that the last result reported by class of tool";
    ClassTasks: Counter "toolgate_class_tasks_total" [Server, Class, Operation, Type, Status]
        "MCP tasks that calls have made, and how they ended, by class of tool";
    ClassTaskDuration: Histogram "toolgate_class_task_duration_milliseconds" [Server, Class, Type]
        "time from the call that made an MCP task to its end in milliseconds by class of tool";
    AuthAttempts: Counter "toolgate_auth_attempts_total" [Server, Credential, Result]
        "attempts to authenticate by kind of credential and result";
    DecisionDuration: Histogram "toolgate_decision_duration_microseconds" [Server]
        "time spent deciding in microseconds, without waiting for body or keys, of one request in eight";
    ApiKeyLastUsed: Gauge "toolgate_api_key_last_used_timestamp_seconds" [Key]
        "when an API key was last shown and found good, in seconds since 1970";
    ApiKeyExpires: Gauge "toolgate_api_key_expires_timestamp_seconds" [Key]
        "when an API key ends, in seconds since 1970";
    TokenCache: Counter "toolgate_token_cache_total" [Result]
        "look-ups of verified tokens by result";
    DpopProofs: Counter "toolgate_dpop_proofs_total" [Server, Result]
        "proofs of possession by what the replay cache said";
    RateLimited: Counter "toolgate_rate_limited_total" [Server, Limit, Result]
        "requests beyond a rate limit: refused, or counted in shadow";
    RateBuckets: Counter "toolgate_rate_buckets_total" [Result]
        "buckets of rate limits that were not as they should be: displaced for want of room, contended, unavailable";
    Waits: Counter "toolgate_key_waits_total" [Result]
        "requests that waited for keys by outcome";
    JwksFetches: Counter "toolgate_jwks_fetches_total" [Issuer, Result]
        "fetches of a key set by issuer and result";
    DiscoveryFetches: Counter "toolgate_discovery_fetches_total" [Issuer, Result]
        "fetches of an issuer's metadata by issuer and result";
    JwksAge: Gauge "toolgate_jwks_age_seconds" [Issuer]
        "seconds since the keys in use were fetched";
    JwksKeys: Gauge "toolgate_jwks_keys" [Issuer]
        "usable keys by issuer";
    Introspections: Counter "toolgate_introspections_total" [Issuer, Result]
        "what issuers have said of opaque tokens, and what became of asking";
    JwksLookups: Counter "toolgate_jwks_lookups_total" [Issuer, Result]
        "look-ups of a token's key in the issuer's set";
    KeyAge: Gauge "toolgate_key_age_seconds" [Issuer, Source]
        "age of the issuer's newest key in seconds";
    RevocationFetches: Counter "toolgate_revocation_fetches_total" [Feed, Result]
        "fetches of a revocation list by feed and result";
    RevocationAge: Gauge "toolgate_revocation_age_seconds" [Feed]
        "seconds since a revocation list was fetched or confirmed";
    RevocationEntries: Gauge "toolgate_revocation_entries" [Feed]
        "entries of a revocation list that was fetched";
    RevocationVersion: Gauge "toolgate_revocation_version" [Feed]
        "version of a signed revocation list";
    ListItems: Counter "toolgate_list_items_total" [Server, Result]
        "items of list answers, kept or removed";
    StreamsEnded: Counter "toolgate_streams_ended_total" [Server, Reason]
        "event streams that were ended, by reason";
    AnswerFaults: Counter "toolgate_answer_faults_total" [Server, Reason]
        "answers withheld because they could not be filtered, by reason";
    ServerRequests: Counter "toolgate_server_requests_total" [Server, Decision, Result]
        "what servers ask of clients, by kind and decision";
    ToolPins: Counter "toolgate_tool_pins_total" [Server, Tool, Result]
        "definitions of pinned tools, by tool and result";
    SharedRejected: Counter "toolgate_shared_data_rejected_total" [Result]
        "values of shared data that were not used, by reason";
    SeriesOverflow: Counter "toolgate_series_overflow_total" []
        "samples without a series of their own because the cap on series was reached";
    PolicyLoads: Counter "toolgate_policy_loads_total" [Policy, Result]
        "fetches of policy bundles by policy and result";
    PolicyVersion: Gauge "toolgate_policy_version" [Policy]
        "version of the bundle that is held";
    PolicyAge: Gauge "toolgate_policy_age_seconds" [Policy]
        "seconds since the bundle was fetched or confirmed";
    PolicyExpires: Gauge "toolgate_policy_expires_timestamp_seconds" [Policy]
        "when the bundle that is held ends, in seconds since 1970";
    PolicyInForce: Gauge "toolgate_policy_in_force" [Policy]
        "1 while a policy that is fetched is in force, 0 while nobody is let in for want of it";
    Insecure: Gauge "toolgate_insecure" []
        "1 where a policy allows everyone everything, else 0";
    Shadow: Counter "toolgate_shadow_total" [Server, Policy, Revision, Live, Shadow, Rule]
        "verdicts beside what rules or policies in shadow would have said";
    AnswersDenied: Counter "toolgate_answers_denied_total" [Server, Policy, Revision, Rule]
        "answers that a rule of the policy has withheld";
    AuditRecords: Counter "toolgate_audit_records_total" [Outlet, Result]
        "audit records by outlet: written, dropped because too much waits, or allows that are not kept";
    AuditBatches: Counter "toolgate_audit_batches_total" [Result]
        "batches of audit records for the collector by what became of them";
    ComponentHealthy: Gauge "toolgate_component_healthy" [Component]
        "1 while a component of the gate works, 0 while it does not";
    BuildInfo: Gauge "toolgate_build_info" [Version]
        "always 1, with the version of the plugin";
}
