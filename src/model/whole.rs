//! Folders that are carried as one: a repository is no heap of files, and half of one side's with half of the other's is
//! none at all. So where both sides changed anything in one, the whole folder is a single conflict.
//!
//! A touch changes nothing here, and what became equal on both sides neither.

use super::change::{Change, Compare, change_of};
use super::conflict::Conflict;
use super::entry::{Content, Entry, Found, Stamp};
use super::listing::{Difference, Seen, Unknown};
use super::path::RelPath;
use super::plan::Why;
use super::side::{PerSide, Side};
use super::time::Time;

/// Does a pattern name the folder at this path?
pub type Names<'a> = dyn Fn(&RelPath) -> bool + 'a;

/// Hands all differences at and below each such folder to `one`, which gives back those that stay; the others stay as they
/// are. A folder within another one belongs to the topmost. The order is kept, where `one` keeps it.
pub fn each(
    differences: Vec<Difference>,
    names: &Names<'_>,
    one: &mut dyn FnMut(&RelPath, Vec<Difference>) -> Vec<Difference>,
) -> Vec<Difference> {
    let mut kept = Vec::with_capacity(differences.len());
    let mut open: Option<(RelPath, Vec<Difference>)> = None;
    // Of the folder that the last difference lay in: most have the same one as their neighbour.
    let mut above: Option<(RelPath, Option<RelPath>)> = None;
    for difference in differences {
        let parent = difference.path.parent().unwrap_or_default();
        if above.as_ref().is_none_or(|(last, _)| *last != parent) {
            let found = topmost(&parent, names);
            above = Some((parent, found));
        }
        let around = above.as_ref().and_then(|(_, found)| found.clone());
        let folder = around.or_else(|| (is_folder(&difference) && names(&difference.path)).then(|| difference.path.clone()));
        match (&mut open, folder) {
            (Some((path, group)), Some(folder)) if *path == folder => group.push(difference),
            (_, folder) => {
                if let Some((path, group)) = open.take() {
                    kept.extend(one(&path, group));
                }
                match folder {
                    Some(folder) => open = Some((folder, vec![difference])),
                    None => kept.push(difference),
                }
            }
        }
    }
    if let Some((path, group)) = open {
        kept.extend(one(&path, group));
    }
    kept
}

/// The topmost such folder at or above a folder.
pub fn topmost(folder: &RelPath, names: &Names<'_>) -> Option<RelPath> {
    let mut above: Vec<RelPath> = std::iter::successors(Some(folder.clone()), RelPath::parent).collect();
    above.reverse();
    above.into_iter().find(|path| !path.is_root() && names(path))
}

fn is_folder(difference: &Difference) -> bool {
    let in_base = difference.base.as_ref().is_some_and(|base| base.entry.is_folder());
    in_base || difference.staging.is_folder() || difference.network.is_folder()
}

/// What became of whole folders that both sides changed.
#[derive(Debug, Default)]
pub struct Folded {
    /// Such a folder is one difference, unknown on both sides, so that nothing is done at it or below it and nothing above
    /// it goes away.
    pub differences: Vec<Difference>,
    /// The conflicts that stand for them.
    pub conflicts: Vec<Conflict>,
    /// Those of which one side's version counts, as a whole: the folder, that side, and what differs in it.
    pub preferred: Vec<(RelPath, Side, Vec<Difference>)>,
}

/// `preferred` says whose version of a folder counts, where somebody has decided that.
pub fn fold(
    differences: Vec<Difference>,
    names: &Names<'_>,
    preferred: &dyn Fn(&RelPath) -> Option<Side>,
    compare: Compare,
) -> Folded {
    let mut folded = Folded::default();
    folded.differences = each(differences, names, &mut |folder, group| {
        let changed = |side: Side| group.iter().any(|difference| changed(difference, side, compare));
        if !(changed(Side::Staging) && changed(Side::Network)) {
            return group;
        }
        let own = group.iter().find(|difference| difference.path == *folder).cloned();
        let unseen = || Seen::Unknown(Unknown::Whole);
        let base = own.as_ref().and_then(|own| own.base.clone());
        match preferred(folder) {
            Some(winner) => folded.preferred.push((folder.clone(), winner, group)),
            None => folded.conflicts.push(conflict(folder, own, compare)),
        }
        vec![Difference { path: folder.clone(), base, staging: unseen(), network: unseen() }]
    });
    folded
}

