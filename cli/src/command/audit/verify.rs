// SPDX-License-Identifier: Apache-2.0
//! `toolgate audit verify`: exits with 2 if any record is not the one that was written.

use std::{
    fmt::Write,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use toolgate_engine::audit::{KeyId, StreamId, Summary};

use crate::{
    audit::{
        entries::{self, Read},
        input::Until,
        keys::KeyArgs,
        manifest::{Folder, State, encode, unhex},
        progress::Progress,
        seen::{Begins, Seen},
        trail::{Begin, Ends, Keyed, Trail, Verdict},
    },
    command::Outcome,
    diagnostic::{Exit, Failure},
    file,
    out::Out,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files with records, plain or compressed by gzip, oldest first; `-` reads the standard input
    #[arg(value_name = "FILE", required_unless_present = "archive")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    keys: KeyArgs,
    /// A folder of archives: its manifests say what stood before the first record of a stream
    #[arg(long, value_name = "FOLDER")]
    archive: Option<PathBuf>,
    /// What an earlier run wrote with `--json`, kept out of reach: streams must have come at least as far as then
    #[arg(long, value_name = "FILE")]
    anchor: Option<PathBuf>,
    /// The files are a part of a trail: streams may begin and stop anywhere
    #[arg(long)]
    partial: bool,
    /// Every stream must have ended in good order
    #[arg(long, conflicts_with = "partial")]
    complete: bool,
}

/// More streams and findings than these are not shown one by one.
const SHOWN: usize = 20;

pub(crate) fn run(args: &Args, out: Out) -> Outcome {
    let keys = args.keys.read()?;
    let begin = if args.partial { Begin::Anywhere } else { Begin::Whole };
    let folder = args.archive.as_ref().map(|path| Folder::open(path, &keys)).transpose()?;
    let mut trail = Trail::after(folder.as_ref(), &keys, begin)?;
    if let Some(path) = &args.anchor {
        anchor(path, &mut trail)?;
    }
    let names: Vec<String> = args.files.iter().map(|path| path.display().to_string()).collect();
    let progress = if out.wants_json() { Progress::silent() } else { Progress::new() };
    let read = entries::entries(&args.files, Until::End, &progress, |spot, entry| {
        trail.look(spot, &entry, |_, _| {})
    })?;
    drop(progress);
    trail.want_records(read.lines, folder.as_ref());
    let verdict = trail.finish(if args.complete { Ends::Must } else { Ends::May });
    let answer = to_json(&verdict, &names, read, folder.as_ref());
    out.either(&answer, || text(&verdict, &names, read, folder.as_ref()))?;
    Ok(if verdict.found == 0 { Exit::Success } else { Exit::Refused })
}

/// How far streams had come in an earlier run.
fn anchor(path: &Path, trail: &mut Trail) -> Result<(), Failure> {
    let wrong = || Failure::refused(format!("`{}` is not what `audit verify --json` writes", path.display()));
    let earlier: Value = serde_json::from_str(&file::read(path)?).map_err(|_| wrong())?;
    for stream in earlier.get("streams").and_then(Value::as_array).ok_or_else(wrong)? {
        let id = stream.get("stream").and_then(Value::as_str).and_then(unhex).ok_or_else(wrong)?;
        let last = stream.get("last").and_then(Value::as_u64).ok_or_else(wrong)?;
        trail.expect(StreamId(id), last);
    }
    Ok(())
}

fn to_json(verdict: &Verdict, names: &[String], read: Read, folder: Option<&Folder>) -> Value {
    json!({
        "ok": verdict.found == 0,
        "keyed": verdict.keyed == Keyed::Yes,
        "files": names,
        "lines": read.lines,
        "other_lines": read.other,
        "records": verdict.records,
        "unreadable": verdict.unreadable,
        "archives": folder.map(archives),
        "findings": verdict.findings.iter().map(|finding| finding.to_json(names)).collect::<Vec<_>>(),
        "findings_total": verdict.found,
        "streams": verdict.streams.iter().map(|(summary, seen)| stream_json(summary, seen.as_ref())).collect::<Vec<_>>(),
    })
}

fn archives(folder: &Folder) -> Value {
    let count = |state| folder.kept.iter().filter(|kept| kept.state == state).count();
    json!({ "here": count(State::Here), "pruned": count(State::Pruned) })
}

fn stream_json(summary: &Summary, seen: Option<&Seen>) -> Value {
    json!({
        "stream": summary.last.stream.text(),
        "outlet": seen.and_then(|seen| seen.outlet.as_deref()),
        "begins": seen.map_or("nowhere", |seen| seen.begins.word()),
        "ended": summary.ended,
        "records": summary.records,
        "faults": summary.faults,
        "first": summary.first_seq,
        "last": summary.last.seq,
        "mac": encode(&summary.last.mac),
        "key": summary.key.map(KeyId::text),
        "from": seen.and_then(|seen| seen.first_time.as_deref()),
        "to": seen.and_then(|seen| seen.last_time.as_deref()),
        "gaps": seen.map(|seen| seen.gaps),
        "lost": seen.map(|seen| seen.lost),
        "copies": seen.map(|seen| seen.copies),
        "sampled_out": seen.map(|seen| seen.sampled_out),
        "witnessed": summary.witnessed,
    })
}

fn text(verdict: &Verdict, names: &[String], read: Read, folder: Option<&Folder>) -> String {
    let mut text = String::new();
    for finding in verdict.findings.iter().take(SHOWN) {
        let _ = writeln!(text, "{}", finding.say(names));
    }
    let more = verdict.found.saturating_sub(u64::try_from(SHOWN).unwrap_or_default());
    if more > 0 {
        let _ = writeln!(text, "and {more} more");
    }
    for (summary, seen) in verdict.streams.iter().take(SHOWN) {
        text.push_str(&stream_text(summary, seen.as_ref()));
    }
    if let Some(more) = verdict.streams.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        let _ = writeln!(text, "and {more} more streams (`--json` lists all)");
    }
    if let Some(folder) = folder {
        let count = |state| folder.kept.iter().filter(|kept| kept.state == state).count();
        let (here, pruned) = (count(State::Here), count(State::Pruned));
        let _ = writeln!(text, "archives: {here} here, {pruned} pruned");
    }
    let (records, streams) = (verdict.records, verdict.streams.len());
    let _ = writeln!(text, "{records} records in {streams} streams; {} lines of something else", read.other);
    if verdict.unreadable > 0 {
        let _ = writeln!(text, "{} genuine records are of a form that is not known here", verdict.unreadable);
    }
    text.push_str(&sentence(verdict));
    text
}

