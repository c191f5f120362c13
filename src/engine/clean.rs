//! Housekeeping at the roots: temporary files of runs that were killed, and the limits of the trash.

use super::error::Error;
use super::open::Session;
use super::request::Options;
use super::runs;
use crate::disk::{self, ErrorKind, Onto, Root};
use crate::manifest::key;
use crate::model::ignore::is_temp_name;
use crate::model::path::{Name, RelPath};
use crate::model::side::{PerSide, Side};
use crate::model::time::Time;
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
    session: &mut Session<'_>,
    found: &PerSide<Vec<RelPath>>,
    writes: impl Fn(Side) -> bool,
    owner: u32,
    trash: &Name,
    kept: &PerSide<HashSet<Name>>,
) {
    for side in Side::BOTH.into_iter().filter(|&side| writes(side)) {
        if let Err(error) = sweep_own(session, side) {
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

/// What stays in a root's own folder is a week old when it goes: a look each hour is enough, and spares a far root's runs a listing.
fn sweep_own(session: &mut Session<'_>, side: Side) -> Result<(), Error> {
    let swept = session.store.meta(key::swept(side))?.and_then(|text| text.parse().ok());
    if swept.is_some_and(|swept| is_fresh(Time(swept), session.started)) {
        return Ok(());
    }
    own::sweep(&*session.roots[side], session.clocks[side].earliest()).map_err(Error::at(side))?;
    if let Some(manifest) = session.store.writing() {
        manifest.set_meta(key::swept(side), &session.started.0.to_string())?;
    }
    Ok(())
}

/// Less than an hour ago, by a clock that was not set back since.
fn is_fresh(then: Time, now: Time) -> bool {
    let age = u64::try_from(now.0.saturating_sub(then.0)).ok();
    age.is_some_and(|age| Duration::from_nanos(age) < runs::SETTLED)
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

/// Nobody counted the bytes that came to a trash.
pub(super) const UNCOUNTED: u64 = u64::MAX;

/// What is known of a trash since it was last looked through: when that was, and the bytes that it could still take.
#[derive(Debug, PartialEq, Eq)]
struct Room {
    at: Time,
    bytes: u64,
}

impl Room {
    fn text(&self, options: &Options) -> String {
        format!("{} {} {}", self.at.0, self.bytes, limits(options))
    }

    /// `None` where other limits hold since.
    fn parse(text: &str, options: &Options) -> Option<Room> {
        let (at, rest) = text.split_once(' ')?;
        let (bytes, under) = rest.split_once(' ')?;
        let room = Room { at: Time(at.parse().ok()?), bytes: bytes.parse().ok()? };
        (under == limits(options)).then_some(room)
    }

    /// What is left when so much came; `None` where it is time to look again. What is younger than an hour is never removed.
    fn less(self, bytes: u64, now: Time) -> Option<Room> {
        let left = self.bytes.checked_sub(bytes)?;
        is_fresh(self.at, now).then_some(Room { bytes: left, ..self })
    }
}

fn limits(options: &Options) -> String {
    format!("{:?} {:?}", options.trash_max, options.trash_age)
}

/// Brings the trashes that a run added these bytes to within their limits, where one may be over them and `tidy` says that it is time. All of
/// a trash is looked through for that, so at most once an hour where there is room. Housekeeping never fails a run.
pub(super) fn keep_trash_small(session: &mut Session<'_>, added: &PerSide<Option<u64>>, tidy: bool) {
    for side in Side::BOTH {
        if let Some(bytes) = added[side]
            && let Err(error) = tend_trash(session, side, bytes, tidy)
        {
            tracing::warn!(%side, %error, "the trash could not be brought within its limits");
        }
    }
}

fn tend_trash(session: &mut Session<'_>, side: Side, bytes: u64, tidy: bool) -> Result<(), Error> {
    let before = session.store.meta(key::trash_room(side))?.unwrap_or_default();
    let known = Room::parse(&before, session.options).and_then(|room| room.less(bytes, session.started));
    let looked = if known.is_none() && tidy { trash_limits(session, side) } else { Ok(known) };
    // Of what is not known nothing stays: the next run that has the time looks.
    let room = looked.as_ref().ok().and_then(Option::as_ref);
    let text = room.map_or_else(String::new, |room| room.text(session.options));
    if let Some(manifest) = session.store.writing().filter(|_| text != before) {
        manifest.set_meta(key::trash_room(side), &text)?;
    }
    looked.map(drop).map_err(Error::Disk)
}

/// Keeps the trash within its age and size; the oldest runs go first, the newest stays whatever it weighs. Ages are told
/// by the root's own clock from the times that the root itself gave: one machine with a wrong clock must not empty
/// everybody's trash. Answers what it could take then.
fn trash_limits(session: &Session<'_>, side: Side) -> disk::Result<Option<Room>> {
    let root = &*session.roots[side];
    let Clock::Own(now) = session.clocks[side] else { return Ok(None) };
    let most = match session.options.trash_max {
        Some(most) => most,
        None => root.space().map_or(u64::MAX, |space| (space.total / 20).min(20 << 30)),
    };
    let mut kept = 0_u64;
    // A run that was cut off may have come to keep nothing: the newest of those that hold something stays.
    let mut newest_holds = false;
    for (newer, (run, last)) in runs::runs_by_age(root)?.into_iter().enumerate() {
        let age = Duration::from_nanos(u64::try_from(now.0.saturating_sub(last.0)).unwrap_or(0));
        let size = match runs::size(root, &run) {
            // Another user's: theirs to clear.
            Err(error) if error.kind == ErrorKind::Denied => continue,
            other => other?,
        };
        kept = kept.saturating_add(size);
        let newest = newer == 0 || (size > 0 && !newest_holds);
        newest_holds |= size > 0;
        let due = age > session.options.trash_age || kept > most;
        if !newest && due && age > runs::SETTLED {
            match runs::remove_run(root, &run) {
                Err(error) if matches!(error.kind, ErrorKind::Denied | ErrorKind::ReadOnly) => continue,
                other => other?,
            }
            kept = kept.saturating_sub(size);
        }
    }
    Ok(Some(Room { at: session.started, bytes: most.saturating_sub(kept) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trash_is_looked_through_when_it_may_be_full_or_an_hour_went_by() {
        let hour = i64::try_from(runs::SETTLED.as_nanos()).expect("small");
        for (bytes, now, left) in [
            (0, 100, Some(7)),
            (7, 100 + hour - 1, Some(0)),
            (8, 100, None),
            (u64::MAX, 100, None),
            (0, 100 + hour, None),
            // A clock that was set back.
            (0, 99, None),
        ] {
            let room = Room { at: Time(100), bytes: 7 };
            let expected = left.map(|bytes| Room { at: Time(100), bytes });
            assert_eq!(room.less(bytes, Time(now)), expected, "{bytes} at {now}");
        }
    }
}
