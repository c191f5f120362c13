//! The findings as a table of text, and the figures as people read them.

use super::findings::{Findings, Middle, Row};
use super::peer::Tool;

/// What stands where nothing was measured.
pub const NOTHING: &str = "-";

/// A time as people read it, with three figures.
pub fn span(seconds: f64) -> String {
    match seconds {
        s if s < 0.000_999_5 => format!("{:.0} µs", s * 1e6),
        s if s < 0.009_995 => format!("{:.2} ms", s * 1e3),
        s if s < 0.099_95 => format!("{:.1} ms", s * 1e3),
        s if s < 0.999_5 => format!("{:.0} ms", s * 1e3),
        s if s < 9.995 => format!("{s:.2} s"),
        s if s < 99.95 => format!("{s:.1} s"),
        s => format!("{s:.0} s"),
    }
}

/// Bytes as people read them.
pub fn bytes(bytes: f64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024.0 {
        return format!("{bytes:.0} B");
    }
    let (mut left, mut unit) = (bytes / 1024.0, 0);
    while left >= 1000.0 && unit + 1 < UNITS.len() {
        (left, unit) = (left / 1024.0, unit + 1);
    }
    if left < 10.0 { format!("{left:.2} {}", UNITS[unit]) } else { format!("{left:.1} {}", UNITS[unit]) }
}

