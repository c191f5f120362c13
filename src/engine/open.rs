//! Open a pair: both roots by handle, the lock, the manifest, who the roots are and what they can do.

use super::claim;
use super::error::Error;
use super::identify::{Standing, identify};
use super::in_place;
use super::report::{Progress, Refusal, WaitingFor, Way};
use super::request::{APPEND, Options, Pair, WHOLE};
use super::store::{Store, open_store};
use super::waiting::Waiting;
use crate::disk::clock::{Moment, now};
use crate::disk::{self, Root, local};
use crate::manifest::{self};
use crate::model::growing::Torn;
use crate::model::ignore::Patterns;
use crate::model::shown::{quoted, short};
use crate::model::side::{PerSide, Side};
use crate::model::time::Time;
use crate::model::traits::Traits;
use crate::model::utc;
use crate::model::vouch::Clock;
use crate::roots::edges::{self, KnownRoot};
use crate::roots::mounts::Verdict;
use crate::roots::reach::Reach;
use crate::roots::{self, own, probe};
use crate::transfer::in_place::{Mark, marks};

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// May this opening write (markers, lock, manifest)?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Write,
    LookOnly,
}

/// A pair that is open.
pub(super) struct Session<'a> {
    pub pair: &'a Pair,
    pub options: &'a Options,
    pub roots: PerSide<Arc<dyn Root>>,
    pub verdicts: PerSide<Verdict>,
    pub traits: PerSide<Traits>,
    pub clocks: PerSide<Clock>,
    /// Our monotonic clock just after each was asked.
    pub asked: PerSide<Moment>,
    /// How long a call takes there; nothing where nothing was asked.
    pub round_trips: PerSide<Duration>,
    pub started: Time,
    pub store: Store,
    pub standing: Standing,
    /// Another state folder's runs have overtaken the base: it is believed only where nobody touched a file since.
    pub stale_base: bool,
    pub patterns: Patterns,
    /// What the patterns are, to be compared with those of the run that wrote the base.
    pub patterns_text: String,
    /// Files that programs only append to.
    pub append: Patterns,
    /// Large files of the network root that may be written into where they stand.
    pub in_place: Patterns,
    /// Folders that are carried whole or not at all.
    pub whole: Patterns,
    /// Files that were written to while they were copied.
    pub torn: Vec<Torn>,
    /// Files of the network root that were written half.
    pub half: Vec<Mark>,
    pub notes: Vec<String>,
    /// A staging folder that stands in for one that a dry run may not make.
    _stand_in: Option<local::Scratch>,
    /// Freed when this run ends, however it ends.
    _lock: Option<local::Lock>,
}

/// What `init` did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Initialised {
    /// The pair is new.
    pub created: bool,
    pub notes: Vec<String>,
}

/// Pairs the roots: folders, markers, manifest. The same pair again is no error.
pub fn init(pair: &Pair, options: &Options) -> Result<Initialised, Error> {
    let stop = AtomicBool::new(false);
    let session = Session::open(pair, options, Access::Write, Duration::ZERO, &|_| {}, &stop)?;
    Ok(Initialised { created: session.standing.created, notes: session.notes })
}

