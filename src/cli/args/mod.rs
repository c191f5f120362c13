//! Arguments as typed; what they mean is resolved in `settings` and `pairs`.

pub mod background;
pub mod bench;
pub mod container;
mod examples;
pub mod git;
pub mod image;
pub mod run;
mod watch;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::cli::settings::value::{self, Value};
use crate::engine::doctor::Role;
use crate::engine::history::Which;
use crate::model::conflict::Policy;
use crate::model::side::{Direction, Side};
use background::{LOGS_EXAMPLES, Logs, SERVICE_EXAMPLES, Service};
use examples::*;
use run::{Run, Staging, Step};

pub use watch::{Steer, Watch};

/// Keeps a project on a network drive and its fast local copy in step, without losing a byte.
#[derive(Debug, Parser)]
#[command(name = "driftless", version, propagate_version = true, max_term_width = 100, after_help = TOP_EXAMPLES)]
pub struct Typed {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Common {
    /// Print one JSON object on stdout instead of text
    #[arg(long, global = true)]
    pub json: bool,
    /// Tell more: every action with its reason, and what is going on
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// Answer questions with yes (never releases held deletes)
    #[arg(long, global = true)]
    pub yes: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Pair a network root with a staging folder
    #[command(after_help = INIT_EXAMPLES)]
    Init(Init),
    /// Bring the two roots of a pair in step
    #[command(after_help = SYNC_EXAMPLES, override_usage = SYNC_USAGE)]
    Sync(Sync),
    /// Show both roots, what a sync would do, conflicts, problems and the last run
    #[command(after_help = STATUS_EXAMPLES)]
    Status(Status),
    /// Keep a pair in step for as long as this runs: changes are carried as they happen
    #[command(after_help = WATCH_EXAMPLES)]
    Watch(Watch),
    /// Run a command on the staged copy of a project: take the network's changes, run it, send the results
    #[command(after_help = RUN_EXAMPLES)]
    Run(Run),
    /// Tell that a step of a workflow begins or ends: its changes are taken before, its results sent after it
    #[command(subcommand, after_help = STEP_EXAMPLES)]
    Step(Step),
    /// List or remove staged copies of projects
    #[command(subcommand, after_help = STAGING_EXAMPLES)]
    Staging(Staging),
    /// End the watch process of a pair
    #[command(after_help = STOP_EXAMPLES)]
    Stop(Steer),
    /// Let the watch process of a pair carry nothing by itself, until `resume`; `sync` still works
    #[command(after_help = PAUSE_EXAMPLES)]
    Pause(Steer),
    /// Let a paused watch process carry changes again
    #[command(after_help = PAUSE_EXAMPLES)]
    Resume(Steer),
    /// Show the paths that both sides changed, and end such conflicts
    #[command(subcommand, after_help = CONFLICTS_EXAMPLES)]
    Conflicts(Conflicts),
    /// Make paths of staging what they are on the network; staging's versions go to its trash
    #[command(after_help = REVERT_EXAMPLES)]
    Revert(Revert),
    /// Show the runs of a pair, what one of them did, or what happened to a path
    #[command(after_help = HISTORY_EXAMPLES)]
    History(History),
    /// Take a run's deletes, overwrites, changes of kind and renames back, on the side where they were done
    #[command(after_help = UNDO_EXAMPLES)]
    Undo(Undo),
    /// List, restore or remove versions that were displaced or deleted
    #[command(subcommand, after_help = TRASH_EXAMPLES)]
    Trash(Trash),
    /// Accept both roots as they are now: a lost marker, another or older folder, a new place
    #[command(after_help = RELINK_EXAMPLES)]
    Relink(Relink),
    /// Tell whether a path lies on a network drive and so needs staging, and why
    #[command(after_help = DETECT_EXAMPLES)]
    Detect(Detect),
    /// Try out what this machine and the roots can do; say what that limits and how to mend it
    #[command(after_help = DOCTOR_EXAMPLES)]
    Doctor(Doctor),
    /// Show what the pair's watch process logged
    #[command(after_help = LOGS_EXAMPLES)]
    Logs(Logs),
    /// Start the pair's watch process with each login
    #[command(subcommand, after_help = SERVICE_EXAMPLES)]
    Service(Service),
    /// Keep a git branch in step with its remote, and publish files on it
    #[command(after_help = GIT_EXAMPLES)]
    Git(git::Git),
    /// Is what runs in a container what lies here? Build it anew where it is not
    #[command(after_help = CONTAINER_EXAMPLES)]
    Container(container::Container),
    /// Compare the image that a registry has with the repository that it is built from
    #[command(after_help = IMAGE_EXAMPLES)]
    Image(image::Image),
    /// Show every drift of the project here (files, git, image, container), and what to mend first
    #[command(after_help = CHECK_EXAMPLES)]
    Check(Check),
    /// Measure this program beside other tools, on a project and places of your choice; nothing stays behind
    #[command(after_help = BENCH_EXAMPLES)]
    Bench(Box<bench::Bench>),
    /// Print the completion script of a shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions(Completions),
    /// Print the manual page of the program or of one command
    #[command(after_help = MAN_EXAMPLES)]
    Man(Man),
}

/// A policy, for everything or for what matches a pattern.
pub type PolicyFor = (Option<String>, Policy);

fn conflict_policy(text: &str) -> Result<PolicyFor, String> {
    match value::policies(std::iter::once(text))? {
        Value::Policies(mut list) => list.pop().ok_or_else(|| "is empty".to_owned()),
        _ => Err("is no policy".to_owned()),
    }
}

/// Which pair a command works on.
#[derive(Clone, Debug, Default, Args)]
pub struct Choice {
    /// The pair's network root
    #[arg(long, value_name = "DIR", conflicts_with = "pair")]
    pub network: Option<PathBuf>,
    /// The pair's staging root
    #[arg(long, value_name = "DIR", conflicts_with = "pair")]
    pub staging: Option<PathBuf>,
    /// The pair's name; without any of the three: the pair of the current folder
    #[arg(long, value_name = "NAME")]
    pub pair: Option<String>,
}

#[derive(Debug, Args)]
pub struct Init {
    /// The network root: the shared copy that people keep
    #[arg(long, value_name = "DIR")]
    pub network: PathBuf,
    /// The staging root: the local copy that tools work on; without it a folder of its own is chosen and named
    #[arg(long, value_name = "DIR")]
    pub staging: Option<PathBuf>,
    /// The pair's name; without it the name of the network root's folder
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
}

#[derive(Debug, Default, Args)]
pub struct Sync {
    /// `up` (staging to network) or `down` (network to staging), else both ways; then the paths to limit it to.
    /// A path called `up` is written `./up`
    #[arg(value_name = "up|down] [PATH")]
    pub words: Vec<OsString>,
    #[command(flatten)]
    pub choice: Choice,
    /// Tell what would be done, with reasons, and write nothing anywhere
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// What to do with paths that both sides changed: hold, prefer-staging, prefer-network, keep-both or abort; with
    /// PATTERN= only for what matches. May be given several times, the last match counts
    #[arg(long, value_name = "[PATTERN=]POLICY", value_parser = conflict_policy)]
    pub conflict: Vec<PolicyFor>,
    /// Let the deletes through that the mass-delete guard holds
    #[arg(long, conflicts_with = "restore_deletes")]
    pub allow_deletes: bool,
    /// Undo the deletes that the mass-delete guard holds: write the other side's copies back
    #[arg(long)]
    pub restore_deletes: bool,
    /// Read every file on both sides, whatever its times say
    #[arg(long)]
    pub verify: bool,
    /// At a first sync, take files of equal size and time (finer than 1 s) as equal without reading them
    #[arg(long)]
    pub trust_times: bool,
    /// How long to wait for an unreachable root or for another run to end, like 30s or 5m
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub wait: Option<Duration>,
}

#[derive(Debug, Args)]
pub struct Status {
    #[command(flatten)]
    pub choice: Choice,
    /// Exit with 5 where the roots are not in step, and with 7 where that could not be found out
    #[arg(long)]
    pub exit_code: bool,
    /// Show what the watch process does, until Ctrl-C
    #[arg(long, conflicts_with = "exit_code")]
    pub watch: bool,
}

#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    pub choice: Choice,
    /// Keep it current, until Ctrl-C
    #[arg(long)]
    pub watch: bool,
}

