// SPDX-License-Identifier: Apache-2.0
//! Records as other commands take them: from files, of a span of time, genuine where a key is given.

use std::path::PathBuf;

use toolgate_engine::audit::{Kind, Link};

use super::{
    entries::{self, Entry},
    input::Until,
    keys::KeyArgs,
    progress::Progress,
    record::Record,
    time,
    trail::{Begin, Ends, Trail},
};
use crate::{
    diagnostic::{Exit, Failure},
    out::Out,
};

/// Where records come from.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Source {
    /// Files with audit records, plain or compressed by gzip; `-` reads the standard input
    #[arg(required = true, value_name = "RECORDS")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    keys: KeyArgs,
    /// From this time on: a time, a date, or a span before now (`90d`)
    #[arg(long, value_name = "TIME", value_parser = time::moment)]
    from: Option<i64>,
    /// Before this time
    #[arg(long, value_name = "TIME", value_parser = time::moment)]
    to: Option<i64>,
}

/// Whether records were verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Genuine {
    Verified,
    /// Some were not genuine, and were left out.
    Faulty(u64),
    /// No key was given.
    Unverified,
}

impl Genuine {
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Faulty(_) => "faulty",
            Self::Unverified => "unverified",
        }
    }

    /// How a command ends that would otherwise end so.
    pub(crate) fn or(&self, exit: Exit) -> Exit {
        match self {
            Self::Faulty(_) => Exit::Refused,
            Self::Verified | Self::Unverified => exit,
        }
    }
}

impl Source {
    /// Hands each record, with its time in microseconds since 1970, to `each`; says on standard error what is wrong.
    /// Fails where there is none.
    pub(crate) fn read(
        &self,
        out: Out,
        mut each: impl FnMut(Kind, &Record<'_>, i64),
    ) -> Result<Genuine, Failure> {
        let keys = self.keys.read()?.records();
        let mut taken = 0_u64;
        let mut trail = (!keys.is_empty()).then(|| Trail::new(keys, Begin::Anywhere));
        let mut take = |link: &Link<'_>, record: &Record<'_>| {
            let within =
                |at: &i64| self.from.is_none_or(|from| from <= *at) && self.to.is_none_or(|to| *at < to);
            if let Some(at) = record.at().filter(within) {
                taken += 1;
                each(link.kind, record, at);
            }
        };
        entries::entries(&self.files, Until::End, &Progress::new(), |spot, entry| {
            match (&mut trail, &entry) {
                (Some(trail), _) => {
                    trail.look(spot, &entry, |verified, record| take(&verified.link, record))?
                }
                (None, Entry::Record(bytes)) => {
                    let link = Link::parse(bytes).ok();
                    let read = link.and_then(|link| Some((link, Record::parse(link.text).ok()?)));
                    read.iter().for_each(|(link, record)| take(link, record));
                }
                (None, Entry::Damaged(_)) => {}
            }
            Ok(())
        })?;
        let genuine = trail.map_or(Genuine::Unverified, |trail| self.judge(trail, out));
        if taken == 0 { Err(self.nothing(&genuine)) } else { Ok(genuine) }
    }

    /// Says on standard error what is wrong.
    fn judge(&self, trail: Trail, out: Out) -> Genuine {
        let verdict = trail.finish(Ends::May);
        let Some(first) = verdict.findings.first() else { return Genuine::Verified };
        let names: Vec<String> = self.files.iter().map(|path| path.display().to_string()).collect();
        out.aside(&format!("warning: {} findings, the first: {}", verdict.found, first.say(&names)));
        Genuine::Faulty(verdict.found)
    }

    /// Whatever is said of no records is true of all.
    fn nothing(&self, genuine: &Genuine) -> Failure {
        let names: Vec<String> = self.files.iter().map(|path| format!("`{}`", path.display())).collect();
        let record = if *genuine == Genuine::Unverified { "record" } else { "genuine record" };
        let span = if self.from.or(self.to).is_some() { " of this span of time" } else { "" };
        Failure::refused(format!("no {record}{span} was found in {}", names.join(", ")))
            .help("look whether these are the files with the audit records, and whether they were emptied")
    }
}
