//! What `doctor` looks at beyond a root by itself: this machine, the state folder, and whether the pair fits together.
//!
//! Invariants. Nothing of the pair is changed, and its lock is not taken. What asks a root anything is in
//! [`examine_root`] alone, which the caller runs where it may hang; everything else asks this machine's own disks.

use std::path::Path;
use std::time::Duration;

use super::identify::{self, Judged, NO_MARK};
use super::request::Pair;
use super::runs;
use crate::disk::clock::{Moment, now};
use crate::disk::{self, Root, local};
use crate::manifest::{self, Reader, RootRecord};
use crate::model::side::{PerSide, Side};
use crate::model::time::Time;
use crate::model::utc;
use crate::roots::checkup::{self, judge};
use crate::roots::identity::{self, Identity, Way};
use crate::roots::marker::Marker;
use crate::roots::{Error, mounts, own};
use crate::sqlite;

pub use crate::roots::checkup::{Check, Health, Role, Told, from_the_table};

/// A trash is counted no longer than this.
const COUNTING: Duration = Duration::from_millis(500);

/// Before this version was written no clock can have been.
const BUILT: Time = Time(1_767_225_600_000_000_000);

/// Looks at one root and tells each thing as it is known. May hang where its mount does.
///
/// # Errors
/// A sentence, where the root is out of reach or went away meanwhile.
pub fn examine_root(path: &Path, role: Role, tell: &dyn Fn(Told)) -> Result<(), String> {
    let words = |error: Error| error.to_string();
    checkup::examine(path, role, now, tell).map_err(words)?;
    if role == Role::Of(Side::Staging) {
        tell(Told::Step("looking at the pair's lock".to_owned()));
        tell(Told::Check(lock(path)));
    }
    tell(Told::Step("counting the trash".to_owned()));
    let remote = mounts::detect(path).map_err(words)?.network;
    let root = disk::open_root(path, remote).map_err(|error| error.to_string())?;
    match trash_size(&*root) {
        Ok(check) => tell(Told::Check(check)),
        Err(error) => tell(Told::Check(Check::new("trash", Health::Unknown, error.to_string()))),
    }
    tell(Told::Done);
    Ok(())
}

fn lock(staging: &Path) -> Check {
    let file = own::lock_path(staging);
    match local::Lock::is_held(&file) {
        Some(true) => Check::ok("lock", format!("held: {}", local::Lock::holder(&file).unwrap_or_default().escape_debug()))
            .meaning("another run of this pair is at work"),
        Some(false) => Check::ok("lock", "free"),
        None => Check::ok("lock", "none yet"),
    }
}

fn trash_size(root: &dyn Root) -> disk::Result<Check> {
    let (began, mut bytes, mut counted) = (Moment::now(), 0, 0);
    let runs = runs::runs(root)?;
    for run in &runs {
        if began.elapsed() > COUNTING {
            break;
        }
        bytes = u64::saturating_add(bytes, runs::size(root, run)?);
        counted += 1;
    }
    let least = if counted < runs.len() { "at least " } else { "" };
    Ok(Check::ok("trash", format!("{least}{} of {} runs", judge::bytes(bytes), runs.len())))
}

/// This machine, and the state folder of the pair or of all pairs.
pub fn machine(state: &Path, version: &str) -> Vec<Check> {
    let (name, release, hardware) = local::system();
    let mut checks = vec![Check::ok("system", format!("driftless {version}, {name} {release} {hardware}"))];
    let clock = now();
    checks.push(if clock < BUILT {
        Check::new("clock", Health::Limited, utc::rfc3339(clock))
            .meaning(
                "this machine's clock is behind: times that programs give to new files are wrong, and are carried as they are",
            )
            .mend("set it, and let it follow the network (NTP)")
    } else {
        Check::ok("clock", utc::rfc3339(clock))
    });
    checks.push(judge::open_files(local::open_file_limit()));
    let watches = local::read_text(Path::new("/proc/sys/fs/inotify/max_user_watches"), 100).ok().flatten();
    checks.push(judge::watches(watches.and_then(|text| text.trim().parse().ok())));
    checks.push(state_folder(state));
    checks
}

/// SQLite needs locks and shared memory that work: tried out in a folder of its own.
fn state_folder(state: &Path) -> Check {
    let broken = |message: String| {
        Check::new("state", Health::Problem, message)
            .meaning("what a pair remembers cannot be kept; no sync can work")
            .mend("set DRIFTLESS_HOME to a folder on a local disk that you may write")
    };
    if !local::is_folder(state) {
        return Check::ok("state", format!("{} is not made yet", state.display()));
    }
    let tried = local::Scratch::within(state).map_err(|error| error.to_string());
    match tried.and_then(|scratch| sqlite::try_out(scratch.path()).map_err(|error| error.to_string())) {
        Ok(()) => Check::ok("state", format!("{} keeps a database", state.display())),
        Err(message) => broken(message),
    }
}

