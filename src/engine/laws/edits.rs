//! What users do between runs and in the middle of them, by small numbers that pick among what is there.

use std::collections::{BTreeMap, BTreeSet};

use crate::disk::ErrorKind;
use crate::disk::sim::Volume;
use crate::model::digest::Digest;
use crate::model::entry::Content;
use crate::model::path::RelPath;
use crate::model::time::Time;

/// Few names, so that edits meet; some that are one on volumes that fold.
const NAMES: [&str; 8] = ["a", "b", "c", "d.txt", "A", "\u{e9}", "e\u{301}", "-x\n y*"];

/// Numbers pick among the paths that exist then (`% count`); folders include the root.
#[derive(Clone, Debug)]
pub enum Edit {
    /// A new file, or another content in place where the name is taken.
    Create {
        folder: u16,
        name: u8,
    },
    Write(u16),
    /// Saved as editors do, by a rename.
    Replace(u16),
    Append(u16),
    /// A file, link or whole folder.
    Delete(u16),
    Move {
        from: u16,
        folder: u16,
        name: u8,
    },
    Swap(u16, u16),
    MakeFolder {
        folder: u16,
        name: u8,
    },
    Link {
        folder: u16,
        name: u8,
        target: u8,
    },
    Chmod(u16, bool),
    Touch(u16, u8),
    /// Another content of the same size under the same time, where a ctime tells it.
    Disguise(u16),
    /// A folder becomes a file, a file a folder that holds one.
    Turn(u16),
}

/// What an edit came to.
pub struct Touched {
    /// Every path that shows something else now.
    pub paths: Vec<RelPath>,
    /// Contents that have fewer names now.
    pub gone: Vec<Digest>,
    /// Contents that were not on that side before.
    pub made: Vec<Digest>,
    /// Contents that took the place of others of their size.
    pub same_size: Vec<Digest>,
}

/// Contents that nobody ever wrote before; most of one size.
#[derive(Clone, Debug, Default)]
pub struct Contents(u32);

impl Contents {
    fn next(&mut self, seed: u16) -> Vec<u8> {
        self.0 += 1;
        let mut bytes = format!("{:08}", self.0).into_bytes();
        let more = match seed % 8 {
            6 => 5_000,
            7 => 1,
            _ => 0,
        };
        bytes.resize(bytes.len() + more, b'.');
        bytes
    }

    /// Where neither ids nor change times are to be had, a file in the place of another one of its size and time is seen by
    /// `--verify` alone (docs/safety.md): what was moved gets a time of its own.
    fn tell_apart(&mut self, volume: &Volume, tops: &[RelPath]) {
        let traits = volume.traits();
        if traits.ctime || traits.ids {
            return;
        }
        for (path, _) in volume.project().iter().filter(|(path, _)| tops.iter().any(|top| path.is_within(top))) {
            self.0 += 1;
            let _ = volume.user().touch(path.as_bytes(), Time(1_600_000_000_000_000_000 + i64::from(self.0) * 4_000_000_000));
        }
    }

    fn of_size(&mut self, size: u64) -> Vec<u8> {
        let mut bytes = self.next(0);
        bytes.resize(usize::try_from(size).unwrap_or_default().max(8), b'.');
        bytes
    }
}

impl Touched {
    /// What became of a project that showed `before`.
    pub fn since(before: Vec<(RelPath, Content)>, volume: &Volume) -> Touched {
        let (before, after) =
            (before.into_iter().collect::<BTreeMap<_, _>>(), volume.project().into_iter().collect::<BTreeMap<_, _>>());
        let paths: BTreeSet<&RelPath> = before.keys().chain(after.keys()).collect();
        let paths: Vec<RelPath> = paths.into_iter().filter(|path| before.get(path) != after.get(path)).cloned().collect();
        // Of two names of one content each user may take one, on whatever side.
        let names = |shown: &BTreeMap<RelPath, Content>, wanted: Digest| {
            shown.values().filter(|content| content.digest() == Some(wanted)).count()
        };
        let gone = paths.iter().filter_map(|path| before.get(path)?.digest());
        let made = after.values().filter_map(Content::digest).filter(|&digest| names(&before, digest) == 0).collect();
        let size = |content: Option<&Content>| match content {
            Some(Content::File { size, .. }) => Some(*size),
            _ => None,
        };
        let kept_size = |path: &&RelPath| size(before.get(*path)).is_some_and(|old| size(after.get(*path)) == Some(old));
        let same_size = paths.iter().filter(kept_size).filter_map(|path| after.get(path)?.digest()).collect();
        Touched { same_size, gone: gone.filter(|&digest| names(&after, digest) < names(&before, digest)).collect(), made, paths }
    }
}

/// What an edit picks among.
struct There(Vec<(RelPath, Content)>);

impl There {
    fn pick(&self, number: u16) -> Option<RelPath> {
        self.0.get(usize::from(number) % self.0.len().max(1)).map(|(path, _)| path.clone())
    }

    fn file(&self, number: u16) -> Option<RelPath> {
        let is_file = |(_, content): &&(RelPath, Content)| matches!(content, Content::File { .. });
        let files: Vec<&RelPath> = self.0.iter().filter(is_file).map(|(path, _)| path).collect();
        files.get(usize::from(number) % files.len().max(1)).map(|&path| path.clone())
    }

