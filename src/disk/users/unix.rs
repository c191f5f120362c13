//! Which processes work below a folder: what they have open or mapped, where they stand, what a container of theirs has
//! mounted.
//!
//! Invariants. Nothing but `/proc` is asked. Other users' processes are seen by root alone; where there is no `/proc`, nobody is.

#![expect(clippy::disallowed_methods, reason = "the kernel's tables are no files of a root")]

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::User;

/// The processes that work below `folder`, a path without links, one entry for each. This one is left out, and those that started
/// it: a shell that stands there waits for it.
pub fn users_below(folder: &Path) -> Vec<User> {
    let own = std::iter::successors(Some(std::process::id()), |&process| parent(process)).collect::<Vec<u32>>();
    let mount = place_of(folder);
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(|number| !own.contains(number));
    let mut users: Vec<User> = numbers.filter_map(|process| user(process, folder, mount.as_ref())).collect();
    users.sort_by_key(|user| user.process);
    users
}

fn parent(process: u32) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name may hold anything.
    let (_, rest) = text.rsplit_once(") ")?;
    rest.split(' ').nth(1)?.parse().ok().filter(|&parent| parent != 0)
}

fn user(process: u32, folder: &Path, mount: Option<&Place>) -> Option<User> {
    let of = PathBuf::from(format!("/proc/{process}"));
    let inside = |path: &Path| path.starts_with(folder) && !path.as_os_str().as_bytes().ends_with(b" (deleted)");
    let linked = |link: PathBuf| fs::read_link(link).ok().filter(|path| inside(path));
    let open = || fs::read_dir(of.join("fd")).into_iter().flatten().flatten().find_map(|entry| linked(entry.path()));
    let stands = || ["cwd", "root"].into_iter().find_map(|link| linked(of.join(link)));
    let mounted = || {
        let place = mount.filter(|_| !same_mounts(&of))?;
        let table = fs::read_to_string(of.join("mountinfo")).ok()?;
        table.lines().filter_map(Place::of).any(|other| other.is_within(place)).then(|| folder.to_owned())
    };
    let at = stands().or_else(open).or_else(|| mapped(&of, folder)).or_else(mounted)?;
    let name = fs::read_to_string(of.join("comm")).unwrap_or_default().trim_end().to_owned();
    Some(User { process, name, at })
}

/// A file may be written by its mapping alone.
fn mapped(of: &Path, folder: &Path) -> Option<PathBuf> {
    let text = fs::read(of.join("maps")).ok()?;
    let path = |line: &[u8]| {
        let start = line.iter().position(|&byte| byte == b'/')?;
        let path = PathBuf::from(std::ffi::OsStr::from_bytes(&line[start..]));
        (path.starts_with(folder) && !line.ends_with(b" (deleted)")).then_some(path)
    };
    text.split(|&byte| byte == b'\n').find_map(path)
}

fn same_mounts(of: &Path) -> bool {
    let own = fs::read_link("/proc/self/ns/mnt").ok();
    own.is_some() && own == fs::read_link(of.join("ns/mnt")).ok()
}

/// Where a folder lies in its file system, in the words of `mountinfo`, escapes included.
struct Place {
    device: String,
    path: String,
}

impl Place {
    /// What a line of `mountinfo` mounts.
    fn of(line: &str) -> Option<Place> {
        let mut fields = line.split(' ').skip(2);
        Some(Place { device: fields.next()?.to_owned(), path: fields.next()?.to_owned() })
    }

    fn is_within(&self, other: &Place) -> bool {
        self.device == other.device && Path::new(&self.path).starts_with(&other.path)
    }
}

fn place_of(folder: &Path) -> Option<Place> {
    let folder = escaped(folder);
    let table = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let mounts = table.lines().filter_map(|line| Some((line.split(' ').nth(4)?, Place::of(line)?)));
    // Of two at one point the later one hides the earlier one.
    let over = mounts.filter(|(point, _)| Path::new(&folder).starts_with(point)).max_by_key(|(point, _)| point.len());
    let (point, Place { device, path }) = over?;
    let below = Path::new(&folder).strip_prefix(point).ok()?.to_str()?;
    let path = Path::new(&path).join(below).to_str()?.trim_end_matches('/').to_owned();
    Some(Place { device, path })
}

fn escaped(path: &Path) -> String {
    let escape = |c: char| match c {
        ' ' => "\\040".to_owned(),
        '\t' => "\\011".to_owned(),
        '\n' => "\\012".to_owned(),
        '\\' => "\\134".to_owned(),
        c => c.to_string(),
    };
    path.to_string_lossy().chars().map(escape).collect()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::process::{Child, Command, Stdio};

    /// Ends when dropped.
    struct Waits(Child);

    impl Drop for Waits {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn begun(script: &str, folder: &Path) -> Waits {
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("{script}; echo; read x")])
            .env("FOLDER", folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("a shell");
        std::io::Read::read_exact(child.stdout.as_mut().expect("a pipe"), &mut [0]).expect("it is ready");
        Waits(child)
    }

    #[test]
    fn who_stands_in_a_folder_or_has_a_file_open_there_is_found() {
        let place = tempfile::tempdir().expect("a folder");
        let folder = fs::canonicalize(place.path()).expect("without links").join("a copy");
        fs::create_dir(&folder).expect("a folder");
        assert_eq!(users_below(&folder), []);
        for (script, at) in [("cd \"$FOLDER\"", folder.clone()), ("exec 3>>\"$FOLDER/file\"", folder.join("file"))] {
            let waits = begun(script, &folder);
            let found = users_below(&folder);
            assert_eq!(found, [User { process: waits.0.id(), name: "sh".to_owned(), at }], "{script}");
        }
        let _beside = begun("exec 3>>\"$FOLDER.log\"", &folder);
        assert_eq!(users_below(&folder), []);
    }

    #[test]
    fn a_mount_is_known_by_its_device_and_its_place_there() {
        let line = "31 23 254:1 /home/me/a\\040copy/in /project rw,relatime - ext4 /dev/vda rw";
        let mount = Place::of(line).expect("a line");
        let copy = |path: &str| Place { device: "254:1".to_owned(), path: escaped(Path::new(path)) };
        assert!(mount.is_within(&copy("/home/me/a copy")));
        assert!(!mount.is_within(&copy("/home/me/a copy/in/it")) && !mount.is_within(&copy("/home/me/a")));
    }
}
