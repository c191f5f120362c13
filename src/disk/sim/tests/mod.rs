//! The simulated volumes themselves.

mod script;
