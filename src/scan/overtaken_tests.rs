use super::*;
use crate::disk::sim::{Habits, World};
use crate::model::digest;
use crate::model::entry::{Recorded, Sent};
use crate::model::ignore::Patterns;
use crate::model::traits::Traits;
use crate::scan::scan;

use std::sync::atomic::{AtomicBool, AtomicU64};

/// A base of one file at the top.
struct One(Row);

impl BaseReader for One {
    fn folder(&mut self, folder: FolderId) -> Result<Listing<Row>, String> {
        Ok(if folder == FolderId::ROOT { vec![Item { name: name(), value: self.0.clone() }] } else { Vec::new() })
    }

    fn find(&mut self, _: &RelPath) -> Result<Option<Row>, String> {
        Ok(Some(self.0.clone()))
    }

    fn vouched(&mut self, _: &RelPath, _: Side, _: &Stamp, _: &Traits) -> Result<Option<Digest>, String> {
        Ok(None)
    }
}

fn name() -> Name {
    Name::new(b"file").expect("a name")
}

/// Is the row of a base that was overtaken given up? Each side's one byte, with `+` where its stamp vouches. Both had agreed
/// on `a`; with `sent` the network root was given `s` for it, as for a live database.
fn is_disowned(staging: &str, network: &str, sent: bool) -> bool {
    let world = World::new(1);
    let volumes = PerSide::new(world.volume("staging", Habits::LOCAL), world.volume("network", Habits::LOCAL));
    let shown = PerSide::new(staging, network);
    for side in Side::BOTH {
        volumes[side].user().write("file", shown[side].trim_end_matches('+').as_bytes()).expect("written");
    }
    let roots = volumes.as_ref().map(|volume| volume.open().expect("the root opens"));
    let stamps = PerSide::new(Side::Staging, Side::Network).map(|side| {
        let node = roots[side].look(&RelPath::root().join(&name()), Freshness::Fresh).expect("looked").expect("there");
        shown[side].ends_with('+').then_some(Recorded { stamp: node.stamp, racy: false })
    });
    let agreed = Content::File { size: 1, digest: Some(digest::of(b"a")) };
    let entry = Entry { content: agreed, mtime: Time(1), mode: 0o644 };
    let sent = sent.then_some(Sent { size: 1, digest: digest::of(b"s") });
    let row = Row { base: Base { entry, stamps, sent }, folder: None };
    let scope = Scope {
        roots: &roots,
        traits: &PerSide::new(Traits::LOCAL, Traits::LOCAL),
        patterns: &Patterns::none(),
        patterns_unchanged: true,
        stale_base: true,
        from_base: None,
        effort: Effort::Normal,
        targets: None,
        hints: false,
        entering: &|_, _| {},
        threads: 1,
        stop: &AtomicBool::new(false),
        seen: &PerSide::new(AtomicU64::new(0), AtomicU64::new(0)),
    };
    let sight = scan(&scope, &|| Ok(Box::new(One(row.clone())))).expect("a look");
    !sight.disowned.is_empty()
}

#[test]
fn a_base_that_was_overtaken_is_believed_where_a_stamp_vouches_or_nothing_differs() {
    for (staging, network, sent, expected) in [
        ("x", "a", false, true),
        ("x", "a+", false, false),
        ("a", "x", false, true),
        ("a+", "x", false, false),
        ("a", "a", false, false),
        ("x", "y", false, false),
        // Of a live database each side has its own.
        ("x", "s", true, true),
        ("x", "s+", true, false),
        ("a", "x", true, true),
        ("a+", "x", true, false),
        ("a", "s", true, false),
        // Its program has brought the log in.
        ("s", "s", true, false),
    ] {
        assert_eq!(is_disowned(staging, network, sent), expected, "staging {staging}, network {network}, sent: {sent}");
    }
}
