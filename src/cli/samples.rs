//! One report with something of everything, for the tests of this room.

use crate::engine::{Counts, Held, Outcome, Report};
use crate::model::change::Change;
use crate::model::conflict::Conflict;
use crate::model::finding::{Problem, ProblemKind};
use crate::model::listing::Seen;
use crate::model::path::RelPath;
use crate::model::plan::Why;
use crate::model::side::{Direction, PerSide, Side};

fn path(bytes: &[u8]) -> RelPath {
    RelPath::parse(bytes).expect("a path")
}

pub fn held() -> Held {
    let why = "30 of 40 files would be deleted within an hour".to_owned();
    Held { side: Side::Network, files: 30, folders: 1, of_files: 40, top: vec![(path(b"results"), 30)], why }
}

pub fn report() -> Report {
    let why = Why { in_base: true, staging: Change::Modified, network: Change::Modified };
    let conflict = Conflict { path: path(b"a.csv"), why, staging: Seen::Absent, network: Seen::Absent };
    let message = "cannot open: denied".to_owned();
    let problem = Problem { path: path(b"b\xff.txt"), side: Side::Network, kind: ProblemKind::Permission, message };
    let counts = Counts { written_files: 3, written_folders: 1, written_bytes: 5120, deleted_files: 1, ..Counts::default() };
    Report {
        pair: "demo".to_owned(),
        direction: Direction::Up,
        dry_run: false,
        outcome: Outcome::Done,
        counts,
        held: Some(held()),
        conflicts: vec![conflict],
        problems: vec![problem],
        notes: Vec::new(),
        pending: PerSide::new(0, 2),
        scanned: PerSide::new(120, 121),
        elapsed_ms: 41,
        actions: Vec::new(),
    }
}
