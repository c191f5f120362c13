//! `git sync`: what is done for each state.
//!
//! | state | the remote counts | this copy counts (alpha) |
//! | --- | --- | --- |
//! | up to date | nothing | nothing |
//! | behind, no commit yet | follows | follows |
//! | ahead | waits for the next tick | waits for the next tick |
//! | diverged | accepts the remote, keeping what is here | waits: the next tick pushes by force; at start-up accepts the remote |
//! | anything else | refused | refused |

use std::time::Duration;

use super::deliver::{Delivery, Errand, Outcome, deliver, foresee};
use super::error::{Error, Result};
use super::follow::{Followed, Reason, follow, movable};
use super::force;
use super::halfway;
use super::landed::{self, LeftOut};
use super::lock::{self, Held, Which};
use super::names::Target;
use super::pending;
use super::push::Hooks;
use super::repository::Repository;
use super::state::{Ask, Relation, Standing, look};

/// Which copy counts where both changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Authority {
    #[default]
    Remote,
    /// Alpha.
    Local,
}

/// What a sync is asked for.
#[derive(Clone, Debug)]
pub struct Wish {
    pub remote: Option<String>,
    pub branch: Option<String>,
    pub authority: Authority,
    /// At start-up the remote counts, whatever the mode.
    pub initial: bool,
    /// Commits of ours that were taken out of the remote's history stay out.
    pub accept_rewrite: bool,
    pub dry_run: bool,
    pub wait: Duration,
    pub retry_for: Duration,
}

/// What was done, or would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Nothing,
    /// The branch only had to go forward.
    FastForward,
    /// The branch was set to the remote's; commits of ours are in a backup.
    Accept,
    /// Commits of ours wait for the next tick.
    Wait,
}

impl Action {
    pub fn word(self) -> &'static str {
        match self {
            Action::Nothing => "none",
            Action::FastForward => "fast_forward",
            Action::Accept => "accept_remote",
            Action::Wait => "wait_for_tick",
        }
    }
}

/// The end of a sync.
#[derive(Debug)]
pub struct Synced {
    pub action: Action,
    pub target: Target,
    /// As it was found.
    pub standing: Standing,
    pub followed: Option<Followed>,
    pub delivery: Delivery,
    pub left_out: Option<LeftOut>,
}

/// Looks, and brings the branch in step.
pub fn sync(repository: &Repository, wish: &Wish) -> Result<Synced> {
    let standing = look(repository, wish.remote.as_deref(), wish.branch.as_deref(), Ask::Remote)?;
    let turn = || lock::take(repository, Which::Turn, "sync", wish.wait);
    bring_in_step(repository, wish, standing, turn)
}

/// Brings the branch in step, from what was seen. `turn` takes the work tree's turn where that has to move.
pub fn bring_in_step(
    repository: &Repository,
    wish: &Wish,
    mut standing: Standing,
    turn: impl FnOnce() -> Result<Held>,
) -> Result<Synced> {
    if let Some(cause) = standing.cause.take() {
        return Err(cause);
    }
    let target = standing.target.clone().ok_or_else(|| refusal(&standing))?;
    let mut delivery = Delivery::default();
    let mut left_out = None;
    if wish.accept_rewrite && !wish.dry_run {
        let held = lock::take(repository, Which::Writer, "sync", wish.wait)?;
        left_out = landed::leave_out(repository, &target, &held)?;
    }
    let waiting = !pending::list(repository, &target)?.is_empty();
    if wish.dry_run {
        delivery = foresee(repository, &target, standing.remote.as_ref())?;
        let action = after(decide(&standing, wish)?, &standing, wish, &delivery);
        return Ok(Synced { action, target, standing, followed: None, delivery, left_out });
    }
    let nothing =
        !waiting && !halfway::is_left(repository)? && matches!(decide(&standing, wish)?, Action::Nothing | Action::Wait);
    if nothing {
        let action = decide(&standing, wish)?;
        return Ok(Synced { action, target, standing, followed: None, delivery, left_out });
    }
    let _turn = turn()?;
    let held = lock::take(repository, Which::Writer, "sync", wish.wait)?;
    pending::sweep(repository)?;
    // A follow that was killed behind its move leaves a branch in step, and what it put aside.
    halfway::resume(repository, &repository.head()?)?;
    if waiting {
        let errand = Errand { mine: None, beside: None, retry_for: wish.retry_for, hooks: Hooks::No };
        delivery = deliver(repository, &target, &held, &errand)?;
    }
    // Under the lock, and with what was delivered. Who writes all the time may come between a look and the move.
    let mut tries = 0;
    loop {
        let now = look(repository, wish.remote.as_deref(), wish.branch.as_deref(), Ask::Nobody)?;
        let action = decide(&now, wish)?;
        match step(repository, &held, &target, action, &now) {
            Err(Error::Stirred { .. }) if tries < TRIES => tries += 1,
            followed => return Ok(Synced { action, target, standing: now, followed: followed?, delivery, left_out }),
        }
    }
}

