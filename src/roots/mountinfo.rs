//! The text of `/proc/self/mountinfo`: which mount a path is on, as a pure function.
//!
//! Invariants. Any text gives an answer, and in bounded time. A path on a network file system is never asked about.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use super::mounts::{Mount, Verdict, verdict};

/// Gives a link's target and `None` for everything else; the verdict says what the path lies on.
pub(super) type ReadLink<'a> = dyn FnMut(&Path, &Verdict) -> Option<PathBuf> + 'a;

/// The verdict for an absolute path, by the text of a mountinfo file. `read_link` is never asked
/// about a path on a network file system.
///
/// A link that itself lies on a network file system is not followed: its path is on the network, wherever it leads.
pub(super) fn judge(text: &[u8], path: &Path, read_link: &mut ReadLink<'_>) -> Verdict {
    let table = Table(text.split(|&byte| byte == b'\n').filter_map(parse).collect());
    let as_written = lexical(path);
    let first = table.verdict(&as_written);
    if first.network {
        return first;
    }
    follow(&table, &as_written, read_link)
}

/// The options of the last mount that has the point and type of `verdict`: `rw,relatime,user_id=0`.
pub(super) fn options(text: &[u8], verdict: &Verdict) -> Option<String> {
    let of_line = |line: &[u8]| {
        let mount = parse(line)?.mount;
        if mount.point != verdict.mount_point || mount.kind != verdict.file_system {
            return None;
        }
        let line = String::from_utf8_lossy(line).into_owned();
        let (before, after) = line.split_once(" - ")?;
        let (own, of_type) = (before.split(' ').nth(5)?, after.split(' ').nth(2).unwrap_or_default());
        let mut all: Vec<&str> = own.split(',').collect();
        // Both lists begin with rw or ro.
        all.extend(of_type.split(',').filter(|option| !option.is_empty() && !own.split(',').any(|word| word == *option)));
        Some(all.join(","))
    };
    text.split(|&byte| byte == b'\n').rev().find_map(of_line)
}

/// The first mount point below `path`.
pub(super) fn below(text: &[u8], path: &Path) -> Option<PathBuf> {
    let points = text.split(|&byte| byte == b'\n').filter_map(parse).map(|line| line.mount.point);
    points.into_iter().find(|point| point != path && point.starts_with(path))
}

/// The mounts whose source begins with `start`: where each is, and its source.
pub(super) fn of_source(text: &[u8], start: &str) -> Vec<(PathBuf, String)> {
    let mounts = text.split(|&byte| byte == b'\n').filter_map(parse).map(|line| line.mount);
    let named = mounts.filter_map(|mount| Some((mount.point, mount.source.into_string().ok()?)));
    named.filter(|(_, source)| source.starts_with(start)).collect()
}

/// Where something lies on its file system. Two paths with the same place, in two tables of one kernel, are the same file or folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    device: Vec<u8>,
    /// Below the file system's own top. Of what was removed the kernel says so in the last name.
    path: PathBuf,
}

/// All mounts that a process sees.
pub struct Mounts(Table);

impl Mounts {
    pub(super) fn read(text: &[u8]) -> Mounts {
        Mounts(Table(text.split(|&byte| byte == b'\n').filter_map(parse).collect()))
    }

    /// Where `path`, which is whole and has no links in it, lies; `None` where no mount of the table covers it.
    pub fn spot(&self, path: &Path) -> Option<Spot> {
        let line = self.0.line_at(path)?;
        let below = path.strip_prefix(&line.mount.point).ok()?;
        let path = if below == Path::new("") { line.root.clone() } else { line.root.join(below) };
        Some(Spot { device: line.device.clone(), path })
    }

    /// The mount points at `path` and below it, each as it lies below that.
    pub fn points(&self, path: &Path) -> Vec<PathBuf> {
        let points = self.0.0.iter().map(|line| &line.mount.point);
        points.filter_map(|point| Some(point.strip_prefix(path).ok()?.to_path_buf())).collect()
    }
}

