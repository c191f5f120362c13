//! A pair on two simulated volumes, and how one step of a script is done to it.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::edits::{Contents, Edit, Touched};
use super::oracle::{Oracle, Versions, digests};
use super::script::{Meddling, Shape, Step, Sync, Way};
use crate::disk::ErrorKind;
use crate::disk::clock::simulated::Simulated;
use crate::disk::sim::{Crash, Flush, Loss, Place, Seated, Stop, Stopped, User, Volume, World, weather};
use crate::engine::report::{Counts, Outcome, Report};
use crate::engine::request::{Deletes, Durability, Options, Pair, Request, Watched};
use crate::engine::{self, undo};
use crate::manifest::Reader;
use crate::model::conflict::{Policies, Policy};
use crate::model::digest::Digest;
use crate::model::entry::Content;
use crate::model::path::RelPath;
use crate::model::side::{Direction, PerSide, Side};
use crate::model::time::Time;
use crate::roots::reach::Reach;

/// Where users and the oracle meet: also called in the middle of a run.
#[derive(Default)]
pub struct Users {
    contents: Contents,
    pub oracle: Oracle,
    pub versions: Versions,
    /// Paths that users touched in the present run, or so short before it that a cache may hide it.
    touched: Vec<RelPath>,
    /// A run is going on.
    meanwhile: bool,
    /// What users saved in it.
    saved: BTreeSet<Digest>,
    /// What was saved on a side that is looked at through a cache, and until when that may show what was before.
    cached: PerSide<Vec<(Digest, Time)>>,
    /// The same for paths.
    hidden: Vec<(RelPath, Time)>,
}

pub struct Play {
    pub(super) world: World,
    pub(super) volumes: PerSide<Volume>,
    flushes: PerSide<Flush>,
    pub(super) users: Arc<Mutex<Users>>,
    pub(super) pair: Pair,
    pub(super) options: Options,
    /// A run may have come to its end: the two folders have met.
    met: bool,
    /// A root was mounted anew since the last run.
    remounted: bool,
    /// What a run did to paths that showed the same on both sides and that nobody touched.
    phantom: Option<String>,
    /// Losses that were looked at, and those of them that are hidden under temporary names.
    losses: usize,
    hidden: Vec<Loss>,
    pub(super) tally: Tally,
    /// Every step with what came of it, for the report of a failure.
    pub story: Vec<String>,
    _seated: Seated,
    _clocks: Simulated,
}

/// How much was tried.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub runs: u64,
    /// Runs that were cut off at their crash point.
    pub crashes: u64,
    /// Calls of the engine at the volumes, and those that a fault answered.
    pub calls: u64,
    pub faults: u64,
}

/// How a run ended.
pub enum Ended {
    Report(Box<Report>),
    Error(engine::Error),
    /// At its crash point.
    Cut,
}

pub type Broken = Result<(), String>;

impl Play {
    pub fn new(shape: &Shape) -> Play {
        let world = World::new(shape.seed);
        let clocks = world.hold();
        let volumes =
            PerSide::new(world.volume("staging", shape.staging.habits()), world.volume("network", shape.network.habits()));
        let seated = Seated::begin([("staging", volumes.staging.clone()), ("network", volumes.network.clone())]);
        let pair = Pair {
            name: "play".to_owned(),
            state: seated.path("state"),
            staging: seated.path("staging"),
            network: seated.path("network"),
            others: Vec::new(),
        };
        let options = Options {
            durability: Durability::Full,
            ignore: Vec::new(),
            append: None,
            in_place: Vec::new(),
            whole: None,
            trash_max: Some(1 << 29),
            trash_age: Duration::from_secs(30 * 86_400),
            reserve: 0,
            conflict_copy_max: 1 << 20,
            threads: Some(1),
            reach: Reach::new(Duration::from_secs(20), Arc::default()),
            watched: Watched::default(),
        };
        Play {
            world,
            volumes,
            flushes: PerSide::new(shape.staging.habits().flush, shape.network.habits().flush),
            users: Arc::default(),
            pair,
            options,
            phantom: None,
            met: false,
            remounted: false,
            losses: 0,
            hidden: Vec::new(),
            tally: Tally::default(),
            story: Vec::new(),
            _seated: seated,
            _clocks: clocks,
        }
    }

