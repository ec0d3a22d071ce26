// SPDX-License-Identifier: Apache-2.0
//! From text to verified token. Tokens are signed by a library that the engine does not use.

use super::*;

mod abuse;
mod algorithms;
mod cost;
use crate::keys::fixtures::{
    RFC7515_A2_N, RFC7515_A2_TOKEN, RFC7515_A3_TOKEN, RFC7515_A3_X, RFC7515_A3_Y, RSA_2048_N, ec_jwk,
    key_set, rsa_jwk, set_of, sign, sign_input,
};
use crate::keys::{Alg, KeySet, Keys, PublicKey, Signature, SignatureVerifier, Software, Verdict};
use crate::time::UnixTime;
use crate::xorshift::Xorshift;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use base64ct::{Base64UrlUnpadded, Encoding};
use core::cell::Cell;

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const RS: &str = r#"{"alg":"RS256","kid":"r","typ":"at+jwt"}"#;
const ES: &str = r#"{"alg":"ES256","kid":"e","typ":"at+jwt"}"#;
const CLAIMS: &str =
    r#"{"iss":"https://idp","aud":"https://mcp","sub":"alice","exp":1800000600,"iat":1800000000}"#;

fn rules() -> IssuerRules {
    let paths = |paths: &[&str]| paths.iter().filter_map(|path| ClaimPath::parse(path)).collect();
    IssuerRules {
        index: 3,
        issuer: "https://idp".to_owned(),
        audiences: vec!["https://other".to_owned(), "https://mcp".to_owned()],
        algorithms: vec![Alg::Rs256, Alg::Es256],
        leeway_secs: 60,
        typ: TypMode::Strict,
        max_lifetime_secs: None,
        max_age_secs: None,
        roles: paths(&["roles", "realm_access.roles", "https://example.com/roles"]),
        scopes: paths(&["scope", "scp"]),
        groups: paths(&["/nested/groups"]),
        scope_hierarchy: Default::default(),
        clients: Vec::new(),
        required_claims: Vec::new(),
    }
}

/// Counts how often it is asked.
#[derive(Default)]
struct Counting(Cell<u32>);

impl SignatureVerifier for Counting {
    fn verify(&self, alg: Alg, key: &PublicKey, message: &[u8], signature: &Signature) -> Verdict {
        self.0.set(self.0.get() + 1);
        Software.verify(alg, key, message, signature)
    }
}

fn judge_with(
    token: &str,
    rules: &IssuerRules,
    keys: &KeySet,
    verifier: &dyn SignatureVerifier,
    now: UnixTime,
) -> Result<VerifiedToken, Rejection> {
    let form = Rejection::Malformed(Malformed::Segments);
    let bearer = BearerToken::new(token.as_bytes(), DEFAULT_MAX_TOKEN_BYTES).map_err(|_| form)?;
    let verified =
        Unverified::parse(bearer)?.verify(rules, &Keys::Public(Rc::new(keys.clone())), verifier, now);
    verified.map_err(|unproven| unproven.rejection)
}

fn judge(token: &str, rules: &IssuerRules) -> Result<VerifiedToken, Rejection> {
    judge_with(token, rules, &key_set(), &Software, NOW)
}

/// The rejection of a token with these claims; `None` if it passes.
fn claims_rejection(claims: &str) -> Option<Rejection> {
    judge(&sign(Alg::Es256, ES, claims), &rules()).err()
}

/// The rejection of a validly signed token with this header, and how often a verifier was asked.
fn header_rejection(header: &str) -> (Option<Rejection>, u32) {
    let counting = Counting::default();
    let token = sign(Alg::Es256, header, CLAIMS);
    let rejection = judge_with(&token, &rules(), &key_set(), &counting, NOW).err();
    (rejection, counting.0.get())
}

const fn malformed(what: Malformed) -> Rejection {
    Rejection::Malformed(what)
}

#[test]
fn good_tokens_are_verified() {
    for (alg, header) in [(Alg::Rs256, RS), (Alg::Es256, ES)] {
        let token = judge(&sign(alg, header, CLAIMS), &rules()).unwrap();
        assert_eq!(
            (token.issuer(), token.issuer_index(), token.subject()),
            ("https://idp", 3, Some("alice"))
        );
        assert_eq!((token.alg(), token.audiences()), (Some(alg), vec!["https://mcp".to_owned()]));
        assert_eq!(token.expires_at(), UnixTime::from_secs(1_800_000_660));
        assert_eq!(token.generation(), key_set().generation());
        assert_eq!(format!("{token:?}"), "VerifiedToken(issuer 3)");
    }
}