/// How often a move is tried again that somebody came between.
const TRIES: u32 = 5;

fn step(repository: &Repository, held: &Held, target: &Target, action: Action, now: &Standing) -> Result<Option<Followed>> {
    let (Action::FastForward | Action::Accept, Some(tip)) = (action, &now.remote) else { return Ok(None) };
    let commits = if action == Action::Accept { now.ahead.unwrap_or(1).max(1) } else { 0 };
    let why = format!("{} followed {} to {}", movable(repository, &now.head)?, target, tip.brief());
    let followed = follow(repository, held, &now.head, target, tip, &Reason { why: &why, commits })?;
    if action == Action::Accept {
        // Who accepts the remote has ended whatever was fought over.
        force::forget(repository, target)?;
    }
    Ok(Some(followed))
}

/// What is done once that was delivered, which puts commits on the remote's tip.
fn after(action: Action, standing: &Standing, wish: &Wish, delivery: &Delivery) -> Action {
    let lands = delivery.outcomes.iter().any(|(_, outcome)| matches!(outcome, Outcome::Landed(_)));
    match standing.relation {
        Relation::UpToDate if lands => Action::FastForward,
        Relation::Ahead if lands && accepts(wish) => Action::Accept,
        _ => action,
    }
}

fn accepts(wish: &Wish) -> bool {
    wish.initial || wish.authority == Authority::Remote
}

fn decide(standing: &Standing, wish: &Wish) -> Result<Action> {
    Ok(match standing.relation {
        Relation::UpToDate => Action::Nothing,
        Relation::Behind | Relation::Unborn => Action::FastForward,
        Relation::Ahead => Action::Wait,
        Relation::Empty if standing.head.commit.is_some() => Action::Wait,
        Relation::Empty => Action::Nothing,
        Relation::Diverged if accepts(wish) => Action::Accept,
        Relation::Diverged => Action::Wait,
        _ => return Err(refusal(standing)),
    })
}

/// Where nothing says which branch of which remote is meant.
pub fn no_upstream(branch: &str) -> Error {
    let message = format!("Nothing says which branch of which remote goes with {branch}.");
    let advice = "Name it with --remote and --branch, or for good: `git branch --set-upstream-to=REMOTE/BRANCH`.";
    Error::refused(message, format!("Nothing was changed. {advice}"))
}

/// Why a state is none that can be brought in step, and what helps.
pub fn refusal(standing: &Standing) -> Error {
    let branch = standing.head.branch.as_deref().unwrap_or_default();
    let target = standing.target.as_ref().map(ToString::to_string).unwrap_or_default();
    let (message, advice) = match standing.relation {
        Relation::Detached => ("No branch is checked out (HEAD is detached).".to_owned(), "`git switch BRANCH` checks one out."),
        Relation::NoUpstream => return no_upstream(branch),
        Relation::Gone => {
            let message = format!("The remote answers that {target} does not exist.");
            (message, "If it was renamed or deleted, `git branch --set-upstream-to` names another; `git push` makes it again.")
        }
        Relation::Unrelated => {
            let message = format!("{branch} and {target} have no commit in common.");
            (
                message,
                "It may be the wrong remote. If it is the right one: `git branch keep HEAD`, then `git reset --keep` to it.",
            )
        }
        other => (format!("The state is {}.", other.word()), "`driftless git state` tells more."),
    };
    Error::refused(message, format!("Nothing was changed. {advice}"))
}
