//! The layer that makes a folder a far share: what comes through it, what it counts, how it waits and how it goes.

#![expect(clippy::disallowed_methods, reason = "builds and inspects the folders that the layer is put over")]

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use driftless::measured::layer::{Counts, Layer};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::ground::{Ended, Ground, bytes, ended, then, write};
use crate::harness::wait_for;
use crate::tree::Tree;

/// The test is the process that is killed, where this names its folders.
const SERVE: &str = "DRIFTLESS_TEST_SERVES";

const NO_WAIT: Duration = Duration::ZERO;
const NO_CACHES: Duration = Duration::ZERO;
const MINUTE: Duration = Duration::from_secs(60);

/// A folder, and the same by way of the layer. The layer goes before its folders.
struct Far {
    layer: Layer,
    source: PathBuf,
    at: PathBuf,
    _place: tempfile::TempDir,
}

fn far(wait: Duration, width: usize, caches: Duration) -> Far {
    let place = tempfile::tempdir().expect("a temporary folder");
    let (source, at) = (place.path().join("source"), place.path().join("at"));
    fs::create_dir(&source).expect("a folder");
    fs::create_dir(&at).expect("a folder");
    let layer = Layer::mount(&source, &at, wait, width, caches).expect("the layer (needs root or fusermount3, and /dev/fuse)");
    Far { layer, source, at, _place: place }
}

fn is_mounted(at: &Path) -> bool {
    let table = fs::read_to_string("/proc/self/mountinfo").expect("the mounts");
    table.lines().any(|line| line.split(' ').nth(4) == at.to_str())
}

fn calls(counts: &Counts) -> Vec<(&'static str, u64)> {
    counts.calls.iter().map(|(word, count)| (*word, *count)).collect()
}

/// A tree of everything that a share has to keep, made below `root`.
fn lay(root: &Path) {
    for n in 0..300 {
        write(&root.join(format!("many/file {n:03}")), &bytes(n, 10 + n as usize), then(n));
    }
    let long = "n".repeat(255);
    write(&root.join("names").join(&long), b"a long name", then(1));
    write(&root.join("names/\u{fc}ml\u{e4}ut \u{1f980}\n"), b"another", then(2));
    let deep: PathBuf = (0..60).map(|n| format!("level {n}")).collect();
    write(&root.join(deep).join("file"), b"deep", then(3));
    symlink("../names", root.join("many/link")).expect("a link");
    symlink("nowhere", root.join("dangling")).expect("a link");
    let holes = File::create(root.join("holes")).expect("a file");
    holes.write_all_at(b"middle", 3 << 20).expect("written");
    holes.set_len(8 << 20).expect("a hole at the end");
    drop(holes);
    fs::hard_link(root.join("holes"), root.join("second name")).expect("a hard link");
    write(&root.join("large"), &bytes(9, 5 << 20), then(4));
    fs::set_permissions(root.join("large"), fs::Permissions::from_mode(0o741)).expect("a mode");
    fs::create_dir(root.join("empty")).expect("a folder");
    fs::set_permissions(root.join("empty"), fs::Permissions::from_mode(0o2711)).expect("a mode");
}

/// Inode, length, links and times of everything below, sorted by path.
fn stats(root: &Path) -> Vec<(PathBuf, u64, u64, u64, i64, i64, i64)> {
    let (mut open, mut all) = (vec![root.to_owned()], Vec::new());
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).expect("listed") {
            let path = entry.expect("an entry").path();
            let stat = path.symlink_metadata().expect("a stat");
            let below = path.strip_prefix(root).expect("below").to_owned();
            all.push((below, stat.ino(), stat.len(), stat.nlink(), stat.mtime(), stat.mtime_nsec(), stat.ctime_nsec()));
            if stat.is_dir() {
                open.push(path);
            }
        }
    }
    all.sort();
    all
}

#[test]
fn what_is_made_there_and_here_is_the_same_on_both() {
    for caches in [NO_CACHES, MINUTE] {
        let there = far(NO_WAIT, 8, caches);
        lay(&there.at);
        let (shown, real) = (Tree::of(&there.at), Tree::of(&there.source));
        shown.assert_same(&real, "made by way of the layer");
        assert!(real.names().len() > 300, "{}", real.names().len());
        assert_eq!(stats(&there.at), stats(&there.source));
        let here = far(NO_WAIT, 8, caches);
        lay(&here.source);
        Tree::of(&here.at).assert_same(&Tree::of(&here.source), "made in the folder");
        assert_eq!(Tree::of(&here.at).contents(), shown.contents(), "the same either way");
        assert_eq!(stats(&here.at), stats(&here.source));
    }
}

