//! The command line: [`args`] as typed, [`settings`] resolved, one file per command, then text or one JSON object.
//!
//! Invariants. Results go to stdout, logs, warnings, questions and progress to stderr. With `--json` exactly one object
//! is printed, for every exit code but 2. A reader that went away (a closed pipe) is no reason to fail.

mod apart;
mod args;
mod bench;
mod check;
mod conflicts;
mod container;
mod detach;
mod detect;
mod doctor;
mod drift;
mod exit;
mod failure;
mod ferry;
mod gates;
mod git;
mod history;
mod hooks;
mod image;
mod init;
mod json;
mod logbook;
mod logs;
mod man;
mod pairs;
mod paths;
mod place;
mod progress;
mod project;
mod relink;
mod render;
mod revert;
mod run;
#[cfg(test)]
mod samples;
mod settings;
mod signals;
mod staging;
mod status;
mod steer;
mod step;
mod sync;
mod trash;
mod trust;
mod undo;
mod unit;
mod watch;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use tracing::{Level, Metadata};
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::filter::{FilterExt as _, LevelFilter, filter_fn};
use tracing_subscriber::layer::Filter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, fmt};

use args::{Command, Common, Doctor, Typed};
use exit::Exit;
use failure::Failure;
use place::Place;
use render::Paint;
use settings::Settings;
use settings::keys::Layer;
use signals::Stop;

use crate::engine::request::Pair;
use crate::git::credentials;
use crate::roots::reach::{Reach, SILENCE};

/// What every command is given.
struct Context {
    common: Common,
    place: Place,
    stop: Stop,
    paint: Paint,
}

/// What a command printed, and how it ended.
struct Answer {
    exit: Exit,
    output: String,
}

/// Runs the command line to its end.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    // Before anything else is looked at: the other process speaks no words.
    #[cfg(unix)]
    if args.get(1).is_some_and(|word| word == crate::disk::apart::WORD) && args.len() == 2 {
        crate::disk::apart::serve_stdin();
        return ExitCode::SUCCESS;
    }
    if let Some(answer) = credentials::answer(&args) {
        return ExitCode::from(print(Answer { exit: Exit::Done, output: answer + "\n" }).code());
    }
    let typed = match Typed::try_parse_from(args) {
        Ok(typed) => typed,
        Err(error) => {
            let plain = error.render().to_string();
            // What was typed may be a file's name, by a pattern of the shell. Help that nobody reads is no failure.
            if render::at_the_door(&plain, Paint::PLAIN) == plain {
                drop(error.print())
            } else {
                say(&plain)
            }
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::Usage.code()));
        }
    };
    start_log(&typed);
    let (common, name) = (typed.common, typed.command.name());
    let answer = answer(typed).unwrap_or_else(|failure| {
        let spoken = common.json && failure.exit != Exit::Usage;
        say(&render::failure(&failure, Paint::for_stderr()));
        Answer { exit: failure.exit, output: if spoken { json::failure(name, &failure) } else { String::new() } }
    });
    ExitCode::from(print(answer).code())
}

fn answer(typed: Typed) -> Result<Answer, Failure> {
    if let Command::Completions(completions) = &typed.command {
        let mut script = Vec::new();
        clap_complete::generate(completions.shell, &mut Typed::command(), "driftless", &mut script);
        return Ok(Answer { exit: Exit::Done, output: String::from_utf8_lossy(&script).into_owned() });
    }
    if let Command::Detect(detect) = &typed.command {
        return detect::run(detect, typed.common);
    }
    if let Command::Run(run) = &typed.command {
        return run::run(run, typed.common);
    }
    #[cfg(windows)]
    if let Command::Watch(args::Watch { at_log_on: Some(unit), .. }) = &typed.command {
        return unit::at_log_on(unit);
    }
    if let Command::Man(man) = &typed.command {
        return man::run(man, typed.common);
    }
    if let Command::Doctor(Doctor { part: Some(part), paths, .. }) = &typed.command {
        let output = paths.iter().map(|path| apart::serve(*part, path)).collect();
        return Ok(Answer { exit: Exit::Done, output });
    }
    let stop = Stop::listen().map_err(|error| Failure::failed(format!("Signals cannot be caught: {error}.")))?;
    let reach = Reach::new(SILENCE, stop.shared());
    if let Some(silence) = settings::silence()? {
        reach.set_silence(silence);
    }
    let context = Context { common: typed.common, place: Place::find(reach)?, stop, paint: Paint::for_stdout() };
    if let Some(note) = &context.place.note {
        warn(note);
    }
    let answer = match typed.command {
        Command::Init(init) => init::run(&context, &init),
        Command::Sync(sync) => sync::run(&context, &sync),
        Command::Status(status) => status::run(&context, &status),
        Command::Watch(watch) => watch::run(&context, &watch),
        Command::Step(step) => step::run(&context, &step),
        Command::Staging(staging) => staging::run(&context, &staging),
        Command::Stop(steer) => steer::stop(&context, &steer),
        Command::Pause(steer) => steer::pause(&context, &steer, true),
        Command::Resume(steer) => steer::pause(&context, &steer, false),
        Command::Conflicts(conflicts) => conflicts::run(&context, &conflicts),
        Command::Revert(revert) => revert::run(&context, &revert),
        Command::History(history) => history::run(&context, &history),
        Command::Undo(undo) => undo::run(&context, &undo),
        Command::Trash(trash) => trash::run(&context, &trash),
        Command::Relink(relink) => relink::run(&context, &relink),
        Command::Doctor(doctor) => doctor::run(&context, &doctor),
        Command::Logs(logs) => logs::run(&context, &logs),
        Command::Service(service) => unit::run(&context, &service),
        Command::Git(git) => git::run(&context, &git),
        Command::Container(container) => container::run(&context, &container),
        Command::Image(image) => image::run(&context, &image),
        Command::Check(check) => check::run(&context, &check),
        Command::Bench(bench) => bench::run(&context, &bench),
        Command::Detect(_) | Command::Run(_) | Command::Completions(_) | Command::Man(_) => unreachable!("answered above"),
    };
    // Who stops a command that waits for a root has stopped it, whatever the root would have said.
    answer.map_err(|failure| match context.stop.signal() {
        Some(signal) if failure.exit == Exit::Offline => Failure { exit: Exit::Signal(signal), ..failure },
        _ => failure,
    })
}

