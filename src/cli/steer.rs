//! Asking the watch process of a pair: `stop`, `pause`, `resume`, a `sync` by it, and what it does.

use std::io;
use std::time::{Duration, Instant};

use crate::cli::args::Steer;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::pairs::{self, IfNew};
use crate::cli::progress::Shown;
use crate::cli::render::{Paint, count};
use crate::cli::{Answer, Context, json, print, warn};
use crate::disk::local;
use crate::engine::report::Progress;
use crate::engine::request::{Deletes, Pair, Request};
use crate::roots::own;
use crate::run::Hold;
use crate::service::control::client::{self, Ask, Error, Heard};
use crate::service::control::{Address, Asked, Done, Told};
use crate::service::{Phase, Snapshot};

/// A run that tells nothing for so long hangs.
const SILENCE: Duration = Duration::from_secs(120);
/// A process that is asked to stop has ended by then; each step of a run is shorter.
const ENDING: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(10);

/// How the pair's watch process stands, where one answers.
pub fn snapshot(pair: &Pair) -> Option<Snapshot> {
    let (status, text) = client::ask(&Address::find(&pair.state)?, &Ask::get("/status")).ok()?;
    if status == 200 { serde_json::from_str(&text).ok() } else { None }
}

pub fn stop(context: &Context, typed: &Steer) -> Result<Answer, Failure> {
    let pair = pairs::choose(&context.place, &typed.choice, IfNew::Refuse)?.pair;
    let watched = || context.place.reach.is_locked(&own::post_path(&pair.staging)) == Some(true);
    let Some(Snapshot { process, .. }) = snapshot(&pair) else {
        if watched() {
            return Err(Failure::failed(format!("A process watches the pair {}, but it does not answer.", pair.name)).advise(
                format!("It belongs to another user or state folder, or it hangs. Ending it with {} is safe.", ending("PID")),
            ));
        }
        let text = || format!("The pair {} is not watched.\n", pair.name);
        return Ok(context.answer(Exit::Done, || json::steered("stop", &pair.name, None), text));
    };
    post(&pair, "/stop")?;
    let began = Instant::now();
    while watched() {
        if began.elapsed() > ENDING || context.stop.signal().is_some() {
            let recorded = "It ends between two files, and what it carried is recorded";
            return Err(Failure::failed(format!("The watch process {process} is still at work."))
                .advise(format!("{recorded}. Ending it with {} is safe too.", ending(process))));
        }
        std::thread::sleep(PAUSE);
    }
    Ok(steered(context, "stop", &pair, process, "has ended"))
}

/// How this system ends a process that hears no question.
fn ending(process: impl std::fmt::Display) -> String {
    if cfg!(windows) { format!("`taskkill /F /PID {process}`") } else { format!("`kill {process}`") }
}

pub fn pause(context: &Context, typed: &Steer, paused: bool) -> Result<Answer, Failure> {
    let pair = pairs::choose(&context.place, &typed.choice, IfNew::Refuse)?.pair;
    let process = snapshot(&pair).ok_or_else(|| not_watched(&pair))?.process;
    if paused {
        post(&pair, "/pause")?;
        let began = Instant::now();
        let at_work = || snapshot(&pair).is_some_and(|shown| shown.phase != Phase::Paused);
        while at_work() && began.elapsed() < ENDING && context.stop.signal().is_none() {
            std::thread::sleep(PAUSE);
        }
        let from = if at_work() { "once the run at work has ended" } else { "now" };
        let words = format!("carries nothing by itself {from}; `driftless resume` ends that");
        return Ok(steered(context, "pause", &pair, process, &words));
    }
    post(&pair, "/resume")?;
    Ok(steered(context, "resume", &pair, process, "carries changes again"))
}

/// Lets the watch process of a pair carry nothing by itself, or go on.
pub fn hold(pair: &Pair, held: bool) -> Hold {
    match snapshot(pair).map(|shown| shown.phase == Phase::Paused) {
        Some(before) if before != held => {
            post(pair, if held { "/pause" } else { "/resume" }).map_or(Hold::Failed, |()| Hold::Done)
        }
        None if local::Lock::is_held(&own::post_path(&pair.staging)) == Some(true) => Hold::Failed,
        _ => Hold::Needless,
    }
}

fn not_watched(pair: &Pair) -> Failure {
    Failure::failed(format!("The pair {} is not watched.", pair.name)).advise("`driftless watch --detach` starts that.")
}

fn steered(context: &Context, command: &str, pair: &Pair, process: u32, words: &str) -> Answer {
    let text = || format!("The watch process {process} of the pair {} {words}.\n", pair.name);
    context.answer(Exit::Done, || json::steered(command, &pair.name, Some(process)), text)
}

fn post(pair: &Pair, path: &str) -> Result<(), Failure> {
    let address = Address::find(&pair.state).ok_or_else(|| not_watched(pair))?;
    match client::ask(&address, &Ask::post(path, String::new())) {
        Ok((200, _)) => Ok(()),
        Ok((_, text)) => Err(Failure::failed(text)),
        Err(error) => Err(Failure::failed(format!("{error}."))),
    }
}

/// A `sync` by the watch process, where one answers and the request is one of those that it does; `None`: do it here.
pub fn sync(context: &Context, pair: &Pair, request: &Request) -> Option<Result<Done, Failure>> {
    let shown = Shown::start();
    let done = ask(context, pair, request, &|progress| shown.tell(progress));
    shown.finish();
    done
}

