//! Where to look: a path, and how far below it.

use super::path::RelPath;

/// How far below a path something may have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// The entry of that name alone; a folder that is not on both sides yet, or no longer, with all that is in it.
    Entry,
    /// The entries of the folder too.
    Children,
    /// Everything below.
    Tree,
}

/// Where to look.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    pub path: RelPath,
    pub reach: Reach,
}

impl Target {
    pub fn tree(path: RelPath) -> Target {
        Target { path, reach: Reach::Tree }
    }

    /// Whoever looks here has seen the entry at `path`.
    pub fn covers(&self, path: &RelPath) -> bool {
        match self.reach {
            Reach::Entry => *path == self.path,
            Reach::Children => *path == self.path || path.parent().is_some_and(|parent| parent == self.path),
            Reach::Tree => path.is_within(&self.path),
        }
    }

    /// Whoever looks here has looked there too.
    pub fn spans(&self, other: &Target) -> bool {
        match (self.reach, other.reach) {
            (Reach::Tree, _) | (_, Reach::Entry) => self.covers(&other.path),
            (own, asked) => self.path == other.path && own >= asked,
        }
    }
}

/// Did a look at these places see the entry at `path`? `None` is a look at everything.
pub fn looked_at(targets: Option<&[Target]>, path: &RelPath) -> bool {
    targets.is_none_or(|targets| targets.iter().any(|target| target.covers(path)))
}
