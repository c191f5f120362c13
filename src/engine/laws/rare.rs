//! What random scripts seldom come to: one story for each promise.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::play::{Ended, Play};
use super::script::{CrashPoint, Kind, Shape, Step, Sync};
use crate::disk::sim::{Crash, Fault, Rule, Stop, User};
use crate::disk::{ErrorKind, local};
use crate::engine::history::Which;
use crate::engine::report::{Counts, Report};
use crate::engine::request::{Deletes, Request};
use crate::engine::{sync, trash, undo};
use crate::manifest::Reader;
use crate::model::conflict::{Policies, Policy};
use crate::model::path::RelPath;
use crate::model::side::{Direction, Side};
use crate::model::time::Time;

/// Both sides hold `a/file` and nothing else.
pub(super) fn begun(seed: u64) -> Play {
    let mut play = Play::new(&Shape { seed, staging: Kind::Local, network: Kind::Local });
    play.work(Side::Staging, |user| user.make_folder("a").and_then(|()| user.write("a/file", b"content")));
    play.step(&Step::Settle).expect("sent");
    play
}

/// One run in fair weather, after time enough for stamps to differ.
pub(super) fn run(play: &mut Play) -> Report {
    play.world.advance(60_000_000_000);
    run_at_once(play)
}

/// The same, before anything is written back by itself.
fn run_at_once(play: &mut Play) -> Report {
    match play.plain_run(Deletes::Allow) {
        Ended::Report(report) => *report,
        Ended::Error(error) => panic!("{error}"),
        Ended::Cut => panic!("nothing cuts it"),
    }
}

fn path(text: &str) -> RelPath {
    RelPath::parse(text.as_bytes()).expect("a path")
}

/// What the base says is durable on both sides: a power cut right after the run takes nothing back.
#[test]
fn a_power_cut_right_after_a_run_takes_nothing_back() {
    type Change = fn(&User) -> Result<(), ErrorKind>;
    let changes: [(&str, Change); 5] = [
        ("a file", |user| user.write("a/new", b"new")),
        ("an edit", |user| user.write("a/file", b"edited")),
        ("a folder", |user| user.make_folder("a/b")),
        ("a move", |user| user.rename("a/file", "moved")),
        ("a delete", |user| user.delete("a/file")),
    ];
    for (seed, (name, change)) in (0..8).flat_map(|seed| changes.map(|change| (seed, change))) {
        for side in Side::BOTH {
            let mut play = begun(seed);
            let there = play.volumes[side.other()].clone();
            play.work(side, change);
            there.adjust(|habits| habits.names_in_order = false);
            run(&mut play);
            there.crash(Crash::Power);
            assert_eq!(there.project(), play.volumes[side].project(), "{name} in {side}, seed {seed}");
        }
    }
}

/// Nor where the user's program had flushed nothing of what the run carried: gone with the power, it would be a delete or an
/// older version that goes out to the other side.
#[test]
fn a_power_cut_takes_nothing_back_that_a_run_has_sent() {
    type Change = fn(&User) -> Result<(), ErrorKind>;
    let changes: [(&str, Change); 4] = [
        ("a file", |user| user.lazily().write("a/new", b"new")),
        ("an edit", |user| user.lazily().write("a/file", b"edited")),
        ("a folder", |user| user.lazily().make_folder("a/b")),
        ("many files", |user| (0..100).try_for_each(|at| user.lazily().write(format!("a/{at}"), b"one of many"))),
    ];
    for (seed, (name, change)) in (0..8).flat_map(|seed| changes.map(|change| (seed, change))) {
        let mut play = begun(seed);
        play.volumes.staging.adjust(|habits| habits.names_in_order = seed % 2 == 0);
        play.work(Side::Staging, change);
        run_at_once(&mut play);
        play.volumes.staging.crash(Crash::Power);
        assert_eq!(play.volumes.staging.project(), play.volumes.network.project(), "{name}, seed {seed}");
    }
}

