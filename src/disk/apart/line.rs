//! Calls over lines to the process apart: one in flight on each, with a limit to how long nothing may come.
//!
//! Invariants. Who waits looks at the clock and at the stop flag at every tick. The first call that is given up gives up
//! all: from then on every call fails at once, and none is sent.

use std::fmt::Display;
use std::io::{self, ErrorKind as IoKind, Read, Write};
use std::ops::ControlFlow;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Patience;
use super::process::Process;
use super::protocol::{self, Answer, Garbled, Request};
use super::server::Open;
use crate::disk::{Error, ErrorKind, Result};

const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
/// What a root gets to answer once the user wants to stop.
const MOMENT: Duration = Duration::from_millis(500);
/// How many times the usual silence a call may take that the system is known to take long for.
const LONG: u32 = 6;
/// Bytes that are asked of the socket at once.
const GULP: usize = 64 << 10;

/// How long a call may take while the root is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    Usual,
    /// It waits until what was written is on a disk.
    Slow,
}

/// Why no call is made any more.
#[derive(Clone, Copy, Debug)]
enum Lost {
    Silent(Duration),
    Stopped,
    Ended,
    Garbled,
}

/// What answers at the other end.
pub(super) enum Other {
    Process(Process),
    /// In this process, for tests.
    #[cfg_attr(not(test), expect(dead_code, reason = "tests speak to the other side without a process"))]
    Here(Arc<Open>),
}

/// All lines to one process apart.
pub(super) struct Lines {
    other: Other,
    free: Mutex<Vec<Line>>,
    lost: OnceLock<Lost>,
    patience: Patience,
    began: Instant,
    /// Milliseconds from `began` to the last answer on any line, and to the moment in which a stop was noticed.
    answered: AtomicU64,
    stopped: OnceLock<Instant>,
}

struct Line {
    stream: UnixStream,
    came: Vec<u8>,
    out: Vec<u8>,
}

/// What a call is about, for its errors.
#[derive(Clone, Copy)]
pub(super) struct About<'a> {
    pub op: &'static str,
    pub path: &'a dyn Display,
}

impl Lines {
    pub fn start(patience: &Patience) -> io::Result<Lines> {
        Ok(Lines::to(Other::Process(Process::start()?), patience))
    }

    pub fn to(other: Other, patience: &Patience) -> Lines {
        Lines {
            other,
            free: Mutex::new(Vec::new()),
            lost: OnceLock::new(),
            patience: patience.clone(),
            began: Instant::now(),
            answered: AtomicU64::new(0),
            stopped: OnceLock::new(),
        }
    }

    pub fn is_lost(&self) -> bool {
        self.lost.get().is_some()
    }

    /// Sends a request and hands each answer to `take`, until that breaks with what the call comes to, or with `None`
    /// where the answer is of another kind than it can be.
    pub fn call<T>(
        &self,
        about: About<'_>,
        pace: Pace,
        request: &Request,
        bytes: &[u8],
        mut take: impl FnMut(Answer, &[u8]) -> ControlFlow<Option<T>>,
    ) -> Result<T> {
        if let Some(lost) = self.lost.get() {
            return Err(self.error(about, *lost));
        }
        let result = self.line().and_then(|mut line| {
            let ended = self.exchange(&mut line, pace, request, bytes, &mut take)?;
            self.free.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            Ok(ended)
        });
        match result {
            Ok(ended) => ended,
            Err(lost) => Err(self.error(about, self.give_up(lost))),
        }
    }

