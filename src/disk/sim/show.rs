//! What a volume shows, for comparing and for judging.

use super::books::{Place, ProjectFile, Shown};
use super::medium::Medium;
use super::tree::{Kind, ROOT};
use super::{Inner, Volume};
use crate::disk::Node;
use crate::model::entry::Content;
use crate::model::path::RelPath;

/// What the lines of a tree hold beside path, kind and content.
#[derive(Clone, Copy, Debug, Default)]
pub struct Show {
    /// Files' and links' mtimes, down to a multiple of so many nanoseconds.
    pub times_ns: Option<i64>,
    pub modes: bool,
    /// Also `.driftless` and temporary names.
    pub own: bool,
}

impl Volume {
    /// The tree as sorted lines: `folder a`, `file a/b 3 <digest>`, `link a/c -> target`, `special a/d`.
    pub fn lines(&self, show: Show) -> Vec<String> {
        self.with(|inner, at| lines(inner.seats[at].own(), show))
    }

    /// Every project path with what stands there, folders before what they hold.
    pub fn project(&self) -> Vec<(RelPath, Content)> {
        self.with(|inner, at| {
            let medium = inner.seats[at].own();
            let mut found = Vec::new();
            medium.tree.walk(ROOT, &RelPath::root(), &mut |path, ino| {
                let content = match &medium.tree.get(ino).kind {
                    Kind::File => {
                        let body = &medium.bodies[&ino];
                        Content::File { size: body.size(), digest: Some(body.digest) }
                    }
                    Kind::Folder => Content::Folder,
                    Kind::Link(target) => Content::Link { target: target.clone() },
                    Kind::Special => return,
                };
                if !path.is_root() && Place::of(path) == Place::Project {
                    found.push((path.clone(), content));
                }
            });
            found.sort_by(|a, b| a.0.cmp(&b.0));
            found
        })
    }

    /// What a stat says of a path.
    pub fn node(&self, path: RelPath) -> Option<(RelPath, Node)> {
        self.with(|inner, at| {
            let medium = inner.seats[at].own();
            let ino = medium.tree.find(&path)?;
            Some((path, medium.node(ino)))
        })
    }

    /// Names of ours that lie between the project's: temporary ones.
    pub fn temporary(&self) -> Vec<RelPath> {
        self.with(|inner, at| {
            let mut found = Vec::new();
            inner.seats[at].own().tree.walk(ROOT, &RelPath::root(), &mut |path, _| {
                if Place::of(path) == Place::Temporary {
                    found.push(path.clone());
                }
            });
            found
        })
    }

    /// What was written to the empty volume that stands in; empty where none does.
    pub fn stand_in(&self) -> Vec<String> {
        let all = Show { own: true, ..Show::default() };
        self.with(|inner, at| {
            let seat = &inner.seats[at];
            if seat.away.is_some() { lines(&seat.medium, all) } else { Vec::new() }
        })
    }

    /// Every file at a project path, and whether it shows what a user wrote.
    pub fn every_project_file(&self) -> Vec<ProjectFile> {
        self.with(|inner, at| {
            let medium = inner.seats[at].own();
            let mut files = Vec::new();
            medium.tree.walk(ROOT, &RelPath::root(), &mut |path, ino| {
                if let Some(body) = medium.bodies.get(&ino).filter(|_| Place::of(path) == Place::Project) {
                    let shown = match (body.half, inner.books.known.contains_key(&body.digest)) {
                        (true, _) => Shown::InTheMaking,
                        (false, true) => Shown::Whole,
                        (false, false) => Shown::Torn,
                    };
                    files.push(ProjectFile { path: path.clone(), bytes: body.bytes.clone(), shown });
                }
            });
            files.sort_by(|a, b| a.path.cmp(&b.path));
            files
        })
    }

    /// Project paths that show bytes which no user wrote as a whole.
    pub fn torn(&self) -> Vec<RelPath> {
        let files = self.every_project_file().into_iter();
        files.filter(|file| file.shown == Shown::Torn).map(|file| file.path).collect()
    }
}

impl Inner {
    /// A file's content as it is now.
    pub(super) fn bytes(&self, seat: usize, path: &RelPath) -> Option<Vec<u8>> {
        let medium = self.seats[seat].own();
        Some(medium.bodies.get(&medium.tree.find(path)?)?.bytes.to_vec())
    }
}

fn lines(medium: &Medium, show: Show) -> Vec<String> {
    let mut found: Vec<(RelPath, String)> = Vec::new();
    medium.tree.walk(ROOT, &RelPath::root(), &mut |path, ino| {
        if path.is_root() || !(show.own || Place::of(path) == Place::Project) {
            return;
        }
        let inode = medium.tree.get(ino);
        let mut line = match &inode.kind {
            Kind::File => format!("file {path} {} {:?}", medium.bodies[&ino].size(), medium.bodies[&ino].digest),
            Kind::Folder => format!("folder {path}"),
            Kind::Link(target) => format!("link {path} -> {}", target.escape_ascii()),
            Kind::Special => format!("special {path}"),
        };
        if show.modes && !matches!(inode.kind, Kind::Link(_)) {
            line += &format!(" {:o}", medium.node(ino).mode);
        }
        if let Some(step) = show.times_ns.filter(|_| !inode.is_folder()) {
            line += &format!(" at {}", inode.mtime.0.div_euclid(step));
        }
        found.push((path.clone(), line));
    });
    found.sort();
    found.into_iter().map(|(_, line)| line).collect()
}
