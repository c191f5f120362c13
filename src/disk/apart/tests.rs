//! The port over a line, beside the port itself; and whatever bytes may come.

use std::ops::ControlFlow::Break;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::line::{About, Lines, Other, Pace};
use super::protocol::{self, Answer, BLOCK, MOST_BYTES, MOST_HEAD, Request, RootCall};
use super::server::Open;
use super::{Patience, client};
use crate::disk::{self, ErrorKind, Folder, Freshness, Onto, Result, Root, Space};
use crate::model::path::{Name, RelPath};
use crate::model::time::Time;

pub(in crate::disk) fn apart(path: &Path) -> Arc<dyn Root> {
    let patience = Patience::new(Duration::from_secs(20), Arc::default());
    let lines = Arc::new(Lines::to(Other::Here(Arc::new(Open::default())), &patience));
    client::open_root(lines, path, true).expect("opened")
}

fn name(text: &str) -> Name {
    Name::new(text.as_bytes()).expect("a name")
}

fn path(text: &str) -> RelPath {
    RelPath::parse(text.as_bytes()).expect("a path")
}

/// What a call came to, an error with all that a person or a caller sees of it.
fn told<T: std::fmt::Debug>(result: Result<T>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(error) => format!("{error} [{:?} {:?}]", error.kind, error.source.raw_os_error()),
    }
}

fn read_all(folder: &dyn Folder, file: &str, piece: usize) -> Vec<u8> {
    let mut reader = folder.read(&name(file)).expect("opened");
    let (mut all, mut buffer) = (Vec::new(), vec![0; piece]);
    loop {
        match reader.read(&mut buffer).expect("read") {
            0 => return all,
            count => all.extend_from_slice(&buffer[..count]),
        }
    }
}

#[test]
fn every_answer_reads_the_same_over_the_line() {
    let place = tempfile::tempdir().expect("a folder");
    let at = |below: &str| place.path().join(below);
    std::fs::create_dir(at("folder")).expect("new");
    std::fs::write(at("file"), b"content").expect("new");
    std::fs::write(at("folder/inner"), b"x").expect("new");
    std::os::unix::fs::symlink("file", at("link")).expect("new");
    let _socket = std::os::unix::net::UnixListener::bind(at("socket")).expect("new");
    let (there, here) = (apart(place.path()), disk::open_root(place.path(), true).expect("opened"));
    let both = |ask: &dyn Fn(&dyn Root) -> String| assert_eq!(ask(&*there), ask(&*here));
    for below in ["", "folder", "nothing", "file", "link", "nothing/deeper"] {
        both(&|root| told(root.folder(&path(below)).and_then(|folder| folder.list())));
    }
    for file in ["file", "nothing", "folder", "link", "socket"] {
        both(&|root| told(root.folder(&path("")).and_then(|folder| folder.look(&name(file), Freshness::Fresh))));
        both(&|root| told(root.folder(&path("")).and_then(|folder| Ok(folder.read(&name(file))?.opened()))));
        both(&|root| told(root.folder(&path("")).and_then(|folder| folder.has_writer(&name(file)))));
        both(&|root| told(root.rename(&path(file), &path("folder/inner"), Onto::Nothing)));
    }
    both(&|root| told(root.folder(&path("")).and_then(|folder| folder.stage(&name("file"))).map(drop)));
    both(&|root| told(root.folder(&path("")).and_then(|folder| folder.remove_folder(&name("folder")))));
    both(&|root| told(root.device()));
    both(&|root| told(root.still_there()));
    both(&|root| told(root.space().map(|space| space.total)));
}

#[test]
fn content_with_holes_and_in_pieces_arrives_whole() {
    let place = tempfile::tempdir().expect("a folder");
    let root = apart(place.path());
    let folder = root.folder(&path("")).expect("opened");
    let piece: Vec<u8> = (0..BLOCK + 77).map(|n| (n % 251) as u8).collect();
    let mut writer = folder.stage(&name("made")).expect("new");
    let mut expected = vec![0; 5_000];
    writer.skip(5_000).expect("a hole");
    writer.write_all(&piece[..10]).expect("written");
    assert_eq!(writer.pause(true).expect("flushed").stamp.size, 5_010);
    writer.write_all(&piece).expect("written");
    writer.skip(9_000).expect("a hole");
    let node = writer.finish(Time(7_000_000_000), Some(0o640), true).expect("finished");
    expected.extend_from_slice(&piece[..10]);
    expected.extend_from_slice(&piece);
    expected.resize(expected.len() + 9_000, 0);
    assert_eq!((node.stamp.size, node.stamp.mtime, node.mode), (expected.len() as u64, Time(7_000_000_000), 0o640));
    assert!(std::fs::read(place.path().join("made")).expect("there") == expected);
    for piece in [1_000, BLOCK, 2 * BLOCK] {
        assert!(read_all(&*folder, "made", piece) == expected, "in pieces of {piece}");
    }
}

