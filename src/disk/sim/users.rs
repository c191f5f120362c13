//! Edits as other programs make them: by path, without the engine's handles, with all rights.

use std::sync::Arc;

use super::Volume;
use super::acts::{Act, Answer, New};
use super::medium::{Body, By, Medium};
use super::tree::{Edit, Ino, Kind, ROOT};
use crate::disk::{ErrorKind, Onto};
use crate::model::path::{Name, RelPath};
use crate::model::time::Time;

/// Somebody who works on the volume. What is written becomes known to the books; what is destroyed is no loss.
#[derive(Clone)]
pub struct User {
    volume: Volume,
    by: By,
}

type Ends = ((Ino, Name), (Ino, Name));

fn path_of(bytes: impl AsRef<[u8]>) -> RelPath {
    RelPath::parse(bytes.as_ref()).expect("tests name paths below the root")
}

/// The folder of a path and the name there.
fn spot(medium: &Medium, path: &RelPath) -> Answer<(Ino, Name)> {
    let (parent, name) = path.parent().zip(path.name()).ok_or(ErrorKind::BadName)?;
    let folder = medium.tree.find(&parent).ok_or(ErrorKind::Absent)?;
    if medium.tree.get(folder).is_folder() { Ok((folder, name)) } else { Err(ErrorKind::WrongKind) }
}

fn file(medium: &Medium, path: &RelPath) -> Answer<Ino> {
    let ino = medium.tree.find(path).ok_or(ErrorKind::Absent)?;
    if medium.tree.get(ino).is_file() { Ok(ino) } else { Err(ErrorKind::WrongKind) }
}

impl User {
    pub(super) fn new(volume: Volume) -> User {
        User { volume, by: By::User }
    }

    /// The same user; what is done is durable only when something flushes it.
    pub fn lazily(&self) -> User {
        User { by: By::LazyUser, ..self.clone() }
    }

