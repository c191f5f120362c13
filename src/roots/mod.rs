//! What a root is, before anything in it is believed: whose it is, where it lies, and what it can do.
//!
//! Invariants. Everything written here lies in the root's own `.driftless/` and goes through the disk port, so a
//! `.driftless` that is a link is refused and nothing outside is touched. [`mounts`] never asks a file system that may
//! be stalled: it reads the kernel's own table. [`identity`] decides without looking; [`marker`] looks without deciding.

pub mod checkup;
pub mod claim;
pub mod edges;
pub mod error;
pub mod identity;
#[cfg(unix)]
mod kinds;
pub mod lease;
pub mod marker;
#[cfg(any(target_os = "linux", all(test, unix)))]
mod mountinfo;
pub mod mounts;
pub mod own;
pub mod probe;
pub mod reach;
#[cfg(test)]
mod tests;

pub use error::Error;
