//! What remembered tokens take of the heap, by an allocator that counts, against what they say of themselves.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may fail loudly, and says what it has seen"
)]

#[path = "../benches/work/counting.rs"]
#[allow(dead_code, reason = "peaks are asked for elsewhere")]
mod counting;
#[path = "../benches/work/head.rs"]
mod head;

use counting::held;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use toolgate_engine::config::{Config, Secrets};
use toolgate_engine::flow::{Account, Desk, Entropy, Memory, Step, start};
use toolgate_engine::keys::Software;
use toolgate_engine::metrics::Samples;
use toolgate_engine::store::NoStore;
use toolgate_engine::time::UnixTime;

const SECRET: &[u8] = b"a secret of thirty-two bytes, as it has to be";
const NOW: u64 = 1_800_000_000;
const CALL: &[u8] = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{}}}"#;
const AUDIENCE: &str = "https://mcp.example.com/mcp";

struct OneSecret;

impl Secrets for OneSecret {
    fn lookup(&self, _: &str) -> Option<Vec<u8>> {
        Some(SECRET.to_vec())
    }
}

struct World {
    config: Config,
    memory: Memory,
    samples: Samples,
    account: Account,
    now: u64,
}

impl World {
    /// `allow` stands in the rule, `more` in the configuration.
    fn new(allow: &Value, more: &Value) -> World {
        let mut document = json!({
            "host": { "headers_stop_iteration": true },
            "servers": [{ "name": "s", "match": { "hosts": ["mcp.example.com"], "path": "/mcp" }, "resource": AUDIENCE,
                "issuers": ["corp"], "policy": "default" }],
            "issuers": { "corp": { "issuer": "https://idp.example.com", "audiences": [AUDIENCE], "algorithms": ["HS256"],
                "secrets": [{ "id": "s", "value": { "env": "SECRET" } }] } },
            "policies": { "default": { "inline": { "version": 1, "roles": { "developer": { "allow": [allow] } },
                "bindings": [{ "role": "developer", "when": { "claims": { "/roles": { "contains": "developer" } } } }] } } },
        });
        for (name, value) in more.as_object().expect("an object") {
            document[name] = value.clone();
        }
        let config = Config::compile(document.to_string().as_bytes(), &OneSecret).expect("a configuration");
        let memory = Memory::new(&config, &Entropy([7; 64]));
        World { config, memory, samples: Samples::new(), account: Account::default(), now: NOW }
    }

    /// A call with the token of a caller; `more` are claims of its own.
    fn show(&mut self, caller: usize, more: &Value) {
        let mut claims = json!({
            "iss": "https://idp.example.com", "aud": AUDIENCE, "sub": format!("5e1f0c9a-77aa-4b1e-9c1d-{caller:012}"),
            "iat": NOW, "exp": NOW + 3_600, "jti": format!("c0ffee00-1234-4abc-8def-{caller:012}"), "client_id": "assistant",
            "scope": "openid profile mcp:tools mcp:resources", "roles": ["developer"], "groups": ["engineering", "weather"],
        });
        for (name, value) in more.as_object().expect("an object") {
            claims[name] = value.clone();
        }
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some("at+jwt".to_owned());
        let token =
            jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(SECRET)).expect("a token");
        let authorization = format!("Bearer {token}");
        let fields = head::fields(&authorization);
        let mut desk = Desk {
            config: &self.config,
            memory: &mut self.memory,
            verifier: &Software,
            store: &NoStore,
            now: UnixTime::from_secs(self.now),
            source: None,
            samples: &mut self.samples,
            account: &mut self.account,
        };
        let Step::Body(body) = start(&head::head(&fields), &mut desk) else {
            panic!("the head was not accepted: {token}")
        };
        // Allowed or not, the rule is asked.
        drop(body.finish(CALL, &mut desk));
        self.samples = Samples::new();
        self.account = Account::default();
    }

    fn held(&self) -> usize {
        self.memory.tokens.held()
    }
}

/// As many claims in as little text as there can be, in tokens of nearly the largest size.
fn swollen() -> Value {
    json!({ "x": vec![0; 2_500] })
}

/// What is said is never less than what is taken, and not twice as much.
#[test]
fn what_is_reckoned_is_what_is_taken() {
    let plain = json!({ "tools": ["a"] });
    let reads = json!({ "tools": ["a"], "when": { "claims": { "/iss": { "prefix": "https" } } } });
    let login = json!({ "tools": ["a"], "require": { "max_age_seconds": 60 } });
    let audit = json!({ "secrets": { "audit": { "env": "AUDIT" } }, "audit": { "outlets": ["access_log"] } });
    let groups: Vec<String> = (0..100).map(|at| format!("group-{at}")).collect();
    let cases = [
        ("ordinary", &plain, json!({}), json!({})),
        ("with records", &plain, audit, json!({ "act": { "sub": "agent", "act": { "sub": "other" } } })),
        ("read by rules", &reads, json!({}), json!({})),
        ("read by a requirement", &login, json!({}), json!({})),
        ("of many groups", &plain, json!({}), json!({ "groups": groups })),
        ("swollen", &plain, json!({}), swollen()),
        ("swollen and read", &reads, json!({}), swollen()),
    ];
    for (name, rule, config, claims) in cases {
        let mut world = World::new(rule, &config);
        // What a VM takes once.
        world.show(0, &claims);
        let (before, reckoned) = (held(), world.held());
        for caller in 1..100 {
            world.show(caller, &claims);
        }
        // Twice: what is read late is there then.
        for caller in 1..100 {
            world.show(caller, &claims);
        }
        let (taken, reckoned) = (held() - before, world.held() - reckoned);
        assert_eq!(world.memory.tokens.count(), 100, "{name}");
        println!("{name}: {} taken, {} reckoned, each", taken / 99, reckoned / 99);
        assert!(taken <= reckoned && reckoned <= 2 * taken, "{name}: {taken} taken, {reckoned} reckoned");
    }
}

/// Whoever has good tokens of the largest size cannot have more memory than is allowed.
#[test]
fn no_tokens_take_more_than_their_bytes() {
    const BYTES: usize = 1 << 20;
    let limits = json!({ "limits": { "token_cache_bytes": BYTES, "token_cache_entries": 4_096 } });
    let before = held();
    for rule in [
        json!({ "tools": ["a"] }),
        json!({ "tools": ["a"], "when": { "claims": { "/iss": { "prefix": "https" } } } }),
    ] {
        let mut world = World::new(&rule, &limits);
        let empty = held();
        let mut most = 0;
        for caller in 0..2_000 {
            let claims = if caller % 2 == 0 { swollen() } else { json!({}) };
            world.show(caller, &claims);
            assert!(world.held() <= BYTES);
            most = most.max(held().saturating_sub(empty));
        }
        // What a request leaves besides stays far below that.
        assert!(most <= BYTES + (64 << 10), "{most}");
        assert!(world.memory.tokens.count() >= 16 && world.held() > BYTES / 2);
        // A token that was evicted is only verified again.
        world.show(0, &swollen());
    }
    assert!(held() <= before, "what is dropped gives all back");
}