/// What could not be seen (not read, or not at rest) in a folder in which something changed, on whichever side, and how many
/// more there are: what is carried without it is a part, and a part of a repository is none.
///
/// Devices, sockets, FIFOs and other file systems are never carried: they are no part of the folder.
pub fn unseen(group: &[Difference], compare: Compare) -> Option<(Side, &RelPath, &Unknown, usize)> {
    let any_change = group.iter().any(|difference| Side::BOTH.into_iter().any(|side| changed(difference, side, compare)));
    let sides = group.iter().flat_map(|difference| {
        [(Side::Staging, &difference.path, &difference.staging), (Side::Network, &difference.path, &difference.network)]
    });
    let mut missing = sides.filter_map(|(side, path, seen)| match seen {
        Seen::Unknown(unknown @ (Unknown::Error { .. } | Unknown::Moving)) if any_change => Some((side, path, unknown)),
        Seen::Unknown(_) | Seen::Absent | Seen::Ignored(_) | Seen::There(_) => None,
    });
    let (side, path, unknown) = missing.next()?;
    Some((side, path, unknown, missing.count()))
}

fn changed(difference: &Difference, side: Side, compare: Compare) -> bool {
    let equal = match (difference.staging.found(), difference.network.found()) {
        (Some(a), Some(b)) => a.entry.same_content(&b.entry),
        _ => difference.staging == difference.network,
    };
    let change = change_of(difference.base.as_deref(), difference.at(side), side, compare);
    !equal && matches!(change, Change::Created | Change::Modified | Change::Deleted)
}

fn conflict(folder: &RelPath, own: Option<Difference>, compare: Compare) -> Conflict {
    // Without a difference of its own it is a folder on both sides and in the base.
    let Some(Difference { base, staging, network, .. }) = own else {
        let why = Why { in_base: true, staging: Change::Modified, network: Change::Modified, by: None };
        return Conflict { path: folder.clone(), why, staging: plain_folder(), network: plain_folder() };
    };
    let change = |seen, side| match change_of(base.as_deref(), seen, side, compare) {
        Change::None | Change::Metadata => Change::Modified,
        other => other,
    };
    let changes = PerSide::new(change(&staging, Side::Staging), change(&network, Side::Network));
    let why = Why { in_base: base.is_some(), staging: changes.staging, network: changes.network, by: None };
    Conflict { path: folder.clone(), why, staging, network }
}

