//! `relink`: a person says that these two folders are the pair, as they stand now.
//!
//! Invariants. Nothing at a project path is written. The base is given up before a root could pass for a recorded one: a
//! new network marker comes first, because nobody can take a random id for one that he knows; then one flushed transaction
//! empties the base and records both roots; then staging's marker, which is what makes the pair whole. Killed anywhere in
//! between, the pair is refused or has no base, and the same command completes it.

use super::error::Error;
use super::identify::{UNMARKED, known, refused};
use super::open::{Access, Session, try_lock};
use super::report::{Progress, Refusal};
use super::request::{Durability, Options, Pair};
use super::waiting::Waiting;
use crate::disk::{ErrorKind, Root, local};
use crate::manifest::{GivenUp, RootRecord};
use crate::model::path::RelPath;
use crate::model::side::{PerSide, Side};
use crate::roots::error::Error as RootError;
use crate::roots::identity::{self, Mark};
use crate::roots::marker::{self, Belongs, Marker};
use crate::roots::own;

pub use crate::roots::identity::Taken;

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// One `relink`. The pair names the roots' new places.
#[derive(Clone, Debug)]
pub struct Relink {
    /// This machine has a record of the pair: a root that is missing is not made.
    pub known: bool,
    /// A root that belongs to another pair, or is a copy of one that does, gets a new id.
    pub new_id: bool,
    pub dry_run: bool,
    pub wait: Duration,
    /// Where staging lay before: a run that still works there writes to the same manifest.
    pub staging_was: Option<PathBuf>,
}

/// One root as it was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    pub taken: Taken,
    /// Its marker is (or would be) written.
    pub marked: bool,
    /// Entries at its top, the tool's own left out.
    pub top: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relinked {
    pub roots: PerSide<Accepted>,
    pub given_up: GivenUp,
    pub notes: Vec<String>,
}

/// Accepts the roots as they stand, and gives up the base.
pub fn relink(
    pair: &Pair,
    request: &Relink,
    options: &Options,
    tell: &(dyn Fn(Progress) + Sync),
    stop: &AtomicBool,
) -> Result<Relinked, Error> {
    // What it gives up must be given up after a power failure too, before a marker says otherwise.
    let options = Options { durability: Durability::Full, ..options.clone() };
    let access = if request.dry_run { Access::LookOnly } else { Access::Write };
    let waiting = Waiting::new(request.wait, tell, stop);
    let _old_lock = lock_old_staging(request, &options, &waiting)?;
    let mut session = Session::unidentified(pair, &options, access, request.known, &waiting)?;
    let marks = PerSide::new(read(&session, Side::Staging)?, read(&session, Side::Network)?);
    let records = PerSide::new(session.store.root(Side::Staging)?, session.store.root(Side::Network)?);
    let recorded = records.as_ref().map(|record| record.as_ref().and_then(known));
    let taken = identity::accept(&marks.as_ref().map(Found::mark), &recorded, request.new_id).map_err(refused)?;
    let wanted = wanted(&marks, &taken)?;
    let marked = Side::BOTH.map(|side| marks[side].marker() != Some(&wanted[side]));
    let [staging, network] = Side::BOTH.map(|side| top(&*session.roots[side]).map_err(Error::disk_at(side)));
    let top = PerSide::new(staging?, network?);
    let accepted = |side: Side, marked| Accepted { taken: taken[side], marked, top: top[side] };
    let roots = PerSide::new(accepted(Side::Staging, marked[0]), accepted(Side::Network, marked[1]));
    let given_up = if request.dry_run { session.store.to_give_up()? } else { GivenUp::default() };
    let mut relinked = Relinked { roots, given_up, notes: Vec::new() };
    if !request.dry_run {
        carry_out(&mut session, &records, &marks, &wanted, &mut relinked)?;
    }
    relinked.notes.append(&mut session.notes);
    Ok(relinked)
}

/// What stands where a marker is looked for.
enum Found {
    None,
    Damaged,
    Marker(Marker),
}

impl Found {
    fn mark(&self) -> Mark<'_> {
        match self {
            Found::None => Mark::None,
            Found::Damaged => Mark::Damaged,
            Found::Marker(marker) => Mark::Reads(marker),
        }
    }

    fn marker(&self) -> Option<&Marker> {
        if let Found::Marker(marker) = self { Some(marker) } else { None }
    }
}

