//! What every disk promises, whichever system it is of: the same calls on real folders, near, far and over a line.
//!
//! What only one system has (links that lead out, modes, names of its own, sharing) is in `unix/tests` and `windows/tests`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use filetime::FileTime;

use super::{ErrorKind, Folder, Freshness, Node, NodeContent, Onto, Result, Root, Trial, open_root};
use crate::model::entry::Content;
use crate::model::path::{Name, RelPath};
use crate::model::time::Time;

const MIB: u64 = 1 << 20;
/// What a system's times are multiples of, in nanoseconds.
const STEP: i64 = if cfg!(windows) { 100 } else { 1 };

/// A root, and a folder beside it that nothing may touch.
pub(super) struct Ground {
    pub root: Arc<dyn Root>,
    pub at: PathBuf,
    pub beside: PathBuf,
    /// Last: on Windows a folder goes when nobody has it open any more.
    _held: tempfile::TempDir,
}

type Open = fn(&Path) -> Result<Arc<dyn Root>>;

/// In this process as a root of this machine and as one of another; and in a process apart, where there are such.
const WAYS: &[(&str, Open)] = &[
    ("near", |at| open_root(at, false)),
    ("far", |at| open_root(at, true)),
    #[cfg(unix)]
    ("apart", |at| Ok(super::apart::tests::apart(at))),
];

pub(super) fn ground() -> Ground {
    opened(WAYS[0].1)
}

fn opened(open: Open) -> Ground {
    let held = tempfile::tempdir().expect("a folder for the moment");
    let [at, beside] = ["root", "beside"].map(|name| held.path().join(name));
    fs::create_dir(&at).expect("a root");
    fs::create_dir(&beside).expect("a folder beside it");
    let root = open(&at).expect("the root opens");
    Ground { root, at, beside, _held: held }
}

/// The same with a new root for each way to one.
fn everywhere(check: impl Fn(&Ground)) {
    for (way, open) in WAYS {
        // Shown where a check fails.
        eprintln!("{way}");
        check(&opened(*open));
    }
}

impl Ground {
    pub fn folder(&self, at: &str) -> Box<dyn Folder> {
        self.root.folder(&path(at)).expect("the folder opens")
    }

    pub fn top(&self) -> Box<dyn Folder> {
        self.folder("")
    }
}

pub(super) fn path(text: &str) -> RelPath {
    RelPath::parse(text.as_bytes()).expect("a path")
}

pub(super) fn name(text: &str) -> Name {
    Name::new(text.as_bytes()).expect("a name")
}

pub(super) fn kind_of<T>(result: Result<T>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind)
}

/// Writes a whole file and shows it under its name.
pub(super) fn write(folder: &dyn Folder, file: &Name, bytes: &[u8], mtime: Time) -> Node {
    let mut writer = folder.stage(file).expect("a new file");
    writer.write_all(bytes).expect("written");
    writer.finish(mtime, Some(0o644), false).expect("finished")
}

pub(super) fn read(folder: &dyn Folder, file: &Name) -> Vec<u8> {
    let mut reader = folder.read(file).expect("opened");
    let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match reader.read(&mut buffer).expect("read") {
            0 => return all,
            count => all.extend_from_slice(&buffer[..count]),
        }
    }
}

pub(super) fn look(folder: &dyn Folder, file: &str) -> Option<Node> {
    folder.look(&name(file), Freshness::Fresh).expect("looked")
}

/// When the file system itself says that something was written.
fn time_of(at: &Path) -> Time {
    let time = FileTime::from_last_modification_time(&fs::symlink_metadata(at).expect("a stat"));
    Time::from_parts(time.unix_seconds(), time.nanoseconds())
}

