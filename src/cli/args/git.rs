//! The arguments of `git`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use crate::git::pending::Policy;

#[derive(Debug, Args)]
pub struct Git {
    #[command(flatten)]
    pub place: Place,
    #[command(subcommand)]
    pub what: What,
}

/// Which clone, and which branch of which remote.
#[derive(Debug, Default, Args)]
pub struct Place {
    /// Work in the clone that this folder lies in
    #[arg(short = 'C', value_name = "DIR", global = true)]
    pub dir: Option<PathBuf>,
    /// The remote; without it the one that the branch goes with
    #[arg(long, value_name = "NAME", global = true)]
    pub remote: Option<String>,
    /// The remote's branch; without it the one that the branch goes with
    #[arg(long, value_name = "NAME", global = true)]
    pub branch: Option<String>,
    /// A file that holds the token for the remote, where that is reached by https; without it GITHUB_TOKEN for GitHub
    #[arg(long, value_name = "FILE", global = true)]
    pub token_file: Option<PathBuf>,
    /// How long another writer of this clone is waited for, like 30s
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, global = true)]
    pub wait: Option<Duration>,
}

#[derive(Debug, Subcommand)]
pub enum What {
    /// How the branch stands to its remote; moves nothing
    State(State),
    /// Follow the remote; what stands in the way is kept first
    Sync(Sync),
    /// Run the commands, publish what they changed in the paths, push commits of ours, follow the remote
    Tick(Tick),
    /// Follow the remote and tick, again and again, until Ctrl-C
    Watch(Watch),
    /// Publish exactly these files, as one commit on the remote's branch
    Publish(Publish),
    /// What was published and is not at the remote: what waits, met another change, or was not taken
    #[command(subcommand)]
    Pending(Pending),
    /// List what following displaced, and take it back
    #[command(subcommand)]
    Backups(Backups),
    /// How it goes: success rate, last success, what waits, who is at work
    Health(Health),
    /// Who is at work in this clone
    Lock,
    /// Remove lock files that a crash of git left, where it is proved that nobody is behind them
    Unlock(Unlock),
}

/// What a tick runs and commits.
#[derive(Debug, Args)]
pub struct TickWork {
    /// A line for `sh`, run at the top of the work tree before the commit; several run one after the other
    #[cfg_attr(
        windows,
        arg(help = "A line for `cmd`, run at the top of the work tree before the commit; several run one after the other")
    )]
    #[arg(long, value_name = "COMMAND")]
    pub run: Vec<String>,
    /// How long a command may take before it is ended, like 10m; without it as long as it likes
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub run_timeout: Option<Duration>,
    /// A file or folder below the top whose changes are committed; several times or with commas
    #[arg(long, value_name = "PATH", value_delimiter = ',', default_values = ["state", "audit"])]
    pub paths: Vec<PathBuf>,
    /// The message of the commit; {time}, {host} and {files} are filled in
    #[arg(short, long, default_value = "tick {time} on {host}")]
    pub message: String,
    /// Where somebody else changed the same path; without it ours with --alpha, else theirs
    #[arg(long, value_name = "POLICY")]
    pub on_conflict: Option<OnConflict>,
    #[command(flatten)]
    pub mode: Mode,
}

#[derive(Debug, Args)]
pub struct Tick {
    #[command(flatten)]
    pub work: TickWork,
}

#[derive(Debug, Args)]
pub struct Watch {
    #[command(flatten)]
    pub work: TickWork,
    /// The pause between two looks at the remote; without it GIT_SYNC_SYNC_INTERVAL in seconds, else 30s
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub every: Option<Duration>,
    /// The pause between two ticks; without it GIT_SYNC_TICK_INTERVAL in seconds, else 15m
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub tick_every: Option<Duration>,
    /// Only follow
    #[arg(long, conflicts_with_all = ["tick_every", "run"])]
    pub no_tick: bool,
    /// A line for `sh`, run after the remote was followed somewhere
    #[cfg_attr(windows, arg(help = "A line for `cmd`, run after the remote was followed somewhere"))]
    #[arg(long, value_name = "COMMAND")]
    pub after_change: Option<String>,
    /// Where to write how it stands after each event; without it driftless/watch.json in the repository's folder of git
    #[arg(long, value_name = "FILE")]
    pub status_file: Option<PathBuf>,
    /// Clone this where there is no repository yet; without it GITHUB_REPOSITORY
    #[arg(long, value_name = "URL")]
    pub clone: Option<String>,
}

#[derive(Debug, Args)]
pub struct Health {
    /// Exit with 5 where something waits, is in conflict, was not taken, or failed last
    #[arg(long)]
    pub exit_code: bool,
}

