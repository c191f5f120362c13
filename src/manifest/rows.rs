//! The base by folders: reading rows of `entry`, from whichever connection.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row as SqlRow};

use super::columns::{broken, digest_of};
use crate::model::entry::{Base, Content, Entry, Recorded, Sent, Stamp};
use crate::model::listing::{FolderId, Item, Listing, Row};
use crate::model::path::{Name, RelPath};
use crate::model::side::{PerSide, Side};
use crate::model::time::Time;

pub(super) const FILE: i64 = 0;
pub(super) const FOLDER: i64 = 1;
pub(super) const LINK: i64 = 2;

/// The columns of a [`Row`], in the order that [`read_row`] takes them in; the name comes first.
macro_rules! row_columns {
    () => {
        "name, kind, child, size, mtime, mode, content, \
         staging_racy, staging_size, staging_mtime, staging_ctime, staging_id, \
         network_racy, network_size, network_mtime, network_ctime, network_id, sent_size, sent_digest"
    };
}
pub(super) use row_columns;

/// Everything the base knows in one folder, sorted by name bytes (the primary key is in that order).
pub(super) fn folder(connection: &Connection, id: FolderId) -> rusqlite::Result<Listing<Row>> {
    const SQL: &str = concat!("SELECT ", row_columns!(), " FROM entry WHERE folder = ?1 ORDER BY name");
    let mut statement = connection.prepare_cached(SQL)?;
    let mut rows = statement.query([id.0])?;
    let mut listing = Vec::new();
    while let Some(row) = rows.next()? {
        let name = Name::new(row.get_ref(0)?.as_bytes()?).map_err(|_| broken(0, "not a name"))?;
        listing.push(Item { name, value: read_row(row)? });
    }
    Ok(listing)
}

/// The row of one name.
pub(super) fn one(connection: &Connection, folder: FolderId, name: &[u8]) -> rusqlite::Result<Option<Row>> {
    const SQL: &str = concat!("SELECT ", row_columns!(), " FROM entry WHERE folder = ?1 AND name = ?2");
    connection.prepare_cached(SQL)?.query_row((folder.0, name), read_row).optional()
}

/// The id of a folder below another; `None` where there is no row or it is no folder.
pub(super) fn child(connection: &Connection, folder: FolderId, name: &[u8]) -> rusqlite::Result<Option<FolderId>> {
    let sql = "SELECT child FROM entry WHERE folder = ?1 AND name = ?2";
    let found = connection.prepare_cached(sql)?.query_row((folder.0, name), |row| row.get::<_, Option<i64>>(0)).optional()?;
    Ok(found.flatten().map(FolderId))
}

/// The id of the folder at `path`.
pub(super) fn folder_at(connection: &Connection, path: &RelPath) -> rusqlite::Result<Option<FolderId>> {
    let mut id = FolderId::ROOT;
    for name in path.names() {
        match child(connection, id, name)? {
            Some(below) => id = below,
            None => return Ok(None),
        }
    }
    Ok(Some(id))
}

/// The row at `path`; the root has none.
pub(super) fn find(connection: &Connection, path: &RelPath) -> rusqlite::Result<Option<Row>> {
    let (Some(parent), Some(name)) = (path.parent(), path.name()) else { return Ok(None) };
    match folder_at(connection, &parent)? {
        Some(folder) => one(connection, folder, &name),
        None => Ok(None),
    }
}

/// Files in the whole base.
pub(super) fn count_files(connection: &Connection) -> rusqlite::Result<u64> {
    let count =
        connection.prepare_cached("SELECT count(*) FROM entry WHERE kind = ?1")?.query_row([FILE], |row| row.get::<_, i64>(0))?;
    Ok(count.cast_unsigned())
}

/// Files below the folder `id`.
pub(super) fn count_files_below(connection: &Connection, id: FolderId) -> rusqlite::Result<u64> {
    // UNION takes each folder once, so that a damaged file whose folders lead round in a circle has an end.
    let sql = "WITH RECURSIVE below (id) AS (
            SELECT ?1 UNION
            SELECT entry.child FROM below JOIN entry ON entry.folder = below.id WHERE entry.child IS NOT NULL)
        SELECT count(*) FROM below JOIN entry ON entry.folder = below.id WHERE entry.kind = ?2";
    let count = connection.prepare_cached(sql)?.query_row([id.0, FILE], |row| row.get::<_, i64>(0))?;
    Ok(count.cast_unsigned())
}

/// A side's stamp in a file's row; where there is none or it was never seen, nothing.
pub(super) fn stamp_at(row: &SqlRow<'_>, side: Side) -> rusqlite::Result<Option<Recorded>> {
    Ok(read_row(row)?.base.stamps[side])
}

fn read_row(row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    let kind: i64 = row.get(1)?;
    let size: Option<i64> = row.get(3)?;
    let content = match kind {
        FILE => Content::File {
            size: size.ok_or_else(|| broken(3, "a file without a size"))?.cast_unsigned(),
            digest: row.get_ref(6)?.as_blob_or_null()?.map(|bytes| digest_of(bytes, 6)).transpose()?,
        },
        FOLDER => Content::Folder,
        LINK => Content::Link { target: row.get_ref(6)?.as_blob()?.into() },
        _ => return Err(broken(1, "not a kind")),
    };
    let folder = match kind {
        FOLDER => Some(FolderId(row.get(2)?)),
        _ => None,
    };
    let mode = u32::try_from(row.get::<_, i64>(5)?).map_err(|_| broken(5, "not a mode"))?;
    let entry = Entry { content, mtime: Time(row.get(4)?), mode };
    let staging = read_stamp(row, 7, &entry)?;
    let network = read_stamp(row, 12, &entry)?;
    let sent_digest = row.get_ref(18)?.as_blob_or_null()?.map(|bytes| digest_of(bytes, 18)).transpose()?;
    let sent = row.get_ref(17)?.as_i64_or_null()?.zip(sent_digest);
    let sent = sent.map(|(size, digest)| Sent { size: size.cast_unsigned(), digest });
    Ok(Row { base: Base { entry, stamps: PerSide::new(staging, network), sent }, folder })
}

fn read_stamp(row: &SqlRow<'_>, first: usize, entry: &Entry) -> rusqlite::Result<Option<Recorded>> {
    let racy = match row.get_ref(first)? {
        ValueRef::Null => return Ok(None),
        value => value.as_i64()? != 0,
    };
    let size = row.get_ref(first + 1)?.as_i64_or_null()?.map_or(entry.size(), i64::cast_unsigned);
    let mtime = row.get_ref(first + 2)?.as_i64_or_null()?.map_or(entry.mtime, Time);
    let ctime = row.get_ref(first + 3)?.as_i64_or_null()?.map_or(mtime, Time);
    let id = row.get_ref(first + 4)?.as_i64()?.cast_unsigned();
    Ok(Some(Recorded { stamp: Stamp { size, mtime, ctime, id }, racy }))
}

/// The five columns of a side's stamp: racy, size, mtime, ctime, id. NULL saves what is said elsewhere in the row.
pub(super) fn stamp_columns(recorded: Option<Recorded>, entry: &Entry) -> [Option<i64>; 5] {
    let Some(Recorded { stamp, racy }) = recorded else { return [None; 5] };
    [
        Some(i64::from(racy)),
        (stamp.size != entry.size()).then_some(stamp.size.cast_signed()),
        (stamp.mtime != entry.mtime).then_some(stamp.mtime.0),
        (stamp.ctime != stamp.mtime).then_some(stamp.ctime.0),
        Some(stamp.id.cast_signed()),
    ]
}
