//! The repository of a workflow's scripts (IM-06): followed first, as `git sync` does, then judged.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::{Finding, Severity, git};
use crate::cli::failure::{Failure, shown};
use crate::cli::git as commands;
use crate::cli::settings::gates::Scripts;
use crate::disk::local;
use crate::git::state::{Ask, look};
use crate::git::sync::{Authority, Wish, sync};

const FATAL: &str = "FATAL: Scripts repository is not in step with its remote";

/// Brings it up to date (the remote counts; what is displaced is kept in backups), and looks how it stands then. `wait`: for another
/// writer of it.
pub fn find(project: &Path, scripts: &Scripts, wait: Duration, stop: &Arc<AtomicBool>) -> Result<Finding, Failure> {
    let folder = local::real_path(&project.join(&scripts.folder));
    if !local::is_folder(&folder) {
        return Ok(Finding::could_not_tell(format!("there is no folder {}", shown(&folder))));
    }
    let repository = commands::open(&folder, Arc::clone(stop))?;
    // Else it would be the project's own branch that is moved, or that of another clone of this user.
    if local::real_path(&repository.top) != folder || (scripts.shared && !git::lies_in(&repository, project)) {
        let why = if scripts.shared { " in the project" } else { "" };
        return Ok(Finding::could_not_tell(format!("{} is no git repository of its own{why}", shown(&folder))));
    }
    let wish = Wish {
        remote: None,
        branch: None,
        authority: Authority::Remote,
        initial: false,
        accept_rewrite: false,
        dry_run: false,
        wait,
        retry_for: Duration::ZERO,
    };
    let synced = sync(&repository, &wish)?;
    let standing = look(&repository, None, None, Ask::Nobody)?;
    let mut finding = git::of(&standing, FATAL);
    if finding.severity == Severity::InStep && synced.followed.is_some() {
        finding.message.push_str(", after it was followed");
    }
    if let Some(mend) = finding.mend.take() {
        finding.mend = Some(format!("in {}: {mend}", shown(&folder)));
    }
    Ok(finding)
}
