// SPDX-License-Identifier: Apache-2.0
//! Something that is wrong in a trail, and where.

use serde_json::{Value, json};
use toolgate_engine::audit::StreamId;

use super::entries::Spot;

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) kind: &'static str,
    pub(crate) message: String,
    pub(crate) stream: Option<StreamId>,
    pub(crate) seq: Option<u64>,
    pub(crate) spot: Option<Spot>,
}

impl Finding {
    /// No record in so many lines.
    pub(crate) fn no_records(lines: u64) -> Finding {
        let message = format!(
            "no record was found in {lines} lines, so nothing was verified; look whether these are the files of the trail"
        );
        Finding { kind: "no_records", message, stream: None, seq: None, spot: None }
    }

    /// `names` are the files, as they were named.
    pub(crate) fn to_json(&self, names: &[String]) -> Value {
        json!({
            "kind": self.kind,
            "message": self.message,
            "stream": self.stream.map(StreamId::text),
            "seq": self.seq,
            "file": self.spot.and_then(|spot| names.get(spot.file)),
            "line": self.spot.map(|spot| spot.line),
        })
    }

    /// `audit.log:17: changed: stream 00…, record 4: it is not what was sealed`
    pub(crate) fn say(&self, names: &[String]) -> String {
        let place = self.spot.and_then(|spot| Some(format!("{}:{}: ", names.get(spot.file)?, spot.line)));
        let stream = self.stream.map(|stream| format!("stream {}", stream.text()));
        let seq = self.seq.map(|seq| format!(", record {seq}")).unwrap_or_default();
        let about = stream.map(|stream| format!("{stream}{seq}: ")).unwrap_or_default();
        format!("{}{}: {about}{}", place.unwrap_or_default(), self.kind, self.message)
    }
}
