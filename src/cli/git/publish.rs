//! `git publish`: exactly the named files, as one commit on the remote's branch.

use super::{Ended, Here, note, some};
use crate::cli::args::git::{OnConflict, Publish};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::render::count;
use crate::cli::{Answer, json};
use crate::git::Error;
use crate::git::deliver::Outcome;
use crate::git::publish::{End, Published, Request, files, publish};
use crate::git::tend::tend;

pub fn run(here: &Here<'_>, typed: &Publish) -> Result<Answer, Failure> {
    let began = std::time::Instant::now();
    let repository = here.repository()?;
    let mut paths = Vec::new();
    for path in &typed.paths {
        paths.extend(files(&repository, &here.below_top(&repository, path)?)?);
    }
    paths.sort();
    paths.dedup();
    let deletes = typed.delete.iter().map(|path| here.below_top(&repository, path)).collect::<Result<Vec<_>, _>>()?;
    if deletes.iter().any(Vec::is_empty) {
        return Err(Failure::usage("--delete names the whole work tree. Name what is gone in it."));
    }
    if paths.is_empty() && deletes.is_empty() {
        return Err(Failure::refused("There is no file in what was named.").advise("Nothing was published."));
    }
    let request = Request {
        target: here.target(&repository)?,
        paths,
        deletes,
        message: typed.message.clone(),
        policy: typed.on_conflict.policy(),
        wait: here.wait(),
        retry_for: typed.retry_for,
    };
    let published = publish(&repository, &request);
    note(&repository, "publish", began.elapsed(), &ended(published.as_ref(), typed.on_conflict));
    tend(&repository);
    let published = published?;
    let exit = exit(&published, typed);
    let target = request.target.to_string();
    Ok(here.context.answer(exit, || json::git_publish(&published, &target, exit), || text(&published, &target)))
}

fn ended<'a>(result: Result<&Published, &Error>, on_conflict: OnConflict) -> Ended<'a> {
    let end = match result {
        Ok(published) => &published.end,
        Err(error) => return Ended::failed(error),
    };
    let message = match end {
        End::Done(Outcome::Landed(_) | Outcome::Unchanged) => return Ended::Well(word(end)),
        End::Done(Outcome::Conflict { .. }) if on_conflict == OnConflict::Theirs => return Ended::Well(word(end)),
        End::Done(Outcome::Conflict { paths, .. }) => some(paths),
        End::Done(Outcome::Rejected { message, .. }) => message.clone(),
        End::Waits { why, .. } => why.to_string(),
    };
    Ended::Badly { result: word(end), message }
}

fn exit(published: &Published, typed: &Publish) -> Exit {
    match &published.end {
        End::Done(Outcome::Landed(_) | Outcome::Unchanged) => Exit::Done,
        // The other version was asked for.
        End::Done(Outcome::Conflict { .. }) if typed.on_conflict == OnConflict::Theirs => Exit::Done,
        End::Done(Outcome::Conflict { .. }) => Exit::Conflicts,
        End::Done(Outcome::Rejected { .. }) => Exit::Refused,
        End::Waits {
            why: Error::Unreachable { .. } | Error::Silent { .. } | Error::Outrun { .. } | Error::Busy { .. }, ..
        } => {
            if typed.require_push {
                Exit::Offline
            } else {
                Exit::Done
            }
        }
        End::Waits { why: Error::Stopped, .. } => Exit::interrupted(None),
        End::Waits { why: Error::Refused { .. }, .. } => Exit::Refused,
        End::Waits { .. } => Exit::Failed,
    }
}

/// The word for it in JSON.
pub fn word(end: &End) -> &'static str {
    match end {
        End::Done(Outcome::Landed(_)) => "pushed",
        End::Done(Outcome::Unchanged) => "noop",
        End::Done(Outcome::Conflict { .. }) => "conflict",
        End::Done(Outcome::Rejected { .. }) => "rejected",
        End::Waits { .. } => "deferred",
    }
}

fn text(published: &Published, target: &str) -> String {
    let paths: Vec<Vec<u8>> = published.paths.iter().map(|(path, ..)| path.clone()).collect();
    let others = match published.others {
        0 => String::new(),
        number => format!(", with {} that had waited", count(number as u64, "other")),
    };
    let mut text = match &published.end {
        End::Done(Outcome::Landed(commit)) => format!("Published {} to {target} in {}{others}.\n", some(&paths), commit.brief()),
        End::Done(Outcome::Unchanged) => format!("Nothing to publish: {target} has it so already.\n"),
        End::Done(Outcome::Conflict { paths, kept }) => {
            format!("Somebody else changed {} in {target}; theirs stays, ours is kept under {kept}.\n", some(paths))
        }
        End::Done(Outcome::Rejected { message, kept }) => {
            format!("The remote does not take it: {message}. It is kept under {kept}.\n")
        }
        End::Waits { kept, why } => {
            format!("Kept for later under {kept} ({why}); the next publish, tick or sync takes it along.\n")
        }
    };
    for (path, policy) in &published.settled {
        let what = match policy.word() {
            "ours" => "ours was published over somebody else's change of",
            "theirs" => "somebody else's change stays of",
            _ => "both changes were merged in",
        };
        text.push_str(&format!("Note: {what} {}.\n", super::shown(path)));
    }
    text
}
