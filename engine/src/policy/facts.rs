// SPDX-License-Identifier: Apache-2.0
//! What conditions may look at: who calls, and under which circumstances.

use crate::json::Value;
use crate::time::UnixTime;
use alloc::string::String;
use core::net::IpAddr;

/// What is proven of a caller. Every part is optional: what a way of authentication does not say is absent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'f> {
    /// The caller's claims, an object; none for callers without a token.
    pub claims: Option<Value<'f>>,
    /// The roles that the token states.
    pub roles: &'f [String],
    /// The scopes that the token states.
    pub scopes: &'f [String],
    /// The groups that the token states.
    pub groups: &'f [String],
    /// The subject.
    pub subject: Option<&'f str>,
    /// The OAuth client.
    pub client: Option<&'f str>,
    /// The issuer's name in the configuration.
    pub issuer: Option<&'f str>,
    /// The API key that was shown.
    pub key: Option<KeyFacts<'f>>,
    /// The client certificate that the proxy has validated.
    pub certificate: Option<CertificateFacts<'f>>,
}

/// An API key, without the key.
#[derive(Clone, Copy, Debug)]
pub struct KeyFacts<'f> {
    /// Its public id.
    pub id: &'f str,
    /// Whose it is.
    pub owner: Option<&'f str>,
    /// What the configuration says of it besides, as name and value; a name stands once.
    pub labels: &'f [(String, String)],
}

/// A client certificate (RFC 5280), as far as the proxy vouches for it.
#[derive(Clone, Copy, Debug)]
pub struct CertificateFacts<'f> {
    /// The URIs among its subject alternative names.
    pub uris: &'f [String],
    /// The DNS names among its subject alternative names.
    pub dns: &'f [String],
    /// Its subject, as the proxy writes it.
    pub subject: Option<&'f str>,
}

/// The arguments of the call that is judged.
#[derive(Clone, Copy, Debug)]
pub enum Arguments<'a> {
    /// The call has none.
    Absent,
    /// The call has these.
    Given(Value<'a>),
    /// The call is yet to come: a list is filtered.
    Open,
}

/// What the question is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface {
    /// To do it.
    Call,
    /// To see it in a list.
    List,
}

/// The circumstances of a question.
#[derive(Clone, Copy, Debug)]
pub struct Context<'c> {
    /// The time.
    pub now: UnixTime,
    /// The caller's address, from where the configuration trusts it; absent if it is not known.
    pub source: Option<IpAddr>,
    /// What the question is for.
    pub surface: Surface,
    /// The class that the server's catalogue gives the tool.
    pub class: Option<&'c str>,
    /// The arguments.
    pub arguments: Arguments<'c>,
}

impl<'c> Context<'c> {
    /// A call at `now`, of which nothing else is known.
    #[must_use]
    pub fn at(now: UnixTime) -> Context<'c> {
        Context { now, source: None, surface: Surface::Call, class: None, arguments: Arguments::Absent }
    }

    /// With these arguments.
    #[must_use]
    pub fn with(self, arguments: Arguments<'c>) -> Context<'c> {
        Context { arguments, ..self }
    }

    /// From this address.
    #[must_use]
    pub fn from(self, source: Option<IpAddr>) -> Context<'c> {
        Context { source, ..self }
    }

    /// For a tool of this class.
    #[must_use]
    pub fn of_class(self, class: Option<&'c str>) -> Context<'c> {
        Context { class, ..self }
    }

    /// To see it in a list; the arguments of the call to come are open.
    #[must_use]
    pub fn listed(self) -> Context<'c> {
        Context { surface: Surface::List, arguments: Arguments::Open, ..self }
    }
}
