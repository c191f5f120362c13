//! The room on a real disk.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fs;
#[cfg(unix)]
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::error::Error;
use super::lease::{self, Clock, Holder, Lease, Outcome};
use super::marker::{self, Belongs, Marker};
use super::mounts::{self, Verdict};
use super::{own, probe};
use crate::disk::Root;
use crate::model::time::Time;
use crate::model::traits::Traits;

/// A root in a folder for the moment, and a folder beside it that nothing may touch.
struct Ground {
    root: Arc<dyn Root>,
    path: PathBuf,
    beside: PathBuf,
    /// Last: a folder that is open is not removed everywhere.
    _held: tempfile::TempDir,
}

fn ground() -> Ground {
    let held = tempfile::tempdir().expect("a folder for the moment");
    let [path, beside] = ["root", "beside"].map(|name| held.path().join(name));
    fs::create_dir(&path).expect("a root");
    fs::create_dir(&beside).expect("a folder beside it");
    Ground { root: open(&path), path, beside, _held: held }
}

fn open(path: &Path) -> Arc<dyn Root> {
    crate::disk::open_root(path, false).expect("the root opens")
}

impl Ground {
    fn root(&self) -> &dyn Root {
        self.root.as_ref()
    }

    fn own(&self, name: &str) -> PathBuf {
        self.path.join(".driftless").join(name)
    }

