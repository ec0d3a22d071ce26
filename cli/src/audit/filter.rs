// SPDX-License-Identifier: Apache-2.0
//! Which records are wanted.

use toolgate_engine::{audit::Kind, suggest::did_you_mean};

use super::{
    record::{Record, Text},
    time,
};

/// What a record has to have. An option given several times wants any of its values; all options have to fit. In a value
/// `*` stands for anything.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Filter {
    /// From this time on: a time, a date, or a span before now (`24h`)
    #[arg(long, value_name = "TIME", value_parser = time::moment)]
    pub(crate) from: Option<i64>,
    /// Before this time
    #[arg(long, value_name = "TIME", value_parser = time::moment)]
    pub(crate) to: Option<i64>,
    /// Kinds of records, such as `decision`, `authentication` or `policy`
    #[arg(long, value_name = "KIND", value_parser = kind)]
    kind: Vec<Kind>,
    /// The subject of the caller
    #[arg(long, value_name = "SUBJECT")]
    principal: Vec<String>,
    /// The client of the caller
    #[arg(long, value_name = "CLIENT")]
    client: Vec<String>,
    /// A role of the caller
    #[arg(long, value_name = "ROLE")]
    role: Vec<String>,
    /// The server
    #[arg(long, value_name = "NAME")]
    server: Vec<String>,
    /// The plain HTTP route
    #[arg(long, value_name = "NAME")]
    route: Vec<String>,
    /// The method of MCP
    #[arg(long, value_name = "METHOD")]
    method: Vec<String>,
    /// The tool
    #[arg(long, value_name = "NAME")]
    tool: Vec<String>,
    /// The class of the tool
    #[arg(long, value_name = "CLASS")]
    class: Vec<String>,
    /// `allow`, `deny` or `error`
    #[arg(long, value_name = "DECISION")]
    decision: Vec<String>,
    /// The reason
    #[arg(long, value_name = "REASON")]
    reason: Vec<String>,
    /// The rule that decided
    #[arg(long, value_name = "RULE")]
    rule: Vec<String>,
    /// What became of the request, such as `ok` or `http_5xx`
    #[arg(long, value_name = "OUTCOME")]
    outcome: Vec<String>,
    /// A decision id, request id or trace id
    #[arg(long, value_name = "ID")]
    id: Vec<String>,
    /// A text anywhere in the record
    #[arg(long, value_name = "TEXT")]
    text: Vec<String>,
}

fn kind(word: &str) -> Result<Kind, String> {
    Kind::ALL.into_iter().find(|kind| kind.word() == word).ok_or_else(|| {
        let help = did_you_mean(word, Kind::ALL.iter().map(|kind| kind.word()));
        let help = help.map(|help| format!("; {help}")).unwrap_or_default();
        format!("no kind of record is called `{word}`{help}")
    })
}

impl Filter {
    /// Whether this record, whose whole text is given too, is wanted.
    pub(crate) fn wants(&self, kind: Kind, record: &Record<'_>, text: &str) -> bool {
        let principal = record.principal.as_ref();
        let subject = principal.and_then(|principal| principal.subject.as_ref());
        let client = principal.and_then(|principal| principal.client.as_ref());
        let roles = principal.map(|principal| principal.roles.as_slice()).unwrap_or_default();
        let ids = [&record.id, &record.request_id, &record.trace_id];
        (self.kind.is_empty() || self.kind.contains(&kind))
            && self.in_time(record)
            && one(&self.principal, subject)
            && one(&self.client, client)
            && any(&self.role, roles)
            && one(&self.server, record.server.as_ref())
            && one(&self.route, record.route.as_ref())
            && one(&self.method, record.method.as_ref())
            && one(&self.tool, record.tool.as_ref())
            && one(&self.class, record.class.as_ref())
            && one(&self.decision, record.decision.as_ref())
            && one(&self.reason, record.reason.as_ref())
            && any(&self.rule, &record.rules)
            && one(&self.outcome, record.outcome.as_ref())
            && (self.id.is_empty() || ids.iter().any(|id| one(&self.id, id.as_ref())))
            && (self.text.is_empty() || self.text.iter().any(|part| text.contains(part.as_str())))
    }

    /// A record whose time cannot be read fits no span.
    fn in_time(&self, record: &Record<'_>) -> bool {
        if self.from.is_none() && self.to.is_none() {
            return true;
        }
        record
            .at()
            .is_some_and(|at| self.from.is_none_or(|from| from <= at) && self.to.is_none_or(|to| at < to))
    }
}

/// Whether a text is one of those that are wanted; an absent one only if none is.
fn one(wanted: &[String], found: Option<&Text<'_>>) -> bool {
    wanted.is_empty() || found.is_some_and(|found| wanted.iter().any(|pattern| fits(pattern, found.as_str())))
}

fn any(wanted: &[String], found: &[Text<'_>]) -> bool {
    wanted.is_empty() || found.iter().any(|found| one(wanted, Some(found)))
}

/// `*` stands for anything, also for nothing.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(head) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let tail = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = text.find(part) else { return false };
        text = text.get(at + part.len()..).unwrap_or_default();
    }
    text.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, text, expected) in [
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("*", "", true),
            ("code_*", "code_edit", true),
            ("*_delete", "table_delete", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*bc*c", "abc", false),
            ("*a*", "bab", true),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }
}
