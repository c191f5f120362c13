//! Writing the base: put, forget and move by path.
//!
//! Invariants. Every row but the root's has its folder's row. A folder keeps its id while it keeps its row, so a move
//! is one update however much lies below. The cache of folder ids knows only what the database holds: it is emptied
//! whenever a folder's row goes, moves, or a transaction is rolled back.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::Manifest;
use super::error::{Error, Result};
use super::rows::{self, FILE, FOLDER, LINK, row_columns, stamp_columns};
use crate::model::entry::{Base, Content, Entry};
use crate::model::listing::FolderId;
use crate::model::path::RelPath;
use crate::model::side::PerSide;
use crate::model::time::Time;

/// Ids of folders by path; bounded, because a tree may have more folders than we want to hold.
#[derive(Default)]
pub(super) struct FolderCache(HashMap<Box<[u8]>, FolderId>);

impl FolderCache {
    const LIMIT: usize = 4096;

    fn get(&self, path: &[u8]) -> Option<FolderId> {
        if path.is_empty() { Some(FolderId::ROOT) } else { self.0.get(path).copied() }
    }

    fn insert(&mut self, path: &[u8], id: FolderId) {
        if self.0.len() >= Self::LIMIT {
            self.0.clear();
        }
        self.0.insert(path.into(), id);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl Manifest {
    /// Records the agreement at `path`. Folders above it that have no row get one without stamps. Where a folder
    /// becomes something else, what was below it is forgotten. The root has no row: nothing is kept for it.
    pub fn put(&mut self, path: &RelPath, base: &Base) -> Result<()> {
        self.write("record in", |connection, folders| {
            let Some((parent, name)) = split(path.as_bytes()) else { return Ok(()) };
            let folder = make_folders(connection, folders, parent)?;
            put_row(connection, folders, folder, name, base)
        })
    }

    /// Forgets `path` and everything below it. Not an error where there is nothing. The root: the whole base.
    pub fn forget(&mut self, path: &RelPath) -> Result<()> {
        self.write("forget in", |connection, folders| {
            let Some((parent, name)) = split(path.as_bytes()) else { return empty(connection, folders) };
            match known_folder(connection, folders, parent)? {
                Some(folder) => forget_row(connection, folders, folder, name),
                None => Ok(()),
            }
        })
    }

    /// Gives the row at `from`, with everything below it, the path `to`; what stood at `to` is forgotten. Stamps are
    /// left as they are. `false` where `from` has no row.
    pub fn move_to(&mut self, from: &RelPath, to: &RelPath) -> Result<bool> {
        if from != to && (to.is_within(from) || from.is_within(to)) {
            return Err(Error::MoveInto { from: from.to_string(), to: to.to_string() });
        }
        self.write("move in", |connection, folders| {
            let (Some((from_parent, from_name)), Some((to_parent, to_name))) = (split(from.as_bytes()), split(to.as_bytes()))
            else {
                return Ok(false);
            };
            let Some(old) = known_folder(connection, folders, from_parent)? else { return Ok(false) };
            let known = "SELECT 1 FROM entry WHERE folder = ?1 AND name = ?2";
            if !connection.prepare_cached(known)?.exists((old.0, from_name))? {
                return Ok(false);
            }
            if from == to {
                return Ok(true);
            }
            let new = make_folders(connection, folders, to_parent)?;
            forget_row(connection, folders, new, to_name)?;
            let update = "UPDATE entry SET folder = ?3, name = ?4 WHERE folder = ?1 AND name = ?2 RETURNING child";
            let child: Option<i64> =
                connection.prepare_cached(update)?.query_row((old.0, from_name, new.0, to_name), |row| row.get(0))?;
            if child.is_some() {
                folders.clear();
            }
            Ok(true)
        })
    }
}

/// The path of the parent and the last name; `None` for the root.
fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(cut) => Some((&path[..cut], &path[cut + 1..])),
        None if path.is_empty() => None,
        None => Some((b"", path)),
    }
}

/// The id of the folder at `path`, if it has a row.
fn known_folder(connection: &Connection, folders: &mut FolderCache, path: &[u8]) -> rusqlite::Result<Option<FolderId>> {
    let (mut at, mut id) = nearest(folders, path);
    while at < path.len() {
        let (name, end) = next_name(path, at);
        match rows::child(connection, id, name)? {
            Some(below) => id = below,
            None => return Ok(None),
        }
        at = end;
    }
    if !path.is_empty() && folders.get(path).is_none() {
        folders.insert(path, id);
    }
    Ok(Some(id))
}

/// The id of the folder at `path`; it and those above it are made where they have no row.
fn make_folders(connection: &Connection, folders: &mut FolderCache, path: &[u8]) -> rusqlite::Result<FolderId> {
    if let Some(id) = known_folder(connection, folders, path)? {
        return Ok(id);
    }
    // No side showed it to us: no stamps. The mode is the usual one; real ones come with the folder's own record.
    let unseen = Base {
        entry: Entry { content: Content::Folder, mtime: Time(0), mode: 0o755 },
        stamps: PerSide { staging: None, network: None },
        sent: None,
    };
    let (mut at, mut id) = nearest(folders, path);
    while at < path.len() {
        let (name, end) = next_name(path, at);
        id = match rows::child(connection, id, name)? {
            Some(below) => below,
            None => {
                put_row(connection, folders, id, name, &unseen)?;
                rows::child(connection, id, name)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?
            }
        };
        at = end;
    }
    folders.insert(path, id);
    Ok(id)
}

