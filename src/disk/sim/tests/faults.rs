//! What goes wrong goes wrong as it was planned, and no more.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use super::*;
use crate::disk::Onto;
use crate::disk::sim::{Crash, Fault, Rule, Stop, Stopped, weather};

#[test]
fn a_planned_fault_hits_its_operation_and_path_as_often_as_it_was_told() {
    for (fault, local, remote) in [
        (Fault::Io, ErrorKind::Other, ErrorKind::Gone),
        (Fault::Denied, ErrorKind::Denied, ErrorKind::Denied),
        (Fault::Busy, ErrorKind::Busy, ErrorKind::Busy),
        (Fault::Full, ErrorKind::Full, ErrorKind::Full),
    ] {
        for (habits, kind) in [(Habits::LOCAL, local), (Habits::SMB, remote)] {
            let volume = volume(habits);
            volume.user().make_folders("a/b").expect("made");
            volume.user().make_folder("other").expect("made");
            let root = root(&volume);
            volume.plan(vec![Rule::next(fault, "make", &path("a"))]);
            let make = |at: &str| root.folder(&path(at)).and_then(|folder| folder.make_folder(&name("new"), 0o755));
            assert_eq!(kind_of(make("other")), None, "another path");
            assert_eq!(kind_of(make("a/b")), Some(kind), "{fault:?}");
            assert_eq!(kind_of(make("a/b")), None, "once");
        }
    }
}

#[test]
fn a_volume_that_goes_comes_back_with_its_handles() {
    let volume = volume(Habits::SMB);
    volume.user().write("file", b"x").expect("written");
    let top = top(&volume);
    volume.plan(vec![Rule::next(Fault::Gone, "look", &path("file"))]);
    for freshness in [Freshness::Cached, Freshness::Fresh] {
        assert_eq!(kind_of(top.look(&name("file"), freshness)), Some(ErrorKind::Gone));
    }
    assert!(volume.is_gone() && kind_of(volume.open()) == Some(ErrorKind::Gone) && kind_of(top.list()) == Some(ErrorKind::Gone));
    volume.returns();
    assert_eq!(names(&*top), ["file"]);
    volume.goes();
    assert_eq!(kind_of(top.list()), Some(ErrorKind::Gone));
}

#[test]
fn a_false_absence_is_told_once() {
    let volume = volume(Habits::SMB);
    volume.user().write("file", b"x").expect("written");
    let top = top(&volume);
    volume.plan(vec![Rule::often(Fault::FalseAbsent, 1_000_000)]);
    for _ in 0..3 {
        assert_eq!(look(&*top, "file", Freshness::Fresh), None);
        assert!(look(&*top, "file", Freshness::Fresh).is_some());
    }
    assert_eq!(kind_of(top.read(&name("file"))), Some(ErrorKind::Absent));
    assert_eq!(names(&*top), ["file"], "a listing is complete");
}

#[test]
fn listings_fail_or_by_a_knob_are_short_and_writes_stop_half_way() {
    let volume = volume(Habits::LOCAL);
    for file in ["a", "b", "c"] {
        volume.user().write(file, b"x").expect("written");
    }
    let top = top(&volume);
    volume.plan(vec![Rule::next(Fault::Io, "list", &path(""))]);
    assert_eq!(kind_of(top.list()), Some(ErrorKind::Other));
    volume.plan(vec![Rule::next(Fault::ShortListing, "list", &path(""))]);
    assert_eq!(names(&*top), ["a", "c"]);
    assert_eq!(names(&*top), ["a", "b", "c"]);
    volume.plan(vec![Rule::next(Fault::HalfWrite, "write", &path("half"))]);
    assert_eq!(kind_of(write(&*top, "half", b"0123456789", true)), Some(ErrorKind::Other));
    assert_eq!(volume.user().read("half").expect("there"), b"01234");
    volume.plan(vec![Rule::next(Fault::Io, "finish", &path("flushed")), Rule::next(Fault::Io, "flush", &path(""))]);
    assert_eq!(kind_of(write(&*top, "flushed", b"x", true)), Some(ErrorKind::Other));
    assert_eq!(kind_of(top.flush()), Some(ErrorKind::Other));
    assert_eq!(kind_of(top.flush()), None);
}

#[test]
fn an_empty_volume_behind_the_path_is_told_and_takes_no_calls_for_the_true_one() {
    let volume = volume(Habits::SMB);
    volume.user().write("file", b"x").expect("written");
    let (old, old_top) = (root(&volume), top(&volume));
    let device = old.device().expect("asked");
    volume.swap_for_empty();
    assert_eq!(kind_of(old_top.list()), Some(ErrorKind::Gone));
    assert!(!old.still_there().expect("asked by path"));
    let empty = root(&volume);
    assert!(empty.still_there().expect("asked") && empty.device().expect("asked") != device);
    let top = top(&volume);
    assert!(names(&*top).is_empty());
    write(&*top, "wrong", b"y", true).expect("written");
    assert_eq!(volume.stand_in().len(), 1);
    volume.user().write("meanwhile", b"z").expect("users have the true one");
    volume.swap_back();
    assert!(volume.stand_in().is_empty());
    assert_eq!(names(&*old_top), ["file", "meanwhile"]);
    assert_eq!(kind_of(top.list()), Some(ErrorKind::Gone));
    assert!(old.still_there().expect("asked"));
}

