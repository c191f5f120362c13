//! `git watch`: both loops, one line an event, and a status file that shows a loop that died.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Here, clone, note, sync, tick};
use crate::cli::args::git::Watch;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::render::at_the_door;
use crate::cli::{Answer, json, warn};
use crate::disk::{clock, local};
use crate::git;
use crate::git::repository::Repository;
use crate::git::watch::{Event, Watching, watch};
use crate::model::time::Time;
use crate::model::utc;

const SYNC: Duration = Duration::from_secs(30);
const TICK: Duration = Duration::from_secs(900);

/// How it stands, as the status file says it.
#[derive(Clone, Debug, Default)]
pub struct Board {
    pub state: Option<&'static str>,
    pub last_event: String,
    pub last_sync_at: Option<String>,
    pub last_tick_at: Option<String>,
    pub last_success_at: Option<String>,
    pub consecutive_failures: u64,
    pub message: Option<String>,
}

pub fn run(here: &Here<'_>, typed: &Watch) -> Result<Answer, Failure> {
    let folder = here.folder();
    clone::where_there_is_none(here, &folder, typed.clone.as_deref())?;
    let repository = here.repository()?;
    let work = tick::work(here, Some(&repository), &typed.work)?;
    let (sync_every, tick_every) =
        (interval(typed.every, "GIT_SYNC_SYNC_INTERVAL", SYNC)?, interval(typed.tick_every, "GIT_SYNC_TICK_INTERVAL", TICK)?);
    let file = match &typed.status_file {
        Some(file) => here.context.place.here.join(file),
        None => repository.own_folder()?.join("watch.json"),
    };
    let told = Told { here, file, board: Mutex::default(), began: Mutex::new(Instant::now()), repository };
    // A clone that is gone for a while is an error of a round, not of the loop.
    let open = || {
        let mut repository = Repository::open(&here.git(&folder))?;
        here.lend_quietly(&mut repository)?;
        Ok(repository)
    };
    let watching = Watching {
        open: &open,
        tick: &work,
        sync_every,
        tick_every: (!typed.no_tick).then_some(tick_every),
        after_change: typed.after_change.as_deref(),
        is_stopped: &|| here.context.stop.signal().is_some(),
    };
    watch(&watching, &|event| told.tell(event));
    Ok(Answer { exit: here.context.stop.signal().map_or(Exit::Done, Exit::Signal), output: String::new() })
}

/// The flag, else the variable (seconds, or like 5m), else the default.
fn interval(typed: Option<Duration>, variable: &str, default: Duration) -> Result<Duration, Failure> {
    let Some(text) = std::env::var(variable).ok().filter(|_| typed.is_none()) else { return Ok(typed.unwrap_or(default)) };
    let seconds = text.trim().parse().map(Duration::from_secs).ok();
    let found = seconds.or_else(|| humantime::parse_duration(text.trim()).ok()).filter(|time| !time.is_zero());
    found.ok_or_else(|| Failure::usage(format!("{variable} is no number of seconds: {}.", crate::model::shown::short(&text))))
}

struct Told<'a> {
    here: &'a Here<'a>,
    file: PathBuf,
    board: Mutex<Board>,
    began: Mutex<Instant>,
    repository: Repository,
}

impl Told<'_> {
    fn tell(&self, event: &Event) {
        let now = utc::rfc3339(Time::from_parts(clock::now().parts().0, 0));
        let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        let (op, ended): (&'static str, Option<Result<&str, &git::Error>>) = match event {
            Event::Looked(relation) => {
                board.state = Some(relation.word());
                *self.began.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
                ("look", None)
            }
            Event::Synced(Ok(synced)) => ("sync", Some(Ok(synced.action.word()))),
            // The tick has its turn: nothing failed.
            Event::Synced(Err(git::Error::Busy { .. })) => ("sync", Some(Ok("busy"))),
            Event::Synced(Err(error)) => ("sync", Some(Err(error))),
            Event::Ticked(Ok(ticked)) => ("tick", Some(ticked.left.as_ref().map_or_else(|| Ok(tick::word(ticked)), Err))),
            Event::Ticked(Err(error)) => ("tick", Some(Err(error))),
            Event::AfterChange(result) => ("after_change", Some(result.as_ref().map(|()| "done"))),
        };
        match ended {
            None => {}
            Some(Err(git::Error::Stopped)) => return,
            Some(ended) => self.count(&mut board, op, &now, ended),
        }
        let text = json::git_watch(&board, op, &now);
        if let Err(error) = local::write_text(&self.file, &text) {
            warn(&format!("the status file is not written: {error}"));
        }
        let is_quiet = matches!(event, Event::Looked(_)) || matches!(ended, Some(Ok("none" | "busy" | "nothing")));
        if !is_quiet {
            self.print(&text, event);
        }
    }

    fn count(&self, board: &mut Board, op: &'static str, now: &str, ended: Result<&str, &git::Error>) {
        match op {
            "sync" => board.last_sync_at = Some(now.to_owned()),
            "tick" => board.last_tick_at = Some(now.to_owned()),
            _ => {}
        }
        match ended {
            Ok(word) => {
                word.clone_into(&mut board.last_event);
                (board.last_success_at, board.consecutive_failures, board.message) = (Some(now.to_owned()), 0, None);
            }
            Err(error) => {
                "failed".clone_into(&mut board.last_event);
                board.consecutive_failures += 1;
                board.message = Some(error.to_string());
            }
        }
        // A round that found nothing is no event of the history.
        if !matches!(ended, Ok("none" | "busy" | "nothing")) {
            let began = *self.began.lock().unwrap_or_else(PoisonError::into_inner);
            note(&self.repository, op, began, ended);
        }
    }

    /// Nobody may be reading; the loops go on.
    fn print(&self, line: &str, event: &Event) {
        let text = match event {
            _ if self.here.context.common.json => line.to_owned(),
            Event::Synced(Ok(synced)) => sync::text(synced, false),
            Event::Ticked(Ok(ticked)) => tick::text(ticked),
            Event::Synced(Err(error)) | Event::Ticked(Err(error)) | Event::AfterChange(Err(error)) => {
                format!("failed: {error}\n")
            }
            Event::AfterChange(Ok(())) => "The command after a change is done.\n".to_owned(),
            Event::Looked(_) => String::new(),
        };
        let mut stdout = io::stdout().lock();
        drop(stdout.write_all(at_the_door(&text, self.here.context.paint).as_bytes()).and_then(|()| stdout.flush()));
    }
}