    /// The names in `.driftless/`, in order.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path.join(".driftless")).expect("our folder");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

fn local() -> Verdict {
    Verdict {
        network: false,
        file_system: "ext4".into(),
        mount_point: "/".into(),
        source: "/dev/a".into(),
        reason: String::new(),
    }
}

#[test]
fn a_marker_is_written_whole_read_back_and_raised() {
    let ground = ground();
    assert_eq!(marker::read(ground.root()).expect("no marker is no error"), None);
    let network = Marker::new_network().expect("random numbers");
    let staging = Marker::new_staging(network.id).expect("random numbers");
    assert_ne!(network.id, staging.id);
    marker::write(ground.root(), &staging).expect("written");
    assert_eq!(marker::read(ground.root()).expect("read"), Some(staging));
    assert_eq!(staging.belongs, Belongs::Staging { network: network.id });
    let raised = marker::bump_generation(ground.root(), staging.id).expect("raised");
    assert_eq!((raised.id, raised.generation), (staging.id, 1));
    assert_eq!(marker::read(ground.root()).expect("read"), Some(raised));
    assert_eq!(ground.names(), ["root.toml"]);
    let other = marker::bump_generation(ground.root(), network.id).expect_err("another root");
    assert!(matches!(other, Error::Swapped(_)), "{other}");
    fs::remove_file(ground.own("root.toml")).expect("removed");
    assert!(matches!(marker::bump_generation(ground.root(), staging.id), Err(Error::Swapped(_))));
    assert!(ground.names().is_empty(), "a marker that was taken away came back");
}

#[test]
fn a_forged_marker_is_an_error_and_no_missing_one() {
    let ground = ground();
    fs::create_dir(ground.path.join(".driftless")).expect("our folder");
    let huge = format!("id = \"{}\"", "0".repeat(10_000_000));
    for forged in [&b""[..], b"\xff\xfe", b"[[[[", b"id = 1", huge.as_bytes()] {
        fs::write(ground.own("root.toml"), forged).expect("forged");
        let read = marker::read(ground.root());
        assert!(matches!(read, Err(Error::BadMarker(_))), "{read:?}");
    }
    fs::remove_file(ground.own("root.toml")).expect("removed");
    fs::create_dir(ground.own("root.toml")).expect("a folder in its place");
    assert!(marker::read(ground.root()).is_err());
    fs::remove_dir(ground.own("root.toml")).expect("removed");
    #[cfg(unix)]
    {
        symlink(ground.beside.join("root.toml"), ground.own("root.toml")).expect("a link in its place");
        fs::write(ground.beside.join("root.toml"), "x").expect("its target");
        assert!(marker::read(ground.root()).is_err());
    }
}

/// What is refused before anything is written, with the folder as `swap` left it.
fn refused_with(swap: impl Fn(&Ground)) {
    let ground = ground();
    swap(&ground);
    let marker = Marker::new_network().expect("random numbers");
    let refusals = [
        marker::read(ground.root()).map(drop),
        marker::write(ground.root(), &marker),
        marker::bump_generation(ground.root(), marker.id).map(drop),
        probe::probe(ground.root(), &local()).map(drop),
        probe::clock(ground.root()).map(drop),
        own::sweep(ground.root(), Time(i64::MAX)),
    ];
    for (call, refusal) in refusals.iter().enumerate() {
        assert!(matches!(refusal, Err(Error::NotOurs(_))), "call {call}: {refusal:?}");
    }
    let lease = lease::take(ground.root(), &me(), Duration::ZERO, &Script::default()).expect("no lease is no error");
    assert!(matches!(lease, Outcome::None { reason: Error::NotOurs(_) }), "{lease:?}");
    let beside: Vec<_> =
        fs::read_dir(&ground.beside).expect("listed").map(|entry| entry.expect("an entry").file_name()).collect();
    assert_eq!(beside, ["new-old"], "something was written or removed outside the root");
}

#[cfg(unix)]
#[test]
fn a_folder_of_ours_that_is_a_link_is_refused() {
    refused_with(|ground| {
        fs::write(ground.beside.join("new-old"), "x").expect("bait for the sweep");
        symlink(&ground.beside, ground.path.join(".driftless")).expect("a link out of the root");
    });
}

#[test]
fn a_folder_of_ours_that_is_a_file_is_refused() {
    refused_with(|ground| {
        fs::write(ground.beside.join("new-old"), "x").expect("as in the other case");
        fs::write(ground.path.join(".driftless"), "x").expect("a file");
    });
}

#[test]
fn a_probe_tells_the_truth_about_this_disk_and_leaves_nothing() {
    let ground = ground();
    let verdict = mounts::detect(&ground.path).expect("a verdict");
    let probed = probe::probe(ground.root(), &local()).expect("probed");
    assert!(probed.measured);
    if ["ext4", "xfs", "btrfs", "tmpfs"].contains(&verdict.file_system.as_str()) {
        let made = Traits { exchange: probed.traits.exchange, ..Traits::LOCAL };
        assert_eq!(probed.traits, made);
    }
    assert!(ground.names().is_empty(), "{:?}", ground.names());
    let far = Verdict { network: true, file_system: "fuse.sshfs".into(), ..local() };
    let traits = probe::probe(ground.root(), &far).expect("probed").traits;
    assert!(traits.remote && traits.fuse && !traits.ids && !traits.ctime, "{traits:?}");
    let fat = Verdict { file_system: "vfat".into(), ..local() };
    let traits = probe::probe(ground.root(), &fat).expect("probed").traits;
    assert!(!traits.remote && !traits.fuse && !traits.ids && !traits.ctime, "{traits:?}");
}

#[test]
fn the_roots_clock_goes_with_its_files_and_leaves_nothing() {
    let ground = ground();
    let times: Vec<Time> = (0..3).map(|_| probe::clock(ground.root()).expect("a time").0).collect();
    assert!(times.is_sorted(), "{times:?}");
    fs::write(ground.path.join("after"), "x").expect("a file");
    let mtime = fs::metadata(ground.path.join("after")).expect("its times").modified().expect("its mtime");
    let after = mtime.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_nanos();
    let apart = after.abs_diff(times[2].0.unsigned_abs().into());
    assert!(apart < 60_000_000_000, "the clock is {apart} ns off the files");
    assert!(ground.names().is_empty(), "{:?}", ground.names());
}

#[test]
fn only_old_leftovers_are_swept() {
    let ground = ground();
    marker::write(ground.root(), &Marker::new_network().expect("random numbers")).expect("written");
    fs::write(ground.own("new-1"), "x").expect("a leftover");
    fs::write(ground.own("mine"), "x").expect("another file");
    fs::create_dir(ground.own("probe-1")).expect("a leftover");
    fs::write(ground.own("probe-1").join("file"), "x").expect("a leftover");
    fs::create_dir(ground.own("trash")).expect("another folder");
    let now = probe::clock(ground.root()).expect("a time").0;
    own::sweep(ground.root(), now).expect("swept");
    assert_eq!(ground.names(), ["mine", "new-1", "probe-1", "root.toml", "trash"]);
    own::sweep(ground.root(), Time(now.0 + 8 * 86_400 * 1_000_000_000)).expect("swept");
    assert_eq!(ground.names(), ["mine", "root.toml", "trash"]);
}

fn me() -> Holder {
    Holder { host: "here".into(), state: "s1".into() }
}

fn them() -> Holder {
    Holder { host: "there".into(), state: "s1".into() }
}

/// What somebody else does while a clock is waited for; it is told the time.
type Step<'a> = Box<dyn FnMut(Duration) + 'a>;

/// A clock that moves only while somebody waits, and does something at each wait.
#[derive(Default)]
struct Script<'a> {
    now: Cell<Duration>,
    at_each_pause: RefCell<Option<Step<'a>>>,
    pauses_until_stop: Cell<Option<u32>>,
    waited: RefCell<VecDeque<Duration>>,
}

impl<'a> Script<'a> {
    fn doing(step: impl FnMut(Duration) + 'a) -> Self {
        Script { at_each_pause: RefCell::new(Some(Box::new(step))), ..Script::default() }
    }
}

impl Clock for Script<'_> {
    fn now(&self) -> Duration {
        self.now.get()
    }

    fn pause(&self, time: Duration) -> bool {
        assert!(self.waited.borrow().len() < 10_000, "waits for ever");
        self.waited.borrow_mut().push_back(time);
        self.now.set(self.now.get() + time);
        if let Some(step) = self.at_each_pause.borrow_mut().as_mut() {
            step(self.now.get());
        }
        match self.pauses_until_stop.get() {
            Some(0) => false,
            left => {
                self.pauses_until_stop.set(left.map(|left| left - 1));
                true
            }
        }
    }
}

