//! From a value to a check: how it stands, what it limits, how to mend it. Tables and sentences; nothing is asked here.

use super::{Check, Health, Role};
use crate::disk::{ErrorKind, Space};
use crate::model::shown::quoted;
use crate::model::side::Side;
use crate::model::traits::Traits;
use crate::roots::mounts::Verdict;

use Health::{Degraded, Limited, Problem, Unknown};

const SECOND: i64 = 1_000_000_000;

/// Less than this is worth a word: a run keeps a reserve and then stops.
const LITTLE_ROOM: u64 = 64 << 20;
const FEW_FILES: u64 = 1_000;

/// Clocks that are further apart show people times that are off.
const CLOCKS_APART: i64 = 60 * SECOND;
/// No clock is five years off: some mounts give a new file a time of their own until it is uploaded (rclone: 1999).
const NO_CLOCK: i64 = 5 * 365 * 86_400 * SECOND;

/// Names that some file systems cannot hold, with the word for each.
pub const ODD_NAMES: &[(&str, &[u8])] = &[
    ("a colon", b"odd:colon"),
    ("a question mark", b"odd?mark"),
    ("a star", b"odd*star"),
    ("a quote", b"odd\"quote"),
    ("a backslash", b"odd\\backslash"),
    ("a dot at the end", b"odd-dot."),
    ("a space at the end", b"odd-space "),
    ("a newline", b"odd\nline"),
    ("a control character", b"odd\x07bell"),
    ("bytes that are not UTF-8", b"odd-\xff\xfe"),
    ("a name reserved on Windows", b"aux.txt"),
];

/// The check that says whether a root answers.
pub const REACHABLE: &str = "reachable";

/// What became of the odd names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Names {
    NotTried,
    Tried { refused: Vec<&'static str> },
}

/// Bytes for people.
pub fn bytes(number: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let Some(unit) = (0..units.len()).rev().find(|unit| number >> (10 * (unit + 1)) > 0) else { return format!("{number} B") };
    let one = 1_u64 << (10 * (unit + 1));
    let tenths = u128::from(number) * 10 / u128::from(one);
    format!("{}.{} {}", tenths / 10, tenths % 10, units[unit])
}

pub fn mount(verdict: &Verdict, options: Option<&str>) -> Check {
    let Verdict { file_system, mount_point, source, .. } = verdict;
    let options = options.map(|options| format!(" ({options})")).unwrap_or_default();
    Check::ok("mount", format!("{file_system} from {} at {}{options}", quoted(source), quoted(mount_point)))
}

pub fn place(verdict: &Verdict, role: Role) -> Check {
    if verdict.network && role == Role::Of(Side::Staging) {
        return Check::new("place", Degraded, "network")
            .meaning(format!("a staging root is to be fast and to lock safely. {}", verdict.reason))
            .mend("pair the network root with a staging folder on a local disk");
    }
    Check::ok("place", if verdict.network { "network" } else { "local" }).meaning(verdict.reason.clone())
}

pub fn reachable(entries: usize) -> Check {
    Check::ok(REACHABLE, format!("yes, {entries} names at the top"))
}

pub fn unreachable(message: &str) -> Check {
    Check::new(REACHABLE, Unknown, message)
        .meaning("nothing more can be told of this root; what was synchronised before is safe where it is")
        .mend("see that the drive is mounted and its server answers, then run `driftless doctor` again")
}

pub fn silent(step: &str, seconds: u64) -> Check {
    Check::new(REACHABLE, Unknown, format!("no answer for {seconds} s while {step}"))
        .meaning("whatever asks this mount anything hangs until it answers; nothing was lost, and the trial ends by itself then")
        .mend("see that its server answers, or mount it again; `--wait 1m` waits longer")
}

pub fn space(space: &Space, verdict: &Verdict) -> Vec<Check> {
    let value = format!("{} free of {}", bytes(space.free), bytes(space.total));
    // Servers that do not know say zero or nonsense.
    let room = match space.free {
        _ if space.total == 0 => Check::new("space", Unknown, "the file system does not tell"),
        0 => Check::new("space", Problem, value)
            .meaning("nothing can be written")
            .mend("make room; `driftless trash empty` may help"),
        free if free < LITTLE_ROOM => Check::new("space", Limited, value)
            .meaning("a run stops before it writes where it would not fit")
            .mend("make room; `driftless trash empty` may help"),
        _ => Check::ok("space", value),
    };
    let files = match space.free_files {
        None => Check::ok("inodes", "not counted here"),
        // Programs leave the number out (rclone).
        Some(0) if verdict.network || verdict.is_fuse() => Check::ok("inodes", "not told"),
        Some(0) => {
            Check::new("inodes", Problem, "no file can be made any more").mend("remove files, or make the file system larger")
        }
        Some(free) if free < FEW_FILES => Check::new("inodes", Limited, format!("{free} files can still be made"))
            .meaning("a run that needs more ends with problems of those paths"),
        Some(free) => Check::ok("inodes", format!("{free} free")),
    };
    vec![room, files]
}

