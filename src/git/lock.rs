//! One writer at a time in a clone, and who that is.
//!
//! Locks save work. Safety is compare-and-swap of refs, here and at the remote: where a lock is broken wrongly, a step
//! is made again, and nothing is lost. So waiting is bounded, and who does not get it leaves his work as a ref.
//!
//! There are two, both kernel locks on a file in `.git/driftless/`, freed by the kernel when the holder dies; the files are
//! never removed, and what they say is for people. On a network drive each has a lease beside it, for other hosts. *Writer*: who moves refs, here and at the remote. *Turn*: who works on the
//! work tree, the commands of a tick or a move of the branch. Who takes both takes the turn first.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::error::{Error, Result};
use super::lease::{self, Asked, Lease};
use super::repository::Repository;
use super::unlock;
use crate::disk::{clock, local};
use crate::model::shown::short;
use crate::model::time::Time;
use crate::model::utc;

/// How often somebody who waits looks again.
const LOOK: Duration = Duration::from_millis(20);

/// Held until it is dropped.
pub struct Held {
    /// In this order: the lease goes before the lock.
    _lease: Option<Lease>,
    _lock: local::Lock,
}

/// Who holds a lock, as he wrote it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    pub host: String,
    pub process: u32,
    pub purpose: String,
    /// RFC 3339.
    pub since: String,
    /// The start of the machine and the process's start in it: a number that came round again is another process.
    pub boot: String,
    pub start: String,
}

/// What is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    Writer,
    Turn,
}

pub fn path(repository: &Repository, which: Which) -> PathBuf {
    match which {
        Which::Writer => repository.common.join("driftless/lock"),
        // Each work tree of a clone has its own.
        Which::Turn => repository.git_dir.join("driftless/turn"),
    }
}

/// Takes a lock, or gives up after `wait`.
pub fn take(repository: &Repository, which: Which, purpose: &str, wait: Duration) -> Result<Held> {
    let path = path(repository, which);
    repository.own_folder()?;
    if let Some(folder) = path.parent().filter(|folder| !local::is_folder(folder)) {
        local::make_folders_like(folder, &repository.git_dir)?;
    }
    let began = Instant::now();
    loop {
        let me = Holder::me(purpose, clock::now());
        if let Some(lock) = local::Lock::try_take(&path, &me.text())? {
            let left = wait.saturating_sub(began.elapsed());
            return match lease::take(&path, &me, left, repository.git.stop())? {
                Asked::Busy if repository.git.is_stopped() => Err(Error::Stopped),
                Asked::Busy => Err(busy(lease::holder(&path))),
                Asked::Free(lease) => {
                    let held = Held { _lease: lease, _lock: lock };
                    if which == Which::Writer {
                        unlock::sweep_ours(repository);
                    }
                    Ok(held)
                }
            };
        }
        if repository.git.is_stopped() {
            return Err(Error::Stopped);
        }
        let left = wait.saturating_sub(began.elapsed());
        if left.is_zero() {
            return Err(busy(local::Lock::holder(&path).map(|text| Holder::parse(&text))));
        }
        clock::pause(LOOK.min(left));
    }
}

fn busy(holder: Option<Holder>) -> Error {
    Error::Busy { holder: holder.map_or_else(|| "it does not say who".to_owned(), |holder| holder.sentence()) }
}

/// Who holds it now; `None` where nobody does. On a network drive another host is given some seconds to show that it lives.
pub fn holder(repository: &Repository, which: Which) -> Option<Holder> {
    let path = path(repository, which);
    if local::Lock::is_held(&path) == Some(true) {
        return Some(Holder::parse(&local::Lock::holder(&path).unwrap_or_default()));
    }
    lease::is_alive(&path).then(|| lease::holder(&path).unwrap_or_default())
}

impl Holder {
    pub fn me(purpose: &str, now: Time) -> Holder {
        let process = std::process::id();
        Holder {
            host: local::host_name(),
            process,
            purpose: purpose.to_owned(),
            since: utc::rfc3339(Time::from_parts(now.parts().0, 0)),
            boot: boot(),
            start: start_of(process).unwrap_or_default(),
        }
    }

    pub fn text(&self) -> String {
        let Holder { host, process, purpose, since, boot, start } = self;
        format!("host {host}\nprocess {process}\npurpose {purpose}\nsince {since}\nboot {boot}\nstart {start}\n")
    }

    pub fn parse(text: &str) -> Holder {
        let word = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
            short(line.unwrap_or_default())
        };
        Holder {
            host: word("host"),
            process: word("process").parse().unwrap_or_default(),
            purpose: word("purpose"),
            since: word("since"),
            boot: word("boot"),
            start: word("start"),
        }
    }

    pub fn sentence(&self) -> String {
        format!("process {} on {} ({}), since {}", self.process, self.host, self.purpose, self.since)
    }
}

/// This start of the machine; empty where the system does not tell.
fn boot() -> String {
    let told = local::read_text("/proc/sys/kernel/random/boot_id".as_ref(), 100).ok().flatten();
    told.map(|text| text.trim().to_owned()).unwrap_or_default()
}

/// When a process started, in ticks since the machine did; `None` where there is no such process.
fn start_of(process: u32) -> Option<String> {
    let stat = local::read_text(format!("/proc/{process}/stat").as_ref(), 4096).ok().flatten()?;
    // The name in brackets may hold anything; field 22 is the 20th after it.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_reads_back_and_steers_no_terminal() {
        let me = Holder::me("publish", Time::from_parts(1_795_234_500, 7));
        assert_eq!(Holder::parse(&me.text()), me);
        assert!(cfg!(windows) || (!me.start.is_empty() && !me.boot.is_empty()), "{me:?}");
        let hostile = Holder::parse("host \x1b[2J\nprocess x\npurpose a\u{202e}b");
        assert_eq!((hostile.host.as_str(), hostile.process, hostile.purpose.as_str()), ("\\u{1b}[2J", 0, "a\\u{202e}b"));
    }
}