#[test]
fn what_came_early_is_given_out_once() {
    let place = tempfile::tempdir().expect("a folder");
    let file = place.path().join("small");
    std::fs::write(&file, b"as it was").expect("new");
    let folder = apart(place.path()).folder(&path("")).expect("opened");
    assert_eq!(read_all(&*folder, "small", 4), b"as it was");
    let mut reader = folder.read(&name("small")).expect("opened");
    let mut buffer = [0; 20];
    assert_eq!(reader.read(&mut buffer).expect("read"), 9);
    assert_eq!(reader.read(&mut buffer).expect("read"), 0);
    std::fs::write(&file, b"as it is now").expect("written");
    reader.seek(3).expect("moved");
    let count = reader.read(&mut buffer).expect("read");
    assert_eq!(&buffer[..count], b"it is now", "who goes back wants to know what is there now");
}

#[test]
fn a_large_folder_comes_in_parts_and_sorted() {
    let place = tempfile::tempdir().expect("a folder");
    for n in 0..1_100 {
        std::fs::write(place.path().join(format!("{n}")), b"").expect("new");
    }
    let (there, here) = (apart(place.path()), disk::open_root(place.path(), true).expect("opened"));
    let list = |root: &dyn Root| root.folder(&path("")).and_then(|folder| folder.list()).expect("listed");
    assert_eq!(list(&*there), list(&*here));
}

/// A root of which some calls take long.
struct Sluggish {
    space: Duration,
    flush: Duration,
}

impl Root for Sluggish {
    fn folder(&self, path: &RelPath) -> Result<Box<dyn Folder>> {
        Err(disk::Error::new("open", path, ErrorKind::Absent, std::io::ErrorKind::NotFound.into()))
    }

    fn rename(&self, _: &RelPath, _: &RelPath, _: Onto) -> Result<()> {
        Ok(())
    }

    fn link(&self, _: &RelPath, _: &RelPath) -> Result<()> {
        Ok(())
    }

    fn space(&self) -> Result<Space> {
        std::thread::sleep(self.space);
        Ok(Space { free: 1, total: 2, free_files: None })
    }

    fn flush_all(&self) -> Result<()> {
        std::thread::sleep(self.flush);
        Ok(())
    }

    fn device(&self) -> Result<u64> {
        Ok(1)
    }

    fn still_there(&self) -> Result<bool> {
        Ok(true)
    }
}

const SILENCE: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(60);

fn ask(lines: &Lines, pace: Pace, call: RootCall) -> Result<()> {
    let about = About { op: "measure", path: &"it" };
    lines.call(about, pace, &Request::OfRoot { root: 1, call }, &[], |_, _| Break(Some(())))
}

fn sluggish(space: Duration, flush: Duration, stop: &Arc<AtomicBool>) -> Lines {
    let root = Arc::new(Sluggish { space, flush });
    Lines::to(Other::Here(Arc::new(Open::with(root))), &Patience::new(SILENCE, Arc::clone(stop)))
}

#[test]
fn a_silence_gives_the_root_up_for_good() {
    let lines = sluggish(LONG, LONG, &Arc::default());
    let began = Instant::now();
    let error = ask(&lines, Pace::Usual, RootCall::Space).expect_err("no answer");
    assert!((SILENCE..LONG).contains(&began.elapsed()), "{:?}", began.elapsed());
    assert!(error.kind == ErrorKind::Gone && error.to_string().contains("cannot measure \"it\": no answer for "), "{error}");
    let again = Instant::now();
    for _ in 0..50 {
        let error = ask(&lines, Pace::Usual, RootCall::StillThere).expect_err("given up");
        assert!(error.to_string().contains("no answer"), "{error}");
    }
    assert!(again.elapsed() < SILENCE * 25, "none of them waits: {:?}", again.elapsed());
}

