// SPDX-License-Identifier: Apache-2.0
//! Certificates of the peer and of the peer's peer.

use super::*;
use crate::connection::fixtures::Facts;
use alloc::format;
use alloc::string::ToString;
use alloc::vec;

const DIGEST: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn digest() -> [u8; 32] {
    core::array::from_fn(|at| u8::try_from(at).unwrap())
}

#[test]
fn the_peers_certificate_is_what_the_proxy_says_of_it() {
    use ConnectionFact as F;
    let all = [
        (F::PeerDigest, DIGEST),
        (F::PeerUri, "spiffe://corp/ci"),
        (F::PeerDns, "ci.corp"),
        (F::PeerSubject, "CN=ci"),
    ];
    let found = Certificate::of_peer(&Facts::of(&all)).unwrap().unwrap();
    assert_eq!(found.digest(), Some(&digest()));
    assert_eq!(
        (found.facts().uris, found.facts().dns),
        (&["spiffe://corp/ci".to_string()][..], &["ci.corp".to_string()][..])
    );
    assert_eq!((found.facts().subject, found.name()), (Some("CN=ci"), Some("spiffe://corp/ci")));
    assert_eq!(format!("{found:?}"), "Certificate(hidden)");
    // Without a digest there is no certificate, whatever else is said, and nothing more is asked.
    let none = Facts::of(&[(F::PeerUri, "spiffe://corp/ci"), (F::PeerDigest, "")]);
    assert_eq!(Certificate::of_peer(&none), Ok(None));
    assert_eq!(none.1.get(), 1);
    let long = "a".repeat(5_000);
    for (fact, text) in
        [(F::PeerDigest, "00"), (F::PeerDigest, &DIGEST.replace('1', "g")), (F::PeerUri, &long)]
    {
        let facts: Vec<_> =
            all.iter().map(|(own, usual)| (*own, if *own == fact { text } else { *usual })).collect();
        assert_eq!(Certificate::of_peer(&Facts::of(&facts)), Err(Unreadable), "{text}");
    }
}

#[test]
fn what_differs_has_different_parts() {
    let of = |uris: &[&str], dns: &[&str]| Certificate {
        digest: None,
        uris: uris.iter().map(ToString::to_string).collect(),
        dns: dns.iter().map(ToString::to_string).collect(),
        subject: None,
    };
    let parts = |certificate: &Certificate| certificate.parts().map(<[u8]>::to_vec).collect::<Vec<_>>();
    assert_ne!(parts(&of(&["a"], &[])), parts(&of(&[], &["a"])));
    assert_ne!(parts(&of(&["a", "b"], &[])), parts(&of(&["a"], &["b"])));
    assert_eq!(parts(&of(&["a"], &["b"])), parts(&of(&["a"], &["b"])));
}

/// Digest known?, subject, URIs, DNS names.
type Read = (bool, String, Vec<String>, Vec<String>);

fn read(text: &str, element: usize) -> Result<Option<Read>, ForwardedFault> {
    let found = forwarded(text.as_bytes(), element)?;
    Ok(found.map(|found| (found.digest.is_some(), found.subject.unwrap_or_default(), found.uris, found.dns)))
}

#[test]
fn forwarded_certificates_are_read_as_envoy_writes_them() {
    let list = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let one = format!(
        r#"By=spiffe://corp/gate;Hash={DIGEST};Subject="/C=US/O=Acme, Inc.;x=y/CN=ci";URI=spiffe://corp/ci;DNS=ci.corp;DNS=ci"#
    );
    let expected = (
        true,
        "/C=US/O=Acme, Inc.;x=y/CN=ci".to_string(),
        list(&["spiffe://corp/ci"]),
        list(&["ci.corp", "ci"]),
    );
    assert_eq!(read(&one, 1), Ok(Some(expected.clone())));
    assert_eq!(read(&one, 2), Ok(None), "there is no second one");
    let two = format!("{one},By=spiffe://corp/inner;URI=spiffe://corp/gate");
    assert_eq!(read(&two, 2), Ok(Some(expected)));
    assert_eq!(read(&two, 1).unwrap().unwrap().2, list(&["spiffe://corp/gate"]));
    assert_eq!(read("", 1), Ok(None));
    assert_eq!(read(r#"By=x;Subject="""#, 1), Ok(None), "says nothing of a certificate");
    assert_eq!(read(r#"by=x, uri="a;b", dns=c"#, 2).unwrap().unwrap().2, list(&["a;b"]));
    assert!(read(&format!(r#"Cert="-----BEGIN%20";Chain="x,y";hash={DIGEST}"#), 1).unwrap().unwrap().0);
    // A quote inside does not end the value, and a backslash before the last quote does not either.
    let subject = |text: &str| read(&format!(r#"Subject="{text}";DNS=d"#), 1).unwrap().unwrap().1;
    for text in [r#"CN=a\"\;URI=root"#, r"CN=a\\", r"CN=a\,b", r#"CN=\\\""#] {
        assert_eq!(subject(text), text);
    }
}

#[test]
fn forwarded_headers_with_two_readings_are_refused() {
    let many = vec!["URI=a"; 17].join(",");
    let long = format!("URI={}", "a".repeat(4_097));
    let huge = format!(r#"Cert="{}""#, "a".repeat(65_536));
    for text in [
        " ",
        ",",
        ";",
        "URI",
        "URI;DNS=a",
        "URI=a,",
        "URI=a;",
        ",URI=a",
        "URI=a,,URI=b",
        "=a",
        "Other=a",
        "URI =a",
        "URI= a",
        "URI=a ",
        "URI=a\"b",
        "URI=a=b",
        r"URI=a\b",
        r#"URI="a"#,
        r#"URI="a\"#,
        r#"URI="a\""#,
        r#"URI="a"b"#,
        r#"URI="a" ;DNS=b"#,
        "Hash=00",
        "Hash=",
        &format!("Hash={DIGEST};Hash={DIGEST}"),
        r#"Subject="a";subject="b""#,
        "Cert=a;Cert=b",
        &many,
        &long,
        &huge,
        // One bad element spoils all: which of them is meant depends on where the others end.
        "URI=a,URI=\"b",
        "URI=\"b,URI=a",
    ] {
        assert_eq!(read(text, 1), Err(ForwardedFault), "{text}");
    }
    assert_eq!(forwarded(b"URI=a\xff", 1), Err(ForwardedFault));
    assert!(forwarded(vec!["URI=a"; 16].join(",").as_bytes(), 16).is_ok());
}

#[test]
fn a_hop_is_trusted_by_its_network_or_its_name() {
    use ConnectionFact as F;
    let rules = ForwardedRules {
        hops: vec![
            Hop::Network(Network::parse("10.0.0.0/8").unwrap()),
            Hop::Uri("spiffe://corp/gate".into()),
            Hop::Dns("gate.corp".into()),
        ],
        element: 1,
    };
    for (fact, text, trusted) in [
        (F::PeerAddress, "10.1.2.3:4", true),
        (F::PeerAddress, "[::ffff:10.1.2.3]:4", true),
        (F::PeerAddress, "11.1.2.3:4", false),
        (F::PeerUri, "spiffe://corp/gate", true),
        (F::PeerUri, "spiffe://corp/gate/", false),
        (F::PeerUri, "gate.corp", false),
        (F::PeerDns, "gate.corp", true),
        (F::PeerSubject, "gate.corp", false),
    ] {
        assert_eq!(rules.trusts(&Facts::of(&[(fact, text)])), trusted, "{text}");
    }
    assert!(!rules.trusts(&crate::connection::NoConnection));
}
