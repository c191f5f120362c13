//! What only a disk of Unix has: names of any bytes, links, modes.

mod hostile;
pub(in crate::disk) mod kinds;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};

use super::open::Handle;
use crate::disk::contract::{ground, kind_of, name, path, read};
use crate::disk::{ErrorKind, Freshness, NodeContent, Onto, open_root};
use crate::model::entry::Content;
use crate::model::path::RelPath;
use crate::model::time::Time;

/// Handles of a remote root's folders are for names alone; what needs more of a folder does it all the same.
#[test]
fn a_folder_of_a_remote_root_can_do_what_any_can() {
    let ground = ground();
    fs::create_dir(ground.at.join("folder")).expect("a folder");
    let content = [&b"SQLite format 3\0"[..], &[7; 1008]].concat();
    fs::write(ground.at.join("folder/data"), &content).expect("a file");
    fs::write(ground.at.join("folder/small"), b"x").expect("another");
    symlink("data", ground.at.join("folder/link")).expect("a link");
    for remote in [false, true] {
        let root = open_root(&ground.at, remote).expect("the root opens");
        let folder = root.folder(&path("folder")).expect("it opens");
        for _ in 0..2 {
            let names: Vec<_> = folder.list().expect("a listing").into_iter().map(|item| item.name.to_vec()).collect();
            assert_eq!(names, [&b"data"[..], b"link", b"small"], "remote: {remote}");
        }
        let looked = |text: &str| folder.look_into(&name(text)).expect("looked");
        let (node, first) = looked("data").expect("there");
        assert_eq!(Some(node), folder.look(&name("data"), Freshness::Fresh).expect("looked"));
        assert_eq!(first.as_ref().map(|first| &first[..]), Some(&content[..32]), "remote: {remote}");
        assert!(looked("small").is_some_and(|(node, first)| node.is_file() && first.is_none()));
        let link = NodeContent::Plain(Content::Link { target: b"data"[..].into() });
        assert!(looked("link").is_some_and(|(node, first)| node.content == link && first.is_none()));
        assert!(looked("nothing").is_none());
        folder.touch_self(Some(Time::from_parts(1_600_000_000, 0)), Some(0o710)).expect("touched");
        let shown = fs::metadata(ground.at.join("folder")).expect("there");
        assert_eq!((shown.mtime(), shown.mode() & 0o777), (1_600_000_000, 0o710), "remote: {remote}");
        folder.flush().expect("flushed");
        folder.make_folder(&name("new"), 0o700).expect("made");
        root.rename(&path("folder/small"), &path("folder/new/moved"), Onto::Nothing).expect("renamed");
        root.link(&path("folder/new/moved"), &path("folder/small")).expect("linked");
        let moved = root.look(&path("folder/new/moved"), Freshness::JustNamed).expect("looked").expect("there");
        assert_eq!(moved.stamp.id, fs::metadata(ground.at.join("folder/small")).expect("there").ino());
        fs::remove_dir_all(ground.at.join("folder/new")).expect("removed");
    }
}

#[test]
fn a_name_is_any_bytes() {
    let ground = ground();
    let mut expected = [&b"\xff\xfe\x80"[..], b"a\nb", b"a b ", b"back\\slash", b"CON"];
    for bytes in expected {
        fs::write(ground.at.join(OsStr::from_bytes(bytes)), bytes).expect("a file");
    }
    expected.sort_unstable();
    let listing = ground.top().list().expect("listed");
    assert_eq!(listing.iter().map(|item| &item.name[..]).collect::<Vec<_>>(), expected);
    for item in listing {
        assert_eq!(read(&*ground.top(), &item.name), item.name[..]);
    }
}

#[test]
fn both_walks_find_a_deep_folder_and_refuse_a_missing_one() {
    use super::open;
    let ground = ground();
    fs::create_dir_all(ground.at.join("a/b/c")).expect("folders");
    fs::write(ground.at.join("a/file"), "x").expect("a file");
    let root = rustix::fd::OwnedFd::from(fs::File::open(&ground.at).expect("the root"));
    let device = super::stat::by_handle(&root, super::stat::Sync::AsIs).expect("a stat").device;
    assert_eq!(device, fs::metadata(&ground.at).expect("a stat").dev(), "one number for one device, whichever call gave it");
    for walk in [open::folder, open::by_names] {
        assert!(walk(&root, &path("a/b/c"), device, Handle::Whole).is_ok());
        assert!(walk(&root, &RelPath::root(), device, Handle::Whole).is_ok());
        for (at, errno) in [("a/x", rustix::io::Errno::NOENT), ("a/file", rustix::io::Errno::NOTDIR)] {
            assert_eq!(walk(&root, &path(at), device, Handle::Whole).expect_err("refused"), errno, "{at}");
        }
    }
    assert!(open::by_names(&root, &path("a"), device + 1, Handle::Whole).is_err(), "a folder of another device");
}

#[test]
fn a_new_file_never_takes_the_name_of_a_link() {
    let ground = ground();
    let folder = ground.top();
    fs::write(ground.beside.join("outside"), "x").expect("a file");
    fs::write(ground.at.join("file"), "mine").expect("a file");
    symlink(ground.beside.join("outside"), ground.at.join("link")).expect("a link");
    symlink(ground.beside.join("new"), ground.at.join("dangling")).expect("a link");
    for taken in ["link", "dangling"] {
        assert_eq!(kind_of(folder.stage(&name(taken)).map(drop)), Some(ErrorKind::Exists), "{taken}");
        assert_eq!(kind_of(folder.make_folder(&name(taken), 0o755)), Some(ErrorKind::Exists), "{taken}");
        assert_eq!(kind_of(folder.make_link(&name(taken), b"x")), Some(ErrorKind::Exists), "{taken}");
        assert_eq!(kind_of(ground.root.link(&path("file"), &path(taken))), Some(ErrorKind::Exists), "{taken}");
    }
    assert!(!ground.beside.join("new").exists());
}

#[test]
fn modes_are_set_as_said_whatever_the_umask_and_never_through_a_link() {
    let ground = ground();
    let folder = ground.top();
    let mode = |at: &str| fs::metadata(ground.at.join(at)).expect("a stat").mode() & 0o7777;
    for asked in [0o600, 0o644, 0o664, 0o777, 0o400, 0o4755, 0o6711] {
        // Never the bits that lend the owner's rights.
        let wanted = asked & 0o777;
        let file = name("file");
        let writer = folder.stage(&file).expect("a new file");
        assert_eq!(mode("file"), 0o600, "nobody else reads what is not complete");
        assert_eq!(writer.finish(Time(1), Some(asked), false).expect("finished").mode, wanted);
        assert_eq!(mode("file"), wanted);
        folder.remove_file(&file).expect("removed");
    }
    for wanted in [0o755, 0o775, 0o777, 0o2775, 0o700] {
        folder.make_folder(&name("folder"), wanted).expect("made");
        assert_eq!(mode("folder") & !wanted, 0, "made with more rights than asked for");
        ground.folder("folder").touch_self(None, Some(wanted)).expect("its mode");
        assert_eq!(mode("folder"), wanted, "{wanted:o}");
        folder.remove_folder(&name("folder")).expect("removed");
    }
    fs::write(ground.at.join("target"), "x").expect("a file");
    let before = mode("target");
    symlink("target", ground.at.join("link")).expect("a link");
    folder.touch(&name("link"), None, Some(0o777)).expect("left");
    assert_eq!(mode("target"), before);
}