/// Of a later version only the blocks that changed are written; it may be longer or shorter.
#[test]
fn what_did_not_change_of_a_file_is_kept_of_the_older_one() {
    let versions: [(&[u8], u32); 4] =
        [(b"one.two.three.four.", 1), (b"one.TWO.three.four.", 1), (b"one.TWO.three.four.five.", 2), (b"one.TWO.th", 1)];
    for to in Side::BOTH {
        let mut play = Play::new(&Shape { seed: 1, staging: Kind::Local, network: Kind::Local });
        for (content, pieces) in versions {
            play.work(to.other(), |user| user.write("large", content));
            let written = Arc::new(AtomicU32::new(0));
            let seen = Arc::clone(&written);
            play.world.before_each(move |call| {
                let ours = call.path.to_string().contains(".dl~");
                seen.fetch_add(u32::from(call.op == "write" && ours), Ordering::Relaxed);
                None
            });
            run(&mut play);
            play.world.leave_alone();
            assert_eq!(play.volumes[to].user().read("large").as_deref(), Some(content), "to {to}");
            assert_eq!(written.load(Ordering::Relaxed), pieces, "{} to {to}", String::from_utf8_lossy(content));
        }
    }
}

/// Both sides hold a large file that may be written into where it stands, and staging has another version of it since.
fn to_be_written_into(network: Kind, content: &[u8]) -> Play {
    let mut play = Play::new(&Shape { seed: 1, staging: Kind::Local, network });
    play.options.in_place = vec!["large".to_owned()];
    play.volumes.network.adjust(|habits| habits.ranges = false);
    play.work(Side::Staging, |user| user.write("large", b"one.two.three.four."));
    run(&mut play);
    play.work(Side::Staging, |user| user.write("large", content));
    play.world.advance(60_000_000_000);
    play
}

/// How many calls a run makes before it opens the file.
fn opened_after(network: Kind, content: &[u8]) -> u64 {
    let mut play = to_be_written_into(network, content);
    let (began, opened) = (play.world.calls(), Arc::new(AtomicU64::new(0)));
    let seen = Arc::clone(&opened);
    play.world.before_each(move |call| {
        if call.op == "write into" {
            seen.store(call.number - began, Ordering::Relaxed);
        }
        None
    });
    play.plain_run(Deletes::Guarded);
    opened.load(Ordering::Relaxed)
}

/// Wherever that is cut off: what was written half goes nowhere, and the next run brings the whole.
#[test]
fn what_is_written_half_is_nobodys_version_wherever_it_is_cut() {
    const STORIES: [(Kind, &[u8], Crash); 5] = [
        (Kind::Local, OTHER, Crash::Killed),
        (Kind::Local, OTHER, Crash::Power),
        (Kind::Local, b"one.TWO.th", Crash::Killed),
        (Kind::Sshfs, OTHER, Crash::Killed),
        (Kind::Sshfs, b"one.TWO.th", Crash::Power),
    ];
    for (network, content, crash) in STORIES {
        let (mut half, mut whole) = (0, 0);
        let opened = opened_after(network, content);
        for after in opened..opened + 28 {
            let mut play = to_be_written_into(network, content);
            play.world.stop_after(after, Stop::Unwind);
            play.plain_run(Deletes::Guarded);
            play.world.crash(crash);
            let there = play.volumes.network.user().read("large");
            whole += u32::from(there.as_deref() == Some(content));
            half += u32::from(there.as_deref() != Some(content) && there.as_deref() != Some(b"one.two.three.four."));
            let down = |pair: &_, options: &_, stop: &_| sync(pair, &Request::plain(Direction::Down), options, &|_| {}, stop);
            assert!(matches!(play.run(down), Ended::Report(_)));
            assert_eq!(play.volumes.staging.user().read("large").as_deref(), Some(content), "{crash:?} after {after}");
            let report = run(&mut play);
            assert!(report.conflicts.is_empty() && report.problems.is_empty(), "{crash:?} after {after}: {report:?}");
            for side in Side::BOTH {
                assert_eq!(play.volumes[side].user().read("large").as_deref(), Some(content), "{side}: {crash:?} after {after}");
            }
            assert_eq!(run(&mut play).counts, Default::default(), "{crash:?} after {after}");
        }
        assert!(half > 0 && whole > 0, "{crash:?}: {half} times half written, {whole} times whole");
    }
}

const OTHER: &[u8] = b"ONE.two.THREE.four.";

