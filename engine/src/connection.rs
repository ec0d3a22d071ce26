// SPDX-License-Identifier: Apache-2.0
//! What the proxy knows of the connection that a request came over.
//!
//! Each fact is asked for only where the configuration or a bound token needs it: asking costs a call to the host.

use core::fmt;
use core::net::{IpAddr, SocketAddr};

/// The longest text that is taken from the proxy, in bytes.
const MAX_TEXT: usize = 4_096;

/// A fact about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionFact {
    /// The peer's address and port.
    PeerAddress,
    /// The version of TLS, such as `TLSv1.3`.
    TlsVersion,
    /// The SHA-256 of the peer's certificate, in hexadecimal.
    PeerDigest,
    /// The first URI among the subject alternative names of the peer's certificate.
    PeerUri,
    /// The first DNS name among them.
    PeerDns,
    /// The subject of the peer's certificate.
    PeerSubject,
}

/// The proxy's answers about one connection.
pub trait Connection: fmt::Debug {
    /// The fact as the proxy writes it; nothing, or an empty text, if there is none.
    fn fact(&self, fact: ConnectionFact) -> Option<alloc::vec::Vec<u8>>;
}

/// A connection of which nothing is known.
#[derive(Clone, Copy, Debug)]
pub struct NoConnection;

impl Connection for NoConnection {
    fn fact(&self, _: ConnectionFact) -> Option<alloc::vec::Vec<u8>> {
        None
    }
}

/// A fact that is there and cannot be taken: overlong, or not text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

/// A fact as text.
///
/// # Errors
/// [`Unreadable`]: what is there and not understood is not absent.
pub fn text(
    connection: &dyn Connection,
    fact: ConnectionFact,
) -> Result<Option<alloc::string::String>, Unreadable> {
    let Some(bytes) = connection.fact(fact).filter(|bytes| !bytes.is_empty()) else { return Ok(None) };
    if bytes.len() > MAX_TEXT {
        return Err(Unreadable);
    }
    alloc::string::String::from_utf8(bytes).map(Some).map_err(|_| Unreadable)
}

/// The peer's address.
#[must_use]
pub fn peer_address(connection: &dyn Connection) -> Option<IpAddr> {
    let text = text(connection, ConnectionFact::PeerAddress).ok()??;
    text.parse::<SocketAddr>().map(|address| address.ip()).ok().or_else(|| text.parse().ok())
}

/// The versions of TLS, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// RFC 2246.
    V1_0,
    /// RFC 4346.
    V1_1,
    /// RFC 5246.
    V1_2,
    /// RFC 8446.
    V1_3,
}

impl TlsVersion {
    /// The version of a connection; nothing where there is no TLS, or none that is known here.
    #[must_use]
    pub fn of(connection: &dyn Connection) -> Option<TlsVersion> {
        match connection.fact(ConnectionFact::TlsVersion)?.as_slice() {
            b"TLSv1" | b"TLSv1.0" => Some(TlsVersion::V1_0),
            b"TLSv1.1" => Some(TlsVersion::V1_1),
            b"TLSv1.2" => Some(TlsVersion::V1_2),
            b"TLSv1.3" => Some(TlsVersion::V1_3),
            _ => None,
        }
    }
}

#[cfg(test)]
pub(crate) mod fixtures {
    use super::*;
    use alloc::string::String;
    use alloc::vec::Vec;

    /// A connection with these facts, which counts how often it is asked.
    #[derive(Debug, Default)]
    pub(crate) struct Facts(pub(crate) Vec<(ConnectionFact, String)>, pub(crate) core::cell::Cell<usize>);

    impl Connection for Facts {
        fn fact(&self, fact: ConnectionFact) -> Option<Vec<u8>> {
            self.1.set(self.1.get() + 1);
            let found = self.0.iter().find(|(own, _)| *own == fact);
            found.map(|(_, text)| text.clone().into_bytes())
        }
    }

    impl Facts {
        pub(crate) fn of(facts: &[(ConnectionFact, &str)]) -> Facts {
            let facts = facts.iter().map(|(fact, text)| (*fact, String::from(*text)));
            Facts(facts.collect(), core::cell::Cell::default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fixtures::Facts;
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn addresses_come_with_and_without_port() {
        for (text, address) in [
            ("192.0.2.7:4711", Some("192.0.2.7")),
            ("[2001:db8::1]:443", Some("2001:db8::1")),
            ("192.0.2.7", Some("192.0.2.7")),
            ("/run/socket", None),
            ("", None),
        ] {
            let connection = Facts::of(&[(ConnectionFact::PeerAddress, text)]);
            assert_eq!(peer_address(&connection).map(|ip| ip.to_string()).as_deref(), address, "{text}");
        }
    }

    #[test]
    fn versions_have_an_order_and_unknown_ones_are_none() {
        let of = |text: &str| TlsVersion::of(&Facts::of(&[(ConnectionFact::TlsVersion, text)]));
        assert!(
            of("TLSv1.3") > of("TLSv1.2") && of("TLSv1.2") > of("TLSv1.1") && of("TLSv1.1") > of("TLSv1")
        );
        assert_eq!((of(""), of("SSLv3"), of("tlsv1.3")), (None, None, None));
        assert_eq!(TlsVersion::of(&NoConnection), None);
    }
}
