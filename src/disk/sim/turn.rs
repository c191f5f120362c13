//! One call of the engine: what may happen before it, whether it is reached at all, its line in the log.

use std::fmt::Debug;

use super::acts::{Act, Answer};
use super::faults::{Fault, SILENCE_NS};
use super::medium::By;
use super::tree::Ino;
use super::{Inner, World};
use crate::disk::{Error, ErrorKind, Node, Result, Space};
use crate::model::digest::Digesting;
use crate::model::entry::Stamp;
use crate::model::listing::Listing;
use crate::model::path::{Name, RelPath};

/// A call of the engine as a hook sees it.
#[derive(Clone, Debug)]
pub struct Call {
    pub number: u64,
    pub volume: String,
    /// `open`, `rename`, `link`, `space`, `flush all`, `device`, `still there`, `list`, `look`, `read`, `stage`, `resume`,
    /// `stage over`, `keep`, `exchange`, `make`, `make link`, `remove`, `remove folder`, `touch`, `touch self`, `flush`, `has writer`, `try`,
    /// `read bytes`, `holes`, `read stat`, `write`, `skip`, `pause`, `finish`, `rename, second half`.
    pub op: &'static str,
    pub path: RelPath,
    /// The new name of renames and links.
    pub to: Option<RelPath>,
}

/// How the engine is stopped at its crash point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// By unwinding with [`Stopped`], for `catch_unwind`: nothing of the engine runs on but what is dropped.
    Unwind,
    /// By errors: all calls fail with [`ErrorKind::Gone`].
    Fail,
}

/// What a stop by unwinding carries.
#[derive(Debug)]
pub struct Stopped;

/// What each open thing knows of where it belongs.
#[derive(Clone)]
pub(super) struct Handle {
    pub world: World,
    pub seat: usize,
    pub era: u64,
}

/// What a call is about.
#[derive(Clone, Copy)]
pub(super) enum At<'a> {
    Path(&'a RelPath),
    Paths(&'a RelPath, &'a RelPath),
    /// A folder that was opened at `opened`, and names in it.
    In {
        folder: Ino,
        opened: &'a RelPath,
        name: Option<&'a Name>,
        to: Option<&'a Name>,
    },
}

impl At<'_> {
    fn paths(&self, inner: &Inner, seat: usize) -> (RelPath, Option<RelPath>) {
        match *self {
            At::Path(path) => (path.clone(), None),
            At::Paths(from, to) => (from.clone(), Some(to.clone())),
            At::In { folder, opened, name, to } => {
                let tree = &inner.seats[seat].medium.tree;
                let at = tree.inodes.get(&folder).and_then(|_| tree.path_of(folder)).unwrap_or_else(|| opened.clone());
                (name.map_or_else(|| at.clone(), |name| at.join(name)), to.map(|to| at.join(to)))
            }
        }
    }
}

