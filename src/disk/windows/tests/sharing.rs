//! Files that programs have open, and ours that they want.

use std::fs;
use std::io::{Read, Write};
use std::os::windows::fs::OpenOptionsExt;
use std::thread;
use std::time::Duration;

use crate::disk::contract::{ground, kind_of, look, name, read, write};
use crate::disk::{ErrorKind, Onto};
use crate::model::time::Time;

#[test]
fn what_we_have_open_every_program_may_read_write_and_delete() {
    let ground = ground();
    let folder = ground.top();
    write(&*folder, &name("file"), b"content", Time(100));
    let at = ground.at.join("file");
    let mut reader = folder.read(&name("file")).expect("opened");
    fs::OpenOptions::new().append(true).open(&at).expect("it may be written").write_all(b"!").expect("written");
    fs::rename(&at, ground.at.join("moved")).expect("it may be renamed");
    fs::remove_file(ground.at.join("moved")).expect("it may be removed");
    let mut buffer = [0; 64];
    assert_eq!(reader.read(&mut buffer).expect("read"), 8, "what was opened is still read");
    drop(reader);
    let mut writer = folder.stage(&name("staged")).expect("a new file");
    writer.write_all(b"half").expect("written");
    let mut text = String::new();
    fs::File::open(ground.at.join("staged")).expect("it may be read").read_to_string(&mut text).expect("read");
    assert_eq!(text, "half");
    let open = ground.folder("");
    fs::create_dir(ground.at.join("sub")).expect("a folder");
    let sub = ground.folder("sub");
    fs::rename(ground.at.join("sub"), ground.at.join("other")).expect("an open folder may be renamed");
    fs::remove_dir(ground.at.join("other")).expect("and removed");
    drop((open, sub, writer));
}

#[test]
fn what_a_program_keeps_to_itself_is_busy_and_stays() {
    let ground = ground();
    let folder = ground.top();
    for file in ["held", "new"] {
        write(&*folder, &name(file), file.as_bytes(), Time(100));
    }
    folder.touch(&name("held"), None, Some(0o444)).expect("read-only");
    let held = fs::OpenOptions::new().read(true).share_mode(0).open(ground.at.join("held")).expect("opened");
    let [held_name, new] = ["held", "new"].map(name);
    assert_eq!(kind_of(folder.read(&held_name).map(drop)), Some(ErrorKind::Busy));
    assert_eq!(kind_of(folder.rename(&held_name, &name("away"), Onto::Nothing)), Some(ErrorKind::Busy));
    assert_eq!(kind_of(folder.remove_file(&held_name)), Some(ErrorKind::Busy));
    assert_eq!(folder.has_writer(&held_name).expect("asked"), Some(true));
    let replaced = folder.rename(&new, &held_name, Onto::File).expect_err("it is in use");
    assert_eq!((replaced.kind, replaced.path.as_str()), (ErrorKind::Busy, "held"), "the name that is in use is told");
    let left = look(&*folder, "held").expect("it is there");
    assert_eq!((left.stamp.size, left.mode), (4, 0o444), "read-only, as it was");
    assert_eq!(look(&*folder, "new").expect("it is there").mode, 0o644);
    drop(held);
    assert_eq!((read(&*folder, &held_name), read(&*folder, &new)), (b"held".to_vec(), b"new".to_vec()));
    folder.rename(&new, &held_name, Onto::File).expect("free now");
}

#[test]
fn who_holds_a_file_for_a_moment_is_waited_for() {
    let ground = ground();
    let folder = ground.top();
    write(&*folder, &name("file"), b"content", Time(100));
    // Its holder may be late by more than is waited for.
    let waited_for = || {
        let held = fs::OpenOptions::new().read(true).share_mode(0).open(ground.at.join("file")).expect("opened");
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(25));
                drop(held);
            });
            folder.read(&name("file")).is_ok()
        })
    };
    assert!((0..10).any(|_| waited_for()));
}

#[test]
fn only_of_a_file_is_it_asked_who_writes_it() {
    let ground = ground();
    fs::create_dir(ground.at.join("folder")).expect("a folder");
    assert_eq!(kind_of(ground.top().has_writer(&name("folder"))), Some(ErrorKind::WrongKind));
}

#[test]
fn a_file_that_is_read_with_its_deletion_shared_is_replaced() {
    let ground = ground();
    let folder = ground.top();
    write(&*folder, &name("file"), b"old", Time(100));
    write(&*folder, &name("new"), b"new", Time(200));
    let mut reading = fs::File::open(ground.at.join("file")).expect("opened");
    match folder.rename(&name("new"), &name("file"), Onto::File) {
        Ok(()) => {
            assert_eq!(read(&*folder, &name("file")), b"new");
            let mut text = String::new();
            reading.read_to_string(&mut text).expect("read");
            assert_eq!(text, "old", "who read it reads on");
        }
        // Where only the older way is known, as in Wine.
        Err(error) => {
            assert!(matches!(error.kind, ErrorKind::Busy | ErrorKind::Denied), "{error}");
            assert_eq!((read(&*folder, &name("file")), read(&*folder, &name("new"))), (b"old".to_vec(), b"new".to_vec()));
        }
    }
}
