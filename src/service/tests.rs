//! The watch process on real folders, in this process.

use super::*;
use crate::engine::report::Outcome;
use crate::engine::request::{APPEND, Durability, Watched};
use crate::model::conflict::{Policies, Policy};
use crate::model::side::Direction;
use crate::roots::reach::Reach as Asking;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(60);

struct World {
    _top: tempfile::TempDir,
    staging: PathBuf,
    network: PathBuf,
    pair: Pair,
    options: Options,
}

impl World {
    fn new() -> World {
        let top = tempfile::tempdir().expect("a folder");
        let [staging, network, state] = ["staging", "network", "state"].map(|name| {
            let path = top.path().canonicalize().expect("a path").join(name);
            fs::create_dir(&path).expect("made");
            path
        });
        let pair = Pair { name: "p".to_owned(), state, staging: staging.clone(), network: network.clone(), others: Vec::new() };
        let options = Options {
            durability: Durability::Full,
            ignore: vec!["ignored/".to_owned()],
            append: Some(APPEND.split(',').map(str::to_owned).collect()),
            in_place: Vec::new(),
            whole: None,
            trash_max: None,
            trash_age: Duration::from_secs(86_400),
            reserve: 0,
            conflict_copy_max: 1 << 20,
            threads: Some(2),
            reach: Asking::new(Duration::from_secs(20), Arc::default()),
            watched: Watched::default(),
        };
        engine::init(&pair, &options).expect("paired");
        World { _top: top, staging, network, pair, options }
    }

    /// Runs `act` while the pair is watched and was looked at once.
    fn watched(&self, act: impl FnOnce(&Watching)) {
        self.watched_with(Request::plain(Direction::Both), act);
    }

    fn watched_with(&self, template: Request, act: impl FnOnce(&Watching)) {
        let (stop, ran) = (Arc::default(), Mutex::new(Vec::new()));
        let (ready, is_ready) = unbounded();
        let (hand, handed) = unbounded();
        let template = Request { yes: true, ..template };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let tell = |event: Event| match event {
                    Event::Ready => ready.send(()).expect("somebody waits"),
                    Event::Ran { report, whole, .. } => lock(&ran).push((report, whole)),
                    Event::Failed(message) => panic!("{message}"),
                    Event::Progress(_) | Event::Changed => {}
                };
                let plan = Plan {
                    pair: &self.pair,
                    template: &template,
                    options: &self.options,
                    pace: Pace::default(),
                    wait: Duration::ZERO,
                };
                let begun = |handle: Handle| {
                    hand.send(handle).expect("somebody waits");
                    Ok(())
                };
                watch(&plan, &stop, &tell, begun).expect("it watches");
            });
            let handle: Handle = handed.recv_timeout(LIMIT).expect("it begins");
            is_ready.recv_timeout(LIMIT).expect("it is ready");
            let watching = Watching { handle, ran: &ran };
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| act(&watching)));
            watching.handle.stop();
            result.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        });
    }
}

struct Watching<'a> {
    handle: Handle,
    ran: &'a Mutex<Vec<(Arc<Report>, bool)>>,
}

