//! Steps that are a small story each, with a law of their own: the base is lost, many files go, a root is put back from a
//! backup, something comes back from the trash.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::play::{Broken, Ended, Play, engine_knows, told, work};
use super::script::{Busy, Carried};
use crate::disk::local;
use crate::disk::sim::{Crash, Stop, Volume};
use crate::engine::relink::{Relink, relink};
use crate::engine::report::{Outcome, Refusal};
use crate::engine::request::{Deletes, Request};
use crate::engine::{self, trash};
use crate::model::conflict::{Policies, Policy};
use crate::model::entry::Content;
use crate::model::path::RelPath;
use crate::model::side::{Direction, PerSide, Side};

/// More than the guard lets pass, and a quarter of any tree that a script makes.
const MANY: usize = 24;

fn path_of(text: &str) -> RelPath {
    RelPath::parse(text.as_bytes()).expect("a path below the root")
}

type Shown = PerSide<BTreeMap<RelPath, Content>>;

impl Play {
    fn shown(&self) -> Shown {
        self.volumes.as_ref().map(|volume| volume.project().into_iter().collect())
    }

    /// A run in fair weather.
    pub(super) fn plain_run(&mut self, deletes: Deletes) -> Ended {
        let request = Request { yes: true, deletes, ..Request::plain(Direction::Both) };
        let ended = self.run(|pair, options, stop| engine::sync(pair, &request, options, &|_| {}, stop));
        self.story.push(told(&ended));
        ended
    }

    /// A path that showed something and shows something else now.
    fn changed(&self, before: &Shown) -> Option<String> {
        let after = self.shown();
        Side::BOTH.into_iter().find_map(|side| {
            let changed = before[side].iter().find(|(path, content)| after[side].get(path) != Some(content));
            changed.map(|(path, content)| format!("{path} in {side} was {content:?}"))
        })
    }

    /// Both folders meet as if for the first time: there are only additions and conflicts.
    pub(super) fn forget_base(&mut self, how_relink: bool) -> Broken {
        if !engine_knows(&self.pair) {
            return Ok(());
        }
        // What was deleted or moved since the last run is there again.
        self.users().oracle.taken_back = true;
        if how_relink {
            let request = Relink { known: true, new_id: false, dry_run: false, wait: Duration::ZERO, staging_was: None };
            let stop = AtomicBool::new(false);
            relink(&self.pair, &request, &self.options, &|_| {}, &stop).map_err(|error| format!("relink: {error}"))?;
        } else {
            for ending in ["", "-wal", "-shm", "-journal"] {
                let _ = local::remove_file(&self.pair.state.join(format!("manifest.db{ending}")));
            }
        }
        let before = self.shown();
        let ended = self.plain_run(Deletes::Allow);
        match self.changed(&before) {
            Some(changed) => Err(format!("without a base, {changed}: {}", told(&ended))),
            None => Ok(()),
        }
    }

    /// The newest version of a path in the trash comes back, and takes nothing's place.
    pub(super) fn restore(&mut self, number: u16) -> Broken {
        if !engine_knows(&self.pair) {
            return Ok(());
        }
        let failed = |error: engine::Error| format!("restore failed with nothing wrong: {error}");
        let listed = trash::list(&self.pair, &self.options, None, &RelPath::root()).map_err(failed)?;
        let Some(entry) = listed.entries.get(usize::from(number) % listed.entries.len().max(1)) else { return Ok(()) };
        self.users().oracle.taken_back = true;
        self.users().versions.ruled = true;
        let before = self.shown();
        let path = entry.path.clone();
        trash::restore(&self.pair, &self.options, std::slice::from_ref(&path), None).map_err(failed)?;
        self.changed(&before).map_or(Ok(()), |changed| Err(format!("taking back {path}: {changed}")))
    }

    /// What the command says of one path that is to come back.
    pub(super) fn restored(&self, path: &RelPath) -> Result<(), String> {
        let all =
            trash::restore(&self.pair, &self.options, std::slice::from_ref(path), None).map_err(|error| error.to_string())?;
        all.into_iter().try_for_each(|one| one.result.map(drop))
    }

    /// A whole folder goes on one side: the other side keeps it until somebody says that this is meant.
    pub(super) fn mass(&mut self, side: Side) -> Broken {
        let top = format!("many{}", self.world.calls());
        let path = |at: usize| format!("{top}/{at}");
        self.work(side, |user| {
            user.make_folder(&top)?;
            (0..MANY).try_for_each(|at| user.write(path(at), path(at).as_bytes()))
        });
        self.plain_run(Deletes::Allow);
        let there = |volume: &Volume| (0..MANY).filter(|at| volume.user().read(path(*at)).is_some()).count();
        let before = there(&self.volumes[side.other()]);
        self.work(side, |user| user.delete_all(&top));
        let ended = self.plain_run(Deletes::Guarded);
        if before == MANY && there(&self.volumes[side.other()]) != before {
            return Err(format!("a mass of deletes went through: {}", told(&ended)));
        }
        self.work(side.other(), |user| user.delete_all(&top));
        Ok(())
    }

