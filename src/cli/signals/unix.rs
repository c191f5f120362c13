//! Signals of Unix.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::flag;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::iterator::{Handle, Signals, SignalsInfo};
use signal_hook::low_level::siginfo::{Cause, Origin};

use super::Stop;
use crate::disk::signals::{is_ignored, leads_session};
use crate::run::child::Caught;

/// The three signals that ask for an end are caught.
pub fn listen(stop: &Stop) -> io::Result<()> {
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        // In this order: the shutdown is armed by the flag that the same first signal sets only afterwards.
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stop.stop))?;
        flag::register_usize(signal, Arc::clone(&stop.signal), signal.unsigned_abs() as usize)?;
        flag::register(signal, Arc::clone(&stop.stop))?;
    }
    Ok(())
}

/// Calls something where a signal comes, so that nobody has to look for one all the time; until it is dropped.
pub struct Waker(Handle);

impl Waker {
    pub fn start(wake: impl Fn() + Send + 'static) -> io::Result<Waker> {
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        let waker = Waker(signals.handle());
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || signals.forever().for_each(|_| wake()))?;
        Ok(waker)
    }
}

impl Drop for Waker {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Every signal that would end this program, and those that are passed on, told one by one from here on, without echoes. What is
/// ignored stays ignored.
pub fn hear(words: Sender<Caught>) -> io::Result<()> {
    const ENDING: [i32; 4] = [SIGINT, SIGTERM, SIGHUP, SIGQUIT];
    let wanted = ENDING.into_iter().chain([SIGUSR1, SIGUSR2]).filter(|&number| !is_ignored(number));
    let mut signals = SignalsInfo::<WithOrigin>::new(wanted)?;
    let caught = |origin: &Origin| Caught {
        number: origin.signal,
        from_terminal: is_from_terminal(origin),
        asks_to_end: ENDING.contains(&origin.signal),
    };
    // Not joined: it ends with the program.
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut last = Last::default();
        for origin in &mut signals.forever() {
            let is_echo = ENDING.contains(&origin.signal) && last.is_echo(origin.signal, Instant::now());
            if !is_echo && words.send(caught(&origin)).is_err() {
                return;
            }
        }
    })?;
    Ok(())
}

/// Who ends a process group (`timeout`, a service's end) often signals it and each process in it: equal ones as close as this are one.
const ECHO: Duration = Duration::from_millis(200);

/// The last signal that asked for an end and was told.
#[derive(Default)]
struct Last(Option<(i32, Instant)>);

impl Last {
    fn is_echo(&mut self, number: i32, now: Instant) -> bool {
        let is_echo = self.0.is_some_and(|(last, told)| last == number && now.saturating_duration_since(told) < ECHO);
        if !is_echo {
            self.0 = Some((number, now));
        }
        is_echo
    }
}

/// A terminal's signals come from the kernel itself. On Linux a sender without a number is a program outside of our pid namespace.
fn is_from_terminal(origin: &Origin) -> bool {
    let nobody = cfg!(target_os = "macos") && origin.process.is_none_or(|process| process.pid == 0);
    // One that goes away tells the leader of its session alone.
    let ours_alone = origin.signal == SIGHUP && leads_session();
    (nobody || matches!(origin.cause, Cause::Kernel)) && !ours_alone
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_signals_close_together_are_one_and_do_not_hide_all_that_follow() {
        let began = Instant::now();
        let mut last = Last::default();
        let given = [(SIGTERM, 0), (SIGTERM, 150), (SIGTERM, 250), (SIGINT, 260), (SIGINT, 270), (SIGTERM, 280), (SIGTERM, 480)];
        let echoes = given.map(|(number, ms)| last.is_echo(number, began + Duration::from_millis(ms)));
        assert_eq!(echoes, [false, true, false, false, true, false, false]);
    }
}
