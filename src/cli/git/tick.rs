//! `git tick`: the user's commands, and one commit of what they changed.

use super::{Ended, Here, note, some, sync};
use crate::cli::args::git::{OnConflict, Tick as Typed, TickWork};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::{Answer, json};
use crate::git::repository::{Repository, is_path};
use crate::git::sync::Wish;
use crate::git::tend::tend;
use crate::git::tick::{Tick, Ticked, tick};
use crate::model::native;

pub fn run(here: &Here<'_>, typed: &Typed) -> Result<Answer, Failure> {
    let began = std::time::Instant::now();
    let repository = here.repository()?;
    let work = work(here, Some(&repository), &typed.work)?;
    let ticked = tick(&repository, &work);
    note(&repository, "tick", began.elapsed(), &ended(ticked.as_ref()));
    tend(&repository);
    let ticked = ticked?;
    let exit = exit(&ticked);
    Ok(here.context.answer(exit, || json::git_tick(&ticked, exit), || text(&ticked)))
}

/// What was typed, as what is to be done. Paths count from the top.
pub fn work(here: &Here<'_>, repository: Option<&Repository>, typed: &TickWork) -> Result<Tick, Failure> {
    let path = |typed: &std::path::PathBuf| {
        let bytes = native::slashed(typed);
        let plain = bytes.strip_suffix(b"/").unwrap_or(&bytes).to_vec();
        if is_path(&plain) {
            return Ok(plain);
        }
        match repository {
            // The top itself, as git names it.
            Some(repository) => here.below_top(repository, typed).map(|path| if path.is_empty() { b".".to_vec() } else { path }),
            None => {
                Err(Failure::usage(format!("{} is no path below the top of the work tree.", crate::cli::failure::shown(typed))))
            }
        }
    };
    Ok(Tick {
        wish: Wish {
            remote: here.place.remote.clone(),
            branch: here.place.branch.clone(),
            authority: sync::authority(&typed.mode)?,
            initial: false,
            accept_rewrite: false,
            dry_run: false,
            wait: here.wait(),
            retry_for: typed.mode.retry_for,
        },
        commands: typed.run.clone(),
        run_timeout: typed.run_timeout,
        paths: typed.paths.iter().map(path).collect::<Result<_, _>>()?,
        message: typed.message.clone(),
        policy: typed.on_conflict.map(OnConflict::policy),
    })
}

pub fn word(ticked: &Ticked) -> &'static str {
    match (&ticked.left, &ticked.id, &ticked.pushed) {
        (Some(_), ..) => "deferred",
        (None, Some(_), _) => "committed",
        (None, None, Some(_)) => "pushed",
        _ => "nothing",
    }
}

/// How it went, with what had waited.
pub fn ended<'a>(result: Result<&Ticked, &crate::git::Error>) -> Ended<'a> {
    let ticked = match result {
        Ok(ticked) => ticked,
        Err(error) => return Ended::failed(error),
    };
    match &ticked.left {
        Some(why) => Ended::Badly { result: "deferred", message: why.to_string() },
        None => ticked.synced.as_ref().and_then(|synced| sync::met(&synced.delivery)).unwrap_or(Ended::Well(word(ticked))),
    }
}

fn exit(ticked: &Ticked) -> Exit {
    let delivered = ticked.synced.as_ref().map_or(Exit::Done, |synced| sync::exit(&synced.delivery));
    match &ticked.left {
        None => delivered,
        Some(why) if why.is_passing() => Exit::Offline,
        Some(crate::git::Error::Busy { .. }) => Exit::Busy,
        Some(crate::git::Error::Refused { .. }) => Exit::Refused,
        Some(_) => Exit::Failed,
    }
}

pub fn text(ticked: &Ticked) -> String {
    let mut text = String::new();
    if !ticked.paths.is_empty() {
        text.push_str(&format!("Committed {}.\n", some(&ticked.paths)));
    }
    if let Some(ours) = &ticked.pushed {
        text.push_str(&match &ours.replaced {
            None => format!("Pushed our commits up to {}.\n", ours.commit.brief()),
            Some((was, kept)) => {
                format!("Pushed {} by force over {}, which is kept in the backup {kept}.\n", ours.commit.brief(), was.brief())
            }
        });
    }
    if let Some(left) = &ticked.left {
        text.push_str(&match left {
            // A sentence of ours, and what to do.
            crate::git::Error::Refused { message, advice } => format!("{message} {advice}\n"),
            left => format!("What is not pushed waits for the next tick: {left}.\n"),
        });
    }
    if let Some(synced) = &ticked.synced {
        text.push_str(&sync::text(synced, false));
    }
    text
}
