//! The program as its users have it: the binary on real folders and mounts, by its exit codes, its output and what is on
//! the disk.

#![expect(clippy::disallowed_methods, reason = "tests build and look at their own trees")]
#![cfg_attr(windows, expect(dead_code, unused_imports, reason = "some of what tests need is for those of Unix alone"))]

#[cfg(unix)]
mod background;
#[cfg(unix)]
mod bad_input;
#[cfg(unix)]
mod bench;
mod commands;
mod conflicts;
#[cfg(unix)]
mod container;
#[cfg(unix)]
mod databases;
#[cfg(unix)]
mod databases_back;
#[cfg(unix)]
mod doctor;
mod first_sync;
#[cfg(unix)]
mod git;
#[cfg(unix)]
mod golden;
#[cfg(unix)]
mod ground;
#[cfg(unix)]
mod growing;
#[cfg(unix)]
mod guards;
mod harness;
mod history;
#[cfg(unix)]
mod image;
mod incremental;
#[cfg(unix)]
mod kills;
#[cfg(unix)]
mod machines;
#[cfg(unix)]
mod man;
#[cfg(unix)]
mod mounts;
#[cfg(unix)]
mod question;
#[cfg(unix)]
mod relink;
#[cfg(unix)]
mod repositories;
#[cfg(unix)]
mod resume;
#[cfg(unix)]
mod run;
#[cfg(unix)]
mod services;
#[cfg(unix)]
mod threats;
mod trash;
mod tree;
#[cfg(unix)]
mod undo;
#[cfg(unix)]
mod watch;
#[cfg(windows)]
mod windows;
