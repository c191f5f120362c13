//! Steps of a workflow: what is begun and not ended, and the sync at either end.
//!
//! Invariants. While a step is open nothing goes up but the final up: what goes up holds `steps.carry` from its look into the
//! record to its end, and a step is written into the record under it. What a step's sync did not do is a warning: results are
//! kept in staging. A watch process is known to be held before it is, and known to go on after it does.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Carried, Carrier, Hold, Wait};
use crate::disk::clock::{Moment, now, pause};
use crate::disk::{self, local};
use crate::model::shown::tame;
use crate::model::side::Direction;
use crate::model::time::Time;
use crate::model::utc;

/// A record is never larger than this; more steps than a workflow has.
const RECORD_LIMIT: u64 = 1 << 20;
/// Ended steps beyond this are forgotten, the oldest first.
const REMEMBERED: usize = 500;
/// Bytes of a step's name.
const NAME_LIMIT: usize = 100;
/// A step's results may take long to be sent.
const CARRY_WAIT: Duration = Duration::from_mins(5);
/// The exit codes of a word that makes no sense, and where another command was in the way.
const USAGE: u8 = 2;
const BUSY: u8 = 8;
/// The record is held for a moment only.
const LOCK_WAIT: Duration = Duration::from_secs(10);
/// Locks: for the record, and for what goes up.
const RECORD: &str = "steps.lock";
const CARRY: &str = "steps.carry";
const LOCK_PAUSE: Duration = Duration::from_millis(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Open,
    Done,
    Failed,
}

impl State {
    pub fn word(self) -> &'static str {
        match self {
            State::Open => "open",
            State::Done => "done",
            State::Failed => "failed",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub name: String,
    pub state: State,
    /// When it came to that, in ns since 1970.
    pub since_ns: i64,
}

impl Step {
    pub fn since(&self) -> String {
        utc::rfc3339(Time(self.since_ns))
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Book {
    steps: Vec<Step>,
    /// A watch process carries nothing by itself because of us.
    holding: bool,
}

impl Book {
    fn open(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.state == State::Open)
    }

    fn set(&mut self, name: &str, state: State) {
        self.steps.retain(|step| step.name != name);
        self.steps.push(Step { name: name.to_owned(), state, since_ns: now().0 });
        while self.steps.len() > REMEMBERED {
            let Some(at) = self.steps.iter().position(|step| step.state != State::Open) else { break };
            self.steps.remove(at);
        }
    }
}

/// What came of a word about a step.
#[derive(Clone, Debug)]
pub struct Told {
    /// The exit code with `--strict`; without it every step ends with 0.
    pub code: u8,
    /// Lines for people, tame.
    pub words: String,
    /// The sync that was made for it.
    pub sync: Option<Carried>,
}

/// What became of a push.
#[derive(Clone, Debug)]
pub enum Push {
    Done(Carried),
    /// Who has steps says by them what is whole.
    BySteps,
    /// A step is just being begun or ended.
    NotNow,
}

/// The steps of a pair, in its state folder.
#[derive(Clone, Debug)]
pub struct Record {
    state: PathBuf,
}

impl Record {
    pub fn of(state: PathBuf) -> Record {
        Record { state }
    }

    /// A run begins: no step is open. Lets a watch process go on that a killed run had held.
    ///
    /// # Errors
    /// That the record cannot be written.
    pub fn clear(&self, carrier: &dyn Carrier) -> disk::Result<()> {
        self.change(|book| book.steps.clear())?;
        self.let_go(carrier)
    }

    /// All steps since the run began, as they came to stand as they do.
    pub fn steps(&self) -> Vec<Step> {
        self.read().steps
    }

