//! What a root can do, tried out once a root in a folder of its own, and what time it is there.
//!
//! Invariants. Only `.driftless/probe-<random>/` is touched, and it is removed whatever happens. What could not be
//! tried is taken for absent, so that a guess costs time and never data.

use super::error::{Error, Result};
use super::mounts::Verdict;
use super::own::{self, Keep};
use crate::disk::clock::Moment;
use crate::disk::{ErrorKind, Folder, Freshness, Node, NodeContent, Root};
use crate::model::entry::Content;
use crate::model::path::RelPath;
use crate::model::time::Time;
use crate::model::traits::Traits;

const MILLISECOND: i64 = 1_000_000;
const SECOND: i64 = 1_000_000_000;

/// The steps in which file systems store times.
const STEPS: [i64; 8] = [1, 100, 1_000, MILLISECOND, 10 * MILLISECOND, 100 * MILLISECOND, SECOND, 2 * SECOND];

/// Kernels stamp with the tick of their clock, 1 to 10 ms, however fine the file system stores.
const TICK: i64 = 10 * MILLISECOND;

/// Times to set: each step leaves a difference that the next finer one could not, rounded up or down; and one second is
/// odd, the other even, so that one of them is more than 1 s off where FAT keeps 2 s.
const PATTERNS: [Time; 2] = [Time(1_700_000_001_123_456_789), Time(1_700_000_002_123_456_789)];

/// File systems whose driver makes file numbers up at each mount, or changes them when a file is first written.
const IDS_MADE_UP: &[&str] = &["aufs", "exfat", "fat", "fat32", "msdos", "overlay", "unionfs", "vfat"];

/// File systems whose driver does not store change times.
const CTIME_MADE_UP: &[&str] = &["exfat", "fat", "fat32", "msdos", "vfat"];

/// A root's traits, and whether they were tried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probed {
    pub traits: Traits,
    /// `false`: the root could not be written, the traits are careful guesses and should be measured another time.
    pub measured: bool,
}

/// Tries out what `root` can do. `verdict` is where the root lies.
///
/// # Errors
/// Where the root is gone, or its `.driftless` is not a folder; a root that cannot be written is no error.
pub fn probe(root: &dyn Root, verdict: &Verdict) -> Result<Probed> {
    match try_out(root, verdict) {
        Ok(traits) => Ok(Probed { traits, measured: true }),
        Err(error) => match error.kind() {
            Some(ErrorKind::Denied | ErrorKind::ReadOnly | ErrorKind::Full | ErrorKind::Unsupported) => {
                Ok(Probed { traits: careful(verdict), measured: false })
            }
            _ => Err(error),
        },
    }
}

/// The root's own clock: the mtime of a file that this run just wrote into `.driftless/`; and our monotonic clock just after.
///
/// # Errors
/// A root that cannot be written has no clock to ask; everything younger than a day is then racy.
pub fn clock(root: &dyn Root) -> Result<(Time, Moment)> {
    clock_in(own::open_or_make(root)?.as_ref())
}

/// The root's clock, asked in one of our folders.
pub(super) fn clock_in(folder: &dyn Folder) -> Result<(Time, Moment)> {
    // A name of its own: runs of other machines may ask at the same time.
    let name = own::moment_name("clock-")?;
    let mut writer = folder.stage(&name)?;
    // Not finished: that would set the time. A write that the mount holds back leaves the time of the creation, which is
    // a moment earlier and so on the careful side.
    let seen = match writer.write_all(b"t") {
        Ok(()) => folder.look(&name, Freshness::Fresh),
        Err(error) => Err(error),
    };
    // After the look, which may be what has the server write and so stamp: a clock may lag, and is never ahead. Before the
    // rest, which would make it lag for longer.
    let asked = Moment::now();
    // Closed first: SMB does not remove an open file. Closing may already have removed it.
    drop(writer);
    let _ = folder.remove_file(&name);
    let node =
        seen?.ok_or_else(|| crate::disk::Error::new("look at", &name, ErrorKind::Absent, std::io::ErrorKind::NotFound.into()))?;
    Ok((node.stamp.mtime, asked))
}

/// The traits of a root that cannot be tried out. 1 s: nearly every mount stores that or finer, and a step that is
/// too coarse would call real edits equal; what is younger than a day is read there anyway.
pub(super) fn careful(verdict: &Verdict) -> Traits {
    Traits {
        granularity_ns: SECOND,
        clock_step_ns: SECOND,
        ctime: false,
        ids: false,
        modes: false,
        links: false,
        hard_links: false,
        exchange: false,
        folds_case: false,
        folds_unicode: false,
        remote: verdict.network,
        fuse: verdict.is_fuse(),
    }
}

