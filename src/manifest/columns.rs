//! How values of the model stand in columns.

use rusqlite::types::{ToSql, ToSqlOutput, Value, ValueRef};

use crate::model::digest::Digest;
use crate::model::entry::{Base, Entry, Kind};
use crate::model::listing::Seen;
use crate::model::path::RelPath;
use crate::model::side::Side;
use crate::model::time::Time;

/// A value in a column is none that we write.
pub(super) fn broken(index: usize, what: &'static str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(index, rusqlite::types::Type::Null, what.into())
}

/// A path in a column: text where it is UTF-8, so that people can read and compare it, else a blob.
pub(super) struct PathColumn<'a>(pub(super) &'a RelPath);

impl ToSql for PathColumn<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let bytes = self.0.as_bytes();
        let value = std::str::from_utf8(bytes).map_or(ValueRef::Blob(bytes), |text| ValueRef::Text(text.as_bytes()));
        Ok(ToSqlOutput::Borrowed(value))
    }
}

pub(super) fn path_at(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<RelPath> {
    RelPath::parse(row.get_ref(index)?.as_bytes()?).map_err(|_| broken(index, "not a path"))
}

pub(super) fn optional_path_at(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<Option<RelPath>> {
    match row.get_ref(index)? {
        ValueRef::Null => Ok(None),
        _ => path_at(row, index).map(Some),
    }
}

pub(super) fn side_at(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<Side> {
    let word = row.get_ref(index)?.as_str()?;
    Side::BOTH.into_iter().find(|side| side.word() == word).ok_or_else(|| broken(index, "not a side"))
}

pub(super) fn time_at(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<Time> {
    row.get(index).map(Time)
}

pub(super) fn count_at(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(index).map(i64::cast_unsigned)
}

pub(super) fn digest_of(bytes: &[u8], index: usize) -> rusqlite::Result<Digest> {
    bytes.try_into().map(Digest).map_err(|_| broken(index, "not a digest"))
}

/// What stood at a path, in words: for lists and history, never for decisions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    pub what: What,
    /// Bytes; files only.
    pub size: Option<u64>,
    pub mtime: Option<Time>,
    pub digest: Option<Digest>,
}

/// The first word of a [`Version`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum What {
    Absent,
    File,
    Folder,
    Link,
    Ignored,
    Unknown,
}

impl What {
    const ALL: [What; 6] = [What::Absent, What::File, What::Folder, What::Link, What::Ignored, What::Unknown];

    pub fn word(self) -> &'static str {
        match self {
            What::Absent => "absent",
            What::File => Kind::File.word(),
            What::Folder => Kind::Folder.word(),
            What::Link => Kind::Link.word(),
            What::Ignored => "ignored",
            What::Unknown => "unknown",
        }
    }
}

impl Version {
    /// Nothing there, nothing known.
    pub const ABSENT: Version = Version::bare(What::Absent);

    /// There, but what it was is not told.
    pub const UNKNOWN: Version = Version::bare(What::Unknown);

    const fn bare(what: What) -> Version {
        Version { what, size: None, mtime: None, digest: None }
    }

    /// What a side showed.
    pub fn of_seen(seen: &Seen) -> Version {
        match seen {
            Seen::Absent => Version::ABSENT,
            Seen::Ignored(_) => Version::bare(What::Ignored),
            Seen::Unknown(_) => Version::bare(What::Unknown),
            Seen::There(found) => Version::of_entry(&found.entry),
        }
    }

    /// What the base held.
    pub fn of_base(base: Option<&Base>) -> Version {
        base.map_or(Version::ABSENT, |base| Version::of_entry(&base.entry))
    }

    pub fn of_entry(entry: &Entry) -> Version {
        let (what, size) = match entry.kind() {
            Kind::File => (What::File, Some(entry.size())),
            Kind::Folder => (What::Folder, None),
            Kind::Link => (What::Link, None),
        };
        Version { what, size, mtime: Some(entry.mtime), digest: entry.digest() }
    }

    /// With the digest of `known` where that is the same file by size and time.
    #[must_use]
    pub fn digested_like(self, known: &Version) -> Version {
        let same = (self.what, self.size, self.mtime) == (known.what, known.size, known.mtime);
        Version { digest: self.digest.or(known.digest.filter(|_| same)), ..self }
    }

    /// Its four columns.
    pub(super) fn columns(&self) -> [Value; 4] {
        let number = |value: Option<i64>| value.map_or(Value::Null, Value::Integer);
        [
            Value::Text(self.what.word().to_owned()),
            number(self.size.map(u64::cast_signed)),
            number(self.mtime.map(|time| time.0)),
            self.digest.map_or(Value::Null, |digest| Value::Blob(digest.0.to_vec())),
        ]
    }

    /// From four columns, the first of which is at `index`.
    pub(super) fn at(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<Version> {
        let word = row.get_ref(index)?.as_str()?;
        let what = What::ALL.into_iter().find(|what| what.word() == word).ok_or_else(|| broken(index, "not a version"))?;
        let size = row.get::<_, Option<i64>>(index + 1)?.map(i64::cast_unsigned);
        let mtime = row.get::<_, Option<i64>>(index + 2)?.map(Time);
        let digest = row.get_ref(index + 3)?.as_blob_or_null()?.map(|bytes| digest_of(bytes, index + 3)).transpose()?;
        Ok(Version { what, size, mtime, digest })
    }
}
