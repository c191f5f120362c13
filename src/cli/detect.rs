//! `detect PATH`: does this path need staging, and why. Its exit code is 0 either way.

use std::sync::Arc;

use crate::cli::args::{Common, Detect};
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, shown};
use crate::cli::{Answer, json, settings};
use crate::roots::mounts::Verdict;
use crate::roots::reach::{Reach, SILENCE};

pub fn run(typed: &Detect, common: Common) -> Result<Answer, Failure> {
    let reach = Reach::new(settings::silence()?.unwrap_or(SILENCE), Arc::default());
    let verdict = reach.detect(&typed.path).map_err(|error| Failure::failed(error.to_string()))?;
    Ok(common.answer(Exit::Done, || json::detect(&typed.path, &verdict), || text(typed, &verdict)))
}

fn text(typed: &Detect, verdict: &Verdict) -> String {
    let path = shown(&typed.path);
    let (head, then) = if verdict.network {
        (
            format!("{path} needs staging."),
            format!(
                "`driftless sync --network {path} --staging DIR` makes a local copy to work on; `driftless sync up` sends results back."
            ),
        )
    } else {
        (format!("{path} needs no staging."), "It is left alone: work on it where it is.".to_owned())
    };
    format!("{head}\n  Why: {}\n  {then}\n", verdict.reason)
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
        assert!(
            text(&typed, &verdict(true))
                .starts_with("/mnt/lab needs staging.\n  Why: it is on nfs4.\n  `driftless sync --network")
        );
        assert!(text(&typed, &verdict(false)).contains("left alone"));
        let expected = r#"{"schema":"driftless.detect/1","exit_code":0,"path":"/mnt/lab","needs_staging":true,"file_system":"nfs4","mount_point":{"path":"/mnt"},"source":"srv:/lab","reason":"it is on nfs4."}"#;
        assert_eq!(json::detect(&typed.path, &verdict(true)), format!("{expected}\n"));
    }
}
