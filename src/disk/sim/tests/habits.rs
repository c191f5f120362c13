//! Each habit shows, and only where it is one.

use super::*;
use crate::disk::sim::{Fault, Ids, Restamp, Rule};
use crate::disk::{NodeContent, Onto, Trial};
use crate::model::entry::Content;

#[test]
fn times_are_kept_in_steps_and_stamped_by_the_volumes_own_clock() {
    let set = 1_700_000_001_123_456_789;
    for (habits, kept) in [
        (Habits::LOCAL, set),
        (Habits::SMB, set / 100 * 100),
        (Habits::SSHFS, set / SECOND * SECOND),
        (Habits::FAT, 1_700_000_000 * SECOND),
    ] {
        let volume = volume(habits);
        let top = top(&volume);
        assert_eq!(write(&*top, "file", b"x", false).expect("written").stamp.mtime, Time(kept));
        assert_eq!(look(&*top, "file", Freshness::Fresh).expect("there").stamp.mtime, Time(kept));
        volume.user().write("mine", b"x").expect("written");
        let now = volume.world.now().0 + habits.skew_ns;
        let stamped = look(&*top, "mine", Freshness::Fresh).expect("there").stamp.mtime.0;
        assert!(stamped <= now && now - stamped <= habits.granularity_ns.max(habits.tick_ns) + SECOND / 1_000, "{stamped} {now}");
        assert_eq!(stamped % habits.granularity_ns, 0);
        volume.world.advance(10 * SECONDS);
        top.touch_self(Some(Time(set)), None).expect("touched");
    }
}

#[test]
fn a_server_restamps_after_the_close_and_only_a_new_look_tells() {
    let set = 1_700_000_001_123_456_789;
    let rounded = Habits { restamp: Restamp::Rounded(2 * SECOND), ..Habits::LOCAL };
    for (habits, expected) in [(rounded, Some(1_700_000_000 * SECOND)), (Habits::DAV, None)] {
        let volume = volume(habits);
        let top = top(&volume);
        let finished = write(&*top, "file", b"x", false).expect("written").stamp.mtime;
        let later = look(&*top, "file", Freshness::Fresh).expect("there").stamp.mtime;
        assert_eq!(finished, Time(set / habits.granularity_ns * habits.granularity_ns));
        assert_ne!(finished, later);
        assert_eq!(later, expected.map_or_else(|| habits.stamp(volume.world.now().0), Time));
        top.touch(&name("file"), Some(Time(set)), None).expect("touched");
        assert_eq!(look(&*top, "file", Freshness::Fresh).expect("there").stamp.mtime, finished, "a touch is kept");
    }
}

#[test]
fn names_that_fold_are_one_and_keep_their_first_spelling() {
    let habits = Habits { folds_case: true, folds_unicode: true, ..Habits::LOCAL };
    let (folding, plain) = (volume(habits), volume(Habits::LOCAL));
    for (first, other) in [("Upper", "uPPER"), ("cafe\u{301}", "caf\u{e9}"), ("\u{c9}t\u{e9}", "e\u{301}TE\u{301}")] {
        let top = top(&folding);
        write(&*top, first, b"x", false).expect("written");
        assert_eq!(names(&*top), [first]);
        assert!(look(&*top, other, Freshness::Fresh).is_some());
        assert_eq!(kind_of(write(&*top, other, b"y", false)), Some(ErrorKind::Exists));
        top.rename(&name(first), &name(other), Onto::Nothing).expect("another spelling");
        assert_eq!(names(&*top), [other]);
        top.remove_file(&name(first)).expect("removed by the other spelling");
        assert!(names(&*top).is_empty());
        let top = super::top(&plain);
        write(&*top, first, b"x", false).expect("written");
        write(&*top, other, b"y", false).expect("two names here");
    }
}

