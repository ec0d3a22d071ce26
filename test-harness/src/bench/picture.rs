//! The report as a picture: what each chain adds to a request, and what the engine costs as a policy grows.

use super::{chains::Chain, curves, report::Report};

const LEFT: f64 = 170.0;
const SCALE_WIDTH: f64 = 520.0;
const ROW: f64 = 26.0;

/// Bars of CPU per request above `bare`, and curves of the engine where it was measured, as SVG.
#[must_use]
pub fn draw(report: &Report) -> String {
    let bare = report.chains.get(Chain::Bare.name()).map_or(0.0, |cost| cost.cpu_us_per_request);
    let added = Chain::ALL.into_iter().filter(|chain| *chain != Chain::Bare).filter_map(|chain| {
        let cost = report.chains.get(chain.name())?;
        Some((chain.name(), cost.cpu_us_per_request - bare))
    });
    let added = added.collect::<Vec<_>>();
    let most = added.iter().map(|(_, cost)| *cost).fold(1.0, f64::max);
    let mut rows = String::new();
    let mut top = 44.0;
    for (name, cost) in &added {
        let width = (cost / most * SCALE_WIDTH).max(1.0);
        let colour = if name.starts_with("toolgate") { "#1b7f5c" } else { "#8a94a6" };
        rows += &format!(
            "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{name}</text>\
             <rect x=\"{LEFT}\" y=\"{:.0}\" width=\"{width:.1}\" height=\"18\" fill=\"{colour}\"/>\
             <text x=\"{:.0}\" y=\"{:.0}\">{cost:.1}</text>\n",
            LEFT - 8.0,
            top + 14.0,
            top,
            LEFT + width + 6.0,
            top + 14.0,
        );
        top += ROW;
    }
    let (curves, top) = curves::draw(report, top);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"780\" height=\"{top:.0}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"12\" y=\"24\" font-size=\"15\">CPU of Envoy per request above bare ({bare:.1} µs), in µs: \
         {} rounds, {}</text>\n{rows}{curves}</svg>\n",
        report.rounds, report.envoy,
    )
}
