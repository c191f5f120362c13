//! Events of the console. They have the numbers of the signals that mean the same elsewhere, so that exit codes do too: Ctrl-C
//! 130, Ctrl-Break 143, a closed window or the end of the session 129.

use std::io;

use crossbeam_channel::Sender;

use super::Stop;
use crate::disk::signals::{self, Event};
use crate::run::child::Caught;

fn number_of(event: Event) -> u8 {
    match event {
        Event::CtrlC => 2,
        Event::CtrlBreak => 15,
        Event::Farewell => 1,
    }
}

pub fn listen(stop: &Stop) -> io::Result<()> {
    let stop = stop.clone();
    signals::hear(move |event| {
        let number = number_of(event);
        if stop.signal().is_some() && event != Event::Farewell {
            signals::end_now(128 + u32::from(number));
        }
        stop.set(number);
    })
}

/// Calls something where an event comes, so that nobody has to look for one all the time.
pub struct Waker;

impl Waker {
    pub fn start(wake: impl Fn() + Send + 'static) -> io::Result<Waker> {
        signals::hear(move |_| wake())?;
        Ok(Waker)
    }
}

/// Every event, told one by one from here on.
pub fn hear(words: Sender<Caught>) -> io::Result<()> {
    signals::hear(move |event| {
        let from_terminal = event != Event::Farewell;
        // Who is asked so often that there is no more room has heard it.
        let _ = words.try_send(Caught { number: number_of(event).into(), from_terminal, asks_to_end: true });
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_have_the_numbers_of_the_signals_that_mean_the_same() {
        assert_eq!([Event::CtrlC, Event::CtrlBreak, Event::Farewell].map(number_of), [2, 15, 1]);
    }
}
