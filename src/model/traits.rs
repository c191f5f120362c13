//! What a root can do and how far its answers can be trusted, as measured once a root.

use super::side::PerSide;

/// How a root treats times, names, links and modes. Measured by `roots::probe`, kept in the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traits {
    /// Steps in which the root stores mtimes, in nanoseconds (1, 100, 10 ms, 1 s, 2 s).
    pub granularity_ns: i64,
    /// Steps of the root's own clock, in nanoseconds: two writes closer than this may get the same time.
    pub clock_step_ns: i64,
    /// `ctime` changes with every change and with nothing else (not so on FUSE and most network mounts).
    pub ctime: bool,
    /// File ids survive a remount and are not reused at once.
    pub ids: bool,
    /// Permission bits can be set and are kept.
    pub modes: bool,
    /// Symbolic links can be made.
    pub links: bool,
    /// Hard links can be made.
    pub hard_links: bool,
    /// Two names can be exchanged in one step.
    pub exchange: bool,
    /// Names that differ only by case are one.
    pub folds_case: bool,
    /// Names that differ only by Unicode form are one.
    pub folds_unicode: bool,
    /// The root lies on another machine, so that answers can be stale and it can go away.
    pub remote: bool,
    /// The mount is a FUSE one: `syncfs` does not reach its daemon.
    pub fuse: bool,
}

impl Traits {
    /// A local Linux file system.
    pub const LOCAL: Traits = Traits {
        granularity_ns: 1,
        clock_step_ns: 10_000_000,
        ctime: true,
        ids: true,
        modes: true,
        links: true,
        hard_links: true,
        exchange: true,
        folds_case: false,
        folds_unicode: false,
        remote: false,
        fuse: false,
    };
}

impl Traits {
    /// Two names may be one there.
    pub fn folds(&self) -> bool {
        self.folds_case || self.folds_unicode
    }
}

impl PerSide<Traits> {
    /// The coarser granularity of both roots, in nanoseconds: times that differ by less are equal.
    pub fn granularity_ns(&self) -> i64 {
        self.staging.granularity_ns.max(self.network.granularity_ns)
    }

    /// Both roots keep permission bits.
    pub fn modes(&self) -> bool {
        self.staging.modes && self.network.modes
    }
}
