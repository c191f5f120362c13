//! What a process took: time on the wall, time of the processor, the most memory, bytes written.
//!
//! Each figure is that of the system, and `None` where the system does not tell it. Processor time and memory are of the
//! process and of all its descendants that it waited for; the memory is that of the largest of them. A child begins as a
//! copy of this process, so that small readings of memory are those of the copy.

#![cfg_attr(target_os = "linux", expect(clippy::disallowed_methods, reason = "disk is the door to the file system"))]

use std::io;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::group::{self, Group};

/// How long a process that was told to end may take.
const GRACE: Duration = Duration::from_secs(5);
/// How often a stop is asked for.
const TICK: Duration = Duration::from_millis(50);

/// What one process took.
#[derive(Clone, Debug)]
pub struct Used {
    pub wall: Duration,
    pub cpu: Option<Duration>,
    /// Bytes.
    pub peak: Option<u64>,
    /// Bytes that it gave to the system to write, wherever: files, pipes.
    pub written: Option<u64>,
    /// `None`: it was ended, because somebody asked us to stop.
    pub status: Option<ExitStatus>,
}

/// Runs a command to its end.
pub fn run(command: &mut Command, stop: &AtomicBool) -> io::Result<Used> {
    let began = Instant::now();
    let mut child = spawn(command)?;
    if wait_unreaped(&mut child, stop)? {
        let wall = began.elapsed();
        return reap(&mut child, wall);
    }
    child.end(GRACE)?;
    Ok(Used { wall: began.elapsed(), cpu: None, peak: None, written: None, status: None })
}

/// Starts a child at the head of a group of its own: Ctrl-C is for us, who end it. Where the system can, it ends with us however
/// we end.
pub fn spawn(command: &mut Command) -> io::Result<Group> {
    #[cfg(target_os = "linux")]
    {
        let last_words = || {
            let asked = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM));
            asked.map_err(io::Error::from)
        };
        // SAFETY: between fork and exec it makes one system call that takes no memory and no lock.
        unsafe { std::os::unix::process::CommandExt::pre_exec(command, last_words) };
    }
    group::spawn(command)
}

/// Waits until the child has ended, and leaves it to be reaped; `false` where somebody asked us to stop first.
#[cfg(target_os = "linux")]
fn wait_unreaped(child: &mut Child, stop: &AtomicBool) -> io::Result<bool> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let id = rustix::process::Pid::from_child(child);
    let handle = rustix::process::pidfd_open(id, rustix::process::PidfdFlags::empty())?;
    let tick = Timespec { tv_sec: 0, tv_nsec: i64::from(TICK.subsec_nanos()) };
    while !stop.load(Ordering::SeqCst) {
        match poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&tick)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(false)
}

/// Elsewhere it is asked for every millisecond.
#[cfg(not(target_os = "linux"))]
fn wait_unreaped(child: &mut Child, stop: &AtomicBool) -> io::Result<bool> {
    while !stop.load(Ordering::SeqCst) {
        if has_ended(child)? {
            return Ok(true);
        }
        std::thread::sleep(TICK / 50);
    }
    Ok(false)
}

#[cfg(all(unix, not(target_os = "linux")))]
fn has_ended(child: &Child) -> io::Result<bool> {
    use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    Ok(waitid(WaitId::Pid(Pid::from_child(child)), options)?.is_some())
}

#[cfg(not(unix))]
fn has_ended(child: &mut Child) -> io::Result<bool> {
    Ok(child.try_wait()?.is_some())
}

#[cfg(unix)]
fn reap(child: &mut Child, wall: Duration) -> io::Result<Used> {
    use std::os::unix::process::ExitStatusExt;
    let written = written(child.id());
    let id = libc::pid_t::try_from(child.id()).map_err(io::Error::other)?;
    let mut status = 0;
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: `id` is a child of ours that has ended and was not waited for; both places are large enough and of the types
    // that the call writes, and zeroes are a valid value of each.
    let (reaped, usage) = unsafe {
        let reaped = libc::wait4(id, &raw mut status, 0, usage.as_mut_ptr());
        (reaped, usage.assume_init())
    };
    if reaped != id {
        return Err(io::Error::last_os_error());
    }
    Ok(Used {
        wall,
        cpu: Some(span(usage.ru_utime) + span(usage.ru_stime)),
        peak: Some(in_bytes(usage.ru_maxrss)),
        written,
        status: Some(ExitStatus::from_raw(status)),
    })
}