/// What the pair remembers, and whether these two roots are the pair's. `markers` holds `None` where a root could not
/// be asked.
pub fn pair(pair: &Pair, markers: &PerSide<Option<Option<Marker>>>) -> Vec<Check> {
    let reader = match Reader::open(&pair.state) {
        Ok(reader) => reader,
        Err(error) => return vec![broken_manifest(&error)],
    };
    let mut checks = vec![match &reader {
        None => Check::ok("manifest", "none yet: the first sync makes it"),
        Some(reader) => sound(pair, reader),
    }];
    let record = |side| reader.as_ref().and_then(|reader| reader.root(side).ok().flatten());
    let records = PerSide::new(record(Side::Staging), record(Side::Network));
    checks.push(match (&markers.staging, &markers.network) {
        (Some(staging), Some(network)) => identified(staging.as_ref(), network.as_ref(), &records),
        _ => {
            Check::new("identity", Health::Unknown, "a root could not be asked who it is").meaning("no sync goes on before that")
        }
    });
    checks
}

fn broken_manifest(error: &manifest::Error) -> Check {
    let check = Check::new("manifest", Health::Problem, error.to_string());
    match error {
        manifest::Error::Older { .. } => Check { status: Health::Ok, ..check },
        manifest::Error::Newer { .. } => check.meaning("it is left as it is").mend("use the newer version of driftless"),
        error if error.is_damage() => Check { status: Health::Limited, ..check }
            .meaning("the next sync sets it aside, keeps it, and compares both folders as if they met for the first time: nothing is deleted"),
        _ => check.meaning("no sync can work without it").mend("see that the state folder can be read and written"),
    }
}

fn sound(pair: &Pair, reader: &Reader) -> Check {
    let size = local::length_and_time(&manifest::path(&pair.state)).map_or(0, |(length, _)| length);
    match (reader.complaint(), reader.count_files()) {
        (Ok(None), Ok(files)) => Check::ok("manifest", format!("sound, {files} files, {}", judge::bytes(size))),
        (Ok(Some(complaint)), _) => Check::new("manifest", Health::Limited, complaint).meaning(
            "it is damaged; the next sync that finds out sets it aside and compares both folders anew: nothing is deleted",
        ),
        (Err(error), _) | (_, Err(error)) => broken_manifest(&error),
    }
}

/// The same table as a run goes by; nothing is written for it.
fn identified(staging: Option<&Marker>, network: Option<&Marker>, records: &PerSide<Option<RootRecord>>) -> Check {
    match identify::judge(staging, network, records) {
        Judged::ByStaging => Check::new("identity", Health::Limited, NO_MARK).meaning("deletes are held"),
        Judged::By(Identity::Go) => Check::ok("identity", "both roots are the pair's"),
        Judged::By(Identity::NewPair) => Check::ok("identity", "not paired yet"),
        Judged::By(Identity::ManifestLost) => {
            Check::new("identity", Health::Limited, "both roots are the pair's, and the manifest is gone")
                .meaning("the next sync compares both folders as if they met for the first time: nothing is deleted")
        }
        Judged::By(Identity::Refuse(identity::Refusal { side, message, way })) => {
            let relink = if way == Way::NewId { "driftless relink --new-id" } else { "driftless relink" };
            Check::new("identity", Health::Problem, format!("the {side} root is not the one of this pair: {message}"))
                .meaning("every sync is refused; nothing is changed in either root")
                .mend(format!("put the right folder in its place (is the drive mounted?), or accept this one: `{relink}`"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roots::marker::Marker;

    #[test]
    fn identity_is_judged_as_a_run_would() {
        let network = Marker::new_network().expect("random");
        let staging = Marker::new_staging(network.id).expect("random");
        let record =
            |marker: &Marker, generation| Some(RootRecord { id: marker.id.to_string(), generation, device: 1, traits: None });
        let known = PerSide::new(record(&staging, 0), record(&network, 0));
        let unmarked =
            PerSide::new(record(&staging, 0), Some(RootRecord { id: String::new(), generation: 0, device: 1, traits: None }));
        let newer = PerSide::new(record(&staging, 0), record(&network, 7));
        for (staging, network, records, status, part) in [
            (Some(&staging), Some(&network), &known, Health::Ok, "the pair's"),
            (None, None, &PerSide::default(), Health::Ok, "not paired"),
            (Some(&staging), Some(&network), &PerSide::default(), Health::Limited, "gone"),
            (Some(&staging), None, &unmarked, Health::Limited, "no mark"),
            (None, None, &unmarked, Health::Problem, "another mark"),
            (Some(&staging), None, &known, Health::Problem, "lost its marker"),
            (Some(&staging), Some(&network), &newer, Health::Problem, "older"),
        ] {
            let check = identified(staging, network, records);
            assert!(check.status == status && check.value.contains(part), "{part}: {check:?}");
        }
    }
}
