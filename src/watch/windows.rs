//! Hearing of changes by `ReadDirectoryChangesW`, one handle for all that is below a root.
//!
//! Invariants. A buffer that was too small is told as lost events, also where the system says so by an empty answer. An error
//! of the handle (a share that went away) is told as such and as the end of hearing: notify 9.0.0-rc.7 ends there without a
//! word, and has 16 KiB, which a checkout overflows; so its watcher is not used here. The handle shares everything: nobody is
//! kept from renaming or removing what is watched.
//!
//! RACE: who renames the root itself is not told of by Windows. A root that is not at its path any more is noticed within
//! [`GLANCE_MS`]; until then every run looks for itself.

use std::ffi::OsString;
use std::io;
use std::os::windows::ffi::OsStringExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::path::{Path, PathBuf};
use std::ptr::null;
use std::sync::Arc;

use notify::event::{CreateKind, Event, EventKind, Flag, MetadataKind, ModifyKind, RemoveKind, RenameMode};
use notify::{Error, Result};
use windows_sys::Win32::Foundation::{ERROR_INVALID_PARAMETER, ERROR_NOTIFY_ENUM_DIR, WAIT_FAILED, WAIT_OBJECT_0, WAIT_TIMEOUT};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_ACTION_ADDED, FILE_ACTION_MODIFIED, FILE_ACTION_REMOVED, FILE_ACTION_RENAMED_NEW_NAME, FILE_ACTION_RENAMED_OLD_NAME,
    FILE_NOTIFY_CHANGE_ATTRIBUTES, FILE_NOTIFY_CHANGE_CREATION, FILE_NOTIFY_CHANGE_DIR_NAME, FILE_NOTIFY_CHANGE_FILE_NAME,
    FILE_NOTIFY_CHANGE_LAST_WRITE, FILE_NOTIFY_CHANGE_SIZE, ReadDirectoryChangesW,
};
use windows_sys::Win32::System::IO::{CancelIoEx, GetOverlappedResult, OVERLAPPED};
use windows_sys::Win32::System::Threading::{CreateEventW, SetEvent, WaitForMultipleObjects};

use crate::disk::local;

/// Room for what happens between two looks into it: thousands of names.
const ROOM: usize = 1 << 20;
/// Servers take no more.
const ROOM_OF_SERVERS: usize = 64 << 10;
/// How often the root's own path is looked at.
const GLANCE_MS: u32 = 3_000;

const ALL: u32 = FILE_NOTIFY_CHANGE_FILE_NAME
    | FILE_NOTIFY_CHANGE_DIR_NAME
    | FILE_NOTIFY_CHANGE_ATTRIBUTES
    | FILE_NOTIFY_CHANGE_SIZE
    | FILE_NOTIFY_CHANGE_LAST_WRITE
    | FILE_NOTIFY_CHANGE_CREATION;

/// Hears until it is dropped.
pub(super) struct Ears {
    stop: Arc<OwnedHandle>,
}

impl Ears {
    /// Hears of all that happens below `root`.
    pub fn open(root: &Path, hear: impl Fn(Result<Event>) + Send + 'static) -> Result<Ears> {
        Ears::with_room(root, ROOM, hear)
    }

    pub(super) fn with_room(root: &Path, room: usize, hear: impl Fn(Result<Event>) + Send + 'static) -> Result<Ears> {
        let folder = local::open_to_hear(root).map_err(|error| Error::io(error).add_path(root.to_owned()))?;
        let (stop, heard) = (Arc::new(event()?), event()?);
        let mut listening =
            Listening { folder: folder.into(), heard, place: Box::default(), room: vec![0; room / 4], under_way: false };
        // The first call says how much the system keeps between two of them.
        match listening.begin() {
            Err(error) if error.raw_os_error() == Some(ERROR_INVALID_PARAMETER.cast_signed()) => {
                listening.room = vec![0; ROOM_OF_SERVERS.min(room) / 4];
                listening.begin()?;
            }
            begun => begun?,
        }
        // Known before anybody can have moved it.
        let known = local::identity(root);
        let (end, root) = (stop.clone(), root.to_owned());
        let thread = std::thread::Builder::new().name("watch".to_owned());
        thread.spawn(move || listening.listen(&root, known, &end, &hear)).map_err(Error::io)?;
        Ok(Ears { stop })
    }

