// SPDX-License-Identifier: Apache-2.0
//! Files: bounded reads, and writes that happen whole or not at all.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use crate::diagnostic::Failure;

/// No configuration, key set or token is larger.
const LIMIT: u64 = 16 << 20;

/// What to do where the file is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    Keep,
    Replace,
}

/// Reads a text file; `-` is the standard input.
pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    let name = path.display();
    let read =
        if path == Path::new("-") { drain(io::stdin().lock()) } else { File::open(path).and_then(drain) };
    read.map_err(|error| {
        let failure = Failure::new(format!("cannot read `{name}`: {}", reason(&error)));
        if error.kind() == ErrorKind::NotFound { failure.help("check the path") } else { failure }
    })
}

fn drain(source: impl Read) -> io::Result<String> {
    let mut text = String::new();
    source.take(LIMIT + 1).read_to_string(&mut text)?;
    if u64::try_from(text.len()).is_ok_and(|length| length > LIMIT) {
        return Err(io::Error::other("larger than 16 MiB"));
    }
    Ok(text)
}

/// Writes a file that only its owner can read, atomically.
pub(crate) fn write_private(path: &Path, contents: &str, existing: Existing) -> Result<(), Failure> {
    write_whole(path, contents, existing, 0o600)
}

/// Writes a file that everybody can read, atomically; one that is there is replaced.
pub(crate) fn write_public(path: &Path, contents: &str) -> Result<(), Failure> {
    write_whole(path, contents, Existing::Replace, 0o644)
}

fn write_whole(path: &Path, contents: &str, existing: Existing, mode: u32) -> Result<(), Failure> {
    let spare = beside(path);
    let written = write_spare(&spare, contents, mode).and_then(|()| match existing {
        Existing::Replace => fs::rename(&spare, path),
        // A link fails where the name is taken; a rename would replace it.
        Existing::Keep => fs::hard_link(&spare, path),
    });
    let _ = fs::remove_file(&spare);
    written.map_err(|error| {
        let failure = Failure::new(format!("cannot write `{}`: {}", path.display(), reason(&error)));
        match error.kind() {
            ErrorKind::AlreadyExists => failure.help("name another file, or add `--force` to replace it"),
            _ => failure,
        }
    })
}

fn write_spare(path: &Path, contents: &str, mode: u32) -> io::Result<()> {
    let _ = fs::remove_file(path);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(contents.as_bytes())?;
    file.sync_all()
}

fn beside(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.new", std::process::id()));
    path.with_file_name(name)
}

/// What the system says, without the number.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "there is no such file or folder".to_owned(),
        ErrorKind::AlreadyExists => "it is there already".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        ErrorKind::IsADirectory => "it is a folder".to_owned(),
        ErrorKind::InvalidData => "it is not UTF-8 text".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_private_file_is_the_owners_and_is_not_replaced_by_accident() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        write_private(&path, "one", Existing::Keep).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(write_private(&path, "two", Existing::Keep).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
        write_private(&path, "two", Existing::Replace).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
