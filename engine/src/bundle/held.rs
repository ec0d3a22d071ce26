// SPDX-License-Identifier: Apache-2.0
//! The policies of a configuration as they are in force in one VM.

use super::feed::{Bundle, OnExpiry, document};
use crate::config::{Config, PolicyOrigin};
use crate::feed::{Document, Feed};
use crate::metrics::{Metric, Sample, Samples, Series};
use crate::policy::Policy;
use crate::time::UnixTime;
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::OnceCell;

/// All policies of a configuration, in its order. A change puts a whole policy in the place of another: what was read
/// under the old one stays whole, and knows that it is of the old one (see [`Policy::knows`]).
#[derive(Debug)]
pub struct Policies {
    all: Vec<Held>,
    epoch: u64,
}

#[derive(Debug)]
struct Held {
    policy: Option<Rc<Policy>>,
    /// What stands in labels for its version.
    version: String,
    /// Until when it may be in force.
    until: Option<UnixTime>,
    /// How often it has changed.
    loads: u32,
    bundle: Option<(Document<Bundle>, OnExpiry)>,
    /// How audit records name it, once one was written.
    audited: OnceCell<Box<str>>,
}

/// What a bundle that was taken did to the policy at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swap {
    /// The one that was in force still is.
    Same,
    /// Another version is in force now.
    Another,
}

impl Held {
    fn of(origin: &PolicyOrigin) -> Held {
        let empty = Held {
            policy: None,
            version: String::from("none"),
            until: None,
            loads: 0,
            bundle: None,
            audited: OnceCell::new(),
        };
        match origin {
            PolicyOrigin::Inline(policy) => {
                let version = policy.revision().map_or_else(|| policy.digest().short(), ToString::to_string);
                Held { policy: Some(policy.clone()), version, ..empty }
            }
            PolicyOrigin::Development(policy) => {
                Held { policy: Some(policy.clone()), version: String::from("development"), ..empty }
            }
            PolicyOrigin::Bundle(bundle) => {
                Held { bundle: Some((document(bundle), bundle.on_expiry)), ..empty }
            }
        }
    }

    fn in_force(&self, now: UnixTime) -> Option<&Rc<Policy>> {
        let over = self.until.is_some_and(|until| until <= now);
        self.policy.as_ref().filter(|_| !over)
    }
}

impl Policies {
    /// As the configuration says; bundles are not there yet.
    #[must_use]
    pub fn new(config: &Config) -> Policies {
        Policies { all: config.policies.iter().map(Held::of).collect(), epoch: 0 }
    }

    /// The policy in force at that place of the configuration.
    #[must_use]
    pub fn get(&self, at: usize, now: UnixTime) -> Option<&Rc<Policy>> {
        self.all.get(at)?.in_force(now)
    }

    /// Whether it is not there, and the next try to get it begins only after `deadline`.
    #[must_use]
    pub fn hopeless(&self, at: usize, now: UnixTime, deadline: UnixTime) -> bool {
        let bundle = self.all.get(at).and_then(|held| held.bundle.as_ref());
        let Some((document, _)) = bundle else { return true };
        document.schedule().backing_off(now).is_some_and(|retry| retry > deadline)
    }

    /// The places whose policies come as bundles.
    pub fn bundled(&self) -> impl Iterator<Item = usize> + '_ {
        let all = self.all.iter().enumerate();
        all.filter(|(_, held)| held.bundle.is_some()).map(|(at, _)| at)
    }

    /// The bundle of a place.
    pub fn feed(&mut self, at: usize) -> Option<&mut dyn Feed> {
        self.all.get_mut(at)?.bundle.as_mut().map(|(document, _)| document as &mut dyn Feed)
    }

    /// A fetch has brought something: from here on the new policy is in force.
    pub fn changed(&mut self, at: usize) -> Swap {
        let Some(held) = self.all.get_mut(at) else { return Swap::Same };
        let Some((document, on_expiry)) = &held.bundle else { return Swap::Same };
        let Some(bundle) = document.held() else { return Swap::Same };
        let version = bundle.version.to_string();
        held.until = match on_expiry {
            OnExpiry::Close => Some(bundle.expires),
            OnExpiry::KeepLast => None,
        };
        if held.loads == 0 || held.version != version {
            held.policy = Some(bundle.policy.clone());
            held.audited = OnceCell::new();
            held.version = version;
            held.loads = held.loads.saturating_add(1);
            self.epoch = self.epoch.saturating_add(1);
            return Swap::Another;
        }
        Swap::Same
    }

    /// Whether a rule of any of them looks at claims.
    #[must_use]
    pub fn read_claims(&self) -> bool {
        self.all.iter().filter_map(|held| held.policy.as_ref()).any(|policy| policy.reads_claims())
    }

    /// Grows with every change of any policy.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// How often the policy at that place has changed: tells its rules from those of the one before in what is counted.
    #[must_use]
    pub fn loads(&self, at: usize) -> u32 {
        self.all.get(at).map_or(0, |held| held.loads)
    }

    /// What is called its version in labels: of a bundle its number, else `revision`, else the start of the digest.
    #[must_use]
    pub fn version(&self, at: usize) -> &str {
        self.all.get(at).map_or("none", |held| &held.version)
    }

    /// The policy at that place, in force or over.
    #[must_use]
    pub fn held(&self, at: usize) -> Option<&Rc<Policy>> {
        self.all.get(at)?.policy.as_ref()
    }

    /// How audit records name the policy at that place, once one was written; forgotten with the policy.
    pub(crate) fn audited(&self, at: usize) -> Option<&OnceCell<Box<str>>> {
        self.all.get(at).map(|held| &held.audited)
    }

    /// The version of the bundle at that place, if it came as one.
    #[must_use]
    pub fn bundle_version(&self, at: usize) -> Option<&str> {
        self.all.get(at).filter(|held| held.loads > 0).map(|held| held.version.as_str())
    }

    /// The id of a rule of the policy at that place.
    #[must_use]
    pub fn rule_id(&self, at: usize, rule: usize) -> Option<&str> {
        self.all.get(at)?.policy.as_ref()?.rule_id(rule)
    }

    /// Whether a rule looks at the caller's address, so that it is worth asking for.
    #[must_use]
    pub fn looks_at_source(&self) -> bool {
        self.all.iter().filter_map(|held| held.policy.as_ref()).any(|policy| policy.looks_at_source())
    }

    /// Version, age and end of what came as bundles.
    pub fn gauges(&self, now: UnixTime, samples: &mut Samples) {
        for (at, held) in self.all.iter().enumerate() {
            let Some((document, _)) = &held.bundle else { continue };
            let mut push =
                |metric, value| samples.push(Sample { series: Series::new(metric, "").of_policy(at), value });
            push(Metric::PolicyInForce, u64::from(held.in_force(now).is_some()));
            let times = document.schedule().fetched();
            let Some((bundle, (fetched_at, _))) = document.held().zip(times) else { continue };
            push(Metric::PolicyVersion, bundle.version);
            push(Metric::PolicyAge, now.micros_since(fetched_at) / 1_000_000);
            push(Metric::PolicyExpires, bundle.expires.as_secs());
        }
    }
}