impl Command {
    /// The name in `schema`.
    fn name(&self) -> &'static str {
        match self {
            Command::Init(_) => "init",
            Command::Sync(_) => "sync",
            Command::Status(_) => "status",
            Command::Watch(_) => "watch",
            Command::Run(_) => "run",
            Command::Step(_) => "step",
            Command::Staging(_) => "staging",
            Command::Stop(_) => "stop",
            Command::Pause(_) => "pause",
            Command::Resume(_) => "resume",
            Command::Conflicts(_) => "conflicts",
            Command::Revert(_) => "revert",
            Command::History(_) => "history",
            Command::Undo(_) => "undo",
            Command::Trash(_) => "trash",
            Command::Relink(_) => "relink",
            Command::Detect(_) => "detect",
            Command::Doctor(_) => "doctor",
            Command::Logs(_) => "logs",
            Command::Service(_) => "service",
            Command::Git(git) => git.what.name(),
            Command::Container(container) => container.what.name(),
            Command::Image(image) => image.what.name(),
            Command::Check(_) => "check",
            Command::Bench(_) => "bench",
            Command::Completions(_) => "completions",
            Command::Man(_) => "man",
        }
    }
}

impl Common {
    /// The object or the text, whichever was asked for.
    fn answer(self, exit: Exit, object: impl FnOnce() -> String, text: impl FnOnce() -> String) -> Answer {
        Answer { exit, output: if self.json { object() } else { text() } }
    }
}

impl Context {
    fn answer(&self, exit: Exit, object: impl FnOnce() -> String, text: impl FnOnce() -> String) -> Answer {
        self.common.answer(exit, object, text)
    }

    /// The settings for a pair, under the flags that were typed.
    fn settings(&self, pair: &Pair, flags: Layer) -> Result<Settings, Failure> {
        let settings = settings::of_pair(&self.place.reach, pair, flags, std::env::vars_os())?;
        settings.warnings.iter().for_each(|warning| warn(warning));
        Ok(settings)
    }

    fn ask(&self, question: &str) -> Option<bool> {
        ask(question)
    }
}

/// Asks on the terminal; `None` where nobody is there to answer.
fn ask(question: &str) -> Option<bool> {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return None;
    }
    say(&format!("{question} [y/N] "));
    let mut line = String::new();
    io::stdin().read_line(&mut line).ok()?;
    Some(matches!(line.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// Prints the output. A closed pipe ends the printing, not the program; another error counts, because a script would
/// read half an answer.
fn print(answer: Answer) -> Exit {
    match put(&answer.output) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            say(&format!("driftless: the result cannot be written: {error}\n"));
            Exit::first(&[answer.exit, Exit::Failed])
        }
        _ => answer.exit,
    }
}

/// On stdout, at once.
fn put(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(render::at_the_door(text, Paint::for_stdout()).as_bytes())?;
    stdout.flush()
}

fn warn(message: &str) {
    say(&format!("{} {message}\n", Paint::for_stderr().warn("warning:")));
}

/// On stderr; nobody may be reading.
fn say(text: &str) {
    drop(io::stderr().lock().write_all(render::at_the_door(text, Paint::for_stderr()).as_bytes()));
}

fn start_log(typed: &Typed) {
    let default = if typed.common.verbose { "driftless=debug" } else { "driftless=warn" };
    let mut filter = log_filter(default).unwrap_or_else(|error| {
        warn(&format!("the variable DRIFTLESS_LOG is left out: {error}"));
        EnvFilter::new(default)
    });
    if matches!(&typed.command, Command::Watch(watch) if watch.in_background) {
        // It has a log; the file behind its stderr would grow without a limit.
        filter = EnvFilter::new("off");
    }
    let colour = Paint::for_stderr() != Paint::PLAIN;
    let shown = fmt::layer().with_writer(io::stderr).with_ansi(colour).with_filter(filter.and(without_requests()));
    // A second start in one process (a test) keeps the first log.
    drop(Registry::default().with(logbook::layer()).with(shown).try_init());
}

/// Below `info` libraries write down whole requests with their logins. Whatever is asked for, only our own words are logged there.
fn without_requests<S>() -> impl Filter<S> {
    let is_for_a_log =
        |of: &Metadata<'_>| *of.level() <= Level::INFO || of.target() == "driftless" || of.target().starts_with("driftless::");
    filter_fn(is_for_a_log).with_max_level_hint(LevelFilter::TRACE)
}

/// What is logged: as `DRIFTLESS_LOG` says, else `default`.
fn log_filter(default: &str) -> Result<EnvFilter, ParseError> {
    let typed = settings::variable("DRIFTLESS_LOG").map(|text| text.to_string_lossy().into_owned());
    EnvFilter::try_new(typed.as_deref().unwrap_or(default))
}