/// The RFC's tokens have no audience, which is asked last: their signatures are good, and only theirs.
#[test]
fn the_examples_of_rfc_7515() {
    let keys = [rsa_jwk(RFC7515_A2_N, ""), ec_jwk(RFC7515_A3_X, RFC7515_A3_Y, "")];
    let keys = KeySet::parse(set_of(&keys).as_bytes()).unwrap();
    let rules = IssuerRules { issuer: "joe".to_owned(), typ: TypMode::Relaxed, ..rules() };
    let in_time = UnixTime::from_secs(1_300_819_379);
    for token in [RFC7515_A2_TOKEN, RFC7515_A3_TOKEN] {
        let judge = |token: &str, now| judge_with(token, &rules, &keys, &Software, now).err();
        assert_eq!(judge(token, in_time), Some(Rejection::WrongAudience));
        assert_eq!(judge(token, in_time.plus_secs(61)), Some(Rejection::Expired));
        let changed = token.replace("eyJpc3MiOiJqb2UiLA0K", "eyJpc3MiOiJqb2UiLCAK");
        assert_eq!(judge(&changed, in_time), Some(Rejection::BadSignature));
    }
}

#[test]
fn one_text_for_each_token() {
    let token = sign(Alg::Es256, ES, CLAIMS);
    let (input, signature) = token.rsplit_once('.').unwrap();
    let (header, payload) = input.split_once('.').unwrap();
    let mut other_bits = signature.to_owned();
    let last = other_bits.pop().unwrap();
    // 64 bytes leave four unused bits in the last character: 15 other texts decode to the same bytes elsewhere.
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for other in alphabet.chars().filter(|other| *other != last) {
        assert!(judge(&format!("{input}.{other_bits}{other}"), &rules()).is_err(), "{other}");
    }
    for text in [
        format!("{token}="),
        format!("{token}=="),
        format!("{token}."),
        format!(".{token}"),
        format!("{token}.{signature}"),
        format!("{token}.{signature}.{signature}"),
        format!("{header}..{payload}.{signature}"),
        format!("{header}.{payload}."),
        format!("{header}..{signature}"),
        format!(".{payload}.{signature}"),
        format!("{header}=.{payload}.{signature}"),
        format!("{header}.{payload}=.{signature}"),
        format!("{token} "),
        format!(" {token}"),
        format!("{token}\n"),
        token.replace('.', ". "),
        token.replace('-', "+").replace('_', "/") + "A",
        header.to_owned(),
        String::from(".."),
        String::from("."),
    ] {
        assert!(matches!(judge(&text, &rules()).err(), Some(Rejection::Malformed(_))), "{text}");
    }
    assert!(judge(&token, &rules()).is_ok());
}