#[test]
fn a_listing_is_complete_and_sorted() {
    everywhere(|ground| {
        let mut expected: Vec<Vec<u8>> = (0..3_000).map(|n| format!("{n}").into_bytes()).collect();
        expected.extend([vec![b'x'; 255], b".hidden".to_vec(), b"a b".to_vec(), "ä😀".into(), "é".repeat(127).into_bytes()]);
        for bytes in &expected {
            let name = std::str::from_utf8(bytes).expect("text");
            fs::write(ground.at.join(name), bytes).expect("a file");
        }
        expected.sort();
        let folder = ground.top();
        for _ in 0..2 {
            let listing = folder.list().expect("listed");
            assert_eq!(listing.iter().map(|item| item.name.to_vec()).collect::<Vec<_>>(), expected);
        }
        for item in &folder.list().expect("listed") {
            let node = folder.look(&item.name, Freshness::Fresh).expect("looked").expect("there");
            assert_eq!(node, item.value, "{:?}", item.name);
            assert_eq!(node.content, NodeContent::Plain(Content::File { size: item.name.len() as u64, digest: None }));
        }
        fs::write(ground.at.join("late"), "x").expect("a file");
        assert_eq!(folder.list().expect("listed").len(), expected.len() + 1, "an open folder shows what came since");
        folder.make_folder(&name("empty"), 0o755).expect("made");
        assert_eq!(ground.folder("empty").list().expect("listed"), []);
        let long = Name::new(&[b'y'; 256]).expect("a name of ours");
        assert_eq!(kind_of(folder.stage(&long).map(drop)), Some(ErrorKind::BadName));
    });
}

#[test]
fn listings_of_one_folder_at_once_are_all_complete() {
    let ground = ground();
    for n in 0..2_000 {
        fs::write(ground.at.join(format!("{n}-{}", "x".repeat(60))), "").expect("a file");
    }
    let folder = ground.top();
    thread::scope(|scope| {
        let all: Vec<_> = (0..4).map(|_| scope.spawn(|| folder.list().expect("listed").len())).collect();
        for listed in all {
            assert_eq!(listed.join().expect("joined"), 2_000);
        }
    });
}

/// Deeper than one call of the system takes: 4,096 bytes on Linux, 260 characters in Win32. Below Wine is a Linux that takes no
/// more than its own.
#[test]
fn a_path_deeper_than_the_system_takes_is_made_listed_written_and_renamed() {
    let (levels, length) = if cfg!(windows) { (12, 57) } else { (45, 117) };
    everywhere(|ground| {
        let root = &ground.root;
        let mut deep = RelPath::root();
        // One name does not end where a piece of a path ends.
        for level in 0..levels {
            let step = name(&format!("{level:03}-{}", "d".repeat(length + level % 7)));
            root.folder(&deep).expect("opened").make_folder(&step, 0o755).expect("made");
            deep = deep.join(&step);
        }
        assert!(deep.as_bytes().len() > levels * length);
        let folder = root.folder(&deep).expect("opened");
        write(&*folder, &name("file"), b"deep down", Time(100));
        assert_eq!(folder.list().expect("listed").len(), 1);
        root.rename(&deep.join(b"file"), &deep.join(b"again"), Onto::Nothing).expect("renamed");
        root.link(&deep.join(b"again"), &path("up")).expect("linked");
        root.rename(&path("up"), &deep.join(b"down"), Onto::Nothing).expect("renamed");
        assert_eq!(read(&*folder, &name("down")), b"deep down");
        let names: Vec<_> = folder.list().expect("listed").into_iter().map(|item| item.name).collect();
        assert_eq!(names, [name("again"), name("down")]);
        // Removed as it was made: what clears temporary folders may not reach as deep.
        for last in ["again", "down"] {
            folder.remove_file(&name(last)).expect("removed");
        }
        // Windows keeps the name of a folder until nobody has it open.
        drop(folder);
        while let Some((parent, step)) = deep.parent().zip(deep.name()) {
            root.folder(&parent).expect("opened").remove_folder(&step).expect("removed");
            deep = parent;
        }
    });
}

