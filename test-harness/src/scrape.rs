//! Reads Envoy's `/stats/prometheus`.
//!
//! `metrics.metric("toolgate_requests_total").label("tool", "echo").value()` sums the samples that match.

use std::collections::BTreeMap;

/// One line of a scrape.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The metric name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

/// One scrape.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    samples: Vec<Sample>,
    text: String,
}

impl Metrics {
    /// Reads the Prometheus text format; lines it cannot read are left out.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let samples = text.lines().filter_map(parse_line).collect();
        Self { samples, text: text.to_owned() }
    }

    /// The samples named `name`, to be narrowed down.
    #[must_use]
    pub fn metric(&self, name: &str) -> Selection<'_> {
        Selection { samples: self.samples.iter().filter(|sample| sample.name == name).collect() }
    }

    /// All samples.
    #[must_use]
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// The lines that start with `prefix`, as Envoy wrote them.
    pub fn lines(&self, prefix: &str) -> impl Iterator<Item = &str> {
        self.text.lines().filter(move |line| line.starts_with(prefix))
    }
}

/// Samples of one name.
#[derive(Clone, Debug)]
pub struct Selection<'a> {
    samples: Vec<&'a Sample>,
}

impl Selection<'_> {
    /// Those with this label.
    #[must_use]
    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.samples.retain(|sample| sample.labels.get(name).is_some_and(|found| found == value));
        self
    }

    /// The sum of what is left; 0 if nothing is.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.samples.iter().map(|sample| sample.value).sum()
    }

    /// How many samples are left.
    #[must_use]
    pub fn count(&self) -> usize {
        self.samples.len()
    }
}

fn parse_line(line: &str) -> Option<Sample> {
    if line.starts_with('#') {
        return None;
    }
    let (series, value) = line.rsplit_once(' ')?;
    let value = value.parse().ok()?;
    let Some((name, labels)) = series.split_once('{') else {
        return Some(Sample { name: series.to_owned(), labels: BTreeMap::new(), value });
    };
    let labels = parse_labels(labels.strip_suffix('}')?)?;
    Some(Sample { name: name.to_owned(), labels, value })
}

/// `a="x",b="y\"z"`: quotes, backslashes and line ends are escaped.
fn parse_labels(mut rest: &str) -> Option<BTreeMap<String, String>> {
    let mut labels = BTreeMap::new();
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"")?;
        let mut value = String::new();
        let mut characters = after.char_indices();
        let end = loop {
            match characters.next()? {
                (at, '"') => break at,
                (_, '\\') => match characters.next()?.1 {
                    'n' => value.push('\n'),
                    other => value.push(other),
                },
                (_, other) => value.push(other),
            }
        };
        labels.insert(name.to_owned(), value);
        rest = after.get(end + 1..)?;
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    Some(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scrape_is_read_with_its_labels() {
        let text = "# TYPE toolgate_requests_total counter\n\
            toolgate_requests_total{server=\"a\",tool=\"echo\"} 3\n\
            toolgate_requests_total{server=\"a\",tool=\"x\\\"y,z\"} 4\n\
            plain 1.5\n";
        let metrics = Metrics::parse(text);
        assert_eq!(metrics.metric("toolgate_requests_total").value(), 7.0);
        assert_eq!(metrics.metric("toolgate_requests_total").label("tool", "x\"y,z").value(), 4.0);
        assert_eq!(metrics.metric("toolgate_requests_total").label("tool", "none").count(), 0);
        assert_eq!(metrics.metric("plain").value(), 1.5);
    }
}
