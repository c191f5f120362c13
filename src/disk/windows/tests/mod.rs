//! What the real disk of Windows promises, on a real folder.
//!
//! Wine runs these too, and does some things otherwise than Windows; docs/windows.md lists which, and what only a real Windows
//! can show.

mod attributes;
mod hostile;
mod sharing;

use std::ffi::OsString;
use std::fs;
use std::os::windows::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::Arc;

use super::nt::{self, Ask, CALLS};
use crate::disk::{ErrorKind, Folder, Freshness, Node, NodeContent, Onto, Result, Root, open_root};
use crate::model::entry::Content;
use crate::model::path::{Name, RelPath};
use crate::model::time::Time;

/// A root, and a folder beside it that nothing may touch.
struct Ground {
    root: Arc<dyn Root>,
    at: PathBuf,
    beside: PathBuf,
    /// Last: a folder goes when nobody has it open any more.
    _held: tempfile::TempDir,
}

fn ground() -> Ground {
    let held = tempfile::tempdir().expect("a folder for the moment");
    let [at, beside] = ["root", "beside"].map(|name| held.path().join(name));
    fs::create_dir(&at).expect("a root");
    fs::create_dir(&beside).expect("a folder beside it");
    let root = open_root(&at, false).expect("the root opens");
    Ground { root, at, beside, _held: held }
}

impl Ground {
    fn folder(&self, at: &str) -> Box<dyn Folder> {
        self.root.folder(&path(at)).expect("the folder opens")
    }

    fn top(&self) -> Box<dyn Folder> {
        self.folder("")
    }

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

fn path(text: &str) -> RelPath {
    RelPath::parse(text.as_bytes()).expect("a path")
}

fn name(text: &str) -> Name {
    Name::new(text.as_bytes()).expect("a name")
}

fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

fn kind_of<T>(result: Result<T>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind)
}

/// Writes a whole file and shows it under its name.
fn write(folder: &dyn Folder, file: &Name, bytes: &[u8], mtime: Time) -> Node {
    let mut writer = folder.stage(file).expect("a new file");
    writer.write_all(bytes).expect("written");
    writer.finish(mtime, Some(0o644), false).expect("finished")
}

fn read(folder: &dyn Folder, file: &Name) -> Vec<u8> {
    let mut reader = folder.read(file).expect("opened");
    let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match reader.read(&mut buffer).expect("read") {
            0 => return all,
            count => all.extend_from_slice(&buffer[..count]),
        }
    }
}

fn look(folder: &dyn Folder, file: &str) -> Option<Node> {
    folder.look(&name(file), Freshness::Fresh).expect("looked")
}

#[test]
fn a_listing_is_complete_and_sorted_and_opens_no_file() {
    let ground = ground();
    let mut expected: Vec<Vec<u8>> = (0..3_000).map(|n| format!("{n}").into_bytes()).collect();
    expected.extend([vec![b'x'; 255], b".hidden".to_vec(), b"a b".to_vec(), "ä😀".into(), "é".repeat(127).into_bytes()]);
    for bytes in &expected {
        let name = std::str::from_utf8(bytes).expect("text");
        fs::write(ground.at.join(name), bytes).expect("a file");
    }
    expected.sort();
    let folder = ground.top();
    for _ in 0..2 {
        let before = CALLS.get();
        let listing = folder.list().expect("listed");
        let calls = CALLS.get() - before;
        assert_eq!(listing.iter().map(|item| item.name.to_vec()).collect::<Vec<_>>(), expected);
        // An entry is some 100 bytes, an answer 64 KiB.
        assert!((2..=10).contains(&calls), "{calls} calls for {} files", expected.len());
    }
    for item in &folder.list().expect("listed") {
        let node = folder.look(&item.name, Freshness::Fresh).expect("looked").expect("there");
        assert_eq!(node, item.value, "{:?}", item.name);
        assert_eq!(node.content, NodeContent::Plain(Content::File { size: item.name.len() as u64, digest: None }));
    }
    fs::write(ground.at.join("late"), "x").expect("a file");
    assert_eq!(folder.list().expect("listed").len(), expected.len() + 1, "an open folder shows what came since");
    ground.top().make_folder(&name("empty"), 0o755).expect("made");
    assert_eq!(ground.folder("empty").list().expect("listed"), []);
}