    /// One watch covers all.
    pub fn watch(&mut self, _folder: &Path) -> Result<()> {
        Ok(())
    }
}

impl Drop for Ears {
    fn drop(&mut self) {
        // SAFETY: the handle is an event and open. The thread ends by itself, and is not waited for: it may be in `hear`.
        unsafe { SetEvent(self.stop.as_raw_handle()) };
    }
}

fn event() -> io::Result<OwnedHandle> {
    // SAFETY: no name and no rights of its own; it stays set until it is reset by a new call.
    let made = unsafe { CreateEventW(null(), 1, 0, null()) };
    if made.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was just made and nobody else has it.
    Ok(unsafe { OwnedHandle::from_raw_handle(made) })
}

/// What one wait came to.
enum Woken {
    Stop,
    Nothing,
    /// So many bytes of events; none: they did not fit.
    Events(usize),
    Failed(io::Error),
}

/// A folder, and the call on it that is under way.
struct Listening {
    folder: OwnedHandle,
    heard: OwnedHandle,
    place: Box<OVERLAPPED>,
    /// In units that the events' numbers are aligned to.
    room: Vec<u32>,
    /// The system may write to `room` and `place`.
    under_way: bool,
}

// SAFETY: the raw pointers in `place` are this value's own, and it is moved to one thread before that uses them.
unsafe impl Send for Listening {}

impl Listening {
    fn begin(&mut self) -> io::Result<()> {
        *self.place = OVERLAPPED { hEvent: self.heard.as_raw_handle(), ..OVERLAPPED::default() };
        let bytes = u32::try_from(size_of_val(&self.room[..])).expect("the room is small");
        let (folder, room) = (self.folder.as_raw_handle(), self.room.as_mut_ptr().cast());
        // SAFETY: `room` and `place` stay where they are and untouched until the call has ended: see `wait` and `drop`.
        let begun =
            unsafe { ReadDirectoryChangesW(folder, room, bytes, 1, ALL, std::ptr::null_mut(), &raw mut *self.place, None) };
        if begun == 0 {
            return Err(io::Error::last_os_error());
        }
        self.under_way = true;
        Ok(())
    }

    fn wait(&mut self, stop: &OwnedHandle) -> Woken {
        let both = [stop.as_raw_handle(), self.heard.as_raw_handle()];
        // SAFETY: both are open events.
        match unsafe { WaitForMultipleObjects(2, both.as_ptr(), 0, GLANCE_MS) } {
            WAIT_OBJECT_0 => return Woken::Stop,
            WAIT_TIMEOUT => return Woken::Nothing,
            WAIT_FAILED => return Woken::Failed(io::Error::last_os_error()),
            _ => {}
        }
        match self.ended() {
            Ok(bytes) => Woken::Events(bytes),
            Err(error) if error.raw_os_error() == Some(ERROR_NOTIFY_ENUM_DIR.cast_signed()) => Woken::Events(0),
            Err(error) => Woken::Failed(error),
        }
    }

    /// Waits for the end of the call that is under way.
    fn ended(&mut self) -> io::Result<usize> {
        let mut bytes = 0;
        // SAFETY: the call was begun with this handle and place.
        let told = unsafe { GetOverlappedResult(self.folder.as_raw_handle(), &raw const *self.place, &raw mut bytes, 1) };
        self.under_way = false;
        if told == 0 { Err(io::Error::last_os_error()) } else { Ok(bytes as usize) }
    }

