//! A command on the staged copy, and the steps in it.

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::line;
use crate::cli::drift::Severity;
use crate::cli::exit::Exit;
use crate::cli::gates::Found;
use crate::cli::run::Told;
use crate::run::steps::{self, Step};

#[derive(Serialize)]
struct StepItem<'a> {
    name: &'a str,
    state: &'static str,
    since: String,
}

fn items(steps: &[Step]) -> Vec<StepItem<'_>> {
    steps.iter().map(|step| StepItem { name: &step.name, state: step.state.word(), since: step.since() }).collect()
}

#[derive(Serialize)]
struct GateItem<'a> {
    gate: &'static str,
    level: &'static str,
    severity: Severity,
    state: &'a str,
    fatal: Option<&'static str>,
    message: &'a str,
    mend: Option<&'a str>,
    stops: bool,
    object: Option<&'a RawValue>,
}

fn gate(found: &Found) -> GateItem<'_> {
    let Found { asked, finding, stops } = found;
    GateItem {
        gate: asked.gate.word(),
        level: asked.level.word(),
        severity: finding.severity,
        state: &finding.state,
        fatal: finding.fatal,
        message: &finding.message,
        mend: finding.mend.as_deref(),
        stops: *stops,
        object: finding.object.as_deref(),
    }
}

/// The end of a `run`; without a pair there was no staging.
pub fn run(pair: Option<&str>, told: &Told, exit: Exit, given_up_by: Option<u8>) -> String {
    #[derive(Serialize)]
    struct Object<'a> {
        schema: &'static str,
        pair: Option<&'a str>,
        staged: bool,
        exit_code: u8,
        command: Option<u8>,
        given_up: bool,
        down: Option<&'a Value>,
        up: Option<&'a Value>,
        steps: Vec<StepItem<'a>>,
        gates: Vec<GateItem<'a>>,
    }
    line(&Object {
        schema: "driftless.run/1",
        pair,
        staged: pair.is_some(),
        exit_code: exit.code(),
        command: told.command.map(|ended| ended.code),
        given_up: given_up_by.is_some(),
        down: told.down.as_ref().map(|done| &done.carried.report),
        up: told.up.as_ref().map(|done| &done.carried.report),
        steps: items(&told.steps),
        gates: told.gates.iter().map(gate).collect(),
    })
}

/// What came of a word about a step.
pub fn step(pair: Option<&str>, told: &steps::Told, steps: &[Step], exit: Exit) -> String {
    #[derive(Serialize)]
    struct Object<'a> {
        schema: &'static str,
        pair: Option<&'a str>,
        exit_code: u8,
        message: &'a str,
        sync: Option<&'a Value>,
        steps: Vec<StepItem<'a>>,
    }
    line(&Object {
        schema: "driftless.step/1",
        pair,
        exit_code: exit.code(),
        message: told.words.trim_end(),
        sync: told.sync.as_ref().map(|carried| &carried.report),
        steps: items(steps),
    })
}
