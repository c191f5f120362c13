//! `git lock`: who is at work here. `git unlock`: lock files of git that a crash left.

use super::Here;
use crate::cli::args::git::Unlock;
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, shown};
use crate::cli::{Answer, json};
use crate::git::lock::{self, Holder, Which};
use crate::git::unlock::{Found, Verdict, look, remove};

pub fn run(here: &Here<'_>) -> Result<Answer, Failure> {
    let repository = here.repository()?;
    let mut holders = Vec::new();
    for which in [Which::Writer, Which::Turn] {
        holders.push((which, lock::holder(&repository, which)));
    }
    let text = || {
        let line = |(which, holder): &(Which, Option<Holder>)| {
            let what = if *which == Which::Writer { "refs" } else { "work tree" };
            format!("{what:10} {}\n", holder.as_ref().map_or_else(|| "nobody".to_owned(), Holder::sentence))
        };
        holders.iter().map(line).collect::<String>()
    };
    Ok(here.context.answer(Exit::Done, || json::git_lock(&holders), text))
}

/// A lock file, and whether it was removed.
pub type Judged = (Found, bool);

pub fn unlock(here: &Here<'_>, typed: &Unlock) -> Result<Answer, Failure> {
    let repository = here.repository()?;
    let mut judged: Vec<Judged> = Vec::new();
    for found in look(&repository, typed.older_than)? {
        let gone = !typed.dry_run && matches!(found.verdict, Verdict::Left(_)) && remove(&repository, &found, typed.older_than)?;
        judged.push((found, gone));
    }
    let stays = judged.iter().any(|(found, _)| matches!(found.verdict, Verdict::Stays(_)));
    let exit = if stays { Exit::Refused } else { Exit::Done };
    Ok(here.context.answer(exit, || json::git_unlock(&judged, typed.dry_run, exit), || text(&judged, typed.dry_run)))
}

fn text(judged: &[Judged], dry_run: bool) -> String {
    if judged.is_empty() {
        return "No lock file of git stands here.\n".to_owned();
    }
    let line = |(found, gone): &Judged| {
        let (what, why) = match &found.verdict {
            Verdict::Left(why) if dry_run => ("would be removed", why),
            Verdict::Left(why) if *gone => ("removed", why),
            Verdict::Left(why) => ("went away by itself", why),
            Verdict::Stays(why) => ("stays", why),
        };
        format!("{}: {what}, because {why}.\n", shown(&found.path))
    };
    judged.iter().map(line).collect()
}