#[test]
fn a_new_file_never_takes_a_name_that_is_taken() {
    everywhere(|ground| {
        let folder = ground.top();
        fs::write(ground.at.join("file"), "mine").expect("a file");
        fs::create_dir(ground.at.join("folder")).expect("a folder");
        for taken in ["file", "folder"] {
            assert_eq!(kind_of(folder.stage(&name(taken)).map(drop)), Some(ErrorKind::Exists), "{taken}");
            assert_eq!(kind_of(folder.make_folder(&name(taken), 0o755)), Some(ErrorKind::Exists), "{taken}");
            assert_eq!(kind_of(folder.make_link(&name(taken), b"x")), Some(ErrorKind::Exists), "{taken}");
            assert_eq!(kind_of(ground.root.link(&path("file"), &path(taken))), Some(ErrorKind::Exists), "{taken}");
        }
        assert_eq!(read(&*folder, &name("file")), b"mine");
        assert_eq!(folder.list().expect("listed").len(), 2);
    });
}

#[test]
fn renames_replace_only_what_they_are_told_to() {
    everywhere(|ground| {
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
        assert_eq!(kind_of(ground.root.rename(&RelPath::root(), &path("x"), Onto::Nothing)), Some(ErrorKind::BadName));
        assert_eq!(kind_of(folder.remove_folder(&sub)), Some(ErrorKind::NotEmpty));
        assert_eq!(kind_of(folder.remove_file(&sub)), Some(ErrorKind::WrongKind));
        ground.folder("sub").remove_file(&name("inner")).expect("removed");
        folder.remove_folder(&sub).expect("empty");
        assert_eq!(kind_of(folder.remove_folder(&sub)), Some(ErrorKind::Absent));
    });
}

#[test]
fn two_names_change_places_in_one_step_or_not_at_all() {
    everywhere(|ground| {
        let folder = ground.top();
        let [a, b] = ["a", "b"].map(name);
        write(&*folder, &a, b"a", Time(100));
        folder.make_folder(&b, 0o755).expect("made");
        let expected = match folder.exchange(&a, &b) {
            Ok(()) => {
                assert_eq!(kind_of(folder.exchange(&a, &name("none"))), Some(ErrorKind::Absent));
                (true, false)
            }
            Err(error) => {
                assert_eq!(error.kind, ErrorKind::Unsupported, "a file system that cannot says so");
                (false, true)
            }
        };
        let is_folder = |at| look(&*folder, at).expect("there").is_folder();
        assert_eq!((is_folder("a"), is_folder("b")), expected);
        assert_eq!(read(&*folder, if expected.0 { &b } else { &a }), b"a");
    });
}

#[test]
fn a_second_name_is_the_same_file() {
    everywhere(|ground| {
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
    });
}

#[test]
fn a_file_that_was_begun_is_written_on_and_no_other() {
    everywhere(|ground| {
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
    });
}

#[test]
fn a_file_is_written_into_where_it_stands_and_what_is_kept_stays() {
    everywhere(|ground| {
        let folder = ground.top();
        let file = name("file");
        let id = write(&*folder, &file, b"0123456789", Time(100)).stamp.id;
        for (pieces, expected) in [
            (&[(2, "ab"), (6, "")][..], "01ab456789"),
            (&[(0, "xy"), (3, "z"), (1, "")], "xyab4z6"),
            (&[(7, "longer")], "xyab4z6longer"),
            (&[(0, "")], ""),
        ] {
            let (mut writer, before) = folder.write_into(&file).expect("opened");
            assert_eq!(before, look(&*folder, "file").expect("there").stamp);
            for (kept, bytes) in pieces {
                writer.keep(*kept).expect("kept");
                writer.write_all(bytes.as_bytes()).expect("written");
            }
            let node = writer.finish(Time(500), None, true).expect("finished");
            assert_eq!((node.stamp.size, node.stamp.mtime, node.stamp.id), (expected.len() as u64, Time(500), id));
            assert_eq!(read(&*folder, &file), expected.as_bytes());
        }
        ground.root.link(&path("file"), &path("twin")).expect("linked");
        assert_eq!(kind_of(folder.write_into(&file).map(drop)), Some(ErrorKind::Barred), "it has a second name");
        assert_eq!(kind_of(folder.write_into(&name("none")).map(drop)), Some(ErrorKind::Absent));
        folder.make_folder(&name("folder"), 0o755).expect("made");
        assert_eq!(kind_of(folder.write_into(&name("folder")).map(drop)), Some(ErrorKind::WrongKind));
    });
}

