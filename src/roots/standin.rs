//! A plain root over `std::fs` for the tests of this room, until the real disk takes its place in `tests::open`.
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;

use crate::disk::*;
use crate::model::entry::{Content, Stamp};
use crate::model::listing::{Item, Listing};
use crate::model::path::{Name, RelPath};
use crate::model::time::Time;

pub(super) struct Plain(pub(super) PathBuf);

fn os(b: &[u8]) -> &std::ffi::OsStr {
    std::ffi::OsStr::from_bytes(b)
}
fn err(op: &'static str) -> impl Fn(io::Error) -> Error {
    move |e| {
        let kind = match e.kind() {
            io::ErrorKind::NotFound => ErrorKind::Absent,
            io::ErrorKind::AlreadyExists => ErrorKind::Exists,
            io::ErrorKind::PermissionDenied => ErrorKind::Denied,
            io::ErrorKind::ReadOnlyFilesystem => ErrorKind::ReadOnly,
            io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => ErrorKind::WrongKind,
            io::ErrorKind::DirectoryNotEmpty => ErrorKind::NotEmpty,
            _ => ErrorKind::Other,
        };
        Error::new(op, "x", kind, e)
    }
}
impl Plain {
    fn at(&self, path: &RelPath) -> PathBuf {
        self.0.join(os(path.as_bytes()))
    }
}
fn put(from: PathBuf, to: PathBuf, onto: Onto) -> Result<()> {
    if onto == Onto::Nothing && to.symlink_metadata().is_ok() {
        return Err(err("rename")(io::ErrorKind::AlreadyExists.into()));
    }
    fs::rename(from, to).map_err(err("rename"))
}
impl Root for Plain {
    fn folder(&self, path: &RelPath) -> Result<Box<dyn Folder>> {
        let mut at = self.0.clone();
        for n in path.names() {
            at.push(os(n));
            let m = at.symlink_metadata().map_err(err("open"))?;
            if m.is_symlink() {
                return Err(Error::new("open", path, ErrorKind::Barred, io::ErrorKind::Other.into()));
            }
            if !m.is_dir() {
                return Err(Error::new("open", path, ErrorKind::WrongKind, io::ErrorKind::NotADirectory.into()));
            }
        }
        Ok(Box::new(PlainFolder(at)))
    }
    fn rename(&self, from: &RelPath, to: &RelPath, onto: Onto) -> Result<()> {
        put(self.at(from), self.at(to), onto)
    }
    fn link(&self, from: &RelPath, to: &RelPath) -> Result<()> {
        fs::hard_link(self.at(from), self.at(to)).map_err(err("link"))
    }
    fn space(&self) -> Result<Space> {
        Ok(Space { free: 1, total: 1, free_files: None })
    }
    fn flush_all(&self) -> Result<()> {
        Ok(())
    }
    fn device(&self) -> Result<u64> {
        Ok(0)
    }
    fn still_there(&self) -> Result<bool> {
        Ok(true)
    }
}
struct PlainFolder(PathBuf);
impl PlainFolder {
    fn at(&self, n: &[u8]) -> PathBuf {
        self.0.join(os(n))
    }
}
fn node(m: &fs::Metadata, at: &PathBuf) -> Node {
    let content = if m.is_dir() {
        NodeContent::Plain(Content::Folder)
    } else if m.is_symlink() {
        NodeContent::Plain(Content::Link { target: fs::read_link(at).expect("l").as_os_str().as_bytes().into() })
    } else {
        NodeContent::Plain(Content::File { size: m.len(), digest: None })
    };
    Node {
        content,
        mode: m.mode() & 0o7777,
        stamp: Stamp {
            size: m.len(),
            mtime: Time::from_parts(m.mtime(), m.mtime_nsec() as u32),
            ctime: Time::default(),
            id: m.ino(),
        },
    }
}
impl Folder for PlainFolder {
    fn list(&self) -> Result<Listing<Node>> {
        let mut all = Vec::new();
        for e in fs::read_dir(&self.0).map_err(err("list"))? {
            let e = e.map_err(err("list"))?;
            let m = e.path().symlink_metadata().map_err(err("list"))?;
            all.push(Item { name: Name::new(e.file_name().as_bytes()).expect("name"), value: node(&m, &e.path()) });
        }
        Ok(all)
    }
    fn look(&self, name: &Name, _: Freshness) -> Result<Option<Node>> {
        let at = self.at(name);
        Ok(at.symlink_metadata().ok().map(|m| node(&m, &at)))
    }
    fn read(&self, name: &Name) -> Result<Box<dyn Reader>> {
        Ok(Box::new(R(fs::File::open(self.at(name)).map_err(err("read"))?)))
    }
    fn stage(&self, name: &Name) -> Result<Box<dyn Writer>> {
        let at = self.at(name);
        let f = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&at).map_err(err("stage"))?;
        Ok(Box::new(W(f, at)))
    }
    fn rename(&self, from: &Name, to: &Name, onto: Onto) -> Result<()> {
        put(self.at(from), self.at(to), onto)
    }
    fn exchange(&self, a: &Name, b: &Name) -> Result<()> {
        rustix::fs::renameat_with(rustix::fs::CWD, self.at(a), rustix::fs::CWD, self.at(b), rustix::fs::RenameFlags::EXCHANGE)
            .map_err(|e| err("x")(e.into()))
    }
    fn make_folder(&self, name: &Name, _: u32) -> Result<()> {
        fs::create_dir(self.at(name)).map_err(err("mkdir"))
    }
    fn make_link(&self, name: &Name, target: &[u8]) -> Result<()> {
        std::os::unix::fs::symlink(os(target), self.at(name)).map_err(err("symlink"))
    }
    fn remove_file(&self, name: &Name) -> Result<()> {
        fs::remove_file(self.at(name)).map_err(err("rm"))
    }
    fn remove_folder(&self, name: &Name) -> Result<()> {
        fs::remove_dir(self.at(name)).map_err(err("rmdir"))
    }
    fn touch(&self, name: &Name, mtime: Option<Time>, mode: Option<u32>) -> Result<()> {
        if let Some(t) = mtime {
            let (s, n) = t.parts();
            filetime::set_file_times(self.at(name), filetime::FileTime::now(), filetime::FileTime::from_unix_time(s, n))
                .map_err(err("touch"))?;
        }
        mode.map_or(Ok(()), |m| fs::set_permissions(self.at(name), fs::Permissions::from_mode(m)).map_err(err("chmod")))
    }
    fn touch_self(&self, _: Option<Time>, _: Option<u32>) -> Result<()> {
        Ok(())
    }
    fn flush(&self) -> Result<()> {
        Ok(())
    }
    fn has_writer(&self, _: &Name) -> Result<Option<bool>> {
        Ok(None)
    }
}
struct R(fs::File);
impl Reader for R {
    fn read(&mut self, b: &mut [u8]) -> Result<usize> {
        self.0.read(b).map_err(err("read"))
    }
    fn next_data(&mut self, _: u64) -> Result<Option<(u64, u64)>> {
        Ok(None)
    }
    fn seek(&mut self, _: u64) -> Result<()> {
        Ok(())
    }
    fn node(&self) -> Result<Node> {
        Err(err("n")(io::ErrorKind::Other.into()))
    }
    fn sparse(&self) -> Result<bool> {
        Ok(false)
    }
}
struct W(fs::File, PathBuf);
impl Writer for W {
    fn write_all(&mut self, b: &[u8]) -> Result<()> {
        self.0.write_all(b).map_err(err("write"))
    }
    fn skip(&mut self, _: u64) -> Result<()> {
        Ok(())
    }
    fn finish(self: Box<Self>, t: Time, mode: Option<u32>, _: bool) -> Result<Node> {
        let (s, n) = t.parts();
        filetime::set_file_times(&self.1, filetime::FileTime::now(), filetime::FileTime::from_unix_time(s, n))
            .map_err(err("touch"))?;
        if let Some(m) = mode {
            fs::set_permissions(&self.1, fs::Permissions::from_mode(m)).map_err(err("chmod"))?;
        }
        Ok(node(&self.1.symlink_metadata().map_err(err("n"))?, &self.1))
    }
}
