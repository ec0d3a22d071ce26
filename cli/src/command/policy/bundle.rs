// SPDX-License-Identifier: Apache-2.0
//! `toolgate policy bundle`: a policy with its version and end, signed.

use std::{path::PathBuf, time::Duration};

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::json;
use toolgate_engine::{
    bundle::{Bundle, BundleRules, Fault, signed_part},
    keys::PublicKey,
    policy::Mode,
    time::UnixTime,
};

use crate::{
    clock,
    command::Outcome,
    diagnostic::{Exit, Failure},
    file,
    out::Out,
    policy::Written,
    signer::{Algorithm, SigningKey},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The policy, in YAML or JSON; `-` reads the standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What it is for: the name of the policy in the configuration
    #[arg(long)]
    name: String,
    /// Its version, which must be above the one that is served now
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    bundle_version: u64,
    /// How long it is good
    #[arg(long, value_name = "SPAN", default_value = "90d", value_parser = clock::parse_span)]
    expires: Duration,
    /// The Ed25519 key that signs it, a PEM file
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Where the bundle goes; one that is there is replaced
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub(crate) fn run(args: &Args, out: Out) -> Outcome {
    let written = Written::open(&args.file)?;
    let policy = written.compile()?;
    let name = args.key.display().to_string();
    let key = SigningKey::from_pem(&file::read(&args.key)?, &name)?.with(Algorithm::EdDsa, &name)?;
    let now = clock::now();
    let end = clock::rfc3339(now.saturating_add(clock::seconds(args.expires)));
    let document = json!({
        "name": args.name,
        "version": args.bundle_version,
        "created": clock::rfc3339(now),
        "expires": end,
        "parts": { "policy": written.value() },
    });
    let text = sealed(&document.to_string(), &key);
    let public = key.jwk().get("x").and_then(|x| x.as_str().map(str::to_owned)).unwrap_or_default();
    verify(&text, args, &public, now)?;
    file::write_public(&args.out, &text)?;
    let place = args.out.display().to_string();
    let answer = json!({
        "ok": true, "file": place, "name": args.name, "version": args.bundle_version, "expires": end,
        "rules": policy.rule_count(), "digest": policy.digest().to_string(), "public_key": public,
    });
    out.either(&answer, || {
        let (name, version, rules) = (&args.name, args.bundle_version, policy.rule_count());
        format!(
            "`{place}` holds version {version} of `{name}` ({rules} rules), good until {end}\npublic_key: {public}"
        )
    })?;
    Ok(Exit::Success)
}

fn sealed(document: &str, key: &SigningKey) -> String {
    let signed = signed_part(document);
    let signature = Base64UrlUnpadded::encode_string(&key.sign(signed.as_bytes()));
    format!("{signed}{signature}\n")
}

/// What the plugin will say. What it would refuse is not written.
fn verify(text: &str, args: &Args, public: &str, now: i64) -> Result<(), Failure> {
    let key =
        PublicKey::from_ed25519(public).ok_or_else(|| Failure::refused("the key is not an Ed25519 key"))?;
    let (name, keys) = (args.name.clone(), vec![key]);
    let rules = BundleRules { name, keys, min_version: 1, roles: Vec::new(), mode: Mode::Shadow };
    let now = UnixTime::from_secs(u64::try_from(now).unwrap_or_default());
    let refused = |fault: Fault| Failure::refused(format!("no plugin would take it: {}", fault.label()));
    Bundle::read(text.as_bytes(), &rules, None, now).map(|_| ()).map_err(refused)?;
    match text.len() > Bundle::LARGEST {
        true => Err(Failure::refused(format!("it is larger than {} bytes", Bundle::LARGEST))),
        false => Ok(()),
    }
}
