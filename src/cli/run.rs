//! `run -- CMD`: the network's changes down, the command on the staged copy, its results up, whatever happened in between.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crossbeam_channel::{Receiver, bounded, select};

use crate::cli::args::Common;
use crate::cli::args::run::Run;
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, refusal_words, shown};
use crate::cli::ferry::{Done, Ferry};
use crate::cli::pairs::Chosen;
use crate::cli::place::{self, Place};
use crate::cli::progress::Shown;
use crate::cli::project::{self, Way};
use crate::cli::render::Paint;
use crate::cli::settings::gates::{Gates, Level, Resolved};
use crate::cli::settings::keys::Layer;
use crate::cli::settings::value::Value;
use crate::cli::signals::{self, Stop};
use crate::cli::{Answer, Context, ask, gates, init, json, render, say, settings, trust, warn};
use crate::disk::local;
use crate::disk::users::{User, users_below};
use crate::engine::report::{Counts, Outcome, Refusal};
use crate::engine::request::{Pair, Request};
use crate::engine::{self, Duty, Post, complete};
use crate::model::shown::tame;
use crate::model::side::{Direction, PerSide};
use crate::roots::reach::{Reach, SILENCE};
use crate::run::child::{self, Caught, Ended, Presses};
use crate::run::mailbox::Mailbox;
use crate::run::steps::{Record, State, Step};
use crate::run::{Carrier, desk};

/// Signals that wait to be heard.
const QUEUE: usize = 32;

/// What a run came to.
#[derive(Debug, Default)]
pub struct Told {
    /// `None`: it was not started.
    pub command: Option<Ended>,
    pub down: Option<Done>,
    pub up: Option<Done>,
    pub steps: Vec<Step>,
    pub gates: Vec<gates::Found>,
}

pub fn run(typed: &Run, common: Common) -> Result<Answer, Failure> {
    let stop = Stop::default();
    let reach = Reach::new(settings::silence()?.unwrap_or(SILENCE), stop.shared());
    let here = place::here()?;
    let (project, place) = project::find(Place::find(reach.clone()), &reach, &here, &typed.choice)?;
    match (project.way, place) {
        (Way::Staged { chosen, below }, Some(place)) => {
            let context = Context { common, place, stop, paint: Paint::for_stderr() };
            on_a_copy(&context, typed, &chosen, &below)
        }
        (Way::Within, _) => bare(typed, common, None, Told::default()),
        // It lies on a local disk, so that it can be asked.
        (Way::Bare | Way::Staged { .. }, place) => {
            let folder = local::real_path(&project.folder);
            let told =
                Told { gates: gates_of_a_local_project(typed, &folder, place.as_ref(), &reach, &stop)?, ..Told::default() };
            match gates::exit(&told.gates) {
                None => bare(typed, common, Some(&folder), told),
                Some(exit) => Ok(common.answer(exit, || json::run(None, &told, exit, None), String::new)),
            }
        }
    }
}

/// Asked where a `driftless.toml` turns some on; without one nothing is done that the bare command would not do.
fn gates_of_a_local_project(
    typed: &Run,
    folder: &Path,
    place: Option<&Place>,
    reach: &Reach,
    stop: &Stop,
) -> Result<Vec<gates::Found>, Failure> {
    let (project, resolved) = settings::gates_of_folder(folder, &gates_layer(typed))?.unwrap_or_default();
    if resolved.asked.is_empty() && resolved.relaxed.is_empty() {
        tell_where_none_is_on(typed, &resolved);
        return Ok(Vec::new());
    }
    let clone = match place {
        Some(place) => trust::clone_of(place, folder)?,
        None => trust::among(reach, &[], folder)?,
    };
    let words = hear()?;
    let mut signal = None;
    let mut heard = |caught: Caught| {
        if caught.asks_to_end {
            signal = u8::try_from(caught.number).ok();
            stop.set(signal.unwrap_or(2));
        }
    };
    let question = gates::Question {
        gates: &resolved,
        folder,
        project: &project,
        clone: Some(&clone),
        state: place.map(|place| place.state.as_path()),
        limit: typed.wait.unwrap_or(gates::LIMIT),
        stop: stop.flag(),
    };
    let found = child::attend(&words, &mut heard, || gates::ask(&question));
    match signal {
        Some(signal) => Err(stopped_before(signal)),
        None => {
            tell_gates(&found, &resolved);
            Ok(found)
        }
    }
}

