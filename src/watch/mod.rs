//! File-system events to hints: something may have changed there.
//!
//! Invariants. A hint is never proof of anything. What cannot be watched, and events that were lost, are said, so that
//! somebody scans instead; silence means that nothing happened only in folders that were entered. A folder is watched from
//! just before it is listed for the first time ([`Watcher::enter`]), so that there is no moment between the two. What the
//! project ignores is never entered and costs no watch.
//!
//! Deliberately missing: what an event says of a file (systems differ, and some lie), and polling.

mod hint;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use notify::ErrorKind;

use crate::model::path::RelPath;
use crate::model::shown::quoted;
use crate::model::target::Target;
use hint::{hints, under};
#[cfg(unix)]
use unix::Ears;
#[cfg(windows)]
use windows::Ears;

/// Systems on which each folder has a watch of its own; elsewhere one covers all that is below.
const SINGLY: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// What a watcher tells, in the order in which it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    Hint(Target),
    /// Something happened in our own folder of the root, at this path below it.
    Own(RelPath),
    /// Events were lost: everything may have changed.
    Lost(String),
    /// The root itself was moved, deleted or unmounted: this watcher is of no use any more.
    Gone,
}

/// Why there is no watcher.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be watched: {source}", quoted(path))]
pub struct Error {
    path: PathBuf,
    source: notify::Error,
}

/// Watches one root.
pub struct Watcher {
    root: PathBuf,
    ears: Mutex<Ears>,
    shared: Arc<Mutex<Covered>>,
}

/// Which folders are watched, where each one has to be.
#[derive(Debug, Default)]
struct Covered {
    folders: BTreeSet<RelPath>,
    /// Those that the system has no room for.
    bare: BTreeSet<RelPath>,
}

impl Covered {
    /// A folder that went away took its watch along, and those below it.
    fn forget(&mut self, path: &RelPath) {
        for set in [&mut self.folders, &mut self.bare] {
            let below: Vec<RelPath> = set.range(path..).take_while(|folder| folder.is_within(path)).cloned().collect();
            for folder in below {
                set.remove(&folder);
            }
        }
    }
}

impl Watcher {
    /// Watches `root`, a canonical path, and our own folder in it; other folders from when they are entered.
    pub fn start(root: &Path, own: &RelPath, say: impl Fn(Said) + Send + 'static) -> Result<Watcher, Error> {
        let shared = Arc::new(Mutex::new(Covered::default()));
        let at = |source| Error { path: root.to_owned(), source };
        let (here, known) = (root.to_owned(), shared.clone());
        let hear = move |event: notify::Result<notify::Event>| {
            for said in hints(&here, event) {
                if let Said::Hint(target) = &said {
                    // Whatever it was, a folder that stands there is entered anew: one watch too many is one.
                    lock(&known).forget(&target.path);
                }
                say(said);
            }
        };
        let ears = Ears::open(root, hear).map_err(at)?;
        let watcher = Watcher { root: root.to_owned(), ears: Mutex::new(ears), shared };
        if SINGLY {
            for folder in [RelPath::root(), own.clone()] {
                watcher.watch(&folder).map_err(at)?;
            }
        }
        Ok(watcher)
    }

    /// To be called just before a folder is listed: what happens in it from now on is told.
    ///
    /// Those above it are watched first. That a folder was moved away is told by the one above it alone; where nobody hears it, the
    /// watch goes along with the moved one, and stands in the way of a new one at the path for ever.
    pub fn enter(&self, folder: &RelPath) {
        if SINGLY && !lock(&self.shared).folders.contains(folder) {
            folder.ancestors().iter().chain([folder]).for_each(|folder| self.enter_one(folder));
        }
    }

    fn enter_one(&self, folder: &RelPath) {
        if lock(&self.shared).folders.contains(folder) {
            return;
        }
        // Before the watch: where the folder goes away between the two, its event takes the entry out again.
        lock(&self.shared).folders.insert(folder.clone());
        let Err(error) = self.watch(folder) else { return };
        let mut covered = lock(&self.shared);
        covered.folders.remove(folder);
        match error.kind {
            // Its parent's event has come or is on its way.
            ErrorKind::PathNotFound => {}
            _ => {
                tracing::debug!(%folder, %error, "a folder cannot be watched");
                covered.bare.insert(folder.clone());
            }
        }
    }

    /// Folders of which nothing is told, because the system has no room for another watch or does not let us.
    pub fn bare(&self) -> Vec<RelPath> {
        lock(&self.shared).bare.iter().cloned().collect()
    }

    pub fn bare_count(&self) -> usize {
        lock(&self.shared).bare.len()
    }

    /// What to do where there are such folders.
    pub fn advice(&self) -> String {
        let count = self.bare_count();
        format!("{count} folders have no watch and are scanned; `sysctl fs.inotify.max_user_watches=1048576` makes room")
    }

    /// Tries those again.
    pub fn retry_bare(&self) {
        for folder in std::mem::take(&mut lock(&self.shared).bare) {
            self.enter(&folder);
        }
    }

    /// Folders that are watched.
    pub fn folders(&self) -> usize {
        lock(&self.shared).folders.len()
    }

    fn watch(&self, folder: &RelPath) -> notify::Result<()> {
        let Some(path) = under(&self.root, folder) else { return Err(notify::Error::path_not_found()) };
        lock(&self.ears).watch(&path)
    }
}

/// A panic in another thread leaves nothing half done here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
