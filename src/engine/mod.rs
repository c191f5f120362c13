//! One pair, one deciding thread: look, reconcile, guard, carry, record.
//!
//! Invariants. This thread alone decides and alone writes the manifest; workers get values and return values over
//! bounded queues and are joined. Nothing is written before the whole plan went through the guards. The base learns
//! of an action after it is durable, in the same transaction as its history.

mod ahead;
mod carry;
mod claim;
mod clean;
mod clock;
pub mod complete;
mod conflicts;
mod copies;
mod databases;
mod decide;
mod deletes;
pub mod doctor;
mod error;
mod files;
mod growing;
mod hands;
mod hints;
pub mod history;
mod identify;
mod in_place;
#[cfg(test)]
mod laws;
mod lease;
mod ledger;
mod look;
mod moved;
mod open;
mod partials;
pub mod relink;
mod remove;
pub mod report;
pub mod request;
mod reverse;
mod runs;
pub mod spare;
mod status;
mod store;
mod sync;
pub mod trash;
pub mod undo;
mod unsent;
mod waiting;
mod whole;

pub use conflicts::{KeptConflict, conflicts};
pub use error::{Error, ErrorKind};
pub use open::{Duty, Post, init, take_post};
pub use status::{LastRun, RootHealth, Status, status};
pub use store::Kept;
pub use sync::sync;
pub use unsent::unsent;
