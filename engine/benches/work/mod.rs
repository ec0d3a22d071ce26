//! What is measured, by name: the same work for the clock (`engine.rs`), for instruction counts (`instructions.rs`), and for
//! memory (`memory.rs`).

mod head;
pub(crate) mod scale;
pub(crate) mod size;
mod verify;

use jsonwebtoken::{Algorithm, EncodingKey};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use toolgate_engine::audit::{AuditKey, Chain, Kind, Ledger, Outlet, Seal, StreamId};
use toolgate_engine::config::{Config, Secrets};
use toolgate_engine::feed::{Adopted, Content, Freshness, Outcome, Page, Response, SourceId, StateKey};
use toolgate_engine::flow::{
    Account, AwaitBody, BodyStep, Desk, Entropy, FeedId, Memory, Recorded, ReplyStep, Sizes, Step, start,
};
use toolgate_engine::json::{Doc, Limits};
use toolgate_engine::keys::{PublicKey, SignatureVerifier, Software};
use toolgate_engine::metrics::Samples;
use toolgate_engine::revocation::{
    Credential, HashKey, List, ListWire, MAX_IDS, MAX_SHARD_IDS, Manifest, PackTimes, Packers, pack,
};
use toolgate_engine::store::MemoryStore;
use toolgate_engine::time::UnixTime;
use toolgate_engine::token::{BearerToken, Lookup, Unverified};

use scale::{Named, Work};

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const AUDIENCE: &str = "https://mcp.example.com/mcp";
const CALL: &str = r#"{"jsonrpc":"2.0","id":123,"method":"tools/call","params":{"name":"get_weather","arguments":{"city":"Lisbon"}}}"#;
const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;

/// A name, and how to set the work up, where it hangs on who verifies.
type Stage = (String, Box<dyn Fn() -> Work>);

/// Everything, as a VM of a proxy with this verifier measures it.
#[allow(dead_code, reason = "for the bench build of the filter")]
pub(crate) fn stages(host: &'static dyn SignatureVerifier) -> Vec<Stage> {
    let own = all().into_iter().map(|(name, make)| -> Stage { (name.to_owned(), Box::new(make)) });
    own.chain(verify::stages("host", host)).chain(verify::cold(host)).collect()
}

/// Everything that can be measured.
pub(crate) fn all() -> Vec<Named> {
    let mut all = scale::all();
    all.extend(size::all());
    let others: Vec<Named> = vec![
        ("parse/110", || parse(110)),
        ("parse/2048", || parse(2_048)),
        ("parse/65536", || parse(65_536)),
        ("request/warm", || request(World::new(10, 4_096), Algorithm::RS256)),
        ("request/limited", || request(World::limited(), Algorithm::RS256)),
        ("request/new_token", verify::trusting),
        ("request/cold_rs256", || request(World::new(10, 0), Algorithm::RS256)),
        ("request/cold_ps256", || request(World::new(10, 0), Algorithm::PS256)),
        ("request/cold_hs256", || request(World::with_secret(), Algorithm::HS256)),
        ("request/cold_es256", || request(World::new(10, 0), Algorithm::ES256)),
        ("request/cold_es384", || request(World::new(10, 0), Algorithm::ES384)),
        ("request/cold_eddsa", || request(World::new(10, 0), Algorithm::EdDSA)),
        ("rules/100", || request(World::new(100, 4_096), Algorithm::RS256)),
        ("rules/1000", || request(World::new(1_000, 4_096), Algorithm::RS256)),
        ("rules/10000", || request(World::new(10_000, 4_096), Algorithm::RS256)),
        ("audit/request", || audited(World::audited())),
        ("audit/seal", seal),
        ("token/parse", || parse_token(Algorithm::RS256)),
        ("verify/RS256/module", || verify::by_module(Algorithm::RS256)),
        ("verify/PS256/module", || verify::by_module(Algorithm::PS256)),
        ("verify/ES256/module", || verify::by_module(Algorithm::ES256)),
        ("verify/ES384/module", || verify::by_module(Algorithm::ES384)),
        ("verify/EdDSA/module", || verify::by_module(Algorithm::EdDSA)),
        ("revocation/shard_from_worker", shard_from_worker),
        ("revocation/shard_fetched", shard_fetched),
        ("revocation/manifest", manifest),
        ("revocation/json_50000", whole_list),
        ("compile/10000_rules", || {
            let document = configuration(10_000, 0);
            Box::new(move || drop(Config::compile(document.as_bytes(), &Nothing).expect("a configuration")))
        }),
    ];
    all.extend(others);
    all
}

