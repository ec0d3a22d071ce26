// SPDX-License-Identifier: Apache-2.0
//! Nothing: what counts is `tests/cedar.rs`, in a package of its own so that only it pays for building Cedar.
