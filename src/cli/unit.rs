//! `service install|uninstall|print`: a pair's watch process starts with the login of its user, as a systemd user unit or
//! as a launchd agent. (The room `service` is that process; this is only its start.)
//!
//! Invariants. A file that is not this pair's unit is neither replaced nor removed. Where the unit could not be started,
//! what stood there before stands there again.
//!
//! The crate service-manager is not used: it quotes nothing, knows no exit codes after which nothing is to be started
//! again, and its two or three calls of `systemctl` are all that would be left of it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

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
use crate::model::shown::{steers, tame};

/// Seconds before a watch process that failed is started again.
const PAUSE: u32 = 30;
/// Seconds that it may take to end. It needs 5 at most.
const PATIENCE: u32 = 20;

/// What starts programs at login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Systemd,
    Launchd,
}

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
            let until = match unit.kind {
                Kind::Systemd => " It ends with your last session; `loginctl enable-linger` keeps it running without one.",
                Kind::Launchd => "",
            };
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
    Failure::failed("On this system no start at login can be set up from here.").advise(format!(
        "Nothing was changed. Let the system run `driftless watch --detach --pair \"{pair}\"` when you log in; on Windows that is \
         a task in the Task Scheduler with the trigger \"At log on\"."
    ))
}

fn nobody_to_ask(unit: &Unit, why: &str) -> Failure {
    let (pair, starter) = (tame(&unit.pair), unit.kind.word());
    let message = format!("There is no {starter} of this user that could be asked: {why}.");
    let else_by_hand = format!("`driftless watch --detach --pair \"{pair}\"` watches until the machine goes down");
    Failure::failed(message).advise(match unit.kind {
        Kind::Systemd => format!(
            "Nothing was changed. In containers and over `su` or `sudo` there is none. Where the machine has systemd, run \
             `loginctl enable-linger` and log in again; else {else_by_hand}."
        ),
        Kind::Launchd => format!("Nothing was changed. Run it again in a session at the screen; else {else_by_hand}."),
    })
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

impl Kind {
    pub fn word(self) -> &'static str {
        match self {
            Kind::Systemd => "systemd",
            Kind::Launchd => "launchd",
        }
    }

    fn of_this_machine() -> Option<Kind> {
        match std::env::consts::OS {
            "linux" => Some(Kind::Systemd),
            "macos" => Some(Kind::Launchd),
            _ => None,
        }
    }

    /// Where units of this user stand.
    fn folder(self) -> Option<PathBuf> {
        let home = variable("HOME").map(PathBuf::from);
        match self {
            Kind::Systemd => {
                let config = variable("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
                Some(config.or_else(|| Some(home?.join(".config")))?.join("systemd/user"))
            }
            Kind::Launchd => Some(home?.join("Library/LaunchAgents")),
        }
    }

    fn reachable(self) -> Result<(), String> {
        match self {
            Kind::Systemd => call("systemctl", &["--user", "show-environment"]),
            Kind::Launchd => call("launchctl", &["print", &domain()]),
        }
    }
}

impl Unit {
    fn new(kind: Kind, pair: &Pair, place: &Place) -> Result<Unit, Failure> {
        let folder = kind.folder().ok_or_else(|| Failure::failed("There is no place for the unit: HOME is not set."))?;
        let label = label(&pair.name);
        let (name, file) = match kind {
            Kind::Systemd => (format!("{label}.service"), format!("{label}.service")),
            Kind::Launchd => (label.clone(), format!("{label}.plist")),
        };
        Ok(Unit { kind, name, path: folder.join(file), pair: pair.name.clone(), state: plain(&place.state)? })
    }

    /// The unit that starts this very program.
    fn text_for_here(&self) -> Result<String, Failure> {
        let program = std::env::current_exe()
            .map_err(|error| Failure::failed(format!("It cannot be found out where this program lies: {error}.")))?;
        let temporary = variable("TMPDIR").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from);
        let program = lasting(&program, &local::real_path(&temporary))?;
        if self.kind == Kind::Systemd && program.contains(['"', '\'', '\\']) {
            return Err(Failure::refused(format!("systemd starts no program whose path has a quote or a backslash: {program}."))
                .advise("Nothing was changed. Put the program elsewhere and run it from there."));
        }
        Ok(self.text(&program, &variables(|name| variable(name))?))
    }

    /// The whole text; `variables` are set besides the state folder.
    fn text(&self, program: &str, variables: &[(String, String)]) -> String {
        let home = [("DRIFTLESS_HOME".to_owned(), self.state.clone())];
        let variables: Vec<(String, String)> = home.into_iter().chain(variables.iter().cloned()).collect();
        match self.kind {
            Kind::Systemd => self.systemd(program, &variables),
            Kind::Launchd => self.launchd(program, &variables),
        }
    }

    fn systemd(&self, program: &str, variables: &[(String, String)]) -> String {
        let argument = |word: &str| quoted(word).replace('$', "$$");
        let name = tame(&self.pair).replace('%', "%%");
        let variables: String =
            variables.iter().map(|(name, value)| format!("Environment={}\n", quoted(&format!("{name}={value}")))).collect();
        let [program, pair] = [quoted(program), argument(&self.pair)];
        // mixed: the processes that ask roots which may hang are ended by the watch process, not beside it.
        format!(
            "# Made by `driftless service install`; `driftless service uninstall` removes it.\n\
             [Unit]\n\
             Description=driftless: keeps the pair {name} in step\n\
             \n\
             [Service]\n\
             Type=exec\n\
             ExecStart={program} watch --pair {pair}\n\
             {variables}\
             Restart=on-failure\n\
             RestartSec={PAUSE}\n\
             RestartPreventExitStatus={} {}\n\
             SuccessExitStatus=129 130 143\n\
             KillMode=mixed\n\
             TimeoutStopSec={PATIENCE}\n\
             \n\
             [Install]\n\
             WantedBy=default.target\n",
            Exit::Usage.code(),
            Exit::Refused.code(),
        )
    }

    /// launchd starts it again after each failure, whatever the code: there is no key for some of them.
    fn launchd(&self, program: &str, variables: &[(String, String)]) -> String {
        let mut text = String::from(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
             <!-- Made by `driftless service install`; `driftless service uninstall` removes it. -->\n\
             <plist version=\"1.0\">\n<dict>\n",
        );
        let string = |text: &str| format!("<string>{}</string>", marked_up(text));
        let words: String = [program, "watch", "--pair", &self.pair].iter().map(|word| string(word)).collect();
        let variables: String =
            variables.iter().map(|(name, value)| format!("<key>{}</key>{}", marked_up(name), string(value))).collect();
        for (key, value) in [
            ("Label", string(&self.name)),
            ("ProgramArguments", format!("<array>{words}</array>")),
            ("EnvironmentVariables", format!("<dict>{variables}</dict>")),
            ("RunAtLoad", "<true/>".to_owned()),
            ("KeepAlive", "<dict><key>SuccessfulExit</key><false/></dict>".to_owned()),
            ("ThrottleInterval", format!("<integer>{PAUSE}</integer>")),
            ("ExitTimeOut", format!("<integer>{PATIENCE}</integer>")),
        ] {
            let _ = writeln!(text, "  <key>{key}</key>\n  {value}");
        }
        text + "</dict>\n</plist>\n"
    }

    /// The text that stands there now. One that is not for this pair is somebody else's.
    fn installed(&self) -> Result<Option<String>, Failure> {
        let text = local::read_text(&self.path, FILE_LIMIT)?;
        let of_this_pair = match self.kind {
            Kind::Systemd => {
                [format!("--pair {}", quoted(&self.pair).replace('$', "$$")), quoted(&format!("DRIFTLESS_HOME={}", self.state))]
            }
            Kind::Launchd => [&self.pair, &self.state].map(|word| format!("<string>{}</string>", marked_up(word))),
        };
        match text {
            Some(text) if !of_this_pair.iter().all(|words| text.contains(words)) => {
                Err(Failure::refused(format!("{} is not the unit of this pair, in this state folder.", shown(&self.path)))
                    .advise("Nothing was changed. Look into it; where nobody needs it, remove it and run again."))
            }
            text => Ok(text),
        }
    }

    /// With each login from now on, and now; one that runs is stopped first, because it runs with what was.
    fn start(&self) -> Result<(), String> {
        match self.kind {
            Kind::Systemd => {
                call("systemctl", &["--user", "daemon-reload"])?;
                call("systemctl", &["--user", "enable", &self.name])?;
                call("systemctl", &["--user", "restart", &self.name])
            }
            Kind::Launchd => {
                self.stop()?;
                let path = self.path.to_str().ok_or_else(|| "its path is no text".to_owned())?;
                call("launchctl", &["bootstrap", &domain(), path])
            }
        }
    }

    fn stop(&self) -> Result<(), String> {
        match self.kind {
            Kind::Systemd => call("systemctl", &["--user", "disable", "--now", &self.name]),
            Kind::Launchd => {
                let target = format!("{}/{}", domain(), self.name);
                drop(call("launchctl", &["bootout", &target]));
                // It answers before the process has ended.
                for _ in 0..PATIENCE * 2 {
                    if call("launchctl", &["print", &target]).is_err() {
                        return Ok(());
                    }
                    thread::sleep(Duration::from_millis(500));
                }
                Err(format!("it did not end within {PATIENCE} s"))
            }
        }
    }

    /// After a change of the file: systemd reads it again, and lists no more that something failed. Best effort.
    fn forget(&self) {
        if self.kind == Kind::Systemd {
            drop(call("systemctl", &["--user", "daemon-reload"]));
            drop(call("systemctl", &["--user", "reset-failed", &self.name]));
        }
    }
}