    /// Takes the network's changes for a step that begins.
    ///
    /// # Errors
    /// That the record cannot be written: then the step is not held apart from pushes.
    pub fn begin(&self, name: &str, carrier: &dyn Carrier) -> disk::Result<Told> {
        let carrying = self.lock(CARRY, CARRY_WAIT)?;
        let (first, held) = self.change(|book| {
            let first = book.open().next().is_none();
            book.set(name, State::Open);
            (first, std::mem::replace(&mut book.holding, true))
        })?;
        let mut doubt = carrying.is_none();
        if first {
            match carrier.hold(true) {
                Hold::Done => {}
                Hold::Needless => self.change(|book| book.holding = held)?,
                Hold::Failed => doubt = true,
            }
        }
        drop(carrying);
        if doubt {
            carrier.say(&format!("something else is sending results: some of step {name} may be seen before it has ended"));
        }
        let carried = carrier.carry(Direction::Down, Wait::AsSet);
        let done = format!("Step {name} begins; taken from the network: {}", carried.words());
        let left = format!("Step {name} begins on what staging has, the network's changes were not taken");
        Ok(told(carried, done, &left))
    }

    /// Sends what there is, where the step `succeeded` and no other one is open.
    ///
    /// # Errors
    /// That the record cannot be written.
    pub fn end(&self, name: &str, succeeded: bool, carrier: &dyn Carrier) -> disk::Result<Told> {
        let state = if succeeded { State::Done } else { State::Failed };
        let plain = |code, words: String| Told { code, words, sync: None };
        let carrying = self.lock(CARRY, CARRY_WAIT)?;
        let (known, other) = self.change(|book| {
            let known = book.open().any(|step| step.name == name) || book.open().next().is_none();
            if known {
                book.set(name, state);
            }
            (known, book.open().next().cloned())
        })?;
        if let Some(other) = other.as_ref().filter(|_| !known) {
            return Ok(plain(
                USAGE,
                format!("Step {name} was not begun, and nothing is sent for it; step {} is open", other.name),
            ));
        }
        let told = if !succeeded {
            plain(0, format!("Step {name} failed; nothing is sent for it. What it left goes up with the next step or at the end"))
        } else if let Some(other) = other {
            let (other, since) = (&other.name, other.since());
            let words = format!(
                "Step {name} ended; its results go up when step {other} has ended too (open since {since}; `driftless step end NAME \
                 --failed` ends one that died)"
            );
            plain(0, words)
        } else if carrying.is_none() {
            plain(BUSY, format!("Step {name} ended, its results are kept in staging: those of another step are being sent"))
        } else {
            let carried = carrier.carry(Direction::Up, Wait::AsSet);
            let done = format!("Step {name} synced to the network: {}", carried.words());
            told(carried, done, &format!("Step {name} ended, its results are kept in staging"))
        };
        self.let_go(carrier)?;
        Ok(told)
    }

    /// Sends what there is, where no step was ever begun.
    ///
    /// # Errors
    /// That the record cannot be locked.
    pub fn push(&self, carrier: &dyn Carrier) -> disk::Result<Push> {
        let Some(_carrying) = self.lock(CARRY, Duration::ZERO)? else { return Ok(Push::NotNow) };
        if !self.steps().is_empty() {
            return Ok(Push::BySteps);
        }
        Ok(Push::Done(carrier.carry(Direction::Up, Wait::No)))
    }

    /// Lets a watch process go on, where no step is open.
    fn let_go(&self, carrier: &dyn Carrier) -> disk::Result<()> {
        let book = self.read();
        if book.holding && book.open().next().is_none() && carrier.hold(false) != Hold::Failed {
            self.change(|book| book.holding = false)?;
        }
        Ok(())
    }

    /// One line a step.
    pub fn status(&self) -> Told {
        let line = |step: &Step| format!("{} {} since {}\n", step.state.word(), step.name, step.since());
        let words: String = self.steps().iter().map(line).collect();
        Told { code: 0, words: if words.is_empty() { "no step was begun".to_owned() } else { words }, sync: None }
    }

    fn path(&self) -> PathBuf {
        self.state.join("steps.json")
    }

