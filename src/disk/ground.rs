//! Folders that a measurement makes for itself in a place that somebody names, fills with trees, and takes away.
//!
//! Invariants. Everything happens below a folder that this made and that carries its marker; a path that could lead out of it
//! is refused. Nothing is removed without the marker, across a mount, or through a link. The marker goes last, so that what a
//! killed process left is still known as its. One that lives holds the lock beside it, which the kernel frees with its end.

#![expect(clippy::disallowed_methods, reason = "disk is the door to the file system")]

use std::fs;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use super::error::{Error, ErrorKind, Result};
use super::local::{self, Lock, error};

/// How the names of such folders begin.
const PREFIX: &str = "driftless-bench-";
/// In each of them: whose it is.
const MARKER: &str = ".driftless-bench";
const LOCK: &str = ".driftless-bench-lock";
/// What the marker says first.
const SENTENCE: &str = "Made by driftless bench, which removes it with all that is in it. On ";
/// No marker is longer.
const MARKER_LIMIT: u64 = 4096;

/// A folder of our own, removed when this value goes.
pub struct Ground {
    path: PathBuf,
    lock: Option<Lock>,
}

impl Ground {
    /// A new one in `place`, a folder that is there.
    pub fn make(place: &Path) -> Result<Ground> {
        let failed = |source| error("make a folder in", place, source);
        let made = tempfile::Builder::new().prefix(PREFIX).tempdir_in(place).map_err(failed)?;
        let path = local::canonicalize(made.path())?;
        // Before the marker: who finds that without a lock held may take the folder away.
        let held = Lock::try_take(&path.join(LOCK), "")?;
        let lock = held.ok_or_else(|| failed(io::Error::other("its lock is held by somebody else")))?;
        local::create_text(&path.join(MARKER), &format!("{SENTENCE}{}.\n", local::host_name()))?;
        // From here on it goes by its marker.
        let _ = made.keep();
        Ok(Ground { path, lock: Some(lock) })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The whole path of something in it.
    pub fn at(&self, below: impl AsRef<Path>) -> PathBuf {
        self.path.join(below)
    }

    /// The same for what is about to be changed: refused where it could lie elsewhere.
    fn own(&self, below: &Path) -> Result<PathBuf> {
        let plain = below.components().all(|part| matches!(part, Component::Normal(_))) && below.components().next().is_some();
        if plain {
            return Ok(self.path.join(below));
        }
        Err(Error::new("change", below.display(), ErrorKind::Barred, io::Error::other("it is no path below our own folder")))
    }

    /// Makes a folder with those above it.
    pub fn make_folder(&self, below: &Path) -> Result<PathBuf> {
        let path = self.own(below)?;
        local::make_folders(&path)?;
        Ok(path)
    }

    /// A new file with this content and time, and the folders above it.
    pub fn write(&self, below: &Path, content: &mut dyn Read, modified: SystemTime) -> Result<()> {
        let path = self.own(below)?;
        let mut write = || {
            let mut file = match fs::File::create_new(&path) {
                Err(absent) if absent.kind() == io::ErrorKind::NotFound => {
                    path.parent().map_or(Ok(()), fs::create_dir_all)?;
                    fs::File::create_new(&path)?
                }
                made => made?,
            };
            io::copy(content, &mut file)?;
            file.set_modified(modified)
        };
        write().map_err(|source| error("write", &path, source))
    }

    /// Writes over a file from `offset` on, at its end where that is `None`; it has that time then.
    pub fn write_into(&self, below: &Path, offset: Option<u64>, bytes: &[u8], modified: SystemTime) -> Result<()> {
        let path = self.own(below)?;
        let write = || {
            let mut file = own_file(&path, true)?;
            file.seek(offset.map_or(SeekFrom::End(0), SeekFrom::Start))?;
            file.write_all(bytes)?;
            file.set_modified(modified)
        };
        write().map_err(|source| error("write", &path, source))
    }

    pub fn touch(&self, below: &Path, modified: SystemTime) -> Result<()> {
        let path = self.own(below)?;
        let touch = || own_file(&path, cfg!(windows))?.set_modified(modified);
        touch().map_err(|source| error("set the time of", &path, source))
    }

    /// Renames within it; nothing may stand at `to`. The folder of `to` is made.
    pub fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let (from, to) = (self.own(from)?, self.own(to)?);
        if local::is_taken(&to) {
            return Err(error("rename to", &to, io::ErrorKind::AlreadyExists.into()));
        }
        to.parent().map_or(Ok(()), local::make_folders)?;
        local::rename(&from, &to)
    }