struct Nothing;

impl Secrets for Nothing {
    fn lookup(&self, _: &str) -> Option<Vec<u8>> {
        None
    }
}

/// The one secret of whatever asks.
const SECRET: &[u8] = b"a bench secret of 32 bytes, here";

struct OneSecret;

impl Secrets for OneSecret {
    fn lookup(&self, _: &str) -> Option<Vec<u8>> {
        Some(SECRET.to_vec())
    }
}

fn key(algorithm: Algorithm) -> (&'static str, EncodingKey) {
    match algorithm {
        Algorithm::RS256 | Algorithm::PS256 => {
            ("r", EncodingKey::from_rsa_der(include_bytes!("../../src/keys/testdata/rsa2048.pkcs1.der")))
        }
        Algorithm::HS256 => ("s", EncodingKey::from_secret(SECRET)),
        Algorithm::ES256 => {
            ("e", EncodingKey::from_ec_der(include_bytes!("../../src/keys/testdata/p256.pkcs8.der")))
        }
        Algorithm::ES384 => {
            ("e3", EncodingKey::from_ec_der(include_bytes!("../../src/keys/testdata/p384.pkcs8.der")))
        }
        _ => ("d", EncodingKey::from_ed_der(include_bytes!("../../src/keys/testdata/ed25519.pkcs8.der"))),
    }
}

/// The public halves of the keys of `src/keys/testdata`.
const KEYS: &str = include_str!("jwks.json");

fn token(algorithm: Algorithm) -> String {
    let (kid, key) = key(algorithm);
    let mut header = jsonwebtoken::Header::new(algorithm);
    header.typ = Some("at+jwt".to_owned());
    header.kid = Some(kid.to_owned());
    let claims = serde_json::json!({
        "iss": "https://idp", "aud": AUDIENCE, "sub": "user-0001", "iat": 1_800_000_000_u64, "exp": 1_800_003_600_u64,
        "jti": "bench-0001", "client_id": "bench", "scope": "mcp:tools mcp:resources", "roles": ["developer"],
    });
    jsonwebtoken::encode(&header, &claims, &key).expect("a token")
}

/// A policy in which half of the rules are exact names and half patterns; the last role is the caller's.
fn configuration(rules: usize, cache: usize) -> String {
    let mut allow = String::new();
    for at in 0..rules.saturating_sub(2) {
        let name = if at.is_multiple_of(2) { format!("tool_{at}") } else { format!("group_{at}_*") };
        write!(allow, r#"{{"tools":["{name}"]}},"#).expect("a string grows");
    }
    format!(
        r#"{{"host":{{"headers_stop_iteration":true}},
          "servers":[{{"name":"bench","match":{{"hosts":["mcp.example.com"],"path":"/mcp"}},"resource":"{AUDIENCE}",
            "issuers":["corp"],"policy":"default","upstream":{{"identity_headers":false}},"answers":"lists",
            "tools":{{"catalogue":[{{"name":"get_weather"}},{{"name":"echo"}}]}}}}],
          "issuers":{{"corp":{{"issuer":"https://idp","audiences":["{AUDIENCE}"],
            "algorithms":["RS256","PS256","ES256","ES384","EdDSA"],"jwks":{{"inline":{KEYS}}}}}}},
          "limits":{{"token_cache_entries":{cache},"token_cache_bytes":33554432}},
          "policies":{{"default":{{"inline":{{"version":1,
            "roles":{{"developer":{{"allow":[{allow}{{"tools":["get_weather","even_*"]}},{{"methods":["tools/list"]}}]}}}},
            "bindings":[{{"role":"developer","when":{{"claims":{{"/roles":{{"contains":"developer"}}}}}}}}]}}}}}}}}"#
    )
}

