// SPDX-License-Identifier: Apache-2.0
//! Who calls.
//!
//! An [`Identity`] is made from a token that the token room has verified, or from a server's written `anonymous`
//! grant; there is no other way.

use crate::config::{Issuer, Server};
use crate::policy::{Facts, Policy, RoleSet};
use crate::time::UnixTime;
use crate::token::{Confirmation, VerifiedToken};
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use base64ct::Encoding;
use core::fmt;

/// The longest identity header that is sent upstream, in bytes; a longer one is left out.
const MAX_HEADER: usize = 4_096;

/// The headers that tell the upstream who calls. What a client sends under these names is removed.
pub const IDENTITY_PREFIX: &str = "x-toolgate-";

/// A caller whose identity is proven, or who is let in without one.
pub struct Identity {
    kind: Kind,
    roles: RoleSet,
    valid_until: UnixTime,
    headers: Vec<(&'static str, Rc<[u8]>)>,
}

enum Kind {
    Anonymous,
    Token(Box<VerifiedToken>, Arc<str>),
}

impl fmt::Debug for Identity {
    /// Claims are personal: only the kind is printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Anonymous => "Identity(anonymous)",
            Kind::Token(..) => "Identity(token)",
        })
    }
}

impl Identity {
    /// From a verified token: roles are resolved once, and hold until the token or a binding ends.
    #[must_use]
    pub fn from_token(
        token: VerifiedToken,
        issuer: &Issuer,
        policy: Option<&Policy>,
        now: UnixTime,
    ) -> Identity {
        let expires = token.expires_at();
        let (roles, boundary) =
            policy.map(|policy| policy.resolve(&facts(&token, &issuer.name), now)).unwrap_or_default();
        let names: Vec<&str> = policy.into_iter().flat_map(|policy| policy.role_names(&roles)).collect();
        let mut headers = Vec::with_capacity(4);
        let mut add = |name, value: Option<&str>| {
            headers.extend(value.and_then(header_value).map(|value| (name, Rc::from(value.into_bytes()))))
        };
        add("x-toolgate-subject", token.subject());
        add("x-toolgate-issuer", Some(&issuer.rules.issuer));
        add("x-toolgate-client", token.client_id());
        add("x-toolgate-roles", Some(&names.join(",")));
        let valid_until = boundary.map_or(expires, |boundary| boundary.min(expires));
        Identity { kind: Kind::Token(Box::new(token), issuer.name.clone()), roles, valid_until, headers }
    }

    /// A caller without credentials, on a server whose configuration lets such callers in.
    #[must_use]
    pub fn anonymous(server: &Server) -> Option<Identity> {
        let roles = server.anonymous.clone()?;
        Some(Identity {
            kind: Kind::Anonymous,
            roles,
            valid_until: UnixTime::from_secs(u64::MAX),
            headers: Vec::new(),
        })
    }

    /// The roles that the policy gives.
    #[must_use]
    pub fn roles(&self) -> &RoleSet {
        &self.roles
    }

    /// Until when this stays true.
    #[must_use]
    pub fn valid_until(&self) -> UnixTime {
        self.valid_until
    }

    /// Until when the credential is good, bindings aside.
    #[must_use]
    pub fn expires_at(&self) -> Option<UnixTime> {
        match &self.kind {
            Kind::Anonymous => None,
            Kind::Token(token, _) => Some(token.expires_at()),
        }
    }

    /// Headers for the upstream.
    #[must_use]
    pub fn headers(&self) -> &[(&'static str, Rc<[u8]>)] {
        &self.headers
    }

    /// Whether no credentials were shown.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        matches!(self.kind, Kind::Anonymous)
    }

    /// The place of the issuer in the configuration.
    #[must_use]
    pub fn issuer_index(&self) -> Option<usize> {
        match &self.kind {
            Kind::Anonymous => None,
            Kind::Token(token, _) => Some(token.issuer_index()),
        }
    }

    /// The subject, if there is one.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        match &self.kind {
            Kind::Anonymous => None,
            Kind::Token(token, _) => token.subject(),
        }
    }

    /// What the caller must prove besides its credential.
    #[must_use]
    pub fn confirmation(&self) -> Confirmation {
        match &self.kind {
            Kind::Anonymous => Confirmation::None,
            Kind::Token(token, _) => token.confirmation(),
        }
    }

    /// What conditions may look at.
    #[must_use]
    pub fn facts(&self) -> Facts<'_> {
        match &self.kind {
            Kind::Anonymous => Facts::default(),
            Kind::Token(token, issuer) => facts(token, issuer),
        }
    }
}

fn facts<'f>(token: &'f VerifiedToken, issuer: &'f str) -> Facts<'f> {
    Facts {
        claims: Some(token.claims()),
        roles: token.roles(),
        scopes: token.scopes(),
        groups: token.groups(),
        subject: token.subject(),
        client: token.client_id(),
        issuer: Some(issuer),
        ..Facts::default()
    }
}

/// A value as it may stand in a header: visible ASCII as it is, all else as `=?base64?…?=` of its UTF-8 bytes, as MCP
/// writes such values. What would look encoded without being so is encoded too.
#[must_use]
pub fn header_value(text: &str) -> Option<String> {
    let plain = text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
        && text.trim() == text
        && !(text.starts_with("=?base64?") && text.ends_with("?="));
    let value = match plain {
        true => String::from(text),
        false => ["=?base64?", &base64ct::Base64::encode_string(text.as_bytes()), "?="].concat(),
    };
    (value.len() <= MAX_HEADER).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_a_header_cannot_hold_are_encoded() {
        assert_eq!(header_value("user-1").as_deref(), Some("user-1"));
        assert_eq!(header_value("zoë").as_deref(), Some("=?base64?em/Dqw==?="));
        assert_eq!(header_value("a\r\nx: y").as_deref(), Some("=?base64?YQ0KeDogeQ==?="));
        assert_eq!(header_value(" a").as_deref(), Some("=?base64?IGE=?="));
        assert_eq!(header_value("=?base64?eA==?=").as_deref(), Some("=?base64?PT9iYXNlNjQ/ZUE9PT89?="));
        assert_eq!(header_value(&"x".repeat(5_000)), None);
    }
}