/// A number with its thousands apart.
pub fn number(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut shown = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// The columns, and whether their cells stand to the right.
const COLUMNS: [(&str, bool); 10] = [
    ("scenario", false),
    ("tool", false),
    ("wall", true),
    ("spread", true),
    ("CPU", true),
    ("peak", true),
    ("written", true),
    ("calls", true),
    ("ours/its", true),
    ("CPU", true),
];

/// One table for each size of the project, with a line above it.
pub fn text(findings: &Findings) -> String {
    let mut text = String::new();
    for size in &findings.sizes {
        let head = format!(
            "{} files in {} folders, {}",
            number(size.files as f64),
            number(size.folders as f64),
            bytes(size.bytes as f64)
        );
        text.push_str(&head);
        text.push_str("\n\n");
        let rows = findings.rows.iter().filter(|row| row.files == size.files);
        let lines: Vec<(Vec<String>, Option<&str>)> = rows.map(|row| (cells(findings, row), row.failed.as_deref())).collect();
        text.push_str(&aligned(&lines));
        text.push('\n');
    }
    for (scenario, tool, fit) in findings.fits() {
        let sure = fit.r_squared.map_or_else(String::new, |r| format!(" (R² {r:.3})"));
        text.push_str(&format!(
            "{}, {}: time grows with files to the power of {:.2}{sure}\n",
            scenario.word(),
            tool.word(),
            fit.exponent
        ));
    }
    text
}

/// What a row says, column by column.
pub fn cells(findings: &Findings, row: &Row) -> Vec<String> {
    let shown = |middle: Option<Middle>, unit: fn(f64) -> String| middle.map_or(NOTHING.to_owned(), |middle| unit(middle.median));
    let ratio = |ratio: Option<f64>| ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
    vec![
        row.scenario.word().to_owned(),
        row.tool.word().to_owned(),
        shown(row.wall(), span),
        row.wall()
            .filter(|_| row.readings.len() > 1)
            .map_or(NOTHING.to_owned(), |wall| format!("{:.0} %", wall.spread() * 100.0)),
        shown(row.cpu(), span),
        peak(findings, row),
        written(row),
        shown(row.calls(), number),
        ratio(findings.ratio(row)),
        ratio(findings.cpu_ratio(row)),
    ]
}

/// A peak that is not above our own says only that it is not.
fn peak(findings: &Findings, row: &Row) -> String {
    let Some(middle) = row.peak() else { return NOTHING.to_owned() };
    match findings.floor.map(|floor| floor as f64) {
        Some(floor) if middle.median <= floor && !row.scenario.is_watched() => format!("≤ {}", bytes(floor)),
        _ => bytes(middle.median),
    }
}

/// To the network root where that was counted, else anywhere.
fn written(row: &Row) -> String {
    row.network_written().or_else(|| row.written()).map_or(NOTHING.to_owned(), |written| bytes(written.median))
}

fn aligned(lines: &[(Vec<String>, Option<&str>)]) -> String {
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|(cells, _)| cells.get(column)).map(|cell| cell.chars().count());
        cells.chain([COLUMNS[column].0.len()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..COLUMNS.len()).map(width).collect();
    let line = |cells: &[String]| {
        let padded = cells
            .iter()
            .zip(&widths)
            .zip(COLUMNS)
            .map(|((cell, &width), (_, right))| if right { format!("{cell:>width$}") } else { format!("{cell:width$}") });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    let mut text = line(&COLUMNS.map(|(name, _)| name.to_owned()));
    let mut scenario = "";
    for (cells, failed) in lines {
        if !scenario.is_empty() && scenario != cells[0] {
            text.push('\n');
        }
        scenario = &cells[0];
        match failed {
            Some(failed) => text.push_str(&format!("{}  {failed}\n", line(&cells[..2]).trim_end())),
            None => text.push_str(&line(cells)),
        }
    }
    text
}

/// What the columns mean, as far as that is not plain.
pub fn legend(findings: &Findings) -> Vec<String> {
    let counted = findings.rows.iter().any(|row| row.calls().is_some());
    let written = if counted { "to the network root" } else { "by the tool, wherever: files, its own records, pipes" };
    let mut lines = vec![format!(
        "Medians of all rounds. spread: from the least to the most, by the median. CPU: of the tool and its children. peak: the \
         most memory of its largest process. written: bytes {written}. ours/its: our time by its time, below 1 we are faster."
    )];
    if !counted {
        lines.push("calls on the network root are counted with --latency (0 is enough).".to_owned());
    }
    if !findings.missing.is_empty() {
        let names: Vec<&str> = findings.missing.iter().map(|tool: &Tool| tool.word()).collect();
        lines.push(format!("Not installed, so left out: {}.", names.join(", ")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::findings::samples;
    use super::*;

    #[test]
    fn figures_have_three_digits_and_a_unit() {
        let spans = [0.000_02, 0.002_346, 0.023_44, 0.2344, 2.346, 23.44, 234.4].map(span);
        assert_eq!(spans, ["20 µs", "2.35 ms", "23.4 ms", "234 ms", "2.35 s", "23.4 s", "234 s"]);
        assert_eq!([500.0, 2048.0, 20_480.0, 5e6, 3e9].map(bytes), ["500 B", "2.00 KiB", "20.0 KiB", "4.77 MiB", "2.79 GiB"]);
        assert_eq!([7.0, 999.0, 1000.0, 1_234_567.0].map(number), ["7", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn the_table_has_a_line_for_each_tool_and_says_what_failed_and_what_is_missing() {
        let found = samples::findings();
        let text = text(&found);
        let line = |words: &[&str]| text.lines().find(|line| words.iter().all(|word| line.contains(word)));
        let first = line(&["first", "rsync", "210 ms"]).expect("a line");
        assert!(
            first.contains("0.48") && first.contains("24 %") && first.contains("20.0 MiB") && first.contains("700 B"),
            "{first}"
        );
        assert!(line(&["unison", "exit code 3"]).is_some(), "{text}");
        assert!(line(&["first, driftless", "power of 1.00"]).is_some(), "{text}");
        assert!(text.contains("1,000 files in 100 folders") && text.contains("10,000 files"), "{text}");
        assert!(legend(&found).iter().any(|line| line.contains("lsyncd")));
    }

    #[test]
    fn a_peak_that_cannot_be_told_from_ours_is_not_told() {
        let mut found = samples::findings();
        found.floor = Some(64 << 20);
        assert_eq!(cells(&found, &found.rows[0])[5], "≤ 64.0 MiB");
    }
}
