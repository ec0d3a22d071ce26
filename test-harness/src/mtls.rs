//! Mutual TLS for tests: an authority, certificates by `openssl`, and calls by `curl` that show one.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use anyhow::{Context, Result, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use http::HeaderMap;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::client::{Answer, Call};

/// An authority and what it has signed, in a folder of its own; removed on drop.
#[derive(Debug)]
pub struct Authority {
    folder: PathBuf,
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn openssl(folder: &Path, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("openssl");
    let output = command.current_dir(folder).args(arguments).output().context("cannot run `openssl`")?;
    ensure!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

impl Authority {
    /// A fresh authority; `name` tells its folder from others of this process.
    ///
    /// # Errors
    /// If `openssl` does not work.
    pub fn new(name: &str) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("toolgate-mtls-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let authority = Self { folder };
        authority.sign("ca", &["-subj", "/CN=ca"])?;
        Ok(authority)
    }

    /// Signs a certificate with these names: `URI:spiffe://corp/ci,DNS:ci.corp`.
    ///
    /// # Errors
    /// If `openssl` does not work.
    pub fn issue(&self, name: &str, names: &str) -> Result<()> {
        let (subject, names) = (format!("/O=Corp/CN={name}"), format!("subjectAltName={names}"));
        self.sign(name, &["-CA", "ca.pem", "-CAkey", "ca.key", "-subj", &subject, "-addext", &names])
    }

    fn sign(&self, name: &str, more: &[&str]) -> Result<()> {
        let (key, certificate) = (format!("{name}.key"), format!("{name}.pem"));
        let mut arguments = vec!["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
        arguments.extend(["-nodes", "-days", "2", "-keyout", &key, "-out", &certificate]);
        arguments.extend(more);
        openssl(&self.folder, &arguments)
    }

    fn read(&self, file: &str) -> Result<String> {
        fs::read_to_string(self.folder.join(file)).with_context(|| format!("cannot read `{file}`"))
    }

    /// The SHA-256 of a certificate in DER.
    ///
    /// # Errors
    /// If there is none of this name.
    pub fn digest(&self, name: &str) -> Result<[u8; 32]> {
        let pem = self.read(&format!("{name}.pem"))?;
        let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        Ok(Sha256::digest(BASE64_STANDARD.decode(body)?).into())
    }

    /// The same as `x5t#S256` writes it (RFC 8705 section 3.1).
    ///
    /// # Errors
    /// If there is none of this name.
    pub fn x5t(&self, name: &str) -> Result<String> {
        Ok(BASE64_URL_SAFE_NO_PAD.encode(self.digest(name)?))
    }

    /// A transport socket that shows the certificate `name` and asks clients for one, without insisting.
    ///
    /// # Errors
    /// If there is none of this name.
    pub fn socket(&self, name: &str) -> Result<Value> {
        let inline = |file: &str| Ok::<_, anyhow::Error>(json!({ "inline_string": self.read(file)? }));
        let certificate = json!({
            "certificate_chain": inline(&format!("{name}.pem"))?,
            "private_key": inline(&format!("{name}.key"))?,
        });
        Ok(json!({
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
                "common_tls_context": {
                    "tls_certificates": [certificate],
                    "validation_context": { "trusted_ca": inline("ca.pem")? },
                },
            },
        }))
    }

    /// Sends a call with `curl` over TLS, showing the certificate `client` if there is one; `more` are options of
    /// `curl`.
    ///
    /// # Errors
    /// If there is no HTTP answer.
    pub fn send(&self, call: &Call, client: Option<&str>, more: &[&str]) -> Result<Answer> {
        let mut command = Command::new("curl");
        command.current_dir(&self.folder).stdin(Stdio::null());
        command.args(["--silent", "--show-error", "--max-time", "20", "--cacert", "ca.pem"]).args(more);
        if let Some(name) = client {
            command.args(["--cert", &format!("{name}.pem"), "--key", &format!("{name}.key")]);
        }
        for (name, value) in call.headers() {
            command.args(["--header", &format!("{name}: {}", String::from_utf8_lossy(value))]);
        }
        let body = String::from_utf8_lossy(call.content());
        let url = call.url().replacen("http:", "https:", 1);
        command.args(["--write-out", "\n%{http_code}", "--data-binary", &body, &url]);
        let Output { stdout, stderr, status } = command.output().context("cannot run `curl`")?;
        ensure!(status.success(), "curl: {}", String::from_utf8_lossy(&stderr));
        let text = String::from_utf8(stdout)?;
        let (answer, code) = text.rsplit_once('\n').context("curl has written no status")?;
        Ok(Answer { status: code.parse()?, headers: HeaderMap::new(), body: answer.as_bytes().to_vec() })
    }
}
