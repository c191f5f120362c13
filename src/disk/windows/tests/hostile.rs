//! Links, junctions and names that lead elsewhere: nothing outside the root is read or changed, whatever stands in the way.

use std::fs;
use std::os::windows::io::AsHandle;
use std::path::Path;

use windows_sys::Win32::System::Ioctl::FSCTL_SET_REPARSE_POINT;
use windows_sys::Win32::System::SystemServices::IO_REPARSE_TAG_MOUNT_POINT;

use super::{CALLS, make_anyway};
use crate::disk::contract::{Ground, ground, kind_of, look, name, path, write};
use crate::disk::windows::nt::{self, Ask};
use crate::disk::{ErrorKind, Freshness, NodeContent, Onto};
use crate::model::entry::Content;
use crate::model::finding::ProblemKind;
use crate::model::time::Time;

#[test]
fn names_that_windows_cannot_hold_are_refused_before_any_call() {
    let ground = ground();
    let folder = ground.top();
    write(&*folder, &name("file"), b"x", Time(100));
    for bad in ["a:b", "file::$DATA", "NUL", "con.txt", "tail.", "tail ", "a?b", "a*b", "back\\slash", "..\\x", "\\", "COM1"] {
        let bad = name(bad);
        let before = CALLS.get();
        let refused = [
            kind_of(folder.look(&bad, Freshness::Fresh)),
            kind_of(folder.read(&bad).map(drop)),
            kind_of(folder.stage(&bad).map(drop)),
            kind_of(folder.resume(&bad, 1, 0).map(drop)),
            kind_of(folder.rename(&name("file"), &bad, Onto::Nothing)),
            kind_of(folder.rename(&bad, &name("new"), Onto::File)),
            kind_of(folder.make_folder(&bad, 0o755)),
            kind_of(folder.make_link(&bad, b"x")),
            kind_of(folder.remove_file(&bad)),
            kind_of(folder.remove_folder(&bad)),
            kind_of(folder.touch(&bad, Some(Time(1)), None)),
            kind_of(folder.has_writer(&bad)),
            kind_of(ground.root.folder(&path("").join(&bad)).map(drop)),
        ];
        assert_eq!(refused, [Some(ErrorKind::BadName); 13], "{bad:?}");
        assert_eq!(CALLS.get(), before, "{bad:?}: the system was asked");
        assert_eq!(kind_of(ground.root.rename(&path("file"), &path("").join(&bad), Onto::Nothing)), Some(ErrorKind::BadName));
        assert_eq!(kind_of(ground.root.link(&path("file"), &path("").join(&bad))), Some(ErrorKind::BadName));
    }
    let error = folder.stage(&name("nul.txt")).map(drop).expect_err("refused");
    assert!(error.to_string().contains("NUL is the name of a device"), "{error}");
    assert_eq!(folder.list().expect("listed").len(), 1);
}

#[test]
fn names_that_programs_cannot_open_are_shown_and_not_touched() {
    let ground = ground();
    for odd in ["tail.", "aux.c"] {
        make_anyway(&ground, odd);
    }
    let folder = ground.top();
    let listing = folder.list().expect("listed");
    assert_eq!(listing.len(), 2, "shown: a name that is there is never absent");
    for item in listing {
        let NodeContent::Unreadable { kind, message } = item.value.content else { panic!("{:?}", item.name) };
        assert_eq!(kind, ProblemKind::NotRepresentable);
        assert!(message.contains("programs of Windows"), "{message}");
        assert_eq!(kind_of(folder.remove_file(&item.name)), Some(ErrorKind::BadName));
    }
    assert_eq!(folder.list().expect("listed").len(), 2);
    for odd in ["tail.", "aux.c"] {
        let file = nt::open(&ground.handle(), &super::units(odd), Ask::MOVE).expect(odd);
        nt::remove(&file, nt::Removal::Plain).expect(odd);
    }
}

/// Everything below a folder: path and content.
fn picture(at: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(at).expect("listed") {
        let entry = entry.expect("an entry");
        let meta = entry.metadata().expect("a stat");
        let content = if meta.is_file() { fs::read(entry.path()).expect("read") } else { Vec::new() };
        all.push((entry.path().display().to_string(), content));
        if meta.is_dir() {
            all.extend(picture(&entry.path()));
        }
    }
    all.sort();
    all
}

