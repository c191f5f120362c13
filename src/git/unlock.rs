//! Lock files of git itself that a crash left: never removed because they are old, only where it is proved that nobody is
//! at work behind them.
//!
//! Proof is that no process of git works in this repository or any work tree of it, or names it, and none has the file open.
//! That is known on this machine alone: on a network file system nothing is ever proved. A git with an editor open holds its
//! lock without having it open, so a process that works there is enough to stop us. That a file is older than the start of
//! the machine proves nothing: a clock that was set since makes it so.
//!
//! RACE: a git that starts between the look and the removal sees the old lock and gives up, as before; one in a container
//! whose processes cannot be seen from here is not seen.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::Result;
use super::repository::Repository;
use crate::disk::{checkout, clock, local};
use crate::roots::mounts;

/// A lock file that stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub path: PathBuf,
    pub age: Duration,
    pub verdict: Verdict,
}

/// May it go?
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// With the proof.
    Left(String),
    /// With the reason.
    Stays(String),
}

/// Every lock file of git in this clone, judged.
pub fn look(repository: &Repository, youngest: Duration) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    for path in candidates(repository)? {
        let Some(age) = checkout::age(&path) else { continue };
        let verdict = judge(repository, &path, age, youngest);
        found.push(Found { path, age, verdict });
    }
    Ok(found)
}

/// Takes away what a git of ours that was killed left on a ref of ours: nobody else writes there, and who does holds the writer's
/// lock, which is why he asks. As carefully as `git unlock`; what stays is told by the git that meets it.
pub(super) fn sweep_ours(repository: &Repository) {
    let swept = || -> Result<()> {
        for path in locks_below(&repository.common.join("refs").join(OURS))? {
            let Some(age) = checkout::age(&path) else { continue };
            let verdict = judge(repository, &path, age, YOUNGEST_OF_OURS);
            let found = Found { path, age, verdict };
            if matches!(found.verdict, Verdict::Left(_)) && remove(repository, &found, YOUNGEST_OF_OURS)? {
                tracing::warn!(path = %found.path.display(), "a git that was killed left this lock; it was removed");
            }
        }
        Ok(())
    };
    if let Err(error) = swept() {
        tracing::debug!(%error, "locks on our own refs were not looked at");
    }
}

/// The folder of our own refs.
const OURS: &str = "driftless";
/// A git of ours holds one for far less.
const YOUNGEST_OF_OURS: Duration = Duration::from_secs(1);

/// Removes one that was left, if it still is.
pub fn remove(repository: &Repository, found: &Found, youngest: Duration) -> Result<bool> {
    let Some(age) = checkout::age(&found.path) else { return Ok(false) };
    if age < found.age || !matches!(judge(repository, &found.path, age, youngest), Verdict::Left(_)) {
        return Ok(false);
    }
    local::remove_file(&found.path)?;
    Ok(true)
}

fn candidates(repository: &Repository) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    let mut folders = vec![repository.git_dir.clone()];
    if repository.common != repository.git_dir {
        folders.push(repository.common.clone());
    }
    for folder in folders {
        all.extend(local::files(&folder)?.into_iter().map(|(path, _)| path).filter(|path| is_lock(path)));
    }
    all.extend(locks_below(&repository.common.join("refs"))?);
    all.sort();
    Ok(all)
}

fn locks_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let all = checkout::files_below(folder)?.into_iter();
    Ok(all.filter(|path| is_lock(path)).map(|path| folder.join(path)).collect())
}

fn is_lock(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "lock")
}

fn judge(repository: &Repository, path: &Path, age: Duration, youngest: Duration) -> Verdict {
    match mounts::detect(path) {
        Ok(verdict) if !verdict.network => {}
        Ok(verdict) => {
            return Verdict::Stays(format!("it lies on {}, where a process of another machine may hold it", verdict.file_system));
        }
        Err(error) => return Verdict::Stays(format!("where it lies cannot be told: {error}")),
    }
    if age < youngest {
        return Verdict::Stays(format!(
            "it is {} s old; locks younger than {} s are left alone",
            age.as_secs(),
            youngest.as_secs()
        ));
    }
    match at_work(repository, path) {
        Ok(Seen::All) => Verdict::Left("no process of git works in this repository, and none has it open".to_owned()),
        Ok(Seen::Own) => Verdict::Left(
            "no process of git works in this repository, and none of this user's has it open (others cannot be looked into)"
                .to_owned(),
        ),
        Err(who) => Verdict::Stays(who),
    }
}

