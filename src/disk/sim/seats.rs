//! Which volume a path leads to. The table is a thread's own: what runs on it alone finds its volumes by their paths.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use super::{Habits, Volume};

thread_local! {
    static SEATED: RefCell<Vec<(PathBuf, Volume)>> = const { RefCell::new(Vec::new()) };
}

/// While it lives, its paths lead to volumes on this thread.
pub struct Seated(());

impl Seated {
    pub fn at(paths: impl IntoIterator<Item = (PathBuf, Volume)>) -> Seated {
        SEATED.set(paths.into_iter().collect());
        Seated(())
    }
}

impl Drop for Seated {
    fn drop(&mut self) {
        SEATED.take();
    }
}

/// The volume at a path, where one is.
pub fn at(path: &Path) -> Option<Volume> {
    SEATED.with_borrow(|seated| seated.iter().find(|(at, _)| at == path).map(|(_, volume)| volume.clone()))
}

/// How the volume at a path behaves.
pub fn habits_at(path: &Path) -> Option<Habits> {
    at(path).map(|volume| volume.with(|inner, seat| inner.seats[seat].own().habits))
}
