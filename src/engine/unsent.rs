//! What staging holds that the network does not have yet, found out without the network: staging against the base.

use super::look::Base;
use super::request::{Options, Pair};
use crate::disk::Root;
use crate::manifest::{Reader, key};
use crate::model::change::{Change, Compare, change_of};
use crate::model::ignore::Patterns;
use crate::model::listing::{Difference, Seen};
use crate::model::side::{PerSide, Side};
use crate::model::traits::Traits;
use crate::model::vouch::Effort;
use crate::roots::marker;
use crate::scan::{self, Scope};

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Paths of staging that a run would carry to the network, were it there. `None` where that cannot be found out: no base, or
/// a staging root that is not the one it speaks of, or `stop` was set. Writes nothing.
pub fn unsent(pair: &Pair, options: &Options, stop: &AtomicBool) -> Option<u64> {
    let sent = |change| matches!(change, Change::None | Change::Unknown);
    count(pair, options, stop, sent).inspect_err(|why| tracing::debug!(why, "what staging holds alone was not counted")).ok()
}

/// Is it known of all that staging holds that the network has it? What cannot be looked at is not known.
pub(super) fn is_all_sent(pair: &Pair, options: &Options, stop: &AtomicBool) -> bool {
    count(pair, options, stop, |change| change == Change::None) == Ok(0)
}

fn count(pair: &Pair, options: &Options, stop: &AtomicBool, is_sent: impl Fn(Change) -> bool) -> Result<u64, String> {
    fn text(error: impl ToString) -> String {
        error.to_string()
    }
    let reader = Reader::open(&pair.state).map_err(text)?.ok_or("no base")?;
    if !reader.has_base().map_err(text)? {
        return Err("no base".to_owned());
    }
    let record = |side| reader.root(side).map_err(text);
    let (own, other) = (record(Side::Staging)?.ok_or("no staging root in the base")?, record(Side::Network)?);
    let verdict = options.reach.detect(&pair.staging).map_err(text)?;
    let staging: Arc<dyn Root> = options.reach.open_root(&pair.staging, &verdict).map_err(text)?;
    let marked = marker::read(&*staging).map_err(text)?.is_some_and(|marker| marker.id.to_string() == own.id);
    if !marked {
        return Err("another staging root".to_owned());
    }
    let traits = PerSide::new(own.traits, other.and_then(|record| record.traits)).map(|traits| traits.unwrap_or(Traits::LOCAL));
    let recorded = reader.meta(key::PATTERNS).map_err(text)?;
    let lines = recorded.clone().unwrap_or_else(|| options.ignore.join("\n"));
    let patterns = Patterns::new(lines.lines()).map_err(text)?;
    let seen = PerSide::new(AtomicU64::new(0), AtomicU64::new(0));
    let scope = Scope {
        // The network's is never asked.
        roots: &PerSide::new(staging.clone(), staging),
        traits: &traits,
        patterns: &patterns,
        patterns_unchanged: recorded.is_some(),
        stale_base: false,
        from_base: Some(Side::Network),
        effort: Effort::Normal,
        targets: None,
        hints: false,
        entering: &|_, _| {},
        threads: 1,
        stop,
        seen: &seen,
    };
    let sight = scan::scan(&scope, &|| Ok(Box::new(Base::of(Reader::open(&pair.state).map_err(text)?)))).map_err(text)?;
    // The last file may be one whose reading was stopped: it looks like one that nothing is known of.
    if stop.load(Ordering::SeqCst) {
        return Err("stopped".to_owned());
    }
    let compare = Compare { granularity_ns: traits.granularity_ns(), modes: traits.modes() };
    let change = |difference: &Difference| change_of(difference.base.as_deref(), &difference.staging, Side::Staging, compare);
    let is_unsent = |difference: &&Difference| !matches!(difference.staging, Seen::Ignored(_)) && !is_sent(change(difference));
    Ok(sight.differences.iter().filter(is_unsent).count() as u64)
}