#[test]
fn listings_of_one_folder_at_once_are_all_complete() {
    let ground = ground();
    for n in 0..2_000 {
        fs::write(ground.at.join(format!("{n}-{}", "x".repeat(60))), "").expect("a file");
    }
    let folder = ground.top();
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..4).map(|_| scope.spawn(|| folder.list().expect("listed").len())).collect();
        for listed in all {
            assert_eq!(listed.join().expect("joined"), 2_000);
        }
    });
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
fn a_path_deeper_than_win32_takes_is_made_listed_written_and_renamed() {
    let ground = ground();
    let mut deep = RelPath::root();
    for level in 0..12 {
        let step = name(&format!("{level:03}-{}", "d".repeat(57 + level % 7)));
        ground.root.folder(&deep).expect("opened").make_folder(&step, 0o755).expect("made");
        deep = deep.join(&step);
    }
    assert!(deep.as_bytes().len() > 700);
    for root in [&ground.root, &ground.far()] {
        let folder = root.folder(&deep).expect("opened");
        write(&*folder, &name("file"), b"deep down", Time(100));
        assert_eq!(folder.list().expect("listed").len(), 1);
        root.rename(&deep.join(b"file"), &deep.join(b"again"), Onto::Nothing).expect("renamed");
        root.rename(&deep.join(b"again"), &path("up"), Onto::Nothing).expect("renamed");
        root.rename(&path("up"), &deep.join(b"down"), Onto::Nothing).expect("renamed");
        assert_eq!(read(&*folder, &name("down")), b"deep down");
        folder.remove_file(&name("down")).expect("removed");
    }
    while let Some((parent, step)) = deep.parent().zip(deep.name()) {
        ground.root.folder(&parent).expect("opened").remove_folder(&step).expect("removed");
        deep = parent;
    }
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
fn a_new_file_never_takes_a_name_that_is_taken() {
    let ground = ground();
    let folder = ground.top();
    fs::write(ground.at.join("file"), "mine").expect("a file");
    fs::create_dir(ground.at.join("folder")).expect("a folder");
    for taken in ["file", "folder", "FILE", "Folder"] {
        let taken = name(taken);
        assert_eq!(kind_of(folder.stage(&taken).map(drop)), Some(ErrorKind::Exists), "{taken:?}");
        assert_eq!(kind_of(folder.make_folder(&taken, 0o755)), Some(ErrorKind::Exists), "{taken:?}");
        assert_eq!(kind_of(folder.make_link(&taken, b"x")), Some(ErrorKind::Exists), "{taken:?}");
    }
    for taken in ["file", "folder"] {
        assert_eq!(kind_of(ground.root.link(&path("file"), &path(taken))), Some(ErrorKind::Exists), "{taken}");
    }
    assert_eq!(read(&*folder, &name("file")), b"mine");
    assert_eq!(folder.list().expect("listed").len(), 2);
}

#[test]
fn renames_replace_only_what_they_are_told_to() {
    let ground = ground();
    let folder = ground.top();
    let [a, b, new, sub] = ["a", "b", "new", "sub"].map(name);
    write(&*folder, &a, b"a", Time(100));
    write(&*folder, &b, b"b", Time(100));
    fs::create_dir(ground.at.join("sub")).expect("a folder");
    fs::write(ground.at.join("sub/inner"), "x").expect("a file");
    for onto in [&b, &sub] {
        assert_eq!(kind_of(folder.rename(&a, onto, Onto::Nothing)), Some(ErrorKind::Exists));
        let (from, to) = (path("a"), RelPath::root().join(onto));
        assert_eq!(kind_of(ground.root.rename(&from, &to, Onto::Nothing)), Some(ErrorKind::Exists));
    }
    assert_eq!(kind_of(folder.rename(&a, &sub, Onto::File)), Some(ErrorKind::WrongKind), "a folder is no file");
    assert_eq!(kind_of(folder.rename(&sub, &a, Onto::File)), Some(ErrorKind::WrongKind), "and the other way round");
    assert_eq!(kind_of(folder.rename(&new, &a, Onto::File)), Some(ErrorKind::Absent));
    assert_eq!((read(&*folder, &a), read(&*folder, &b)), (b"a".to_vec(), b"b".to_vec()));
    folder.rename(&a, &new, Onto::Nothing).expect("a free name");
    folder.rename(&new, &b, Onto::File).expect("a file in the way");
    assert_eq!(read(&*folder, &b), b"a");
    assert_eq!(folder.list().expect("listed").len(), 2);
    ground.root.rename(&path("b"), &path("sub/b"), Onto::Nothing).expect("to another folder");
    ground.root.rename(&path("sub/b"), &path("sub/inner"), Onto::File).expect("replaced there");
    assert_eq!(read(&*ground.folder("sub"), &name("inner")), b"a");
    assert_eq!(kind_of(folder.remove_folder(&sub)), Some(ErrorKind::NotEmpty));
    assert_eq!(kind_of(folder.remove_file(&sub)), Some(ErrorKind::WrongKind));
    ground.folder("sub").remove_file(&name("inner")).expect("removed");
    folder.remove_folder(&sub).expect("empty");
    assert_eq!(kind_of(folder.remove_folder(&sub)), Some(ErrorKind::Absent));
    assert_eq!(kind_of(ground.root.rename(&RelPath::root(), &path("x"), Onto::Nothing)), Some(ErrorKind::BadName));
}

#[test]
fn a_second_name_is_the_same_file() {
    let ground = ground();
    let folder = ground.top();
    let node = write(&*folder, &name("one"), b"content", Time(100));
    folder.make_folder(&name("sub"), 0o755).expect("made");
    ground.root.link(&path("one"), &path("sub/two")).expect("linked");
    let linked = look(&*ground.folder("sub"), "two").expect("there");
    assert_eq!((linked.stamp.id, linked.stamp.size), (node.stamp.id, 7));
    assert_eq!(kind_of(ground.root.link(&path("none"), &path("three"))), Some(ErrorKind::Absent));
    write(&*folder, &name("new"), b"new", Time(200));
    folder.rename(&name("new"), &name("one"), Onto::File).expect("replaced");
    assert_eq!(read(&*ground.folder("sub"), &name("two")), b"content", "what was replaced has its other name still");
}

#[test]
fn a_file_that_was_begun_is_written_on_and_no_other() {
    let ground = ground();
    let folder = ground.top();
    let file = name("begun");
    let mut writer = folder.stage(&file).expect("a new file");
    writer.write_all(b"0123456789").expect("written");
    let id = writer.pause(true).expect("paused").stamp.id;
    drop(writer);
    for (id, length) in [(id, 11), (id + 1, 4)] {
        assert_eq!(kind_of(folder.resume(&file, id, length).map(drop)), Some(ErrorKind::Barred));
    }
    ground.root.link(&path("begun"), &path("twin")).expect("linked");
    assert_eq!(kind_of(folder.resume(&file, id, 4).map(drop)), Some(ErrorKind::Barred), "it has a second name");
    folder.remove_file(&name("twin")).expect("removed");
    let mut writer = folder.resume(&file, id, 4).expect("resumed");
    writer.write_all(b"abc").expect("written");
    let node = writer.finish(Time(500), None, true).expect("finished");
    assert_eq!((node.stamp.size, node.stamp.mtime, node.stamp.id), (7, Time(500), id));
    assert_eq!(read(&*folder, &file), b"0123abc");
    assert_eq!(kind_of(folder.resume(&name("none"), id, 0).map(drop)), Some(ErrorKind::Absent));
    folder.make_folder(&name("folder"), 0o755).expect("made");
    assert_eq!(kind_of(folder.resume(&name("folder"), id, 0).map(drop)), Some(ErrorKind::WrongKind));
}

#[test]
fn what_is_between_the_data_is_zeros() {
    const MIB: u64 = 1 << 20;
    let ground = ground();
    let folder = ground.top();
    let mut writer = folder.stage(&name("file")).expect("a new file");
    writer.skip(4 * MIB).expect("a hole");
    writer.write_all(b"middle").expect("written");
    writer.skip(4 * MIB).expect("a hole at the end");
    let node = writer.finish(Time(100), None, true).expect("finished");
    assert_eq!((node.stamp.size, node.stamp.mtime), (8 * MIB + 6, Time(100)));
    let mut reader = folder.read(&name("file")).expect("opened");
    let (start, end) = reader.next_data(0).expect("asked").expect("data in the middle");
    assert!(start <= 4 * MIB && end >= 4 * MIB + 6, "{start} to {end}");
    let mut buffer = [1; 8];
    reader.seek(4 * MIB - 1).expect("moved");
    assert_eq!(reader.read(&mut buffer).expect("read"), 8);
    assert_eq!(&buffer, b"\0middle\0");
    reader.seek(8 * MIB + 6).expect("moved");
    assert_eq!(reader.read(&mut buffer).expect("read"), 0, "the end");
    assert_eq!(reader.left_behind(), None);
}

#[test]
fn a_root_knows_its_room_and_whether_its_path_still_leads_to_it() {
    let ground = ground();
    let space = ground.root.space().expect("measured");
    assert!(space.total > 0 && space.free <= space.total, "{space:?}");
    assert_eq!(ground.root.device().expect("asked"), ground.far().device().expect("asked"));
    assert_eq!(kind_of(ground.root.flush_all()), Some(ErrorKind::Unsupported));
    assert_eq!(kind_of(open_root(&ground.at.join("none"), false).map(drop)), Some(ErrorKind::Absent));
    fs::write(ground.at.join("file"), "x").expect("a file");
    assert_eq!(kind_of(open_root(&ground.at.join("file"), false).map(drop)), Some(ErrorKind::WrongKind));
    assert!(ground.root.still_there().expect("asked"));
    let away = ground.beside.join("away");
    fs::rename(&ground.at, &away).expect("moved away, although it is open");
    assert!(!ground.root.still_there().expect("asked"));
    fs::create_dir(&ground.at).expect("another folder in its place");
    assert!(!ground.root.still_there().expect("asked"), "an empty folder in its place is not the root");
    fs::remove_dir(&ground.at).expect("removed");
    fs::rename(&away, &ground.at).expect("moved back");
    assert!(ground.root.still_there().expect("asked"));
}

#[test]
fn a_folder_is_flushed_or_says_that_it_cannot_be() {
    let ground = ground();
    for root in [&ground.root, &ground.far()] {
        let flushed = root.folder(&RelPath::root()).expect("opened").flush();
        assert!(matches!(kind_of(flushed), None | Some(ErrorKind::Unsupported)));
    }
}

#[test]
fn trials_answer() {
    use crate::disk::Trial;
    let ground = ground();
    let folder = ground.top();
    assert_eq!(folder.attempt(Trial::RefuseToReplace).expect("tried"), Some(true));
    assert_eq!(folder.attempt(Trial::Lock).expect("tried"), Some(true));
    assert_eq!(folder.attempt(Trial::Event).expect("tried"), Some(true));
    assert!(folder.attempt(Trial::Clone).expect("tried").is_some());
    assert_eq!(folder.attempt(Trial::CopyRange).expect("tried"), None);
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
