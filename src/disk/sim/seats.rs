//! Which volume a path leads to. The table is a thread's own: what runs on it alone finds its volumes by their paths.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Habits, Volume};

thread_local! {
    static SEATED: RefCell<Vec<(PathBuf, Volume)>> = const { RefCell::new(Vec::new()) };
}

/// While it lives, paths of its own lead to volumes on this thread.
pub struct Seated {
    at: PathBuf,
    _folder: tempfile::TempDir,
}

impl Seated {
    /// Each volume is found at a real folder of its name, which holds nothing but a place for a lock. In memory, where the
    /// machine has a folder there.
    pub fn begin<'n>(volumes: impl IntoIterator<Item = (&'n str, Volume)>) -> Seated {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder");
        let at = crate::disk::local::canonicalize(folder.path()).expect("its real path");
        let seats = volumes.into_iter().map(|(name, volume)| {
            fs::create_dir_all(at.join(name).join(".driftless")).expect("a place for the lock");
            (at.join(name), volume)
        });
        SEATED.set(seats.collect());
        Seated { at, _folder: folder }
    }

    /// The path of a volume, or a free one beside them.
    pub fn path(&self, name: &str) -> PathBuf {
        self.at.join(name)
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
