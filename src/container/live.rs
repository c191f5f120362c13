//! Files that a container sees where they lie here, through a bind mount: they need no comparison, if they are the same files still.
//!
//! Invariants. A mount stays with what was there when the container started, whatever comes to its path later: another folder is moved
//! there, a link on the way is pointed elsewhere, something is mounted below. Where that cannot be ruled out, nothing is called live.

use std::path::{Path, PathBuf};

use super::map;
use crate::disk::local;
use crate::docker::{Container, Engine, Mount, MountKind};
use crate::roots::mounts;

/// What of a mount is not, or may not be, what is here.
pub struct Doubt(Vec<PathBuf>);

impl Doubt {
    fn of_all() -> Doubt {
        Doubt(vec![PathBuf::new()])
    }

    /// Is `whole`, which lies in the mount by its path, another file in the container, or may be?
    pub fn is_of(&self, mount: &Mount, whole: &Path) -> bool {
        let below = whole.strip_prefix(&mount.source).unwrap_or(Path::new(""));
        self.0.iter().any(|doubtful| below.starts_with(doubtful))
    }
}

/// By its path, is this the file that the container sees?
pub fn is_mounted(mount: &Mount, place: &[u8], whole: &Path) -> bool {
    let target = map::inside(&mount.target);
    let below = place.strip_prefix(target.as_bytes()).unwrap_or_default();
    let source = [mount.source.trim_end_matches('/').as_bytes(), below].concat();
    mount.kind == MountKind::Bind && whole.as_os_str().as_encoded_bytes() == source
}

/// The paths of mounts are those of the engine's machine. A socket can lead to another one, so that both have to say the same.
pub fn is_near(engine: &Engine) -> bool {
    let here = (local::host_name(), local::system().1);
    !engine.address().url.starts_with("tcp:") && engine.machine().is_ok_and(|there| there == here)
}

/// Looks at a bind mount of a container of this machine. One that does not run takes what is there when it is started.
pub fn doubt(engine: &Engine, container: &Container, mount: &Mount) -> Doubt {
    if !container.state.is_running {
        return Doubt(Vec::new());
    }
    let process = engine.main_process(&container.id).ok().flatten();
    let known = process.and_then(|process| by_tables(mount, process));
    known.unwrap_or_else(|| if may_be_another(mount, container) { Doubt::of_all() } else { Doubt(Vec::new()) })
}

/// By the mounts that the container's process sees and those that this one does; `None` where they are not told, or show no such mount.
fn by_tables(mount: &Mount, process: u32) -> Option<Doubt> {
    let (here, there) = (mounts::seen_by(None)?, mounts::seen_by(Some(process))?);
    let (source, target) = (local::real_path(Path::new(&mount.source)), PathBuf::from(map::inside(&mount.target)));
    let points = there.points(&target);
    if !points.iter().any(|point| point == Path::new("")) {
        return None;
    }
    let all = here.points(&source).into_iter().chain(points).chain([PathBuf::new()]);
    let at = |top: &Path, below: &Path| if below == Path::new("") { top.to_path_buf() } else { top.join(below) };
    Some(Doubt(all.filter(|below| here.spot(&at(&source, below)) != there.spot(&at(&target, below))).collect()))
}

/// By times alone: did something come to the path, or to a folder above it, after the container had started?
fn may_be_another(mount: &Mount, container: &Container) -> bool {
    let (Some(started), source) = (container.state.started, Path::new(&mount.source)) else { return true };
    let Some(times) = local::times(source) else { return true };
    // Writing to it changes both times alike; moving it to where it is changes the inode alone.
    let came = times.born.is_some_and(|born| born > started) || (times.inode > started && times.inode != times.content);
    let real = local::real_path(source);
    let mut above = source.ancestors().skip(1).chain(real.ancestors().skip(1));
    came || above.any(|folder| local::times(folder).is_none_or(|times| times.inode > started))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::disk::clock;
    use crate::docker::{Health, State};
    use crate::model::time::Time;

    fn started(at: Option<Time>) -> Container {
        let state = State {
            word: "running".to_owned(),
            is_running: true,
            is_restarting: false,
            health: Health::Unchecked,
            started: at,
            restarts: 0,
            exit_code: 0,
        };
        Container {
            id: "0".to_owned(),
            name: "x".to_owned(),
            image_id: String::new(),
            image_name: String::new(),
            labels: std::collections::BTreeMap::default(),
            state,
            created: None,
            mounts: Vec::new(),
            working_dir: String::new(),
        }
    }

    /// Where the tables are not told, what was touched on the way may have been exchanged.
    #[test]
    fn a_path_on_which_something_came_later_may_be_another() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| dir.path().join(name);
        for folder in ["one", "two"] {
            std::fs::create_dir(at(folder)).expect("new");
        }
        std::os::unix::fs::symlink("one", at("current")).expect("a link");
        let before = Time(0);
        let after = Time(clock::now().0 + 3_600_000_000_000);
        for (source, when, expected) in [
            ("one", Some(after), false),
            ("current", Some(after), false),
            ("one", Some(before), true),
            ("current", Some(before), true),
            ("gone", Some(after), true),
            ("one", None, true),
        ] {
            let source = at(source).to_string_lossy().into_owned();
            let mount = Mount { kind: MountKind::Bind, target: "/app".to_owned(), source, name: String::new() };
            assert_eq!(may_be_another(&mount, &started(when)), expected, "{mount:?} {when:?}");
        }
    }
}
