// SPDX-License-Identifier: Apache-2.0

mod bad;
mod credentials;
mod dpop;
mod good;
mod idle;
mod onward;
mod rates;
mod revocation;

use super::*;
use crate::json::DeError;
use crate::keys::fixtures::{RSA_2048_N, rsa_jwk, set_of};
use alloc::string::ToString;
use alloc::{format, vec};

/// The environment of the tests.
struct Environment;

impl Secrets for Environment {
    fn lookup(&self, name: &str) -> Option<Vec<u8>> {
        match name {
            "UPSTREAM_TOKEN" => Some(b"Bearer s3cr3t".to_vec()),
            "STATE_KEY" => Some(vec![b'k'; 32]),
            "SHORT" => Some(b"short".to_vec()),
            "SEED" => Some(b"0a".repeat(32)),
            "HS_256" => Some(vec![b'h'; 32]),
            "HS_512" => Some(vec![b'H'; 64]),
            "HS_BASE64URL" => Some(
                b"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"
                    .to_vec(),
            ),
            "UGLY" => Some(b"a\nb".to_vec()),
            _ => None,
        }
    }
}

fn compile(json: &str) -> Result<Config, DeError> {
    Config::compile(json.as_bytes(), &Environment)
}

fn good(json: &str) -> Config {
    compile(json).unwrap_or_else(|error| panic!("{json}: {error:?}"))
}

const POLICY: &str = r#"{"inline":{"version":1,"roles":{"guest":{},"developer":{}}}}"#;

/// A small configuration with holes: members of the one server, of the issuer, and of the document.
struct Parts<'p> {
    server: &'p str,
    issuer: &'p str,
    top: &'p str,
}

const SERVER: &str = r#""name":"s","match":{"path":"/mcp"},"resource":"https://mcp.example.com/mcp","issuers":["corp"],"policy":"default""#;

const PARTS: Parts<'static> = Parts { server: SERVER, issuer: "", top: "" };

impl Parts<'_> {
    fn json(&self) -> String {
        let jwks = set_of(&[rsa_jwk(RSA_2048_N, r#""kid":"r","#)]);
        let issuer = match self.issuer {
            "" => format!(
                r#""issuer":"https://idp.example.com","audiences":["https://mcp.example.com/mcp"],"algorithms":["RS256"],"jwks":{{"inline":{jwks}}}"#
            ),
            other => other.replace("JWKS", &jwks),
        };
        format!(
            r#"{{"servers":[{{{}}}],"issuers":{{"corp":{{{issuer}}}}},"policies":{{"default":{POLICY}}}{}}}"#,
            self.server, self.top
        )
    }
}

/// `path: message | help`.
fn complaint(json: &str) -> String {
    let Err(error) = compile(json) else { panic!("accepted: {json}") };
    let help = error.help().unwrap_or("-");
    [Config::path_text(error.path()).as_str(), ": ", error.message(), " | ", help].concat()
}
