//! The conflicts that wait for somebody, as the last run found them.

use super::error::Error;
use super::request::Pair;
use crate::manifest::{Reader, Version, What};
use crate::model::path::RelPath;
use crate::model::time::Time;
use crate::model::utc;

/// A conflict with both versions in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptConflict {
    pub path: RelPath,
    pub why: String,
    /// First seen.
    pub since: Time,
    pub staging: String,
    pub network: String,
    /// Where the network root keeps a copy of staging's version, below that root.
    pub copy: Option<RelPath>,
    /// Either version is a folder.
    pub folder: bool,
}

pub fn conflicts(pair: &Pair) -> Result<Vec<KeptConflict>, Error> {
    let Some(reader) = Reader::open(&pair.state)? else { return Ok(Vec::new()) };
    let known = reader.conflicts()?;
    let kept = known.into_iter().map(|conflict| KeptConflict {
        why: conflict.why.sentence(),
        since: conflict.since,
        staging: words(&conflict.versions.staging),
        network: words(&conflict.versions.network),
        folder: [&conflict.versions.staging, &conflict.versions.network].iter().any(|version| version.what == What::Folder),
        copy: conflict.copy.map(|(copy, _)| copy),
        path: conflict.path,
    });
    Ok(kept.collect())
}

/// "file, 5120 bytes, 2026-11-21T04:15:00Z".
fn words(version: &Version) -> String {
    let size = version.size.map(|size| format!(", {size} bytes")).unwrap_or_default();
    let time = version.mtime.map(|time| format!(", {}", utc::rfc3339(time))).unwrap_or_default();
    format!("{}{size}{time}", version.what.word())
}
