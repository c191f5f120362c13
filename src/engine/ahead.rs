//! While the lease of a far root is taken, with some twenty round trips: the folders of its trash that a run is going to need,
//! which a system makes one after the other whoever asks for them.
//!
//! Invariant. Nothing depends on what is made here: it is empty, and whoever needs it makes it where it is not there.

use super::open::Session;
use crate::model::listing::Seen;
use crate::model::path::{Name, RelPath};
use crate::model::plan::{Action, Op, Plan};
use crate::model::side::Side;
use crate::transfer::trash;

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Does `work`, and beside it makes folders of the network root's trash for as long as that takes; answers those, too.
pub(super) fn beside<'s, T>(
    session: &mut Session<'s>,
    plan: &Plan,
    trash_name: &Name,
    work: impl FnOnce(&mut Session<'s>) -> T,
) -> (T, HashSet<RelPath>) {
    let worth_it = session.traits.network.remote && session.options.threads != Some(1);
    let folders = if worth_it { needed(plan) } else { BTreeSet::new() };
    if folders.is_empty() {
        return (work(session), HashSet::new());
    }
    let (root, over) = (session.roots.network.clone(), AtomicBool::new(false));
    thread::scope(|scope| {
        let making = scope.spawn(|| trash::make_ahead(&*root, trash_name, &folders, &over));
        let done = work(session);
        over.store(true, Ordering::Relaxed);
        (done, making.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// The folders in which the trash keeps what is displaced at the network root. What a folder that goes held is kept one by one; a
/// folder that something else replaces is moved there, and finds its name free.
fn needed(plan: &Plan) -> BTreeSet<RelPath> {
    let folder = |action: &Action| match &action.op {
        Op::Delete { side: Side::Network, expect, .. } if expect.entry.is_folder() => Some(action.path.clone()),
        Op::Delete { side: Side::Network, .. } | Op::Write { to: Side::Network, expect: Seen::There(_), .. } => {
            action.path.parent()
        }
        _ => None,
    };
    plan.actions.iter().filter_map(folder).collect()
}