/// A listing that does not show a name is no proof that another spelling of it stands there.
#[test]
fn a_sibling_in_an_old_listing_is_not_the_other_spelling() {
    let folding = volume(Habits { folds_case: true, folds_unicode: true, ..Habits::LOCAL });
    let (top, root) = (top(&folding), root(&folding));
    for file in ["a", "b"] {
        write(&*top, file, b"x", false).expect("written");
        top.touch(&name(file), Some(Time(0)), None).expect("touched");
    }
    folding.plan(vec![Rule::next(Fault::ShortListing, "list", &path(""))]);
    assert!(root.is_named_so(&path("b")));
    assert!(!root.is_named_so(&path("B")));
}

#[test]
fn ids_are_stable_or_reused_or_the_mounts() {
    for (ids, same_after_mount, same_after_delete) in
        [(Ids::Stable, true, false), (Ids::Reused, true, true), (Ids::PerMount, false, false)]
    {
        let volume = volume(Habits { ids, ..Habits::LOCAL });
        let id = |file: &str| look(&*top(&volume), file, Freshness::Fresh).expect("there").stamp.id;
        volume.user().write("a", b"x").expect("written");
        let (before, device, handle) = (id("a"), root(&volume).device().expect("asked"), top(&volume));
        volume.remount();
        assert_eq!(id("a") == before, same_after_mount, "{ids:?}");
        assert_ne!(root(&volume).device().expect("asked"), device);
        assert_eq!(kind_of(handle.list()), Some(ErrorKind::Gone));
        let before = id("a");
        volume.user().delete("a").expect("deleted");
        volume.user().write("b", b"x").expect("written");
        assert_eq!(id("b") == before, same_after_delete, "{ids:?}");
        volume.user().replace("b", b"y").expect("replaced");
        assert_eq!(volume.user().read("b").expect("there"), b"y");
    }
}

#[test]
fn what_a_volume_cannot_do_is_refused_as_the_real_one_refuses_it() {
    let volume = volume(Habits::FAT);
    let (top, root) = (top(&volume), root(&volume));
    assert_eq!(write(&*top, "a", b"x", true).expect("written").mode, 0o755);
    write(&*top, "b", b"y", true).expect("written");
    assert_eq!(kind_of(top.make_link(&name("link"), b"a")), Some(ErrorKind::Unsupported));
    assert_eq!(kind_of(root.link(&path("a"), &path("c"))), Some(ErrorKind::Unsupported));
    assert_eq!(kind_of(top.exchange(&name("a"), &name("b"))), Some(ErrorKind::Unsupported));
    assert_eq!(top.attempt(Trial::RefuseToReplace).expect("asked"), Some(false));
    top.touch(&name("a"), None, Some(0)).expect("said and not done");
    assert_eq!(look(&*top, "a", Freshness::Fresh).expect("there").mode, 0o755);
    for bad in [&b"a:b"[..], b"a?", b"\xff"] {
        let bad = Name::new(bad).expect("a name of ours");
        assert_eq!(kind_of(top.make_folder(&bad, 0o755)), Some(ErrorKind::BadName), "{bad:?}");
        assert_eq!(top.look(&bad, Freshness::Fresh).expect("looked"), None);
    }
    let sshfs = super::volume(Habits::SSHFS);
    let top = super::top(&sshfs);
    top.make_link(&name("link"), b"target").expect("made");
    let before = look(&*top, "link", Freshness::Fresh).expect("there").stamp.mtime;
    top.touch(&name("link"), Some(Time(5)), None).expect("said and not done");
    assert_eq!(look(&*top, "link", Freshness::Fresh).expect("there").stamp.mtime, before);
    assert_eq!(kind_of(top.flush()), Some(ErrorKind::Unsupported));
    assert_eq!(kind_of(super::root(&sshfs).flush_all()), Some(ErrorKind::Unsupported));
    sshfs.user().write("file", b"x").expect("written");
    assert_eq!(top.has_writer(&name("file")).expect("asked"), None);
    let traits = [Habits::LOCAL, Habits::SSHFS].map(|habits| super::volume(habits).traits());
    assert!(traits[0].ids && !traits[1].ids && traits[1].remote && traits[1].fuse);
}