fn tell_gates(found: &[gates::Found], resolved: &Resolved) {
    gates::tell(found, resolved.on_unknown, Paint::for_stderr());
    if gates::exit(found).is_some() {
        say(&format!("driftless: {}\n", gates::refusal(found)));
    }
}

/// Who asks for gates is not left to believe that they were asked.
fn tell_where_none_is_on(typed: &Run, resolved: &Resolved) {
    if let Some(level) = typed.gates.filter(|level| *level != Level::Off && resolved.asked.is_empty()) {
        let word = level.word();
        warn(&format!("--gates {word} asks nothing here: neither driftless.toml nor pair.toml turns a gate on ([gates])"));
    }
}

fn gates_layer(typed: &Run) -> Layer {
    typed.gates.map(|level| ("gates", Value::Gates(Gates::all(level)))).into_iter().collect()
}

/// As if this program were not there. `project`: the environment is to say that there is no staging.
fn bare(typed: &Run, common: Common, project: Option<&Path>, told: Told) -> Result<Answer, Failure> {
    let mut command = command(typed, project.filter(|_| typed.choice.network.is_some()));
    if let Some(project) = project {
        command.env("SMART_SYNC_ENABLED", "false").env("PROJECT_PATH", project).env("LOCAL_PROJECT_PATH", project);
        command.env_remove("NETWORK_PROJECT_PATH");
    }
    if !common.json {
        return Err(not_started_by(typed, &child::become_the_command(&mut command)));
    }
    let words = hear()?;
    let ended = child::work(command, &words, &mut Presses::default(), &|line| say(&format!("driftless: {line}\n")));
    let ended = ended.map_err(|error| not_started_by(typed, &error))?;
    let exit = Exit::Command(ended.code);
    let told = Told { command: Some(ended), ..told };
    Ok(common.answer(exit, || json::run(None, &told, exit, None), String::new))
}

/// In that folder, else where this program was started.
fn command(typed: &Run, folder: Option<&Path>) -> Command {
    let (program, arguments) = typed.command.split_first().expect("asked for by the arguments");
    let mut command = Command::new(program);
    command.args(arguments);
    if let Some(folder) = folder {
        command.current_dir(folder).env("PWD", folder);
    }
    command
}

fn not_started_by(typed: &Run, error: &io::Error) -> Failure {
    let program = shown(Path::new(typed.command.first().map_or(OsStr::new(""), |program| program)));
    Failure { exit: Exit::Command(child::code_of(error)), ..Failure::failed(format!("{program} cannot be started: {error}.")) }
}

fn stopped_before(signal: u8) -> Failure {
    Failure { exit: Exit::Signal(signal), ..Failure::failed("Stopped. The command was not started.") }
        .advise("What was taken from the network is recorded; the next run goes on from there.")
}

fn hear() -> Result<Receiver<Caught>, Failure> {
    let (told, words) = bounded(QUEUE);
    signals::hear(told).map_err(|error| Failure::failed(format!("Signals cannot be caught: {error}.")))?;
    Ok(words)
}

fn on_a_copy(context: &Context, typed: &Run, chosen: &Chosen, below: &Path) -> Result<Answer, Failure> {
    let words = hear()?;
    if let Some(note) = &context.place.note {
        warn(note);
    }
    let pair = &chosen.pair;
    let mut flags = settings::run_layer(typed.wait, typed.push_every);
    flags.extend(gates_layer(typed));
    let settings = context.settings(pair, flags)?;
    let ferry = Ferry { context, pair, settings: &settings };
    let record = Record::of(pair.state.clone());
    let mut work =
        Work { context, typed, ferry, record, words, presses: Presses::default(), told: Told::default(), neighbours: Vec::new() };
    let _post = work.before(|work| work.place(chosen))??;
    work.down()?;
    let folder = work.folder(below)?;
    work.gates(&folder)?;
    if gates::exit(&work.told.gates).is_none() {
        work.meet_neighbours();
        work.command(&folder);
    }
    work.finish()
}

/// "process 7 (sh)".
fn named(user: &User) -> String {
    format!("process {} ({})", user.process, tame(&user.name))
}

