//! Which versions of a path its writer here had seen, so that somebody else's change of it is not overwritten unseen: the
//! one that is checked out, and the one that this clone published last.
//!
//! The second lies in a small file beside the refs. Where it is lost, more is taken for a conflict, never less.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::error::{Error, Result};
use super::names::{Oid, Target};
use super::overlay::Overlay;
use super::pending::{Edit, Ground};
use super::repository::{Head, Repository};
use super::stream::Content;
use super::tree::{Change, Version};
use crate::disk::local;
use crate::model::shown::short;

/// Longer files are begun anew.
const MOST: u64 = 4 << 20;

fn path(repository: &Repository) -> PathBuf {
    repository.common.join("driftless/published")
}

/// One line a path: the branch, the version or a dash for a delete, the path in hexadecimal.
fn read(repository: &Repository) -> BTreeMap<(String, String), Option<Oid>> {
    let text = local::read_text(&path(repository), MOST).ok().flatten().unwrap_or_default();
    let line = |line: &str| {
        let mut words = line.split(' ');
        let (branch, oid, path) = (words.next()?, words.next()?, words.next()?);
        let version = if oid == "-" { None } else { Some(Oid::parse(oid)?) };
        Some(((branch.to_owned(), path.to_owned()), version))
    };
    text.lines().filter_map(line).collect()
}

fn key(target: &Target, path: &[u8]) -> (String, String) {
    (target.as_parts(), path.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What this clone published last of each path.
pub fn published(repository: &Repository, target: &Target) -> BTreeMap<Vec<u8>, Option<Oid>> {
    let branch = target.as_parts();
    let unhex = |hex: &str| -> Option<Vec<u8>> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()).collect()
    };
    let all = read(repository).into_iter().filter(|((of, _), _)| *of == branch);
    all.filter_map(|((_, path), oid)| Some((unhex(&path)?, oid))).collect()
}

/// Remembers what was published. Nothing rests on it but fewer conflicts: an error is logged.
pub fn remember(repository: &Repository, target: &Target, published: &BTreeMap<Vec<u8>, Option<Oid>>) {
    let mut all = read(repository);
    all.extend(published.iter().map(|(path, oid)| (key(target, path), oid.clone())));
    write(repository, &all);
}

fn write(repository: &Repository, all: &BTreeMap<(String, String), Option<Oid>>) {
    let line = |((branch, path), oid): (&(String, String), &Option<Oid>)| {
        format!("{branch} {} {path}\n", oid.as_ref().map_or("-", Oid::as_str))
    };
    let text: String = all.iter().map(line).collect();
    let written = repository.own_folder().and_then(|_| Ok(local::write_text(&path(repository), &text)?));
    if let Err(error) = written {
        tracing::warn!(%error, "what was published is not remembered");
    }
}

/// The checked-out branch has moved on: what was published of these paths before is not what their next writer sees.
pub fn outdate(repository: &Repository, target: &Target, changes: &[Change]) {
    let before = read(repository);
    let mut all = before.clone();
    for change in changes {
        let key = key(target, &change.path);
        if all.get(&key).is_some_and(|last| last.as_ref() != change.after.as_ref().map(|version| &version.oid)) {
            all.remove(&key);
        }
    }
    if all != before {
        write(repository, &all);
    }
}

