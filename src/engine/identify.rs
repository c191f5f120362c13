//! Are these the roots of this pair? Markers, generations, device numbers.

use super::error::Error;
use super::open::{Access, Session};
use super::report::{Refusal, Way};
use super::store::Store;
use crate::disk::ErrorKind;
use crate::manifest::RootRecord;
use crate::model::side::{PerSide, Side};
use crate::model::traits::Traits;
use crate::roots::identity::{self, Identity, Known};
use crate::roots::marker::{self, Marker, RootId};
use crate::roots::own;

/// What a root without a marker is recorded as: one that cannot be written and never could.
pub(super) const UNMARKED: &str = "";

/// How this run stands to the pair.
#[derive(Default)]
pub(super) struct Standing {
    pub created: bool,
    /// `None` for a root that carries no marker: a dry run of a new pair, or a root that cannot be written.
    pub markers: PerSide<Option<Marker>>,
    /// Deletes are held in this run, and why: a root came back under another device number, or cannot prove who it is.
    pub hold_deletes: Option<String>,
}

/// Reads the markers and compares them with what the manifest remembers; makes what a new pair needs.
pub(super) fn identify(session: &mut Session<'_>, access: Access) -> Result<Standing, Error> {
    let mut standing = Standing::default();
    for side in Side::BOTH {
        standing.markers[side] = marker::read(&*session.roots[side]).map_err(Error::at(side))?;
    }
    let records = PerSide::new(session.store.root(Side::Staging)?, session.store.root(Side::Network)?);
    let [staging, network] = [&standing.markers.staging, &standing.markers.network].map(Option::as_ref);
    match judge(staging, network, &records) {
        Judged::ByStaging => {
            standing.hold_deletes = Some(NO_MARK.to_owned());
            return Ok(standing);
        }
        Judged::By(Identity::Refuse(refusal)) => return Err(refused(refusal)),
        Judged::By(Identity::NewPair) => standing.created = true,
        Judged::By(Identity::ManifestLost) => session.notes.push(
            "this machine has no record of the pair: both folders are compared as if they met for the first time".to_owned(),
        ),
        Judged::By(Identity::Go) => standing.watch_devices(session, &records)?,
    }
    if access == Access::Write {
        standing.write_markers(session)?;
        standing.record(session)?;
    }
    Ok(standing)
}

pub(super) fn refused(refusal: identity::Refusal) -> Error {
    let identity::Refusal { side, message, way } = refusal;
    Error::Refused(Refusal::Identity { side, message, way })
}

/// By what the roots of a pair are known.
pub(super) enum Judged {
    /// The network root cannot be written and never could: staging alone carries a mark, and it is the one that was recorded.
    ByStaging,
    By(Identity),
}

pub(super) const NO_MARK: &str = "the network root cannot be written, so it carries no mark to be known by";

pub(super) fn judge(staging: Option<&Marker>, network: Option<&Marker>, records: &PerSide<Option<RootRecord>>) -> Judged {
    let unmarked = records.network.as_ref().is_some_and(|record| record.id == UNMARKED);
    if !unmarked || network.is_some() {
        let known = records.as_ref().map(|record| record.as_ref().and_then(known));
        return Judged::By(identity::identify(staging, network, &known));
    }
    if records.staging.as_ref().map(|record| record.id.clone()) == staging.map(|marker| marker.id.to_string()) {
        return Judged::ByStaging;
    }
    let message = "it carries another mark, or none".to_owned();
    Judged::By(Identity::Refuse(identity::Refusal { side: Side::Staging, message, way: Way::Relink }))
}

pub(super) fn known(record: &RootRecord) -> Option<Known> {
    RootId::parse(&record.id).map(|id| Known { id, generation: record.generation })
}

impl Standing {
    /// A changed device number (they change with every mount) is told once; deletes wait for the next run.
    fn watch_devices(&mut self, session: &mut Session<'_>, records: &PerSide<Option<RootRecord>>) -> Result<(), Error> {
        for side in Side::BOTH {
            let device = session.roots[side].device().map_err(Error::disk_at(side))?;
            if records[side].as_ref().is_some_and(|record| record.device != device) {
                let why = format!("the {side} root is mounted anew since the last run");
                session.notes.push(format!("{why}; deletes wait for the next run"));
                self.hold_deletes = Some(why);
            }
        }
        Ok(())
    }

