// SPDX-License-Identifier: Apache-2.0
//! Makes audit trails by the engine's own writer: several workers, a few hundred callers, a working week.
#![allow(dead_code, reason = "each user takes its own part")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "made for tests; one that cannot go on fails"
)]

use toolgate_engine::{
    audit::{
        Arguments, AuditKey, Chain, Checkpoint, Decision, Ending, Gap, Head, Kind, Outcome, Outlet,
        PolicyName, Principal, Seal, Start, StreamId,
    },
    time::UnixTime,
};

/// A key that is long enough.
pub(crate) const KEY: &str = "a key of the environment, for tests only";

/// 2026-11-16T00:00:00Z, a Monday.
pub(crate) const MONDAY: u64 = 1_794_787_200;

pub(crate) fn key(text: &str) -> AuditKey {
    AuditKey::new(text.as_bytes()).unwrap()
}

/// Numbers that look random and are the same each time.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Below `sides`.
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % sides
    }
}

/// What is asked of the gate, in short.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'c> {
    pub(crate) subject: Option<&'c str>,
    pub(crate) roles: &'c [&'c str],
    pub(crate) server: &'c str,
    pub(crate) method: &'c str,
    pub(crate) tool: Option<&'c str>,
    pub(crate) class: Option<&'c str>,
    pub(crate) decision: &'static str,
    pub(crate) reason: &'static str,
    pub(crate) rule: Option<&'c str>,
}

impl Default for Call<'_> {
    fn default() -> Self {
        Self {
            subject: Some("alice"),
            roles: &["developer"],
            server: "everything",
            method: "tools/call",
            tool: Some("code_edit"),
            class: Some("write"),
            decision: "allow",
            reason: "allowed",
            rule: Some("edit-code"),
        }
    }
}

/// One stream that is being made.
#[derive(Debug)]
pub(crate) struct Maker {
    pub(crate) chain: Chain,
    pub(crate) now: u64,
    records: u64,
}

const DIGEST: [u8; 32] = [0x5A; 32];

pub(crate) fn policy() -> PolicyName<'static> {
    PolicyName { name: "default", version: Some("17"), digest: &DIGEST }
}

impl Maker {
    /// A stream with its `start`, which is added to `out`.
    pub(crate) fn start(out: &mut String, id: u8, seal: Seal, outlet: Outlet, continues: &[Head]) -> Self {
        let mut maker =
            Self { chain: Chain::new(StreamId([id; 16]), seal.clone()), now: MONDAY * 1_000_000, records: 0 };
        let start = Start {
            build: "0.1.0",
            config: &[0xC0; 32],
            policies: &[policy()],
            outlet,
            seal: &seal,
            allows_per_mille: 1_000,
            continues,
        };
        maker.append(out, Kind::Start, &mut |members| start.write(members));
        maker
    }

