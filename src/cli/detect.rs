//! `detect PATH`: does this path need staging, why, and what `run` does there. Its exit code is 0 either way.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::cli::args::{Common, Detect};
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, shown};
use crate::cli::place::Place;
use crate::cli::project::{self, Way};
use crate::cli::{Answer, json, settings};
use crate::roots::mounts::Verdict;
use crate::roots::reach::Reach;

/// A hanging mount is told from the kernel's table; what `run` does there is not worth a long wait.
const SILENCE: Duration = Duration::from_secs(3);

/// What `run` does in a folder.
#[derive(Debug)]
pub enum Then {
    /// The command, as it is.
    Bare,
    /// The command on a staged copy there; of a pair that is known or would be made.
    Staged { staging: PathBuf, pair: String, known: bool },
    /// It would not run, and says so.
    Refused(String),
}

pub fn run(typed: &Detect, common: Common) -> Result<Answer, Failure> {
    let reach = Reach::new(settings::silence()?.unwrap_or(SILENCE), Arc::default());
    let verdict = reach.detect(&typed.path).map_err(|error| Failure::failed(error.to_string()))?;
    let then = then(typed, &verdict, reach);
    Ok(common.answer(Exit::Done, || json::detect(&typed.path, &verdict, &then), || text(typed, &verdict, &then)))
}

fn then(typed: &Detect, verdict: &Verdict, reach: Reach) -> Then {
    let place = match Place::find(reach) {
        Ok(place) => place,
        Err(failure) if verdict.network => return Then::Refused(failure.message),
        Err(_) => return Then::Bare,
    };
    match project::of_folder(&place, &place.here.join(&typed.path), verdict) {
        Ok(Way::Staged { chosen, .. }) => {
            Then::Staged { staging: chosen.pair.staging, pair: chosen.pair.name, known: !chosen.new }
        }
        Ok(Way::Bare | Way::Within) => Then::Bare,
        Err(failure) => Then::Refused(failure.message),
    }
}

fn text(typed: &Detect, verdict: &Verdict, then: &Then) -> String {
    let path = shown(&typed.path);
    let needs = if verdict.network { "needs staging" } else { "needs no staging" };
    let what = match then {
        Then::Bare => "is left alone: the command runs there as it is.".to_owned(),
        Then::Staged { staging, known: false, .. } => {
            format!("works on a copy, in {}, and sends results back.", shown(staging))
        }
        Then::Staged { staging, pair, known: true } => {
            format!("works on the copy of the pair {pair}, in {}, and sends results back.", shown(staging))
        }
        Then::Refused(message) => format!("does not run there: {message}"),
    };
    let subject = if matches!(then, Then::Bare) { "It" } else { "`driftless run -- CMD`" };
    format!("{path} {needs}.\n  Why: {}\n  {subject} {what}\n", verdict.reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_the_reason_and_what_follows_are_said() {
        let typed = Detect { path: "/mnt/lab".into() };
        let verdict = |network| Verdict {
            network,
            file_system: "nfs4".to_owned(),
            mount_point: "/mnt".into(),
            source: "srv:/lab".to_owned(),
            reason: "it is on nfs4.".to_owned(),
        };
        let staged = |known| Then::Staged { staging: "/home/me/lab".into(), pair: "lab".to_owned(), known };
        let shown = text(&typed, &verdict(true), &staged(false));
        assert!(
            shown.starts_with(
                "/mnt/lab needs staging.\n  Why: it is on nfs4.\n  `driftless run -- CMD` works on a copy, in /home"
            )
        );
        assert!(text(&typed, &verdict(false), &staged(true)).contains("the copy of the pair lab, in"));
        assert!(text(&typed, &verdict(false), &Then::Bare).contains("left alone"));
        let expected = r#"{"schema":"driftless.detect/1","exit_code":0,"path":"/mnt/lab","needs_staging":true,"file_system":"nfs4","mount_point":{"path":"/mnt"},"source":"srv:/lab","reason":"it is on nfs4.","run":{"staged":true,"pair":"lab","staging":{"path":"/home/me/lab"},"message":null}}"#;
        assert_eq!(json::detect(&typed.path, &verdict(true), &staged(true)), format!("{expected}\n"));
    }
}
