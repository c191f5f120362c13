//! The program as its users have it: the binary on real folders and mounts, by its exit codes, its output and what is on
//! the disk.

#![expect(clippy::disallowed_methods, reason = "tests build and look at their own trees")]
#![cfg_attr(windows, expect(dead_code, unused_imports, reason = "some of what tests need is for those of Unix alone"))]

mod background;
mod bad_input;
#[cfg(unix)]
mod bench; // the far folder that it measures on is a FUSE mount
mod commands;
mod conflicts;
#[cfg(unix)]
mod container; // needs an engine of Linux
#[cfg(unix)]
mod databases; // their programs are scripts for python3, which stop at signals
#[cfg(unix)]
mod databases_back; // the same
mod doctor;
mod first_sync;
#[cfg(unix)]
mod git; // needs a git, of which Wine has none
#[cfg(unix)]
mod golden; // the lab project has names and links that only Unix holds, and what is kept are its paths
#[cfg(unix)]
mod ground; // for those that trace system calls, kill at them, or mount
#[cfg(unix)]
mod growing; // traces which files are opened
mod guards;
mod harness;
mod history;
#[cfg(unix)]
mod image; // needs an engine of Linux
mod incremental;
#[cfg(unix)]
mod kills; // killed at system calls, by strace
#[cfg(unix)]
mod machines; // a machine is a host name of a namespace
mod man;
#[cfg(unix)]
mod mounts; // needs mounts
mod question;
mod relink;
#[cfg(unix)]
mod repositories; // needs a git, of which Wine has none
#[cfg(unix)]
mod resume; // killed at system calls, by strace
#[cfg(unix)]
mod run; // its commands are scripts of a shell and signals; `windows` has those of cmd
#[cfg(unix)]
mod services; // needs mounts
mod threats;
mod trash;
mod tree;
mod undo;
#[cfg(unix)]
mod watch; // asks over a socket and stops by signals; `windows` asks over a port
#[cfg(windows)]
mod windows;
