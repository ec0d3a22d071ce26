// SPDX-License-Identifier: Apache-2.0
//! What stands in records, member by member. Docs/audit.md has the same table.

use super::chain::Head;
use super::key::Seal;
use super::write::Members;
use crate::flow::Outcome;
use core::fmt::Write;
use core::net::IpAddr;

/// Where the lines of a stream go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outlet {
    /// The proxy's own log.
    Log,
    /// The proxy's access log, by filter state.
    AccessLog,
    /// An HTTP collector.
    Collector,
}

impl Outlet {
    /// All of them.
    pub const ALL: [Outlet; 3] = [Outlet::Log, Outlet::AccessLog, Outlet::Collector];

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Outlet::Log => "log",
            Outlet::AccessLog => "access_log",
            Outlet::Collector => "collector",
        }
    }
}

/// A policy by name, version and digest.
#[derive(Clone, Copy, Debug)]
pub struct PolicyName<'r> {
    /// Its name in the configuration.
    pub name: &'r str,
    /// The version it was given, if any.
    pub version: Option<&'r str>,
    /// SHA-256 of its document.
    pub digest: &'r [u8; 32],
}

impl PolicyName<'_> {
    /// Writes its members.
    pub fn write(&self, members: &mut Members<'_>) {
        members.text("name", self.name);
        members.text_if("version", self.version);
        members.hex("digest", self.digest);
    }
}

/// A stream begins.
#[derive(Clone, Copy, Debug)]
pub struct Start<'r> {
    /// Version and commit of the plugin.
    pub build: &'r str,
    /// SHA-256 of the configuration.
    pub config: &'r [u8; 32],
    /// The policies in force.
    pub policies: &'r [PolicyName<'r>],
    /// Where the lines go.
    pub outlet: Outlet,
    /// How they are sealed.
    pub seal: &'r Seal,
    /// How many of a thousand allows are kept.
    pub allows_per_mille: u32,
    /// Where other streams of this outlet stood when this one began.
    pub continues: &'r [Head],
}

impl Start<'_> {
    /// Writes its members.
    pub fn write(&self, members: &mut Members<'_>) {
        members.word("outlet", self.outlet.word());
        members.word("chain", self.seal.word());
        if let Some(id) = self.seal.key_id() {
            members.hex("key", &id.0);
        }
        members.text("build", self.build);
        members.hex("config", self.config);
        let mut list = members.list("policies");
        self.policies.iter().for_each(|policy| policy.write(&mut list.item_object()));
        drop(list);
        members.number("allows_per_mille", u64::from(self.allows_per_mille));
        if !self.continues.is_empty() {
            heads(members, "continues", self.continues);
        }
    }
}

fn heads(members: &mut Members<'_>, name: &'static str, heads: &[Head]) {
    let mut list = members.list(name);
    for head in heads {
        let mut one = list.item_object();
        one.hex("stream", &head.stream.0);
        one.number("seq", head.seq);
        one.digest("mac", &head.mac);
    }
}

/// How many records there were, since the stream began.
#[derive(Clone, Copy, Debug)]
pub struct Checkpoint<'r> {
    /// Written, this one not counted.
    pub records: u64,
    /// Lost.
    pub dropped: u64,
    /// Allows that were not kept.
    pub sampled_out: u64,
    /// Where other streams of this outlet stand.
    pub heads: &'r [Head],
}

impl Checkpoint<'_> {
    /// Writes its members.
    pub fn write(&self, members: &mut Members<'_>) {
        members.number("records", self.records);
        members.number("dropped", self.dropped);
        members.number("sampled_out", self.sampled_out);
        if !self.heads.is_empty() {
            heads(members, "heads", self.heads);
        }
    }
}

/// Records were lost before they got into the chain, or on the way out of it.
#[derive(Clone, Copy, Debug)]
pub struct Gap {
    /// How many.
    pub records: u64,
    /// Why.
    pub reason: &'static str,
}

impl Gap {
    /// Writes its members.
    pub fn write(&self, members: &mut Members<'_>) {
        members.number("records", self.records);
        members.text("reason", self.reason);
    }
}

/// Who calls.
#[derive(Clone, Copy, Debug)]
pub struct Principal<'r> {
    /// The subject, if there is one.
    pub subject: Option<&'r str>,
    /// Who says so.
    pub issuer: Option<&'r str>,
    /// The OAuth client.
    pub client: Option<&'r str>,
    /// `token`, `opaque`, `api_key`, `certificate` or `anonymous`.
    pub credential: &'static str,
    /// Of the API key, or of the key that signed the token.
    pub key_id: Option<&'r str>,
    /// The roles that the policy gives.
    pub roles: &'r [&'r str],
    /// Who acts for the subject, the last in the chain first (RFC 8693 section 4.1).
    pub act: &'r [&'r str],
}

impl Principal<'_> {
    /// Writes its members.
    pub fn write(&self, members: &mut Members<'_>) {
        members.text_if("subject", self.subject);
        members.text_if("issuer", self.issuer);
        members.text_if("client", self.client);
        members.word("credential", self.credential);
        members.text_if("key_id", self.key_id);
        let mut roles = members.list("roles");
        self.roles.iter().for_each(|role| roles.item(role));
        drop(roles);
        if !self.act.is_empty() {
            let mut act = members.list("act");
            self.act.iter().for_each(|actor| act.item(actor));
        }
    }
}

/// Where in a trace a request stands (W3C Trace Context, `traceparent`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace<'r> {
    /// 32 hexadecimal digits.
    pub trace: &'r str,
    /// 16 hexadecimal digits.
    pub span: &'r str,
}