    fn listen(mut self, root: &Path, known: Option<(u64, u64)>, stop: &OwnedHandle, hear: &dyn Fn(Result<Event>)) {
        loop {
            match self.wait(stop) {
                Woken::Stop => return,
                Woken::Nothing if local::identity(root) == known => {}
                Woken::Nothing => return hear(Ok(gone(root))),
                Woken::Failed(error) => {
                    hear(Err(Error::io(error)));
                    return hear(Ok(gone(root)));
                }
                Woken::Events(bytes) => {
                    let units = self.room[..bytes.div_ceil(4).min(self.room.len())].to_vec();
                    // Before these are told, so that the system has room again.
                    let begun = self.begin();
                    tell(root, &units, bytes, hear);
                    if let Err(error) = begun {
                        hear(Err(Error::io(error)));
                        return hear(Ok(gone(root)));
                    }
                }
            }
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if self.under_way {
            // SAFETY: the call is ended and its end waited for, before its room goes.
            unsafe { CancelIoEx(self.folder.as_raw_handle(), &raw const *self.place) };
            let _ = self.ended();
        }
    }
}

/// The root is not what it was.
fn gone(root: &Path) -> Event {
    Event::new(EventKind::Remove(RemoveKind::Folder)).add_path(root.to_owned())
}

fn tell(root: &Path, units: &[u32], bytes: usize, hear: &dyn Fn(Result<Event>)) {
    match changes(units, bytes) {
        Some(changes) => changes.into_iter().for_each(|(action, path)| told(root, action, &path, hear)),
        None => hear(Ok(Event::new(EventKind::Other).set_flag(Flag::Rescan))),
    }
}

fn told(root: &Path, action: u32, path: &Path, hear: &dyn Fn(Result<Event>)) {
    let kind = match action {
        FILE_ACTION_ADDED => EventKind::Create(CreateKind::Any),
        FILE_ACTION_REMOVED => EventKind::Remove(RemoveKind::Any),
        // Of a folder: its names changed, and each of them is told by itself.
        FILE_ACTION_MODIFIED => EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any)),
        FILE_ACTION_RENAMED_OLD_NAME => EventKind::Modify(ModifyKind::Name(RenameMode::From)),
        FILE_ACTION_RENAMED_NEW_NAME => EventKind::Modify(ModifyKind::Name(RenameMode::To)),
        _ => EventKind::Any,
    };
    if let Some(above) = above_a_short_name(path) {
        hear(Ok(Event::new(EventKind::Any).add_path(root.join(above))));
    }
    hear(Ok(Event::new(kind).add_path(root.join(path))));
}

