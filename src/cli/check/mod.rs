//! `check`: every drift of the project here, at the same time, on one screen and in one exit code.
//!
//! Each part is asked in a thread of its own; none waits for another. [`watch`] asks again.

mod watch;

use std::fmt::Write as _;

use crate::cli::args::Check;
use crate::cli::drift::{self, Finding, Severity};
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, shown};
use crate::cli::image::Site;
use crate::cli::render::Paint;
use crate::cli::{Answer, Context, json, trust};
use crate::git::state::Ask;

/// What is asked, in the order in which drift is mended: each is made from those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Files,
    Git,
    Image,
    Container,
}

impl Part {
    pub const ALL: [Part; 4] = [Part::Files, Part::Git, Part::Image, Part::Container];

    pub fn word(self) -> &'static str {
        match self {
            Part::Files => "files",
            Part::Git => "git",
            Part::Image => "image",
            Part::Container => "container",
        }
    }
}

/// Every part with its answer.
pub type Found = Vec<(Part, Finding)>;

pub fn run(context: &Context, typed: &Check) -> Result<Answer, Failure> {
    if typed.watch {
        return watch::run(context, typed);
    }
    let found = ask(context, typed, &Part::ALL, Ask::Remote);
    let exit = exit(&found, context.stop.signal());
    Ok(context.answer(exit, || json::check(&context.place.here, &found, exit), || screen(context, &found, context.paint)))
}

/// Asks these parts, all at the same time.
fn ask(context: &Context, typed: &Check, parts: &[Part], remote: Ask) -> Found {
    std::thread::scope(|scope| {
        let asked: Vec<_> = parts.iter().map(|part| (*part, scope.spawn(move || one(context, typed, *part, remote)))).collect();
        let broken = || Finding::could_not_tell("a thread of ours broke off");
        asked.into_iter().map(|(part, thread)| (part, thread.join().unwrap_or_else(|_| broken()))).collect()
    })
}

fn one(context: &Context, typed: &Check, part: Part, remote: Ask) -> Finding {
    let here = &context.place.here;
    let stop = context.stop.shared();
    Finding::of(match part {
        Part::Files => drift::files::find(context, &typed.choice),
        Part::Git => trust::clone_of(&context.place, here).and_then(|clone| drift::git::find_here(&clone, &stop, remote)),
        Part::Image => trust::clone_of(&context.place, here).and_then(|clone| {
            let folder = clone.top.clone().unwrap_or_else(|| here.clone());
            drift::image::find(&Site { folder, context: None, state: context.place.state.clone(), stop }, &clone)
        }),
        Part::Container => drift::container::find(context),
    })
}

/// The worst of all: drift, then what could not be told.
fn exit(found: &Found, signal: Option<u8>) -> Exit {
    match (signal, found.iter().map(|(_, finding)| finding.severity).max()) {
        (Some(signal), _) => Exit::Signal(signal),
        (None, Some(Severity::Drift)) => Exit::Drift,
        (None, Some(Severity::CouldNotTell)) => Exit::Unchecked,
        (None, _) => Exit::Done,
    }
}

fn screen(context: &Context, found: &Found, paint: Paint) -> String {
    format!("{}\n{}", paint.bold(&format!("Project {}", shown(&context.place.here))), lines(found, paint))
}

fn lines(found: &Found, paint: Paint) -> String {
    let mut text = String::new();
    for (part, finding) in found {
        let mark = match finding.severity {
            Severity::NotSetUp => "-        ".to_owned(),
            Severity::InStep => "in step  ".to_owned(),
            Severity::CouldNotTell => paint.warn("unknown  "),
            Severity::Drift => paint.bad("DRIFT    "),
        };
        let message = match finding.severity {
            Severity::NotSetUp => format!("not set up here: {}", finding.message),
            _ => finding.message.clone(),
        };
        let _ = writeln!(text, "  {mark}  {:9}  {message}", part.word());
        // The texts of a part that is not named by its sentence alone.
        if finding.severity == Severity::Drift {
            finding.details.iter().for_each(|line| text.push_str(&format!("                        {line}\n")));
        }
    }
    let mend = mending(found);
    if !mend.is_empty() {
        text.push_str("To mend, in this order:\n");
    }
    for (number, (part, mend)) in mend.iter().enumerate() {
        let _ = writeln!(text, "  {}. {}: {mend}", number + 1, part.word());
    }
    text
}

/// What mends it, what others are made from first.
pub fn mending(found: &Found) -> Vec<(Part, &str)> {
    found.iter().filter_map(|(part, finding)| Some((*part, finding.mend.as_deref()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(severity: Severity, mend: Option<&str>) -> Finding {
        Finding { mend: mend.map(str::to_owned), ..Finding::new(severity, "x", "a sentence") }
    }

    #[test]
    fn the_worst_part_is_the_exit_code_and_what_is_not_set_up_is_nothing() {
        use Severity::{CouldNotTell, Drift, InStep, NotSetUp};
        for (severities, expected) in [
            ([NotSetUp, NotSetUp, NotSetUp, NotSetUp], 0),
            ([InStep, NotSetUp, InStep, NotSetUp], 0),
            ([InStep, CouldNotTell, InStep, NotSetUp], 7),
            ([CouldNotTell, InStep, Drift, NotSetUp], 5),
        ] {
            let found: Found = Part::ALL.into_iter().zip(severities.map(|one| finding(one, None))).collect();
            assert_eq!(exit(&found, None).code(), expected, "{severities:?}");
            assert_eq!(exit(&found, Some(2)).code(), 130);
        }
    }

    #[test]
    fn what_others_are_made_from_is_mended_first() {
        let mends = [Some("sync"), None, Some("build"), Some("rebuild")];
        let found: Found = Part::ALL.into_iter().zip(mends.map(|mend| finding(Severity::Drift, mend))).collect();
        let text = lines(&found, Paint::PLAIN);
        assert!(text.ends_with("order:\n  1. files: sync\n  2. image: build\n  3. container: rebuild\n"), "{text}");
    }
}
