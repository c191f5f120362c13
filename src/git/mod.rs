//! Git in step: how a branch stands to its remote, following it, publishing files on it, losing nothing.
//!
//! `docs/decisions/0009-git-in-step.md` has the flow. Invariants. Nothing of the user's (a commit, an edit, a file in the
//! way) goes before it is under a ref of ours. Refs move by compare-and-swap, here and at the remote; locks only save work.
//! What could not be found out is *unknown*, never one of the other states.

pub mod ancestry;
pub mod backup;
pub mod command;
pub mod credentials;
pub mod deliver;
mod error;
pub mod follow;
pub mod force;
mod halfway;
pub mod history;
pub mod kept;
pub mod landed;
mod lease;
pub mod lock;
mod merge;
pub mod names;
mod obstacle;
mod overlay;
pub mod pending;
pub mod publish;
pub mod push;
mod refs;
pub mod remote;
pub mod repository;
mod seen;
pub mod state;
mod stream;
pub mod sync;
pub mod tend;
pub mod tick;
pub mod tree;
pub mod unlock;
mod version;
pub mod watch;
mod words;

pub use command::Git;
pub use error::Error;
