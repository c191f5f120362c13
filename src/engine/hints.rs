//! When hints are enough, and when everything has to be looked at all the same.

use super::error::Error;
use super::open::Session;
use super::request::Request;
use crate::manifest::key;

/// The request without its hints where something else than an event may have changed what is to be done: other patterns, a
/// base that others have overtaken, a root that was mounted anew or has never been looked at whole.
pub(super) fn unless_doubtful(session: &Session<'_>, request: &Request) -> Result<Option<Request>, Error> {
    if request.hints.is_none() {
        return Ok(None);
    }
    let met = session.store.meta(key::FIRST_SYNC_ENDED)?.is_some();
    let same_patterns = session.store.meta(key::PATTERNS)?.as_deref() == Some(session.patterns_text.as_str());
    let calm = met && same_patterns && !session.stale_base && session.standing.hold_deletes.is_none();
    Ok((!calm).then(|| Request { hints: None, ..request.clone() }))
}
