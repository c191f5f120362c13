//! A root that lets somebody else act, or the file system fail, right before a call.

use std::sync::{Arc, Mutex};

use crate::disk::{Error, ErrorKind, Folder, Freshness, Node, Onto, Reader, Result, Root, Space, Writer};
use crate::model::entry::Stamp;
use crate::model::listing::Listing;
use crate::model::path::{Name, RelPath};
use crate::model::time::Time;

/// Called with the operation and the path before each call; its error is what the call says instead.
type Step = Box<dyn FnMut(&'static str, &str) -> Option<ErrorKind> + Send>;

/// What the meddler does; shared by all that was opened through one root.
#[derive(Clone, Default)]
pub(super) struct Meddler(Arc<Mutex<Option<Step>>>);

impl Meddler {
    pub(super) fn before_each(&self, step: impl FnMut(&'static str, &str) -> Option<ErrorKind> + Send + 'static) {
        *self.0.lock().expect("no panic before") = Some(Box::new(step));
    }

    /// Acts once, before the first call of `op` at a path that ends with `at`.
    pub(super) fn once(&self, op: &'static str, at: &'static str, act: impl FnOnce() + Send + 'static) {
        let mut act = Some(act);
        self.before_each(move |called, path| {
            if called == op
                && path.ends_with(at)
                && let Some(act) = act.take()
            {
                act();
            }
            None
        });
    }

    /// Every call of `op` at a path that ends with `at` fails.
    pub(super) fn fail(&self, op: &'static str, at: &'static str, kind: ErrorKind) {
        self.before_each(move |called, path| (called == op && path.ends_with(at)).then_some(kind));
    }

    fn call(&self, op: &'static str, path: &RelPath) -> Result<()> {
        let path = String::from_utf8_lossy(path.as_bytes()).into_owned();
        // Taken out while it acts: what it does may come through here again.
        let step = self.0.lock().expect("no panic before").take();
        let Some(mut step) = step else { return Ok(()) };
        let answer = step(op, &path);
        self.0.lock().expect("no panic before").get_or_insert(step);
        answer.map_or(Ok(()), |kind| Err(Error::new(op, path, kind, std::io::Error::other("meddled"))))
    }
}

pub(super) struct Meddled {
    pub(super) inner: Arc<dyn Root>,
    pub(super) meddler: Meddler,
}

impl Root for Meddled {
    fn folder(&self, path: &RelPath) -> Result<Box<dyn Folder>> {
        self.meddler.call("open", path)?;
        let inner = self.inner.folder(path)?;
        Ok(Box::new(MeddledFolder { inner, path: path.clone(), meddler: self.meddler.clone() }))
    }

    fn rename(&self, from: &RelPath, to: &RelPath, onto: Onto) -> Result<()> {
        self.meddler.call("rename", from)?;
        self.inner.rename(from, to, onto)
    }

    fn link(&self, from: &RelPath, to: &RelPath) -> Result<()> {
        self.meddler.call("link", from)?;
        self.inner.link(from, to)
    }

    fn space(&self) -> Result<Space> {
        self.inner.space()
    }

    fn flush_all(&self) -> Result<()> {
        self.meddler.call("flush", &RelPath::root())?;
        self.inner.flush_all()
    }

    fn device(&self) -> Result<u64> {
        self.inner.device()
    }

    fn still_there(&self) -> Result<bool> {
        self.inner.still_there()
    }
}

struct MeddledFolder {
    inner: Box<dyn Folder>,
    path: RelPath,
    meddler: Meddler,
}

impl MeddledFolder {
    fn call(&self, op: &'static str, name: &Name) -> Result<()> {
        self.meddler.call(op, &self.path.join(name))
    }
}

impl Folder for MeddledFolder {
    fn list(&self) -> Result<Listing<Node>> {
        self.meddler.call("list", &self.path)?;
        self.inner.list()
    }

    fn look(&self, name: &Name, freshness: Freshness) -> Result<Option<Node>> {
        self.call("look", name)?;
        self.inner.look(name, freshness)
    }

    fn read(&self, name: &Name) -> Result<Box<dyn Reader>> {
        self.call("read", name)?;
        let (path, meddler) = (self.path.join(name), self.meddler.clone());
        Ok(Box::new(MeddledReader { inner: self.inner.read(name)?, path, meddler }))
    }

    fn stage(&self, name: &Name) -> Result<Box<dyn Writer>> {
        self.call("stage", name)?;
        let (path, meddler) = (self.path.join(name), self.meddler.clone());
        Ok(Box::new(MeddledWriter { inner: self.inner.stage(name)?, path, meddler }))
    }

    fn resume(&self, name: &Name, id: u64, length: u64) -> Result<Box<dyn Writer>> {
        self.call("resume", name)?;
        let (path, meddler) = (self.path.join(name), self.meddler.clone());
        Ok(Box::new(MeddledWriter { inner: self.inner.resume(name, id, length)?, path, meddler }))
    }

    fn write_into(&self, name: &Name) -> Result<(Box<dyn Writer>, Stamp)> {
        self.call("write into", name)?;
        let (path, meddler) = (self.path.join(name), self.meddler.clone());
        let (inner, stamp) = self.inner.write_into(name)?;
        Ok((Box::new(MeddledWriter { inner, path, meddler }), stamp))
    }

    fn rename(&self, from: &Name, to: &Name, onto: Onto) -> Result<()> {
        self.call("rename", to)?;
        self.inner.rename(from, to, onto)
    }

    fn exchange(&self, a: &Name, b: &Name) -> Result<()> {
        self.call("exchange", b)?;
        self.inner.exchange(a, b)
    }

    fn make_folder(&self, name: &Name, mode: u32) -> Result<()> {
        self.call("make", name)?;
        self.inner.make_folder(name, mode)
    }

    fn make_link(&self, name: &Name, target: &[u8]) -> Result<()> {
        self.call("make link", name)?;
        self.inner.make_link(name, target)
    }

    fn remove_file(&self, name: &Name) -> Result<()> {
        self.call("remove", name)?;
        self.inner.remove_file(name)
    }

    fn remove_folder(&self, name: &Name) -> Result<()> {
        self.call("remove folder", name)?;
        self.inner.remove_folder(name)
    }

    fn touch(&self, name: &Name, mtime: Option<Time>, mode: Option<u32>) -> Result<()> {
        self.call("touch", name)?;
        self.inner.touch(name, mtime, mode)
    }

    fn touch_self(&self, mtime: Option<Time>, mode: Option<u32>) -> Result<()> {
        self.inner.touch_self(mtime, mode)
    }

    fn flush(&self) -> Result<()> {
        self.meddler.call("flush", &self.path)?;
        self.inner.flush()
    }

    fn has_writer(&self, name: &Name) -> Result<Option<bool>> {
        self.inner.has_writer(name)
    }

    /// A failure that is asked for stands for a program that is known.
    fn holders(&self, name: &Name) -> Option<String> {
        self.call("holders", name).err().map(|_| "it is open in Editor".to_owned())
    }
}

struct MeddledReader {
    inner: Box<dyn Reader>,
    path: RelPath,
    meddler: Meddler,
}

impl Reader for MeddledReader {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.meddler.call("read bytes", &self.path)?;
        self.inner.read(buffer)
    }

    fn flush(&self) -> Result<()> {
        self.inner.flush()
    }

    fn next_data(&mut self, offset: u64) -> Result<Option<(u64, u64)>> {
        self.inner.next_data(offset)
    }

    fn seek(&mut self, offset: u64) -> Result<()> {
        self.inner.seek(offset)
    }

    fn node(&self) -> Result<Node> {
        self.meddler.call("read stat", &self.path)?;
        self.inner.node()
    }

    fn opened(&self) -> Stamp {
        self.inner.opened()
    }

    fn sparse(&self) -> bool {
        self.inner.sparse()
    }

    /// A failure that is asked for stands for something that is left behind.
    fn left_behind(&self) -> Option<String> {
        self.meddler.call("left behind", &self.path).err().map(|_| "has more than its content".to_owned())
    }
}

struct MeddledWriter {
    inner: Box<dyn Writer>,
    path: RelPath,
    meddler: Meddler,
}

impl Writer for MeddledWriter {
    fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        self.meddler.call("write", &self.path)?;
        self.inner.write_all(bytes)
    }

    fn skip(&mut self, bytes: u64) -> Result<()> {
        self.inner.skip(bytes)
    }

    fn keep(&mut self, bytes: u64) -> Result<()> {
        self.inner.keep(bytes)
    }

    fn pause(&mut self, flush: bool) -> Result<Node> {
        self.meddler.call("pause", &self.path)?;
        self.inner.pause(flush)
    }

    fn finish(self: Box<Self>, mtime: Time, mode: Option<u32>, flush: bool) -> Result<Node> {
        self.meddler.call("finish", &self.path)?;
        self.inner.finish(mtime, mode, flush)
    }
}
