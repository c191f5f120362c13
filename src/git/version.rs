//! Which git is there, and what it has to be told so that what it makes is on the disk.

use super::command::Git;
use super::error::{Error, Result};

/// The oldest that does all that is asked of it.
const OLDEST: (u32, u32) = (2, 34);
/// From here on git can be told to put refs on the disk, too.
const FLUSHES_REFS: (u32, u32) = (2, 36);

/// The settings for this git; an error where it is too old.
pub fn settings(git: &Git) -> Result<&'static [&'static str]> {
    let line = git.call(&["version"]).line()?;
    let version = parse(&line).ok_or_else(|| Error::Answer { verb: "version".to_owned(), message: line.clone() })?;
    if version < OLDEST {
        let message = format!("The git of this machine is {}.{}.", version.0, version.1);
        return Err(Error::refused(message, "Nothing was done. Install git 2.34 or newer."));
    }
    Ok(if version < FLUSHES_REFS {
        // Objects only; a ref that must not be lost is flushed by ourselves (`Repository::flush_ref`).
        &["core.fsyncObjectFiles=true"]
    } else {
        &["core.fsync=committed,reference", "core.fsyncMethod=batch"]
    })
}

/// `git version 2.39.5 (Apple Git-154)` is 2.39.
fn parse(line: &str) -> Option<(u32, u32)> {
    let mut numbers = line.strip_prefix("git version ")?.split(['.', ' ', '-']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_vendors_write_them() {
        for (line, expected) in [
            ("git version 2.47.3", Some((2, 47))),
            ("git version 2.39.5 (Apple Git-154)", Some((2, 39))),
            ("git version 2.50.0.windows.1", Some((2, 50))),
            ("git version 3.0-rc1", Some((3, 0))),
            ("git 2.47", None),
            ("", None),
        ] {
            assert_eq!(parse(line), expected, "{line}");
        }
    }
}