pub fn not_writable(role: Role, kind: ErrorKind, message: &str) -> Check {
    let meaning = match role {
        Role::Of(Side::Network) => "`sync up` cannot work, `sync down` can; what takes writing was not tried",
        Role::Of(Side::Staging) => "no sync can work: the pair's lock lies in staging; what takes writing was not tried",
        Role::Folder => "it cannot be synchronised into; what takes writing was not tried",
    };
    let mend = match kind {
        ErrorKind::Full => "make room on that file system",
        ErrorKind::ReadOnly => "mount it for writing (`mount -o remount,rw`), if it is meant to be written",
        ErrorKind::Barred => "remove what stands at `.driftless` in that folder, if it is not of this program",
        _ => "get the right to write in that folder",
    };
    Check::new("writable", Problem, format!("no: {message}")).meaning(meaning).mend(mend)
}

pub fn bad_marker(message: &str) -> Check {
    Check::new("marker", Problem, message)
        .meaning("a root that cannot say who it is is never written")
        .mend("put `.driftless/root.toml` back from a backup, if the folder is the right one")
}

pub fn lease(host: &str) -> Check {
    Check::ok("lease", format!("held by {}", host.escape_debug()))
        .meaning("another run writes, or was killed; one that stands still for 15 s is taken over")
}

pub fn leftovers(number: usize) -> Check {
    Check::ok("leftovers", format!("{number} in `.driftless`"))
        .meaning("of runs at work or killed; they go after 7 days by themselves")
}

pub fn left_behind(path: &str) -> Check {
    Check::new("trials", Limited, format!("{path} could not be removed"))
        .meaning("it holds nothing of yours and is never synchronised; it goes after 7 days by itself")
        .mend("remove it when the mount has settled")
}

pub fn granularity(step_ns: i64) -> Check {
    let value = format!("{} steps", span(step_ns));
    if step_ns < SECOND {
        return Check::ok("times", value);
    }
    Check::new("times", Limited, value)
        .meaning("times of both sides are compared at this step; a file changed within a step of the last look is read again")
}

fn span(ns: i64) -> String {
    match ns {
        ns if ns >= SECOND => format!("{} s", ns / SECOND),
        ns if ns >= 1_000_000 => format!("{} ms", ns / 1_000_000),
        ns if ns >= 1_000 => format!("{} \u{b5}s", ns / 1_000),
        ns => format!("{ns} ns"),
    }
}

/// `ahead_ns`: by how much the root's clock is ahead of this machine's.
pub fn clock(step_ns: i64, ahead_ns: i64) -> Check {
    if ahead_ns.abs() > NO_CLOCK {
        return Check::new("clock", Limited, "a new file has a made-up time until it is uploaded")
            .meaning("every file counts as just changed and is read at each run: slow, and never wrong");
    }
    // What takes as long as a step or a round trip is no difference.
    let off = ahead_ns.abs();
    let apart = match ahead_ns {
        _ if off < 2 * SECOND => "as this machine's".to_owned(),
        ahead if ahead > 0 => format!("{} ahead of this machine's", span(off)),
        _ => format!("{} behind this machine's", span(off)),
    };
    let value = format!("{apart}, {} steps", span(step_ns));
    if off <= CLOCKS_APART {
        return Check::ok("clock", value);
    }
    Check::new("clock", Limited, value)
        .meaning("no decision rests on it: clocks of two machines are never compared; but the times that people see are off")
        .mend("let both machines take their time from the network (NTP)")
}

