// SPDX-License-Identifier: Apache-2.0
//! `toolgate revocation pack`: first the shards, then the manifest that names them, so that a gate that looks in between
//! finds what the old manifest names. Shards that neither manifest names are removed.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use rand_core::{OsRng, RngCore};
use serde_json::{Value, json};
use toolgate_engine::{
    feed::Content,
    keys::PublicKey,
    revocation::{HashKey, List, ListWire, MAX_TIMES, Manifest, PackTimes, Packers, ShardNote, pack, signed},
    time::UnixTime,
};

use crate::{
    clock,
    command::Outcome,
    diagnostic::{Exit, Failure},
    file,
    out::Out,
    signer::{Algorithm, SigningKey},
};

/// No list is larger.
const LIMIT: u64 = 512 << 20;
/// The name of the file that names the others.
const MANIFEST: &str = "manifest";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The list: JSON as a feed carries it, or lines of a kind (`jti`, `sub`, `client_id`, `kid`), a space and an id
    #[arg(value_name = "FILE")]
    list: PathBuf,
    /// What it is for: the name of the feed in the configuration
    #[arg(long)]
    name: String,
    /// The Ed25519 private key that signs, in PEM form (`toolgate keys generate --algorithm EdDSA`)
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The folder to write; what was packed there before gives the next version its number and its hash key
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// How long the list may be trusted
    #[arg(long, value_name = "SPAN", default_value = "1d", value_parser = clock::parse_span)]
    expires: Duration,
    /// The version, instead of one more than the last
    #[arg(long = "list-version", value_name = "NUMBER")]
    number: Option<u64>,
    /// Pack a list without entries too: whatever was revoked before no longer is
    #[arg(long)]
    allow_empty: bool,
}

pub(crate) fn run(args: &Args, out: Out) -> Outcome {
    let path = args.key.display().to_string();
    let signer = SigningKey::from_pem(&file::read(&args.key)?, &path)?.with(Algorithm::EdDsa, &path)?;
    let x = signer.jwk().get("x").and_then(Value::as_str).unwrap_or_default().to_owned();
    let key = PublicKey::from_ed25519(&x).ok_or_else(|| Failure::refused("the key is not an Ed25519 key"))?;
    let before = previous(&args.out, &Packers::new(&args.name, vec![key]))?;
    let version = version(args.number, before.as_ref())?;
    let wire = read(&args.list)?;
    let list = List::new(&wire, before.as_ref().map_or_else(random_key, |manifest| manifest.key));
    // Its signature would be good, and everybody let in again.
    if list.count() == 0 && !args.allow_empty {
        return Err(Failure::refused(format!("`{}` has no entries", args.list.display()))
            .help("if nothing is revoked any more, say so with `--allow-empty`"));
    }
    // Whoever holds a list that has ended refuses everybody, or takes what was revoked, as `on_failure` says.
    if args.expires.as_secs() == 0 {
        return Err(
            Failure::refused("the list would end as it is packed").help("give `--expires` a span, like `1d`")
        );
    }
    let issued_at = u64::try_from(clock::now()).unwrap_or(0);
    let times =
        PackTimes { version, issued_at, expires_at: issued_at.saturating_add(args.expires.as_secs()) };
    let bits = before.as_ref().map(|manifest| manifest.bits);
    let packed = pack(&args.name, &list, bits, times).ok_or_else(|| {
        Failure::refused("there is more in the list than fits into 256 shards").help(format!(
            "a list holds about 2 million ids and {MAX_TIMES} times; write two lists, with a feed each"
        ))
    })?;
    let manifest = signed(&packed.text, &signer.sign(packed.text.as_bytes()));
    write(&args.out, &packed.shards, &manifest, before.as_ref())?;
    let end = clock::rfc3339(i64::try_from(times.expires_at).unwrap_or(i64::MAX));
    let (entries, shards) = (list.count(), packed.shards.len());
    let answer = json!({
        "ok": true, "name": args.name, "version": version, "entries": entries, "shards": shards, "expires": end,
        "public_key": x,
    });
    out.either(&answer, || {
        let name = &args.name;
        format!(
            "version {version} of `{name}`: {entries} entries in {shards} shards, good until {end}\npublic_key: {x}"
        )
    })?;
    Ok(Exit::Success)
}

fn random_key() -> HashKey {
    let mut key = [0; 16];
    OsRng.fill_bytes(&mut key);
    HashKey(key)
}

