//! What the real disk promises, on a real folder.

mod hostile;
pub(in crate::disk) mod kinds;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::PathBuf;
use std::sync::Arc;

use crate::disk::{ErrorKind, Folder, Freshness, Node, NodeContent, Onto, Result, Root, open_root};
use crate::model::entry::Content;
use crate::model::path::{Name, RelPath};
use crate::model::time::Time;

/// A root, and a folder beside it that nothing may touch.
struct Ground {
    _held: tempfile::TempDir,
    root: Arc<dyn Root>,
    at: PathBuf,
    beside: PathBuf,
}

fn ground() -> Ground {
    let held = tempfile::tempdir().expect("a folder for the moment");
    let [at, beside] = ["root", "beside"].map(|name| held.path().join(name));
    fs::create_dir(&at).expect("a root");
    fs::create_dir(&beside).expect("a folder beside it");
    let root = open_root(&at, false).expect("the root opens");
    Ground { _held: held, root, at, beside }
}

impl Ground {
    fn folder(&self, at: &str) -> Box<dyn Folder> {
        self.root.folder(&path(at)).expect("the folder opens")
    }

    fn top(&self) -> Box<dyn Folder> {
        self.folder("")
    }
}

fn path(text: &str) -> RelPath {
    RelPath::parse(text.as_bytes()).expect("a path")
}

