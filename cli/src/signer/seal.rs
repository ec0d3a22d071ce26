// SPDX-License-Identifier: Apache-2.0
//! Private keys at rest: PKCS#8 under a passphrase (PBES2 with scrypt and AES-256-CBC, RFC 8018 and 7914).

use std::{env, fmt};

use pkcs8::{EncryptedPrivateKeyInfo, LineEnding, PrivateKeyInfo, SecretDocument};
use rand_core::OsRng;

use crate::diagnostic::Failure;

/// The variable that holds the passphrase.
pub(crate) const VARIABLE: &str = "TOOLGATE_KEY_PASSPHRASE";
/// Fewer bytes are guessed.
const SHORTEST: usize = 12;
const SEALED: &str = "ENCRYPTED PRIVATE KEY";
const OPEN: &str = "PRIVATE KEY";

/// PEM text that is wiped when it is no longer needed.
pub(super) type Pem = zeroize::Zeroizing<String>;

/// What private keys are encrypted under.
pub(crate) struct Passphrase(String);

impl fmt::Debug for Passphrase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Passphrase(…)")
    }
}

impl Passphrase {
    pub(crate) fn new(text: &str) -> Result<Self, Failure> {
        if text.len() < SHORTEST {
            return Err(Failure::refused(format!(
                "the passphrase in `{VARIABLE}` has fewer than {SHORTEST} bytes"
            )));
        }
        Ok(Self(text.to_owned()))
    }

    /// The one in the environment; a failure where there is none.
    pub(crate) fn from_environment() -> Result<Self, Failure> {
        let text = env::var(VARIABLE).map_err(|_| {
            Failure::refused(format!("the environment has no `{VARIABLE}`"))
                .help("private keys are encrypted under the passphrase in this variable")
        })?;
        Self::new(&text)
    }

    pub(super) fn seal(&self, pem: &str) -> Result<String, Failure> {
        let failed = |_| Failure::new("cannot encrypt the key");
        let (_, document) =
            SecretDocument::from_pem(pem).map_err(|_| Failure::new("cannot encrypt the key"))?;
        let key = PrivateKeyInfo::try_from(document.as_bytes()).map_err(failed)?;
        let sealed = key.encrypt(OsRng, self.0.as_bytes()).map_err(failed)?;
        let text =
            sealed.to_pem(SEALED, LineEnding::LF).map_err(|_| Failure::new("cannot encrypt the key"))?;
        Ok(text.as_str().to_owned())
    }

    pub(super) fn open(&self, pem: &str, name: &str) -> Result<Pem, Failure> {
        let failed = || {
            Failure::refused(format!("`{name}` does not open with the passphrase in `{VARIABLE}`"))
                .help("check the passphrase; keys under other schemes than PBES2 are not read")
        };
        let (_, document) = SecretDocument::from_pem(pem).map_err(|_| failed())?;
        let sealed = EncryptedPrivateKeyInfo::try_from(document.as_bytes()).map_err(|_| failed())?;
        let opened = sealed.decrypt(self.0.as_bytes()).map_err(|_| failed())?;
        opened.to_pem(OPEN, LineEnding::LF).map_err(|_| failed())
    }
}

/// Whether the text is an encrypted private key.
pub(super) fn is_sealed(pem: &str) -> bool {
    pem.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----")
}
