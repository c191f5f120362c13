//! How grave an answer about drift is, whoever looked.

/// In weight drift comes first, then what could not be told, then in step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    InStep,
    Drift,
    CouldNotTell,
}

impl Severity {
    pub fn word(self) -> &'static str {
        match self {
            Severity::InStep => "in_step",
            Severity::Drift => "drift",
            Severity::CouldNotTell => "could_not_tell",
        }
    }
}
