//! A file that is written into where it stands.

use std::fs;
use std::sync::{Arc, Mutex};

use super::*;
use crate::disk::ErrorKind;
use crate::transfer::in_place::{half, marks};

const OLD: &str = "aaaabbbbccccddddee";

/// A world in which both sides hold `OLD`, the list of its blocks is known, and staging has `new` since; and what brings it.
fn changed_to(new: &str) -> (World, Action) {
    let mut world = world();
    world.in_place = Patterns::new(["*.raw"]).expect("a pattern");
    world.lay(STAGING, "a.raw", OLD);
    let (base, _) = done(one(&world.run(), world.write_to(NETWORK, "a.raw")));
    world.lay(STAGING, "a.raw", new);
    let mut action = world.write_to(NETWORK, "a.raw");
    let Op::Write { expect: Seen::There(old), .. } = &mut action.op else { panic!("an overwrite") };
    old.entry.content = base.entry.content;
    (world, action)
}

fn marked(world: &World) -> Vec<RelPath> {
    marks(&world.run().marks).expect("read").into_iter().map(|mark| mark.path).collect()
}

#[test]
fn only_what_changed_is_written_and_it_stays_the_same_file() {
    for (new, written) in [
        ("aaaaBbbbccccddddee", 4),
        ("aaaabbbbccccddddeE", 2),
        ("aaaabbbbccccddddeeff", 2),
        ("aaaabbbbcccc", 0),
        ("Aaaabbbbc", 5),
        ("", 0),
        ("aaaabbbbccccddddeegggghhhhiiii", 12),
    ] {
        for flush in [false, true] {
            let (mut world, action) = changed_to(new);
            world.flush = flush;
            let before = world.found(NETWORK, "a.raw").stamp.id;
            let (base, tally) = done(one(&world.run(), action));
            assert_eq!(world.shown(NETWORK), tree(&[("a.raw", new)]));
            assert_eq!(base.entry.digest(), Some(crate::model::digest::of(new.as_bytes())), "{new}");
            let there = world.found(NETWORK, "a.raw");
            assert_eq!(base.stamps.network.map(|it| it.stamp), Some(there.stamp), "{new}");
            assert_eq!(there.entry.mtime, world.found(STAGING, "a.raw").entry.mtime, "{new}");
            assert_eq!((tally, there.stamp.id), (Tally::File { bytes: written, revived: false }, before), "{new}");
            assert!(world.trashed(NETWORK).is_empty(), "{new}");
            assert!(marked(&world).is_empty(), "{new}");
            assert!(shown(&world.scratch, &|name| name != "marks").is_empty(), "{new}");
        }
    }
}

#[test]
fn without_the_users_word_it_is_written_beside() {
    for kept in ["*.other", "*.raw"] {
        let (mut world, action) = changed_to("aaaaBbbbccccddddee");
        world.in_place = Patterns::new([kept]).expect("a pattern");
        // What is carried as one is never half there.
        world.whole = Patterns::new(if kept == "*.raw" { vec!["*.raw"] } else { Vec::new() }).expect("patterns");
        let before = world.found(NETWORK, "a.raw").stamp.id;
        done(one(&world.run(), action));
        assert_ne!(world.found(NETWORK, "a.raw").stamp.id, before);
        assert_eq!(world.trashed(NETWORK), tree(&[("a.raw", OLD)]));
    }
}

#[test]
fn while_it_is_written_a_mark_says_so_and_stays_where_that_fails() {
    for (op, kind) in [("write", ErrorKind::Gone), ("write", ErrorKind::Other), ("finish", ErrorKind::Other)] {
        let (world, action) = changed_to("aaaaBbbbccccDDDDee");
        let (asked, place) = (Arc::new(Mutex::new(Vec::new())), world.run().marks);
        let (seen, mut calls) = (Arc::clone(&asked), 0);
        world.meddler.network.before_each(move |called, path| {
            if called != op || path != "a.raw" {
                return None;
            }
            seen.lock().expect("no panic before").push(marks(&place).expect("read").len());
            calls += 1;
            (calls == 2 || op == "finish").then_some(kind)
        });
        let (outcomes, halt) = carry(&world.run(), vec![action]);
        assert_eq!(halt.is_some(), kind == ErrorKind::Gone, "{outcomes:?}");
        assert!(asked.lock().expect("no panic before").iter().all(|marks| *marks == 1), "before the first byte");
        assert_eq!(marked(&world), [path("a.raw")]);
        let half = if op == "write" { "aaaaBbbbccccddddee" } else { "aaaaBbbbccccDDDDee" };
        assert_eq!(world.shown(NETWORK), tree(&[("a.raw", half)]));
    }
}

#[test]
fn what_nobody_expected_there_is_not_touched() {
    let (world, action) = changed_to("aaaaBbbbccccddddee");
    world.lay(NETWORK, "a.raw", "theirs, and longer");
    let there = met(one(&world.run(), action), NETWORK);
    assert_eq!(there, world.seen(NETWORK, "a.raw"));
    assert_eq!(world.shown(NETWORK), tree(&[("a.raw", "theirs, and longer")]));
    // In the last moment, between the look and the opening.
    let (world, action) = changed_to("aaaaBbbbccccddddee");
    let at = world.file(NETWORK, "a.raw");
    world.meddler.network.once("write into", "a.raw", move || fs::write(at, "theirs, and longer").expect("written"));
    met(one(&world.run(), action), NETWORK);
    assert_eq!(world.shown(NETWORK), tree(&[("a.raw", "theirs, and longer")]));
    assert!(marked(&world).is_empty());
}

