//! Cost against size, as curves over a logarithmic axis.

use std::{collections::BTreeMap, fmt::Write as _};

use super::report::{Report, to_f64};

const LEFT: f64 = 110.0;
const WIDTH: f64 = 500.0;
const HEIGHT: f64 = 130.0;
/// From the title of one picture to that of the next.
const STEP: f64 = 200.0;
/// From one name of a series to the next.
const ROW: f64 = 18.0;
const COLOURS: [&str; 7] = ["#1b7f5c", "#8a4fae", "#c2681c", "#2b6cb0", "#8a94a6", "#b83262", "#5f6b1f"];

/// How costs are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Axis {
    /// From zero: what is to be flat.
    Linear,
    /// By powers of ten: what grows with the size.
    Powers,
}

/// One picture.
struct Picture {
    title: &'static str,
    /// The series: how their names begin, and how they end after the size.
    of: &'static [(&'static str, &'static str)],
    /// The unit of the title, in that of the measurements.
    unit: f64,
    axis: Axis,
}

const MICRO: f64 = 1e3;
const MILLI: f64 = 1e6;
const KIB: f64 = 1_024.0;
const MIB: f64 = 1_048_576.0;

const PICTURES: [Picture; 15] = [
    flat("four decisions, ns, by the number of rules", &[("decide", "")]),
    flat("four decisions among 10,000 rules, ns, by the number of roles", &[("decide_by_roles", "")]),
    flat("a warm request, ns, by the number of remembered tokens", &[("tokens", "")]),
    flat("a key looked up, ns, by the number of keys", &[("jwks", "")]),
    flat("a caller looked up, ns, by the number of revoked ids", &[("revocation", "")]),
    flat(
        "a caller counted and shared data asked, ns, by the number of callers under a limit",
        &[("limits", "")],
    ),
    grows(
        "a policy compiled; a signed bundle put into force, ms, by the number of rules",
        MILLI,
        &[("compile", ""), ("swap", "")],
    ),
    Picture {
        unit: MILLI,
        ..flat("10,000 rules compiled, ms, by the number of roles", &[("compile_by_roles", "")])
    },
    grows("a key set read, µs, by the number of keys", MICRO, &[("jwks_parse", "")]),
    grows("a list filtered, µs, by the number of tools", MICRO, &[("list", "")]),
    grows(
        "memory kept, KiB, by the number of rules, tokens, keys, revoked ids",
        KIB,
        &[
            ("policy", "/held"),
            ("tokens", "/held"),
            ("jwks", "/held"),
            ("revocation", "/held"),
            ("limits", "/held"),
        ],
    ),
    grows(
        "the most memory while it is compiled, put into force, read, KiB",
        KIB,
        &[("policy", "/peak"), ("swap", "/peak"), ("jwks", "/peak")],
    ),
    grows(
        "the most memory while a list is filtered, and its size, KiB, by the number of tools",
        KIB,
        &[("list/json", "/peak"), ("list/sse", "/peak"), ("list", "/size")],
    ),
    flat("from start to the first verdict, ms, by the number of rules", &[("start/first_verdict", "")]),
    Picture {
        unit: MIB,
        ..flat("memory of Envoy at its first verdict, MiB, by the number of rules", &[("start/resident", "")])
    },
];

const fn flat(title: &'static str, of: &'static [(&'static str, &'static str)]) -> Picture {
    Picture { title, of, unit: 1.0, axis: Axis::Linear }
}

const fn grows(title: &'static str, unit: f64, of: &'static [(&'static str, &'static str)]) -> Picture {
    Picture { title, of, unit, axis: Axis::Powers }
}

/// What was measured, by name.
type Measured = BTreeMap<String, f64>;
/// By series: how many of something, and what they cost.
type Series = BTreeMap<String, Vec<(f64, f64)>>;

/// The pictures below `top`, and where they end. Without measurements there are none.
pub(super) fn draw(report: &Report, top: f64) -> (String, f64) {
    let (all, mut text, mut top) = (measured(report), String::new(), top);
    for picture in &PICTURES {
        let series = picture.series(&all);
        if series.is_empty() {
            continue;
        }
        // Writing to a String cannot fail.
        picture.draw(&mut text, &series, top + 30.0).unwrap_or_default();
        top += STEP;
    }
    (text, top)
}