#[derive(Debug, Subcommand)]
pub enum Conflicts {
    /// List the conflicted paths with both versions
    List {
        #[command(flatten)]
        choice: Choice,
    },
    /// End conflicts: say whose version counts. The other one goes to the trash of its side
    Resolve(Resolve),
}

#[derive(Debug, Args)]
pub struct Resolve {
    /// Conflicted paths, folders with conflicts below them, or patterns like '*.csv'
    #[arg(required_unless_present = "all", value_name = "PATH|GLOB")]
    pub paths: Vec<PathBuf>,
    /// Every conflict of the pair
    #[arg(long, conflicts_with = "paths")]
    pub all: bool,
    /// Whose version is kept; `both`: the network's keeps the name, staging's goes beside it
    #[arg(long, value_name = "VERSION")]
    pub keep: Keep,
    /// Tell what would be done and write nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub choice: Choice,
    /// How long to wait for an unreachable root or for another run to end, like 30s or 5m
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub wait: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Keep {
    Staging,
    Network,
    Both,
}

impl Keep {
    pub fn policy(self) -> Policy {
        match self {
            Keep::Staging => Policy::Prefer(Side::Staging),
            Keep::Network => Policy::Prefer(Side::Network),
            Keep::Both => Policy::KeepBoth,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Keep::Staging => "staging",
            Keep::Network => "network",
            Keep::Both => "both",
        }
    }
}

#[derive(Debug, Args)]
pub struct Revert {
    /// Files and folders of either root that are to be as they are on the network
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    #[command(flatten)]
    pub choice: Choice,
    /// Tell what would be done, with reasons, and write nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Let the deletes through that the mass-delete guard holds
    #[arg(long)]
    pub allow_deletes: bool,
    /// How long to wait for an unreachable root or for another run to end, like 30s or 5m
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub wait: Option<Duration>,
}

#[derive(Debug, Subcommand)]
pub enum Trash {
    /// List what the trash of both roots holds
    List {
        #[command(flatten)]
        choice: Choice,
        /// Only this root's trash
        #[arg(long)]
        side: Option<TrashSide>,
        /// Only what was at or below this path
        #[arg(long, value_name = "PATH")]
        path: Option<PathBuf>,
    },
    /// Put the newest trashed version of each path back, of a folder everything below it; never over an existing file
    Restore {
        /// The paths as they were before they were trashed
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        #[command(flatten)]
        choice: Choice,
        /// The version that this run displaced: its number, or its name as `trash list` gives it
        #[arg(long)]
        run: Option<String>,
    },
    /// Remove trashed versions for good
    Empty {
        #[command(flatten)]
        choice: Choice,
        /// Only what was trashed longer ago, like 7d
        #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
        older_than: Option<Duration>,
        /// Only this root's trash
        #[arg(long)]
        side: Option<TrashSide>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TrashSide {
    Staging,
    Network,
}

impl TrashSide {
    pub fn side(self) -> Side {
        match self {
            TrashSide::Staging => Side::Staging,
            TrashSide::Network => Side::Network,
        }
    }
}

/// Names the pair and, in contrast to [`Choice`], where its roots lie now.
#[derive(Debug, Args)]
pub struct Relink {
    /// The pair's name; without it the pair that has the root named, else that of the current folder
    #[arg(long, value_name = "NAME")]
    pub pair: Option<String>,
    /// Where the pair's network root lies now
    #[arg(long, value_name = "DIR")]
    pub network: Option<PathBuf>,
    /// Where the pair's staging root lies now
    #[arg(long, value_name = "DIR")]
    pub staging: Option<PathBuf>,
    /// Take a root that belongs to another pair, or is a copy of one that does, and give it an id of its own
    #[arg(long)]
    pub new_id: bool,
    /// Tell what would be accepted, and write nothing anywhere
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// How long to wait for an unreachable root or for another run to end, like 30s or 5m
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub wait: Option<Duration>,
}

#[derive(Debug, Args)]
pub struct History {
    /// The run to tell everything of: its number, or `last`
    #[arg(value_parser = which_run, conflicts_with = "path")]
    pub run: Option<Which>,
    #[command(flatten)]
    pub choice: Choice,
    /// Everything that happened at or below this path, in all runs
    #[arg(long, value_name = "PATH")]
    pub path: Option<PathBuf>,
    /// How many runs to list, the newest first; 0 is all of them
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: u32,
}

#[derive(Debug, Args)]
pub struct Undo {
    /// The run to take back: its number, or `last` (the last one that is no undo)
    #[arg(value_parser = which_run)]
    pub run: Which,
    /// Only what is at or below these paths
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    #[command(flatten)]
    pub choice: Choice,
    /// Tell what would be taken back, and write nothing anywhere
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// How long to wait for an unreachable root or for another run to end, like 30s or 5m
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub wait: Option<Duration>,
}

fn which_run(typed: &str) -> Result<Which, String> {
    match typed {
        "last" => Ok(Which::Last),
        number => number.parse().map(Which::Number).map_err(|_| "a run is a number, as `history` lists it, or `last`".to_owned()),
    }
}

#[derive(Debug, Args)]
pub struct Detect {
    /// The path to look at; need not exist
    pub path: PathBuf,
}

#[derive(Debug, Args)]
pub struct Doctor {
    /// Folders to look at instead of a pair's roots; nothing stays behind in them
    #[arg(value_name = "PATH", conflicts_with_all = ["network", "staging", "pair"])]
    pub paths: Vec<PathBuf>,
    #[command(flatten)]
    pub choice: Choice,
    /// How long a root may take to answer, like 30s; 10s without it
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub wait: Option<Duration>,
    /// Look at one root for another process of this program
    #[arg(long, hide = true, requires = "paths")]
    pub part: Option<Part>,
}

/// What a folder is to a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    Network,
    Staging,
    Folder,
}

impl Part {
    pub fn word(self) -> &'static str {
        match self {
            Part::Network => "network",
            Part::Staging => "staging",
            Part::Folder => "folder",
        }
    }

