//! `git watch`: both loops, one line an event, and a status file that shows a loop that died.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{Ended, Here, clone, note, sync, tick};
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
    pub sync: Turns,
    /// `None`: there are no ticks.
    pub tick: Option<Turns>,
    /// `None`: there is no command after a change.
    pub after_change: Option<Turns>,
}

/// How one loop goes. Whoever reads it sees by `every` and `last_at` that it is late, and by `running_since` that it hangs.
#[derive(Clone, Debug, Default)]
pub struct Turns {
    pub every: Option<Duration>,
    pub running_since: Option<String>,
    pub last_at: Option<String>,
    pub last_event: Option<String>,
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
    let turns = |every| Turns { every, ..Turns::default() };
    let board = Board {
        state: None,
        sync: turns(Some(sync_every)),
        tick: (!typed.no_tick).then(|| turns(Some(tick_every))),
        after_change: typed.after_change.as_ref().map(|_| turns(None)),
    };
    let told = Told { here, file, board: Mutex::new(board), repository };
    // A clone that is gone for a while is an error of a round, not of the loop.
    let open = || {
        let mut repository = Repository::open(&here.git(&folder))?;
        super::lend(&mut repository, here.place)?;
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

/// The flag, else the variable (seconds, or like 5m), else the default. None is a loop without a pause.
fn interval(typed: Option<Duration>, variable: &str, default: Duration) -> Result<Duration, Failure> {
    if typed.is_some_and(|typed| typed.is_zero()) {
        return Err(Failure::usage("An interval is longer than nothing, like 30s."));
    }
    let Some(text) = std::env::var(variable).ok().filter(|_| typed.is_none()) else { return Ok(typed.unwrap_or(default)) };
    let seconds = text.trim().parse().map(Duration::from_secs).ok();
    let found = seconds.or_else(|| humantime::parse_duration(text.trim()).ok()).filter(|time| !time.is_zero());
    found.ok_or_else(|| Failure::usage(format!("{variable} is no number of seconds: {}.", crate::model::shown::short(&text))))
}

impl Board {
    fn turns(&mut self, op: &str) -> Option<&mut Turns> {
        match op {
            "sync" => Some(&mut self.sync),
            "tick" => self.tick.as_mut(),
            "after_change" => self.after_change.as_mut(),
            _ => None,
        }
    }
}

impl Turns {
    fn count(&mut self, now: &str, ended: &Ended<'_>) {
        (self.running_since, self.last_at) = (None, Some(now.to_owned()));
        self.last_event = Some(ended.word().to_owned());
        match ended {
            Ended::Well(_) => (self.last_success_at, self.consecutive_failures, self.message) = (Some(now.to_owned()), 0, None),
            Ended::Waited => {}
            Ended::Badly { message, .. } => {
                self.consecutive_failures += 1;
                self.message = Some(message.clone());
            }
        }
    }
}

struct Told<'a> {
    here: &'a Here<'a>,
    file: PathBuf,
    board: Mutex<Board>,
    repository: Repository,
}

impl Told<'_> {
    fn tell(&self, event: &Event) {
        let now = utc::rfc3339(Time::from_parts(clock::now().parts().0, 0));
        let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        let (op, ended) = match event {
            Event::Looked(relation) => {
                board.state = Some(relation.word());
                ("look", None)
            }
            Event::TickBegan => ("tick", None),
            Event::Synced(Err(git::Error::Stopped), _) | Event::Ticked(Err(git::Error::Stopped), _) => return,
            // The tick has its turn: nothing failed, and nothing was followed.
            Event::Synced(Err(git::Error::Busy { .. }), _) => ("sync", Some(Ended::Waited)),
            Event::Synced(result, _) => ("sync", Some(sync::ended(result.as_ref()))),
            Event::Ticked(result, _) => ("tick", Some(tick::ended(result.as_ref()))),
            Event::AfterChange(result) => {
                ("after_change", Some(result.as_ref().map_or_else(Ended::failed, |()| Ended::Well("done"))))
            }
        };
        if let Some(turns) = board.turns(op) {
            match &ended {
                None => turns.running_since = Some(now.clone()),
                Some(ended) => turns.count(&now, ended),
            }
        }
        let text = json::git_watch(&board, op, &now);
        if let Err(error) = local::write_text(&self.file, &text) {
            warn(&format!("the status file is not written: {error}"));
        }
        // A round that found nothing is no event of the history.
        if let Some(ended) = ended.filter(|ended| !matches!(ended, Ended::Waited | Ended::Well("none" | "nothing"))) {
            let elapsed = match event {
                Event::Synced(_, elapsed) | Event::Ticked(_, elapsed) => *elapsed,
                _ => Duration::ZERO,
            };
            note(&self.repository, op, elapsed, &ended);
            git::tend::tend(&self.repository);
            self.print(&text, event);
        }
    }

    /// Nobody may be reading; the loops go on.
    fn print(&self, line: &str, event: &Event) {
        let text = match event {
            _ if self.here.context.common.json => line.to_owned(),
            Event::Synced(Ok(synced), _) => sync::text(synced, false),
            Event::Ticked(Ok(ticked), _) => tick::text(ticked),
            Event::Synced(Err(error), _) => format!("Not followed: {error}\n"),
            Event::Ticked(Err(error), _) => format!("The tick failed: {error}\n"),
            Event::AfterChange(Err(error)) => format!("The command after a change failed: {error}\n"),
            Event::AfterChange(Ok(())) => "The command after a change is done.\n".to_owned(),
            Event::Looked(_) | Event::TickBegan => String::new(),
        };
        let mut stdout = io::stdout().lock();
        drop(stdout.write_all(at_the_door(&text, self.here.context.paint).as_bytes()).and_then(|()| stdout.flush()));
    }
}
