//! What the engine's benchmarks take in the VM of a real Envoy: a bench build of the filter (`test-harness/stages`) runs
//! them one a tick and says in the log what each took.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::{paths, process::Process, serve::wait_for};

/// Every stage takes less than a second; there are some dozens, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(300);

/// Nanoseconds a repetition, by stage. `only` is a list of texts, separated by commas: stages whose name holds one.
///
/// # Errors
/// If the build, Envoy or a stage fails.
pub async fn run(only: &str) -> Result<BTreeMap<String, f64>> {
    let wasm = build()?;
    let folder = env::temp_dir().join(format!("toolgate-stages-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let outcome = in_envoy(&folder, &wasm, only).await;
    fs::remove_dir_all(&folder).ok();
    outcome
}

async fn in_envoy(folder: &Path, wasm: &Path, only: &str) -> Result<BTreeMap<String, f64>> {
    let file = folder.join("bootstrap.json");
    fs::write(&file, bootstrap(wasm, only).to_string())?;
    let mut command = Command::new(paths::envoy()?);
    command.arg("--config-path").arg(file);
    command.args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]);
    let envoy = Process::start("envoy", command).await?;
    let log = || envoy.log().snapshot();
    let done = wait_for("the last stage", PATIENCE, || async {
        log().lines().any(|line| line.contains(r#"{"stages":"done"}"#)).then_some(())
    });
    done.await.with_context(log)?;
    let found = log().lines().filter_map(stage).collect::<BTreeMap<_, _>>();
    ensure!(!found.is_empty(), "no stage is called `{only}`");
    Ok(found)
}

/// The name and the time on a line of Envoy's log, if it is one of the filter's.
fn stage(line: &str) -> Option<(String, f64)> {
    let json: Value = serde_json::from_str(line.get(line.find(r#"{"stage":"#)?..)?).ok()?;
    Some((json["stage"].as_str()?.to_owned(), json["ns"].as_f64()?))
}

/// A VM of its own, on the main thread, beside no listener.
fn bootstrap(wasm: &Path, only: &str) -> Value {
    let vm = json!({
        "vm_id": "stages",
        "runtime": "envoy.wasm.runtime.v8",
        "code": { "local": { "filename": wasm } },
    });
    let text = json!({ "@type": "type.googleapis.com/google.protobuf.StringValue", "value": only });
    json!({ "bootstrap_extensions": [{ "name": "envoy.bootstrap.wasm", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.wasm.v3.WasmService",
        "singleton": true,
        "config": { "name": "stages", "root_id": "stages", "configuration": text, "vm_config": vm },
    } }] })
}

/// Builds the bench build with the profile of the filter.
fn build() -> Result<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(paths::repository())
        .args(["build", "--release", "--locked", "--quiet", "--target", "wasm32-wasip1"])
        .args(["-p", "toolgate-stages"])
        .output()
        .context("cannot start cargo")?;
    ensure!(
        output.status.success(),
        "the bench build of the filter fails:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(paths::repository().join("target/wasm32-wasip1/release/toolgate_stages.wasm"))
}
