//! A chunk of files, links and touches: staged together, made durable together, shown one by one.

use super::copy::{Copying, Errand, Staged, stage};
use super::durable::{Claim, folder_flushed, halt_of, settle};
use super::place::{Spot, place};
use super::restamp::{Item, Pending};
use super::{Ending, Failure, Halt, Outcome, Run, Tally, ending, in_place, outcome};
use super::{database, trash};
use crate::disk::{self, ErrorKind, Folder, Freshness};
use crate::model::entry::{Base, Content, Entry, Found, Recorded, Sent, Stamp};
use crate::model::finding::{Note, ProblemKind};
use crate::model::listing::Seen;
use crate::model::path::{Name, RelPath};
use crate::model::plan::{Action, Op};
use crate::model::side::{PerSide, Side};

use std::collections::VecDeque;

/// Up to here each file is flushed by itself; above, the whole file system once.
pub(super) const FLUSH_SINGLY: usize = 64;

/// What a chunk leaves: endings that are final, and writes whose stamps have to rest first.
#[derive(Default)]
pub struct ChunkEnd {
    pub outcomes: Vec<Outcome>,
    pub pending: Pending,
}

/// Carries out writes of files and links, and touches. The folders they need are there.
///
/// # Errors
/// The root's own failure, with what was done before it.
pub fn carry_chunk(run: &Run<'_>, actions: Vec<Action>) -> Result<ChunkEnd, Box<(Halt, ChunkEnd)>> {
    let mut chunk = Chunk::new(run, flush_for(run, &actions));
    for side in actions.iter().filter_map(|action| action.op.side()) {
        chunk.sides[side] = true;
    }
    match chunk.all(&actions) {
        Ok(()) => Ok(chunk.end),
        Err(halt) => {
            chunk.drop_staged(&actions);
            // What was shown before it counts if it is durable.
            let _ = chunk.keep_shown(&actions);
            Err(Box::new((halt, chunk.end)))
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Flush {
    Never,
    /// `fsync` of each file, and of each folder at the end.
    Singly,
    /// `syncfs` before the first is shown, and again at the end.
    Together,
}

fn flush_for(run: &Run<'_>, actions: &[Action]) -> Flush {
    let fuse = run.traits.staging.fuse || run.traits.network.fuse;
    match run.flush {
        false => Flush::Never,
        // `syncfs` does not reach a FUSE daemon, and is Linux's alone.
        true if actions.len() <= FLUSH_SINGLY || fuse || !cfg!(target_os = "linux") => Flush::Singly,
        true => Flush::Together,
    }
}

struct Chunk<'a, 'r> {
    run: &'a Run<'r>,
    flush: Flush,
    copying: Copying,
    open: PerSide<Opened>,
    /// Staged and not shown yet: which action, under which temporary name.
    staged: VecDeque<(usize, Name, Staged)>,
    next: usize,
    /// Where something is written.
    sides: PerSide<bool>,
    /// Folders in which names changed, for the flush at the end.
    touched: Vec<(Side, RelPath)>,
    end: ChunkEnd,
}

/// The folder used last.
#[derive(Default)]
pub(super) struct Opened(Option<(Side, RelPath, Box<dyn Folder>)>);

impl Opened {
    pub(super) fn at(&mut self, run: &Run<'_>, side: Side, path: &RelPath) -> disk::Result<&dyn Folder> {
        if self.0.as_ref().is_none_or(|(at, open, _)| (*at, open) != (side, path)) {
            let folder = run.roots[side].folder(path)?;
            self.0 = Some((side, path.clone(), folder));
        }
        Ok(&*self.0.as_ref().expect("the line above opened it where nothing was open").2)
    }
}

/// How far one action got.
enum Step {
    Staged(Name, Staged),
    Finished(Item),
    /// What was copied is what stands at the target: an old answer had told otherwise.
    Same,
}

impl<'a, 'r> Chunk<'a, 'r> {
    fn new(run: &'a Run<'r>, flush: Flush) -> Chunk<'a, 'r> {
        let (open, sides, end) = (PerSide::default(), PerSide::default(), ChunkEnd::default());
        Chunk { run, flush, sides, copying: Copying::default(), open, staged: VecDeque::new(), next: 0, touched: Vec::new(), end }
    }

    fn all(&mut self, actions: &[Action]) -> Result<(), Halt> {
        for action in actions {
            let result = self.one(action);
            self.settle(action, result)?;
            if !self.together() {
                self.show_staged(actions)?;
            }
        }
        if self.together() {
            self.flush_all()?;
            self.show_staged(actions)?;
        }
        self.keep_shown(actions)
    }

    /// Makes durable what was shown, and what it was copied from; else the base must not say that it is done.
    fn keep_shown(&mut self, actions: &[Action]) -> Result<(), Halt> {
        if self.end.pending.is_empty() {
            return Ok(());
        }
        self.flush_folders()?;
        self.settle_sources(actions)
    }

    /// What was copied from is claimed too.
    fn settle_sources(&mut self, actions: &[Action]) -> Result<(), Halt> {
        let claims: Vec<Claim<'_>> = actions.iter().filter_map(Claim::of_source).collect();
        settle(self.run, &claims).inspect_err(|_| self.end.pending = Pending::default())
    }

    /// After a halt: temporary files that will not be shown go, as far as the root can be reached.
    fn drop_staged(&mut self, actions: &[Action]) {
        for (at, temp, _) in std::mem::take(&mut self.staged) {
            let action = &actions[at];
            let side = action.op.side().expect("chunks hold actions at a side");
            let (parent, _) = split(&action.path);
            // What stays is cleared by the next run.
            let _ = self.open[side].at(self.run, side, &parent).and_then(|folder| folder.remove_file(&temp));
        }
    }

    fn together(&self) -> bool {
        self.flush == Flush::Together
    }

    fn one(&mut self, action: &Action) -> Result<Step, Failure> {
        let (parent, name) = split(&action.path);
        match &action.op {
            Op::Write { to, from, expect, .. } => match &from.entry.content {
                Content::Link { target } => self.link(action, *to, target, from),
                Content::File { .. } | Content::Folder => {
                    let temp = self.run.temp_name(&action.path, &from.stamp);
                    let flush = self.flush == Flush::Singly;
                    let PerSide { staging, network } = &mut self.open;
                    let (source, target) = if *to == Side::Staging { (network, staging) } else { (staging, network) };
                    let source = source.at(self.run, to.other(), &parent).map_err(|error| Failure::At(to.other(), error))?;
                    let target = target.at(self.run, *to, &parent).map_err(|error| Failure::At(*to, error))?;
                    let (to, path, name, replaced, temp_name) = (*to, &action.path, &name, expect.found(), &temp);
                    let in_place = to == Side::Network && self.run.may_write_into(path);
                    let errand =
                        Errand { to, path, source, name, planned: from, replaced, target, temp: temp_name, flush, in_place };
                    let staged = stage(self.run, &errand, &mut self.copying)?;
                    // Where names cannot be exchanged a kill leaves the name absent: a risk for nothing.
                    if replaced.is_some_and(|old| old.entry.content == staged.from.entry.content) {
                        // What stays is cleared by the next run.
                        let _ = target.remove_file(&temp);
                        return Ok(Step::Same);
                    }
                    Ok(Step::Staged(temp, staged))
                }
            },
            Op::Touch { side, expect, mtime, mode, base } => {
                let folder = self.open[*side].at(self.run, *side, &parent).map_err(|error| Failure::At(*side, error))?;
                let spot = Spot { side: *side, path: &action.path, folder, name: &name };
                database::expect_version(self.run, &spot, expect)?;
                // RACE: a time or mode set between the look and here is overwritten; the content is not touched.
                folder.touch(&name, *mtime, *mode).map_err(|error| Failure::At(*side, error))?;
                let wrote = Stamp { mtime: mtime.unwrap_or(expect.stamp.mtime), ..expect.stamp };
                let other = base.stamps[side.other()].map(|recorded| recorded.stamp);
                let entry = base.entry.clone();
                Ok(Step::Finished(self.item(action, *side, entry, other, wrote, Tally::Metadata).with_sent(base.sent)))
            }
            Op::Record { .. } | Op::Forget | Op::Delete { .. } | Op::Rename { .. } | Op::Aside { .. } => {
                unreachable!("sorted out by the engine")
            }
        }
    }

    fn link(&mut self, action: &Action, to: Side, target: &[u8], from: &Found) -> Result<Step, Failure> {
        let Op::Write { expect, revived, .. } = &action.op else { unreachable!("only writes bring links") };
        let (parent, name) = split(&action.path);
        let at = |error| Failure::At(to, error);
        let temp = self.run.temp_name(&action.path, &from.stamp);
        let folder = self.open[to].at(self.run, to, &parent).map_err(at)?;
        if let Err(error) = folder.make_link(&temp, target) {
            if error.kind != ErrorKind::Exists {
                return Err(at(error));
            }
            trash::set_temp_aside(self.run, to, &action.path, &temp)?;
            folder.make_link(&temp, target).map_err(at)?;
        }
        let touched = folder.touch(&temp, Some(from.entry.mtime), None).and_then(|()| folder.look(&temp, Freshness::Cached));
        let wrote = match touched {
            Ok(node) => node.map_or(from.stamp, |node| node.stamp),
            Err(error) => {
                let _ = folder.remove_file(&temp);
                if error.kind == ErrorKind::Denied {
                    // As sshfs has it, by default, for links that may lead out of the mount (`contain_symlinks`).
                    let message = format!("is a link that could be made there, but the mount does not show it: {}", error.source);
                    return Err(Failure::Path(to, ProblemKind::NotRepresentable, message));
                }
                return Err(at(error));
            }
        };
        let kept = place(self.run, &Spot { side: to, path: &action.path, folder, name: &name }, &temp, &wrote, expect)?;
        let tally = Tally::Link { revived: *revived };
        let item = self.item(action, to, from.entry.clone(), Some(from.stamp), wrote, tally);
        Ok(Step::Finished(item.keeping(kept)))
    }

    /// Shows what is staged; the actions of these names follow the ones shown before.
    fn show_staged(&mut self, actions: &[Action]) -> Result<(), Halt> {
        while let Some((at, temp, staged)) = self.staged.pop_front() {
            let action = &actions[at];
            let result = self.show(action, &temp, staged).map(Step::Finished);
            self.finish(action, result)?;
        }
        Ok(())
    }

    fn show(&mut self, action: &Action, temp: &Name, staged: Staged) -> Result<Item, Failure> {
        let Op::Write { to, expect, revived, .. } = &action.op else { unreachable!("only files are staged") };
        let (parent, name) = split(&action.path);
        let folder = self.open[*to].at(self.run, *to, &parent).map_err(|error| Failure::At(*to, error))?;
        let spot = Spot { side: *to, path: &action.path, folder, name: &name };
        if staged.database {
            database::expect_no_log(self.run, &spot, expect).inspect_err(|_| drop(folder.remove_file(temp)))?;
        }
        let clock = self.run.clock_now(*to);
        let (kept, (wrote, clock)) = match (&staged.patch, expect) {
            (Some(patch), Seen::There(old)) => (None, in_place::write(self.run, &spot, old, patch, &staged)?),
            _ => (place(self.run, &spot, temp, &staged.node.stamp, expect)?, (staged.node.stamp, clock)),
        };
        let tally = Tally::File { bytes: wrote.size - staged.resumed, revived: *revived };
        let Staged { from, sent, left_behind, .. } = staged;
        if let Some(left) = left_behind {
            self.end.outcomes.push(outcome(action, Ending::Noted(Note::of(&action.path, &left))));
        }
        Ok(self
            .item(action, *to, from.entry, Some(from.stamp), wrote, tally)
            .shown_after(self.run, clock)
            .with_sent(sent)
            .keeping(kept))
    }

    fn item(&self, action: &Action, side: Side, entry: Entry, other: Option<Stamp>, wrote: Stamp, tally: Tally) -> Item {
        Item::new(self.run, action, side, entry, other, wrote, tally)
    }

    /// Takes a step's result; counts which action it was.
    fn settle(&mut self, action: &Action, result: Result<Step, Failure>) -> Result<(), Halt> {
        let at = self.next;
        self.next += 1;
        match result {
            Ok(Step::Staged(temp, staged)) => {
                self.staged.push_back((at, temp, staged));
                Ok(())
            }
            other => self.finish(action, other),
        }
    }

    fn finish(&mut self, action: &Action, result: Result<Step, Failure>) -> Result<(), Halt> {
        let side = action.op.side().expect("chunks hold actions at a side");
        match result {
            Ok(Step::Finished(item)) => {
                if self.flush != Flush::Never {
                    self.touched.push((side, action.path.parent().unwrap_or_default()));
                }
                self.end.pending.push(item);
            }
            Ok(Step::Same) => {
                let message = "is the same on both sides, although it seemed changed; the next run looks again".to_owned();
                self.end.outcomes.push(outcome(action, Ending::Later(Note { path: action.path.clone(), message })));
            }
            Ok(Step::Staged(..)) => unreachable!("shown by the caller"),
            Err(failure) => {
                let brought = match &action.op {
                    Op::Write { from, .. } => Some(&**from),
                    _ => None,
                };
                let ending = ending(failure, &action.path, action.why, side, brought)?;
                self.end.outcomes.push(outcome(action, ending));
            }
        }
        Ok(())
    }

    /// Makes everything at the sides of this chunk durable.
    fn flush_all(&mut self) -> Result<(), Halt> {
        for side in Side::BOTH.into_iter().filter(|&side| self.sides[side]) {
            if let Err(source) = self.run.roots[side].flush_all()
                && source.kind != ErrorKind::Unsupported
            {
                return Err(self.not_durable(side, source));
            }
        }
        Ok(())
    }

    /// Makes the new names durable.
    fn flush_folders(&mut self) -> Result<(), Halt> {
        if self.together() {
            return self.flush_all();
        }
        self.touched.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        self.touched.dedup();
        for (side, path) in std::mem::take(&mut self.touched) {
            let flushed = self.open[side].at(self.run, side, &path).and_then(|folder| folder.flush());
            folder_flushed(flushed).map_err(|source| self.not_durable(side, source))?;
        }
        Ok(())
    }

    /// What could not be flushed is not done: the base must not say so.
    fn not_durable(&mut self, side: Side, source: disk::Error) -> Halt {
        self.end.pending = Pending::default();
        halt_of(side, source)
    }
}

/// A path's folder and name; the root itself is never written.
pub(crate) fn split(path: &RelPath) -> (RelPath, Name) {
    (path.parent().unwrap_or_default(), path.name().expect("no action is at the root itself"))
}

/// The base after an action: what both sides hold now.
pub(crate) fn agreed(entry: Entry, stamps: PerSide<Option<Recorded>>, sent: Option<Sent>) -> Box<Base> {
    Box::new(Base { entry, stamps, sent })
}
