//! What was measured, and what it comes to: medians, spreads and ratios.

use std::collections::BTreeMap;
use std::time::Duration;

use super::fit::{Fit, power_law};
use super::peer::Tool;
use super::scenario::Scenario;

/// One tool, once. `None` is what could not be measured here.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    pub wall: Duration,
    /// User and system time, with that of its children.
    pub cpu: Option<Duration>,
    /// Bytes, of its largest process.
    pub peak: Option<u64>,
    /// Bytes that it gave to the system to write, anywhere.
    pub written: Option<u64>,
    /// What reached the network root, where a layer before it counts.
    pub network: Option<Traffic>,
}

/// Requests to a network root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    pub calls: BTreeMap<&'static str, u64>,
    pub read: u64,
    pub written: u64,
}

impl Traffic {
    pub fn all_calls(&self) -> u64 {
        self.calls.values().sum()
    }
}

/// All readings of one tool in one scenario, on a project of one size.
#[derive(Clone, Debug)]
pub struct Row {
    pub files: u64,
    pub scenario: Scenario,
    pub tool: Tool,
    pub readings: Vec<Reading>,
    /// Why there are no more.
    pub failed: Option<String>,
}

/// A figure of several readings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Middle {
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

impl Middle {
    fn of(mut figures: Vec<f64>) -> Option<Middle> {
        figures.sort_by(f64::total_cmp);
        let (least, most) = (*figures.first()?, *figures.last()?);
        let half = figures.len() / 2;
        let median = if figures.len() % 2 == 1 { figures[half] } else { f64::midpoint(figures[half - 1], figures[half]) };
        Some(Middle { median, least, most })
    }

    /// How far the readings lie apart, as a share of the median.
    pub fn spread(&self) -> f64 {
        if self.median > 0.0 { (self.most - self.least) / self.median } else { 0.0 }
    }
}

impl Row {
    fn middle(&self, figure: impl Fn(&Reading) -> Option<f64>) -> Option<Middle> {
        Middle::of(self.readings.iter().map(figure).collect::<Option<Vec<f64>>>()?)
    }

    /// Seconds.
    pub fn wall(&self) -> Option<Middle> {
        self.middle(|reading| Some(reading.wall.as_secs_f64()))
    }

    /// Seconds.
    pub fn cpu(&self) -> Option<Middle> {
        self.middle(|reading| reading.cpu.map(|cpu| cpu.as_secs_f64()))
    }

    /// Bytes.
    pub fn peak(&self) -> Option<Middle> {
        self.middle(|reading| reading.peak.map(|peak| peak as f64))
    }

    /// Bytes written to the network root.
    pub fn network_written(&self) -> Option<Middle> {
        self.middle(|reading| reading.network.as_ref().map(|traffic| traffic.written as f64))
    }

    /// Bytes written anywhere.
    pub fn written(&self) -> Option<Middle> {
        self.middle(|reading| reading.written.map(|written| written as f64))
    }

    pub fn calls(&self) -> Option<Middle> {
        self.middle(|reading| reading.network.as_ref().map(|traffic| traffic.all_calls() as f64))
    }

    /// Calls by kind in the reading whose calls are in the middle.
    pub fn calls_by_kind(&self) -> Option<&BTreeMap<&'static str, u64>> {
        let mut counted: Vec<&Traffic> = self.readings.iter().filter_map(|reading| reading.network.as_ref()).collect();
        counted.sort_by_key(|traffic| traffic.all_calls());
        counted.get(counted.len() / 2).map(|traffic| &traffic.calls)
    }
}

/// One size of the project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Size {
    pub files: u64,
    pub folders: u64,
    pub bytes: u64,
}

/// A tool that is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Present {
    pub tool: Tool,
    pub version: Option<String>,
}

/// All that was found.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    pub cores: usize,
    /// Bytes.
    pub memory: Option<u64>,
    pub system: String,
    /// The file systems of both places.
    pub staging: String,
    pub network: String,
    pub sizes: Vec<Size>,
    pub tools: Vec<Present>,
    pub missing: Vec<Tool>,
    pub rows: Vec<Row>,
    /// What is to be known before the figures are read.
    pub notes: Vec<String>,
    /// A process that does nothing had so much memory, in bytes: smaller peaks cannot be told.
    pub floor: Option<u64>,
    pub stopped: bool,
    pub elapsed: Duration,
}

impl Findings {
    pub fn row(&self, files: u64, scenario: Scenario, tool: Tool) -> Option<&Row> {
        self.rows.iter().find(|row| (row.files, row.scenario, row.tool) == (files, scenario, tool))
    }

    /// Our median by that of this row, in time on the wall: below 1 we are faster.
    pub fn ratio(&self, row: &Row) -> Option<f64> {
        self.ratio_of(row, Row::wall)
    }

    pub fn cpu_ratio(&self, row: &Row) -> Option<f64> {
        self.ratio_of(row, Row::cpu)
    }

    fn ratio_of(&self, row: &Row, figure: fn(&Row) -> Option<Middle>) -> Option<f64> {
        let ours = self.row(row.files, row.scenario, Tool::Driftless).filter(|_| row.tool != Tool::Driftless)?;
        let (ours, theirs) = (figure(ours)?.median, figure(row)?.median);
        (theirs > 0.0).then(|| ours / theirs)
    }

