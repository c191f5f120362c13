//! What only a disk of Windows has.
//!
//! Wine runs these too, and does some things otherwise than Windows; docs/windows.md lists which, and what only a real Windows
//! can show.

mod attributes;
mod hostile;
mod sharing;

use std::ffi::OsString;
use std::fs;
use std::os::windows::ffi::OsStringExt;
use std::sync::Arc;

use super::nt::{self, Ask, CALLS};
use crate::disk::contract::{Ground, ground, kind_of, name, read, write};
use crate::disk::{ErrorKind, Root, open_root};
use crate::model::path::Name;
use crate::model::time::Time;

impl Ground {
    /// The same root as one of another machine.
    fn far(&self) -> Arc<dyn Root> {
        open_root(&self.at, true).expect("the root opens")
    }

    /// A handle on the root, for calls below the port.
    fn handle(&self) -> fs::File {
        use std::os::windows::fs::OpenOptionsExt;
        const BACKUP_SEMANTICS: u32 = 0x0200_0000;
        fs::OpenOptions::new().read(true).custom_flags(BACKUP_SEMANTICS).open(&self.at).expect("the root")
    }
}

fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

/// An entry is some 100 bytes, an answer 64 KiB.
#[test]
fn a_listing_opens_no_file() {
    let ground = ground();
    for n in 0..3_000 {
        fs::write(ground.at.join(n.to_string()), "").expect("a file");
    }
    let folder = ground.top();
    for _ in 0..2 {
        let before = CALLS.get();
        assert_eq!(folder.list().expect("listed").len(), 3_000);
        let calls = CALLS.get() - before;
        assert!((2..=10).contains(&calls), "{calls} calls");
    }
}

#[test]
fn a_name_that_is_taken_in_another_case_is_taken() {
    let ground = ground();
    let folder = ground.top();
    fs::write(ground.at.join("file"), "mine").expect("a file");
    fs::create_dir(ground.at.join("folder")).expect("a folder");
    for taken in ["FILE", "Folder"].map(name) {
        assert_eq!(kind_of(folder.stage(&taken).map(drop)), Some(ErrorKind::Exists), "{taken:?}");
        assert_eq!(kind_of(folder.make_folder(&taken, 0o755)), Some(ErrorKind::Exists), "{taken:?}");
        assert_eq!(kind_of(folder.make_link(&taken, b"x")), Some(ErrorKind::Exists), "{taken:?}");
    }
    assert_eq!(read(&*folder, &name("file")), b"mine");
    assert_eq!(folder.list().expect("listed").len(), 2);
}

#[test]
fn every_layout_of_a_listing_tells_the_same() {
    use super::listing::{Layout, knows, read_as};
    let ground = ground();
    write(&*ground.top(), &name("file"), b"12345", Time(1_700_000_000_123_456_700));
    ground.top().make_folder(&name("folder"), 0o755).expect("made");
    let handle = ground.handle();
    let told = |layout| {
        let mut entries = read_as(&handle, layout).expect("listed");
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        entries
            .into_iter()
            .map(|entry| (entry.name, entry.stat.size, entry.stat.mtime, entry.stat.attributes))
            .collect::<Vec<_>>()
    };
    let bare = told(Layout::Bare);
    assert_eq!(bare.len(), 2);
    assert_eq!((bare[0].1, bare[0].2), (5, Time(1_700_000_000_123_456_700)));
    for layout in [Layout::Wide, Layout::Narrow].into_iter().filter(|layout| knows(&handle, *layout)) {
        assert_eq!(told(layout), bare, "{layout:?}");
    }
    assert!(knows(&handle, Layout::Narrow), "ids come with a listing");
}

#[test]
fn both_walks_find_a_deep_folder_and_refuse_a_missing_one() {
    use super::open;
    let ground = ground();
    fs::create_dir_all(ground.at.join("a/b/c")).expect("folders");
    fs::write(ground.at.join("a/file"), "x").expect("a file");
    let root = ground.handle();
    let walks: [fn(&fs::File, &[Vec<u16>]) -> nt::Result<_>; 2] =
        [|root, path| open::folder(root, path, false), |root, path| open::by_names(root, path)];
    for walk in walks {
        let spelled = |at: &str| at.split('/').filter(|name| !name.is_empty()).map(units).collect::<Vec<_>>();
        for at in ["a/b/c", "a", ""] {
            walk(&root, &spelled(at)).expect(at);
        }
        for (at, kind) in [("a/x", ErrorKind::Absent), ("a/x/y", ErrorKind::Absent), ("a/file", ErrorKind::WrongKind)] {
            assert_eq!(walk(&root, &spelled(at)).expect_err("refused").kind(false), kind, "{at}");
        }
    }
    let calls = |walk: fn(&fs::File, &[Vec<u16>]) -> nt::Result<_>| {
        let before = CALLS.get();
        walk(&root, &["a", "b", "c"].map(units)).expect("opened");
        CALLS.get() - before
    };
    assert_eq!(walks.map(calls), [2, 6], "one step on a local volume");
}

#[test]
fn errors_of_the_network_say_that_the_root_is_gone() {
    use super::is_gone;
    let error = std::io::Error::from_raw_os_error;
    assert!(is_gone(&error(64), true) && is_gone(&error(53), false) && is_gone(&error(1117), true));
    assert!(!is_gone(&error(1117), false) && !is_gone(&error(2), true));
    assert!(!is_gone(&std::io::Error::other("ours"), true));
}

/// A name that is no valid UTF-16, where the file system takes it.
#[test]
fn a_name_that_is_not_unicode_is_one_of_ours() {
    let ground = ground();
    let odd = OsString::from_wide(&[0x61, 0xd800, 0x62]);
    let ours = Name::new(b"a\xed\xa0\x80b").expect("a name");
    match fs::write(ground.at.join(&odd), "x") {
        Ok(()) => {
            let listing = ground.top().list().expect("listed");
            assert_eq!(listing.iter().map(|item| &item.name).collect::<Vec<_>>(), [&ours]);
            assert_eq!(read(&*ground.top(), &ours), b"x");
        }
        // Wine keeps names as UTF-8.
        Err(_) => {
            let refused = kind_of(ground.top().stage(&ours).map(drop));
            assert!(matches!(refused, Some(ErrorKind::BadName | ErrorKind::Absent)), "{refused:?}");
        }
    }
}

/// Makes a name past all checks, as WSL or a server does.
fn make_anyway(ground: &Ground, name: &str) {
    nt::open(&ground.handle(), &units(name), Ask::CREATE).expect(name);
}
