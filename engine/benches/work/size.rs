//! How cost grows with what a VM holds: tokens, keys, revoked ids, tools of a list, rules of a bundle. Each is the point
//! `n` of a series `kind/n` or `kind/series/n`.

use super::scale::{self, Named, Shape, Work};
use super::verify::{Refusing, Trusting};
use super::{
    AUDIENCE, KEYS, LIST, NOW, World, configuration, generation, key, packer, revocation, state_key, token,
};
use base64ct::{Base64UrlUnpadded, Encoding};
use jsonwebtoken::Algorithm;
use std::num::NonZeroU32;
use toolgate_engine::bundle::{Policies, Swap, signed_part};
use toolgate_engine::feed::{Freshness, Outcome, Response, SharedState};
use toolgate_engine::flow::{BodyStep, ReplyBody, ReplyStep};
use toolgate_engine::keys::{Alg, KeySet};
use toolgate_engine::limit::{Charged, Limiter, Rate};
use toolgate_engine::metrics::Samples;
use toolgate_engine::store::MemoryStore;
use toolgate_engine::time::UnixTime;
use toolgate_engine::token::{Lookup, TokenCache, Weighed};

/// Everything that grows, other than policies.
pub(crate) fn all() -> Vec<Named> {
    vec![
        ("tokens/10", || tokens(10)),
        ("tokens/100", || tokens(100)),
        ("tokens/1000", || tokens(1_000)),
        ("tokens/10000", || tokens(10_000)),
        ("cache/10", || cache(10)),
        ("cache/10000", || cache(10_000)),
        ("jwks/10", || jwks(10)),
        ("jwks/100", || jwks(100)),
        ("jwks/1000", || jwks(1_000)),
        ("jwks_parse/10", || jwks_parse(10)),
        ("jwks_parse/100", || jwks_parse(100)),
        ("jwks_parse/1000", || jwks_parse(1_000)),
        ("revocation/10", || revocation(10)),
        ("revocation/1000", || revocation(1_000)),
        ("revocation/100000", || revocation(100_000)),
        ("revocation/1000000", || revocation(1_000_000)),
        ("limits/10", || limits(10)),
        ("limits/1000", || limits(1_000)),
        ("limits/100000", || limits(100_000)),
        ("list/json/10", || list(10)),
        ("list/json/100", || list(100)),
        ("list/json/1000", || list(1_000)),
        ("list/sse/10", || stream(10)),
        ("list/sse/100", || stream(100)),
        ("list/sse/1000", || stream(1_000)),
        ("swap/10", || swap(10)),
        ("swap/100", || swap(100)),
        ("swap/1000", || swap(1_000)),
        ("swap/10000", || swap(10_000)),
    ]
}

/// A VM with room for the tokens of the series, and nobody remembered.
pub(crate) fn world() -> World {
    World { verifier: &Trusting, ..World::new(10, 16_384) }
}

/// What so many callers send, each with a token of its own; the signature is of another.
pub(crate) fn bearers(callers: usize) -> Vec<String> {
    let like = token(Algorithm::RS256);
    let (header, signature) = like.split_once('.').zip(like.rsplit_once('.')).expect("three parts");
    let bearer = |at: usize| {
        let claims = serde_json::json!({
            "iss": "https://idp", "aud": AUDIENCE, "sub": format!("user-{at:05}"), "iat": 1_800_000_000_u64,
            "exp": 1_800_003_600_u64, "jti": format!("bench-{at:05}"), "client_id": "bench",
            "scope": "mcp:tools mcp:resources", "roles": ["developer"],
        });
        let claims = Base64UrlUnpadded::encode_string(claims.to_string().as_bytes());
        format!("Bearer {}.{claims}.{}", header.0, signature.1)
    };
    (0..callers).map(bearer).collect()
}

/// Each makes a call, and is remembered; where a set of the cache is full, another makes room, so of ten thousand in a cache
/// of 16,384 some 200 are not.
pub(crate) fn call_all(world: &mut World, bearers: &[String]) {
    bearers.iter().for_each(|bearer| world.call(bearer));
    assert!(world.memory.tokens.count() * 100 > bearers.len() * 97);
}

