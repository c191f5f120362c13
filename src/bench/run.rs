//! One measurement from beginning to end: sizes, scenarios, rounds, and in each round one tool after the other. Who begins moves
//! by one each round, so that nobody always runs on a machine that somebody else just made busy.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::change;
use super::findings::{Findings, Present, Reading, Row};
use super::layer::Layer;
use super::peer::{Purpose, Tool};
use super::plot::{Plot, census};
use super::profile::Blueprint;
use super::scenario::Scenario;
use super::stand::{Stand, Turn};
use super::{Error, Progress, Project, Request, Stopped, Way, watched};
use crate::disk::{ground, local, meter};
use crate::roots::mounts;

/// Measures everything that was asked for. Where somebody stops it, the findings hold what there is until then.
pub fn measure(request: &Request, told: &dyn Fn(Progress), stopped: &Stopped) -> Result<Findings, Error> {
    let began = Instant::now();
    let left = sweep(&[&request.staging, &request.network]);
    let mut findings = about(request);
    findings.notes.extend(left);
    room(request)?;
    let tools = present(request, &mut findings);
    let turns = Turns { all: count_turns(request, &tools), done: Cell::new(0), told };
    for &files in &request.scales {
        let (plot, odd) = match Plot::make(request, files, told, stopped) {
            Err(Error::Stopped) => break,
            made => made?,
        };
        if odd > 0 {
            findings.notes.push(format!("{odd} things that are neither files, folders nor links were not copied"));
        }
        findings.sizes.push(plot.size());
        let mut size = Sized { request, plot, stands: Vec::new(), rows: Vec::new(), notes: Vec::new(), tick: 1, turns: &turns };
        let measured = size.all(&tools, stopped);
        findings.rows.append(&mut size.rows);
        findings.notes.append(&mut size.notes);
        // The layers before the ground that they lie on.
        drop(size.stands);
        size.plot.remove()?;
        match measured {
            Err(Error::Stopped) => break,
            other => other?,
        }
    }
    findings.notes.dedup();
    findings.floor = floor(stopped);
    findings.stopped = stopped.is_set();
    findings.elapsed = began.elapsed();
    Ok(findings)
}

/// The most memory of a process that does nothing, started from this one as it is now: a smaller peak cannot be told.
fn floor(stopped: &Stopped) -> Option<u64> {
    let nothing = ground::program("true")?;
    meter::run(&mut Command::new(nothing), &stopped.0).ok()?.peak
}

/// What killed measurements left at these places is taken away, as far as it can be; the rest is told.
fn sweep(places: &[&Path]) -> Vec<String> {
    let told = |error: &dyn std::fmt::Display| format!("what an earlier measurement left could not be removed: {error}");
    let mut notes: Vec<String> = Layer::sweep().err().iter().map(|error| told(error)).collect();
    notes.extend(places.iter().filter_map(|place| ground::sweep(place).err()).map(|error| told(&error)));
    notes
}

fn about(request: &Request) -> Findings {
    let (cores, memory) = meter::machine();
    let (system, release, hardware) = local::system();
    let kind = |path: &Path| mounts::detect(path).map_or_else(|_| "unknown".to_owned(), |verdict| verdict.file_system);
    let mut network = kind(&request.network);
    if let Some(far) = request.far {
        network = format!("{network} behind a layer, {} ms a request, {} at once", millis(far.wait), far.width);
    }
    let durability = super::peer::durability().to_string_lossy().into_owned();
    let in_place = super::peer::in_place().map_or_else(String::new, |it| format!(" and in_place \"{}\"", it.to_string_lossy()));
    let flush = format!("driftless ran with durability \"{durability}\"{in_place}; the peers flush nothing");
    let unoptimised =
        cfg!(debug_assertions).then(|| "this driftless is an unoptimised build, and slower than it has to be".to_owned());
    Findings {
        cores,
        memory,
        system: format!("{system} {release} {hardware}"),
        staging: kind(&request.staging),
        network,
        notes: [flush].into_iter().chain(unoptimised).collect(),
        ..Findings::default()
    }
}

fn millis(span: Duration) -> String {
    format!("{}", (span.as_secs_f64() * 1e6).round() / 1e3)
}