/// Where data begins and ends, for whoever copies a file with holes.
#[test]
fn holes_are_told() {
    let far = far(NO_WAIT, 2, MINUTE);
    lay(&far.source);
    let regions = |root: &Path| {
        let file = File::open(root.join("holes")).expect("there");
        let from = |from| rustix::fs::seek(&file, from).expect("told");
        let data = from(rustix::fs::SeekFrom::Data(0));
        (data, from(rustix::fs::SeekFrom::Hole(data)))
    };
    assert_eq!(regions(&far.at), regions(&far.source));
    assert!(regions(&far.at).0 > 1 << 20, "the file has a hole in front");
}

#[test]
fn names_go_where_they_are_moved_and_open_files_stay_whole() {
    let far = far(NO_WAIT, 8, MINUTE);
    let at = |name: &str| far.at.join(name);
    for (name, content) in [("one/a", "first"), ("one/b", "second"), ("two/a", "third")] {
        write(&at(name), content.as_bytes(), then(1));
    }
    let said = |path: PathBuf| fs::read_to_string(path).expect("read");
    let mut open = File::open(at("one/a")).expect("there");
    // A file replaced, and one without a name: both are still what they were for who has them open.
    fs::rename(at("one/b"), at("one/a")).expect("renamed over");
    assert_eq!(said(at("one/a")), "second");
    let mut gone = OpenOptions::new().read(true).write(true).open(at("two/a")).expect("there");
    fs::remove_file(at("two/a")).expect("removed");
    gone.write_all(b"THIRD").expect("written without a name");
    gone.set_len(3).expect("cut");
    gone.set_permissions(fs::Permissions::from_mode(0o600)).expect("a mode");
    gone.seek(SeekFrom::Start(0)).expect("back");
    for (file, expected) in [(&mut open, "first"), (&mut gone, "THI")] {
        let mut content = String::new();
        file.read_to_string(&mut content).expect("read");
        assert_eq!(content, expected);
        assert_eq!(file.metadata().expect("a stat").len(), expected.len() as u64);
    }
    drop((open, gone));
    // Folders with what is below them, exchanged, and not over what is there.
    write(&at("two/deep/c"), b"fourth", then(1));
    renameat_with(CWD, at("one"), CWD, at("two"), RenameFlags::EXCHANGE).expect("exchanged");
    assert_eq!((said(at("one/deep/c")), said(at("two/a"))), ("fourth".into(), "second".into()));
    fs::rename(at("one"), at("two/within")).expect("moved");
    assert_eq!(said(at("two/within/deep/c")), "fourth");
    let refused = renameat_with(CWD, at("two/a"), CWD, at("two/within"), RenameFlags::NOREPLACE);
    assert_eq!(refused, Err(rustix::io::Errno::EXIST));
    Tree::of(&far.at).assert_same(&Tree::of(&far.source), "at the end");
}

/// A number that the disk gives to one file after the other is another file each time, with what it holds.
#[test]
fn a_new_file_with_an_old_number_is_a_new_file() {
    let far = far(NO_WAIT, 4, MINUTE);
    for round in 0..200 {
        let (path, text) = (far.at.join(format!("file {}", round % 3)), format!("round {round}"));
        fs::write(&path, &text).expect("written");
        assert_eq!(fs::read_to_string(&path).expect("read"), text);
        assert_eq!(path.metadata().expect("a stat").len(), text.len() as u64);
        fs::remove_file(&path).expect("removed");
    }
    assert_eq!(fs::read_dir(&far.source).expect("listed").count(), 0);
}

