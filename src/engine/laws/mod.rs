//! The laws of `docs/semantics.md` for the whole engine, tried on simulated volumes: users edit both sides between any two
//! calls, things fail, machines lose power, and nothing may be lost.
//!
//! The short form tries the same scripts each time, so that its answer is about the change under test; with `PROPTEST_CASES` and
//! in `scripts/soak` they are new ones. A failure prints the script, shrunk, and what the engine did.

mod edits;
mod hints;
mod housekeeping;
mod oracle;
mod play;
mod rare;
mod script;
mod trials;

use std::cell::RefCell;

use proptest::test_runner::{Config, FileFailurePersistence, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use self::edits::Edit;
use self::play::{Ended, Play, Tally};
use self::script::{CrashPoint, Kind, Shape, Step, Sync, any_script, any_shape};
use crate::disk::sim::{Crash, Fault, Rule, User, Volume};
use crate::engine;
use crate::engine::report::Outcome;
use crate::engine::request::{Deletes, Request};
use crate::model::path::RelPath;
use crate::model::side::{Direction, Side};

/// What all scripts of a test came to.
#[derive(Default)]
struct Tried {
    scripts: u64,
    steps: u64,
    all: Tally,
    /// Scripts before the first that broke a law; those after it are shrunk from that one.
    good: u64,
    broken: bool,
}

impl Tried {
    fn add(&mut self, steps: usize, tally: Tally) {
        self.scripts += 1;
        self.steps += steps as u64;
        self.all.runs += tally.runs;
        self.all.crashes += tally.crashes;
        self.all.calls += tally.calls;
        self.all.faults += tally.faults;
    }

    fn count(&mut self, result: &Result<(), String>) {
        self.broken |= result.is_err();
        self.good += u64::from(!self.broken);
    }
}

fn run(shape: &Shape, script: &[Step], tried: &RefCell<Tried>) -> Result<(), String> {
    let mut play = Play::new(shape);
    let result = script.iter().try_for_each(|step| play.step(step)).and_then(|()| play.settle());
    tried.borrow_mut().add(script.len(), play.tally());
    result.map_err(|broken| {
        let calls = play.log();
        let shown = calls.len().saturating_sub(400);
        let log = std::env::var_os("DRIFTLESS_LOG_CALLS").map(|_| calls[shown..].join("\n")).unwrap_or_default();
        format!("{broken}\n{}\n{log}", play.story.join("\n"))
    })
}

/// Nothing is lost, nothing is torn, both roots come to rest and are equal.
#[test]
fn laws_hold_whatever_happens() {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
    let cases = asked.unwrap_or(60);
    let shrinks = std::env::var("PROPTEST_MAX_SHRINK_ITERS").ok().and_then(|text| text.parse().ok()).unwrap_or(2_000);
    let file = Some(Box::new(FileFailurePersistence::SourceParallel("proptest-regressions")) as Box<_>);
    let config =
        Config { cases, max_shrink_iters: shrinks, source_file: Some(file!()), failure_persistence: file, ..Config::default() };
    let tried = RefCell::<Tried>::default();
    let mut runner = match asked {
        Some(_) => TestRunner::new(config),
        None => TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha)),
    };
    let ended = runner.run(&(any_shape(), any_script()), |(shape, script)| {
        let result = run(&shape, &script, &tried);
        tried.borrow_mut().count(&result);
        result.map_err(TestCaseError::fail)
    });
    let Tried { scripts, steps, good, all, .. } = tried.into_inner();
    let Tally { runs, crashes, calls, faults } = all;
    eprintln!("{scripts} scripts, {steps} steps, {runs} runs, {calls} calls, {faults} faults, {crashes} crashes");
    match ended {
        Ok(()) => {}
        Err(TestError::Fail(reason, (shape, script))) => {
            let steps: Vec<String> = script.iter().map(|step| format!("    {step:?}")).collect();
            let (cases, first) = (good + 1, reason.message().lines().next().unwrap_or_default().to_owned());
            // `scripts/try-mutations` reads the first line.
            panic!("\nbroken after {cases} cases: {first}\n{shape:?}\n{}\n{reason}", steps.join("\n"));
        }
        Err(other) => panic!("{other}"),
    }
}

