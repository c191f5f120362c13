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
#[derive(Debug, Args)]
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
    /// Publish exactly these files, as one commit on the remote's branch
    Publish(Publish),
    /// List what following displaced, and take it back
    #[command(subcommand)]
    Backups(Backups),
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
}

impl What {
    /// The name in `schema`.
    pub fn name(&self) -> &'static str {
        match self {
            What::State(_) => "git.state",
            What::Sync(_) => "git.sync",
            What::Publish(_) => "git.publish",
            What::Backups(_) => "git.backups",
        }
    }
}
