//! What goes wrong, by seeded rules: which fault, at which operation, below which path, how often.

use std::collections::BTreeSet;

use super::seed::Seed;
use crate::disk::ErrorKind;
use crate::model::path::RelPath;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// EIO. On a remote volume that is told as [`ErrorKind::Gone`], as the real disk does.
    Io,
    Full,
    Denied,
    Busy,
    /// The root goes away: this and all calls fail until [`super::Volume::returns`].
    Gone,
    /// The name is told to be absent; the next call at that path is answered truly. After that the fault may come again.
    FalseAbsent,
    /// A listing leaves entries out and says nothing. No real disk is meant to do it: for proving that the oracle bites.
    ShortListing,
    /// Half of the bytes are written, then EIO.
    HalfWrite,
    /// The call is carried out and then fails like [`Fault::Io`], as where a server's answer is lost; on remote volumes only.
    LateIo,
    /// No answer: after [`SILENCE_NS`] the root is given up and is away, and the call has been carried out all the same.
    Hang,
}

/// How long a call that hangs is waited for.
pub const SILENCE_NS: u64 = 20_000_000_000;

/// One line of the plan.
#[derive(Clone, Debug)]
pub struct Rule {
    pub fault: Fault,
    /// Operation of the call log; `None` for every one at which the fault makes sense.
    pub op: Option<&'static str>,
    /// The paths that are hit: this one and what lies below it.
    pub below: RelPath,
    /// Of a million calls.
    pub chance: u32,
    /// How often it may still happen; `None` is no limit.
    pub left: Option<u32>,
}

impl Rule {
    /// Anywhere, `chance` times of a million calls.
    pub fn often(fault: Fault, chance: u32) -> Rule {
        Rule { fault, op: None, below: RelPath::root(), chance, left: None }
    }

    /// At the next call of `op` at `path` or below it.
    pub fn next(fault: Fault, op: &'static str, path: &RelPath) -> Rule {
        Rule { fault, op: Some(op), below: path.clone(), chance: 1_000_000, left: Some(1) }
    }
}

/// All honest faults at once, each `chance` times of a million calls; a root that goes away or hangs is ten times as rare.
pub fn weather(chance: u32) -> Vec<Rule> {
    let all = [Fault::Io, Fault::LateIo, Fault::Full, Fault::Denied, Fault::Busy, Fault::FalseAbsent, Fault::HalfWrite];
    let mut rules: Vec<Rule> = all.map(|fault| Rule::often(fault, chance)).into();
    rules.extend([Fault::Gone, Fault::Hang].map(|fault| Rule::often(fault, chance / 10)));
    rules
}

impl Fault {
    /// Does it make sense at this operation?
    fn fits(self, op: &str) -> bool {
        match self {
            Fault::Io | Fault::LateIo | Fault::Gone | Fault::Hang => true,
            Fault::Full => matches!(op, "stage" | "resume" | "write" | "make" | "make link" | "link" | "rename" | "finish"),
            Fault::Denied | Fault::Busy => !matches!(op, "space" | "device" | "still there" | "read bytes" | "read stat"),
            Fault::FalseAbsent => matches!(op, "open" | "look" | "read" | "rename" | "remove" | "touch"),
            Fault::ShortListing => op == "list",
            Fault::HalfWrite => op == "write",
        }
    }

    pub(super) fn kind(self, remote: bool) -> ErrorKind {
        match self {
            Fault::Io | Fault::LateIo | Fault::HalfWrite | Fault::ShortListing if !remote => ErrorKind::Other,
            Fault::Io | Fault::LateIo | Fault::HalfWrite | Fault::ShortListing | Fault::Gone | Fault::Hang => ErrorKind::Gone,
            Fault::Full => ErrorKind::Full,
            Fault::Denied => ErrorKind::Denied,
            Fault::Busy => ErrorKind::Busy,
            Fault::FalseAbsent => ErrorKind::Absent,
        }
    }
}

/// The rules of one volume, and what is left of them.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub rules: Vec<Rule>,
    /// Paths at which the last call told a false absence.
    pub lied: BTreeSet<RelPath>,
}

impl Plan {
    pub fn draw(&mut self, op: &str, path: &RelPath, seed: &mut Seed) -> Option<Fault> {
        let honest = self.lied.remove(path);
        for rule in &mut self.rules {
            let meant = rule.op.map_or_else(|| rule.fault.fits(op), |wanted| wanted == op) && path.is_within(&rule.below);
            let spent = rule.left == Some(0) || (rule.fault == Fault::FalseAbsent && (honest || path.is_root()));
            if !meant || spent || !seed.chance(rule.chance) {
                continue;
            }
            rule.left = rule.left.map(|left| left - 1);
            if rule.fault == Fault::FalseAbsent {
                self.lied.insert(path.clone());
            }
            return Some(rule.fault);
        }
        None
    }
}
