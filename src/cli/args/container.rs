//! The arguments of `container`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub struct Container {
    /// A compose file; without it the one that compose finds from this folder. May be given several times
    #[arg(long, value_name = "FILE", global = true)]
    pub compose: Vec<PathBuf>,
    #[command(subcommand)]
    pub what: What,
}

#[derive(Debug, Subcommand)]
pub enum What {
    /// Compare the files in a container with those here: current or stale, where the chain breaks, and what mends it
    Check(Check),
    /// Build anew while the old container still serves, replace it, wait until it is healthy, and check it; where that fails, the old one comes back
    Rebuild(Rebuild),
}

#[derive(Debug, Default, Args)]
pub struct Check {
    /// The container, or a service; then files and folders, to compare these alone. Without any: what `container` in driftless.toml says, else all services that are built here
    #[arg(value_name = "NAME")]
    pub words: Vec<PathBuf>,
    /// The containers of this compose service; all other words are files then
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,
    /// Which local files belong where in the container, like ./src:/app; may be given several times
    #[arg(long, value_name = "LOCAL:PLACE")]
    pub map: Vec<String>,
    /// Files that are in the container and not here count as drift, too
    #[arg(long)]
    pub extra: bool,
    /// A process that started before its files changed counts as drift, too
    #[arg(long)]
    pub process: bool,
    /// List all files that differ, not some
    #[arg(long)]
    pub all: bool,
}

#[derive(Debug, Args)]
pub struct Rebuild {
    /// Services of the compose project; without any, all that are built here and run
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// Use the cache of earlier builds; without it everything is built anew
    #[arg(long)]
    pub cached: bool,
    /// How long the new container may take to become healthy, like 120s
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "120s")]
    pub wait: Duration,
    /// Give the new container new anonymous volumes: what is in the old ones is left behind
    #[arg(long)]
    pub renew_volumes: bool,
    /// Leave the new container, whatever becomes of it
    #[arg(long)]
    pub no_rollback: bool,
    /// Tell what would be done, and do nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}

impl What {
    /// The name in `schema`.
    pub fn name(&self) -> &'static str {
        match self {
            What::Check(_) => "container.check",
            What::Rebuild(_) => "container.rebuild",
        }
    }
}
