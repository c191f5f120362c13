//! Driftless keeps a project on a network drive and its fast local copy in step, without losing a byte.
//!
//! The rooms are listed in `docs/architecture.md`; a room names only rooms on lower floors.

#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "tests build their own trees"))]

mod bench;
pub mod cli;
mod container;
mod disk;
mod docker;
mod engine;
mod git;
mod image;
mod manifest;
mod model;
mod roots;
mod run;
mod scan;
mod service;
mod sqlite;
mod transfer;
mod watch;

/// For the tests and benches of this package: no promise to anybody else.
#[doc(hidden)]
pub mod measured {
    pub use crate::bench::{layer, parts};
}
