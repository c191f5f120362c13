//! The system's calls as functions on handles; nothing is decided here.
//!
//! Invariants. What is opened is opened beneath a handle, never through a link (`OBJ_DONT_REPARSE` where the system knows it,
//! `FILE_OPEN_REPARSE_POINT` always but in [`Ask::through`]), and shared with everybody for everything, so that we are in no
//! program's way.

use std::os::windows::io::{AsHandle, AsRawHandle, FromRawHandle, OwnedHandle, RawHandle};
use std::ptr::{null, null_mut};

use windows_sys::Wdk::Foundation::OBJECT_ATTRIBUTES;
use windows_sys::Wdk::Storage::FileSystem as wdk;
use windows_sys::Win32::Foundation::{HANDLE, OBJ_CASE_INSENSITIVE, OBJ_DONT_REPARSE, UNICODE_STRING};
use windows_sys::Win32::Storage::FileSystem as fs;
use windows_sys::Win32::System::IO::IO_STATUS_BLOCK;

use super::status::Status;

pub(super) type Result<T> = std::result::Result<T, Status>;

/// What an opening asks for.
#[derive(Clone, Copy)]
pub(super) struct Ask {
    access: u32,
    disposition: u32,
    options: u32,
    share: u32,
}

const EVERYBODY: u32 = fs::FILE_SHARE_READ | fs::FILE_SHARE_WRITE | fs::FILE_SHARE_DELETE;
const ATTRIBUTES: u32 = fs::FILE_READ_ATTRIBUTES | fs::SYNCHRONIZE;

impl Ask {
    const fn existing(access: u32, options: u32) -> Ask {
        let options = options | wdk::FILE_SYNCHRONOUS_IO_NONALERT | wdk::FILE_OPEN_REPARSE_POINT;
        Ask { access: access | ATTRIBUTES, disposition: wdk::FILE_OPEN, options, share: EVERYBODY }
    }

    const fn new(access: u32, options: u32) -> Ask {
        Ask { disposition: wdk::FILE_CREATE, ..Ask::existing(access, options) }
    }

    /// To be asked what it is. Content that lies elsewhere is not fetched by that.
    pub const LOOK: Ask = Ask::existing(0, wdk::FILE_OPEN_NO_RECALL);
    pub const FOLDER: Ask = Ask::existing(fs::FILE_LIST_DIRECTORY | fs::FILE_TRAVERSE, wdk::FILE_DIRECTORY_FILE);
    pub const READ: Ask =
        Ask::existing(fs::FILE_READ_DATA, wdk::FILE_NON_DIRECTORY_FILE | wdk::FILE_OPEN_NO_RECALL | wdk::FILE_SEQUENTIAL_ONLY);
    pub const WRITE: Ask = Ask::existing(WRITING, wdk::FILE_NON_DIRECTORY_FILE);
    pub const CREATE: Ask = Ask::new(WRITING, wdk::FILE_NON_DIRECTORY_FILE);
    pub const MAKE_FOLDER: Ask = Ask::new(0, wdk::FILE_DIRECTORY_FILE);
    pub const MAKE_LINK: Ask = Ask::new(fs::FILE_WRITE_ATTRIBUTES | fs::DELETE, wdk::FILE_NON_DIRECTORY_FILE);
    pub const MAKE_FOLDER_LINK: Ask = Ask::new(fs::FILE_WRITE_ATTRIBUTES | fs::DELETE, wdk::FILE_DIRECTORY_FILE);
    /// To be renamed or removed.
    pub const MOVE: Ask = Ask::existing(fs::DELETE, wdk::FILE_OPEN_NO_RECALL);
    /// To have its times and attributes set, or another name given.
    pub const TOUCH: Ask = Ask::existing(fs::FILE_WRITE_ATTRIBUTES, wdk::FILE_OPEN_NO_RECALL);
    pub const BOTH_WAYS: Ask = Ask::existing(WRITING | fs::FILE_READ_DATA, wdk::FILE_NON_DIRECTORY_FILE);
    /// A folder whose changes are waited for: its calls come back at once.
    pub const WATCH: Ask =
        Ask { options: wdk::FILE_DIRECTORY_FILE | wdk::FILE_OPEN_REPARSE_POINT, ..Ask::existing(fs::FILE_LIST_DIRECTORY, 0) };
    pub const FLUSH_FOLDER: Ask = Ask::existing(fs::FILE_ADD_FILE, wdk::FILE_DIRECTORY_FILE);
    /// Refused where somebody writes. Whoever wants to write while this is open is not refused: the request for an oplock that
    /// the opening comes with has him wait until it is closed.
    pub const SOLE_WRITER: Ask = Ask {
        share: fs::FILE_SHARE_READ | fs::FILE_SHARE_DELETE,
        ..Ask::existing(
            fs::FILE_READ_DATA,
            wdk::FILE_NON_DIRECTORY_FILE | wdk::FILE_OPEN_NO_RECALL | wdk::FILE_OPEN_REQUIRING_OPLOCK,
        )
    };

