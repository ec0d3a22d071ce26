// SPDX-License-Identifier: Apache-2.0
//! `toolgate audit archive`: the records of each stream up to its last checkpoint go into a compressed file with a
//! sealed manifest, what follows into another. A trail in which anything is wrong is not put away.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};
use serde_json::json;
use sha2::{Digest, Sha256};
use toolgate_engine::audit::{KeyId, Kind, Link, StreamId, Verified};

use crate::{
    audit::{
        entries::{self, Entry},
        input::Until,
        keys::{KeyArgs, Keys},
        manifest::{Contents, Folder, Heads, Part, encode, hex},
        progress::Progress,
        trail::{Begin, Ends, Trail},
    },
    clock,
    command::Outcome,
    diagnostic::{Exit, Failure},
    out::Out,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files with records that are not written to any more, oldest first; they stay as they are
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The folder of archives
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Where the records after the last checkpoint of each stream go; they belong before those of the next file
    #[arg(long, value_name = "FILE")]
    rest: PathBuf,
    #[command(flatten)]
    keys: KeyArgs,
}

/// Where each stream is cut.
type Plan = BTreeMap<StreamId, Part>;

pub(crate) fn run(args: &Args, out: Out) -> Outcome {
    let keys = args.keys.read()?;
    fs::create_dir_all(&args.out).map_err(|error| unwritable(&args.out, &error))?;
    let folder = Folder::open(&args.out, &keys)?;
    let plan = plan(args, &keys, &folder.heads(&keys)?)?;
    if plan.is_empty() {
        return Err(Failure::refused("no stream in these files has a checkpoint or an end")
            .help("a checkpoint comes every so many records; try again with more of the trail"));
    }
    let written = write(args, &plan, &folder)?;
    let parts: Vec<Part> = plan.into_values().collect();
    let contents = Contents {
        sha256: written.sha256,
        records: written.kept,
        from: written.from,
        to: written.to,
        made: clock::rfc3339(clock::now()),
        streams: parts.clone(),
    };
    let manifest = folder.add(&written.stem, written.number, contents, &keys)?;
    let archive = args.out.join(format!("{}.jsonl.gz", written.stem));
    let answer = json!({
        "ok": true,
        "archive": archive.display().to_string(),
        "manifest": manifest.display().to_string(),
        "records": written.kept,
        "rest": written.left,
        "streams": parts.len(),
    });
    out.either(&answer, || {
        format!(
            "{} records of {} streams in {}\n{} records after the last checkpoints in {}",
            written.kept,
            parts.len(),
            archive.display(),
            written.left,
            args.rest.display()
        )
    })?;
    Ok(Exit::Success)
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("cannot write `{}`: {error}", path.display()))
}

/// Verifies everything, and finds the last checkpoint or end of each stream.
fn plan(args: &Args, keys: &Keys, heads: &Heads) -> Result<Plan, Failure> {
    let mut trail = Trail::new(keys.records(), Begin::Whole);
    trail.resume(heads);
    let mut plan = Plan::new();
    let mut firsts: BTreeMap<StreamId, u64> = BTreeMap::new();
    let known = heads.all().iter().filter_map(|head| Some((head.head.stream, head.outlet.clone()?)));
    let mut outlets: BTreeMap<StreamId, String> = known.collect();
    let read = entries::entries(&args.files, Until::End, &Progress::new(), |spot, entry| {
        trail.look(spot, &entry, |verified, record| {
            let link = &verified.link;
            let first = *firsts.entry(link.stream).or_insert(link.seq);
            if let Some(outlet) = &record.outlet {
                outlets.insert(link.stream, outlet.as_str().to_owned());
            }
            if matches!(link.kind, Kind::Checkpoint | Kind::End) {
                plan.insert(link.stream, part(verified, first, outlets.get(&link.stream)));
            }
        })
    })?;
    // Nothing is put away of nothing, whatever was before.
    trail.want_records(read.lines, None);
    let names: Vec<String> = args.files.iter().map(|path| path.display().to_string()).collect();
    let verdict = trail.finish(Ends::May);
    match verdict.findings.first() {
        Some(first) => Err(Failure::refused(format!("the trail has a fault: {}", first.say(&names)))
            .help("see `toolgate audit verify`; files in which anything is wrong are kept as they are")),
        None => Ok(plan),
    }
}

/// The key that sealed a checkpoint seals what follows: a key is handed over by a record of its own.
fn part(verified: &Verified<'_>, first: u64, outlet: Option<&String>) -> Part {
    let Verified { link, key } = verified;
    Part {
        stream: link.stream.text(),
        outlet: outlet.cloned(),
        first,
        last: link.seq,
        mac: encode(&link.mac),
        key: key.map(KeyId::text),
    }
}

/// What was written.
struct Written {
    number: u64,
    stem: String,
    sha256: String,
    kept: u64,
    left: u64,
    from: String,
    to: String,
}

fn write(args: &Args, plan: &Plan, folder: &Folder) -> Result<Written, Failure> {
    let spare = args.out.join(format!(".archive.{}.new", std::process::id()));
    let rest = args.rest.with_extension(format!("{}.new", std::process::id()));
    let packed = File::create(&spare).map_err(|error| unwritable(&spare, &error))?;
    let mut packed = GzEncoder::new(BufWriter::new(Digesting::new(packed)), Compression::default());
    let mut open = BufWriter::new(File::create(&rest).map_err(|error| unwritable(&rest, &error))?);
    let (mut kept, mut left) = (0, 0);
    let (mut from, mut to) = (String::new(), String::new());
    entries::entries(&args.files, Until::End, &Progress::new(), |_, entry| {
        let Entry::Record(bytes) = &entry else { return Ok(()) };
        let Ok(link) = Link::parse(bytes) else { return Ok(()) };
        let done = match plan.get(&link.stream).filter(|part| link.seq <= part.last) {
            Some(_) => {
                kept += 1;
                if from.is_empty() || link.time < from.as_str() {
                    link.time.clone_into(&mut from);
                }
                if link.time > to.as_str() {
                    link.time.clone_into(&mut to);
                }
                packed.write_all(bytes).and_then(|()| packed.write_all(b"\n"))
            }
            None => {
                left += 1;
                open.write_all(bytes).and_then(|()| open.write_all(b"\n"))
            }
        };
        done.map_err(|error| unwritable(&args.out, &error))
    })?;
    let (number, stem) = folder.next(&from);
    let finish = || -> io::Result<String> {
        let inner = packed.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
        inner.file.sync_all()?;
        open.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&rest, &args.rest)?;
        fs::rename(&spare, args.out.join(format!("{stem}.jsonl.gz")))?;
        Ok(hex(&inner.digest.finalize()))
    };
    let sha256 = finish().map_err(|error| unwritable(&args.out, &error))?;
    Ok(Written { number, stem, sha256, kept, left, from, to })
}

/// A file whose bytes are hashed on their way.
struct Digesting {
    file: File,
    digest: Sha256,
}

impl Digesting {
    fn new(file: File) -> Self {
        Self { file, digest: Sha256::new() }
    }
}

impl Write for Digesting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.digest.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