/// Nanoseconds of the engine, bytes of the engine (their names end in what kind of bytes they are), and what a start costs.
fn measured(report: &Report) -> Measured {
    let times = report.engine.iter().map(|(name, cost)| (name.clone(), *cost));
    let bytes = report.engine_memory.iter().map(|(name, bytes)| (name.clone(), to_f64(*bytes)));
    let starts = report.start_up.iter().flat_map(|(rules, start)| {
        [
            (format!("start/first_verdict/{rules}"), start.first_verdict_ms),
            (format!("start/resident/{rules}"), to_f64(start.resident_bytes)),
        ]
    });
    times.chain(bytes).chain(starts).collect()
}

/// `decide/exact/100` is the point 100 of the series `decide/exact`, `jwks/100/held` that of `jwks` with the end `/held`.
fn point<'n>(name: &'n str, (kind, end): (&str, &str)) -> Option<(&'n str, f64)> {
    let (series, size) = name.strip_suffix(end)?.rsplit_once('/')?;
    let within = series.strip_prefix(kind)?;
    let size = size.parse::<u32>().ok()?;
    (within.is_empty() || within.starts_with('/')).then_some((series, f64::from(size)))
}

impl Picture {
    fn series(&self, all: &Measured) -> Series {
        let mut found = Series::new();
        for (name, cost) in all {
            for (series, size) in self.of.iter().filter_map(|of| point(name, *of)) {
                found.entry(series.to_owned()).or_default().push((size, cost / self.unit));
            }
        }
        for points in found.values_mut() {
            points.sort_by(|one, other| one.0.total_cmp(&other.0));
        }
        found
    }

    fn draw(&self, text: &mut String, series: &Series, top: f64) -> std::fmt::Result {
        let frame = Frame::around(series, self.axis, top + 12.0);
        writeln!(text, "<text x=\"12\" y=\"{top:.0}\" font-size=\"15\">{}</text>", self.title)?;
        frame.draw(text)?;
        for (((name, points), colour), row) in series.iter().zip(COLOURS).zip(0_u32..) {
            let places: Vec<(f64, f64)> = points.iter().map(|point| frame.place(*point)).collect();
            let line: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
            writeln!(text, "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\"/>", line.join(" "))?;
            for ((x, y), (_, cost)) in places.iter().zip(points) {
                writeln!(
                    text,
                    "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"><title>{cost:.3}</title></circle>"
                )?;
            }
            let (x, y) = (LEFT + WIDTH + 16.0, top + 24.0 + f64::from(row) * ROW);
            writeln!(text, "<text x=\"{x:.0}\" y=\"{y:.0}\" fill=\"{colour}\">{name}</text>")?;
        }
        Ok(())
    }
}

/// The axes of a picture: sizes from one to the power of ten that holds them all.
struct Frame {
    top: f64,
    powers: u32,
    least: f64,
    most: f64,
    axis: Axis,
}

impl Frame {
    fn around(series: &Series, axis: Axis, top: f64) -> Self {
        let points = || series.values().flatten();
        let widest = points().map(|(size, _)| *size).fold(10.0, f64::max);
        let most = points().map(|(_, cost)| *cost).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
        let least = points().map(|(_, cost)| *cost).filter(|cost| *cost > 0.0).fold(most, f64::min);
        let powers = (1..10).find(|power| 10_f64.powi(*power) >= widest).unwrap_or(10).unsigned_abs();
        let (least, most) = match axis {
            Axis::Linear => (0.0, most),
            Axis::Powers => (least.log10().floor(), most.log10().floor() + 1.0),
        };
        Self { top, powers, least, most, axis }
    }

    fn place(&self, (size, cost): (f64, f64)) -> (f64, f64) {
        let cost = match self.axis {
            Axis::Linear => cost,
            Axis::Powers => cost.log10().max(self.least),
        };
        let up = (cost - self.least) / (self.most - self.least);
        (LEFT + size.log10() / f64::from(self.powers) * WIDTH, self.top + HEIGHT * (1.0 - up))
    }