/// A pair whose run was cut off while it wrote into that file; with what stands there since.
fn half_written(network: Kind) -> (Play, Vec<u8>) {
    let opened = opened_after(network, OTHER);
    for after in opened.. {
        let mut play = to_be_written_into(network, OTHER);
        play.world.stop_after(after, Stop::Unwind);
        play.plain_run(Deletes::Guarded);
        play.world.crash(Crash::Killed);
        let there = play.volumes.network.user().read("large").expect("there");
        if there != OTHER && there != b"one.two.three.four." {
            return (play, there);
        }
    }
    unreachable!("it is half written at some call")
}

/// The run that makes it whole may be cut too, and the machine with it.
#[test]
fn what_was_written_half_is_made_whole_by_a_run_after_one_that_was_cut() {
    for (network, crash) in [(Kind::Local, Crash::Power), (Kind::Sshfs, Crash::Killed)] {
        let stage = Arc::new(AtomicU64::new(0));
        let (mut play, _) = half_written(network);
        let (began, seen) = (play.world.calls(), Arc::clone(&stage));
        play.world.before_each(move |call| {
            if call.op == "stage" && call.path.to_string().contains(".dl~") {
                seen.store(call.number - began, Ordering::Relaxed);
            }
            None
        });
        run_at_once(&mut play);
        let stage = stage.load(Ordering::Relaxed);
        assert!(stage > 0, "it is written beside");
        for after in stage..stage + 30 {
            let (mut play, half) = half_written(network);
            play.world.stop_after(after, Stop::Unwind);
            play.plain_run(Deletes::Guarded);
            play.world.crash(crash);
            let report = run(&mut play);
            assert!(report.conflicts.is_empty() && report.problems.is_empty(), "{network:?} after {after}: {report:?}");
            for side in Side::BOTH {
                let there = play.volumes[side].user().read("large");
                assert_eq!(there.as_deref(), Some(OTHER), "{side}: {network:?} after {after}, half {half:?}");
            }
            assert_eq!(run(&mut play).counts, Default::default(), "{network:?} after {after}");
        }
    }
}

/// Whatever is asked for, and whatever was lost besides.
#[test]
fn nothing_takes_what_was_written_half() {
    type Act = fn(&mut Play) -> Request;
    let acts: [(&str, Act); 6] = [
        ("down", |_| Request::plain(Direction::Down)),
        ("revert", |_| Request { take: Some(Side::Network), ..Request::plain(Direction::Down) }),
        ("the network is preferred", |_| Request {
            policies: Policies::all(Policy::Prefer(Side::Network)),
            policies_by_flag: true,
            ..Request::plain(Direction::Both)
        }),
        ("both are kept", |play| {
            forget_base(play);
            let policies = Policies::all(Policy::KeepBoth);
            Request { policies, policies_by_flag: true, yes: true, ..Request::plain(Direction::Both) }
        }),
        ("deleted here", |play| {
            play.work(Side::Staging, |user| user.delete("large"));
            Request::plain(Direction::Both)
        }),
        ("deleted here, and the base is lost", |play| {
            play.work(Side::Staging, |user| user.delete("large"));
            forget_base(play);
            Request { yes: true, ..Request::plain(Direction::Both) }
        }),
    ];
    for (network, (name, act)) in [Kind::Local, Kind::Sshfs].into_iter().flat_map(|kind| acts.map(|act| (kind, act))) {
        let (mut play, half) = half_written(network);
        let request = act(&mut play);
        let mine = play.volumes.staging.user().read("large");
        for _ in 0..3 {
            play.world.advance(60_000_000_000);
            assert!(matches!(play.run(|pair, options, stop| sync(pair, &request, options, &|_| {}, stop)), Ended::Report(_)));
            assert_eq!(play.volumes.staging.user().read("large"), mine, "{name}, {network:?}");
            let all = play.volumes.staging.project();
            let spread =
                all.iter().any(|(path, _)| play.volumes.staging.user().read(path.to_string()).as_deref() == Some(&half[..]));
            assert!(!spread, "{name}, {network:?}: {all:?}");
        }
        // Nobody else's file is taken for it once it is whole. By its path alone it is not made whole without a base.
        let report = run(&mut play);
        if mine.is_some() && report.problems.is_empty() {
            play.work(Side::Network, |user| user.delete("large").and_then(|()| user.write("large", b"from there, and longer")));
            run(&mut play);
            let both = Side::BOTH.map(|side| play.volumes[side].user().read("large"));
            assert!(
                both.iter().all(|content| content.as_deref() == Some(b"from there, and longer")),
                "{name}, {network:?}: {both:?}"
            );
        }
    }
}

