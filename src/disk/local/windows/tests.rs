//! State files on Windows.

use super::*;
use crate::disk::local::{self, Lock};

fn folder() -> (tempfile::TempDir, PathBuf) {
    let held = tempfile::tempdir().expect("a folder for the moment");
    let path = canonicalize(held.path()).expect("its path");
    (held, path)
}

#[test]
fn who_holds_a_lock_can_be_read_while_it_is_held() {
    let (_held, folder) = folder();
    let path = folder.join("lock");
    let lock = Lock::try_take(&path, "me").expect("no error").expect("free");
    assert_eq!(Lock::holder(&path).as_deref(), Some("me"));
    assert_eq!(Lock::is_held(&path), Some(true));
    assert!(Lock::try_take(&path, "you").expect("no error").is_none(), "it is held");
    assert_eq!(Lock::holder(&path).as_deref(), Some("me"), "who comes too late writes nothing");
    drop(lock);
    assert_eq!((Lock::is_held(&path), Lock::holder(&path).as_deref()), (Some(false), Some("")));
    fs::hard_link(&path, folder.join("second")).expect("a second name");
    assert!(Lock::try_take(&path, "me").is_err(), "it may be somebody's file");
}

#[test]
fn paths_are_shown_as_people_write_them() {
    for (path, shown) in [
        (r"\\?\C:\a\b", r"C:\a\b"),
        (r"\\?\C:\", r"C:\"),
        (r"\\?\UNC\nas\share\a", r"\\nas\share\a"),
        // These mean something else without the prefix.
        (r"\\?\C:\a\tail.", r"\\?\C:\a\tail."),
        (r"\\?\C:\a\con", r"\\?\C:\a\con"),
        (r"\\?\Volume{2f}\a", r"\\?\Volume{2f}\a"),
        (r"C:\a", r"C:\a"),
    ] {
        let found = plain(Path::new(path));
        // Wine and Windows 11 give `con` in a folder no other meaning.
        assert!(found.as_os_str() == shown || path.ends_with("con"), "{path}: {found:?}");
    }
}

#[test]
fn state_files_may_lie_deeper_than_260_characters() {
    let (_held, folder) = folder();
    let deep = (0..12).fold(folder, |path, _| path.join("n".repeat(40)));
    assert!(deep.as_os_str().len() > 400);
    local::make_private_folder(&deep).expect("made");
    let file = deep.join("text");
    local::create_text(&file, "old").expect("made");
    assert!(local::create_text(&file, "other").is_err(), "one is there");
    local::replace_text(&file, "new").expect("replaced");
    assert_eq!(local::read_text(&file, 100).expect("read").as_deref(), Some("new"));
    assert!(free(&deep).is_some_and(|free| free > 0));
    assert_eq!(local::chain(&deep).expect("asked").ids[0], local::identity(&deep).expect("asked"));
    assert_eq!(local::names(&deep).expect("listed").len(), 1, "nothing of the moment is left");
}

#[test]
fn a_file_that_a_reader_has_open_is_replaced_or_left_whole() {
    let (_held, folder) = folder();
    let file = folder.join("text");
    fs::write(&file, "old").expect("made");
    let reader = File::open(&file).expect("a reader");
    let text = match local::replace_text(&file, "new") {
        Ok(()) => "new",
        // As Wine does it.
        Err(_) => "old",
    };
    drop(reader);
    assert_eq!(fs::read_to_string(&file).expect("read"), text);
    assert_eq!(local::names(&folder).expect("listed").len(), 1, "nothing of the moment is left");
}

#[test]
fn times_come_in_steps_of_100_ns_since_1970() {
    assert_eq!(time(116_444_736_000_000_000), Time(0));
    assert_eq!(time(116_444_736_000_000_001), Time(100));
    let (_held, folder) = folder();
    let times = local::times(&folder).expect("told");
    let age = crate::disk::clock::now().0 - times.content.0;
    assert!((-60_000_000_000..60_000_000_000).contains(&age), "{age} ns old");
}

#[test]
fn a_share_that_went_away_is_told_from_a_name_that_is_not_there() {
    for number in [21, 53, 59, 64, 67, 121, 1231, 1236] {
        let error = local::error("read", Path::new("a"), io::Error::from_raw_os_error(number));
        assert_eq!(error.kind, crate::disk::ErrorKind::Gone, "{number}");
    }
    for number in [2, 3, 5, 32] {
        let error = local::error("read", Path::new("a"), io::Error::from_raw_os_error(number));
        assert_ne!(error.kind, crate::disk::ErrorKind::Gone, "{number}");
    }
}

#[test]
fn what_is_closed_lets_in_this_user_and_the_system_and_inherits_nothing() {
    let user = rights::user_words().expect("told");
    for (kind, down) in [(rights::Kind::File, ""), (rights::Kind::Folder, "OICI")] {
        assert_eq!(rights::meant(kind).expect("made"), format!("D:P(A;{down};FA;;;{user})(A;{down};FA;;;SY)"));
    }
}

#[test]
fn what_lies_outside_the_profile_gets_rights_for_this_user() {
    let (_held, folder) = folder();
    let (path, file) = (folder.join("own"), folder.join("own/file"));
    fs::create_dir(&path).expect("made");
    fs::write(&file, "x").expect("made");
    rights::close(&path, rights::Kind::Folder).expect("closed");
    rights::close(&file, rights::Kind::File).expect("closed");
    for path in [&path, &file] {
        let words = rights::told(path).expect("told");
        assert!(words.starts_with("D:"), "{words}");
        // Wine makes bits of Unix of them and leaves reading open: what a disk makes of it is for a real Windows to show.
        let own = format!(";;;{})", rights::user_words().expect("told"));
        assert!(words.contains(&own) && words.contains(";;;SY)"), "{path:?}: {words}");
    }
    fs::write(&file, "still ours").expect("written");
}