    /// Copies a tree of somebody else's: files, folders and links, with modes and times. Returns how many things of another
    /// kind were left out.
    pub fn copy_in(&self, from: &Path, below: &Path, leave_out: &str, stop: &dyn Fn() -> bool) -> Result<u64> {
        let to = self.make_folder(below)?;
        let mut odd = 0;
        walk(from, leave_out, &mut |path, seen| {
            let (source, target) = (from.join(path), to.join(path));
            let copied = match seen.kind {
                Kind::Folder => fs::create_dir(&target),
                Kind::File => copy_file(&source, &target, seen.modified),
                Kind::Link => copy_link(&source, &target),
                Kind::Other => {
                    odd += 1;
                    Ok(())
                }
            };
            copied.map_err(|failed| error("copy", &source, failed))?;
            Ok(!stop())
        })?;
        Ok(odd)
    }

    /// Removes what is at `below`, if anything, with all that is in it.
    pub fn clear(&self, below: &Path) -> Result<()> {
        remove_below(&self.own(below)?)
    }

    /// Takes it away with all that is in it.
    pub fn remove(mut self) -> Result<()> {
        self.take_away()
    }

    fn take_away(&mut self) -> Result<()> {
        // Held until it is gone. The second call, by `drop`, finds nothing to do.
        let Some(lock) = self.lock.take() else { return Ok(()) };
        remove_marked(&self.path, lock)
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        if let Err(error) = self.take_away() {
            tracing::warn!(%error, "left behind; the next measurement there takes it away");
        }
    }
}

/// A regular file, not through a link in its place.
fn own_file(path: &Path, write: bool) -> io::Result<fs::File> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut options = fs::OpenOptions::new();
    options.read(true).write(write);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
    options.open(path)
}

fn copy_file(from: &Path, to: &Path, modified: SystemTime) -> io::Result<()> {
    fs::copy(from, to)?;
    own_file(to, cfg!(windows))?.set_modified(modified)
}

#[cfg(unix)]
fn copy_link(from: &Path, to: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(fs::read_link(from)?, to)
}

/// Making a link takes a right there that few have.
#[cfg(not(unix))]
fn copy_link(_: &Path, _: &Path) -> io::Result<()> {
    Ok(())
}

/// What killed measurements of this machine left in `place` is removed; their mounts are gone already. Returns how many there
/// were.
pub fn sweep(place: &Path) -> Result<u64> {
    let mut swept = 0;
    for name in local::folders(place)? {
        let path = place.join(&name);
        if !name.as_encoded_bytes().starts_with(PREFIX.as_bytes()) || !is_marked(&path) {
            continue;
        }
        // One that lives holds it; where it cannot be asked nothing is taken away.
        let Ok(Some(lock)) = Lock::try_take(&path.join(LOCK), "") else { continue };
        remove_marked(&path, lock)?;
        swept += 1;
    }
    Ok(swept)
}

/// Is it a folder, no link to one, with a marker of this machine?
fn is_marked(path: &Path) -> bool {
    let is_folder = fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir());
    let text = local::read_text(&path.join(MARKER), MARKER_LIMIT).ok().flatten().unwrap_or_default();
    is_folder && text == format!("{SENTENCE}{}.\n", local::host_name())
}

