// SPDX-License-Identifier: Apache-2.0
//! Client certificates, as far as the proxy or a trusted hop before it vouches for them.
//!
//! What enters: facts about the connection, the value of `x-forwarded-client-cert`, which hops are trusted.
//! What leaves: a [`Certificate`], none, or that what was said cannot be understood. Deliberately absent: X.509; the
//! chain is validated where TLS ends, and that must be set to refuse what it cannot validate.

mod forwarded;

pub use forwarded::{ForwardedFault, forwarded};

use crate::connection::{Connection, ConnectionFact, Unreadable, peer_address, text};
use crate::cost;
use crate::policy::{CertificateFacts, Network};
use alloc::string::String;
use alloc::vec::Vec;
use base64ct::{Base64UrlUnpadded, Encoding};
use core::fmt;

/// A client certificate.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    digest: Option<[u8; 32]>,
    uris: Vec<String>,
    dns: Vec<String>,
    subject: Option<String>,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificate(hidden)")
    }
}

impl Certificate {
    /// The certificate that the peer of this connection has shown. The proxy tells the first URI and the first DNS
    /// name of several.
    ///
    /// # Errors
    /// [`Unreadable`] if there is one and what it says cannot be taken.
    pub fn of_peer(connection: &dyn Connection) -> Result<Option<Certificate>, Unreadable> {
        let Some(digest) = Certificate::digest_of_peer(connection)? else { return Ok(None) };
        let one = |fact| Ok(text(connection, fact)?.into_iter().collect());
        Ok(Some(Certificate {
            digest: Some(digest),
            uris: one(ConnectionFact::PeerUri)?,
            dns: one(ConnectionFact::PeerDns)?,
            subject: text(connection, ConnectionFact::PeerSubject)?,
        }))
    }

    /// The digest of the certificate that the peer has shown, and nothing else of it.
    ///
    /// # Errors
    /// [`Unreadable`] if there is one and its digest cannot be taken.
    pub fn digest_of_peer(connection: &dyn Connection) -> Result<Option<[u8; 32]>, Unreadable> {
        let digest = text(connection, ConnectionFact::PeerDigest)?;
        digest.map(|digest| hex_digest(&digest).ok_or(Unreadable)).transpose()
    }

    /// The SHA-256 of its DER form, if that is known: what `x5t#S256` names (RFC 8705 section 3.1).
    #[must_use]
    pub const fn digest(&self) -> Option<&[u8; 32]> {
        self.digest.as_ref()
    }

    /// The name to know its holder by: the first URI, else the first DNS name, else the subject.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        let first = self.uris.first().or(self.dns.first()).or(self.subject.as_ref());
        first.map(String::as_str)
    }

    /// All its names that are known: URIs, DNS names, the subject.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.uris.iter().chain(&self.dns).chain(&self.subject).map(String::as_str)
    }

    /// Its SHA-256 as `x5t#S256` writes it (RFC 8705 section 3.1), if that is known.
    #[must_use]
    pub fn thumbprint(&self) -> Option<String> {
        self.digest.map(|digest| Base64UrlUnpadded::encode_string(&digest))
    }

    /// What it takes of the heap behind an `Rc`.
    pub(crate) fn cost(&self) -> usize {
        let texts = cost::texts(&self.uris) + cost::texts(&self.dns) + cost::text(self.subject.as_deref());
        cost::counted::<Certificate>() + texts
    }

    /// What conditions may look at.
    #[must_use]
    pub fn facts(&self) -> CertificateFacts<'_> {
        CertificateFacts { uris: &self.uris, dns: &self.dns, subject: self.subject.as_deref() }
    }

    /// Everything that is known of it, in one order: two certificates with the same parts are the same to the gate.
    pub fn parts(&self) -> impl Iterator<Item = &[u8]> {
        let digest = self.digest.as_ref().map_or(&[][..], <[u8; 32]>::as_slice);
        let subject = self.subject.as_ref().map_or(&[][..], |subject| subject.as_bytes());
        let uris = self.uris.iter().map(|uri| uri.as_bytes());
        // The empty part keeps a URI from passing for a DNS name.
        let dns = core::iter::once(&[][..]).chain(self.dns.iter().map(|name| name.as_bytes()));
        [digest, subject].into_iter().chain(uris).chain(dns)
    }
}

/// 64 hexadecimal digits.
fn hex_digest(text: &str) -> Option<[u8; 32]> {
    let digits: &[u8; 64] = text.as_bytes().try_into().ok()?;
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(digits.chunks_exact(2)) {
        for digit in pair {
            let value = char::from(*digit).to_digit(16)?;
            *byte = *byte << 4 | u8::try_from(value).ok()?;
        }
    }
    Some(digest)
}

/// A peer whose word about its own clients is taken.
#[derive(Debug)]
pub enum Hop {
    /// Whoever calls from this network.
    Network(Network),
    /// Who shows a certificate with this URI.
    Uri(String),
    /// Who shows a certificate with this DNS name.
    Dns(String),
}

/// Where `x-forwarded-client-cert` counts, and which part of it.
#[derive(Debug)]
pub struct ForwardedRules {
    /// The peers that may send it.
    pub hops: Vec<Hop>,
    /// Which element speaks of the caller, counted from the end: 1 is what the last hop has added.
    pub element: usize,
}

impl ForwardedRules {
    /// Whether the peer of this connection is a trusted hop.
    #[must_use]
    pub fn trusts(&self, connection: &dyn Connection) -> bool {
        let named = |fact, name: &str| text(connection, fact).is_ok_and(|own| own.as_deref() == Some(name));
        self.hops.iter().any(|hop| match hop {
            Hop::Network(network) => peer_address(connection).is_some_and(|address| network.holds(address)),
            Hop::Uri(uri) => named(ConnectionFact::PeerUri, uri),
            Hop::Dns(name) => named(ConnectionFact::PeerDns, name),
        })
    }
}

#[cfg(test)]
mod tests;
