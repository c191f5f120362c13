//! What the kernel knows by number: the names of each file, so that a request finds it in the source folder.
//!
//! Invariants. A number is the inode number of the source, so it is the same in every mount; only the top is 1, as FUSE has it. A
//! node lives until the kernel forgets it, so memory is what the kernel has in its own caches. A number that comes back after its
//! file is gone has a new generation: the kernel takes it for another file.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fd::OwnedFd;
use rustix::io::Errno;

/// The number of the top folder.
pub(super) const TOP: u64 = 1;

/// How far a name is followed to the top: the kernel's own limit of a path, one byte a name.
const DEEPEST: usize = 4096;

/// A name in a folder that the kernel knows.
pub(super) type Name = (u64, OsString);

/// Where a node can be asked.
pub(super) enum Place {
    /// Below the source folder.
    At(PathBuf),
    /// Without a name, and still open.
    Open(Arc<OwnedFd>),
}

#[derive(Default)]
struct Node {
    /// More than one where it has hard links that were looked up.
    names: Vec<Name>,
    /// As often as the kernel was told of it and did not forget it.
    lookups: u64,
    generation: u64,
    /// Its last name was taken away; the source may give its number to another file.
    gone: bool,
    open: Vec<(u64, Arc<OwnedFd>)>,
}

pub(super) struct Nodes {
    /// The top's inode number in the source.
    top: u64,
    known: HashMap<u64, Node>,
    numbers: HashMap<Name, u64>,
    generation: u64,
}

impl Nodes {
    pub(super) fn new(top: u64) -> Nodes {
        Nodes { top, known: HashMap::new(), numbers: HashMap::new(), generation: 0 }
    }

    /// The number for an inode of the source. The top's and 1 change places.
    pub(super) fn number(&self, inode: u64) -> u64 {
        match inode {
            inode if inode == self.top => TOP,
            TOP => self.top,
            inode => inode,
        }
    }

    /// The kernel is told of `name` once more. Gives its generation.
    pub(super) fn met(&mut self, number: u64, name: Name) -> u64 {
        if number == TOP {
            return 0;
        }
        if self.numbers.get(&name).is_some_and(|&before| before != number) {
            self.unname(&name);
        }
        let node = self.known.entry(number).or_default();
        if node.gone {
            self.generation += 1;
            *node = Node { lookups: node.lookups, generation: self.generation, ..Node::default() };
        }
        node.lookups += 1;
        if !node.names.contains(&name) {
            node.names.push(name.clone());
            self.numbers.insert(name, number);
        }
        node.generation
    }

    pub(super) fn forget(&mut self, number: u64, times: u64) {
        let Some(node) = self.known.get_mut(&number) else { return };
        node.lookups = node.lookups.saturating_sub(times);
        if node.lookups == 0 {
            let names = self.known.remove(&number).map(|node| node.names).unwrap_or_default();
            for name in names {
                self.numbers.remove(&name);
            }
        }
    }

    pub(super) fn place(&self, number: u64) -> Result<Place, Errno> {
        match self.path(number) {
            Ok(path) => Ok(Place::At(path)),
            Err(errno) => {
                let open = self.known.get(&number).and_then(|node| node.open.last());
                open.map(|(_, file)| Place::Open(file.clone())).ok_or(errno)
            }
        }
    }

    /// The path of a node below the source folder, `.` for the top.
    pub(super) fn path(&self, number: u64) -> Result<PathBuf, Errno> {
        let (mut names, mut at) = (Vec::new(), number);
        while at != TOP {
            let (folder, name) = self.known.get(&at).and_then(|node| node.names.last()).ok_or(Errno::STALE)?;
            names.push(name.as_os_str());
            at = *folder;
            if names.len() > DEEPEST {
                return Err(Errno::NAMETOOLONG);
            }
        }
        if names.is_empty() {
            return Ok(PathBuf::from("."));
        }
        Ok(names.into_iter().rev().collect())
    }

    pub(super) fn path_in(&self, folder: u64, name: &OsStr) -> Result<PathBuf, Errno> {
        let folder = self.path(folder)?;
        Ok(if folder.as_os_str() == "." { PathBuf::from(name) } else { folder.join(name) })
    }

    /// `name` was taken away, and with it its file where `gone`.
    pub(super) fn removed(&mut self, name: &Name, gone: bool) {
        let number = self.unname(name);
        if let Some(node) = number.and_then(|number| self.known.get_mut(&number)) {
            node.gone |= gone;
        }
    }