fn try_out(root: &dyn Root, verdict: &Verdict) -> Result<Traits> {
    let own = own::open_or_make(root)?;
    let name = own::moment_name("probe-")?;
    let path = RelPath::root().join(own::FOLDER.as_bytes()).join(&name);
    own.make_folder(&name, 0o700)?;
    let tried = traits_in(root, &path, verdict);
    own::remove_flat(root, own.as_ref(), &path, &name);
    tried
}

/// Tries it out in the folder at `path`, which the caller made for it and clears.
pub(super) fn traits_in(root: &dyn Root, path: &RelPath, verdict: &Verdict) -> Result<Traits> {
    let folder = root.folder(path)?;
    let folder = folder.as_ref();
    own::stage(folder, &own::name("file"), b"1", Keep::Lazily)?;
    let granularity_ns = granularity(folder)?;
    // Change times and ids are believed only of file systems of this machine. Network mounts and FUSE daemons invent
    // them anew at each mount, and a tool that trusts them reads everything again (restic, for hours, time and again).
    let local = !verdict.network && !verdict.is_fuse();
    let kind = verdict.file_system.to_ascii_lowercase();
    Ok(Traits {
        granularity_ns,
        clock_step_ns: granularity_ns.max(TICK),
        ctime: local && !CTIME_MADE_UP.contains(&kind.as_str()),
        ids: local && !IDS_MADE_UP.contains(&kind.as_str()),
        modes: keeps_modes(folder)?,
        links: makes_links(folder)?,
        hard_links: makes_hard_links(root, folder, path)?,
        exchange: exchanges(folder)?,
        folds_case: folds(folder, "Upper-lower", "uPPER-LOWER")?,
        // As a folder that folds case by itself (ext4) is one by one, the root's own answer is all that there is.
        folds_unicode: folds(folder, "cafe\u{301}", "caf\u{e9}")?,
        remote: verdict.network,
        fuse: verdict.is_fuse(),
    })
}

/// The smallest step that explains what became of two times; 2 s where they were not kept at all.
fn granularity(folder: &dyn Folder) -> Result<i64> {
    let file = own::name("file");
    let mut coarsest = 1;
    for set in PATTERNS {
        let step = match (tried(folder, folder.touch(&file, Some(set), None))?, folder.look(&file, Freshness::Fresh)?) {
            (Some(()), Some(node)) => step(set, node.stamp.mtime),
            _ => 2 * SECOND,
        };
        coarsest = coarsest.max(step);
    }
    Ok(coarsest)
}

fn step(set: Time, got: Time) -> i64 {
    STEPS.into_iter().find(|step| set.0.abs_diff(got.0) < step.unsigned_abs()).unwrap_or(2 * SECOND)
}