fn forget_base(play: &Play) {
    for ending in ["", "-wal", "-shm", "-journal"] {
        let _ = local::remove_file(&play.pair.state.join(format!("manifest.db{ending}")));
    }
}

/// An older version that is written to while it is kept of is nobody's mixture.
#[test]
fn what_changes_while_it_is_kept_of_is_not_mixed() {
    for at in ["keep", "finish"] {
        let mut play = begun(1);
        play.work(Side::Staging, |user| user.write("a/file", b"content, edited here"));
        run(&mut play);
        play.work(Side::Staging, |user| user.write("a/file", b"content, changed here"));
        let (user, mut saved) = (play.volumes.network.user(), false);
        play.world.before_each(move |call| {
            if call.op == at && call.path.to_string().contains(".dl~") && !std::mem::replace(&mut saved, true) {
                user.write("a/file", b"content, edited there").expect("saved");
            }
            None
        });
        run(&mut play);
        play.world.leave_alone();
        run(&mut play);
        assert_eq!(play.volumes.network.user().read("a/file").as_deref(), Some(&b"content, edited there"[..]), "at {at}");
        assert_eq!(play.volumes.staging.user().read("a/file").as_deref(), Some(&b"content, changed here"[..]), "at {at}");
    }
}

/// What somebody saved in the last moment before an overwrite was put back, and stays there.
#[test]
fn a_power_cut_leaves_what_was_put_back() {
    for seed in 0..8 {
        let mut play = begun(seed);
        play.work(Side::Network, |user| user.write("a/file", b"theirs"));
        let staging = play.volumes.staging.clone();
        let (user, mut saved) = (staging.user(), false);
        play.world.before_each(move |call| {
            if call.op == "exchange" && !std::mem::replace(&mut saved, true) {
                user.write("a/file", b"saved in the last moment").expect("saved");
            }
            None
        });
        let report = run(&mut play);
        play.world.leave_alone();
        assert_eq!(report.conflicts.len(), 1, "seed {seed}");
        staging.crash(Crash::Power);
        assert_eq!(staging.user().read("a/file").as_deref(), Some(&b"saved in the last moment"[..]), "seed {seed}");
    }
}

/// FAT keeps local time: with daylight saving all its times shift. The files are read, and nothing is copied or displaced.
#[test]
fn times_that_shift_by_an_hour_copy_nothing() {
    const SAVED: i64 = 1_700_000_000_000_000_000;
    const HOUR: i64 = 3_600_000_000_000;
    for shifted in [Side::Network, Side::Staging] {
        let kind = |side| if side == shifted { Kind::Fat } else { Kind::Local };
        let mut play = Play::new(&Shape { seed: 1, staging: kind(Side::Staging), network: kind(Side::Network) });
        let names = ["one", "two"];
        for name in names {
            play.work(Side::Staging, |user| user.write(name, name.as_bytes()).and_then(|()| user.touch(name, Time(SAVED))));
        }
        assert_eq!(run(&mut play).counts.written_files, 2);
        for name in names {
            play.work(shifted, |user| user.touch(name, Time(SAVED + HOUR)));
        }
        let counts = run(&mut play).counts;
        assert_eq!(counts, Counts { metadata: 2, ..Counts::default() }, "{shifted}: only the times");
        assert_eq!(trash::list(&play.pair, &play.options, None, &RelPath::root()).expect("listed").entries.len(), 0);
        assert_eq!(run(&mut play).counts, Counts::default(), "{shifted}");
    }
}

/// A run that was killed before its flush has shown what the power still takes away; the next one believes it only when it is
/// flushed.
#[test]
fn a_power_cut_after_a_kill_deletes_nothing_on_the_other_side() {
    for (after, seed) in (80..100).flat_map(|after| [1, 2, 3, 4, 5].map(|seed| (after, seed))) {
        let mut play = Play::new(&Shape { seed, staging: Kind::Local, network: Kind::Fat });
        play.work(Side::Staging, |user| user.write("old", b"old"));
        run_at_once(&mut play);
        play.work(Side::Network, |user| user.write("new", b"new"));
        let stop = Some(CrashPoint { after, staging: Crash::Killed, network: Crash::Killed });
        play.step(&Step::Sync(Sync { stop, ..Sync::plain(Direction::Down) })).expect("nothing is lost");
        run_at_once(&mut play);
        play.volumes.staging.crash(Crash::Power);
        run_at_once(&mut play);
        let kept = play.volumes.network.user().read("new");
        assert_eq!(kept.as_deref(), Some(&b"new"[..]), "killed at call {after}, seed {seed}");
    }
}