/// A program saves by a rename while it is written: that save stays, and what was written is claimed by nobody. Wine lets nobody
/// replace a file that is open.
#[cfg(unix)]
#[test]
fn what_takes_its_name_meanwhile_stays() {
    let (world, action) = changed_to("aaaaBbbbccccddddee");
    let at = world.file(NETWORK, "a.raw");
    world.meddler.network.once("finish", "a.raw", move || {
        let beside = at.with_extension("new");
        fs::write(&beside, "theirs").and_then(|()| fs::rename(&beside, &at)).expect("saved");
    });
    let there = met(one(&world.run(), action), NETWORK);
    assert_eq!(there, world.seen(NETWORK, "a.raw"));
    assert_eq!(world.shown(NETWORK), tree(&[("a.raw", "theirs")]));
    assert!(marked(&world).is_empty(), "nothing is half written");
}

/// An edit that kept size and time is told by the time of its change, where there is one: what it left is no ground to keep blocks of.
#[cfg(unix)]
#[test]
fn an_edit_that_kept_its_time_is_not_built_on() {
    for in_the_last_moment in [false, true] {
        let (mut world, action) = changed_to("aaaaBbbbccccddddee");
        world.traits.network.ctime = true;
        let (at, mut opened) = (world.file(NETWORK, "a.raw"), 0);
        let time = fs::metadata(&at).and_then(|meta| meta.modified()).expect("a time");
        world.meddler.network.before_each(move |called, path| {
            opened += u32::from(called == "write into" && path == "a.raw");
            if opened == 1 + u32::from(in_the_last_moment) && called == "write into" {
                fs::write(&at, "edited, as long !!").expect("edited");
                let file = fs::File::options().write(true).open(&at).expect("there");
                file.set_modified(time).expect("its time");
            }
            None
        });
        let ending = one(&world.run(), action);
        if in_the_last_moment {
            met(ending, NETWORK);
            assert_eq!(world.shown(NETWORK), tree(&[("a.raw", "edited, as long !!")]));
        } else {
            // The version that stands there is the expected one by all that a rename may leave, and is kept.
            done(ending);
            assert_eq!(world.shown(NETWORK), tree(&[("a.raw", "aaaaBbbbccccddddee")]));
            assert_eq!(world.trashed(NETWORK), tree(&[("a.raw", "edited, as long !!")]));
        }
    }
}

/// Blocks of it are kept by no means, and the trash offers it to nobody.
#[test]
fn what_was_written_half_is_written_whole_and_set_apart() {
    let (mut world, mut action) = changed_to("aaaaBbbbccccddddee");
    world.half.insert(path("a.raw"));
    let Op::Write { expect: Seen::There(old), .. } = &mut action.op else { panic!("an overwrite") };
    old.entry.set_digest(half());
    let before = world.found(NETWORK, "a.raw").stamp.id;
    let Ending::Done { tally, kept, .. } = one(&world.run(), action) else { panic!("done") };
    assert_eq!((tally, kept), (Tally::File { bytes: 18, revived: false }, None));
    assert_ne!(world.found(NETWORK, "a.raw").stamp.id, before);
    assert_eq!(world.shown(NETWORK), tree(&[("a.raw", "aaaaBbbbccccddddee")]));
    assert_eq!(world.trashed(NETWORK), tree(&[("a.raw.half-written", OLD)]));
}

/// The version that the trash may hold as a second name would change with it.
#[test]
fn a_second_name_is_not_written_through() {
    let (world, mut action) = changed_to("aaaaBbbbccccddddee");
    fs::hard_link(world.file(NETWORK, "a.raw"), world.file(NETWORK, "second")).expect("a link");
    // The link moved its time of change.
    let Op::Write { expect: Seen::There(old), .. } = &mut action.op else { panic!("an overwrite") };
    old.stamp = world.found(NETWORK, "a.raw").stamp;
    done(one(&world.run(), action));
    assert_eq!(world.shown(NETWORK), tree(&[("a.raw", "aaaaBbbbccccddddee"), ("second", OLD)]));
}

#[test]
fn more_than_may_be_put_aside_is_written_whole() {
    let new = "x".repeat(80);
    let (world, action) = changed_to(&new);
    let (_, tally) = done(one(&world.run(), action));
    assert_eq!(tally, Tally::File { bytes: 80, revived: false });
    assert_eq!((world.shown(NETWORK), world.trashed(NETWORK)), (tree(&[("a.raw", &new)]), tree(&[("a.raw", OLD)])));
    assert!(shown(&world.scratch, &|name| name != "marks").is_empty());
}

#[test]
fn a_database_is_never_written_into() {
    let mut world = world();
    world.in_place = Patterns::new(["*"]).expect("a pattern");
    let at = world.file(STAGING, "a.db");
    let database = rusqlite::Connection::open(&at).expect("a database");
    database.execute_batch("create table t(x); insert into t values (1)").expect("filled");
    drop(database);
    let (base, _) = done(one(&world.run(), world.write_to(NETWORK, "a.db")));
    let database = rusqlite::Connection::open(&at).expect("a database");
    database.execute_batch("insert into t values (2)").expect("filled");
    drop(database);
    let mut action = world.write_to(NETWORK, "a.db");
    let Op::Write { expect: Seen::There(old), .. } = &mut action.op else { panic!("an overwrite") };
    old.entry.content = base.content_at(NETWORK);
    let list = format!("{:?}", base.digest_at(NETWORK).expect("a digest"));
    assert!(world.blocks.join(list).exists(), "it is known block by block");
    let before = world.found(NETWORK, "a.db").stamp.id;
    done(one(&world.run(), action));
    assert_ne!(world.found(NETWORK, "a.db").stamp.id, before);
}
