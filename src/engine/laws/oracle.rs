//! What the oracle remembers of the users, and what it says of two roots at rest.

use std::collections::{BTreeMap, BTreeSet};

use super::edits::Touched;
use crate::disk::Node;
use crate::disk::sim::{Volume, World};
use crate::engine::report::Report;
use crate::model::digest::{self, Digest};
use crate::model::entry::Content;
use crate::model::path::RelPath;
use crate::model::side::{PerSide, Side};

/// What users did since both roots were last seen equal.
#[derive(Clone, Debug, Default)]
pub struct Oracle {
    /// What a path showed right after the last edit that touched it; `None` for nothing.
    wanted: PerSide<BTreeMap<RelPath, Option<Content>>>,
    /// A command that takes things back was used: what users did last is not what has to stand.
    pub taken_back: bool,
    /// A run was cut short or something failed: a conflict may name paths that one user alone edited.
    pub disturbed: bool,
    /// Contents that users of that side made.
    made: PerSide<BTreeSet<Digest>>,
    /// What runs that were cut off, or failed, had written: the base does not know it, and takes it for an edit of that side.
    pub cut_off: BTreeSet<RelPath>,
    /// What got another spelling alone in the middle of a run, where names are folded: deleted on the other side it goes all the
    /// same (docs/safety.md, what stamps cannot see).
    pub respelled: BTreeSet<RelPath>,
    /// A policy said which versions count: that reaches everything below a conflict.
    pub ruled: bool,
}

impl Oracle {
    pub fn edited(&mut self, side: Side, touched: &Touched, volume: &Volume) {
        self.made[side].extend(&touched.made);
        let shows: BTreeMap<RelPath, Content> = volume.project().into_iter().collect();
        for path in &touched.paths {
            self.wanted[side].insert(path.clone(), shows.get(path).cloned());
        }
    }

    /// Could a ruling over something above it have reached it?
    fn is_below_a_ruling(&self, side: Side, path: &RelPath) -> bool {
        let met = |top: &RelPath| self.wanted[side.other()].keys().any(|other| other.is_within(top));
        self.ruled && self.wanted[side].keys().any(|top| path.is_within(top) && met(top))
    }

    fn is_near(&self, side: Side, path: &RelPath) -> bool {
        self.wanted[side].keys().any(|other| other.is_within(path) || path.is_within(other))
    }

    /// The laws for two roots at rest, after `report`, the last run's, which found nothing more to do.
    pub fn judge(&self, volumes: &PerSide<Volume>, report: &Report, versions: &Versions) -> Vec<String> {
        let mut broken = Vec::new();
        let shows = volumes.as_ref().map(|volume| volume.project().into_iter().collect::<BTreeMap<_, _>>());
        let open: BTreeSet<&RelPath> = report
            .conflicts
            .iter()
            .map(|conflict| &conflict.path)
            .chain(report.problems.iter().map(|problem| &problem.path))
            .collect();
        let near = |path: &RelPath| open.iter().any(|top| path.is_within(top) || top.is_within(path));
        // What cannot be moved to its new name stays at the old one: then only what nobody edited says anything.
        let stuck = |path: &RelPath| !report.problems.is_empty() && Side::BOTH.iter().any(|&side| self.is_near(side, path));
        let is_open = |path: &RelPath| near(path) || stuck(path) || looks_equal(volumes, path);
        let paths: BTreeSet<&RelPath> = shows.staging.keys().chain(shows.network.keys()).collect();
        for path in paths.into_iter().filter(|path| !is_open(path)) {
            let (staging, network) = (shows.staging.get(path), shows.network.get(path));
            if staging != network {
                broken.push(format!("not equal: {path}: staging {staging:?}, network {network:?}"));
            }
        }
        for conflict in &report.conflicts {
            // By the path that its user touched, or by what was saved there before a run moved the folder.
            let theirs = |side: Side| {
                let shown = shows[side].get(&conflict.path).and_then(Content::digest);
                self.is_near(side, &conflict.path) || shown.is_some_and(|content| self.made[side].contains(&content))
            };
            let both = Side::BOTH.into_iter().all(theirs);
            if !both && !self.disturbed && !self.taken_back {
                broken.push(format!("a conflict that nobody made: {}: {}", conflict.path, conflict.why.sentence()));
            }
        }
        for side in Side::BOTH {
            for (path, wanted) in &self.wanted[side] {
                let excused = self.taken_back || self.respelled.contains(path);
                if excused || is_open(path) || self.is_near(side.other(), path) || self.is_below_a_ruling(side, path) {
                    continue;
                }
                // An edit beats a delete (docs/safety.md, what is promised where a run was killed).
                let revives = |other: &RelPath| other.is_within(path) || path.is_within(other);
                // Also one that was saved under the name that a run was about to change.
                let newer = |content: &Content| content.digest().is_some_and(|digest| self.made[side.other()].contains(&digest));
                let saved = shows[side].iter().any(|(at, content)| revives(at) && newer(content));
                if wanted.is_none() && (saved || self.cut_off.iter().any(revives)) {
                    continue;
                }
                // Saved over on the other side under the name that it had before it was moved here.
                let saved_over = wanted.as_ref().and_then(Content::digest).is_some_and(|content| versions.is_given_up(content));
                let stands = shows[side].get(path);
                if stands != wanted.as_ref() && !saved_over {
                    broken.push(format!("{side} alone edited {path} to {wanted:?}, and it shows {stands:?}"));
                }
            }
        }
        for side in Side::BOTH {
            broken.extend(volumes[side].temporary().iter().map(|path| format!("left behind on {side}: {path}")));
        }
        broken
    }

