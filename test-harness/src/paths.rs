//! Where things are: the repository, the artifact, the binaries.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};

/// The repository this crate was built from.
#[must_use]
pub fn repository() -> PathBuf {
    let harness = Path::new(env!("CARGO_MANIFEST_DIR"));
    harness.parent().unwrap_or(harness).to_path_buf()
}

/// The filter: `TOOLGATE_WASM`, else `target/toolgate.wasm`.
///
/// # Errors
/// If it is not there.
pub fn wasm() -> Result<PathBuf> {
    newest(
        "the filter",
        "TOOLGATE_WASM",
        &[repository().join("target/toolgate.wasm")],
        "build it with `make wasm`",
    )
}

/// The command line tool: `TOOLGATE_BIN`, else the newest build.
///
/// # Errors
/// If it is not there.
pub fn toolgate() -> Result<PathBuf> {
    let target = repository().join("target");
    newest(
        "the `toolgate` binary",
        "TOOLGATE_BIN",
        &[target.join("release/toolgate"), target.join("debug/toolgate")],
        "build it with `cargo build --release -p toolgate-cli`",
    )
}

/// The Envoy version the harness runs: `ENVOY_VERSION`, else 1.40.0.
#[must_use]
pub fn envoy_version() -> String {
    env::var("ENVOY_VERSION").unwrap_or_else(|_| "1.40.0".to_owned())
}

/// Envoy: `ENVOY_BIN`, else what `test-harness/fetch-envoy` installed.
///
/// # Errors
/// If it is not there.
pub fn envoy() -> Result<PathBuf> {
    let installed = repository().join(".tools/envoy").join(envoy_version()).join("envoy");
    newest("envoy", "ENVOY_BIN", &[installed], "install it with `test-harness/fetch-envoy`")
}

/// One of the programs that `test-harness/fetch-prometheus` found or unpacked.
///
/// # Errors
/// If it is not there.
pub fn observing(program: &str) -> Result<PathBuf> {
    let path = repository().join(".tools/prometheus/bin").join(program);
    if path.exists() {
        return Ok(path);
    }
    bail!("{program} is not at `{}`: run `test-harness/fetch-prometheus`", path.display())
}

/// The `node_modules` that `test-harness/fetch-node` installed, Node itself included.
///
/// # Errors
/// If it is not there.
pub fn node_modules() -> Result<PathBuf> {
    let modules = repository().join("target/node/node_modules");
    if modules.join(".bin/node").is_file() {
        return Ok(modules);
    }
    bail!("Node is not at `{}`: install it with `test-harness/fetch-node`", modules.display())
}

/// The Python of `test-harness/fetch-python`, which has the official MCP client.
///
/// # Errors
/// If it is not there.
pub fn python() -> Result<PathBuf> {
    let python = repository().join("target/python/bin/python");
    if python.is_file() {
        return Ok(python);
    }
    bail!("Python is not at `{}`: install it with `test-harness/fetch-python`", python.display())
}

fn newest(what: &str, variable: &str, candidates: &[PathBuf], mend: &str) -> Result<PathBuf> {
    if let Some(named) = env::var_os(variable).map(PathBuf::from) {
        if named.is_file() {
            return Ok(named);
        }
        bail!("{what}: `{variable}` names `{}`, which is not a file", named.display());
    }
    let built = |path: &&PathBuf| path.metadata().and_then(|file| file.modified()).ok();
    let latest = candidates.iter().filter(|path| path.is_file()).max_by_key(built);
    if let Some(found) = latest {
        return Ok(found.clone());
    }
    let looked = candidates.iter().map(|path| format!("`{}`", path.display())).collect::<Vec<_>>();
    bail!("{what} is not at {}: {mend}, or set {variable}", looked.join(" or "))
}