    pub fn users(&self) -> MutexGuard<'_, Users> {
        self.users.lock().expect("no panic before")
    }

    /// Somebody works on one side, as far as it can be done.
    pub(super) fn work(&self, side: Side, act: impl FnOnce(&User) -> Result<(), ErrorKind>) {
        work(&self.volumes, &self.users, side, act);
    }

    /// Does one step and checks what has to hold after each.
    pub fn step(&mut self, step: &Step) -> Broken {
        match step {
            Step::Edit(side, edit) => edit_now(&self.volumes, &self.users, *side, edit),
            Step::Wait(seconds) => self.world.advance(u64::from(*seconds) * 1_000_000_000),
            Step::Remount(side) => {
                self.remounted |= engine_knows(&self.pair);
                self.volumes[*side].remount();
            }
            Step::Sync(sync) => self.sync(sync)?,
            Step::Empty(side, direction) => self.run_on_empty(*side, *direction)?,
            Step::Undo => self.undo()?,
            Step::Restore(number) => self.restore(*number)?,
            Step::Forget { relink } => self.forget_base(*relink)?,
            Step::Busy(busy) => self.busy(*busy)?,
            Step::Mass(side) => self.mass(*side)?,
            Step::Ruling { side, after } => self.killed_ruling(*side, *after)?,
            Step::PutBack(side) => self.put_back(*side)?,
            Step::Settle => self.settle()?,
        }
        self.story.push(format!("{step:?}"));
        self.check()
    }

    /// What has to hold at any moment.
    pub(super) fn check(&mut self) -> Broken {
        if let Some(phantom) = self.phantom.take() {
            return Err(phantom);
        }
        let both = self.volumes.clone();
        self.users().versions.look(&both);
        let losses = self.world.losses();
        // The second name that an old version gets in the trash goes again where somebody's save came between; saved by a
        // rename, it had taken the first.
        let saved_over = |loss: &&Loss| loss.from == Place::Trash && self.users().versions.is_given_up(loss.content);
        // Its own user saved over it before it had arrived; it was shown for one call and taken back for somebody's save there.
        let taken_back = |loss: &&Loss| loss.call.contains(" exchange ") && self.users().versions.is_withdrawn(loss.content);
        let excused = |loss: &&Loss| saved_over(loss) || taken_back(loss);
        let new = losses[self.losses..].iter().filter(|loss| loss.elsewhere == 0 && !excused(loss)).cloned();
        let new: Vec<Loss> = new.collect();
        self.hidden.extend(new);
        self.losses = losses.len();
        let volumes = self.volumes.clone();
        self.hidden.retain(|loss| {
            let side = if loss.volume == "staging" { Side::Staging } else { Side::Network };
            volumes[side].names_of(&loss.bytes).safe() == 0
        });
        // Under a temporary name it can be for the moment of an exchange, and after a crash in it until the next run.
        if let Some(loss) = self.hidden.iter().find(|loss| loss.hidden == 0) {
            return Err(told_loss(loss));
        }
        for side in Side::BOTH {
            if let Some(path) = self.volumes[side].torn().first() {
                return Err(format!("{path} in {side} shows what nobody wrote"));
            }
        }
        Ok(())
    }

    pub(super) fn run(&mut self, act: impl FnOnce(&Pair, &Options, &AtomicBool) -> Result<Report, engine::Error>) -> Ended {
        let stop = AtomicBool::new(false);
        self.tally.runs += 1;
        (self.met, self.remounted) = (true, false);
        let (equal, began) = (self.equal(), self.world.now());
        let before = self.volumes.as_ref().map(Volume::project);
        {
            let mut users = self.users();
            users.hidden.retain(|(_, until)| *until > began);
            users.touched = users.hidden.iter().map(|(path, _)| path.clone()).collect();
            users.meanwhile = true;
            users.saved.clear();
        }
        let ended = match catch_unwind(AssertUnwindSafe(|| act(&self.pair, &self.options, &stop))) {
            Ok(Ok(report)) => Ended::Report(Box::new(report)),
            Ok(Err(error)) => Ended::Error(error),
            Err(payload) if payload.is::<Stopped>() => Ended::Cut,
            Err(payload) => resume_unwind(payload),
        };
        self.users().meanwhile = false;
        self.excuse_what_a_cache_hid(&before, began);
        if matches!(ended, Ended::Cut) {
            self.excuse_what_was_about_to_be_put_back();
        }
        let after = self.equal();
        let touched = std::mem::take(&mut self.users().touched);
        let alone = |path: &RelPath| !touched.iter().any(|other| other.is_within(path) || path.is_within(other));
        let changed = equal.into_iter().find(|(path, content)| after.get(path) != Some(content) && alone(path));
        self.phantom = changed.map(|(path, _)| format!("equal on both sides, touched by nobody, and changed by a run: {path}"));
        ended
    }

    /// What is in a folder that another kind replaces is told by the mount's cache (docs/safety.md): what was saved there and
    /// not shown yet goes to the trash with it.
    fn excuse_what_a_cache_hid(&mut self, before: &PerSide<Vec<(RelPath, Content)>>, began: Time) {
        for side in Side::BOTH {
            let after: BTreeMap<RelPath, Content> = self.volumes[side].project().into_iter().collect();
            let was_folder = |path: &RelPath| before[side].iter().any(|(at, content)| at == path && *content == Content::Folder);
            let replaced = |path: &RelPath| {
                let turned = |above: &RelPath| after.get(above).is_some_and(|now| *now != Content::Folder) && was_folder(above);
                path.ancestors().iter().any(turned)
            };
            let gone = before[side].iter().filter(|(path, _)| replaced(path)).filter_map(|(_, content)| content.digest());
            let gone: BTreeSet<Digest> = gone.collect();
            let mut users = self.users();
            let Users { versions, cached, .. } = &mut *users;
            cached[side].retain(|(_, until)| *until >= began);
            versions.unseen.extend(cached[side].iter().map(|(content, _)| *content).filter(|content| gone.contains(content)));
        }
    }

    /// What somebody saved between a look and the rename into the trash stays there where a kill comes before it is put back
    /// (docs/safety.md, windows that cannot be closed).
    fn excuse_what_was_about_to_be_put_back(&self) {
        let shown = &digests(&self.volumes.staging) | &digests(&self.volumes.network);
        let mut users = self.users();
        let Users { versions, saved, .. } = &mut *users;
        versions.unseen.extend(&*saved - &shown);
    }

    /// What both sides show alike.
    fn equal(&self) -> BTreeMap<RelPath, Content> {
        let network: BTreeMap<RelPath, Content> = self.volumes.network.project().into_iter().collect();
        self.volumes.staging.project().into_iter().filter(|(path, content)| network.get(path) == Some(content)).collect()
    }

    fn sync(&mut self, sync: &Sync) -> Broken {
        if sync.weather > 0 && !engine_knows(&self.pair) {
            // A root whose marker may not be written then stays one without.
            engine::init(&self.pair, &self.options).map_err(|error| format!("cannot be paired: {error}"))?;
        }
        let before = self.volumes.as_ref().map(Volume::project);
        let (met, remounted, calls) = (self.met, self.remounted, self.world.log().len());
        self.prepare(sync);
        let request = self.request(sync);
        let ended = self.run(|pair, options, stop| engine::sync(pair, &request, options, &|_| {}, stop));
        self.world.leave_alone();
        self.tally.crashes += u64::from(matches!(ended, Ended::Cut));
        if !matches!(ended, Ended::Report(_)) {
            for side in Side::BOTH {
                let written = Touched::since(before[side].clone(), &self.volumes[side]).paths;
                self.users().oracle.cut_off.extend(written);
            }
        }
        if let Some(stop) = &sync.stop {
            // Where the stop was not reached it is a power cut right after the run.
            self.volumes.staging.crash(stop.staging);
            // A server that loses what it said was kept is known by its marker's generation: then a run refuses.
            let proves = self.flushes.network == Flush::Proves;
            self.volumes.network.crash(if proves { stop.network } else { Crash::Killed });
            self.world.crash(Crash::Killed);
        }
        for side in Side::BOTH {
            self.volumes[side].plan(Vec::new());
            self.volumes[side].returns();
        }
        let calm = sync.weather == 0 && sync.stop.is_none();
        self.users().oracle.disturbed |= !calm;
        self.users().oracle.taken_back |= sync.way == Way::Revert || (sync.weather > 0 && self.claim_was_hidden(calls));
        // At the first meeting only a policy that was given for this very run.
        let policy = matches!(sync.policy, Policy::Prefer(_)) && (met || sync.way == Way::Resolve);
        self.users().versions.ruled |= policy || sync.way == Way::Revert;
        // Where both are kept the network's folder keeps its name, with what staging had deleted in it.
        self.users().oracle.ruled |= policy || (sync.policy == Policy::KeepBoth && met);
        self.story.push(told(&ended));
        if let Ended::Report(report) = &ended
            && remounted
            && !sync.allow_deletes
            && report.counts.deleted_files + report.counts.deleted_folders > 0
        {
            return Err(format!("mounted anew, and deleted: {}", told(&ended)));
        }
        if let Some(quiet) = written_never(sync) {
            let power = sync.stop.as_ref().is_some_and(|stop| PerSide::new(stop.staging, stop.network)[quiet] == Crash::Power);
            let edited = sync.meddling.iter().any(|meddling| meddling.side == quiet);
            if !edited && !power && before[quiet] != self.volumes[quiet].project() {
                return Err(format!("{:?} wrote in {quiet}", sync.direction));
            }
        }
        match ended {
            Ended::Error(error) if calm => Err(format!("failed with nothing wrong: {error}")),
            Ended::Report(report)
                if calm && !matches!(report.outcome, Outcome::Done | Outcome::Aborted | Outcome::Refused(_)) =>
            {
                Err(format!("ended as {:?} with nothing wrong", report.outcome))
            }
            _ => Ok(()),
        }
    }

    /// A claim that is told to be absent, or not to be ours, makes the base an overtaken one: then what was deleted may come
    /// back.
    fn claim_was_hidden(&self, since: usize) -> bool {
        let failed = |line: &str| line.ends_with("failed, Absent") || line.ends_with("claim.toml: failed, Denied");
        let hidden = |line: &String| line.contains(" staging ") && line.contains(".driftless") && failed(line);
        self.world.log()[since..].iter().any(hidden)
    }

    /// Faults, users who act in the middle, and the crash point.
    fn prepare(&mut self, sync: &Sync) {
        for side in Side::BOTH {
            self.volumes[side].plan(weather(sync.weather));
        }
        let first = self.world.calls();
        let mut waiting: Vec<Meddling> = sync.meddling.clone();
        let (volumes, users) = (self.volumes.clone(), self.users.clone());
        // Where two names cannot be exchanged, or their trial failed, there are windows that nothing can close.
        let mut window = PerSide::new(false, false);
        let exchanges = PerSide::new(Side::Staging, Side::Network).map(|side| sync.weather == 0 && self.exchanges(side));
        self.world.before_each(move |call| {
            waiting.retain(|meddling| {
                let Meddling { after, side, aimed, edit } = meddling;
                let volume = &volumes[*side];
                if call.number < first + u64::from(*after) || window[*side] && !exchanges[*side] {
                    return true;
                }
                let Some(op) = aimed else {
                    edit_now(&volumes, &users, *side, edit);
                    return false;
                };
                let here = call.op == *op && call.volume == volume.name() && volume.traits().exchange;
                let paths = [Some(&call.path), call.to.as_ref()].into_iter().flatten().filter(|_| here);
                let aimed = paths.filter_map(|path| edit.aimed(volume, path)).next();
                aimed.as_ref().inspect(|edit| edit_now(&volumes, &users, *side, edit)).is_none()
            });
            let side = Side::BOTH.into_iter().find(|&side| call.volume == volumes[side].name());
            side.into_iter().for_each(|side| window[side] = call.op == "link" || window[side] && call.op != "rename");
            None
        });
        if let Some(stop) = &sync.stop {
            self.world.stop_after(u64::from(stop.after), Stop::Unwind);
        }
    }

    /// Can it, and is that known?
    fn exchanges(&self, side: Side) -> bool {
        let reader = Reader::open(&self.pair.state).ok().flatten();
        let known = reader.and_then(|reader| reader.root(side).ok().flatten()).and_then(|record| record.traits);
        self.volumes[side].traits().exchange && known.is_none_or(|traits| traits.exchange)
    }

    fn request(&self, sync: &Sync) -> Request {
        let paths = sync.path.iter().filter_map(|&(side, number)| {
            let paths = self.volumes[side].project();
            paths.get(usize::from(number) % paths.len().max(1)).map(|(path, _)| path.clone())
        });
        let take = match sync.way {
            Way::Revert => Some(Side::Network),
            Way::Plain | Way::Resolve => None,
        };
        Request {
            paths: paths.collect(),
            policies: Policies::all(sync.policy),
            policies_by_flag: sync.way == Way::Resolve,
            take,
            verify: sync.verify,
            yes: true,
            deletes: if sync.allow_deletes { Deletes::Allow } else { Deletes::Guarded },
            ..Request::plain(if take.is_some() { Direction::Down } else { sync.direction })
        }
    }

    fn undo(&mut self) -> Broken {
        self.users().oracle.taken_back = true;
        self.users().versions.ruled = true;
        let own = PerSide::new(Side::Staging, Side::Network).map(|side| self.users().versions.own(side, &self.volumes[side]));
        let request =
            undo::Request { run: engine::history::Which::Last, paths: Vec::new(), dry_run: false, wait: Duration::ZERO };
        let stop = AtomicBool::new(false);
        let (before, began) = (self.volumes.as_ref().map(Volume::project), self.world.now());
        match undo::undo(&self.pair, &request, &self.options, &|_| {}, &stop) {
            Ok(_) | Err(engine::Error::NoSuchRun(_)) => {}
            Err(error) => return Err(format!("undo failed with nothing wrong: {error}")),
        }
        self.excuse_what_a_cache_hid(&before, began);
        for side in Side::BOTH {
            let own = &own[side] - &self.users().versions.unseen;
            if !own.is_subset(&digests(&self.volumes[side])) {
                return Err(format!("taking back displaced what only {side} had"));
            }
        }
        Ok(())
    }

    /// A root whose path leads to an empty folder: nothing may follow from that.
    fn run_on_empty(&mut self, side: Side, direction: Direction) -> Broken {
        if !engine_knows(&self.pair) {
            // Nobody could tell.
            return Ok(());
        }
        let before = self.volumes.as_ref().map(Volume::project);
        self.volumes[side].swap_for_empty();
        let request = Request { yes: true, deletes: Deletes::Allow, ..Request::plain(direction) };
        let ended = self.run(|pair, options, stop| engine::sync(pair, &request, options, &|_| {}, stop));
        let stand_in = self.volumes[side].stand_in();
        self.volumes[side].swap_back();
        self.story.push(told(&ended));
        let refused = matches!(&ended, Ended::Report(report) if matches!(report.outcome, Outcome::Refused(_)));
        if !refused {
            return Err(format!("took an empty folder for {side}: {}", told(&ended)));
        }
        let written = stand_in.iter().any(|line| !line.contains(".driftless"));
        if written || before != self.volumes.as_ref().map(Volume::project) {
            return Err(format!("wrote although {side} was an empty folder"));
        }
        Ok(())
    }

    /// Fair weather, nobody edits: after a few runs there is nothing left to do, and the laws of rest hold.
    pub fn settle(&mut self) -> Broken {
        let mut last = None;
        for _ in 0..6 {
            self.world.advance(120_000_000_000);
            let request = Request { yes: true, deletes: Deletes::Allow, ..Request::plain(Direction::Both) };
            let report = match self.run(|pair, options, stop| engine::sync(pair, &request, options, &|_| {}, stop)) {
                Ended::Report(report) => report,
                other => return Err(format!("at rest: {}", told(&other))),
            };
            self.story.push(format!("at rest: {}", told_report(&report)));
            if report.outcome != Outcome::Done {
                return Err(format!("at rest the run ended as {:?}", report.outcome));
            }
            self.check()?;
            let quiet = report.counts == Counts::default() && report.held.is_none();
            last = Some(report);
            if quiet {
                break;
            }
        }
        let report = last.expect("at least one run");
        if report.counts != Counts::default() || report.held.is_some() {
            return Err(format!("never comes to rest: {}", told_report(&report)));
        }
        if let Some(loss) = self.hidden.first() {
            return Err(told_loss(loss));
        }
        let mut broken = {
            let users = self.users();
            users.oracle.judge(&self.volumes, &report, &users.versions)
        };
        let (world, volumes) = (self.world.clone(), self.volumes.clone());
        broken.extend(self.users().versions.judge(&world, &volumes));
        if !broken.is_empty() {
            return Err(broken.join("; "));
        }
        if report.conflicts.is_empty() && report.problems.is_empty() {
            let mut users = self.users();
            users.oracle.forget();
            users.versions.ruled = false;
        }
        Ok(())
    }

    /// What was tried so far.
    pub fn tally(&self) -> Tally {
        Tally { calls: self.world.calls(), faults: self.world.faults(), ..self.tally }
    }

    /// The calls of the engine, for the report of a failure.
    pub fn log(&self) -> Vec<String> {
        self.world.log()
    }
}

