//! What is no plain file: special files, files in use, folders without permission.

use std::fs;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::fs::{CWD, FileType, Mode, inotify, mknodat};

use crate::disk::contract::{ground, kind_of, name, path};
use crate::disk::{ErrorKind, Freshness, NodeContent, open_root};

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
