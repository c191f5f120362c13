//! `watch --detach`: the watch process in the background, once it has said how it stands.

use std::ffi::OsString;
use std::fmt::Display;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::cli::args::{Common, Watch};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::{Answer, Context, json, steer};
use crate::disk::error::{Error, ErrorKind};
use crate::disk::local;
use crate::engine::request::Pair;
use crate::service::{Phase, Snapshot};

#[cfg(unix)]
#[path = "detach/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "detach/windows.rs"]
mod system;

pub use system::{leave_terminal, prepare};

/// A first look that takes longer goes on without anybody waiting for it.
const BEGINNING: Duration = Duration::from_secs(30);
/// What a process that was stopped may need for its end.
const ENDING: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(10);
/// More than a last word on stderr.
const LAST_WORDS: u64 = 64 * 1024;

pub fn run(context: &Context, typed: &Watch, pair: &Pair) -> Result<Answer, Failure> {
    if let Some(shown) = steer::snapshot(pair) {
        return Ok(watched(context, &shown, "is watched already, by"));
    }
    let trace = pair.state.join("watch.err");
    let mut child = spawn(typed, pair, context.common, &trace)?;
    let began = Instant::now();
    let mut shown = None;
    while context.stop.signal().is_none() && began.elapsed() < BEGINNING {
        shown = steer::snapshot(pair).filter(|shown| shown.process == child.id());
        if shown.as_ref().is_some_and(|shown| shown.phase != Phase::Starting) {
            break;
        }
        if let Ok(Some(status)) = child.try_wait() {
            let said = local::read_text(&trace, LAST_WORDS).ok().flatten().unwrap_or_default();
            return Err(Failure::failed(format!("The watch process ended ({status}).\n{}", said.trim()))
                .advise("`driftless watch` without --detach shows what it does."));
        }
        std::thread::sleep(PAUSE);
    }
    shown.map(|shown| watched(context, &shown, "is watched by")).ok_or_else(|| {
        Failure::failed(format!("The watch process {} gives no answer yet.", child.id())).advise("`driftless status` tells more.")
    })
}

fn spawn(typed: &Watch, pair: &Pair, common: Common, trace: &Path) -> Result<Child, Failure> {
    let failed = |error: &dyn Display| Failure::failed(format!("No watch process can be started: {error}."));
    let program = std::env::current_exe().map_err(|error| failed(&error))?;
    let errors = words_of(trace).map_err(|error| failed(&error))?;
    let mut arguments: Vec<OsString> = ["watch", "--in-background", "--pair", &pair.name].map(OsString::from).to_vec();
    arguments.extend(common.yes.then(|| "--yes".into()));
    arguments.extend(common.verbose.then(|| "--verbose".into()));
    arguments.extend(typed.listen.map(|at| format!("--listen={at}").into()));
    for (name, time) in [("settle", typed.settle), ("wait", typed.wait)] {
        arguments.extend(time.map(|time| format!("--{name}={}", humantime::format_duration(time)).into()));
    }
    for (pattern, policy) in &typed.conflict {
        let pattern = pattern.as_ref().map(|pattern| format!("{pattern}=")).unwrap_or_default();
        arguments.push(format!("--conflict={pattern}{}", policy.word()).into());
    }
    let mut command = Command::new(program);
    prepare(&mut command);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors);
    command.spawn().map_err(|error| failed(&error))
}

/// An empty file for what the new process complains about. The name is free on Windows only when the process before it has ended,
/// which takes a moment longer than that it answers no more.
pub fn words_of(path: &Path) -> Result<Stdio, Error> {
    let began = Instant::now();
    loop {
        // It may not be there.
        drop(local::remove_file(path));
        match local::create_private_file(path) {
            Err(error) if is_held(error.kind) && began.elapsed() < ENDING => std::thread::sleep(PAUSE),
            made => return made.map(Stdio::from),
        }
    }
}

/// The name of a file that goes with its last handle is taken, or denied, until then.
fn is_held(kind: ErrorKind) -> bool {
    kind == ErrorKind::Exists || cfg!(windows) && kind == ErrorKind::Denied
}

fn watched(context: &Context, shown: &Snapshot, how: &str) -> Answer {
    let more = shown.message.as_ref().map(|message| format!("{}: {message}\n", shown.phase.word())).unwrap_or_default();
    context.answer(
        Exit::Done,
        || json::watching("detached", &shown.pair, Some(shown), None, None),
        || format!("The pair {} {how} process {}.\n{more}", shown.pair, shown.process),
    )
}
