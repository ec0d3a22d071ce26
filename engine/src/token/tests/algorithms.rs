// SPDX-License-Identifier: Apache-2.0
//! Every algorithm: a good token passes, each changed bit and each cut is refused, and another library agrees.

use super::*;
use crate::keys::fixtures::{SECRET, kid_for};
use crate::keys::{Family, Secret, SecretSet};

fn rules_for(alg: Alg) -> IssuerRules {
    IssuerRules { algorithms: vec![alg], ..rules() }
}

fn header(alg: Alg) -> String {
    format!(r#"{{"alg":"{}","kid":"{}","typ":"at+jwt"}}"#, alg.name(), kid_for(alg))
}

fn secrets(ends: Option<u64>) -> Keys {
    let secret = Secret::new(Some("h".to_owned()), ends.map(UnixTime::from_secs), SECRET.to_vec());
    Keys::Secret(Rc::new(SecretSet::new(vec![secret])))
}

fn keys_for(alg: Alg) -> Keys {
    match alg.family() {
        Family::Secret => secrets(None),
        Family::Rsa | Family::P256 | Family::P384 | Family::Ed25519 => Keys::Public(Rc::new(key_set())),
    }
}

fn judge_by(token: &str, rules: &IssuerRules, keys: &Keys) -> Result<VerifiedToken, Rejection> {
    let form = Rejection::Malformed(Malformed::Segments);
    let bearer = BearerToken::new(token.as_bytes(), DEFAULT_MAX_TOKEN_BYTES).map_err(|_| form)?;
    Unverified::parse(bearer)?.verify(rules, keys, &Software, NOW).map_err(|unproven| unproven.rejection)
}

#[test]
fn each_passes_alone_and_no_other_in_its_place() {
    for alg in Alg::ALL {
        let (rules, keys) = (rules_for(alg), keys_for(alg));
        let token = judge_by(&sign(alg, &header(alg), CLAIMS), &rules, &keys).unwrap();
        assert_eq!((token.alg(), token.subject()), (Some(alg), Some("alice")), "{alg:?}");
        assert_eq!(token.generation(), keys.generation());
        for other in Alg::ALL.into_iter().filter(|other| *other != alg) {
            // Signed by the other, and saying so; then signed by the other under the name of this one.
            let honest = judge_by(&sign(other, &header(other), CLAIMS), &rules, &keys).err();
            assert_eq!(honest, Some(Rejection::AlgNotAllowed), "{alg:?} {other:?}");
            let swapped = judge_by(&sign(other, &header(alg), CLAIMS), &rules, &keys).err();
            assert_eq!(swapped, Some(Rejection::BadSignature), "{alg:?} {other:?}");
        }
    }
}

#[test]
fn secrets_and_public_keys_do_not_stand_in_for_each_other() {
    for alg in Alg::ALL {
        let token = sign(alg, &header(alg), CLAIMS);
        let wrong = match alg.family() {
            Family::Secret => Keys::Public(Rc::new(key_set())),
            Family::Rsa | Family::P256 | Family::P384 | Family::Ed25519 => secrets(None),
        };
        assert_eq!(judge_by(&token, &rules_for(alg), &wrong).err(), Some(Rejection::UnknownKid), "{alg:?}");
        let unnamed = sign(alg, &header(alg).replace("kid", "x"), CLAIMS);
        assert!(judge_by(&unnamed, &rules_for(alg), &wrong).is_err(), "{alg:?}");
        assert!(judge_by(&unnamed, &rules_for(alg), &keys_for(alg)).is_ok(), "{alg:?}");
    }
}

#[test]
fn a_token_lasts_no_longer_than_its_secret() {
    let token = sign(Alg::Hs384, &header(Alg::Hs384), CLAIMS);
    let with = |ends| judge_by(&token, &rules_for(Alg::Hs384), &secrets(ends));
    assert_eq!(with(Some(1_800_000_010)).unwrap().expires_at(), UnixTime::from_secs(1_800_000_010));
    assert_eq!(with(Some(1_900_000_000)).unwrap().expires_at(), UnixTime::from_secs(1_800_000_660));
    assert_eq!(with(Some(1_800_000_000)).err(), Some(Rejection::BadSignature));
    let other = sign(Alg::Hs384, &header(Alg::Hs384).replace(r#""h""#, r#""other""#), CLAIMS);
    assert_eq!(judge_by(&other, &rules_for(Alg::Hs384), &secrets(None)).err(), Some(Rejection::UnknownKid));
}

#[test]
fn every_flipped_bit_and_every_truncation_is_refused() {
    for alg in Alg::ALL {
        let (rules, keys) = (rules_for(alg), keys_for(alg));
        let judge = |token: &str| judge_by(token, &rules, &keys).err();
        let token = sign(alg, &header(alg), CLAIMS);
        let (input, signature) = token.rsplit_once('.').unwrap();
        let raw = Base64UrlUnpadded::decode_vec(signature).unwrap();
        for bit in 0..raw.len() * 8 {
            let mut flipped = raw.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let text = format!("{input}.{}", Base64UrlUnpadded::encode_string(&flipped));
            assert_eq!(judge(&text), Some(Rejection::BadSignature), "{alg:?} {bit}");
        }
        for length in 0..raw.len() {
            let text = format!("{input}.{}", Base64UrlUnpadded::encode_string(&raw[..length]));
            assert!(judge(&text).is_some(), "{alg:?} {length}");
        }
        for length in 0..token.len() {
            assert!(judge(token.get(..length).unwrap()).is_some(), "{alg:?} {length}");
        }
        for at in 0..token.len() {
            for bit in 0..7 {
                let mut bytes = token.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                assert!(judge(&String::from_utf8(bytes).unwrap()).is_some(), "{alg:?} {at} {bit}");
            }
        }
    }
}

/// What `jsonwebtoken` says of a token under the same rules.
fn theirs(token: &str, alg: Alg) -> bool {
    use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
    let algorithm: Algorithm = alg.name().parse().unwrap();
    let mut validation = Validation::new(algorithm);
    validation.set_audience(&["https://mcp", "https://other"]);
    validation.set_issuer(&["https://idp"]);
    validation.leeway = 60;
    // Its clock is the machine's; time has its own tests.
    validation.validate_exp = false;
    let der: &[u8] = match alg.family() {
        Family::Rsa => include_bytes!("../../keys/testdata/rsa2048.spki.der"),
        Family::P256 => include_bytes!("../../keys/testdata/p256.spki.der"),
        Family::P384 => include_bytes!("../../keys/testdata/p384.spki.der"),
        Family::Ed25519 => include_bytes!("../../keys/testdata/ed25519.spki.der"),
        Family::Secret => SECRET,
    };
    // The library wants PKCS#1 for RSA and the bare point for curves.
    let key = match alg.family() {
        Family::Secret => DecodingKey::from_secret(SECRET),
        Family::Rsa => DecodingKey::from_rsa_der(&der[24..]),
        Family::P256 => DecodingKey::from_ec_der(&der[26..]),
        Family::P384 => DecodingKey::from_ec_der(&der[23..]),
        Family::Ed25519 => DecodingKey::from_ed_der(&der[12..]),
    };
    decode::<serde_json::Value>(token, &key, &validation).is_ok()
}

#[test]
fn another_library_agrees() {
    let mut numbers = crate::xorshift::Xorshift(0x1234_5678_9ABC_DEF1);
    let mut random = |below| numbers.index(below);
    let (mut accepted, mut refused) = (0, 0);
    for round in 0..360 {
        let alg = Alg::ALL[round % Alg::ALL.len()];
        let claims = [
            CLAIMS.to_owned(),
            CLAIMS.replace("https://mcp", "https://nobody"),
            CLAIMS.replace("https://idp", "https://evil"),
            CLAIMS.replace(r#""https://mcp""#, r#"["https://x","https://other"]"#),
        ];
        let claims = &claims[random(claims.len())];
        let signer = if random(4) == 0 { Alg::ALL[random(Alg::ALL.len())] } else { alg };
        let mut token = sign(signer, &header(alg), claims);
        if random(3) == 0 {
            // Another character of the alphabet, anywhere.
            let at = random(token.len());
            let mut bytes = token.into_bytes();
            if bytes[at] != b'.' {
                bytes[at] = b"AZaz09-_"[random(8)];
            }
            token = String::from_utf8(bytes).unwrap();
        }
        let ours = judge_by(&token, &rules_for(alg), &keys_for(alg));
        let theirs = theirs(&token, alg);
        assert_eq!(ours.is_ok(), theirs, "{alg:?} {ours:?} {token}");
        if theirs { accepted += 1 } else { refused += 1 }
    }
    assert!(accepted > 60 && refused > 60, "{accepted} {refused}");
}
