//! The containers and the files here.

use super::{Finding, Severity};
use crate::cli::container::{self, Checked};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::render::count;
use crate::cli::{Context, json};

/// How the containers of the project here stand.
pub fn find(context: &Context) -> Result<Finding, Failure> {
    let checked = container::find(context)?;
    Ok(checked.as_ref().map_or_else(|| Finding::not_set_up("no compose file and no driftless.toml name a container"), of))
}

fn of(checked: &Checked) -> Finding {
    let exit = checked.exit();
    let severity = match exit {
        Exit::Done => Severity::InStep,
        Exit::Drift => Severity::Drift,
        _ => Severity::CouldNotTell,
    };
    let worst = checked.finding();
    let mut finding = match &worst {
        Some(worst) => Finding::new(severity, worst.state, worst.message.trim_end_matches('.')),
        None => Finding::new(severity, "missing", "there is no container"),
    };
    if severity == Severity::InStep && checked.reports.len() > 1 {
        finding.message = format!("{} have the files that are here", count(checked.reports.len() as u64, "container"));
    }
    finding.mend = worst.filter(|_| severity != Severity::InStep).and_then(|worst| worst.fix);
    finding.with_object(json::container_check(checked, exit))
}
