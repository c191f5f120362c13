//! The command as a process: started in the same process group, asked to end, ended, waited for.
//!
//! Invariants. It is reaped here alone, so that its number is never somebody else's when it is signalled. A signal that the
//! terminal has given to it too is not given a second time.

use std::io;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded, select};

#[cfg(unix)]
#[path = "child/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "child/windows.rs"]
mod system;

pub use system::become_the_command;
use system::{KILLED, Reach, code, notice_end};

/// A signal that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caught {
    pub number: i32,
    /// The terminal sent it, to the command as well.
    pub from_terminal: bool,
    /// It asks for an end; others are only passed on.
    pub asks_to_end: bool,
}

/// On a terminal, one that comes later than this after a first is a first one again: in a prompt, Ctrl-C only ends a line.
const AGAIN: Duration = Duration::from_secs(3);
/// After the second, how long until it is ended by SIGTERM (where there are signals), and then killed.
const TERM_AFTER: Duration = Duration::from_secs(2);
const KILL_AFTER: Duration = Duration::from_secs(10);
/// Nobody can be waited for that a signal does not end.
const GONE_AFTER: Duration = Duration::from_secs(2);

/// Does `job` on another thread, and meanwhile hears signals.
pub fn attend<T: Send>(words: &Receiver<Caught>, heard: &mut dyn FnMut(Caught), job: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let (told, over) = bounded::<()>(0);
        let job = scope.spawn(move || {
            let _until_done = told;
            job()
        });
        loop {
            select! {
                recv(over) -> _ => break,
                recv(words) -> caught => match caught {
                    Ok(caught) => heard(caught),
                    Err(_) => break,
                },
            }
        }
        job.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// How often somebody asked for an end. The second asking says that once more gives up, and from there on time does not matter.
#[derive(Clone, Debug, Default)]
pub struct Presses {
    count: u32,
    last: Option<Instant>,
    /// The number of the last signal.
    pub signal: Option<u8>,
}

impl Presses {
    /// Counts one, until the command has ended, and answers which it is.
    pub fn press(&mut self, caught: Caught, now: Instant) -> u32 {
        let late = self.last.is_some_and(|last| now.saturating_duration_since(last) > AGAIN);
        if caught.from_terminal && late && self.count == 1 {
            self.count = 0;
        }
        self.last = Some(now);
        self.add(caught)
    }

    /// Counts one after the command has ended, and answers whether it gives up. A first press was for the command: the next one
    /// is to be told what it would give up.
    pub fn press_after(&mut self, caught: Caught) -> bool {
        self.count = self.count.max(1);
        self.add(caught) > 2
    }

    fn add(&mut self, caught: Caught) -> u32 {
        self.count += 1;
        self.signal = u8::try_from(caught.number).ok();
        self.count
    }
}

/// How the command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code, 128+n where signal n ended it, 127 or 126 where it could not be started.
    pub code: u8,
    /// Somebody asked three times: nothing more is to be begun.
    pub given_up: bool,
}

/// The code of a command that could not be started, as shells have it.
pub fn code_of(error: &io::Error) -> u8 {
    if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 }
}

/// Runs the command to its end; `say` tells the user what a signal came to.
///
/// # Errors
/// That it could not be started.
pub fn work(mut command: Command, words: &Receiver<Caught>, presses: &mut Presses, say: &dyn Fn(&str)) -> io::Result<Ended> {
    // First: a command that runs and that nobody waits for would work on while its results are sent.
    let (begun, over) = notice_end()?;
    let mut child = command.spawn()?;
    let reach = Reach::of(&child);
    begun.say(&child)?;
    let mut ends = Ends::Never;
    loop {
        let due = ends.due().map_or_else(crossbeam_channel::never, crossbeam_channel::at);
        select! {
            recv(over) -> _ => return Ok(Ended { code: code(child.wait()?), given_up: false }),
            recv(due) -> _ => ends = ends.next(&mut child, &reach),
            recv(words) -> caught => {
                let Ok(caught) = caught else { return Ok(Ended { code: code(child.wait()?), given_up: false }) };
                if !caught.from_terminal {
                    reach.pass_on(&child, caught.number);
                }
                match if caught.asks_to_end { presses.press(caught, Instant::now()) } else { 0 } {
                    0 | 1 => {}
                    2 => {
                        say("the command is told to end; once more gives up what is not on the network yet");
                        ends = Ends::Term(Instant::now() + TERM_AFTER);
                    }
                    _ => {
                        reach.kill(&mut child);
                        return given_up(&mut child, &over);
                    }
                }
            }
        }
    }
}

fn given_up(child: &mut Child, over: &Receiver<()>) -> io::Result<Ended> {
    let code = match over.recv_timeout(GONE_AFTER) {
        Err(RecvTimeoutError::Timeout) => KILLED,
        _ => code(child.wait()?),
    };
    Ok(Ended { code, given_up: true })
}

/// What is still to be done so that the command ends.
#[derive(Clone, Copy, Debug)]
enum Ends {
    Never,
    Term(Instant),
    Kill(Instant),
}

