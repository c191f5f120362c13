//! How a pair stands: its roots, what waits each way, the last run.

use super::error::{Error, ErrorKind};
use super::open::{Access, Session};
use super::report::{Outcome, Report};
use super::request::{Options, Pair, Request};
use super::sync::sync;
use super::unsent::unsent;
use crate::manifest::Reader;
use crate::model::conflict::Policies;
use crate::model::side::{Direction, PerSide, Side};
use crate::model::time::Time;

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// One root's health.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootHealth {
    pub path: PathBuf,
    pub reachable: bool,
    /// The type of file system it lies on; empty where that could not be found out.
    pub file_system: String,
    /// What is wrong with it.
    pub message: Option<String>,
}

/// The last run that came to an end or was killed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastRun {
    pub started: Time,
    pub direction: String,
    /// `None`: it was killed, or it still runs.
    pub outcome: Option<String>,
}

#[derive(Debug)]
pub struct Status {
    pub roots: PerSide<RootHealth>,
    /// A dry run in both directions; `None` where a root cannot be looked at.
    pub report: Option<Report>,
    pub last_run: Option<LastRun>,
    /// Changes of staging that are not on the network, where that root is out of reach; `None` where nobody knows.
    pub unsent: Option<u64>,
    /// Bytes free on each root's file system.
    pub free: PerSide<Option<u64>>,
}

pub fn status(pair: &Pair, options: &Options, policies: Policies, stop: &AtomicBool) -> Result<Status, Error> {
    let mut status = Status {
        roots: PerSide::new(health(&pair.staging, options), health(&pair.network, options)),
        report: None,
        last_run: last_run(pair)?,
        unsent: None,
        free: PerSide::default(),
    };
    match Session::open(pair, options, Access::LookOnly, Duration::ZERO, &|_| {}, stop) {
        Ok(session) => {
            for side in Side::BOTH {
                status.free[side] = session.roots[side].space().ok().map(|space| space.free);
            }
        }
        Err(error) => {
            let side = match &error {
                Error::Offline { side, .. } | Error::Root { side, .. } => Some(*side),
                Error::Refused(super::report::Refusal::Identity { side, .. }) => Some(*side),
                _ => None,
            };
            let Some(side) = side else { return Err(error) };
            status.roots[side].reachable = error.kind() != ErrorKind::Offline;
            status.roots[side].message = Some(error.to_string());
            if side == Side::Network && !status.roots[side].reachable {
                status.unsent = unsent(pair, options, stop);
            }
            return Ok(status);
        }
    }
    let request = Request { dry_run: true, policies, yes: true, list_actions: true, ..Request::plain(Direction::Both) };
    let report = sync(pair, &request, options, &|_| {}, stop)?;
    if let Outcome::Offline { side, message } = &report.outcome {
        status.roots[*side].reachable = false;
        status.roots[*side].message = Some(message.clone());
        status.unsent = Some(report.pending.staging).filter(|_| *side == Side::Network);
        return Ok(status);
    }
    status.report = Some(report);
    Ok(status)
}

fn health(path: &std::path::Path, options: &Options) -> RootHealth {
    let file_system = options.reach.detect(path).map(|verdict| verdict.file_system).unwrap_or_default();
    RootHealth { path: path.to_owned(), reachable: true, file_system, message: None }
}

fn last_run(pair: &Pair) -> Result<Option<LastRun>, Error> {
    let Some(reader) = Reader::open(&pair.state)? else { return Ok(None) };
    let last = reader.some_runs(Some(1))?.pop();
    Ok(last.map(|run| LastRun { started: run.started, direction: run.direction, outcome: run.outcome }))
}
