//! Real services on this machine alone, for the tests: each is a value that takes everything down when it is dropped.
//!
//! Only processes that were started here are ended, and only below the folder that a service was given is anything made
//! (but for the one folder that sshd insists on). A machine that cannot do it fails the test with what is missing.

mod engine;
mod http;
mod loops;
mod registry;
mod ssh;

pub use engine::Engine;
pub use http::{Request, Response, Served, pass_on};
pub use loops::{Kind, Loop};
pub use registry::{Gate, Picture, Registry, digest};
pub use ssh::{Server, Sshfs};

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command};

/// A port below those that the system gives out by itself: a server that begins late, or anew, finds it free. Tests that run side
/// by side look in different places.
fn free_port() -> u16 {
    let start = u16::try_from(std::process::id() % 500 * 30).expect("below 15,000");
    let candidates = (0..15_000).map(|step| 12_000 + (start + step) % 15_000);
    let mut free = candidates.filter(|&port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok());
    free.next().expect("one of 15,000 ports is free")
}

/// A started process, ended and waited for when dropped.
pub struct Running(Child);

impl Running {
    pub fn start(command: &mut Command) -> Running {
        let program = command.get_program().to_owned();
        Running(command.spawn().unwrap_or_else(|error| panic!("{program:?} cannot be started ({error}); is it installed?")))
    }

    pub fn kill(&mut self) {
        // Processes below it first: a server's sessions outlive it.
        for id in below(self.0.id()) {
            if let Some(id) = i32::try_from(id).ok().and_then(rustix::process::Pid::from_raw) {
                let _ = rustix::process::kill_process(id, rustix::process::Signal::KILL);
            }
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// Sends a signal to the process and all below it; of these, one may have ended meanwhile.
    pub fn signal_all(&self, signal: rustix::process::Signal) {
        let own = rustix::process::Pid::from_child(&self.0);
        let all = std::iter::once(self.0.id()).chain(below(self.0.id()));
        for id in all.filter_map(|id| i32::try_from(id).ok().and_then(rustix::process::Pid::from_raw)) {
            match rustix::process::kill_process(id, signal) {
                Err(rustix::io::Errno::SRCH) if id != own => {}
                sent => sent.expect("a process of this test"),
            }
        }
    }

    /// Ends the process alone.
    pub fn kill_alone(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    pub fn has_ended(&mut self) -> bool {
        self.0.try_wait().is_ok_and(|status| status.is_some())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The processes below `parent`, all the way down.
fn below(parent: u32) -> Vec<u32> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let children: Vec<u32> = text.split_whitespace().filter_map(|id| id.parse().ok()).collect();
    children.into_iter().flat_map(|child| std::iter::once(child).chain(below(child))).collect()
}

/// Runs a tool and expects that it works.
#[track_caller]
pub fn run(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).output();
    let output = output.unwrap_or_else(|error| panic!("{program} cannot be started ({error}); is it installed?"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {words:?} failed: {stderr}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Is something mounted exactly there? From the kernel's table: asking a dead mount itself would hang.
pub fn is_mounted(point: &Path) -> bool {
    let table = std::fs::read_to_string("/proc/self/mountinfo").expect("the table of mounts");
    table.lines().any(|line| line.split(' ').nth(4).map(Path::new) == Some(point))
}

/// Takes a mount down, by force if need be.
pub fn unmount(point: &Path) {
    for words in [&["umount"][..], &["umount", "-l"]] {
        if !is_mounted(point) {
            return;
        }
        let _ = Command::new(words[0]).args(&words[1..]).arg(point).output();
    }
}

/// These tests mount things.
#[track_caller]
pub fn need_mounts() {
    assert!(rustix::process::geteuid().is_root(), "only root may mount; run these tests as root, or leave out `mounts::`");
    let fuse = rustix::fs::stat("/dev/fuse").is_ok();
    assert!(fuse, "this machine has no /dev/fuse; leave out `mounts::`");
}