/// Whose open files could be looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    All,
    /// This user's own alone.
    Own,
}

/// `Err` tells of a process that may be behind the lock; also of a git that cannot be looked into.
fn at_work(repository: &Repository, path: &Path) -> std::result::Result<Seen, String> {
    let Ok(processes) = local::folders("/proc".as_ref()) else { return Err("processes cannot be listed here".to_owned()) };
    let mut seen = Seen::All;
    let numbers: Vec<String> =
        processes.iter().filter_map(|name| name.to_str()).filter(|name| name.parse::<u32>().is_ok()).map(str::to_owned).collect();
    if numbers.is_empty() {
        return Err("processes cannot be listed here".to_owned());
    }
    let places = places(repository);
    for number in numbers {
        let of = |what: &str| PathBuf::from(format!("/proc/{number}/{what}"));
        let name = local::read_text(&of("comm"), 100).ok().flatten().unwrap_or_default();
        // One that has ended and was not waited for does nothing any more.
        let stat = local::read_text(&of("stat"), 4096).ok().flatten().unwrap_or_default();
        let has_ended = stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('Z'));
        let is_git = !has_ended && (name.trim() == "git" || name.starts_with("git-"));
        let works_here = local::link_target(&of("cwd")).map(|cwd| {
            let named = ["cmdline", "environ"].iter().any(|what| names(&of(what), repository));
            named || places.iter().any(|place| cwd.starts_with(place))
        });
        match (is_git, works_here) {
            (true, Some(true)) => return Err(format!("process {number} ({}) works in this repository", name.trim())),
            (true, None) if !ends_now(&of("")) => {
                return Err(format!("process {number} ({}) cannot be looked into", name.trim()));
            }
            _ => {}
        }
        let open = match local::files(&of("fd")) {
            Ok(open) => open,
            Err(_) if has_ended || !local::is_folder(&of("")) => continue,
            Err(_) => {
                seen = Seen::Own;
                continue;
            }
        };
        if open.iter().any(|(handle, _)| local::link_target(handle).is_some_and(|target| target == path)) {
            return Err(format!("process {number} ({}) has it open", name.trim()));
        }
    }
    Ok(seen)
}

/// Is a process that shows nothing of itself about to be gone? One that ends has no current folder for a moment.
fn ends_now(process: &Path) -> bool {
    (0..50).any(|_| {
        let stat = local::read_text(&process.join("stat"), 4096).ok().flatten().unwrap_or_default();
        let is_gone = stat.rsplit_once(')').is_none_or(|(_, rest)| rest.trim_start().starts_with(['Z', 'X']));
        if !is_gone {
            clock::pause(Duration::from_millis(10));
        }
        is_gone
    })
}

/// Where somebody may work whom these locks concern: the work trees of this clone share most of them.
fn places(repository: &Repository) -> Vec<PathBuf> {
    let mut places = vec![repository.top.clone(), repository.common.clone(), repository.git_dir.clone()];
    let linked = repository.common.join("worktrees");
    for name in local::folders(&linked).unwrap_or_default() {
        let text = local::read_text(&linked.join(name).join("gitdir"), 4096).ok().flatten().unwrap_or_default();
        places.extend(Path::new(text.trim_end()).parent().map(Path::to_owned));
    }
    // The clone itself, seen from one of its linked work trees.
    places.extend(repository.common.parent().filter(|_| repository.common != repository.git_dir).map(Path::to_owned));
    places
}

/// Does what a process was started with (`--git-dir`, `GIT_DIR`) name this clone?
fn names(file: &Path, repository: &Repository) -> bool {
    let text = local::read_text(file, 1 << 20).ok().flatten().unwrap_or_default();
    [&repository.common, &repository.git_dir].iter().any(|place| text.contains(&*place.to_string_lossy()))
}