impl Watching<'_> {
    fn sync(&self, direction: Direction) -> Arc<Report> {
        self.ask(Request::plain(direction))
    }

    fn ask(&self, request: Request) -> Arc<Report> {
        let (reply, answer) = crossbeam_channel::bounded(1);
        self.handle.sync(request, move |answer| drop(reply.send(answer)));
        answer.recv_timeout(LIMIT).expect("an answer").expect("a report")
    }

    /// A run at work has ended, too.
    fn pause(&self) {
        self.handle.pause(true);
        let began = Instant::now();
        while self.handle.snapshot().phase != Phase::Paused {
            assert!(began.elapsed() < LIMIT, "it was to be paused");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The runs so far: each with whether it looked at everything.
    fn whole_runs(&self) -> usize {
        lock(self.ran).iter().filter(|(_, whole)| *whole).count()
    }
}

fn shows(path: &Path, text: &str) {
    let began = Instant::now();
    while fs::read_to_string(path).ok().as_deref() != Some(text) {
        assert!(began.elapsed() < LIMIT, "{path:?} never showed {text:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn is_gone(path: &Path) {
    let began = Instant::now();
    while path.exists() {
        assert!(began.elapsed() < LIMIT, "{path:?} never went");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn what_is_saved_arrives_without_another_look_at_everything() {
    let world = World::new();
    fs::write(world.staging.join("old"), "old").expect("written");
    world.watched(|watching| {
        shows(&world.network.join("old"), "old");
        let before = watching.whole_runs();
        fs::write(world.staging.join("new"), "new").expect("written");
        shows(&world.network.join("new"), "new");
        fs::create_dir_all(world.staging.join("a/b/c")).expect("made");
        fs::write(world.staging.join("a/b/c/deep"), "deep").expect("written");
        shows(&world.network.join("a/b/c/deep"), "deep");
        fs::rename(world.staging.join("a"), world.staging.join("z")).expect("moved");
        shows(&world.network.join("z/b/c/deep"), "deep");
        is_gone(&world.network.join("a"));
        // Wine tells of what is in a moved folder by its old name.
        if cfg!(unix) {
            fs::write(world.staging.join("z/b/c/deep"), "deeper").expect("written");
            shows(&world.network.join("z/b/c/deep"), "deeper");
        }
        fs::remove_dir_all(world.staging.join("z")).expect("removed");
        is_gone(&world.network.join("z"));
        assert_eq!(watching.whole_runs(), before);
    });
}

#[test]
fn a_barrier_brings_in_all_that_came_before_it() {
    let world = World::new();
    world.watched(|watching| {
        for round in 0..20 {
            let text = round.to_string();
            fs::write(world.staging.join("file"), &text).expect("written");
            watching.sync(Direction::Up);
            // Whichever run carried it, this one began after.
            assert_eq!(fs::read_to_string(world.network.join("file")).expect("there"), text);
        }
        fs::write(world.network.join("theirs"), "theirs").expect("written");
        watching.sync(Direction::Down);
        assert_eq!(fs::read_to_string(world.staging.join("theirs")).expect("there"), "theirs");
    });
}

#[test]
fn a_conflict_is_told_with_each_run_until_somebody_decides() {
    let world = World::new();
    fs::write(world.staging.join("file"), "agreed").expect("written");
    world.watched(|watching| {
        shows(&world.network.join("file"), "agreed");
        watching.pause();
        fs::write(world.network.join("file"), "theirs").expect("written");
        fs::write(world.staging.join("file"), "ours!!").expect("written");
        assert_eq!(watching.sync(Direction::Up).conflicts.len(), 1);
        watching.handle.pause(false);
        fs::write(world.staging.join("other"), "other").expect("written");
        assert_eq!(watching.sync(Direction::Up).conflicts.len(), 1);
        assert_eq!(fs::read_to_string(world.network.join("file")).expect("there"), "theirs");
        for round in 0..5 {
            let name = format!("by itself {round}");
            fs::write(world.staging.join(&name), "more").expect("written");
            shows(&world.network.join(&name), "more");
            assert_eq!(watching.handle.snapshot().conflicts, 1, "a run that looked elsewhere says nothing of it");
        }
    });
}

#[test]
fn what_an_aborted_run_did_not_carry_is_carried_once_the_conflict_is_gone() {
    let world = World::new();
    fs::write(world.staging.join("file"), "agreed").expect("written");
    let abort = Request { policies: Policies::all(Policy::Abort), ..Request::plain(Direction::Both) };
    world.watched_with(abort, |watching| {
        shows(&world.network.join("file"), "agreed");
        watching.pause();
        fs::write(world.network.join("file"), "theirs").expect("written");
        fs::write(world.staging.join("file"), "ours!!").expect("written");
        fs::write(world.staging.join("other"), "other").expect("written");
        let request = Request { policies: Policies::all(Policy::Abort), ..Request::plain(Direction::Both) };
        assert_eq!(watching.ask(request).outcome, Outcome::Aborted);
        assert!(!world.network.join("other").exists());
        fs::write(world.staging.join("file"), "theirs").expect("written");
        assert_eq!(watching.sync(Direction::Up).outcome, Outcome::Done);
        shows(&world.network.join("other"), "other");
    });
}
