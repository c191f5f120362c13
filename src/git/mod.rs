//! Git in step: how a branch stands to its remote, following it, publishing files on it, losing nothing.
//!
//! `docs/decisions/0008-git-in-step.md` has the flow. Invariants. Nothing of the user's (a commit, an edit, a file in the
//! way) goes before it is under a ref of ours. Refs move by compare-and-swap, here and at the remote; locks only save work.
//! What could not be found out is *unknown*, never one of the other states.

mod backup;
mod command;
mod deliver;
mod error;
mod follow;
mod lock;
mod merge;
mod names;
mod pending;
mod publish;
mod push;
mod remote;
mod repository;
mod seen;
mod state;
mod stream;
mod sync;
mod tree;
mod words;

pub use error::{Error, Result};