/// A run is killed at its every call, and the machine of the network root loses power early in the next one: what the first
/// had shown and not flushed is gone again after the second believed it.
#[test]
fn a_power_cut_after_a_kill_at_every_call() {
    let create = |name| Step::Edit(Side::Staging, Edit::Create { folder: 0, name });
    let cut = |direction, after, network| {
        let stop = Some(CrashPoint { after, staging: Crash::Killed, network });
        Step::Sync(Sync { stop, ..Sync::plain(direction) })
    };
    for (after, next) in (0..120).flat_map(|after| [(after, 13), (after, 40)]) {
        let shape = Shape { seed: u64::from(after), staging: Kind::Local, network: Kind::Local };
        let killed = cut(Direction::Both, after, Crash::Killed);
        let script = [create(0), Step::Settle, create(1), killed, cut(Direction::Down, next, Crash::Power), Step::Settle];
        if let Err(broken) = run(&shape, &script, &RefCell::default()) {
            panic!("killed at call {after}, power cut at {next}: {broken}");
        }
    }
}

/// Commands that delete nothing by the base leave the word about a new mount to the run that could.
#[test]
fn deletes_wait_after_a_mount_whatever_command_came_between() {
    let create = |name| Step::Edit(Side::Staging, Edit::Create { folder: 0, name });
    for between in [Step::Undo, Step::Restore(0)] {
        let shape = Shape { seed: 1, staging: Kind::Local, network: Kind::Sshfs };
        let delete = Step::Edit(Side::Staging, Edit::Delete(0));
        let mounted = [Step::Remount(Side::Staging), between, delete.clone(), Step::Sync(Sync::plain(Direction::Both))];
        let script = [&[create(0), Step::Settle, create(1), Step::Settle, delete, Step::Settle][..], &mounted[..]].concat();
        if let Err(broken) = run(&shape, &script, &RefCell::default()) {
            panic!("{broken}");
        }
    }
}

/// What came back from the trash is somewhere, also where the names of each folder are written at a time of their own.
#[test]
fn a_power_cut_after_a_version_came_back_loses_nothing() {
    for seed in 0..40 {
        let mut play = Play::new(&Shape { seed, staging: Kind::Local, network: Kind::Local });
        let both = play.volumes.clone();
        play.work(Side::Staging, |user| user.make_folders("a/b").and_then(|()| user.write("a/b/file", b"the only one")));
        play.step(&Step::Settle).expect("sent");
        play.work(Side::Staging, |user| user.delete("a/b/file"));
        play.step(&Step::Settle).expect("in the trash of the network");
        both.network.adjust(|habits| habits.names_in_order = false);
        play.step(&Step::Restore(0)).expect("it comes back");
        assert_eq!(both.network.user().read("a/b/file").as_deref(), Some(&b"the only one"[..]));
        both.network.crash(Crash::Power);
        assert_eq!(both.network.names_of(b"the only one").safe(), 1, "seed {seed}");
    }
}

#[test]
fn a_version_that_came_back_and_cannot_be_flushed_is_told_as_that() {
    let mut play = Play::new(&Shape { seed: 1, staging: Kind::Local, network: Kind::Local });
    let network = play.volumes.network.clone();
    play.work(Side::Staging, |user| user.make_folders("a/b").and_then(|()| user.write("a/b/file", b"the only one")));
    play.step(&Step::Settle).expect("sent");
    play.work(Side::Staging, |user| user.delete("a/b/file"));
    play.step(&Step::Settle).expect("in the trash of the network");
    let path = |text: &str| RelPath::parse(text.as_bytes()).expect("a path");
    network.plan(vec![Rule::next(Fault::Io, "flush", &path("a/b"))]);
    let told = play.restored(&path("a/b/file"));
    assert!(told.as_ref().is_err_and(|message| message.starts_with("is back at its place, but")), "{told:?}");
    assert_eq!(network.user().read("a/b/file").as_deref(), Some(&b"the only one"[..]));
}