    fn append(
        &mut self,
        out: &mut String,
        kind: Kind,
        write: &mut dyn FnMut(&mut toolgate_engine::audit::Members<'_>),
    ) {
        self.chain.append(out, UnixTime::from_micros(self.now), kind, write);
        out.push('\n');
        self.records += 1;
    }

    /// Seconds after Monday.
    pub(crate) fn at(&mut self, secs: u64) -> &mut Self {
        self.now = (MONDAY + secs) * 1_000_000;
        self
    }

    pub(crate) fn call(&mut self, out: &mut String, call: Call<'_>) {
        let mut principal = String::new();
        {
            let mut members = toolgate_engine::audit::Members::object(&mut principal);
            Principal {
                subject: call.subject,
                issuer: call.subject.map(|_| "https://idp.example.com"),
                client: call.subject.map(|_| "ide"),
                credential: if call.subject.is_some() { "token" } else { "anonymous" },
                key_id: call.subject.map(|_| "key-1"),
                roles: call.roles,
                act: &[],
            }
            .write(&mut members);
        }
        let id = format!("{:016x}", self.records.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let denied = call.decision == "deny";
        let authentication = call.reason == "expired";
        let decision = Decision {
            id: &id,
            request_id: Some("4f1c9d1e-8a36-4b7e-9a36-2b1f8c9d0e11"),
            trace: None,
            session: Some([7; 8]),
            principal: (!authentication).then_some(principal.as_str()),
            source: Some("10.1.2.3".parse().unwrap()),
            server: Some(call.server),
            route: None,
            version: Some("2025-11-25"),
            http_method: "POST",
            method: Some(call.method),
            tool: call.tool,
            target: None,
            class: call.class,
            arguments: Arguments::Shown("[\"/path\"]"),
            decision: call.decision,
            reason: call.reason,
            rule: call.rule,
            policy: Some(policy()),
            shadow: None,
        };
        let ending = Ending {
            status: Some(if denied { 403 } else { 200 }),
            outcome: if denied { Outcome::Denied } else { Outcome::Ok },
            decision_micros: 11,
            duration_micros: 2_300,
            request_bytes: 110,
            response_bytes: 420,
            sampled_per_mille: None,
        };
        let kind = if authentication { Kind::Authentication } else { Kind::Decision };
        self.append(out, kind, &mut |members| {
            decision.write(members);
            ending.write(members);
        });
    }

    pub(crate) fn checkpoint(&mut self, out: &mut String, heads: &[Head]) {
        let records = self.records;
        self.append(out, Kind::Checkpoint, &mut |members| {
            Checkpoint { records, dropped: 0, sampled_out: 0, heads }.write(members);
        });
    }

    pub(crate) fn gap(&mut self, out: &mut String, records: u64) {
        self.append(out, Kind::Gap, &mut |members| Gap { records, reason: "queue_full" }.write(members));
    }

    pub(crate) fn policy_change(&mut self, out: &mut String, version: &str) {
        let name = PolicyName { version: Some(version), ..policy() };
        self.append(out, Kind::Policy, &mut |members| name.write(&mut members.nest("policy")));
    }

    pub(crate) fn hand_over(&mut self, out: &mut String, next: &str) {
        self.chain.hand_over(out, UnixTime::from_micros(self.now), key(next));
        out.push('\n');
        self.records += 1;
    }

    pub(crate) fn end(&mut self, out: &mut String) {
        self.append(out, Kind::End, &mut |_| {});
    }
}

const TOOLS: [(&str, &str); 8] = [
    ("search", "read"),
    ("read_file", "read"),
    ("list_issues", "read"),
    ("code_edit", "write"),
    ("code_run", "execute"),
    ("deploy", "admin"),
    ("table_delete", "destructive"),
    ("echo", "read"),
];

/// A working week as the gate sees it: `count` requests of 300 callers to four workers, in the order of time, with a
/// checkpoint after each thousand records of a worker. Hands over batches of lines.
pub(crate) fn week(count: u64, mut lines: impl FnMut(&str)) {
    let mut dice = Dice::new(17);
    let mut out = String::new();
    let seal = Seal::Keyed(key(KEY));
    let mut workers: Vec<Maker> =
        (1..=4).map(|id| Maker::start(&mut out, id, seal.clone(), Outlet::AccessLog, &[])).collect();
    let names: Vec<String> = (0..300).map(|at| format!("user-{at:03}")).collect();
    let step = 5 * 86_400 * 1_000_000 / count.max(1);
    for at in 0..count {
        let worker = &mut workers[dice.roll(4) as usize];
        worker.now = MONDAY * 1_000_000 + at * step;
        let who = dice.roll(300).min(dice.roll(300)) as usize;
        let (tool, class) = TOOLS[dice.roll(8).min(dice.roll(8)) as usize];
        let mut call = Call {
            subject: Some(names[who].as_str()),
            roles: if who.is_multiple_of(50) { &["admin"] } else { &["developer"] },
            tool: Some(tool),
            class: Some(class),
            rule: Some(if class == "read" { "read" } else { "edit-code" }),
            ..Call::default()
        };
        match dice.roll(100) {
            0..=2 => (call.decision, call.reason, call.rule) = ("deny", "no_rule", None),
            3 => (call.decision, call.reason, call.rule) = ("deny", "deny_rule", Some("no-delete")),
            4 => (call.decision, call.reason, call.rule) = ("deny", "expired", None),
            _ => {}
        }
        worker.call(&mut out, call);
        if worker.records.is_multiple_of(1_000) {
            worker.checkpoint(&mut out, &[]);
        }
        if out.len() > 1 << 20 {
            lines(&out);
            out.clear();
        }
    }
    workers.iter_mut().for_each(|worker| worker.end(&mut out));
    lines(&out);
}
