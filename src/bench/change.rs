//! What scenarios do to a project. Each change has a time of its own, a minute after the last one's: a tool that looks at whole
//! seconds is not fooled by how fast this is.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::Error;
use super::peer::OURS;
use super::plot::{ASIDE, Census, PROJECT};
use crate::disk::ErrorKind;
use crate::disk::ground::{self, Ground, Kind};

/// Longer files do not get a line more: they are for scenarios of their own.
const LONG: u64 = 16 << 20;
/// By so much the huge file grows.
pub const GROWTH: usize = 64 << 10;
/// So much changes in its middle.
pub const PATCH: usize = 4 << 10;

/// The time of a change.
pub fn moment(tick: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + tick * 60)
}

/// The line that a change adds.
pub fn line(tick: u64) -> String {
    format!("changed at {tick:08}\n")
}

/// About `count` files, spread evenly over the project, get a line more. Databases and long files are passed over, and what
/// may not be written. Returns their paths in the project.
pub fn edit(ground: &Ground, census: &Census, count: u64, tick: u64) -> Result<Vec<PathBuf>, Error> {
    let project = ground.at(PROJECT);
    let stride = (census.files / count.max(1)).max(1);
    let (mut number, mut owed, mut edited) = (0_u64, 0_u64, Vec::new());
    ground::walk(&project, OURS, &mut |path, seen| {
        if seen.kind != Kind::File || is_of_the_bench(path) {
            return Ok(true);
        }
        owed += u64::from(number.is_multiple_of(stride));
        number += 1;
        if owed == 0 || seen.length > LONG || is_database(&project.join(path)) {
            return Ok(true);
        }
        match ground.write_into(&Path::new(PROJECT).join(path), None, line(tick).as_bytes(), moment(tick)) {
            Err(error) if error.kind == ErrorKind::Denied => return Ok(true),
            written => written?,
        }
        owed -= 1;
        edited.push(path.to_path_buf());
        Ok((edited.len() as u64) < count)
    })?;
    Ok(edited)
}

/// What a change on the other side adds.
pub fn other_line(tick: u64) -> String {
    format!("changed on the other side at {tick:08}\n")
}

/// These files of a copy get another line more.
pub fn edit_copy(ground: &Ground, copy: &Path, paths: &[PathBuf], tick: u64) -> Result<(), Error> {
    for path in paths {
        ground.write_into(&copy.join(path), None, other_line(tick).as_bytes(), moment(tick))?;
    }
    Ok(())
}

/// Do these files of a tree all end with this line?
pub fn all_end_with(tree: &Path, paths: &[PathBuf], text: &str) -> bool {
    paths.iter().all(|path| {
        let ends = |length: u64| ground::part(&tree.join(path), length.saturating_sub(text.len() as u64), text.len());
        ground::length(&tree.join(path)).and_then(ends).is_some_and(|end| end == text.as_bytes())
    })
}

/// Files that scenarios made for themselves keep to what these do with them.
fn is_of_the_bench(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().starts_with(b"bench-")
}

fn is_database(path: &Path) -> bool {
    ground::part(path, 0, 16).is_some_and(|first| first == b"SQLite format 3\0")
}

/// Every file gets a new time.
pub fn touch(ground: &Ground, tick: u64) -> Result<u64, Error> {
    let mut touched = 0;
    ground::walk(&ground.at(PROJECT), OURS, &mut |path, seen| {
        if seen.kind == Kind::File {
            ground.touch(&Path::new(PROJECT).join(path), moment(tick))?;
            touched += 1;
        }
        Ok(true)
    })?;
    Ok(touched)
}

/// The huge file grows.
pub fn append(ground: &Ground, path: &Path, tick: u64) -> Result<(), Error> {
    let bytes = line(tick).into_bytes().into_iter().cycle().take(GROWTH).collect::<Vec<u8>>();
    Ok(ground.write_into(&Path::new(PROJECT).join(path), None, &bytes, moment(tick))?)
}

/// The huge file changes in its middle.
pub fn patch(ground: &Ground, path: &Path, length: u64, tick: u64) -> Result<(), Error> {
    let bytes = line(tick).into_bytes().into_iter().cycle().take(PATCH).collect::<Vec<u8>>();
    let place = (length / 2).min(length.saturating_sub(PATCH as u64));
    Ok(ground.write_into(&Path::new(PROJECT).join(path), Some(place), &bytes, moment(tick))?)
}

/// What the largest folder is called after it was renamed.
fn renamed(folder: &Path) -> PathBuf {
    PathBuf::from(format!("{}-renamed", folder.display()))
}

/// The folder gets another name, or its own one back.
pub fn rename(ground: &Ground, folder: &Path, back: bool) -> Result<(), Error> {
    let (here, there) = (Path::new(PROJECT).join(folder), Path::new(PROJECT).join(renamed(folder)));
    if back {
        ground.rename(&there, &here)?
    } else {
        ground.rename(&here, &there)?
    }
    Ok(())
}

/// One file in ten goes, to a place from which [`put_back`] can bring it.
pub fn delete_a_tenth(ground: &Ground) -> Result<Vec<PathBuf>, Error> {
    let (mut number, mut gone) = (0_u64, Vec::new());
    ground::walk(&ground.at(PROJECT), OURS, &mut |path, seen| {
        if seen.kind == Kind::File {
            if number.is_multiple_of(10) {
                ground.rename(&Path::new(PROJECT).join(path), &Path::new(ASIDE).join(path))?;
                gone.push(path.to_path_buf());
            }
            number += 1;
        }
        Ok(true)
    })?;
    Ok(gone)
}

/// Brings back what was deleted.
pub fn put_back(ground: &Ground, gone: &[PathBuf]) -> Result<(), Error> {
    for path in gone {
        ground.rename(&Path::new(ASIDE).join(path), &Path::new(PROJECT).join(path))?;
    }
    Ok(())
}
