//! What a second server needs, so that bundles and introspection have something to show: a shelf with a bundle, and an
//! issuer of opaque tokens.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::Folder;
use crate::{bootstrap::Gateway, jwks::now, opaque::Introspector, paths, shelf::Shelf};

/// The opaque token of the observed traffic.
const TOKEN: &str = "observed-opaque-token";
/// Where the second server is.
const PATH: &str = "/opaque";

/// Where a bundle and the truth about an opaque token come from; ended on drop.
#[derive(Debug)]
pub struct Sources {
    issuer: Introspector,
    shelf: Shelf,
    public: String,
    _folder: Folder,
}

impl Sources {
    /// Starts both, with a bundle made by the command.
    ///
    /// # Errors
    /// If a port cannot be bound, or the command fails.
    pub fn start() -> Result<Self> {
        let (issuer, shelf, folder) = (Introspector::start()?, Shelf::start()?, Folder::new()?);
        let policy = json!({
            "version": 1,
            "roles": { "reader": { "allow": [{ "id": "read", "tools": ["echo"] }] } },
            "bindings": [{ "role": "reader", "when": { "claims": { "/roles": { "contains": "reader" } } } }],
        });
        let file = folder.write("policy.json", &policy.to_string())?;
        let [key, out] = ["key.pem", "out.bundle"].map(|name| folder.0.join(name));
        run(&["keys", "generate", "--algorithm", "EdDSA", "--force", "--out"], &[&key])?;
        let made = ["policy", "bundle", "--name", "published", "--bundle-version", "7", "--expires", "30d"];
        let said = run(&[&made[..], &["--key"]].concat(), &[&key, &PathBuf::from("--out"), &out, &file])?;
        let public = said["public_key"].as_str().context("no public key")?.to_owned();
        shelf.put(Some(&std::fs::read_to_string(&out)?));
        Ok(Self { issuer, shelf, public, _folder: folder })
    }

    /// Adds a server whose callers show opaque tokens, under a policy that comes as a bundle; and lets the keys of the
    /// first one be found by metadata.
    pub fn configure(&self, configuration: &mut Value) {
        let [issuer, shelf] =
            [self.issuer.address(), self.shelf.address()].map(|address| address.to_string());
        let mut server = configuration["servers"][0].clone();
        let resource = server["resource"].as_str().unwrap_or_default().replace("/mcp", PATH);
        for (name, value) in [
            ("name", json!("opaque")),
            ("resource", json!(resource)),
            ("issuers", json!(["opaque"])),
            ("policy", json!("published")),
        ] {
            server[name] = value;
        }
        server["match"]["path"] = json!(PATH);
        configuration["issuers"]["corp"]["jwks"] = json!({ "discover": true });
        configuration["issuers"]["opaque"] = json!({
            "issuer": "https://opaque.example.com",
            "audiences": [resource],
            "claims": configuration["issuers"]["corp"]["claims"],
            "introspection": {
                "uri": format!("http://{issuer}/introspect"),
                "client_id": "gate",
                "client_secret": { "env": "TOOLGATE_STATE_KEY" },
                "cache_seconds": 1,
                "negative_seconds": 1,
            },
        });
        configuration["policies"]["published"] = json!({ "bundle": {
            "uri": format!("http://{shelf}/published"), "public_key": self.public, "refresh_seconds": 1,
        } });
        configuration["clusters"][&issuer] = json!("opaque");
        configuration["clusters"][&shelf] = json!("shelf");
        if let Some(servers) = configuration["servers"].as_array_mut() {
            servers.push(server);
        }
    }

    /// Tells Envoy where both are.
    pub fn reach(&self, gateway: &mut Gateway) {
        gateway.clusters.insert("opaque".to_owned(), self.issuer.address());
        gateway.clusters.insert("shelf".to_owned(), self.shelf.address());
    }

    /// The second server's URL beside this one, and a token that is good there from now on.
    #[must_use]
    pub fn door(&self, first: &str) -> (String, &'static str) {
        let url = first.replace("/mcp", PATH);
        let truth = json!({
            "active": true, "sub": "olga", "client_id": "agent", "aud": url, "exp": now() + 300, "roles": ["reader"],
        });
        self.issuer.says(TOKEN, &truth);
        (url, TOKEN)
    }
}

/// Runs the command; gives what it says.
fn run(words: &[&str], files: &[&PathBuf]) -> Result<Value> {
    let output = Command::new(paths::toolgate()?).args(words).args(files).arg("--json").output()?;
    ensure!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).context("the command did not answer in JSON")
}