#[derive(Debug, Args)]
pub struct Unlock {
    /// Leave locks alone that are younger, like 15m
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "15m")]
    pub older_than: Duration,
    /// Tell what would be removed, and why
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub struct State {
    /// Exit with 5 where the branch is not in step, and with 7 where that could not be found out
    #[arg(long)]
    pub exit_code: bool,
    /// Do not ask the remote
    #[arg(long)]
    pub no_fetch: bool,
}

#[derive(Debug, Args)]
pub struct Sync {
    /// At start-up: take the newest state of the remote, whatever the mode
    #[arg(long)]
    pub initial: bool,
    /// With --initial: clone this where there is no repository yet; without it GITHUB_REPOSITORY
    #[arg(long, value_name = "URL", requires = "initial")]
    pub clone: Option<String>,
    #[command(flatten)]
    pub mode: Mode,
    /// Commits of ours that somebody took out of the remote's history stay out, in a backup; else they are published again
    #[arg(long, conflicts_with = "dry_run")]
    pub accept_rewrite: bool,
    /// Tell what would be done, and move nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}

/// Which copy counts.
#[derive(Debug, Args)]
pub struct Mode {
    /// This copy counts: where both changed, the next tick replaces the remote's branch; GIT_SYNC_ALPHA=true says the same
    #[arg(long)]
    pub alpha: bool,
    /// How long a push that others were faster than is tried again, like 60s
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "60s")]
    pub retry_for: Duration,
}

#[derive(Debug, Args)]
pub struct Publish {
    /// Files, and folders with all that git sees in them
    #[arg(value_name = "PATH", required_unless_present = "delete")]
    pub paths: Vec<PathBuf>,
    /// The message of the commit
    #[arg(short, long)]
    pub message: String,
    /// Publish that this path is gone; may be given several times
    #[arg(long, value_name = "PATH")]
    pub delete: Vec<PathBuf>,
    /// Where somebody else changed the same path: publish nothing, our version, theirs, or both changes where they do not touch
    #[arg(long, value_name = "POLICY", default_value = "fail")]
    pub on_conflict: OnConflict,
    /// Exit with 75 where it could only be kept for later
    #[arg(long)]
    pub require_push: bool,
    /// How long a push that others were faster than is tried again, like 60s
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "60s")]
    pub retry_for: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnConflict {
    Fail,
    Ours,
    Theirs,
    Merge,
}

impl OnConflict {
    pub fn policy(self) -> Policy {
        match self {
            OnConflict::Fail => Policy::Fail,
            OnConflict::Ours => Policy::Ours,
            OnConflict::Theirs => Policy::Theirs,
            OnConflict::Merge => Policy::Merge,
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum Pending {
    /// All of them, those that wait first
    List,
    /// The paths of one, and its whole message
    Show {
        /// As `pending list` names it
        id: String,
    },
    /// Let it wait again, and deliver what waits for its branch
    Retry {
        /// As `pending list` names them
        #[arg(required_unless_present = "all")]
        id: Vec<String>,
        /// All of them
        #[arg(long, conflicts_with = "id")]
        all: bool,
        /// Where somebody else changed the same path; without it as it was published
        #[arg(long, value_name = "POLICY")]
        on_conflict: Option<OnConflict>,
        /// How long a push that others were faster than is tried again, like 60s
        #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "60s")]
        retry_for: Duration,
    },
    /// Give it up; tells the name of its commit
    Drop {
        /// As `pending list` names them
        #[arg(required = true)]
        id: Vec<String>,
    },
}

#[derive(Debug, Subcommand)]
pub enum Backups {
    /// All that are kept, the newest first
    List,
    /// Write the files of a backup back; never over something that is not committed
    Restore {
        /// As `backups list` names it
        id: String,
        /// Only these files and folders
        #[arg(value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// Make a branch of this name at the commits that were left
        #[arg(long, value_name = "NAME")]
        to_branch: Option<String>,
    },
    /// Delete those that are older; without this all are kept
    Prune {
        /// Like 30d
        #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
        older_than: Duration,
    },
}

impl What {
    /// The name in `schema`.
    pub fn name(&self) -> &'static str {
        match self {
            What::State(_) => "git.state",
            What::Sync(_) => "git.sync",
            What::Tick(_) => "git.tick",
            What::Watch(_) => "git.watch",
            What::Publish(_) => "git.publish",
            What::Health(_) => "git.health",
            What::Lock => "git.lock",
            What::Unlock(_) => "git.unlock",
            What::Pending(_) => "git.pending",
            What::Backups(_) => "git.backups",
        }
    }
}
