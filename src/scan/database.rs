//! SQLite databases in a listing: the files beside one leave it, and what they hold shows in the database's own node.
//!
//! Invariants. A log or a hot journal never shows as a file of its own, so that it never travels alone to lie beside
//! another database. A listing without such names costs nothing. Nothing is opened through SQLite.

use crate::disk::beside::{self, Beside};
use crate::disk::clock::{Moment, pause};
use crate::disk::{ErrorKind, Folder, Freshness, Node, NodeContent, Result};
use crate::model::database::{self, Ending, database_of, is_journal, is_log, whole};
use crate::model::entry::Content;
use crate::model::finding::ProblemKind;
use crate::model::listing::{Item, Listing};
use crate::model::path::Name;
use crate::model::side::Side;

use std::collections::BTreeMap;
use std::time::Duration;

/// How long a look waits for a transaction to end; most take less.
const PATIENCE: Duration = Duration::from_millis(250);
const PAUSE: Duration = Duration::from_millis(2);

/// Gathers the databases of a listing. An error is the root's.
pub(super) fn group(folder: &dyn Folder, side: Side, mut listing: Listing<Node>) -> Result<Listing<Node>> {
    let mut owners: BTreeMap<Name, Vec<Ending>> = BTreeMap::new();
    for item in listing.iter().filter(|item| item.value.is_file()) {
        if let Some((owner, ending)) = database_of(&item.name) {
            owners.entry(owner).or_default().push(ending);
        }
    }
    for (owner, endings) in owners {
        let place = |listing: &Listing<Node>, name: &Name| listing.binary_search_by(|item| item.name.cmp(name)).ok();
        let at = place(&listing, &owner).filter(|&at| listing[at].value.is_file());
        let told = match at {
            Some(at) => judge(folder, side, &listing[at])?,
            None => orphans(folder, &owner, &endings)?,
        };
        for ending in endings {
            let Some(name) = database::beside(&owner, ending) else { continue };
            let Some(side_file) = place(&listing, &name) else { continue };
            match &told {
                Told::Plain => {}
                Told::Orphans(logs) if logs.contains(&ending) => listing[side_file].value.content = busy(ORPHAN),
                // Goes where its log goes.
                Told::Orphans(_) if ending == Ending::Shm => drop(listing.remove(side_file)),
                Told::Orphans(_) => {}
                Told::Database(_) => drop(listing.remove(side_file)),
            }
        }
        if let (Told::Database(node), Some(at)) = (told, place(&listing, &owner)) {
            listing[at].value = *node;
        }
    }
    Ok(listing)
}

const ORPHAN: &str = "is the log of a database that is not there: left alone, because a log beside another database \
                      corrupts it; put the database back, or move the log away";
const HOT: &str = "a program is in the middle of a transaction with this database, or was cut off in one; the next run \
                   tries again (opening it once with its program ends a transaction that was cut off)";
const STRANGE: &str = "has the log of a database beside it; it is synchronised once its program has closed it";
const OPEN: &str = "a program has this database open on the network root; it is synchronised once that has closed it";

/// What the names beside one stem are.
enum Told {
    /// Files like any other.
    Plain,
    /// The logs of a database that is not there.
    Orphans(Vec<Ending>),
    /// A database (or what has its log beside it): this is its node now, and the other names belong to it.
    Database(Box<Node>),
}

fn busy(message: &str) -> NodeContent {
    NodeContent::Unreadable { kind: ProblemKind::Busy, message: message.to_owned() }
}

/// Only the root's own failure is an error here; that of a file makes it unknown.
fn unless_gone<T>(result: Result<T>, item: &Item<Node>) -> Result<std::result::Result<T, Box<Node>>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(error) if error.kind == ErrorKind::Gone => Err(error),
        Err(error) => {
            let kind = if error.kind == ErrorKind::Denied { ProblemKind::Permission } else { ProblemKind::Unreadable };
            let content = NodeContent::Unreadable { kind, message: format!("cannot be read: {}", error.source) };
            Ok(Err(Box::new(Node { content, ..item.value.clone() })))
        }
    }
}

