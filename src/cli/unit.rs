//! `service install|uninstall|print`: a pair's watch process starts with the login of its user, as a systemd user unit, as a
//! launchd agent, or by the registry of Windows. (The room `service` is that process; this is only its start.)
//!
//! Invariants. A file that is not this pair's unit is neither replaced nor removed. Where the unit could not be started,
//! what stood there before stands there again.
//!
//! The crate service-manager is not used: it quotes nothing, knows no exit codes after which nothing is to be started
//! again, and its two or three calls of `systemctl` are all that would be left of it.

use std::path::{Path, PathBuf};

use crate::cli::args::background::Service;
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, shown};
use crate::cli::pairs::{self, IfNew};
use crate::cli::place::Place;
use crate::cli::settings::keys::{KEYS, Key};
use crate::cli::settings::{FILE_LIMIT, variable};
use crate::cli::{Answer, Context, json};
use crate::disk::{self, local};
use crate::engine::request::Pair;
use crate::model::digest;
use crate::model::shown::tame;

#[cfg(unix)]
#[path = "unit/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "unit/windows.rs"]
mod system;

pub use system::Kind;
#[cfg(windows)]
pub use system::at_log_on;

/// The unit of one pair: where it stands, and what it starts.
#[derive(Debug)]
pub struct Unit {
    pub kind: Kind,
    /// As the system calls it.
    pub name: String,
    pub path: PathBuf,
    pair: String,
    state: String,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Did {
    Installed,
    Updated,
    Removed,
    /// There was nothing to remove.
    Absent,
    Printed,
}

pub fn run(context: &Context, typed: &Service) -> Result<Answer, Failure> {
    let (Service::Install { choice } | Service::Uninstall { choice } | Service::Print { choice }) = typed;
    let pair = pairs::choose(&context.place, choice, IfNew::Refuse)?.pair;
    let kind = Kind::of_this_machine().ok_or_else(|| nothing_starts(&pair.name))?;
    let unit = Unit::new(kind, &pair, &context.place)?;
    let (did, printed) = match typed {
        Service::Install { .. } => (install(&unit)?, None),
        Service::Uninstall { .. } => (uninstall(&unit)?, None),
        Service::Print { .. } => (Did::Printed, Some(unit.text_for_here()?)),
    };
    let object = || json::service(&pair.name, did, &unit, printed.as_deref());
    Ok(context.answer(Exit::Done, object, || printed.clone().unwrap_or_else(|| told(did, &unit))))
}

fn install(unit: &Unit) -> Result<Did, Failure> {
    let text = unit.text_for_here()?;
    let before = unit.installed()?;
    unit.kind.reachable().map_err(|why| nobody_to_ask(unit, &why))?;
    if let Some(folder) = unit.path.parent() {
        local::make_folders(folder)?;
    }
    match before {
        None => local::create_private_text(&unit.path, &text)?,
        Some(_) => local::replace_text(&unit.path, &text)?,
    }
    unit.start().map_err(|why| {
        let failure = Failure::failed(format!("The unit {} cannot be started: {why}.", unit.name));
        match take_back(unit, before.as_deref()) {
            Ok(()) => failure.advise(format!(
                "What stood there before stands there again. `driftless watch --pair \"{}\"` tells what is wrong.",
                tame(&unit.pair)
            )),
            Err(error) => failure.advise(format!("It could not be taken away again ({error}); remove it by hand.")),
        }
    })?;
    Ok(if before.is_some() { Did::Updated } else { Did::Installed })
}

fn take_back(unit: &Unit, before: Option<&str>) -> Result<(), disk::Error> {
    match before {
        Some(text) => local::replace_text(&unit.path, text)?,
        None => {
            drop(unit.stop());
            local::remove_file(&unit.path)?;
        }
    }
    unit.forget();
    Ok(())
}

fn uninstall(unit: &Unit) -> Result<Did, Failure> {
    if unit.installed()?.is_none() {
        return Ok(Did::Absent);
    }
    unit.kind.reachable().map_err(|why| nobody_to_ask(unit, &why))?;
    unit.stop().map_err(|why| {
        Failure::failed(format!("The unit {} cannot be stopped: {why}.", unit.name)).advise("It was left as it is.")
    })?;
    local::remove_file(&unit.path)?;
    unit.forget();
    Ok(Did::Removed)
}

fn told(did: Did, unit: &Unit) -> String {
    let (pair, path) = (tame(&unit.pair), shown(&unit.path));
    match did {
        Did::Installed | Did::Updated => {
            let until = unit.kind.until();
            format!(
                "The watch process of the pair {pair} starts with each login of yours, and was started now.{until}\n  \
                 The unit is {path}; `driftless status` and `driftless logs` tell how it does.\n"
            )
        }
        Did::Removed => format!("The watch process of the pair {pair} was stopped, and is not started any more.\n"),
        Did::Absent | Did::Printed => format!("Nothing starts the watch process of the pair {pair}: there is no {path}.\n"),
    }
}

fn nothing_starts(pair: &str) -> Failure {
    let pair = tame(pair);
    Failure::failed("On this system no start at login can be set up from here.")
        .advise(format!("Nothing was changed. Let the system run `driftless watch --detach --pair \"{pair}\"` when you log in."))
}

fn nobody_to_ask(unit: &Unit, why: &str) -> Failure {
    let (pair, starter) = (tame(&unit.pair), unit.kind.word());
    let else_by_hand = format!("`driftless watch --detach --pair \"{pair}\"` watches until the machine goes down");
    Failure::failed(format!("There is no {starter} of this user that could be asked: {why}."))
        .advise(unit.kind.way_out(&else_by_hand))
}

impl Did {
    pub fn word(self) -> &'static str {
        match self {
            Did::Installed => "installed",
            Did::Updated => "updated",
            Did::Removed => "removed",
            Did::Absent => "absent",
            Did::Printed => "printed",
        }
    }
}

