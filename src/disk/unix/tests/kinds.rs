//! What is no plain file: special files, holes, files in use, folders without permission.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::fs::{CWD, FileType, Mode, inotify, mknodat};

use super::{ground, kind_of, name, path, read, write};
use crate::disk::{ErrorKind, Freshness, NodeContent, open_root};
use crate::model::time::Time;

fn make_fifo(at: &Path) {
    mknodat(CWD, at, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a FIFO");
}

#[test]
fn what_is_special_is_listed_and_never_opened() {
    let ground = ground();
    make_fifo(&ground.at.join("fifo"));
    let _listening = UnixListener::bind(ground.at.join("socket")).expect("a socket");
    fs::write(ground.at.join("file"), "x").expect("a file");
    let watch = inotify::init(inotify::CreateFlags::NONBLOCK).expect("a watch");
    for entry in ["fifo", "socket", "file"] {
        inotify::add_watch(&watch, ground.at.join(entry), inotify::WatchFlags::OPEN).expect("watched");
    }
    for remote in [false, true] {
        let folder = open_root(&ground.at, remote).and_then(|root| root.folder(&path(""))).expect("opened");
        for item in folder.list().expect("listed").into_iter().filter(|item| item.name != name("file")) {
            assert_eq!(item.value.content, NodeContent::Special, "{:?}", item.name);
            for freshness in [Freshness::Cached, Freshness::Fresh] {
                assert_eq!(folder.look(&item.name, freshness).expect("looked").expect("there").content, NodeContent::Special);
            }
        }
        assert_eq!(folder.list().expect("listed").len(), 3);
    }
    let opened = rustix::io::read(&watch, &mut [0_u8; 4096][..]);
    assert_eq!(opened, Err(rustix::io::Errno::AGAIN), "something was opened to be listed");
    let folder = ground.top();
    assert_eq!(kind_of(folder.read(&name("fifo")).map(drop)), Some(ErrorKind::WrongKind), "without waiting for a writer");
    assert!(folder.read(&name("socket")).is_err());
    assert!(folder.read(&name("file")).is_ok());
    assert!(rustix::io::read(&watch, &mut [0_u8; 4096][..]).is_ok(), "the watch sees what is opened");
    let devices = open_root(Path::new("/dev"), false).and_then(|root| root.folder(&path(""))).expect("opened");
    let null = devices.look(&name("null"), Freshness::Fresh).expect("looked").expect("there");
    assert_eq!(null.content, NodeContent::Special);
}

#[test]
fn holes_stay_holes() {
    const MIB: u64 = 1 << 20;
    let ground = ground();
    let folder = ground.top();
    let mut writer = folder.stage(&name("file")).expect("a new file");
    writer.skip(4 * MIB).expect("a hole");
    writer.write_all(b"middle").expect("written");
    writer.skip(4 * MIB).expect("a hole at the end");
    let node = writer.finish(Time(1), Some(0o644), true).expect("finished");
    assert_eq!(node.stamp.size, 8 * MIB + 6);
    let meta = fs::metadata(ground.at.join("file")).expect("a stat");
    assert!(meta.blocks() * 512 < MIB, "{} blocks are allocated", meta.blocks());
    let mut reader = folder.read(&name("file")).expect("opened");
    assert!(reader.sparse());
    let (start, end) = reader.next_data(0).expect("asked").expect("data in the middle");
    assert!((1..=4 * MIB).contains(&start) && (4 * MIB + 6..8 * MIB).contains(&end), "{start} to {end}");
    assert_eq!(reader.next_data(end).expect("asked"), None);
    let mut buffer = [1; 8];
    reader.seek(4 * MIB - 1).expect("moved");
    assert_eq!(reader.read(&mut buffer).expect("read"), 8, "the search for holes moves nothing");
    assert_eq!(&buffer, b"\0middle\0");
    write(&*folder, &name("whole"), b"no hole", Time(1));
    assert!(!folder.read(&name("whole")).expect("opened").sparse());
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_that_somebody_writes_is_told_from_one_that_is_read() {
    let ground = ground();
    let (folder, file) = (ground.top(), name("file"));
    fs::write(ground.at.join("file"), "x").expect("a file");
    assert_eq!(folder.has_writer(&file).expect("asked"), Some(false));
    let reading = fs::File::open(ground.at.join("file")).expect("opened");
    assert_eq!(folder.has_writer(&file).expect("asked"), Some(false));
    drop(reading);
    let mut writing = fs::OpenOptions::new().append(true).open(ground.at.join("file")).expect("opened");
    assert_eq!(folder.has_writer(&file).expect("asked"), Some(true));
    writing.write_all(b"y").expect("it is not disturbed");
    drop(writing);
    assert_eq!(folder.has_writer(&file).expect("asked"), Some(false));
    assert_eq!(read(&*folder, &file), b"xy");
}

/// The kernel tells who asks that a writer came, by a signal that ends a program which does not expect it.
#[test]
#[cfg(target_os = "linux")]
fn a_writer_that_comes_while_it_is_asked_harms_nobody() {
    let ground = ground();
    let (folder, file) = (ground.top(), name("file"));
    fs::write(ground.at.join("file"), "x").expect("a file");
    let enough = AtomicBool::new(false);
    let seen = thread::scope(|scope| {
        scope.spawn(|| {
            let nonblock = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
            let mut options = fs::OpenOptions::new();
            options.append(true).custom_flags(nonblock);
            while !enough.load(Ordering::Relaxed) {
                // Refused while somebody asks; what counts is that asking and being refused are all that happens.
                drop(options.open(ground.at.join("file")));
            }
        });
        let answers: Vec<_> = (0..20_000).map(|_| folder.has_writer(&file).expect("asked")).collect();
        enough.store(true, Ordering::Relaxed);
        answers
    });
    assert!(seen.iter().all(Option::is_some));
    assert_eq!(folder.has_writer(&file).expect("asked"), Some(false));
}

/// Runs as an ordinary user's thread: root may read everything, which would prove nothing.
#[cfg(target_os = "linux")]
pub(in crate::disk) fn as_ordinary_user<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    const NOBODY: libc::uid_t = 65_534;
    thread::scope(|scope| {
        let ran = scope.spawn(|| {
            if rustix::process::geteuid().is_root() {
                // SAFETY: changes the file rights of this one thread, which ends with the test; no memory is touched.
                unsafe { libc::setfsuid(NOBODY) };
                // SAFETY: as above; an id that no user has only asks for the present one.
                assert_eq!(unsafe { libc::setfsuid(libc::uid_t::MAX) }, NOBODY as libc::c_int, "still root");
            }
            run()
        });
        ran.join().expect("the ordinary user's part")
    })
}

#[test]
#[cfg(target_os = "linux")]
fn what_may_not_be_read_is_denied_and_not_empty() {
    let ground = ground();
    let open_to_all = |at: &Path| fs::set_permissions(at, fs::Permissions::from_mode(0o755)).expect("a mode");
    let outer = ground.at.parent().expect("the folder of the moment").to_owned();
    [&*outer, &ground.at].into_iter().for_each(open_to_all);
    for (folder, mode) in [("closed", 0o000), ("unlisted", 0o111), ("unsearched", 0o444)] {
        fs::create_dir(ground.at.join(folder)).expect("a folder");
        fs::write(ground.at.join(folder).join("file"), "x").expect("a file");
        fs::set_permissions(ground.at.join(folder), fs::Permissions::from_mode(mode)).expect("a mode");
    }
    fs::write(ground.at.join("secret"), "x").expect("a file");
    fs::set_permissions(ground.at.join("secret"), fs::Permissions::from_mode(0o000)).expect("a mode");
    as_ordinary_user(|| {
        let root = open_root(&ground.at, false).expect("opened");
        for folder in ["closed", "unlisted"] {
            let listed = root.folder(&path(folder)).and_then(|folder| folder.list());
            assert_eq!(kind_of(listed), Some(ErrorKind::Denied), "{folder}");
        }
        // Names without stats: an entry that could not be seen is listed as that.
        let listed = root.folder(&path("unsearched")).and_then(|folder| folder.list());
        match listed {
            Ok(listing) => {
                assert!(matches!(listing[..], [ref only] if matches!(only.value.content, NodeContent::Unreadable { .. })))
            }
            Err(error) => assert_eq!(error.kind, ErrorKind::Denied),
        }
        let top = root.folder(&path("")).expect("opened");
        assert_eq!(top.list().expect("listed").len(), 4);
        assert_eq!(kind_of(top.read(&name("secret")).map(drop)), Some(ErrorKind::Denied));
        assert_eq!(top.has_writer(&name("secret")).expect("asked"), None, "cannot be asked");
        assert!(top.look(&name("secret"), Freshness::Fresh).expect("looked").is_some());
    });
    for folder in ["closed", "unlisted", "unsearched"] {
        open_to_all(&ground.at.join(folder));
    }
}

#[test]
fn a_root_knows_its_room() {
    let ground = ground();
    let space = ground.root.space().expect("measured");
    assert!(space.total > 0 && space.free <= space.total, "{space:?}");
    let device = fs::metadata(&ground.at).expect("a stat").dev();
    assert_eq!(ground.root.device().expect("asked"), device);
    assert_eq!(kind_of(open_root(&ground.at.join("none"), false).map(drop)), Some(ErrorKind::Absent));
    fs::write(ground.at.join("file"), "x").expect("a file");
    assert_eq!(kind_of(open_root(&ground.at.join("file"), false).map(drop)), Some(ErrorKind::WrongKind));
}