/// What was packed into this folder before, if it was with this key and name.
fn previous(folder: &Path, packers: &Packers) -> Result<Option<Manifest>, Failure> {
    let path = folder.join(MANIFEST);
    if !path.exists() {
        return Ok(None);
    }
    // One that has expired still says which version it was.
    let read = Manifest::read(file::read(&path)?.as_bytes(), packers, None, UnixTime::default());
    read.map(Some).map_err(|fault| {
        let (what, help) = match fault {
            "other_name" => ("is the list of another name", "write each list to a folder of its own"),
            _ => (
                "is no manifest of this key",
                "sign with the key of the last version, or write to another folder with `--list-version`",
            ),
        };
        Failure::refused(format!("`{}` {what}", path.display())).help(help)
    })
}

fn version(wanted: Option<u64>, before: Option<&Manifest>) -> Result<u64, Failure> {
    let last = before.map_or(0, |manifest| manifest.version);
    match wanted.unwrap_or(last.saturating_add(1)) {
        version if version > last && i64::try_from(version).is_ok() => Ok(version),
        version => Err(Failure::refused(format!("version {version} does not come after version {last}"))
            .help("gates refuse a list that goes back; leave `--list-version` out")),
    }
}

fn read(path: &Path) -> Result<ListWire, Failure> {
    let name = path.display();
    let cannot = |error: io::Error| Failure::new(format!("cannot read `{name}`: {error}"));
    if fs::metadata(path).map_err(cannot)?.len() > LIMIT {
        return Err(cannot(io::ErrorKind::FileTooLarge.into()));
    }
    let text = fs::read_to_string(path).map_err(cannot)?;
    if text.trim().is_empty() {
        return Err(Failure::refused(format!("`{name}` is empty: what wrote it may not have ended well"))
            .help("write the list anew; one without entries is `{}`, with `--allow-empty`"));
    }
    let list = match text.trim_start().starts_with('{') {
        true => serde_json::from_str(&text).map_err(|error| {
            Failure::refused(format!("`{name}` is not a list of ids: {error}"))
                .help("write it like `{\"jti\": [\"…\"], \"sub\": [\"…\"]}`")
        })?,
        false => lines(&text, &name.to_string())?,
    };
    if list.issuer.is_some() {
        return Err(Failure::refused(format!("`{name}` names an issuer"))
            .help("for whom a list speaks is written in the configuration: `issuer` of the feed"));
    }
    match list.check_names() {
        Ok(()) => Ok(list),
        Err((member, complaint)) => Err(Failure::refused(format!("`{member}` of `{name}`: {complaint}"))),
    }
}

fn lines(text: &str, name: &str) -> Result<ListWire, Failure> {
    let mut list = ListWire::default();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let (kind, id) = line.split_once(' ').unwrap_or((line, ""));
        let ids = match kind {
            "jti" => Some(&mut list.jti),
            "sub" => Some(&mut list.sub),
            "client_id" => Some(&mut list.client_id),
            "kid" => Some(&mut list.kid),
            _ => None,
        };
        match (ids, id.trim()) {
            (Some(ids), id) if !id.is_empty() => ids.push(id.to_owned()),
            (Some(_) | None, _) => {
                return Err(Failure::refused(format!("line {} of `{name}` names no id", number + 1))
                    .help("write a kind, a space and an id, for example `jti 4711`"));
            }
        }
    }
    Ok(list)
}

fn write(
    folder: &Path,
    shards: &[(String, Vec<u8>)],
    manifest: &str,
    before: Option<&Manifest>,
) -> Result<(), Failure> {
    let cannot = |error: io::Error| Failure::new(format!("cannot write `{}`: {error}", folder.display()));
    fs::create_dir_all(folder).map_err(cannot)?;
    let mut named: BTreeSet<String> =
        before.into_iter().flat_map(|old| &old.shards).map(ShardNote::file).collect();
    for (name, bytes) in shards {
        let path = folder.join(name);
        // Its name is its hash: one that is there is the same, unless it was cut short.
        if fs::read(&path).map_or(true, |there| there != *bytes) {
            let spare = folder.join(format!("{name}.new"));
            fs::write(&spare, bytes).and_then(|()| fs::rename(&spare, &path)).map_err(cannot)?;
        }
        named.insert(name.clone());
    }
    file::write_public(&folder.join(MANIFEST), manifest)?;
    for entry in fs::read_dir(folder).map_err(cannot)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".shard") && !named.contains(&name) {
            fs::remove_file(entry.path()).map_err(cannot)?;
        }
    }
    Ok(())
}