/// The base forgets what was deleted once it is gone: a run that is killed before leaves a delete, and no new file.
#[test]
fn a_delete_that_is_killed_at_any_call_stays_one() {
    for after in (0..).step_by(4) {
        let mut play = begun(1);
        play.work(Side::Staging, |user| user.delete_all("a"));
        let stop = Some(CrashPoint { after, staging: Crash::Killed, network: Crash::Killed });
        play.step(&Step::Sync(Sync { stop, ..Sync::plain(Direction::Both) })).expect("nothing is lost");
        let cut = play.tally().crashes > 0;
        run(&mut play);
        for side in Side::BOTH {
            assert_eq!(play.volumes[side].project(), [], "killed at call {after}, {side}");
        }
        if !cut {
            assert!(after > 40, "a run of so few calls is none");
            break;
        }
    }
}

/// A folder that stays for what is ignored in it leaves the base with the last delete below it: not before, where one of
/// them could not be done, and with the same run where all were.
#[test]
fn a_folder_is_forgotten_with_the_last_of_what_was_deleted_below_it() {
    for fails in [true, false] {
        let mut play = begun(1);
        play.options.ignore = vec!["*.log".to_owned()];
        play.work(Side::Network, |user| user.write("a/x.log", b"ignored"));
        play.work(Side::Staging, |user| user.delete_all("a"));
        let network = play.volumes.network.clone();
        if fails {
            network.plan(vec![Rule::next(Fault::Denied, "rename", &path("a/file"))]);
        }
        assert_eq!(run(&mut play).problems.len(), usize::from(fails));
        let known = |play: &Play| {
            let base = Reader::open(&play.pair.state).expect("opens").expect("is there");
            ["a", "a/file"].map(|at| base.find(&path(at)).expect("read").is_some())
        };
        assert_eq!(known(&play), [fails, fails], "where a delete fails: {fails}");
        run(&mut play);
        assert_eq!(play.volumes.staging.project(), [], "nothing comes back");
        assert_eq!(network.user().read("a/file"), None);
        assert_eq!(network.user().read("a/x.log").as_deref(), Some(&b"ignored"[..]));
    }
}

/// One run after each change: what it did is what the next one compares with.
#[test]
fn what_a_run_did_the_next_one_knows() {
    type Change = fn(&User) -> Result<(), ErrorKind>;
    let changes: [(&str, Change); 9] = [
        ("edited", |user| user.write("a/file", b"second")),
        ("edited again", |user| user.write("a/file", b"the third")),
        ("deleted", |user| user.delete("a/file")),
        ("made again as it was", |user| user.write("a/file", b"the third")),
        ("moved", |user| user.rename("a/file", "moved")),
        ("made again where it was", |user| user.write("a/file", b"the third")),
        ("a folder moved", |user| user.rename("a", "b")),
        ("deleted in it", |user| user.delete("b/file")),
        ("made again where the folder was", |user| user.make_folder("a").and_then(|()| user.write("a/file", b"the third"))),
    ];
    for side in Side::BOTH {
        let mut play = begun(1);
        for (name, change) in changes {
            play.work(side, change);
            let wanted = play.volumes[side].project();
            let report = run(&mut play);
            assert!(report.conflicts.is_empty(), "{name} in {side}: {:?}", report.conflicts);
            for shown in Side::BOTH {
                assert_eq!(play.volumes[shown].project(), wanted, "{name} in {side}: {shown}");
            }
        }
    }
}

