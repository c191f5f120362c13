//! The manifest as far as a run may touch it: a run that writes has it, one that looks has a view of it or nothing yet.

use super::error::Error;
use super::open::Access;
use super::report::Refusal;
use super::request::{Durability, Options, Pair};
use crate::disk::clock::now;
use crate::disk::local;
use crate::manifest::{self, Manifest, Opened, Reader, View};
use crate::model::growing::Torn;
use crate::model::guard::ByTop;
use crate::model::listing::Row;
use crate::model::path::RelPath;
use crate::model::shown::quoted;
use crate::model::side::Side;
use crate::model::time::Time;
use crate::sqlite::Synchronous;

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A run does not begin with less room for what it writes down, in bytes. SQLite maps a file beside the manifest into memory;
/// where a disk is full and its blocks are smaller than a page, writing there ends the process (SIGBUS).
const STATE_ROOM: u64 = 1 << 20;

/// The base, as far as this run may touch it.
pub(super) enum Store {
    Writing(Lent),
    Reading(Option<Reader>),
}

pub(super) fn open_store(pair: &Pair, options: &Options, access: Access) -> Result<(Store, Vec<String>), Error> {
    if access == Access::LookOnly {
        return Ok((Store::Reading(Reader::open(&pair.state)?), Vec::new()));
    }
    local::make_private_folder(&pair.state)?;
    if let Some(free) = local::free(&pair.state).filter(|&free| free < STATE_ROOM) {
        return Err(Error::Refused(Refusal::StateFull { path: pair.state.clone(), free }));
    }
    let synchronous = match options.durability {
        Durability::Full => Synchronous::Full,
        Durability::None => Synchronous::Normal,
    };
    let kept = options.watched.kept.clone();
    if let Some(manifest) = kept.take() {
        return Ok((Store::Writing(Lent::new(manifest, kept)), Vec::new()));
    }
    let (manifest, opened) = Manifest::open(&pair.state, synchronous, now())?;
    let mut notes = Vec::new();
    if let Opened::SetAside(path) = opened {
        notes.push(format!(
            "the manifest was damaged; it is kept as {}. This run treats both folders as if they met for the first time: \
             nothing is deleted",
            quoted(path)
        ));
    }
    Ok((Store::Writing(Lent::new(manifest, kept)), notes))
}

/// The manifest between two runs of somebody who watches: opening and closing it costs more than most of those runs.
#[derive(Clone, Default)]
pub struct Kept(Option<Arc<Mutex<Option<Manifest>>>>);

impl Kept {
    /// A place to keep it in; the default has none.
    pub fn place() -> Kept {
        Kept(Some(Arc::default()))
    }

    fn slot(&self) -> Option<MutexGuard<'_, Option<Manifest>>> {
        self.0.as_ref().map(|slot| slot.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn take(&self) -> Option<Manifest> {
        self.slot()?.take()?.again()
    }

    /// Brings what is in its log into it: worth doing once no run follows soon.
    pub fn rest(&self) {
        if let Some(Err(error)) = self.slot().and_then(|slot| slot.as_ref().map(Manifest::rest)) {
            tracing::debug!(%error, "the manifest keeps its log");
        }
    }
}

/// The manifest for one run. It goes back to where it is kept, if anywhere.
pub(super) struct Lent {
    manifest: Option<Manifest>,
    kept: Kept,
}

impl Lent {
    fn new(manifest: Manifest, kept: Kept) -> Lent {
        Lent { manifest: Some(manifest), kept }
    }
}

impl Deref for Lent {
    type Target = Manifest;

    fn deref(&self) -> &Manifest {
        self.manifest.as_ref().expect("taken by the end alone")
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Manifest {
        self.manifest.as_mut().expect("taken by the end alone")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let (Some(mut manifest), Some(mut slot)) = (self.manifest.take(), self.kept.slot()) else { return };
        if manifest.rollback().is_ok() {
            *slot = Some(manifest);
        }
    }
}

impl Store {
    /// `None` where there is no manifest yet.
    fn view(&self) -> Option<&View> {
        match self {
            Store::Writing(manifest) => Some(manifest),
            Store::Reading(reader) => reader.as_deref(),
        }
    }

