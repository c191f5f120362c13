//! What a run did: counts for the report, history and base for the manifest, in batches.

use super::clean::UNCOUNTED;
use super::error::Error;
use super::report::{Counts, Work};
use super::store::Store;
use crate::disk::clock::{Moment, now};
use crate::manifest::{EventRecord, Manifest, RunId, Version};
use crate::model::conflict::Conflict;
use crate::model::entry::Base;
use crate::model::finding::{Note, Problem, ProblemKind};
use crate::model::growing::Torn;
use crate::model::listing::Seen;
use crate::model::path::RelPath;
use crate::model::plan::{Action, Op};
use crate::model::side::{PerSide, Side};
use crate::transfer::{Ending, Learnt, Outcome, Tally};

use std::collections::HashSet;
use std::time::Duration;

/// Rows after which a batch is committed.
const BATCH: usize = 8_192;
/// Time after which it is, however few.
const BATCH_TIME: Duration = Duration::from_secs(1);

/// Keeps the books of one run.
pub(super) struct Ledger<'a> {
    manifest: &'a mut Manifest,
    run: RunId,
    open: Option<Moment>,
    rows: usize,
    pub counts: Counts,
    pub done: PerSide<Work>,
    pub problems: Vec<Problem>,
    pub conflicts: Vec<Conflict>,
    pub notes: Vec<Note>,
    /// Paths at which a ruling was carried out.
    pub ruled: HashSet<RelPath>,
    /// Bytes that went to this side's trash; `None` where nothing did.
    pub trashed: PerSide<Option<u64>>,
    /// Files that were written to while they were copied: few or none.
    torn: Vec<Torn>,
    /// Files of the network root that were written half before, and those of them that were written whole.
    half: HashSet<RelPath>,
    pub made_whole: Vec<RelPath>,
}

/// What an event says besides its action.
struct Told<'a> {
    op: &'static str,
    why: String,
    deleted_files: u64,
    kept: Option<RelPath>,
    base: Version,
    /// What stands there now.
    wrote: Option<&'a Base>,
}