impl<'a> Session<'a> {
    /// Opens the pair, waiting up to `wait` for the lock and for a root that is out of reach.
    pub fn open(
        pair: &'a Pair,
        options: &'a Options,
        access: Access,
        wait: Duration,
        tell: &(dyn Fn(Progress) + Sync),
        stop: &AtomicBool,
    ) -> Result<Session<'a>, Error> {
        Session::open_waiting(pair, options, access, &Waiting::new(wait, tell, stop))
    }

    /// The same, where a run may already be waiting for a root.
    pub fn open_waiting(
        pair: &'a Pair,
        options: &'a Options,
        access: Access,
        waiting: &Waiting<'_>,
    ) -> Result<Session<'a>, Error> {
        let mut session = Session::unidentified(pair, options, access, manifest::exists(&pair.state), waiting)?;
        session.standing = identify(&mut session, access)?;
        claim::heed(&mut session)?;
        session.read_patterns()?;
        session.torn = session.store.torn()?;
        session.half = marks(&in_place::folder(pair, session.standing.markers.network.as_ref()))?;
        session.measure(access)?;
        Ok(session)
    }

    /// Both roots, the lock and the manifest, before anything is believed of them. A root of a `known` pair is not made
    /// where it is missing.
    pub fn unidentified(
        pair: &'a Pair,
        options: &'a Options,
        access: Access,
        known: bool,
        waiting: &Waiting<'_>,
    ) -> Result<Session<'a>, Error> {
        let stand_in = make_staging(pair, options, access, known)?;
        let staging_path = stand_in.as_ref().map_or(pair.staging.as_path(), local::Scratch::path);
        let (paths, verdicts) = locate(pair, staging_path, known, options, waiting)?;
        let roots = open_roots(&paths, &verdicts, options, waiting)?;
        let lock = match access {
            Access::Write => Some(take_lock(&*roots.staging, &paths.staging, waiting)?),
            Access::LookOnly => None,
        };
        let (store, mut notes) = open_store(pair, options, access)?;
        let mut session = Session {
            pair,
            options,
            traits: PerSide::new(Traits::LOCAL, Traits::LOCAL),
            clocks: PerSide::new(Clock::Own(Time(0)), Clock::Own(Time(0))),
            asked: PerSide::new(Moment::now(), Moment::now()),
            round_trips: PerSide::default(),
            started: now(),
            standing: Standing::default(),
            stale_base: false,
            patterns: Patterns::none(),
            patterns_text: String::new(),
            append: Patterns::none(),
            in_place: Patterns::none(),
            whole: Patterns::none(),
            torn: Vec::new(),
            half: Vec::new(),
            notes: Vec::new(),
            roots,
            verdicts,
            store,
            _stand_in: stand_in,
            _lock: lock,
        };
        session.notes.append(&mut notes);
        Ok(session)
    }

    /// The patterns of the network root's `driftless.toml`, then this machine's.
    fn read_patterns(&mut self) -> Result<(), Error> {
        let shared = super::look::shared_patterns(&*self.roots.network)?;
        let all: Vec<&str> = shared.ignore.iter().flatten().chain(&self.options.ignore).map(String::as_str).collect();
        self.patterns = Patterns::new(all.iter().copied())?;
        self.patterns_text = all.join("\n");
        self.append = nearest(self.options.append.as_ref(), shared.append, &APPENDED)?;
        self.in_place = Patterns::new(self.options.in_place.iter().map(String::as_str))?;
        self.whole = nearest(self.options.whole.as_ref(), shared.whole, &WHOLES)?;
        Ok(())
    }

    /// What the roots can do, measured once and remembered; and their clocks.
    fn measure(&mut self, access: Access) -> Result<(), Error> {
        for side in Side::BOTH {
            let remembered = self.store.root(side)?.and_then(|record| record.traits);
            self.traits[side] = match (remembered, access) {
                (Some(traits), _) => traits,
                (None, Access::Write) => {
                    let probed = probe::probe(&*self.roots[side], &self.verdicts[side]).map_err(Error::at(side))?;
                    if probed.measured {
                        self.standing.remember_traits(&mut self.store, side, probed.traits)?;
                    }
                    probed.traits
                }
                (None, Access::LookOnly) => guessed(&self.verdicts[side]),
            };
            let day_ago = Clock::DayAgo(Time(now().0 - 86_400_000_000_000));
            let before = Moment::now();
            (self.clocks[side], self.asked[side]) = match access {
                Access::LookOnly => (day_ago, before),
                Access::Write => match probe::clock(&*self.roots[side]) {
                    Ok((time, asked)) => (Clock::Own(time), asked),
                    Err(error) if error.is_gone() => return Err(Error::at(side)(error)),
                    Err(_) => (day_ago, before),
                },
            };
            self.round_trips[side] = before.elapsed() / CALLS_FOR_THE_TIME;
        }
        Ok(())
    }
}

/// So many calls ask a root for its time: a folder opened; a file made, written, looked at by name and handle, and removed.
const CALLS_FOR_THE_TIME: u32 = 6;

/// Compiled once a process: a watch process opens its pair with every run.
static APPENDED: LazyLock<Patterns> = LazyLock::new(|| built_in(APPEND));
static WHOLES: LazyLock<Patterns> = LazyLock::new(|| built_in(WHOLE));

fn built_in(list: &str) -> Patterns {
    Patterns::new(list.split(',')).expect("patterns of this program can be read")
}

/// The patterns of this machine, else those of the network root, else the default.
fn nearest(own: Option<&Vec<String>>, shared: Option<Vec<String>>, default: &Patterns) -> Result<Patterns, Error> {
    match own.or(shared.as_ref()) {
        Some(list) => Ok(Patterns::new(list.iter().map(String::as_str))?),
        None => Ok(default.clone()),
    }
}

