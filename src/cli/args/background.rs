//! What belongs to the watch process: its log, and its start at login.

use clap::{Args, Subcommand};

use super::Choice;

pub const LOGS_EXAMPLES: &str = "\
Examples:
  driftless logs                       the last 50 lines of the watch process of this pair
  driftless logs --pair project -n 500
  driftless logs --follow              and what comes, until Ctrl-C
  driftless logs --json | jq 'select(.level == \"WARN\")'";

pub const SERVICE_EXAMPLES: &str = "\
Examples:
  driftless service print --pair project    what would be installed
  driftless service install --pair project  watch it from every login on, and now
  driftless service uninstall --pair project";

#[derive(Debug, Args)]
pub struct Logs {
    #[command(flatten)]
    pub choice: Choice,
    /// How many of the last lines are shown
    #[arg(short = 'n', long, value_name = "LINES", default_value_t = 50)]
    pub lines: u32,
    /// Go on with what is logged from now on, until Ctrl-C
    #[arg(short, long)]
    pub follow: bool,
}

#[derive(Debug, Subcommand)]
pub enum Service {
    /// Start the pair's watch process with each login of this user, and now
    Install {
        #[command(flatten)]
        choice: Choice,
    },
    /// Stop that watch process and do not start it any more
    Uninstall {
        #[command(flatten)]
        choice: Choice,
    },
    /// Print what would be installed, and change nothing
    Print {
        #[command(flatten)]
        choice: Choice,
    },
}
