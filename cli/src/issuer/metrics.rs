// SPDX-License-Identifier: Apache-2.0
//! What the issuer did, in the text form of Prometheus. Label values come from the code, never from a request.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{Mutex, PoisonError},
};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// An access token was given out, by grant and algorithm.
    Token { grant: &'static str, algorithm: &'static str },
    /// A request was refused, by endpoint and error.
    Refused { endpoint: &'static str, error: &'static str },
    /// Somebody tried to log in.
    Login(&'static str),
    /// An authorization code was used.
    Code(&'static str),
    /// A refresh token was used.
    Refresh(&'static str),
    /// A token, a family of tokens, or all of a subject were ended.
    Ended(&'static str),
    /// A token was asked about.
    Introspected(&'static str),
    /// A client came: registered by itself, read from its document, or enrolled.
    Client(&'static str),
}

impl Event {
    fn name(self) -> &'static str {
        match self {
            Self::Token { .. } => "toolgate_issuer_tokens_total",
            Self::Refused { .. } => "toolgate_issuer_refused_total",
            Self::Login(_) => "toolgate_issuer_logins_total",
            Self::Code(_) => "toolgate_issuer_codes_total",
            Self::Refresh(_) => "toolgate_issuer_refreshes_total",
            Self::Ended(_) => "toolgate_issuer_ended_total",
            Self::Introspected(_) => "toolgate_issuer_introspections_total",
            Self::Client(_) => "toolgate_issuer_clients_total",
        }
    }

    fn labels(self) -> String {
        match self {
            Self::Token { grant, algorithm } => format!("grant=\"{grant}\",algorithm=\"{algorithm}\""),
            Self::Refused { endpoint, error } => format!("endpoint=\"{endpoint}\",error=\"{error}\""),
            Self::Login(outcome) | Self::Code(outcome) | Self::Refresh(outcome) => {
                format!("outcome=\"{outcome}\"")
            }
            Self::Ended(what) => format!("what=\"{what}\""),
            Self::Introspected(answer) => format!("answer=\"{answer}\""),
            Self::Client(way) => format!("way=\"{way}\""),
        }
    }
}

/// Counters.
#[derive(Debug, Default)]
pub(super) struct Metrics(Mutex<BTreeMap<Event, u64>>);

impl Metrics {
    pub(super) fn count(&self, event: Event) {
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counter = counters.entry(event).or_default();
        *counter = counter.saturating_add(1);
    }

    /// The counters, and `gauges`: name, labels, value.
    pub(super) fn text(&self, gauges: &[(&'static str, String, i64)]) -> String {
        let mut text = String::new();
        let mut last = "";
        // Writing to a string does not fail.
        for (event, count) in &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            if event.name() != last {
                last = event.name();
                let _ = writeln!(text, "# TYPE {last} counter");
            }
            let _ = writeln!(text, "{last}{{{}}} {count}", event.labels());
        }
        for (name, labels, value) in gauges {
            if *name != last {
                last = name;
                let _ = writeln!(text, "# TYPE {name} gauge");
            }
            let _ = match labels.is_empty() {
                true => writeln!(text, "{name} {value}"),
                false => writeln!(text, "{name}{{{labels}}} {value}"),
            };
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_its_type_once() {
        let metrics = Metrics::default();
        for _ in 0..2 {
            metrics.count(Event::Login("passed"));
        }
        metrics.count(Event::Login("refused"));
        let text = metrics.text(&[("toolgate_issuer_keys", String::new(), 1)]);
        assert_eq!(
            text,
            "# TYPE toolgate_issuer_logins_total counter\n\
             toolgate_issuer_logins_total{outcome=\"passed\"} 2\n\
             toolgate_issuer_logins_total{outcome=\"refused\"} 1\n\
             # TYPE toolgate_issuer_keys gauge\n\
             toolgate_issuer_keys 1\n"
        );
    }
}
