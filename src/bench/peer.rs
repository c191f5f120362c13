//! The tools that are measured, and the words that each is started with.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Way;
use super::scenario::Scenario;
use crate::disk::{ground, local};

/// A program that keeps folders equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tool {
    Driftless,
    Rsync,
    Cp,
    Rclone,
    Unison,
    Lsyncd,
}

/// What driftless keeps in a root; no peer is to copy it.
pub const OURS: &str = ".driftless";

/// What a tool is given: the project, where it is to go, and a folder for what the tool remembers.
#[derive(Clone, Debug)]
pub struct Roots {
    pub source: PathBuf,
    pub target: PathBuf,
    pub state: PathBuf,
    pub way: Way,
    /// The network root answers late: tools that can are told to do more at once.
    pub far: bool,
}

/// Why a tool is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Bring the source's changes to the target.
    Bring,
    /// Both sides changed: find that out, and leave it.
    Meet,
    /// End what `Meet` left: the source's versions win.
    Decide,
    /// The same as `Bring`, through a watch process where the tool can.
    Flush,
}

impl Tool {
    pub const PEERS: [Tool; 5] = [Tool::Rsync, Tool::Cp, Tool::Rclone, Tool::Unison, Tool::Lsyncd];

    pub fn word(self) -> &'static str {
        match self {
            Tool::Driftless => "driftless",
            Tool::Rsync => "rsync",
            Tool::Cp => "cp",
            Tool::Rclone => "rclone",
            Tool::Unison => "unison",
            Tool::Lsyncd => "lsyncd",
        }
    }

    /// Where it lies; `None` where it is not installed.
    pub fn find(self, program: &Path) -> Option<PathBuf> {
        if self == Tool::Driftless { Some(program.to_path_buf()) } else { ground::program(self.word()) }
    }

    /// The first line that it says of itself.
    pub fn version(self, program: &Path) -> Option<String> {
        let word = if self == Tool::Unison || self == Tool::Lsyncd { "-version" } else { "--version" };
        let output = Command::new(program).arg(word).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().trim().to_owned();
        (!text.is_empty()).then_some(text)
    }

    /// Has it something to do in this scenario? What it was not made for is not held against it.
    pub fn takes_part(self, scenario: Scenario) -> bool {
        match self {
            Tool::Driftless => true,
            Tool::Cp => scenario == Scenario::First,
            Tool::Lsyncd => matches!(scenario, Scenario::Storm | Scenario::Event),
            Tool::Rsync | Tool::Rclone => !matches!(scenario, Scenario::Conflicts | Scenario::Storm | Scenario::Event),
            Tool::Unison => !matches!(scenario, Scenario::Storm | Scenario::Event),
        }
    }

    /// Ends that mean that it did what it was asked to.
    pub fn is_well(self, purpose: Purpose, code: i32) -> bool {
        match (self, purpose) {
            (Tool::Driftless, Purpose::Meet) => code == 3,
            // Something was skipped, which is what it is to do.
            (Tool::Unison, Purpose::Meet) => code == 1,
            _ => code == 0,
        }
    }

    /// The words that it is started with, the program first.
    pub fn words(self, program: &Path, roots: &Roots, purpose: Purpose) -> Vec<OsString> {
        let Roots { source, target, .. } = roots;
        let mut words: Vec<OsString> = vec![program.into()];
        let mut add = |more: &[&str]| words.extend(more.iter().map(OsString::from));
        match self {
            Tool::Driftless => return driftless(words, roots, purpose),
            Tool::Rsync => add(&["-a", "--delete", "--exclude=/.driftless"]),
            Tool::Cp => add(&["-a"]),
            Tool::Rclone => {
                add(&["sync", "--links", "--create-empty-src-dirs", "--exclude=/.driftless/**", "--log-level=ERROR", "--config"]);
                words.push(roots.state.join("rclone.conf").into());
                if roots.far {
                    words.extend(["--transfers", "32", "--checkers", "32"].map(OsString::from));
                }
            }
            Tool::Unison => {
                add(&[
                    "-ui",
                    "text",
                    "-batch",
                    "-auto",
                    "-silent",
                    "-times",
                    "-confirmbigdel=false",
                    "-ignore",
                    "Path .driftless",
                ]);
                if purpose == Purpose::Decide {
                    words.extend(["-prefer".into(), source.into()]);
                }
            }
            Tool::Lsyncd => {
                add(&["-nodaemon"]);
                words.push(roots.state.join("settings.lua").into());
                return words;
            }
        }
        match self {
            Tool::Cp => words.extend([source.join(".").into(), ending_in_a_slash(target)]),
            Tool::Rsync => words.extend([ending_in_a_slash(source), ending_in_a_slash(target)]),
            _ => words.extend([source.into(), target.into()]),
        }
        words
    }

    /// A command of it, with an environment in which it remembers things in its own state folder alone.
    pub fn command(self, words: &[OsString], roots: &Roots) -> Command {
        let (program, rest) = words.split_first().expect("the program is the first word");
        let mut command = Command::new(program);
        command.args(rest).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if self == Tool::Driftless {
            for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("DRIFTLESS_")) {
                command.env_remove(name);
            }
            command.env("DRIFTLESS_HOME", &roots.state).env("DRIFTLESS_DURABILITY", durability());
            command.envs(in_place().map(|patterns| (IN_PLACE, patterns)));
        }
        command.env("UNISON", &roots.state).current_dir(&roots.state);
        command
    }

    /// Writes what it has to find when it is started.
    pub fn prepare(self, roots: &Roots) -> Result<(), super::Error> {
        local::make_folders(&roots.state)?;
        local::make_folders(&roots.target)?;
        if self == Tool::Lsyncd {
            let quoted = |path: &Path| path.to_string_lossy().replace('\\', "\\\\").replace('"', "\\\"");
            let (source, target) = (quoted(&roots.source), quoted(&roots.target));
            let text = format!(
                "sync{{default.direct, source=\"{source}\", target=\"{target}\", delay=0, exclude={{\"/{OURS}\", \"/{OURS}/**\"}}}}\n"
            );
            local::write_text(&roots.state.join("settings.lua"), &text)?;
        }
        Ok(())
    }
}

