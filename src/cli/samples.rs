//! Values that several tests show.

use crate::engine::report::{Counts, Held, Outcome, Report};
use crate::model::change::Change;
use crate::model::conflict::Conflict;
use crate::model::entry::{Content, Entry, Found, Stamp};
use crate::model::finding::{Problem, ProblemKind};
use crate::model::listing::Seen;
use crate::model::path::RelPath;
use crate::model::plan::{Action, Op, Why};
use crate::model::side::{Direction, PerSide, Side};
use crate::model::time::Time;

fn path(bytes: &[u8]) -> RelPath {
    RelPath::parse(bytes).expect("a valid path")
}

fn found(size: u64) -> Box<Found> {
    let mtime = Time::from_parts(1_795_234_500, 0);
    let entry = Entry { content: Content::File { size, digest: None }, mtime, mode: 0o644 };
    Box::new(Found { entry, stamp: Stamp { size, mtime, ctime: mtime, id: 1 } })
}

/// The example of the command-line contract, with an odd name.
pub fn report() -> Report {
    let modified = |network| Why { in_base: true, staging: Change::Modified, network, by: None };
    let write = Op::Write { to: Side::Network, from: found(5_120), expect: Seen::There(found(9)), revived: false };
    Report {
        pair: "demo".to_owned(),
        direction: Direction::Up,
        dry_run: false,
        outcome: Outcome::Done,
        counts: Counts { written_files: 3, written_folders: 1, written_bytes: 5_120, deleted_files: 1, ..Counts::default() },
        held: None,
        conflicts: vec![Conflict {
            path: path(b"a.csv"),
            why: modified(Change::Modified),
            staging: Seen::There(found(10)),
            network: Seen::There(found(20)),
        }],
        copies: vec![(path(b"a.csv"), path(b".driftless/conflicts/a.csv/20261121T041500Z-lab7-01234567.csv"))],
        problems: vec![Problem {
            path: path(b"b\xff.txt"),
            side: Side::Network,
            kind: ProblemKind::Permission,
            message: "access was denied".to_owned(),
        }],
        notes: Vec::new(),
        pending: PerSide::new(0, 2),
        unfinished: Vec::new(),
        scanned: PerSide::new(120, 121),
        elapsed_ms: 41,
        actions: vec![Action { path: path(b"a/b.txt"), op: write, why: modified(Change::None) }],
    }
}

pub fn held() -> Held {
    Held {
        side: Side::Network,
        files: 1_200,
        folders: 3,
        of_files: 2_000,
        top: vec![(path(b"raw"), 1_100), (path(b"old"), 100)],
        why: "1200 of 2000 files would go".to_owned(),
    }
}