/// Two write to one file, each its own blocks, at once.
#[test]
fn two_writers_of_one_file_lose_nothing() {
    const BLOCK: usize = 10_000;
    let far = far(Duration::from_millis(1), 8, MINUTE);
    let path = far.at.join("shared");
    fs::write(&path, b"").expect("made");
    thread::scope(|threads| {
        for writer in 0..2_u64 {
            let path = &path;
            threads.spawn(move || {
                let file = OpenOptions::new().write(true).open(path).expect("there");
                for block in (writer..60).step_by(2) {
                    file.write_all_at(&bytes(block, BLOCK), block * BLOCK as u64).expect("written");
                }
            });
        }
    });
    let expected: Vec<u8> = (0..60).flat_map(|block| bytes(block, BLOCK)).collect();
    assert!(fs::read(far.source.join("shared")).expect("read") == expected, "the folder holds something else");
    assert!(fs::read(&path).expect("read") == expected, "the layer shows something else");
}

#[test]
fn calls_and_bytes_are_counted() {
    let far = far(NO_WAIT, 4, MINUTE);
    fs::create_dir(far.source.join("folder")).expect("a folder");
    for n in 0..300 {
        fs::write(far.source.join(format!("folder/{n}")), b"12345").expect("a file");
    }
    let counted = |what: &str, expected: &[(&'static str, u64)], act: &dyn Fn()| {
        far.layer.clear();
        act();
        // The kernel tells of a handle that goes when nobody waits for it any more.
        let told = || far.layer.counts().calls.keys().any(|word| word.starts_with("release"));
        wait_for(what, || told() || !expected.iter().any(|(word, _)| word.starts_with("release")));
        assert_eq!(calls(&far.layer.counts()), expected, "{what}");
    };
    let path = far.at.join("new");
    // Some kernels ask for the new file's attributes, which were just told.
    drop(File::create(&path).expect("a file"));
    let file = OpenOptions::new().write(true).open(&path).expect("there");
    file.write_all_at(b"first", 0).expect("written");
    counted("a file is written", &[("write", 3)], &|| file.write_all_at(&vec![7; (2 << 20) + 100], 0).expect("written"));
    assert_eq!((far.layer.counts().written, far.layer.counts().read), ((2 << 20) + 100, 0));
    let file = std::cell::Cell::new(Some(file));
    counted("a file is closed", &[("flush", 1), ("release", 1)], &|| drop(file.take()));
    // 302 names with the two dots: two answers, and with them the attributes of all.
    counted("a folder is listed", &[("lookup", 1), ("opendir", 1), ("readdir", 2), ("releasedir", 1)], &|| {
        assert_eq!(fs::read_dir(far.at.join("folder")).expect("listed").count(), 300);
    });
    counted("what was listed is asked for", &[], &|| {
        (0..300).for_each(|n| assert_eq!(far.at.join(format!("folder/{n}")).metadata().expect("a stat").len(), 5));
    });
    counted("a file is read", &[("flush", 1), ("open", 1), ("read", 1), ("release", 1)], &|| {
        assert_eq!(fs::read(far.at.join("folder/7")).expect("read"), b"12345");
    });
    assert_eq!((far.layer.counts().written, far.layer.counts().read), (0, 5));
    assert_eq!((far.layer.counts().total(), far.layer.counts().waited()), (4, 3));
    counted("a file is removed", &[("unlink", 1)], &|| fs::remove_file(far.at.join("folder/7")).expect("removed"));
    counted("what is not there is asked for each time", &[("lookup", 2)], &|| {
        (0..2).for_each(|_| assert!(!far.at.join("missing").exists()));
    });
}

#[test]
fn without_caches_everything_is_asked_again() {
    let far = far(NO_WAIT, 4, NO_CACHES);
    fs::write(far.source.join("file"), b"1").expect("a file");
    let ask = || far.at.join("file").metadata().expect("a stat").len();
    assert_eq!(ask(), 1);
    far.layer.clear();
    fs::write(far.source.join("file"), b"12").expect("another version");
    assert_eq!(ask(), 2);
    assert!(far.layer.counts().total() >= 1, "{:?}", far.layer.counts());
}

/// Twelve readers of twelve files: with one wait long enough for all to come, all twelve are in it at once.
#[test]
fn requests_wait_side_by_side_up_to_the_width() {
    for (width, expected) in [(12, 12), (3, 3)] {
        let far = far(Duration::from_millis(250), width, MINUTE);
        (0..12).for_each(|n| fs::write(far.source.join(format!("{n}")), b"content").expect("a file"));
        thread::scope(|threads| {
            for n in 0..12 {
                let path = far.at.join(format!("{n}"));
                threads.spawn(move || assert_eq!(fs::read(path).expect("read"), b"content"));
            }
        });
        assert_eq!(far.layer.counts().most_at_once, expected, "{:?}", far.layer.counts());
    }
}

#[test]
fn each_request_waits() {
    let far = far(Duration::from_millis(30), 4, MINUTE);
    fs::write(far.source.join("file"), b"content").expect("a file");
    let began = std::time::Instant::now();
    fs::read(far.at.join("file")).expect("read");
    let counts = far.layer.counts();
    let least = Duration::from_millis(30) * u32::try_from(counts.waited()).expect("few");
    assert!(counts.waited() >= 4 && began.elapsed() >= least, "{counts:?} in {:?}", began.elapsed());
}

#[test]
fn it_goes_with_its_owner_whoever_is_in_it() {
    let far = far(NO_WAIT, 2, MINUTE);
    fs::write(far.source.join("file"), b"content").expect("a file");
    assert!(is_mounted(&far.at));
    let Far { layer, at, _place, .. } = far;
    let open = File::open(at.join("file")).expect("there");
    drop(layer);
    assert!(!is_mounted(&at));
    drop(open);
    assert_eq!(fs::read_dir(&at).expect("an empty folder again").count(), 0);
}

#[test]
fn a_layer_within_its_own_source_is_refused() {
    let place = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir(place.path().join("at")).expect("a folder");
    let refused = Layer::mount(place.path(), &place.path().join("at"), NO_WAIT, 1, NO_CACHES).err();
    assert_eq!(refused.map(|error| error.kind()), Some(std::io::ErrorKind::InvalidInput));
}

/// This very test is started once more as the process that serves a layer; it is killed, and the next sweep takes away what it
/// left, and nothing of those that live.
#[test]
fn what_a_killed_process_left_is_swept() {
    if let Some(place) = std::env::var_os(SERVE).map(PathBuf::from) {
        let _layer = Layer::mount(&place.join("source"), &place.join("at"), NO_WAIT, 1, MINUTE).expect("the layer");
        loop {
            thread::park();
        }
    }
    let living = far(NO_WAIT, 1, MINUTE);
    let place = tempfile::tempdir().expect("a temporary folder");
    let at = place.path().join("at");
    fs::create_dir(place.path().join("source")).expect("a folder");
    fs::create_dir(&at).expect("a folder");
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "mounts::layer::what_a_killed_process_left_is_swept"]).env(SERVE, place.path());
    let mut serving = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    wait_for("the layer of the other process", || is_mounted(&at));
    // Others may leave some at the same time, and sweep too.
    assert!(!Layer::sweep().expect("swept").contains(&at), "it is served");
    serving.kill().expect("killed");
    serving.wait().expect("its end");
    wait_for("the dead mount to say so", || at.metadata().is_err());
    Layer::sweep().expect("swept");
    assert!(!is_mounted(&at) && is_mounted(&living.at));
}

