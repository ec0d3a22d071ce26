// SPDX-License-Identifier: Apache-2.0
//! Charts as inline SVG: nothing is loaded from anywhere, and every number stands in a table beside.

use std::fmt::Write;

use super::volume::Bucket;
use crate::{clock, html::escape};

const WIDTH: u64 = 960;
const HEIGHT: u64 = 220;
const LEFT: u64 = 56;
const BELOW: u64 = 24;

/// Stacked columns over time.
pub(super) fn columns(buckets: &[(i64, Bucket)]) -> String {
    let most = buckets.iter().map(|(_, bucket)| bucket.total()).max().unwrap_or_default();
    let Some(count) = u64::try_from(buckets.len()).ok().filter(|count| *count > 0 && most > 0) else {
        return "<p>nothing</p>".to_owned();
    };
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {}\" role=\"img\"><title>Requests over time</title>",
        HEIGHT + BELOW
    );
    for part in 0..=4 {
        let y = HEIGHT - HEIGHT * part / 4;
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{y}\" y2=\"{y}\"/><text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            LEFT - 6,
            (y + 4).max(12),
            most * part / 4
        );
    }
    let room = (WIDTH - LEFT) * 100;
    for ((at, bucket), place) in buckets.iter().zip(0..) {
        let (x, next) = (room * place / count, room * (place + 1) / count);
        let width = (next - x).saturating_sub(if next - x > 300 { 100 } else { 0 });
        let mut top = HEIGHT * 100;
        let _ = write!(
            svg,
            "<g><title>{}: {} allowed, {} denied, {} not authenticated</title>",
            clock::rfc3339(*at),
            bucket.allowed,
            bucket.denied,
            bucket.unauthenticated
        );
        for (class, value) in [
            ("allowed", bucket.allowed),
            ("denied", bucket.denied),
            ("unauthenticated", bucket.unauthenticated),
        ] {
            let height = HEIGHT * 100 * value / most;
            top = top.saturating_sub(height);
            if height > 0 {
                let _ = write!(
                    svg,
                    "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
                    hundredths(LEFT * 100 + x),
                    hundredths(top),
                    hundredths(width),
                    hundredths(height)
                );
            }
        }
        svg.push_str("</g>");
    }
    for (index, anchor) in [(0, "start"), (buckets.len() / 2, "middle"), (buckets.len() - 1, "end")] {
        let Some((at, _)) = buckets.get(index) else { continue };
        let x = match anchor {
            "start" => LEFT,
            "middle" => LEFT + (WIDTH - LEFT) / 2,
            _ => WIDTH,
        };
        let label = clock::rfc3339(*at);
        let label = label.get(..16).unwrap_or(&label).replace('T', " ");
        let _ = write!(svg, "<text x=\"{x}\" y=\"{}\" text-anchor=\"{anchor}\">{label}</text>", HEIGHT + 18);
    }
    svg.push_str("</svg>");
    svg
}

/// Bars with their names, the longest first.
pub(super) fn bars(title: &str, bars: &[(String, u64)], class: &str) -> String {
    const ROW: u64 = 26;
    const NAMES: u64 = 280;
    let most = bars.iter().map(|(_, value)| *value).max().unwrap_or_default().max(1);
    if bars.is_empty() {
        return "<p>none</p>".to_owned();
    }
    let height = ROW * u64::try_from(bars.len()).unwrap_or_default();
    let mut svg =
        format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\"><title>{}</title>", escape(title));
    for ((name, value), row) in bars.iter().zip(0..) {
        let y = row * ROW;
        let long = (WIDTH - NAMES - 80) * value / most;
        let shown: String = name.chars().take(38).collect();
        let _ = write!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text><rect class=\"{class}\" x=\"{NAMES}\" y=\"{}\" width=\"{}\" height=\"{}\"/><text x=\"{}\" y=\"{}\">{value}</text>",
            NAMES - 8,
            y + 17,
            escape(&shown),
            y + 4,
            long.max(1),
            ROW - 8,
            NAMES + long + 8,
            y + 17,
        );
    }
    svg.push_str("</svg>");
    svg
}

fn hundredths(value: u64) -> String {
    format!("{}.{:02}", value / 100, value % 100)
}
