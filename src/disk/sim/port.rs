//! The port: a root and its folders.

use std::sync::Arc;

use super::acts::{Act, Answer, New, READ, WRITE};
use super::faults::Fault;
use super::files::{SimReader, SimWriter};
use super::habits::Flush;
use super::tree::{Ino, Kind};
use super::turn::{At, Handle};
use crate::disk::{ErrorKind, Folder, Freshness, Node, Onto, Reader, Result, Root, Space, Trial, Writer};
use crate::model::entry::Stamp;
use crate::model::listing::Listing;
use crate::model::path::{Name, RelPath};
use crate::model::time::Time;

/// The rights that the system takes away from new folders.
const UMASK: u32 = 0o022;
/// Temporary files are made readable by their owner only.
const PRIVATE: u32 = 0o600;

struct SimRoot(Handle);

pub(super) fn root(handle: Handle) -> Arc<dyn Root> {
    Arc::new(SimRoot(handle))
}

fn parent(act: &Act<'_>, path: &RelPath) -> Answer<(Ino, Name)> {
    let (folder, name) = path.parent().zip(path.name()).ok_or(ErrorKind::BadName)?;
    Ok((act.open(&folder)?, name))
}

type Ends = ((Ino, Name), (Ino, Name));

impl Handle {
    /// Without `RENAME_NOREPLACE` a look and a rename; what is created in between is replaced.
    fn rename(&self, at: At<'_>, onto: Onto, find: impl Fn(&Act<'_>) -> Answer<Ends>) -> Result<()> {
        let done = self.call("rename", at, |act, _| {
            let ((source, old), (target, new)) = find(act)?;
            if onto == Onto::File || act.medium.habits.refuses_to_replace {
                return act.rename((source, &old), (target, &new), onto).map(|()| true);
            }
            let moved = act.there(source, &old)?;
            match act.entry(target, &new)? {
                Some(taken) if taken != moved || source != target || old == new => Err(ErrorKind::Exists),
                _ => Ok(false),
            }
        })?;
        if done {
            return Ok(());
        }
        self.call("rename, second half", at, |act, _| {
            let ((source, old), (target, new)) = find(act)?;
            act.rename((source, &old), (target, &new), Onto::File)
        })
    }
}

impl Root for SimRoot {
    fn folder(&self, path: &RelPath) -> Result<Box<dyn Folder>> {
        let ino = self.0.call("open", At::Path(path), |act, _| act.open(path))?;
        Ok(Box::new(SimFolder { handle: self.0.clone(), ino, opened: path.clone() }))
    }

    fn rename(&self, from: &RelPath, to: &RelPath, onto: Onto) -> Result<()> {
        self.0.rename(At::Paths(from, to), onto, |act| Ok((parent(act, from)?, parent(act, to)?)))
    }

    fn link(&self, from: &RelPath, to: &RelPath) -> Result<()> {
        self.0.call("link", At::Paths(from, to), |act, _| {
            let ((source, old), (target, new)) = (parent(act, from)?, parent(act, to)?);
            act.link((source, &old), (target, &new))
        })
    }

    fn space(&self) -> Result<Space> {
        self.0.call("space", At::Path(&RelPath::root()), |act, _| {
            let medium = &act.medium;
            Ok(Space { free: medium.free(), total: medium.habits.bytes, free_files: medium.free_files() })
        })
    }

    fn flush_all(&self) -> Result<()> {
        self.0.call("flush all", At::Path(&RelPath::root()), |act, _| match act.medium.habits.flush {
            _ if act.medium.habits.fuse => Err(ErrorKind::Unsupported),
            Flush::FilesOnly => Err(ErrorKind::Unsupported),
            Flush::Lies => Ok(()),
            Flush::Proves => {
                act.medium.settle_all();
                Ok(())
            }
        })
    }

    fn device(&self) -> Result<u64> {
        self.0.call("device", At::Path(&RelPath::root()), |act, _| Ok(act.medium.device))
    }

    fn still_there(&self) -> Result<bool> {
        let era = self.0.era;
        self.0.call("still there", At::Path(&RelPath::root()), |act, _| Ok(act.medium.era == era))
    }
}

struct SimFolder {
    handle: Handle,
    ino: Ino,
    /// Where it was when it was opened, for the log once it is removed.
    opened: RelPath,
}

