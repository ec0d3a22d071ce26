// SPDX-License-Identifier: Apache-2.0
//! Project Wycheproof's vectors: valid signatures verify, invalid ones do not, and what another scheme would call valid
//! (DER, other salts, other hashes) is refused. Where our verdict is stricter, `testdata/wycheproof.json` says why.

use super::*;
use crate::keys::{Secret, SecretSet};
use crate::time::UnixTime;
use alloc::collections::BTreeSet;
use base64ct::{Base64UrlUnpadded, Encoding};
use wycheproof::TestResult;
use wycheproof::ecdsa::TestName as Ecdsa;
use wycheproof::eddsa::TestName as Eddsa;
use wycheproof::mac::TestName as Mac;
use wycheproof::rsa_pkcs1_verify::TestName as Pkcs1;
use wycheproof::rsa_pss_verify::TestName as Pss;

fn b64(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

/// Big-endian without the sign byte that Wycheproof writes.
fn number(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    &bytes[zeros..]
}

fn field(bytes: &[u8], length: usize) -> String {
    let bytes = number(bytes);
    b64(&[&vec![0; length - bytes.len()][..], bytes].concat())
}

fn rsa_key(n: &[u8], e: &[u8]) -> PublicKey {
    let (n, e) = (b64(number(n)), b64(number(e)));
    one_key(format!(r#"{{"kty":"RSA","n":"{n}","e":"{e}"}}"#)).keys().next().unwrap().clone()
}

fn judge(key: &PublicKey, alg: Alg, message: &[u8], signature: &[u8]) -> Verdict {
    match Signature::from_bytes(signature.to_vec()) {
        Some(signature) => key.verify(alg, message, &signature, &Software),
        None => Verdict::Refused,
    }
}

/// Which verdict a vector asks for. Nothing here is "acceptable": what is not valid is refused, or said to be so.
fn wanted(result: TestResult) -> Option<Verdict> {
    match result {
        TestResult::Valid => Some(Verdict::Verified),
        TestResult::Invalid => Some(Verdict::Refused),
        TestResult::Acceptable => None,
    }
}

/// The exclusions, each of which must come up.
struct Exclusions {
    rows: BTreeSet<(String, String)>,
    used: BTreeSet<(String, String)>,
}

impl Exclusions {
    fn of(prefix: &str) -> Exclusions {
        let file: Value = serde_json::from_str(include_str!("../../testdata/wycheproof.json")).unwrap();
        let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
        let rows = file["exclusions"].as_array().unwrap().iter();
        let rows = rows.map(|row| (text(row, "set"), text(row, "test")));
        Exclusions { rows: rows.filter(|row| row.0.starts_with(prefix)).collect(), used: BTreeSet::new() }
    }

    fn covers(&mut self, set: &str, test: &str) -> bool {
        let row = (set.to_owned(), test.to_owned());
        let known = self.rows.contains(&row);
        if known {
            self.used.insert(row);
        }
        known
    }
}

impl Drop for Exclusions {
    fn drop(&mut self) {
        assert_eq!(self.used, self.rows, "an exclusion that nothing needs");
    }
}

#[test]
fn rsa_pkcs1() {
    let mut exclusions = Exclusions::of("rsa_signature");
    let mut verified = 0;
    for (set, name, alg) in [
        (Pkcs1::Rsa2048Sha256, "rsa_signature_2048_sha256", Alg::Rs256),
        (Pkcs1::Rsa2048Sha384, "rsa_signature_2048_sha384", Alg::Rs384),
        (Pkcs1::Rsa2048Sha512, "rsa_signature_2048_sha512", Alg::Rs512),
        (Pkcs1::Rsa3072Sha256, "rsa_signature_3072_sha256", Alg::Rs256),
        (Pkcs1::Rsa3072Sha384, "rsa_signature_3072_sha384", Alg::Rs384),
        (Pkcs1::Rsa3072Sha512, "rsa_signature_3072_sha512", Alg::Rs512),
        (Pkcs1::Rsa4096Sha256, "rsa_signature_4096_sha256", Alg::Rs256),
        (Pkcs1::Rsa4096Sha384, "rsa_signature_4096_sha384", Alg::Rs384),
        (Pkcs1::Rsa4096Sha512, "rsa_signature_4096_sha512", Alg::Rs512),
        (Pkcs1::Rsa8192Sha256, "rsa_signature_8192_sha256", Alg::Rs256),
        (Pkcs1::Rsa8192Sha384, "rsa_signature_8192_sha384", Alg::Rs384),
        (Pkcs1::Rsa8192Sha512, "rsa_signature_8192_sha512", Alg::Rs512),
    ] {
        for group in wycheproof::rsa_pkcs1_verify::TestSet::load(set).unwrap().test_groups {
            let key = rsa_key(&group.key.n, &group.key.e);
            for test in &group.tests {
                let told = judge(&key, alg, &test.msg, &test.sig);
                if told == Verdict::Unsupported {
                    assert!(exclusions.covers(name, "host only"), "{name} {}", test.tc_id);
                    continue;
                }
                // "Acceptable" is a digest info without its NULL: RFC 8017 section 9.2 does not know it.
                let wanted = wanted(test.result).unwrap_or(Verdict::Refused);
                assert_eq!(told, wanted, "{name} {} {}", test.tc_id, test.comment);
                verified += u32::from(told == Verdict::Verified);
            }
        }
    }
    assert!(verified > 50, "{verified}");
}

/// What is valid over another hash is another algorithm's.
#[test]
fn rsa_pkcs1_with_another_hash() {
    for (set, alg) in [
        (Pkcs1::Rsa2048Sha224, Alg::Rs256),
        (Pkcs1::Rsa2048Sha384, Alg::Rs256),
        (Pkcs1::Rsa2048Sha512, Alg::Rs384),
        (Pkcs1::Rsa2048Sha3_256, Alg::Rs256),
        (Pkcs1::Rsa2048Sha512_256, Alg::Rs256),
        (Pkcs1::Rsa2048Sha256, Alg::Ps256),
    ] {
        for group in wycheproof::rsa_pkcs1_verify::TestSet::load(set).unwrap().test_groups {
            let key = rsa_key(&group.key.n, &group.key.e);
            for test in group.tests.iter().filter(|test| test.result == TestResult::Valid) {
                assert_eq!(
                    judge(&key, alg, &test.msg, &test.sig),
                    Verdict::Refused,
                    "{alg:?} {}",
                    test.tc_id
                );
            }
        }
    }
}

fn pss(set: Pss, alg: Alg, mut each: impl FnMut(usize, TestResult, Verdict)) {
    for group in wycheproof::rsa_pss_verify::TestSet::load(set).unwrap().test_groups {
        let key = rsa_key(&group.key.n, &group.key.e);
        for test in &group.tests {
            each(test.tc_id, test.result, judge(&key, alg, &test.msg, &test.sig));
        }
    }
}

#[test]
fn rsa_pss() {
    let mut verified = 0;
    for (set, alg) in [
        (Pss::RsaPss2048Sha256Mgf1SaltLen32, Alg::Ps256),
        (Pss::RsaPss3072Sha256Mgf1SaltLen32, Alg::Ps256),
        (Pss::RsaPss4096Sha256Mgf1SaltLen32, Alg::Ps256),
        (Pss::RsaPss2048Sha384Mgf1SaltLen48, Alg::Ps384),
        (Pss::RsaPss4096Sha384Mgf1SaltLen48, Alg::Ps384),
        (Pss::RsaPss4096Sha512Mgf1SaltLen64, Alg::Ps512),
    ] {
        pss(set, alg, |id, result, told| {
            assert_eq!(Some(told), wanted(result).or(Some(told)), "{alg:?} {id}");
            verified += u32::from(told == Verdict::Verified);
        });
    }
    assert!(verified > 80, "{verified}");
}

/// RFC 7518 section 3.5: the salt is as long as the hash, and the mask uses the same hash.
#[test]
fn rsa_pss_with_another_salt_or_hash() {
    for (set, alg) in [
        (Pss::RsaPss2048Sha256Mgf1SaltLen0, Alg::Ps256),
        (Pss::RsaPss2048Sha256Mgf1Sha1_20, Alg::Ps256),
        (Pss::RsaPss2048Sha1Mgf1SaltLen20, Alg::Ps256),
        (Pss::RsaPss4096Sha512Mgf1SaltLen32, Alg::Ps512),
        (Pss::RsaPss2048Sha512_256Mgf1SaltLen32, Alg::Ps256),
        (Pss::RsaPss2048Shake128, Alg::Ps256),
        (Pss::RsaPss2048Sha256Mgf1SaltLen32, Alg::Ps384),
        (Pss::RsaPss2048Sha256Mgf1SaltLen32, Alg::Rs256),
    ] {
        pss(set, alg, |id, result, told| {
            assert!(result != TestResult::Valid || told == Verdict::Refused, "{alg:?} {id}");
        });
    }
}

fn ecdsa(set: Ecdsa, alg: Alg, length: usize, mut each: impl FnMut(usize, TestResult, Verdict)) {
    for group in wycheproof::ecdsa::TestSet::load(set).unwrap().test_groups {
        let (x, y) = (field(&group.key.affine_x, length), field(&group.key.affine_y, length));
        let curve = if length == 32 { "P-256" } else { "P-384" };
        let key = one_key(format!(r#"{{"kty":"EC","crv":"{curve}","x":"{x}","y":"{y}"}}"#));
        let key = key.keys().next().unwrap();
        for test in &group.tests {
            each(test.tc_id, test.result, judge(key, alg, &test.msg, &test.sig));
        }
    }
}

#[test]
fn ecdsa_p1363() {
    let mut verified = 0;
    for (set, alg, length) in [
        (Ecdsa::EcdsaSecp256r1Sha256P1363, Alg::Es256, 32),
        (Ecdsa::EcdsaSecp384r1Sha384P1363, Alg::Es384, 48),
    ] {
        ecdsa(set, alg, length, |id, result, told| {
            assert_eq!(Some(told), wanted(result), "{alg:?} {id}");
            verified += u32::from(told == Verdict::Verified);
        });
    }
    assert!(verified > 200, "{verified}");
}

/// RFC 7518 section 3.4: never DER, and never another hash.
#[test]
fn ecdsa_in_der_or_with_another_hash() {
    for (set, alg, length) in [
        (Ecdsa::EcdsaSecp256r1Sha256, Alg::Es256, 32),
        (Ecdsa::EcdsaSecp384r1Sha384, Alg::Es384, 48),
        (Ecdsa::EcdsaSecp256r1Sha512P1363, Alg::Es256, 32),
        (Ecdsa::EcdsaSecp384r1Sha512P1363, Alg::Es384, 48),
    ] {
        ecdsa(set, alg, length, |id, _, told| assert_eq!(told, Verdict::Refused, "{alg:?} {id}"));
    }
}

#[test]
fn ed25519() {
    let mut verified = 0;
    for group in wycheproof::eddsa::TestSet::load(Eddsa::Ed25519).unwrap().test_groups {
        let set = one_key(ed25519_jwk(&b64(&group.key.pk), ""));
        let key = set.keys().next().unwrap();
        for test in &group.tests {
            let told = judge(key, Alg::EdDsa, &test.msg, &test.sig);
            assert_eq!(Some(told), wanted(test.result), "{} {}", test.tc_id, test.comment);
            verified += u32::from(told == Verdict::Verified);
        }
    }
    assert!(verified > 50, "{verified}");
}

#[test]
fn hmac() {
    let mut exclusions = Exclusions::of("hmac");
    let mut verified = 0;
    for (set, name, alg, length) in [
        (Mac::HmacSha256, "hmac_sha256", Alg::Hs256, 32),
        (Mac::HmacSha384, "hmac_sha384", Alg::Hs384, 48),
        (Mac::HmacSha512, "hmac_sha512", Alg::Hs512, 64),
    ] {
        for group in wycheproof::mac::TestSet::load(set).unwrap().test_groups {
            for test in &group.tests {
                let secrets = SecretSet::new(vec![Secret::new(None, None, test.key.to_vec())]);
                let tag = Signature::from_bytes(test.tag.to_vec()).unwrap();
                let made = secrets.maker(None, alg, &test.msg, &tag, UnixTime::default()).is_some();
                if test.result == TestResult::Valid && test.key.len() < length {
                    assert!(exclusions.covers(name, "short key") && !made, "{name} {}", test.tc_id);
                } else if test.result == TestResult::Valid && test.tag.len() < length {
                    assert!(exclusions.covers(name, "short tag") && !made, "{name} {}", test.tc_id);
                } else {
                    assert_eq!(made, test.result == TestResult::Valid, "{name} {}", test.tc_id);
                    verified += u32::from(made);
                }
            }
        }
    }
    assert!(verified > 80, "{verified}");
}
