//! Sources that change while they are copied.

use std::fs;
use std::io::Write;

use super::*;
use crate::model::digest;
use crate::model::finding::ProblemKind;

/// Older than anything that happens in the test.
const OLD: i64 = 1_600_000_000_000_000_000;

/// What a program does to the source just before it is looked at once more, and whether what was read of it goes.
type Story = (&'static str, &'static str, fn(&Path), bool);

fn append(path: &Path) {
    fs::OpenOptions::new().append(true).open(path).and_then(|mut file| file.write_all(b"more")).expect("appended");
}

/// A log that is emptied and written anew, which leaves it the same file.
fn anew(path: &Path) {
    fs::write(path, "another beginning, and longer").expect("written");
}

fn longer_beside(path: &Path) {
    let beside = path.with_file_name("beside");
    fs::write(&beside, "first line\nsecond line\n").expect("written");
    fs::rename(beside, path).expect("rotated");
}

fn stamped(path: &Path) {
    fs::File::options().write(true).open(path).and_then(|file| file.set_modified(std::time::SystemTime::now())).expect("a time");
}

#[test]
fn only_what_only_grew_is_sent() {
    const STORIES: [Story; 6] = [
        ("a.log", "appended", append, true),
        ("a.txt", "appended, and no log", append, false),
        ("a.log", "emptied and written anew", anew, false),
        ("a.log", "shorter", |path| fs::write(path, "first").expect("written"), false),
        ("a.log", "as long, and a later time", stamped, false),
        // The file that was opened stood still.
        ("a.log", "another file in its place", longer_beside, true),
    ];
    // Wine keeps the name of a file that is open.
    for (name, what, act, sent) in STORIES.into_iter().filter(|story| cfg!(unix) || story.1 != "another file in its place") {
        let mut world = world();
        world.append = Patterns::new(["*.log"]).expect("a pattern");
        world.lay(STAGING, name, "first line\n");
        world
            .roots
            .staging
            .folder(&RelPath::root())
            .expect("opened")
            .touch(&Name::new(name.as_bytes()).expect("a name"), Some(Time(OLD)), None)
            .expect("a time");
        let action = world.write_to(NETWORK, name);
        let at = world.file(STAGING, name);
        world.meddler.staging.once("read stat", name, move || act(&at));
        let ending = one(&world.run(), action);
        if !sent {
            assert!(matches!(ending, Ending::Torn { side: STAGING, .. }), "{what}: {ending:?}");
            assert_eq!(world.shown(NETWORK), tree(&[]), "{what}");
            continue;
        }
        let (base, _) = done(ending);
        assert_eq!(world.shown(NETWORK), tree(&[(name, "first line\n")]), "{what}");
        assert_eq!(base.entry.digest(), Some(digest::of(b"first line\n")), "{what}");
        assert_eq!((base.entry.size(), base.entry.mtime), (11, Time(OLD)), "{what}");
        let recorded = base.stamps.staging.expect("a stamp").stamp;
        assert_ne!(
            recorded.size,
            fs::metadata(world.file(STAGING, name)).expect("there").len(),
            "{what}: nothing vouches for more"
        );
    }
}

#[test]
fn a_log_has_to_begin_with_what_both_sides_agreed_on() {
    for (before, sent) in [("first ", true), ("another", false), ("first line\nand more than there is", false)] {
        let mut world = world();
        world.append = Patterns::new(["*.log"]).expect("a pattern");
        world.lay(STAGING, "a.log", "first line\n");
        world.lay(NETWORK, "a.log", before);
        let mut action = world.write_to(NETWORK, "a.log");
        let Op::Write { expect: Seen::There(old), .. } = &mut action.op else { panic!("an overwrite") };
        old.entry.set_digest(digest::of(before.as_bytes()));
        let at = world.file(STAGING, "a.log");
        world.meddler.staging.once("read stat", "a.log", move || append(&at));
        let ending = one(&world.run(), action);
        assert_eq!(matches!(ending, Ending::Done { .. }), sent, "{before:?}: {ending:?}");
    }
}

#[test]
fn a_file_of_a_whole_folder_that_changed_since_the_look_is_not_taken() {
    for (whole, sent) in [(".git", false), ("*.zarr", true)] {
        let mut world = world();
        world.whole = Patterns::new([whole]).expect("a pattern");
        world.lay(STAGING, ".git/refs/main", "one");
        fs::create_dir_all(world.file(NETWORK, ".git/refs")).expect("its folder");
        let action = world.write_to(NETWORK, ".git/refs/main");
        world.lay(STAGING, ".git/refs/main", "another");
        let ending = one(&world.run(), action);
        let busy = matches!(&ending, Ending::Problem(problem) if problem.kind == ProblemKind::Busy);
        assert_eq!((matches!(ending, Ending::Done { .. }), busy), (sent, !sent), "{ending:?}");
    }
}