impl<'r> Trace<'r> {
    /// Reads `traceparent`, version 00 or what is compatible with it. Anything else is nothing: it goes into a log.
    #[must_use]
    pub fn parse(header: &'r str) -> Option<Trace<'r>> {
        let mut parts = header.split('-');
        let (version, trace, span) = (parts.next()?, parts.next()?, parts.next()?);
        let hex = |text: &str, size: usize| {
            text.len() == size
                && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'))
                && text.bytes().any(|byte| byte != b'0')
        };
        let known = version.len() == 2 && version != "ff";
        (known && hex(trace, 32) && hex(span, 16)).then_some(Trace { trace, span })
    }
}

/// What rules in shadow would have said.
#[derive(Clone, Copy, Debug)]
pub struct Shadow<'r> {
    /// `allow` or `deny`.
    pub decision: &'static str,
    /// The rule that decides, if one does.
    pub rule: Option<&'r str>,
    /// Whose it is.
    pub policy: Option<&'r str>,
}

/// What stands of arguments: nothing, or JSON that [`super::Members`] has written, names and hashes only.
#[derive(Clone, Copy, Debug)]
pub enum Arguments<'r> {
    /// Nothing.
    LeftOut,
    /// `["/path", …]` or `{"/path":"<hash>", …}`.
    Shown(&'r str),
}

/// A verdict: the first part of a `decision` or an `authentication`, known when it falls.
#[derive(Clone, Copy, Debug)]
pub struct Decision<'r> {
    /// The decision id.
    pub id: &'r str,
    /// `x-request-id`, as the proxy has it.
    pub request_id: Option<&'r str>,
    /// Where in a trace.
    pub trace: Option<Trace<'r>>,
    /// Keyed hash of the session id.
    pub session: Option<[u8; 8]>,
    /// Who calls: an object that [`Principal::write`] has written.
    pub principal: Option<&'r str>,
    /// The caller's address.
    pub source: Option<IpAddr>,
    /// The server's name.
    pub server: Option<&'r str>,
    /// The route's name.
    pub route: Option<&'r str>,
    /// The version of MCP that the request speaks.
    pub version: Option<&'r str>,
    /// The method of HTTP.
    pub http_method: &'r str,
    /// The method of MCP.
    pub method: Option<&'r str>,
    /// The tool.
    pub tool: Option<&'r str>,
    /// A prompt's name, a resource's address or its hash.
    pub target: Option<&'r str>,
    /// The class of the tool.
    pub class: Option<&'r str>,
    /// What it is called with.
    pub arguments: Arguments<'r>,
    /// `allow` or `deny`.
    pub decision: &'static str,
    /// Why.
    pub reason: &'static str,
    /// The rule that decided.
    pub rule: Option<&'r str>,
    /// The policy that was asked.
    pub policy: Option<PolicyName<'r>>,
    /// What would have been said.
    pub shadow: Option<Shadow<'r>>,
}

impl Decision<'_> {
    /// Writes its members.
    pub fn write(&self, members: &mut Members<'_>) {
        members.text("id", self.id);
        members.text_if("request_id", self.request_id);
        members.text_if("trace_id", self.trace.map(|trace| trace.trace));
        members.text_if("span_id", self.trace.map(|trace| trace.span));
        if let Some(session) = &self.session {
            members.hex("session", session);
        }
        if let Some(principal) = self.principal {
            members.json("principal", principal);
        }
        if let Some(source) = self.source {
            let mut text = alloc::string::String::new();
            let _ = write!(text, "{source}");
            members.text("source", &text);
        }
        members.text_if("server", self.server);
        members.text_if("route", self.route);
        members.text_if("version", self.version);
        members.text("http_method", self.http_method);
        members.text_if("method", self.method);
        members.text_if("tool", self.tool);
        members.text_if("target", self.target);
        members.text_if("class", self.class);
        if let Arguments::Shown(json) = self.arguments {
            members.json("arguments", json);
        }
        self.verdict(members);
    }

    fn verdict(&self, members: &mut Members<'_>) {
        members.word("decision", self.decision);
        members.text("reason", self.reason);
        if let Some(rule) = self.rule {
            members.list("rules").item(rule);
        }
        if let Some(policy) = &self.policy {
            policy.write(&mut members.nest("policy"));
        }
        if let Some(shadow) = &self.shadow {
            let mut own = members.nest("shadow");
            own.text("decision", shadow.decision);
            if let Some(rule) = shadow.rule {
                own.list("rules").item(rule);
            }
            own.text_if("policy", shadow.policy);
        }
    }
}

/// The second part of a `decision`, known when the stream ends.
#[derive(Clone, Copy, Debug)]
pub struct Ending {
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// What became of it.
    pub outcome: Outcome,
    /// How long the verdict took, in microseconds.
    pub decision_micros: u64,
    /// How long the whole took, in microseconds.
    pub duration_micros: u64,
    /// Size of the body of the request, in bytes.
    pub request_bytes: u64,
    /// Size of the body of the answer, in bytes.
    pub response_bytes: u64,
    /// How many of a thousand allows are kept, where it is not all and this is one.
    pub sampled_per_mille: Option<u32>,
}

impl Ending {
    /// Writes its members.
    pub fn write(&self, members: &mut Members<'_>) {
        if let Some(status) = self.status {
            members.number("status", u64::from(status));
        }
        members.word("outcome", self.outcome.label());
        members.number("decision_us", self.decision_micros);
        members.number("duration_us", self.duration_micros);
        let mut bytes = members.nest("bytes");
        bytes.number("request", self.request_bytes);
        bytes.number("response", self.response_bytes);
        drop(bytes);
        if let Some(per_mille) = self.sampled_per_mille {
            members.number("sampled_per_mille", u64::from(per_mille));
        }
    }
}