    /// With what stands behind a reparse point. Only for those that are known to lead nowhere else.
    pub const fn through(self) -> Ask {
        Ask { options: self.options & !wdk::FILE_OPEN_REPARSE_POINT, ..self }
    }
}

const WRITING: u32 = fs::FILE_WRITE_DATA | fs::FILE_WRITE_ATTRIBUTES;

/// Opens `path` (names between `\`, or nothing: the same once more) beneath `parent`.
fn create(parent: RawHandle, path: &[u16], ask: Ask, flags: u32) -> Result<OwnedHandle> {
    count();
    let bytes = u16::try_from(size_of_val(path)).map_err(|_| Status::NONSENSE)?;
    let name = UNICODE_STRING { Length: bytes, MaximumLength: bytes, Buffer: path.as_ptr().cast_mut() };
    let object = OBJECT_ATTRIBUTES {
        Length: size_of::<OBJECT_ATTRIBUTES>() as u32,
        RootDirectory: parent,
        ObjectName: &raw const name,
        Attributes: OBJ_CASE_INSENSITIVE | flags,
        SecurityDescriptor: null(),
        SecurityQualityOfService: null(),
    };
    let (mut handle, mut block): (HANDLE, _) = (null_mut(), IO_STATUS_BLOCK::default());
    let Ask { access, disposition, options, share } = ask;
    let attributes = fs::FILE_ATTRIBUTE_NORMAL;
    // SAFETY: `object` and `name` live through the call and point to each other; the handle is written before success is told.
    let status = unsafe {
        wdk::NtCreateFile(&mut handle, access, &object, &mut block, null(), attributes, share, disposition, options, null(), 0)
    };
    Status::of(status)?;
    // SAFETY: the system has just made this handle for us alone.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// Opens one name, or with no name the same thing once more.
pub(super) fn open(parent: &impl AsHandle, name: &[u16], ask: Ask) -> Result<OwnedHandle> {
    let parent = parent.as_handle().as_raw_handle();
    match create(parent, name, ask, OBJ_DONT_REPARSE) {
        // Not known before Windows 10 1607. One name by itself leads nowhere without it either.
        Err(Status::INVALID) => create(parent, name, ask, 0),
        other => other,
    }
}

/// Opens a whole path in one step; fails where the system cannot promise that no link is followed.
pub(super) fn open_path(parent: &impl AsHandle, path: &[u16], ask: Ask) -> Result<OwnedHandle> {
    create(parent.as_handle().as_raw_handle(), path, ask, OBJ_DONT_REPARSE)
}

/// Bytes as the system wants them: aligned.
#[repr(C, align(8))]
pub(super) struct Block<const N: usize>(pub [u8; N]);

impl<const N: usize> Block<N> {
    pub fn u32(&self, at: usize) -> u32 {
        u32_at(&self.0, at)
    }

    pub fn u64(&self, at: usize) -> u64 {
        u64_at(&self.0, at)
    }
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// What the system says of an open file, in the layout of that class.
pub(super) fn query<const N: usize>(file: &impl AsHandle, class: i32) -> Result<Block<N>> {
    count();
    let (mut answer, mut block) = (Block([0; N]), IO_STATUS_BLOCK::default());
    let handle = file.as_handle().as_raw_handle();
    // SAFETY: the buffer is ours, aligned, and as long as it is said to be.
    let status = unsafe { wdk::NtQueryInformationFile(handle, &mut block, answer.0.as_mut_ptr().cast(), N as u32, class) };
    Status::of(status).map(|()| answer)
}

/// The same of its volume.
pub(super) fn query_volume<const N: usize>(file: &impl AsHandle, class: i32) -> Result<Block<N>> {
    count();
    let (mut answer, mut block) = (Block([0; N]), IO_STATUS_BLOCK::default());
    let handle = file.as_handle().as_raw_handle();
    // SAFETY: the buffer is ours, aligned, and as long as it is said to be.
    let status = unsafe { wdk::NtQueryVolumeInformationFile(handle, &mut block, answer.0.as_mut_ptr().cast(), N as u32, class) };
    Status::of(status).map(|()| answer)
}

/// Sets what is said in the layout of that class. `words` is aligned; `length` bytes of it count.
fn set(file: &impl AsHandle, class: i32, words: &[u64], length: usize) -> Result<()> {
    count();
    debug_assert!(length <= size_of_val(words));
    let mut block = IO_STATUS_BLOCK::default();
    let handle = file.as_handle().as_raw_handle();
    // SAFETY: the system only reads `length` bytes, which `words` has.
    let status = unsafe { wdk::NtSetInformationFile(handle, &mut block, words.as_ptr().cast(), length as u32, class) };
    Status::of(status)
}

/// Times in the system's steps (0: left as it is) and attributes (0: left).
pub(super) fn set_basic(file: &impl AsHandle, mtime: u64, attributes: u32) -> Result<()> {
    // Creation, last access, last write, change; attributes.
    set(file, wdk::FileBasicInformation, &[0, 0, mtime, 0, u64::from(attributes)], 40)
}

/// How a rename goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Rename {
    /// Refused where anything stands at the new name.
    Refuse,
    /// As Unix does it: also where programs have the old file open, as far as they share its deletion, and whether it is
    /// read-only or not.
    Posix,
    /// The older way of replacing.
    Replace,
}

/// Gives an open file the name `name` in the open folder `folder`.
pub(super) fn rename(file: &impl AsHandle, folder: &impl AsHandle, name: &[u16], how: Rename) -> Result<()> {
    let posix =
        wdk::FILE_RENAME_REPLACE_IF_EXISTS | wdk::FILE_RENAME_POSIX_SEMANTICS | wdk::FILE_RENAME_IGNORE_READONLY_ATTRIBUTE;
    let (class, first) = match how {
        Rename::Refuse => (wdk::FileRenameInformation, 0),
        Rename::Replace => (wdk::FileRenameInformation, 1),
        Rename::Posix => (wdk::FileRenameInformationEx, posix),
    };
    let (words, length) = named(first, folder, name);
    set(file, class, &words, length)
}

/// Gives an open file one more name; refused where anything stands there.
pub(super) fn link(file: &impl AsHandle, folder: &impl AsHandle, name: &[u16]) -> Result<()> {
    let (words, length) = named(0, folder, name);
    set(file, wdk::FileLinkInformation, &words, length)
}

/// The layout that new names share: flags, the folder's handle, the length in bytes, the name.
fn named(flags: u32, folder: &impl AsHandle, name: &[u16]) -> (Vec<u64>, usize) {
    let handle = folder.as_handle().as_raw_handle() as usize;
    let mut bytes = Vec::with_capacity(32 + name.len() * 2);
    bytes.extend_from_slice(&flags.to_le_bytes());
    // A handle is aligned to its own size.
    bytes.resize(size_of::<usize>(), 0);
    bytes.extend_from_slice(&handle.to_le_bytes());
    bytes.extend_from_slice(&(size_of_val(name) as u32).to_le_bytes());
    bytes.extend(name.iter().flat_map(|unit| unit.to_le_bytes()));
    // The system counts the whole structure, which has room for one character and ends aligned.
    let length = bytes.len().max(size_of::<usize>() * 3);
    let words = bytes.chunks(8).map(|chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_le_bytes(word)
    });
    let mut words: Vec<u64> = words.collect();
    words.resize(words.len().max(length.div_ceil(8)), 0);
    (words, length)
}