fn undo(ground: &Ground) -> Ended {
    ended(ground.command(&[], &["undo", "last", "--json"]).output().expect("the program starts"))
}

/// The program itself on a far share: both ways, changes and an undo, and a run that finds nothing.
#[test]
fn driftless_is_right_on_a_far_share() {
    let ground = Ground::new();
    let source = ground.place("source");
    fs::create_dir(&source).expect("a folder");
    let layer = Layer::mount(&source, &ground.network, Duration::from_millis(1), 16, Duration::from_secs(1)).expect("the layer");
    super::project(&ground.staging);
    ground.synced(&[]);
    let before = Tree::of(&source);
    before.assert_same(&Tree::of(&ground.staging), "after the first sync");
    ground.synced(&[]).did_nothing();
    write(&ground.staging.join("plate-1/well 01.csv"), b"another version", then(101));
    fs::remove_file(ground.staging.join("plate-1/well 06.csv")).expect("a delete");
    fs::rename(ground.staging.join("plate-2"), ground.staging.join("plate-two")).expect("a rename");
    ground.synced(&["up"]);
    Tree::of(&source).assert_same(&Tree::of(&ground.staging), "after changes");
    let ended = undo(&ground);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    Tree::of(&source).assert_same(&before, "after the undo");
    drop(layer);
    assert!(!is_mounted(&ground.network));
}