fn name(text: &str) -> Name {
    Name::new(text.as_bytes()).expect("a name")
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

#[test]
fn a_listing_is_complete_sorted_and_takes_every_name_as_bytes() {
    let ground = ground();
    let mut expected: Vec<Vec<u8>> = (0..3_000).map(|n| format!("{n}").into_bytes()).collect();
    expected.extend([vec![b'x'; 255], b"\xff\xfe\x80".to_vec(), b"a\nb".to_vec(), b".hidden".to_vec(), b"a b ".to_vec()]);
    expected.push("é".repeat(127).into_bytes());
    for bytes in &expected {
        fs::write(ground.at.join(OsStr::from_bytes(bytes)), bytes).expect("a file");
    }
    expected.sort();
    let folder = ground.top();
    for _ in 0..2 {
        let listing = folder.list().expect("listed");
        assert_eq!(listing.iter().map(|item| item.name.to_vec()).collect::<Vec<_>>(), expected);
    }
    let listing = folder.list().expect("listed");
    for item in &listing {
        let node = folder.look(&item.name, Freshness::Fresh).expect("looked").expect("there");
        assert_eq!(node, item.value, "{:?}", item.name);
        assert_eq!(node.content, NodeContent::Plain(Content::File { size: item.name.len() as u64, digest: None }));
    }
    fs::write(ground.at.join("late"), "x").expect("a file");
    assert_eq!(folder.list().expect("listed").len(), expected.len() + 1, "an open folder shows what came since");
    let long = Name::new(&[b'y'; 256]).expect("a name of ours");
    assert_eq!(kind_of(folder.stage(&long).map(drop)), Some(ErrorKind::BadName));
}

#[test]
fn a_path_deeper_than_the_system_takes_is_made_listed_written_and_renamed() {
    let ground = ground();
    let mut deep = RelPath::root();
    // One name does not end where a piece of a path ends.
    for level in 0..45 {
        let step = Name::new(format!("{level:03}-{}", "d".repeat(117 + level % 7)).as_bytes()).expect("a name");
        ground.root.folder(&deep).expect("opened").make_folder(&step, 0o755).expect("made");
        deep = deep.join(&step);
    }
    assert!(deep.as_bytes().len() > 5_000);
    let folder = ground.root.folder(&deep).expect("opened");
    write(&*folder, &name("file"), b"deep down", Time(1));
    assert_eq!(folder.list().expect("listed").len(), 1);
    ground.root.rename(&deep.join(b"file"), &deep.join(b"again"), Onto::Nothing).expect("renamed");
    ground.root.link(&deep.join(b"again"), &path("up")).expect("linked");
    ground.root.rename(&path("up"), &deep.join(b"down"), Onto::Nothing).expect("renamed");
    assert_eq!(read(&*folder, &name("down")), b"deep down");
    let names: Vec<_> = folder.list().expect("listed").into_iter().map(|item| item.name).collect();
    assert_eq!(names, [name("again"), name("down")]);
    // Removed as it was made: what clears temporary folders may not reach as deep.
    for last in ["again", "down"] {
        folder.remove_file(&name(last)).expect("removed");
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
    let root = rustix::fd::OwnedFd::from(fs::File::open(&ground.at).expect("the root"));
    let device = super::stat::by_handle(&root, super::stat::Sync::AsIs).expect("a stat").device;
    assert_eq!(device, fs::metadata(&ground.at).expect("a stat").dev(), "one number for one device, whichever call gave it");
    for walk in [open::folder, open::by_names] {
        assert!(walk(&root, &path("a/b/c"), device).is_ok());
        assert!(walk(&root, &RelPath::root(), device).is_ok());
        for (at, errno) in [("a/x", rustix::io::Errno::NOENT), ("a/file", rustix::io::Errno::NOTDIR)] {
            assert_eq!(walk(&root, &path(at), device).expect_err("refused"), errno, "{at}");
        }
    }
    assert!(open::by_names(&root, &path("a"), device + 1).is_err(), "a folder of another device");
}

#[test]
fn a_new_file_never_takes_a_name_that_is_taken() {
    let ground = ground();
    let folder = ground.top();
    fs::write(ground.beside.join("outside"), "x").expect("a file");
    fs::write(ground.at.join("file"), "mine").expect("a file");
    fs::create_dir(ground.at.join("folder")).expect("a folder");
    symlink(ground.beside.join("outside"), ground.at.join("link")).expect("a link");
    symlink(ground.beside.join("new"), ground.at.join("dangling")).expect("a link");
    for taken in ["file", "folder", "link", "dangling"] {
        let taken = name(taken);
        assert_eq!(kind_of(folder.stage(&taken).map(drop)), Some(ErrorKind::Exists), "{taken:?}");
        assert_eq!(kind_of(folder.make_folder(&taken, 0o755)), Some(ErrorKind::Exists), "{taken:?}");
        assert_eq!(kind_of(folder.make_link(&taken, b"x")), Some(ErrorKind::Exists), "{taken:?}");
        assert_eq!(kind_of(ground.root.link(&path("file"), &RelPath::root().join(&taken))), Some(ErrorKind::Exists));
    }
    assert_eq!(read(&*folder, &name("file")), b"mine");
    assert!(!ground.beside.join("new").exists());
}

#[test]
fn renames_replace_only_what_they_are_told_to() {
    let ground = ground();
    let folder = ground.top();
    let [a, b, new, sub] = ["a", "b", "new", "sub"].map(name);
    write(&*folder, &a, b"a", Time(1));
    write(&*folder, &b, b"b", Time(1));
    fs::create_dir(ground.at.join("sub")).expect("a folder");
    fs::write(ground.at.join("sub/inner"), "x").expect("a file");
    for onto in [&b, &sub] {
        assert_eq!(kind_of(folder.rename(&a, onto, Onto::Nothing)), Some(ErrorKind::Exists));
        let (from, to) = (path("a"), RelPath::root().join(onto));
        assert_eq!(kind_of(ground.root.rename(&from, &to, Onto::Nothing)), Some(ErrorKind::Exists));
    }
    assert_eq!(kind_of(folder.rename(&a, &sub, Onto::File)), Some(ErrorKind::WrongKind), "a folder is no file");
    assert_eq!(kind_of(folder.rename(&new, &a, Onto::File)), Some(ErrorKind::Absent));
    assert_eq!((read(&*folder, &a), read(&*folder, &b)), (b"a".to_vec(), b"b".to_vec()));
    folder.rename(&a, &new, Onto::Nothing).expect("a free name");
    folder.rename(&new, &b, Onto::File).expect("a file in the way");
    assert_eq!(read(&*folder, &b), b"a");
    assert_eq!(folder.list().expect("listed").len(), 2);
    assert_eq!(kind_of(folder.remove_folder(&sub)), Some(ErrorKind::NotEmpty));
    assert_eq!(kind_of(folder.remove_file(&sub)).is_some(), ground.at.join("sub/inner").exists());
}

#[test]
fn two_names_change_places_in_one_step() {
    let ground = ground();
    let folder = ground.top();
    let [a, b] = ["a", "b"].map(name);
    write(&*folder, &a, b"a", Time(1));
    folder.make_folder(&b, 0o755).expect("made");
    match folder.exchange(&a, &b) {
        Ok(()) => {
            assert_eq!(read(&*folder, &b), b"a");
            let there = folder.look(&a, Freshness::Cached).expect("looked").expect("there");
            assert_eq!(there.content, NodeContent::Plain(Content::Folder));
            assert_eq!(kind_of(folder.exchange(&a, &name("none"))), Some(ErrorKind::Absent));
        }
        Err(error) => assert_eq!(error.kind, ErrorKind::Unsupported, "a file system that cannot says so"),
    }
}

#[test]
fn times_are_kept_to_the_nanosecond() {
    let ground = ground();
    let folder = ground.top();
    write(&*folder, &name("file"), b"x", Time(0));
    symlink("nowhere", ground.at.join("link")).expect("a link");
    fs::create_dir(ground.at.join("folder")).expect("a folder");
    let year_2100 = 4_102_444_800;
    for (seconds, nanos) in [(0, 0), (0, 1), (-1, 999_999_999), (-86_400 * 365, 5), (1_700_000_000, 123_456_789), (year_2100, 7)]
    {
        let time = Time::from_parts(seconds, nanos);
        let staged = name("staged");
        assert_eq!(write(&*folder, &staged, b"x", time).stamp.mtime, time);
        folder.remove_file(&staged).expect("removed");
        for entry in ["file", "link", "folder"] {
            folder.touch(&name(entry), Some(time), None).expect("touched");
            let node = folder.look(&name(entry), Freshness::Fresh).expect("looked").expect("there");
            assert_eq!(node.stamp.mtime, time, "{entry}");
            let meta = fs::symlink_metadata(ground.at.join(entry)).expect("a stat");
            assert_eq!((meta.mtime(), meta.mtime_nsec()), (seconds, i64::from(nanos)), "{entry}");
        }
        ground.folder("folder").touch_self(Some(Time(time.0 + 1)), None).expect("touched");
        let meta = fs::symlink_metadata(ground.at.join("folder")).expect("a stat");
        assert_eq!(Time::from_parts(meta.mtime(), meta.mtime_nsec() as u32), Time(time.0 + 1));
    }
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