fn told_loss(loss: &Loss) -> String {
    let text = String::from_utf8_lossy(&loss.bytes[..loss.bytes.len().min(8)]).into_owned();
    format!("lost {text:?}, last on {} as {}: {}", loss.volume, loss.path, loss.call)
}

pub fn edit_now(volumes: &PerSide<Volume>, users: &Mutex<Users>, side: Side, edit: &Edit) {
    let mut users = users.lock().expect("no panic before");
    // The looks around a visible step leave the change time out (docs/safety.md).
    if users.meanwhile && matches!(edit, Edit::Disguise(_)) {
        return;
    }
    let touched = edit.apply(&volumes[side], &mut users.contents);
    users.note(volumes, side, &touched);
}

pub fn work(volumes: &PerSide<Volume>, users: &Mutex<Users>, side: Side, act: impl FnOnce(&User) -> Result<(), ErrorKind>) {
    let before = volumes[side].project();
    let _ = act(&volumes[side].user());
    let touched = Touched::since(before, &volumes[side]);
    users.lock().expect("no panic before").note(volumes, side, &touched);
}

impl Users {
    fn note(&mut self, volumes: &PerSide<Volume>, side: Side, touched: &Touched) {
        self.oracle.edited(side, touched, &volumes[side]);
        self.versions.edited(side, touched);
        if self.meanwhile {
            self.saved.extend(&touched.made);
        }
        let until = volumes[side].hidden_until();
        self.hidden.extend(touched.paths.iter().map(|path| (path.clone(), until)));
        // What was moved there, too.
        let shown = volumes[side].project().into_iter().filter(|(path, _)| touched.paths.iter().any(|top| path.is_within(top)));
        self.cached[side].extend(shown.filter_map(|(_, content)| content.digest()).map(|content| (content, until)));
        let traits = volumes[side].traits();
        if self.meanwhile && traits.folds() {
            let respelled = |path: &&RelPath| touched.paths.iter().any(|other| other != *path && other.folded() == path.folded());
            self.oracle.respelled.extend(touched.paths.iter().filter(respelled).cloned());
        }
        if self.meanwhile && !traits.ctime && !traits.ids {
            self.versions.unseen.extend(&touched.same_size);
        }
        self.touched.extend_from_slice(&touched.paths);
    }
}