/// A whole warm request of one caller after the other, of so many that are remembered. Nobody's signature is taken any
/// more, so that a token that was forgotten would be seen.
fn tokens(callers: usize) -> Work {
    let mut world = world();
    let mut all = bearers(callers);
    call_all(&mut world, &all);
    let keys = world.config.issuers.first().map_or(0, generation);
    all.retain(|bearer| {
        let key = world.memory.tokens.key(0, bearer.trim_start_matches("Bearer ").as_bytes());
        matches!(world.memory.tokens.get(key, NOW, |_| keys), Lookup::Hit(_))
    });
    world.verifier = &Refusing;
    let mut at = 0;
    Box::new(move || {
        // A prime, so that all have their turn, far from the one before.
        at = (at + 7_919) % all.len();
        world.call(&all[at]);
    })
}

fn cache(tokens: usize) -> Work {
    let mut cache = TokenCache::new(16_384, usize::MAX, [7; 16]);
    let token = |at: usize| format!("{at:0800}");
    for at in 0..tokens {
        let key = cache.key(0, token(at).as_bytes());
        let _ = cache.insert(key, Weighed { value: at, bytes: 0 }, NOW.plus_secs(60), 1, NOW);
    }
    let wanted = token(tokens / 2);
    Box::new(move || {
        let key = cache.key(0, wanted.as_bytes());
        assert!(matches!(cache.get(key, NOW, |_| 1), Lookup::Hit(_)));
    })
}

/// A set of so many keys, half of them RSA, half of them P-256.
pub(crate) fn key_set(keys: usize) -> String {
    let document: serde_json::Value = serde_json::from_str(KEYS).expect("keys");
    let many = (0..keys).map(|at| {
        let mut key = document["keys"][at % 2].clone();
        key["kid"] = serde_json::json!(format!("key-{at}"));
        key
    });
    serde_json::json!({ "keys": many.collect::<Vec<_>>() }).to_string()
}

/// A look-up by key id in a set of so many keys.
fn jwks(keys: usize) -> Work {
    let set = KeySet::parse(key_set(keys).as_bytes()).expect("keys");
    let kid = format!("key-{}", keys / 2 + 1 - keys / 2 % 2);
    Box::new(move || assert!(set.candidates(Some(&kid), Alg::Es256).is_ok()))
}

/// A fetched set of so many keys, read: one callback does all of it.
fn jwks_parse(keys: usize) -> Work {
    let text = key_set(keys);
    Box::new(move || assert_eq!(KeySet::parse(text.as_bytes()).expect("keys").count(), keys))
}

/// Callers who are counted, and the store that workers share.
pub(crate) struct Limits {
    limiter: Limiter,
    store: MemoryStore,
    rate: Rate,
    samples: Samples,
    now: UnixTime,
}

impl Limits {
    /// One in a minute comes back, and there is enough for any number of repetitions.
    pub(crate) fn new() -> Limits {
        let number = |number| NonZeroU32::new(number).expect("a number");
        let rate = Rate::new(number(1), number(60), number(500_000)).expect("a rate");
        Limits {
            limiter: Limiter::new(&SharedState::Keyed(state_key()), [7; 16], [("caller", rate)]),
            store: MemoryStore::default(),
            rate,
            samples: Samples::new(),
            now: NOW,
        }
    }

    fn charge(&mut self, caller: usize) {
        // Nothing is left of what the last took: every request asks the others.
        self.now = self.now.plus_secs(3);
        let bucket = self.limiter.bucket_of(0).with(&caller.to_le_bytes()).bucket();
        let charged = self.limiter.charge(bucket, self.rate, self.now, &self.store, &mut self.samples);
        assert_eq!(charged, Charged::Passed);
        self.samples.clear();
    }

    /// Each of so many callers comes twice.
    pub(crate) fn charge_all(&mut self, callers: usize) {
        (0..2 * callers).for_each(|at| self.charge(at % callers));
    }
}

/// One of so many callers whose buckets are not full is counted, and shared data asked for each.
fn limits(callers: usize) -> Work {
    let mut limits = Limits::new();
    limits.charge_all(callers);
    let mut at = 0;
    Box::new(move || {
        at = (at + 7_919) % callers;
        limits.charge(at);
    })
}

