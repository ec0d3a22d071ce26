// SPDX-License-Identifier: Apache-2.0
//! Audit trails read back: verified, searched, counted, put away.
//!
//! What enters: files with records, also inside other logs; keys from the environment. What leaves: what is wrong and
//! where, records that fit a question, counts. Deliberately absent: a judgement of its own on what is genuine; that is
//! the engine's.

mod copies;
pub(crate) mod csv;
pub(crate) mod entries;
pub(crate) mod filter;
mod find;
pub(crate) mod finding;
pub(crate) mod input;
pub(crate) mod keys;
pub(crate) mod manifest;
pub(crate) mod map;
pub(crate) mod progress;
pub(crate) mod record;
pub(crate) mod report;
pub(crate) mod seen;
pub(crate) mod source;
pub(crate) mod time;
pub(crate) mod trail;
