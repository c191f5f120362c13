//! Exit codes, their order, and what a report comes to.

use crate::engine::report::{Outcome, Report};

/// How the program ends. The numbers are a promise to scripts (`docs/cli.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done what this direction can do.
    Done,
    Failed,
    /// Wrong usage.
    Usage,
    /// Done, with conflicts; or a conflict stopped the run.
    Conflicts,
    /// Refused by a guard, or deletes were held.
    Refused,
    /// A check found drift.
    Drift,
    /// Done in part.
    Partial,
    /// A check could not be made; never to be read as in step.
    Unchecked,
    /// Another process holds the lock.
    Busy,
    /// A root is not reachable.
    Offline,
    /// Ended by this signal.
    Signal(u8),
    /// As the command ended that `run` started.
    Command(u8),
}

/// Where several apply, the first of these counts. A signal comes before all: the run was not finished.
const ORDER: [Exit; 6] = [Exit::Failed, Exit::Offline, Exit::Busy, Exit::Refused, Exit::Conflicts, Exit::Partial];

impl Exit {
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Conflicts => 3,
            Exit::Refused => 4,
            Exit::Drift => 5,
            Exit::Partial => 6,
            Exit::Unchecked => 7,
            Exit::Busy => 8,
            Exit::Offline => 75,
            Exit::Signal(number) => 128_u8.saturating_add(number),
            Exit::Command(code) => code,
        }
    }

    /// Back from a number that another process of ours ended with.
    pub fn of_code(code: u8) -> Exit {
        const ALL: [Exit; 10] = [
            Exit::Done,
            Exit::Failed,
            Exit::Usage,
            Exit::Conflicts,
            Exit::Refused,
            Exit::Drift,
            Exit::Partial,
            Exit::Unchecked,
            Exit::Busy,
            Exit::Offline,
        ];
        let known = ALL.into_iter().find(|exit| exit.code() == code);
        known.unwrap_or(if code > 128 { Exit::Signal(code - 128) } else { Exit::Failed })
    }

    /// A run that was stopped; by Ctrl-C where no signal was noted.
    pub fn interrupted(signal: Option<u8>) -> Exit {
        Exit::Signal(signal.unwrap_or(2))
    }

    /// The first of several by the order of their weight.
    pub fn first(several: &[Exit]) -> Exit {
        ORDER.into_iter().find(|exit| several.contains(exit)).unwrap_or(Exit::Done)
    }

    /// The word in `outcome` of a run that ends so.
    pub fn outcome(self) -> &'static str {
        match self {
            Exit::Done => "done",
            Exit::Failed | Exit::Usage | Exit::Drift | Exit::Unchecked => "failed",
            Exit::Conflicts => "conflicts",
            Exit::Refused => "refused",
            Exit::Partial => "partial",
            Exit::Busy => "busy",
            Exit::Offline => "offline",
            Exit::Signal(_) => "interrupted",
            Exit::Command(_) => "command",
        }
    }
}

/// The exit code of a run, and the word for it. `signal` is the one that was caught, if any.
pub fn of_report(report: &Report, signal: Option<u8>) -> (Exit, &'static str) {
    let mut several = match report.outcome {
        Outcome::Interrupted => {
            let exit = Exit::interrupted(signal);
            return (exit, exit.outcome());
        }
        Outcome::Done => vec![],
        Outcome::Aborted => vec![Exit::Conflicts],
        Outcome::Refused(_) => vec![Exit::Refused],
        Outcome::Offline { .. } => vec![Exit::Offline],
        Outcome::Busy { .. } => vec![Exit::Busy],
    };
    if report.held.is_some() {
        several.push(Exit::Refused);
    }
    if !report.conflicts.is_empty() {
        several.push(Exit::Conflicts);
    }
    if !report.problems.is_empty() {
        several.push(Exit::Partial);
    }
    let exit = Exit::first(&several);
    let held = exit == Exit::Refused && !matches!(report.outcome, Outcome::Refused(_));
    (exit, if held { "held" } else { exit.outcome() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::samples;

    #[test]
    fn the_first_of_1_75_8_4_3_6_counts() {
        let order = [Exit::Failed, Exit::Offline, Exit::Busy, Exit::Refused, Exit::Conflicts, Exit::Partial];
        assert_eq!(order.map(Exit::code), [1, 75, 8, 4, 3, 6]);
        for cut in 0..order.len() {
            let mut several = order[cut..].to_vec();
            several.reverse();
            several.push(Exit::Done);
            assert_eq!(Exit::first(&several), order[cut]);
        }
        assert_eq!(Exit::first(&[]), Exit::Done);
    }

    #[test]
    fn every_code_comes_back_from_its_number() {
        for code in 0..=u8::MAX {
            let expected = if matches!(code, 0..=8 | 75 | 129..) { code } else { 1 };
            assert_eq!(Exit::of_code(code).code(), expected, "{code}");
        }
        assert_eq!(Exit::of_code(3), Exit::Conflicts);
        assert_eq!(Exit::of_code(143), Exit::Signal(15));
    }

    #[test]
    fn a_report_comes_to_the_gravest_of_what_it_lists() {
        let mut report = samples::report();
        report.held = None;
        report.conflicts.clear();
        report.problems.clear();
        assert_eq!(of_report(&report, None), (Exit::Done, "done"));
        report.problems = samples::report().problems;
        assert_eq!(of_report(&report, None), (Exit::Partial, "partial"));
        report.conflicts = samples::report().conflicts;
        assert_eq!(of_report(&report, None), (Exit::Conflicts, "conflicts"));
        report.held = Some(samples::held());
        assert_eq!(of_report(&report, None), (Exit::Refused, "held"));
        report.outcome = Outcome::Busy { holder: "lab7".to_owned() };
        assert_eq!(of_report(&report, None), (Exit::Busy, "busy"));
        report.outcome = Outcome::Interrupted;
        assert_eq!(of_report(&report, Some(15)).0.code(), 143);
    }
}
