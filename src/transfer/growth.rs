//! What may be sent of a file that only grows while it is copied: everything up to its length at the beginning.
//!
//! Its program only appends, says the user's pattern; three looks hold it to that. The file is longer at the end and
//! still the same one. What both sides agreed on is how it begins. And its first bytes, read once more at the end, are
//! those that were sent, so that a log that was emptied and written anew in the meantime is found out.

use super::Run;
use super::copy::Errand;
use crate::disk::{self, Reader};
use crate::model::digest::{self, Digest};
use crate::model::entry::{Kind, Stamp};
use crate::model::growing::Agreed;
use crate::model::traits::Traits;

/// Bytes at the beginning that are read once more.
const HEAD: u64 = 64 * 1024;

/// A copy of a file that only grows.
pub(super) struct Growth {
    agreed: Option<Agreed>,
    begins_as_agreed: bool,
    head: u64,
    head_digest: Option<Digest>,
}

impl Growth {
    /// For a source of `size` bytes; `None` where it has to stand still like any other file.
    pub fn of(run: &Run<'_>, errand: &Errand<'_>, size: u64) -> Option<Growth> {
        if size == 0 || !run.append.name_or_hold(errand.path) {
            return None;
        }
        let old = errand.replaced.filter(|old| old.entry.kind() == Kind::File);
        let agreed = match old {
            None => None,
            Some(old) => Some(Agreed { size: old.entry.size(), digest: old.entry.digest()? }),
        };
        if agreed.is_some_and(|agreed| agreed.size > size) {
            return None;
        }
        let begins_as_agreed = agreed.is_none_or(|agreed| agreed.size == 0);
        Some(Growth { agreed, begins_as_agreed, head: size.min(HEAD), head_digest: None })
    }

    /// Of a small new file the whole is the beginning, which the copy knows anyway: whether it may grow is asked when it did.
    pub fn can_wait(errand: &Errand<'_>, size: u64) -> bool {
        errand.replaced.is_none() && size <= HEAD
    }

    /// For such a file, all of which has this digest.
    pub fn late(run: &Run<'_>, errand: &Errand<'_>, size: u64, digest: Digest) -> Option<Growth> {
        let mut growth = if Growth::can_wait(errand, size) { Growth::of(run, errand, size) } else { None };
        growth.iter_mut().for_each(|growth| growth.reached(size, digest));
        growth
    }

    /// The next place after `place` at which the digest of what came before is wanted.
    pub fn next(&self, place: u64) -> Option<u64> {
        let agreed = self.agreed.map(|agreed| agreed.size);
        [Some(self.head), agreed].into_iter().flatten().filter(|&mark| mark > place).min()
    }

    /// The digest of everything before `place`.
    pub fn reached(&mut self, place: u64, digest: Digest) {
        if place == self.head {
            self.head_digest = Some(digest);
        }
        if let Some(agreed) = self.agreed.filter(|agreed| agreed.size == place) {
            self.begins_as_agreed = agreed.digest == digest;
        }
    }

    /// Did the file only grow since it showed `first`, so that what was read of it is a version that it had?
    pub fn only_grew(&self, reader: &mut dyn Reader, first: &Stamp, after: &Stamp, traits: &Traits) -> disk::Result<bool> {
        let longer = after.size > first.size && (!traits.ids || after.id == first.id);
        if !longer || !self.begins_as_agreed {
            return Ok(false);
        }
        let mut head = vec![0; usize::try_from(self.head).unwrap_or_default()];
        reader.seek(0)?;
        let whole = reader.fill(&mut head)? == head.len();
        Ok(whole && Some(digest::of(&head)) == self.head_digest)
    }
}
