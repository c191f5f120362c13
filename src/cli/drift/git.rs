//! The branch and its remote.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::{Finding, Severity};
use crate::cli::failure::Failure;
use crate::cli::settings::gates::Gate;
use crate::cli::trust::Clone;
use crate::cli::{git as commands, json};
use crate::disk::local;
use crate::git::repository::Repository;
use crate::git::state::{Ask, Relation, Standing, glance, look};

const FATAL: &str = "FATAL: Repository is not in step with its remote";

/// How the clone here stands to its remote. In one that others write to nothing is fetched (a look is no change that has to be sent), and
/// no git is started before `pair.toml` agrees.
pub fn find_here(clone: &Clone, stop: &Arc<AtomicBool>, ask: Ask) -> Result<Finding, Failure> {
    if clone.top.is_some() && !clone.is_agreed(Gate::Git)? {
        return Ok(clone.not_agreed(Gate::Git));
    }
    find_agreed(clone, stop, ask)
}

/// The same where somebody agreed.
pub fn find_agreed(clone: &Clone, stop: &Arc<AtomicBool>, ask: Ask) -> Result<Finding, Failure> {
    let Some(top) = &clone.top else {
        return Ok(Finding::not_set_up("the folder lies in no git repository"));
    };
    let repository = commands::open(top, Arc::clone(stop))?;
    let standing = if clone.is_own() { look(&repository, None, None, ask)? } else { glance(&repository)? };
    Ok(with_a_remote(&repository, &standing))
}

fn with_a_remote(repository: &Repository, standing: &Standing) -> Finding {
    let alone = standing.relation == Relation::NoUpstream && repository.remote_urls().is_empty();
    if alone { Finding::not_set_up("the repository has no remote") } else { of(standing, FATAL) }
}

/// The same for a clone that has to lie in `root`, with nothing written into it.
pub fn find_untouched(folder: &Path, root: &Path, stop: &Arc<AtomicBool>) -> Result<Finding, Failure> {
    let repository = commands::open(folder, Arc::clone(stop))?;
    if !lies_in(&repository, root) {
        return Ok(Finding::could_not_tell("the staged copy holds no git repository of its own"));
    }
    Ok(of(&glance(&repository)?, FATAL))
}

/// Has `root` a clone of its own, in which `folder` lies?
pub fn is_inside(folder: &Path, root: &Path, stop: &Arc<AtomicBool>) -> Result<bool, Failure> {
    Ok(lies_in(&commands::open(folder, Arc::clone(stop))?, root))
}

/// Do the work tree and what git keeps beside it lie there? A file `.git` may name any other place.
pub fn lies_in(repository: &Repository, root: &Path) -> bool {
    let root = local::real_path(root);
    [&repository.top, &repository.git_dir, &repository.common].iter().all(|path| local::real_path(path).starts_with(&root))
}

pub fn of(standing: &Standing, fatal: &'static str) -> Finding {
    let severity = match standing.relation {
        Relation::UpToDate => Severity::InStep,
        Relation::Unknown | Relation::Detached | Relation::NoUpstream => Severity::CouldNotTell,
        _ => Severity::Drift,
    };
    let text = commands::state::text(standing);
    let message = text.lines().next().unwrap_or_default().trim_end_matches('.').to_owned();
    let mut finding = Finding::new(severity, standing.relation.word(), message);
    finding.fatal = (severity == Severity::Drift).then_some(fatal);
    let commit = |oid: Option<&crate::git::names::Oid>| oid.map_or_else(|| "none".to_owned(), ToString::to_string);
    let target = standing.target.as_ref().map(ToString::to_string).unwrap_or_default();
    finding.details = vec![
        format!("here        {}  {}", commit(standing.head.commit.as_ref()), standing.head.branch.as_deref().unwrap_or("HEAD")),
        format!("remote      {}  {target}", commit(standing.remote.as_ref())),
    ];
    finding.mend = mend(standing);
    finding.with_object(json::git_state(standing, commands::state::exit(standing, true)))
}

fn mend(standing: &Standing) -> Option<String> {
    let words = match standing.relation {
        Relation::UpToDate => return None,
        Relation::Behind | Relation::Diverged | Relation::Unborn => "driftless git sync",
        Relation::Ahead | Relation::Empty => "git push",
        Relation::Detached => "git switch BRANCH",
        Relation::NoUpstream => "git branch --set-upstream-to=REMOTE/BRANCH",
        Relation::Gone => "git push --set-upstream REMOTE BRANCH",
        Relation::Unrelated => "git log --oneline --all, and decide whose history counts",
        Relation::Unknown => "driftless git state, when the remote answers",
    };
    Some(words.to_owned())
}
