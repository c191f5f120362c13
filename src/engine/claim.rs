//! Is our base the last one that was written for this staging root? Two state folders may share both roots.
//!
//! A base that others have overtaken still tells what a file was when we last saw both sides agree. What it cannot tell is
//! whether a side that shows the same again was left alone: it may have been deleted and made again, or edited and taken
//! back, with the other state folder's runs in between. So the look takes an unchanged stamp for proof, and nothing else.

use super::error::Error;
use super::open::Session;
use super::request::Request;
use crate::manifest::key;
use crate::model::path::RelPath;
use crate::model::side::Side;
use crate::roots::claim::{self, NOBODY};

/// Finds out whether the base has been overtaken, and tells it.
pub(super) fn heed(session: &mut Session<'_>) -> Result<(), Error> {
    if !session.store.has_base()? {
        return Ok(());
    }
    let holder = claim::read(&*session.roots.staging).map_err(Error::at(Side::Staging))?;
    let ours = holder.is_some() && holder == session.store.meta(key::OWN_NAME)?;
    session.stale_base = !ours;
    if session.stale_base {
        session.notes.push(
            "another state folder has synchronised this staging folder since: what was edited or deleted and then made as it \
             was counts as new"
                .to_owned(),
        );
    }
    Ok(())
}

/// Before the first change of the base in a run. While an overtaken base is brought up to date nobody has a true one.
pub(super) fn make(session: &mut Session<'_>) -> Result<(), Error> {
    if session.stale_base { put(session, Some(NOBODY)) } else { put(session, None) }
}

/// After a whole run an overtaken base is up to date again.
pub(super) fn settle(session: &mut Session<'_>, request: &Request) -> Result<(), Error> {
    if session.stale_base && request.is_whole() { put(session, None) } else { Ok(()) }
}

/// What the look did not believe must not be believed by a later run either.
pub(super) fn forget(session: &mut Session<'_>, disowned: &[RelPath]) -> Result<(), Error> {
    let Some(manifest) = session.store.writing().filter(|_| !disowned.is_empty()) else { return Ok(()) };
    manifest.begin()?;
    for path in disowned {
        manifest.forget(path)?;
    }
    Ok(manifest.commit()?)
}

/// Claims staging for `holder`, or for our own manifest.
fn put(session: &mut Session<'_>, holder: Option<&str>) -> Result<(), Error> {
    let at = Error::at(Side::Staging);
    let before = match claim::read(&*session.roots.staging) {
        // It is replaced: that mends it.
        Err(error) if !error.is_gone() => None,
        other => other.map_err(&at)?,
    };
    let fresh = claim::new_name().map_err(&at)?;
    let Some(manifest) = session.store.writing() else { return Ok(()) };
    let own = manifest.own_name(&fresh)?;
    let holder = holder.unwrap_or(&own);
    if before.as_deref() == Some(holder) {
        return Ok(());
    }
    claim::write(&*session.roots.staging, holder).map_err(&at)
}
