//! How a simulated volume treats names, times, modes, links and flushes: the ways in which real ones differ.

use super::tree::Ino;
use crate::model::path::Name;
use crate::model::time::Time;
use crate::model::traits::Traits;

const SECOND: i64 = 1_000_000_000;

/// File ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ids {
    /// Never given twice.
    Stable,
    /// The lowest free one is given to the next file, as local file systems do.
    Reused,
    /// Other ones after each mount.
    PerMount,
}

/// What becomes of a file's mtime right after it was written, set and closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restamp {
    Kept,
    /// Down to a multiple of so many nanoseconds, coarser than what a `touch` keeps.
    Rounded(i64),
    /// The server's own time.
    Now,
    /// The same, of every second file.
    Some,
}

/// What a successful flush is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    Proves,
    /// Answers well and does nothing (davfs2, rclone).
    Lies,
    /// A folder's flush and that of everything are refused; a file's is good.
    FilesOnly,
}

#[derive(Clone, Copy, Debug)]
pub struct Habits {
    /// Steps in which times are kept.
    pub granularity_ns: i64,
    /// Steps of the clock with which changes are stamped.
    pub tick_ns: i64,
    /// How far the volume's clock is ahead of the world's.
    pub skew_ns: i64,
    pub ids: Ids,
    pub restamp: Restamp,
    pub flush: Flush,
    /// Names are durable with the call that made them, as where a server keeps them.
    pub names_at_once: bool,
    /// Names become durable in the order in which they were made, as a journal has it; else in each folder by itself.
    pub names_in_order: bool,
    /// What was done so long ago is durable without a flush.
    pub writes_back_ns: i64,
    pub folds_case: bool,
    pub folds_unicode: bool,
    /// Permission bits are kept, and obeyed by the engine's calls; else everything has 0755.
    pub modes: bool,
    /// Symbolic links can be made.
    pub links: bool,
    /// The mtime of a link can be set.
    pub link_times: bool,
    pub hard_links: bool,
    pub exchange: bool,
    /// `RENAME_NOREPLACE`; else a look and a rename, and the world may act in between (operation `rename, second half`).
    pub refuses_to_replace: bool,
    /// Holes are told; else they are data.
    pub holes: bool,
    /// Ranges of a file can be taken over without their bytes.
    pub ranges: bool,
    /// It can be asked who has a file open.
    pub leases: bool,
    /// For so long a cached look and a listing may show what a name showed before.
    pub cache_ns: i64,
    pub remote: bool,
    pub fuse: bool,
    /// Names have to be UTF-8.
    pub utf8_only: bool,
    /// Bytes that no name may hold.
    pub forbidden: &'static [u8],
    /// Room for contents.
    pub bytes: u64,
    /// Room for files, folders and links; `None` where the volume does not count.
    pub files: Option<u64>,
}

impl Habits {
    /// ext4 and its like.
    pub const LOCAL: Habits = Habits {
        granularity_ns: 1,
        tick_ns: 4_000_000,
        skew_ns: 0,
        ids: Ids::Reused,
        restamp: Restamp::Kept,
        flush: Flush::Proves,
        names_at_once: false,
        names_in_order: true,
        writes_back_ns: 30 * SECOND,
        folds_case: false,
        folds_unicode: false,
        modes: true,
        links: true,
        link_times: true,
        hard_links: true,
        exchange: true,
        refuses_to_replace: true,
        holes: true,
        ranges: true,
        leases: true,
        cache_ns: 0,
        remote: false,
        fuse: false,
        utf8_only: false,
        forbidden: b"",
        bytes: 1 << 30,
        files: Some(1_000_000),
    };

    /// A Windows or Samba share.
    pub const SMB: Habits = Habits {
        granularity_ns: 100,
        tick_ns: 100,
        skew_ns: 3 * SECOND,
        ids: Ids::Stable,
        names_at_once: true,
        folds_case: true,
        modes: false,
        links: false,
        link_times: false,
        hard_links: true,
        exchange: false,
        holes: false,
        leases: false,
        cache_ns: SECOND,
        remote: true,
        utf8_only: true,
        forbidden: b":*?\"<>|\\",
        files: None,
        ..Habits::LOCAL
    };