/// How a removal goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Removal {
    /// The name is free at once, whoever has the file open, whether it is read-only or not.
    Posix,
    /// The name goes with the last handle.
    Plain,
}

pub(super) fn remove(file: &impl AsHandle, how: Removal) -> Result<()> {
    let posix =
        wdk::FILE_DISPOSITION_DELETE | wdk::FILE_DISPOSITION_POSIX_SEMANTICS | wdk::FILE_DISPOSITION_IGNORE_READONLY_ATTRIBUTE;
    match how {
        Removal::Posix => set(file, wdk::FileDispositionInformationEx, &[u64::from(posix)], 4),
        Removal::Plain => set(file, wdk::FileDispositionInformation, &[1], 1),
    }
}

/// The next entries of an open folder, as many as the buffer takes; how many bytes of it were filled.
pub(super) fn list(folder: &impl AsHandle, buffer: &mut [u64], class: i32, restart: bool) -> Result<usize> {
    count();
    let mut block = IO_STATUS_BLOCK::default();
    let handle = folder.as_handle().as_raw_handle();
    let (start, length) = (buffer.as_mut_ptr().cast(), size_of_val(buffer) as u32);
    // SAFETY: the buffer is ours, aligned, and as long as it is said to be; no event, no callback, no pattern.
    let status = unsafe {
        wdk::NtQueryDirectoryFile(handle, null_mut(), None, null(), &mut block, start, length, class, false, null(), restart)
    };
    Status::of(status).map(|()| block.Information.min(length as usize))
}

/// A request to the file system itself; how many bytes it answered with.
pub(super) fn control(file: &impl AsHandle, code: u32, input: &[u8], output: &mut [u8]) -> Result<usize> {
    count();
    let mut block = IO_STATUS_BLOCK::default();
    let handle = file.as_handle().as_raw_handle();
    let (given, taken) = (input.as_ptr().cast(), output.as_mut_ptr().cast());
    let (given_length, taken_length) = (input.len() as u32, output.len() as u32);
    // SAFETY: both buffers are ours and as long as they are said to be; no event, no callback.
    let status = unsafe {
        wdk::NtFsControlFile(handle, null_mut(), None, null(), &mut block, code, given, given_length, taken, taken_length)
    };
    Status::of(status).map(|()| block.Information.min(output.len()))
}

pub(super) fn flush(file: &impl AsHandle) -> Result<()> {
    count();
    let mut block = IO_STATUS_BLOCK::default();
    // SAFETY: the handle is open for the whole call.
    Status::of(unsafe { wdk::NtFlushBuffersFile(file.as_handle().as_raw_handle(), &mut block) })
}

#[cfg(test)]
thread_local! {
    /// Calls of this thread, for who measures.
    pub(super) static CALLS: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

fn count() {
    #[cfg(test)]
    CALLS.set(CALLS.get() + 1);
}
