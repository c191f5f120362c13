//! `git tick`: the user's commands, then one commit of exactly the named paths on the remote's tip.
//!
//! What the commands changed is published like any publish: it waits under a ref before anything is sent, and a lost race
//! makes the commit anew on the new tip. So a tick never makes the branch diverge, and one whose push failed goes out with the
//! next, also after a restart.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use super::command::Git;
use super::error::{Error, Result};
use super::follow::{movable, named, undisturbed};
use super::force::{self, Ours};
use super::halfway;
use super::lock::{self, Which};
use super::names::{Kind, Oid, Target};
use super::pending::{Edit, Pending, Policy, last, list, record};
use super::publish::{Attributes, content, gone, message};
use super::repository::Repository;
use super::seen;
use super::state::{Ask, Relation, Standing, look};
use super::sync::{Authority, Synced, Wish, bring_in_step, no_upstream};
use super::tree::{Dirty, Mode, Untracked, status};
use crate::disk::checkout::{self, Place};
use crate::disk::group::{self, End};
use crate::disk::{clock, local};
use crate::model::{native, utc};

/// What a tick does.
pub struct Tick {
    pub wish: Wish,
    /// Lines for `sh`, one after the other, at the top of the work tree.
    pub commands: Vec<String>,
    /// How long each may take.
    pub run_timeout: Option<Duration>,
    /// Below the top; files and folders.
    pub paths: Vec<Vec<u8>>,
    /// `{time}`, `{host}` and `{files}` are filled in.
    pub message: String,
    /// Where somebody else changed the same path; without it ours where this copy counts, else theirs.
    pub policy: Option<Policy>,
}

/// What it came to.
#[derive(Debug)]
pub struct Ticked {
    /// The paths whose change was committed.
    pub paths: Vec<Vec<u8>>,
    pub id: Option<String>,
    pub pushed: Option<Ours>,
    /// `None` where the remote could not be reached.
    pub synced: Option<Synced>,
    /// Why something waits.
    pub left: Option<Error>,
}

/// One tick.
pub fn tick(repository: &Repository, tick: &Tick) -> Result<Ticked> {
    let turn = lock::take(repository, Which::Turn, "tick", tick.wish.wait)?;
    // Files in the middle of a merge are nothing to publish.
    let head = repository.head()?;
    let branch = movable(repository, &head)?;
    let wish = &tick.wish;
    let target = repository.target(Some(&branch), wish.remote.as_deref(), wish.branch.as_deref())?;
    let target = target.ok_or_else(|| no_upstream(&branch))?;
    // What a killed follow put aside is not deleted, and what it left half written nobody's edit.
    halfway::resume(repository, &head)?;
    for command in &tick.commands {
        run(&repository.git, command, tick.run_timeout)?;
    }
    let mut standing = look(repository, wish.remote.as_deref(), wish.branch.as_deref(), Ask::Remote)?;
    let recorded = commit(repository, tick, &target, standing.remote.as_ref())?;
    if let Some(pending) = &recorded {
        repository.flush_ref(&format!("{}{}", target.prefix(Kind::Pending), pending.id))?;
    }
    let (id, paths) = recorded.map_or((None, Vec::new()), |pending| {
        (Some(pending.id), pending.changes.into_iter().map(|change| change.path).collect())
    });
    let mut ticked = Ticked { paths, id, pushed: None, synced: None, left: None };
    if let Some(cause) = standing.cause.take() {
        ticked.left = Some(cause);
        return Ok(ticked);
    }
    match push_commits(repository, wish, &target, &standing) {
        Ok(None) => {}
        Ok(pushed) => {
            ticked.pushed = pushed;
            standing = look(repository, wish.remote.as_deref(), wish.branch.as_deref(), Ask::Nobody)?;
        }
        // What waits beside them goes out all the same.
        Err(why @ Error::Refused { .. }) => ticked.left = Some(why),
        Err(error) => return Err(error),
    }
    let mut synced = match bring_in_step(repository, wish, standing, || Ok(turn)) {
        Ok(synced) => synced,
        Err(why @ Error::Busy { .. }) => return Ok(Ticked { left: Some(why), ..ticked }),
        Err(error) => return Err(error),
    };
    ticked.left = ticked.left.or(synced.delivery.left.take());
    ticked.synced = Some(synced);
    Ok(ticked)
}

/// Pushes commits of the user's, where the remote has none beside them or this copy counts.
fn push_commits(repository: &Repository, wish: &Wish, target: &Target, standing: &Standing) -> Result<Option<Ours>> {
    let Some(head) = &standing.head.commit else { return Ok(None) };
    let held = || lock::take(repository, Which::Writer, "tick", wish.wait);
    match (standing.relation, &standing.remote) {
        (Relation::Ahead | Relation::Empty, tip) => force::forward(repository, &held()?, target, head, tip.as_ref()),
        (Relation::Diverged, Some(tip)) if wish.authority == Authority::Local => {
            force::over(repository, &held()?, target, head, tip)
        }
        _ => Ok(None),
    }
}

