//! What a file system can do beyond the port's requests, tried out for `doctor`.
//!
//! Invariants. Only files of the trial are touched, in the folder that the caller made for it; they stay for the caller
//! to remove. An error that says that the root is gone is one; every other refusal is an answer.

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, RenameFlags, openat};
use rustix::io::Errno;

use super::folder::UnixFolder;
use crate::disk::Trial;
use crate::model::path::Name;

type Result<T> = std::result::Result<T, Errno>;

/// Makes two files of the trial and tries it on them; `None` where that cannot be asked.
pub(super) fn attempt(folder: &UnixFolder, trial: Trial) -> Result<Option<bool>> {
    let word = format!("{trial:?}").to_lowercase();
    let one = Name::new(format!("{word}-one").as_bytes()).expect("a word is a single name");
    let two = Name::new(format!("{word}-two").as_bytes()).expect("a word is a single name");
    match trial {
        Trial::RefuseToReplace => refuses(folder, &one, &two).map(Some),
        Trial::Lock => locks(folder, &one).map(Some),
        Trial::Clone | Trial::CopyRange | Trial::Event => beyond_posix(folder, trial, &one, &two),
    }
}

fn make(folder: &UnixFolder, name: &Name) -> Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(folder.handle(), name.as_bytes(), flags, Mode::RUSR | Mode::WUSR)?;
    // A block: some file systems clone nothing smaller.
    rustix::io::write(&file, &[b't'; 4096])?;
    Ok(file)
}

fn refuses(folder: &UnixFolder, one: &Name, two: &Name) -> Result<bool> {
    drop((make(folder, one)?, make(folder, two)?));
    let at = folder.handle();
    let taken = rustix::fs::renameat_with(at, one.as_bytes(), at, two.as_bytes(), RenameFlags::NOREPLACE);
    rustix::fs::unlinkat(at, two.as_bytes(), rustix::fs::AtFlags::empty())?;
    let free = rustix::fs::renameat_with(at, one.as_bytes(), at, two.as_bytes(), RenameFlags::NOREPLACE);
    Ok(taken == Err(Errno::EXIST) && free.is_ok())
}

/// Two handles of one file exclude each other, as two processes would.
fn locks(folder: &UnixFolder, name: &Name) -> Result<bool> {
    use rustix::fs::{FlockOperation, flock};
    let first = make(folder, name)?;
    let second = openat(folder.handle(), name.as_bytes(), OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    if flock(&first, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Ok(false);
    }
    Ok(flock(&second, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK))
}

#[cfg(target_os = "linux")]
fn beyond_posix(folder: &UnixFolder, trial: Trial, one: &Name, two: &Name) -> Result<Option<bool>> {
    match trial {
        Trial::Clone => {
            let (from, to) = (make(folder, one)?, make(folder, two)?);
            Ok(Some(rustix::fs::ioctl_ficlone(&to, &from).is_ok()))
        }
        Trial::CopyRange => {
            let (from, to) = (make(folder, one)?, make(folder, two)?);
            let (mut read, mut written) = (0, 0);
            Ok(Some(rustix::fs::copy_file_range(&from, Some(&mut read), &to, Some(&mut written), 4096) == Ok(4096)))
        }
        _ => event(folder, one),
    }
}

#[cfg(not(target_os = "linux"))]
fn beyond_posix(_folder: &UnixFolder, _trial: Trial, _one: &Name, _two: &Name) -> Result<Option<bool>> {
    Ok(None)
}

/// Does a file made here come as an event, within a fifth of a second? `None` where no more watches are to be had.
#[cfg(target_os = "linux")]
fn event(folder: &UnixFolder, name: &Name) -> Result<Option<bool>> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
    use std::os::fd::AsRawFd;
    const FIFTH: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
    let Ok(events) = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC) else { return Ok(None) };
    // By the open handle, wherever the folder was moved to.
    let path = format!("/proc/self/fd/{}", folder.handle().as_raw_fd());
    match inotify::add_watch(&events, path, WatchFlags::CREATE) {
        Err(Errno::NOSPC | Errno::NOENT) => return Ok(None),
        Err(_) => return Ok(Some(false)),
        Ok(_) => {}
    }
    drop(make(folder, name)?);
    let mut waiting = [PollFd::new(&events, PollFlags::IN)];
    Ok(Some(poll(&mut waiting, Some(&FIFTH)) == Ok(1)))
}
