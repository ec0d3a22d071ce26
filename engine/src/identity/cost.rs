// SPDX-License-Identifier: Apache-2.0
//! What an identity takes of the heap while it is remembered.

use super::{Identity, Kind, KnownKey};
use crate::config::{Access, Config, Requirement};
use crate::cost;
use crate::token::{Reading, VerifiedToken};
use alloc::rc::Rc;

/// What a record says of a caller besides its names.
const RECORDED: usize = 192;
/// What one of the gate's own tokens says besides the caller's names, its signature among it.
const MINTED: usize = 768;

/// What is kept of a caller beyond what its credential says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upkeep {
    /// How often its claims are read.
    reading: Reading,
    /// How many copies of its names records and the gate's own tokens have.
    copies: usize,
    /// What these have besides, in bytes.
    besides: usize,
}

impl Upkeep {
    /// As a configuration asks, its policies aside.
    #[must_use]
    pub fn of(config: &Config) -> Upkeep {
        let tools = config.servers.iter().flat_map(|server| &server.tools).map(|tool| &tool.require);
        let servers = config.servers.iter().map(|server| &server.credentials.require);
        let routes = config.routes.iter().filter_map(|route| match &route.access {
            Access::Anyone => None,
            Access::Policy(rules) => Some(&rules.credentials.require),
        });
        let reading = match servers.chain(routes).chain(tools).any(Requirement::speaks_of_login) {
            true => Reading::Often,
            false => Reading::Seldom,
        };
        let none = Upkeep { reading, copies: 0, besides: 0 };
        let recorded = if config.audit.is_on() { none.and(1, RECORDED) } else { none };
        // A token writes four characters for three bytes.
        if config.signer.is_some() { recorded.and(2, MINTED) } else { recorded }
    }

    /// The same under policies that look at claims.
    #[must_use]
    pub fn of_readers(self) -> Upkeep {
        Upkeep { reading: Reading::Often, ..self }
    }

    fn and(self, copies: usize, besides: usize) -> Upkeep {
        Upkeep { copies: self.copies + copies, besides: self.besides + besides, ..self }
    }
}

impl Identity {
    /// What it takes of the heap, with what is kept with it later.
    #[must_use]
    pub fn cost(&self, upkeep: Upkeep) -> usize {
        let kind = match &self.kind {
            Kind::Anonymous(_) | Kind::Certificate => 0,
            Kind::Token(shown) => cost::counted::<VerifiedToken>() + shown.token.cost(upkeep.reading),
            Kind::ApiKey(key) => cost::counted::<KnownKey>() + cost::texts(&key.roles),
        };
        let certificate = self.certificate.as_ref().map_or(0, |certificate| certificate.cost());
        let values = self.headers.iter().map(|(_, value)| value.len());
        let headers = values.clone().map(|bytes| cost::piece(bytes + 2 * size_of::<usize>()));
        let names = values.sum::<usize>();
        cost::counted::<Identity>()
            + kind
            + certificate
            + self.roles.cost()
            + cost::piece(self.headers.capacity() * size_of::<(&str, Rc<[u8]>)>())
            + headers.sum::<usize>()
            + cost::piece(upkeep.copies * names + upkeep.besides)
    }
}