/// Also where the next run has nothing to copy: what a killed one left under a temporary name goes.
#[test]
fn a_copy_that_is_killed_at_any_call_leaves_nothing_behind() {
    let mut left = 0;
    for after in (0..).step_by(3) {
        let mut play = begun(1);
        play.work(Side::Staging, |user| user.write("a/new", b"new"));
        let stop = Some(CrashPoint { after, staging: Crash::Killed, network: Crash::Killed });
        play.step(&Step::Sync(Sync { stop, ..Sync::plain(Direction::Both) })).expect("nothing is lost");
        let cut = play.tally().crashes > 0;
        left += play.volumes.network.temporary().len();
        play.work(Side::Staging, |user| user.delete("a/new"));
        run(&mut play);
        assert_eq!(play.volumes.network.temporary(), [], "killed at call {after}");
        if !cut {
            break;
        }
    }
    assert!(left > 0, "one of them is killed in the middle of its copy");
}

/// Another state folder synchronised the same roots meanwhile: what our base calls deleted there was made again since.
#[test]
fn an_overtaken_base_deletes_nothing_that_was_made_again_as_it_was() {
    let mut play = begun(1);
    let ours = play.pair.state.clone();
    play.pair.state = ours.with_file_name("another state");
    run(&mut play);
    play.work(Side::Staging, |user| user.delete("a/file"));
    run(&mut play);
    assert_eq!(play.volumes.network.user().read("a/file"), None);
    play.pair.state = ours;
    play.work(Side::Staging, |user| user.write("a/file", b"content"));
    run(&mut play);
    for side in Side::BOTH {
        assert_eq!(play.volumes[side].user().read("a/file").as_deref(), Some(&b"content"[..]), "{side}");
    }
}

/// A policy of the settings decides nothing where both sides meet for the first time; one that was given for this run does.
#[test]
fn a_first_meeting_overwrites_nothing_by_a_policy_of_the_settings() {
    for (policies_by_flag, preferred) in [(false, Side::Staging), (false, Side::Network), (true, Side::Staging)] {
        let mut play = Play::new(&Shape { seed: 1, staging: Kind::Local, network: Kind::Local });
        for side in Side::BOTH {
            play.work(side, |user| user.write("file", side.word().as_bytes()));
        }
        let policies = Policies::all(Policy::Prefer(preferred));
        let request = Request { policies, policies_by_flag, yes: true, ..Request::plain(Direction::Both) };
        play.run(|pair, options, stop| sync(pair, &request, options, &|_| {}, stop));
        for side in Side::BOTH {
            let wanted = if policies_by_flag { preferred } else { side };
            assert_eq!(play.volumes[side].user().read("file").as_deref(), Some(wanted.word().as_bytes()), "{side}");
        }
    }
}

/// The last run is undone, or one path comes back from the trash; what came of it shows at the roots.
fn take_back(play: &Play, by_undo: bool) {
    if by_undo {
        let request = undo::Request { run: Which::Last, paths: Vec::new(), dry_run: false, wait: Duration::ZERO };
        undo::undo(&play.pair, &request, &play.options, &|_| {}, &AtomicBool::new(false)).expect("each path is told");
    } else {
        // Where the place is taken that is an error.
        let _ = trash::restore(&play.pair, &play.options, &[path("a/file")], None);
    }
}

/// Also where it was made there in the very moment.
#[test]
fn nothing_is_taken_back_over_what_stands_there() {
    for (by_undo, at_the_last_moment) in [(true, false), (true, true), (false, false), (false, true)] {
        let mut play = begun(1);
        play.work(Side::Staging, |user| user.delete("a/file"));
        run(&mut play);
        let network = play.volumes.network.clone();
        let user = network.user();
        if at_the_last_moment {
            play.world.before_each(move |call| {
                if call.op == "rename" && call.to.as_ref() == Some(&path("a/file")) {
                    user.write("a/file", b"another").expect("written");
                }
                None
            });
        } else {
            user.write("a/file", b"another").expect("written");
        }
        take_back(&play, by_undo);
        play.world.leave_alone();
        let told = format!("by undo: {by_undo}, at the last moment: {at_the_last_moment}");
        assert_eq!(network.user().read("a/file").as_deref(), Some(&b"another"[..]), "{told}");
        assert_eq!(network.names_of(b"content").safe(), 1, "{told}");
    }
}

#[test]
fn nothing_is_taken_back_over_an_edit() {
    let mut play = begun(1);
    play.work(Side::Staging, |user| user.write("a/file", b"second"));
    run(&mut play);
    play.work(Side::Network, |user| user.write("a/file", b"third!"));
    take_back(&play, true);
    assert_eq!(play.volumes.network.user().read("a/file").as_deref(), Some(&b"third!"[..]));
}