/// Makes `link` below the root a junction to the folder beside it.
fn junction(ground: &Ground, link: &str) -> nt::Result<()> {
    let made = nt::open(&ground.handle(), &super::units(link), Ask::MAKE_FOLDER_LINK)?;
    let target: Vec<u8> = format!("\\??\\{}", ground.beside.display()).encode_utf16().flat_map(u16::to_le_bytes).collect();
    let length = target.len() as u16;
    let mut buffer = IO_REPARSE_TAG_MOUNT_POINT.to_le_bytes().to_vec();
    buffer.extend((8 + length + 4).to_le_bytes());
    buffer.extend([0; 2]);
    for number in [0, length, length + 2, 0] {
        buffer.extend(number.to_le_bytes());
    }
    buffer.extend(&target);
    buffer.extend([0; 4]);
    nt::control(&made.as_handle(), FSCTL_SET_REPARSE_POINT, &buffer, &mut []).map(drop)
}

/// Wine 8 cannot make junctions: there the call has to say so, and nothing else is tried.
#[test]
fn a_junction_is_a_problem_and_leads_nowhere() {
    let ground = ground();
    fs::create_dir(ground.beside.join("here")).expect("a folder");
    fs::write(ground.beside.join("here/file"), "as it was").expect("a file");
    fs::write(ground.at.join("inside"), "x").expect("a file");
    let before = picture(&ground.beside);
    if let Err(status) = junction(&ground, "out") {
        assert_eq!(status.kind(false), ErrorKind::Unsupported, "{status:?}");
        return;
    }
    for root in [&ground.root, &ground.far()] {
        let folder = root.folder(&path("")).expect("opened");
        let listed = folder.list().expect("listed").into_iter().find(|item| item.name == name("out")).expect("shown");
        for node in [listed.value, look(&*folder, "out").expect("there")] {
            assert!(matches!(node.content, NodeContent::Unreadable { kind: ProblemKind::NotRepresentable, .. }));
        }
        for through in ["out", "out/here"] {
            assert_eq!(kind_of(root.folder(&path(through)).map(drop)), Some(ErrorKind::Barred), "{through}");
            let below = path(through).join(b"new");
            for (from, to) in [(path("inside"), below.clone()), (below, path("new"))] {
                assert_eq!(kind_of(root.rename(&from, &to, Onto::Nothing)), Some(ErrorKind::Barred), "{through}");
                assert_eq!(kind_of(root.link(&from, &to)), Some(ErrorKind::Barred), "{through}");
            }
        }
        assert!(folder.read(&name("out")).is_err() && folder.has_writer(&name("out")).is_err());
        assert_eq!(kind_of(folder.remove_file(&name("out"))), Some(ErrorKind::Barred));
        assert_eq!(kind_of(folder.remove_folder(&name("out"))), Some(ErrorKind::Barred));
        assert_eq!(kind_of(folder.rename(&name("inside"), &name("out"), Onto::File)), Some(ErrorKind::WrongKind));
    }
    assert_eq!(picture(&ground.beside), before);
}

/// Where links cannot be made nothing stays of the attempt, and the reason is told.
#[test]
fn a_link_is_made_as_it_was_meant_or_not_at_all() {
    let ground = ground();
    let folder = ground.top();
    for target in [&b"/etc/passwd"[..], b"a\\b", b"nul", b""] {
        assert_eq!(kind_of(folder.make_link(&name("link"), target)), Some(ErrorKind::BadName), "{}", target.escape_ascii());
    }
    match folder.make_link(&name("link"), b"no/such target") {
        Ok(()) => {
            let node = look(&*folder, "link").expect("there");
            assert_eq!(node.content, NodeContent::Plain(Content::Link { target: b"no/such target"[..].into() }));
            assert_eq!(folder.list().expect("listed")[0].value.content, node.content);
            assert_eq!(kind_of(folder.read(&name("link")).map(drop)), Some(ErrorKind::Barred));
            folder.touch(&name("link"), Some(Time(500)), None).expect("the link's own time");
            folder.remove_file(&name("link")).expect("removed");
        }
        Err(error) => assert!(matches!(error.kind, ErrorKind::Unsupported | ErrorKind::Denied), "{error}"),
    }
    assert_eq!(folder.list().expect("listed"), []);
}
