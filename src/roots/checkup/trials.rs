//! The trials themselves: each in the probe's folder, each judged and told at once.

use std::time::Duration;

use super::judge::{self, Names};
use super::{Check, Health, Role, Told};
use crate::disk::clock::pause;
use crate::disk::{Error as DiskError, ErrorKind, Folder, Freshness, Onto, Root, Trial};
use crate::model::path::{Name, RelPath};
use crate::model::time::Time;
use crate::roots::error::{Error, Result};
use crate::roots::mounts::Verdict;
use crate::roots::own::{self, Keep};
use crate::roots::probe::{self, tried};

/// Longer than any file that FAT holds.
const OVER_4_GIB: u64 = 5 << 30;

const HOLE: u64 = 4 << 20;

/// What is known of a root before anything is tried.
pub(super) struct Around<'a> {
    pub verdict: &'a Verdict,
    pub options: Option<&'a str>,
    pub role: Role,
    pub here: &'a dyn Fn() -> Time,
}

/// Makes the probe's folder, tries everything out in it and removes it.
///
/// # Errors
/// Where the root is gone. A root that cannot be written is a check like others.
pub(super) fn try_out(root: &dyn Root, around: &Around<'_>, tell: &dyn Fn(Told)) -> Result<()> {
    tell(Told::Step("making a folder for trials".to_owned()));
    let check = |check: Check| tell(Told::Check(check));
    let had_own = match own::open(root) {
        Ok(found) => found.is_some(),
        Err(error) if error.is_gone() => return Err(error),
        Err(error) => {
            check(judge::not_writable(around.role, ErrorKind::Barred, &error.to_string()));
            return Ok(());
        }
    };
    let made = own::open_or_make(root).and_then(|own| {
        let name = own::moment_name("probe-")?;
        own.make_folder(&name, 0o700)?;
        Ok((own, name))
    });
    let result = match made {
        Ok((own, name)) => {
            let path = RelPath::root().join(own::FOLDER.as_bytes()).join(&name);
            let result = all(root, &path, around, tell);
            if !cleared(root, own.as_ref(), &path, &name) {
                check(judge::left_behind(&path.to_string()));
            }
            result
        }
        Err(error) => Err(error),
    };
    if !had_own {
        // RACE: a run that begins at this moment may have opened the folder and not yet written into it. Worst outcome:
        // its first write fails, nothing is lost, and it is run again. One that holds anything is not removed.
        let _ = root.folder(&RelPath::root()).and_then(|top| top.remove_folder(&own::name(own::FOLDER)));
    }
    match result {
        Err(error) => match error.kind() {
            Some(kind @ (ErrorKind::Denied | ErrorKind::ReadOnly | ErrorKind::Full)) => {
                check(judge::not_writable(around.role, kind, &error.to_string()));
                Ok(())
            }
            Some(ErrorKind::Gone) => Err(error),
            _ => {
                check(Check::new("trials", Health::Unknown, error.to_string()));
                Ok(())
            }
        },
        Ok(()) => Ok(()),
    }
}

/// Removes the probe's folder. Mounts that upload by and by refuse that for a moment (rclone).
fn cleared(root: &dyn Root, own: &dyn Folder, path: &RelPath, name: &Name) -> bool {
    for pause_ms in [20, 100, 300, 600, 0] {
        own::remove_flat(root, own, path, name);
        match own.look(name, Freshness::Fresh) {
            Ok(None) => return true,
            Ok(Some(_)) => pause(Duration::from_millis(pause_ms)),
            Err(_) => return false,
        }
    }
    false
}

