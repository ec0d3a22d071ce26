// SPDX-License-Identifier: Apache-2.0
//! Passwords, as their hashes.

use std::fmt;

use argon2::{
    Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier,
    password_hash::{PasswordHashString, SaltString},
};
use rand_core::OsRng;

use crate::{diagnostic::Failure, issuer::secret::Secret};

/// Longest password that is looked at.
const LONGEST: usize = 1_024;

/// How a password is recognised.
#[derive(Clone)]
pub(crate) enum Password {
    /// By its Argon2 hash.
    Hashed(PasswordHashString),
    /// A development password that stands in the documentation: slow hashing would protect nothing.
    Known(Secret),
}

impl Password {
    /// Reads an Argon2 hash in PHC form. Its cost must be one that a login can bear.
    pub(crate) fn hashed(text: &str) -> Option<Self> {
        let hash = PasswordHash::new(text.trim()).ok()?;
        let params = Params::try_from(&hash).ok()?;
        let bearable = params.m_cost() <= 1 << 20 && params.t_cost() <= 64 && params.p_cost() <= 16;
        let argon2 = matches!(hash.algorithm.as_str(), "argon2id" | "argon2i" | "argon2d");
        (argon2 && bearable && hash.hash.is_some()).then(|| Self::Hashed(hash.serialize()))
    }

    pub(super) fn known(text: &str) -> Self {
        Self::Known(Secret::of(text))
    }

    /// Whether `given` is the password. Costs tens of milliseconds where it is hashed.
    pub(super) fn is(&self, given: &str) -> bool {
        if given.len() > LONGEST {
            return false;
        }
        match self {
            Self::Hashed(hash) => {
                Argon2::default().verify_password(given.as_bytes(), &hash.password_hash()).is_ok()
            }
            Self::Known(secret) => secret.is(given),
        }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Password(…)")
    }
}

/// The Argon2id hash of `password` under a new salt, in PHC form.
pub(crate) fn hash(password: &str) -> Result<String, Failure> {
    if password.len() < 8 || password.len() > LONGEST {
        return Err(Failure::refused(format!("a password has 8 to {LONGEST} bytes")));
    }
    let salt = SaltString::generate(&mut OsRng);
    let hash = Argon2::default().hash_password(password.as_bytes(), &salt);
    hash.map(|hash| hash.to_string()).map_err(|error| Failure::new(format!("cannot hash: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_recognises_its_password_and_no_other() {
        let text = hash("correct horse").unwrap();
        assert!(text.starts_with("$argon2id$"));
        let password = Password::hashed(&text).unwrap();
        assert!(password.is("correct horse"));
        assert!(!password.is("correct horsf") && !password.is("") && !password.is(&"x".repeat(2_000)));
        assert_eq!(format!("{password:?}"), "Password(…)");
        assert_ne!(text, hash("correct horse").unwrap());
    }

    #[test]
    fn what_is_no_bearable_argon2_hash_is_refused() {
        let costly = hash("correct horse").unwrap().replace("m=19456", "m=19456000");
        for bad in
            ["", "hunter22", "$argon2id$v=19$m=19456,t=2,p=1", "$2b$12$abcdefghijklmnopqrstuv", &costly]
        {
            assert!(Password::hashed(bad).is_none(), "{bad}");
        }
        assert!(hash("short").is_err());
    }
}
