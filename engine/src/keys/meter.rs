// SPDX-License-Identifier: Apache-2.0
//! What a verification costs, and the budget of a VM for it.
//!
//! A worker serves nobody else while it verifies. So whatever takes more than 100 µs is paid from a bucket, in units of
//! 100 µs measured on Envoy 1.40: a flood of forged tokens then costs a share of the worker, not all of it.

use super::alg::Alg;
use super::bucket::{Meter, Take};
use super::material::PublicKey;
use super::verifier::{Signature, SignatureVerifier, Verdict};
use crate::time::UnixTime;
use core::cell::RefCell;

/// Units in a millisecond.
const UNITS_PER_MILLI: u32 = 10;
const MICROS_PER_UNIT: u64 = 100;

/// Where a signature is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// By a function of the proxy.
    Host,
    /// In the module.
    Module(SlowCurve),
}

/// Whether the module verifies ES384 itself: 8 to 11 ms for each signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlowCurve {
    /// Only the proxy may.
    Refused,
    /// It does, within the budget.
    Allowed,
}

enum Price {
    /// Below 100 µs.
    Free,
    Units(u32),
    /// Not for sale.
    Never,
}

/// How much time a VM may spend on costly verifications.
#[derive(Clone, Debug)]
pub struct Budget(Meter);

impl Budget {
    /// `millis_per_second` of each second, half of that at once.
    #[must_use]
    pub const fn new(millis_per_second: u32) -> Budget {
        let units = millis_per_second.saturating_mul(UNITS_PER_MILLI);
        // A second has 10,000 units.
        let interval = if units == 0 { 1 } else { 1_000_000 / (units as u64) };
        Budget(Meter::new(units / 2, interval))
    }

    /// Pays for work of `micros` microseconds; less than 100 µs is free.
    pub fn pay(&mut self, micros: u64, now: UnixTime) -> Take {
        match u32::try_from(micros / MICROS_PER_UNIT) {
            Ok(0) => Take::Granted,
            Ok(units) => self.0.try_take_many(units, now),
            Err(_) => self.0.try_take_many(u32::MAX, now),
        }
    }
}

/// A verifier whose costly uses are paid from the budget of the VM.
#[derive(Debug)]
pub struct Metered<'m, V> {
    /// Who verifies.
    pub inner: V,
    /// Where.
    pub place: Place,
    /// The budget of this VM.
    pub budget: &'m RefCell<Budget>,
    /// The time of the request.
    pub now: UnixTime,
}

impl<V: SignatureVerifier> SignatureVerifier for Metered<'_, V> {
    fn verify(&self, alg: Alg, key: &PublicKey, message: &[u8], signature: &Signature) -> Verdict {
        let units = match price(self.place, alg, signature.as_bytes().len()) {
            Price::Free => return self.inner.verify(alg, key, message, signature),
            Price::Never => return Verdict::Unsupported,
            Price::Units(units) => units,
        };
        let Ok(mut budget) = self.budget.try_borrow_mut() else {
            return Verdict::Throttled { retry_after_secs: 1 };
        };
        match budget.0.try_take_many(units, self.now) {
            Take::Granted => self.inner.verify(alg, key, message, signature),
            Take::Exhausted { retry_after_secs } => Verdict::Throttled { retry_after_secs },
        }
    }
}

