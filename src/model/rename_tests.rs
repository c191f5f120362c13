//! Moves in staging, and what is left to do at the network root.

use super::*;
use crate::model::change::Change;
use crate::model::digest;
use crate::model::entry::{Entry, Recorded};
use crate::model::plan::Why;
use crate::model::time::Time;

const IDS: PerSide<bool> = PerSide { staging: true, network: true };
const NO_IDS: PerSide<bool> = PerSide { staging: false, network: false };

/// What a file is known by: its size, time and id in staging, and its content where that was read.
#[derive(Clone, Copy)]
struct Known {
    size: u64,
    time: i64,
    id: u64,
    content: Option<&'static str>,
}

const fn known(id: u64, content: &'static str) -> Known {
    Known { size: 10, time: 100, id, content: Some(content) }
}

impl Known {
    /// As a look found it that had no reason to read it.
    fn unread(self) -> Known {
        Known { content: None, ..self }
    }
}

fn stamp(known: Known) -> Stamp {
    Stamp { size: known.size, mtime: Time(known.time), ctime: Time(known.time), id: known.id }
}

fn found(content: Content, known: Known) -> Box<Found> {
    let entry = Entry { content, mtime: Time(known.time), mode: 0o644 };
    Box::new(Found { entry, stamp: stamp(known) })
}

fn file(known: Known) -> Box<Found> {
    found(Content::File { size: known.size, digest: known.content.map(|text| digest::of(text.as_bytes())) }, known)
}

fn folder(id: u64) -> Box<Found> {
    found(Content::Folder, known(id, ""))
}

fn link(id: u64, target: &str) -> Box<Found> {
    found(Content::Link { target: target.as_bytes().into() }, known(id, ""))
}

fn action(path: &str, op: Op) -> Action {
    let why = Why { in_base: false, staging: Change::Created, network: Change::None, by: None };
    Action { path: RelPath::parse(path.as_bytes()).expect("a path"), op, why }
}

/// Gone from staging; at the network root it has an id of its own.
#[expect(clippy::boxed_local, reason = "given like `new`, so that one list of cases makes both")]
fn gone(path: &str, was: Box<Found>) -> Action {
    let recorded = |stamp| Some(Recorded { stamp, racy: false });
    let there = Stamp { id: was.stamp.id + 1_000, ..was.stamp };
    let base = Base { entry: was.entry.clone(), stamps: PerSide::new(recorded(was.stamp), recorded(there)), sent: None };
    let expect = Box::new(Found { entry: was.entry, stamp: there });
    action(path, Op::Delete { side: Side::Network, expect, base: Some(Box::new(base)) })
}

/// New in staging.
fn new(path: &str, from: Box<Found>) -> Action {
    action(path, Op::Write { to: Side::Network, from, expect: Seen::Absent, revived: false })
}

fn plan(mut actions: Vec<Action>) -> Plan {
    actions.sort_by(|a, b| a.path.cmp(&b.path));
    Plan { actions, ..Plan::default() }
}

/// The same with the sides exchanged: moves at the network root.
fn mirrored(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    for action in &mut plan.actions {
        match &mut action.op {
            Op::Write { to: side, .. } | Op::Rename { side, .. } => *side = side.other(),
            Op::Delete { side, base, .. } => {
                *side = side.other();
                *base = base.take().map(|base| Box::new(Base { stamps: base.stamps.mirrored(), ..*base }));
            }
            _ => {}
        }
    }
    plan
}

fn words(plan: &Plan) -> Vec<String> {
    let word = |action: &Action| match &action.op {
        Op::Rename { from, .. } => format!("{from} -> {}", action.path),
        op => format!("{} {}", op.word(), action.path),
    };
    plan.actions.iter().map(word).collect()
}

fn check(name: &str, ids: PerSide<bool>, actions: Vec<Action>, expected: &[&str]) {
    let plan = plan(actions);
    assert_eq!(words(&pair(plan.clone(), ids)), expected, "{name}");
    assert_eq!(words(&pair(mirrored(&plan), ids.mirrored())), expected, "{name}, mirrored");
}

