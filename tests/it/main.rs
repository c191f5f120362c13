//! The program as its users have it: the binary on real folders and mounts, by its exit codes, its output and what is on
//! the disk.

#![cfg(unix)]
#![expect(clippy::disallowed_methods, reason = "tests build and look at their own trees")]

mod background;
mod bad_input;
mod bench;
mod commands;
mod conflicts;
mod container;
mod databases;
mod databases_back;
mod doctor;
mod first_sync;
mod git;
mod golden;
mod ground;
mod growing;
mod guards;
mod harness;
mod history;
mod image;
mod incremental;
mod kills;
mod machines;
mod man;
mod mounts;
mod question;
mod relink;
mod repositories;
mod resume;
mod run;
mod services;
mod threats;
mod trash;
mod tree;
mod undo;
mod watch;