impl SimFolder {
    fn at<'a>(&'a self, name: &'a Name) -> At<'a> {
        At::In { folder: self.ino, opened: &self.opened, name: Some(name), to: None }
    }

    fn both<'a>(&'a self, name: &'a Name, to: &'a Name) -> At<'a> {
        At::In { folder: self.ino, opened: &self.opened, name: Some(name), to: Some(to) }
    }

    fn itself(&self) -> At<'_> {
        At::In { folder: self.ino, opened: &self.opened, name: None, to: None }
    }
}

/// A thing that is opened to be read or written: never a link, never what blocks.
fn regular(act: &Act<'_>, folder: Ino, name: &Name, right: u32) -> Answer<Ino> {
    let ino = act.there(folder, name)?;
    match act.medium.tree.get(ino).kind {
        Kind::Link(_) => Err(ErrorKind::Barred),
        // Nobody reads the FIFO: ENXIO.
        Kind::Special if right == WRITE => Err(ErrorKind::Gone),
        Kind::Folder if right == WRITE => Err(ErrorKind::WrongKind),
        Kind::Folder | Kind::Special => act.may(ino, right).and(Err(ErrorKind::WrongKind)),
        Kind::File => act.may(ino, right).map(|()| ino),
    }
}

impl Folder for SimFolder {
    fn list(&self) -> Result<Listing<Node>> {
        self.handle.call("list", self.itself(), |act, fault| {
            let mut listing = act.list(self.ino)?;
            if fault == Some(Fault::ShortListing) {
                let every_other = (0..).map(|at| at % 2 == 0);
                listing = listing.into_iter().zip(every_other).filter_map(|(item, kept)| kept.then_some(item)).collect();
            }
            Ok(listing)
        })
    }

    fn look(&self, name: &Name, freshness: Freshness) -> Result<Option<Node>> {
        let looked = self.handle.call("look", self.at(name), |act, _| {
            let found = act.entry(self.ino, name)?;
            Ok(act.seen(self.ino, name, found, freshness))
        });
        match looked {
            Err(error) if error.kind == ErrorKind::Absent => Ok(None),
            other => other,
        }
    }

    fn read(&self, name: &Name) -> Result<Box<dyn Reader>> {
        let opened = self.handle.call("read", self.at(name), |act, _| {
            let ino = regular(act, self.ino, name, READ)?;
            let sparse = act.medium.bodies[&ino].allocated() < act.medium.bodies[&ino].size();
            Ok((ino, act.medium.node(ino).stamp, sparse && act.medium.habits.holes))
        });
        let (ino, stamp, sparse) = opened?;
        Ok(Box::new(SimReader::new(self.handle.clone(), self.opened.join(name), ino, stamp, sparse)))
    }

    fn stage(&self, name: &Name) -> Result<Box<dyn Writer>> {
        let ino = self.handle.call("stage", self.at(name), |act, _| act.make(self.ino, name, PRIVATE, New::File))?;
        Ok(Box::new(SimWriter::new(self.handle.clone(), self.opened.join(name), ino, 0)))
    }

    fn resume(&self, name: &Name, id: u64, length: u64) -> Result<Box<dyn Writer>> {
        let ino = self.handle.call("resume", self.at(name), |act, _| {
            let ino = regular(act, self.ino, name, WRITE)?;
            let node = act.medium.node(ino);
            if node.stamp.id != id || node.stamp.size < length || act.medium.tree.get(ino).names.len() != 1 {
                return Err(ErrorKind::Barred);
            }
            if node.stamp.size > length {
                let bytes = &act.medium.bodies[&ino].bytes[..length as usize];
                act.fill(ino, super::medium::Body::new(bytes.to_vec()));
            }
            Ok(ino)
        })?;
        Ok(Box::new(SimWriter::new(self.handle.clone(), self.opened.join(name), ino, length)))
    }

    fn stage_over(&self, old: &Name, name: &Name) -> Result<(Box<dyn Writer>, Stamp)> {
        let (over, stamp, ino) = self.handle.call("stage over", self.both(name, old), |act, _| {
            if !act.medium.habits.ranges {
                return Err(ErrorKind::Unsupported);
            }
            let over = regular(act, self.ino, old, READ)?;
            let ino = act.make(self.ino, name, PRIVATE, New::File)?;
            Ok((over, act.medium.node(over).stamp, ino))
        })?;
        let writer = SimWriter::new(self.handle.clone(), self.opened.join(name), ino, 0);
        Ok((Box::new(writer.over(over, stamp)), stamp))
    }

