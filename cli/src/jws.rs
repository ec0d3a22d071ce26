// SPDX-License-Identifier: Apache-2.0
//! Tokens in compact form: written with a signature, or looked at without trust.

use base64ct::{Base64UrlUnpadded, Encoding};
use rand_core::{OsRng, RngCore};
use serde_json::{Map, Value, json};

use crate::{diagnostic::Failure, signer::SigningKey};

/// A JSON object.
pub(crate) type Object = Map<String, Value>;

/// A token's parts as anyone can read them; nothing here is proven.
#[derive(Clone, Debug)]
pub(crate) struct Unverified {
    pub(crate) header: Object,
    pub(crate) claims: Object,
}

/// The header of an access token (RFC 9068 section 2.1).
pub(crate) fn access_token_header(key: &SigningKey) -> Object {
    let mut header = Object::new();
    header.insert("alg".to_owned(), json!(key.algorithm().name()));
    header.insert("typ".to_owned(), json!("at+jwt"));
    header.insert("kid".to_owned(), json!(key.kid()));
    header
}

/// Signs in compact form (RFC 7515 section 3.1).
pub(crate) fn sign(key: &SigningKey, header: &Object, claims: &Object) -> String {
    let part = |object: &Object| {
        Base64UrlUnpadded::encode_string(Value::Object(object.clone()).to_string().as_bytes())
    };
    let input = format!("{}.{}", part(header), part(claims));
    let signature = Base64UrlUnpadded::encode_string(&key.sign(input.as_bytes()));
    format!("{input}.{signature}")
}

/// 128 random bits for `jti`.
pub(crate) fn random_id() -> String {
    let mut bytes = [0; 16];
    OsRng.fill_bytes(&mut bytes);
    Base64UrlUnpadded::encode_string(&bytes)
}

/// Takes a token apart without verifying anything. No part of the token is in an error.
pub(crate) fn peek(token: &str) -> Result<Unverified, Failure> {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, _signature] = parts.as_slice() else {
        let help = match parts.len() {
            5 => "five parts are an encrypted token; toolgate reads signed ones",
            _ => "a signed token has the form `header.claims.signature`",
        };
        return Err(Failure::refused(format!("a token of {} parts instead of three", parts.len())).help(help));
    };
    Ok(Unverified { header: object(header, "header")?, claims: object(claims, "claims")? })
}

fn object(part: &str, name: &str) -> Result<Object, Failure> {
    let bytes = Base64UrlUnpadded::decode_vec(part).map_err(|_| {
        Failure::refused(format!("the {name} of the token are not base64url without padding"))
    })?;
    serde_json::from_slice(&bytes)
        .map_err(|_| Failure::refused(format!("the {name} of the token are not a JSON object")))
}
