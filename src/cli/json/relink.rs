//! The end of a `relink`.

use std::path::PathBuf;

use serde::Serialize;

use super::{Head, PathText, Sides, line};
use crate::cli::exit::Exit;
use crate::engine::relink::{Relinked, Taken};
use crate::engine::request::Pair;
use crate::model::side::{PerSide, Side};

/// What `relink` accepted, or would.
pub fn relink(
    pair: &Pair,
    created: bool,
    dry_run: bool,
    was: &PerSide<Option<PathBuf>>,
    relinked: &Relinked,
    warnings: &[String],
) -> String {
    #[derive(Serialize)]
    struct Root {
        #[serde(flatten)]
        path: PathText,
        was: Option<PathText>,
        found: &'static str,
        marked: bool,
        entries_at_top: u64,
    }
    #[derive(Serialize)]
    struct GivenUp {
        files: u64,
        conflicts: u64,
        problems: u64,
    }
    #[derive(Serialize)]
    struct Object<'a> {
        #[serde(flatten)]
        head: Head<'a>,
        dry_run: bool,
        created: bool,
        roots: Sides<Root>,
        given_up: GivenUp,
        warnings: &'a [String],
        notes: &'a [String],
    }
    let root = |side: Side, path| {
        let accepted = &relinked.roots[side];
        let was = was[side].as_deref().map(PathText::whole);
        let (found, marked, entries_at_top) = (word(accepted.taken), accepted.marked, accepted.top);
        Root { path: PathText::whole(path), was, found, marked, entries_at_top }
    };
    let given_up = relinked.given_up;
    line(&Object {
        head: Head::of("driftless.relink/1", &pair.name, Exit::Done),
        dry_run,
        created,
        roots: PerSide::new(root(Side::Staging, &pair.staging), root(Side::Network, &pair.network)).into(),
        given_up: GivenUp { files: given_up.files, conflicts: given_up.conflicts, problems: given_up.problems },
        warnings,
        notes: &relinked.notes,
    })
}

fn word(taken: Taken) -> &'static str {
    match taken {
        Taken::AsRecorded => "as_recorded",
        Taken::Unrecorded => "unrecorded",
        Taken::New => "new",
        Taken::LostMarker => "lost_marker",
        Taken::DamagedMarker => "damaged_marker",
        Taken::OtherId => "other_id",
        Taken::OlderGeneration => "older_generation",
        Taken::OtherNetwork => "other_network",
        Taken::OtherSide => "other_side",
        Taken::OtherPair => "other_pair",
    }
}
