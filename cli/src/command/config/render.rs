// SPDX-License-Identifier: Apache-2.0
//! `toolgate config render`: the piece to paste into a proxy's own configuration.

use std::path::PathBuf;

use base64ct::{Base64, Encoding};
use serde_json::{Value, json};
use toolgate_engine::config::{Config, HostMode, Presence};

use crate::{
    command::Outcome,
    diagnostic::{Exit, Failure},
    engine::{self, Environment},
    out::Out,
    yaml::{self, Document},
};

/// What stands behind the gate: what ships.
const PRESENCE: &str = include_str!("../../../../envoy/presence.yaml");

/// How the proxy carries the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Carrier {
    /// Envoy's `google.protobuf.Struct`: readable in the bootstrap
    Struct,
    /// Envoy's `google.protobuf.StringValue`: numbers stay as written
    String,
    /// Envoy's `google.protobuf.BytesValue`
    Bytes,
    /// An Istio `WasmPlugin`
    Istio,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The configuration, in YAML or JSON; `-` reads the standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// How the proxy carries it
    #[arg(long = "as", value_enum, default_value = "struct")]
    carrier: Carrier,
    /// Where the plugin is: a path for Envoy, an `oci://` or `https://` URL for Istio
    #[arg(long, value_name = "PLACE", default_value = "toolgate.wasm")]
    wasm: String,
}

pub(crate) fn run(args: &Args, out: Out) -> Outcome {
    let document = Document::open(&args.file)?;
    let secrets = Environment::of(&document);
    let config = engine::compile(&document, &secrets)?;
    let names = secrets.names();
    let envoy = |kind: &str, value: Value| {
        let kind = format!("type.googleapis.com/google.protobuf.{kind}");
        filters(args, &json!({ "@type": kind, "value": value }), &config, &names)
    };
    let rendered = match args.carrier {
        Carrier::Istio if is_held(&config) => {
            return Err(Failure::refused("Istio's WasmPlugin cannot set `host.headers_stop_iteration`")
                .help("write `false` there, or use an EnvoyFilter"));
        }
        Carrier::Istio => istio(args, parsed(&document)?, &names),
        Carrier::Struct => envoy("Struct", parsed(&document)?)?,
        Carrier::String => envoy("StringValue", json!(document.json()))?,
        Carrier::Bytes => envoy("BytesValue", json!(Base64::encode_string(document.json().as_bytes())))?,
    };
    out.either(&rendered, || yaml::block(&rendered, 0))?;
    Ok(Exit::Success)
}

fn parsed(document: &Document) -> Result<Value, Failure> {
    serde_json::from_str(document.json())
        .map_err(|error| Failure::refused(format!("this is not JSON: {error}")))
}

/// Entries of `http_filters`: the gate, and behind it what refuses requests that it has not seen.
fn filters(
    args: &Args,
    configuration: &Value,
    config: &Config,
    secrets: &[String],
) -> Result<Value, Failure> {
    let gate = gate(args, configuration, is_held(config), secrets);
    match config.presence {
        Presence::Marked => Ok(json!([gate, Document::parse("presence.yaml", PRESENCE)?.decode::<Value>()?])),
        Presence::Unmarked => Ok(json!([gate])),
    }
}

fn is_held(config: &Config) -> bool {
    config.host_mode == HostMode::Held
}

fn gate(args: &Args, configuration: &Value, held: bool, secrets: &[String]) -> Value {
    let mut machine = json!({
        "vm_id": "toolgate",
        "runtime": "envoy.wasm.runtime.v8",
        "code": { "local": { "filename": args.wasm } },
    });
    if let Some(machine) = machine.as_object_mut().filter(|_| !secrets.is_empty()) {
        machine.insert("environment_variables".to_owned(), json!({ "host_env_keys": secrets }));
    }
    json!({
        "name": "toolgate",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": {
                "name": "toolgate",
                "root_id": "toolgate",
                "failure_policy": "FAIL_RELOAD",
                "allow_on_headers_stop_iteration": held,
                "configuration": configuration,
                "vm_config": machine,
            },
        },
    })
}

fn istio(args: &Args, configuration: Value, secrets: &[String]) -> Value {
    let environment: Vec<Value> =
        secrets.iter().map(|name| json!({ "name": name, "valueFrom": "HOST" })).collect();
    let mut specification = json!({
        "url": args.wasm,
        "phase": "AUTHN",
        "failStrategy": "FAIL_CLOSE",
        "pluginName": "toolgate",
        "pluginConfig": configuration,
    });
    if let Some(specification) = specification.as_object_mut().filter(|_| !environment.is_empty()) {
        specification.insert("vmConfig".to_owned(), json!({ "env": environment }));
    }
    json!({
        "apiVersion": "extensions.istio.io/v1alpha1",
        "kind": "WasmPlugin",
        "metadata": { "name": "toolgate" },
        "spec": specification,
    })
}