#[test]
fn a_cached_look_shows_what_was_and_a_fresh_one_what_is() {
    let volume = volume(Habits { cache_ns: 5 * SECOND, ..Habits::LOCAL });
    let (user, top) = (volume.user(), top(&volume));
    let size = |freshness| look(&*top, "file", freshness).expect("there").stamp.size;
    user.write("file", b"old").expect("written");
    assert_eq!(size(Freshness::Cached), 3);
    user.write("file", b"longer").expect("written");
    assert_eq!(size(Freshness::Cached), 3, "of before");
    assert_eq!(top.list().expect("listed")[0].value.stamp.size, 3);
    assert_eq!(top.read(&name("file")).expect("opened").opened().size, 6, "an open asks the server");
    assert_eq!((size(Freshness::Fresh), size(Freshness::Cached)), (6, 6));
    user.replace("file", b"x").expect("replaced");
    assert_eq!(size(Freshness::Cached), 6);
    volume.world.advance(5 * SECONDS);
    assert_eq!(size(Freshness::Cached), 1, "after its time");
    user.write("file", b"four").expect("written");
    top.touch(&name("file"), Some(Time(9)), None).expect("touched");
    assert_eq!(size(Freshness::Cached), 4, "what we changed ourselves is known");
    user.delete("file").expect("deleted");
    assert_eq!(look(&*top, "file", Freshness::Cached), None);
    user.write("file", b"again").expect("written");
    assert_eq!(look(&*top, "file", Freshness::Cached), None, "of before");
    assert_eq!(names(&*top), ["file"], "a listing is of what is there");
    assert!(look(&*top, "file", Freshness::Fresh).is_some());
    assert_eq!(size(Freshness::Cached), 5);
}

#[test]
fn a_full_volume_takes_what_fits() {
    let volume = volume(Habits { bytes: 3 * 4096, files: Some(4), ..Habits::LOCAL });
    let (top, root) = (top(&volume), root(&volume));
    assert_eq!(root.space().expect("asked").free, 3 * 4096);
    write(&*top, "a", &[1; 5000], true).expect("it fits");
    assert_eq!((root.space().expect("asked").free, root.space().expect("asked").free_files), (4096, Some(2)));
    assert_eq!(kind_of(write(&*top, "b", &[2; 5000], true)), Some(ErrorKind::Full));
    assert_eq!(look(&*top, "b", Freshness::Fresh).expect("there").stamp.size, 4096, "as far as it fitted");
    top.remove_file(&name("a")).expect("removed");
    assert_eq!(root.space().expect("asked").free, 8192);
    for more in ["c", "d"] {
        top.make_folder(&name(more), 0o755).expect("made");
    }
    assert_eq!(kind_of(top.make_folder(&name("e"), 0o755)), Some(ErrorKind::Full));
    volume.adjust(|habits| (habits.bytes, habits.files) = (1 << 20, None));
    write(&*top, "e", &[2; 5000], true).expect("room again");
    assert_eq!(root.space().expect("asked").free_files, None);
}

#[test]
fn holes_are_told_or_are_data() {
    for (habits, first) in [(Habits::LOCAL, (8192, 8195)), (Habits::SMB, (0, 8195))] {
        let volume = volume(habits);
        let top = top(&volume);
        let mut writer = top.stage(&name("file")).expect("staged");
        writer.skip(8192).expect("skipped");
        writer.write_all(b"end").expect("written");
        writer.finish(Time(1), None, false).expect("finished");
        let mut reader = top.read(&name("file")).expect("opened");
        assert_eq!(reader.sparse(), habits.holes);
        assert_eq!(reader.next_data(0).expect("asked"), Some(first));
    }
}

#[test]
fn a_mount_below_the_root_is_another_file_system() {
    let volume = volume(Habits::LOCAL);
    volume.user().make_folders("a/mount").expect("made");
    volume.user().mount_on("a/mount").expect("mounted");
    let folder = root(&volume).folder(&path("a")).expect("opened");
    assert_eq!(look(&*folder, "mount", Freshness::Fresh).expect("there").content, NodeContent::OtherFileSystem);
    assert_eq!(kind_of(root(&volume).folder(&path("a/mount"))), Some(ErrorKind::Barred));
    assert_eq!(kind_of(folder.remove_folder(&name("mount"))), Some(ErrorKind::Busy));
}

