//! A commit's tree as it will be with edits on top: what stands at a path, and what a file at that path would take away.
//!
//! Invariant: `git fast-import` makes room without a word, a folder for a file and a file for a folder. So whoever puts
//! something asks here first, and says of everything that goes that it goes.

use super::error::Result;
use super::names::Oid;
use super::repository::Repository;
use super::tree::{self, Entries, Found, Mode, Version, above, entries};

/// The tree and what was put on it.
pub struct Overlay<'a> {
    repository: &'a Repository,
    commit: Option<Oid>,
    entries: Entries,
    /// Every path that was put, so that what the commit has below a folder can be told anew.
    put: Vec<Vec<u8>>,
}

impl<'a> Overlay<'a> {
    /// Nothing is on top yet. Only of `paths`, and of what lies above and below them, it can tell.
    pub fn of(repository: &'a Repository, commit: Option<&Oid>, paths: &[Vec<u8>]) -> Result<Overlay<'a>> {
        let entries = match commit {
            Some(commit) => entries(repository, commit.as_str(), paths)?,
            None => Entries::default(),
        };
        Ok(Overlay { repository, commit: commit.cloned(), entries, put: Vec::new() })
    }

    /// A folder has none.
    pub fn version(&self, path: &[u8]) -> Option<Version> {
        self.entries.version(path)
    }

    /// The submodule that a path lies in.
    pub fn submodule_above(&self, path: &[u8]) -> Option<Vec<u8>> {
        let is_one = |found: Found| matches!(found, Found::There(Version { mode: Mode::Submodule, .. }));
        above(path).find(|above| is_one(self.entries.at(above))).map(<[u8]>::to_vec)
    }

    /// What a file at the path would take away beside the version there: a file above it, all files below it.
    pub fn in_the_way(&self, path: &[u8]) -> Result<Vec<(Vec<u8>, Version)>> {
        let over = above(path).filter_map(|above| Some((above.to_vec(), self.entries.version(above)?)));
        let mut found: Vec<_> = over.collect();
        found.extend(self.files_below(path)?);
        Ok(found)
    }

    /// All files below a path, where that is a folder.
    pub fn files_below(&self, folder: &[u8]) -> Result<Vec<(Vec<u8>, Version)>> {
        if self.entries.at(folder) != Found::Folder {
            return Ok(Vec::new());
        }
        let mut found = match &self.commit {
            Some(commit) => tree::below(self.repository, commit.as_str(), folder)?,
            None => Vec::new(),
        };
        // A path that was put, or in whose place another was, is as it was put.
        found.retain(|(path, _)| !self.put.iter().any(|put| put == path || is_below(path, put)));
        let put = self.put.iter().filter(|put| is_below(put, folder));
        found.extend(put.filter_map(|put| Some((put.clone(), self.entries.version(put)?))));
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        found.dedup();
        Ok(found)
    }

    /// Puts a version at a path, or takes away what is there.
    pub fn put(&mut self, path: &[u8], version: Option<&Version>) {
        self.put.push(path.to_vec());
        let Some(version) = version else { return self.entries.set(path.to_vec(), Found::Absent) };
        above(path).for_each(|above| self.entries.set(above.to_vec(), Found::Folder));
        self.entries.forget(|other| is_below(other, path));
        self.entries.set(path.to_vec(), Found::There(version.clone()));
    }
}

/// Does a path lie in a folder?
pub fn is_below(path: &[u8], folder: &[u8]) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with(b"/"))
}

/// Can only one of two paths be a file?
pub fn meet(one: &[u8], other: &[u8]) -> bool {
    one == other || is_below(one, other) || is_below(other, one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_meet_where_only_one_can_be_a_file() {
        for (one, other, expected) in [
            (&b"a"[..], &b"a"[..], true),
            (b"a/b", b"a", true),
            (b"a", b"a/b/c", true),
            (b"ab", b"a", false),
            (b"a/b", b"a/c", false),
        ] {
            assert_eq!(meet(one, other), expected, "{one:?} {other:?}");
        }
    }
}
