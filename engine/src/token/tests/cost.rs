// SPDX-License-Identifier: Apache-2.0
//! What a remembered token is reckoned to take of the heap. `engine/tests/remembered.rs` holds that against an allocator.

use super::*;
use crate::cost::{piece, text, texts};
use crate::token::confirmation::Confirmation;

const THUMBPRINT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

fn claims(json: &str) -> Claims {
    Claims::introspected(json.as_bytes(), "https://idp", NOW).unwrap()
}

/// Parts of the text take nothing more; what is a text of its own, a confirmation, actors and nodes do.
#[test]
fn claims_take_their_text_and_what_is_not_a_part_of_it() {
    let plain = r#""iss":"https://idp","sub":"alice","jti":"ab","client_id":"c""#;
    let (issuer, escaped) = (piece("https://idp".len()), piece(2) + piece(3));
    let cnf = format!(r#""cnf":{{"jkt":"{THUMBPRINT}"}}"#);
    let bound = piece(size_of::<Confirmation>());
    let act = r#""act":{"sub":"agent-2","act":{"client_id":"agent-1"}}"#;
    let actors = 2 * piece(7) + piece(2 * size_of::<String>());
    let odd = r#""sub":"a\u0062","jti":"xy\u007a""#;
    for (members, more) in [
        (plain.to_owned(), 0),
        (r#""sub":"alice""#.to_owned(), issuer),
        (odd.to_owned(), issuer + escaped),
        ([plain, &cnf].join(","), bound),
        ([plain, act].join(","), actors),
        ([odd, &cnf, act].join(","), issuer + escaped + bound + actors),
    ] {
        let json = format!("{{{members}}}");
        let mut claims = claims(&json);
        claims.doc.close();
        assert_eq!(claims.cost(Reading::Seldom), piece(json.len()) + more, "{json}");
        let nodes = claims.doc.node_bytes();
        assert!(nodes > 0);
        assert_eq!(claims.cost(Reading::Often), piece(json.len()) + more + piece(nodes), "{json}");
    }
}

#[test]
fn no_more_actors_are_told_than_eight() {
    for depth in [1, 8, 9, 12] {
        let chain =
            (0..depth).fold("{}".to_owned(), |inner, at| format!(r#"{{"sub":"a{at}","act":{inner}}}"#));
        // The innermost is an actor without a name.
        assert_eq!(claims(&format!(r#"{{"act":{chain}}}"#)).actors.len(), (depth + 1).min(8), "{depth}");
    }
}

#[test]
fn a_token_takes_its_lists_and_its_key_besides() {
    let more = r#","roles":["one","seven"],"scope":"read write","nested":{"groups":["eng"]}}"#;
    let json = CLAIMS.replace('}', more);
    let mut token = judge(&sign(Alg::Es256, ES, &json), &rules()).unwrap();
    let lists = texts(token.roles()) + texts(token.scopes()) + texts(token.groups());
    assert_eq!((token.roles().len(), token.scopes().len(), token.groups().len()), (2, 2, 1));
    assert_eq!((token.kid(), text(token.kid())), (Some("e"), piece(1)));
    assert!(token.claims().is_open());
    token.shelve();
    assert!(!token.claims().is_open());
    let mut claims = Claims::parse(json.as_bytes().to_vec()).unwrap();
    claims.doc.close();
    let claims = claims.cost(Reading::Seldom);
    assert!(claims > json.len());
    let seldom = token.cost(Reading::Seldom);
    assert_eq!(seldom, lists + piece(1) + claims);
    assert_eq!(token.cost(Reading::Often), seldom + piece(token.claims().node_bytes()));
    // Whoever reads opens the document again, and then it is counted.
    assert_eq!(token.claims().root().get("sub").and_then(|sub| sub.as_str()).as_deref(), Some("alice"));
    assert_eq!(token.cost(Reading::Seldom), seldom + piece(token.claims().node_bytes()));
}
