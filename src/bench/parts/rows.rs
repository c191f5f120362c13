//! The manifest: rows that are read as a look reads them, and written as a run writes them.

use std::path::Path;
use std::rc::Rc;

use super::Part;
use super::agreed::{base, paths};
use crate::disk::clock;
use crate::manifest::{Error, Manifest};
use crate::model::listing::FolderId;
use crate::model::path::RelPath;
use crate::sqlite::Synchronous;

/// Rows of one batch.
const BATCH: u64 = 1_000;

fn filled(folder: &Path, rows: u64) -> Result<Manifest, Error> {
    let (mut manifest, _) = Manifest::open(folder, Synchronous::Normal, clock::now())?;
    put(&mut manifest, &paths(rows), 0)?;
    Ok(manifest)
}

/// Writes one batch; each `round` is another version of the same files.
fn put(manifest: &mut Manifest, paths: &[RelPath], round: u64) -> Result<(), Error> {
    manifest.begin()?;
    for (n, path) in (round..).zip(paths) {
        manifest.put(path, &base(n))?;
    }
    manifest.commit()
}

/// Reads all rows of a manifest with so many files, folder by folder. `folder` is empty and stays as long as the part.
pub fn load(folder: &Path, rows: u64) -> Result<Part, Error> {
    let manifest = Rc::new(filled(folder, rows)?);
    Ok(Part::of("manifest-load", move || manifest.clone(), |manifest| walk(&manifest, FolderId::ROOT)))
}

/// How many files are at or below `folder`.
fn walk(manifest: &Manifest, folder: FolderId) -> u64 {
    let rows = manifest.folder(folder).unwrap_or_default();
    rows.into_iter().map(|row| row.value.folder.map_or(1, |below| walk(manifest, below))).sum()
}

/// Writes a batch of rows over those that are there, and commits it. `folder` is empty and stays as long as the part.
pub fn store(folder: &Path) -> Result<Part, Error> {
    let manifest = Rc::new(std::cell::RefCell::new(filled(folder, BATCH)?));
    let (paths, mut round) = (Rc::new(paths(BATCH)), 0);
    let input = move || {
        round += 1;
        (manifest.clone(), paths.clone(), round)
    };
    Ok(Part::of("manifest-commit", input, |(manifest, paths, round)| match put(&mut manifest.borrow_mut(), &paths, round) {
        Ok(()) => paths.len() as u64,
        Err(_) => 0,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_rows_are_read_and_written() {
        let (one, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let mut load = load(one.path(), 3_000).expect("a manifest");
        assert_eq!((load.prepare)()(), 3_000);
        let mut store = store(other.path()).expect("a manifest");
        for _ in 0..2 {
            assert_eq!((store.prepare)()(), BATCH);
        }
    }
}