/// Is there room for the project and a copy for each tool? Where it cannot be told we begin.
fn room(request: &Request) -> Result<(), Error> {
    let (files, mut bytes) = match &request.project {
        Project::Made(profile) => {
            let largest = request.scales.iter().flatten().max().copied();
            let blueprint = Blueprint::new(*profile, largest, request.bytes, request.seed);
            (blueprint.files(), blueprint.bytes())
        }
        Project::Copied(folder) => census(folder).map(|census| (census.files + census.folders, census.bytes))?,
    };
    if request.scenarios.iter().any(|scenario| scenario.needs_huge_file()) {
        bytes += request.huge;
    }
    let copies = request.tools.len() as u64;
    let (source, target) = match request.way {
        Way::Up => (&request.staging, &request.network),
        Way::Down => (&request.network, &request.staging),
    };
    let needs = if ground::share_room(source, target) { vec![(source, 1 + copies)] } else { vec![(source, 1), (target, copies)] };
    for (place, times) in needs {
        // A database and names take more than bytes: a tenth.
        let (bytes, files) = (bytes.saturating_mul(times) / 10 * 11, files.saturating_mul(times) / 10 * 11);
        if let Some((free, names)) = ground::room(place).filter(|(free, names)| *free < bytes || *names < files) {
            return Err(Error::Refused(format!(
                "there is not enough room at {}: about {} MiB and {files} files are needed, {} MiB and {names} files are free",
                place.display(),
                bytes >> 20,
                free >> 20
            )));
        }
    }
    Ok(())
}

/// The tools that are here, with their programs.
fn present(request: &Request, findings: &mut Findings) -> Vec<(Tool, PathBuf)> {
    let mut found = Vec::new();
    for &tool in &request.tools {
        let Some(program) = tool.find(&request.program) else {
            findings.missing.push(tool);
            continue;
        };
        findings.tools.push(Present { tool, version: tool.version(&program) });
        found.push((tool, program));
    }
    found
}

fn count_turns(request: &Request, tools: &[(Tool, PathBuf)]) -> u64 {
    let each = |scenario: &Scenario| tools.iter().filter(|(tool, _)| tool.takes_part(*scenario)).count() as u64;
    let of_a_size: u64 = request.scenarios.iter().map(each).sum();
    of_a_size * u64::from(request.rounds) * request.scales.len() as u64
}

struct Turns<'a> {
    all: u64,
    done: Cell<u64>,
    told: &'a dyn Fn(Progress),
}

impl Turns<'_> {
    fn tell(&self, what: String) {
        (self.told)(Progress::Measuring { what, done: self.done.get(), all: self.all });
    }

    fn next(&self, number: u64) {
        self.done.set(self.done.get() + number);
    }
}

/// The measurement of one size.
struct Sized<'a> {
    request: &'a Request,
    plot: Plot,
    stands: Vec<Stand>,
    rows: Vec<Row>,
    notes: Vec<String>,
    /// Each change has a number of its own.
    tick: u64,
    turns: &'a Turns<'a>,
}

/// What a scenario does before each round, as far as somebody has to know it later.
enum Prepared {
    Nothing,
    Edited(Vec<PathBuf>),
    Deleted(Vec<PathBuf>),
}