fn taken(root: &dyn Root, holder: &Holder) -> Lease {
    match lease::take(root, holder, Duration::ZERO, &Script::default()).expect("the root is there") {
        Outcome::Ours(lease) => lease,
        other => panic!("not taken: {other:?}"),
    }
}

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_free_lease_is_taken_renewed_and_let_go() {
    let ground = ground();
    let mut lease = taken(ground.root(), &me());
    let first = fs::read(ground.own("lease.toml")).expect("a lease");
    assert!(lease.renew(ground.root()).expect("renewed"));
    assert_ne!(fs::read(ground.own("lease.toml")).expect("a lease"), first, "a renewal that nobody can see");
    lease.release(ground.root()).expect("let go");
    assert!(ground.names().is_empty(), "{:?}", ground.names());
    taken(ground.root(), &me());
    assert_ne!(fs::read(ground.own("lease.toml")).expect("a lease"), first, "taken again it looks as if it stood still");
}

#[test]
fn a_lease_of_ours_that_a_crash_left_is_ours() {
    let ground = ground();
    drop(taken(ground.root(), &me()));
    assert!(taken(ground.root(), &me()).renew(ground.root()).expect("renewed"));
}

#[test]
fn a_lease_that_moves_is_waited_for_and_named() {
    let ground = ground();
    let mut theirs = taken(ground.root(), &them());
    let clock = Script::doing(|now| {
        if now.as_secs().is_multiple_of(4) {
            assert!(theirs.renew(ground.root()).expect("renewed"));
        }
    });
    let outcome = lease::take(ground.root(), &me(), MINUTE, &clock).expect("the root is there");
    assert!(matches!(&outcome, Outcome::Busy { holder: Some(holder) } if *holder == them()), "{outcome:?}");
    assert_eq!(clock.now(), MINUTE);
}

#[test]
fn a_lease_that_stands_still_is_taken_over_after_15_seconds_and_not_before() {
    let ground = ground();
    let mut theirs = taken(ground.root(), &them());
    let short = lease::take(ground.root(), &me(), Duration::from_secs(14), &Script::default()).expect("the root is there");
    assert!(matches!(short, Outcome::Busy { .. }), "{short:?}");
    let mut renewed = false;
    let clock = Script::doing(|now| {
        if now.as_secs() == 10 && !renewed {
            renewed = theirs.renew(ground.root()).expect("renewed");
        }
    });
    let outcome = lease::take(ground.root(), &me(), MINUTE, &clock).expect("the root is there");
    assert!(matches!(outcome, Outcome::Ours(_)), "{outcome:?}");
    assert_eq!(clock.now().as_secs(), 25, "15 s after the last change");
    drop(clock);
    assert!(!theirs.renew(ground.root()).expect("looked"), "the old holder believes it still holds");
    theirs.release(ground.root()).expect("left alone");
    assert_eq!(ground.names(), ["lease.toml"], "the old holder removed the new one's lease");
}

#[test]
fn a_lease_that_is_let_go_is_taken_at_once() {
    let ground = ground();
    let mut theirs = Some(taken(ground.root(), &them()));
    let clock = Script::doing(|_| {
        if let Some(lease) = theirs.take() {
            lease.release(ground.root()).expect("let go");
        }
    });
    let outcome = lease::take(ground.root(), &me(), MINUTE, &clock).expect("the root is there");
    assert!(matches!(outcome, Outcome::Ours(_)), "{outcome:?}");
    assert!(clock.now() < Duration::from_secs(1));
}

#[test]
fn waiting_ends_when_the_run_is_to_stop() {
    let ground = ground();
    let _theirs = taken(ground.root(), &them());
    let clock = Script::default();
    clock.pauses_until_stop.set(Some(2));
    let outcome = lease::take(ground.root(), &me(), MINUTE, &clock).expect("the root is there");
    assert!(matches!(outcome, Outcome::Busy { .. }), "{outcome:?}");
    assert_eq!(clock.waited.borrow().len(), 3);
}

#[test]
fn what_is_no_lease_is_somebodys_until_it_stood_still() {
    let ground = ground();
    taken(ground.root(), &me());
    for garbage in ["", "host = 1", "\0", &"x".repeat(100_000)] {
        fs::write(ground.own("lease.toml"), garbage).expect("garbage");
        let outcome = lease::take(ground.root(), &me(), Duration::ZERO, &Script::default()).expect("the root is there");
        assert!(matches!(outcome, Outcome::Busy { holder: None }), "{outcome:?}");
        let outcome = lease::take(ground.root(), &me(), MINUTE, &Script::default()).expect("the root is there");
        assert!(matches!(outcome, Outcome::Ours(_)), "{outcome:?}");
    }
    fs::remove_file(ground.own("lease.toml")).expect("removed");
    fs::create_dir(ground.own("lease.toml")).expect("a folder in its place");
    let outcome = lease::take(ground.root(), &me(), MINUTE, &Script::default()).expect("the root is there");
    assert!(matches!(outcome, Outcome::None { .. }), "{outcome:?}");
}
