// SPDX-License-Identifier: Apache-2.0
//! Signature algorithms (RFC 7518 section 3.1) and the key families they need.

/// A signature algorithm that Toolgate verifies. `none` and the symmetric ones have no value here, so they cannot be
/// allowed by mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Alg {
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 section 3.3).
    Rs256,
    /// ECDSA on P-256 with SHA-256 (RFC 7518 section 3.4).
    Es256,
}

/// What kind of key an algorithm needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// `kty` `RSA` (RFC 7518 section 6.3).
    Rsa,
    /// `kty` `EC`, `crv` `P-256` (RFC 7518 section 6.2).
    P256,
}

impl Alg {
    /// Every algorithm, in the order of RFC 7518.
    pub const ALL: [Alg; 2] = [Alg::Rs256, Alg::Es256];

    /// The algorithm of that `alg` value; compared exactly, case included.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Alg> {
        Alg::ALL.into_iter().find(|alg| alg.name() == name)
    }

    /// The `alg` value.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Alg::Rs256 => "RS256",
            Alg::Es256 => "ES256",
        }
    }

    /// The kind of key it needs.
    #[must_use]
    pub const fn family(self) -> Family {
        match self {
            Alg::Rs256 => Family::Rsa,
            Alg::Es256 => Family::P256,
        }
    }

    /// The digest, as Envoy's `verify_signature` names it.
    #[must_use]
    pub const fn digest_name(self) -> &'static str {
        match self {
            Alg::Rs256 | Alg::Es256 => "sha256",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_exact() {
        for alg in Alg::ALL {
            assert_eq!(Alg::from_name(alg.name()), Some(alg));
        }
        for name in ["", "none", "None", "HS256", "rs256", "RS256 ", "Rs256", "ES256K", "RS1", "RS2560"] {
            assert_eq!(Alg::from_name(name), None, "{name}");
        }
    }
}