fn no_post(pair: &Pair, error: engine::Error) -> Failure {
    match error {
        engine::Error::Busy { holder } => Failure {
            exit: Exit::Busy,
            ..Failure::failed(format!("A command runs on the staged copy of {} already ({holder}).", pair.name))
        }
        .advise(format!(
            "Its results go up when it ends. The copy is {}; another command may be run there.",
            shown(&pair.staging)
        )),
        _ if !local::is_folder(&pair.staging) => {
            Failure::refused(format!("The staged copy {} is not there any more.", shown(&pair.staging))).advise(format!(
                "Nothing was changed. If it is gone for good, `driftless staging remove --pair {}` forgets it, and the next run makes \
                 a new one.",
                pair.name
            ))
        }
        error => error.into(),
    }
}

/// A run on a staged copy, from the `down` on.
struct Work<'a> {
    context: &'a Context,
    typed: &'a Run,
    ferry: Ferry<'a>,
    record: Record,
    words: Receiver<Caught>,
    presses: Presses,
    told: Told,
    /// Processes that worked in the copy before the command did.
    neighbours: Vec<u32>,
}

impl Work<'_> {
    fn pair(&self) -> &Pair {
        self.ferry.pair
    }

    /// The pair and the post: nobody else runs a command there, and no step is open.
    fn place(&self, chosen: &Chosen) -> Result<Post, Failure> {
        let (context, pair, settings) = (self.context, self.pair(), self.ferry.settings);
        if chosen.new {
            init::establish(&context.place, chosen, settings)?.iter().for_each(|note| warn(note));
            let (network, staging) = (shown(&pair.network), shown(&pair.staging));
            say(&format!("driftless: {network} is worked on in {staging}, as the pair {}\n", pair.name));
        }
        let wait = self.typed.wait.unwrap_or_default();
        let post = engine::take_post(pair, &settings.options, Duty::Run, wait, &|_| {}, context.stop.flag())
            .map_err(|error| no_post(pair, error))?;
        self.record.clear(&self.ferry)?;
        Ok(post)
    }

    /// Does something that comes before the command. Any signal stops it: there is nothing yet to be saved.
    fn before<T: Send>(&mut self, job: impl FnOnce(&Work<'_>) -> T + Send) -> Result<T, Failure> {
        let mut presses = std::mem::take(&mut self.presses);
        let stop = &self.context.stop;
        let mut heard = |caught: Caught| {
            if caught.asks_to_end {
                presses.press(caught, Instant::now());
                stop.set(presses.signal.unwrap_or(2));
            }
        };
        let this = &*self;
        let done = child::attend(&this.words, &mut heard, || job(this));
        self.presses = presses;
        match self.presses.signal {
            None => Ok(done),
            Some(signal) => Err(stopped_before(signal)),
        }
    }

    /// The network's changes, and whether the command may start.
    fn down(&mut self) -> Result<(), Failure> {
        let mut request = self.ferry.request(Direction::Down);
        let mut done = self.before(|work| shown_sync(&work.ferry, &request))?;
        if let Some(Outcome::Refused(refusal @ Refusal::MostlyDifferent { .. })) =
            done.report.as_ref().map(|report| &report.outcome)
            && !request.yes
            && self.ask(format!("{} Work with them all the same?", refusal_words(refusal).0))?
        {
            request.yes = true;
            done = self.before(|work| shown_sync(&work.ferry, &request))?;
        }
        self.show(&done);
        let (code, trouble) = (done.carried.code, done.carried.trouble());
        let complete = complete::is_complete(self.pair())?;
        if !complete && !self.typed.start_anyway {
            let exit = if code == 0 { Exit::Partial } else { Exit::of_code(code) };
            let message = format!("The staged copy never held all of the project, and does not now: {trouble}.");
            return Err(Failure { exit, ..Failure::failed(message) }.advise(format!(
                "The command was not started, because it would find files missing. Mend it and run again, or add --start-anyway to \
                 work with what is in {}.",
                shown(&self.pair().staging)
            )));
        }
        if code != 0 {
            warn(&format!(
                "the network's changes were not all taken ({trouble}); the command works with the staged copy as it is"
            ));
        }
        self.told.down = Some(done);
        Ok(())
    }

    /// What has to be in step before the command starts.
    fn gates(&mut self, folder: &Path) -> Result<(), Failure> {
        let resolved = &self.ferry.settings.gates;
        let (project, limit) = (self.pair().staging.clone(), self.typed.wait.unwrap_or(gates::LIMIT));
        let found = self.before(|work| {
            gates::ask(&gates::Question {
                gates: resolved,
                folder,
                project: &project,
                clone: None,
                state: Some(&work.context.place.state),
                limit,
                stop: work.context.stop.flag(),
            })
        })?;
        tell_gates(&found, resolved);
        tell_where_none_is_on(self.typed, resolved);
        self.told.gates = found;
        Ok(())
    }

    /// Asks on the terminal. Ctrl-C is an answer too.
    fn ask(&mut self, question: String) -> Result<bool, Failure> {
        let (told, answered) = bounded(1);
        // Not joined: it may wait for a line for ever.
        std::thread::spawn(move || told.send(ask(&question)));
        loop {
            select! {
                recv(answered) -> answer => return Ok(answer == Ok(Some(true))),
                recv(self.words) -> caught => {
                    if let Ok(Caught { asks_to_end: true, number, .. }) = caught {
                        return Err(stopped_before(u8::try_from(number).unwrap_or(2)));
                    }
                }
            }
        }
    }

    /// Who works in the copy already: the command of a run that was killed, or a container that goes on.
    fn meet_neighbours(&mut self) {
        let users = users_below(&self.pair().staging);
        if let Some(user) = users.first() {
            warn(&format!("{} works in the staged copy too: what it has written by then goes up with each sync", named(user)));
        }
        self.neighbours = users.into_iter().map(|user| user.process).collect();
    }

    /// What the command left behind goes on writing.
    fn tell_who_stays(&self) {
        let stays = |user: &User| !self.neighbours.contains(&user.process);
        if let Some(user) = users_below(&self.pair().staging).into_iter().find(stays) {
            warn(&format!("{} still works in the staged copy: what it writes from now on is sent by the next run", named(&user)));
        }
    }

    /// Where the command works: where it was given, in the copy.
    fn folder(&self, below: &Path) -> Result<PathBuf, Failure> {
        // Nothing is added, so that no `/` stands at the end.
        let staging = self.pair().staging.clone();
        let folder = if below == Path::new("") { staging } else { staging.join(below) };
        if local::is_folder(&folder) {
            return Ok(folder);
        }
        Err(Failure::refused(format!(
            "{} is not in the staged copy: patterns leave it out, or it could not be taken.",
            shown(below)
        ))
        .advise("The command was not started. Give it in a folder that is synchronised."))
    }

    /// The command, with what goes on beside it.
    fn command(&mut self, folder: &Path) {
        let command = self.prepared(folder);
        let mut mailbox = self.mailbox();
        let every = self.ferry.settings.push_every;
        let (ferry, record, words, presses, stop) =
            (&self.ferry, &self.record, &self.words, &mut self.presses, &self.context.stop);
        let (go, over) = bounded::<()>(0);
        let started = std::thread::scope(|scope| {
            let desk = scope.spawn(move || desk::tend(record, mailbox.as_mut(), ferry, every, &over));
            let ended = child::work(command, words, presses, &|line| ferry.say(line));
            if matches!(ended, Ok(Ended { given_up: true, .. })) {
                stop.set(presses.signal.unwrap_or(2));
            }
            drop(go);
            // It may be in the middle of a sync.
            child::attend(words, &mut |caught| hear_after(caught, presses, stop, ferry), || drop(desk.join()));
            ended
        });
        self.told.command = Some(started.unwrap_or_else(|error| {
            let failure = not_started_by(self.typed, &error);
            say(&render::failure(&failure, self.context.paint));
            Ended { code: failure.exit.code(), given_up: false }
        }));
    }

    fn prepared(&self, folder: &Path) -> Command {
        let pair = self.pair();
        let mut command = command(self.typed, Some(folder));
        command.env("SMART_SYNC_ENABLED", "true").env("NETWORK_PROJECT_PATH", &pair.network);
        command.env("LOCAL_PROJECT_PATH", &pair.staging).env("PROJECT_PATH", &pair.staging).env("DRIFTLESS_PAIR", &pair.name);
        command
    }

    /// Without one, steps inside a container are told nothing; everything else works.
    fn mailbox(&self) -> Option<Mailbox> {
        let options = &self.ferry.settings.options;
        let staging = &self.pair().staging;
        let opened = options.reach.detect(staging).map_err(|error| error.to_string()).and_then(|verdict| {
            let root = options.reach.open_root(staging, &verdict).map_err(|error| error.to_string())?;
            Mailbox::open(root, local::mode(staging).unwrap_or(0o700)).map_err(|error| error.to_string())
        });
        opened.inspect_err(|error| warn(&format!("steps cannot be told from inside a container: {error}"))).ok()
    }

    /// The final up, whatever was before, and the end.
    fn finish(mut self) -> Result<Answer, Failure> {
        let ended = self.told.command.unwrap_or(Ended { code: 1, given_up: false });
        self.told.steps = self.record.steps();
        for step in self.told.steps.iter().filter(|step| step.state == State::Open) {
            warn(&format!("step {} was begun and never ended", step.name));
        }
        if !ended.given_up {
            let up = self.final_up();
            self.told.up = Some(up);
        }
        self.tell_who_stays();
        if let Err(error) = self.record.clear(&self.ferry) {
            warn(&format!("the record of steps stays: {error}"));
        }
        let up = self.told.up.as_ref().map(|done| &done.carried);
        let sent = up.is_some_and(|carried| matches!(carried.code, 0 | 3));
        let held = gates::exit(&self.told.gates);
        // After that only hooks were stopped.
        let stopped = self.context.stop.signal().filter(|_| !sent);
        if !sent {
            self.tell_what_is_left(stopped.is_some());
        }
        let exit = match (held, ended.code, stopped, up) {
            (_, _, Some(signal), _) => Exit::Signal(signal),
            (Some(held), ..) => held,
            (None, 0, None, Some(carried)) => Exit::of_code(carried.code),
            (None, code, None, _) => Exit::Command(code),
        };
        let pair = &self.ferry.pair.name;
        Ok(self.context.answer(exit, || json::run(Some(pair), &self.told, exit, stopped), String::new))
    }

    fn final_up(&mut self) -> Done {
        // One copy more of what is being written to: there may be no later run.
        let request = Request { insist: true, ..self.ferry.request(Direction::Up) };
        let (ferry, presses, stop) = (&self.ferry, &mut self.presses, &self.context.stop);
        let mut heard = |caught| hear_after(caught, presses, stop, ferry);
        let done = child::attend(&self.words, &mut heard, || shown_sync(ferry, &request));
        self.show(&done);
        done
    }

    /// In a line or two, where something was done or left.
    fn show(&self, done: &Done) {
        let Some(report) = &done.report else { return };
        // What is only worth a note is so with every run.
        let nothing = report.counts == Counts::default() && done.carried.code == 0 && report.pending == PerSide::default();
        // A root that is away is told of below, with what that means here.
        if !nothing && !matches!(report.outcome, Outcome::Offline { .. }) {
            say(&render::sync(report, PerSide::default(), self.context.common.verbose, self.context.paint));
        }
    }

    fn tell_what_is_left(&self, given_up: bool) {
        let (pair, ferry) = (self.pair(), &self.ferry);
        let stop = AtomicBool::new(false);
        let mut heard = |caught: Caught| {
            stop.fetch_or(caught.asks_to_end, Ordering::SeqCst);
        };
        let unsent = child::attend(&self.words, &mut heard, || ferry.unsent(&stop));
        let why = match (&self.told.up, given_up) {
            (_, true) | (None, _) => "it was given up".to_owned(),
            (Some(done), false) => done.carried.trouble(),
        };
        warn(&format!(
            "not all results are on the network: {why}. {unsent} in {} alone. `driftless sync up --pair {}` sends what can be sent, and \
             tells what is in the way",
            shown(&pair.staging),
            pair.name
        ));
    }
}

/// A signal after the command has ended: only its results are still to be sent.
fn hear_after(caught: Caught, presses: &mut Presses, stop: &Stop, ferry: &Ferry<'_>) {
    if !caught.asks_to_end {
        return;
    }
    if presses.press_after(caught) {
        return stop.set(presses.signal.unwrap_or(2));
    }
    ferry.say("the command has ended; its results are being sent. Once more gives up");
}

/// With progress on the terminal: the command is not at work.
fn shown_sync(ferry: &Ferry<'_>, request: &Request) -> Done {
    let shown = Shown::start();
    let done = ferry.sync(request, &|progress| shown.tell(progress));
    shown.finish();
    done
}
