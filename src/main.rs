//! The binary: calls [`driftless::cli::run`] and exits with its code.

use std::process::ExitCode;

fn main() -> ExitCode {
    driftless::cli::run(std::env::args_os())
}