impl Unit {
    fn new(kind: Kind, pair: &Pair, place: &Place) -> Result<Unit, Failure> {
        let folder =
            kind.folder(&place.state).ok_or_else(|| Failure::failed("There is no place for the unit: HOME is not set."))?;
        let (name, file) = kind.names(&label(&pair.name));
        Ok(Unit { kind, name, path: folder.join(file), pair: pair.name.clone(), state: plain(&place.state)? })
    }

    /// The unit that starts this very program.
    fn text_for_here(&self) -> Result<String, Failure> {
        let program = std::env::current_exe()
            .map_err(|error| Failure::failed(format!("It cannot be found out where this program lies: {error}.")))?;
        let program = lasting(&program, &local::real_path(&system::temporary()))?;
        self.kind.take_program(&program)?;
        Ok(self.text(&program, &variables(|name| variable(name))?))
    }

    /// The whole text; `variables` are set besides the state folder.
    fn text(&self, program: &str, variables: &[(String, String)]) -> String {
        let home = [("DRIFTLESS_HOME".to_owned(), self.state.clone())];
        let variables: Vec<(String, String)> = home.into_iter().chain(variables.iter().cloned()).collect();
        self.write(program, &variables)
    }

    /// The text that stands there now. One that is not for this pair is somebody else's.
    fn installed(&self) -> Result<Option<String>, Failure> {
        let text = local::read_text(&self.path, FILE_LIMIT)?;
        match text {
            Some(text) if !self.marks().iter().all(|words| text.contains(words)) => {
                Err(Failure::refused(format!("{} is not the unit of this pair, in this state folder.", shown(&self.path)))
                    .advise("Nothing was changed. Look into it; where nobody needs it, remove it and run again."))
            }
            text => Ok(text),
        }
    }
}

/// A name for the unit of letters that are no trouble anywhere. Where the pair's had others, its digest tells it apart.
fn label(pair: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if pair.len() <= 60 && pair.chars().all(plain) {
        return format!("driftless-{pair}");
    }
    let near: String = pair.chars().take(60).map(|c| if plain(c) { c } else { '_' }).collect();
    let [a, b, c, d, ..] = digest::of(pair.as_bytes()).0;
    format!("driftless-{near}.{a:02x}{b:02x}{c:02x}{d:02x}")
}

/// A program's path that will still be there at the next login, links left out.
fn lasting(program: &Path, temporary: &Path) -> Result<String, Failure> {
    let advice =
        format!("Nothing was changed. Install the program where it can stay, like {}, and run it from there.", system::LASTING);
    // Linux says ` (deleted)` after the name of a program that was removed or replaced while it ran.
    let Ok(program) = local::canonicalize(program) else {
        let message = format!("This program is no longer where it was started from: {}.", shown(program));
        return Err(Failure::refused(message).advise(advice));
    };
    if program.starts_with(temporary) || system::GONE_TOMORROW.iter().any(|folder| program.starts_with(folder)) {
        let message = format!("This program lies in a temporary folder: {}.", shown(&program));
        return Err(Failure::refused(message).advise(advice));
    }
    plain(&program)
}

/// The variables that are set here and that a run of the pair depends on, so that the watch process does what the
/// commands typed here do.
fn variables(set: impl Fn(&str) -> Option<std::ffi::OsString>) -> Result<Vec<(String, String)>, Failure> {
    let names = KEYS.iter().filter_map(Key::variable).chain(["DRIFTLESS_LOG".to_owned()]);
    let set = names.filter_map(|name| set(&name).map(|value| (name, value)));
    set.map(|(name, value)| Ok((name, plain(Path::new(&value))?))).collect()
}

/// Text that may stand in a unit.
fn plain(path: &Path) -> Result<String, Failure> {
    path.to_str().filter(|text| !text.contains(char::is_control)).map(str::to_owned).ok_or_else(|| {
        Failure::refused(format!("A unit cannot name {}: it is no UTF-8, or has a control character in it.", shown(path)))
            .advise("Nothing was changed.")
    })
}

#[cfg(all(test, unix))]
#[path = "unit_tests.rs"]
mod tests;
