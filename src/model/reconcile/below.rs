//! What lies below each difference: whether anything there survives a delete of the folder.

use crate::model::change::{Change, Compare, change_of};
use crate::model::listing::{Difference, Ignored, Seen};
use crate::model::side::{PerSide, Side};

/// A summary of everything below one difference.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Below {
    /// The first difference after the subtree.
    pub end: usize,
    sides: PerSide<Facts>,
}

/// What one side has below a path.
#[derive(Clone, Copy, Debug, Default)]
struct Facts {
    edited: bool,
    unknown: bool,
    by_pattern: bool,
    /// Something that is synchronised, changed or not.
    holds: bool,
}

impl Below {
    pub fn edited(&self, side: Side) -> bool {
        self.sides[side].edited
    }

    pub fn unknown(&self, side: Side) -> bool {
        self.sides[side].unknown
    }

    /// The user's patterns keep something there.
    pub fn by_pattern(&self, side: Side) -> bool {
        self.sides[side].by_pattern
    }

    /// The user's patterns keep something there, and only they do. Such a folder, where it is new, is ignored itself.
    pub fn kept_by_pattern(&self, side: Side) -> bool {
        let facts = self.sides[side];
        facts.by_pattern && !facts.edited && !facts.unknown
    }

    /// Something that no delete from the other side may take along.
    pub fn survivors(&self, side: Side) -> bool {
        let facts = self.sides[side];
        facts.edited || facts.unknown || facts.by_pattern
    }

    /// There is nothing, also nothing unchanged, but what the user's patterns ignore.
    pub fn holds_only_ignored(&self, side: Side) -> bool {
        let facts = self.sides[side];
        facts.by_pattern && !facts.holds && !facts.unknown
    }
}

/// The summaries of all differences, in their order.
pub(super) fn survey(differences: &[Difference], compare: Compare) -> Vec<Below> {
    let mut below = vec![Below::default(); differences.len()];
    let parents = parents(differences);
    for at in (0..differences.len()).rev() {
        // Set by the first child met from the back, else the subtree is empty.
        below[at].end = below[at].end.max(at + 1);
        let Some(parent) = parents[at].map(|parent| parent as usize) else { continue };
        below[parent].end = below[parent].end.max(below[at].end);
        for side in Side::BOTH {
            let own = own(&differences[at], side, &below[at], compare);
            let inner = below[at].sides[side];
            let facts = &mut below[parent].sides[side];
            facts.edited |= own.edited || inner.edited;
            facts.unknown |= own.unknown || inner.unknown;
            facts.by_pattern |= own.by_pattern || inner.by_pattern;
            facts.holds |= own.holds || inner.holds;
        }
    }
    below
}

fn own(difference: &Difference, side: Side, below: &Below, compare: Compare) -> Facts {
    let there = difference.at(side);
    let change = change_of(difference.base.as_deref(), there, side, compare);
    let as_ignored = change == Change::Created && there.is_folder() && below.kept_by_pattern(side);
    Facts {
        edited: matches!(change, Change::Created | Change::Modified) && !as_ignored,
        unknown: change == Change::Unknown,
        by_pattern: *there == Seen::Ignored(Ignored::Pattern),
        holds: there.found().is_some() && !(there.is_folder() && below.holds_only_ignored(side)),
    }
}

/// The nearest difference above each one. Where a folder is not common to all three it is a difference itself, so that
/// this is its parent wherever it matters.
fn parents(differences: &[Difference]) -> Vec<Option<u32>> {
    let mut open: Vec<u32> = Vec::new();
    let mut parents = Vec::with_capacity(differences.len());
    for (at, difference) in differences.iter().enumerate() {
        while open.last().is_some_and(|&top| !difference.path.is_within(&differences[top as usize].path)) {
            open.pop();
        }
        parents.push(open.last().copied());
        open.push(u32::try_from(at).expect("fewer than 2^32 differences"));
    }
    parents
}