    fn act<T>(&self, act: impl FnOnce(&mut Act<'_>) -> Answer<T>) -> Answer<T> {
        self.volume.with(|inner, at| {
            inner.pass_call();
            let now = inner.now;
            let medium = inner.seats[at].own_mut();
            medium.now = now;
            act(&mut Act { medium, by: self.by, fallen: Vec::new() })
        })
    }

    fn ends(act: &Act<'_>, from: &RelPath, to: &RelPath) -> Answer<Ends> {
        Ok((spot(act.medium, from)?, spot(act.medium, to)?))
    }

    /// Makes a content known once it is written as a whole.
    fn learn(&self, bytes: &[u8]) {
        self.volume.with(|inner, _| inner.books.learn(&Arc::new(bytes.to_vec())));
    }

    /// The file at a path, made where there is none.
    fn open(act: &mut Act<'_>, path: &RelPath) -> Answer<Ino> {
        match file(act.medium, path) {
            Err(ErrorKind::Absent) => {
                let (folder, name) = spot(act.medium, path)?;
                act.make(folder, &name, 0o644, New::File)
            }
            other => other,
        }
    }

    /// Writes the whole content in place.
    pub fn write(&self, path: impl AsRef<[u8]>, bytes: &[u8]) -> Answer<()> {
        let path = path_of(path);
        self.act(|act| {
            let ino = Self::open(act, &path)?;
            act.fill(ino, Body::new(bytes.to_vec()));
            Ok(())
        })?;
        self.learn(bytes);
        Ok(())
    }

    /// Begins to write in place: the file holds the first half until [`User::end_write`], and is held open.
    pub fn begin_write(&self, path: impl AsRef<[u8]>, bytes: &[u8]) -> Answer<()> {
        let path = path_of(path);
        self.act(|act| {
            let ino = Self::open(act, &path)?;
            act.fill(ino, Body { half: true, ..Body::new(bytes[..bytes.len() / 2].to_vec()) });
            *act.medium.held.entry(ino).or_default() += 1;
            Ok(())
        })
    }

    pub fn end_write(&self, path: impl AsRef<[u8]>, bytes: &[u8]) -> Answer<()> {
        let path = path_of(path);
        self.write(path.as_bytes(), bytes)?;
        self.let_go(path.as_bytes())
    }

    /// Saves as editors do: a new file takes the name.
    pub fn replace(&self, path: impl AsRef<[u8]>, bytes: &[u8]) -> Answer<()> {
        let path = path_of(path);
        let staged = Name::new(b"editor-temp~").expect("a name");
        self.act(|act| {
            let (folder, name) = spot(act.medium, &path)?;
            if act.medium.tree.child(folder, &name).is_some_and(|ino| act.medium.tree.get(ino).is_folder()) {
                return Err(ErrorKind::WrongKind);
            }
            let ino = act.make(folder, &staged, 0o644, New::File)?;
            act.fill(ino, Body::new(bytes.to_vec()));
            act.rename((folder, &staged), (folder, &name), Onto::File)
        })?;
        self.learn(bytes);
        Ok(())
    }

    pub fn append(&self, path: impl AsRef<[u8]>, bytes: &[u8]) -> Answer<()> {
        let path = path_of(path);
        let mut whole = self.read(path.as_bytes()).ok_or(ErrorKind::Absent)?;
        whole.extend_from_slice(bytes);
        self.write(path.as_bytes(), &whole)
    }

    /// Deletes a file, link or empty folder.
    pub fn delete(&self, path: impl AsRef<[u8]>) -> Answer<()> {
        let path = path_of(path);
        self.act(|act| delete(act, &path))
    }

    /// Deletes a folder with all that it holds.
    pub fn delete_all(&self, path: impl AsRef<[u8]>) -> Answer<()> {
        let path = path_of(path);
        self.act(|act| {
            let ino = act.medium.tree.find(&path).ok_or(ErrorKind::Absent)?;
            let mut below = Vec::new();
            act.medium.tree.walk(ino, &path, &mut |path, _| below.push(path.clone()));
            below.iter().rev().try_for_each(|path| delete(act, path))
        })
    }

    /// Renames a file or folder; a file or link in the way is replaced.
    pub fn rename(&self, from: impl AsRef<[u8]>, to: impl AsRef<[u8]>) -> Answer<()> {
        let (from, to) = (path_of(from), path_of(to));
        self.act(|act| {
            let ((source, old), (target, new)) = Self::ends(act, &from, &to)?;
            act.rename((source, &old), (target, &new), Onto::File)
        })
    }

    /// Swaps two things, whatever they are.
    pub fn swap(&self, a: impl AsRef<[u8]>, b: impl AsRef<[u8]>) -> Answer<()> {
        let (a, b) = (path_of(a), path_of(b));
        self.act(|act| {
            let ((source, old), (target, new)) = Self::ends(act, &a, &b)?;
            act.exchange((source, &old), (target, &new))
        })
    }

    pub fn make_folder(&self, path: impl AsRef<[u8]>) -> Answer<()> {
        self.make(path, 0o755, New::Folder)
    }

    /// Makes a folder and those above it, as far as they are not there.
    pub fn make_folders(&self, path: impl AsRef<[u8]>) -> Answer<()> {
        let path = path_of(path);
        let all = path.ancestors().into_iter().skip(1).chain([path]);
        all.map(|path| self.make_folder(path.as_bytes())).try_for_each(|made| match made {
            Err(ErrorKind::Exists) => Ok(()),
            other => other,
        })
    }

    pub fn make_link(&self, path: impl AsRef<[u8]>, target: &[u8]) -> Answer<()> {
        self.make(path, 0o777, New::Link(target))
    }

    /// Makes a FIFO.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "played beside the disk of Linux alone"))]
    pub fn make_special(&self, path: impl AsRef<[u8]>) -> Answer<()> {
        self.make(path, 0o644, New::Special)
    }

    fn make(&self, path: impl AsRef<[u8]>, mode: u32, new: New<'_>) -> Answer<()> {
        let path = path_of(path);
        self.act(|act| {
            let (folder, name) = spot(act.medium, &path)?;
            act.make(folder, &name, mode, new).map(drop)
        })
    }

    /// Gives a file a second name.
    pub fn link(&self, from: impl AsRef<[u8]>, to: impl AsRef<[u8]>) -> Answer<()> {
        let (from, to) = (path_of(from), path_of(to));
        self.act(|act| {
            let ((source, old), (target, new)) = Self::ends(act, &from, &to)?;
            act.link((source, &old), (target, &new))
        })
    }

    pub fn chmod(&self, path: impl AsRef<[u8]>, mode: u32) -> Answer<()> {
        self.set(path, Some(mode), None)
    }

    pub fn touch(&self, path: impl AsRef<[u8]>, mtime: Time) -> Answer<()> {
        self.set(path, None, Some(mtime))
    }

    fn set(&self, path: impl AsRef<[u8]>, mode: Option<u32>, mtime: Option<Time>) -> Answer<()> {
        let path = path_of(path);
        self.act(|act| {
            let ino = act.medium.tree.find(&path).ok_or(ErrorKind::Absent)?;
            act.meta(ino, mode, mtime);
            Ok(())
        })
    }

    /// Mounts another file system on a folder.
    pub fn mount_on(&self, path: impl AsRef<[u8]>) -> Answer<()> {
        let path = path_of(path);
        self.act(|act| {
            let ino = act.medium.tree.find(&path).filter(|ino| *ino != ROOT).ok_or(ErrorKind::Absent)?;
            let mut inode = act.medium.tree.get(ino).clone();
            if !matches!(inode.kind, Kind::Folder) || !inode.children.is_empty() {
                return Err(ErrorKind::WrongKind);
            }
            inode.mounted = true;
            act.medium.commit(vec![Edit::Make { ino, inode: Box::new(inode) }], act.by);
            Ok(())
        })
    }

    /// Opens a file for writing and keeps it open, without writing.
    pub fn hold(&self, path: impl AsRef<[u8]>) -> Answer<()> {
        let path = path_of(path);
        self.act(|act| {
            let ino = file(act.medium, &path)?;
            *act.medium.held.entry(ino).or_default() += 1;
            Ok(())
        })
    }

    pub fn let_go(&self, path: impl AsRef<[u8]>) -> Answer<()> {
        let path = path_of(path);
        self.act(|act| {
            let ino = file(act.medium, &path)?;
            let count = act.medium.held.get_mut(&ino).ok_or(ErrorKind::Absent)?;
            *count -= 1;
            if *count == 0 {
                act.medium.held.remove(&ino);
            }
            Ok(())
        })
    }

    pub fn read(&self, path: impl AsRef<[u8]>) -> Option<Vec<u8>> {
        let path = path_of(path);
        self.volume.with(|inner, at| inner.bytes(at, &path))
    }
}

fn delete(act: &mut Act<'_>, path: &RelPath) -> Answer<()> {
    let (folder, name) = spot(act.medium, path)?;
    let ino = act.medium.tree.child(folder, &name).ok_or(ErrorKind::Absent)?;
    let is_folder = act.medium.tree.get(ino).is_folder();
    act.remove(folder, &name, is_folder)
}
