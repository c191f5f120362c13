//! `git sync`: follow the remote.

use std::fmt::Write as _;

use super::{Ended, Here, capital, clone, note, some};
use crate::cli::args::git::{Mode, Sync};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::render::count;
use crate::cli::{Answer, json};
use crate::git::deliver::{Delivery, Outcome};
use crate::git::landed::LeftOut;
use crate::git::sync::{Action, Authority, Synced, Wish, sync};
use crate::git::tend::tend;
use crate::model::shown::short;

pub fn run(here: &Here<'_>, typed: &Sync) -> Result<Answer, Failure> {
    let began = std::time::Instant::now();
    let folder = here.folder();
    if typed.initial {
        clone::where_there_is_none(here, &folder, typed.clone.as_deref())?;
    }
    let repository = here.repository()?;
    let wish = Wish {
        remote: here.place.remote.clone(),
        branch: here.place.branch.clone(),
        authority: authority(&typed.mode)?,
        initial: typed.initial,
        accept_rewrite: typed.accept_rewrite,
        dry_run: typed.dry_run,
        wait: here.wait(),
        retry_for: typed.mode.retry_for,
    };
    let synced = sync(&repository, &wish);
    if !typed.dry_run {
        note(&repository, "sync", began.elapsed(), &ended(synced.as_ref()));
        tend(&repository);
    }
    let synced = synced?;
    let exit = exit(&synced.delivery);
    let elapsed = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(here.context.answer(exit, || json::git_sync(&synced, typed.dry_run, exit, elapsed), || text(&synced, typed.dry_run)))
}

/// The flag, else the variable. A word that is neither yes nor no is not guessed at: much hangs on it.
pub fn authority(mode: &Mode) -> Result<Authority, Failure> {
    let set = std::env::var("GIT_SYNC_ALPHA").unwrap_or_default();
    match set.to_lowercase().as_str() {
        _ if mode.alpha => Ok(Authority::Local),
        "true" | "1" | "yes" | "on" => Ok(Authority::Local),
        "" | "false" | "0" | "no" | "off" => Ok(Authority::Remote),
        _ => Err(Failure::usage(format!("GIT_SYNC_ALPHA is neither true nor false: {}.", short(&set)))),
    }
}

/// How it went, with what had waited.
pub fn ended<'a>(result: Result<&Synced, &crate::git::Error>) -> Ended<'a> {
    result.map_or_else(Ended::failed, |synced| met(&synced.delivery).unwrap_or(Ended::Well(synced.action.word())))
}

/// What a delivery met, where not everything arrived.
pub fn met<'a>(delivery: &Delivery) -> Option<Ended<'a>> {
    let of = |outcome: &Outcome| match outcome {
        Outcome::Conflict { paths, .. } => Some(Ended::Badly { result: "conflict", message: some(paths) }),
        Outcome::Rejected { message, .. } => Some(Ended::Badly { result: "rejected", message: message.clone() }),
        Outcome::Landed(_) | Outcome::Unchanged => None,
    };
    let left = delivery.left.as_ref().map(|why| Ended::Badly { result: "deferred", message: why.to_string() });
    left.or_else(|| delivery.outcomes.iter().find_map(|(_, outcome)| of(outcome)))
}

/// What was delivered may have met somebody else's change.
pub fn exit(delivery: &Delivery) -> Exit {
    let conflict = delivery.outcomes.iter().any(|(_, outcome)| matches!(outcome, Outcome::Conflict { .. }));
    let rejected = delivery.outcomes.iter().any(|(_, outcome)| matches!(outcome, Outcome::Rejected { .. }));
    let several = [(conflict, Exit::Conflicts), (rejected, Exit::Refused)];
    let found: Vec<Exit> = several.into_iter().filter(|(is_so, _)| *is_so).map(|(_, exit)| exit).collect();
    Exit::first(&found)
}

pub fn text(synced: &Synced, dry_run: bool) -> String {
    let mut text = delivered(&synced.delivery, dry_run);
    if let Some(LeftOut { commits, backups }) = &synced.left_out {
        let number = count(*commits as u64, "commit");
        let _ = writeln!(text, "{number} of ours stay out of the remote's history, kept in the backup {}.", backups.join(", "));
    }
    let target = &synced.target;
    let standing = &synced.standing;
    let would = |would: &str, did: &str| if dry_run { would.to_owned() } else { did.to_owned() };
    let _ = match (synced.action, &synced.followed) {
        (Action::Nothing, _) => writeln!(text, "In step with {target}."),
        (Action::Wait, _) => {
            let ahead = count(standing.ahead.unwrap_or_default(), "commit");
            writeln!(text, "{ahead} of this clone to be pushed by the next tick; the remote was not followed.")
        }
        (action, followed) => {
            let verb = would("would follow", "followed");
            let files = followed
                .as_ref()
                .map_or_else(String::new, |followed| format!(", {} changed", count(followed.files_changed as u64, "file")));
            let left = if action == Action::Accept { ", leaving commits of ours" } else { "" };
            writeln!(text, "{} {target}{left}{files}.", capital(&verb))
        }
    };
    if let Some(followed) = &synced.followed
        && let Some(backup) = &followed.backup
    {
        let what = if followed.displaced.is_empty() { "What was left".to_owned() } else { some(&followed.displaced) };
        let _ = writeln!(text, "{what} is kept in the backup {backup} (`driftless git backups restore {backup}`).");
    }
    text
}

/// What had waited.
pub fn delivered(delivery: &Delivery, dry_run: bool) -> String {
    let mut text = String::new();
    let number = |which: fn(&Outcome) -> bool| delivery.outcomes.iter().filter(|(_, outcome)| which(outcome)).count() as u64;
    let landed = number(|outcome| matches!(outcome, Outcome::Landed(_) | Outcome::Unchanged));
    if landed > 0 {
        let number = count(landed, "update");
        let _ = match (dry_run, landed) {
            (true, 1) => writeln!(text, "{number} that waits would be delivered."),
            (true, _) => writeln!(text, "{number} that wait would be delivered."),
            (false, 1) => writeln!(text, "{number} that had waited was delivered."),
            (false, _) => writeln!(text, "{number} that had waited were delivered."),
        };
    }
    for (_, outcome) in &delivery.outcomes {
        let _ = match outcome {
            Outcome::Conflict { paths, .. } if dry_run => {
                writeln!(text, "A publish of {} meets somebody else's change, and would be kept as a conflict.", some(paths))
            }
            Outcome::Conflict { paths, kept } => {
                writeln!(text, "A publish of {} met somebody else's change and is kept under {kept}.", some(paths))
            }
            Outcome::Rejected { message, kept } => {
                writeln!(text, "The remote does not take a publish ({message}); it is kept under {kept}.")
            }
            _ => Ok(()),
        };
    }
    if let Some(left) = &delivery.left {
        let _ = writeln!(text, "What waits goes on waiting: {left}.");
    }
    text
}
