//! The arguments of the commands around a command on the staged copy.

use std::ffi::OsString;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::Choice;
use crate::cli::settings::gates::Level;
use crate::run::steps::valid_name;

#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    pub choice: Choice,
    /// Start the command also where staging never held all of the project
    #[arg(long)]
    pub start_anyway: bool,
    /// How often results are sent while the command works, where no step was begun, like 5m; 0s: only at the end
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub push_every: Option<Duration>,
    /// How long an unreachable root or another run is waited for, like 30s or 5m
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub wait: Option<Duration>,
    /// What drift comes to with the gates that driftless.toml or pair.toml turn on, for this run: off, warn or fatal
    #[arg(long, value_name = "LEVEL")]
    pub gates: Option<Level>,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

#[derive(Debug, Subcommand)]
pub enum Step {
    /// A step begins: take the network's changes. Nothing is sent until it ends
    Begin(Named),
    /// A step ended: send its results, where no other step is open
    End {
        #[command(flatten)]
        step: Named,
        /// It failed: send nothing for it
        #[arg(long)]
        failed: bool,
    },
    /// Show the steps that were begun since the run began
    Status {
        #[command(flatten)]
        choice: Choice,
    },
}

#[derive(Debug, Args)]
pub struct Named {
    /// What the step is called
    #[arg(value_parser = step_name)]
    pub name: String,
    #[command(flatten)]
    pub choice: Choice,
    /// End with the code of the sync; without it a sync that fails is only a warning
    #[arg(long)]
    pub strict: bool,
    /// How long an unreachable root or another run is waited for, like 30s or 5m
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub wait: Option<Duration>,
}

fn step_name(typed: &str) -> Result<String, String> {
    let odd = || "a step's name has no control characters and is at most 100 bytes long".to_owned();
    if valid_name(typed) { Ok(typed.to_owned()) } else { Err(odd()) }
}

#[derive(Debug, Subcommand)]
pub enum Staging {
    /// List the staged copies of this machine, with what is in them alone
    List,
    /// Remove the staged copy of a pair and what this machine knows of it; never what is not on the network yet
    Remove {
        #[command(flatten)]
        choice: Choice,
        /// How long an unreachable root is waited for, like 30s or 5m
        #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
        wait: Option<Duration>,
    },
}
