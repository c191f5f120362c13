//! `git state`: how the branch stands to its remote.

use std::fmt::Write as _;

use super::{Here, some};
use crate::cli::args::git::State;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::render::count;
use crate::cli::{Answer, json};
use crate::git::state::{Ask, Relation, Standing, look};

pub fn run(here: &Here<'_>, typed: &State) -> Result<Answer, Failure> {
    let repository = here.repository()?;
    let ask = if typed.no_fetch { Ask::Nobody } else { Ask::Remote };
    let standing = look(&repository, here.place.remote.as_deref(), here.place.branch.as_deref(), ask)?;
    let exit = exit(&standing, typed.exit_code);
    Ok(here.context.answer(exit, || json::git_state(&standing, exit), || text(&standing)))
}

/// What could not be found out is told in any case.
pub fn exit(standing: &Standing, wanted: bool) -> Exit {
    match standing.relation {
        Relation::Unknown => Exit::Unchecked,
        Relation::UpToDate => Exit::Done,
        _ if wanted => Exit::Drift,
        _ => Exit::Done,
    }
}

pub fn text(standing: &Standing) -> String {
    let branch = standing.head.branch.clone().unwrap_or_else(|| "HEAD".to_owned());
    let target = standing.target.as_ref().map_or_else(|| "its remote".to_owned(), ToString::to_string);
    let commits =
        |number: Option<u64>| number.map_or_else(|| "commits that are not here".to_owned(), |number| count(number, "commit"));
    let (ahead, behind) = (commits(standing.ahead), commits(standing.behind));
    let mut text = match standing.relation {
        Relation::UpToDate => format!("{branch} is up to date with {target}.\n"),
        Relation::Behind => format!("{branch} is behind {target} by {behind}.\n"),
        Relation::Ahead => format!("{branch} is ahead of {target} by {ahead}.\n"),
        Relation::Diverged => format!("{branch} and {target} have diverged: {ahead} here, {behind} there.\n"),
        Relation::Unborn => format!("{branch} has no commit yet; {target} has.\n"),
        Relation::Detached => "No branch is checked out (HEAD is detached).\n".to_owned(),
        Relation::NoUpstream => format!("Nothing says which branch of which remote goes with {branch}.\n"),
        Relation::Empty => format!("{target} does not exist yet: nobody pushed to the remote so far.\n"),
        Relation::Gone => format!("The remote answers that {target} does not exist.\n"),
        Relation::Unrelated => format!("{branch} and {target} have no commit in common.\n"),
        Relation::Unknown => {
            let why = standing.cause.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("How {branch} stands to {target} could not be found out: {why}\n")
        }
    };
    if let Some(operation) = standing.operation {
        let _ = writeln!(text, "A {operation} is under way.");
    }
    let dirty = &standing.status.dirty;
    let number = |which: fn(&crate::git::tree::Dirty) -> bool| dirty.iter().filter(|dirty| which(dirty)).count();
    let (staged, unstaged) = (number(|dirty| dirty.staged), number(|dirty| dirty.unstaged));
    if !dirty.is_empty() || !standing.status.untracked.is_empty() {
        let _ =
            writeln!(text, "Not committed: {staged} staged, {unstaged} changed, {} untracked.", standing.status.untracked.len());
    }
    if !standing.in_the_way.is_empty() {
        let _ = writeln!(text, "In the way of the remote's version, and kept first by a sync: {}.", some(&standing.in_the_way));
    }
    text
}