#[cfg(not(unix))]
fn reap(child: &mut Child, wall: Duration) -> io::Result<Used> {
    Ok(Used { wall, cpu: None, peak: None, written: None, status: Some(child.wait()?) })
}

#[cfg(unix)]
fn span(time: libc::timeval) -> Duration {
    let micros = u64::try_from(time.tv_usec).unwrap_or_default();
    Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or_default()) + Duration::from_micros(micros)
}

/// Apple counts bytes, the others KiB.
#[cfg(unix)]
fn in_bytes(peak: libc::c_long) -> u64 {
    let peak = u64::try_from(peak).unwrap_or_default();
    if cfg!(target_vendor = "apple") { peak } else { peak.saturating_mul(1024) }
}

/// Of a process that has ended and was not waited for, with what its waited-for children wrote.
#[cfg(unix)]
fn written(id: u32) -> Option<u64> {
    field(&format!("/proc/{id}/io"), "wchar:")
}

/// The most memory that a running process had so far, in bytes.
pub fn peak_of(id: u32) -> Option<u64> {
    field(&format!("/proc/{id}/status"), "VmHWM:").map(|kib| kib * 1024)
}

/// The number behind a word in one of the kernel's tables.
fn field(path: &str, word: &str) -> Option<u64> {
    let text = table(path)?;
    let line = text.lines().find_map(|line| line.strip_prefix(word))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(target_os = "linux")]
fn table(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

#[cfg(not(target_os = "linux"))]
fn table(_: &str) -> Option<String> {
    None
}

/// What a running process took of the processor so far, with the children that it waited for; in steps of 10 ms as a rule.
pub fn cpu_of(id: u32) -> Option<Duration> {
    let text = table(&format!("/proc/{id}/stat"))?;
    // The name before the last bracket may hold anything.
    let fields: Vec<u64> = text.rsplit_once(')')?.1.split_whitespace().skip(11).take(4).filter_map(|n| n.parse().ok()).collect();
    let ticks: u64 = (fields.len() == 4).then(|| fields.iter().sum())?;
    Some(Duration::from_millis(ticks.saturating_mul(1000) / ticks_a_second()?))
}

#[cfg(target_os = "linux")]
fn ticks_a_second() -> Option<u64> {
    // SAFETY: the call takes and gives numbers only.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).ok().filter(|ticks| *ticks > 0)
}

#[cfg(not(target_os = "linux"))]
fn ticks_a_second() -> Option<u64> {
    None
}

/// Lets what was written so far reach the disk, so that the next reading does not pay for it. Nothing depends on it.
pub fn settle(place: &Path) {
    #[cfg(target_os = "linux")]
    if let Ok(folder) = std::fs::File::open(place) {
        let _ = rustix::fs::syncfs(folder);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = place;
}

/// Cores that this process may use, and the machine's memory in bytes.
pub fn machine() -> (usize, Option<u64>) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    (cores, field("/proc/meminfo", "MemTotal:").map(|kib| kib * 1024))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_measured_and_a_stop_ends_it() {
        let go_on = AtomicBool::new(false);
        let script = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; printf 0123456789 > /dev/null; sleep 0.02; exit 3";
        let used = run(Command::new("sh").args(["-c", script]), &go_on).expect("run");
        assert_eq!(used.status.and_then(|status| status.code()), Some(3));
        assert!(used.wall >= Duration::from_millis(20), "{used:?}");
        assert!(used.cpu.is_some_and(|cpu| cpu > Duration::ZERO && cpu <= used.wall * 64), "{used:?}");
        assert!(used.peak.is_some_and(|peak| peak > 100_000), "{used:?}");
        if cfg!(target_os = "linux") {
            assert!(used.written.is_some_and(|written| written >= 10), "{used:?}");
            assert!(peak_of(std::process::id()).is_some_and(|peak| peak > 100_000));
            assert!(cpu_of(std::process::id()).is_some());
        }
        let stopped = run(Command::new("sleep").arg("60"), &AtomicBool::new(true)).expect("run");
        assert!(stopped.status.is_none() && stopped.wall < Duration::from_secs(30), "{stopped:?}");
    }
}
