//! What can be done to names and contents, by the engine's calls and by users alike, with the refusals of a Unix system.

use super::books::Fallen;
use super::medium::{Body, By, Medium};
use super::tree::{Edit, Ino, Inode, Kind, ROOT};
use crate::disk::{ErrorKind, Freshness, Node, NodeContent, Onto};
use crate::model::entry::Stamp;
use crate::model::finding::ProblemKind;
use crate::model::listing::{Item, Listing};
use crate::model::path::{Name, RelPath};
use crate::model::time::Time;

pub(super) type Answer<T> = Result<T, ErrorKind>;

pub(super) const READ: u32 = 0o400;
pub(super) const WRITE: u32 = 0o200;
const SEARCH: u32 = 0o100;

/// Bytes of a name, and of a link's target.
const LONGEST_NAME: usize = 255;
const LONGEST_TARGET: usize = 4095;

/// One call of the engine or one deed of a user.
pub(super) struct Act<'m> {
    pub medium: &'m mut Medium,
    pub by: By,
    /// Contents that lost their last safe name.
    pub fallen: Vec<Fallen>,
}

/// What a new thing is.
pub(super) enum New<'a> {
    File,
    Folder,
    Link(&'a [u8]),
    Special,
}

impl Act<'_> {
    fn commit(&mut self, edits: Vec<Edit>) {
        self.fallen.extend(self.medium.commit(edits, self.by));
    }

    pub fn fill(&mut self, ino: Ino, body: Body) {
        let time = self.medium.habits.stamp(self.medium.now);
        self.fallen.extend(self.medium.fill(ino, body, self.by));
        self.meta(ino, None, Some(time));
    }

    pub fn meta(&mut self, ino: Ino, mode: Option<u32>, mtime: Option<Time>) {
        let edit = self.medium.meta(ino, mode, mtime);
        self.commit(vec![edit]);
    }

    /// A folder whose names changed, as an edit.
    fn changed(&self, folder: Ino) -> Edit {
        let time = self.medium.habits.stamp(self.medium.now);
        self.medium.meta(folder, None, Some(time))
    }

    /// Users have all rights: only what the engine may do is of interest.
    pub fn may(&self, ino: Ino, right: u32) -> Answer<()> {
        let asked = self.by == By::Engine && self.medium.habits.modes;
        if asked && self.medium.tree.get(ino).mode & right == 0 { Err(ErrorKind::Denied) } else { Ok(()) }
    }

    /// The folder at `path`, opened as a listing needs it.
    pub fn open(&self, path: &RelPath) -> Answer<Ino> {
        let tree = &self.medium.tree;
        let mut at = ROOT;
        let mut names = path.names().peekable();
        while let Some(name) = names.next() {
            let name = Name::new(name).expect("a path is made of names");
            at = self.there(at, &name)?;
            match &tree.get(at).kind {
                Kind::Folder if tree.get(at).mounted => return Err(ErrorKind::Barred),
                Kind::Folder => {}
                Kind::Link(_) if names.peek().is_some() => return Err(ErrorKind::Barred),
                _ => return Err(ErrorKind::WrongKind),
            }
        }
        self.may(at, READ)?;
        Ok(at)
    }

    /// What stands at a name.
    pub fn entry(&self, folder: Ino, name: &Name) -> Answer<Option<Ino>> {
        if name.len() > LONGEST_NAME {
            return Err(ErrorKind::BadName);
        }
        self.may(folder, SEARCH)?;
        Ok(self.medium.tree.child(folder, name))
    }

    pub fn there(&self, folder: Ino, name: &Name) -> Answer<Ino> {
        self.entry(folder, name)?.ok_or(ErrorKind::Absent)
    }

    /// May a new name be made here, whatever stands there?
    fn may_name(&self, folder: Ino, name: &Name) -> Answer<()> {
        if !self.medium.tree.lives(folder) {
            return Err(ErrorKind::Absent);
        }
        self.may(folder, WRITE)?;
        if self.medium.habits.holds(name) { Ok(()) } else { Err(ErrorKind::BadName) }
    }

    pub fn make(&mut self, folder: Ino, name: &Name, mode: u32, new: New<'_>) -> Answer<Ino> {
        match new {
            New::Link([]) => return Err(ErrorKind::Absent),
            New::Link(target) if target.len() > LONGEST_TARGET => return Err(ErrorKind::BadName),
            _ => {}
        }
        if self.entry(folder, name)?.is_some() {
            return Err(ErrorKind::Exists);
        }
        self.may_name(folder, name)?;
        if matches!(new, New::Link(_)) && !self.medium.habits.links {
            return Err(ErrorKind::Unsupported);
        }
        if self.medium.free_files() == Some(0) {
            return Err(ErrorKind::Full);
        }
        let is_file = matches!(new, New::File);
        let kind = match new {
            New::File => Kind::File,
            New::Folder => Kind::Folder,
            New::Link(target) => Kind::Link(target.into()),
            New::Special => Kind::Special,
        };
        let (ino, number) = self.medium.number();
        if is_file {
            self.medium.bodies.insert(ino, Body::default());
            self.medium.synced.insert(ino, Body::default());
        }
        let inode = Inode::new(kind, mode, self.medium.habits.stamp(self.medium.now), number);
        let named = Edit::Name { folder, name: name.clone(), to: Some(ino) };
        self.commit(vec![Edit::Make { ino, inode: Box::new(inode) }, named, self.changed(folder)]);
        Ok(ino)
    }

    pub fn link(&mut self, from: (Ino, &Name), to: (Ino, &Name)) -> Answer<()> {
        let ino = self.there(from.0, from.1)?;
        if self.entry(to.0, to.1)?.is_some() {
            return Err(ErrorKind::Exists);
        }
        self.may_name(to.0, to.1)?;
        if self.medium.tree.get(ino).is_folder() {
            return Err(ErrorKind::Denied);
        }
        if !self.medium.habits.hard_links {
            return Err(ErrorKind::Unsupported);
        }
        let named = Edit::Name { folder: to.0, name: to.1.clone(), to: Some(ino) };
        self.commit(vec![named, self.medium.meta(ino, None, None), self.changed(to.0)]);
        Ok(())
    }

    /// Takes a name away: of a file or link, or of an empty folder.
    pub fn remove(&mut self, folder: Ino, name: &Name, is_folder: bool) -> Answer<()> {
        let ino = self.there(folder, name)?;
        self.may(folder, WRITE)?;
        let inode = self.medium.tree.get(ino);
        if inode.is_folder() != is_folder {
            return Err(ErrorKind::WrongKind);
        }
        if inode.mounted {
            return Err(ErrorKind::Busy);
        }
        if !inode.children.is_empty() {
            return Err(ErrorKind::NotEmpty);
        }
        let named = Edit::Name { folder, name: name.clone(), to: None };
        self.commit(vec![named, self.medium.meta(ino, None, None), self.changed(folder)]);
        Ok(())
    }

    pub fn rename(&mut self, from: (Ino, &Name), to: (Ino, &Name), onto: Onto) -> Answer<()> {
        let ino = self.there(from.0, from.1)?;
        let target = self.entry(to.0, to.1)?;
        let tree = &self.medium.tree;
        let habits = &self.medium.habits;
        // One name spelled in another way: nothing stands in its way.
        let spelling = from.0 == to.0 && from.1 != to.1 && habits.key(from.1) == habits.key(to.1);
        if onto == Onto::Nothing && target.is_some() && !spelling {
            return Err(ErrorKind::Exists);
        }
        if tree.is_within(to.0, ino) {
            return Err(ErrorKind::BadName);
        }
        if target.is_some_and(|target| tree.is_within(from.0, target)) {
            return Err(ErrorKind::NotEmpty);
        }
        if target == Some(ino) && !spelling {
            return Ok(());
        }
        self.may(from.0, WRITE)?;
        self.may_name(to.0, to.1)?;
        if let Some(target) = target.filter(|target| *target != ino) {
            let (old, new) = (tree.get(ino), tree.get(target));
            if old.is_folder() != new.is_folder() {
                return Err(ErrorKind::WrongKind);
            }
            if !new.children.is_empty() {
                return Err(ErrorKind::NotEmpty);
            }
        }
        let away = Edit::Name { folder: from.0, name: from.1.clone(), to: None };
        let named = Edit::Name { folder: to.0, name: to.1.clone(), to: Some(ino) };
        let meta = self.medium.meta(ino, None, None);
        self.commit(vec![away, named, meta, self.changed(from.0), self.changed(to.0)]);
        Ok(())
    }

    pub fn exchange(&mut self, a: (Ino, &Name), b: (Ino, &Name)) -> Answer<()> {
        let (one, two) = (self.there(a.0, a.1)?, self.there(b.0, b.1)?);
        self.may(a.0, WRITE)?;
        self.may(b.0, WRITE)?;
        let tree = &self.medium.tree;
        if one == two {
            return Ok(());
        }
        if tree.is_within(a.0, two) || tree.is_within(b.0, one) {
            return Err(ErrorKind::BadName);
        }
        let name = |at: (Ino, &Name), to| Edit::Name { folder: at.0, name: at.1.clone(), to };
        let metas = [one, two].map(|ino| self.medium.meta(ino, None, None));
        let mut edits = vec![name(a, None), name(b, None), name(a, Some(two)), name(b, Some(one))];
        edits.extend(metas);
        edits.extend([self.changed(a.0), self.changed(b.0)]);
        self.commit(edits);
        Ok(())
    }

    /// What a look at a name says; a cached one may be old, also where it says that nothing is there.
    pub fn seen(&mut self, folder: Ino, name: &Name, there: Option<Ino>, freshness: Freshness) -> Option<Node> {
        let node = there.map(|ino| self.medium.node(ino));
        if self.medium.habits.cache_ns == 0 {
            return node;
        }
        let key = (folder, self.medium.habits.key(name));
        let now = self.medium.now;
        let same_kind = |a: &Node, b: &Node| std::mem::discriminant(&a.content) == std::mem::discriminant(&b.content);
        let valid = |at: i64| freshness == Freshness::Cached && now - at < self.medium.habits.cache_ns;
        match (self.medium.cache.get(&key).filter(|(_, at)| valid(*at)), &node) {
            (Some((None, _)), _) => None,
            (Some((Some((_, old)), _)), Some(node)) if same_kind(old, node) => Some(old.clone()),
            _ => {
                self.medium.cache.insert(key, (there.zip(node.clone()), now));
                node
            }
        }
    }

    pub fn list(&mut self, folder: Ino) -> Answer<Listing<Node>> {
        if !self.medium.tree.lives(folder) {
            return Err(ErrorKind::Absent);
        }
        self.may(folder, READ)?;
        let mut listing = Vec::new();
        let names: Vec<(Name, Ino)> = self.medium.tree.get(folder).children.values().cloned().collect();
        let searched = self.may(folder, SEARCH).is_ok();
        for (name, ino) in names {
            // A listing is of what is there, whatever looks said before.
            let seen = searched.then(|| self.seen(folder, &name, Some(ino), Freshness::Cached));
            let value = seen.map_or_else(unseen, |seen| seen.unwrap_or_else(|| self.medium.node(ino)));
            listing.push(Item { name, value });
        }
        listing.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(listing)
    }
}

/// A name that may be read where nothing may be asked about it.
fn unseen() -> Node {
    let content = NodeContent::Unreadable { kind: ProblemKind::Permission, message: "Permission denied".to_owned() };
    Node { content, mode: 0, stamp: Stamp { size: 0, mtime: Time(0), ctime: Time(0), id: 0 } }
}