    /// The network root's marker first: a staging marker that names a root which never got its own could not be told
    /// from a network root that was emptied.
    fn write_markers(&mut self, session: &mut Session<'_>) -> Result<(), Error> {
        if self.markers.network.is_none() {
            let marker = Marker::new_network().map_err(Error::at(Side::Network))?;
            let root = &*session.roots.network;
            match marker::write_first(root, &marker) {
                Ok(marker) => self.markers.network = Some(marker),
                // Only where there really is none: what was refused may have been the look at the one just written.
                Err(error)
                    if matches!(error.kind(), Some(ErrorKind::Denied | ErrorKind::ReadOnly))
                        && matches!(marker::read(root), Ok(None)) =>
                {
                    session.notes.push("the network root cannot be written: only `sync down` works".to_owned());
                }
                Err(error) => return Err(Error::at(Side::Network)(error)),
            }
        }
        if self.markers.staging.is_none() {
            let network = match self.markers.network {
                Some(marker) => marker.id,
                None => RootId::random().map_err(Error::at(Side::Network))?,
            };
            let marker = Marker::new_staging(network).map_err(Error::at(Side::Staging))?;
            match marker::write(&*session.roots.staging, &marker) {
                Ok(()) => self.markers.staging = Some(marker),
                Err(error) if matches!(error.kind(), Some(ErrorKind::Denied | ErrorKind::ReadOnly)) => {
                    return Err(Error::Refused(Refusal::ReadOnly { side: Side::Staging }));
                }
                Err(error) => return Err(Error::at(Side::Staging)(error)),
            }
        }
        Ok(())
    }

    fn record(&self, session: &mut Session<'_>) -> Result<(), Error> {
        for side in Side::BOTH {
            let device = session.roots[side].device().map_err(Error::disk_at(side))?;
            let known = session.store.root(side)?;
            let (id, generation) =
                self.markers[side].map_or((UNMARKED.to_owned(), 0), |marker| (marker.id.to_string(), marker.generation));
            // A generation that was only seen may be of a run that was killed before its flush: recorded, and gone with the
            // power, it would look like a root of before.
            if known.as_ref().is_none_or(|known| known.generation < generation)
                && let Err(error) = own::settle(&*session.roots[side])
            {
                if error.is_gone() {
                    return Err(Error::at(side)(error));
                }
                tracing::debug!(%side, %error, "a generation that was seen cannot be flushed");
            }
            // Mounted anew it may be another kind of mount: measured again.
            let traits = known.as_ref().filter(|known| known.device == device).and_then(|known| known.traits);
            // A run that may delete takes note of a new device, see `remember_devices`.
            let device = known.map_or(device, |known| known.device);
            if let Some(manifest) = session.store.writing() {
                let record = RootRecord { id, generation, device, traits };
                if manifest.root(side)?.as_ref() != Some(&record) {
                    manifest.set_root(side, &record)?;
                }
            }
        }
        Ok(())
    }

    /// From now on these are the devices of the roots: a run has held its deletes because they were not.
    pub fn remember_devices(session: &mut Session<'_>) -> Result<(), Error> {
        for side in Side::BOTH {
            let device = session.roots[side].device().map_err(Error::disk_at(side))?;
            if let Some(manifest) = session.store.writing()
                && let Some(record) = manifest.root(side)?.filter(|record| record.device != device)
            {
                manifest.set_root(side, &RootRecord { device, ..record })?;
            }
        }
        Ok(())
    }

    pub fn remember_traits(&self, store: &mut Store, side: Side, traits: Traits) -> Result<(), Error> {
        if let Some(manifest) = store.writing()
            && let Some(record) = manifest.root(side)?
        {
            manifest.set_root(side, &RootRecord { traits: Some(traits), ..record })?;
        }
        Ok(())
    }

    /// Before a run's first visible write at a root: the next generation, flushed there and then recorded here.
    pub fn next_generation(&mut self, session_root: &dyn crate::disk::Root, store: &mut Store, side: Side) -> Result<(), Error> {
        let Some(marker) = self.markers[side] else { return Ok(()) };
        let marker = marker::bump_generation(session_root, marker.id).map_err(Error::at(side))?;
        self.markers[side] = Some(marker);
        if let Some(manifest) = store.writing()
            && let Some(record) = manifest.root(side)?
        {
            manifest.set_root(side, &RootRecord { generation: marker.generation, ..record })?;
        }
        Ok(())
    }
}