    fn write_into(&self, name: &Name) -> Result<(Box<dyn Writer>, Stamp)> {
        let (ino, stamp) = self.handle.call("write into", self.at(name), |act, _| {
            let ino = regular(act, self.ino, name, WRITE)?;
            if act.medium.tree.get(ino).names.len() != 1 {
                return Err(ErrorKind::Barred);
            }
            Ok((ino, act.medium.node(ino).stamp))
        })?;
        let writer = SimWriter::new(self.handle.clone(), self.opened.join(name), ino, 0);
        Ok((Box::new(writer.into_itself()), stamp))
    }

    fn rename(&self, from: &Name, to: &Name, onto: Onto) -> Result<()> {
        self.handle.rename(self.both(from, to), onto, |_| Ok(((self.ino, from.clone()), (self.ino, to.clone()))))
    }

    fn exchange(&self, a: &Name, b: &Name) -> Result<()> {
        self.handle.call("exchange", self.both(a, b), |act, _| {
            if !act.medium.habits.exchange {
                return Err(ErrorKind::Unsupported);
            }
            act.exchange((self.ino, a), (self.ino, b))
        })
    }

    fn make_folder(&self, name: &Name, mode: u32) -> Result<()> {
        self.handle.call("make", self.at(name), |act, _| act.make(self.ino, name, mode & 0o1777 & !UMASK, New::Folder).map(drop))
    }

    fn make_link(&self, name: &Name, target: &[u8]) -> Result<()> {
        self.handle.call("make link", self.at(name), |act, _| act.make(self.ino, name, 0o777, New::Link(target)).map(drop))
    }

    fn remove_file(&self, name: &Name) -> Result<()> {
        self.handle.call("remove", self.at(name), |act, _| act.remove(self.ino, name, false))
    }

    fn remove_folder(&self, name: &Name) -> Result<()> {
        self.handle.call("remove folder", self.at(name), |act, _| act.remove(self.ino, name, true))
    }

    fn touch(&self, name: &Name, mtime: Option<Time>, mode: Option<u32>) -> Result<()> {
        self.handle.call("touch", self.at(name), |act, _| {
            let ino = act.there(self.ino, name)?;
            let is_link = matches!(act.medium.tree.get(ino).kind, Kind::Link(_));
            let mtime = mtime.filter(|_| !is_link || act.medium.habits.link_times);
            act.meta(ino, mode.filter(|_| !is_link), mtime);
            Ok(())
        })
    }

    fn touch_self(&self, mtime: Option<Time>, mode: Option<u32>) -> Result<()> {
        self.handle.call("touch self", self.itself(), |act, _| {
            act.meta(self.ino, mode, mtime);
            Ok(())
        })
    }

    fn flush(&self) -> Result<()> {
        self.handle.call("flush", self.itself(), |act, _| match act.medium.habits.flush {
            Flush::FilesOnly => Err(ErrorKind::Unsupported),
            Flush::Lies => Ok(()),
            Flush::Proves => {
                act.medium.settle_folder(self.ino);
                Ok(())
            }
        })
    }

    fn has_writer(&self, name: &Name) -> Result<Option<bool>> {
        self.handle.call("has writer", self.at(name), |act, _| {
            let ino = act.there(self.ino, name)?;
            let medium = &act.medium;
            match medium.tree.get(ino).kind {
                Kind::Link(_) => Err(ErrorKind::Barred),
                Kind::File if act.may(ino, READ).is_err() || !medium.habits.leases => Ok(None),
                Kind::File => Ok(Some(medium.held.contains_key(&ino) || medium.writing.contains_key(&ino))),
                Kind::Folder | Kind::Special => Ok(None),
            }
        })
    }

    fn attempt(&self, trial: Trial) -> Result<Option<bool>> {
        self.handle.call("try", self.itself(), |act, _| match trial {
            Trial::RefuseToReplace => Ok(Some(act.medium.habits.refuses_to_replace)),
            Trial::Clone | Trial::CopyRange | Trial::Event | Trial::Lock => Ok(None),
        })
    }
}
