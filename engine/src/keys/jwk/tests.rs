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
    let key = read_text(&p384_jwk(P384_X, P384_Y, "")).unwrap();
    assert_eq!(key.spki(), include_bytes!("../testdata/p384.spki.der"));
    assert_eq!((key.family(), key.signature_len), (Family::P384, 96));
    let key = read_text(&ed25519_jwk(ED25519_X, "")).unwrap();
    assert_eq!(key.spki(), include_bytes!("../testdata/ed25519.spki.der"));
    assert_eq!((key.family(), key.signature_len), (Family::Ed25519, 64));
}

/// RFC 7638 section 3.1.
#[test]
fn thumbprint_is_that_of_the_rfc() {
    let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
    let key = read_text(&rsa_jwk(n, r#""alg":"RS256","kid":"2011-04-29","#)).unwrap();
    assert_eq!(b64(key.thumbprint()), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    assert_eq!((key.kid(), key.alg()), (Some("2011-04-29"), Some(Alg::Rs256)));
}

/// RFC 8037 appendix A.3.
#[test]
fn thumbprint_of_an_okp_key() {
    let key = read_text(&ed25519_jwk("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "")).unwrap();
    assert_eq!(b64(key.thumbprint()), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
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
        (r#""alg":"PS512","#, None),
        (r#""alg":"EdDSA","#, Some(R::AlgMismatch)),
        (r#""alg":"HS256","#, Some(R::AlgMismatch)),
        (r#""alg":"none","#, Some(R::UnknownAlg)),
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
        (r#"{"kty":"OKP","crv":"Ed25519","x":"AA"}"#, R::BadCoordinate),
        (r#"{"kty":"OKP","crv":"Ed448","x":"AA"}"#, R::UnknownCurve),
        (r#"{"kty":"OKP","crv":"X25519","x":"AA"}"#, R::UnknownCurve),
        (r#"{"kty":"OKP","x":"AA"}"#, R::UnknownCurve),
        (r#"{"kty":"OKP","crv":"Ed25519"}"#, R::BadMember),
        (r#"{"kty":"okp","crv":"Ed25519","x":"AA"}"#, R::UnknownKeyType),
        (r#"{"kty":"RSA","e":"AQAB"}"#, R::BadMember),
        (r#"{"kty":"EC","crv":"P-384","x":"AA","y":"AA"}"#, R::BadCoordinate),
        (r#"{"kty":"EC","crv":"P-521","x":"AA","y":"AA"}"#, R::UnknownCurve),
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
    type Make = fn(&str, &str, &str) -> String;
    for (x, y, make, field) in [(P256_X, P256_Y, ec_jwk as Make, 32), (P384_X, P384_Y, p384_jwk as Make, 48)]
    {
        let bytes = base64url::decode(x).unwrap();
        for bit in 0..8 * field {
            let mut other = bytes.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read_text(&make(&b64(&other), y, "")).err(), Some(JwkRefusal::NotOnCurve), "{bit}");
        }
        let zero = b64(&alloc::vec![0; field]);
        assert_eq!(read_text(&make(&zero, &zero, "")).err(), Some(JwkRefusal::NotOnCurve));
        let short = b64(&bytes[1..]);
        assert_eq!(read_text(&make(&short, y, "")).err(), Some(JwkRefusal::BadCoordinate));
        let long = b64(&[&[0][..], &bytes].concat());
        assert_eq!(read_text(&make(&long, y, "")).err(), Some(JwkRefusal::BadCoordinate));
    }
    assert!(read_text(&ec_jwk(P384_X, P384_Y, "")).is_err());
    assert!(read_text(&p384_jwk(P256_X, P256_Y, "")).is_err());
}

/// The eight points of small order and the ways to write a point twice (RFC 8032 section 5.1.3).
#[test]
fn weak_and_ambiguous_ed25519_keys_are_refused() {
    use JwkRefusal as R;
    let hex = |text: &str| {
        let bytes: Vec<u8> = (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(text.get(at..at + 2).unwrap(), 16).unwrap())
            .collect();
        read_text(&ed25519_jwk(&b64(&bytes), "")).err()
    };
    for (point, refusal) in [
        ("0100000000000000000000000000000000000000000000000000000000000000", R::SmallOrder),
        ("0000000000000000000000000000000000000000000000000000000000000000", R::SmallOrder),
        ("0000000000000000000000000000000000000000000000000000000000000080", R::SmallOrder),
        ("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", R::SmallOrder),
        ("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", R::SmallOrder),
        ("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85", R::SmallOrder),
        ("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", R::SmallOrder),
        ("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa", R::SmallOrder),
        // p, p + 1 and 2^255 - 1 instead of 0, 1 and 18.
        ("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", R::NotOnCurve),
        ("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", R::NotOnCurve),
        ("ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", R::NotOnCurve),
        // No point has this coordinate.
        ("0200000000000000000000000000000000000000000000000000000000000000", R::NotOnCurve),
        ("00", R::BadCoordinate),
    ] {
        assert_eq!(hex(point), Some(refusal), "{point}");
    }
}

#[test]
fn nothing_of_a_key_is_printed() {
    let key = read_text(&rsa_jwk(RSA_2048_N, r#""kid":"secret-name","#)).unwrap();
    assert_eq!(format!("{key:?}"), "PublicKey(Rsa)");
}
