// SPDX-License-Identifier: Apache-2.0
//! How far a long run is: a bar on a terminal, nothing anywhere else.

use std::io::{self, Read};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

const LOOK: &str = "{bar:32} {percent:>3} %  {bytes} of {total_bytes}  {bytes_per_sec}  {eta} left";

/// A bar that counts bytes of input.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Drawn on standard error, if that is a terminal.
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template(LOOK) {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// Never drawn.
    pub(crate) fn silent() -> Self {
        Self(ProgressBar::hidden())
    }

    /// How many bytes there are to read; 0 if that is not known.
    pub(super) fn expect(&self, bytes: u64) {
        self.0.set_length(bytes);
    }

    /// The same source, whose bytes are counted.
    pub(super) fn watch<R: Read>(&self, source: R) -> Watched<R> {
        Watched { source, bar: self.0.clone() }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A source whose bytes are counted.
#[derive(Debug)]
pub(super) struct Watched<R> {
    source: R,
    bar: ProgressBar,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.bar.inc(u64::try_from(read).unwrap_or_default());
        Ok(read)
    }
}
