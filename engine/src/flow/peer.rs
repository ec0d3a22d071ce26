// SPDX-License-Identifier: Apache-2.0
//! Who is at the other end of the connection: asked only where it matters, and once for each request.

use super::edit::Edit;
use super::front::Front;
use crate::certificate::{Certificate, ForwardedRules, forwarded};
use crate::config::{Certificates, Config, ForwardedHeader};
use crate::connection::{Connection, TlsVersion};
use crate::deny::Auth;
use crate::mcp::HeaderValue;
use alloc::rc::Rc;
use core::cell::OnceCell;

/// The header in which a hop tells of its client's certificate.
pub(super) const FORWARDED: &str = "x-forwarded-client-cert";

/// What a failed look at a certificate is called.
const UNREADABLE: Auth = Auth::Malformed("certificate_unreadable");

/// The other end of a request's connection.
pub(super) struct Peer<'p> {
    connection: &'p dyn Connection,
    rules: Option<&'p ForwardedRules>,
    header: HeaderValue<'p>,
    trusted: OnceCell<Trust>,
    certificate: OnceCell<Result<Option<Rc<Certificate>>, Auth>>,
}

/// Whether the peer speaks for its own clients.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trust {
    Hop,
    Client,
}

impl<'p> Peer<'p> {
    /// Reads nothing of the connection yet, unless a header came that only trusted hops may send; from others it is
    /// taken out.
    pub(super) fn new(config: &'p Config, connection: &'p dyn Connection, front: &mut Front<'p>) -> Peer<'p> {
        let rules = match &config.forwarded {
            ForwardedHeader::Untouched | ForwardedHeader::Removed => None,
            ForwardedHeader::From(rules) => Some(rules),
        };
        let header = front.forwarded;
        let peer = Peer { connection, rules, header, trusted: OnceCell::new(), certificate: OnceCell::new() };
        let remove = match (&config.forwarded, header) {
            (ForwardedHeader::Untouched, _) => false,
            // Nobody that the gate reads writes it so.
            (ForwardedHeader::Removed | ForwardedHeader::From(_), HeaderValue::Absent) => {
                front.spoofed.append(&mut front.respelled);
                false
            }
            (ForwardedHeader::Removed | ForwardedHeader::From(_), _) => {
                front.spoofed.append(&mut front.respelled);
                peer.trust() == Trust::Client
            }
        };
        if remove {
            front.spoofed.push(Edit::remove(FORWARDED));
        }
        peer
    }

    fn trust(&self) -> Trust {
        *self.trusted.get_or_init(|| match self.rules {
            Some(rules) if rules.trusts(self.connection) => Trust::Hop,
            Some(_) | None => Trust::Client,
        })
    }

    /// The certificate of whoever sent the request: the peer's own, or, where the peer is a trusted hop, the one that
    /// it tells of. A hop's own certificate is never its client's.
    pub(super) fn certificate(&self) -> Result<Option<Rc<Certificate>>, Auth> {
        self.certificate.get_or_init(|| self.read().map(|found| found.map(Rc::new))).clone()
    }

    fn read(&self) -> Result<Option<Certificate>, Auth> {
        match (self.trust(), self.rules) {
            (Trust::Hop, Some(rules)) => match self.header {
                HeaderValue::Absent => Ok(None),
                HeaderValue::One(value) => {
                    let found = forwarded(value, rules.element).map_err(|_| UNREADABLE)?;
                    self.not_the_hops(found)
                }
                HeaderValue::Several => Err(UNREADABLE),
            },
            (Trust::Hop | Trust::Client, _) => Certificate::of_peer(self.connection).map_err(|_| UNREADABLE),
        }
    }

    /// A proxy that is set to add its peer to the header, and told of the wrong element, has the hop itself there: then
    /// whoever comes through the hop would be the hop.
    fn not_the_hops(&self, told: Option<Certificate>) -> Result<Option<Certificate>, Auth> {
        let own = Certificate::digest_of_peer(self.connection).map_err(|_| UNREADABLE)?;
        let digest = told.as_ref().and_then(Certificate::digest);
        match digest.is_some() && digest == own.as_ref() {
            true => Err(UNREADABLE),
            false => Ok(told),
        }
    }

    /// The certificate, where the place looks at certificates.
    pub(super) fn certificate_for(&self, wanted: Certificates) -> Result<Option<Rc<Certificate>>, Auth> {
        match wanted {
            Certificates::Ignored => Ok(None),
            Certificates::Factor | Certificates::Identity => self.certificate(),
        }
    }

    /// Whether the sender holds the certificate with this digest (RFC 8705 section 3).
    pub(super) fn holds(&self, digest: &[u8; 32]) -> bool {
        self.certificate().is_ok_and(|found| found.is_some_and(|found| found.digest() == Some(digest)))
    }

    /// The version of TLS towards the peer.
    pub(super) fn tls(&self) -> Option<TlsVersion> {
        TlsVersion::of(self.connection)
    }
}