#[test]
fn headers_are_refused_before_any_cryptography() {
    use Rejection as R;
    let long = "k".repeat(257);
    for (header, rejection) in [
        (r#"{"alg":"none"}"#, R::AlgNone),
        (r#"{"alg":"nOnE"}"#, R::AlgNone),
        (r#"{"alg":"HS256","kid":"e","typ":"at+jwt"}"#, R::AlgNotAllowed),
        (r#"{"alg":"ES512","kid":"e","typ":"at+jwt"}"#, R::AlgUnknown),
        (r#"{"alg":"es256","kid":"e","typ":"at+jwt"}"#, R::AlgUnknown),
        (r#"{"alg":"ES256K","kid":"e","typ":"at+jwt"}"#, R::AlgUnknown),
        (r#"{"alg":"","kid":"e","typ":"at+jwt"}"#, R::AlgUnknown),
        (r#"{"kid":"e","typ":"at+jwt"}"#, malformed(Malformed::HeaderMember)),
        (r#"{"alg":["ES256"],"typ":"at+jwt"}"#, malformed(Malformed::HeaderMember)),
        (r#"{"alg":null,"typ":"at+jwt"}"#, malformed(Malformed::HeaderMember)),
        (r#"{"alg":"ES256","kid":1,"typ":"at+jwt"}"#, malformed(Malformed::HeaderMember)),
        (r#"{"alg":"ES256","kid":null,"typ":"at+jwt"}"#, malformed(Malformed::HeaderMember)),
        (r#"{"alg":"ES256","kid":"e","typ":1}"#, malformed(Malformed::HeaderMember)),
        (&format!(r#"{{"alg":"ES256","kid":"{long}","typ":"at+jwt"}}"#), malformed(Malformed::HeaderMember)),
        (r#"{"alg":"ES256","alg":"ES256","kid":"e","typ":"at+jwt"}"#, malformed(Malformed::Header)),
        (r#"{"alg":"none","\u0061lg":"ES256","kid":"e","typ":"at+jwt"}"#, malformed(Malformed::Header)),
        (r#"{"alg":"ES256","kid":"e","typ":"at+jwt"}x"#, malformed(Malformed::Header)),
        (r#"{"alg":"ES256","kid":"e","typ":"at+jwt""#, malformed(Malformed::Header)),
        (r#"["ES256"]"#, malformed(Malformed::Header)),
        (r#""ES256""#, malformed(Malformed::Header)),
        (r#"{"alg":"ES256","kid":"e","typ":"at+jwt","crit":["exp"]}"#, R::UnsupportedCritical),
        (r#"{"alg":"ES256","kid":"e","typ":"at+jwt","crit":[]}"#, R::UnsupportedCritical),
        (r#"{"alg":"ES256","kid":"e","typ":"at+jwt","\u0063rit":null}"#, R::UnsupportedCritical),
        (r#"{"alg":"ES256","kid":"e","typ":"at+jwt","b64":false}"#, R::UnencodedPayload),
        (r#"{"alg":"ES256","kid":"e","typ":"at+jwt","b64":true}"#, R::UnencodedPayload),
        (r#"{"alg":"ES256","kid":"e","typ":"at+jwt","zip":"DEF"}"#, R::Encrypted),
        (r#"{"alg":"ES256","kid":"e","typ":"at+jwt","enc":"A128GCM"}"#, R::Encrypted),
        (r#"{"alg":"ES256","kid":"e","typ":"at+jwt","jku":"https://evil"}"#, R::KeyHint),
        (r#"{"alg":"ES256","kid":"e","typ":"at+jwt","x5u":"https://evil"}"#, R::KeyHint),
        (r#"{"alg":"ES256","kid":"e","typ":"at+jwt","x5c":[]}"#, R::KeyHint),
        (r#"{"alg":"ES256","kid":"e","typ":"at+jwt","jwk":{}}"#, R::KeyHint),
        (r#"{"alg":"ES256","kid":"other","typ":"at+jwt"}"#, R::UnknownKid),
        (r#"{"alg":"ES256","kid":"r","typ":"at+jwt"}"#, R::NoFittingKey),
        (r#"{"alg":"RS256","kid":"e","typ":"at+jwt"}"#, R::NoFittingKey),
        // The signature has 64 bytes; an RSA key of 2,048 bits makes 256.
        (r#"{"alg":"RS256","kid":"r","typ":"at+jwt"}"#, R::BadSignature),
    ] {
        assert_eq!(header_rejection(header), (Some(rejection), 0), "{header}");
    }
    for header in [
        r#"{"alg":"ES256","typ":"at+jwt"}"#,
        r#" { "alg" : "ES256" , "kid" : "e" , "typ" : "at+jwt" } "#,
        r#"{"alg":"ES256","kid":"e","typ":"AT+JWT","x5t":"abc","x5t#S256":"abc","nonce":"n","cty":"x"}"#,
    ] {
        assert_eq!(header_rejection(header), (None, 1), "{header}");
    }
}

/// The public key is public: as an HMAC secret it proves nothing (RFC 8725 section 2.1).
#[test]
fn the_public_key_is_no_hmac_secret() {
    use hmac::Mac;
    let spki = include_bytes!("../keys/testdata/rsa2048.spki.der");
    for name in ["HS256", "RS256", "ES256"] {
        let encode = |text: &str| Base64UrlUnpadded::encode_string(text.as_bytes());
        let header = format!(r#"{{"alg":"{name}","kid":"r","typ":"at+jwt"}}"#);
        let input = format!("{}.{}", encode(&header), encode(CLAIMS));
        let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(spki).unwrap();
        mac.update(input.as_bytes());
        let token = format!("{input}.{}", Base64UrlUnpadded::encode_string(&mac.finalize().into_bytes()));
        assert!(judge(&token, &rules()).is_err(), "{name}");
    }
}

#[test]
fn the_issuer_lists_its_algorithms_and_its_name_exactly() {
    let token = sign(Alg::Es256, ES, CLAIMS);
    let only = |algorithms: Vec<Alg>| judge(&token, &IssuerRules { algorithms, ..rules() }).err();
    assert_eq!(only(vec![Alg::Rs256]), Some(Rejection::AlgNotAllowed));
    assert_eq!(only(vec![]), Some(Rejection::AlgNotAllowed));
    assert_eq!(only(vec![Alg::Es256]), None);
    for issuer in ["https://idp/", "https://IDP", "", "https://id"] {
        let issuer = issuer.to_owned();
        assert_eq!(judge(&token, &IssuerRules { issuer, ..rules() }).err(), Some(Rejection::UnknownIssuer));
    }
}

#[test]
fn a_key_bound_to_its_algorithm_is_used() {
    let keys = set_of(&[rsa_jwk(RSA_2048_N, r#""kid":"r","use":"sig","alg":"RS256","#)]);
    let keys = KeySet::parse(keys.as_bytes()).unwrap();
    assert!(judge_with(&sign(Alg::Rs256, RS, CLAIMS), &rules(), &keys, &Software, NOW).is_ok());
}

#[test]
fn only_access_tokens_are_access_tokens() {
    let with = |typ: &str, mode| {
        let header = format!(r#"{{"alg":"ES256","kid":"e"{typ}}}"#);
        judge(&sign(Alg::Es256, &header, CLAIMS), &IssuerRules { typ: mode, ..rules() }).err()
    };
    for (typ, strict, relaxed) in [
        ("at+jwt", true, true),
        ("application/at+jwt", true, true),
        ("Application/AT+JWT", true, true),
        ("JWT", false, true),
        ("jwt", false, true),
        ("application/jwt", false, true),
        ("id_token+jwt", false, false),
        ("oauth-id-jag+jwt", false, false),
        ("dpop+jwt", false, false),
        ("logout+jwt", false, false),
        ("secevent+jwt", false, false),
        ("JWT ", false, false),
        ("", false, false),
    ] {
        let member = format!(r#","typ":"{typ}""#);
        let expected = |accepted: bool| if accepted { None } else { Some(Rejection::WrongType) };
        assert_eq!(with(&member, TypMode::Strict), expected(strict), "{typ}");
        assert_eq!(with(&member, TypMode::Relaxed), expected(relaxed), "{typ}");
    }
    assert_eq!(with("", TypMode::Strict), Some(Rejection::WrongType));
    assert_eq!(with("", TypMode::Relaxed), None);
}

/// Where `typ` does not tell, the claims do.
#[test]
fn other_kinds_of_tokens_are_known_by_their_claims() {
    let with = |more: &str, typ| {
        let claims = CLAIMS.replace(r#""sub":"alice""#, &format!(r#""sub":"alice",{more}"#));
        judge(
            &sign(Alg::Es256, r#"{"alg":"ES256","kid":"e","typ":"JWT"}"#, &claims),
            &IssuerRules { typ, ..rules() },
        )
        .err()
    };
    for (more, accepted) in [
        (r#""nonce":"n""#, false),
        (r#""at_hash":"x""#, false),
        (r#""c_hash":"x""#, false),
        (r#""s_hash":"x""#, false),
        (r#""events":{}"#, false),
        (r#""typ":"ID""#, false),
        (r#""typ":"Refresh""#, false),
        (r#""typ":"Offline""#, false),
        (r#""token_use":"id""#, false),
        (r#""token_type":"refresh""#, false),
        (r#""token_type":"REFRESH_TOKEN""#, false),
        (r#""typ":"Bearer""#, true),
        (r#""token_use":"access""#, true),
        (r#""token_type":"Bearer""#, true),
        (r#""typ":7"#, true),
        (r#""auth_time":1,"acr":"1","sid":"s""#, true),
    ] {
        let expected = if accepted { None } else { Some(Rejection::WrongType) };
        assert_eq!(with(more, TypMode::Relaxed), expected, "{more}");
    }
    // Typed as an access token it is one (RFC 9068 section 4).
    assert_eq!(claims_rejection(&CLAIMS.replace(r#""sub""#, r#""nonce":"n","sub""#)), None);
}

#[test]
fn clients_are_bound() {
    let with = |more: &str, clients: &[&str]| {
        let claims = CLAIMS.replace(r#""sub":"alice""#, more);
        let clients = clients.iter().map(ToString::to_string).collect();
        judge(&sign(Alg::Es256, ES, &claims), &IssuerRules { clients, ..rules() })
            .map(|token| token.client_id().map(ToOwned::to_owned))
    };
    let cli = Ok(Some("cli".to_owned()));
    assert_eq!(with(r#""client_id":"cli","azp":"cli""#, &[]), cli);
    assert_eq!(with(r#""client_id":"cli","azp":"CLI""#, &[]), Err(Rejection::ClientMismatch));
    assert_eq!(with(r#""client_id":"cli","azp":"web""#, &["cli", "web"]), Err(Rejection::ClientMismatch));
    assert_eq!(with(r#""client_id":"cli""#, &["web", "cli"]), cli);
    assert_eq!(with(r#""azp":"cli""#, &["cli"]), cli);
    assert_eq!(with(r#""azp":"cli""#, &["web"]), Err(Rejection::ClientNotAllowed));
    assert_eq!(with(r#""sub":"cli""#, &["cli"]), Err(Rejection::ClientNotAllowed));
    assert_eq!(with(r#""azp":["cli"]"#, &["cli"]), Err(malformed(Malformed::Claim)));
}

#[test]
fn payloads_are_strict() {
    use Malformed as M;
    use Rejection as R;
    let with = |more: &str| CLAIMS.replace("\"sub\":\"alice\"", more);
    let many = |count: usize| format!(r#""aud":[{}]"#, vec![r#""https://mcp""#; count].join(","));
    for (claims, rejection) in [
        ("[]".to_owned(), R::Malformed(M::Payload)),
        ("{".to_owned(), R::Malformed(M::Payload)),
        (with(r#""sub":"alice","sub":"bob""#), R::Malformed(M::Payload)),
        (with(r#""x":{"a":1,"a":2}"#), R::Malformed(M::Payload)),
        (with(r#""sub":1"#), R::Malformed(M::Claim)),
        (with(r#""sub":null"#), R::Malformed(M::Claim)),
        (with(&format!(r#""sub":"{}""#, "s".repeat(1_025))), R::Malformed(M::Claim)),
        (with(r#""nbf":"1800000000""#), R::Malformed(M::Claim)),
        (with(r#""nbf":-1"#), R::Malformed(M::Claim)),
        (with(r#""nbf":253402300800"#), R::Malformed(M::Claim)),
        (with(r#""nbf":null"#), R::Malformed(M::Claim)),
        (with(r#""jti":7"#), R::Malformed(M::Claim)),
        (with(r#""client_id":[]"#), R::Malformed(M::Claim)),
        (CLAIMS.replace(r#""https://idp""#, "7"), R::Malformed(M::Claim)),
        (CLAIMS.replace(r#""iss""#, r#""isss""#), R::MissingClaim),
        (CLAIMS.replace(r#""exp""#, r#""expp""#), R::MissingClaim),
        (CLAIMS.replace("1800000600", "\"1800000600\""), R::Malformed(M::Claim)),
        (CLAIMS.replace("1800000600", "1e400"), R::Malformed(M::Claim)),
        (CLAIMS.replace(r#""aud":"https://mcp""#, r#""aud":[]"#), R::Malformed(M::Claim)),
        (CLAIMS.replace(r#""aud":"https://mcp""#, r#""aud":["https://mcp",1]"#), R::Malformed(M::Claim)),
        (CLAIMS.replace(r#""aud":"https://mcp""#, r#""aud":{"https://mcp":1}"#), R::Malformed(M::Claim)),
        (CLAIMS.replace(r#""aud":"https://mcp""#, &many(33)), R::Malformed(M::Claim)),
        (CLAIMS.replace("https://mcp", "https://mcp/"), R::WrongAudience),
        (CLAIMS.replace("https://mcp", "HTTPS://mcp"), R::WrongAudience),
        (CLAIMS.replace(r#""aud""#, r#""audd""#), R::WrongAudience),
    ] {
        assert_eq!(claims_rejection(&claims), Some(rejection), "{claims}");
    }
    for claims in [
        CLAIMS.replace(r#""aud":"https://mcp""#, r#""aud":["x","https://mcp"]"#),
        CLAIMS.replace(r#""aud":"https://mcp""#, &many(32)),
        with(r#""nbf":1800000000.5,"other":[1,{"deep":null}]"#),
        CLAIMS.replace("1800000600", "1.8000006e9"),
    ] {
        assert_eq!(claims_rejection(&claims), None, "{claims}");
    }
}

#[test]
fn time_is_judged_with_leeway_and_to_the_second() {
    let claims =
        r#"{"iss":"https://idp","aud":"https://mcp","exp":1800000600,"nbf":1800000100,"iat":1800000100}"#;
    let token = sign(Alg::Es256, ES, claims);
    let keys = key_set();
    let at = |secs: u64, rules: &IssuerRules| {
        judge_with(&token, rules, &keys, &Software, UnixTime::from_secs(1_800_000_000 + secs)).err()
    };
    let plain = rules();
    assert_eq!(at(39, &plain), Some(Rejection::NotYetValid));
    assert_eq!(at(40, &plain), None);
    assert_eq!(at(659, &plain), None);
    assert_eq!(at(660, &plain), Some(Rejection::Expired));
    let exact = IssuerRules { leeway_secs: 0, ..rules() };
    assert_eq!(at(599, &exact), None);
    assert_eq!(at(600, &exact), Some(Rejection::Expired));
    let short = IssuerRules { max_lifetime_secs: Some(499), ..rules() };
    assert_eq!(at(200, &short), Some(Rejection::LifetimeTooLong));
    assert_eq!(at(200, &IssuerRules { max_lifetime_secs: Some(500), ..rules() }), None);
    let young = IssuerRules { max_age_secs: Some(100), leeway_secs: 0, ..rules() };
    assert_eq!(at(199, &young), None);
    assert_eq!(at(200, &young), Some(Rejection::TooOld));
    let verified = judge_with(&token, &young, &keys, &Software, UnixTime::from_secs(1_800_000_150)).unwrap();
    assert_eq!(verified.expires_at(), UnixTime::from_secs(1_800_000_200));
    let recheck = |audience: &str, secs: u64| {
        verified.recheck(&young, &[audience.to_owned()], UnixTime::from_secs(1_800_000_000 + secs)).err()
    };
    assert_eq!(recheck("https://mcp", 199), None);
    assert_eq!(recheck("https://other", 199), Some(Rejection::WrongAudience));
    assert_eq!(recheck("https://mcp", 200), Some(Rejection::TooOld));
}

#[test]
fn issued_in_the_future_and_never_issued() {
    let future = CLAIMS.replace(r#""iat":1800000000"#, r#""iat":1800000061"#);
    assert_eq!(claims_rejection(&future), Some(Rejection::IssuedInFuture));
    let without = sign(Alg::Es256, ES, &CLAIMS.replace(r#""iat""#, r#""iatt""#));
    assert!(judge(&without, &rules()).is_ok());
    let limited = IssuerRules { max_lifetime_secs: Some(10_000), ..rules() };
    assert_eq!(judge(&without, &limited).err(), Some(Rejection::MissingClaim));
    let limited = IssuerRules { max_age_secs: Some(10_000), ..rules() };
    assert_eq!(judge(&without, &limited).err(), Some(Rejection::MissingClaim));
}

#[test]
fn time_and_audience_are_told_only_about_signed_tokens() {
    let claims = CLAIMS.replace("1800000600", "1000").replace("https://mcp", "x");
    let token = sign(Alg::Es256, ES, &claims);
    assert_eq!(judge(&token, &rules()).err(), Some(Rejection::Expired));
    let (input, _) = token.rsplit_once('.').unwrap();
    let forged = format!("{input}.{}", sign_input(Alg::Es256, "something else"));
    assert_eq!(judge(&forged, &rules()).err(), Some(Rejection::BadSignature));
}

#[test]
fn roles_scopes_and_groups_are_collected() {
    let more = r#""scope":"read  write","scp":["admin","read","a b"],"roles":"one two",
        "realm_access":{"roles":["three","one two"]},"https://example.com/roles":["four"],
        "nested":{"groups":["eng"]},"azp":"cli","jti":"j""#;
    let token = sign(Alg::Es256, ES, &CLAIMS.replace(r#""sub":"alice""#, more));
    let token = judge(&token, &rules()).unwrap();
    assert_eq!(token.scopes(), ["a b", "admin", "read", "write"]);
    assert_eq!(token.roles(), ["four", "one two", "three"]);
    assert_eq!(token.groups(), ["eng"]);
    assert_eq!((token.client_id(), token.jti(), token.subject()), (Some("cli"), Some("j"), None));
    assert_eq!(
        token.claims().root().pointer("/nested/groups/0").and_then(|group| group.as_str()).unwrap(),
        "eng"
    );
}

#[test]
fn the_literal_name_goes_before_the_nested_one() {
    let more = r#""realm_access.roles":["flat"],"realm_access":{"roles":["nested"]},"roles":null"#;
    let token = sign(Alg::Es256, ES, &CLAIMS.replace(r#""sub":"alice""#, more));
    assert_eq!(judge(&token, &rules()).unwrap().roles(), ["flat"]);
}

#[test]
fn claims_that_cannot_be_understood_are_refused() {
    let list = |count: usize| format!(r#""roles":[{}]"#, vec![r#""r""#; count].join(","));
    for more in [r#""roles":{"a":1}"#, r#""roles":7"#, r#""roles":["a",1]"#, r#""scope":true"#, &list(257)] {
        let claims = CLAIMS.replace(r#""sub":"alice""#, more);
        assert_eq!(claims_rejection(&claims), Some(Rejection::BadClaim), "{more}");
    }
    assert_eq!(claims_rejection(&CLAIMS.replace(r#""sub":"alice""#, &list(256))), None);
}

#[test]
fn required_claims_must_be_there() {
    let required = |name: &str| {
        let required_claims = ClaimPath::parse(name).into_iter().collect();
        judge(&sign(Alg::Es256, ES, CLAIMS), &IssuerRules { required_claims, ..rules() }).err()
    };
    assert_eq!(required("sub"), None);
    assert_eq!(required("jti"), Some(Rejection::MissingClaim));
    assert_eq!(required("/cnf/jkt"), Some(Rejection::MissingClaim));
}

struct Always(Verdict);

impl SignatureVerifier for Always {
    fn verify(&self, _: Alg, _: &PublicKey, _: &[u8], _: &Signature) -> Verdict {
        self.0
    }
}

#[test]
fn what_no_verifier_can_tell_is_refused() {
    let token = sign(Alg::Es256, ES, CLAIMS);
    let with = |verdict| judge_with(&token, &rules(), &key_set(), &Always(verdict), NOW).err();
    assert_eq!(with(Verdict::Unsupported), Some(Rejection::VerifierUnsupported));
    assert_eq!(with(Verdict::Refused), Some(Rejection::BadSignature));
    let throttled = Rejection::Throttled { retry_after_secs: 9 };
    assert_eq!(with(Verdict::Throttled { retry_after_secs: 9 }), Some(throttled));
}

#[test]
fn rules_are_checked_without_keys_and_nothing_is_printed() {
    let token = sign(Alg::Es256, ES, CLAIMS);
    let bearer = BearerToken::new(token.as_bytes(), DEFAULT_MAX_TOKEN_BYTES).unwrap();
    let unverified = Unverified::parse(bearer).unwrap();
    assert_eq!((unverified.issuer(), unverified.kid()), ("https://idp", Some("e")));
    assert_eq!(unverified.check_rules(&rules()), Ok(()));
    let other = IssuerRules { algorithms: vec![Alg::Rs256], ..rules() };
    assert_eq!(unverified.check_rules(&other), Err(Rejection::AlgNotAllowed));
    let jws = Jws::parse(bearer).unwrap();
    let claims = Claims::parse(jws.payload.clone()).unwrap();
    let printed = format!("{bearer:?} {unverified:?} {jws:?} {claims:?} {:?}", jws.header);
    assert_eq!(printed, "BearerToken(hidden) Unverified(hidden) Jws(ES256) Claims(hidden) Header(ES256)");
    assert_eq!(Malformed::Claim.detail().to_string(), "claim");
}

#[test]
fn a_binding_that_is_not_understood_exactly_is_refused() {
    const DIGEST: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    let bytes: [u8; 32] = core::array::from_fn(|at| u8::try_from(at).unwrap());
    let with = |cnf: &str| {
        let claims = CLAIMS.replace(r#""sub":"alice""#, &format!(r#""sub":"alice"{cnf}"#));
        judge(&sign(Alg::Es256, ES, &claims), &rules()).map(|token| token.confirmation())
    };
    assert_eq!(with(""), Ok(Confirmation::None));
    assert_eq!(with(&format!(r#","cnf":{{"jkt":"{DIGEST}"}}"#)), Ok(Confirmation::Key(bytes)));
    assert_eq!(with(&format!(r#","cnf":{{"x5t#S256":"{DIGEST}"}}"#)), Ok(Confirmation::Certificate(bytes)));
    let claim = malformed(Malformed::Claim);
    for (cnf, rejection) in [
        ("null".to_owned(), claim),
        (format!(r#""{DIGEST}""#), claim),
        ("[]".to_owned(), claim),
        (r#"{"jkt":""}"#.to_owned(), claim),
        (r#"{"jkt":null}"#.to_owned(), claim),
        (format!(r#"{{"jkt":"{DIGEST}="}}"#), claim),
        (format!(r#"{{"jkt":"{}9"}}"#, DIGEST.get(..42).unwrap()), claim),
        (format!(r#"{{"x5t#S256":"{}"}}"#, DIGEST.get(..40).unwrap()), claim),
        (format!(r#"{{"x5t#S256":"{DIGEST}AAAA"}}"#), claim),
        ("{}".to_owned(), Rejection::UnknownConfirmation),
        (format!(r#"{{"x5t":"{DIGEST}"}}"#), Rejection::UnknownConfirmation),
        (format!(r#"{{"JKT":"{DIGEST}"}}"#), Rejection::UnknownConfirmation),
        (r#"{"jwk":{}}"#.to_owned(), Rejection::UnknownConfirmation),
        (r#"{"kid":"k"}"#.to_owned(), Rejection::UnknownConfirmation),
        (format!(r#"{{"jkt":"{DIGEST}","kid":"k"}}"#), Rejection::UnknownConfirmation),
        (format!(r#"{{"jkt":"{DIGEST}","x5t#S256":"{DIGEST}"}}"#), Rejection::UnknownConfirmation),
    ] {
        assert_eq!(with(&format!(r#","cnf":{cnf}"#)), Err(rejection), "{cnf}");
    }
    let printed = format!("{:?} {:?}", Confirmation::Key(bytes), Confirmation::Certificate(bytes));
    assert_eq!(printed, "Confirmation(key) Confirmation(certificate)");
}

#[test]
fn a_token_has_three_segments_and_something_in_each() {
    let parsed = |text: &str| {
        let bearer = BearerToken::new(text.as_bytes(), DEFAULT_MAX_TOKEN_BYTES).unwrap();
        Jws::parse(bearer).err()
    };
    let (header, payload, tag) = ("eyJhbGciOiJFUzI1NiJ9", "e30", "AA");
    assert_eq!(parsed(&[header, payload, tag].join(".")), None);
    for segments in [
        &[header][..],
        &[header, payload],
        &["", payload, tag],
        &[header, "", tag],
        &[header, payload, ""],
        &[header, payload, payload, tag],
    ] {
        let refused = Some(Rejection::Malformed(Malformed::Segments));
        assert_eq!(parsed(&segments.join(".")), refused, "{segments:?}");
    }
}

#[test]
fn entries_are_taken_up_to_their_bounds() {
    for (entries, bytes, fits) in [(256, 5, true), (257, 5, false), (1, 1_024, true), (1, 1_025, false)] {
        let entry = |at: usize| alloc::format!("\"{at:0bytes$}\"");
        let claims = alloc::format!(r#"{{"r":[{}]}}"#, (0..entries).map(entry).collect::<Vec<_>>().join(","));
        let doc = crate::json::Doc::parse(claims.as_bytes(), crate::json::Limits::CONFIG).unwrap();
        let path = [ClaimPath::parse("r").unwrap()];
        let read = super::path::extract_strings(doc.root(), &path, super::path::Split::Whole);
        assert_eq!(read.is_ok(), fits, "{entries} of {bytes} bytes");
    }
}

/// Whoever looks at a token's characters by decoding it finds what a look at all of them first would have found.
#[test]
fn characters_that_are_no_tokens_are_found_either_way() {
    let good =
        sign(Alg::Es256, r#"{"alg":"ES256","typ":"at+jwt","kid":"e"}"#, r#"{"iss":"https://idp","exp":1}"#);
    let (mut dice, mut refused, mut read) = (Xorshift(11), 0, 0);
    let odd = [b'.', b'=', b'+', b'/', b'~', b' ', b'"', 0, 0x7f, 0x80, 0xe9, b'A', b'_'];
    for turn in 0..4_000 {
        let mut text = good.clone().into_bytes();
        for _ in 0..turn % 3 {
            let at = dice.index(text.len());
            let byte = odd[dice.index(odd.len())];
            match dice.below(4) {
                0 => text.insert(at, byte),
                1 => drop(text.remove(at)),
                2 => text.truncate(at.max(1)),
                _ => text[at] = byte,
            }
        }
        let value = [b"Bearer ", &text[..]].concat();
        let Ok(Presented::Bearer(shown)) = present([&value[..]].into_iter(), b"/", usize::MAX) else {
            continue;
        };
        let both =
            shown.read().map(|token| Unverified::parse(token).map(|token| token.kid().map(String::from)));
        let by_itself = Unverified::read(shown).map(|read| read.map(|token| token.kid().map(String::from)));
        refused += usize::from(both.is_err());
        read += usize::from(matches!(both, Ok(Ok(_))));
        assert_eq!(by_itself, both, "{}", text.escape_ascii());
    }
    assert!(refused > 500 && read > 1_000, "{refused} {read}");
}
