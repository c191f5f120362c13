//! What a file system can do beyond the port's requests, tried out for `doctor`.
//!
//! Invariants. Only files of the trial are touched, in the folder that the caller made for it; they stay for the caller
//! to remove. An error that says that the root is gone is one; every other refusal is an answer.

use std::fs::File;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr::{null, null_mut};

use windows_sys::Win32::Foundation::WAIT_OBJECT_0;
use windows_sys::Win32::Storage::FileSystem::{FILE_NOTIFY_CHANGE_FILE_NAME, ReadDirectoryChangesW};
use windows_sys::Win32::System::IO::{CancelIoEx, GetOverlappedResult, OVERLAPPED};
use windows_sys::Win32::System::Ioctl::{DUPLICATE_EXTENTS_DATA, FSCTL_DUPLICATE_EXTENTS_TO_FILE};
use windows_sys::Win32::System::Threading::{CreateEventW, WaitForSingleObject};

use super::folder::WindowsFolder;
use super::nt::{self, Ask, Rename};
use super::status::Status;
use crate::disk::{Error, Folder, Result, Trial};
use crate::model::path::Name;
use crate::model::time::Time;

/// Bytes of a trial's file: file systems share whole blocks, and those of ReFS have up to 64 KiB.
const BLOCK: usize = 64 * 1024;

/// Makes two files of the trial and tries it on them; `None` where that cannot be asked.
pub(super) fn attempt(folder: &WindowsFolder, trial: Trial) -> Result<Option<bool>> {
    let word = format!("{trial:?}").to_lowercase();
    let one = Name::new(format!("{word}-one").as_bytes()).expect("a word is a single name");
    let two = Name::new(format!("{word}-two").as_bytes()).expect("a word is a single name");
    match trial {
        Trial::RefuseToReplace => {
            make(folder, &one)?;
            make(folder, &two)?;
            let refused = rename(folder, &one, &two) == Err(Status::EXISTS);
            folder.remove_file(&two)?;
            Ok(Some(refused && rename(folder, &one, &two).is_ok()))
        }
        Trial::Lock => {
            make(folder, &one)?;
            let (first, second) = (File::from(open(folder, &one)?), File::from(open(folder, &one)?));
            let busy = |locked| matches!(locked, Err(std::fs::TryLockError::WouldBlock));
            Ok(Some(first.try_lock().is_ok() && busy(second.try_lock())))
        }
        Trial::Clone => {
            make(folder, &one)?;
            make(folder, &two)?;
            Ok(Some(clone(&open(folder, &one)?, &open(folder, &two)?)))
        }
        Trial::Event => event(folder, &one),
        Trial::CopyRange => Ok(None),
    }
}

fn make(folder: &WindowsFolder, name: &Name) -> Result<()> {
    let mut writer = folder.stage(name)?;
    writer.write_all(&[b't'; BLOCK])?;
    writer.finish(Time(1_700_000_000_000_000_000), None, false).map(drop)
}

fn units(name: &Name) -> Vec<u16> {
    name.iter().map(|byte| u16::from(*byte)).collect()
}

/// For reading and writing.
fn open(folder: &WindowsFolder, name: &Name) -> Result<OwnedHandle> {
    nt::open(folder.handle(), &units(name), Ask::BOTH_WAYS).map_err(|status| folder.failed("try out", name, status))
}

fn rename(folder: &WindowsFolder, from: &Name, to: &Name) -> nt::Result<()> {
    let file = nt::open(folder.handle(), &units(from), Ask::MOVE)?;
    nt::rename(&file, folder.handle(), &units(to), Rename::Refuse)
}

/// Do the two files share a block then?
fn clone(from: &OwnedHandle, to: &OwnedHandle) -> bool {
    let asked = DUPLICATE_EXTENTS_DATA {
        FileHandle: from.as_raw_handle(),
        SourceFileOffset: 0,
        TargetFileOffset: 0,
        ByteCount: BLOCK as i64,
    };
    // SAFETY: any bytes of a plain structure of the system's may be read; it lives through the call.
    let bytes = unsafe { std::slice::from_raw_parts((&raw const asked).cast::<u8>(), size_of_val(&asked)) };
    nt::control(to, FSCTL_DUPLICATE_EXTENTS_TO_FILE, bytes, &mut []).is_ok()
}

/// Does a file made here come as an event, within a second? `None` where that cannot be asked.
fn event(folder: &WindowsFolder, name: &Name) -> Result<Option<bool>> {
    const SECOND_MS: u32 = 1_000;
    let failed = |status| Error { path: ".".to_owned(), ..folder.failed("try out", name, status) };
    let watched = nt::open(folder.handle(), &[], Ask::WATCH).map_err(failed)?;
    // SAFETY: no name, no rights of its own; the handle that comes back is ours alone.
    let signal = unsafe { CreateEventW(null(), 1, 0, null()) };
    if signal.is_null() {
        return Ok(None);
    }
    // SAFETY: just made, and nobody else's.
    let signal = unsafe { OwnedHandle::from_raw_handle(signal) };
    let mut asked = OVERLAPPED { hEvent: signal.as_raw_handle(), ..OVERLAPPED::default() };
    let mut told = vec![0_u64; 512];
    let (handle, kind) = (watched.as_raw_handle(), FILE_NOTIFY_CHANGE_FILE_NAME);
    // SAFETY: the buffer and the request live until the request is over, which is waited for below.
    let waits = unsafe { ReadDirectoryChangesW(handle, told.as_mut_ptr().cast(), 4096, 0, kind, null_mut(), &mut asked, None) };
    if waits == 0 {
        return Ok(Some(false));
    }
    let made = make(folder, name);
    // SAFETY: the event is open.
    let came = unsafe { WaitForSingleObject(signal.as_raw_handle(), SECOND_MS) } == WAIT_OBJECT_0;
    let mut length = 0;
    // SAFETY: the request is called back where it did not end, and its end is waited for: nothing writes into the buffer after.
    unsafe {
        CancelIoEx(handle, &asked);
        GetOverlappedResult(handle, &asked, &mut length, 1);
    }
    made.map(|()| Some(came))
}
