//! What was asked of the layer: calls by kind, bytes, and how many were waiting side by side.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Counts;

/// The kinds of requests, as FUSE has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Create,
    Flush,
    Fsync,
    Fsyncdir,
    Getattr,
    Link,
    Lookup,
    Lseek,
    Mkdir,
    Open,
    Opendir,
    Read,
    Readdir,
    Readlink,
    Release,
    Releasedir,
    Rename,
    Rmdir,
    Setattr,
    Statfs,
    Symlink,
    Unlink,
    Write,
}

/// The words for them, in their order.
const WORDS: [&str; 23] = [
    "create",
    "flush",
    "fsync",
    "fsyncdir",
    "getattr",
    "link",
    "lookup",
    "lseek",
    "mkdir",
    "open",
    "opendir",
    "read",
    "readdir",
    "readlink",
    "release",
    "releasedir",
    "rename",
    "rmdir",
    "setattr",
    "statfs",
    "symlink",
    "unlink",
    "write",
];

#[derive(Debug, Default)]
pub(super) struct Books {
    calls: [AtomicU64; WORDS.len()],
    read: AtomicU64,
    written: AtomicU64,
    at_work: AtomicU64,
    most_at_once: AtomicU64,
}

impl Books {
    pub(super) fn called(&self, call: Call) {
        self.calls[call as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn has_read(&self, bytes: usize) {
        self.read.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn has_written(&self, bytes: usize) {
        self.written.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// A worker took a request, and is at it until what this returns is dropped.
    pub(super) fn begin(&self) -> AtWork<'_> {
        let now = self.at_work.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_at_once.fetch_max(now, Ordering::Relaxed);
        AtWork(self)
    }

    pub(super) fn counts(&self) -> Counts {
        let seen = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let calls = WORDS.iter().zip(&self.calls).map(|(word, count)| (*word, seen(count)));
        Counts {
            calls: calls.filter(|(_, count)| *count > 0).collect(),
            read: seen(&self.read),
            written: seen(&self.written),
            most_at_once: seen(&self.most_at_once),
        }
    }

    pub(super) fn clear(&self) {
        let all = self.calls.iter().chain([&self.read, &self.written]);
        all.for_each(|count| count.store(0, Ordering::Relaxed));
        self.most_at_once.store(self.at_work.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

/// One request in the hands of a worker.
pub(super) struct AtWork<'a>(&'a Books);

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.at_work.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_word() {
        let books = Books::default();
        let pairs = [(Call::Create, "create"), (Call::Mkdir, "mkdir"), (Call::Readdir, "readdir"), (Call::Write, "write")];
        for (call, word) in pairs {
            books.called(call);
            assert_eq!(books.counts().calls.into_iter().collect::<Vec<_>>(), [(word, 1)], "{call:?}");
            books.clear();
        }
        assert_eq!(Call::Write as usize + 1, WORDS.len());
    }

    #[test]
    fn the_most_at_once_is_kept_and_begins_again_with_what_is_at_work() {
        let books = Books::default();
        let (first, second) = (books.begin(), books.begin());
        drop(second);
        assert_eq!(books.counts().most_at_once, 2);
        books.clear();
        assert_eq!(books.counts().most_at_once, 1);
        drop(first);
    }
}