#[test]
fn a_file_is_read_where_it_may_be_an_old_one() {
    let old = known(1, "x");
    let here = old.unread();
    let touched = Known { time: 200, ..here };
    let copied = Known { id: 2, ..here };
    let plain = || gone("old", file(old));
    let other_side = || {
        let mut plan = plan(vec![gone("old", file(old))]);
        plan = mirrored(&plan);
        plan.actions.remove(0)
    };
    for (name, gone, new_file, ids, expected) in [
        ("by id", plain(), file(touched), IDS, true),
        ("by id where ids mean nothing", plain(), file(touched), NO_IDS, false),
        ("by time", plain(), file(copied), IDS, true),
        ("by time without ids", plain(), file(copied), NO_IDS, true),
        ("neither", plain(), file(Known { id: 2, time: 200, ..here }), IDS, false),
        ("another size", plain(), file(Known { size: 11, ..here }), IDS, false),
        ("read already", plain(), file(old), IDS, false),
        ("empty", gone("old", file(Known { size: 0, ..old })), file(Known { size: 0, ..here }), IDS, false),
        ("no digest in the base", gone("old", file(here)), file(here), IDS, false),
        ("gone from the other side", other_side(), file(here), IDS, false),
        ("a folder", plain(), folder(1), IDS, false),
    ] {
        let plan = plan(vec![new("new", new_file), gone]);
        let expected: &[Candidate] = if expected { &[Candidate { action: 0, side: Side::Staging }] } else { &[] };
        assert_eq!(candidates(&plan, ids), expected, "{name}");
    }
}

#[test]
fn a_file_with_the_content_of_one_that_went_is_that_one() {
    let (x, y) = (known(1, "x"), known(2, "y"));
    let moved = || vec![gone("old", file(x)), new("new", file(x))];
    check("moved", IDS, moved(), &["old -> new"]);
    check("moved, without ids", NO_IDS, moved(), &["old -> new"]);
    check("touched as well", IDS, vec![gone("a", file(x)), new("b", file(Known { time: 7, ..x }))], &["a -> b"]);
    check("other content", IDS, vec![gone("a", file(x)), new("b", file(y))], &["delete a", "write b"]);
    check("not read", IDS, vec![gone("a", file(x)), new("b", file(x.unread()))], &["delete a", "write b"]);
    let empty = Known { size: 0, ..x };
    check("empty", IDS, vec![gone("a", file(empty)), new("b", file(empty))], &["delete a", "write b"]);
    let into = vec![gone("a", file(x)), new("dir", folder(9)), new("dir/a", file(x))];
    check("into a new folder", IDS, into, &["write dir", "a -> dir/a"]);
    let out = vec![gone("dir", folder(9)), gone("dir/a", file(x)), new("a", file(x))];
    check("out of a folder that goes", IDS, out, &["dir/a -> a", "delete dir"]);
    let moved = pair(plan(moved()), IDS);
    let Op::Rename { side, from, expect, found } = &moved.actions[0].op else { panic!("{:?}", moved.actions) };
    assert_eq!((*side, from.as_bytes()), (Side::Network, &b"old"[..]));
    assert_eq!((expect.stamp.id, found.stamp.id), (1_001, 1), "what stands there is the network's own");
}

#[test]
fn each_old_file_is_taken_once_and_the_nearest_first() {
    let (one, two) = (known(1, "same"), known(2, "same"));
    let stranger = |id| file(Known { id, time: 7, ..one });
    let both = || vec![gone("a", file(one)), gone("b", file(two))];
    let with = |more: Vec<Action>| both().into_iter().chain(more).collect::<Vec<_>>();
    check("by id", IDS, with(vec![new("x", file(two)), new("y", file(one))]), &["b -> x", "a -> y"]);
    check("by name", IDS, with(vec![new("d/b", stranger(8)), new("e/a", stranger(9))]), &["b -> d/b", "a -> e/a"]);
    check("one is left", IDS, with(vec![new("x", file(two))]), &["delete a", "b -> x"]);
    let three = with(vec![new("x", stranger(8)), new("y", stranger(9)), new("z", stranger(10))]);
    check("one is new", IDS, three, &["a -> x", "b -> y", "write z"]);
}

#[test]
fn two_names_that_change_places_are_two_overwrites() {
    let (one, two) = (known(1, "one"), known(2, "two"));
    let over = |path: &str, from: Known, old: Known| {
        let expect = Seen::There(file(old));
        action(path, Op::Write { to: Side::Network, from: file(from), expect, revived: false })
    };
    check("swapped", IDS, vec![over("a", two, one), over("b", one, two)], &["write a", "write b"]);
    let rotated = vec![over("a", two, one), gone("b", file(two)), new("c", file(one))];
    check("moved over another", IDS, rotated, &["write a", "delete b", "write c"]);
}