/// A dry run may not try anything out: careful where the mount says network, normal else.
fn guessed(verdict: &Verdict) -> Traits {
    let (remote, fuse) = (verdict.network, verdict.is_fuse());
    let sure = !remote && !fuse;
    let granularity_ns = if sure { 1 } else { 1_000_000_000 };
    Traits { remote, fuse, ctime: sure, ids: sure, granularity_ns, ..Traits::LOCAL }
}

/// Staging is made for a new pair. A known pair whose staging is gone is not made anew: that would look like a user
/// who deleted everything.
fn make_staging(pair: &Pair, options: &Options, access: Access, known: bool) -> Result<Option<local::Scratch>, Error> {
    let (reach, at) = (&options.reach, Error::disk_at);
    if known || reach.is_folder(&pair.staging).map_err(at(Side::Staging))? {
        return Ok(None);
    }
    if reach.is_taken(&pair.staging).map_err(at(Side::Staging))? {
        let message = format!("the staging root {} is not a folder", quoted(&pair.staging));
        return Err(Error::Refused(Refusal::Roots { message }));
    }
    // Checked before anything is made, so that a mistyped network path leaves nothing behind.
    if !reach.is_folder(&pair.network).map_err(at(Side::Network))? {
        let message = format!("the network root {} does not exist or is not a folder", quoted(&pair.network));
        return Err(Error::Refused(Refusal::Roots { message }));
    }
    let network = reach.canonicalize(&pair.network).map_err(at(Side::Network))?;
    let inside = reach.real_path(&pair.staging).map_err(at(Side::Staging))?.starts_with(network);
    if inside {
        let message =
            format!("the staging root {} lies inside the network root {}", quoted(&pair.staging), quoted(&pair.network));
        return Err(Error::Refused(Refusal::Roots { message }));
    }
    if access == Access::LookOnly {
        return Ok(Some(local::Scratch::new()?));
    }
    local::make_folders_like(&pair.staging, &pair.network)?;
    Ok(None)
}

/// Where the roots really are, what they lie on, and that they may be a pair.
fn locate(
    pair: &Pair,
    staging: &Path,
    known: bool,
    options: &Options,
    waiting: &Waiting<'_>,
) -> Result<(PerSide<PathBuf>, PerSide<Verdict>), Error> {
    let given = PerSide::new(staging, pair.network.as_path());
    let mut found = PerSide::new(None, None);
    for side in Side::BOTH {
        let mut last = format!("{} is not there", quoted(given[side]));
        let one = waiting.attempt(WaitingFor::Root(side), || locate_one(side, given[side], known, &options.reach, &mut last))?;
        found[side] = Some(one.ok_or(Error::Offline { side, message: last })?);
    }
    let found = found.map(|found| found.expect("set for both sides above"));
    let places = found.as_ref().map(|found| found.place.clone());
    let others: Vec<KnownRoot> = pair
        .others
        .iter()
        .flat_map(|other| {
            let root = |side, path: &PathBuf| KnownRoot { pair: other.name.clone(), side, path: path.clone() };
            [root(Side::Staging, &other.staging), root(Side::Network, &other.network)]
        })
        .collect();
    edges::check(&places, &others).map_err(refused)?;
    let PerSide { staging, network } = found;
    Ok((PerSide::new(staging.path, network.path), PerSide::new(staging.verdict, network.verdict)))
}

struct Located {
    path: PathBuf,
    /// Asked anew with each attempt: what is waited for may be the mount.
    verdict: Verdict,
    place: edges::Place,
}

/// `None` where a root may come back; `last` then says what was wrong.
fn locate_one(side: Side, given: &Path, known: bool, reach: &Reach, last: &mut String) -> Result<Option<Located>, Error> {
    let verdict = match reach.detect(given) {
        Err(error) if error.is_gone() => {
            *last = error.to_string();
            return Ok(None);
        }
        other => other.map_err(Error::at(side))?,
    };
    let path = match reach.canonicalize_on(given, &verdict) {
        Ok(path) => path,
        Err(error) if error.kind == disk::ErrorKind::Gone => {
            *last = error.to_string();
            return Ok(None);
        }
        // A known root that is not there is a mount that is gone, until somebody says otherwise.
        Err(error) if known && side == Side::Network && error.kind == disk::ErrorKind::Absent => return Ok(None),
        Err(error) if error.kind == disk::ErrorKind::Absent && known => {
            let message = format!("{} does not exist any more", quoted(given));
            return Err(Error::Refused(Refusal::Identity { side, message, way: Way::Place }));
        }
        Err(error) => {
            let message = format!("the {side} root {} cannot be used: {}", quoted(given), error.source);
            return Err(Error::Refused(Refusal::Roots { message }));
        }
    };
    let found = reach.chain(&path, &verdict);
    if let Err(error) = &found
        && (error.kind == disk::ErrorKind::Gone || disk::is_gone(&error.source, verdict.network))
    {
        // A path can be found although the mount at its end does not answer.
        *last = error.to_string();
        return Ok(None);
    }
    match edges::place(side, &path, found) {
        Ok(place) => Ok(Some(Located { path, verdict, place })),
        Err(refusal) => Err(refused(refusal)),
    }
}

