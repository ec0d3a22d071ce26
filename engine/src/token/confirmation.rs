// SPDX-License-Identifier: Apache-2.0
//! `cnf`: what the sender of a token must prove besides having it (RFC 7800).

use super::rejection::{Malformed, Rejection};
use crate::json::{Kind, Value};
use crate::keys::{Thumbprint, base64url};
use core::fmt;

/// What a token is bound to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Confirmation {
    /// Nothing: who has the token may use it.
    None,
    /// `jkt`: the key with this RFC 7638 thumbprint, proved with DPoP (RFC 9449 section 6.1).
    Key(Thumbprint),
    /// `x5t#S256`: the client certificate with this SHA-256 digest (RFC 8705 section 3.1).
    Certificate([u8; 32]),
}

impl fmt::Debug for Confirmation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Confirmation::None => "Confirmation(none)",
            Confirmation::Key(_) => "Confirmation(key)",
            Confirmation::Certificate(_) => "Confirmation(certificate)",
        })
    }
}

impl Confirmation {
    /// Reads the member `cnf` of a token's claims, if there is one.
    ///
    /// # Errors
    /// [`Rejection::UnknownConfirmation`] for a binding that is not understood, and for more than one: a token that
    /// is bound somehow is not used as if it were not.
    pub(super) fn read(cnf: Option<Value<'_>>) -> Result<Confirmation, Rejection> {
        let Some(cnf) = cnf else { return Ok(Confirmation::None) };
        if cnf.kind() != Kind::Object {
            return Err(Rejection::Malformed(Malformed::Claim));
        }
        let mut members = cnf.members();
        let (Some((name, value)), None) = (members.next(), members.next()) else {
            return Err(Rejection::UnknownConfirmation);
        };
        if name.is_str("jkt") {
            digest(value).map(Confirmation::Key)
        } else if name.is_str("x5t#S256") {
            digest(value).map(Confirmation::Certificate)
        } else {
            Err(Rejection::UnknownConfirmation)
        }
    }
}

fn digest(value: Value<'_>) -> Result<[u8; 32], Rejection> {
    let bytes = value.as_str().and_then(|text| base64url::decode(&text));
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or(Rejection::Malformed(Malformed::Claim))
}