/// The others flush nothing: without a word of the user neither do we.
pub fn durability() -> OsString {
    std::env::var_os("DRIFTLESS_DURABILITY").unwrap_or_else(|| "none".into())
}

const IN_PLACE: &str = "DRIFTLESS_IN_PLACE";

/// What the user lets us change where it stands.
pub fn in_place() -> Option<OsString> {
    std::env::var_os(IN_PLACE)
}

fn driftless(mut words: Vec<OsString>, roots: &Roots, purpose: Purpose) -> Vec<OsString> {
    let (up, down) = (roots.way == Way::Up, roots.way.word());
    let [staging, network] = if up { [&roots.source, &roots.target] } else { [&roots.target, &roots.source] };
    let mut add = |more: &[&str]| words.extend(more.iter().map(OsString::from));
    match purpose {
        Purpose::Bring => add(&["sync", down, "--yes", "--allow-deletes"]),
        Purpose::Meet => add(&["sync", "--yes", "--allow-deletes"]),
        Purpose::Decide => add(&["conflicts", "resolve", "--all", "--keep", if up { "staging" } else { "network" }]),
        // Any option more would have it done without the watch process.
        Purpose::Flush => add(&["sync", down, "--json"]),
    }
    words.extend(["--network".into(), network.into(), "--staging".into(), staging.into()]);
    words
}

/// The words of a watch process of ours.
pub fn watch(program: &Path, roots: &Roots) -> Vec<OsString> {
    let [staging, network] = if roots.way == Way::Up { [&roots.source, &roots.target] } else { [&roots.target, &roots.source] };
    let words: [OsString; 4] = [program.into(), "watch".into(), "--yes".into(), "--json".into()];
    words.into_iter().chain(["--network".into(), network.into(), "--staging".into(), staging.into()]).collect()
}

/// What is in the folder, for `rsync` and `cp`, not the folder.
fn ending_in_a_slash(path: &Path) -> OsString {
    path.join("").into_os_string()
}