/// A VM with one configuration.
pub(crate) struct World {
    config: Config,
    pub(crate) memory: Memory,
    samples: Samples,
    account: Account,
    store: MemoryStore,
    verifier: &'static dyn SignatureVerifier,
}

impl World {
    fn new(rules: usize, cache: usize) -> World {
        World::of(&configuration(rules, cache))
    }

    fn of(document: &str) -> World {
        let config = Config::compile(document.as_bytes(), &OneSecret).expect("a configuration");
        let memory = Memory::new(&config, &Entropy([7; 64]));
        let (account, store) = (Account::default(), MemoryStore::default());
        World { config, memory, samples: Samples::new(), account, store, verifier: &Software }
    }

    /// The issuer signs with a secret that it shares with the gate.
    fn with_secret() -> World {
        let mut document: serde_json::Value =
            serde_json::from_str(&configuration(10, 0)).expect("a configuration");
        document["issuers"]["corp"] = serde_json::json!({
            "issuer": "https://idp", "audiences": [AUDIENCE], "algorithms": ["HS256"],
            "secrets": [{ "id": "s", "value": { "env": "SECRET" } }],
        });
        World::of(&document.to_string())
    }

    fn audited() -> World {
        let text = configuration(10, 4_096).replacen(
            r#""limits":{"#,
            r#""secrets":{"audit":{"env":"AUDIT"}},"audit":{"outlets":["access_log"]},"limits":{"#,
            1,
        );
        World::of(&text)
    }

    /// Under a limit for each caller and one for each tool, which let everything pass.
    fn limited() -> World {
        let text = configuration(10, 4_096).replacen(
            r#""limits":{"#,
            r#""secrets":{"shared_state":{"env":"STATE"}},"limits":{"rates":[
                {"id":"caller","by":["principal"],"requests":1000000,"seconds":1},
                {"id":"tool","by":["tool"],"requests":1000000,"seconds":1}],"#,
            1,
        );
        World::of(&text)
    }

    fn desk(&mut self) -> Desk<'_> {
        self.samples.clear();
        Desk {
            config: &self.config,
            memory: &mut self.memory,
            verifier: self.verifier,
            store: &self.store,
            now: NOW,
            source: None,
            samples: &mut self.samples,
            account: &mut self.account,
        }
    }

    fn head(&mut self, authorization: &str) -> Box<AwaitBody> {
        let fields = head::fields(authorization);
        match start(&head::head(&fields), &mut self.desk()) {
            Step::Body(body) => body,
            other => panic!("the head was not accepted: {other:?}"),
        }
    }

    /// Head, body and the head of the answer of one call that is allowed.
    fn call(&mut self, authorization: &str) {
        let answer: [(&[u8], &[u8]); 3] =
            [(b":status", b"200"), (b"content-type", b"application/json"), (b"content-length", b"92")];
        let body = self.head(authorization);
        let passage = match body.finish(CALL.as_bytes(), &mut self.desk()) {
            BodyStep::Pass(passage) => passage,
            BodyStep::Answer(answer) => panic!("refused: {answer:?}"),
        };
        assert!(matches!(passage.reply.start(&answer, &mut self.desk()), ReplyStep::Pass(_)));
    }
}

/// Head, body and the head of the answer of one call that is allowed.
fn request(mut world: World, algorithm: Algorithm) -> Work {
    let authorization = format!("Bearer {}", token(algorithm));
    Box::new(move || world.call(&authorization))
}

/// The same with the record of the call, sealed.
fn audited(mut world: World) -> Work {
    let authorization = format!("Bearer {}", token(Algorithm::RS256));
    let answer: [(&[u8], &[u8]); 2] = [(b":status", b"200"), (b"content-type", b"application/json")];
    let mut ledger = Ledger::new(Outlet::AccessLog, &world.config.audit, StreamId([7; 16]));
    let sizes = Sizes { request: 110, answer: 92 };
    Box::new(move || {
        world.account = Account::default();
        let body = world.head(&authorization);
        let BodyStep::Pass(passage) = body.finish(CALL.as_bytes(), &mut world.desk()) else {
            panic!("refused")
        };
        assert!(matches!(passage.reply.start(&answer, &mut world.desk()), ReplyStep::Pass(_)));
        let recorded = world.account.record(sizes, || NOW, &world.config);
        let Recorded::Record(kind, text) = recorded else { panic!("no record") };
        ledger.record(NOW, kind, &text);
        assert!(ledger.waiting().len() > 500);
        ledger.sent();
    })
}

