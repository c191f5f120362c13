//! The command line: what was typed ([`args`]), what it means ([`settings`], [`pairs`], [`paths`]), one file a command,
//! and how its end is told ([`render`], [`json`], [`exit`]).

mod args;
mod conflicts;
mod detect;
mod exit;
mod failure;
mod init;
mod json;
mod pairs;
mod paths;
mod progress;
mod render;
#[cfg(test)]
mod samples;
mod settings;
mod signals;
mod status;
mod sync;
mod trash;
mod utc;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use tracing_subscriber::EnvFilter;

use args::{Command, Common, Typed};
use exit::Exit;
use failure::Failure;
use signals::Stop;

/// What every command is given.
struct Call {
    common: Common,
    stop: Stop,
}

/// What a command has to say at its end.
struct Answer {
    text: String,
    json: serde_json::Value,
    exit: Exit,
}

/// Runs the program with these arguments (the first is its name) and says how it ends.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let typed = match Typed::try_parse_from(arguments) {
        Ok(typed) => typed,
        Err(error) => {
            // Help and version are no mistakes. A closed pipe is nobody's fault.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { Exit::Usage.code() } else { Exit::Done.code() });
        }
    };
    log_to_stderr(typed.common.verbose);
    let Typed { common, command } = typed;
    let name = command_name(&command);
    let answered = match Stop::listen() {
        Ok(stop) => answer(&Call { common, stop }, command),
        Err(error) => Err(Failure::failed(format!("signals cannot be caught: {error}"))),
    };
    ExitCode::from(tell(name, common, answered).code())
}

fn answer(call: &Call, command: Command) -> Result<Answer, Failure> {
    match command {
        Command::Init(init) => init::init(&init),
        Command::Sync(sync) => sync::sync(call, &sync),
        Command::Status(status) => status::status(call, &status),
        Command::Conflicts(conflicts) => conflicts::conflicts(&conflicts),
        Command::Trash(trash) => trash::trash(call, &trash),
        Command::Detect(detect) => detect::detect(&detect),
        Command::Completions(completions) => {
            let mut script = Vec::new();
            clap_complete::generate(completions.shell, &mut Typed::command(), "driftless", &mut script);
            let text = String::from_utf8_lossy(&script).into_owned();
            Ok(Answer { json: serde_json::json!({ "script": text }), text, exit: Exit::Done })
        }
    }
}

/// Says how it ended, to people or to programs, and returns the exit code.
fn tell(name: &str, common: Common, answered: Result<Answer, Failure>) -> Exit {
    let (text, json, exit) = match answered {
        Ok(Answer { text, json, exit }) => (text, json, exit),
        Err(failure) => {
            eprintln_quietly(&render::failure(&failure));
            let json =
                serde_json::json!({ "outcome": failure.exit.outcome(), "message": failure.message, "advice": failure.advice });
            (String::new(), json, failure.exit)
        }
    };
    if exit == Exit::Usage {
        return exit;
    }
    let out = if common.json { format!("{}\n", json::complete(name, exit, json)) } else { text };
    // The reader may have gone (`| head`): that is no failure of the run.
    let _ = io::stdout().lock().write_all(out.as_bytes()).and_then(|()| io::stdout().flush());
    exit
}

fn eprintln_quietly(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

fn command_name(command: &Command) -> &'static str {
    match command {
        Command::Init(_) => "init",
        Command::Sync(_) => "sync",
        Command::Status(_) => "status",
        Command::Conflicts(_) => "conflicts",
        Command::Trash(_) => "trash",
        Command::Detect(_) => "detect",
        Command::Completions(_) => "completions",
    }
}

fn log_to_stderr(verbose: bool) {
    let wanted = std::env::var("DRIFTLESS_LOG").unwrap_or_default();
    let level = if verbose { "driftless=info" } else { "driftless=warn" };
    let filter = EnvFilter::try_new(if wanted.is_empty() { level } else { &wanted }).unwrap_or_else(|_| EnvFilter::new(level));
    // Only fails where somebody set one already.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).without_time().try_init();
}
