//! Housekeeping at the roots: temporary files of runs that were killed, and the limits of the trash.

use super::error::Error;
use super::open::Session;
use super::trash;
use crate::disk::{Onto, Root};
use crate::model::ignore::is_temp_name;
use crate::model::path::{Name, RelPath};
use crate::model::side::{PerSide, Side};
use crate::model::time::Time;
use crate::model::vouch::Clock;
use crate::roots::own;
use crate::transfer;

/// Another pair's temporary file may be in use; after this long nobody comes back for it.
const OTHERS_AGE_NS: i64 = 7 * 86_400_000_000_000;

/// Moves leftover temporary files to the trash. Not removed: a run that was killed between the two halves of an
/// exchange left a user's version under such a name.
pub(super) fn leftovers(
    session: &Session<'_>,
    found: &PerSide<Vec<RelPath>>,
    writes: impl Fn(Side) -> bool,
    owner: u32,
    trash: &Name,
) {
    for side in Side::BOTH.into_iter().filter(|&side| writes(side)) {
        let (Clock::Own(now) | Clock::DayAgo(now)) = session.clocks[side];
        if let Err(error) = own::sweep(&*session.roots[side], now) {
            tracing::debug!(%side, %error, "old files of this program stay");
        }
        for path in &found[side] {
            // Housekeeping never fails a run.
            if let Err(error) = clear(session, side, path, owner, trash) {
                tracing::debug!(%path, %error, "temporary files stay");
            }
        }
    }
}

fn clear(session: &Session<'_>, side: Side, path: &RelPath, owner: u32, trash: &Name) -> crate::disk::Result<()> {
    let root: &dyn Root = &*session.roots[side];
    let folder = root.folder(path)?;
    let prefix = format!(".dl~{owner:08x}-");
    let (Clock::Own(now) | Clock::DayAgo(now)) = session.clocks[side];
    let kept = transfer::trash::home().join(trash).append(path);
    for item in folder.list()?.into_iter().filter(|item| is_temp_name(&item.name)) {
        let stamp = item.value.stamp;
        let newest = if session.traits[side].ctime { stamp.mtime.max(stamp.ctime) } else { stamp.mtime };
        let ours = item.name.starts_with(prefix.as_bytes());
        if ours || newest.0 < now.0 - OTHERS_AGE_NS {
            transfer::trash::make_folders(root, &kept)?;
            root.rename(&path.join(&item.name), &kept.join(&item.name), Onto::Nothing)?;
        }
    }
    Ok(())
}

/// Keeps the trash within its age and size; the oldest runs go first.
pub(super) fn trash_limits(session: &Session<'_>, side: Side, now: Time) -> Result<(), Error> {
    let root = &*session.roots[side];
    let most = match session.options.trash_max {
        Some(most) => most,
        None => root.space().map_or(u64::MAX, |space| (space.total / 20).min(20 << 30)),
    };
    let mut runs = trash::runs(root).map_err(Error::disk_at(side))?;
    runs.sort_by(|a, b| b.as_bytes().cmp(a.as_bytes()));
    let mut kept = 0_u64;
    for (newer, run) in runs.iter().enumerate() {
        let old = trash::age(run, now).is_some_and(|age| age > session.options.trash_age);
        if old {
            trash::remove_run(root, run).map_err(Error::disk_at(side))?;
            continue;
        }
        let size = trash::size(root, run).map_err(Error::disk_at(side))?;
        kept = kept.saturating_add(size);
        // The newest run's versions stay, whatever they weigh: they are what somebody may want back now.
        if newer > 0 && kept > most {
            trash::remove_run(root, run).map_err(Error::disk_at(side))?;
            kept -= size;
        }
    }
    Ok(())
}
