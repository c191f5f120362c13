//! What goes on beside the command: words about steps, and a push now and then.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::Carrier;
use super::mailbox::Mailbox;
use super::steps::{Push, Record};
use crate::model::shown::tame;

/// How often the mailbox is looked into.
const EAR: Duration = Duration::from_millis(50);
const LONGEST_EAR: Duration = Duration::from_secs(2);
/// The code of a sync that another one was in the way of: the next push is soon enough.
const BUSY: u8 = 8;
/// A push takes at most a tenth of the time.
const SPACING: u32 = 10;

/// Tends the mailbox, and pushes every `push_every` where no step was ever begun, until `over` is closed.
pub fn tend(
    record: &Record,
    mailbox: Option<&mut Mailbox>,
    carrier: &dyn Carrier,
    push_every: Option<Duration>,
    over: &Receiver<()>,
) {
    let mut mailbox = mailbox;
    let mut push_at = push_every.map(|every| Instant::now() + every);
    let mut last_code = 0;
    let mut pause = EAR;
    while over.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        if let Some(mailbox) = &mut mailbox {
            let began = Instant::now();
            mailbox.tend(record, carrier);
            // Somebody may have filled it with anything.
            pause = (began.elapsed() * 2).clamp(EAR, LONGEST_EAR);
        }
        let (Some(every), Some(at)) = (push_every, push_at) else { continue };
        if Instant::now() < at {
            continue;
        }
        let began = Instant::now();
        let carried = match record.push(carrier) {
            Ok(Push::Done(carried)) => carried,
            Ok(Push::BySteps) => {
                push_at = None;
                continue;
            }
            Ok(Push::NotNow) => continue,
            Err(error) => {
                tracing::warn!(%error, "nothing is pushed");
                continue;
            }
        };
        // Once for each trouble: the drive may be away for hours.
        if !matches!(carried.code, 0 | BUSY) && carried.code != last_code {
            carrier.say(&format!("results are kept in staging for now: {}", tame(&carried.trouble())));
        }
        last_code = carried.code;
        push_at = Some(Instant::now() + every.max(began.elapsed() * SPACING));
    }
    // Who asked at the last moment is answered: the final up comes.
    if let Some(mailbox) = &mut mailbox {
        mailbox.tend(record, carrier);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::side::Direction;
    use crate::run::{Carried, Hold, Wait};
    use crossbeam_channel::{Sender, bounded};

    /// Tells of each sync.
    struct Tells(Sender<Direction>);

    impl Carrier for Tells {
        fn carry(&self, direction: Direction, _: Wait) -> Carried {
            self.0.send(direction).expect("somebody hears");
            Carried { code: 0, report: serde_json::json!({}) }
        }

        fn hold(&self, _: bool) -> Hold {
            Hold::Needless
        }

        fn say(&self, _: &str) {}
    }

    #[test]
    fn pushes_come_until_the_first_step() {
        let folder = tempfile::tempdir().expect("a folder");
        let record = Record::of(folder.path().to_path_buf());
        let (told, heard) = bounded(100);
        let (go, over) = bounded::<()>(0);
        std::thread::scope(|scope| {
            let desk = scope.spawn(|| tend(&record, None, &Tells(told.clone()), Some(Duration::from_millis(1)), &over));
            assert_eq!([heard.recv(), heard.recv()], [Ok(Direction::Up); 2]);
            record.begin("a", &Tells(told.clone())).expect("written");
            while heard.recv() != Ok(Direction::Down) {}
            record.end("a", false, &Tells(told.clone())).expect("written");
            assert!(heard.recv_timeout(EAR * 4).is_err(), "a push after a step was begun");
            drop(go);
            desk.join().expect("joined");
        });
    }

    #[test]
    fn nothing_is_pushed_where_a_step_was_begun_or_nobody_wants_it() {
        for (begun, every) in [(true, Some(Duration::ZERO)), (false, None)] {
            let folder = tempfile::tempdir().expect("a folder");
            let record = Record::of(folder.path().to_path_buf());
            let (told, heard) = bounded(100);
            if begun {
                record.begin("a", &Tells(told.clone())).expect("written");
            }
            let (go, over) = bounded::<()>(0);
            let ended = std::thread::spawn(move || {
                let rounds = 4;
                std::thread::sleep(EAR * rounds);
                drop(go);
            });
            tend(&record, None, &Tells(told), every, &over);
            ended.join().expect("joined");
            assert!(!heard.try_iter().any(|direction| direction == Direction::Up));
        }
    }
}