impl Sized<'_> {
    fn all(&mut self, tools: &[(Tool, PathBuf)], stopped: &Stopped) -> Result<(), Error> {
        for (tool, program) in tools {
            self.stands.push(Stand::make(*tool, program.clone(), &self.plot, self.request.far)?);
        }
        for &scenario in &self.request.scenarios {
            if let Err(note) = self.may(scenario) {
                self.notes.push(format!("{} was left out: {note}", scenario.word()));
                let each = self.stands.iter().filter(|stand| stand.tool.takes_part(scenario)).count() as u64;
                self.turns.next(each * u64::from(self.request.rounds));
                continue;
            }
            let measured = self.scenario(scenario, stopped);
            self.stands.iter_mut().for_each(Stand::unmount);
            measured?;
        }
        Ok(())
    }

    /// Can it be done with this project?
    fn may(&mut self, scenario: Scenario) -> Result<(), String> {
        if scenario == Scenario::Rename && self.plot.census.fullest.is_none() {
            return Err("the project has no folder with files".to_owned());
        }
        if scenario.is_watched() && self.request.far.is_some() && self.request.way == Way::Down {
            return Err("the system tells of no changes behind the layer".to_owned());
        }
        if self.plot.census.files == 0 && !matches!(scenario, Scenario::First | Scenario::Nothing | Scenario::Event) {
            return Err("the project has no files".to_owned());
        }
        Ok(())
    }

    /// All rounds of one scenario; their readings by tool.
    fn scenario(&mut self, scenario: Scenario, stopped: &Stopped) -> Result<(), Error> {
        let huge = if scenario.needs_huge_file() { Some(self.huge()?) } else { None };
        let mut rows: BTreeMap<usize, Row> = BTreeMap::new();
        for (number, stand) in self.stands.iter().enumerate().filter(|(_, stand)| stand.tool.takes_part(scenario)) {
            let files = self.plot.census.files;
            rows.insert(number, Row { files, scenario, tool: stand.tool, readings: Vec::new(), failed: None });
        }
        let ended = self.rounds(scenario, huge.as_ref(), &mut rows, stopped);
        self.rows.extend(rows.into_values());
        ended
    }

    fn rounds(
        &mut self,
        scenario: Scenario,
        huge: Option<&(PathBuf, u64)>,
        rows: &mut BTreeMap<usize, Row>,
        stopped: &Stopped,
    ) -> Result<(), Error> {
        let folder = self.plot.census.fullest.clone().map(|(folder, _)| folder).unwrap_or_default();
        for round in 0..self.request.rounds {
            self.catch_up(scenario, rows, stopped)?;
            let prepared = self.prepare(scenario, round, huge, &folder)?;
            let mut order: Vec<usize> = rows.keys().copied().collect();
            let first = round as usize % order.len().max(1);
            order.rotate_left(first);
            for number in order {
                stopped.check()?;
                let row = rows.get_mut(&number).expect("its keys are the order");
                self.turns.tell(format!("{} files, {}, {}, round {}", row.files, scenario.word(), row.tool.word(), round + 1));
                if row.failed.is_none() {
                    match self.measure(number, scenario, &prepared, stopped)? {
                        Ok(readings) => row.readings.extend(readings),
                        Err(failed) => row.failed = Some(failed),
                    }
                }
                self.turns.next(1);
            }
            self.take_back(prepared)?;
        }
        // The folder has its own name again for what comes after.
        if scenario == Scenario::Rename && self.request.rounds % 2 == 1 {
            change::rename(self.plot.source(), &folder, true)?;
            self.stands.iter_mut().for_each(|stand| stand.in_step = false);
        }
        Ok(())
    }

    /// Before a round all copies are as the project is, but for those that begin empty.
    fn catch_up(&mut self, scenario: Scenario, rows: &mut BTreeMap<usize, Row>, stopped: &Stopped) -> Result<(), Error> {
        if scenario == Scenario::First {
            return Ok(());
        }
        for (number, row) in rows.iter_mut().filter(|(_, row)| row.failed.is_none()) {
            let stand = &mut self.stands[*number];
            self.turns.tell(format!("bringing the copy of {} in step", stand.tool.word()));
            // What is young is looked at closer by some: that belongs to the run before.
            let once_more = scenario == Scenario::Nothing && row.readings.is_empty();
            let mut caught_up = stand.catch_up(&self.plot, stopped)?;
            if once_more && caught_up.is_ok() {
                caught_up = stand.bring(&self.plot, Purpose::Bring, stopped)?.map(drop);
            }
            row.failed = caught_up.err();
        }
        Ok(())
    }

    fn prepare(
        &mut self,
        scenario: Scenario,
        round: u32,
        huge: Option<&(PathBuf, u64)>,
        folder: &Path,
    ) -> Result<Prepared, Error> {
        self.tick += 1;
        let (ground, census, tick) = (self.plot.source(), &self.plot.census, self.tick);
        match (scenario, huge) {
            (Scenario::Changed | Scenario::Conflicts, _) => {
                return Ok(Prepared::Edited(change::edit(ground, census, self.request.changed, tick)?));
            }
            (Scenario::Percent, _) => drop(change::edit(ground, census, (census.files / 100).max(1), tick)?),
            (Scenario::Touch, _) => drop(change::touch(ground, tick)?),
            (Scenario::Rename, _) => change::rename(ground, folder, round % 2 == 1)?,
            (Scenario::Append, Some((path, _))) => change::append(ground, path, tick)?,
            (Scenario::Middle, Some((path, length))) => change::patch(ground, path, *length, tick)?,
            (Scenario::Delete, _) => return Ok(Prepared::Deleted(change::delete_a_tenth(ground)?)),
            _ => {}
        }
        Ok(Prepared::Nothing)
    }

    fn take_back(&mut self, prepared: Prepared) -> Result<(), Error> {
        if let Prepared::Deleted(gone) = prepared {
            change::put_back(self.plot.source(), &gone)?;
            self.stands.iter_mut().for_each(|stand| stand.in_step = false);
        }
        Ok(())
    }

    /// One turn of one tool.
    fn measure(
        &mut self,
        number: usize,
        scenario: Scenario,
        prepared: &Prepared,
        stopped: &Stopped,
    ) -> Result<Result<Vec<Reading>, String>, Error> {
        let (plot, stand, tick) = (&self.plot, &mut self.stands[number], &mut self.tick);
        let one = |turn: Turn| turn.map(|reading| vec![reading]);
        let measured = match (scenario, prepared) {
            (Scenario::First, _) => {
                stand.empty(plot)?;
                one(stand.bring(plot, Purpose::Bring, stopped)?)
            }
            (Scenario::Conflicts, Prepared::Edited(edited)) => one(conflicts(stand, plot, edited, *tick, stopped)?),
            (Scenario::Event, _) => watched::events(stand, plot, self.request.events, tick, stopped)?,
            (Scenario::Storm, _) => one(watched::storm(stand, plot, tick, stopped)?),
            (Scenario::Flush, _) => one(flush(stand, plot, self.request.changed, tick, stopped)?),
            _ => one(stand.bring(plot, Purpose::Bring, stopped)?),
        };
        if scenario.is_watched() {
            // The project went on: the copies of the others are behind it.
            self.stands.iter_mut().for_each(|stand| stand.in_step = false);
        }
        Ok(measured)
    }

    fn huge(&mut self) -> Result<(PathBuf, u64), Error> {
        let before = self.plot.census.files;
        let huge = self.plot.huge(self.request.huge)?;
        if self.plot.census.files != before {
            // It is one more; rows of one size are told by what the size was called.
            self.plot.census.files = before;
            self.stands.iter_mut().for_each(|stand| stand.in_step = false);
        }
        Ok(huge)
    }
}

