//! What was asked of the network root, where a layer before it counts: a bar for each tool, in pieces by kind of call.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::section;
use crate::bench::findings::{Findings, Row};
use crate::bench::scenario::Scenario;
use crate::bench::table::number;

const WIDTH: f64 = 340.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 272.0;
const STEP: f64 = 27.0;
const THICK: f64 = 15.0;
/// So many kinds have a colour; the others share the last one.
const COLOURS: usize = 12;

pub fn calls(html: &mut String, findings: &Findings) {
    let rows: Vec<&Row> = findings.rows.iter().filter(|row| row.calls_by_kind().is_some() && row.failed.is_none()).collect();
    if rows.is_empty() {
        return;
    }
    section(
        html,
        "What was asked of the network root",
        "Calls by kind, in the reading in the middle. Each of them waits when the root is far away.",
    );
    let kinds = kinds(&rows);
    html.push_str("<ul class=\"keys\">");
    for (number, kind) in kinds.iter().enumerate() {
        let _ = write!(html, "<li><i style=\"background:var(--k{number})\"></i>{kind}</li>");
    }
    html.push_str("</ul>\n<div class=\"grid\">\n");
    for size in &findings.sizes {
        for scenario in Scenario::ALL {
            let here: Vec<&Row> =
                rows.iter().filter(|row| (row.files, row.scenario) == (size.files, scenario)).copied().collect();
            if !here.is_empty() {
                card(html, scenario, &here, &kinds);
            }
        }
    }
    html.push_str("</div>\n");
}

/// The kinds with a colour of their own, the most frequent first, and the one for all others.
fn kinds(rows: &[&Row]) -> Vec<&'static str> {
    let mut all: BTreeMap<&'static str, u64> = BTreeMap::new();
    for (kind, count) in rows.iter().filter_map(|row| row.calls_by_kind()).flatten() {
        *all.entry(kind).or_default() += count;
    }
    let mut sorted: Vec<(&'static str, u64)> = all.into_iter().filter(|(_, count)| *count > 0).collect();
    sorted.sort_by_key(|(kind, count)| (u64::MAX - count, *kind));
    let several = sorted.len() > COLOURS;
    let mut names: Vec<&'static str> =
        sorted.into_iter().map(|(kind, _)| kind).take(if several { COLOURS - 1 } else { COLOURS }).collect();
    if several {
        names.push("others");
    }
    names
}

fn card(html: &mut String, scenario: Scenario, rows: &[&Row], kinds: &[&'static str]) {
    let files = number(rows[0].files as f64);
    let _ = writeln!(html, "<div class=\"card\"><h3>{}</h3><p>calls, {files} files</p>", scenario.word());
    let height = STEP * rows.len() as f64 + 4.0;
    let _ = writeln!(html, "<svg viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" aria-label=\"calls of {}\">", scenario.word());
    let _ = writeln!(html, "<line class=\"axis\" x1=\"{LEFT}\" y1=\"0\" x2=\"{LEFT}\" y2=\"{height:.0}\"/>");
    let total = |row: &Row| row.calls_by_kind().map_or(0, |calls| calls.values().sum::<u64>()) as f64;
    let most = rows.iter().map(|row| total(row)).fold(1.0, f64::max);
    for (line, row) in rows.iter().enumerate() {
        let middle = STEP * (line as f64 + 0.5);
        let _ = writeln!(
            html,
            "<text class=\"soft\" x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 8.0,
            middle + 4.0,
            row.tool.word()
        );
        pieces(html, row, kinds, middle - THICK / 2.0, most);
        let _ = writeln!(html, "<text x=\"{WIDTH}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>", middle + 4.0, number(total(row)));
    }
    html.push_str("</svg></div>\n");
}

fn pieces(html: &mut String, row: &Row, kinds: &[&'static str], top: f64, most: f64) {
    let Some(calls) = row.calls_by_kind() else { return };
    let mut x = LEFT;
    for (colour, kind) in kinds.iter().enumerate() {
        let of_kind = |(name, _): &(&&str, &u64)| name == &kind || (*kind == "others" && !kinds.contains(name));
        let count: u64 = calls.iter().filter(of_kind).map(|(_, count)| count).sum();
        let width = (RIGHT - LEFT) * count as f64 / most;
        if count > 0 {
            let _ = writeln!(
                html,
                "<rect x=\"{x:.2}\" y=\"{top:.1}\" width=\"{width:.2}\" height=\"{THICK}\" fill=\"var(--k{colour})\"><title>{}: {kind} {}</title></rect>",
                row.tool.word(),
                number(count as f64)
            );
        }
        x += width;
    }
}
