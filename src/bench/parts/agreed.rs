//! Paths and agreements of a project that looks like one: some folders, some dozens of files in each.

use crate::model::digest;
use crate::model::entry::{Base, Content, Entry, Found, Recorded, Stamp};
use crate::model::listing::Seen;
use crate::model::path::RelPath;
use crate::model::side::PerSide;
use crate::model::time::Time;

/// Files in one folder of [`paths`].
pub const IN_A_FOLDER: u64 = 50;

/// A moment of 2023, in nanoseconds since 1970.
const LONG_AGO: i64 = 1_700_000_000_000_000_000;

/// `count` paths, in path order.
pub fn paths(count: u64) -> Vec<RelPath> {
    let mut paths: Vec<RelPath> = (0..count).map(|n| path(&at(n))).collect();
    paths.sort();
    paths
}

fn at(n: u64) -> String {
    let (folder, file) = (n / IN_A_FOLDER, n % IN_A_FOLDER);
    match n % 5 {
        0 => format!("src/part {folder:03}/module_{file:02}.rs"),
        1 => format!("data/plate-{folder}/well {file:02}.csv"),
        2 => format!("results/run {folder}/deep/er/table-{file}.parquet"),
        3 => format!("docs/{folder}/page-{file}.md"),
        _ => format!("raw/{folder}/scan-{file:04}.bin"),
    }
}

pub fn path(text: &str) -> RelPath {
    RelPath::parse(text.as_bytes()).expect("a path of ours is one")
}

/// A file as version `version` of the `n`th file: others have another size, time, id and content.
pub fn found(n: u64, version: u64, digested: bool) -> Found {
    let mtime = Time(LONG_AGO + i64::try_from(n * 1_000 + version).expect("small numbers"));
    let size = 100 + n * 3 + version;
    let content = Content::File { size, digest: digested.then(|| digest::of(&(n * 100 + version).to_le_bytes())) };
    let stamp = Stamp { size, mtime, ctime: mtime, id: 1_000 + n };
    Found { entry: Entry { content, mtime, mode: 0o644 }, stamp }
}

pub fn base(n: u64) -> Base {
    let Found { entry, stamp } = found(n, 0, true);
    let recorded = Some(Recorded { stamp, racy: false });
    Base { entry, stamps: PerSide::new(recorded, recorded), sent: None }
}

pub fn there(found: Found) -> Seen {
    Seen::There(Box::new(found))
}