/// The window that the port documents, where `RENAME_NOREPLACE` is not to be had.
#[test]
fn an_emulated_rename_onto_nothing_replaces_what_came_in_between() {
    for (refuses, expected) in [(true, Some(ErrorKind::Exists)), (false, None)] {
        let volume = volume(Habits { refuses_to_replace: refuses, ..Habits::LOCAL });
        let (top, user) = (top(&volume), volume.user());
        write(&*top, "mine", b"mine", false).expect("written");
        let between = if refuses { "rename" } else { "rename, second half" };
        volume.world.before_each(move |call| {
            if call.op == between {
                user.write("place", b"theirs").expect("written");
            }
            None
        });
        assert_eq!(kind_of(top.rename(&name("mine"), &name("place"), Onto::Nothing)), expected);
        volume.world.leave_alone();
        let losses = volume.world.losses();
        assert_eq!(losses.len(), usize::from(!refuses));
        assert_eq!(kind_of(top.rename(&name("none"), &name("new"), Onto::Nothing)), Some(ErrorKind::Absent));
        volume.user().write("other", b"x").expect("written");
        assert_eq!(kind_of(top.rename(&name("other"), &name("place"), Onto::Nothing)), Some(ErrorKind::Exists));
    }
}

#[test]
fn users_do_what_other_programs_do() {
    let volume = volume(Habits::LOCAL);
    let (user, top) = (volume.user(), top(&volume));
    user.make_folders("a/b").expect("made");
    user.make_folder("a").expect_err("there already");
    user.write("a/file", b"one").expect("written");
    user.append("a/file", b" two").expect("appended");
    user.link("a/file", "a/b/twin").expect("linked");
    user.write("a/file", b"in place").expect("written");
    assert_eq!(user.read("a/b/twin").expect("there"), b"in place", "both names show it");
    user.replace("a/file", b"by rename").expect("replaced");
    assert_eq!(user.read("a/b/twin").expect("there"), b"in place", "only one does");
    user.make_link("link", b"a/file").expect("made");
    user.write("plain", b"plain").expect("written");
    user.swap("plain", "a").expect("swapped");
    assert!(matches!(look(&*top, "plain", Freshness::Fresh).expect("there").content, NodeContent::Plain(Content::Folder)));
    user.chmod("plain", 0o700).expect("changed");
    user.touch("a", Time(7)).expect("touched");
    user.rename("plain/b", "b").expect("renamed");
    user.hold("a").expect("held");
    user.hold("a").expect("held twice");
    assert_eq!(top.has_writer(&name("a")).expect("asked"), Some(true));
    user.let_go("a").expect("let go");
    assert_eq!(top.has_writer(&name("a")).expect("asked"), Some(true));
    user.let_go("a").expect("let go");
    assert_eq!(top.has_writer(&name("a")).expect("asked"), Some(false));
    let show = super::super::Show { times_ns: Some(SECOND), modes: true, own: false };
    let lines: Vec<String> =
        volume.lines(show).iter().map(|line| line.split(" at 1767").next().expect("one").to_owned()).collect();
    let digest = |bytes: &[u8]| format!("{:?}", crate::model::digest::of(bytes));
    let expected = [
        format!("file a 5 {} 644 at 0", digest(b"plain")),
        "folder b 755".to_owned(),
        format!("file b/twin 8 {} 644", digest(b"in place")),
        "link link -> a/file".to_owned(),
        "folder plain 700".to_owned(),
        format!("file plain/file 9 {} 644", digest(b"by rename")),
    ];
    assert_eq!(lines, expected);
    user.delete("b").expect_err("not empty");
    user.delete_all("b").expect("deleted");
    assert_eq!(volume.lines(super::super::Show::default()).len(), 4);
}