fn refused(refusal: edges::Refusal) -> Error {
    Error::Refused(Refusal::Roots { message: refusal.to_string() })
}

fn open_roots(
    paths: &PerSide<PathBuf>,
    verdicts: &PerSide<Verdict>,
    options: &Options,
    waiting: &Waiting<'_>,
) -> Result<PerSide<Arc<dyn Root>>, Error> {
    let open = |side: Side| {
        let mut last = String::new();
        let root = waiting.attempt(WaitingFor::Root(side), || match options.reach.open_root(&paths[side], &verdicts[side]) {
            Ok(root) => Ok(Some(root)),
            Err(error) if error.kind == disk::ErrorKind::Gone => {
                last = error.to_string();
                Ok(None)
            }
            Err(error) => {
                let message = format!("the {side} root {} cannot be opened: {}", quoted(&paths[side]), error.source);
                Err(Error::Refused(Refusal::Roots { message }))
            }
        })?;
        root.ok_or(Error::Offline { side, message: last })
    };
    Ok(PerSide::new(open(Side::Staging)?, open(Side::Network)?))
}

/// The place of the one who watches a pair ([`super::request::Watched`]), or of the one who runs a command on its staging root.
/// It is no lock of the pair: each run takes that, so that others come in between two runs.
pub struct Post(#[expect(dead_code, reason = "freed when it goes")] local::Lock);

/// Whose place it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    Watch,
    Run,
    /// That of each run of the engine, for who keeps all of them out.
    Sync,
}

/// Takes that place.
///
/// # Errors
/// [`Error::Busy`] where another process has it for longer than `wait`; else that staging cannot be used.
pub fn take_post(
    pair: &Pair,
    options: &Options,
    duty: Duty,
    wait: Duration,
    tell: &(dyn Fn(Progress) + Sync),
    stop: &AtomicBool,
) -> Result<Post, Error> {
    let place = match duty {
        Duty::Watch => own::post_path(&pair.staging),
        Duty::Run => own::run_path(&pair.staging),
        Duty::Sync => own::lock_path(&pair.staging),
    };
    let verdict = options.reach.detect(&pair.staging).map_err(Error::at(Side::Staging))?;
    let root = options.reach.open_root(&pair.staging, &verdict).map_err(Error::disk_at(Side::Staging))?;
    make_own_folder(&*root)?;
    Ok(Post(try_lock(&place, &Waiting::new(wait, tell, stop))?))
}

/// The pair's lock lies in staging, so that two state folders share it; its holder can be read.
fn take_lock(staging: &dyn Root, path: &Path, waiting: &Waiting<'_>) -> Result<local::Lock, Error> {
    make_own_folder(staging)?;
    // RACE: the lock is opened by path. A link put in the place of `.driftless` since the look above has the lock file made
    // where it leads; nothing but that file is written there.
    try_lock(&own::lock_path(path), waiting)
}

fn make_own_folder(staging: &dyn Root) -> Result<(), Error> {
    let refused = |error: roots::Error| match error.kind() {
        Some(disk::ErrorKind::Denied | disk::ErrorKind::ReadOnly) => Error::Refused(Refusal::ReadOnly { side: Side::Staging }),
        _ => Error::at(Side::Staging)(error),
    };
    own::open_or_make(staging).map(drop).map_err(refused)
}

/// Waits for the lock; who holds it can be read in the file.
pub(super) fn try_lock(file: &Path, waiting: &Waiting<'_>) -> Result<local::Lock, Error> {
    let holder = format!("host {}, process {}, since {}", local::host_name(), std::process::id(), utc::rfc3339(now()));
    let lock = waiting.attempt(WaitingFor::Lock, || Ok(local::Lock::try_take(file, &holder)?))?;
    lock.ok_or_else(|| Error::Busy { holder: short(&local::Lock::holder(file).unwrap_or_default()) })
}
