//! A reference line: HAProxy with `jwt_verify`, which checks the signature of each token anew and looks at no message.
//! It is a process of its own, so its cost is what it adds to a HAProxy without checks, not to Envoy.

use std::{fs, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};

use super::{
    load::{self, Load},
    stage::{Props, Sent},
};
use crate::{
    process::Process,
    serve::{free_port, wait_for},
};

const PATIENCE: Duration = Duration::from_secs(20);

/// What both listeners share. One thread, as Envoy has one worker.
const CONFIGURATION: &str = r#"
global
    nbthread 1
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    http-reuse always
frontend bare
    bind 127.0.0.1:{bare}
    default_backend upstream
frontend jwt
    bind 127.0.0.1:{jwt}
    http-request set-var(txn.bearer) http_auth_bearer
    http-request deny deny_status 401 unless { var(txn.bearer) -m found }
    http-request set-var(txn.alg) var(txn.bearer),jwt_header_query('$.alg')
    http-request deny deny_status 401 unless { var(txn.alg) -m str RS256 }
    http-request deny deny_status 401 unless { var(txn.bearer),jwt_payload_query('$.iss') -m str "{issuer}" }
    http-request deny deny_status 401 unless { var(txn.bearer),jwt_payload_query('$.aud') -m str "{audience}" }
    http-request set-var(txn.exp) var(txn.bearer),jwt_payload_query('$.exp','int')
    http-request set-var(txn.now) date()
    http-request deny deny_status 401 unless { var(txn.exp),sub(txn.now) -m int gt 0 }
    http-request deny deny_status 401 unless { var(txn.bearer),jwt_verify(txn.alg,"{key}") -m int 1 }
    default_backend upstream
backend upstream
    server one {upstream}
"#;

/// CPU in µs that `jwt_verify` adds to a request, each round by itself; nothing where HAProxy is not installed.
///
/// # Errors
/// If HAProxy judges wrongly or a request is not let through.
pub async fn run(props: &Props, rounds: usize, turn: Duration) -> Result<Option<Vec<f64>>> {
    let Some(program) = load::haproxy() else { return Ok(None) };
    let (bare, jwt) = (free_port()?, free_port()?);
    let key = props.folder().join("rsa.pem");
    fs::write(&key, props.tokens().rsa_pem()?)?;
    let file = props.folder().join("haproxy.cfg");
    let text = CONFIGURATION
        .replace("{bare}", &bare.to_string())
        .replace("{jwt}", &jwt.to_string())
        .replace("{issuer}", super::tokens::ISSUER)
        .replace("{audience}", super::tokens::RESOURCE)
        .replace("{key}", key.to_str().context("a path")?)
        .replace("{upstream}", &props.upstream().to_string());
    fs::write(&file, text)?;
    let mut command = Command::new(program);
    command.arg("-db").arg("-f").arg(&file);
    let process = Process::start("haproxy", command).await?;
    judged(props, jwt).await.with_context(|| process.log().snapshot())?;
    let measure = |port: u16| {
        let files = props.files(Sent::USUAL, super::tokens::COLD);
        let [script, tokens, body] = &files;
        load::run(props.wrk(), Load { script, tokens, body, port, time: turn }, &[process.id()])
    };
    let round = |_| Ok(measure(jwt)?.cpu_us - measure(bare)?.cpu_us);
    (0..rounds).map(round).collect::<Result<Vec<_>>>().map(Some)
}

/// A good token passes; a forged one and none do not.
async fn judged(props: &Props, port: u16) -> Result<()> {
    let good = props.tokens().first(super::tokens::Signed::Rs256).to_owned();
    let forged = props.tokens().forged();
    let ready = || async { props.status(port, load::BODY, Some(good.as_str())).await.ok() };
    wait_for("HAProxy", PATIENCE, ready).await?;
    for (what, token, expected) in [
        ("a good token", Some(good.as_str()), 200),
        ("a forged token", Some(forged.as_str()), 401),
        ("no token", None, 401),
    ] {
        let got = props.status(port, load::BODY, token).await?;
        ensure!(got.as_u16() == expected, "haproxy: {what} got {got}, not {expected}");
    }
    Ok(())
}
