//! Open files.

use super::acts::{Act, Answer};
use super::faults::Fault;
use super::medium::{Body, By};
use super::tree::Ino;
use super::turn::{At, Handle, Told};
use crate::disk::{ErrorKind, Node, Reader, Result, Writer};
use crate::model::entry::Stamp;
use crate::model::path::RelPath;
use crate::model::time::Time;

pub(super) struct SimReader {
    handle: Handle,
    path: RelPath,
    ino: Ino,
    place: u64,
    opened: Stamp,
    sparse: bool,
}

impl SimReader {
    pub fn new(handle: Handle, path: RelPath, ino: Ino, opened: Stamp, sparse: bool) -> SimReader {
        SimReader { handle, path, ino, place: 0, opened, sparse }
    }
}

impl Reader for SimReader {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let count = self.handle.call("read bytes", At::Path(&self.path), |act, _| {
            let bytes = &act.medium.bodies[&self.ino].bytes;
            let rest = bytes.get(self.place as usize..).unwrap_or(&[]);
            let count = rest.len().min(buffer.len());
            buffer[..count].copy_from_slice(&rest[..count]);
            Ok(count)
        })?;
        self.place += count as u64;
        Ok(count)
    }

    fn next_data(&mut self, offset: u64) -> Result<Option<(u64, u64)>> {
        self.handle.call("holes", At::Path(&self.path), |act, _| {
            let body = &act.medium.bodies[&self.ino];
            let holes: Vec<(u64, u64)> = if act.medium.habits.holes { body.told_holes().collect() } else { Vec::new() };
            let inside = |at: u64| holes.iter().find(|(start, end)| (*start..*end).contains(&at));
            let start = std::iter::successors(Some(offset), |at| inside(*at).map(|(_, end)| *end)).last().unwrap_or(offset);
            let end = holes.iter().map(|(hole, _)| *hole).find(|hole| *hole > start).unwrap_or(body.size());
            Ok((start < body.size()).then_some((start, end)))
        })
    }

    fn seek(&mut self, offset: u64) -> Result<()> {
        self.place = offset;
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        self.handle.call("flush content", At::Path(&self.path), |act, _| {
            flush(act, self.ino);
            Ok(())
        })
    }

    fn node(&self) -> Result<Node> {
        self.handle.call("read stat", At::Path(&self.path), |act, _| Ok(act.medium.node(self.ino)))
    }

    fn opened(&self) -> Stamp {
        self.opened
    }

    fn sparse(&self) -> bool {
        self.sparse
    }
}

pub(super) struct SimWriter {
    handle: Handle,
    path: RelPath,
    ino: Ino,
    place: u64,
    /// The file ends in a hole that only a new length makes.
    short: bool,
    /// What is written over, and what that showed.
    over: Option<(Ino, Stamp)>,
    /// What is not written stays as it is.
    itself: bool,
}

impl SimWriter {
    pub fn new(handle: Handle, path: RelPath, ino: Ino, place: u64) -> SimWriter {
        handle.quietly(|medium| *medium.writing.entry(ino).or_default() += 1);
        SimWriter { handle, path, ino, place, short: false, over: None, itself: false }
    }

    pub fn over(mut self, old: Ino, stamp: Stamp) -> SimWriter {
        self.over = Some((old, stamp));
        self
    }

    pub fn into_itself(mut self) -> SimWriter {
        (self.itself, self.short) = (true, true);
        self
    }

    fn call<T: Told>(&self, op: &'static str, act: impl FnOnce(&mut Act<'_>, Option<Fault>) -> Answer<T>) -> Result<T> {
        self.handle.call(op, At::Path(&self.path), act)
    }
}

impl Drop for SimWriter {
    fn drop(&mut self) {
        let ino = self.ino;
        self.handle.quietly(|medium| {
            let left = medium.writing.get_mut(&ino).map(|count| {
                *count -= 1;
                *count
            });
            if left == Some(0) {
                medium.writing.remove(&ino);
            }
        });
    }
}

