// SPDX-License-Identifier: Apache-2.0
//! The report as one page: styles and charts inside, no script, nothing loaded from anywhere; its policy says so to the
//! browser.

use std::fmt::Write;

use super::{
    Report,
    framework::Mapped,
    section::{Cell, Section},
    svg,
};
use crate::html::escape;

const STYLE: &str = "\
:root{--ink:#1c2430;--soft:#5b6675;--line:#d9dee5;--ground:#fff;--card:#f6f8fa;--allowed:#3b7dd8;--denied:#d9534f;--odd:#e0a030}
@media(prefers-color-scheme:dark){:root{--ink:#e6eaf0;--soft:#9aa6b5;--line:#333c48;--ground:#14181e;--card:#1c222a;--allowed:#5b9bf0;--denied:#ef7571;--odd:#eab955}}
body{margin:0 auto;max-width:1040px;padding:32px 20px 80px;color:var(--ink);background:var(--ground);font:15px/1.5 system-ui,sans-serif}
h1{font-size:26px;margin:0}h2{font-size:18px;margin:40px 0 4px}p{margin:4px 0 12px;color:var(--soft)}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:20px 0}
.card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px 14px}
.card b{display:block;font-size:24px;font-variant-numeric:tabular-nums}.bad b{color:var(--denied)}
table{border-collapse:collapse;width:100%;font-size:13px}th,td{text-align:left;padding:5px 10px 5px 0;border-bottom:1px solid var(--line);overflow-wrap:anywhere}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}details{margin:8px 0}summary{cursor:pointer;color:var(--soft)}
svg{width:100%;height:auto;font:11px system-ui,sans-serif}svg text{fill:var(--soft)}.grid{stroke:var(--line)}
.allowed{fill:var(--allowed)}.denied{fill:var(--denied)}.unauthenticated{fill:var(--odd)}
.key span{display:inline-block;width:10px;height:10px;margin:0 5px 0 14px}
.k1{background:var(--allowed)}.k2{background:var(--denied)}.k3{background:var(--odd)}
@media print{details>*{display:block}}";

/// The whole page.
pub(crate) fn page(report: &Report) -> String {
    let mut page = String::from("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    page.push_str("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">");
    page.push_str(
        "<meta name=\"viewport\" content=\"width=device-width\"><title>Toolgate audit report</title>",
    );
    let _ = write!(
        page,
        "<style>{STYLE}</style></head><body><h1>Audit report</h1><p>{}</p>",
        escape(&report.period)
    );
    cards(&mut page, report);
    let _ = write!(page, "<p>{}</p>", escape(&report.note("chain")));
    if let Some(mapped) = &report.framework {
        framework(&mut page, mapped, &report.sections);
    }
    for section in &report.sections {
        one(&mut page, section, report);
    }
    page.push_str("</body></html>\n");
    page
}

fn cards(page: &mut String, report: &Report) {
    page.push_str("<div class=\"cards\">");
    let findings = report.number("chain", "findings");
    for (label, value, bad) in [
        ("allowed", report.number("decisions", "allowed"), false),
        ("denied", report.number("decisions", "denied"), false),
        ("not authenticated", report.number("decisions", "not_authenticated"), false),
        ("privileged", report.number("decisions", "privileged"), false),
        ("destructive", report.number("decisions", "destructive"), false),
        ("findings in the chain", findings, findings > 0),
    ] {
        let class = if bad { "card bad" } else { "card" };
        let _ = write!(page, "<div class=\"{class}\"><b>{value}</b>{label}</div>");
    }
    page.push_str("</div>");
}

fn framework(page: &mut String, mapped: &Mapped, sections: &[Section]) {
    let _ = write!(
        page,
        "<h2>{} ({})</h2><p>{}</p><table><tr><th>control</th><th>about</th><th>evidence</th><th>to be shown elsewhere</th></tr>",
        escape(&mapped.framework),
        escape(&mapped.edition),
        escape(&mapped.note)
    );
    for control in &mapped.controls {
        let _ = write!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(&control.id),
            escape(&control.title),
            control.says(sections).iter().map(|says| escape(says)).collect::<Vec<_>>().join("<br>"),
            escape(&control.beyond)
        );
    }
    page.push_str("</table>");
}

fn one(page: &mut String, section: &Section, report: &Report) {
    let _ = write!(
        page,
        "<h2 id=\"{}\">{}</h2><p>{}</p>",
        section.key,
        escape(section.title),
        escape(&section.note)
    );
    let named = || -> Vec<(String, u64)> {
        let number = |row: &Vec<Cell>| match (row.first(), row.get(1)) {
            (Some(name), Some(Cell::Number(value))) => Some((name.say(), *value)),
            _ => None,
        };
        section.rows.iter().filter_map(number).take(15).collect()
    };
    let chart = match section.key {
        "volume" => Some(format!(
            "<p class=\"key\"><span class=\"k1\"></span>allowed<span class=\"k2\"></span>denied<span class=\"k3\"></span>not authenticated</p>{}",
            svg::columns(&report.volume)
        )),
        "denials_by_reason" | "denials_by_rule" => Some(svg::bars(section.title, &named(), "denied")),
        "authentication" => Some(svg::bars(section.title, &named(), "unauthenticated")),
        "tools" | "principals" | "servers" => Some(svg::bars(section.title, &named(), "allowed")),
        _ => None,
    };
    match chart {
        Some(chart) => {
            page.push_str(&chart);
            page.push_str("<details><summary>as a table</summary>");
            table(page, section);
            page.push_str("</details>");
        }
        None => table(page, section),
    }
}

fn table(page: &mut String, section: &Section) {
    if section.rows.is_empty() {
        return page.push_str("<p>none</p>");
    }
    page.push_str("<table><tr>");
    let numeric = |at: usize| {
        section.rows.first().and_then(|row| row.get(at)).is_some_and(|cell| matches!(cell, Cell::Number(_)))
    };
    let class = |at: usize| if numeric(at) { " class=\"n\"" } else { "" };
    for (at, name) in section.columns.iter().enumerate() {
        let _ = write!(page, "<th{}>{}</th>", class(at), name.replace('_', " "));
    }
    page.push_str("</tr>");
    for row in &section.rows {
        page.push_str("<tr>");
        for (at, cell) in row.iter().enumerate() {
            let _ = write!(page, "<td{}>{}</td>", class(at), escape(&cell.say()));
        }
        page.push_str("</tr>");
    }
    page.push_str("</table>");
}