/// What lies in a folder that could not be listed is unknown: no delete is so much as planned, and the folder alone is told.
#[test]
fn a_folder_that_cannot_be_listed_is_not_empty() {
    let folder = RelPath::parse(b"a").expect("a path");
    let faults = [("list", Fault::Denied), ("list", Fault::Io), ("open", Fault::Denied), ("open", Fault::FalseAbsent)];
    for (side, (op, fault)) in Side::BOTH.into_iter().flat_map(|side| faults.map(|fault| (side, fault))) {
        let mut play = Play::new(&Shape { seed: 1, staging: Kind::Local, network: Kind::Local });
        let both = play.volumes.clone();
        play.work(Side::Staging, |user| user.make_folder("a").and_then(|()| user.write("a/file", b"still there")));
        play.step(&Step::Settle).expect("sent");
        both[side].plan(vec![Rule::next(fault, op, &folder)]);
        let Ended::Report(report) = play.plain_run(Deletes::Allow) else { panic!("{fault:?} at {op} in {side}: no report") };
        let problems = report.problems.iter().map(|problem| &problem.path);
        let told: Vec<&RelPath> = problems.chain(report.notes.iter().map(|note| &note.path)).collect();
        assert_eq!(told, [&folder], "{fault:?} at {op} in {side}: {:?}, {:?}", report.problems, report.notes);
        assert_eq!(both[side.other()].user().read("a/file").as_deref(), Some(&b"still there"[..]), "{fault:?} at {op} in {side}");
    }
}

/// Before a delete the side that is believed to have deleted is asked itself: a look that a cache answers says what was.
#[test]
fn what_is_there_again_is_not_deleted_where_looks_are_cached() {
    let file = RelPath::parse(b"file").expect("a path");
    let mut play = Play::new(&Shape { seed: 1, staging: Kind::Local, network: Kind::Sshfs });
    play.work(Side::Staging, |user| user.write("file", b"old"));
    play.step(&Step::Settle).expect("sent");
    play.step(&Step::Wait(60)).expect("nothing is lost");
    play.work(Side::Network, |user| user.delete("file"));
    // The first look at a path that was named finds it gone.
    let (network, named, mut looks) = (play.volumes.network.clone(), file.clone(), 0);
    play.world.before_each(move |call| {
        looks += u32::from(call.op == "look" && call.volume == network.name() && call.path == named);
        if looks == 2 {
            let _ = network.user().write("file", b"again");
        }
        None
    });
    let request = Request { paths: vec![file], deletes: Deletes::Allow, yes: true, ..Request::plain(Direction::Both) };
    play.run(|pair, options, stop| engine::sync(pair, &request, options, &|_| {}, stop));
    play.world.leave_alone();
    assert_eq!(play.volumes.network.user().read("file").as_deref(), Some(&b"again"[..]), "it was looked at twice");
    assert_eq!(play.volumes.staging.user().read("file").as_deref(), Some(&b"old"[..]));
}

/// Where names are folded, a folder or file that another spelling stands for is told and stays where it is.
#[test]
fn two_names_that_differ_by_case_do_not_become_one() {
    let mut play = Play::new(&Shape { seed: 1, staging: Kind::Local, network: Kind::Smb });
    for (path, bytes) in [("Docs/one", "1"), ("docs/two", "2"), ("File", "upper"), ("file", "lower")] {
        let folder = path.split_once('/').map(|(folder, _)| folder);
        play.work(Side::Staging, |user| {
            folder.map_or(Ok(()), |folder| user.make_folder(folder))?;
            user.write(path, bytes.as_bytes())
        });
    }
    let before = play.volumes.staging.project();
    for _ in 0..2 {
        let Ended::Report(report) = play.plain_run(Deletes::Allow) else { panic!("no report") };
        let told: Vec<String> = report.problems.iter().map(|problem| problem.path.to_string()).collect();
        assert_eq!((told, report.conflicts.len()), (vec!["docs".to_owned(), "file".to_owned()], 0), "{:?}", report.problems);
        let shown: Vec<String> = play.volumes.network.project().iter().map(|(path, _)| path.to_string()).collect();
        assert_eq!(shown, ["Docs", "Docs/one", "File"]);
        assert_eq!(play.volumes.staging.project(), before);
    }
}