#[test]
fn what_is_between_the_data_is_zeros() {
    everywhere(|ground| {
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
        // Wine keeps no list of holes.
        if cfg!(unix) {
            assert!(reader.sparse() && start >= 1 && end < 8 * MIB, "{start} to {end}");
            assert_eq!(reader.next_data(end).expect("asked"), None);
        }
        let mut buffer = [1; 8];
        reader.seek(4 * MIB - 1).expect("moved");
        assert_eq!(reader.read(&mut buffer).expect("read"), 8, "the search for holes moves nothing");
        assert_eq!(&buffer, b"\0middle\0");
        reader.seek(8 * MIB + 6).expect("moved");
        assert_eq!(reader.read(&mut buffer).expect("read"), 0, "the end");
        assert_eq!(reader.left_behind(), None);
        write(&*folder, &name("whole"), b"no hole", Time(100));
        assert!(!folder.read(&name("whole")).expect("opened").sparse());
    });
}

#[test]
fn times_are_kept_as_finely_as_the_system_can() {
    everywhere(|ground| {
        let folder = ground.top();
        write(&*folder, &name("file"), b"x", Time(0));
        folder.make_folder(&name("folder"), 0o755).expect("made");
        let mut entries = vec!["file", "folder"];
        let linked = kind_of(folder.make_link(&name("link"), b"nowhere"));
        if linked.is_none() {
            entries.push("link");
        }
        assert!(linked.is_none() || cfg!(windows), "Wine alone makes none: {linked:?}");
        let year_2100 = 4_102_444_800;
        for (seconds, nanos) in
            [(0, 0), (0, 100), (-1, 999_999_900), (-86_400 * 365, 500), (1_700_000_000, 123_456_789), (year_2100, 707)]
        {
            let time = Time::from_parts(seconds, nanos).0;
            let time = Time(time - time.rem_euclid(STEP));
            let staged = name("staged");
            assert_eq!(write(&*folder, &staged, b"x", Time(time.0 + STEP - 1)).stamp.mtime, time, "down to a step");
            folder.remove_file(&staged).expect("removed");
            for entry in &entries {
                folder.touch(&name(entry), Some(time), None).expect("touched");
                assert_eq!(look(&*folder, entry).expect("there").stamp.mtime, time, "{entry}");
                assert_eq!(time_of(&ground.at.join(entry)), time, "{entry}");
            }
            assert!(folder.list().expect("listed").iter().all(|item| item.value.stamp.mtime == time), "a listing says the same");
            ground.folder("folder").touch_self(Some(Time(time.0 + STEP)), None).expect("touched");
            assert_eq!(look(&*folder, "folder").expect("there").stamp.mtime, Time(time.0 + STEP));
            assert_eq!(time_of(&ground.at.join("folder")), Time(time.0 + STEP));
        }
    });
}