/// What it costs to seal a record of 700 bytes under a key.
fn seal() -> Work {
    let key = AuditKey::new(b"an audit key of thirty-two bytes").expect("a key");
    let mut chain = Chain::new(StreamId([7; 16]), Seal::Keyed(key));
    let text = format!(",\"text\":\"{}\"", "x".repeat(500));
    let mut line = String::new();
    Box::new(move || {
        line.clear();
        chain.append(&mut line, NOW, Kind::Decision, &mut |members| members.append(&text));
        assert!(line.len() > 700);
    })
}

/// Form, header and claims of a token, without its signature.
fn parse_token(algorithm: Algorithm) -> Work {
    let token = token(algorithm);
    Box::new(move || {
        let token = BearerToken::new(token.as_bytes(), 16_384).expect("a token");
        assert!(Unverified::parse(token).is_ok());
    })
}

fn parse(size: usize) -> Work {
    let mut text = CALL.to_owned();
    if size > text.len() {
        let note = ["lorem ipsum"; 8].join("\",\"");
        let mut more = String::new();
        while text.len() + more.len() + 20 < size {
            write!(more, r#","n{}":["{note}"]"#, more.len()).expect("a string grows");
        }
        text.insert_str(text.len() - 3, &more);
    }
    Box::new(move || assert!(Doc::parse(text.as_bytes(), Limits::MESSAGE).is_ok()))
}

/// A VM with a feed of lists in shards that is loaded with so many token ids.
fn world_with_list(ids: usize, bits: Option<u32>) -> (World, Files) {
    let mut world = world_of_lists();
    let files = packed(ids, bits);
    load(&mut world.memory, &files);
    (world, files)
}

/// A VM with such a feed, which has fetched nothing.
pub(crate) fn world_of_lists() -> World {
    let feed = format!(
        r#""clusters":{{"files":"files"}},"revocation":{{"feeds":{{"f":{{"uri":"https://files/r/manifest",
          "public_key":"{}","on_failure":"close"}}}}}},"limits":"#,
        packer()
    );
    World::of(&configuration(10, 4_096).replacen(r#""limits":"#, &feed, 1))
}

/// The public key that lists are signed for.
fn packer() -> String {
    let keys: serde_json::Value = serde_json::from_str(KEYS).expect("keys");
    let curve = keys["keys"].as_array().and_then(|keys| keys.iter().find(|key| key["crv"] == "Ed25519"));
    curve.and_then(|key| key["x"].as_str()).expect("an Ed25519 key").to_owned()
}

/// A caller looked up in a signed list of so many token ids, which does not name it.
fn revocation(ids: usize) -> Work {
    let (mut world, _) = world_with_list(ids, None);
    let token = token(Algorithm::RS256);
    drop(world.head(&format!("Bearer {token}")));
    let key = world.memory.tokens.key(0, token.as_bytes());
    let Lookup::Hit(identity) =
        world.memory.tokens.get(key, NOW, |_| world.config.issuers.first().map_or(0, generation))
    else {
        panic!("the token is not remembered")
    };
    Box::new(move || {
        let list = world.memory.revocation.feeds().first().and_then(|feed| feed.list()).expect("a list");
        assert!(!list.revokes(&Credential::of(&identity)));
    })
}

/// Everything that one tick does with a full shard, 64 KiB, that another worker has fetched: its seal is checked, its
/// digest, its order, and it takes its predecessor's place.
pub(crate) fn shard_from_worker() -> Work {
    let (mut world, files) = world_with_list(MAX_SHARD_IDS, Some(0));
    let (key, source) = (state_key(), SourceId::new(&["bench"]));
    let sealed = Page { number: 1, body: shard(&files) }.seal(&key, source);
    Box::new(move || {
        let page = Page::open(&sealed, &key, source, 1).expect("a page");
        let feed = world.memory.feed(FeedId::Revocation(0)).expect("a feed");
        assert_eq!(feed.adopt_page(1, page.body, NOW), Adopted::Taken);
        assert_eq!(world.memory.feed_changed(FeedId::Revocation(0), NOW), None);
    })
}

/// Everything that the callback with a fetched full shard does: it is taken, and sealed for the other workers.
pub(crate) fn shard_fetched() -> Work {
    let (mut world, files) = world_with_list(MAX_SHARD_IDS, Some(0));
    let (key, source, body) = (state_key(), SourceId::new(&["bench"]), shard(&files).to_vec());
    Box::new(move || {
        let response = Response { status: 200, freshness: Freshness::default(), etag: None, body: &body };
        let feed = world.memory.feed(FeedId::Revocation(0)).expect("a feed");
        assert_eq!(feed.on_response(1, &response, NOW, 0), Outcome::Fresh);
        assert_eq!(world.memory.feed_changed(FeedId::Revocation(0), NOW), None);
        assert!(Page { number: 1, body: &body }.seal(&key, source).len() > body.len());
    })
}

/// The signed manifest of a million ids, in 256 shards, read and believed.
pub(crate) fn manifest() -> Work {
    let files = packed(1_000_000, None);
    let text = files.get("manifest").expect("a manifest").clone();
    let packers = Packers::new("f", vec![PublicKey::from_ed25519(&packer()).expect("a key")]);
    Box::new(move || {
        let manifest = Manifest::read(&text, &packers, None, NOW).expect("a manifest");
        assert_eq!(manifest.shards.len(), 256);
    })
}

/// The largest list that is not in shards.
pub(crate) fn whole_list() -> Work {
    let ids: Vec<String> = (0..MAX_IDS).map(|id| format!("token-{id}")).collect();
    let text = serde_json::json!({ "jti": ids }).to_string();
    Box::new(move || {
        let list = List::read(text.as_bytes(), &HashKey([3; 16]), None, NOW).expect("a list");
        assert_eq!(list.count(), MAX_IDS);
    })
}

fn state_key() -> StateKey {
    StateKey::from_secret(b"a secret of thirty-two bytes ...").expect("a key")
}

/// The one shard of a list that has one.
fn shard(files: &Files) -> &[u8] {
    let (_, bytes) = files.iter().find(|(name, _)| *name != "manifest").expect("a shard");
    assert_eq!(bytes.len(), MAX_SHARD_IDS * 8);
    bytes
}

fn generation(issuer: &toolgate_engine::config::Issuer) -> u64 {
    match &issuer.keys {
        toolgate_engine::config::KeyOrigin::Inline(keys) => keys.generation(),
        other => panic!("not inline: {other:?}"),
    }
}

/// What the site of a packed list serves, by name.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// A signed list of so many token ids; in shards by so many bits, if that is said.
pub(crate) fn packed(ids: usize, bits: Option<u32>) -> Files {
    let jti = (0..ids).map(|id| format!("token-{id}")).collect();
    let list = List::new(&ListWire { jti, ..ListWire::default() }, HashKey([3; 16]));
    let times = PackTimes { version: 1, issued_at: NOW.as_secs(), expires_at: NOW.as_secs() + 3_600 };
    let packed = pack("f", &list, bits, times).expect("a list that fits");
    let (_, signer) = key(Algorithm::EdDSA);
    let signature = jsonwebtoken::crypto::sign(packed.text.as_bytes(), &signer, Algorithm::EdDSA);
    let manifest = [&packed.text, &signature.expect("a signature"), "\n"].concat();
    packed.shards.into_iter().chain([("manifest".to_owned(), manifest.into_bytes())]).collect()
}

/// Lets the first revocation feed have these.
pub(crate) fn load(memory: &mut Memory, files: &Files) {
    let id = memory.feeds().pop().expect("a feed");
    let feed = memory.feed(id).expect("a feed");
    while let Some(fetch) = feed.next_fetch(NOW) {
        let body = fetch.call.path.strip_prefix("/r/").and_then(|name| files.get(name)).expect("a file");
        let response = Response { status: 200, freshness: Freshness::default(), etag: None, body };
        assert_eq!(feed.on_response(fetch.page, &response, NOW, 0), Outcome::Fresh);
    }
}