/// The answer to `tools/list` with so many tools of about 500 bytes, of which the caller may see a tenth.
pub(crate) fn tools(tools: usize) -> String {
    let text = "lorem ipsum dolor sit amet ".repeat(14);
    let tool = |at: usize| {
        let name = if at.is_multiple_of(10) { "even" } else { "odd" };
        format!(
            r#"{{"name":"{name}_{at}","description":"{text}","inputSchema":{{"type":"object","properties":{{}}}}}}"#
        )
    };
    let tools = (0..tools).map(tool).collect::<Vec<_>>().join(",");
    format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{tools}]}}}}"#)
}

/// What stands between the answer to a `tools/list` and the caller.
fn filter(world: &mut World, content_type: &[u8]) -> ReplyBody {
    let authorization = format!("Bearer {}", token(Algorithm::RS256));
    let fields: [(&[u8], &[u8]); 2] = [(b":status", b"200"), (b"content-type", content_type)];
    let body = world.head(&authorization);
    let BodyStep::Pass(passage) = body.finish(LIST.as_bytes(), &mut world.desk()) else { panic!("refused") };
    match passage.reply.start(&fields, &mut world.desk()) {
        ReplyStep::Filter(_, filter) => filter,
        step => panic!("not filtered: {step:?}"),
    }
}

/// A list as one JSON text.
pub(super) fn list(count: usize) -> Work {
    let mut world = World::new(10, 4_096);
    let answer = tools(count);
    let ReplyBody::Whole(filter) = filter(&mut world, b"application/json") else { panic!("not whole") };
    Box::new(move || assert!(filter.whole(answer.as_bytes(), &mut world.desk()).is_ok()))
}

/// The same list as one event of a stream, in pieces of 16 KiB as Envoy gives them.
fn stream(count: usize) -> Work {
    let mut world = World::new(10, 4_096);
    let event = format!("event: message\ndata: {}\n\n", tools(count));
    let body = filter(&mut world, b"text/event-stream");
    let ReplyBody::Stream(filter, mut stream) = body else { panic!("no stream") };
    Box::new(move || {
        let mut passed = 0;
        for piece in event.as_bytes().chunks(16 * 1_024) {
            let (out, result) = filter.chunk(&mut stream, piece, &mut world.desk());
            assert!(result.is_ok());
            passed += out.len();
        }
        assert!(passed > event.len() / 20, "{passed}");
    })
}

/// A signed bundle of so many rules, and a configuration that takes it.
pub(crate) fn bundle(rules: usize) -> (World, Vec<u8>) {
    let mut document: serde_json::Value =
        serde_json::from_str(&configuration(2, 16)).expect("a configuration");
    document["clusters"] = serde_json::json!({ "files": "files" });
    document["policies"]["default"] =
        serde_json::json!({ "bundle": { "uri": "https://files/policy", "public_key": packer() } });
    let text = signed_part(&format!(
        r#"{{"name":"default","version":1,"expires":"2030-01-01T00:00:00Z","parts":{{"policy":{}}}}}"#,
        scale::document(Shape::Exact, rules)
    ));
    let (_, signer) = key(Algorithm::EdDSA);
    let signature =
        jsonwebtoken::crypto::sign(text.as_bytes(), &signer, Algorithm::EdDSA).expect("a signature");
    (World::of(&document.to_string()), [text.as_str(), &signature, "\n"].concat().into_bytes())
}

/// Everything that puts a fetched bundle into force: signature, reading, compilation, the policy in its place.
pub(crate) fn put_in_force(world: &World, bundle: &[u8]) -> Policies {
    let mut policies = Policies::new(&world.config);
    let response = Response { status: 200, freshness: Freshness::default(), etag: None, body: bundle };
    let feed = policies.feed(0).expect("a bundle");
    assert_eq!(feed.on_response(0, &response, NOW, 0), Outcome::Fresh);
    assert_eq!(policies.changed(0), Swap::Another);
    policies
}

/// The same, and the end of the policy that was in force before: a version is taken once, so its place is new each time.
fn swap(rules: usize) -> Work {
    let (world, bundle) = bundle(rules);
    let mut policies = Policies::new(&world.config);
    Box::new(move || drop(std::mem::replace(&mut policies, put_in_force(&world, &bundle))))
}
