//! Is our base the last one that was written for this staging root? Two state folders may share both roots.

use super::error::Error;
use super::open::{Access, Session, Store};
use crate::model::side::Side;
use crate::roots::claim;

/// Gives up a base that another state folder's runs have overtaken: first-sync rules, which delete nothing. Its digests
/// still spare the reading.
pub(super) fn heed(session: &mut Session<'_>, access: Access) -> Result<(), Error> {
    let at = Error::at(Side::Staging);
    let holder = claim::read(&*session.roots.staging).map_err(at)?;
    if holder.is_some() && holder == session.store.meta("manifest")? {
        return Ok(());
    }
    let had_rows = match &mut session.store {
        Store::Writing(manifest) => {
            debug_assert_eq!(access, Access::Write);
            manifest.give_up_stale_base()?
        }
        Store::Reading(Some(reader)) => {
            let had_rows = reader.has_base()?;
            reader.disbelieve();
            had_rows
        }
        Store::Reading(None) => false,
    };
    session.stale_base = had_rows;
    if had_rows {
        session.notes.push(
            "another state folder has synchronised this staging folder since: both folders are compared as if they met for \
             the first time, and nothing is deleted"
                .to_owned(),
        );
    }
    Ok(())
}

/// Before the first change of the base in a run.
pub(super) fn make(session: &mut Session<'_>) -> Result<(), Error> {
    let at = Error::at(Side::Staging);
    let holder = claim::read(&*session.roots.staging).map_err(&at)?;
    let fresh = claim::new_name().map_err(&at)?;
    let Some(manifest) = session.store.writing() else { return Ok(()) };
    let own = manifest.own_name(&fresh)?;
    if holder.as_ref() == Some(&own) {
        return Ok(());
    }
    claim::write(&*session.roots.staging, &own).map_err(&at)
}