/// The longest cached folder at or above `path`: how many bytes of `path` it covers, and its id.
fn nearest(folders: &FolderCache, path: &[u8]) -> (usize, FolderId) {
    let mut end = path.len();
    loop {
        if let Some(id) = folders.get(&path[..end]) {
            return (end, id);
        }
        end = path[..end].iter().rposition(|&byte| byte == b'/').unwrap_or(0);
    }
}

/// The name after the first `at` bytes of `path`, and where it ends.
fn next_name(path: &[u8], at: usize) -> (&[u8], usize) {
    let start = if at == 0 { 0 } else { at + 1 };
    let end = path[start..].iter().position(|&byte| byte == b'/').map_or(path.len(), |length| start + length);
    (&path[start..end], end)
}

fn put_row(
    connection: &Connection,
    folders: &mut FolderCache,
    folder: FolderId,
    name: &[u8],
    base: &Base,
) -> rusqlite::Result<()> {
    let child = if base.entry.is_folder() { Some(folder_id_for(connection, folder, name)?) } else { None };
    if upsert(connection, folder, name, child, base)? == 0 {
        // A folder's row stands there and the entry is none.
        forget_row(connection, folders, folder, name)?;
        upsert(connection, folder, name, child, base)?;
    }
    Ok(())
}

/// The id that the folder's row has, or a new one.
fn folder_id_for(connection: &Connection, folder: FolderId, name: &[u8]) -> rusqlite::Result<FolderId> {
    if let Some(id) = rows::child(connection, folder, name)? {
        return Ok(id);
    }
    let next = "UPDATE folder_id SET next = next + 1 RETURNING next - 1";
    connection.prepare_cached(next)?.query_row([], |row| row.get(0)).map(FolderId)
}

/// Writes the row, unless a folder's row with another id than `child` stands there: then 0. One statement without a
/// look before it, because nearly every row of a first sync is new.
fn upsert(
    connection: &Connection,
    folder: FolderId,
    name: &[u8],
    child: Option<FolderId>,
    base: &Base,
) -> rusqlite::Result<usize> {
    const SQL: &str = concat!(
        "INSERT INTO entry (folder, ",
        row_columns!(),
        ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET \
         kind = excluded.kind, child = excluded.child, size = excluded.size, mtime = excluded.mtime, \
         mode = excluded.mode, content = excluded.content, \
         staging_racy = excluded.staging_racy, staging_size = excluded.staging_size, \
         staging_mtime = excluded.staging_mtime, staging_ctime = excluded.staging_ctime, staging_id = excluded.staging_id, \
         network_racy = excluded.network_racy, network_size = excluded.network_size, \
         network_mtime = excluded.network_mtime, network_ctime = excluded.network_ctime, network_id = excluded.network_id, \
         sent_size = excluded.sent_size, sent_digest = excluded.sent_digest \
         WHERE child IS NULL OR child IS excluded.child"
    );
    let entry = &base.entry;
    let (kind, size, content): (i64, Option<i64>, Option<&[u8]>) = match &entry.content {
        Content::File { size, digest } => (FILE, Some(size.cast_signed()), digest.as_ref().map(|digest| &digest.0[..])),
        Content::Folder => (FOLDER, None, None),
        Content::Link { target } => (LINK, None, Some(target)),
    };
    let s = stamp_columns(base.stamps.staging, entry);
    let n = stamp_columns(base.stamps.network, entry);
    connection.prepare_cached(SQL)?.execute(params![
        folder.0,
        name,
        kind,
        child.map(|id| id.0),
        size,
        entry.mtime.0,
        entry.mode,
        content,
        s[0],
        s[1],
        s[2],
        s[3],
        s[4],
        n[0],
        n[1],
        n[2],
        n[3],
        n[4],
        base.sent.map(|sent| sent.size.cast_signed()),
        base.sent.map(|sent| sent.digest.0),
    ])
}

fn forget_row(connection: &Connection, folders: &mut FolderCache, folder: FolderId, name: &[u8]) -> rusqlite::Result<()> {
    let sql = "DELETE FROM entry WHERE folder = ?1 AND name = ?2 RETURNING child";
    let child = connection.prepare_cached(sql)?.query_row((folder.0, name), |row| row.get::<_, Option<i64>>(0)).optional()?;
    let Some(id) = child.flatten() else { return Ok(()) };
    folders.clear();
    let below = "WITH RECURSIVE below (id) AS (
            SELECT ?1 UNION
            SELECT entry.child FROM below JOIN entry ON entry.folder = below.id WHERE entry.child IS NOT NULL)
        DELETE FROM entry WHERE folder IN (SELECT id FROM below)";
    connection.prepare_cached(below)?.execute([id]).map(drop)
}

fn empty(connection: &Connection, folders: &mut FolderCache) -> rusqlite::Result<()> {
    folders.clear();
    connection.execute("DELETE FROM entry", []).map(drop)
}
