// SPDX-License-Identifier: Apache-2.0

use super::*;
use crate::json::{Doc, Limits};
use crate::keys::fixtures::*;
use base64ct::{Base64UrlUnpadded, Encoding};

fn read_text(text: &str) -> Result<PublicKey, JwkRefusal> {
    read(Doc::parse(text.as_bytes(), Limits::CONFIG).unwrap().root())
}

fn rsa(n: &str, e: &str) -> Result<PublicKey, JwkRefusal> {
    read_text(&format!(r#"{{"kty":"RSA","n":"{n}","e":"{e}"}}"#))
}

fn b64(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

#[test]
fn spki_is_what_openssl_writes() {
    let key = read_text(&rsa_jwk(RSA_2048_N, "")).unwrap();
    assert_eq!(key.spki(), include_bytes!("../testdata/rsa2048.spki.der"));
    assert_eq!((key.family(), key.alg(), key.signature_len), (Family::Rsa, None, 256));
    let key = read_text(&ec_jwk(P256_X, P256_Y, "")).unwrap();
    assert_eq!(key.spki(), include_bytes!("../testdata/p256.spki.der"));
    assert_eq!((key.family(), key.signature_len), (Family::P256, 64));
}

/// RFC 7638 section 3.1.
#[test]
fn thumbprint_is_that_of_the_rfc() {
    let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
    let key = read_text(&rsa_jwk(n, r#""alg":"RS256","kid":"2011-04-29","#)).unwrap();
    assert_eq!(b64(key.thumbprint()), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    assert_eq!((key.kid(), key.alg()), (Some("2011-04-29"), Some(Alg::Rs256)));
}

#[test]
fn members_that_tell_the_purpose_are_heeded() {
    use JwkRefusal as R;
    for (more, refusal) in [
        (r#""use":"enc","#, Some(R::WrongUse)),
        (r#""use":["sig"],"#, Some(R::WrongUse)),
        (r#""use":"sig","#, None),
        (r#""key_ops":["sign"],"#, Some(R::WrongKeyOps)),
        (r#""key_ops":"verify","#, Some(R::WrongKeyOps)),
        (r#""key_ops":[],"#, Some(R::WrongKeyOps)),
        (r#""key_ops":["sign","verify"],"#, None),
        (r#""alg":"RS256","#, None),
        (r#""alg":"ES256","#, Some(R::AlgMismatch)),
        (r#""alg":"HS256","#, Some(R::UnknownAlg)),
        (r#""alg":"RSA-OAEP","#, Some(R::UnknownAlg)),
        (r#""alg":1,"#, Some(R::UnknownAlg)),
        (r#""kid":1,"#, Some(R::BadKid)),
        (r#""d":"AQAB","#, Some(R::PrivateMember)),
        (r#""p":"AQAB","#, Some(R::PrivateMember)),
        (r#""oth":null,"#, Some(R::PrivateMember)),
        (r#""k":"AQAB","#, Some(R::PrivateMember)),
        (r#""x5c":["junk"],"x5t":"x","iat":"junk","future":{},"#, None),
    ] {
        assert_eq!(read_text(&rsa_jwk(RSA_2048_N, more)).err(), refusal, "{more}");
    }
    let kid = |length: usize| format!(r#""kid":"{}","#, "k".repeat(length));
    assert!(read_text(&rsa_jwk(RSA_2048_N, &kid(256))).is_ok());
    assert_eq!(read_text(&rsa_jwk(RSA_2048_N, &kid(257))).err(), Some(R::BadKid));
}

#[test]
fn key_types_are_exact() {
    use JwkRefusal as R;
    for (text, refusal) in [
        ("[]", R::NotAnObject),
        ("{}", R::NoKeyType),
        (r#"{"kty":1}"#, R::NoKeyType),
        (r#"{"kty":"oct","k":"AQAB"}"#, R::Symmetric),
        (r#"{"kty":"rsa","n":"AQAB","e":"AQAB"}"#, R::UnknownKeyType),
        (r#"{"kty":"OKP","crv":"Ed25519","x":"AA"}"#, R::UnknownKeyType),
        (r#"{"kty":"RSA","e":"AQAB"}"#, R::BadMember),
        (r#"{"kty":"EC","crv":"P-384","x":"AA","y":"AA"}"#, R::UnknownCurve),
        (r#"{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"}"#, R::UnknownCurve),
        (r#"{"kty":"EC","crv":"P-256","x":"AA"}"#, R::BadMember),
        (r#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}"#, R::BadCoordinate),
    ] {
        assert_eq!(read_text(text).err(), Some(refusal), "{text}");
    }
}

#[test]
fn weak_and_odd_rsa_keys_are_refused() {
    use JwkRefusal as R;
    let e = "AQAB";
    let number = |length: usize, first: u8, last: u8| {
        let mut bytes = alloc::vec![0x55; length];
        bytes[0] = first;
        bytes[length - 1] = last;
        b64(&bytes)
    };
    assert_eq!(rsa(RSA_1024_N, e).err(), Some(R::WeakModulus));
    assert!(rsa(RSA_4096_N, e).is_ok());
    assert_eq!(rsa(&number(256, 0x7F, 1), e).err(), Some(R::WeakModulus));
    assert_eq!(rsa(&number(256, 0x80, 2), e).err(), Some(R::EvenModulus));
    assert_eq!(rsa(&number(257, 0x00, 1), e).err(), Some(R::NotMinimal));
    assert!(rsa(&number(1024, 0xFF, 1), e).is_ok());
    assert_eq!(rsa(&number(1025, 0x01, 1), e).err(), Some(R::HugeModulus));
    assert_eq!(rsa("", e).err(), Some(R::NotMinimal));
    assert_eq!(rsa(&format!("{RSA_2048_N}="), e).err(), Some(R::BadMember));
    for (exponent, refusal) in [
        (&[1][..], R::BadExponent),
        (&[2], R::BadExponent),
        (&[4], R::BadExponent),
        (&[0, 3], R::NotMinimal),
        (&[], R::NotMinimal),
        (&[1, 0, 0, 0, 1], R::BadExponent),
    ] {
        assert_eq!(rsa(RSA_2048_N, &b64(exponent)).err(), Some(refusal), "{exponent:?}");
    }
    // Beyond what the software verifier takes, nobody but this reader looks at the exponent.
    assert_eq!(rsa(&number(1024, 0xFF, 1), "BA").err(), Some(R::BadExponent));
    assert!(rsa(RSA_2048_N, "Aw").is_ok());
    assert!(rsa(RSA_2048_N, &b64(&[0xFF, 0xFF, 0xFF, 0xFF])).is_ok());
}

#[test]
fn points_off_the_curve_are_refused() {
    let x = base64url::decode(P256_X).unwrap();
    for bit in 0..256 {
        let mut other = x.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        let refusal = read_text(&ec_jwk(&b64(&other), P256_Y, "")).err();
        assert_eq!(refusal, Some(JwkRefusal::NotOnCurve), "{bit}");
    }
    let zero = b64(&[0; 32]);
    assert_eq!(read_text(&ec_jwk(&zero, &zero, "")).err(), Some(JwkRefusal::NotOnCurve));
    let short = b64(&x[1..]);
    assert_eq!(read_text(&ec_jwk(&short, P256_Y, "")).err(), Some(JwkRefusal::BadCoordinate));
}

#[test]
fn nothing_of_a_key_is_printed() {
    let key = read_text(&rsa_jwk(RSA_2048_N, r#""kid":"secret-name","#)).unwrap();
    assert_eq!(format!("{key:?}"), "PublicKey(Rsa)");
}