fn read(session: &Session<'_>, side: Side) -> Result<Found, Error> {
    match marker::read(&*session.roots[side]) {
        Ok(found) => Ok(found.map_or(Found::None, Found::Marker)),
        Err(RootError::BadMarker(_)) => Ok(Found::Damaged),
        Err(error) => Err(Error::at(side)(error)),
    }
}

/// The markers that the roots are to carry.
fn wanted(marks: &PerSide<Found>, taken: &PerSide<Taken>) -> Result<PerSide<Marker>, Error> {
    let network = match marks.network.marker() {
        Some(marker) if !taken.network.needs_new_id() => *marker,
        _ => Marker::new_network().map_err(Error::at(Side::Network))?,
    };
    let staging = match marks.staging.marker() {
        Some(marker) if !taken.staging.needs_new_id() => Marker { belongs: Belongs::Staging { network: network.id }, ..*marker },
        _ => Marker::new_staging(network.id).map_err(Error::at(Side::Staging))?,
    };
    Ok(PerSide::new(staging, network))
}

/// Entries at the top of a root.
fn top(root: &dyn Root) -> crate::disk::Result<u64> {
    let listing = root.folder(&RelPath::root())?.list()?;
    Ok(listing.iter().filter(|item| &item.name[..] != own::FOLDER.as_bytes()).count() as u64)
}

fn carry_out(
    session: &mut Session<'_>,
    before: &PerSide<Option<RootRecord>>,
    marks: &PerSide<Found>,
    wanted: &PerSide<Marker>,
    relinked: &mut Relinked,
) -> Result<(), Error> {
    let mut records =
        PerSide::new(record(session, Side::Staging, before, wanted)?, record(session, Side::Network, before, wanted)?);
    if relinked.roots.network.marked && !mark(session, Side::Network, marks, wanted)? {
        if marks.network.marker().is_some() {
            return Err(Error::Refused(Refusal::ReadOnly { side: Side::Network }));
        }
        relinked.roots.network.marked = false;
        records.network = RootRecord { id: UNMARKED.to_owned(), generation: 0, ..records.network };
        session.notes.push("the network root cannot be written: only `sync down` works".to_owned());
    }
    let vouching = relinked.roots.as_ref().map(|root| root.taken.may_be_the_same());
    let manifest = session.store.writing().expect("a relink that writes has the manifest");
    relinked.given_up = manifest.give_up_base(&records, &vouching)?;
    if relinked.roots.staging.marked && !mark(session, Side::Staging, marks, wanted)? {
        return Err(Error::Refused(Refusal::ReadOnly { side: Side::Staging }));
    }
    Ok(())
}

/// `false` where the root cannot be written.
fn mark(session: &Session<'_>, side: Side, marks: &PerSide<Found>, wanted: &PerSide<Marker>) -> Result<bool, Error> {
    let root = &*session.roots[side];
    let written = match marks[side] {
        // Another machine may be at it as well, and then its marker stays.
        Found::None => marker::write_first(root, &wanted[side]).and_then(|stands| {
            if stands == wanted[side] { Ok(()) } else { Err(RootError::Swapped("was written by another machine just now")) }
        }),
        Found::Damaged | Found::Marker(_) => marker::write(root, &wanted[side]),
    };
    match written {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.kind(), Some(ErrorKind::Denied | ErrorKind::ReadOnly)) => Ok(false),
        Err(error) => Err(Error::at(side)(error)),
    }
}

fn record(
    session: &Session<'_>,
    side: Side,
    before: &PerSide<Option<RootRecord>>,
    wanted: &PerSide<Marker>,
) -> Result<RootRecord, Error> {
    let device = session.roots[side].device().map_err(Error::disk_at(side))?;
    let marker = &wanted[side];
    // Another folder or another mount is measured anew.
    let same = before[side].as_ref().filter(|record| record.device == device && record.id == marker.id.to_string());
    let traits = same.and_then(|record| record.traits);
    Ok(RootRecord { id: marker.id.to_string(), generation: marker.generation, device, traits })
}

/// A run that still works at staging's old place holds that place's lock, and writes to the same manifest.
fn lock_old_staging(request: &Relink, options: &Options, waiting: &Waiting<'_>) -> Result<Option<local::Lock>, Error> {
    let Some(place) = &request.staging_was else { return Ok(None) };
    if request.dry_run || !options.reach.is_folder(&place.join(own::FOLDER)).map_err(Error::disk_at(Side::Staging))? {
        return Ok(None);
    }
    try_lock(&own::lock_path(place), waiting).map(Some)
}
