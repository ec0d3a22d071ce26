// SPDX-License-Identifier: Apache-2.0
//! Paths as arguments: compared only where every reader resolves them alike.

use crate::policy::truth::Truth;

/// Whether `path` lies at or under `base`. A path that could be read in two ways is unknown, so that an allow rule
/// does not fire on it and a deny rule does.
pub(super) fn path_under(base: &str, path: &str) -> Truth {
    let Some(path) = relative_path(path.strip_suffix('/').unwrap_or(path)) else { return Truth::Unknown };
    let Some((head, rest)) = path.split_at_checked(base.len()) else { return Truth::False };
    match rest.is_empty() || rest.starts_with('/') {
        true if head == base => Truth::True,
        // Some file systems do not tell the cases apart.
        true if head.eq_ignore_ascii_case(base) => Truth::Unknown,
        true | false => Truth::False,
    }
}

/// `path` if it is plain: relative, no `.` or `..`, no empty segment, no backslash, no NUL, no percent-encoding, no
/// drive letter, and no segment that ends in a dot or a space, which Windows drops.
pub(super) fn relative_path(path: &str) -> Option<&str> {
    let drive = matches!(path.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic());
    let plain = !drive
        && !path.contains(['\\', '\0', '%'])
        && path.split('/').all(|segment| !segment.is_empty() && !segment.ends_with(['.', ' ']))
        && !path.chars().any(char::is_control);
    plain.then_some(path)
}
