//! Which places of a container are asked for: as few as possible, and without mounts in which nothing of ours lies (a folder of
//! packages in a volume can be larger than all the rest).

use std::collections::{BTreeMap, BTreeSet};

use super::local::Local;
use super::map::{self, Mapping};
use super::stream::Root;
use super::{lies_in, over};
use crate::disk::local as paths;
use crate::docker::Mount;

/// More questions than this cost more than what they leave out.
const MOST: usize = 100;

/// `named`: only some files were asked for. `extra`: what is not here is to be seen as well.
pub fn of(mappings: &[Mapping], files: &BTreeMap<Vec<u8>, Local>, mounts: &[Mount], named: bool, extra: bool) -> Vec<Root> {
    let whole: Vec<Root> = mappings
        .iter()
        .map(|mapping| Root { path: mapping.inside.clone(), is_folder: paths::is_folder(&mapping.local) })
        .filter(|root| extra || files.keys().any(|place| lies_in(place, root.path.as_bytes())))
        .collect();
    // Without those that lie in another one.
    let alone =
        |root: &Root| !whole.iter().any(|other| other.path != root.path && lies_in(root.path.as_bytes(), other.path.as_bytes()));
    let mut roots: Vec<Root> = Vec::new();
    for root in whole.iter().filter(|root| alone(root)) {
        if roots.iter().all(|known| known.path != root.path) {
            roots.extend(narrowed(root, files, mounts, named));
        }
    }
    roots
}

/// The root itself or, where that leaves something large out, the places below it that hold files of ours.
fn narrowed(root: &Root, files: &BTreeMap<Vec<u8>, Local>, mounts: &[Mount], named: bool) -> Vec<Root> {
    let ours: Vec<&[u8]> = files.keys().map(Vec::as_slice).filter(|place| lies_in(place, root.path.as_bytes())).collect();
    if named && ours.len() <= MOST {
        return ours.iter().filter_map(|place| file(place)).collect();
    }
    let barren: Vec<String> = mounts
        .iter()
        .map(|mount| map::inside(&mount.target))
        .filter(|target| *target != root.path && lies_in(target.as_bytes(), root.path.as_bytes()))
        .filter(|target| !ours.iter().any(|place| lies_in(place, target.as_bytes())))
        .collect();
    let mut split = Vec::new();
    let mut open = vec![root.path.clone()];
    while let Some(folder) = open.pop() {
        let here: Vec<&[u8]> = ours.iter().copied().filter(|place| lies_in(place, folder.as_bytes())).collect();
        match here.as_slice() {
            [] => {}
            [place] if *place == folder.as_bytes() => split.push(Root { path: folder, is_folder: false }),
            _ if barren.iter().any(|target| lies_in(target.as_bytes(), folder.as_bytes())) => {
                open.extend(children(&folder, &here))
            }
            _ => split.push(Root { path: folder, is_folder: true }),
        }
        if split.len() + open.len() > MOST {
            return vec![root.clone()];
        }
    }
    let is_whole = split.len() == 1 && split[0].path == root.path;
    if is_whole || (split.is_empty() && over(mounts, root.path.as_bytes()).is_none()) { vec![root.clone()] } else { split }
}

/// One file. Its name has to be text, as the engine is asked in text.
fn file(place: &[u8]) -> Option<Root> {
    std::str::from_utf8(place).ok().map(|path| Root { path: path.to_owned(), is_folder: false })
}

/// The next names on the way from `folder` to the places; the folder itself where one is no text.
fn children(folder: &str, places: &[&[u8]]) -> BTreeSet<String> {
    let top = folder.trim_end_matches('/');
    let child = |place: &&[u8]| {
        let below = place.get(top.len() + 1..)?;
        let name = below.split(|byte| *byte == b'/').next()?;
        Some(format!("{top}/{}", std::str::from_utf8(name).ok()?))
    };
    places.iter().filter_map(child).collect()
}