    /// A name in a folder, whatever stands there.
    fn spot(&self, folder: u16, name: u8) -> RelPath {
        let folders = self.0.iter().filter(|(_, content)| *content == Content::Folder).map(|(path, _)| path.clone());
        let folders: Vec<RelPath> = std::iter::once(RelPath::root()).chain(folders).collect();
        folders[usize::from(folder) % folders.len()].join(NAMES[usize::from(name) % NAMES.len()].as_bytes())
    }
}

impl Edit {
    /// The same at the very path that the engine is busy with; `None` where nothing is there. A folder gets a file.
    pub fn aimed(&self, volume: &Volume, path: &RelPath) -> Option<Edit> {
        let shows = volume.project();
        let is_file = |(_, content): &&(RelPath, Content)| matches!(content, Content::File { .. });
        let file = u16::try_from(shows.iter().filter(is_file).position(|(file, _)| file == path)?).ok()?;
        let folders = || shows.iter().filter(|(_, content)| *content == Content::Folder);
        if let Some(folder) = folders().position(|(folder, _)| folder == path) {
            return Some(Edit::Create { folder: u16::try_from(folder + 1).ok()?, name: 3 });
        }
        let at = u16::try_from(shows.iter().position(|(shown, _)| shown == path)?).ok()?;
        Some(match self {
            Edit::Delete(_) => Edit::Delete(at),
            Edit::Create { .. } | Edit::Replace(_) => Edit::Replace(file),
            Edit::Move { folder, name, .. } => Edit::Move { from: at, folder: *folder, name: *name },
            _ => Edit::Write(file),
        })
    }

    /// Does it, as far as it can be done.
    pub fn apply(&self, volume: &Volume, contents: &mut Contents) -> Touched {
        let there = There(volume.project());
        let (pick, file) = (|number| there.pick(number), |number| there.file(number));
        let spot = |folder, name| there.spot(folder, name);
        let user = volume.user();
        // What cannot be done is not done: a user's program says so, and the user goes on.
        match self {
            Edit::Create { folder, name } => {
                let path = spot(*folder, *name);
                let _ = user.write(path.as_bytes(), &contents.next(*folder));
            }
            Edit::Write(number) => {
                let _ = file(*number).map(|path| user.write(path.as_bytes(), &contents.next(*number)));
            }
            Edit::Replace(number) => {
                let _ = file(*number).map(|path| user.replace(path.as_bytes(), &contents.next(*number)));
            }
            Edit::Append(number) => {
                let _ = file(*number).map(|path| user.append(path.as_bytes(), &contents.next(0)));
            }
            Edit::Delete(number) => {
                let _ = pick(*number).map(|path| user.delete_all(path.as_bytes()));
            }
            Edit::Move { from, folder, name } => {
                let to = spot(*folder, *name);
                let _ = pick(*from).map(|from| user.rename(from.as_bytes(), to.as_bytes()));
                contents.tell_apart(volume, &[to]);
            }
            Edit::Swap(a, b) => {
                if let (Some(a), Some(b)) = (pick(*a), pick(*b)) {
                    let _ = user.swap(a.as_bytes(), b.as_bytes());
                    contents.tell_apart(volume, &[a, b]);
                }
            }
            Edit::MakeFolder { folder, name } => {
                let path = spot(*folder, *name);
                let _ = user.make_folder(path.as_bytes());
            }
            Edit::Link { folder, name, target } => {
                let path = spot(*folder, *name);
                let _ = user.make_link(path.as_bytes(), NAMES[usize::from(*target) % NAMES.len()].as_bytes());
            }
            Edit::Chmod(number, closed) => {
                // Nobody's rights are taken: what may not be read is another story.
                let _ = pick(*number).map(|path| user.chmod(path.as_bytes(), if *closed { 0o700 } else { 0o755 }));
            }
            Edit::Touch(number, days) => {
                let time = Time(1_700_000_000_000_000_000 + i64::from(*days) * 86_400_000_000_000 + i64::from(contents.0));
                let _ = pick(*number).map(|path| user.touch(path.as_bytes(), time));
            }
            Edit::Turn(number) => {
                let _ = pick(*number).map(|path| turn(&there.0, volume, &path, &contents.next(0)));
            }
            Edit::Disguise(number) => {
                let there = file(*number).filter(|_| volume.traits().ctime).and_then(|path| volume.node(path));
                if let Some((path, node)) = there {
                    let _ = user.write(path.as_bytes(), &contents.of_size(node.stamp.size));
                    let _ = user.touch(path.as_bytes(), node.stamp.mtime);
                }
            }
        }
        Touched::since(there.0, volume)
    }
}

fn turn(before: &[(RelPath, Content)], volume: &Volume, path: &RelPath, bytes: &[u8]) -> Result<(), ErrorKind> {
    let user = volume.user();
    user.delete_all(path.as_bytes())?;
    if before.iter().any(|(shown, content)| shown == path && *content == Content::Folder) {
        return user.write(path.as_bytes(), bytes);
    }
    user.make_folder(path.as_bytes())?;
    user.write(path.join(b"a").as_bytes(), bytes)
}
