//! Rules that require a better login than the caller's: the challenge of RFC 9470, and what answers it.

use anyhow::Result;
use serde_json::{Value, json};
use toolgate_harness::{gate::Gate, in_both_modes, jwks::now, shared_gate};

shared_gate!(gate, |mode| Gate::scripted(mode, |configuration: &mut Value| {
    configuration["policies"]["default"]["inline"] = json!({
        "version": 1,
        "roles": { "developer": { "allow": [
            { "id": "read", "tools": ["get_weather"] },
            { "id": "write", "tools": ["code_edit"], "require": { "acr": ["urn:mfa"], "max_age_seconds": 300 } },
            { "id": "sign", "tools": ["echo"], "require": { "amr": ["hwk"] } },
        ] } },
        "bindings": [{ "role": "developer", "when": { "roles": { "contains": "developer" } } }],
    });
}));

in_both_modes!(gate: a_rule_asks_for_a_better_login, who_has_no_such_rule_is_not_asked);

/// Status, reason and the part of the challenge that says what is wanted.
async fn asked(
    gate: &Gate,
    roles: &[&str],
    tool: &str,
    login: Value,
) -> Result<(u16, Option<String>, String)> {
    let mut claims = gate.claims("alice", roles);
    if let (Value::Object(claims), Value::Object(login)) = (&mut claims, login) {
        claims.extend(login);
    }
    let call = gate.call(&format!("{tool}-step"), tool, json!({})).token(&gate.issuer.key()?.sign(&claims)?);
    let answer = call.send().await?;
    let challenge = answer.header("www-authenticate").unwrap_or_default();
    let wanted = challenge.split_once("error=").map_or("", |(_, wanted)| wanted);
    assert_eq!(challenge.starts_with("Bearer "), answer.status == 401, "{challenge}");
    Ok((answer.status, answer.reason(), wanted.to_owned()))
}

async fn a_rule_asks_for_a_better_login(gate: &Gate) -> Result<()> {
    let refused = |wanted: &str| {
        let reason = "insufficient_user_authentication";
        (401, Some(reason.to_owned()), format!("\"{reason}\", {wanted}"))
    };
    let (fine, me) = ((200, None, String::new()), &["developer"][..]);
    let step = refused(r#"acr_values="urn:mfa", max_age="300""#);
    for login in [
        json!({}),
        json!({ "acr": "urn:password", "auth_time": now() }),
        json!({ "acr": "urn:mfa" }),
        json!({ "acr": "urn:mfa", "auth_time": now() - 900 }),
    ] {
        assert_eq!(asked(gate, me, "code_edit", login.clone()).await?, step, "{login}");
    }
    assert!(gate.upstream.seen().with("code_edit-step").is_empty(), "what was refused went on");
    let better = json!({ "acr": "urn:mfa", "auth_time": now() - 100 });
    assert_eq!(asked(gate, me, "code_edit", better).await?, fine);
    let (status, reason, _) = asked(gate, me, "echo", json!({ "amr": ["pwd"] })).await?;
    assert_eq!((status, reason.as_deref()), (401, Some("insufficient_user_authentication")));
    assert_eq!(asked(gate, me, "echo", json!({ "amr": ["pwd", "hwk"] })).await?, fine);
    let metrics = gate.envoy.metrics().await?;
    let counted =
        metrics.metric("toolgate_requests_total").label("reason", "insufficient_user_authentication");
    assert!(counted.value() >= 5.0, "{}", counted.value());
    Ok(())
}

async fn who_has_no_such_rule_is_not_asked(gate: &Gate) -> Result<()> {
    assert_eq!(asked(gate, &["developer"], "get_weather", json!({})).await?.0, 200);
    let (status, reason, wanted) = asked(gate, &["nobody"], "code_edit", json!({})).await?;
    assert_eq!((status, reason.as_deref(), wanted.as_str()), (403, Some("no_role"), ""));
    Ok(())
}
