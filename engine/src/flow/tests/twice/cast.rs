// SPDX-License-Identifier: Apache-2.0
//! Who takes part: the configuration, the credentials, and a drawn sequence of events, which is plain data.

use super::super::credentials::{entry, key};
use super::super::dpop::{jwk, thumbprint};
use super::*;
use crate::bundle::tests::{public, sealed};
use crate::keys::fixtures::{RFC7515_A3_X, RFC7515_A3_Y};
use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest, Sha256};

const SECOND: &str = "https://two.example.com/mcp";
/// No clock goes further: texts of times below have minutes and seconds only.
const LAST: u64 = 3_500;
/// Of the certificate whose digest is in [`CERTIFICATES`].
const X5T: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// What happens to a gate.
#[derive(Clone)]
pub(super) enum Event {
    /// It is so many seconds after [`NOW`].
    Clock(u64),
    /// An issuer's keys arrive: these, or none in time.
    Keys(Option<&'static str>),
    /// A revocation list arrives.
    Revoked(String),
    /// A bundle arrives.
    Bundle(u64, &'static str, String),
    /// Another connection, with this certificate.
    Peer(usize),
    /// A request, and the answer to it.
    Ask(Box<Ask>),
    /// The oldest open stream brings another list, cut by this number.
    More(u64),
    /// Every open stream is asked whether it ends.
    Look,
}

/// A request.
#[derive(Clone)]
pub(super) struct Ask {
    /// For people.
    pub name: String,
    pub fields: Vec<(&'static str, String)>,
    /// None: it ends with its head.
    pub body: Option<String>,
    pub answer: &'static str,
    /// Where the answer is an event stream, how it is cut.
    pub cut: Option<u64>,
}

impl core::fmt::Debug for Event {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Event::Clock(at) => write!(f, "the clock shows {at}"),
            Event::Keys(Some(name)) => write!(f, "keys: {name}"),
            Event::Keys(None) => f.write_str("no keys: the fetch fails"),
            Event::Revoked(list) => write!(f, "revoked: {list}"),
            Event::Bundle(version, what, policy) => {
                let engineers = policy.rsplit(r#"{"role":"#).next().unwrap_or_default();
                write!(f, "bundle {version}, {what}: {engineers}")
            }
            Event::Peer(at) => write!(f, "connection {at}"),
            Event::Ask(ask) => write!(f, "{}", ask.name),
            Event::More(_) => f.write_str("a stream goes on"),
            Event::Look => f.write_str("streams are asked whether they end"),
        }
    }
}

/// Two servers and a route, four kinds of issuers, API keys, certificates, proofs of possession, a policy that comes as
/// a bundle and one that is written, records and filter state: and room for so many tokens.
pub(super) fn configuration(entries: usize) -> String {
    let keys = [entry("one", ""), entry("two", r#","expires":"2027-01-15T08:05:00Z""#)].join(",");
    let issuers = r#""algorithms":["HS256"],"secrets":[{"id":"h","value":{"env":"HS"}}]"#;
    let asked = r#""introspection":{"uri":"https://idp/introspect","client_id":"gate","client_secret":{"env":"STATE"}}"#;
    let fixed = POLICY.replace(
        r#""when":{"groups":{"contains":"eng"}}}"#,
        r#""until":"2027-01-15T08:04:00Z","when":{"groups":{"contains":"eng"}}},
           {"role":"dev","when":{"key":{"owner":{"equals":"acme"}}}}"#,
    );
    format!(
        r#"{{"servers":[
            {{"name":"main","match":{{"hosts":["mcp.example.com"],"path":"/mcp"}},"resource":"{AUDIENCE}","issuers":["corp","hs"],
              "policy":"default","api_keys":["partners"],"client_certificates":"factor","dpop":{{"mode":"accepted"}},
              "tools":{{"catalogue":[{{"name":"echo"}},{{"name":"code_edit"}}]}}}},
            {{"name":"two","match":{{"hosts":["two.example.com"],"path":"/mcp"}},"resource":"{SECOND}","issuers":["corp","asked"],
              "policy":"fixed","api_keys":["partners"]}}],
          "routes":[{{"name":"site","match":{{"path_prefix":"/site"}},"policy":"default","issuers":["corp"],"resource":"{AUDIENCE}"}}],
          "issuers":{{
            "corp":{{"issuer":"https://idp","audiences":["{AUDIENCE}","{SECOND}"],"algorithms":["RS256","ES256"],
              "leeway_seconds":3,"max_age_seconds":200,"jwks":{{"uri":"https://idp/jwks","min_refresh_seconds":10,"max_refresh_seconds":20,"max_stale_seconds":70}}}},
            "hs":{{"issuer":"https://hs","audiences":["{AUDIENCE}"],{issuers}}},
            "asked":{{"issuer":"https://asked","audiences":["{SECOND}"],{asked}}}}},
          "clusters":{{"idp":"idp"}},"api_keys":{{"partners":{{"keys":[{keys}]}}}},
          "policies":{{"default":{{"bundle":{{"uri":"https://idp/policy","public_key":"{}"}}}},"fixed":{{"inline":{fixed}}}}},
          "revocation":{{"feeds":{{"idp":{{"uri":"https://idp/revoked","on_failure":"keep_last"}}}}}},
          "audit":{{"outlets":["access_log"],"arguments":"hashes","filter_state":true}},"secrets":{{"audit":{{"env":"AUDIT"}}}},
          "limits":{{"token_cache_entries":{entries}}}}}"#,
        public(1)
    )
}

/// A key set by its name.
pub(super) fn key_set(name: &str) -> String {
    let rsa = |kid: &str| rsa_jwk(RSA_2048_N, &format!(r#""kid":"{kid}","#));
    let curve = |x, y| ec_jwk(x, y, r#""kid":"e","alg":"ES256","#);
    let [e, stranger] = [curve(P256_X, P256_Y), curve(RFC7515_A3_X, RFC7515_A3_Y)];
    set_of(&match name {
        "all" => [rsa("r"), rsa("r2"), e].to_vec(),
        "without r" => [rsa("r2"), e].to_vec(),
        "without e" => [rsa("r"), rsa("r2")].to_vec(),
        "another e" => [rsa("r"), rsa("r2"), stranger].to_vec(),
        other => panic!("{other}"),
    })
}

pub(super) fn bundle(version: u64, policy: &str) -> String {
    let document = format!(
        r#"{{"name":"default","version":{version},"expires":"2027-02-01T00:00:00Z","parts":{{"policy":{policy}}}}}"#
    );
    sealed(1, &document)
}

/// What the issuer of opaque tokens says of one.
pub(super) fn vouched(body: &[u8]) -> String {
    let text = core::str::from_utf8(body).unwrap();
    let group = if text.contains("opaque-1") { "eng" } else { "ops" };
    format!(
        r#"{{"active":true,"sub":"user-9","client_id":"cli","aud":"{SECOND}","groups":["{group}"],"exp":{}}}"#,
        NOW + 90
    )
}

/// A credential of the pool.
#[derive(Clone)]
struct Shown {
    name: String,
    scheme: &'static str,
    text: String,
    proves: Proves,
    ends: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Proves {
    Nothing,
    Dpop,
}

/// Draws a sequence.
pub(super) struct Director {
    dice: Dice,
    clock: u64,
    version: u64,
    made: u64,
    pool: Vec<Shown>,
}

const ISSUER_KEYS: [&str; 8] = ["all", "all", "all", "all", "all", "without r", "without e", "another e"];

impl Director {
    pub(super) fn new(seed: u64) -> Director {
        let mut director = Director { dice: Dice(seed), clock: 0, version: 0, made: 0, pool: Vec::new() };
        for kind in 0..14 {
            let shown = director.credential(kind);
            director.pool.push(shown);
        }
        director
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.dice.below(bound)
    }

    /// A fresh credential of a kind. Its times are relative to the clock now.
    fn credential(&mut self, kind: usize) -> Shown {
        self.made += 1;
        let number = self.made;
        let (now, issued) = (NOW + self.clock, NOW + self.clock - *self.dice.pick(&[0, 0, 0, 30, 190]));
        let lives = *self.dice.pick(&[10, 40, 150, 180]);
        let ends = now + lives;
        let claims = |issuer: &str, audience: &str, more: &str| {
            format!(
                r#"{{"iss":"{issuer}","aud":{audience},"sub":"user-{}","client_id":"cli","jti":"t-{number}","iat":{issued},"exp":{ends}{more}}}"#,
                number % 4
            )
        };
        let signed = |alg: Alg, kid: &str, claims: String| {
            sign(alg, &format!(r#"{{"alg":"{}","typ":"at+jwt","kid":"{kid}"}}"#, alg.name()), &claims)
        };
        let [one, two] = [AUDIENCE, SECOND].map(|audience| format!("\"{audience}\""));
        let both = format!("[{one},{two}]");
        let eng = r#","groups":["eng"]"#;
        let idp = |audience: &str, more: &str| claims("https://idp", audience, more);
        let proof = format!(r#"{eng},"cnf":{{"jkt":"{}"}}"#, thumbprint(&jwk()));
        let (name, scheme, text) = match kind {
            0 => ("engineer by e", "Bearer", signed(Alg::Es256, "e", idp(&one, eng))),
            1 => ("engineer by r", "Bearer", signed(Alg::Rs256, "r", idp(&one, eng))),
            2 => ("engineer by r2, both audiences", "Bearer", signed(Alg::Rs256, "r2", idp(&both, eng))),
            3 => ("engineer by e, both audiences", "Bearer", signed(Alg::Es256, "e", idp(&both, eng))),
            4 => ("operator by e", "Bearer", signed(Alg::Es256, "e", idp(&both, r#","groups":["ops"]"#))),
            5 => ("engineer by e for two", "Bearer", signed(Alg::Es256, "e", idp(&two, eng))),
            6 => ("engineer by r with proof", "DPoP", signed(Alg::Rs256, "r", idp(&both, &proof))),
            7 => {
                let bound = format!(r#"{eng},"cnf":{{"x5t#S256":"{X5T}"}}"#);
                ("engineer by e with certificate", "Bearer", signed(Alg::Es256, "e", idp(&both, &bound)))
            }
            8 => {
                let later = format!(r#"{eng},"nbf":{}"#, now + 6);
                ("engineer by e, later", "Bearer", signed(Alg::Es256, "e", idp(&one, &later)))
            }
            9 => ("engineer by h", "Bearer", signed(Alg::Hs256, "h", claims("https://hs", &one, eng))),
            10 => ("opaque engineer", "Bearer", "opaque-1".to_string()),
            11 => ("forged", "Bearer", {
                let good = self.pool.first().map_or_else(|| "a.b.c".to_string(), |first| first.text.clone());
                let (head, signature) = good.rsplit_once('.').unwrap();
                format!("{head}.{}", signature.chars().rev().collect::<String>())
            }),
            12 => ("api key one", "", key("one")),
            _ => ("api key two", "", key("two")),
        };
        let proves = if kind == 6 { Proves::Dpop } else { Proves::Nothing };
        let ends = matches!(kind, 0..=9).then_some(self.clock + lives);
        Shown { name: format!("{name} #{number}"), scheme, text, proves, ends }
    }

    pub(super) fn sequence(&mut self, length: usize) -> Vec<Event> {
        let mut events = [Event::Keys(Some("all")), self.policy(0)].to_vec();
        while events.len() < length {
            let event = match self.below(100) {
                0..12 => self.later(),
                12..15 => Event::Keys(Some(*self.dice.pick(&ISSUER_KEYS))),
                15 => Event::Keys(None),
                16..18 => self.list(),
                18..21 => {
                    let which = *self.dice.pick(&[0, 1, 2, 3, 3, 3, 4]);
                    self.policy(which)
                }
                21..24 => Event::Peer(*self.dice.pick(&[0, 1, 1, 2])),
                24..28 => Event::More(self.below(1 << 20)),
                28..31 => Event::Look,
                31..37 => {
                    let kind = *self.dice.pick(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11]);
                    self.pool[kind] = self.credential(kind);
                    continue;
                }
                _ => self.ask(),
            };
            events.push(event);
        }
        events
    }

    /// A little later, or to the edge of a token's time: its end is the end with three seconds of leeway.
    fn later(&mut self) -> Event {
        let ends = self.pool.iter().filter_map(|shown| shown.ends).filter(|ends| *ends + 3 > self.clock);
        let edge = ends.min().map_or(self.clock, |ends| ends + 1) + self.below(4);
        let step = *self.dice.pick(&[1, 1, 2, 5, 17]);
        let next = if self.below(3) == 0 && edge > self.clock { edge } else { self.clock + step };
        self.clock = next.min(LAST);
        Event::Clock(self.clock)
    }

    fn list(&mut self) -> Event {
        let (token, user, since) = (self.below(self.made + 1), self.below(8), NOW + self.clock);
        Event::Revoked(match self.below(4) {
            0 => "{}".to_string(),
            1 => format!(r#"{{"jti":["t-{token}"]}}"#),
            2 => format!(r#"{{"sub":["user-{user}"]}}"#),
            _ => format!(r#"{{"kid":["r2"],"not_before":{{"sub":{{"user-{user}":{since}}}}}}}"#),
        })
    }

    fn policy(&mut self, which: u64) -> Event {
        self.version += 1;
        let at = (self.clock + 2 + self.below(12)).min(LAST);
        let time = format!("2027-01-15T08:{:02}:{:02}Z", at / 60, at % 60);
        let when = r#""when":{"groups":{"contains":"eng"}}}"#;
        let (what, policy) = match which {
            1 => ("other rules", POLICY.replace("\"code_*\"", "\"x_*\"").replace("\"echo\"", "\"other\"")),
            2 => ("other numbers of roles", POLICY.replace(r#""guest":{"#, r#""a":{},"b":{},"guest":{"#)),
            3 => ("a role that ends", POLICY.replace(when, &format!(r#""until":"{time}",{when}"#))),
            4 => ("a role that begins", POLICY.replace(when, &format!(r#""from":"{time}",{when}"#))),
            _ => ("the usual", POLICY.to_string()),
        };
        let acme = r#""bindings":[{"role":"guest","when":{"key":{"owner":{"equals":"acme"}}}},
            {"role":"dev","when":{"certificate":{"uri":{"contains":"spiffe://corp/ci"}}}},"#;
        Event::Bundle(self.version, what, policy.replace(r#""bindings":["#, acme))
    }

    fn ask(&mut self) -> Event {
        let shown = {
            let often = [0, 1, 2, 2, 3, 3, 4, 6, 7, 9, 9, 9];
            let any = usize::try_from(self.below(self.pool.len() as u64)).unwrap();
            let at = if self.below(3) == 0 { any } else { *self.dice.pick(&often) };
            if self.pool[at].ends.is_some_and(|ends| ends + 3 < self.clock) && self.below(4) > 0 {
                self.pool[at] = self.credential(at);
            }
            self.pool[at].clone()
        };
        let (host, path) = *self.dice.pick(&[
            ("mcp.example.com", "/mcp"),
            ("mcp.example.com", "/mcp"),
            ("mcp.example.com", "/mcp"),
            ("two.example.com", "/mcp"),
            ("any", "/site/a"),
        ]);
        let bodies = [
            call("code_edit", r#"{"path":"src/a"}"#),
            call("echo", "{}"),
            call("x_delete", "{}"),
            call("other", "{}"),
            LIST_TOOLS.to_string(),
            LIST_TOOLS.to_string(),
        ];
        let site = path != "/mcp";
        let body = (!site).then(|| self.dice.pick(&bodies).clone());
        let mut fields: Vec<(&'static str, String)> = [
            (":method", if site { "GET" } else { "POST" }),
            (":path", path),
            (":authority", host),
            ("content-type", "application/json"),
        ]
        .map(|(name, value)| (name, value.to_string()))
        .to_vec();
        match shown.scheme {
            "" => fields.push(("x-api-key", shown.text.clone())),
            scheme => fields.push(("authorization", format!("{scheme} {}", shown.text))),
        }
        if shown.proves == Proves::Dpop {
            fields.push(("dpop", self.proof(&shown.text, host)));
        }
        let listed = body.as_deref() == Some(LIST_TOOLS);
        let answer = if listed { TOOLS } else { RESULT };
        let cut = (self.below(2) == 0).then(|| self.below(1 << 20));
        let called = body.as_deref().and_then(|body| body.split("\"name\":").nth(1));
        let what = called.unwrap_or(if listed { "tools/list" } else { path });
        let name = format!("{} asks {host} for {what}", shown.name);
        Event::Ask(Box::new(Ask { name, fields, body, answer, cut }))
    }

    /// Mostly a fresh one; of few ids, so that some come twice.
    fn proof(&mut self, token: &str, host: &str) -> String {
        let ath = Base64UrlUnpadded::encode_string(&Sha256::digest(token.as_bytes()));
        let claims = format!(
            r#"{{"jti":"{}","htm":"POST","htu":"https://{host}/mcp","iat":{},"ath":"{ath}"}}"#,
            self.below(12),
            NOW + self.clock
        );
        sign(Alg::Es256, &format!(r#"{{"typ":"dpop+jwt","alg":"ES256","jwk":{}}}"#, jwk()), &claims)
    }
}

pub(super) const TOOLS: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"echo","description":"says it again"},{"name":"code_edit"},{"name":"other","inputSchema":{"type":"object"}},{"name":"x_delete"},{"name":"x_more"}],"nextCursor":"2"}}"#;
const RESULT: &str = r#"{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"done"}]}}"#;