impl Handle {
    /// Carries out one call. A fault that only changes the answer is handed to `act`.
    pub fn call<T: Told>(
        &self,
        op: &'static str,
        at: At<'_>,
        act: impl FnOnce(&mut Act<'_>, Option<Fault>) -> Answer<T>,
    ) -> Result<T> {
        let call = self.begin(op, at)?;
        let meddled = self.world.meddle(&call);
        let mut inner = self.world.lock();
        let answer = match meddled {
            Some(kind) => Err(kind),
            None => self.answer(&mut inner, &call, act),
        };
        let line = format!("{} {}", call.line(), told(&answer));
        inner.log.push(line);
        answer.map_err(|kind| call.error(kind))
    }

    fn begin(&self, op: &'static str, at: At<'_>) -> Result<Call> {
        let mut inner = self.world.lock();
        let (path, to) = at.paths(&inner, self.seat);
        let call = Call { number: inner.calls + 1, volume: inner.seats[self.seat].name.clone(), op, path, to };
        if inner.stopped {
            return Err(call.error(ErrorKind::Gone));
        }
        inner.calls += 1;
        if let Some((_, how)) = inner.stop.filter(|(last, _)| call.number > *last) {
            inner.stopped = true;
            inner.log.push(format!("{} stopped", call.line()));
            drop(inner);
            if how == Stop::Unwind && !std::thread::panicking() {
                std::panic::resume_unwind(Box::new(Stopped));
            }
            return Err(call.error(ErrorKind::Gone));
        }
        Ok(call)
    }

    fn answer<T>(&self, inner: &mut Inner, call: &Call, act: impl FnOnce(&mut Act<'_>, Option<Fault>) -> Answer<T>) -> Answer<T> {
        inner.pass_call();
        let (stopped, now) = (inner.stopped, inner.now);
        let seat = &mut inner.seats[self.seat];
        // The path can be asked about by who holds the volume that is away.
        let holds_away = call.op == "still there" && seat.away.as_ref().is_some_and(|away| away.era == self.era);
        if stopped || seat.gone || (seat.medium.era != self.era && !holds_away) {
            return Err(ErrorKind::Gone);
        }
        let fault = seat.plan.draw(call.op, &call.path, &mut seat.faults);
        inner.faults += u64::from(fault.is_some());
        let seat = &mut inner.seats[self.seat];
        match fault {
            None | Some(Fault::ShortListing | Fault::HalfWrite | Fault::LateIo | Fault::Hang) => {}
            Some(fault) => {
                seat.gone = fault == Fault::Gone;
                return Err(fault.kind(seat.medium.habits.remote));
            }
        }
        seat.medium.now = now;
        let mut acting = Act { medium: &mut seat.medium, by: By::Engine, fallen: Vec::new() };
        let answer = act(&mut acting, fault);
        let fallen = std::mem::take(&mut acting.fallen);
        let habits = acting.medium.habits;
        inner.lose(self.seat, fallen, &call.line());
        match fault {
            Some(Fault::LateIo) if habits.remote => answer.and(Err(Fault::LateIo.kind(true))),
            Some(Fault::Hang) => {
                inner.seats[self.seat].gone = true;
                inner.pass(SILENCE_NS);
                Err(Fault::Hang.kind(true))
            }
            _ => answer,
        }
    }

    /// A look at the volume that is no call, for what is closed.
    pub fn quietly(&self, act: impl FnOnce(&mut super::medium::Medium)) {
        let mut inner = self.world.lock();
        let medium = &mut inner.seats[self.seat].medium;
        if medium.era == self.era {
            act(medium);
        }
    }
}

impl World {
    /// Lets the hook act, with nothing locked; it is taken out meanwhile, as what it does may come through here again.
    fn meddle(&self, call: &Call) -> Option<ErrorKind> {
        let hook = self.lock().hook.take();
        let mut hook = hook?;
        let answer = hook(call);
        self.lock().hook.get_or_insert(hook);
        answer
    }
}

impl Call {
    fn line(&self) -> String {
        let Call { number, volume, op, path, to } = self;
        let to = to.as_ref().map_or_else(String::new, |to| format!(" to {to}"));
        format!("#{number} {volume} {op} {path}{to}:")
    }

    fn error(&self, kind: ErrorKind) -> Error {
        Error::new(self.op, &self.path, kind, std::io::Error::other(format!("simulated: {kind:?}")))
    }
}

/// An answer as the log has it.
pub(super) trait Told: Debug {
    fn told(&self) -> String {
        format!("{self:?}")
    }
}

impl Told for () {}
impl Told for bool {}
impl Told for u64 {}
impl Told for usize {}
impl Told for Option<bool> {}
impl Told for Option<(u64, u64)> {}
impl Told for Option<Node> {}
impl Told for Node {}
impl Told for Space {}
impl Told for (Ino, Stamp, bool) {}
impl Told for (Ino, Stamp) {}
impl Told for (Ino, Stamp, Ino) {}

impl Told for Listing<Node> {
    /// By a digest: a log of whole listings would be most of the work.
    fn told(&self) -> String {
        let mut digesting = Digesting::default();
        for item in self {
            let Stamp { size, mtime, ctime, id } = item.value.stamp;
            digesting.update(&item.name);
            [size, mtime.0.cast_unsigned(), ctime.0.cast_unsigned(), id].iter().for_each(|n| digesting.update(&n.to_le_bytes()));
        }
        format!("{} names {:?}", self.len(), digesting.finish())
    }
}

fn told<T: Told>(answer: &Answer<T>) -> String {
    match answer {
        Ok(value) => value.told(),
        Err(kind) => format!("failed, {kind:?}"),
    }
}
