// SPDX-License-Identifier: Apache-2.0
//! `toolgate token inspect`: looks, and proves nothing.

use std::{fmt::Write, path::Path};

use serde_json::{Value, json};

use crate::{
    clock,
    command::Outcome,
    diagnostic::Exit,
    file,
    jws::{self, Object, Unverified},
    out::Out,
};

/// The longest life of an access token that passes without remark, in seconds.
const LONG: i64 = 24 * 3_600;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The token; `-` reads it from the standard input, where no process list shows it
    #[arg(value_name = "TOKEN")]
    token: String,
}

pub(crate) fn run(args: &Args, out: Out) -> Outcome {
    let token = match args.token.as_str() {
        "-" => file::read(Path::new("-"))?,
        given => given.to_owned(),
    };
    let token = token.trim();
    let seen = jws::peek(token.strip_prefix("Bearer ").unwrap_or(token))?;
    let now = clock::now();
    let warnings = warnings(&seen, now);
    let left = number(&seen.claims, "exp").map(|exp| exp.saturating_sub(now));
    let answer = json!({
        "ok": true,
        "verified": false,
        "header": seen.header,
        "claims": seen.claims,
        "expires_in": left,
        "warnings": warnings,
    });
    out.either(&answer, || text(&seen, left, &warnings))?;
    Ok(Exit::Success)
}

fn number(claims: &Object, name: &str) -> Option<i64> {
    claims.get(name).and_then(Value::as_i64)
}

/// What a strict verifier would dislike, as far as it can be seen without a key.
fn warnings(seen: &Unverified, now: i64) -> Vec<String> {
    let Unverified { header, claims } = seen;
    let mut list = Vec::new();
    let text = |name: &str| header.get(name).and_then(Value::as_str);
    match text("alg") {
        None => list.push("the header has no `alg`".to_owned()),
        Some(none) if none.eq_ignore_ascii_case("none") => {
            list.push("`alg` is `none`: nothing signs it".to_owned())
        }
        Some(_) => {}
    }
    if !text("typ")
        .is_some_and(|typ| ["at+jwt", "application/at+jwt"].iter().any(|at| typ.eq_ignore_ascii_case(at)))
    {
        list.push("`typ` is not `at+jwt`: not marked as an access token (RFC 9068)".to_owned());
    }
    for hint in ["jku", "jwk", "x5u", "x5c", "crit", "b64"] {
        if header.contains_key(hint) {
            list.push(format!("the header has `{hint}`, which toolgate never follows"));
        }
    }
    if !header.contains_key("kid") {
        list.push("the header has no `kid`: every key of the issuer must be tried".to_owned());
    }
    for claim in ["iss", "sub", "aud", "exp"] {
        if !claims.contains_key(claim) {
            list.push(format!("the claim `{claim}` is missing"));
        }
    }
    time_warnings(claims, now, &mut list);
    list
}

fn time_warnings(claims: &Object, now: i64, list: &mut Vec<String>) {
    let (issued, begins, ends) = (number(claims, "iat"), number(claims, "nbf"), number(claims, "exp"));
    if let Some(ends) = ends.filter(|ends| *ends <= now) {
        list.push(format!("it expired {} ago", clock::say(now.saturating_sub(ends))));
    }
    if let Some(begins) = begins.filter(|begins| *begins > now) {
        list.push(format!("it is not valid for another {}", clock::say(begins.saturating_sub(now))));
    }
    if let Some(issued) = issued.filter(|issued| *issued > now) {
        list.push(format!("it was issued {} in the future", clock::say(issued.saturating_sub(now))));
    }
    let life = ends.zip(issued).map(|(ends, issued)| ends.saturating_sub(issued));
    if let Some(life) = life.filter(|life| *life > LONG) {
        list.push(format!("it lives {}, more than 24 hours", clock::say(life)));
    }
}

fn text(seen: &Unverified, left: Option<i64>, warnings: &[String]) -> String {
    let mut text = "NOT VERIFIED: this is only what the token says of itself\n".to_owned();
    for (name, object) in [("header", &seen.header), ("claims", &seen.claims)] {
        let _ = writeln!(text, "\n{name}:");
        for (key, value) in object {
            // JSON text escapes control characters, so that a hostile token cannot drive the terminal.
            let _ = writeln!(text, "  {}: {value}", Value::from(key.as_str()).to_string().trim_matches('"'));
        }
    }
    let _ = match left {
        Some(left) if left > 0 => writeln!(text, "\ntime left: {}", clock::say(left)),
        Some(_) => writeln!(text, "\ntime left: none"),
        None => writeln!(text, "\ntime left: unknown"),
    };
    for warning in warnings {
        let _ = writeln!(text, "warning: {warning}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Object {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn what_a_verifier_would_refuse_is_remarked() {
        let good = Unverified {
            header: object(json!({ "alg": "ES256", "typ": "at+jwt", "kid": "1" })),
            claims: object(json!({ "iss": "i", "sub": "s", "aud": "a", "iat": 100, "nbf": 100, "exp": 200 })),
        };
        assert_eq!(warnings(&good, 150), Vec::<String>::new());
        assert_eq!(warnings(&good, 260), ["it expired 1m ago"]);
        let mut bad = good.clone();
        bad.header.insert("alg".into(), json!("none"));
        bad.header.insert("jku".into(), json!("https://evil.example"));
        bad.claims.remove("aud");
        assert_eq!(warnings(&bad, 150).len(), 3);
    }
}
