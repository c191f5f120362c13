//! What runs at log-on, by the registry: a value below `HKEY_CURRENT_USER`, which needs no rights and is run as the user, with
//! the shares that he sees.
//!
//! Not the Task Scheduler: of a program for the console it either shows a window, or runs it where network drives cannot be
//! reached (`S4U`), or asks for the password.
//!
//! The value starts this program by `conhost --headless`, which gives it a console without a window, and names a file. There
//! stand the pair and the variables, because a value has room for 260 characters. This program starts the watch process from
//! that in the background, and ends.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::Unit;
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, shown};
use crate::cli::settings::{FILE_LIMIT, variable};
use crate::cli::{Answer, detach};
use crate::disk::local;
use crate::service::control::Address;
use crate::service::control::client::{self, Ask};

#[path = "windows/registry.rs"]
mod registry;

/// Folders that are empty after a restart: the temporary one is asked for.
pub const GONE_TOMORROW: &[&str] = &[];
/// Where a user keeps programs.
pub const LASTING: &str = r"%LOCALAPPDATA%\Programs";

/// A watch process that is asked to stop has ended by then, and one that was started answers.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(20);
/// Characters of a value that Windows runs.
const LONGEST: usize = 260;

/// Where files of the moment lie.
pub fn temporary() -> PathBuf {
    let named = ["TMP", "TEMP"].into_iter().find_map(variable);
    named.map_or_else(|| PathBuf::from(r"C:\Windows\Temp"), PathBuf::from)
}

/// What starts programs at log-on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    LogOn,
}

/// What stands in the file.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Start {
    made_by: String,
    program: String,
    pair: String,
    variables: BTreeMap<String, String>,
}

impl Kind {
    pub fn word(self) -> &'static str {
        "log-on"
    }

    pub fn of_this_machine() -> Option<Kind> {
        Some(Kind::LogOn)
    }

    pub fn folder(self, state: &Path) -> Option<PathBuf> {
        Some(state.join(".log-on"))
    }

    /// The name of the value, and its file.
    pub fn names(self, label: &str) -> (String, String) {
        (label.to_owned(), format!("{label}.json"))
    }

    pub fn take_program(self, _: &str) -> Result<(), Failure> {
        Ok(())
    }

    pub fn until(self) -> &'static str {
        " It ends when you log off."
    }

    pub fn way_out(self, else_by_hand: &str) -> String {
        format!("Nothing was changed. Where an administrator closed that part of the registry, {else_by_hand}.")
    }

    pub fn reachable(self) -> Result<(), String> {
        registry::read("driftless").map(drop)
    }
}

impl Unit {
    pub fn write(&self, program: &str, variables: &[(String, String)]) -> String {
        let made_by = "driftless service install; driftless service uninstall removes it".to_owned();
        let (program, pair) = (program.to_owned(), self.pair.clone());
        let start = Start { made_by, program, pair, variables: variables.iter().cloned().collect() };
        serde_json::to_string_pretty(&start).expect("its keys are text") + "\n"
    }

    /// What its text holds, and no other pair's.
    pub fn marks(&self) -> [String; 2] {
        let text = |text: &String| serde_json::to_string(text).expect("a text");
        [format!("\"pair\": {}", text(&self.pair)), format!("\"DRIFTLESS_HOME\": {}", text(&self.state))]
    }

