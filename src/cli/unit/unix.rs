//! systemd on Linux, launchd on macOS.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use super::Unit;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::settings::variable;
use crate::disk::local;
use crate::model::shown::{steers, tame};

/// Seconds before a watch process that failed is started again.
const PAUSE: u32 = 30;
/// Seconds that it may take to end. It needs 5 at most.
const PATIENCE: u32 = 20;
/// Folders that are empty after a restart.
pub const GONE_TOMORROW: &[&str] = &["/run", "/dev/shm"];
/// Where a user keeps programs.
pub const LASTING: &str = "~/.local/bin";

/// Where files of the moment lie.
pub fn temporary() -> PathBuf {
    variable("TMPDIR").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from)
}

/// What starts programs at login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Systemd,
    Launchd,
}

impl Kind {
    pub fn word(self) -> &'static str {
        match self {
            Kind::Systemd => "systemd",
            Kind::Launchd => "launchd",
        }
    }

    pub fn of_this_machine() -> Option<Kind> {
        match std::env::consts::OS {
            "linux" => Some(Kind::Systemd),
            "macos" => Some(Kind::Launchd),
            _ => None,
        }
    }

    /// Where units of this user stand.
    pub fn folder(self, _state: &Path) -> Option<PathBuf> {
        let home = variable("HOME").map(PathBuf::from);
        match self {
            Kind::Systemd => {
                let config = variable("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
                Some(config.or_else(|| Some(home?.join(".config")))?.join("systemd/user"))
            }
            Kind::Launchd => Some(home?.join("Library/LaunchAgents")),
        }
    }

    /// As the system calls a unit, and its file.
    pub fn names(self, label: &str) -> (String, String) {
        match self {
            Kind::Systemd => (format!("{label}.service"), format!("{label}.service")),
            Kind::Launchd => (label.to_owned(), format!("{label}.plist")),
        }
    }

    /// Can it start a program of that path?
    pub fn take_program(self, program: &str) -> Result<(), Failure> {
        if self == Kind::Systemd && program.contains(['"', '\'', '\\']) {
            return Err(Failure::refused(format!("systemd starts no program whose path has a quote or a backslash: {program}."))
                .advise("Nothing was changed. Put the program elsewhere and run it from there."));
        }
        Ok(())
    }

    /// When what was started ends.
    pub fn until(self) -> &'static str {
        match self {
            Kind::Systemd => " It ends with your last session; `loginctl enable-linger` keeps it running without one.",
            Kind::Launchd => "",
        }
    }

    /// What to do where it does not answer.
    pub fn way_out(self, else_by_hand: &str) -> String {
        match self {
            Kind::Systemd => format!(
                "Nothing was changed. In containers and over `su` or `sudo` there is none. Where the machine has systemd, run \
                 `loginctl enable-linger` and log in again; else {else_by_hand}."
            ),
            Kind::Launchd => format!("Nothing was changed. Run it again in a session at the screen; else {else_by_hand}."),
        }
    }

    pub fn reachable(self) -> Result<(), String> {
        match self {
            Kind::Systemd => call("systemctl", &["--user", "show-environment"]),
            Kind::Launchd => call("launchctl", &["print", &domain()]),
        }
    }
}

impl Unit {
    /// The whole text.
    pub fn write(&self, program: &str, variables: &[(String, String)]) -> String {
        match self.kind {
            Kind::Systemd => self.systemd(program, variables),
            Kind::Launchd => self.launchd(program, variables),
        }
    }

    /// What its text holds, and no other pair's.
    pub fn marks(&self) -> [String; 2] {
        match self.kind {
            Kind::Systemd => {
                [format!("--pair {}", quoted(&self.pair).replace('$', "$$")), quoted(&format!("DRIFTLESS_HOME={}", self.state))]
            }
            Kind::Launchd => [&self.pair, &self.state].map(|word| format!("<string>{}</string>", marked_up(word))),
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

    /// With each login from now on, and now; one that runs is stopped first, because it runs with what was.
    pub fn start(&self) -> Result<(), String> {
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

    pub fn stop(&self) -> Result<(), String> {
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
    pub fn forget(&self) {
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
