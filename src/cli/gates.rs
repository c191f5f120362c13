//! Gates: what has to be in step before `run` starts its command. All are asked at the same time, and all have to answer in time.
//!
//! Invariants. A gate that could not be asked never counts as in step: `on_unknown` decides. In a staged copy nothing is written into the
//! project's own clone, because the copy's changes are sent; the scripts' repository is followed, as its gate is there for.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, bounded};

use crate::cli::drift::{self, Finding, Severity};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::image::Site;
use crate::cli::render::Paint;
use crate::cli::settings::gates::{Asked, Gate, Level, OnUnknown, Resolved};
use crate::cli::trust::Clone;
use crate::cli::{say, warn};
use crate::git::state::Ask;

/// How long all of them together may take, where nobody says how long.
pub const LIMIT: Duration = Duration::from_secs(10);
/// How often it is looked whether somebody asked for an end.
const LISTEN: Duration = Duration::from_millis(20);

/// Where gates are asked.
pub struct Question<'a> {
    pub gates: &'a Resolved,
    /// The folder that the command works in.
    pub folder: &'a Path,
    /// The project's top folder.
    pub project: &'a Path,
    /// The clone there, where the project is no staged copy. `None`: it is one; what is in it came from the share, and what changes in it
    /// is sent.
    pub clone: Option<&'a Clone>,
    /// The program's state folder; `None` where there can be none.
    pub state: Option<&'a Path>,
    pub limit: Duration,
    /// Set where somebody asks for an end.
    pub stop: &'a AtomicBool,
}

impl Question<'_> {
    /// Can others write the settings that git would take here?
    fn is_others(&self) -> bool {
        self.clone.is_none_or(|clone| !clone.is_own())
    }
}

/// One gate and its answer.
#[derive(Debug)]
pub struct Found {
    pub asked: Asked,
    pub finding: Finding,
    /// Does it keep the command from being started?
    pub stops: bool,
}

/// What all of them come to: 5 before 7; `None`: the command may start.
pub fn exit(found: &[Found]) -> Option<Exit> {
    let stops = |severity| found.iter().any(|found| found.stops && found.finding.severity == severity);
    match () {
        () if stops(Severity::Drift) => Some(Exit::Drift),
        () if found.iter().any(|found| found.stops) => Some(Exit::Unchecked),
        () => None,
    }
}

/// Asks all gates that are on, in the order of their names.
pub fn ask(question: &Question<'_>) -> Vec<Found> {
    for (gate, before, now) in &question.gates.relaxed {
        warn(&format!("the gate {} is {} for this run, and not {}", gate.word(), now.word(), before.word()));
    }
    let asked = &question.gates.asked;
    let halt = Arc::new(AtomicBool::new(false));
    let late = AtomicBool::new(false);
    let findings: Vec<Finding> = std::thread::scope(|scope| {
        let (told, over) = bounded::<()>(0);
        let each: Vec<_> = asked
            .iter()
            .map(|asked| {
                let (halt, told) = (Arc::clone(&halt), told.clone());
                scope.spawn(move || {
                    let _until_done = told;
                    one(question, *asked, &halt)
                })
            })
            .collect();
        drop(told);
        let began = Instant::now();
        while over.recv_timeout(LISTEN) == Err(RecvTimeoutError::Timeout) {
            late.fetch_or(began.elapsed() >= question.limit, Ordering::SeqCst);
            if late.load(Ordering::SeqCst) || question.stop.load(Ordering::SeqCst) {
                halt.store(true, Ordering::SeqCst);
            }
        }
        let broken = || Finding::could_not_tell("a thread of ours broke off");
        each.into_iter().map(|thread| thread.join().unwrap_or_else(|_| broken())).collect()
    });
    let judged = |(asked, finding): (&Asked, Finding)| judge(*asked, finding, question.gates.on_unknown);
    asked.iter().zip(findings).map(judged).collect()
}

fn one(question: &Question<'_>, asked: Asked, halt: &Arc<AtomicBool>) -> Finding {
    if question.is_others() && !asked.agreed {
        return not_agreed(asked);
    }
    let answer = match asked.gate {
        Gate::Git => match question.clone {
            None => drift::git::find_untouched(question.folder, question.project, halt),
            Some(clone) => drift::git::find_agreed(clone, halt, Ask::Remote).map(applies),
        },
        Gate::Image => match question.state {
            None => Ok(Finding::could_not_tell("there is no place for what registries tell: set DRIFTLESS_HOME")),
            Some(state) => {
                let top = question.clone.and_then(|clone| clone.top.as_deref());
                let (folder, state) = (top.unwrap_or(question.folder).to_path_buf(), state.to_path_buf());
                image(question, &Site { folder, context: None, state, stop: Arc::clone(halt) })
            }
        },
        Gate::Scripts => match &question.gates.scripts {
            Some(scripts) => drift::scripts::find(question.project, scripts, question.limit, halt),
            None => Ok(Finding::could_not_tell("no `scripts_repository` is named")),
        },
    };
    match answer {
        Err(Failure { exit: Exit::Signal(_), .. }) => {
            Finding::could_not_tell(format!("there was no answer within {} s", question.limit.as_secs_f32()))
        }
        answer => Finding::of(answer),
    }
}