    /// With each log-on from now on, and now; one that runs is stopped first, because it runs with what was.
    pub fn start(&self) -> Result<(), String> {
        let start = Start::read(&self.path).map_err(|failure| failure.message)?;
        let line = line(&start.program, &self.path);
        if line.encode_utf16().count() > LONGEST {
            return Err(format!("Windows runs lines of up to {LONGEST} characters at log-on, and this one is longer: {line}"));
        }
        self.end_process()?;
        registry::write(&self.name, &line)?;
        start.launch(&self.path).map_err(|failure| failure.message)?;
        let began = Instant::now();
        while !self.answers() {
            if began.elapsed() > PATIENCE {
                let said = local::read_text(&errors_of(&self.path), FILE_LIMIT).ok().flatten().unwrap_or_default();
                return Err(format!("the watch process does not answer. {}", said.trim()));
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    pub fn stop(&self) -> Result<(), String> {
        registry::remove(&self.name)?;
        self.end_process()
    }

    /// What the started process complained about goes with the file.
    pub fn forget(&self) {
        drop(local::remove_file(&errors_of(&self.path)));
    }

    fn address(&self) -> Option<Address> {
        Address::find(&Path::new(&self.state).join(&self.pair))
    }

    fn answers(&self) -> bool {
        self.address().is_some_and(|at| client::ask(&at, &Ask::get("/healthz")).is_ok())
    }

    /// Nobody may be there.
    fn end_process(&self) -> Result<(), String> {
        let asked = self.address().map(|at| client::ask(&at, &Ask::post("/stop", String::new())));
        let began = Instant::now();
        while matches!(asked, Some(Ok(_))) && self.answers() {
            if began.elapsed() > PATIENCE {
                return Err(format!("its watch process did not end within {} s", PATIENCE.as_secs()));
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }
}

/// What Windows runs at log-on.
fn line(program: &str, unit: &Path) -> String {
    format!("conhost.exe --headless \"{program}\" watch --at-log-on \"{}\"", unit.display())
}

fn errors_of(unit: &Path) -> PathBuf {
    unit.with_extension("err")
}

/// `watch --at-log-on FILE`: starts the watch process that the file describes, and ends.
pub fn at_log_on(unit: &Path) -> Result<Answer, Failure> {
    Start::read(unit)?.launch(unit)?;
    Ok(Answer { exit: Exit::Done, output: String::new() })
}

impl Start {
    fn read(unit: &Path) -> Result<Start, Failure> {
        let text = local::read_text(unit, FILE_LIMIT)?.ok_or_else(|| Failure::failed(format!("There is no {}.", shown(unit))))?;
        serde_json::from_str(&text).map_err(|error| Failure::failed(format!("{} cannot be understood: {error}.", shown(unit))))
    }

    fn launch(&self, unit: &Path) -> Result<(), Failure> {
        let failed = |error: &dyn std::fmt::Display| Failure::failed(format!("No watch process can be started: {error}."));
        let errors = detach::words_of(&errors_of(unit)).map_err(|error| failed(&error))?;
        let mut command = Command::new(&self.program);
        detach::prepare(&mut command);
        command.args(["watch", "--in-background", "--pair", &self.pair]).envs(&self.variables);
        // What a run of a project set there is not meant for it.
        command.env_remove("DRIFTLESS_PAIR").stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors);
        command.spawn().map(drop).map_err(|error| failed(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(pair: &str, state: &str, path: PathBuf) -> Unit {
        Unit { kind: Kind::LogOn, name: super::super::label(pair), path, pair: pair.to_owned(), state: state.to_owned() }
    }

    #[test]
    fn a_start_reads_back_with_each_word_as_it_was_and_another_pairs_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.json");
        let odd = "a $b %h% \"q\" é\u{202e}";
        let ours = unit(odd, r"C:\s %d\x", path.clone());
        assert_eq!(ours.installed().expect("nothing"), None);
        let variables = [("DRIFTLESS_HOME", r"C:\s %d\x"), ("DRIFTLESS_IGNORE", "*.tmp,\"x\"")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        std::fs::write(&path, ours.write(r"C:\my tools\driftless.exe", &variables)).expect("written");
        assert!(ours.installed().expect("ours").is_some());
        let start = Start::read(&path).expect("a start");
        assert_eq!((start.program.as_str(), start.pair.as_str()), (r"C:\my tools\driftless.exe", odd));
        assert_eq!(start.variables, variables.into_iter().collect());
        for other in [unit("b", r"C:\s %d\x", path.clone()), unit(odd, r"C:\t", path)] {
            assert_eq!(other.installed().expect_err("another's").exit, Exit::Refused);
        }
    }

    #[test]
    fn a_value_comes_and_goes() {
        let name = format!("driftless-test-{}", std::process::id());
        assert_eq!(registry::read(&name), Ok(None));
        registry::write(&name, "a \"b\" é").expect("written");
        assert_eq!(registry::read(&name), Ok(Some("a \"b\" é".to_owned())));
        registry::remove(&name).expect("removed");
        registry::remove(&name).expect("removed again");
        assert_eq!(registry::read(&name), Ok(None));
    }

    #[test]
    fn the_folder_of_the_moment_is_no_place_for_the_program() {
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join("driftless.exe");
        std::fs::write(&program, "").expect("written");
        let temporary = local::real_path(&temporary());
        assert!(super::super::lasting(&program, &temporary).expect_err("temporary").message.contains("temporary"));
        let kept = super::super::lasting(&program, Path::new(r"C:\no such folder")).expect("it may stay");
        assert!(!kept.starts_with(r"\\?\"), "{kept}");
    }

    #[test]
    fn the_line_starts_no_window_and_has_its_paths_in_quotes() {
        let line = line(r"C:\my tools\driftless.exe", Path::new(r"C:\s\a.json"));
        assert_eq!(line, r#"conhost.exe --headless "C:\my tools\driftless.exe" watch --at-log-on "C:\s\a.json""#);
    }
}
