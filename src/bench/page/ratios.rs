//! Our time by each peer's, on one line a scenario: left of the middle we are faster.

use std::fmt::Write as _;

use super::section;
use crate::bench::findings::{Findings, Row};
use crate::bench::peer::Tool;
use crate::bench::scenario::Scenario;

const WIDTH: f64 = 1080.0;
const LEFT: f64 = 110.0;
const RIGHT: f64 = 1040.0;
const STEP: f64 = 30.0;
const TOP: f64 = 26.0;

pub fn ratios(html: &mut String, findings: &Findings, files: u64, of: &str) {
    let of_scenario = |scenario: Scenario| -> Vec<(&Row, f64)> {
        let rows = findings.rows.iter().filter(|row| (row.files, row.scenario) == (files, scenario));
        rows.filter_map(|row| Some((row, findings.ratio(row)?))).filter(|(_, ratio)| *ratio > 0.0).collect()
    };
    let lines: Vec<(Scenario, Vec<(&Row, f64)>)> = Scenario::ALL
        .into_iter()
        .map(|scenario| (scenario, of_scenario(scenario)))
        .filter(|(_, dots)| !dots.is_empty())
        .collect();
    if lines.is_empty() {
        return;
    }
    section(
        html,
        &format!("Beside each peer{of}"),
        "Our median by the peer's. Left of the dashed line we are faster, right of it slower.",
    );
    let (least, most) =
        lines.iter().flat_map(|(_, dots)| dots).fold((0.5_f64, 2.0_f64), |(a, b), (_, ratio)| (a.min(*ratio), b.max(*ratio)));
    let (low, high) = (least.log2().floor(), most.log2().ceil());
    let at = |ratio: f64| LEFT + (RIGHT - LEFT) * (ratio.log2() - low) / (high - low);
    let height = TOP + STEP * lines.len() as f64 + 8.0;
    let _ = writeln!(
        html,
        "<div class=\"card wide\"><svg viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" aria-label=\"ratios\" style=\"min-width:640px\">"
    );
    let _ = writeln!(
        html,
        "<rect class=\"good\" x=\"{LEFT}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{:.0}\" rx=\"4\"/>",
        at(1.0) - LEFT,
        height - TOP - 4.0
    );
    axis(html, low, high, height, &at);
    for (number, (scenario, dots)) in lines.iter().enumerate() {
        line(html, *scenario, dots, TOP + STEP * (number as f64 + 0.5), &at);
    }
    html.push_str("</svg></div>\n");
}

fn axis(html: &mut String, low: f64, high: f64, height: f64, at: &dyn Fn(f64) -> f64) {
    // At most a dozen of them, whatever the range is.
    let step = ((high - low) / 12.0).ceil().max(1.0);
    let mut power = low;
    while power <= high {
        let ratio = power.exp2();
        let (x, class) = (at(ratio), if power == 0.0 { "one" } else { "grid-line" });
        let shown = if power < 0.0 { format!("1/{:.0}", 1.0 / ratio) } else { format!("{ratio:.0} ×") };
        let _ = writeln!(html, "<line class=\"{class}\" x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{:.0}\"/>", height - 4.0);
        let _ = writeln!(html, "<text class=\"soft\" x=\"{x:.1}\" y=\"{:.0}\" text-anchor=\"middle\">{shown}</text>", TOP - 9.0);
        power += step;
    }
    // Steps of two may pass the middle by.
    if (low / step).fract() != 0.0 {
        let _ =
            writeln!(html, "<line class=\"one\" x1=\"{0:.1}\" y1=\"{TOP}\" x2=\"{0:.1}\" y2=\"{1:.0}\"/>", at(1.0), height - 4.0);
    }
}

fn line(html: &mut String, scenario: Scenario, dots: &[(&Row, f64)], y: f64, at: &dyn Fn(f64) -> f64) {
    let _ = writeln!(html, "<text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>", LEFT - 12.0, y + 4.0, scenario.word());
    let _ = writeln!(html, "<line class=\"grid-line\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{RIGHT}\" y2=\"{y:.1}\"/>");
    for (row, ratio) in dots {
        debug_assert!(row.tool != Tool::Driftless, "it has no ratio to itself");
        let name = row.tool.word();
        let _ = writeln!(
            html,
            "<circle class=\"knob\" cx=\"{:.1}\" cy=\"{y:.1}\" r=\"7\" fill=\"var(--{name})\"><title>{}: {ratio:.2} × the time of {name}</title></circle>",
            at(*ratio),
            scenario.word()
        );
    }
}