    /// sshfs: whole seconds, ids of its own at each mount, flushes that reach files only.
    pub const SSHFS: Habits = Habits {
        granularity_ns: SECOND,
        tick_ns: SECOND,
        skew_ns: -2 * SECOND,
        ids: Ids::PerMount,
        flush: Flush::FilesOnly,
        names_at_once: true,
        link_times: false,
        exchange: false,
        refuses_to_replace: false,
        holes: false,
        ranges: false,
        leases: false,
        cache_ns: 20 * SECOND,
        remote: true,
        fuse: true,
        ..Habits::LOCAL
    };

    /// An exFAT or FAT stick: 2 s, no links of any kind.
    pub const FAT: Habits = Habits {
        granularity_ns: 2 * SECOND,
        tick_ns: 2 * SECOND,
        ids: Ids::PerMount,
        folds_case: true,
        modes: false,
        links: false,
        link_times: false,
        hard_links: false,
        exchange: false,
        refuses_to_replace: false,
        holes: false,
        ranges: false,
        utf8_only: true,
        forbidden: b":*?\"<>|\\",
        files: None,
        ..Habits::LOCAL
    };

    /// Uploads later: flushes prove nothing, and times are the server's.
    pub const DAV: Habits = Habits {
        flush: Flush::Lies,
        names_at_once: false,
        restamp: Restamp::Now,
        hard_links: false,
        links: false,
        ..Habits::SSHFS
    };

    /// What a probe finds of such a volume.
    pub fn traits(&self) -> Traits {
        let believed = !self.remote && !self.fuse;
        Traits {
            granularity_ns: self.granularity_ns,
            clock_step_ns: self.granularity_ns.max(10_000_000),
            ctime: believed && self.modes,
            ids: believed && self.ids != Ids::PerMount,
            modes: self.modes,
            links: self.links,
            hard_links: self.hard_links,
            exchange: self.exchange,
            folds_case: self.folds_case,
            folds_unicode: self.folds_unicode,
            remote: self.remote,
            fuse: self.fuse,
        }
    }

    /// The volume's own time, as it stamps a change.
    pub(super) fn stamp(&self, now: i64) -> Time {
        self.kept(Time(down(now + self.skew_ns, self.tick_ns)))
    }

    /// A time as it is kept.
    pub(super) fn kept(&self, time: Time) -> Time {
        Time(down(time.0, self.granularity_ns))
    }

    pub(super) fn restamped(&self, file: Ino, set: Time, now: i64) -> Time {
        match self.restamp {
            Restamp::Kept => set,
            Restamp::Some if file.is_multiple_of(2) => set,
            Restamp::Rounded(step) => Time(down(set.0, step)),
            Restamp::Now | Restamp::Some => self.stamp(now),
        }
    }

    /// Can a name be held here at all?
    pub(super) fn holds(&self, name: &[u8]) -> bool {
        let bad = self.utf8_only && std::str::from_utf8(name).is_err();
        !bad && !name.iter().any(|byte| self.forbidden.contains(byte))
    }

    /// Equal for names that are one here.
    pub(super) fn key(&self, name: &Name) -> Vec<u8> {
        let Ok(text) = std::str::from_utf8(name) else { return name.to_vec() };
        let apart = |c: char| if self.folds_unicode { decomposed(c) } else { [Some(c), None] };
        let lower = |c: char| if self.folds_case { c.to_lowercase().collect::<String>() } else { c.to_string() };
        text.chars().flat_map(apart).flatten().map(lower).collect::<String>().into_bytes()
    }
}

fn down(time: i64, step: i64) -> i64 {
    if step <= 1 { time } else { time - time.rem_euclid(step) }
}

/// A letter and its mark. Enough letters for tests: a whole table would be a library for a few names.
fn decomposed(c: char) -> [Option<char>; 2] {
    const MARKED: [(char, &str, &str); 5] = [
        ('\u{300}', "àèìòùÀÈÌÒÙ", "aeiouAEIOU"),
        ('\u{301}', "áéíóúýÁÉÍÓÚÝ", "aeiouyAEIOUY"),
        ('\u{302}', "âêîôûÂÊÎÔÛ", "aeiouAEIOU"),
        ('\u{303}', "ãñõÃÑÕ", "anoANO"),
        ('\u{308}', "äëïöüÿÄËÏÖÜ", "aeiouyAEIOU"),
    ];
    for (mark, whole, plain) in MARKED {
        if let Some(at) = whole.chars().position(|letter| letter == c) {
            return [plain.chars().nth(at), Some(mark)];
        }
    }
    [Some(c), None]
}
