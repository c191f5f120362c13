//! What `doctor` found.

use serde::Serialize;

use super::{PathText, line};
use crate::cli::args::Part;
use crate::cli::doctor::Findings;
use crate::cli::exit::Exit;
use crate::engine::doctor::Check;

/// Every check of this machine, of each root, and of both together.
pub fn doctor(findings: &Findings, exit: Exit) -> String {
    #[derive(Serialize)]
    struct Root<'a> {
        /// `null` for a folder of no pair.
        side: Option<&'static str>,
        #[serde(flatten)]
        path: PathText,
        file_system: &'a str,
        answered: bool,
        checks: &'a [Check],
    }
    #[derive(Serialize)]
    struct Object<'a> {
        schema: &'static str,
        pair: Option<&'a str>,
        outcome: &'static str,
        exit_code: u8,
        machine: &'a [Check],
        roots: Vec<Root<'a>>,
        checks: &'a [Check],
        elapsed_ms: u64,
    }
    let outcome = match exit {
        Exit::Done => "done",
        Exit::Drift => "problems",
        Exit::Unchecked => "unanswered",
        other => other.outcome(),
    };
    let roots = findings.roots.iter().map(|root| Root {
        side: (root.part != Part::Folder).then(|| root.part.word()),
        path: PathText::whole(&root.path),
        file_system: &root.file_system,
        answered: root.answered,
        checks: &root.checks,
    });
    line(&Object {
        schema: "driftless.doctor/1",
        pair: findings.pair.as_deref(),
        outcome,
        exit_code: exit.code(),
        machine: &findings.machine,
        roots: roots.collect(),
        checks: &findings.together,
        elapsed_ms: findings.elapsed_ms,
    })
}
