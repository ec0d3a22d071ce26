// SPDX-License-Identifier: Apache-2.0
//! `toolgate token mint`.

use std::{path::PathBuf, time::Duration};

use serde_json::json;

use crate::{
    clock,
    command::Outcome,
    diagnostic::{Diagnostic, Exit, Failure},
    file,
    jws::{self, Object},
    keychain,
    out::Out,
    signer::{Algorithm, SigningKey},
};

/// A stolen token is of use this long; longer wants a reason.
const LONG: Duration = Duration::from_secs(24 * 3_600);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Whom the token speaks for: `sub`
    #[arg(long, value_name = "NAME")]
    subject: String,
    /// A role of the subject; may be repeated
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// The resource it is for: `aud`; may be repeated
    #[arg(long, required = true, value_name = "URL")]
    audience: Vec<String>,
    /// Who issues it: `iss`
    #[arg(long, value_name = "URL")]
    issuer: String,
    /// The client that holds it: `client_id`; the subject if left out
    #[arg(long, value_name = "ID")]
    client: Option<String>,
    /// A scope; may be repeated
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// How long it lives
    #[arg(long, value_name = "SPAN", default_value = "30m", value_parser = clock::parse_span)]
    expires: Duration,
    /// The private key, in PEM form; or a folder of `keys rotate`
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// How the key signs, where it could do otherwise: an RSA key signs by RS256 if nothing is said
    #[arg(long, value_enum)]
    algorithm: Option<Algorithm>,
}

pub(crate) fn run(args: &Args, out: Out) -> Outcome {
    let key = signing_key(args)?;
    let warning = long_lived(args.expires);
    let claims = claims(args, clock::now());
    let token = jws::sign(&key, &jws::access_token_header(&key), &claims);
    if let Some(warning) = warning.as_ref().filter(|_| !out.wants_json()) {
        out.aside(&warning.render());
    }
    let warnings: Vec<_> = warning.iter().map(Diagnostic::to_json).collect();
    let answer = json!({
        "ok": true,
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": clock::seconds(args.expires),
        "kid": key.kid(),
        "warnings": warnings,
    });
    out.either(&answer, || token.clone())?;
    Ok(Exit::Success)
}

fn signing_key(args: &Args) -> Result<SigningKey, Failure> {
    let name = args.key.display().to_string();
    let key = match args.key.is_dir() {
        true => keychain::signing_key(&args.key)?,
        false => SigningKey::from_pem(&file::read(&args.key)?, &name)?,
    };
    match args.algorithm {
        Some(algorithm) => key.with(algorithm, &name),
        None => Ok(key),
    }
}

fn long_lived(span: Duration) -> Option<Diagnostic> {
    (span > LONG).then(|| {
        let said = clock::say(clock::seconds(span));
        Diagnostic::warning(format!("the token lives {said}; whoever steals it can use it that long"))
            .help("keep `--expires` at 24 hours or less, and mint again when it is due")
    })
}

/// The claims of RFC 9068 section 2.2.
fn claims(args: &Args, now: i64) -> Object {
    let audience = match args.audience.as_slice() {
        [one] => json!(one),
        several => json!(several),
    };
    let mut claims = Object::new();
    let mut put = |name: &str, value| claims.insert(name.to_owned(), value);
    put("iss", json!(args.issuer));
    put("sub", json!(args.subject));
    put("aud", audience);
    put("client_id", json!(args.client.as_ref().unwrap_or(&args.subject)));
    put("iat", json!(now));
    put("nbf", json!(now));
    put("exp", json!(now.saturating_add(clock::seconds(args.expires))));
    put("jti", json!(jws::random_id()));
    put("roles", json!(args.roles));
    if !args.scopes.is_empty() {
        put("scope", json!(args.scopes.join(" ")));
    }
    claims
}
