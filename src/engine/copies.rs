//! The copies that `hold` keeps on the network root: staging's version of each held conflict, below
//! `.driftless/conflicts/<path>/`, so that it does not live on one disk only.
//!
//! Bounded in size, refreshed now and then, and moved to the trash when the conflict ends. They only add to safety: what
//! cannot be copied is noted and fails nothing.

use super::error::Error;
use super::request::Options;
use crate::disk::clock::now;
use crate::disk::{self, ErrorKind, Freshness, Node, Root};
use crate::manifest::{Manifest, What, key};
use crate::model::conflict::{host_word, split_extension};
use crate::model::finding::Note;
use crate::model::ignore::{OWN_FOLDER, Patterns, Verdict, is_own_name};
use crate::model::listing::Item;
use crate::model::path::{Name, RelPath};
use crate::model::side::Side;
use crate::model::time::Time;
use crate::model::utc;
use crate::transfer::{Original, Run, drop_copy, flush_side, keep_copy};

use std::collections::HashSet;

/// What the manifest says of this pair's copies: there may be some, or the last was swept up.
const SOME: &str = "1";
const NONE: &str = "0";

/// A copy is not made anew before this time has passed.
const REFRESH_NS: i64 = 600 * 1_000_000_000;

/// Where a conflict's copy is.
pub type Copy = (RelPath, RelPath);

/// `.driftless/conflicts`.
fn home() -> RelPath {
    RelPath::root().join(OWN_FOLDER).join(b"conflicts")
}

/// Brings the copies in line with the conflicts that the manifest knows. Returns where each conflict has one.
pub(super) fn tend(
    run: &Run<'_>,
    manifest: &mut Manifest,
    patterns: &Patterns,
    options: &Options,
    host: &str,
    notes: &mut Vec<Note>,
) -> Result<Vec<Copy>, Error> {
    let known = manifest.conflicts()?;
    // A manifest that does not say may follow one that was lost.
    let recorded = manifest.meta(key::CONFLICT_COPIES)?;
    if known.is_empty() && recorded.as_deref() == Some(NONE) {
        return Ok(Vec::new());
    }
    let mark = format!("-{}-{:08x}", host_word(host), run.owner);
    let wanted = |path: &RelPath, folder: bool| {
        path.name().is_some_and(|name| !is_own_name(&name)) && patterns.verdict(path, folder) == Verdict::Wanted
    };
    // Before the first is made: one that is broken off is found again when the conflict has ended.
    if !known.is_empty() && recorded.as_deref() != Some(SOME) {
        manifest.set_meta(key::CONFLICT_COPIES, SOME)?;
    }
    let (mut copies, mut fresh): (Vec<Copy>, Vec<Copy>) = (Vec::new(), Vec::new());
    for conflict in &known {
        let original = Original { path: &conflict.path, wanted: &wanted, most: options.conflict_copy_max };
        let old = conflict.copy.as_ref();
        let rests = old.is_some_and(|(_, copied)| now().0.saturating_sub(copied.0) < REFRESH_NS);
        // One that cannot be looked at stands: a second one of its name would be copied into it.
        let stands = old.is_some_and(|(copy, _)| !matches!(node_at(&*run.roots.network, copy), Ok(None)));
        let current = old.filter(|(copy, _)| stands && (rests || same_tree(run, &conflict.path, copy)));
        let present = matches!(conflict.versions.staging.what, What::File | What::Folder);
        let kept = match current {
            Some((copy, _)) => Some(copy.clone()),
            None if present => keep(run, &original, &mark, notes),
            None => None,
        };
        match kept {
            Some(kept) if current.is_none() => fresh.push((conflict.path.clone(), kept)),
            Some(kept) => copies.push((conflict.path.clone(), kept)),
            // The old copy is better than none.
            None => copies.extend(old.filter(|_| stands).map(|(copy, _)| (conflict.path.clone(), copy.clone()))),
        }
    }
    // The old ones are better than none.
    let Some(mut fresh) = record(run, manifest, fresh, notes)? else { return Ok(copies) };
    copies.append(&mut fresh);
    if sweep(run, &mark, &copies) && known.is_empty() {
        manifest.set_meta(key::CONFLICT_COPIES, NONE)?;
    }
    Ok(copies)
}

/// Says where new copies are, once they are flushed; `None` where that fails.
fn record(run: &Run<'_>, manifest: &mut Manifest, fresh: Vec<Copy>, notes: &mut Vec<Note>) -> Result<Option<Vec<Copy>>, Error> {
    if !fresh.is_empty()
        && let Err(halt) = flush_side(run, Side::Network)
    {
        notes.extend(fresh.iter().map(|(path, _)| not_kept(path, &halt.to_string())));
        return Ok(None);
    }
    for (path, copy) in &fresh {
        manifest.set_conflict_copy(path, copy, now())?;
    }
    Ok(Some(fresh))
}

fn not_kept(path: &RelPath, message: &str) -> Note {
    Note::of(path, &format!("no copy of staging's version could be kept on the network: {message}"))
}

