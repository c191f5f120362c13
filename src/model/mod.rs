//! Decisions as pure functions of values: no file system, clock, thread, environment, randomness or log.
//!
//! Read in this order: [`path`] and [`entry`] (what a root holds), [`listing`] (one folder as seen),
//! [`change`] (what differs from the base), [`reconcile`] (what to do about it) and [`plan`] (the answer).
//! [`rename`] and [`guard`] look at a finished plan. Everything here can be tested from tables.

pub mod backoff;
pub mod change;
pub mod conflict;
pub mod consume;
pub mod database;
pub mod digest;
pub mod entry;
pub mod finding;
pub mod growing;
pub mod guard;
pub mod ignore;
pub mod listing;
pub mod native;
pub mod path;
pub mod plan;
pub mod reconcile;
pub mod rename;
pub mod settle;
pub mod severity;
pub mod shown;
pub mod side;
pub mod spacing;
pub mod target;
pub mod time;
pub mod traits;
pub mod utc;
pub mod vouch;
pub mod whole;

#[cfg(test)]
mod laws;
#[cfg(test)]
pub(crate) mod mutants;
