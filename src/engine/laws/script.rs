//! Scripts: two volumes that behave in some way, and what happens to them.

use proptest::prelude::*;
use proptest::sample::select;

use super::edits::Edit;
use super::play::POLICIES;
use crate::disk::sim::{Crash, Habits, Ids, Restamp};
use crate::model::conflict::Policy;
use crate::model::side::{Direction, Side};

/// How the volumes behave.
#[derive(Clone, Debug)]
pub struct Shape {
    pub seed: u64,
    pub staging: Kind,
    pub network: Kind,
}

/// The volumes that are tried.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Local,
    /// With a clock so fine that no two changes share a time.
    Fine,
    Folding,
    Fat,
    Smb,
    Sshfs,
    /// Uploads later, and stamps with its own time.
    Dav,
    /// Stamps with its own time now and then.
    Fickle,
}

impl Kind {
    pub fn habits(self) -> Habits {
        match self {
            Kind::Local => Habits::LOCAL,
            Kind::Fine => Habits { ids: Ids::Stable, tick_ns: 1, ..Habits::LOCAL },
            Kind::Folding => Habits { folds_case: true, folds_unicode: true, ..Habits::LOCAL },
            Kind::Fat => Habits::FAT,
            Kind::Smb => Habits::SMB,
            Kind::Sshfs => Habits::SSHFS,
            Kind::Dav => Habits::DAV,
            Kind::Fickle => Habits { restamp: Restamp::Some, ..Habits::SSHFS },
        }
    }
}

#[derive(Clone, Debug)]
pub enum Step {
    Edit(Side, Edit),
    /// Seconds.
    Wait(u16),
    Remount(Side),
    Sync(Sync),
    /// The root's path leads to an empty folder for one run.
    Empty(Side, Direction),
    Undo,
    /// The newest version of one of the paths in the trash comes back.
    Restore(u16),
    /// The base is gone: the manifest was deleted, or `relink` gave it up.
    Forget {
        relink: bool,
    },
    /// A folder that is a file on one side and was edited on the other is decided by a run that is killed.
    Ruling {
        side: Side,
        after: u16,
    },
    Busy(Busy),
    /// A folder with many files is made here, and deleted once it is on both sides.
    Mass(Side),
    /// A root is put back from a backup that is older than a run.
    PutBack(Side),
    Settle,
}

/// A run carries something over to `to`, and somebody saves a file in the middle of it.
#[derive(Clone, Copy, Debug)]
pub struct Busy {
    pub to: Side,
    pub carried: Carried,
    /// Where it is saved.
    pub at: Side,
    /// Just before this call at its path.
    pub before: &'static str,
    /// So many such calls are let pass.
    pub pass: u8,
    /// By a rename, as editors do.
    pub by_rename: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    Edit,
    Delete,
    DeleteFolder,
    Move,
    MoveFolder,
    /// A file in the place of its folder.
    Kind,
}

/// What a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Plain,
    /// `conflicts resolve`.
    Resolve,
    /// `revert`.
    Revert,
}

#[derive(Clone, Debug)]
pub struct Sync {
    pub way: Way,
    pub direction: Direction,
    pub policy: Policy,
    /// A path of that side which it is limited to.
    pub path: Option<(Side, u16)>,
    pub allow_deletes: bool,
    pub verify: bool,
    /// Faults, each so many times of a million calls.
    pub weather: u32,
    pub meddling: Vec<Meddling>,
    pub stop: Option<CrashPoint>,
}

impl Sync {
    /// Undisturbed, with no flags.
    pub fn plain(direction: Direction) -> Sync {
        Sync {
            way: Way::Plain,
            direction,
            policy: Policy::Hold,
            path: None,
            allow_deletes: false,
            verify: false,
            weather: 0,
            meddling: Vec::new(),
            stop: None,
        }
    }
}

/// A user acts in the middle of a run.
#[derive(Clone, Debug)]
pub struct Meddling {
    /// Calls of the engine before it.
    pub after: u16,
    pub side: Side,
    /// At what the engine is about to do this with.
    pub aimed: Option<&'static str>,
    pub edit: Edit,
}

#[derive(Clone, Debug)]
pub struct CrashPoint {
    pub after: u16,
    pub staging: Crash,
    pub network: Crash,
}

pub fn any_side() -> impl Strategy<Value = Side> {
    select(&Side::BOTH[..])
}

