//! Other programs, run without a shell, in a process group of their own, heard line by line, with a limit.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::error::{Error, Result};
use crate::disk::group::{self, Group};
use crate::model::shown::{short, tame};

/// How long an asked process may take to end.
const GRACE: Duration = Duration::from_secs(3);
/// Lines of what was said that are kept for a message.
const KEPT: usize = 12;
/// Longer lines are cut, and longer output is an error.
const LINE: u64 = 64 << 10;
const MOST: usize = 32 << 20;

/// How a program ended.
pub struct Ended {
    pub success: bool,
    pub stdout: Vec<u8>,
    /// The last lines of its stderr, tame.
    pub last: Vec<String>,
}

impl Ended {
    pub fn message(&self) -> String {
        let told: Vec<&str> = self.last.iter().map(String::as_str).filter(|line| !line.trim().is_empty()).collect();
        short(&told[told.len().saturating_sub(3)..].join("; "))
    }
}

/// What goes on while a program works.
pub struct Hearing<'a> {
    pub limit: Duration,
    /// Ends the program; `None` for one that is not to be broken off.
    pub stop: Option<&'a AtomicBool>,
    /// Is told each line, tame. With stdout too where that is no answer.
    pub say: Option<&'a mut dyn FnMut(&str)>,
}

enum Line {
    Out(Vec<u8>),
    Err(Vec<u8>),
}

pub fn run(command: &mut Command, shown: &str, mut hearing: Hearing<'_>) -> Result<Ended> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = group::spawn(command).map_err(|error| Error::NoCompose(format!("{}: {error}", short(shown))))?;
    let (tell, lines) = bounded(256);
    let (stdout, stderr) = (child.stdout.take().expect("it is piped"), child.stderr.take().expect("it is piped"));
    let readers = [read(stdout, Line::Out, tell.clone()), read(stderr, Line::Err, tell)];
    let heard = hear(&mut child, &lines, shown, &mut hearing);
    if heard.is_err() {
        drop(child.end(GRACE));
    }
    // Nobody waits for a line to be taken any more.
    drop(lines);
    let (stdout, last) = heard?;
    let status = child.wait().map_err(|error| Error::NoCompose(error.to_string()))?;
    readers.into_iter().for_each(|reader| drop(reader.join()));
    Ok(Ended { success: status.success(), stdout, last })
}

fn read(pipe: impl Read + Send + 'static, kind: fn(Vec<u8>) -> Line, tell: Sender<Line>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        loop {
            let mut line = Vec::new();
            let count = pipe.by_ref().take(LINE).read_until(b'\n', &mut line);
            if !count.is_ok_and(|count| count > 0) || tell.send(kind(line)).is_err() {
                return;
            }
        }
    })
}

/// Both streams to their end.
fn hear(child: &mut Group, lines: &Receiver<Line>, shown: &str, hearing: &mut Hearing<'_>) -> Result<(Vec<u8>, Vec<String>)> {
    let (mut stdout, mut last, began) = (Vec::new(), Vec::new(), Instant::now());
    loop {
        match lines.recv_timeout(Duration::from_millis(50)) {
            Ok(Line::Out(line)) if hearing.say.is_none() => {
                stdout.extend(line);
                if stdout.len() > MOST {
                    return Err(Error::Compose { command: short(shown), message: "its answer has no end".to_owned() });
                }
            }
            Ok(Line::Out(line) | Line::Err(line)) => {
                let line = told(&line);
                if let Some(say) = &mut hearing.say {
                    say(&line);
                }
                last.push(line);
                if last.len() > KEPT {
                    last.remove(0);
                }
            }
            // What it left running may hold its pipes open; it itself is done.
            Err(RecvTimeoutError::Timeout) if child.try_wait().is_ok_and(|status| status.is_some()) => return Ok((stdout, last)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok((stdout, last)),
        }
        if hearing.stop.is_some_and(|stop| stop.load(Ordering::SeqCst)) {
            return Err(Error::Stopped);
        }
        if began.elapsed() > hearing.limit {
            return Err(Error::Silent { command: short(shown), seconds: hearing.limit.as_secs() });
        }
    }
}

/// One line as it may be shown. Colours are gone with the rest that steers.
fn told(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    tame(text.trim_end().rsplit('\r').next().unwrap_or_default())
}