#[test]
fn an_answer_that_is_lost_on_the_way_was_a_deed_all_the_same() {
    for (habits, failed) in [(Habits::SMB, true), (Habits::LOCAL, false)] {
        let volume = volume(habits);
        let top = top(&volume);
        volume.plan(vec![Rule::next(Fault::LateIo, "make", &path(""))]);
        assert_eq!(kind_of(top.make_folder(&name("new"), 0o755)), failed.then_some(ErrorKind::Gone));
        assert_eq!(names(&*top), ["new"]);
    }
}

#[test]
fn a_call_that_hangs_is_given_up_and_was_a_deed_all_the_same() {
    let volume = volume(Habits::SMB);
    let (top, before) = (top(&volume), volume.world.now());
    volume.plan(vec![Rule::next(Fault::Hang, "make", &path(""))]);
    assert_eq!(kind_of(top.make_folder(&name("new"), 0o755)), Some(ErrorKind::Gone));
    assert!(volume.world.now().0 - before.0 >= 20_000_000_000);
    assert_eq!(kind_of(top.list()), Some(ErrorKind::Gone), "the root is away");
    volume.returns();
    assert_eq!(names(&*top), ["new"]);
}

#[test]
fn users_act_between_two_calls_and_a_hook_can_refuse() {
    let volume = volume(Habits::LOCAL);
    let (top, user) = (top(&volume), volume.user());
    let calls = Arc::new(Mutex::new(Vec::new()));
    let seen = calls.clone();
    volume.world.before_each(move |call| {
        let to = call.to.as_ref().map_or_else(String::new, ToString::to_string);
        seen.lock().expect("one thread").push(format!("{} {} {to}", call.op, call.path));
        match call.op {
            "look" => drop(user.write("came", b"x")),
            "rename" => return Some(ErrorKind::Busy),
            _ => {}
        }
        None
    });
    assert!(look(&*top, "came", Freshness::Fresh).is_some(), "it came right before the look");
    assert_eq!(kind_of(top.rename(&name("came"), &name("went"), Onto::Nothing)), Some(ErrorKind::Busy));
    assert_eq!(*calls.lock().expect("one thread"), ["look came ", "rename came went"]);
    assert_eq!(volume.world.calls(), 3);
}

/// Ten folders; the engine stops before the fifth call.
#[test]
fn the_engine_is_stopped_at_any_call() {
    for how in [Stop::Unwind, Stop::Fail] {
        let volume = volume(Habits::LOCAL);
        let top = top(&volume);
        volume.world.stop_after(4, how);
        let ran = catch_unwind(AssertUnwindSafe(|| {
            (0..10).map(|at| top.make_folder(&name(&format!("{at}")), 0o755)).filter(Result::is_ok).count()
        }));
        match how {
            Stop::Unwind => assert!(ran.expect_err("stopped").downcast::<Stopped>().is_ok()),
            Stop::Fail => assert_eq!(ran.expect("goes on"), 4),
        }
        assert_eq!(kind_of(top.list()), Some(ErrorKind::Gone), "stopped is stopped");
        volume.world.crash(Crash::Killed);
        assert_eq!(names(&*super::top(&volume)), ["0", "1", "2", "3"]);
    }
}

#[test]
fn bad_weather_brings_every_honest_fault_and_no_other() {
    let volume = volume(Habits { remote: true, ..Habits::LOCAL });
    volume.user().write("file", b"x").expect("written");
    volume.plan(weather(60_000));
    let mut kinds = std::collections::BTreeSet::new();
    let mut went = 0;
    for at in 0..600 {
        let top = match volume.open().and_then(|root| root.folder(&RelPath::root())) {
            Ok(top) => top,
            Err(error) => {
                kinds.insert(format!("{:?}", error.kind));
                went += usize::from(volume.is_gone());
                volume.returns();
                continue;
            }
        };
        let file = format!("{at}");
        let answers = [write(&*top, &file, b"content", true).map(drop), top.list().map(drop), top.remove_file(&name(&file))];
        kinds.extend(answers.into_iter().filter_map(kind_of).map(|kind| format!("{kind:?}")));
        assert!(top.list().is_err() || names_or_nothing(&*top).is_none_or(|names| names.contains(&"file".to_owned())));
        went += usize::from(volume.is_gone());
        volume.returns();
    }
    let expected = ["Absent", "Busy", "Denied", "Full", "Gone"];
    assert!(kinds.iter().all(|kind| expected.contains(&&**kind)), "{kinds:?}");
    assert!(kinds.len() == expected.len() && went > 0, "{kinds:?}, gone {went} times");
}

fn names_or_nothing(folder: &dyn Folder) -> Option<Vec<String>> {
    Some(folder.list().ok()?.iter().map(|item| item.name.to_string()).collect())
}