    /// Somebody saves a file that a run is about to displace, move or read: it stays in the project.
    pub(super) fn busy(&mut self, busy: Busy) -> Broken {
        let Busy { to, carried, at, before, mut pass, by_rename } = busy;
        let from = to.other();
        let top = format!("busy{}", self.world.calls());
        let (file, saved) = (format!("{top}/f"), format!("{top} saved by somebody"));
        self.work(to, |user| {
            user.make_folder(&top)?;
            user.write(&file, file.as_bytes())?;
            user.write(format!("{top}/g"), b"another in it")
        });
        self.plain_run(Deletes::Allow);
        // Where two names cannot be exchanged there are windows that nothing can close.
        if self.volumes[from].user().read(&file).is_none() || !self.volumes[to].traits().exchange {
            return Ok(());
        }
        self.world.advance(60_000_000_000);
        self.work(from, |user| match carried {
            Carried::Edit => user.write(&file, format!("{top} carried").as_bytes()),
            Carried::Delete => user.delete(&file),
            Carried::DeleteFolder => user.delete_all(&top),
            Carried::Move => user.rename(&file, format!("{top}/h")),
            Carried::MoveFolder => user.rename(&top, format!("{top} moved")),
            Carried::Kind => user.delete_all(&top).and_then(|()| user.write(&top, top.as_bytes())),
        });
        let (volumes, users, bytes) = (self.volumes.clone(), self.users.clone(), saved.clone());
        let (mut done, top) = (false, path_of(&top));
        self.world.before_each(move |call| {
            let near = [Some(&call.path), call.to.as_ref()].into_iter().flatten().any(|path| path.is_within(&top));
            if !done && call.op == before && call.volume == volumes[at].name() && near {
                done = pass == 0;
                pass = pass.saturating_sub(1);
            } else {
                return None;
            }
            if done && volumes[at].user().read(&file).is_some() {
                work(&volumes, &users, at, |user| {
                    if by_rename { user.replace(&file, bytes.as_bytes()) } else { user.write(&file, bytes.as_bytes()) }
                });
            }
            None
        });
        let ended = self.plain_run(Deletes::Allow);
        self.world.leave_alone();
        let known = self.world.known().iter().any(|bytes| ***bytes == *saved.as_bytes());
        let shown = Side::BOTH
            .into_iter()
            .any(|side| self.volumes[side].every_project_file().iter().any(|file| **file.bytes == *saved.as_bytes()));
        if known && !shown {
            return Err(format!("saved in the middle of a run, and no project path shows it: {}", told(&ended)));
        }
        Ok(())
    }

    /// A run is killed that brings a folder back over a file: what it did not come to is no delete.
    pub(super) fn killed_ruling(&mut self, side: Side, after: u16) -> Broken {
        let other = side.other();
        let top = format!("ruled{}", self.world.calls());
        let inner = |name: &str| format!("{top}/{name}");
        let names = ["x", "y", "z"];
        self.work(side, |user| {
            user.make_folder(&top)?;
            names.iter().try_for_each(|name| user.write(inner(name), inner(name).as_bytes()))
        });
        self.plain_run(Deletes::Allow);
        if self.volumes[other].user().read(inner("z")).is_none() {
            return Ok(());
        }
        self.work(other, |user| user.write(inner("x"), format!("{top} edited").as_bytes()));
        self.work(side, |user| {
            user.delete_all(&top)?;
            user.write(&top, format!("{top} is a file").as_bytes())
        });
        // A listing from a cache does not show the edit yet.
        self.world.advance(60_000_000_000);
        self.users().versions.ruled = true;
        self.users().oracle.taken_back = true;
        self.world.stop_after(u64::from(after), Stop::Unwind);
        let (policies, yes) = (Policies::all(Policy::Prefer(other)), true);
        let request = Request { yes, policies, policies_by_flag: true, ..Request::plain(Direction::Both) };
        let cut = self.run(|pair, options, stop| engine::sync(pair, &request, options, &|_| {}, stop));
        self.tally.crashes += u64::from(matches!(cut, Ended::Cut));
        self.story.push(told(&cut));
        self.world.crash(Crash::Killed);
        let ended = self.plain_run(Deletes::Allow);
        let gone = names.iter().find(|name| self.volumes[other].user().read(inner(name)).is_none());
        gone.map_or(Ok(()), |name| Err(format!("a killed ruling took {} for deleted: {}", inner(name), told(&ended))))
    }

    /// A root is put back as it was before a run.
    pub(super) fn put_back(&mut self, side: Side) -> Broken {
        if !engine_knows(&self.pair) {
            return Ok(());
        }
        let (old, name) = (self.volumes[side].backup(), format!("new{}", self.world.calls()));
        self.work(side.other(), |user| user.write(&name, name.as_bytes()));
        self.plain_run(Deletes::Guarded);
        let carried = self.volumes[side].user().read(&name).is_some();
        self.volumes[side].swap_for(old);
        let before = self.volumes[side.other()].project();
        let ended = self.plain_run(Deletes::Allow);
        self.volumes[side].swap_back();
        let kept = before == self.volumes[side.other()].project();
        for side in Side::BOTH {
            self.work(side, |user| user.delete(&name));
        }
        let refused = matches!(&ended, Ended::Report(report)
            if matches!(report.outcome, Outcome::Refused(Refusal::Identity { .. })));
        if carried && !(refused && kept) {
            return Err(format!("took an older root for {side}: {}", told(&ended)));
        }
        Ok(())
    }
}