/// However many workers carry them, it is the same one of the two that arrives.
#[test]
fn of_two_names_that_differ_by_case_the_first_one_arrives() {
    let mut play = Play::new(&Shape { seed: 1, staging: Kind::Local, network: Kind::Smb });
    play.options.threads = Some(8);
    let both = |number| ["Docs", "docs", "File", "file"].map(|name| format!("{name}{number:02}"));
    for [upper, lower, one, other] in (0..40).map(both) {
        play.work(Side::Staging, |user| {
            user.make_folder(&upper)?;
            user.make_folder(&lower)?;
            [one, other].iter().try_for_each(|file| user.write(file, file.as_bytes()))
        });
    }
    let Ended::Report(report) = play.plain_run(Deletes::Allow) else { panic!("no report") };
    let shown: Vec<String> = play.volumes.network.project().iter().map(|(path, _)| path.to_string()).collect();
    let expected = ["Docs", "File"].iter().flat_map(|name| (0..40).map(move |number| format!("{name}{number:02}")));
    assert_eq!((shown, report.problems.len()), (expected.collect(), 80));
}

/// Before the first visible step of a ruling over a folder the base forgets it: what was not written yet is then no delete.
#[test]
fn a_ruling_that_is_killed_at_any_call_deletes_nothing() {
    for after in (0..).step_by(4) {
        let mut play = Play::new(&Shape { seed: 1, staging: Kind::Local, network: Kind::Local });
        if let Err(broken) = play.step(&Step::Ruling { side: Side::Staging, after }) {
            panic!("killed at call {after}: {broken}");
        }
        if play.tally().crashes == 0 {
            assert!(after > 100, "a run of so few calls is none");
            break;
        }
    }
}

/// What became another kind of thing on one side is no conflict, also where the run is limited to its very path.
#[test]
fn a_path_that_turned_is_no_conflict() {
    let path = RelPath::parse(b"a").expect("a path");
    for (side, turned_to_folder) in Side::BOTH.into_iter().flat_map(|side| [(side, true), (side, false)]) {
        let mut play = Play::new(&Shape { seed: 1, staging: Kind::Local, network: Kind::Local });
        let as_file = |user: &User| user.write("a", b"a file");
        let as_folder = |user: &User| user.make_folder("a").and_then(|()| user.write("a/x", b"in a folder"));
        play.work(side, |user| if turned_to_folder { as_file(user) } else { as_folder(user) });
        play.step(&Step::Settle).expect("sent");
        play.step(&Step::Wait(60)).expect("nothing is lost");
        play.work(side, |user| user.delete_all("a"));
        play.work(side, |user| if turned_to_folder { as_folder(user) } else { as_file(user) });
        let request = Request { paths: vec![path.clone()], deletes: Deletes::Allow, ..Request::plain(Direction::Both) };
        let ended = play.run(|pair, options, stop| engine::sync(pair, &request, options, &|_| {}, stop));
        let Ended::Report(report) = ended else { panic!("turned in {side}: no report") };
        assert_eq!(report.conflicts, [], "turned in {side}");
        let both = play.volumes.as_ref().map(Volume::project);
        assert_eq!(both.staging, both.network, "turned in {side}");
    }
}

/// The old spelling of a folder goes with everything in it, although it answers still where names are folded.
#[test]
fn a_folder_of_another_spelling_takes_the_old_one_along() {
    for (before, after) in [("d/E", "d/e"), ("e\u{301}", "\u{e9}")] {
        let mut play = Play::new(&Shape { seed: 1, staging: Kind::Folding, network: Kind::Local });
        play.work(Side::Staging, |user| {
            user.make_folders(format!("{before}/deeper"))?;
            user.write(format!("{before}/deeper/file"), b"in both")
        });
        play.step(&Step::Settle).expect("sent");
        play.step(&Step::Wait(60)).expect("nothing is lost");
        play.work(Side::Staging, |user| user.rename(before, after));
        // So that it is not renamed as one.
        play.work(Side::Staging, |user| user.write(format!("{after}/new"), b"in staging"));
        play.step(&Step::Settle).expect("the old name is gone on both sides");
        assert_eq!(play.volumes.network.user().read(format!("{after}/deeper/file")).as_deref(), Some(&b"in both"[..]));
    }
}