/// Makes the publish that waits, of all that differs from HEAD in the paths; `None` where nothing does.
fn commit(repository: &Repository, tick: &Tick, target: &Target, tip: Option<&Oid>) -> Result<Option<Pending>> {
    let specs: Vec<_> = tick.paths.iter().map(|path| native::spelled(path)).collect();
    let before = undisturbed(repository);
    let seen_now = status(repository, Untracked::All, &specs)?;
    if let Some(unmerged) = seen_now.dirty.iter().find(|dirty| dirty.unmerged) {
        let message = format!("The path {} is in the middle of a merge.", named(&unmerged.path));
        return Err(Error::refused(message, "Nothing was committed. `git add` says that it is merged."));
    }
    let is_submodule =
        |dirty: &Dirty| [&dirty.head, &dirty.index].into_iter().flatten().any(|version| version.mode == Mode::Submodule);
    // Which commit of another repository goes with this one, its own users say.
    let tracked = seen_now.dirty.into_iter().filter(|dirty| !is_submodule(dirty)).map(|dirty| dirty.path);
    let mut paths: Vec<Vec<u8>> = tracked.chain(seen_now.untracked).filter(|path| !path.ends_with(b"/")).collect();
    let waiting = list(repository, target)?;
    let last = last(&waiting);
    // What waits may have been changed back since; in another work tree of this clone nobody knows by whom.
    if !local::is_folder(&repository.common.join("worktrees")) {
        paths.extend(last.keys().filter(|path| tick.paths.iter().any(|named| is_at_or_below(path, named))).cloned());
    }
    paths.sort();
    paths.dedup();
    if paths.is_empty() || specs.is_empty() {
        return Ok(None);
    }
    let attributes = Attributes::of(repository, &paths)?;
    let mut edits = Vec::new();
    for path in &paths {
        let content = match checkout::look(&repository.place(path))? {
            Place::Absent | Place::Folder => gone(repository, path)?,
            _ => content(repository, &attributes, tip, path)?,
        };
        edits.push(Edit { path: path.clone(), content });
    }
    // Another git in between: what is missing or half may only be about to come.
    before.and_then(|()| undisturbed(repository))?;
    let head = repository.head()?;
    let ground = seen::ground(repository, target, tip, &head, edits)?;
    let default = if tick.wish.authority == Authority::Local { Policy::Ours } else { Policy::Theirs };
    let text = filled(&tick.message, paths.len());
    let policy = tick.policy.unwrap_or(default);
    let pending = record(repository, target, ground, (&message(&text), policy), &waiting)?;
    // All of it waits already, or there is nothing.
    if pending.changes.iter().all(|change| last.get(&change.path) == Some(&change.after)) {
        let name = format!("{}{}", target.prefix(Kind::Pending), pending.id);
        repository.git.call(&["update-ref", "-d", &name, pending.commit.as_str()]).ok()?;
        return Ok(None);
    }
    Ok(Some(pending))
}

fn is_at_or_below(path: &[u8], named: &[u8]) -> bool {
    path.strip_prefix(named).is_some_and(|rest| named.is_empty() || rest.is_empty() || rest.starts_with(b"/"))
}

fn filled(template: &str, files: usize) -> String {
    let now = utc::plain(clock::now());
    template.replace("{time}", &now).replace("{host}", &local::host_name()).replace("{files}", &files.to_string())
}

/// How long a command that is asked to end may take for it.
const GRACE: Duration = Duration::from_secs(3);

/// A line of the user's, with its output on our stderr, for no longer than `limit`; an end with another code than 0 stops the
/// tick before its commit.
pub fn run(git: &Git, line: &str, limit: Option<Duration>) -> Result<()> {
    let failed = |what: String| {
        Error::refused(format!("The command `{}` {what}.", crate::model::shown::short(line)), "Nothing was committed.")
    };
    let mut command = group::shell(line);
    command.current_dir(git.folder()).stdin(Stdio::null()).stdout(io::stderr());
    let mut child = group::spawn(&mut command).map_err(|error| failed(format!("does not start: {error}")))?;
    match child.wait_for(limit, GRACE, git.stop()).map_err(|error| failed(format!("is lost: {error}")))? {
        End::Own(status) if status.success() => Ok(()),
        End::Own(status) => Err(failed(format!("ended with {status}"))),
        End::Late => Err(failed(format!("took longer than {} s and was ended", limit.unwrap_or_default().as_secs_f32()))),
        End::Stopped => Err(Error::Stopped),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_filled_in() {
        let filled = filled("tick {files} on {host} at {time}", 3);
        assert!(filled.starts_with("tick 3 on ") && !filled.contains('{'), "{filled}");
    }
}