    /// One that cannot be read counts as none: the worst is that colleagues see half a step.
    fn read(&self) -> Book {
        let text = local::read_text(&self.path(), RECORD_LIMIT).unwrap_or_else(|error| {
            tracing::warn!(%error, "the record of steps is left out");
            None
        });
        let read = text.map(|text| serde_json::from_str(&text));
        read.unwrap_or_else(|| Ok(Book::default())).unwrap_or_else(|error| {
            tracing::warn!(%error, "the record of steps is damaged, and counts as empty");
            Book::default()
        })
    }

    /// Held while somebody else has it; `None` where that took longer than `wait`.
    fn lock(&self, name: &str, wait: Duration) -> disk::Result<Option<local::Lock>> {
        let began = Moment::now();
        loop {
            match local::Lock::try_take(&self.state.join(name), "steps")? {
                None if began.elapsed() < wait => pause(LOCK_PAUSE),
                taken => return Ok(taken),
            }
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Book) -> T) -> disk::Result<T> {
        let Some(_held) = self.lock(RECORD, LOCK_WAIT)? else {
            let source = std::io::Error::new(std::io::ErrorKind::WouldBlock, "another command holds it");
            return Err(disk::Error::new("lock", self.state.join(RECORD).display(), disk::ErrorKind::Busy, source));
        };
        let mut book = self.read();
        let before = book.clone();
        let answer = change(&mut book);
        if book != before {
            local::write_text(&self.path(), &serde_json::to_string(&book).expect("text keys only"))?;
        }
        Ok(answer)
    }
}

fn told(carried: Carried, done: String, left: &str) -> Told {
    let words = if carried.code == 0 { done } else { format!("{left}: {}", tame(&carried.trouble())) };
    Told { code: carried.code, words, sync: Some(carried) }
}

/// Is this what a step may be called? It is shown on terminals and stands in a line of its own.
pub fn valid_name(name: &str) -> bool {
    let plain = !name.is_empty() && name.len() <= NAME_LIMIT && name.trim() == name;
    plain && tame(name) == name && !name.starts_with('-') && !name.contains(" --")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::Mutex;

    /// Writes down what it is asked; a sync ends with `code`.
    struct Asked {
        code: u8,
        watched: Hold,
        log: Mutex<Vec<String>>,
    }

    impl Default for Asked {
        fn default() -> Asked {
            Asked { code: 0, watched: Hold::Needless, log: Mutex::default() }
        }
    }

    impl Carrier for Asked {
        fn carry(&self, direction: Direction, _: Wait) -> Carried {
            self.log.lock().expect("unharmed").push(direction.word().to_owned());
            Carried {
                code: self.code,
                report: json!({"written": {"files": 2, "bytes": 5}, "message": "the drive is \u{1b}away"}),
            }
        }

        fn hold(&self, held: bool) -> Hold {
            self.log.lock().expect("unharmed").push(format!("hold {held}"));
            self.watched
        }

        fn say(&self, _: &str) {}
    }

    fn record() -> (tempfile::TempDir, Record) {
        let folder = tempfile::tempdir().expect("a folder");
        let record = Record::of(folder.path().to_path_buf());
        (folder, record)
    }

    #[test]
    fn nothing_goes_up_while_a_step_is_open() {
        let ((_folder, record), asked) = (record(), Asked { watched: Hold::Done, ..Asked::default() });
        let begin = |name| record.begin(name, &asked).expect("written").words;
        let end = |name, succeeded| record.end(name, succeeded, &asked).expect("written").words;
        assert!(begin("align").starts_with("Step align begins; taken from the network: 2 files"));
        begin("count");
        assert!(end("align", true).contains("when step count has ended"));
        assert!(end("count", true).starts_with("Step count synced to the network: 2 files"));
        assert!(begin("plot").contains("plot"));
        assert!(end("plot", false).contains("nothing is sent"));
        let log = asked.log.lock().expect("unharmed").join(", ");
        assert_eq!(log, "hold true, down, down, up, hold false, hold true, down, hold false");
        let states: Vec<_> = record.steps().into_iter().map(|step| (step.name, step.state)).collect();
        let expected = [("align", State::Done), ("count", State::Done), ("plot", State::Failed)];
        assert_eq!(states, expected.map(|(name, state)| (name.to_owned(), state)));
        assert!(record.status().words.starts_with("done align since "));
    }

    #[test]
    fn a_step_that_was_never_begun_sends_nothing_beside_one_that_is_open() {
        let ((_folder, record), asked) = (record(), Asked::default());
        record.begin("align", &asked).expect("written");
        let ended = record.end("algin", true, &asked).expect("written");
        assert_eq!((ended.code, ended.sync.is_some(), record.steps().len()), (USAGE, false, 1), "{ended:?}");
        // Where none is open there is no harm in it.
        record.end("align", true, &asked).expect("written");
        assert!(record.end("other", true, &asked).expect("written").sync.is_some());
    }

    #[test]
    fn a_step_begins_once_what_is_being_sent_has_arrived() {
        let (folder, record) = record();
        let lock = local::Lock::try_take(&folder.path().join(CARRY), "a push").expect("a lock").expect("free");
        let asked = Asked::default();
        std::thread::scope(|scope| {
            let begins = scope.spawn(|| record.begin("a", &asked).expect("written"));
            assert!(matches!(record.push(&asked), Ok(Push::NotNow)));
            assert_eq!((record.steps(), begins.is_finished()), (Vec::new(), false));
            drop(lock);
            begins.join().expect("joined");
        });
        assert!(matches!(record.push(&asked), Ok(Push::BySteps)));
        assert_eq!(asked.log.lock().expect("unharmed").join(", "), "hold true, down");
    }

    #[test]
    fn a_watch_process_that_could_not_be_told_is_told_again() {
        let ((_folder, record), asked) = (record(), Asked { watched: Hold::Done, ..Asked::default() });
        record.begin("a", &asked).expect("written");
        let deaf = Asked { watched: Hold::Failed, ..Asked::default() };
        record.end("a", true, &deaf).expect("written");
        assert!(record.read().holding);
        record.clear(&asked).expect("written");
        assert!(!record.read().holding);
        assert_eq!(asked.log.lock().expect("unharmed").join(", "), "hold true, down, hold false");
    }

    #[test]
    fn a_sync_that_fails_is_a_warning_that_steers_no_terminal() {
        let ((_folder, record), asked) = (record(), Asked { code: 75, ..Asked::default() });
        let begun = record.begin("a", &asked).expect("written");
        assert_eq!((begun.code, begun.sync.is_some()), (75, true));
        let ended = record.end("a", true, &asked).expect("written");
        assert_eq!(ended.words, "Step a ended, its results are kept in staging: the drive is \\u{1b}away");
    }

    #[test]
    fn a_killed_run_leaves_no_step_open_and_nobody_held() {
        let ((folder, record), asked) = (record(), Asked { watched: Hold::Done, ..Asked::default() });
        record.begin("a", &asked).expect("written");
        record.clear(&asked).expect("written");
        assert_eq!(record.steps(), []);
        assert_eq!(asked.log.lock().expect("unharmed").join(", "), "hold true, down, hold false");
        std::fs::write(folder.path().join("steps.json"), "{\"steps\":[{").expect("written");
        assert_eq!(record.steps(), [], "a damaged one counts as none");
        record.begin("b", &asked).expect("written anew");
        assert_eq!(record.steps().len(), 1);
    }

    #[test]
    fn names_fit_on_a_line() {
        for good in ["align", "step 2: count", "é"] {
            assert!(valid_name(good), "{good}");
        }
        for bad in ["", " a", "a\nb", "a\u{1b}[2J", "--failed", "a --strict", "a\u{202e}b", &"x".repeat(101)] {
            assert!(!valid_name(bad), "{bad:?}");
        }
    }
}