fn plain_folder() -> Seen {
    let zero = Time(0);
    let entry = Entry { content: Content::Folder, mtime: zero, mode: 0 };
    Seen::There(Box::new(Found { entry, stamp: Stamp { size: 0, mtime: zero, ctime: zero, id: 0 } }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::digest;
    use crate::model::entry::Base;
    use crate::model::finding::ProblemKind;

    const COMPARE: Compare = Compare { granularity_ns: 1, modes: true };

    fn path(text: &str) -> RelPath {
        RelPath::parse(text.as_bytes()).expect("a path")
    }

    /// `-` is nothing, `/` a folder, `!` cannot be read, `~` moves, `|` is a FIFO, any other letter a file with that content.
    fn seen(letter: char) -> Seen {
        let mut seen = plain_folder();
        let Seen::There(found) = &mut seen else { unreachable!("a folder is there") };
        match letter {
            '-' => return Seen::Absent,
            '!' => return Seen::Unknown(Unknown::Error { kind: ProblemKind::Permission, message: "is barred".to_owned() }),
            '~' => return Seen::Unknown(Unknown::Moving),
            '|' => return Seen::Unknown(Unknown::Special),
            '/' => {}
            letter => {
                let digest = Some(digest::of(letter.to_string().as_bytes()));
                found.entry.content = Content::File { size: 1, digest };
            }
        }
        seen
    }

    /// `path base staging network`
    fn difference(line: &str) -> Difference {
        let words: Vec<&str> = line.split(' ').collect();
        let [base, staging, network] = [1, 2, 3].map(|at| seen(words[at].chars().next().expect("a letter")));
        let base =
            base.found().map(|found| Box::new(Base { entry: found.entry.clone(), stamps: PerSide::default(), sent: None }));
        Difference { path: path(words[0]), base, staging, network }
    }

    fn folded(lines: &[&str]) -> (Vec<String>, Vec<String>) {
        let names = |path: &RelPath| path.names().next_back() == Some(b".git");
        let differences = lines.iter().map(|line| difference(line)).collect();
        let Folded { differences: kept, conflicts, .. } = fold(differences, &names, &|_| None, COMPARE);
        let told = conflicts.iter().map(|conflict| format!("{}: {}", conflict.path, conflict.why.sentence()));
        (kept.iter().map(|difference| difference.path.to_string()).collect(), told.collect())
    }

    #[test]
    fn both_sides_changed_something_in_it() {
        let git = |conflict: &str| (vec![".git".to_owned()], vec![format!(".git: {conflict}")]);
        for (lines, expected) in [
            (&[".git/index a b a", ".git/refs/x a a b"][..], git("modified on both sides")),
            (&[".git/index a b c"], git("modified on both sides")),
            (&[".git - / /", ".git/HEAD - a a", ".git/index - b c"], git("created on both sides")),
            (&[".git / - /", ".git/HEAD a - a", ".git/index a - b"], git("deleted in staging, modified on network")),
            (&[".git/index a b a", ".git/old a a -"], git("modified on both sides")),
        ] {
            assert_eq!(folded(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn one_side_alone_equal_changes_and_other_folders_stay() {
        for lines in [
            &[".git/index a b a", ".git/objects/1 - x -"][..],
            &[".git/index a b b", ".git/refs/x a a b"],
            &[".git/gone a - -", ".git/refs/x a a b"],
            &[".git a b c"],
            &["src/a a b a", "src/b a a b"],
            &[".gitignore a b a", ".gitmodules a a b"],
        ] {
            let paths: Vec<String> = lines.iter().map(|line| line.split(' ').next().unwrap_or_default().to_owned()).collect();
            assert_eq!(folded(lines), (paths, Vec::new()), "{lines:?}");
        }
    }

    #[test]
    fn each_folder_is_its_own_and_the_topmost_counts() {
        let lines = ["a/.git/x a b c", "a/.git/modules/.git/y a b c", "a/c a b a", "b/.git/x a b a", "b/.git/y a a b", "c a a b"];
        let (kept, conflicts) = folded(&lines);
        assert_eq!(kept, ["a/.git", "a/c", "b/.git", "c"]);
        assert_eq!(conflicts, ["a/.git: modified on both sides", "b/.git: modified on both sides"]);
    }

    #[test]
    fn what_could_not_be_seen_holds_what_changed_on_either_side() {
        for (lines, expected) in [
            (&[".git/index a ! a", ".git/refs/x a a b"][..], Some(("staging", ".git/index", 0))),
            (&[".git/index a b a", ".git/objects/1 - - !"], Some(("network", ".git/objects/1", 0))),
            // The side that has it goes nowhere without it either.
            (&[".git/objects/1 - ! -", ".git/objects/2 - ~ -", ".git/refs/x a b a"], Some(("staging", ".git/objects/1", 1))),
            (&[".git/index a ~ a", ".git/refs/x a a -"], Some(("staging", ".git/index", 0))),
            (&[".git/index a ! b"], Some(("staging", ".git/index", 0))),
            (&[".git / ! /", ".git/refs/x a a b"], Some(("staging", ".git", 0))),
            // Nothing changed, or the same on both sides; or it is nothing that is carried.
            (&[".git/index a ! a", ".git/refs/x a b b"], None),
            (&[".git/socket - | -", ".git/refs/x a a b"], None),
        ] {
            let group: Vec<Difference> = lines.iter().map(|line| difference(line)).collect();
            let found = unseen(&group, COMPARE).map(|(side, path, _, more)| (side.to_string(), path.to_string(), more));
            let expected = expected.map(|(side, path, more)| (side.to_owned(), path.to_owned(), more));
            assert_eq!(found, expected, "{lines:?}");
        }
    }
}