#[test]
fn a_file_that_somebody_writes_is_told_from_one_that_is_read() {
    use std::io::Write as _;
    for (way, open) in WAYS {
        let ground = opened(*open);
        let (folder, file) = (ground.top(), name("file"));
        fs::write(ground.at.join("file"), "x").expect("a file");
        // A server of Windows cannot be asked, and other Unix systems have no such question.
        if folder.has_writer(&file).expect("asked").is_none() {
            assert!(!cfg!(target_os = "linux") && (cfg!(not(windows)) || *way == "far"), "{way}");
            continue;
        }
        assert!(cfg!(not(windows)) || *way == "near", "{way}");
        let has_writer = || folder.has_writer(&file).expect("asked").expect("answered");
        assert!(!has_writer());
        let reading = fs::File::open(ground.at.join("file")).expect("opened");
        assert!(!has_writer());
        drop(reading);
        let mut writing = fs::OpenOptions::new().append(true).open(ground.at.join("file")).expect("opened");
        assert!(has_writer());
        writing.write_all(b"y").expect("it is not disturbed");
        drop(writing);
        assert!(!has_writer());
        assert_eq!(read(&*folder, &file), b"xy");
        assert_eq!(kind_of(folder.has_writer(&name("none"))), Some(ErrorKind::Absent));
    }
}

#[test]
fn a_root_knows_its_room_and_whether_its_path_still_leads_to_it() {
    everywhere(|ground| {
        let root = &ground.root;
        let space = root.space().expect("measured");
        assert!(space.total > 0 && space.free <= space.total, "{space:?}");
        assert_eq!(root.device().expect("asked"), open_root(&ground.at, false).and_then(|near| near.device()).expect("asked"));
        assert!(root.still_there().expect("asked"));
        let top = ground.top();
        let away = ground.beside.join("away");
        fs::rename(&ground.at, &away).expect("moved away, although it is open");
        assert!(!root.still_there().expect("asked"));
        fs::create_dir(&ground.at).expect("another folder in its place");
        assert!(!root.still_there().expect("asked"), "an empty folder where a mount dropped out is not the root");
        write(&*top, &name("file"), b"x", Time(100));
        assert!(away.join("file").exists() && fs::read_dir(&ground.at).expect("listed").next().is_none());
        fs::remove_dir(&ground.at).expect("removed");
        fs::rename(&away, &ground.at).expect("moved back");
        assert!(root.still_there().expect("asked"));
    });
}

#[test]
fn what_is_no_folder_opens_as_no_root() {
    let ground = ground();
    fs::write(ground.at.join("file"), "x").expect("a file");
    for (at, kind) in [("none", ErrorKind::Absent), ("file", ErrorKind::WrongKind)] {
        for far in [false, true] {
            assert_eq!(kind_of(open_root(&ground.at.join(at), far).map(drop)), Some(kind), "{at}");
        }
    }
}

#[test]
fn a_folder_that_was_moved_is_written_where_it_is() {
    everywhere(|ground| {
        fs::create_dir(ground.at.join("sub")).expect("a folder");
        let sub = ground.folder("sub");
        fs::rename(ground.at.join("sub"), ground.at.join("moved")).expect("renamed");
        fs::create_dir(ground.at.join("sub")).expect("another one");
        write(&*sub, &name("file"), b"x", Time(100));
        assert!(ground.at.join("moved/file").exists() && !ground.at.join("sub/file").exists());
    });
}

#[test]
fn names_are_flushed_where_the_system_can() {
    everywhere(|ground| {
        let flushed = kind_of(ground.top().flush());
        assert!(flushed.is_none() || cfg!(windows) && flushed == Some(ErrorKind::Unsupported), "{flushed:?}");
        let expected = (!cfg!(target_os = "linux")).then_some(ErrorKind::Unsupported);
        assert_eq!(kind_of(ground.root.flush_all()), expected, "all of it");
    });
}

#[test]
fn trials_answer() {
    everywhere(|ground| {
        let tried = |trial| ground.top().attempt(trial).expect("tried");
        for trial in [Trial::RefuseToReplace, Trial::Lock, Trial::Event] {
            assert!(tried(trial) == Some(true) || cfg!(not(any(target_os = "linux", windows))), "{trial:?}");
        }
        assert!(tried(Trial::Clone).is_some());
        assert_eq!(tried(Trial::CopyRange).is_none(), cfg!(windows));
    });
}
