//! Checks that have to pass before a command starts. None is built yet; this is where `run` asks them.

use std::path::Path;

/// One check.
pub trait Gate {
    /// What it finds out about the project; `None`: in step.
    fn consult(&self, project: &Path) -> Option<Stop>;
}

/// Why the command does not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// 5 for drift that was found, 7 for a check that could not be made.
    pub code: u8,
    pub message: String,
}

/// Asks every gate, also after one has said no: who mends one thing wants to know of the other. The first `Stop` is drift where
/// there is any, since that is surely so.
pub fn consult(gates: &[&dyn Gate], project: &Path) -> Vec<Stop> {
    let mut stops: Vec<Stop> = gates.iter().filter_map(|gate| gate.consult(project)).collect();
    stops.sort_by_key(|stop| stop.code);
    stops
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Says(Option<u8>);

    impl Gate for Says {
        fn consult(&self, _: &Path) -> Option<Stop> {
            self.0.map(|code| Stop { code, message: format!("because {code}") })
        }
    }

    #[test]
    fn all_gates_are_asked_and_drift_counts_first() {
        let codes = |gates: &[&dyn Gate]| consult(gates, Path::new("/p")).into_iter().map(|stop| stop.code).collect::<Vec<_>>();
        assert_eq!(codes(&[]), [0_u8; 0]);
        assert_eq!(codes(&[&Says(None), &Says(Some(7)), &Says(Some(5))]), [5, 7]);
    }
}