/// The side in which a run of this direction writes nothing.
fn written_never(sync: &Sync) -> Option<Side> {
    match (sync.way, sync.direction) {
        (Way::Revert, _) | (_, Direction::Down) => Some(Side::Network),
        (_, Direction::Up) => Some(Side::Staging),
        (_, Direction::Both) => None,
    }
}

/// Has a run recorded the roots, so that another one is known for another?
pub fn engine_knows(pair: &Pair) -> bool {
    Reader::open(&pair.state)
        .ok()
        .flatten()
        .and_then(|reader| reader.root(Side::Network).ok().flatten())
        .is_some_and(|record| !record.id.is_empty())
}

pub fn told(ended: &Ended) -> String {
    match ended {
        Ended::Report(report) => told_report(report),
        Ended::Error(error) => format!("  failed: {error}"),
        Ended::Cut => "  cut".to_owned(),
    }
}

fn told_report(report: &Report) -> String {
    let paths = |paths: &mut dyn Iterator<Item = &RelPath>| paths.map(ToString::to_string).collect::<Vec<_>>();
    format!(
        "  {:?}: {:?}, conflicts {:?}, problems {:?}, pending {:?}",
        report.outcome,
        report.counts,
        paths(&mut report.conflicts.iter().map(|conflict| &conflict.path)),
        report.problems.iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect::<Vec<_>>(),
        report.pending,
    )
}

/// The policies that are tried.
pub const POLICIES: [Policy; 5] =
    [Policy::Hold, Policy::Prefer(Side::Staging), Policy::Prefer(Side::Network), Policy::KeepBoth, Policy::Abort];
