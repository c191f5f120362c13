//! How time and memory grow with the project, where several sizes were measured: both axes in powers of ten, so that a power law
//! is a straight line and its exponent the slope.

use std::fmt::Write as _;

use super::{escaped, keys, section};
use crate::bench::findings::{Findings, Row};
use crate::bench::fit::{Fit, power_law};
use crate::bench::peer::Tool;
use crate::bench::scenario::Scenario;
use crate::bench::table::{bytes, number, span};

const WIDTH: f64 = 340.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 326.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 194.0;

type Curve = (Tool, Vec<(f64, f64)>, Option<Fit>);

/// What is drawn over the number of files.
struct Figure {
    title: &'static str,
    sentence: &'static str,
    /// In the unit of the axis.
    of: fn(&Findings, &Row) -> Option<f64>,
    /// A power of ten of the unit.
    tick: fn(f64) -> String,
    shown: fn(f64) -> String,
}

const MIB: f64 = 1_048_576.0;
const FIGURES: [Figure; 2] = [
    Figure {
        title: "How the time grows",
        sentence: "Time by number of files, both in powers of ten. A slope of 1: twice the files take twice the time; of 0: as long.",
        of: |_, row| Some(row.wall()?.median),
        tick: span_of,
        shown: span,
    },
    Figure {
        title: "How the memory grows",
        sentence: "The most memory of the tool's largest process by number of files, both in powers of ten. A slope of 0: it stays.",
        // What cannot be told from a process that does nothing has no curve.
        of: |findings, row| {
            let peak = row.peak()?.median;
            findings.floor.is_none_or(|floor| peak > floor as f64).then_some(peak / MIB)
        },
        tick: |power| format!("{:.0} MiB", 10_f64.powf(power)),
        shown: |value| bytes(value * MIB),
    },
];

pub fn growth(html: &mut String, findings: &Findings) {
    FIGURES.iter().for_each(|figure| cards(html, findings, figure));
}

fn cards(html: &mut String, findings: &Findings, figure: &Figure) {
    let curves = |scenario: Scenario| -> Vec<Curve> {
        let of_tool = |tool: Tool| {
            let rows = findings.rows.iter().filter(|row| (row.scenario, row.tool) == (scenario, tool) && row.failed.is_none());
            let mut points: Vec<(f64, f64)> =
                rows.filter_map(|row| Some((row.files as f64, (figure.of)(findings, row)?))).collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            let fit = power_law(&points);
            (tool, points, fit)
        };
        let all = findings.tools.iter().map(|present| of_tool(present.tool));
        all.filter(|(_, points, _)| points.len() > 1).collect()
    };
    let cards: Vec<(Scenario, Vec<Curve>)> =
        Scenario::ALL.into_iter().map(|scenario| (scenario, curves(scenario))).filter(|(_, curves)| !curves.is_empty()).collect();
    if cards.is_empty() {
        return;
    }
    section(html, figure.title, figure.sentence);
    keys(html, findings);
    html.push_str("<div class=\"grid\">\n");
    cards.iter().for_each(|(scenario, curves)| card(html, figure, *scenario, curves));
    html.push_str("</div>\n");
}

/// Where values lie in the picture.
struct Scale {
    x: (f64, f64),
    y: (f64, f64),
}

impl Scale {
    fn of(curves: &[Curve]) -> Scale {
        let all = || curves.iter().flat_map(|(_, points, _)| points);
        let range = |values: &mut dyn Iterator<Item = f64>| {
            let (low, high) =
                values.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value.log10()), high.max(value.log10())));
            (low, high.max(low + 0.1))
        };
        let x = range(&mut all().map(|(x, _)| *x));
        let y = range(&mut all().map(|(_, y)| y.max(1e-6)));
        // Whole powers of ten, so that two cards can be compared.
        Scale { x, y: (y.0.floor(), y.1.ceil().max(y.0.floor() + 1.0)) }
    }

    fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let share = |value: f64, (low, high): (f64, f64)| (value.log10() - low) / (high - low);
        (LEFT + (RIGHT - LEFT) * share(x, self.x), BOTTOM - (BOTTOM - TOP) * share(y.max(1e-6), self.y))
    }
}

