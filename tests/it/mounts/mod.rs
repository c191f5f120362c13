//! Network roots on real mounts, which are slow to tell, coarse, and go away in the middle.
//!
//! Needs root, /dev/fuse, sshd, sshfs, exfat-fuse, btrfs-progs, python3 and strace; what is missing fails the test and is named.

#[cfg(target_os = "linux")]
mod bench;
mod blocks;
mod doctor;
mod in_place;
#[cfg(target_os = "linux")]
mod layer;
mod local;
mod random;
mod remote;
mod stalled;
mod undo;
mod vanishing;

use std::path::Path;

use crate::ground::{bytes, then, write};

/// 60 files in 6 folders with a hidden one, all of long ago.
fn project(root: &Path) {
    for n in 0..60 {
        write(&root.join(format!("plate-{}/well {n:02}.csv", n % 5)), &bytes(n, 500 + 40 * n as usize), then(n * 7));
    }
    write(&root.join(".snapshots/align/state.json"), b"{}", then(1));
    write(&root.join("raw/scan.bin"), &bytes(999, 3 << 20), then(3));
}