fn remove_marked(path: &Path, lock: Lock) -> Result<()> {
    if !is_marked(path) {
        return Err(error(
            "remove",
            path,
            io::Error::other("it does not carry the marker of a measurement; it is left as it is"),
        ));
    }
    for name in local::names(path)? {
        if name != MARKER && name != LOCK {
            remove_below(&path.join(name))?;
        }
    }
    // Windows keeps the name of a file that is open.
    drop(lock);
    for last in [LOCK, MARKER] {
        local::remove_file(&path.join(last))?;
    }
    local::remove_folder(path)
}

/// Removes a file, a link or a tree; one with a mount in it stays as it is.
fn remove_below(path: &Path) -> Result<()> {
    let failed = |source: io::Error| error("remove", path, source);
    let meta = match fs::symlink_metadata(path) {
        Err(absent) if absent.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(failed)?,
    };
    if !meta.is_dir() {
        return local::remove_file(path);
    }
    let above = path.parent().map_or_else(|| Err(io::ErrorKind::InvalidInput.into()), fs::symlink_metadata).map_err(failed)?;
    if device(&above) != device(&meta) || holds_mount(path, device(&meta)).map_err(failed)? {
        return Err(failed(io::Error::other("something is mounted in it; it is left as it is")));
    }
    local::remove_tree(path)
}

fn holds_mount(top: &Path, on: u64) -> io::Result<bool> {
    let mut open = vec![top.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                if device(&entry.metadata()?) != on {
                    return Ok(true);
                }
                open.push(entry.path());
            }
        }
    }
    Ok(false)
}

#[cfg(unix)]
fn device(meta: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::dev(meta)
}

/// A mount in a folder is a link of its own kind there, which is not entered.
#[cfg(not(unix))]
fn device(_: &fs::Metadata) -> u64 {
    0
}

// ---- looking at trees ---------------------------------------------------------------------------------------------

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    File,
    Folder,
    Link,
    Other,
}

/// What a name in a tree stands for.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub kind: Kind,
    pub length: u64,
    pub modified: SystemTime,
}

/// One folder, sorted by name.
fn listed(folder: &Path) -> Result<Vec<(std::ffi::OsString, Seen)>> {
    let list = || -> io::Result<Vec<_>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let meta = entry.metadata()?;
            let kind = match meta.file_type() {
                kind if kind.is_dir() => Kind::Folder,
                kind if kind.is_file() => Kind::File,
                kind if kind.is_symlink() => Kind::Link,
                _ => Kind::Other,
            };
            names.push((entry.file_name(), Seen { kind, length: meta.len(), modified: meta.modified()? }));
        }
        names.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(names)
    };
    list().map_err(|source| error("list", folder, source))
}

/// Everything below `top` in the order of names, a folder before what is in it, without what is called `leave_out` at the top.
/// Nothing is followed. It ends where `take` answers `false`, which is then the answer.
pub fn walk(top: &Path, leave_out: &str, take: &mut dyn FnMut(&Path, &Seen) -> Result<bool>) -> Result<bool> {
    enter(top, Path::new(""), leave_out, take)
}