fn sentence(verdict: &Verdict) -> String {
    let lost: u64 = verdict.streams.iter().filter_map(|(_, seen)| seen.as_ref()).map(|seen| seen.lost).sum();
    let lost = if lost > 0 { format!(" The gate says that it lost {lost} records.") } else { String::new() };
    match (verdict.found, verdict.keyed) {
        (0, Keyed::Yes) => format!("Nothing was changed, removed, added or moved.{lost}\n"),
        (0, Keyed::No) => format!(
            "The chains hold, without a key: whoever can write the files could have written them anew.{lost}\n"
        ),
        (1, _) => format!("1 finding.{lost}\n"),
        (found, _) => format!("{found} findings.{lost}\n"),
    }
}

fn stream_text(summary: &Summary, seen: Option<&Seen>) -> String {
    let id = summary.last.stream.text();
    let Some(seen) = seen else {
        return format!(
            "stream {id}: nothing of it is here, and others speak of {} records\n",
            summary.witnessed
        );
    };
    let outlet = seen.outlet.as_deref().unwrap_or("outlet unknown");
    let begins = match seen.begins {
        Begins::Start => String::new(),
        Begins::Archive => ", follows an archive".to_owned(),
        Begins::Middle => ", begins in the middle".to_owned(),
    };
    let state = if summary.ended { "ended" } else { "open" };
    let gaps =
        if seen.gaps > 0 { format!(", {} lost in {} gaps", seen.lost, seen.gaps) } else { String::new() };
    let faults =
        if summary.faults > 0 { format!(", {} with a fault", summary.faults) } else { String::new() };
    let copies = if seen.copies > 0 { format!(", {} came twice", seen.copies) } else { String::new() };
    let (first, last) = (summary.first_seq, summary.last.seq);
    format!("stream {id} ({outlet}): records {first} to {last}{begins}, {state}{gaps}{copies}{faults}\n")
}