/// How old an answer may be, by the kind of mount and its options.
pub fn age(verdict: &Verdict, options: Option<&str>) -> Check {
    if !verdict.network {
        return Check::ok("age", "none: the kernel of this machine answers");
    }
    let named = |keys: &[&str]| {
        let all = options.unwrap_or_default().split(',');
        all.filter(|option| keys.iter().any(|key| option.split('=').next() == Some(key))).collect::<Vec<_>>().join(",")
    };
    let told =
        named(&["actimeo", "acregmin", "acregmax", "acdirmin", "acdirmax", "noac", "lookupcache", "cache", "attr_timeout"]);
    let kind = verdict.file_system.as_str();
    let (value, mend) = match kind.strip_prefix("fuse.").unwrap_or(kind) {
        "sshfs" => ("up to 20 s (dcache_timeout), not shown by the mount", Some("`-o dcache_timeout=1` makes it shorter")),
        "rclone" => ("up to 5 min for folders, 1 min for files", Some("`--dir-cache-time 1s --attr-timeout 1s` make it shorter")),
        "nfs" | "nfs3" | "nfs4" => ("3 to 60 s, unless the mount says otherwise", Some("`-o actimeo=1` makes it shorter")),
        "cifs" | "smb3" => ("1 s, unless the mount says otherwise", Some("`-o actimeo=1` is the default")),
        // Windows' own client keeps folders and what it was told of files for 10 s, and that there was none for 5 s.
        "smb" => (
            "up to 10 s",
            Some("`Set-SmbClientConfiguration -DirectoryCacheLifetime 1 -FileInfoCacheLifetime 1 -FileNotFoundCacheLifetime 1`"),
        ),
        "fuse" if verdict.source.starts_with("http") => ("as davfs2 is set up (dir_refresh 60 s)", Some("`dir_refresh 1`")),
        _ => ("not known for this kind of mount", None),
    };
    let value = if told.is_empty() { value.to_owned() } else { format!("{value}: {told}") };
    let check = Check::new("age", Limited, value).meaning(
        "a listing may be that old. Before anything is written over or deleted the file is opened and asked anew, so \
         nothing is lost; another machine's edit may be seen a run later",
    );
    match mend {
        Some(mend) => check.mend(mend),
        None => check,
    }
}

/// What the engine's own traits come to. `keeps_id`: a file kept its number over a rename.
pub fn of_traits(traits: &Traits, verdict: &Verdict, keeps_id: Option<bool>) -> Vec<Check> {
    let kind = verdict.file_system.as_str();
    let smb = matches!(kind, "cifs" | "smb3");
    let one = |name: &str, has: bool, without: &str, mend: Option<&str>| match (has, mend) {
        (true, _) => Check::ok(name, "yes"),
        (false, Some(mend)) => Check::new(name, Limited, "no").meaning(without).mend(mend),
        (false, None) => Check::new(name, Limited, "no").meaning(without),
    };
    let folds = |name: &str, folded: bool, by: &str| {
        if folded {
            Check::new(name, Limited, "folded").meaning(format!(
                "of two names that differ by {by} alone only one can be here; the other is a problem of its path"
            ))
        } else {
            Check::ok(name, "told apart")
        }
    };
    let ids = match (traits.ids, keeps_id) {
        (true, Some(true)) => Check::ok("ids", "kept over renames; a new mount cannot be tried"),
        (_, Some(true)) => Check::new("ids", Limited, "kept over renames, made up at each mount")
            .meaning("they are not believed: a change is told by size and time, a rename by content"),
        _ => Check::new("ids", Limited, "not kept").meaning("a change is told by size and time, a rename by content"),
    };
    vec![
        ids,
        one("change-times", traits.ctime, "an edit that keeps size and time is seen by `sync --verify` only", None),
        folds("case", traits.folds_case, "letter case"),
        folds("unicode", traits.folds_unicode, "Unicode form"),
        one(
            "links",
            traits.links,
            "a symbolic link of the other side is a problem of its path, never a copy",
            match kind {
                "cifs" | "smb3" => Some("mount with `-o mfsymlinks`"),
                _ if cfg!(windows) && !verdict.network => {
                    Some("turn on Developer Mode, or give the account the right to make links")
                }
                _ => None,
            },
        ),
        one(
            "hard-links",
            traits.hard_links,
            "what is replaced is moved to the trash first, so its name is absent for two renames",
            None,
        ),
        one(
            "exchange",
            traits.exchange,
            "what is replaced is kept by a hard link or a move instead of an exchange in one step",
            None,
        ),
        one(
            "modes",
            traits.modes,
            "permission bits are not carried to this root, nor taken from it",
            smb.then_some("the SMB3 POSIX extensions (`-o posix`)"),
        ),
    ]
}