fn keep(run: &Run<'_>, original: &Original<'_>, mark: &str, notes: &mut Vec<Note>) -> Option<RelPath> {
    let kept = home().append(original.path).join(&copy_name(original.path, now(), mark));
    match keep_copy(run, original, &kept) {
        Ok(made) => made.then_some(kept),
        Err(message) => {
            notes.push(not_kept(original.path, &message));
            None
        }
    }
}

/// `<UTC>-<host>-<pair>.EXT`.
fn copy_name(path: &RelPath, now: Time, mark: &str) -> Name {
    let name = path.name().expect("the root is in no conflict");
    let (_, extension) = split_extension(name.as_bytes());
    let text = [utc::compact(now).as_bytes(), mark.as_bytes(), extension].concat();
    Name::new(&text).expect("a time, a host and an extension make a name")
}

fn is_ours(name: &Name, mark: &str) -> bool {
    let rest = name.as_bytes().get(16..).and_then(|rest| rest.strip_prefix(mark.as_bytes()));
    utc::parse_compact(name.as_bytes()).is_some() && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"."))
}

fn node_at(root: &dyn Root, path: &RelPath) -> disk::Result<Option<Node>> {
    match root.look(path, Freshness::Fresh) {
        Err(error) if error.kind == ErrorKind::Absent => Ok(None),
        other => other,
    }
}

/// Does the copy still show the sizes and times of the original? What cannot be looked at counts as different.
fn same_tree(run: &Run<'_>, original: &RelPath, copy: &RelPath) -> bool {
    let granularity = run.traits.granularity_ns();
    let nodes = (node_at(&*run.roots.staging, original), node_at(&*run.roots.network, copy));
    let (Ok(Some(a)), Ok(Some(b))) = nodes else { return false };
    if a.is_file() && b.is_file() {
        return a.stamp.size == b.stamp.size && a.stamp.mtime.near(b.stamp.mtime, granularity);
    }
    if !(a.is_folder() && b.is_folder()) {
        return false;
    }
    let list = |side: Side, path: &RelPath| run.roots[side].folder(path).and_then(|folder| folder.list());
    let (Ok(mine), Ok(theirs)) = (list(Side::Staging, original), list(Side::Network, copy)) else { return false };
    let same =
        |(a, b): (&Item<Node>, &Item<Node>)| a.name == b.name && same_tree(run, &original.join(&a.name), &copy.join(&b.name));
    mine.len() == theirs.len() && mine.iter().zip(&theirs).all(same)
}

/// Copies of this pair whose conflict has ended, or that a newer one replaces, go to the trash. `false` where some may have
/// stayed: the next run tries again.
fn sweep(run: &Run<'_>, mark: &str, copies: &[Copy]) -> bool {
    let alive: HashSet<&RelPath> = copies.iter().map(|(_, copy)| copy).collect();
    let swept = sweep_folder(run, &home(), mark, &alive);
    swept.inspect_err(|error| tracing::debug!(%error, "copies of ended conflicts stay")).unwrap_or(false)
}

fn sweep_folder(run: &Run<'_>, path: &RelPath, mark: &str, alive: &HashSet<&RelPath>) -> disk::Result<bool> {
    let root = &*run.roots.network;
    let folder = match root.folder(path) {
        Err(error) if error.kind == ErrorKind::Absent => return Ok(true),
        other => other?,
    };
    let mut swept = true;
    for item in folder.list()? {
        let below = path.join(&item.name);
        // Of a copy that was broken off, which is no version of anything: this pair's lock says that no other run is at it.
        let broken_off = item.name.starts_with(format!(".dl~{:08x}-", run.owner).as_bytes()) && item.value.is_file();
        let ours = is_ours(&item.name, mark);
        if ours || broken_off {
            if alive.contains(&below) {
                continue;
            }
            let gone = || folder.remove_file(&item.name).map_err(|error| error.to_string());
            if let Err(error) = if ours { drop_copy(run, &below) } else { gone() } {
                tracing::debug!(%error, "a copy of an ended conflict stays");
                swept = false;
            }
        } else if item.value.is_folder() {
            swept &= match sweep_folder(run, &below, mark, alive) {
                Err(error) if error.kind != ErrorKind::Gone => {
                    tracing::debug!(%error, "a folder of copies cannot be looked through");
                    false
                }
                other => other?,
            };
            // Only an empty one goes.
            let _ = folder.remove_folder(&item.name);
        }
    }
    Ok(swept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_copies_are_known_again() {
        let path = RelPath::parse(b"results/a.csv").expect("a path");
        let name = copy_name(&path, Time::from_parts(1_700_000_000, 5), "-lab7-0123abcd");
        assert_eq!(name.to_string(), "20231114T221320Z-lab7-0123abcd.csv");
        assert!(is_ours(&name, "-lab7-0123abcd"));
        for other in ["-lab7-0123abce", "-lab-0123abcd"] {
            assert!(!is_ours(&name, other), "{other}");
        }
        assert!(!is_ours(&Name::new(b"a.csv").expect("a name"), "-lab7-0123abcd"));
    }
}
