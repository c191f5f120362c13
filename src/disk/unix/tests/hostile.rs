//! Links and swaps: nothing outside the root is read or changed, whatever stands in the way.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::disk::contract::{Ground, ground, kind_of, name, path, write};
use crate::disk::{ErrorKind, Folder, Freshness, NodeContent, Onto};
use crate::model::entry::Content;
use crate::model::time::Time;

/// Everything below a folder: path, content, time.
fn picture(at: &Path) -> Vec<(String, Vec<u8>, i64)> {
    use std::os::unix::fs::MetadataExt;
    let mut all = Vec::new();
    for entry in fs::read_dir(at).expect("listed") {
        let entry = entry.expect("an entry");
        let meta = entry.metadata().expect("a stat");
        let text = entry.path().display().to_string();
        let content = if meta.is_file() { fs::read(entry.path()).expect("read") } else { Vec::new() };
        all.push((text, content, meta.mtime_nsec() ^ meta.ino().cast_signed()));
        if meta.is_dir() {
            all.extend(picture(&entry.path()));
        }
    }
    all.sort();
    all
}

/// A root with `in/here/file`, and `beside/here/file` that must not change.
fn baited() -> Ground {
    let ground = ground();
    for top in [ground.at.join("in"), ground.beside.clone()] {
        fs::create_dir_all(top.join("here")).expect("folders");
        fs::write(top.join("here/file"), "as it was").expect("a file");
    }
    ground
}

#[test]
fn a_link_anywhere_in_a_path_is_refused() {
    let ground = baited();
    symlink(&ground.beside, ground.at.join("out")).expect("a link out of the root");
    symlink("in", ground.at.join("inward")).expect("a link within the root");
    symlink("../../beside", ground.at.join("in/dots")).expect("a link out by dots");
    symlink("here", ground.at.join("in/short")).expect("a link to the next folder");
    symlink("loop", ground.at.join("loop")).expect("a loop");
    let before = picture(&ground.beside);
    let inside = path("in/here/file");
    for through in ["out", "out/here", "inward", "inward/here", "in/dots", "in/dots/here", "in/short", "loop", "loop/x"] {
        let folder = ground.root.folder(&path(through)).map(drop);
        let barred = |kind| matches!(kind, Some(ErrorKind::Barred | ErrorKind::WrongKind));
        assert!(barred(kind_of(folder)), "{through}");
        let below = path(through).join(b"new");
        let (from, to) =
            (ground.root.rename(&inside, &below, Onto::Nothing), ground.root.rename(&below, &path("new"), Onto::Nothing));
        assert!(barred(kind_of(from)) && barred(kind_of(to)), "{through}");
        assert!(barred(kind_of(ground.root.link(&inside, &below))), "{through}");
        assert!(barred(kind_of(ground.root.link(&path(through).join(b"file"), &path("new")))), "{through}");
    }
    assert_eq!(picture(&ground.beside), before);
    assert!(ground.at.join("in/here/file").exists() && !ground.at.join("new").exists());
}

#[test]
fn a_name_that_is_a_link_is_never_followed() {
    let ground = baited();
    let target = ground.beside.join("here/file");
    symlink(&target, ground.at.join("link")).expect("a link");
    let before = picture(&ground.beside);
    let (folder, link) = (ground.top(), name("link"));
    assert_eq!(kind_of(folder.read(&link).map(drop)), Some(ErrorKind::Barred));
    assert!(folder.has_writer(&link).is_err());
    let node = folder.look(&link, Freshness::Fresh).expect("looked").expect("there");
    let bytes = std::os::unix::ffi::OsStrExt::as_bytes(target.as_os_str()).into();
    assert_eq!(node.content, NodeContent::Plain(Content::Link { target: bytes }));
    folder.touch(&link, Some(Time(5)), Some(0o777)).expect("the link's own time");
    write(&*folder, &name("new"), b"new", Time(1));
    ground.root.link(&path("link"), &path("twin")).expect("the link itself, not its target");
    folder.rename(&name("new"), &link, Onto::File).expect("replaced");
    folder.remove_file(&name("twin")).expect("removed");
    assert_eq!(picture(&ground.beside), before);
    assert_eq!(fs::read(ground.at.join("link")).expect("a file now"), b"new");
}

/// One round of all that changes a root, through a path that may be swapped at any moment.
fn round(ground: &Ground, at: u32) -> Result<(), ErrorKind> {
    let swapped = path("swapped/here");
    let fresh = |text: &str| name(&format!("{text}{at}"));
    let kind = |error: crate::disk::Error| error.kind;
    let below = |text: &str| swapped.join(&fresh(text));
    ground.root.link(&path("in/here/file"), &below("linked")).map_err(kind)?;
    ground.root.rename(&path("spare"), &below("moved"), Onto::Nothing).map_err(kind)?;
    let back = ground.root.rename(&below("moved"), &path("spare"), Onto::Nothing).map_err(kind);
    let folder: Box<dyn Folder> = ground.root.folder(&swapped).map_err(kind)?;
    folder.make_folder(&fresh("folder"), 0o755).map_err(kind)?;
    folder.stage(&fresh("file")).and_then(|writer| writer.finish(Time(1), None, false)).map_err(kind)?;
    folder.touch(&name("file"), Some(Time(7)), Some(0o600)).map_err(kind)?;
    folder
        .remove_file(&name("file"))
        .or_else(|error| if error.kind == ErrorKind::Absent { Ok(()) } else { Err(error) })
        .map_err(kind)?;
    write(&*folder, &name("file"), b"as it was", Time(1));
    back
}

#[test]
fn a_folder_that_is_swapped_with_a_link_while_we_work_leads_nowhere() {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    const MOST: u32 = 4_000;
    let ground = baited();
    fs::rename(ground.at.join("in"), ground.at.join("swapped")).expect("renamed");
    fs::create_dir_all(ground.at.join("in/here")).expect("folders");
    fs::write(ground.at.join("in/here/file"), "ours").expect("a file");
    symlink(&ground.beside, ground.at.join("other")).expect("a link out of the root");
    let before = picture(&ground.beside);
    let (one, two) = (ground.at.join("swapped"), ground.at.join("other"));
    let enough = AtomicBool::new(false);
    let (mut done, mut barred) = (0, 0);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !enough.load(Ordering::Relaxed) {
                renameat_with(CWD, &one, CWD, &two, RenameFlags::EXCHANGE).expect("swapped");
            }
        });
        for at in 0..MOST {
            if !ground.at.join("spare").exists() {
                fs::write(ground.at.join("spare"), "x").expect("a file to move");
            }
            match round(&ground, at) {
                Ok(()) => done += 1,
                Err(ErrorKind::Barred | ErrorKind::WrongKind) => barred += 1,
                Err(other) => {
                    enough.store(true, Ordering::Relaxed);
                    panic!("round {at}: {other:?}");
                }
            }
            if done > 100 && barred > 100 {
                break;
            }
        }
        enough.store(true, Ordering::Relaxed);
    });
    assert!(done > 0 && barred > 0, "nothing was tried: {done} done, {barred} barred");
    assert_eq!(picture(&ground.beside), before, "something outside the root was changed");
}