/// Writes at a place, as far as there is room; what lies between the end and the place is a hole.
fn put(act: &mut Act<'_>, ino: Ino, place: u64, bytes: &[u8]) -> Answer<u64> {
    let old = &act.medium.bodies[&ino];
    let room = act.medium.free();
    let fits = bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX));
    let (mut whole, mut holes) = (old.bytes.to_vec(), old.holes.clone());
    let (size, end) = (old.size(), place + fits as u64);
    if size < place {
        holes.push((size, place));
    }
    whole.resize(usize::try_from(size.max(end)).map_err(|_| ErrorKind::Full)?, 0);
    whole[place as usize..end as usize].copy_from_slice(&bytes[..fits]);
    act.fill(ino, Body { holes, ..Body::new(whole) });
    if fits < bytes.len() { Err(ErrorKind::Full) } else { Ok(fits as u64) }
}

/// Makes the content durable, where a flush is worth something.
fn flush(act: &mut Act<'_>, ino: Ino) {
    if act.medium.habits.flush != super::Flush::Lies {
        let body = act.medium.bodies[&ino].clone();
        act.medium.synced.insert(ino, body);
    }
}

impl Writer for SimWriter {
    fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        let (ino, place) = (self.ino, self.place);
        let wrote = self.call("write", |act, fault| {
            if fault == Some(Fault::HalfWrite) {
                put(act, ino, place, &bytes[..bytes.len() / 2])?;
                return Err(Fault::HalfWrite.kind(act.medium.habits.remote));
            }
            put(act, ino, place, bytes)
        })?;
        self.place += wrote;
        self.short = self.itself;
        Ok(())
    }

    fn skip(&mut self, bytes: u64) -> Result<()> {
        self.place += bytes;
        self.short = true;
        Ok(())
    }

    fn keep(&mut self, bytes: u64) -> Result<()> {
        let (ino, place, over) = (self.ino, self.place, self.over);
        if self.itself {
            self.place += bytes;
            return Ok(());
        }
        self.call("keep", |act, _| {
            let (old, _) = over.ok_or(ErrorKind::Unsupported)?;
            let range = place as usize..(place + bytes) as usize;
            let taken = act.medium.bodies[&old].bytes.get(range).ok_or(ErrorKind::Other)?.to_vec();
            put(act, ino, place, &taken)
        })?;
        self.place += bytes;
        self.short = false;
        Ok(())
    }

    fn pause(&mut self, to_disk: bool) -> Result<Node> {
        self.call("pause", |act, _| {
            if to_disk {
                flush(act, self.ino);
            }
            Ok(act.medium.node(self.ino))
        })
    }

    fn finish(self: Box<Self>, mtime: Time, mode: Option<u32>, to_disk: bool) -> Result<Node> {
        let (ino, place) = (self.ino, self.place);
        self.call("finish", |act, _| {
            if self.over.is_some_and(|(old, stamp)| act.medium.node(old).stamp != stamp) {
                return Err(ErrorKind::Barred);
            }
            if self.short {
                put(act, ino, place, &[])?;
                let size = act.medium.bodies[&ino].size();
                if size > place {
                    let kept = act.medium.bodies[&ino].bytes[..place as usize].to_vec();
                    act.fill(ino, Body::new(kept));
                }
            }
            act.meta(ino, mode, Some(mtime));
            if to_disk {
                flush(act, ino);
            }
            let node = act.medium.node(ino);
            // Only who looks again sees what the server made of the time.
            let kept = act.medium.habits.restamped(ino, node.stamp.mtime, act.medium.now);
            if kept != node.stamp.mtime {
                act.fallen.extend(act.medium.commit(vec![act.medium.meta(ino, None, Some(kept))], By::Engine));
            }
            Ok(node)
        })
    }
}
