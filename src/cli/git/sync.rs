//! `git sync`: follow the remote.

use std::fmt::Write as _;

use super::{Here, clone, note, some};
use crate::cli::args::git::{Mode, Sync};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::render::count;
use crate::cli::{Answer, json};
use crate::git::deliver::{Delivery, Outcome};
use crate::git::sync::{Action, Authority, Synced, Wish, sync};

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
        authority: authority(&typed.mode),
        initial: typed.initial,
        dry_run: typed.dry_run,
        wait: here.wait(),
        retry_for: typed.mode.retry_for,
    };
    let synced = sync(&repository, &wish);
    if !typed.dry_run {
        note(&repository, "sync", began, synced.as_ref().map(|synced| synced.action.word()));
    }
    let synced = synced?;
    let exit = exit(&synced.delivery);
    let elapsed = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(here.context.answer(exit, || json::git_sync(&synced, typed.dry_run, exit, elapsed), || text(&synced, typed.dry_run)))
}

/// The flag, else the variable.
pub fn authority(mode: &Mode) -> Authority {
    let set =
        std::env::var("GIT_SYNC_ALPHA").is_ok_and(|value| matches!(value.to_lowercase().as_str(), "true" | "1" | "yes" | "on"));
    if mode.alpha || set { Authority::Local } else { Authority::Remote }
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
    let mut text = delivered(&synced.delivery);
    let target = &synced.target;
    let standing = &synced.standing;
    let would = |would: &str, did: &str| if dry_run { would.to_owned() } else { did.to_owned() };
    let _ = match (synced.action, &synced.followed) {
        (Action::Nothing, _) => writeln!(text, "In step with {target}."),
        (Action::Wait, _) => {
            let ahead = count(standing.ahead.unwrap_or_default(), "commit");
            writeln!(text, "{ahead} here wait for the next tick; the remote was not followed.")
        }
        (action, followed) => {
            let verb = would("would follow", "followed");
            let files = followed
                .as_ref()
                .map_or_else(String::new, |followed| format!(", {} changed", count(followed.files_changed as u64, "file")));
            let left = if action == Action::Accept { ", leaving commits of ours" } else { "" };
            writeln!(text, "{} {target}{left}{files}.", sentence_start(&verb))
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

fn sentence_start(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}", first.to_uppercase(), letters.as_str()))
}

/// What had waited.
pub fn delivered(delivery: &Delivery) -> String {
    let mut text = String::new();
    let number = |which: fn(&Outcome) -> bool| delivery.outcomes.iter().filter(|(_, outcome)| which(outcome)).count() as u64;
    let landed = number(|outcome| matches!(outcome, Outcome::Landed(_) | Outcome::Unchanged));
    if landed > 0 {
        let _ =
            writeln!(text, "{} that had waited {} delivered.", count(landed, "update"), if landed == 1 { "was" } else { "were" });
    }
    for (_, outcome) in &delivery.outcomes {
        let _ = match outcome {
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
