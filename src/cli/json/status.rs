//! What `status` found.

use serde::Serialize;

use super::{ConflictItem, PathText, ProblemItem, Sides, UpDown, line};
use crate::cli::exit::Exit;
use crate::engine::{LastRun, RootHealth, Status};
use crate::model::side::{PerSide, Side};
use crate::model::utc::rfc3339;
use crate::service::Snapshot;

/// What `status` found; `pending` is what a sync would do each way.
pub fn status(
    pair: &str,
    status: &Status,
    in_step: Option<bool>,
    pending: PerSide<u64>,
    exit: Exit,
    watched: Option<&Snapshot>,
) -> String {
    #[derive(Serialize)]
    struct Root {
        #[serde(flatten)]
        path: PathText,
        reachable: bool,
        file_system: String,
        free: Option<u64>,
        message: Option<String>,
    }
    #[derive(Serialize)]
    struct Last<'a> {
        started: String,
        direction: &'a str,
        outcome: Option<&'a str>,
    }
    #[derive(Serialize)]
    struct Object<'a> {
        schema: &'static str,
        pair: &'a str,
        exit_code: u8,
        in_step: Option<bool>,
        roots: Sides<Root>,
        pending: UpDown,
        conflicts: Vec<ConflictItem>,
        problems: Vec<ProblemItem<'a>>,
        last_run: Option<Last<'a>>,
        watch: Option<&'a Snapshot>,
    }
    let root = |side: Side| {
        let RootHealth { path, reachable, file_system, message } = &status.roots[side];
        let (file_system, message) = (file_system.clone(), message.clone());
        Root { path: PathText::whole(path), reachable: *reachable, file_system, free: status.free[side], message }
    };
    fn last(run: &LastRun) -> Last<'_> {
        Last { started: rfc3339(run.started), direction: &run.direction, outcome: run.outcome.as_deref() }
    }
    let listed = status.report.as_ref();
    line(&Object {
        schema: "driftless.status/1",
        pair,
        exit_code: exit.code(),
        in_step,
        roots: Sides { staging: root(Side::Staging), network: root(Side::Network) },
        pending: UpDown { up: pending.staging, down: pending.network },
        conflicts: listed.map(ConflictItem::all).unwrap_or_default(),
        problems: listed.map(|report| report.problems.iter().map(Into::into).collect()).unwrap_or_default(),
        last_run: status.last_run.as_ref().map(last),
        watch: watched,
    })
}
