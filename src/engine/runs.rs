//! The folders of runs in a root's trash: their names, ages, sizes and what they hold.

use crate::disk::{self, ErrorKind, Folder, Freshness, Node, Root};
use crate::model::conflict::host_word;
use crate::model::path::{Name, RelPath};
use crate::model::time::Time;
use crate::model::utc;
use crate::transfer::trash::home;

use std::time::Duration;

/// A run this young may still be at work, on whatever machine.
pub(super) const SETTLED: Duration = Duration::from_secs(3_600);

/// The runs that have something in this root's trash.
pub(super) fn runs(root: &dyn Root) -> disk::Result<Vec<Name>> {
    Ok(runs_by_age(root)?.into_iter().map(|(run, _)| run).collect())
}

/// The runs with the time of their last change at the top, the youngest first.
pub(super) fn runs_by_age(root: &dyn Root) -> disk::Result<Vec<(Name, Time)>> {
    let listing = match root.folder(&home()) {
        Ok(folder) => folder.list()?,
        Err(error) if error.kind == ErrorKind::Absent => Vec::new(),
        Err(error) => return Err(error),
    };
    let ours = listing.into_iter().filter(|item| item.value.is_folder() && utc::parse_compact(&item.name).is_some());
    let mut runs: Vec<(Name, Time)> = ours.map(|item| (item.name, item.value.stamp.mtime)).collect();
    runs.sort_by_key(|(_, time)| std::cmp::Reverse(*time));
    Ok(runs)
}

/// The machine in the name of a run's folder.
pub(super) fn host_of(run: &Name) -> String {
    let text = run.to_string();
    let host = text.get(17..).unwrap_or_default();
    host.rsplit_once('-').map_or(host, |(host, _)| host).to_owned()
}

/// How long ago the run was, by the time in its name; `None` for a name that is not ours.
pub(super) fn age(run: &Name, now: Time) -> Option<Duration> {
    let then = Duration::from_nanos(u64::try_from(utc::parse_compact(run)?.0).ok()?);
    let now = Duration::from_nanos(u64::try_from(now.0).ok()?);
    Some(now.saturating_sub(then))
}

/// The name of a run's folder: its UTC time, then the host.
pub(super) fn run_name(started: Time, host: &str) -> Name {
    let compact = utc::compact(started);
    let host = host_word(host);
    let part = started.parts().1 / 1_000;
    Name::new(format!("{compact}-{host}-{part:06}").as_bytes()).expect("digits and letters make a name")
}

/// Bytes that a run's folder holds.
pub(super) fn size(root: &dyn Root, run: &Name) -> disk::Result<u64> {
    let mut bytes = 0;
    each(root, run, &mut |_, node| {
        bytes = u64::saturating_add(bytes, node.stamp.size);
        Ok(())
    })?;
    Ok(bytes)
}

type Tell<'a> = dyn FnMut(&RelPath, &Node) -> disk::Result<()> + 'a;

/// Everything in a run's folder, folders before what they hold.
pub(super) fn each(root: &dyn Root, run: &Name, tell: &mut Tell<'_>) -> disk::Result<()> {
    each_below(root, run, &RelPath::root(), tell)
}

/// What a run's folder holds at and below a path; nothing where it holds nothing of it.
pub(super) fn each_below(root: &dyn Root, run: &Name, path: &RelPath, tell: &mut Tell<'_>) -> disk::Result<()> {
    let top = home().join(run);
    if let (Some(parent), Some(name)) = (path.parent(), path.name()) {
        let folder = match root.folder(&top.append(&parent)) {
            Err(error) if matches!(error.kind, ErrorKind::Absent | ErrorKind::WrongKind | ErrorKind::Barred) => return Ok(()),
            other => other?,
        };
        let Some(node) = folder.look(&name, Freshness::Fresh)? else { return Ok(()) };
        tell(path, &node)?;
        if !node.is_folder() {
            return Ok(());
        }
    }
    let mut open = vec![path.clone()];
    while let Some(path) = open.pop() {
        for item in root.folder(&top.append(&path))?.list()? {
            let below = path.join(&item.name);
            tell(&below, &item.value)?;
            if item.value.is_folder() {
                open.push(below);
            }
        }
    }
    Ok(())
}

/// Removes a run's folder from the trash, links never followed.
pub(super) fn remove_run(root: &dyn Root, run: &Name) -> disk::Result<()> {
    let trash = root.folder(&home())?;
    clear(root, &home().join(run))?;
    trash.remove_folder(run)
}

fn clear(root: &dyn Root, path: &RelPath) -> disk::Result<()> {
    let folder: Box<dyn Folder> = root.folder(path)?;
    for item in folder.list()? {
        if item.value.is_folder() {
            let below = path.join(&item.name);
            // A folder that came to the trash without the right to change it.
            let _ = root.folder(&below).and_then(|folder| folder.touch_self(None, Some(0o700)));
            clear(root, &below)?;
            folder.remove_folder(&item.name)?;
        } else {
            folder.remove_file(&item.name)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_knows_its_age() {
        let started = Time::from_parts(1_700_000_000, 5_000);
        let name = run_name(started, "lab 7.example/..");
        assert_eq!(name.to_string(), "20231114T221320Z-lab7example-000005");
        assert_eq!(host_of(&name), "lab7example");
        assert_eq!(age(&name, Time::from_parts(1_700_000_060, 0)), Some(Duration::from_secs(60)));
        assert_eq!(age(&Name::new(b"something else").expect("a name"), started), None);
    }
}
