//! Configurations: how they are carried, what is refused, and what serves meanwhile.

use anyhow::Result;
use serde_json::{Value, json};
use toolgate_harness::{
    bootstrap::{Carrier, Delivery},
    envoy::{Envoy, Refused, Update},
    gate::{Gate, Mode, Upstream, configuration},
    scripted::Scripted,
};

fn scripted() -> Result<Upstream> {
    Ok(Upstream::Scripted(Scripted::start()?))
}

async fn passes(gate: &Gate, tool: &str) -> Result<u16> {
    let token = gate.token("alice", &["developer"])?;
    Ok(gate.call("config", tool, json!({})).token(&token).send().await?.status)
}

async fn carried(carrier: Carrier) -> Result<()> {
    let tune = |gateway: &mut toolgate_harness::bootstrap::Gateway| {
        if let Some(plugin) = &mut gateway.plugin {
            plugin.carrier = carrier;
        }
    };
    let gate = Gate::start(Mode::Held, scripted()?, |_| (), tune).await?;
    assert_eq!(passes(&gate, "echo").await?, 200);
    assert_eq!(passes(&gate, "admin_reset").await?, 403);
    Ok(())
}

#[tokio::test]
async fn a_configuration_comes_as_a_string() -> Result<()> {
    carried(Carrier::String).await
}

#[tokio::test]
async fn a_configuration_comes_as_bytes() -> Result<()> {
    carried(Carrier::Bytes).await
}

#[tokio::test]
async fn a_configuration_comes_as_a_struct() -> Result<()> {
    carried(Carrier::Struct).await
}

type Change = fn(&mut Value);

/// What is wrong, how it is made so, and what the message must name.
const BAD: [(&str, Change, &[&str]); 12] = [
    ("an unknown key", |all| all["servesr"] = json!([]), &["servesr", "servers"]),
    (
        "an unknown key below",
        |all| all["servers"][0]["isuers"] = json!([]),
        &["isuers", "issuers", "servers[0]"],
    ),
    ("no servers", |all| all["servers"] = json!([]), &["servers"]),
    ("an issuer nobody defined", |all| all["servers"][0]["issuers"] = json!(["crop"]), &["crop", "corp"]),
    (
        "a policy nobody defined",
        |all| all["servers"][0]["policy"] = json!("defualt"),
        &["defualt", "default"],
    ),
    ("an inline secret", |all| all["secrets"]["shared_state"] = json!("hunter2"), &["shared_state", "env"]),
    (
        "an algorithm that is none",
        |all| all["issuers"]["corp"]["algorithms"] = json!(["none"]),
        &["algorithms"],
    ),
    ("no audience", |all| all["issuers"]["corp"]["audiences"] = json!([]), &["audiences"]),
    ("a host no cluster reaches", |all| all["clusters"] = json!({}), &["clusters"]),
    (
        "a role cycle",
        |all| all["policies"]["default"]["inline"]["roles"]["readonly"]["inherits"] = json!(["developer"]),
        &["inherits itself", "inherits"],
    ),
    (
        "a role nobody defined",
        |all| all["policies"]["default"]["inline"]["roles"]["developer"]["inherits"] = json!(["readonyl"]),
        &["readonyl", "readonly"],
    ),
    (
        "a pattern that does not compile",
        |all| all["policies"]["default"]["inline"]["roles"]["admin"]["allow"][0]["tools"] = json!(["[a"]),
        &["[a"],
    ),
];

#[tokio::test]
async fn bad_configurations_end_envoy_with_a_message() -> Result<()> {
    for (what, change, words) in BAD {
        let outcome = Gate::start(Mode::Held, scripted()?, change, |_| ()).await;
        let error = outcome.err().unwrap_or_else(|| panic!("{what} was taken"));
        let Refused { log } = error.downcast::<Refused>()?;
        for word in words {
            assert!(log.contains(word), "{what}: no `{word}` in\n{log}");
        }
        assert!(!log.contains("hunter2"), "{what}: the message repeats a secret\n{log}");
        assert!(!log.contains("panicked"), "{what}:\n{log}");
    }
    Ok(())
}

#[tokio::test]
async fn the_last_good_configuration_serves_on() -> Result<()> {
    let mut gate =
        Gate::start(Mode::Held, scripted()?, |_| (), |gateway| gateway.delivery = Delivery::Lds).await?;
    assert_eq!(passes(&gate, "echo").await?, 200);
    let good = configuration(&gate.issuer, Mode::Held)?;
    let mut bad = good.clone();
    bad["servers"] = json!([]);
    assert_eq!(gate.envoy.reconfigure(bad).await?, Update::Rejected);
    assert_eq!(passes(&gate, "echo").await?, 200);
    let mut stricter = good;
    stricter["policies"]["default"]["inline"]["roles"]["developer"]["deny"][0]["tools"] = json!(["echo"]);
    assert_eq!(gate.envoy.reconfigure(stricter).await?, Update::Taken);
    // New connections go to the new listener as soon as it is taken; each call opens its own.
    toolgate_harness::serve::wait_for("the new policy", std::time::Duration::from_secs(10), || async {
        (passes(&gate, "echo").await.ok()? == 403).then_some(())
    })
    .await?;
    Ok(())
}

/// Whoever calls, without credentials too; and nobody can overlook it.
#[tokio::test]
async fn the_policy_for_development_lets_everyone_in_and_says_so() -> Result<()> {
    let development = |all: &mut Value| all["policies"] = json!({ "default": "development" });
    for (change, insecure, status) in [(development as Change, 1.0, 200), ((|_| ()) as Change, 0.0, 401)] {
        let gate = Gate::start(Mode::Held, scripted()?, change, |_| ()).await?;
        assert_eq!(gate.call("development", "admin_reset", json!({})).send().await?.status, status);
        let told = gate.envoy.metrics().await?.metric("toolgate_insecure").value();
        assert!((told - insecure).abs() < 0.5, "toolgate_insecure is {told}");
        let warned =
            gate.envoy.log().lines().any(|line| line.contains("development") && line.contains("`policies."));
        assert_eq!(warned, status == 200, "{}", gate.envoy.log());
    }
    Ok(())
}

#[tokio::test]
async fn the_state_key_is_not_in_the_configuration() -> Result<()> {
    let gate = Gate::start(Mode::Held, scripted()?, |_| (), |_| ()).await?;
    let envoy: &Envoy = &gate.envoy;
    assert!(!envoy.ask("/config_dump").await?.contains("an-end-to-end-test-key"));
    Ok(())
}

#[tokio::test]
async fn a_missing_secret_is_named() -> Result<()> {
    let outcome = Gate::start(
        Mode::Held,
        scripted()?,
        |_| (),
        |gateway| {
            gateway.environment.remove("TOOLGATE_STATE_KEY");
        },
    );
    let error = outcome.await.err().unwrap_or_else(|| panic!("a missing secret was taken"));
    let Refused { log } = error.downcast::<Refused>()?;
    assert!(log.contains("TOOLGATE_STATE_KEY"), "{log}");
    Ok(())
}
