//! A far share to try on: a FUSE file system that passes everything on to a folder, and lets each request wait first.
//!
//! Invariants. What comes through is what is there: content, times, modes, links and inode numbers. Each request waits on its own,
//! as many side by side as the layer is wide. It goes with its owner; what a killed process left is swept by the next one.

#[cfg(target_os = "linux")]
mod books;
#[cfg(target_os = "linux")]
mod listing;
#[cfg(target_os = "linux")]
mod mounted;
#[cfg(target_os = "linux")]
mod nodes;
#[cfg(target_os = "linux")]
mod pool;
#[cfg(target_os = "linux")]
mod serve;
#[cfg(target_os = "linux")]
mod share;
#[cfg(target_os = "linux")]
mod source;

use std::collections::BTreeMap;
#[cfg(not(target_os = "linux"))]
use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
#[cfg(target_os = "linux")]
use std::sync::Arc;
use std::time::Duration;

/// What was asked of a layer since it was mounted or last cleared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests of the kernel by their FUSE name: what its caches answered is not among them. A `readdir` is one answer of up to
    /// 256 names with their attributes, whatever pages the kernel takes it in.
    pub calls: BTreeMap<&'static str, u64>,
    /// Bytes that were read, with what the kernel read ahead.
    pub read: u64,
    pub written: u64,
    /// Requests that were in work side by side, at most.
    pub most_at_once: u64,
}

impl Counts {
    /// All calls.
    pub fn total(&self) -> u64 {
        self.calls.values().sum()
    }

    /// The calls for which somebody waited the layer's time: all but the two that tell it of a handle that goes.
    pub fn waited(&self) -> u64 {
        let free = ["release", "releasedir"].iter().filter_map(|word| self.calls.get(word));
        self.total() - free.sum::<u64>()
    }
}

/// A folder as a far share, until it is dropped.
pub struct Layer {
    #[cfg(target_os = "linux")]
    mounted: mounted::Mounted,
    #[cfg(target_os = "linux")]
    books: Arc<books::Books>,
    /// There is none on other systems.
    #[cfg(not(target_os = "linux"))]
    none: Infallible,
}

#[cfg(target_os = "linux")]
impl Layer {
    /// Shows `source` at the folder `at`, which must not lie within it, to this user alone. Each request waits `wait` and then acts,
    /// at most `width` of them (at least one) side by side; the kernel keeps names and attributes for `caches`.
    ///
    /// There is no write-behind: who writes waits for each block of up to 1 MiB, and so does who closes a file.
    pub fn mount(source: &Path, at: &Path, wait: Duration, width: usize, caches: Duration) -> io::Result<Layer> {
        let books = Arc::default();
        let mounted = mounted::Mounted::put(source, at, wait, width, caches, &books)?;
        Ok(Layer { mounted, books })
    }

    pub fn counts(&self) -> Counts {
        self.books.counts()
    }

    /// Counts begin at zero again. What the kernel has in its caches stays there: mount anew to begin without.
    pub fn clear(&self) {
        self.books.clear();
    }

    /// Takes the layer away, as a drop does, and tells what went wrong.
    pub fn unmount(mut self) -> io::Result<()> {
        self.mounted.take_away()
    }

    /// Takes away the layers of processes that were killed; gives where they were.
    pub fn sweep() -> io::Result<Vec<PathBuf>> {
        mounted::sweep()
    }
}

#[cfg(not(target_os = "linux"))]
impl Layer {
    /// There is no FUSE here that could be mounted without an installation of its own.
    pub fn mount(_source: &Path, _at: &Path, _wait: Duration, _width: usize, _caches: Duration) -> io::Result<Layer> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "the layer that waits is for Linux"))
    }

    pub fn counts(&self) -> Counts {
        match self.none {}
    }

    pub fn clear(&self) {
        match self.none {}
    }

    pub fn unmount(self) -> io::Result<()> {
        match self.none {}
    }

    pub fn sweep() -> io::Result<Vec<PathBuf>> {
        Ok(Vec::new())
    }
}
