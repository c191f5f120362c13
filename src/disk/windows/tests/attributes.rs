//! The read-only attribute, and what stays with a name.

use std::fs;
use std::os::windows::fs::MetadataExt;

use windows_sys::Win32::Storage::FileSystem::{
    FILE_ATTRIBUTE_HIDDEN, FILE_ATTRIBUTE_READONLY, FILE_ATTRIBUTE_SYSTEM, SetFileAttributesW,
};

use crate::disk::contract::{Ground, ground, look, name, path, read, write};
use crate::disk::{Onto, Root};
use crate::model::path::RelPath;
use crate::model::time::Time;

const KINDS: u32 = FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_READONLY | FILE_ATTRIBUTE_SYSTEM;

fn attributes(ground: &Ground, at: &str) -> u32 {
    fs::symlink_metadata(ground.at.join(at)).expect("a stat").file_attributes() & KINDS
}

fn set_attributes(ground: &Ground, at: &str, attributes: u32) {
    use std::os::windows::ffi::OsStrExt;
    let path: Vec<u16> = ground.at.join(at).as_os_str().encode_wide().chain([0]).collect();
    // SAFETY: the path ends in NUL and lives through the call.
    assert_ne!(unsafe { SetFileAttributesW(path.as_ptr(), attributes) }, 0, "{}", std::io::Error::last_os_error());
}

#[test]
fn a_time_stays_where_only_the_mode_is_set_and_the_other_way_round() {
    let ground = ground();
    let folder = ground.top();
    write(&*folder, &name("file"), b"x", Time(5_000));
    set_attributes(&ground, "file", FILE_ATTRIBUTE_HIDDEN);
    for (mode, expected) in [(0o444, 0o444), (0o640, 0o644), (0o400, 0o444), (0o755, 0o644)] {
        folder.touch(&name("file"), None, Some(mode)).expect("touched");
        let node = look(&*folder, "file").expect("there");
        assert_eq!((node.mode, node.stamp.mtime), (expected, Time(5_000)), "{mode:o}");
        assert_eq!(attributes(&ground, "file") & FILE_ATTRIBUTE_HIDDEN, FILE_ATTRIBUTE_HIDDEN);
    }
    folder.touch(&name("file"), None, Some(0o444)).expect("touched");
    folder.touch(&name("file"), Some(Time(7_000)), None).expect("a read-only file has its time set, too");
    let node = look(&*folder, "file").expect("there");
    assert_eq!((node.mode, node.stamp.mtime), (0o444, Time(7_000)));
    folder.touch(&name("file"), None, Some(0o644)).expect("touched");
    assert_eq!(attributes(&ground, "file"), FILE_ATTRIBUTE_HIDDEN);
    fs::create_dir(ground.at.join("folder")).expect("a folder");
    folder.touch(&name("folder"), None, Some(0o555)).expect("left");
    assert_eq!((attributes(&ground, "folder"), look(&*folder, "folder").expect("there").mode), (0, 0o755));
}

#[test]
fn a_file_may_be_finished_as_read_only() {
    let ground = ground();
    let mut writer = ground.top().stage(&name("file")).expect("a new file");
    writer.write_all(b"x").expect("written");
    let node = writer.finish(Time(100), Some(0o444), true).expect("finished");
    assert_eq!((node.mode, node.stamp.mtime), (0o444, Time(100)));
    assert_eq!(attributes(&ground, "file"), FILE_ATTRIBUTE_READONLY);
}

#[test]
fn read_only_files_are_replaced_moved_and_removed() {
    let ground = ground();
    for root in [&*ground.root, &*ground.far()] {
        let folder = root.folder(&RelPath::root()).expect("opened");
        let root: &dyn Root = root;
        write(&*folder, &name("old"), b"old", Time(100));
        write(&*folder, &name("new"), b"new", Time(200));
        set_attributes(&ground, "old", FILE_ATTRIBUTE_READONLY);
        root.link(&path("old"), &path("kept")).expect("a second name");
        folder.rename(&name("new"), &name("old"), Onto::File).expect("replaced");
        assert_eq!((read(&*folder, &name("old")), read(&*folder, &name("kept"))), (b"new".to_vec(), b"old".to_vec()));
        assert_eq!(attributes(&ground, "old"), FILE_ATTRIBUTE_READONLY, "it stays with the name");
        folder.rename(&name("old"), &name("moved"), Onto::Nothing).expect("moved");
        assert_eq!(attributes(&ground, "moved"), FILE_ATTRIBUTE_READONLY);
        for gone in ["moved", "kept"] {
            folder.remove_file(&name(gone)).expect(gone);
        }
        fs::create_dir(ground.at.join("folder")).expect("a folder");
        set_attributes(&ground, "folder", FILE_ATTRIBUTE_READONLY);
        folder.remove_folder(&name("folder")).expect("removed");
        assert_eq!(folder.list().expect("listed"), []);
    }
}

#[test]
fn what_stays_where_a_removal_fails_is_as_it_was() {
    let ground = ground();
    fs::create_dir_all(ground.at.join("folder/inner")).expect("folders");
    set_attributes(&ground, "folder", FILE_ATTRIBUTE_READONLY);
    let before = attributes(&ground, "folder");
    let failed = ground.top().remove_folder(&name("folder")).expect_err("it holds something");
    assert_eq!(failed.kind, crate::disk::ErrorKind::NotEmpty);
    assert_eq!(attributes(&ground, "folder"), before);
}

#[test]
fn hidden_and_system_stay_with_a_name_that_gets_new_content() {
    let ground = ground();
    let folder = ground.top();
    write(&*folder, &name("desktop.ini"), b"old", Time(100));
    set_attributes(&ground, "desktop.ini", FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM);
    write(&*folder, &name("temp"), b"new", Time(200));
    folder.rename(&name("temp"), &name("desktop.ini"), Onto::File).expect("replaced");
    assert_eq!(attributes(&ground, "desktop.ini"), FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM);
    assert_eq!(look(&*folder, "desktop.ini").expect("there").stamp.mtime, Time(200));
    write(&*folder, &name("temp"), b"newer", Time(300));
    folder.rename(&name("temp"), &name("free"), Onto::File).expect("a free name");
    assert_eq!(attributes(&ground, "free"), 0);
}
