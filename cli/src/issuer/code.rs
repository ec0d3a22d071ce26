// SPDX-License-Identifier: Apache-2.0
//! Authorization codes: used once, by the client they were made for, with the verifier that belongs to the challenge.

use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest, Sha256};

use crate::issuer::{
    client::Refresh,
    form::{Form, Refusal},
    metrics::{Event, Metrics},
    secret::Secret,
    state::Grants,
    subject::Terms,
};

/// Seconds until a code must have been used.
pub(super) const LIFETIME: i64 = 60;

/// An authorization code.
#[derive(Debug)]
pub(super) enum Code {
    /// Not used yet.
    Fresh(Fresh),
    /// Used: what it gave ends if it comes again (RFC 6749 section 4.1.2).
    Used {
        /// The family it founded.
        family: Option<String>,
        /// Its access token: `jti` and `exp`.
        token: (String, i64),
    },
}

/// What a code stands for.
#[derive(Debug)]
pub(super) struct Fresh {
    pub(super) terms: Terms,
    pub(super) redirect: String,
    pub(super) challenge: String,
    pub(super) refresh: Refresh,
}

/// Whether `text` can be an S256 challenge: 256 bits in base64url.
pub(super) fn is_challenge(text: &str) -> bool {
    Base64UrlUnpadded::decode_vec(text).is_ok_and(|bytes| bytes.len() == 32)
}

/// Whether `verifier` is that of `challenge` (RFC 7636 section 4.6).
fn fits(verifier: &str, challenge: &str) -> bool {
    let plain = verifier.chars().all(|char| char.is_ascii_alphanumeric() || "-._~".contains(char));
    let long_enough = (43..=128).contains(&verifier.len());
    let digest = Base64UrlUnpadded::encode_string(&Sha256::digest(verifier.as_bytes()));
    plain && long_enough && Secret::of(&digest).is(challenge)
}

impl Grants {
    /// Uses a code up. Any fault uses it up as well: whoever has a code but not its verifier has no second try.
    pub(super) fn redeem(
        &mut self,
        form: &Form,
        client: &str,
        metrics: &Metrics,
        now: i64,
    ) -> Result<Fresh, Refusal> {
        let key = Secret::of(form.need("code")?);
        let fresh = match self.codes.remove(&key, now) {
            Some(Code::Fresh(fresh)) => fresh,
            Some(Code::Used { family, token: (id, until) }) => {
                metrics.count(Event::Code("reused"));
                if let Some(family) = family {
                    self.end_family(&family, now);
                }
                self.end_token(&id, until, now)?;
                return Err(Refusal::grant("the code was used before; what it gave has ended"));
            }
            None => {
                metrics.count(Event::Code("unknown"));
                return Err(Refusal::grant("the code is unknown or has expired"));
            }
        };
        let redirect = form.get("redirect_uri").is_none_or(|redirect| redirect == fresh.redirect);
        let verifier = form.get("code_verifier").is_some_and(|verifier| fits(verifier, &fresh.challenge));
        if fresh.terms.client != client || !redirect || !verifier {
            metrics.count(Event::Code("mismatched"));
            return Err(Refusal::grant("client, redirect_uri or code_verifier is not that of the code"));
        }
        metrics.count(Event::Code("redeemed"));
        Ok(fresh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_that_of_rfc_7636_appendix_b() {
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        assert!(is_challenge(challenge) && fits("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", challenge));
        assert!(!fits("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl", challenge));
        assert!(!fits(challenge, challenge));
        assert!(!is_challenge("dBjftJeZ4CVP") && !is_challenge(&format!("{challenge}=")));
    }
}
