//! The manifest as far as a run may touch it: a run that writes has it, one that looks has a view of it or nothing yet.

use super::error::Error;
use super::open::Access;
use super::report::Refusal;
use super::request::{Durability, Options, Pair};
use crate::disk::clock::now;
use crate::disk::local;
use crate::manifest::{self, Manifest, Opened, Reader, View};
use crate::model::growing::Torn;
use crate::model::listing::Row;
use crate::model::path::RelPath;
use crate::model::side::Side;
use crate::model::time::Time;
use crate::sqlite::Synchronous;

/// A run does not begin with less room for what it writes down, in bytes. SQLite maps a file beside the manifest into memory;
/// where a disk is full and its blocks are smaller than a page, writing there ends the process (SIGBUS).
const STATE_ROOM: u64 = 1 << 20;

/// The base, as far as this run may touch it.
pub(super) enum Store {
    Writing(Box<Manifest>),
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
    let (manifest, opened) = Manifest::open(&pair.state, synchronous, now())?;
    let mut notes = Vec::new();
    if let Opened::SetAside(path) = opened {
        notes.push(format!(
            "the manifest was damaged; it is kept as {path:?}. This run treats both folders as if they met for the first time: \
             nothing is deleted"
        ));
    }
    Ok((Store::Writing(Box::new(manifest)), notes))
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

    pub fn deletes_since(&self, side: Side, since: Time) -> Result<u64, Error> {
        self.ask(|view| view.deletes_since(side, since))
    }
}
