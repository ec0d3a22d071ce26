// SPDX-License-Identifier: Apache-2.0
//! `toolgate token verify`: the plugin's own verdict, with the reason that an outsider is not told.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use toolgate_engine::{
    keys::{Alg, KeySet, Keys, Software},
    time::UnixTime,
    token::{
        BearerToken, ClaimPath, Confirmation, DEFAULT_MAX_TOKEN_BYTES, IssuerRules, Rejection, TypMode,
        Unverified, VerifiedToken,
    },
};

use crate::{
    clock,
    command::Outcome,
    diagnostic::{Exit, Failure},
    file,
    out::Out,
    signer::Algorithm,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The token; `-` reads it from the standard input, where no process list shows it
    #[arg(value_name = "TOKEN")]
    token: String,
    /// The issuer's keys, as a JWKS
    #[arg(long, value_name = "FILE")]
    jwks: PathBuf,
    /// Who must have issued it: `iss`, byte for byte
    #[arg(long, value_name = "URL")]
    issuer: String,
    /// Whom it must be for: one of `aud`; may be repeated
    #[arg(long, required = true, value_name = "URL")]
    audience: Vec<String>,
    /// An algorithm that the issuer signs with; may be repeated
    #[arg(long = "algorithm", value_enum, default_values = ["RS256", "ES256"])]
    algorithms: Vec<Algorithm>,
    /// Take tokens of issuers from before RFC 9068, which are not typed `at+jwt`
    #[arg(long)]
    relaxed_typ: bool,
    /// How far clocks may be apart
    #[arg(long, value_name = "SPAN", default_value = "60s", value_parser = clock::parse_span)]
    leeway: std::time::Duration,
}

pub(crate) fn run(args: &Args, out: Out) -> Outcome {
    let token = match args.token.as_str() {
        "-" => file::read(Path::new("-"))?,
        given => given.to_owned(),
    };
    let keys = file::read(&args.jwks)?;
    let keys = KeySet::parse(keys.as_bytes())
        .map_err(|error| Failure::refused(format!("`{}`: {error}", args.jwks.display())))?;
    let keys = Keys::from(keys);
    let now = clock::now();
    let judged =
        verify(token.trim(), args, &keys, UnixTime::from_secs(u64::try_from(now).unwrap_or_default()))?;
    let answer = match &judged {
        Ok(token) => json!({ "ok": true, "verified": true, "token": facts(token, now) }),
        Err(rejection) => {
            json!({ "ok": false, "verified": false, "reason": rejection.label(), "message": explain(*rejection) })
        }
    };
    out.either(&answer, || match &judged {
        Ok(token) => format!("verified\n{}", crate::yaml::block(&facts(token, now), 0)),
        Err(rejection) => format!("refused: {} ({})", explain(*rejection), rejection.label()),
    })?;
    Ok(if judged.is_ok() { Exit::Success } else { Exit::Refused })
}

fn verify(
    token: &str,
    args: &Args,
    keys: &Keys,
    now: UnixTime,
) -> Result<Result<VerifiedToken, Rejection>, Failure> {
    let token = token.strip_prefix("Bearer ").unwrap_or(token);
    let token = BearerToken::new(token.as_bytes(), DEFAULT_MAX_TOKEN_BYTES).map_err(|_| {
        Failure::refused("this is too long for a token, or holds characters that no token has")
    })?;
    let rules = rules(args);
    let verified = Unverified::parse(token)
        .and_then(|token| token.verify(&rules, keys, &Software, now).map_err(|unproven| unproven.rejection));
    Ok(verified)
}

fn rules(args: &Args) -> IssuerRules {
    let paths = |names: &[&str]| names.iter().filter_map(|name| ClaimPath::parse(name)).collect();
    IssuerRules {
        index: 0,
        issuer: args.issuer.clone(),
        audiences: args.audience.clone(),
        algorithms: args.algorithms.iter().filter_map(|algorithm| Alg::from_name(algorithm.name())).collect(),
        leeway_secs: args.leeway.as_secs(),
        typ: if args.relaxed_typ { TypMode::Relaxed } else { TypMode::Strict },
        max_lifetime_secs: None,
        max_age_secs: None,
        clients: Vec::new(),
        roles: paths(&["roles"]),
        scopes: paths(&["scope", "scp"]),
        groups: paths(&["groups"]),
        required_claims: Vec::new(),
        scope_hierarchy: toolgate_engine::oauth::scope::Hierarchy::default(),
    }
}

fn facts(token: &VerifiedToken, now: i64) -> Value {
    let left = i64::try_from(token.expires_at().as_secs()).unwrap_or(i64::MAX).saturating_sub(now);
    json!({
        "issuer": token.issuer(),
        "subject": token.subject(),
        "client": token.client_id(),
        "audiences": token.audiences(),
        "roles": token.roles(),
        "scopes": token.scopes(),
        "groups": token.groups(),
        "algorithm": token.alg().map(toolgate_engine::keys::Alg::name),
        "kid": token.kid(),
        "bound_to": match token.confirmation() {
            Confirmation::None => None,
            Confirmation::Key(_) => Some("key"),
            Confirmation::Certificate(_) => Some("certificate"),
        },
        "accepted_for_seconds": left,
    })
}

/// What is wrong, for the one who holds the keys.
fn explain(rejection: Rejection) -> &'static str {
    match rejection {
        Rejection::Malformed(_) => "it is not a well-formed signed token",
        Rejection::AlgNone => "nothing signs it: `alg` is `none`",
        Rejection::AlgUnknown => "`alg` is not an algorithm that toolgate knows",
        Rejection::UnsupportedCritical => "`crit` demands an extension that toolgate does not know",
        Rejection::UnencodedPayload => "`b64` is in the header",
        Rejection::Encrypted => "it is encrypted; toolgate takes signed tokens",
        Rejection::KeyHint => "its header names or holds a key; keys come from the JWKS only",
        Rejection::UnknownIssuer => "`iss` is not the expected issuer",
        Rejection::AlgNotAllowed => "`alg` is not one of the allowed algorithms",
        Rejection::WrongType => "`typ` does not mark it as an access token; see `--relaxed-typ`",
        Rejection::UnknownKid => "its `kid` is not in the JWKS",
        Rejection::NoFittingKey => "no key of the JWKS fits its algorithm",
        Rejection::BadSignature => "the signature does not belong to it",
        Rejection::VerifierUnsupported => "the key cannot be used here",
        Rejection::Throttled { .. } => "too many costly verifications",
        Rejection::Expired => "it has expired",
        Rejection::NotYetValid => "it is not valid yet: see `nbf`",
        Rejection::IssuedInFuture => "`iat` is in the future",
        Rejection::TooOld => "it is too old: see `iat`",
        Rejection::LifetimeTooLong => "it lives too long: see `iat` and `exp`",
        Rejection::WrongAudience => "`aud` does not hold the expected audience",
        Rejection::ClientMismatch => "`client_id` and `azp` name different clients",
        Rejection::ClientNotAllowed => "its client is not one of the expected clients",
        Rejection::MissingClaim => "a required claim is missing",
        Rejection::BadClaim => "a claim has an unusable value",
        Rejection::UnknownConfirmation => "`cnf` binds it in a way that toolgate does not know",
        Rejection::NotPossessed => "it is bound to a key or a certificate that was not shown",
    }
}