pub fn any_edit() -> impl Strategy<Value = Edit> {
    let number = || any::<u16>();
    prop_oneof![
        6 => (number(), any::<u8>()).prop_map(|(folder, name)| Edit::Create { folder, name }),
        4 => number().prop_map(Edit::Write),
        3 => number().prop_map(Edit::Replace),
        1 => number().prop_map(Edit::Append),
        4 => number().prop_map(Edit::Delete),
        4 => (number(), number(), any::<u8>()).prop_map(|(from, folder, name)| Edit::Move { from, folder, name }),
        1 => (number(), number()).prop_map(|(a, b)| Edit::Swap(a, b)),
        3 => (number(), any::<u8>()).prop_map(|(folder, name)| Edit::MakeFolder { folder, name }),
        1 => (number(), any::<u8>(), any::<u8>()).prop_map(|(folder, name, target)| Edit::Link { folder, name, target }),
        1 => (number(), any::<bool>()).prop_map(|(number, closed)| Edit::Chmod(number, closed)),
        1 => (number(), any::<u8>()).prop_map(|(number, days)| Edit::Touch(number, days)),
        1 => number().prop_map(Edit::Disguise),
        1 => number().prop_map(Edit::Turn),
    ]
}

/// Calls between a look and what it was for.
const AIMS: [&str; 8] = ["look", "read", "read stat", "link", "exchange", "rename", "remove folder", "touch"];

fn any_direction() -> impl Strategy<Value = Direction> {
    select(&[Direction::Up, Direction::Down, Direction::Both, Direction::Both][..])
}

fn any_sync() -> impl Strategy<Value = Sync> {
    let way = prop_oneof![12 => Just(Way::Plain), 1 => Just(Way::Resolve), 1 => Just(Way::Revert)];
    let policy = prop_oneof![5 => Just(Policy::Hold), 4 => select(&POLICIES[..])];
    let path = prop::option::weighted(0.1, (any_side(), any::<u16>()));
    let weather = prop_oneof![5 => Just(0_u32), 2 => Just(20_000_u32), 1 => Just(150_000_u32)];
    let aimed = prop::option::weighted(0.7, select(&AIMS[..]));
    let meddling = (0_u16..200, any_side(), aimed, any_edit());
    let meddling = meddling.prop_map(|(after, side, aimed, edit)| Meddling { after, side, aimed, edit });
    let meddling = prop_oneof![5 => Just(Vec::new()), 3 => prop::collection::vec(meddling, 1..4)];
    let crash = || select(&[Crash::Killed, Crash::Power][..]);
    let stop = (0_u16..150, crash(), crash()).prop_map(|(after, staging, network)| CrashPoint { after, staging, network });
    let stop = prop::option::weighted(0.3, stop);
    (way, any_direction(), policy, path, any::<bool>(), prop::bool::weighted(0.1), weather, meddling, stop).prop_map(
        |(way, direction, policy, path, allow_deletes, verify, weather, meddling, stop)| Sync {
            way,
            direction,
            policy,
            path,
            allow_deletes,
            verify,
            weather,
            meddling,
            stop,
        },
    )
}

const CARRIED: [Carried; 7] =
    [Carried::Edit, Carried::Edit, Carried::Delete, Carried::DeleteFolder, Carried::Move, Carried::MoveFolder, Carried::Kind];

fn any_busy() -> impl Strategy<Value = Busy> {
    (any_side(), select(&CARRIED[..]), any_side(), select(&AIMS[..]), 0_u8..4, any::<bool>())
        .prop_map(|(to, carried, at, before, pass, by_rename)| Busy { to, carried, at, before, pass, by_rename })
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        14 => (any_side(), any_edit()).prop_map(|(side, edit)| Step::Edit(side, edit)),
        10 => any_sync().prop_map(Step::Sync),
        2 => (0_u16..90).prop_map(Step::Wait),
        1 => any_side().prop_map(Step::Remount),
        1 => (any_side(), any_direction()).prop_map(|(side, direction)| Step::Empty(side, direction)),
        1 => Just(Step::Undo),
        1 => any::<u16>().prop_map(Step::Restore),
        1 => prop_oneof![
            any::<bool>().prop_map(|relink| Step::Forget { relink }),
            any_side().prop_map(Step::Mass),
            (any_side(), 60_u16..260).prop_map(|(side, after)| Step::Ruling { side, after }),
            any_side().prop_map(Step::PutBack),
        ],
        3 => any_busy().prop_map(Step::Busy),
        2 => Just(Step::Settle),
    ]
}

pub fn any_script() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(any_step(), 4..40)
}

pub fn any_shape() -> impl Strategy<Value = Shape> {
    let local = prop_oneof![3 => Just(Kind::Local), 1 => Just(Kind::Fine), 1 => Just(Kind::Fat), 1 => Just(Kind::Folding)];
    let far = prop_oneof![3 => Just(Kind::Sshfs), 2 => Just(Kind::Smb), 3 => Just(Kind::Local), 1 => Just(Kind::Fat), 1 => Just(Kind::Dav), 1 => Just(Kind::Fickle)];
    (any::<u64>(), local, far).prop_map(|(seed, staging, network)| Shape { seed, staging, network })
}
