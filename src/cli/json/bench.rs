//! What `bench` measured.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::{PathText, line};
use crate::bench::Request;
use crate::bench::findings::{Findings, Middle, Reading, Row, Traffic};
use crate::cli::bench::kind;
use crate::cli::exit::Exit;

/// Milliseconds, to the microsecond.
fn ms(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e3
}

fn span_ms(span: Duration) -> f64 {
    ms(span.as_secs_f64())
}

/// Ratios and exponents, to four places.
fn rounded(number: f64) -> f64 {
    (number * 1e4).round() / 1e4
}

#[derive(Serialize)]
struct Figure {
    median: f64,
    least: f64,
    most: f64,
}

impl Figure {
    fn of_ms(middle: Option<Middle>) -> Option<Figure> {
        middle.map(|middle| Figure { median: ms(middle.median), least: ms(middle.least), most: ms(middle.most) })
    }

    fn of(middle: Option<Middle>) -> Option<Figure> {
        middle.map(|middle| Figure { median: middle.median, least: middle.least, most: middle.most })
    }
}

#[derive(Serialize)]
struct Network<'a> {
    calls: &'a BTreeMap<&'static str, u64>,
    read_bytes: u64,
    written_bytes: u64,
}

impl<'a> From<&'a Traffic> for Network<'a> {
    fn from(traffic: &'a Traffic) -> Network<'a> {
        Network { calls: &traffic.calls, read_bytes: traffic.read, written_bytes: traffic.written }
    }
}

#[derive(Serialize)]
struct Single<'a> {
    wall_ms: f64,
    cpu_ms: Option<f64>,
    peak_bytes: Option<u64>,
    written_bytes: Option<u64>,
    network: Option<Network<'a>>,
}

impl<'a> From<&'a Reading> for Single<'a> {
    fn from(reading: &'a Reading) -> Single<'a> {
        Single {
            wall_ms: span_ms(reading.wall),
            cpu_ms: reading.cpu.map(span_ms),
            peak_bytes: reading.peak,
            written_bytes: reading.written,
            network: reading.network.as_ref().map(Network::from),
        }
    }
}

#[derive(Serialize)]
struct Result<'a> {
    files: u64,
    scenario: &'static str,
    tool: &'static str,
    failed: Option<&'a str>,
    wall_ms: Option<Figure>,
    cpu_ms: Option<Figure>,
    peak_bytes: Option<Figure>,
    written_bytes: Option<Figure>,
    calls: Option<Figure>,
    /// Ours by its; `null` for us.
    wall_ratio: Option<f64>,
    cpu_ratio: Option<f64>,
    readings: Vec<Single<'a>>,
}

impl<'a> Result<'a> {
    fn of(findings: &Findings, row: &'a Row) -> Result<'a> {
        Result {
            files: row.files,
            scenario: row.scenario.word(),
            tool: row.tool.word(),
            failed: row.failed.as_deref(),
            wall_ms: Figure::of_ms(row.wall()),
            cpu_ms: Figure::of_ms(row.cpu()),
            peak_bytes: Figure::of(row.peak()),
            written_bytes: Figure::of(row.written()),
            calls: Figure::of(row.calls()),
            wall_ratio: findings.ratio(row).map(rounded),
            cpu_ratio: findings.cpu_ratio(row).map(rounded),
            readings: row.readings.iter().map(Single::from).collect(),
        }
    }
}

#[derive(Serialize)]
struct Machine<'a> {
    system: &'a str,
    cores: usize,
    memory_bytes: Option<u64>,
}

#[derive(Serialize)]
struct Made {
    kind: &'static str,
    #[serde(flatten)]
    folder: Option<PathText>,
    seed: Option<u64>,
}

#[derive(Serialize)]
struct SizeItem {
    files: u64,
    folders: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct ToolItem<'a> {
    tool: &'static str,
    version: Option<&'a str>,
}

#[derive(Serialize)]
struct Growth {
    scenario: &'static str,
    tool: &'static str,
    exponent: f64,
    r_squared: Option<f64>,
}

#[derive(Serialize)]
struct LatencyItem {
    wait_ms: f64,
    width: usize,
    cache_ms: f64,
}

#[derive(Serialize)]
struct Object<'a> {
    schema: &'static str,
    outcome: &'static str,
    exit_code: u8,
    machine: Machine<'a>,
    project: Made,
    way: &'static str,
    rounds: u32,
    staging: &'a str,
    network: &'a str,
    latency: Option<LatencyItem>,
    sizes: Vec<SizeItem>,
    tools: Vec<ToolItem<'a>>,
    missing: Vec<&'static str>,
    results: Vec<Result<'a>>,
    growth: Vec<Growth>,
    peak_floor_bytes: Option<u64>,
    notes: &'a [String],
    elapsed_ms: u64,
}

/// Every reading, with what several of them come to.
pub fn bench(request: &Request, findings: &Findings, exit: Exit) -> String {
    let (kind, folder) = kind(&request.project);
    let growth = findings.fits().into_iter().map(|(scenario, tool, fit)| Growth {
        scenario: scenario.word(),
        tool: tool.word(),
        exponent: rounded(fit.exponent),
        r_squared: fit.r_squared.map(rounded),
    });
    line(&Object {
        schema: "driftless.bench/1",
        outcome: exit.outcome(),
        exit_code: exit.code(),
        machine: Machine { system: &findings.system, cores: findings.cores, memory_bytes: findings.memory },
        project: Made { kind, folder: folder.map(PathText::whole), seed: folder.is_none().then_some(request.seed) },
        way: request.way.word(),
        rounds: request.rounds,
        staging: &findings.staging,
        network: &findings.network,
        latency: request.far.map(|far| LatencyItem {
            wait_ms: span_ms(far.wait),
            width: far.width,
            cache_ms: span_ms(far.caches),
        }),
        sizes: findings
            .sizes
            .iter()
            .map(|size| SizeItem { files: size.files, folders: size.folders, bytes: size.bytes })
            .collect(),
        tools: findings.tools.iter().map(|one| ToolItem { tool: one.tool.word(), version: one.version.as_deref() }).collect(),
        missing: findings.missing.iter().map(|tool| tool.word()).collect(),
        results: findings.rows.iter().map(|row| Result::of(findings, row)).collect(),
        growth: growth.collect(),
        peak_floor_bytes: findings.floor,
        notes: &findings.notes,
        elapsed_ms: u64::try_from(findings.elapsed.as_millis()).unwrap_or(u64::MAX),
    })
}
