//! `/metrics`: the text format of Prometheus, version 0.0.4.

use std::fmt::Write as _;

use crate::service::{Mode, Phase, Snapshot};

/// All figures of a moment.
pub(super) fn text(shown: &Snapshot) -> String {
    let mut text = String::new();
    let counters = &shown.counters;
    for (name, help, value) in [
        ("runs_total", "Runs of the engine.", counters.runs),
        ("whole_runs_total", "Runs that looked at everything.", counters.whole_runs),
        ("failed_runs_total", "Runs that did not come to their end.", counters.failed_runs),
        ("written_files_total", "Files written at either root.", counters.written_files),
        ("written_bytes_total", "Bytes written at either root.", counters.written_bytes),
        ("deleted_total", "Files and folders moved to the trash.", counters.deleted),
        ("lost_events_total", "Times that the system dropped events.", counters.lost_events),
    ] {
        let _ = writeln!(text, "# HELP driftless_{name} {help}\n# TYPE driftless_{name} counter\ndriftless_{name} {value}");
    }
    let is = |phase| u64::from(shown.phase == phase);
    for (name, help, value) in [
        ("conflicts", "Paths that both sides changed.", shown.conflicts),
        ("problems", "Paths that could not be synchronised.", shown.problems),
        ("held", "Deletes that the mass-delete guard holds.", shown.held),
        ("waiting", "Places that may have changed and were not looked at yet.", shown.waiting),
        ("pending_up", "Changes of staging that the last run left.", shown.pending_up),
        ("pending_down", "Changes of the network root that the last run left.", shown.pending_down),
        ("paused", "1 while paused.", is(Phase::Paused)),
        ("offline", "1 while a root is out of reach.", is(Phase::Offline)),
        ("stuck", "1 while a guard or a failure stands in the way.", is(Phase::Stuck)),
    ] {
        let _ = writeln!(text, "# HELP driftless_{name} {help}\n# TYPE driftless_{name} gauge\ndriftless_{name} {value}");
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