fn card(html: &mut String, figure: &Figure, scenario: Scenario, curves: &[Curve]) {
    let slopes = curves.iter().filter_map(|(tool, _, fit)| Some(format!("{} {:.2}", tool.word(), (*fit)?.exponent)));
    let slopes = slopes.collect::<Vec<_>>().join(", ");
    let _ = writeln!(html, "<div class=\"card\"><h3>{}</h3><p>slopes: {slopes}</p>", scenario.word());
    let label = format!("{}: slopes {slopes}", scenario.word());
    let _ = writeln!(html, "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">", escaped(&label));
    let scale = Scale::of(curves);
    axes(html, figure, &scale, curves);
    for (tool, points, fit) in curves {
        curve(html, figure, &scale, *tool, points, *fit);
    }
    html.push_str("</svg></div>\n");
}

fn axes(html: &mut String, figure: &Figure, scale: &Scale, curves: &[Curve]) {
    let mut power = scale.y.0;
    while power <= scale.y.1 {
        let (_, y) = scale.at(1.0, 10_f64.powf(power));
        let _ = writeln!(html, "<line class=\"grid-line\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{RIGHT}\" y2=\"{y:.1}\"/>");
        let shown = (figure.tick)(power);
        let _ = writeln!(
            html,
            "<text class=\"soft small\" x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{shown}</text>",
            LEFT - 6.0,
            y + 4.0
        );
        power += 1.0;
    }
    let mut sizes: Vec<f64> = curves.iter().flat_map(|(_, points, _)| points.iter().map(|(x, _)| *x)).collect();
    sizes.sort_by(f64::total_cmp);
    sizes.dedup();
    for files in sizes {
        let (x, _) = scale.at(files, 1.0);
        let _ = writeln!(html, "<line class=\"axis\" x1=\"{x:.1}\" y1=\"{BOTTOM}\" x2=\"{x:.1}\" y2=\"{:.0}\"/>", BOTTOM + 5.0);
        let _ = writeln!(
            html,
            "<text class=\"soft small\" x=\"{x:.1}\" y=\"{:.0}\" text-anchor=\"middle\">{}</text>",
            BOTTOM + 18.0,
            number(files)
        );
    }
}

/// A power of ten of a second.
fn span_of(power: f64) -> String {
    match power {
        p if p < -3.0 => format!("{:.0} µs", 10_f64.powf(p + 6.0)),
        p if p < 0.0 => format!("{:.0} ms", 10_f64.powf(p + 3.0)),
        p => format!("{:.0} s", 10_f64.powf(p)),
    }
}

fn curve(html: &mut String, figure: &Figure, scale: &Scale, tool: Tool, points: &[(f64, f64)], fit: Option<Fit>) {
    let name = tool.word();
    let placed: Vec<(f64, f64)> = points.iter().map(|(x, y)| scale.at(*x, *y)).collect();
    if let (Some(fit), [(first, _), .., (last, _)]) = (fit, points) {
        let [(x1, y1), (x2, y2)] = [*first, *last].map(|files| scale.at(files, fit.factor * files.powf(fit.exponent)));
        let _ = writeln!(
            html,
            "<line class=\"trend\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"var(--{name})\"/>"
        );
    }
    let path = placed.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect::<Vec<_>>().join(" ");
    let _ = writeln!(html, "<polyline class=\"curve\" points=\"{path}\" stroke=\"var(--{name})\"/>");
    for ((files, value), (x, y)) in points.iter().zip(&placed) {
        let _ = writeln!(
            html,
            "<circle class=\"knob\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\" fill=\"var(--{name})\"><title>{name}: {} files, {}</title></circle>",
            number(*files),
            (figure.shown)(*value)
        );
    }
}
