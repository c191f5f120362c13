//! Hearing of changes where notify does it well.

use std::path::Path;

use notify::{Config, Event, EventKindMask, RecommendedWatcher, RecursiveMode, Result, WatchPathConfig, Watcher as _};

use super::SINGLY;

/// The system's watcher.
pub(super) struct Ears(RecommendedWatcher);

impl Ears {
    /// Hears of the folders that are named later; of all below `root` where one watch covers that.
    pub fn open(root: &Path, hear: impl Fn(Result<Event>) + Send + 'static) -> Result<Ears> {
        let kinds = EventKindMask::CORE | EventKindMask::ACCESS_CLOSE;
        let mut ears =
            Ears(RecommendedWatcher::new(hear, Config::default().with_follow_symlinks(false).with_event_kinds(kinds))?);
        if !SINGLY {
            ears.watch_with(root, RecursiveMode::Recursive)?;
        }
        Ok(ears)
    }

    /// Hears of one folder's entries from now on.
    pub fn watch(&mut self, folder: &Path) -> Result<()> {
        self.watch_with(folder, RecursiveMode::NonRecursive)
    }

    fn watch_with(&mut self, folder: &Path, mode: RecursiveMode) -> Result<()> {
        self.0.watch_with(folder, WatchPathConfig::new(mode).with_dereference_symlinks(false))
    }
}
