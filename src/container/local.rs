//! The local side: every file and link that belongs into the container, by its place there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::map::Mapping;
use crate::disk::checkout;
use crate::disk::{self, Folder, Freshness, Node, NodeContent, Root};
use crate::model::entry::Content;
use crate::model::path::RelPath;
use crate::model::time::Time;

/// What is no source, whatever else is said: git's own files change with every command, and ours are ours.
const NEVER: [&[u8]; 2] = [b".git", b".driftless"];

/// Opens a folder for reading, apart where it may hang.
pub type Open<'a> = &'a (dyn Fn(&Path) -> disk::Result<Arc<dyn Root>> + Sync);

/// One file or link that belongs into the container.
#[derive(Clone)]
pub struct Local {
    pub root: Arc<dyn Root>,
    /// Below that root.
    pub path: RelPath,
    /// As people know it.
    pub whole: PathBuf,
    pub kind: Kind,
    /// `None` where rights are not to be compared.
    pub mode: Option<u32>,
    pub changed: Time,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    File { bytes: u64 },
    Link { target: Vec<u8> },
}

/// What there is.
#[derive(Default)]
pub struct Side {
    /// By the whole path in the container.
    pub files: BTreeMap<Vec<u8>, Local>,
    /// Left out by patterns: files, and folders as one each.
    pub left_out: u64,
    /// What could not be looked at, and why. Tame.
    pub unknown: Vec<(PathBuf, String)>,
    /// What is mapped and not here, with its place in the container.
    pub absent: Vec<(PathBuf, Vec<u8>)>,
}

impl Side {
    /// Is there nothing at all of what a mapping names?
    pub fn has_none_of(&self, mapping: &Mapping) -> bool {
        let inside = mapping.inside.as_bytes();
        disk::local::is_folder(&mapping.local)
            && !self.files.keys().any(|place| super::lies_in(place, inside))
            && !self.unknown.iter().any(|(path, _)| path.starts_with(&mapping.local))
    }
}

/// Looks at everything that the mappings name; a later one counts more where two lead to the same place.
pub fn look(mappings: &[Mapping], open: Open<'_>) -> Side {
    let mut side = Side::default();
    for mapping in mappings {
        if let Err(error) = look_at(mapping, open, &mut side) {
            side.unknown.push((mapping.local.clone(), error.to_string()));
        }
    }
    side
}

fn look_at(mapping: &Mapping, open: Open<'_>, side: &mut Side) -> disk::Result<()> {
    if disk::local::is_folder(&mapping.local) {
        let root = open(&mapping.local)?;
        let look = Look { mapping, root: &root };
        return look.folder(&RelPath::root(), side);
    }
    let (Some(folder), Some(name)) = (mapping.local.parent(), mapping.local.file_name()) else { return Ok(()) };
    let root = open(folder)?;
    let Ok(path) = RelPath::parse(name.as_encoded_bytes()) else { return Ok(()) };
    let Some(node) = root.look(&path, Freshness::Fresh)? else {
        side.absent.push((mapping.local.clone(), mapping.inside.clone().into_bytes()));
        return Ok(());
    };
    let look = Look { mapping, root: &root };
    look.entry(path, &mapping.local, mapping.inside.clone().into_bytes(), node, side);
    Ok(())
}

struct Look<'a> {
    mapping: &'a Mapping,
    root: &'a Arc<dyn Root>,
}

impl Look<'_> {
    /// A folder and all below it, one at a time.
    fn folder(&self, top: &RelPath, side: &mut Side) -> disk::Result<()> {
        let mut open = vec![top.clone()];
        while let Some(path) = open.pop() {
            let listed = self.root.folder(&path).and_then(|folder: Box<dyn Folder>| folder.list());
            let listing = match listed {
                Ok(listing) => listing,
                Err(error) if path.is_root() => return Err(error),
                Err(error) => {
                    side.unknown.push((self.whole(&path), error.to_string()));
                    continue;
                }
            };
            for item in listing {
                let below = path.join(&item.name);
                let whole = self.whole(&below);
                if NEVER.contains(&item.name.as_bytes()) {
                    continue;
                }
                let left_out = self.mapping.leaves_out(&whole);
                if item.value.is_folder() && (!left_out || self.mapping.may_bring_back()) {
                    open.push(below);
                } else if left_out {
                    side.left_out += 1;
                } else {
                    let inside = [self.mapping.inside.trim_end_matches('/').as_bytes(), b"/", below.as_bytes()].concat();
                    self.entry(below, &whole, inside, item.value, side);
                }
            }
        }
        Ok(())
    }

    fn whole(&self, path: &RelPath) -> PathBuf {
        let below = checkout::place(Path::new(""), path.as_bytes());
        self.mapping.local.join(below)
    }

    fn entry(&self, path: RelPath, whole: &Path, inside: Vec<u8>, node: Node, side: &mut Side) {
        let mode = (!self.mapping.own_modes).then_some(node.mode & 0o777);
        let kind = match node.content {
            NodeContent::Plain(Content::File { size, .. }) => Kind::File { bytes: size },
            NodeContent::Plain(Content::Link { target }) => Kind::Link { target: target.to_vec() },
            // Sockets and pipes are in no image; a folder is what is in it.
            NodeContent::Special | NodeContent::Plain(Content::Folder) => return,
            NodeContent::OtherFileSystem => {
                side.unknown.push((whole.to_path_buf(), "it lies on another file system".to_owned()));
                return;
            }
            NodeContent::Unreadable { message, .. } => {
                side.unknown.push((whole.to_path_buf(), message));
                return;
            }
        };
        let root = Arc::clone(self.root);
        side.files.insert(inside, Local { root, path, whole: whole.to_path_buf(), kind, mode, changed: node.stamp.mtime });
    }
}
