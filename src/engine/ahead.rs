//! While the lease of a far root is taken, with some twenty round trips: the folders of its trash that a run is going to need,
//! which a system makes one after the other whoever asks for them.
//!
//! Invariant. Nothing depends on what is made here: whoever needs a folder that was not made makes it, and what nobody needed goes
//! again.

use super::error::Error;
use super::open::Session;
use crate::model::listing::Seen;
use crate::model::path::{Name, RelPath};
use crate::model::plan::{Action, Op, Plan};
use crate::model::side::Side;
use crate::transfer::trash::{self, Made};

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Does `work`, and beside it makes folders of the network root's trash for as long as that takes.
pub(super) fn beside<'s, T>(
    session: &mut Session<'s>,
    plan: &Plan,
    trash_name: &Name,
    work: impl FnOnce(&mut Session<'s>) -> Result<T, Error>,
) -> Result<(T, Made), Error> {
    let worth_it = session.traits.network.remote && session.options.threads != Some(1);
    let folders = if worth_it { needed(plan) } else { BTreeSet::new() };
    if folders.is_empty() {
        return Ok((work(session)?, Made::default()));
    }
    let (root, over) = (session.roots.network.clone(), AtomicBool::new(false));
    thread::scope(|scope| {
        let making = scope.spawn(|| trash::make_ahead(&*root, trash_name, &folders, &over));
        let done = work(session);
        over.store(true, Ordering::Relaxed);
        let mut made = making.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        if done.is_err() {
            trash::remove_spare(&*root, &mut made);
        }
        Ok((done?, made))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::change::Change;
    use crate::model::entry::{Content, Entry, Found, Stamp};
    use crate::model::plan::Why;
    use crate::model::time::Time;

    #[test]
    fn a_folder_that_is_kept_as_a_whole_finds_its_name_free() {
        let found = |path: &str| {
            let content = if path.ends_with('/') { Content::Folder } else { Content::File { size: 1, digest: None } };
            let entry = Entry { content, mtime: Time(1), mode: 0o755 };
            Box::new(Found { entry, stamp: Stamp { size: 1, mtime: Time(1), ctime: Time(1), id: 1 } })
        };
        let action = |path: &str, op| {
            let why = Why { in_base: true, staging: Change::Modified, network: Change::None, by: None };
            Action { path: RelPath::parse(path.trim_end_matches('/').as_bytes()).expect("a path"), op, why }
        };
        let delete = |side, path| action(path, Op::Delete { side, expect: found(path), base: None });
        let write = |path, expect| action(path, Op::Write { to: Side::Network, from: found("x"), expect, revived: false });
        let plan = Plan {
            actions: vec![
                delete(Side::Network, "gone/"),
                delete(Side::Network, "gone/file"),
                delete(Side::Staging, "here/file"),
                write("new/file", Seen::Absent),
                write("over/file", Seen::There(found("over/file"))),
                write("turned/whole", Seen::There(found("turned/whole/"))),
            ],
            ..Plan::default()
        };
        let needed: Vec<String> = needed(&plan).iter().map(RelPath::to_string).collect();
        assert_eq!(needed, ["gone", "over", "turned"]);
    }
}