    pub fn forget(&mut self) {
        *self = Oracle::default();
    }
}

/// Where neither ctime nor ids can be trusted, size and time are all there is: what was moved onto a path under the very size
/// and time that stood there is not seen.
fn looks_equal(volumes: &PerSide<Volume>, path: &RelPath) -> bool {
    let blind = Side::BOTH.into_iter().any(|side| !volumes[side].traits().ctime && !volumes[side].traits().ids);
    let granularity = volumes.as_ref().map(Volume::traits).granularity_ns();
    let nodes = volumes.as_ref().map(|volume| volume.node(path.clone()).map(|(_, node)| node).filter(Node::is_file));
    blind
        && nodes.staging.zip(nodes.network).is_some_and(|(staging, network)| {
            staging.stamp.size == network.stamp.size && staging.stamp.mtime.near(network.stamp.mtime, granularity)
        })
}

/// What became of every version from the beginning on: no other than the one that deletes or overwrites a version takes it
/// from the project, or who says which one counts.
#[derive(Clone, Debug, Default)]
pub struct Versions {
    /// A user deleted or overwrote it on one side at least.
    given_up: BTreeSet<Digest>,
    /// Somebody said which versions count, or took some back, since both roots were last at rest with nothing open: the last edit that
    /// stood against it may go long after the word.
    pub ruled: bool,
    /// What a run could not see, or not put back any more, as docs/safety.md tells; it is in the trash. What a cache hid in a
    /// folder that was replaced. What was saved in the middle of a run in its size, where neither ids nor change times are to be
    /// had: in one step of that root's clock nobody can tell it from the version before. And what a kill left in the trash.
    pub unseen: BTreeSet<Digest>,
    /// What a word of [`Versions::ruled`] put away.
    put_away: BTreeSet<Digest>,
    /// A user of that side wrote it.
    made: PerSide<BTreeSet<Digest>>,
    /// It was on both sides at some time.
    carried: BTreeSet<Digest>,
}

/// The contents of a project's files.
pub fn digests(volume: &Volume) -> BTreeSet<Digest> {
    volume.project().iter().filter_map(|(_, content)| content.digest()).collect()
}

impl Versions {
    pub fn edited(&mut self, side: Side, touched: &Touched) {
        self.given_up.extend(&touched.gone);
        self.made[side].extend(&touched.made);
    }

    /// Did a user delete or overwrite it, on one side at least?
    pub fn is_given_up(&self, content: Digest) -> bool {
        self.given_up.contains(&content)
    }

    /// Did its user give it up before it had arrived on the other side?
    pub fn is_withdrawn(&self, content: Digest) -> bool {
        self.is_given_up(content) && !self.carried.contains(&content)
    }

    /// At any moment.
    pub fn look(&mut self, volumes: &PerSide<Volume>) {
        self.carried.extend(digests(&volumes.staging).intersection(&digests(&volumes.network)));
    }

    /// What only ever one side had: nobody but its user may displace it.
    pub fn own(&self, side: Side, volume: &Volume) -> BTreeSet<Digest> {
        &(&digests(volume) & &self.made[side]) - &self.carried
    }

    /// The law for two roots at rest.
    pub fn judge(&mut self, world: &World, volumes: &PerSide<Volume>) -> Vec<String> {
        let stands: BTreeSet<Digest> = &digests(&volumes.staging) | &digests(&volumes.network);
        let mut broken = Vec::new();
        for bytes in world.known() {
            let content = digest::of(&bytes);
            let told = [&self.given_up, &self.put_away, &self.unseen];
            if stands.contains(&content) || told.iter().any(|told| told.contains(&content)) {
                continue;
            }
            if self.ruled {
                self.put_away.insert(content);
            } else {
                let text = String::from_utf8_lossy(&bytes[..bytes.len().min(8)]).into_owned();
                broken.push(format!("nobody deleted {text:?}, and no project path shows it"));
            }
        }
        broken
    }
}