impl Ends {
    fn due(self) -> Option<Instant> {
        match self {
            Ends::Never => None,
            Ends::Term(at) | Ends::Kill(at) => Some(at),
        }
    }

    fn next(self, child: &mut Child, reach: &Reach) -> Ends {
        match self {
            Ends::Term(at) => {
                reach.ask(child);
                Ends::Kill(at + KILL_AFTER)
            }
            Ends::Kill(_) => {
                reach.kill(child);
                Ends::Never
            }
            Ends::Never => Ends::Never,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caught(number: i32, from_terminal: bool) -> Caught {
        Caught { number, from_terminal, asks_to_end: true }
    }

    #[test]
    fn ctrl_c_in_a_prompt_stays_a_first_one_and_a_program_that_asks_again_means_it() {
        let began = Instant::now();
        let at = |seconds: u64| began + Duration::from_secs(seconds);
        let count = |from_terminal: bool, times: &[u64]| {
            let mut presses = Presses::default();
            times.iter().map(|&seconds| presses.press(caught(2, from_terminal), at(seconds))).collect::<Vec<_>>()
        };
        assert_eq!(count(true, &[0, 1, 2]), [1, 2, 3]);
        assert_eq!(count(true, &[0, 4, 8, 10, 11]), [1, 1, 1, 2, 3]);
        assert_eq!(count(true, &[0, 1, 60]), [1, 2, 3], "it was told that once more gives up");
        assert_eq!(count(false, &[0, 60, 120]), [1, 2, 3]);
    }

    #[test]
    fn after_the_command_nothing_is_given_up_before_it_was_told() {
        let gives_up = |before: u64| {
            let mut presses = Presses::default();
            let began = Instant::now();
            for seconds in 0..before {
                presses.press(caught(2, true), began + Duration::from_secs(seconds));
            }
            [(); 3].map(|()| presses.press_after(caught(2, true)))
        };
        assert_eq!(gives_up(0), [false, true, true]);
        assert_eq!(gives_up(1), [false, true, true]);
        assert_eq!(gives_up(2), [true, true, true]);
    }

    #[cfg(windows)]
    use crate::disk::group::begun;
    use crate::disk::group::shell;

    #[cfg(windows)]
    #[test]
    fn it_ends_with_the_commands_code_and_a_third_press_ends_what_it_started_too() {
        let (told, words) = bounded(4);
        let run = |line: &str| {
            let run = || work(shell(line), &words, &mut Presses::default(), &|_| {});
            // Codes that are too large for one of Linux, as Wine's own are, are 255.
            begun(run, |ended| ended.as_ref().is_ok_and(|ended| ended.code != 255)).expect("started")
        };
        assert_eq!(["exit 0", "exit 7", "exit 256"].map(|line| run(line).code), [0, 7, 255]);
        let missing = work(Command::new("no-such-program"), &words, &mut Presses::default(), &|_| {}).expect_err("not there");
        assert_eq!(code_of(&missing), 127);
        (0..3).for_each(|_| told.send(caught(2, true)).expect("there is room"));
        let began = Instant::now();
        assert_eq!(run("ping -n 60 127.0.0.1 >NUL"), Ended { code: KILLED, given_up: true });
        assert!(began.elapsed() < Duration::from_secs(30));
    }

    #[cfg(unix)]
    #[test]
    fn it_ends_with_the_commands_code() {
        let (_told, words) = bounded(1);
        let code = |script: &str| work(shell(script), &words, &mut Presses::default(), &|_| {}).expect("started").code;
        assert_eq!([code("exit 0"), code("exit 7"), code("kill -TERM $$")], [0, 7, 143]);
        let missing = work(Command::new("/no/such/program"), &words, &mut Presses::default(), &|_| {}).expect_err("not there");
        assert_eq!(code_of(&missing), 127);
    }

    #[cfg(unix)]
    #[test]
    fn a_program_that_asks_is_passed_on_and_the_terminal_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let ready = folder.path().join("ready");
        let trapped = format!("trap 'exit 5' INT; : >'{}'; while :; do sleep 0.05; done", ready.display());
        let (told, words) = bounded(4);
        told.send(caught(2, true)).expect("there is room");
        let asked = std::thread::spawn(move || {
            while !crate::disk::local::is_file(&ready) {
                std::thread::yield_now();
            }
            told.send(caught(2, false)).expect("somebody hears");
        });
        let mut presses = Presses::default();
        let ended = work(shell(&trapped), &words, &mut presses, &|_| {}).expect("started");
        asked.join().expect("joined");
        assert_eq!((ended.code, ended.given_up, presses.count, presses.signal), (5, false, 2, Some(2)));
    }

    #[cfg(unix)]
    #[test]
    fn a_third_one_ends_what_hears_nothing() {
        let (told, words) = bounded(4);
        (0..3).for_each(|_| told.send(caught(2, true)).expect("there is room"));
        let ended = work(shell("trap '' INT TERM; exec sleep 60"), &words, &mut Presses::default(), &|_| {});
        assert_eq!(ended.expect("started"), Ended { code: 137, given_up: true });
    }
}