pub fn link_times(kept: Option<bool>) -> Check {
    match kept {
        Some(true) => Check::ok("link-times", "kept"),
        Some(false) => {
            Check::new("link-times", Limited, "not kept").meaning("links get the time of their copy; nothing depends on it")
        }
        None => Check::ok("link-times", "no links here"),
    }
}

pub fn replace(replaces: Option<bool>) -> Check {
    match replaces {
        Some(true) => Check::ok("replace", "in one step"),
        _ => Check::new("replace", Problem, "a file cannot be renamed over another")
            .meaning("a new version cannot take the place of the old one in one step")
            .mend("mount it with a driver that can (sshfs: without `-o workaround=none`; its server needs posix-rename)"),
    }
}

pub fn replace_open(replaces: Option<bool>) -> Check {
    match replaces {
        Some(true) => Check::ok("replace-open", "yes, its readers keep the old version"),
        _ => Check::new("replace-open", Limited, "no")
            .meaning("a file that a program has open stays as it is and is listed as busy")
            .mend("close the program and sync again"),
    }
}

pub fn refuse(refuses: Option<bool>) -> Check {
    match refuses {
        Some(true) => Check::ok("refuse-to-replace", "yes"),
        _ => Check::new("refuse-to-replace", Limited, "no")
            .meaning("a file that somebody makes in the very moment of a rename to its name is replaced (docs/safety.md)"),
    }
}

/// Neither is needed, so that neither is a limit.
pub fn clones(clone: Option<bool>, copy_range: Option<bool>) -> Check {
    Check::ok(
        "copies",
        match (clone, copy_range) {
            (Some(true), _) => "blocks can be shared (clone)",
            (_, Some(true)) => "made by the kernel, blocks not shared",
            _ => "read and written",
        },
    )
}

pub fn holes(kept: Option<bool>) -> Check {
    match kept {
        Some(true) => Check::ok("holes", "kept"),
        _ => Check::new("holes", Limited, "not kept, or not shown").meaning("a sparse file may take its full size here"),
    }
}

/// `held`: a file of 5 GiB; `None` where trying it would fill the disk.
pub fn file_size(kind: &str, held: Option<bool>) -> Check {
    match (kind.to_ascii_lowercase().as_str(), held) {
        // As Linux names them, and as Windows does.
        ("vfat" | "msdos" | "fat" | "fat32", _) | (_, Some(false)) => {
            Check::new("file-size", Limited, "less than 4 GiB").meaning("a larger file is a problem of its path")
        }
        (_, Some(true)) => Check::ok("file-size", "over 4 GiB"),
        (_, None) => Check::ok("file-size", "not tried: it would take the room"),
    }
}

pub fn locks(work: Option<bool>, role: Role) -> Check {
    match (work, role) {
        (Some(true), _) => Check::ok("locks", "work"),
        (_, Role::Of(Side::Staging)) => Check::new("locks", Problem, "do not work")
            .meaning("two runs of this pair could not be kept apart")
            .mend("choose a staging folder on a local disk"),
        _ => Check::new("locks", Limited, "do not work")
            .meaning("as a network root it needs none (a lease is held there); it cannot be a staging root"),
    }
}

pub fn writers(told: Option<bool>, network: bool, role: Role) -> Check {
    let meaning =
        "a program that has a file open while it is replaced or deleted writes on into the version in the trash (docs/safety.md)";
    match told {
        Some(true) if !network => Check::ok("open-files", "told"),
        Some(true) => Check::new("open-files", Limited, "of this machine's programs only").meaning(meaning),
        _ if role == Role::Of(Side::Staging) => {
            Check::new("open-files", Limited, "not told").meaning(meaning).mend("choose a staging folder on a local disk")
        }
        _ => Check::new("open-files", Limited, "not told").meaning(meaning),
    }
}

pub fn events(come: Option<bool>, network: bool) -> Check {
    match (come, network) {
        (Some(true), false) => Check::ok("events", "come"),
        (_, true) => Check::new("events", Limited, "of this machine's changes only")
            .meaning("other machines' changes give no event; they are found by looking"),
        (Some(false), false) => Check::new("events", Limited, "none").meaning("changes are found by looking"),
        (None, false) => Check::new("events", Unknown, "no watch was to be had")
            .meaning("changes are found by looking")
            .mend("raise fs.inotify.max_user_watches and max_user_instances"),
    }
}

