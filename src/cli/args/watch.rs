//! The arguments of the commands that start and steer a watch process.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;

use super::{Choice, PolicyFor, conflict_policy};

#[derive(Debug, Args)]
pub struct Watch {
    #[command(flatten)]
    pub choice: Choice,
    /// Go on in the background; `driftless stop` ends it, `driftless logs` tells what it does
    #[arg(long)]
    pub detach: bool,
    /// Answer over HTTP on this address of this machine too (127.0.0.1 or [::1]; port 0: any free one), to who knows the
    /// token in the pair's state folder
    #[arg(long, value_name = "IP:PORT", value_parser = loopback)]
    pub listen: Option<SocketAddr>,
    /// How long a path has to be quiet before it is carried, like 20ms; 0s: at once
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub settle: Option<Duration>,
    /// What to do with paths that both sides changed, as for `sync`
    #[arg(long, value_name = "[PATTERN=]POLICY", value_parser = conflict_policy)]
    pub conflict: Vec<PolicyFor>,
    /// How long another watch process of the pair may take to end, like 30s; without it this one is refused at once
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub wait: Option<Duration>,
    /// Set by `--detach`: away from the terminal
    #[arg(long, hide = true)]
    pub in_background: bool,
    /// Set by `service install`: the file that says what to start
    #[cfg(windows)]
    #[arg(long, hide = true, value_name = "FILE")]
    pub at_log_on: Option<std::path::PathBuf>,
}

fn loopback(typed: &str) -> Result<SocketAddr, String> {
    let at: SocketAddr = typed.parse().map_err(|_| "an address and a port, like 127.0.0.1:0".to_owned())?;
    at.ip().is_loopback().then_some(at).ok_or_else(|| "only addresses of this machine, like 127.0.0.1:0".to_owned())
}

/// `stop`, `pause`, `resume`.
#[derive(Debug, Args)]
pub struct Steer {
    #[command(flatten)]
    pub choice: Choice,
}
