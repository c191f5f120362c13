//! The manifest as far as a run may touch it: a run that writes has it, one that looks has a view of it or nothing yet.

use super::clock::now;
use super::error::Error;
use super::open::Access;
use super::request::{Durability, Options, Pair};
use crate::disk::local;
use crate::manifest::{self, Manifest, Opened, Reader};
use crate::model::growing::Torn;
use crate::model::listing::Row;
use crate::model::path::RelPath;
use crate::model::side::Side;
use crate::model::time::Time;
use crate::sqlite::Synchronous;

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
    pub fn root(&self, side: Side) -> Result<Option<manifest::RootRecord>, Error> {
        Ok(match self {
            Store::Writing(manifest) => manifest.root(side)?,
            Store::Reading(Some(reader)) => reader.root(side)?,
            Store::Reading(None) => None,
        })
    }

    pub fn meta(&self, key: &str) -> Result<Option<String>, Error> {
        Ok(match self {
            Store::Writing(manifest) => manifest.meta(key)?,
            Store::Reading(Some(reader)) => reader.meta(key)?,
            Store::Reading(None) => None,
        })
    }

    /// The newest first.
    pub fn runs(&self) -> Result<Vec<manifest::RunRecord>, Error> {
        Ok(match self {
            Store::Writing(manifest) => manifest.runs()?,
            Store::Reading(Some(reader)) => reader.runs()?,
            Store::Reading(None) => Vec::new(),
        })
    }

    pub fn events(&self, run: manifest::RunId) -> Result<Vec<manifest::EventRecord>, Error> {
        Ok(match self {
            Store::Writing(manifest) => manifest.events(run)?,
            Store::Reading(Some(reader)) => reader.events(run)?,
            Store::Reading(None) => Vec::new(),
        })
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
        Ok(match self {
            Store::Writing(manifest) => manifest.has_base()?,
            Store::Reading(Some(reader)) => reader.has_base()?,
            Store::Reading(None) => false,
        })
    }

    pub fn torn(&self) -> Result<Vec<Torn>, Error> {
        Ok(match self {
            Store::Writing(manifest) => manifest.torn()?,
            Store::Reading(Some(reader)) => reader.torn()?,
            Store::Reading(None) => Vec::new(),
        })
    }

    pub fn count_files(&self) -> Result<u64, Error> {
        Ok(match self {
            Store::Writing(manifest) => manifest.count_files()?,
            Store::Reading(Some(reader)) => reader.count_files()?,
            Store::Reading(None) => 0,
        })
    }

    /// What the base holds at a path.
    pub fn find(&self, path: &RelPath) -> Result<Option<Row>, Error> {
        Ok(match self {
            Store::Writing(manifest) => manifest.find(path)?,
            Store::Reading(Some(reader)) => reader.find(path)?,
            Store::Reading(None) => None,
        })
    }

    pub fn files_below(&self, path: &RelPath) -> Result<u64, Error> {
        Ok(match self {
            Store::Writing(manifest) => manifest.files_below(path)?,
            Store::Reading(Some(reader)) => reader.files_below(path)?,
            Store::Reading(None) => 0,
        })
    }

    pub fn deletes_since(&self, side: Side, since: Time) -> Result<u64, Error> {
        Ok(match self {
            Store::Writing(manifest) => manifest.deletes_since(side, since)?,
            Store::Reading(Some(reader)) => reader.deletes_since(side, since)?,
            Store::Reading(None) => 0,
        })
    }
}