/// By the length of the signature, which for RSA is that of the modulus.
fn price(place: Place, alg: Alg, length: usize) -> Price {
    match (place, alg) {
        (_, Alg::Hs256 | Alg::Hs384 | Alg::Hs512) => Price::Free,
        // RSA-4096 takes 49 µs on the host, and four times that at twice the length.
        (Place::Host, Alg::Rs256 | Alg::Rs384 | Alg::Rs512) if length > 512 => Price::Units(2),
        (Place::Host, Alg::Es384) => Price::Units(4),
        (Place::Host, Alg::Rs256 | Alg::Rs384 | Alg::Rs512 | Alg::Es256) => Price::Free,
        // The host does not know these: nothing is spent by asking.
        (Place::Host, Alg::Ps256 | Alg::Ps384 | Alg::Ps512 | Alg::EdDsa) => Price::Free,
        (Place::Module(_), Alg::Rs256 | Alg::Rs384 | Alg::Rs512 | Alg::Ps256 | Alg::Ps384 | Alg::Ps512) => {
            match length {
                0..=256 => Price::Units(1),
                257..=384 => Price::Units(3),
                _ => Price::Units(5),
            }
        }
        (Place::Module(_), Alg::Es256) => Price::Units(3),
        (Place::Module(SlowCurve::Allowed), Alg::Es384) => Price::Units(100),
        (Place::Module(SlowCurve::Refused), Alg::Es384) => Price::Never,
        (Place::Module(_), Alg::EdDsa) => Price::Units(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::fixtures::{key_set, kid_for, sign_input};
    use crate::keys::{Fallback, Software, decode_base64url};

    /// Says what it is asked, as the host does for algorithms that it knows.
    struct Host;

    impl SignatureVerifier for Host {
        fn verify(&self, alg: Alg, key: &PublicKey, message: &[u8], signature: &Signature) -> Verdict {
            match alg.host_digest() {
                Some(_) => Software.verify(alg, key, message, signature),
                None => Verdict::Unsupported,
            }
        }
    }

    const NOW: UnixTime = UnixTime::from_secs(1_000);

    /// How many signatures pass at once before the budget is spent, up to `most`.
    fn passed(
        alg: Alg,
        budget: &RefCell<Budget>,
        curve: SlowCurve,
        host: bool,
        most: usize,
    ) -> (usize, Verdict) {
        let set = key_set();
        let key = set.candidates(Some(kid_for(alg)), alg).unwrap().iter().next().unwrap();
        let signature = Signature::from_bytes(decode_base64url(&sign_input(alg, "m")).unwrap()).unwrap();
        let module = Metered { inner: Software, place: Place::Module(curve), budget, now: NOW };
        let verifier = |key: &PublicKey| match host {
            true => {
                let host = Metered { inner: Host, place: Place::Host, budget, now: NOW };
                Fallback(host, Metered { ..module }).verify(alg, key, b"m", &signature)
            }
            false => module.verify(alg, key, b"m", &signature),
        };
        let mut last = Verdict::Verified;
        for round in 0..most {
            last = verifier(key);
            if last != Verdict::Verified {
                return (round, last);
            }
        }
        (most, last)
    }

    #[test]
    fn each_algorithm_is_paid_by_what_it_costs() {
        use SlowCurve::{Allowed, Refused};
        let spent = |secs| Verdict::Throttled { retry_after_secs: secs };
        // 100 ms of each second, 50 at once: 500 units.
        for (alg, curve, host, count, end) in [
            (Alg::Rs256, Refused, false, 500, spent(1)),
            (Alg::Ps512, Refused, false, 500, spent(1)),
            (Alg::Es256, Refused, false, 166, spent(1)),
            (Alg::Es384, Allowed, false, 5, spent(1)),
            (Alg::Es384, Refused, false, 0, Verdict::Unsupported),
            (Alg::EdDsa, Refused, false, 500, spent(1)),
            (Alg::Es384, Refused, true, 125, spent(1)),
            (Alg::Rs256, Refused, true, 300, Verdict::Verified),
            (Alg::Es256, Refused, true, 300, Verdict::Verified),
            (Alg::Ps256, Refused, true, 500, spent(1)),
        ] {
            let budget = RefCell::new(Budget::new(100));
            let most = if end == Verdict::Verified { count } else { 1_000 };
            assert_eq!(passed(alg, &budget, curve, host, most), (count, end), "{alg:?} {curve:?} {host}");
        }
    }

    #[test]
    fn the_wait_is_what_the_bucket_needs() {
        // 20 ms of each second: one signature in the module costs 10 of them.
        let budget = RefCell::new(Budget::new(20));
        assert_eq!(passed(Alg::Es384, &budget, SlowCurve::Allowed, false, 9).0, 1);
        assert_eq!(budget.borrow_mut().pay(99, NOW), Take::Granted);
        assert_eq!(
            budget.borrow_mut().pay(10_000, NOW.plus_millis(400)),
            Take::Exhausted { retry_after_secs: 1 }
        );
        assert_eq!(budget.borrow_mut().pay(10_000, NOW.plus_millis(500)), Take::Granted);
        assert_eq!(budget.borrow_mut().pay(u64::MAX, NOW), Take::Exhausted { retry_after_secs: 3_600 });
    }
}
