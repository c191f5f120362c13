//! What only Windows has: drives, names that it cannot hold, files that are held open, a console, and what runs at log-on.
//!
//! Under Wine `N:\` is a network drive, on which `World` makes its network folders, and `\\nas\share` is the same folder. What a
//! Linux program makes there stands for what a server shows.

mod background;
mod drives;
mod files;
mod names;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Ended, World, place_of_networks, wait_for};

/// The folder of `N:\` as a share; `None` where there is no such drive.
fn share() -> Option<PathBuf> {
    place_of_networks().map(|_| PathBuf::from(r"\\nas\share"))
}

impl World {
    /// A shell's line on this world's roots.
    fn cmd(&self, line: &str) -> Ended {
        let roots = ["--network", text(&self.network), "--staging", text(&self.staging)];
        self.run_in(&self.top(), &[&["run"], &roots[..], &["--", "cmd", "/D", "/C", line]].concat())
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

/// Runs a line of the Linux machine's own shell in a folder of `N:\`. Wine starts it and does not wait for it.
fn on_the_server(folder: &Path, line: &str) {
    let below = folder.strip_prefix(r"N:\").expect("a folder of the network drive").to_str().expect("text").replace('\\', "/");
    let done = folder.join("linux-is-done");
    // The share lies beside Wine's own folder.
    let script = format!("cd \"$WINEPREFIX/../share/{below}\" && {line} && touch linux-is-done");
    let mut started = Command::new(r"Z:\bin\sh").args(["-c", &script]).spawn().expect("Wine starts programs of Linux");
    // There is nothing that Wine could wait for.
    drop(started.wait());
    wait_for("what Linux does", || done.exists());
    std::fs::remove_file(done).expect("removed");
}

/// No form of a path that only programs use.
#[track_caller]
fn shows_paths_as_people_write_them(ended: &Ended) {
    assert!(!ended.stdout.contains(r"\\?\") && !ended.stderr.contains(r"\\?\"), "{ended}");
}
