//! A card for each scenario: a bar for each tool, its readings as dots.

use std::fmt::Write as _;

use super::escaped;
use crate::bench::findings::{Findings, Row};
use crate::bench::peer::Tool;
use crate::bench::scenario::Scenario;
use crate::bench::table::span;

const WIDTH: f64 = 340.0;
/// Names stand left of here, figures right of the other.
const LEFT: f64 = 70.0;
const RIGHT: f64 = 268.0;
const STEP: f64 = 27.0;
const THICK: f64 = 15.0;
/// No more single readings of a bar are shown.
const DOTS: usize = 60;

pub fn bars(html: &mut String, findings: &Findings, files: u64) {
    html.push_str("<div class=\"grid\">\n");
    for scenario in Scenario::ALL {
        let rows: Vec<&Row> = findings.rows.iter().filter(|row| (row.files, row.scenario) == (files, scenario)).collect();
        if !rows.is_empty() {
            card(html, scenario, &rows);
        }
    }
    html.push_str("</div>\n");
}

fn card(html: &mut String, scenario: Scenario, rows: &[&Row]) {
    let _ = writeln!(html, "<div class=\"card\"><h3>{}</h3><p>{}</p>", scenario.word(), escaped(scenario.sentence()));
    let most = rows.iter().filter_map(|row| row.wall()).map(|wall| wall.most).fold(0.0, f64::max);
    let height = STEP * rows.len() as f64 + 4.0;
    let label = format!("{}: {}", scenario.word(), rows.iter().map(|row| told(row)).collect::<Vec<_>>().join("; "));
    let _ = writeln!(html, "<svg viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" aria-label=\"{}\">", escaped(&label));
    let _ = writeln!(html, "<line class=\"axis\" x1=\"{LEFT}\" y1=\"0\" x2=\"{LEFT}\" y2=\"{height:.0}\"/>");
    for (number, row) in rows.iter().enumerate() {
        bar(html, row, STEP * number as f64, most);
    }
    html.push_str("</svg></div>\n");
}

fn told(row: &Row) -> String {
    row.wall().map_or_else(|| format!("{} failed", row.tool.word()), |wall| format!("{} {}", row.tool.word(), span(wall.median)))
}

fn bar(html: &mut String, row: &Row, top: f64, most: f64) {
    let (name, middle) = (row.tool.word(), top + STEP / 2.0);
    let class = if row.tool == Tool::Driftless { "strong" } else { "soft" };
    let _ = writeln!(
        html,
        "<text class=\"{class}\" x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>",
        LEFT - 8.0,
        middle + 4.0
    );
    let Some(wall) = row.wall().filter(|_| most > 0.0 && row.failed.is_none()) else {
        let why = escaped(row.failed.as_deref().unwrap_or("no reading"));
        let _ = writeln!(
            html,
            "<text class=\"soft small\" x=\"{:.0}\" y=\"{:.1}\">failed<title>{why}</title></text>",
            LEFT + 8.0,
            middle + 4.0
        );
        return;
    };
    let at = |seconds: f64| LEFT + (RIGHT - LEFT) * seconds / most;
    let _ = writeln!(
        html,
        "<rect x=\"{LEFT}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{THICK}\" rx=\"2\" fill=\"var(--{name})\">\
         <title>{name}: median {}, {} to {}, {} readings</title></rect>",
        middle - THICK / 2.0,
        (at(wall.median) - LEFT).max(1.0),
        span(wall.median),
        span(wall.least),
        span(wall.most),
        row.readings.len()
    );
    for reading in row.readings.iter().take(DOTS) {
        let _ = writeln!(
            html,
            "<circle class=\"reading\" cx=\"{:.1}\" cy=\"{middle:.1}\" r=\"2.2\"/>",
            at(reading.wall.as_secs_f64())
        );
    }
    // The figures stand in a column of their own, so that they can be compared without looking for them.
    let _ = writeln!(
        html,
        "<text class=\"{class}\" x=\"{WIDTH}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
        middle + 4.0,
        span(wall.median)
    );
}