fn all(root: &dyn Root, path: &RelPath, around: &Around<'_>, tell: &dyn Fn(Told)) -> Result<()> {
    let Around { verdict, options, role, here } = around;
    let step = |word: &str| tell(Told::Step(word.to_owned()));
    let check = |check: Check| tell(Told::Check(check));
    let opened = root.folder(path)?;
    let folder = opened.as_ref();
    step("writing a file");
    own::stage(folder, &own::name("first"), b"first", Keep::Lazily)?;
    check(Check::ok("writable", "yes"));
    step("asking for its time");
    let (before, (clock, _), after) = (here(), probe::clock_in(folder)?, here());
    step("trying times, links and names");
    let traits = probe::traits_in(root, path, verdict)?;
    // What an earlier trial that was killed left behind.
    let _ = own::sweep(root, clock);
    check(judge::granularity(traits.granularity_ns));
    check(judge::clock(traits.clock_step_ns, clock.0 - i64::midpoint(before.0, after.0)));
    judge::of_traits(&traits, verdict, asked(folder, keeps_id(folder))?).into_iter().for_each(&check);
    check(judge::link_times(if traits.links { Some(asked(folder, link_times(folder))? == Some(true)) } else { None }));
    step("trying to replace files");
    check(judge::replace(asked(folder, replaces(folder))?));
    check(judge::replace_open(asked(folder, replaces_open(folder))?));
    check(judge::refuse(asked(folder, folder.attempt(Trial::RefuseToReplace))?.flatten()));
    step("trying copies and holes");
    check(judge::clones(
        asked(folder, folder.attempt(Trial::Clone))?.flatten(),
        asked(folder, folder.attempt(Trial::CopyRange))?.flatten(),
    ));
    let holes = asked(folder, holes(folder))?;
    check(judge::holes(holes));
    check(judge::file_size(&verdict.file_system, if holes == Some(true) { asked(folder, large_file(folder))? } else { None }));
    step("trying locks and events");
    check(judge::locks(asked(folder, folder.attempt(Trial::Lock))?.flatten(), *role));
    check(judge::writers(asked(folder, tells_writer(folder))?.flatten(), verdict.network, *role));
    check(judge::events(asked(folder, folder.attempt(Trial::Event))?.flatten(), verdict.network));
    step("flushing a file");
    let file = asked(folder, flush_file(folder))?;
    step("flushing a folder");
    check(judge::flush(verdict, *options, file.is_some(), asked(folder, folder.flush())?.is_some()));
    step("trying names");
    check(judge::longest_name(longest_name(folder)?));
    check(judge::names(&held_names(folder, verdict)?));
    Ok(())
}

/// A refusal, or an answer that fails, is `None`; only a root that is gone ends the examination.
fn asked<T>(folder: &dyn Folder, result: std::result::Result<T, DiskError>) -> Result<Option<T>> {
    tried(folder, result)
}

fn put(folder: &dyn Folder, name: &str, bytes: &[u8]) -> std::result::Result<(), DiskError> {
    own::stage(folder, &own::name(name), bytes, Keep::Lazily).map_err(|error| match error {
        Error::Disk(error) => error,
        other => DiskError::new("create", name, ErrorKind::Other, std::io::Error::other(other.to_string())),
    })
}

fn id(folder: &dyn Folder, name: &str) -> std::result::Result<Option<u64>, DiskError> {
    Ok(folder.look(&own::name(name), Freshness::Fresh)?.map(|node| node.stamp.id))
}

/// Does a file keep its number when it is renamed and asked for again?
fn keeps_id(folder: &dyn Folder) -> std::result::Result<bool, DiskError> {
    put(folder, "id-before", b"1")?;
    let before = id(folder, "id-before")?;
    folder.rename(&own::name("id-before"), &own::name("id-after"), Onto::Nothing)?;
    Ok(before.is_some() && before == id(folder, "id-after")?)
}

fn link_times(folder: &dyn Folder) -> std::result::Result<bool, DiskError> {
    let (name, time) = (own::name("link-time"), Time(1_700_000_000_000_000_000));
    folder.make_link(&name, b"nowhere")?;
    folder.touch(&name, Some(time), None)?;
    Ok(folder.look(&name, Freshness::Fresh)?.is_some_and(|node| node.stamp.mtime == time))
}

