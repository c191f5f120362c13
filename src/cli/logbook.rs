//! The log of a watch process, in the state folder of its pair: one JSON object a line, for [`super::logs`].
//!
//! What goes to stderr is another layer of the same subscriber and stays as it is. The subscriber stands before a pair is
//! known; so this layer stands in it from the beginning and is silent until [`start`].

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use tracing_subscriber::filter::FilterExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use crate::cli::{log_filter, without_requests};
use crate::disk;
use crate::disk::log::Log;

/// Below the state folder of a pair. Former files stand beside it.
const FILE: &str = "logs/watch.jsonl";

/// Turns the layer on and off.
static SWITCH: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();
static BOOK: Mutex<Option<Log>> = Mutex::new(None);

/// Where the log of the pair with this state folder is.
pub fn path(state: &Path) -> PathBuf {
    state.join(FILE)
}

/// The log is written as long as this lives.
#[must_use]
pub struct Guard(());

/// From here on everything at `info` and above is logged, with `verbose` at `debug` and above; `DRIFTLESS_LOG` counts before both.
///
/// # Errors
/// The file cannot be opened for this user alone.
pub fn start(state: &Path, verbose: bool) -> Result<Guard, disk::Error> {
    *book() = Some(Log::open(&path(state))?);
    let default = if verbose { "driftless=debug" } else { "driftless=info" };
    switch(log_filter(default).unwrap_or_else(|_| EnvFilter::new(default)));
    Ok(Guard(()))
}

impl Drop for Guard {
    fn drop(&mut self) {
        switch(EnvFilter::new("off"));
        *book() = None;
    }
}

/// For the one subscriber of the process.
pub(super) fn layer() -> impl Layer<Registry> {
    let (filter, handle) = reload::Layer::new(EnvFilter::new("off"));
    // A second start in one process (a test) keeps the first.
    drop(SWITCH.set(handle));
    fmt::layer()
        .json()
        .with_current_span(false)
        .with_span_list(false)
        .log_internal_errors(false)
        .with_writer(|| Page)
        .with_filter(filter.and(without_requests()))
}

fn switch(filter: EnvFilter) {
    if let Some(handle) = SWITCH.get() {
        // It fails only where the subscriber is gone, and nothing is logged then.
        drop(handle.reload(filter));
    }
}

fn book() -> MutexGuard<'static, Option<Log>> {
    BOOK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes one line a call.
struct Page;

impl Write for Page {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match book().as_mut() {
            Some(log) => log.append(line).map(|()| line.len()).map_err(io::Error::other),
            None => Ok(line.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt;

    #[test]
    fn the_book_holds_what_is_said_while_it_is_open() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let said = || {
            let text = std::fs::read_to_string(path(dir.path())).unwrap_or_default();
            text.lines().map(|line| serde_json::from_str(line).expect("an object")).collect::<Vec<serde_json::Value>>()
        };
        let subscriber = Registry::default().with(layer());
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!("too early");
            let guard = start(dir.path(), false).expect("a new file");
            tracing::info!(files = 3, path = "a\nb\u{1b}[2J", "sent");
            tracing::debug!("too low");
            drop(guard);
            tracing::warn!("too late");
            let guard = start(dir.path(), true).expect("the same file");
            tracing::debug!("low enough");
            // Whoever wants everything gets no request of a library, which has its login in it.
            switch(EnvFilter::new("trace"));
            tracing::trace!(target: "ureq_proto::util", "Authorization: Basic");
            tracing::trace!("ours");
            drop(guard);
        });
        let said = said();
        assert_eq!(said.len(), 3, "{said:?}");
        assert_eq!(said[0]["fields"], serde_json::json!({"message": "sent", "files": 3, "path": "a\nb\u{1b}[2J"}));
        assert_eq!((&said[0]["level"], &said[1]["level"]), (&"INFO".into(), &"DEBUG".into()));
        assert_eq!(said[2]["fields"]["message"], "ours");
        assert_eq!(said[0]["timestamp"].as_str().map(str::len), Some("2026-11-21T04:15:00.000000Z".len()));
    }
}