/// A folder of two files and a subfolder with one, and a link; `id` apart from other folders.
fn tree(make: fn(&str, Box<Found>) -> Action, top: &str, id: u64) -> Vec<Action> {
    let at = |below: &str| format!("{top}{below}");
    let read = |number| if at("") == "old" { known(id + number, "x") } else { known(id + number, "x").unread() };
    vec![
        make(top, folder(id)),
        make(&at("/a"), file(read(1))),
        make(&at("/b"), file(read(2))),
        make(&at("/link"), link(id + 3, "a")),
        make(&at("/sub"), folder(id + 4)),
        make(&at("/sub/c"), file(read(5))),
    ]
}

fn moved(change: impl FnOnce(&mut Vec<Action>)) -> Vec<Action> {
    let mut actions = tree(gone, "old", 50);
    actions.extend(tree(new, "new", 50));
    change(&mut actions);
    actions
}

fn set(actions: &mut Vec<Action>, with: Action) {
    actions.retain(|action| action.path != with.path);
    actions.push(with);
}

#[test]
fn an_unchanged_folder_is_renamed_as_one() {
    let child = known(51, "x").unread();
    for ids in [IDS, NO_IDS] {
        check("renamed", ids, moved(|_| {}), &["old -> new"]);
    }
    type Change = fn(&mut Vec<Action>, Known);
    let changes: [(&str, Change); 8] = [
        ("another time", |all, child| set(all, new("new/a", file(Known { time: 7, ..child })))),
        ("another size", |all, child| set(all, new("new/a", file(Known { size: 7, ..child })))),
        ("another id", |all, child| set(all, new("new/a", file(Known { id: 7, ..child })))),
        ("another mode", |all, child| {
            let mut changed = file(child);
            changed.entry.mode = 0o755;
            set(all, new("new/a", changed));
        }),
        ("another kind", |all, child| set(all, new("new/a", folder(child.id)))),
        ("another target", |all, _| set(all, new("new/link", link(53, "b")))),
        ("one more", |all, child| all.push(new("new/zz", file(Known { id: 7, ..child })))),
        ("one less", |all, _| all.retain(|action| action.path.as_bytes() != b"new/a")),
    ];
    for (name, change) in changes {
        let paired = words(&pair(plan(moved(|all| change(all, child))), IDS));
        assert!(!paired.contains(&"old -> new".to_owned()), "{name}: {paired:?}");
        // What is unchanged below still goes as one.
        assert!(paired.contains(&"old/sub -> new/sub".to_owned()), "{name}: {paired:?}");
    }
}

#[test]
fn folders_that_are_not_simply_moved_go_file_by_file() {
    let x = known(1, "x");
    let empty = vec![gone("old", folder(1)), new("new", folder(1))];
    check("empty", IDS, empty, &["write new", "delete old"]);
    let into_new = moved(|all| {
        all.retain(|action| action.path.as_bytes().starts_with(b"old"));
        all.push(new("top", folder(7)));
        all.extend(tree(new, "top/old", 50));
    });
    check("into a new folder", IDS, into_new, &["write top", "old -> top/old"]);
    let edited = vec![gone("o", folder(9)), gone("o/f", file(x)), new("n", folder(9)), new("n/f", file(Known { time: 7, ..x }))];
    check("touched below", IDS, edited, &["write n", "o/f -> n/f", "delete o"]);
    let revived = moved(|all| {
        for action in all.iter_mut().filter(|action| action.path.as_bytes() == b"new") {
            let Op::Write { revived, .. } = &mut action.op else { panic!("{action:?}") };
            *revived = true;
        }
    });
    assert!(!words(&pair(plan(revived), IDS)).contains(&"old -> new".to_owned()));
}

#[test]
fn a_folder_whose_part_went_elsewhere_is_not_moved_as_a_whole() {
    let f = known(3, "x");
    let here = || file(f.unread());
    let actions = vec![
        gone("p", folder(1)),
        gone("p/o", folder(2)),
        gone("p/o/f", file(f)),
        new("n", folder(5)),
        new("n/f", here()),
        new("q", folder(6)),
        new("q/o", folder(7)),
        new("q/o/f", here()),
    ];
    let expected = ["p/o -> n", "delete p", "write q", "write q/o", "write q/o/f"];
    check("without ids two copies look alike", NO_IDS, actions, &expected);
}