/// What a publish is made on: the tip where all of its versions were seen, else what was. Where a file comes in the place of
/// a folder that was seen, or the other way round, the publish tells of each file that it goes.
pub fn ground(repository: &Repository, target: &Target, tip: Option<&Oid>, head: &Head, mut edits: Vec<Edit>) -> Result<Ground> {
    let published = published(repository, target);
    let is_ours = |path: &[u8], version: &Option<Version>| {
        published.get(path).is_some_and(|last| *last == version.as_ref().map(Version::name))
    };
    let at_tip = Side::of(repository, tip, &edits)?;
    if tip == head.commit.as_ref() || at_tip.all(&edits, &is_ours) {
        return Ok(at_tip.whole(tip, edits));
    }
    let at_head = Side::of(repository, head.commit.as_ref(), &edits)?;
    let is_seen = |path: &[u8], version: &Option<Version>| is_ours(path, version) || at_head.version(path) == *version;
    if at_tip.all(&edits, &is_seen) {
        return Ok(at_tip.whole(tip, edits));
    }
    // Something was not seen: what is published is a difference from what was, and meets the tip when it is delivered.
    let going = at_head.in_the_way.keys().chain(at_tip.in_the_way.keys().filter(|path| is_seen(path, &at_tip.version(path))));
    let going: BTreeSet<&Vec<u8>> = going.collect();
    edits.extend(going.into_iter().map(|path| Edit { path: path.clone(), content: Content::Gone }));
    let (mut seen, mut before) = (Vec::new(), Vec::new());
    for Edit { path, .. } in &edits {
        let (now, was) = (at_tip.version(path), at_head.version(path));
        let is_seen = is_seen(path, &now);
        if is_seen && now != was {
            seen.push(Edit { path: path.clone(), content: now.clone().map_or(Content::Gone, Content::There) });
        }
        before.push(if is_seen { now } else { was });
    }
    Ok(Ground { commit: head.commit.clone(), seen, edits, before })
}

/// What a commit has where edits come.
struct Side<'a> {
    tree: Overlay<'a>,
    /// What they would take away beside the versions of their own paths.
    in_the_way: BTreeMap<Vec<u8>, Version>,
}

impl<'a> Side<'a> {
    fn of(repository: &'a Repository, commit: Option<&Oid>, edits: &[Edit]) -> Result<Side<'a>> {
        let paths: Vec<Vec<u8>> = edits.iter().map(|edit| edit.path.clone()).collect();
        let tree = Overlay::of(repository, commit, &paths)?;
        let mut in_the_way = BTreeMap::new();
        for edit in edits.iter().filter(|edit| !matches!(edit.content, Content::Gone)) {
            if let Some(submodule) = tree.submodule_above(&edit.path) {
                let [path, submodule] = [&edit.path, &submodule].map(|path| short(&String::from_utf8_lossy(path)));
                let advice = "Nothing was published. Publish it from the submodule's own folder.";
                return Err(Error::refused(format!("The path {path} lies in the submodule {submodule}."), advice));
            }
            in_the_way.extend(tree.in_the_way(&edit.path)?);
        }
        in_the_way.retain(|path, _| !paths.contains(path));
        Ok(Side { tree, in_the_way })
    }

    fn version(&self, path: &[u8]) -> Option<Version> {
        self.in_the_way.get(path).cloned().or_else(|| self.tree.version(path))
    }

    fn all(&self, edits: &[Edit], holds: &dyn Fn(&[u8], &Option<Version>) -> bool) -> bool {
        let mut paths = edits.iter().map(|edit| &edit.path).chain(self.in_the_way.keys());
        paths.all(|path| holds(path, &self.version(path)))
    }

    /// All of it was seen.
    fn whole(self, commit: Option<&Oid>, mut edits: Vec<Edit>) -> Ground {
        edits.extend(self.in_the_way.keys().map(|path| Edit { path: path.clone(), content: Content::Gone }));
        let before = edits.iter().map(|edit| self.version(&edit.path)).collect();
        Ground { commit: commit.cloned(), seen: Vec::new(), edits, before }
    }
}

/// The files that go with each of the paths: of a folder those in it that were seen, as a file came that nobody here knows of.
pub fn going(
    repository: &Repository,
    target: &Target,
    tip: Option<&Oid>,
    head: &Head,
    paths: &[Vec<u8>],
) -> Result<BTreeSet<Vec<u8>>> {
    if paths.is_empty() {
        return Ok(BTreeSet::new());
    }
    let published = published(repository, target);
    let is_ours = |(path, version): &(Vec<u8>, Version)| published.get(path).is_some_and(|last| *last == Some(version.name()));
    let (at_tip, at_head) = (Overlay::of(repository, tip, paths)?, Overlay::of(repository, head.commit.as_ref(), paths)?);
    let mut all = BTreeSet::new();
    for path in paths {
        let (below_tip, mut files) = (at_tip.files_below(path)?, at_head.files_below(path)?);
        if below_tip.is_empty() && files.is_empty() {
            all.insert(path.clone());
            continue;
        }
        files.extend(below_tip.into_iter().filter(is_ours));
        all.extend(files.into_iter().map(|(path, _)| path));
    }
    Ok(all)
}