/// Kinds that store what was flushed later, or never: the word for why.
fn flush_proves_nothing(verdict: &Verdict, options: &str) -> Option<(&'static str, &'static str)> {
    let kind = verdict.file_system.as_str();
    let has = |option: &str| options.split(',').any(|word| word == option);
    const LATER: &str = "work on a staging folder and let the mount finish its uploads before you unmount it or switch off";
    match kind.strip_prefix("fuse.").unwrap_or(kind) {
        "rclone" => Some((
            "rclone uploads later, and shows old bytes for a minute",
            "mount with `--vfs-cache-mode off`, or use sshfs or SMB",
        )),
        "davfs" | "davfs2" => Some(("davfs2 uploads later", LATER)),
        "fuse" if verdict.source.starts_with("http") => Some(("davfs2 uploads later", LATER)),
        "s3fs" | "goofys" | "gcsfuse" | "blobfuse" | "blobfuse2" | "juicefs" | "onedriver" | "google-drive-ocamlfuse" => {
            Some(("an object store gets files when they are closed, or later", LATER))
        }
        "curlftpfs" | "smbnetfs" | "gvfsd-fuse" => {
            Some(("its program does not pass a flush on", "mount with sshfs or the kernel's SMB"))
        }
        "tmpfs" | "ramfs" => Some(("it is kept in memory alone", "use a folder on a disk for what has to outlive a power cut")),
        _ if has("nobarrier") || has("barrier=0") => {
            Some(("the mount leaves the disk's cache out (nobarrier)", "mount without that option"))
        }
        _ if has("nostrictsync") => Some(("the mount leaves flushes out (nostrictsync)", "mount without that option")),
        _ => None,
    }
}

pub fn flush(verdict: &Verdict, options: Option<&str>, file: bool, folder: bool) -> Check {
    if let Some((why, mend)) = flush_proves_nothing(verdict, options.unwrap_or_default()) {
        return Check::new("flush", Degraded, "proves nothing")
            .meaning(format!("{why}; a power cut can take files that a run reported as done. The next sync finds and sends them again while staging is whole"))
            .mend(mend);
    }
    match (file, folder, verdict.is_fuse()) {
        (true, true, false) => Check::ok("flush", "files, folders, and all at once"),
        (true, true, true) => Check::ok("flush", "file by file, as far as its program passes it on"),
        (true, false, _) => Check::new("flush", Limited, "files, not folders")
            .meaning("after a power cut a file that was made just before may be missing; the next sync writes it again"),
        (false, ..) => Check::new("flush", Degraded, "refused")
            .meaning("what a run reported as done may be lost in a power cut; the next sync finds it"),
    }
}

pub fn longest_name(bytes: Option<usize>) -> Check {
    match bytes {
        Some(255) => Check::ok("name-length", "255 bytes; paths of any length"),
        Some(shorter) => Check::new("name-length", Limited, format!("about {shorter} bytes"))
            .meaning("an entry with a longer name is a problem of its path"),
        None => Check::new("name-length", Unknown, "no name could be made"),
    }
}

pub fn names(names: &Names) -> Check {
    match names {
        Names::NotTried => Check::new("names", Unknown, "not tried: this driver was seen to stop working after odd names"),
        Names::Tried { refused } if refused.is_empty() => Check::ok("names", "any"),
        Names::Tried { refused } => Check::new("names", Limited, format!("not with {}", refused.join(", ")))
            .meaning("an entry with such a name is a problem of its path; nothing is renamed for it"),
    }
}

/// The kernel's limit of watches for one user.
pub fn watches(limit: Option<u64>) -> Check {
    match limit {
        None if cfg!(windows) => Check::ok("watches", "one covers a whole root"),
        None => Check::new("watches", Unknown, "the system does not tell"),
        Some(limit) if limit < 65_536 => Check::new("watches", Limited, format!("{limit} folders"))
            .meaning("folders beyond that give no event and are found by looking")
            .mend("sysctl fs.inotify.max_user_watches=524288"),
        Some(limit) => Check::ok("watches", format!("{limit} folders")),
    }
}

pub fn open_files(limit: Option<u64>) -> Check {
    match limit {
        None => Check::ok("open-file-limit", "none"),
        Some(limit) if limit < 256 => Check::new("open-file-limit", Limited, limit.to_string())
            .meaning("a run with many workers may be refused files")
            .mend("raise it: `ulimit -n 1024`"),
        Some(limit) => Check::ok("open-file-limit", limit.to_string()),
    }
}
