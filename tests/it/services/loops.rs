//! Small real file systems in image files.

use std::fs;
use std::path::{Path, PathBuf};

use super::{is_mounted, need_mounts, run, unmount};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Ext4,
    /// Files can share blocks.
    Btrfs,
    /// By its FUSE driver: whole seconds, names without case, no links.
    Exfat,
}

/// A mounted image; taken down when dropped.
pub struct Loop {
    point: PathBuf,
}

impl Loop {
    /// Makes a file system of `size` bytes in a file beside `point` and mounts it there.
    pub fn mount(kind: Kind, size: u64, point: &Path) -> Loop {
        need_mounts();
        let image = point.with_extension("image");
        let file = fs::File::create_new(&image).expect("an image file");
        file.set_len(size).expect("its size");
        drop(file);
        let (image, at) = (image.to_str().expect("plain"), point.to_str().expect("plain"));
        let made = Loop { point: point.to_owned() };
        match kind {
            Kind::Ext4 => {
                run("mkfs.ext4", &["-q", "-F", "-m", "0", image]);
                run("mount", &["-o", "loop", image, at]);
                fs::remove_dir(point.join("lost+found")).expect("an empty root");
            }
            Kind::Btrfs => {
                run("mkfs.btrfs", &["-q", "-f", image]);
                run("mount", &["-o", "loop", image, at]);
            }
            Kind::Exfat => {
                run("mkfs.exfat", &[image]);
                let device = run("losetup", &["-f", "--show", image]);
                let mounted = std::process::Command::new("mount.exfat-fuse").args([&device, at]).output();
                // The device is let go at once, so that it goes away with its mount.
                run("losetup", &["-d", &device]);
                let output = mounted.expect("mount.exfat-fuse, of the package exfat-fuse");
                assert!(output.status.success(), "exfat-fuse: {}", String::from_utf8_lossy(&output.stderr));
            }
        }
        assert!(is_mounted(point), "{kind:?} is not mounted at {point:?}");
        made
    }

    /// A file system in memory, without an image.
    pub fn memory(options: &str, point: &Path) -> Loop {
        need_mounts();
        run("mount", &["-t", "tmpfs", "-o", options, "tmpfs", point.to_str().expect("plain")]);
        Loop { point: point.to_owned() }
    }

    pub fn remount(&self, options: &str) -> bool {
        let words = ["-o", &format!("remount,{options}"), self.point.to_str().expect("plain")];
        std::process::Command::new("mount").args(words).output().expect("mount").status.success()
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        unmount(&self.point);
    }
}
