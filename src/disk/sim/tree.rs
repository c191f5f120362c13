//! Names and what they stand for, without contents; changed by [`Edit`]s alone, so that a log of them is the whole story.

use std::collections::BTreeMap;

use super::habits::Habits;
use crate::model::path::{Name, RelPath};
use crate::model::time::Time;

/// A thing behind names; never given twice.
pub(super) type Ino = u64;

pub(super) const ROOT: Ino = 1;

#[derive(Clone, Debug)]
pub(super) enum Kind {
    File,
    Folder,
    Link(Box<[u8]>),
    /// A device, socket or FIFO.
    Special,
}

#[derive(Clone, Debug)]
pub(super) struct Inode {
    pub kind: Kind,
    pub mode: u32,
    pub mtime: Time,
    pub ctime: Time,
    /// What it is known by outside.
    pub number: u64,
    /// Every name that it has: the folder and the name there. The root has none.
    pub names: Vec<(Ino, Name)>,
    /// By folded name; of folders only.
    pub children: BTreeMap<Vec<u8>, (Name, Ino)>,
    /// Another file system is mounted on this folder.
    pub mounted: bool,
}

/// One change of one thing.
#[derive(Clone, Debug)]
pub(super) enum Edit {
    Make {
        ino: Ino,
        inode: Box<Inode>,
    },
    /// The name stands for another thing now, or for none.
    Name {
        folder: Ino,
        name: Name,
        to: Option<Ino>,
    },
    Meta {
        ino: Ino,
        mode: u32,
        mtime: Time,
        ctime: Time,
    },
}

#[derive(Clone, Debug)]
pub(super) struct Tree {
    pub inodes: BTreeMap<Ino, Inode>,
    habits: Habits,
}

impl Inode {
    pub fn new(kind: Kind, mode: u32, time: Time, number: u64) -> Inode {
        Inode { kind, mode, mtime: time, ctime: time, number, names: Vec::new(), children: BTreeMap::new(), mounted: false }
    }

    pub fn is_folder(&self) -> bool {
        matches!(self.kind, Kind::Folder)
    }

    pub fn is_file(&self) -> bool {
        matches!(self.kind, Kind::File)
    }
}

impl Tree {
    pub fn new(habits: Habits, time: Time) -> Tree {
        let root = Inode::new(Kind::Folder, 0o755, time, ROOT);
        Tree { inodes: BTreeMap::from([(ROOT, root)]), habits }
    }

    pub fn get(&self, ino: Ino) -> &Inode {
        self.inodes.get(&ino).expect("inodes stay for as long as a handle may ask")
    }

    fn get_mut(&mut self, ino: Ino) -> &mut Inode {
        self.inodes.get_mut(&ino).expect("inodes stay for as long as a handle may ask")
    }

    /// Has it a name, or is it the root?
    pub fn lives(&self, ino: Ino) -> bool {
        ino == ROOT || self.inodes.get(&ino).is_some_and(|inode| !inode.names.is_empty())
    }

    pub fn child(&self, folder: Ino, name: &Name) -> Option<Ino> {
        self.get(folder).children.get(&self.habits.key(name)).map(|(_, ino)| *ino)
    }

    /// The name as it was spelled first.
    pub fn spelled(&self, folder: Ino, name: &Name) -> Option<Name> {
        self.get(folder).children.get(&self.habits.key(name)).map(|(name, _)| name.clone())
    }

    pub fn find(&self, path: &RelPath) -> Option<Ino> {
        path.names().try_fold(ROOT, |at, name| {
            let name = Name::new(name).expect("a path is made of names");
            self.child(at, &name)
        })
    }

    /// Where a folder is now; `None` where it was removed.
    pub fn path_of(&self, ino: Ino) -> Option<RelPath> {
        let mut names = Vec::new();
        let mut at = ino;
        while at != ROOT {
            let (folder, name) = self.inodes.get(&at)?.names.first()?;
            names.push(name);
            at = *folder;
        }
        Some(names.into_iter().rev().fold(RelPath::root(), |path, name| path.join(name)))
    }

    /// All that lies at and below `ino`, which lies at `path`; folders before what they hold.
    pub fn walk(&self, ino: Ino, path: &RelPath, visit: &mut dyn FnMut(&RelPath, Ino)) {
        visit(path, ino);
        for (name, child) in self.get(ino).children.values() {
            self.walk(*child, &path.join(name), visit);
        }
    }

    /// Is `ino` the folder `above` or below it?
    pub fn is_within(&self, ino: Ino, above: Ino) -> bool {
        let up = |at: &Ino| self.get(*at).names.first().map(|(folder, _)| *folder);
        std::iter::successors(Some(ino), up).any(|at| at == above)
    }

    pub fn apply(&mut self, edit: &Edit) {
        match edit {
            Edit::Make { ino, inode } => drop(self.inodes.insert(*ino, (**inode).clone())),
            Edit::Meta { ino, mode, mtime, ctime } => {
                let inode = self.get_mut(*ino);
                (inode.mode, inode.mtime, inode.ctime) = (*mode, *mtime, *ctime);
            }
            Edit::Name { folder, name, to } => {
                let key = self.habits.key(name);
                if let Some((old_name, old)) = self.get_mut(*folder).children.remove(&key) {
                    let names = &mut self.get_mut(old).names;
                    let at = names.iter().position(|(at, known)| at == folder && *known == old_name);
                    names.remove(at.expect("each name is known at both ends"));
                }
                if let Some(ino) = to {
                    self.get_mut(*folder).children.insert(key, (name.clone(), *ino));
                    self.get_mut(*ino).names.push((*folder, name.clone()));
                }
            }
        }
    }

    /// Without what has no name any more.
    pub fn swept(mut self) -> Tree {
        let mut living = std::collections::BTreeSet::new();
        self.walk(ROOT, &RelPath::root(), &mut |_, ino| {
            living.insert(ino);
        });
        self.inodes.retain(|ino, _| living.contains(ino));
        self
    }
}