fn keeps_modes(folder: &dyn Folder) -> Result<bool> {
    let file = own::name("file");
    for mode in [0o640, 0o750] {
        if tried(folder, folder.touch(&file, None, Some(mode)))?.is_none() {
            return Ok(false);
        }
        if folder.look(&file, Freshness::Fresh)?.is_none_or(|node| node.mode & 0o7777 != mode) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn makes_links(folder: &dyn Folder) -> Result<bool> {
    let link = own::name("link");
    if tried(folder, folder.make_link(&link, b"no/such target"))?.is_none() {
        return Ok(false);
    }
    let expected = NodeContent::Plain(Content::Link { target: b"no/such target"[..].into() });
    Ok(folder.look(&link, Freshness::Fresh)?.is_some_and(|node| node.content == expected))
}

fn makes_hard_links(root: &dyn Root, folder: &dyn Folder, path: &RelPath) -> Result<bool> {
    let made = tried(folder, root.link(&path.join(b"file"), &path.join(b"hard")))?.is_some();
    Ok(made && size(folder, "hard")? == Some(1))
}

fn exchanges(folder: &dyn Folder) -> Result<bool> {
    own::stage(folder, &own::name("one"), b"1", Keep::Lazily)?;
    own::stage(folder, &own::name("two"), b"22", Keep::Lazily)?;
    let done = tried(folder, folder.exchange(&own::name("one"), &own::name("two")))?.is_some();
    Ok(done && size(folder, "one")? == Some(2) && size(folder, "two")? == Some(1))
}

/// Is a file made as `name` found as `other`? A name that cannot be made folds nothing.
fn folds(folder: &dyn Folder, name: &str, other: &str) -> Result<bool> {
    match own::stage(folder, &own::name(name), b"1", Keep::Lazily) {
        Err(Error::Disk(error)) => Ok(tried::<bool>(folder, Err(error))?.unwrap_or(false)),
        Err(_) => Ok(false),
        Ok(()) => Ok(folder.look(&own::name(other), Freshness::Fresh)?.is_some()),
    }
}

pub(super) fn size(folder: &dyn Folder, name: &str) -> Result<Option<u64>> {
    let size_of = |node: Node| match node.content {
        NodeContent::Plain(Content::File { size, .. }) => Some(size),
        _ => None,
    };
    Ok(folder.look(&own::name(name), Freshness::Fresh)?.and_then(size_of))
}

/// A refusal is an answer here; only a root that is gone is an error. An input/output error can be either (rclone says it
/// for a symbolic link, davfs2 for a long name), so the folder is asked whether it still answers.
pub(super) fn tried<T>(folder: &dyn Folder, result: crate::disk::Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind == ErrorKind::Gone && folder.list().is_err() => Err(error.into()),
        Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(unix)]
    use crate::disk::{Error as DiskError, open_root};

    /// An input/output error on a network root, as its kind has it.
    #[cfg(unix)]
    fn gone() -> DiskError {
        DiskError::new("link", "name", ErrorKind::Gone, std::io::Error::from_raw_os_error(5))
    }

    /// On Windows a folder that is open goes only when it is closed.
    #[cfg(unix)]
    #[test]
    fn a_refusal_that_looks_like_a_root_that_is_gone_is_asked_about() {
        let place = tempfile::tempdir().expect("a temporary folder");
        let path = place.path().join("root");
        std::fs::create_dir(&path).expect("a folder");
        let folder = open_root(&path, true).and_then(|root| root.folder(&RelPath::root())).expect("opened");
        assert!(matches!(tried::<()>(folder.as_ref(), Err(gone())), Ok(None)), "the folder answers, so it was a refusal");
        std::fs::remove_dir(&path).expect("removed");
        assert!(matches!(tried::<()>(folder.as_ref(), Err(gone())), Err(error) if error.is_gone()), "nothing answers");
    }

    #[test]
    fn a_probe_finds_what_a_simulated_volume_is_like() {
        use crate::disk::sim::{Habits, World};
        for (habits, kind) in [
            (Habits::LOCAL, "ext4"),
            (Habits { folds_unicode: true, ..Habits::SMB }, "cifs"),
            (Habits::SSHFS, "fuse.sshfs"),
            (Habits::FAT, "vfat"),
            (Habits::DAV, "fuse"),
        ] {
            let world = World::new(1);
            let volume = world.volume("volume", habits);
            let verdict = Verdict {
                network: habits.remote,
                file_system: kind.to_owned(),
                mount_point: "/volume".into(),
                source: "volume".to_owned(),
                reason: String::new(),
            };
            let root = volume.open().expect("the root opens");
            let probed = probe(root.as_ref(), &verdict).expect("tried out");
            assert_eq!(probed, Probed { traits: volume.traits(), measured: true }, "{kind}");
            assert_eq!(volume.lines(Default::default()), [""; 0], "nothing is left in the project");
            let behind = world.now().0 + habits.skew_ns - clock(root.as_ref()).expect("asked").0.0;
            assert!(behind <= habits.granularity_ns.max(habits.tick_ns), "{kind}: {behind} ns behind");
        }
    }

    #[test]
    fn each_step_is_told_from_what_became_of_a_time() {
        let even = PATTERNS[1].0;
        let rows = [
            (0, 1),
            (-89, 100),
            (11, 100),
            (-789, 1_000),
            (211, 1_000),
            (-456_789, MILLISECOND),
            (-3_456_789, 10 * MILLISECOND),
            (-23_456_789, 100 * MILLISECOND),
            (-123_456_789, SECOND),
            (2 * SECOND - 123_456_789, 2 * SECOND),
            // A daemon that counts in floating-point seconds: a multiple of no step.
            (-73, 100),
            (3_600 * SECOND, 2 * SECOND),
        ];
        for (off, expected) in rows {
            assert_eq!(step(PATTERNS[1], Time(even + off)), expected, "off by {off}");
        }
        // Down to an even second, from an odd one.
        assert_eq!(step(PATTERNS[0], Time(1_700_000_000 * SECOND)), 2 * SECOND);
    }
}