    fn draw(&self, text: &mut String) -> std::fmt::Result {
        let base = self.top + HEIGHT;
        writeln!(
            text,
            "<path d=\"M{LEFT} {:.0}V{base:.0}H{:.0}\" fill=\"none\" stroke=\"#666\"/>",
            self.top,
            LEFT + WIDTH
        )?;
        for size in (0..=self.powers).map(|power| 10_u32.pow(power)) {
            let (x, y) = (self.place((f64::from(size), 0.0)).0, base + 16.0);
            writeln!(text, "<text x=\"{x:.0}\" y=\"{y:.0}\" text-anchor=\"middle\">{size}</text>")?;
        }
        let ends = match self.axis {
            Axis::Linear => [format!("{:.2}", self.most), "0".to_owned()],
            Axis::Powers => [self.most, self.least].map(|power| format!("{}", 10_f64.powf(power))),
        };
        for (label, y) in ends.iter().zip([self.top + 8.0, base]) {
            writeln!(text, "<text x=\"{:.0}\" y=\"{y:.0}\" text-anchor=\"end\">{label}</text>", LEFT - 8.0)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(all: &[(&str, f64)], picture: &Picture) -> Series {
        picture.series(&all.iter().map(|(name, cost)| ((*name).to_owned(), *cost)).collect())
    }

    #[test]
    fn what_was_measured_by_size_makes_a_curve() {
        let all = [
            ("decide/exact/100", 2.0),
            ("decide/exact/10", 1.0),
            ("decide/roles/10", 3.0),
            ("decide_by_roles/10", 9.0),
            ("decide/x", 9.0),
        ];
        let picture = flat("title", &[("decide", "")]);
        let found = of(&all, &picture);
        assert_eq!(found["decide/exact"], [(10.0, 1.0), (100.0, 2.0)]);
        assert_eq!(found.len(), 2);
        let mut text = String::new();
        assert!(picture.draw(&mut text, &found, 0.0).is_ok());
        assert_eq!(text.matches("<circle").count(), 3, "{text}");
        // The dearest point stands at the top, the widest at the right.
        assert!(text.contains("cx=\"360.0\" cy=\"12.0\""), "{text}");
        assert!(text.contains("cx=\"610.0\" cy=\"55.3\""), "{text}");
    }

    #[test]
    fn kinds_are_kept_apart_by_how_their_names_end() {
        let all =
            [("jwks/10", 7.0), ("jwks/10/held", 2_048.0), ("jwks/10/peak", 4_096.0), ("tokens/10/held", 1.0)];
        let found = of(&all, &grows("title", KIB, &[("jwks", "/held"), ("tokens", "/held")]));
        assert_eq!(found["jwks"], [(10.0, 2.0)]);
        assert_eq!(found.len(), 2);
        assert_eq!(of(&all, &flat("title", &[("jwks", "")]))["jwks"], [(10.0, 7.0)]);
    }

    #[test]
    fn what_is_measured_in_bytes_is_not_drawn_as_time() {
        let all = [("list/json/10", 1.0), ("list/json/10/peak", 2.0), ("list/10/size", 3.0)];
        let drawn = |title: &str| {
            let picture = PICTURES.iter().find(|picture| picture.title.starts_with(title));
            picture.map(|picture| of(&all, picture)).unwrap_or_default()
        };
        assert_eq!(drawn("a list filtered").into_keys().collect::<Vec<_>>(), ["list/json"]);
        assert_eq!(
            drawn("the most memory while a list").into_keys().collect::<Vec<_>>(),
            ["list", "list/json"]
        );
    }

    #[test]
    fn the_axes_reach_as_far_as_the_sizes_and_costs() {
        let all = [("revocation/10", 0.5), ("revocation/1000000", 900.0)];
        let picture = grows("title", 1.0, &[("revocation", "")]);
        let mut text = String::new();
        assert!(picture.draw(&mut text, &of(&all, &picture), 0.0).is_ok());
        assert!(
            text.contains(">1000000</text>") && text.contains(">0.1</text>") && text.contains(">1000</text>"),
            "{text}"
        );
        assert!(text.contains("cx=\"610.0\""), "{text}");
    }
}
