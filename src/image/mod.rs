//! The image in step: was what the registry has built from the commit that counts?
//!
//! `docs/decisions/0011-image-in-step.md` has the flow. Invariants. What could not be found out is *could not tell*, and never in
//! step. Texts of a registry are tamed before they are shown; credentials go where they belong and into no error.

pub mod cause;
pub mod check;
#[cfg(test)]
mod check_tests;
pub mod contents;
pub mod credentials;
pub mod evidence;
pub mod finding;
pub mod history;
pub mod http;
pub mod local;
mod login;
pub mod reference;
pub mod registry;
mod source;
pub mod stamp;
pub mod store;
mod url;