/// The same, with nothing shown.
pub fn ask(context: &Context, pair: &Pair, request: &Request, tell: &dyn Fn(Progress)) -> Option<Result<Done, Failure>> {
    let plain = request.paths.is_empty() && !request.policies_by_flag && request.deletes == Deletes::Guarded;
    if !plain || request.dry_run || request.verify || request.trust_times || request.yes {
        return None;
    }
    let address = Address::find(&pair.state)?;
    let asked = Asked {
        direction: Some(request.direction.word().to_owned()),
        paths: Vec::new(),
        actions: request.list_actions,
        colour: context.paint != Paint::PLAIN,
        wait_ms: Some(u64::try_from(request.wait.as_millis()).unwrap_or(u64::MAX)),
    };
    let body = serde_json::to_string(&asked).expect("text keys only");
    let mut end = None;
    let mut hear = |heard: Heard| {
        if heard.event != "progress" {
            end = Some(heard);
            return false;
        }
        if let Some(progress) = serde_json::from_str(&heard.data).ok().and_then(Told::progress) {
            tell(progress);
        }
        true
    };
    let listened = client::listen(&address, &Ask::post("/sync", body), Some(SILENCE), context.stop.flag(), &mut hear);
    match (listened, end) {
        (Ok(()), Some(heard)) if heard.event == "done" => answer(&heard.data).transpose(),
        (Err(Error::Stopped), _) => {
            let stopped = Failure { exit: Exit::interrupted(context.stop.signal()), ..Failure::failed("Stopped waiting.") };
            Some(Err(stopped.advise("The watch process goes on with it.")))
        }
        // It has just ended, or left its socket when it died.
        (Err(Error::Silent(error)), None) if nobody_listens(&error) => None,
        (listened, end) => {
            let why = listened.err().map(|error| error.to_string()).or_else(|| end.map(|heard| heard.data));
            let why = why.unwrap_or_else(|| "it ended".to_owned());
            warn(&format!("the watch process could not do it, so it is done here: {why}"));
            None
        }
    }
}

fn nobody_listens(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound)
}

/// `None` where it was refused: here somebody may be asked.
fn answer(data: &str) -> Result<Option<Done>, Failure> {
    let done: Done = serde_json::from_str(data)
        .map_err(|error| Failure::failed(format!("The answer of the watch process cannot be read: {error}.")))?;
    let exit = Exit::of_code(done.exit_code);
    let report: serde_json::Value = serde_json::from_str(done.report.get()).unwrap_or_default();
    if report["outcome"] == exit.outcome() && exit == Exit::Refused {
        return Ok(None);
    }
    Ok(Some(done))
}

/// `status --watch`: a line for each thing that happens, until Ctrl-C or the end of the watch process.
pub fn follow(context: &Context, pair: &Pair) -> Result<Answer, Failure> {
    let address = Address::find(&pair.state).ok_or_else(|| not_watched(pair))?;
    let mut last = String::new();
    let mut hear = |heard: Heard| {
        if let Some(line) = told(context, &heard).filter(|line| *line != last) {
            print(Answer { exit: Exit::Done, output: line.clone() });
            last = line;
        }
        true
    };
    let exit = match client::listen(&address, &Ask::get("/events"), None, context.stop.flag(), &mut hear) {
        Ok(()) => Exit::Done,
        Err(Error::Stopped) => Exit::interrupted(context.stop.signal()),
        Err(Error::Silent(error)) if nobody_listens(&error) => return Err(not_watched(pair)),
        Err(error) => return Err(Failure::failed(format!("{error}."))),
    };
    Ok(Answer { exit, output: String::new() })
}

fn told(context: &Context, heard: &Heard) -> Option<String> {
    if heard.event == "status" {
        let shown: Snapshot = serde_json::from_str(&heard.data).ok()?;
        let object = || json::watching("status", &shown.pair, Some(&shown), None, None);
        return Some(context.answer(Exit::Done, object, || format!("{}: {}", shown.pair, line(&shown))).output);
    }
    if context.common.json || heard.event == "progress" {
        return None;
    }
    let object: serde_json::Value = serde_json::from_str(&heard.data).ok()?;
    let report = &object["report"];
    let (written, deleted) = (report["written"]["files"].as_u64()?, report["deleted"]["files"].as_u64()?);
    let took = &report["elapsed_ms"];
    (written + deleted > 0).then(|| format!("  {} written, {deleted} deleted, {took} ms\n", count(written, "file")))
}

/// One line about a moment.
pub fn line(shown: &Snapshot) -> String {
    let mut text = shown.phase.word().to_owned();
    let left = shown.pending_up + shown.pending_down;
    for (number, word, more) in [
        (shown.conflicts, "conflict", ""),
        (shown.problems, "problem", ""),
        (shown.held, "delete", " held"),
        (left, "change", " left for later"),
    ] {
        if number > 0 {
            text.push_str(&format!(", {}{more}", count(number, word)));
        }
    }
    for (side, root) in [("staging", &shown.roots.staging), ("network", &shown.roots.network)] {
        text.push_str(&format!(", {side} {}", root.mode.word()));
    }
    if let Some(message) = &shown.message {
        text.push_str(&format!(": {message}"));
    }
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::Mode;

    #[test]
    fn a_moment_is_one_line_and_tells_only_what_there_is() {
        let mut shown = Snapshot::new("demo");
        shown.phase = Phase::Idle;
        shown.roots.staging.mode = Mode::Reliable;
        assert_eq!(line(&shown), "idle, staging reliable, network polling\n");
        (shown.conflicts, shown.problems, shown.pending_up, shown.pending_down) = (1, 2, 3, 4);
        shown.roots.network.mode = Mode::Degraded;
        shown.phase = Phase::Offline;
        shown.message = Some("the network root cannot be reached".to_owned());
        let expected = "offline, 1 conflict, 2 problems, 7 changes left for later, staging reliable, network degraded: \
                        the network root cannot be reached\n";
        assert_eq!(line(&shown), expected);
    }
}