fn judge(folder: &dyn Folder, side: Side, item: &Item<Node>) -> Result<Told> {
    let began = Moment::now();
    loop {
        let looked = look(folder, &item.name);
        let (node, found, first) = match unless_gone(looked, item)? {
            Ok(Some(looked)) => looked,
            // Gone since it was listed: unknown now, and whatever it is with the next run.
            Ok(None) => return Ok(Told::Database(Box::new(Node { content: busy(HOT), ..item.value.clone() }))),
            Err(node) => return Ok(Told::Database(node)),
        };
        if side == Side::Staging && found.hot && first && began.elapsed() < PATIENCE {
            pause(PAUSE);
            continue;
        }
        let logged = found.log.is_some_and(|log| is_log(&log.first));
        let content = match (first, &found) {
            (false, found) if logged || journal_of(folder, &item.name, found)? => busy(STRANGE),
            (false, _) => return Ok(Told::Plain),
            (true, Beside { hot: true, .. }) => busy(if side == Side::Staging { HOT } else { OPEN }),
            (true, Beside { log: Some(_), .. }) if side == Side::Network => busy(OPEN),
            (true, Beside { log: Some(log), .. }) => {
                let stamp = whole(&node.stamp, &log.stamp);
                let content = NodeContent::Plain(Content::File { size: stamp.size, digest: None });
                return Ok(Told::Database(Box::new(Node { content, stamp, ..node })));
            }
            (true, _) => return Ok(Told::Database(Box::new(node))),
        };
        return Ok(Told::Database(Box::new(Node { content, ..node })));
    }
}

/// The file, what lies beside it, and whether it is a database.
fn look(folder: &dyn Folder, name: &Name) -> Result<Option<(Node, Beside, bool)>> {
    let found = beside::beside(folder, name, Freshness::Cached)?;
    let Some(node) = folder.look(name, Freshness::Cached)?.filter(Node::is_file) else { return Ok(None) };
    let database = beside::is_database(folder, name, &node)?;
    Ok(Some((node, found, database)))
}

/// Beside what is no database (it may be empty yet, or encrypted): is that a real journal?
fn journal_of(folder: &dyn Folder, name: &Name, found: &Beside) -> Result<bool> {
    match database::beside(name, Ending::Journal) {
        Some(journal) if found.hot => Ok(beside::first(folder, &journal)?.is_some_and(|first| is_journal(&first))),
        _ => Ok(false),
    }
}

/// Names whose database is not there.
fn orphans(folder: &dyn Folder, owner: &Name, endings: &[Ending]) -> Result<Told> {
    let mut logs = Vec::new();
    for &ending in endings.iter().filter(|&&ending| ending != Ending::Shm) {
        let Some(name) = database::beside(owner, ending) else { continue };
        let first = match beside::first(folder, &name) {
            Err(error) if error.kind == ErrorKind::Gone => return Err(error),
            other => other.ok().flatten(),
        };
        if first.is_some_and(|first| if ending == Ending::Wal { is_log(&first) } else { is_journal(&first) }) {
            logs.push(ending);
        }
    }
    Ok(if logs.is_empty() { Told::Plain } else { Told::Orphans(logs) })
}

/// A file that is asked for singly.
pub(super) enum Single {
    Node(Node),
    /// It belongs to this database and is looked at with it.
    Of(Name),
}

/// What a listing would say of the file `node` at `name`.
pub(super) fn single(folder: &dyn Folder, side: Side, name: &Name, node: Node, freshness: Freshness) -> Result<Single> {
    let owner = database_of(name).map(|(owner, _)| owner);
    let mut family = vec![Item { name: name.clone(), value: node.clone() }];
    for stem in [Some(name), owner.as_ref()].into_iter().flatten() {
        let names = Ending::ALL.into_iter().filter_map(|ending| database::beside(stem, ending));
        for relative in names.chain([stem.clone()]).filter(|relative| relative != name) {
            match folder.look(&relative, freshness) {
                Ok(Some(value)) => family.push(Item { name: relative, value }),
                Err(error) if error.kind == ErrorKind::Gone => return Err(error),
                // What cannot be asked about is told of where it is asked for.
                Ok(None) | Err(_) => {}
            }
        }
    }
    family.sort_by(|a, b| a.name.cmp(&b.name));
    family.dedup_by(|later, earlier| later.name == earlier.name);
    let found = group(folder, side, family)?.into_iter().find(|item| item.name == *name);
    Ok(match (found, owner) {
        (Some(item), _) => Single::Node(item.value),
        (None, Some(owner)) => Single::Of(owner),
        (None, None) => Single::Node(node),
    })
}

#[cfg(test)]
#[path = "database_tests.rs"]
mod tests;
