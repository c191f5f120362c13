//! Housekeeping at the roots: temporary files of runs that were killed, and the limits of the trash.

use super::open::Session;
use super::runs;
use crate::disk::{self, ErrorKind, Onto, Root};
use crate::model::ignore::is_temp_name;
use crate::model::path::{Name, RelPath};
use crate::model::side::{PerSide, Side};
use crate::model::vouch::Clock;
use crate::roots::own;
use crate::transfer;

use std::collections::HashSet;
use std::time::Duration;

/// Another pair's temporary file may be in use; after this long nobody comes back for it.
const OTHERS_AGE_NS: i64 = 7 * 86_400_000_000_000;

/// Moves leftover temporary files to the trash, but for those that a copy goes on with. Not removed: a run that was killed
/// between the two halves of an exchange left a user's version under such a name.
pub(super) fn leftovers(
    session: &Session<'_>,
    found: &PerSide<Vec<RelPath>>,
    writes: impl Fn(Side) -> bool,
    owner: u32,
    trash: &Name,
    kept: &PerSide<HashSet<Name>>,
) {
    for side in Side::BOTH.into_iter().filter(|&side| writes(side)) {
        let now = session.clocks[side].earliest();
        if let Err(error) = own::sweep(&*session.roots[side], now) {
            tracing::debug!(%side, %error, "old files of this program stay");
        }
        for path in &found[side] {
            // Housekeeping never fails a run.
            if let Err(error) = clear(session, side, path, owner, trash, &kept[side]) {
                tracing::debug!(%path, %error, "temporary files stay");
            }
        }
    }
}

fn clear(
    session: &Session<'_>,
    side: Side,
    path: &RelPath,
    owner: u32,
    trash: &Name,
    partial: &HashSet<Name>,
) -> disk::Result<()> {
    let root: &dyn Root = &*session.roots[side];
    let folder = root.folder(path)?;
    let prefix = format!(".dl~{owner:08x}-");
    let now = session.clocks[side].earliest();
    let kept = transfer::trash::home().join(trash).append(path);
    for item in folder.list()?.into_iter().filter(|item| is_temp_name(&item.name)) {
        let stamp = item.value.stamp;
        let newest = if session.traits[side].ctime { stamp.mtime.max(stamp.ctime) } else { stamp.mtime };
        let ours = item.name.starts_with(prefix.as_bytes());
        if ours && partial.contains(&item.name) {
            continue;
        }
        if ours || newest.0 < now.0.saturating_sub(OTHERS_AGE_NS) {
            transfer::trash::make_folders(root, &kept)?;
            root.rename(&path.join(&item.name), &kept.join(&item.name), Onto::Nothing)?;
        }
    }
    Ok(())
}

/// Brings the trashes that a run added to within their limits. Housekeeping never fails a run.
pub(super) fn keep_trash_small(session: &Session<'_>, trashed: &PerSide<bool>) {
    for side in Side::BOTH.into_iter().filter(|&side| trashed[side]) {
        if let Err(error) = trash_limits(session, side) {
            tracing::warn!(%side, %error, "the trash could not be brought within its limits");
        }
    }
}

/// Keeps the trash within its age and size; the oldest runs go first, the newest stays whatever it weighs. Ages are told
/// by the root's own clock from the times that the root itself gave: one machine with a wrong clock must not empty
/// everybody's trash.
fn trash_limits(session: &Session<'_>, side: Side) -> disk::Result<()> {
    let root = &*session.roots[side];
    let Clock::Own(now) = session.clocks[side] else { return Ok(()) };
    let most = match session.options.trash_max {
        Some(most) => most,
        None => root.space().map_or(u64::MAX, |space| (space.total / 20).min(20 << 30)),
    };
    let mut kept = 0_u64;
    for (newer, (run, last)) in runs::runs_by_age(root)?.into_iter().enumerate() {
        let age = Duration::from_nanos(u64::try_from(now.0.saturating_sub(last.0)).unwrap_or(0));
        let size = match runs::size(root, &run) {
            // Another user's: theirs to clear.
            Err(error) if error.kind == ErrorKind::Denied => continue,
            other => other?,
        };
        kept = kept.saturating_add(size);
        let due = age > session.options.trash_age || kept > most;
        if newer > 0 && due && age > runs::SETTLED {
            match runs::remove_run(root, &run) {
                Err(error) if matches!(error.kind, ErrorKind::Denied | ErrorKind::ReadOnly) => continue,
                other => other?,
            }
            kept = kept.saturating_sub(size);
        }
    }
    Ok(())
}
