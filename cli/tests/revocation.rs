// SPDX-License-Identifier: Apache-2.0
//! `toolgate revocation pack`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod common;

use std::{fs, path::Path};

use common::{Run, run};

struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Desk {
        let desk = Desk { folder: tempfile::tempdir().unwrap() };
        let made = run(&["keys", "generate", "--algorithm", "EdDSA", "--out", &desk.path("key.pem")]);
        assert_eq!(made.code, Some(0), "{made:?}");
        desk
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn pack(&self, list: &str, more: &[&str]) -> Run {
        fs::write(self.path("list"), list).unwrap();
        let (list, key, out) = (self.path("list"), self.path("key.pem"), self.path("out"));
        let mut arguments = vec!["revocation", "pack", &list, "--key", &key, "--out", &out, "--json"];
        if !more.contains(&"--name") {
            arguments.extend(["--name", "idp"]);
        }
        arguments.extend(more);
        run(&arguments)
    }

    fn shards(&self) -> usize {
        let files = fs::read_dir(Path::new(&self.path("out"))).unwrap();
        files
            .filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|end| end == "shard"))
            .count()
    }
}

#[test]
fn versions_follow_each_other_and_old_shards_go_after_one_more() {
    let desk = Desk::new();
    let first = desk.pack(r#"{"jti":["a","b"],"not_before":{"sub":{"s":5}}}"#, &[]).json();
    assert_eq!((&first["version"], &first["entries"], &first["shards"]), (&1.into(), &3.into(), &1.into()));
    assert_eq!(first["name"], "idp");
    assert!(fs::read_to_string(desk.path("out/manifest")).unwrap().contains(r#""name":"idp""#));
    assert_eq!(first["public_key"].as_str().unwrap().len(), 43);
    // The same list again is the same shard: the hash key stays.
    let second = desk.pack("jti a\n\njti b\n", &[]).json();
    assert_eq!((&second["version"], desk.shards()), (&2.into(), 1));
    assert_eq!(desk.pack("sub c\n", &[]).json()["version"], 3);
    assert_eq!(desk.shards(), 2);
    assert_eq!(desk.pack("sub d\n", &["--list-version", "9"]).json()["version"], 9);
    assert_eq!(desk.shards(), 2);
}

#[test]
fn a_list_that_ends_at_once_is_not_packed() {
    let desk = Desk::new();
    for (span, exit) in [("0d", 2), ("0s", 2), ("1s", 0)] {
        assert_eq!(desk.pack("jti a\n", &["--expires", span]).code, Some(exit), "{span}");
    }
}

#[test]
fn an_emptied_list_is_packed_only_where_that_is_said() {
    let desk = Desk::new();
    assert_eq!(desk.pack("jti a\njti b\n", &[]).json()["entries"], 2);
    let manifest = || fs::read(Path::new(&desk.path("out")).join("manifest")).unwrap();
    let before = manifest();
    for (list, more, words) in [
        ("", &[][..], "` is empty: what wrote it"),
        (" \n\n", &[], "` is empty: what wrote it"),
        ("", &["--allow-empty"], "` is empty: what wrote it"),
        ("{}", &[], "` has no entries"),
        (r#"{"jti":[],"not_before":{"sub":{}}}"#, &[], "` has no entries"),
    ] {
        let run = desk.pack(list, more);
        assert_eq!(run.code, Some(2), "{list}: {run:?}");
        assert!(run.stdout.contains(words), "{list}: {run:?}");
        assert_eq!(manifest(), before, "{list}");
    }
    let emptied = desk.pack("{}", &["--allow-empty"]);
    assert_eq!(emptied.code, Some(0), "{emptied:?}");
    assert_eq!((&emptied.json()["version"], &emptied.json()["entries"]), (&2.into(), &0.into()));
}

#[test]
fn what_cannot_be_packed_is_told() {
    let desk = Desk::new();
    for (list, words) in [
        ("jti\n", "line 1"),
        ("jti a\nuser b\n", "line 2"),
        (r#"{"jti":"a"}"#, "not a list of ids"),
        (r#"{"jtis":[]}"#, "unknown field"),
        (r#"{"jti":[""]}"#, "empty or longer"),
        (r#"{"issuer":"corp"}"#, "names an issuer"),
    ] {
        let run = desk.pack(list, &[]);
        assert_eq!(run.code, Some(2), "{run:?}");
        assert!(run.stdout.contains(words) || run.stderr.contains(words), "{run:?}");
    }
    assert_eq!(desk.pack("jti a\n", &[]).code, Some(0));
    assert_eq!(desk.pack("jti a\n", &["--list-version", "1"]).code, Some(2));
    // A folder belongs to one feed.
    let other = desk.pack("jti a\n", &["--name", "another"]);
    assert_eq!(other.code, Some(2), "{other:?}");
    assert!(format!("{other:?}").contains("is the list of another name"), "{other:?}");
    // Another key cannot go on with this folder: gates would refuse what it signs.
    let made = run(&["keys", "generate", "--algorithm", "EdDSA", "--out", &desk.path("key.pem"), "--force"]);
    assert_eq!((made.code, desk.pack("jti a\n", &[]).code), (Some(0), Some(2)));
    let made = run(&["keys", "generate", "--algorithm", "ES256", "--out", &desk.path("key.pem"), "--force"]);
    assert_eq!((made.code, desk.pack("jti a\n", &[]).code), (Some(0), Some(2)));
}