fn enter(top: &Path, below: &Path, leave_out: &str, take: &mut dyn FnMut(&Path, &Seen) -> Result<bool>) -> Result<bool> {
    let at_top = below.as_os_str().is_empty();
    for (name, seen) in listed(&top.join(below))? {
        if at_top && name == leave_out {
            continue;
        }
        let path = below.join(&name);
        if !take(&path, &seen)? || (seen.kind == Kind::Folder && !enter(top, &path, leave_out, take)?) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Times of equal files may be apart by so much: some file systems keep even seconds only.
const SAME_TIME_S: u64 = 2;

/// How many names differ between two trees: there or not, kind, length, time, target of a link. `first` is the first of them.
pub fn differences(a: &Path, b: &Path, leave_out: &str) -> Result<(u64, Option<PathBuf>)> {
    let (mut open, mut count, mut first) = (vec![PathBuf::new()], 0, None);
    while let Some(below) = open.pop() {
        let at_top = below.as_os_str().is_empty();
        let list = |top: &Path| -> Result<Vec<_>> {
            let mut names = listed(&top.join(&below))?;
            names.retain(|(name, seen)| !(at_top && name == leave_out) && seen.kind != Kind::Other);
            Ok(names)
        };
        let (mut left, mut right) = (list(a)?.into_iter().peekable(), list(b)?.into_iter().peekable());
        loop {
            let pair = match (left.peek(), right.peek()) {
                (None, None) => break,
                (Some(one), Some(other)) => match one.0.cmp(&other.0) {
                    std::cmp::Ordering::Less => (left.next(), None),
                    std::cmp::Ordering::Greater => (None, right.next()),
                    std::cmp::Ordering::Equal => (left.next(), right.next()),
                },
                _ => (left.next(), right.next()),
            };
            let name = pair.0.as_ref().or(pair.1.as_ref()).map(|(name, _)| below.join(name)).unwrap_or_default();
            let same = matches!(&pair, (Some((_, one)), Some((_, other))) if is_same(one, other, &a.join(&name), &b.join(&name)));
            if !same {
                count += 1;
                first.get_or_insert(name);
            } else if pair.0.is_some_and(|(_, seen)| seen.kind == Kind::Folder) {
                open.push(name);
            }
        }
    }
    Ok((count, first))
}

fn is_same(one: &Seen, other: &Seen, a: &Path, b: &Path) -> bool {
    let apart = one.modified.duration_since(other.modified).or_else(|_| other.modified.duration_since(one.modified));
    one.kind == other.kind
        && match one.kind {
            Kind::File => one.length == other.length && apart.is_ok_and(|apart| apart.as_secs() <= SAME_TIME_S),
            Kind::Link => local::link_target(a) == local::link_target(b),
            Kind::Folder | Kind::Other => true,
        }
}

/// The bytes of a file from `offset` on, as many as there are up to `length`; `None` where it cannot be read.
pub fn part(path: &Path, offset: u64, length: usize) -> Option<Vec<u8>> {
    let mut file = fs::File::open(path).ok()?;
    file.seek(SeekFrom::Start(offset)).ok()?;
    let mut bytes = Vec::with_capacity(length);
    file.take(length as u64).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// How long a file is; `None` where it cannot be seen.
pub fn length(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|meta| meta.len())
}

/// The folder for files of the moment.
pub fn temporary() -> PathBuf {
    std::env::temp_dir()
}

/// Free bytes and files at a place; `None` where that is not told.
#[cfg(unix)]
pub fn room(path: &Path) -> Option<(u64, u64)> {
    let stat = rustix::fs::statvfs(path).ok().filter(|stat| stat.f_blocks > 0)?;
    // Some file systems make room for names as they need it, and say 0.
    let files = if stat.f_files == 0 { u64::MAX } else { stat.f_favail };
    Some((stat.f_bavail.saturating_mul(stat.f_frsize), files))
}

#[cfg(not(unix))]
pub fn room(_: &Path) -> Option<(u64, u64)> {
    None
}

/// Does what is written at one of these places take room at the other? `false` where it cannot be told.
pub fn share_room(one: &Path, other: &Path) -> bool {
    cfg!(unix) && matches!((fs::metadata(one), fs::metadata(other)), (Ok(one), Ok(other)) if device(&one) == device(&other))
}

/// Where a program that is started by its name lies, by `PATH`.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let with_ending = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    let mut places = std::env::split_paths(&path).filter(|place| place.is_absolute()).map(|place| place.join(&with_ending));
    places.find(|place| is_program(place))
}

fn is_program(path: &Path) -> bool {
    #[cfg(unix)]
    let may_run = |meta: &fs::Metadata| std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o111 != 0;
    #[cfg(not(unix))]
    let may_run = |_: &fs::Metadata| true;
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && may_run(&meta))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed() -> SystemTime {
        SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_600_000_000)
    }

    #[test]
    fn it_goes_with_all_that_is_in_it_and_never_through_a_link() {
        let place = tempfile::tempdir().expect("a folder");
        fs::create_dir(place.path().join("other")).expect("a folder");
        fs::write(place.path().join("other/mine"), "mine").expect("a file");
        let ground = Ground::make(place.path()).expect("made");
        ground.write(Path::new("a/b/c"), &mut &b"text"[..], fixed()).expect("written");
        #[cfg(unix)]
        std::os::unix::fs::symlink(place.path().join("other"), ground.at("a/link")).expect("a link");
        #[cfg(unix)]
        std::os::unix::fs::symlink(place.path().join("other/mine"), ground.at("a/file")).expect("a link");
        assert!(ground.write_into(Path::new("a/file"), None, b"more", fixed()).is_err(), "through a link");
        ground.clear(Path::new("a/b")).expect("cleared");
        assert!(!ground.at("a/b").exists() && ground.at("a").exists());
        for out in ["../other/mine", "/etc/hostname", "", "a/../../other", "."] {
            assert!(ground.clear(Path::new(out)).is_err(), "{out:?}");
            assert!(ground.write_into(Path::new(out), None, b"more", fixed()).is_err(), "{out:?}");
        }
        ground.remove().expect("removed");
        assert_eq!(local::names(place.path()).expect("names"), ["other"]);
        assert_eq!(fs::read(place.path().join("other/mine")).expect("there"), b"mine");
    }

    #[test]
    fn without_its_marker_nothing_is_removed() {
        let place = tempfile::tempdir().expect("a folder");
        let ground = Ground::make(place.path()).expect("made");
        let path = ground.path().to_path_buf();
        ground.write(Path::new("kept"), &mut &b"text"[..], fixed()).expect("written");
        fs::write(path.join(MARKER), "something else").expect("written over");
        assert!(ground.remove().is_err());
        assert_eq!(sweep(place.path()).expect("swept"), 0);
        assert!(path.join("kept").exists());
    }

    #[test]
    fn a_sweep_takes_what_nobody_holds() {
        let place = tempfile::tempdir().expect("a folder");
        let (held, left) = (Ground::make(place.path()).expect("made"), Ground::make(place.path()).expect("made"));
        let left_path = left.path().to_path_buf();
        left.write(Path::new("a/b"), &mut &b"text"[..], fixed()).expect("written");
        // As a kill leaves it: there, and the lock free.
        let mut left = std::mem::ManuallyDrop::new(left);
        left.lock = None;
        assert_eq!(sweep(place.path()).expect("swept"), 1);
        assert!(!left_path.exists() && held.path().exists());
    }

    #[test]
    fn differences_are_told_by_kind_length_time_and_target() {
        let place = tempfile::tempdir().expect("a folder");
        let ground = Ground::make(place.path()).expect("made");
        for side in ["a", "b"] {
            for name in ["same", "longer", "later", "only", "deep/below"] {
                ground.write(&Path::new(side).join(name), &mut &b"text"[..], fixed()).expect("written");
            }
        }
        let count = || differences(&ground.at("a"), &ground.at("b"), ".left-out").expect("compared");
        assert_eq!(count(), (0, None));
        fs::create_dir(ground.at("a/.left-out")).expect("a folder");
        assert_eq!(count(), (0, None));
        ground.write_into(Path::new("b/longer"), None, b"more", fixed()).expect("written");
        ground.touch(Path::new("b/later"), fixed() + std::time::Duration::from_secs(60)).expect("touched");
        ground.clear(Path::new("b/only")).expect("cleared");
        ground.clear(Path::new("a/deep/below")).expect("cleared");
        assert_eq!(count().0, 4);
    }
}