/// launchd's name for the session of this user.
fn domain() -> String {
    format!("gui/{}", local::user_id())
}

/// Runs a program to its end; what it complained about where that was no success.
fn call(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{program} cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().next().unwrap_or_default().trim_end_matches('.');
    Err(if said.is_empty() { format!("{program}: {}", output.status) } else { format!("{program}: {}", tame(said)) })
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
    let advice = "Nothing was changed. Install the program where it can stay, like ~/.local/bin, and run it from there.";
    // Linux says ` (deleted)` after the name of a program that was removed or replaced while it ran.
    let Ok(program) = local::canonicalize(program) else {
        let message = format!("This program is no longer where it was started from: {}.", shown(program));
        return Err(Failure::refused(message).advise(advice));
    };
    let gone_tomorrow = [temporary, Path::new("/run"), Path::new("/dev/shm")];
    if gone_tomorrow.iter().any(|folder| program.starts_with(folder)) {
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

/// A word of a systemd unit: in quotes, no specifier, nothing that turns the line of who prints it.
fn quoted(word: &str) -> String {
    let mut quoted = String::from("\"");
    for c in word.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '%' => quoted.push_str("%%"),
            c if steers(c) => quoted.push_str(&format!("\\U{:08x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

/// Text of an XML element.
fn marked_up(text: &str) -> String {
    let mut marked = String::new();
    for c in text.chars() {
        match c {
            '&' => marked.push_str("&amp;"),
            '<' => marked.push_str("&lt;"),
            '>' => marked.push_str("&gt;"),
            c if steers(c) => marked.push_str(&format!("&#x{:x};", u32::from(c))),
            c => marked.push(c),
        }
    }
    marked
}

#[cfg(test)]
#[path = "unit_tests.rs"]
mod tests;
