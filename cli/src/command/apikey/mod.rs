// SPDX-License-Identifier: Apache-2.0
//! `toolgate apikey`.

mod create;
mod document;
mod revoke;
mod rotate;

use rand_core::{OsRng, RngCore};
use toolgate_engine::apikey::{KeyHash, KeyText, compose};

use crate::{command::Outcome, diagnostic::Failure, out::Out};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Make an API key: it is printed once, and only its hash is kept
    Create(create::Args),
    /// Make the key that replaces another, which ends after an overlap
    Rotate(rotate::Args),
    /// Withdraw a key
    Revoke(revoke::Args),
}

impl Command {
    pub(crate) fn run(self, out: Out) -> Outcome {
        match self {
            Self::Create(args) => create::run(&args, out),
            Self::Rotate(args) => rotate::run(&args, out),
            Self::Revoke(args) => revoke::run(&args, out),
        }
    }
}

/// A key that was just made: its text, to be shown once, and what is kept of it.
struct Fresh {
    id: String,
    text: String,
    hash: String,
}

impl Fresh {
    /// 256 random bits for the secret, 60 for the id.
    fn make(prefix: &str) -> Result<Fresh, Failure> {
        let (mut secret, mut salt, mut name) = ([0; 32], [0; 16], [0; 12]);
        for bytes in [&mut secret[..], &mut salt, &mut name] {
            OsRng.fill_bytes(bytes);
        }
        let letter = |byte: &u8| char::from_digit(u32::from(*byte & 31), 32).unwrap_or('0');
        let id: String = name.iter().map(letter).collect();
        let text = compose(prefix, &id, &secret);
        let shown = KeyText::parse(text.as_bytes(), prefix);
        let shown = shown.ok_or_else(|| Failure::new("the key that was made is not one"))?;
        let hash = KeyHash::of(shown, salt).text();
        Ok(Fresh { id, text, hash })
    }
}