/// Walks `path` link by link, without asking about what lies on a network file system.
fn follow(table: &Table, path: &Path, read_link: &mut ReadLink<'_>) -> Verdict {
    /// As the kernel; a loop is judged by where it was left.
    const MOST_LINKS: usize = 40;
    let mut done = PathBuf::from("/");
    let mut todo: Vec<OsString> = names_reversed(path);
    let mut links = 0;
    while let Some(name) = todo.pop() {
        if name == ".." {
            done.pop();
            continue;
        }
        done.push(name);
        // On a network file system nothing is asked; a local one may still be mounted further down.
        let lies_on = table.verdict(&done);
        if lies_on.network {
            continue;
        }
        let Some(target) = read_link(&done, &lies_on) else { continue };
        links += 1;
        if links > MOST_LINKS {
            break;
        }
        done.pop();
        if target.is_absolute() {
            done = PathBuf::from("/");
        }
        todo.extend(names_reversed(&target));
    }
    table.verdict(&done)
}

fn names_reversed(path: &Path) -> Vec<OsString> {
    let name = |component: Component<'_>| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    };
    path.components().rev().filter_map(name).collect()
}

/// The path without `.` and `..`, by its text alone.
fn lexical(path: &Path) -> PathBuf {
    let mut clean = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => drop(clean.pop()),
            _ => {}
        }
    }
    clean
}

struct Table(Vec<Line>);

/// One line of the table.
struct Line {
    id: u64,
    parent: u64,
    /// Major and minor number.
    device: Vec<u8>,
    /// What of the file system is mounted.
    root: PathBuf,
    mount: Mount,
}

impl Table {
    /// The mount that the kernel would come to at `path`: down from the root, at each folder into the mount that covers
    /// it, and into what covers that. So a later mount over the same point wins, and one that is hidden below a later
    /// mount of its parent is not found, however long its path.
    fn at(&self, path: &Path) -> Option<&Mount> {
        self.line_at(path).map(|line| &line.mount)
    }

    fn line_at(&self, path: &Path) -> Option<&Line> {
        let mut current: Option<&Line> = None;
        let mut prefixes: Vec<&Path> = path.ancestors().collect();
        prefixes.reverse();
        for prefix in prefixes {
            // Each mount is entered once, so that a table that makes no sense cannot keep us here.
            for _ in 0..self.0.len() {
                let Some(next) = self.0.iter().rfind(|line| line.mount.point == prefix && self.covers(line, current)) else {
                    break;
                };
                current = Some(next);
            }
        }
        current
    }

    /// Is `line` mounted on `current`? The outermost mounts of the table are on what the table does not show.
    fn covers(&self, line: &Line, current: Option<&Line>) -> bool {
        match current {
            Some(current) => line.parent == current.id && line.id != current.id,
            None => line.parent == line.id || !self.0.iter().any(|other| other.id == line.parent),
        }
    }

    fn verdict(&self, path: &Path) -> Verdict {
        let answer = verdict(self.at(path), path);
        let source = Path::new(&answer.source);
        if answer.network || !answer.is_fuse() || !source.is_absolute() || source.starts_with("/dev") {
            return answer;
        }
        // A layer (encrypted, bound, merged) over another folder is where that folder is.
        let below = verdict(self.at(source), source);
        if !below.network {
            return answer;
        }
        let reason = format!("{} It is a layer over that: {}.", below.reason, answer.file_system);
        Verdict { network: true, reason, ..answer }
    }
}

/// A line of mountinfo; `None` for what is none.
///
/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw`: id, parent, device, root, mount point, options, any
/// number of fields up to a lone `-`, then type and source.
fn parse(line: &[u8]) -> Option<Line> {
    let mut fields = line.split(|&byte| byte == b' ');
    let number = |field: &[u8]| std::str::from_utf8(field).ok()?.parse().ok();
    let id = number(fields.next()?)?;
    let parent = number(fields.next()?)?;
    let device = fields.next()?.to_vec();
    let root = PathBuf::from(OsString::from_vec(unescape(fields.next()?)));
    let point = PathBuf::from(OsString::from_vec(unescape(fields.next()?)));
    fields.find(|&field| field == b"-")?;
    let kind = String::from_utf8_lossy(&unescape(fields.next()?)).into_owned();
    let source = OsString::from_vec(unescape(fields.next()?));
    point.is_absolute().then_some(Line { id, parent, device, root, mount: Mount { point, kind, source } })
}

/// Turns `\040` and its like back into bytes.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, after)) = rest.split_first() {
        match (first, after) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', more @ ..]) => {
                bytes.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
                rest = more;
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    bytes
}

#[cfg(test)]
#[path = "mountinfo_tests.rs"]
mod tests;