fn replaces(folder: &dyn Folder) -> std::result::Result<bool, DiskError> {
    put(folder, "replace-old", b"1")?;
    put(folder, "replace-new", b"22")?;
    folder.rename(&own::name("replace-new"), &own::name("replace-old"), Onto::File)?;
    Ok(probe::size(folder, "replace-old").ok() == Some(Some(2)))
}

/// Over a file that is open, whose reader goes on reading the old content.
fn replaces_open(folder: &dyn Folder) -> std::result::Result<bool, DiskError> {
    put(folder, "open-old", b"old")?;
    put(folder, "open-new", b"newer")?;
    let mut reader = folder.read(&own::name("open-old"))?;
    match folder.rename(&own::name("open-new"), &own::name("open-old"), Onto::File) {
        Ok(()) => {}
        Err(error) if error.kind == ErrorKind::Gone => return Err(error),
        Err(_) => return Ok(false),
    }
    let mut bytes = [0; 8];
    Ok(reader.read(&mut bytes)? == 3 && bytes.starts_with(b"old"))
}

fn holes(folder: &dyn Folder) -> std::result::Result<bool, DiskError> {
    let mut writer = folder.stage(&own::name("holes"))?;
    writer.skip(HOLE)?;
    writer.write_all(b"end")?;
    writer.finish(Time(0), None, true)?;
    Ok(folder.read(&own::name("holes"))?.sparse())
}

/// Tried only where holes are kept, so that it takes no room.
fn large_file(folder: &dyn Folder) -> std::result::Result<bool, DiskError> {
    let mut writer = folder.stage(&own::name("large"))?;
    writer.skip(OVER_4_GIB)?;
    writer.finish(Time(0), None, false)?;
    let held = probe::size(folder, "large").ok() == Some(Some(OVER_4_GIB));
    folder.remove_file(&own::name("large"))?;
    Ok(held)
}

/// Is a writer seen while there is one, and none while there is none?
fn tells_writer(folder: &dyn Folder) -> std::result::Result<Option<bool>, DiskError> {
    let name = own::name("writer");
    let writer = folder.stage(&name)?;
    let with = folder.has_writer(&name)?;
    drop(writer);
    // Where the mount removed an unfinished file when it was closed there is nothing to ask.
    let without = folder.has_writer(&name).ok().flatten();
    Ok(with.map(|with| with && without != Some(true)))
}

fn flush_file(folder: &dyn Folder) -> std::result::Result<(), DiskError> {
    let mut writer = folder.stage(&own::name("flushed"))?;
    writer.write_all(b"flushed")?;
    writer.finish(Time(1_700_000_000_000_000_000), None, true).map(drop)
}

/// Is a file of this name there, byte for byte, after it was made?
fn holds(folder: &dyn Folder, name: &Name) -> Result<bool> {
    let made = asked(folder, folder.stage(name).map(drop))?.is_some();
    let listed = made && asked(folder, folder.list())?.is_some_and(|listing| listing.iter().any(|item| item.name == *name));
    if made {
        let _ = folder.remove_file(name);
    }
    Ok(listed)
}

fn longest_name(folder: &dyn Folder) -> Result<Option<usize>> {
    for length in [255, 254, 240, 143, 127, 64] {
        if holds(folder, &own::name(&"n".repeat(length)))? {
            return Ok(Some(length));
        }
    }
    Ok(None)
}

fn held_names(folder: &dyn Folder, verdict: &Verdict) -> Result<Names> {
    // One driver was seen to answer every later call with an input/output error after a name with a colon.
    if verdict.file_system == "fuse.smbnetfs" {
        return Ok(Names::NotTried);
    }
    let mut refused = Vec::new();
    for (what, bytes) in judge::ODD_NAMES {
        if !holds(folder, &Name::new(bytes).expect("single names"))? {
            refused.push(*what);
        }
    }
    Ok(Names::Tried { refused })
}