    /// How the time grows with the files, by scenario and tool.
    pub fn fits(&self) -> Vec<(Scenario, Tool, Fit)> {
        let mut by_kind: BTreeMap<(Scenario, Tool), Vec<(f64, f64)>> = BTreeMap::new();
        for row in &self.rows {
            if let Some(wall) = row.wall().filter(|_| row.failed.is_none()) {
                by_kind.entry((row.scenario, row.tool)).or_default().push((row.files as f64, wall.median));
            }
        }
        by_kind.into_iter().filter_map(|((scenario, tool), points)| Some((scenario, tool, power_law(&points)?))).collect()
    }
}

#[cfg(test)]
pub mod samples {
    use super::*;

    /// Two sizes, three tools, one of which failed once; as a page and a table are tried on.
    pub fn findings() -> Findings {
        let reading = |ms: u64, calls: u64| Reading {
            wall: Duration::from_millis(ms),
            cpu: Some(Duration::from_millis(ms / 2)),
            peak: Some(20 << 20),
            written: Some(1 << 20),
            network: Some(Traffic {
                calls: [("create", calls / 3), ("lookup", calls - calls / 3)].into(),
                read: 0,
                written: 700,
            }),
        };
        let row = |files, scenario, tool, ms: [u64; 3], failed: Option<&str>| Row {
            files,
            scenario,
            tool,
            readings: if failed.is_some() { vec![] } else { ms.map(|ms| reading(ms, ms * 2)).to_vec() },
            failed: failed.map(str::to_owned),
        };
        let rows = vec![
            row(1_000, Scenario::First, Tool::Driftless, [100, 80, 120], None),
            row(1_000, Scenario::First, Tool::Rsync, [200, 210, 250], None),
            row(1_000, Scenario::First, Tool::Unison, [0; 3], Some("exit code 3: <no & room>")),
            row(1_000, Scenario::Nothing, Tool::Driftless, [10, 11, 12], None),
            row(1_000, Scenario::Nothing, Tool::Rsync, [22, 20, 24], None),
            row(10_000, Scenario::First, Tool::Driftless, [1_000, 800, 1_200], None),
            row(10_000, Scenario::First, Tool::Rsync, [2_000, 2_100, 2_500], None),
            row(10_000, Scenario::Nothing, Tool::Driftless, [20, 22, 24], None),
            row(10_000, Scenario::Nothing, Tool::Rsync, [220, 200, 240], None),
        ];
        Findings {
            cores: 2,
            memory: Some(24 << 30),
            system: "Linux 6.1 x86_64".to_owned(),
            staging: "ext4".to_owned(),
            network: "nfs4".to_owned(),
            sizes: [1_000, 10_000].map(|files| Size { files, folders: files / 10, bytes: files * 4_000 }).to_vec(),
            tools: [Tool::Driftless, Tool::Rsync, Tool::Unison]
                .map(|tool| Present { tool, version: Some(format!("{} 1.0", tool.word())) })
                .to_vec(),
            missing: vec![Tool::Lsyncd],
            rows,
            notes: vec!["a note with <signs> & \"quotes\"".to_owned()],
            floor: Some(8 << 20),
            stopped: false,
            elapsed: Duration::from_secs(75),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_spreads_and_ratios() {
        let found = samples::findings();
        let row = |tool| found.row(1_000, Scenario::First, tool).expect("a row");
        let wall = row(Tool::Driftless).wall().expect("readings");
        assert_eq!((wall.median, wall.least, wall.most), (0.1, 0.08, 0.12));
        assert!((wall.spread() - 0.4).abs() < 1e-9);
        assert_eq!(Middle::of(vec![4.0, 1.0, 2.0, 3.0]).map(|middle| middle.median), Some(2.5));
        assert!(found.ratio(row(Tool::Rsync)).is_some_and(|ratio| (ratio - 100.0 / 210.0).abs() < 1e-9));
        assert_eq!(found.ratio(row(Tool::Driftless)), None);
        assert_eq!(found.ratio(row(Tool::Unison)), None);
        assert_eq!(row(Tool::Driftless).calls_by_kind(), Some(&[("create", 66), ("lookup", 134)].into()));
    }

    #[test]
    fn growth_is_told_where_there_are_several_sizes() {
        let fits = samples::findings().fits();
        let exponent = |scenario, tool| {
            let found = fits.iter().find(|(of, by, _)| (*of, *by) == (scenario, tool));
            found.map(|(_, _, fit)| (fit.exponent * 1000.0).round() / 1000.0)
        };
        assert_eq!(exponent(Scenario::First, Tool::Driftless), Some(1.0));
        assert_eq!(exponent(Scenario::Nothing, Tool::Driftless), Some(0.301));
        assert_eq!(exponent(Scenario::First, Tool::Unison), None);
    }

    #[test]
    fn what_was_not_measured_once_has_no_median() {
        let mut found = samples::findings();
        found.rows[0].readings[1].cpu = None;
        assert_eq!(found.rows[0].cpu(), None);
        assert!(found.rows[0].wall().is_some());
    }
}
