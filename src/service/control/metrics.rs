//! `/metrics`: the text format of Prometheus, version 0.0.4.

use std::fmt::Write as _;

use crate::service::{Mode, Phase, Snapshot};

/// All figures of a moment.
pub(super) fn text(shown: &Snapshot) -> String {
    let mut text = String::new();
    let counters = &shown.counters;
    let is = |phase| u64::from(shown.phase == phase);
    for (kind, name, help, value) in [
        ("counter", "runs_total", "Runs of the engine.", counters.runs),
        ("counter", "whole_runs_total", "Runs that looked at everything.", counters.whole_runs),
        ("counter", "failed_runs_total", "Runs that did not come to their end.", counters.failed_runs),
        ("counter", "written_files_total", "Files written at either root.", counters.written_files),
        ("counter", "written_bytes_total", "Bytes written at either root.", counters.written_bytes),
        ("counter", "deleted_total", "Files and folders moved to the trash.", counters.deleted),
        ("counter", "lost_events_total", "Times that the system dropped events.", counters.lost_events),
        ("gauge", "conflicts", "Paths that both sides changed.", shown.conflicts),
        ("gauge", "problems", "Paths that could not be synchronised.", shown.problems),
        ("gauge", "held", "Deletes that the mass-delete guard holds.", shown.held),
        ("gauge", "waiting", "Places that may have changed and were not looked at yet.", shown.waiting),
        ("gauge", "pending_up", "Changes of staging that the last run left.", shown.pending_up),
        ("gauge", "pending_down", "Changes of the network root that the last run left.", shown.pending_down),
        ("gauge", "paused", "1 while paused.", is(Phase::Paused)),
        ("gauge", "offline", "1 while a root is out of reach.", is(Phase::Offline)),
        ("gauge", "stuck", "1 while a guard or a failure stands in the way.", is(Phase::Stuck)),
    ] {
        let _ = writeln!(text, "# HELP driftless_{name} {help}\n# TYPE driftless_{name} {kind}\ndriftless_{name} {value}");
    }
    let _ = writeln!(text, "# HELP driftless_watched 1 where events of all folders come.\n# TYPE driftless_watched gauge");
    for (side, root) in [("staging", &shown.roots.staging), ("network", &shown.roots.network)] {
        let _ = writeln!(text, "driftless_watched{{root=\"{side}\"}} {}", u64::from(root.mode == Mode::Reliable));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_figure_has_its_help_its_type_and_one_line_a_value() {
        let mut shown = Snapshot::new("demo");
        shown.phase = Phase::Offline;
        shown.conflicts = 3;
        shown.counters.written_bytes = 5_120;
        shown.roots.staging.mode = Mode::Reliable;
        shown.roots.network.mode = Mode::Degraded;
        let text = text(&shown);
        for line in [
            "driftless_offline 1",
            "driftless_stuck 0",
            "driftless_paused 0",
            "driftless_conflicts 3",
            "driftless_written_bytes_total 5120",
            "driftless_watched{root=\"staging\"} 1",
            "driftless_watched{root=\"network\"} 0",
        ] {
            assert!(text.lines().any(|told| told == line), "{line} is not in {text}");
        }
        let mut family = String::new();
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["#", "HELP", name, ..] => family = name.to_owned(),
                ["#", "TYPE", name, kind] => {
                    assert_eq!((name, kind == "counter"), (family.as_str(), name.ends_with("_total")), "{line}");
                }
                [name, value] => {
                    assert_eq!(name.split('{').next(), Some(family.as_str()), "{line}");
                    assert!(value.parse::<u64>().is_ok(), "{line}");
                }
                _ => panic!("{line}"),
            }
        }
        assert!(text.ends_with('\n'));
    }
}