/// The copy's files change where the project's did; what the tool makes of that is measured, and then ended.
fn conflicts(stand: &mut Stand, plot: &Plot, edited: &[PathBuf], tick: u64, stopped: &Stopped) -> Result<Turn, Error> {
    change::edit_copy(plot.target(), Path::new(stand.tool.word()), edited, tick)?;
    let turn = stand.turn(plot, Purpose::Meet, stopped)?;
    if turn.is_ok() {
        let both = change::all_end_with(&plot.project(), edited, &change::line(tick))
            && change::all_end_with(&plot.copy_of(stand.tool), edited, &change::other_line(tick));
        if !both {
            return Ok(Err("it ended well and overwrote what had changed on both sides".to_owned()));
        }
        let decided = stand.turn(plot, Purpose::Decide, stopped)?.and_then(|_| stand.hold(plot));
        return Ok(decided.and(turn));
    }
    Ok(turn)
}

/// The others brought no changes of this round yet: each is to have the same to do.
fn flush(stand: &mut Stand, plot: &Plot, changed: u64, tick: &mut u64, stopped: &Stopped) -> Result<Turn, Error> {
    if let Err(failed) = stand.catch_up(plot, stopped)? {
        return Ok(Err(failed));
    }
    watched::flush(stand, plot, changed, tick, stopped)
}
