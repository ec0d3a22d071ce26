// SPDX-License-Identifier: Apache-2.0
//! Rate limits, as compiled.

use super::wire::{RateBy, RateCounted};
use crate::limit::Rate;
use crate::mcp::Method;
use crate::metrics::Place;
use crate::policy::Pattern;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// One rate limit.
#[derive(Debug)]
pub struct RateLimit {
    /// Its name.
    pub id: Arc<str>,
    /// How much passes.
    pub rate: Rate,
    /// What has a bucket of its own.
    pub by: Vec<RateBy>,
    /// What is counted.
    pub on: RateOn,
    /// When.
    pub counted: RateCounted,
    /// What becomes of requests beyond it.
    pub effect: RateEffect,
    /// Whether it has to know where callers come from.
    pub source: RateSource,
}

/// Whether a limit looks at addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateSource {
    /// It does.
    Needed,
    /// It does not: every caller it is about shows credentials.
    Unneeded,
}

/// What becomes of requests beyond a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateEffect {
    /// They are refused.
    Refuse,
    /// They are counted.
    Count,
}

/// What a limit is about. Of a list that is empty everything fits.
#[derive(Debug)]
pub struct RateOn {
    /// Servers and routes; never empty.
    pub places: Vec<Place>,
    /// Methods.
    pub methods: Vec<Method>,
    /// Tools.
    pub(crate) tools: Vec<Pattern>,
    /// Classes of tools.
    pub classes: Vec<Arc<str>>,
    /// Names of roles.
    pub roles: Vec<Arc<str>>,
}