    fn line(&self) -> std::result::Result<Line, Lost> {
        if let Some(line) = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            return Ok(line);
        }
        let stream = match &self.other {
            Other::Process(process) => process.line(),
            Other::Here(open) => UnixStream::pair().map(|(ours, theirs)| {
                let open = Arc::clone(open);
                std::thread::spawn(move || super::server::serve(theirs, &open));
                ours
            }),
        };
        let stream = stream.and_then(|stream| stream.set_nonblocking(true).map(|()| stream)).map_err(|_| Lost::Ended)?;
        Ok(Line { stream, came: Vec::new(), out: Vec::new() })
    }

    fn exchange<T>(
        &self,
        line: &mut Line,
        pace: Pace,
        request: &Request,
        bytes: &[u8],
        take: &mut dyn FnMut(Answer, &[u8]) -> ControlFlow<Option<T>>,
    ) -> std::result::Result<Result<T>, Lost> {
        let began = Instant::now();
        protocol::encode(request, bytes, &mut line.out)?;
        let mut sent = 0;
        while sent < line.out.len() {
            match line.stream.write(&line.out[sent..]) {
                Ok(count) => sent += count,
                Err(error) if again(&error) => self.wait(&line.stream, PollFlags::OUT, began, pace)?,
                Err(_) => return Err(Lost::Ended),
            }
        }
        loop {
            let frame = loop {
                match protocol::frame(&line.came)? {
                    Ok(frame) => break frame,
                    Err(wanted) => self.receive(line, wanted, began, pace)?,
                }
            };
            let taken = match protocol::decode(frame.head)? {
                Answer::Failed(error) => ControlFlow::Break(Some(Err(Error::from(error)))),
                answer => match take(answer, frame.bytes) {
                    ControlFlow::Continue(()) => ControlFlow::Continue(()),
                    ControlFlow::Break(ended) => ControlFlow::Break(ended.map(Ok)),
                },
            };
            let length = frame.length;
            line.came.drain(..length);
            self.answered.fetch_max(since(self.began, Instant::now()), Ordering::Relaxed);
            if let ControlFlow::Break(ended) = taken {
                return ended.ok_or(Lost::Garbled);
            }
        }
    }

    /// Takes more bytes, so that there may be `wanted`.
    fn receive(&self, line: &mut Line, wanted: usize, began: Instant, pace: Pace) -> std::result::Result<(), Lost> {
        let had = line.came.len();
        line.came.resize(had + wanted.saturating_sub(had).max(GULP), 0);
        let read = loop {
            match line.stream.read(&mut line.came[had..]) {
                Ok(0) => break Err(Lost::Ended),
                Ok(count) => break Ok(count),
                Err(error) if again(&error) => {
                    if let Err(lost) = self.wait(&line.stream, PollFlags::IN, began, pace) {
                        break Err(lost);
                    }
                }
                Err(_) => break Err(Lost::Ended),
            }
        };
        line.came.truncate(had + *read.as_ref().unwrap_or(&0));
        read.map(drop)
    }

    /// Waits until the line can be used, or until it is time to give up.
    fn wait(&self, stream: &UnixStream, flags: PollFlags, began: Instant, pace: Pace) -> std::result::Result<(), Lost> {
        let factor = if pace == Pace::Slow { LONG } else { 1 };
        let limit = self.patience.silence().saturating_mul(factor);
        loop {
            match poll(&mut [PollFd::new(stream, flags)], Some(&TICK)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(_) => return Err(Lost::Ended),
            }
            if let Some(lost) = self.lost.get() {
                return Err(*lost);
            }
            let now = Instant::now();
            let answered = self.began + Duration::from_millis(self.answered.load(Ordering::Relaxed));
            let quiet_since = began.max(answered);
            // Others are answered and this one never: a file of its own that hangs.
            let endless = now - began >= self.patience.silence().saturating_mul(LONG);
            if now.saturating_duration_since(quiet_since) >= limit || endless {
                return Err(Lost::Silent(now - began));
            }
            if self.patience.stopped() {
                let noticed = *self.stopped.get_or_init(|| now);
                if now.saturating_duration_since(quiet_since.max(noticed)) >= MOMENT {
                    return Err(Lost::Stopped);
                }
            }
        }
    }

    /// The first reason stays.
    ///
    /// RACE: what the other process is stuck in may still be carried out when its mount answers, after this command has
    /// ended. Worst outcome: one change that no run recorded, found by the looks of the next one.
    fn give_up(&self, lost: Lost) -> Lost {
        let lost = *self.lost.get_or_init(|| lost);
        if let Other::Process(process) = &self.other {
            process.kill();
        }
        lost
    }

    fn error(&self, about: About<'_>, lost: Lost) -> Error {
        let source = match lost {
            Lost::Silent(waited) => {
                io::Error::new(IoKind::TimedOut, format!("no answer for {} s; its mount hangs", seconds(waited)))
            }
            Lost::Stopped => io::Error::new(IoKind::Interrupted, "stopped while it gave no answer"),
            Lost::Ended => io::Error::new(IoKind::ConnectionAborted, "the process that asks this root has ended"),
            Lost::Garbled => io::Error::new(IoKind::InvalidData, "the process that asks this root cannot be understood"),
        };
        Error { op: about.op, path: about.path.to_string(), kind: ErrorKind::Gone, source }
    }
}

impl From<Garbled> for Lost {
    fn from(garbled: Garbled) -> Lost {
        tracing::debug!(%garbled, "a line to the process apart is given up");
        Lost::Garbled
    }
}

fn again(error: &io::Error) -> bool {
    matches!(error.kind(), IoKind::WouldBlock | IoKind::Interrupted)
}

fn since(began: Instant, now: Instant) -> u64 {
    u64::try_from(now.saturating_duration_since(began).as_millis()).unwrap_or(u64::MAX)
}

/// `20`, or `0.5`.
fn seconds(span: Duration) -> String {
    if span >= Duration::from_secs(2) { span.as_secs().to_string() } else { format!("{:.1}", span.as_secs_f64()) }
}