/// The copy that a held conflict has on the network is one that a power cut leaves.
#[test]
fn a_copy_of_a_conflict_is_flushed_before_it_is_told() {
    for seed in 0..10 {
        let mut play = Play::new(&Shape { seed, staging: Kind::Local, network: Kind::Local });
        play.work(Side::Staging, |user| user.make_folder("a").and_then(|()| user.write("a/file", b"in staging")));
        play.work(Side::Network, |user| user.write("a", b"on the network"));
        let Ended::Report(report) = play.plain_run(Deletes::Guarded) else { panic!("no report") };
        let [(_, copy)] = &report.copies[..] else { panic!("one copy: {report:?}") };
        let network = play.volumes.network.clone();
        network.crash(Crash::Power);
        let kept = network.user().read(format!("{copy}/file"));
        assert_eq!(kept.as_deref(), Some(&b"in staging"[..]), "seed {seed}");
        assert!(network.temporary().is_empty(), "seed {seed}: {:?}", network.temporary());
    }
}

/// Where nobody can tell whether the copy of a conflict stands, none is made in its place.
#[test]
fn a_copy_of_a_conflict_that_cannot_be_looked_at_is_left_alone() {
    let mut play = Play::new(&Shape { seed: 1, staging: Kind::Local, network: Kind::Local });
    play.work(Side::Staging, |user| user.make_folder("a").and_then(|()| user.write("a/file", b"in staging")));
    play.work(Side::Network, |user| user.write("a", b"on the network"));
    let Ended::Report(first) = play.plain_run(Deletes::Guarded) else { panic!("no report") };
    let [(_, copy)] = &first.copies[..] else { panic!("one copy: {first:?}") };
    let network = play.volumes.network.clone();
    network.plan(vec![Rule::next(Fault::Io, "look", copy)]);
    let Ended::Report(second) = play.plain_run(Deletes::Guarded) else { panic!("no report") };
    assert_eq!(second.copies, first.copies);
    assert!(network.temporary().is_empty(), "{:?}", network.temporary());
}

/// A claim that the disk does not give any more stops each run, until the base that it speaks of is given up.
#[test]
fn a_claim_that_stays_unreadable_is_mended_by_relink() {
    let mut play = Play::new(&Shape { seed: 1, staging: Kind::Local, network: Kind::Local });
    let staging = play.volumes.staging.clone();
    play.work(Side::Staging, |user| user.write("a", b"a"));
    play.step(&Step::Settle).expect("sent");
    let claim = RelPath::parse(b".driftless/claim.toml").expect("a path");
    staging.plan(vec![Rule { op: Some("read"), below: claim, ..Rule::often(Fault::Io, 1_000_000) }]);
    assert!(matches!(play.plain_run(Deletes::Guarded), Ended::Error(_)));
    play.step(&Step::Forget { relink: true }).expect("nothing is lost");
    // It was written anew.
    staging.plan(Vec::new());
    let Ended::Report(report) = play.plain_run(Deletes::Guarded) else { panic!("no report") };
    assert_eq!(report.outcome, Outcome::Done);
}

/// What was not sent is counted where staging is asked by the path's own way, a process apart where that may hang: the
/// simulated volume is not what lies at that path of this machine.
#[test]
fn what_was_not_sent_is_counted_where_the_roots_are_asked() {
    let mut play = Play::new(&Shape { seed: 1, staging: Kind::Sshfs, network: Kind::Sshfs });
    play.work(Side::Staging, |user| user.write("old", b"old"));
    play.step(&Step::Settle).expect("sent");
    play.work(Side::Staging, |user| user.write("new", b"new").and_then(|()| user.write("old", b"other")));
    // Past what a cache still shows.
    play.step(&Step::Wait(60)).expect("nothing is lost");
    play.volumes.network.goes();
    let Ended::Report(report) = play.plain_run(Deletes::Allow) else { panic!("no report") };
    assert!(matches!(report.outcome, Outcome::Offline { side: Side::Network, .. }), "{:?}", report.outcome);
    assert_eq!(report.pending.staging, 2);
}
