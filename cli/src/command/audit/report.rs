// SPDX-License-Identifier: Apache-2.0
//! `toolgate audit report`: exits with 2 if the chain has a fault; the report is made of what is genuine.

use std::path::PathBuf;

use toolgate_engine::audit::Link;

use crate::{
    audit::{
        entries::{self, Entry},
        input::Until,
        keys::KeyArgs,
        manifest::Folder,
        progress::Progress,
        record::Record,
        report::{
            Report,
            framework::Framework,
            tally::{Scope, Tally},
        },
        time,
        trail::{Begin, Ends, Trail, Verdict},
    },
    command::Outcome,
    diagnostic::{Exit, Failure},
    file,
    out::Out,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files with records, plain or compressed by gzip, oldest first; `-` reads the standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// From this time on: a time, a date, or a span before now (`30d`). Records before it only tell who is known already
    #[arg(long, value_name = "TIME", value_parser = time::moment)]
    from: Option<i64>,
    /// Before this time
    #[arg(long, value_name = "TIME", value_parser = time::moment)]
    to: Option<i64>,
    #[command(flatten)]
    keys: KeyArgs,
    /// Count records without verifying them
    #[arg(long, conflicts_with_all = ["key_env", "archive", "partial"])]
    unverified: bool,
    /// The files are a part of a trail: streams may begin and stop anywhere
    #[arg(long)]
    partial: bool,
    /// A folder of archives, whose manifests say what stood before
    #[arg(long, value_name = "FOLDER")]
    archive: Option<PathBuf>,
    /// Also say which controls of a framework the figures are evidence for
    #[arg(long, value_enum)]
    framework: Option<Framework>,
    /// Write the report as a page, with charts, into this file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the report as CSV into this file
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// How many names each table has
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=5000))]
    top: u16,
    /// A class of tools that counts as privileged
    #[arg(long, value_name = "CLASS", default_values_t = ["admin".to_owned(), "destructive".to_owned()])]
    privileged_class: Vec<String>,
    /// A role that counts as privileged
    #[arg(long, value_name = "ROLE", default_values_t = ["admin".to_owned()])]
    privileged_role: Vec<String>,
}

pub(crate) fn run(args: &Args, out: Out) -> Outcome {
    let framework = args.framework.map(Framework::read).transpose()?;
    let mut tally = Tally::new(Scope {
        from: args.from,
        to: args.to,
        privileged_classes: args.privileged_class.clone(),
        privileged_roles: args.privileged_role.clone(),
    });
    let verdict = if args.unverified {
        count(args, &mut tally).map(|()| None)
    } else {
        verify(args, &mut tally).map(Some)
    }?;
    let report = Report::new(&tally, verdict.as_ref(), framework, usize::from(args.top));
    if let Some(path) = &args.html {
        file::write_public(path, &report.to_html())?;
    }
    if let Some(path) = &args.csv {
        file::write_public(path, &report.to_csv())?;
    }
    out.either(&report.to_json(), || report.to_text())?;
    let good = verdict.is_none_or(|verdict| verdict.found == 0);
    Ok(if good { Exit::Success } else { Exit::Refused })
}

fn verify(args: &Args, tally: &mut Tally) -> Result<Verdict, Failure> {
    let keys = args.keys.read()?;
    let begin = if args.partial { Begin::Anywhere } else { Begin::Whole };
    let folder = args.archive.as_ref().map(|path| Folder::open(path, &keys)).transpose()?;
    let mut trail = Trail::after(folder.as_ref(), &keys, begin)?;
    let read = entries::entries(&args.files, Until::End, &Progress::new(), |spot, entry| {
        trail.look(spot, &entry, |verified, record| tally.add(&verified.link, record))?;
        match trail.findings() {
            // Nothing would be counted, after a long time.
            [one, ..] if one.kind == "unknown_key" && keys.newest().is_none() => {
                Err(Failure::refused(one.message.clone())
                    .help("name its variable by `--key-env`, or count without verifying by `--unverified`"))
            }
            _ => Ok(()),
        }
    })?;
    trail.want_records(read.lines, folder.as_ref());
    Ok(trail.finish(Ends::May))
}

fn count(args: &Args, tally: &mut Tally) -> Result<(), Failure> {
    let mut found = 0_u64;
    let read = entries::entries(&args.files, Until::End, &Progress::new(), |_, entry| {
        if let Entry::Record(bytes) = &entry {
            let link = Link::parse(bytes).ok();
            let read = link.and_then(|link| Some((link, Record::parse(link.text).ok()?)));
            read.iter().for_each(|(link, record)| tally.add(link, record));
            found += u64::from(read.is_some());
        }
        Ok(())
    })?;
    match found {
        0 => Err(Failure::refused(format!("no record was found in {} lines", read.lines))
            .help("look whether these are the files of the trail")),
        _ => Ok(()),
    }
}