    pub fn role(self) -> Role {
        match self {
            Part::Network => Role::Of(Side::Network),
            Part::Staging => Role::Of(Side::Staging),
            Part::Folder => Role::Folder,
        }
    }
}

#[derive(Debug, Args)]
pub struct Man {
    /// The command; without it the program
    #[arg(value_name = "COMMAND", conflicts_with = "dir")]
    pub command: Option<String>,
    /// Write all pages into this folder: driftless.1, driftless-sync.1 and so on
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Completions {
    pub shell: Shell,
}

impl Sync {
    /// The direction and the paths. The first word is a direction if it is exactly one.
    pub fn direction_and_paths(&self) -> (Direction, Vec<PathBuf>) {
        let (direction, paths) = match self.words.split_first() {
            Some((first, rest)) if first == "up" => (Direction::Up, rest),
            Some((first, rest)) if first == "down" => (Direction::Down, rest),
            _ => (Direction::Both, &self.words[..]),
        };
        (direction, paths.iter().map(PathBuf::from).collect())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Typed, clap::Error> {
        Typed::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_declaration_is_sound_and_every_command_shows_examples() {
        let mut command = Typed::command();
        command.build();
        command.debug_assert();
        for sub in Typed::command().get_subcommands_mut().filter(|sub| sub.get_name() != "help") {
            assert!(sub.render_long_help().to_string().contains("Examples:"), "{}", sub.get_name());
        }
    }

    #[test]
    fn sync_takes_its_direction_only_from_the_first_word() {
        for (line, direction, paths) in [
            ("driftless sync", Direction::Both, &[][..]),
            ("driftless sync up", Direction::Up, &[]),
            ("driftless sync down a/b c", Direction::Down, &["a/b", "c"]),
            ("driftless sync a up", Direction::Both, &["a", "up"]),
            ("driftless sync ./up", Direction::Both, &["./up"]),
            ("driftless sync up up", Direction::Up, &["up"]),
            ("driftless sync --dry-run down x --wait 90s", Direction::Down, &["x"]),
            ("driftless sync UP", Direction::Both, &["UP"]),
        ] {
            let typed = parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
            let Command::Sync(sync) = typed.command else { panic!("{line} is no sync") };
            let expected = paths.iter().map(PathBuf::from).collect::<Vec<_>>();
            assert_eq!(sync.direction_and_paths(), (direction, expected), "{line}");
        }
    }

    #[test]
    fn wrong_usage_ends_with_2() {
        for line in [
            "driftless",
            "driftless sink",
            "driftless sync --conflict keep-bth",
            "driftless sync --wait soon",
            "driftless sync --allow-deletes --restore-deletes",
            "driftless sync --pair a --network /n",
            "driftless init",
            "driftless conflicts",
            "driftless conflicts resolve --keep staging",
            "driftless conflicts resolve a",
            "driftless conflicts resolve a --all --keep both",
            "driftless revert",
            "driftless trash restore",
            "driftless undo",
            "driftless undo first",
            "driftless history 1 --path a",
            "driftless detect",
            "driftless run",
            "driftless run --",
            "driftless run make",
            "driftless run --push-every soon -- make",
            "driftless staging",
            "driftless step",
            "driftless step begin",
            "driftless step begin --x",
            "driftless step begin a --failed",
            "driftless logs -n all",
            "driftless watch --listen 0.0.0.0:80",
            "driftless watch --listen localhost",
            "driftless service",
            "driftless completions tcsh",
            "driftless status --color=always",
        ] {
            assert_eq!(parse(line).map(|_| ()).map_err(|error| error.exit_code()), Err(2), "{line}");
        }
    }

    #[test]
    fn common_flags_stand_before_and_after_the_command() {
        for line in ["driftless --json --yes -v sync", "driftless sync --json --yes --verbose"] {
            let common = parse(line).expect(line).common;
            assert!(common.json && common.yes && common.verbose, "{line}");
        }
        let Command::Sync(sync) = parse("driftless sync --wait 1m30s --conflict abort").expect("fine").command else {
            panic!("no sync")
        };
        assert_eq!(sync.wait, Some(Duration::from_secs(90)));
        assert_eq!(sync.conflict, [(None, Policy::Abort)]);
    }
}