#[test]
fn what_is_slow_but_alive_is_waited_for() {
    let lines = sluggish(SILENCE * 2, SILENCE * 2, &Arc::default());
    ask(&lines, Pace::Slow, RootCall::FlushAll).expect("a flush may take long");
    // As long as others are answered the root is no silent one.
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                ask(&lines, Pace::Usual, RootCall::StillThere).expect("answered");
                std::thread::sleep(SILENCE / 20);
            }
        });
        let space = ask(&lines, Pace::Usual, RootCall::Space);
        done.store(true, Ordering::Relaxed);
        space.expect("answered at last");
    });
    ask(&lines, Pace::Usual, RootCall::Space).expect_err("alone it is silent");
}

#[test]
fn one_call_that_is_never_answered_is_given_up_though_others_are() {
    let lines = sluggish(LONG, LONG, &Arc::default());
    let began = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while ask(&lines, Pace::Usual, RootCall::StillThere).is_ok() {
                std::thread::sleep(SILENCE / 20);
            }
        });
        ask(&lines, Pace::Usual, RootCall::Space).expect_err("no answer");
    });
    assert!((SILENCE * 6..LONG).contains(&began.elapsed()), "{:?}", began.elapsed());
}

#[test]
fn a_stop_is_heard_while_nothing_comes() {
    let stop = Arc::new(AtomicBool::new(false));
    let lines = sluggish(LONG, LONG, &stop);
    let patient = Lines::to(
        Other::Here(Arc::new(Open::with(Arc::new(Sluggish { space: LONG, flush: LONG })))),
        &Patience::new(LONG, Arc::clone(&stop)),
    );
    stop.store(true, Ordering::Relaxed);
    ask(&lines, Pace::Usual, RootCall::StillThere).expect("a root that answers is still put in order");
    let began = Instant::now();
    let error = ask(&patient, Pace::Slow, RootCall::FlushAll).expect_err("stopped");
    assert!(began.elapsed() < LONG && error.to_string().contains("stopped"), "{:?}: {error}", began.elapsed());
}

#[test]
fn lengths_beyond_their_limits_are_refused_before_they_are_believed() {
    for (head, bytes) in [(MOST_HEAD + 1, 0), (0, MOST_BYTES + 1), (u32::MAX as usize, u32::MAX as usize)] {
        let lengths = [head, bytes].map(|length| u32::try_from(length).expect("fits").to_le_bytes()).concat();
        assert!(protocol::frame(&lengths).is_err(), "{head} {bytes}");
    }
    let most = [MOST_HEAD, MOST_BYTES].map(|length| u32::try_from(length).expect("fits").to_le_bytes()).concat();
    assert_eq!(protocol::frame(&most), Ok(Err(8 + MOST_HEAD + MOST_BYTES)));
}

proptest! {
    #[test]
    fn any_bytes_are_a_frame_its_beginning_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300), short in any::<bool>()) {
        let mut bytes = bytes;
        if short && bytes.len() >= 8 {
            // Lengths that can be had, so that the values are tried too.
            bytes[1..4].fill(0);
            bytes[5..8].fill(0);
        }
        if let Ok(Ok(frame)) = protocol::frame(&bytes) {
            prop_assert_eq!(frame.head.len() + frame.bytes.len() + 8, frame.length);
            let _ = protocol::decode::<Request>(frame.head);
            if let Ok(Answer::Listing { items, .. }) = protocol::decode::<Answer>(frame.head) {
                let _ = protocol::from_wire(items, &mut Vec::new());
            }
        }
    }

    #[test]
    fn values_of_any_bytes_neither_panic_nor_ask_for_more_than_there_is(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(answer) = protocol::decode::<Answer>(&bytes) {
            let mut again = Vec::new();
            protocol::encode(&answer, &[], &mut again).expect("it came in a frame");
            let frame = protocol::frame(&again).expect("a frame").expect("a whole one");
            prop_assert_eq!(protocol::decode::<Answer>(frame.head).expect("the same"), answer);
        }
        let _ = protocol::decode::<Request>(&bytes);
    }
}
