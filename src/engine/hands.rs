//! What a run that writes at the roots needs, be it a sync or an undo: the means of transfer, and the checks before the first
//! visible step.

use super::databases;
use super::error::Error;
use super::in_place;
use super::open::Session;
use super::partials;
use super::report::Refusal;
use super::request::{Durability, Pair};
use super::runs::run_name;
use super::store::Store;
use crate::disk::ErrorKind;
use crate::model::digest;
use crate::model::ignore::Patterns;
use crate::model::side::{PerSide, Side};
use crate::transfer::Run;

use std::sync::atomic::AtomicBool;

/// What carrying out needs of a session, apart from what it writes down in.
pub(super) struct Hands<'s> {
    pub run: Run<'s>,
    pub store: &'s mut Store,
    pub patterns: &'s Patterns,
}

pub(super) fn hands<'s>(
    session: &'s mut Session<'_>,
    host: &str,
    stop: &'s AtomicBool,
    copied: &'s (dyn Fn(Side, u64) + Sync),
) -> Hands<'s> {
    let run = Run {
        roots: &session.roots,
        traits: &session.traits,
        clocks: session.clocks,
        asked: session.asked,
        trash_name: run_name(session.started, host),
        owner: owner(host, session.pair),
        flush: session.options.durability == Durability::Full,
        partials: partials::folder(session.pair),
        blocks: partials::blocks(session.pair),
        marks: in_place::folder(session.pair, session.standing.markers.network.as_ref()),
        half: session.half.iter().map(|mark| mark.path.clone()).collect(),
        append: &session.append,
        in_place: &session.in_place,
        whole: &session.whole,
        stop,
        copied,
        scratch: databases::scratch(session.pair),
        trash_made: PerSide::default(),
    };
    Hands { run, store: &mut session.store, patterns: &session.patterns }
}

/// A mount that dropped out from under its path leaves a local folder there that takes writes.
pub(super) fn expect_in_place(session: &Session<'_>) -> Result<(), Error> {
    for side in Side::BOTH {
        if !session.roots[side].still_there().map_err(Error::disk_at(side))? {
            return Err(Error::Offline { side, message: "another folder stands at its path now".to_owned() });
        }
    }
    Ok(())
}

pub(super) fn next_generations(session: &mut Session<'_>, writes: &PerSide<bool>) -> Result<(), Error> {
    for side in Side::BOTH.into_iter().filter(|&side| writes[side]) {
        let root = session.roots[side].clone();
        let raised = session.standing.next_generation(&*root, &mut session.store, side);
        raised.map_err(|error| unwritable(error, side))?;
    }
    Ok(())
}

/// A run that only takes from the network root raises its generation too, where it may: a root that is put back from a
/// backup of before is known by that.
pub(super) fn raise_where_taken(session: &mut Session<'_>) -> Result<(), Error> {
    match next_generations(session, &PerSide::new(false, true)) {
        Err(Error::Refused(Refusal::ReadOnly { .. })) => Ok(()),
        other => other,
    }
}

pub(super) fn unwritable(error: Error, side: Side) -> Error {
    match &error {
        Error::Root { source, .. } if matches!(source.kind(), Some(ErrorKind::Denied | ErrorKind::ReadOnly)) => {
            Error::Refused(Refusal::ReadOnly { side })
        }
        _ => error,
    }
}

/// The first part of temporary names: this machine and pair.
pub(super) fn owner(host: &str, pair: &Pair) -> u32 {
    let key = format!("{host}\0{}", pair.state.display());
    let [a, b, c, d, ..] = digest::of(key.as_bytes()).0;
    u32::from_be_bytes([a, b, c, d])
}
