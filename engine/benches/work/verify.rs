//! Signatures by algorithm, and who checks them.

use super::{KEYS, Stage, Work, World, key, request, token};
use base64ct::{Base64UrlUnpadded, Encoding};
use jsonwebtoken::Algorithm;
use toolgate_engine::keys::{Alg, KeySet, PublicKey, Signature, SignatureVerifier, Software, Verdict};

/// Those that a proxy's `verify_signature` knows.
const BY_HOST: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::ES384];

/// One signature of `algorithm`, by the engine itself.
pub(crate) fn by_module(algorithm: Algorithm) -> Work {
    one(algorithm, &Software)
}

/// One signature of each algorithm that `verifier` knows.
pub(crate) fn stages(place: &str, verifier: &'static dyn SignatureVerifier) -> Vec<Stage> {
    let stage = |algorithm: Algorithm| -> Stage {
        (format!("verify/{algorithm:?}/{place}"), Box::new(move || one(algorithm, verifier)))
    };
    let mut stages: Vec<Stage> = BY_HOST.map(stage).into();
    stages.push((format!("verify/RS256/{place}_besides_power"), Box::new(move || besides_power(verifier))));
    stages
}

/// An RSA signature that is no number below the modulus: refused without a power, so this is what else there is to do for
/// one: to cross over, to read the key, to hash.
fn besides_power(verifier: &'static dyn SignatureVerifier) -> Work {
    let token = token(Algorithm::RS256);
    let (message, _) = token.rsplit_once('.').expect("three parts");
    let (message, signature) =
        (message.to_owned(), Signature::from_bytes(vec![0xFF; 256]).expect("a signature"));
    let set = KeySet::parse(KEYS.as_bytes()).expect("keys");
    Box::new(move || {
        let keys = set.candidates(Some("r"), Alg::Rs256).expect("a key");
        let key = keys.iter().next().expect("a key");
        assert_eq!(key.verify(Alg::Rs256, message.as_bytes(), &signature, verifier), Verdict::Refused);
    })
}

/// Whole requests whose token is new, with the proxy's verifier.
pub(crate) fn cold(verifier: &'static dyn SignatureVerifier) -> Vec<Stage> {
    let stage = |algorithm: Algorithm| -> Stage {
        let world = move || World { verifier, ..World::new(10, 0) };
        (
            format!("request/cold_{algorithm:?}_host").to_lowercase(),
            Box::new(move || request(world(), algorithm)),
        )
    };
    BY_HOST.map(stage).into()
}

fn one(algorithm: Algorithm, verifier: &'static dyn SignatureVerifier) -> Work {
    let alg = Alg::from_name(&format!("{algorithm:?}")).expect("an algorithm of ours");
    let (kid, _) = key(algorithm);
    let token = token(algorithm);
    let (message, signature) = token.rsplit_once('.').expect("three parts");
    let signature = Base64UrlUnpadded::decode_vec(signature).expect("base64url");
    let (message, signature) = (message.to_owned(), Signature::from_bytes(signature).expect("a signature"));
    let set = KeySet::parse(KEYS.as_bytes()).expect("keys");
    Box::new(move || {
        let keys = set.candidates(Some(kid), alg).expect("a key");
        let key = keys.iter().next().expect("a key");
        assert_eq!(key.verify(alg, message.as_bytes(), &signature, verifier), Verdict::Verified);
    })
}

/// Takes every signature: what is left is what a new token costs besides.
pub(crate) struct Trusting;

impl SignatureVerifier for Trusting {
    fn verify(&self, _: Alg, _: &PublicKey, _: &[u8], _: &Signature) -> Verdict {
        Verdict::Verified
    }
}

/// Takes none.
pub(crate) struct Refusing;

impl SignatureVerifier for Refusing {
    fn verify(&self, _: Alg, _: &PublicKey, _: &[u8], _: &Signature) -> Verdict {
        Verdict::Refused
    }
}

/// A whole request whose token is new, without checking its signature.
pub(crate) fn trusting() -> Work {
    request(World { verifier: &Trusting, ..World::new(10, 0) }, Algorithm::RS256)
}
