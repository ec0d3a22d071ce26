// SPDX-License-Identifier: Apache-2.0
//! Signature algorithms (RFC 7518 section 3.1, RFC 8037 section 3.1) and the key families they need.

/// A signature algorithm that Toolgate verifies. `none` has no value here, so it cannot be allowed by mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Alg {
    /// HMAC with SHA-256 (RFC 7518 section 3.2).
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 section 3.3).
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// ECDSA on P-256 with SHA-256 (RFC 7518 section 3.4).
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// RSASSA-PSS with SHA-256, the salt as long as the hash (RFC 7518 section 3.5).
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// Ed25519 (RFC 8037 section 3.1); Ed448 is not known here.
    EdDsa,
}

/// What kind of key an algorithm needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// A secret that signer and verifier share: never in a key set, only in the environment.
    Secret,
    /// `kty` `RSA` (RFC 7518 section 6.3).
    Rsa,
    /// `kty` `EC`, `crv` `P-256` (RFC 7518 section 6.2).
    P256,
    /// `kty` `EC`, `crv` `P-384`.
    P384,
    /// `kty` `OKP`, `crv` `Ed25519` (RFC 8037 section 2).
    Ed25519,
}

impl Alg {
    /// Every algorithm, in the order of RFC 7518.
    pub const ALL: [Alg; 12] = [
        Alg::Hs256,
        Alg::Hs384,
        Alg::Hs512,
        Alg::Rs256,
        Alg::Rs384,
        Alg::Rs512,
        Alg::Es256,
        Alg::Es384,
        Alg::Ps256,
        Alg::Ps384,
        Alg::Ps512,
        Alg::EdDsa,
    ];

    /// The algorithm of that `alg` value; compared exactly, case included. `Ed25519` is the name that RFC 9864
    /// section 2.2 gives to `EdDSA` on that curve.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Alg> {
        match name {
            "Ed25519" => Some(Alg::EdDsa),
            _ => Alg::ALL.into_iter().find(|alg| alg.name() == name),
        }
    }

    /// The `alg` value.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Alg::Hs256 => "HS256",
            Alg::Hs384 => "HS384",
            Alg::Hs512 => "HS512",
            Alg::Rs256 => "RS256",
            Alg::Rs384 => "RS384",
            Alg::Rs512 => "RS512",
            Alg::Es256 => "ES256",
            Alg::Es384 => "ES384",
            Alg::Ps256 => "PS256",
            Alg::Ps384 => "PS384",
            Alg::Ps512 => "PS512",
            Alg::EdDsa => "EdDSA",
        }
    }

    /// The kind of key it needs.
    #[must_use]
    pub const fn family(self) -> Family {
        match self {
            Alg::Hs256 | Alg::Hs384 | Alg::Hs512 => Family::Secret,
            Alg::Rs256 | Alg::Rs384 | Alg::Rs512 | Alg::Ps256 | Alg::Ps384 | Alg::Ps512 => Family::Rsa,
            Alg::Es256 => Family::P256,
            Alg::Es384 => Family::P384,
            Alg::EdDsa => Family::Ed25519,
        }
    }

    /// The digest, as Envoy's `verify_signature` names it. `None` where that function cannot verify: it knows neither
    /// PSS nor Ed25519, and secrets stay inside.
    #[must_use]
    pub const fn host_digest(self) -> Option<&'static str> {
        match self {
            Alg::Rs256 | Alg::Es256 => Some("sha256"),
            Alg::Rs384 | Alg::Es384 => Some("sha384"),
            Alg::Rs512 => Some("sha512"),
            Alg::Ps256 | Alg::Ps384 | Alg::Ps512 | Alg::EdDsa => None,
            Alg::Hs256 | Alg::Hs384 | Alg::Hs512 => None,
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
        assert_eq!(Alg::from_name("Ed25519"), Some(Alg::EdDsa));
        for name in [
            "", "none", "None", "rs256", "RS256 ", "Rs256", "ES256K", "ES512", "RS1", "RS2560", "Ed448",
            "EDDSA",
        ] {
            assert_eq!(Alg::from_name(name), None, "{name}");
        }
    }
}
