//! Cost against the size of a policy, as curves over a logarithmic axis.

use std::{collections::BTreeMap, fmt::Write as _};

use super::report::{Report, to_f64};

const LEFT: f64 = 110.0;
const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 130.0;
/// From the title of one picture to that of the next.
const STEP: f64 = 200.0;
const COLOURS: [&str; 3] = ["#1b7f5c", "#8a4fae", "#c2681c"];

/// By series: how many rules, and what they cost.
type Series = BTreeMap<String, Vec<(f64, f64)>>;

/// The pictures below `top`, and where they end. Without measurements there are none.
pub(super) fn draw(report: &Report, top: f64) -> (String, f64) {
    let times = |prefix: &str, unit: f64| {
        series(report.engine.iter().map(|(name, cost)| (name.as_str(), cost / unit)), prefix, "")
    };
    let bytes = report.engine_memory.iter().map(|(name, bytes)| (name.as_str(), to_f64(*bytes) / 1_024.0));
    let pictures = [
        ("four decisions, µs, by the number of rules", times("decide/", 1_000.0)),
        ("compilation, ms, by the number of rules", times("compile/", 1_000_000.0)),
        ("memory of a compiled policy, KiB, by the number of rules", series(bytes, "policy/", "/held")),
    ];
    let mut text = String::new();
    let mut top = top;
    for (title, series) in pictures {
        if series.is_empty() {
            continue;
        }
        picture(&mut text, title, &series, top + 30.0);
        top += STEP;
    }
    (text, top)
}

/// `decide/exact/100` is the point 100 of the series `exact`.
fn series<'n>(all: impl Iterator<Item = (&'n str, f64)>, prefix: &str, suffix: &str) -> Series {
    let mut found = Series::new();
    for (name, cost) in all {
        let middle = name.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(suffix));
        let Some((series, rules)) = middle.and_then(|middle| middle.split_once('/')) else { continue };
        let Ok(rules) = rules.parse::<u32>() else { continue };
        found.entry(series.to_owned()).or_default().push((f64::from(rules), cost));
    }
    for points in found.values_mut() {
        points.sort_by(|one, other| one.0.total_cmp(&other.0));
    }
    found
}

fn picture(text: &mut String, title: &str, series: &Series, top: f64) {
    let points = || series.values().flatten();
    let most = points().map(|(_, cost)| *cost).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let widest = points().map(|(rules, _)| rules.log10()).fold(1.0, f64::max);
    let place = |(rules, cost): (f64, f64)| {
        (LEFT + rules.log10() / widest * WIDTH, top + 12.0 + HEIGHT * (1.0 - cost / most))
    };
    let base = top + 12.0 + HEIGHT;
    // Writing to a String cannot fail.
    let mut put = |part: std::fmt::Arguments<'_>| text.write_fmt(part).unwrap_or_default();
    put(format_args!("<text x=\"12\" y=\"{top:.0}\" font-size=\"15\">{title}</text>\n"));
    put(format_args!(
        "<path d=\"M{LEFT} {:.0}V{base:.0}H{:.0}\" fill=\"none\" stroke=\"#666\"/>\n",
        top + 12.0,
        LEFT + WIDTH
    ));
    for (x, label) in [1_u32, 10, 100, 1_000, 10_000].map(|rules| (place((f64::from(rules), 0.0)).0, rules)) {
        put(format_args!(
            "<text x=\"{x:.0}\" y=\"{:.0}\" text-anchor=\"middle\">{label}</text>\n",
            base + 16.0
        ));
    }
    put(format_args!(
        "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{most:.2}</text>\n",
        LEFT - 8.0,
        top + 20.0
    ));
    for ((name, points), (colour, row)) in series.iter().zip(COLOURS.into_iter().zip([0.0, 18.0, 36.0])) {
        let places: Vec<(f64, f64)> = points.iter().copied().map(place).collect();
        let line: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        put(format_args!("<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\"/>\n", line.join(" ")));
        for ((x, y), (_, cost)) in places.iter().zip(points) {
            put(format_args!(
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"><title>{cost:.3}</title></circle>\n"
            ));
        }
        put(format_args!(
            "<text x=\"{:.0}\" y=\"{:.0}\" fill=\"{colour}\">{name}</text>\n",
            LEFT + WIDTH + 16.0,
            top + 24.0 + row
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_by_size_makes_a_curve() {
        let all =
            [("decide/exact/100", 2.0), ("decide/exact/10", 1.0), ("decide/roles/10", 3.0), ("list/x", 9.0)];
        let found = series(all.into_iter(), "decide/", "");
        assert_eq!(found["exact"], [(10.0, 1.0), (100.0, 2.0)]);
        assert_eq!(found.len(), 2);
        let mut text = String::new();
        picture(&mut text, "title", &found, 0.0);
        assert_eq!(text.matches("<circle").count(), 3, "{text}");
        // The dearest point stands at the top, the widest at the right.
        assert!(text.contains("cx=\"370.0\" cy=\"12.0\""), "{text}");
        assert!(text.contains("cx=\"630.0\" cy=\"55.3\""), "{text}");
    }
}
