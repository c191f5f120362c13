//! How the system asks this process to end: signals on Unix, events of the console on Windows.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub use unix::{is_ignored, leads_session};
#[cfg(windows)]
pub use windows::{Event, end_now, hear};