fn image(question: &Question<'_>, site: &Site) -> Result<Finding, Failure> {
    if question.clone.is_none() && !drift::git::is_inside(question.folder, question.project, &site.stop)? {
        return Ok(Finding::could_not_tell("the staged copy holds no git repository of its own"));
    }
    drift::image::find_named(site, question.is_others())
}

/// Somebody wants this gate: what is not set up cannot be told.
fn applies(finding: Finding) -> Finding {
    if finding.severity == Severity::NotSetUp { Finding::could_not_tell(finding.message) } else { finding }
}

fn not_agreed(asked: Asked) -> Finding {
    let message =
        "the shared driftless.toml alone asks for it, and the settings of a repository from the share may start programs here";
    let mut finding = Finding::could_not_tell(message);
    let (gate, level) = (asked.gate.word(), asked.level.word());
    finding.mend =
        Some(format!("where you trust it: [gates] with {gate} = \"{level}\" in pair.toml, or --gates {level} for one run"));
    finding
}

fn judge(asked: Asked, finding: Finding, on_unknown: OnUnknown) -> Found {
    let stops = match finding.severity {
        Severity::Drift => asked.level == Level::Fatal,
        Severity::CouldNotTell | Severity::NotSetUp => asked.level == Level::Fatal && on_unknown == OnUnknown::Fatal,
        Severity::InStep => false,
    };
    Found { asked, finding, stops }
}

/// Says what is not in step: all of it where that stops the command, else in a line.
pub fn tell(found: &[Found], on_unknown: OnUnknown, paint: Paint) {
    for Found { asked, finding, stops } in found {
        let gate = asked.gate.word();
        let mend = finding.mend.as_deref().map(|mend| format!(" To mend it: {mend}")).unwrap_or_default();
        let drifts = finding.severity == Severity::Drift;
        match (stops, finding.severity) {
            (true, _) => say(&lines(gate, finding, paint)),
            (false, Severity::InStep) => {}
            (false, _) if !drifts && on_unknown == OnUnknown::Pass => {}
            (false, _) if drifts => warn(&format!("gate {gate}: {}.{mend}", finding.message)),
            (false, _) => warn(&format!("gate {gate} could not tell: {}.{mend}", finding.message)),
        }
    }
}

fn lines(gate: &str, finding: &Finding, paint: Paint) -> String {
    let first = match finding.fatal {
        Some(fatal) => fatal.to_owned(),
        None if finding.severity == Severity::Drift => format!("FATAL: gate {gate}: {}", finding.message),
        None => format!("FATAL: gate {gate} could not tell"),
    };
    let mut text = format!("{}\n  why         {}\n", paint.bad(&first), finding.message);
    finding.details.iter().for_each(|line| text.push_str(&format!("  {line}\n")));
    if let Some(mend) = &finding.mend {
        text.push_str(&format!("  to mend it  {mend}\n"));
    }
    text
}

/// What is said where the command is not started.
pub fn refusal(found: &[Found]) -> String {
    let names: Vec<&str> = found.iter().filter(|found| found.stops).map(|found| found.asked.gate.word()).collect();
    format!("The command was not started (gates: {}). `--gates warn` starts it all the same.", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drift_stops_where_it_is_fatal_and_what_nobody_knows_where_that_is() {
        let asked = |level| Asked { gate: Gate::Git, level, agreed: true };
        let finding = |severity| Finding::new(severity, "x", "y");
        for (level, severity, on_unknown, expected) in [
            (Level::Fatal, Severity::Drift, OnUnknown::Pass, Some(Exit::Drift)),
            (Level::Warn, Severity::Drift, OnUnknown::Fatal, None),
            (Level::Fatal, Severity::CouldNotTell, OnUnknown::Warn, None),
            (Level::Fatal, Severity::CouldNotTell, OnUnknown::Pass, None),
            (Level::Fatal, Severity::CouldNotTell, OnUnknown::Fatal, Some(Exit::Unchecked)),
            (Level::Warn, Severity::CouldNotTell, OnUnknown::Fatal, None),
            (Level::Fatal, Severity::InStep, OnUnknown::Fatal, None),
        ] {
            let found = [judge(asked(level), finding(severity), on_unknown)];
            assert_eq!(exit(&found), expected, "{level:?} {severity:?} {on_unknown:?}");
        }
        let both =
            [Severity::CouldNotTell, Severity::Drift].map(|one| judge(asked(Level::Fatal), finding(one), OnUnknown::Fatal));
        assert_eq!(exit(&both), Some(Exit::Drift), "5 before 7");
    }
}