    /// What the manifest answers; nothing, or 0, where there is none yet.
    fn ask<T: Default>(&self, question: impl FnOnce(&View) -> manifest::Result<T>) -> Result<T, Error> {
        Ok(self.view().map_or(Ok(T::default()), question)?)
    }

    pub fn root(&self, side: Side) -> Result<Option<manifest::RootRecord>, Error> {
        self.ask(|view| view.root(side))
    }

    pub fn meta(&self, key: &str) -> Result<Option<String>, Error> {
        self.ask(|view| view.meta(key))
    }

    /// The newest first.
    pub fn runs(&self) -> Result<Vec<manifest::RunRecord>, Error> {
        self.ask(View::runs)
    }

    pub fn events(&self, run: manifest::RunId) -> Result<Vec<manifest::EventRecord>, Error> {
        self.ask(|view| view.events(run))
    }

    /// `None` in a dry run.
    pub fn writing(&mut self) -> Option<&mut Manifest> {
        match self {
            Store::Writing(manifest) => Some(manifest),
            Store::Reading(_) => None,
        }
    }

    /// Did nobody write to the base while this run read it without a lock?
    pub fn undisturbed(&self) -> bool {
        !matches!(self, Store::Reading(Some(reader)) if !reader.undisturbed())
    }

    pub fn has_base(&self) -> Result<bool, Error> {
        self.ask(View::has_base)
    }

    /// What giving up the base would end.
    pub fn to_give_up(&self) -> Result<manifest::GivenUp, Error> {
        self.ask(View::to_give_up)
    }

    pub fn torn(&self) -> Result<Vec<Torn>, Error> {
        self.ask(View::torn)
    }

    pub fn count_files(&self) -> Result<u64, Error> {
        self.ask(View::count_files)
    }

    /// What the base holds at a path.
    pub fn find(&self, path: &RelPath) -> Result<Option<Row>, Error> {
        self.ask(|view| view.find(path))
    }

    pub fn files_below(&self, path: &RelPath) -> Result<u64, Error> {
        self.ask(|view| view.files_below(path))
    }

    pub fn deletes_since(&self, side: Side, since: Time) -> Result<ByTop, Error> {
        self.ask(|view| view.deletes_since(side, since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Time;

    fn lent(folder: &std::path::Path, kept: &Kept) -> Lent {
        let manifest = kept.take().unwrap_or_else(|| Manifest::open(folder, Synchronous::Full, Time(0)).expect("opened").0);
        Lent::new(manifest, kept.clone())
    }

    /// Somebody else set the manifest aside between two runs: the new one is used, and keeps its log. Windows lets nobody move what is
    /// open.
    #[cfg(unix)]
    #[test]
    fn a_manifest_that_was_replaced_meanwhile_is_let_go() {
        let folder = tempfile::tempdir().expect("a folder");
        let kept = Kept::place();
        lent(folder.path(), &kept).set_meta("which", "old").expect("written");
        assert_eq!(lent(folder.path(), &kept).meta("which").expect("read").as_deref(), Some("old"));
        manifest::set_aside(folder.path(), Time(0)).expect("set aside");
        let (mut new, _) = Manifest::open(folder.path(), Synchronous::Full, Time(0)).expect("a new one");
        new.set_meta("which", "new").expect("written");
        let mut again = lent(folder.path(), &kept);
        assert_eq!(again.meta("which").expect("read").as_deref(), Some("new"));
        again.set_meta("which", "newer").expect("written");
        drop(again);
        assert_eq!(new.meta("which").expect("read").as_deref(), Some("newer"), "its log is where it was");
    }

    #[test]
    fn a_run_that_broke_off_leaves_nothing_begun() {
        let folder = tempfile::tempdir().expect("a folder");
        let kept = Kept::place();
        let mut first = lent(folder.path(), &kept);
        first.begin().expect("begun");
        first.set_meta("which", "half").expect("written");
        drop(first);
        assert_eq!(lent(folder.path(), &kept).meta("which").expect("read"), None);
        kept.rest();
        let log = crate::sqlite::beside(&manifest::path(folder.path()), "-wal");
        assert_eq!(local::length_and_time(&log).map(|(length, _)| length), Some(0));
    }
}