impl<'a> Ledger<'a> {
    pub fn new(store: &'a mut Store, run: RunId, torn: Vec<Torn>, half: HashSet<RelPath>) -> Ledger<'a> {
        let manifest = store.writing().expect("books are only kept by a run that writes");
        let (counts, done) = (Counts::default(), PerSide::default());
        let (problems, conflicts, notes) = (Vec::new(), Vec::new(), Vec::new());
        let trashed = PerSide::default();
        let (ruled, made_whole) = (HashSet::new(), Vec::new());
        Ledger {
            manifest,
            run,
            open: None,
            rows: 0,
            counts,
            done,
            problems,
            conflicts,
            notes,
            ruled,
            trashed,
            torn,
            half,
            made_whole,
        }
    }

    /// Both sides agree on this path.
    pub fn record(&mut self, path: &RelPath, base: &Base, first: bool) -> Result<(), Error> {
        self.batch()?;
        self.counts.adopted += u64::from(first);
        self.manifest.put(path, base)?;
        Ok(())
    }

    pub fn forget(&mut self, path: &RelPath) -> Result<(), Error> {
        self.batch()?;
        self.manifest.forget(path)?;
        Ok(())
    }

    /// Forgets a path unless the base holds something below it.
    pub fn forget_alone(&mut self, path: &RelPath) -> Result<(), Error> {
        self.batch()?;
        let row = self.manifest.find(path)?;
        let below = match row.and_then(|row| row.folder) {
            Some(folder) => !self.manifest.folder(folder)?.is_empty(),
            None => false,
        };
        if !below {
            self.manifest.forget(path)?;
        }
        Ok(())
    }

    /// What became of an action.
    pub fn enter(&mut self, outcome: Outcome, displaced: Option<&Action>) -> Result<(), Error> {
        self.batch()?;
        let Outcome { path, why, op, side, result } = outcome;
        match result {
            Ending::Done { learnt, tally, kept } => {
                if why.by.is_some() {
                    self.ruled.insert(path.clone());
                }
                // Asked before the base learns or forgets.
                let taken = self.files_taken(displaced)?;
                let before = displaced.map(|action| self.before(action)).transpose()?;
                let wrote = learnt.base().cloned();
                self.learn(&path, learnt)?;
                if let Some(side) = side {
                    self.tally(side, tally);
                    if side == Side::Network && matches!(tally, Tally::File { .. }) && self.half.contains(&path) {
                        self.made_whole.push(path);
                    }
                    if let Some((action, base)) = displaced.zip(before) {
                        let (why, deleted_files, wrote) = (why.sentence(), taken, wrote.as_ref());
                        self.event(action, side, Told { op, why, deleted_files, kept, base, wrote })?;
                    }
                }
            }
            Ending::Torn { side, took } => self.torn(path, side, took)?,
            Ending::Problem(problem) => self.problems.push(problem),
            Ending::Conflict(conflict) => self.conflicts.push(conflict),
            Ending::Later(note) | Ending::Noted(note) => self.notes.push(note),
        }
        Ok(())
    }

    /// A copy in vain: how long the file is left alone.
    fn torn(&mut self, path: RelPath, side: Side, took: Duration) -> Result<(), Error> {
        let before = self.torn.iter().find(|torn| torn.path == path && torn.side == side);
        let torn = Torn::after(before, path.clone(), side, i64::try_from(took.as_nanos()).unwrap_or(i64::MAX));
        self.manifest.put_torn(&torn)?;
        let message = format!("was written to while it was copied; it is tried again once it was quiet for {}", torn.quiet());
        self.problems.push(Problem { path, side, kind: ProblemKind::Busy, message });
        Ok(())
    }

    fn learn(&mut self, path: &RelPath, learnt: Learnt) -> Result<(), Error> {
        match learnt {
            Learnt::Nothing => {}
            Learnt::Put(base) => self.manifest.put(path, &base)?,
            Learnt::Forget => self.manifest.forget(path)?,
            Learnt::Moved { from, base } => {
                self.manifest.move_to(&from, path)?;
                if let Some(base) = base {
                    self.manifest.put(path, &base)?;
                }
            }
        }
        Ok(())
    }

    fn tally(&mut self, side: Side, tally: Tally) {
        let counts = &mut self.counts;
        let done = &mut self.done[side];
        done.paths += 1;
        match tally {
            Tally::File { bytes, revived } => {
                counts.written_files += 1;
                counts.written_bytes = counts.written_bytes.saturating_add(bytes);
                counts.revived += u64::from(revived);
                done.files += 1;
            }
            Tally::Folder { revived } => {
                counts.written_folders += 1;
                counts.revived += u64::from(revived);
            }
            Tally::Link { revived } => {
                counts.written_links += 1;
                counts.revived += u64::from(revived);
            }
            Tally::Metadata => counts.metadata += 1,
            Tally::Renamed => counts.renamed += 1,
            Tally::DeletedFile => counts.deleted_files += 1,
            Tally::DeletedFolder => counts.deleted_folders += 1,
        }
    }

    /// Files that an action took away at its side: what the mass-delete guard counts over an hour. A folder that another
    /// kind replaces counts with all it held.
    fn files_taken(&self, displaced: Option<&Action>) -> Result<u64, Error> {
        Ok(match displaced.map(|action| (&action.path, &action.op)) {
            Some((_, Op::Delete { expect, .. })) if !expect.entry.is_folder() => 1,
            Some((path, Op::Write { expect, .. })) if expect.is_folder() => self.manifest.files_below(path)?,
            _ => 0,
        })
    }

    /// What the base holds where an action displaces something.
    fn before(&self, action: &Action) -> Result<Version, Error> {
        let at = match &action.op {
            Op::Rename { from, .. } => from,
            _ => &action.path,
        };
        self.base_at(at)
    }

    fn base_at(&self, path: &RelPath) -> Result<Version, Error> {
        Ok(Version::of_base(self.manifest.find(path)?.map(|row| row.base).as_ref()))
    }

    /// One line of history. Plain creations are counts of their run.
    fn event(&mut self, action: &Action, side: Side, told: Told<'_>) -> Result<(), Error> {
        let Told { op, why, deleted_files, kept, base, wrote } = told;
        let (gone, brought) = match &action.op {
            Op::Delete { expect, .. } | Op::Touch { expect, .. } => (Seen::There(expect.clone()), Seen::Absent),
            Op::Rename { expect, found, .. } => (Seen::There(expect.clone()), Seen::There(found.clone())),
            Op::Aside { expect, .. } => (Seen::There(expect.clone()), Seen::There(expect.clone())),
            Op::Write { expect, from, .. } => (expect.clone(), Seen::There(from.clone())),
            Op::Record { .. } | Op::Forget => return Ok(()),
        };
        if let Seen::There(old) = &gone
            && (kept.is_some() || self.half.contains(&action.path))
        {
            // A folder goes with what is in it where another kind comes in its place; to be deleted it is empty.
            let with_all = old.entry.is_folder() && matches!(action.op, Op::Write { .. });
            let bytes = if with_all { UNCOUNTED } else { old.stamp.size };
            self.trashed[side] = Some(self.trashed[side].unwrap_or(0).saturating_add(bytes));
        }
        // By its digest a version is proven again when the run is to be undone.
        let before = Version::of_seen(&gone).digested_like(&base);
        let mut after = Version::of_seen(&brought);
        if let Some(wrote) = wrote.filter(|_| brought != Seen::Absent) {
            after = Version { mtime: Some(wrote.mtime_at(side)), ..Version::of_entry(&wrote.entry) };
            // Of a live database the network root got other bytes than staging holds.
            if let Some(sent) = wrote.sent.filter(|_| side == Side::Network) {
                after = Version { size: Some(sent.size), digest: Some(sent.digest), ..after };
            }
        }
        let (staging, network) = if side == Side::Staging { (before, after) } else { (after, before) };
        let (path, moved_from) = match &action.op {
            Op::Rename { from, .. } => (action.path.clone(), Some(from.clone())),
            Op::Aside { to, .. } => (to.clone(), Some(action.path.clone())),
            _ => (action.path.clone(), None),
        };
        let (op, side) = (op.to_owned(), Some(side));
        let event = EventRecord { at: now(), path, side, op, why, deleted_files, kept, moved_from, base, staging, network };
        self.manifest.add_event(self.run, &event)?;
        Ok(())
    }

    /// Conflicts and problems belong to the history too.
    pub fn findings(&mut self, conflicts: &[Conflict], problems: &[Problem]) -> Result<(), Error> {
        self.batch()?;
        for conflict in conflicts {
            let (staging, network) = (Version::of_seen(&conflict.staging), Version::of_seen(&conflict.network));
            let (path, op, why) = (conflict.path.clone(), "conflict".to_owned(), conflict.why.sentence());
            let base = self.base_at(&path)?;
            let found = EventRecord::found(now(), path, op, why);
            self.manifest.add_event(self.run, &EventRecord { base, staging, network, ..found })?;
        }
        for problem in problems {
            let (path, op, why) = (problem.path.clone(), "problem".to_owned(), problem.message.clone());
            let base = self.base_at(&path)?;
            let found = EventRecord::found(now(), path, op, why);
            self.manifest.add_event(self.run, &EventRecord { side: Some(problem.side), base, ..found })?;
        }
        Ok(())
    }

    pub fn manifest(&mut self) -> &mut Manifest {
        self.manifest
    }

    /// Opens a batch, or commits one that is full or old and opens the next.
    fn batch(&mut self) -> Result<(), Error> {
        self.rows += 1;
        if self.open.is_some_and(|since| self.rows >= BATCH || since.elapsed() >= BATCH_TIME) {
            self.commit()?;
        }
        if self.open.is_none() {
            self.manifest.begin()?;
            self.open = Some(Moment::now());
        }
        Ok(())
    }

    /// Ends the batch: what came so far is kept.
    pub fn commit(&mut self) -> Result<(), Error> {
        if self.open.take().is_some() {
            self.rows = 0;
            if let Err(error) = self.manifest.commit() {
                // A full disk, say: the batch is given up whole, and the next run looks at its paths again.
                self.manifest.rollback()?;
                return Err(error.into());
            }
        }
        Ok(())
    }
}

impl Drop for Ledger<'_> {
    /// A run that ends by an error keeps what it has entered: each row says what is already durable at the roots.
    fn drop(&mut self) {
        if self.open.is_some() && self.commit().is_err() {
            tracing::warn!("the last batch could not be committed; the next run looks at those paths again");
        }
    }
}