    /// What was at `from` is at `to`, where nothing is any more.
    pub(super) fn moved(&mut self, from: &Name, to: Name) {
        if let Some(number) = self.unname(from) {
            self.name(number, to);
        }
    }

    /// What was at `one` is at `other` and the other way round.
    pub(super) fn exchanged(&mut self, one: Name, other: Name) {
        let (first, second) = (self.unname(&one), self.unname(&other));
        first.into_iter().for_each(|number| self.name(number, other.clone()));
        second.into_iter().for_each(|number| self.name(number, one.clone()));
    }

    pub(super) fn opened(&mut self, number: u64, handle: u64, file: Arc<OwnedFd>) {
        if let Some(node) = self.known.get_mut(&number) {
            node.open.push((handle, file));
        }
    }

    pub(super) fn closed(&mut self, number: u64, handle: u64) {
        if let Some(node) = self.known.get_mut(&number) {
            node.open.retain(|(open, _)| *open != handle);
        }
    }

    fn name(&mut self, number: u64, name: Name) {
        if let Some(node) = self.known.get_mut(&number) {
            node.names.push(name.clone());
            self.numbers.insert(name, number);
        }
    }

    fn unname(&mut self, name: &Name) -> Option<u64> {
        let number = self.numbers.remove(name)?;
        if let Some(node) = self.known.get_mut(&number) {
            node.names.retain(|known| known != name);
        }
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(folder: u64, name: &str) -> Name {
        (folder, name.into())
    }

    fn path(nodes: &Nodes, number: u64) -> Option<String> {
        nodes.path(number).ok().map(|path| path.to_string_lossy().into_owned())
    }

    fn is_at(nodes: &Nodes, number: u64, expected: &str) {
        assert_eq!(path(nodes, number).as_deref(), Some(expected));
    }

    #[test]
    fn what_is_below_a_folder_goes_where_the_folder_goes() {
        let mut nodes = Nodes::new(500);
        nodes.met(10, name(TOP, "a"));
        nodes.met(11, name(10, "b"));
        nodes.met(12, name(11, "file"));
        is_at(&nodes, 12, "a/b/file");
        nodes.moved(&name(10, "b"), name(TOP, "c"));
        is_at(&nodes, 12, "c/file");
        nodes.exchanged(name(TOP, "a"), name(TOP, "c"));
        is_at(&nodes, 12, "a/file");
        is_at(&nodes, 10, "c");
        is_at(&nodes, TOP, ".");
    }

    #[test]
    fn a_second_name_is_enough_and_the_last_one_is_not_missed() {
        let mut nodes = Nodes::new(500);
        nodes.met(10, name(TOP, "one"));
        nodes.met(10, name(TOP, "two"));
        nodes.removed(&name(TOP, "two"), false);
        is_at(&nodes, 10, "one");
        nodes.removed(&name(TOP, "one"), true);
        assert_eq!(path(&nodes, 10), None);
    }

    #[test]
    fn a_number_that_comes_back_is_another_file() {
        let mut nodes = Nodes::new(500);
        let first = nodes.met(10, name(TOP, "one"));
        assert_eq!(nodes.met(10, name(TOP, "one")), first);
        nodes.removed(&name(TOP, "one"), true);
        let second = nodes.met(10, name(TOP, "new"));
        assert_ne!(first, second);
        is_at(&nodes, 10, "new");
        assert_eq!(nodes.met(10, name(TOP, "new")), second);
    }

    #[test]
    fn what_the_kernel_forgets_is_forgotten_here() {
        let mut nodes = Nodes::new(500);
        for round in 1..=3 {
            nodes.met(10, name(TOP, "one"));
            assert_eq!(nodes.known[&10].lookups, round);
        }
        nodes.forget(10, 2);
        is_at(&nodes, 10, "one");
        nodes.forget(10, 1);
        assert!(nodes.known.is_empty() && nodes.numbers.is_empty());
    }

    #[test]
    fn the_source_may_put_another_file_at_a_known_name() {
        let mut nodes = Nodes::new(500);
        nodes.met(10, name(TOP, "one"));
        nodes.met(11, name(TOP, "one"));
        assert_eq!(path(&nodes, 10), None);
        is_at(&nodes, 11, "one");
        nodes.forget(10, 1);
        is_at(&nodes, 11, "one");
    }

    #[test]
    fn the_top_is_1_and_no_other_file_is() {
        let nodes = Nodes::new(500);
        assert_eq!([500, 1, 7].map(|inode| nodes.number(inode)), [TOP, 500, 7]);
        assert_eq!(Nodes::new(1).number(1), TOP);
    }
}