/// The folder above the first name that may be the short form of another one (`PROGRA~1`): who opens a file by that has it told so.
fn above_a_short_name(path: &Path) -> Option<&Path> {
    let short = |name: &str| {
        let stem = name.split('.').next().unwrap_or(name);
        let number = stem.rsplit_once('~').map(|(_, number)| number);
        name.len() <= 12 && number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let is_short = |part: &&Path| part.file_name().and_then(|name| name.to_str()).is_some_and(short);
    path.ancestors().filter(is_short).last().and_then(Path::parent)
}

/// The events in a buffer, each with its path below the root; `None` where there are none, or they cannot be read.
fn changes(units: &[u32], bytes: usize) -> Option<Vec<(u32, PathBuf)>> {
    // As bytes: Wine aligns these less than Windows says.
    let all: Vec<u8> = units.iter().flat_map(|unit| unit.to_ne_bytes()).take(bytes).collect();
    let number = |at: usize| Some(u32::from_ne_bytes(all.get(at..at.checked_add(4)?)?.try_into().ok()?));
    let (mut found, mut at) = (Vec::new(), 0);
    while !all.is_empty() {
        let (next, action, length) = (number(at)?, number(at + 4)?, number(at + 8)? as usize);
        let name = all.get(at + 12..(at + 12).checked_add(length)?)?;
        let name = name.chunks_exact(2).map(|pair| u16::from_ne_bytes([pair[0], pair[1]]));
        let name: Vec<u16> = name.skip_while(|&unit| unit == u16::from(b'\\')).collect();
        found.push((action, PathBuf::from(OsString::from_wide(&name))));
        if next == 0 {
            return Some(found);
        }
        at = at.checked_add(next as usize)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    #[test]
    fn what_does_not_fit_is_told_as_lost() {
        let folder = tempfile::tempdir().expect("a folder");
        let (say, said) = channel();
        // Not even one of the names below fits.
        let ears = Ears::with_room(folder.path(), 64, move |event| drop(say.send(event))).expect("it is watched");
        let next = || said.recv_timeout(Duration::from_secs(30)).expect("something is told");
        let make = |part: &str| {
            (0..20).for_each(|number| {
                fs::write(folder.path().join(format!("{part}{number}{}", "n".repeat(60))), "x").expect("made")
            });
        };
        make("first");
        while !next().is_ok_and(|event| event.need_rescan()) {}
        while said.recv_timeout(Duration::from_millis(500)).is_ok() {}
        make("second");
        while !next().is_ok_and(|event| event.need_rescan()) {}
        drop(ears);
    }

    #[test]
    fn a_folder_that_goes_is_told_as_gone() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("root");
        fs::create_dir(&root).expect("made");
        let (say, said) = channel();
        let _ears = Ears::open(&root, move |event| drop(say.send(event))).expect("it is watched");
        fs::rename(&root, folder.path().join("moved")).expect("a watch is in nobody's way");
        let is_gone = |event: Result<Event>| event.is_ok_and(|event| event == gone(&root));
        while !is_gone(said.recv_timeout(Duration::from_secs(30)).expect("something is told")) {}
    }

    /// A buffer with these events: action and name.
    fn buffer(events: &[(u32, &str)]) -> Vec<u32> {
        let mut units = Vec::new();
        for (number, (action, name)) in events.iter().enumerate() {
            let mut name: Vec<u16> = name.encode_utf16().collect();
            let length = 2 * name.len() as u32;
            name.resize(name.len().next_multiple_of(2), 0);
            let next = if number + 1 == events.len() { 0 } else { 12 + 2 * name.len() as u32 };
            units.extend([next, *action, length]);
            units.extend(name.chunks(2).map(|pair| u32::from(pair[0]) | u32::from(pair[1]) << 16));
        }
        units
    }

    #[test]
    fn a_buffer_is_read_whole_or_counts_as_lost() {
        let units = buffer(&[(FILE_ACTION_ADDED, r"\a\b.txt"), (FILE_ACTION_REMOVED, "ä")]);
        let expected = vec![(FILE_ACTION_ADDED, PathBuf::from(r"a\b.txt")), (FILE_ACTION_REMOVED, PathBuf::from("ä"))];
        let bytes = size_of_val(&units[..]);
        assert_eq!(changes(&units, bytes), Some(expected));
        for cut in 0..bytes - 2 {
            assert_eq!(changes(&units, cut), None, "{cut} of {bytes} bytes");
        }
        assert_eq!(changes(&[u32::MAX; 8], 32), None);
    }

    #[test]
    fn above_what_may_be_a_short_name_everything_is_looked_at() {
        for (path, above) in [
            (r"a\b.txt", None),
            (r"LONGNA~1.TXT", Some("")),
            (r"a\LONGNA~1\c", Some("a")),
            (r"a\LONGNA~1\DEEPER~2\c", Some("a")),
            (r"a\not~one", None),
            (r"a\too long for one~1", None),
            (r".dl~0123abcd-89efabcd", None),
        ] {
            assert_eq!(above_a_short_name(Path::new(path)), above.map(Path::new), "{path}");
        }
    }
}
