//! A watcher on real folders.

use super::*;
use crate::model::target::Reach;
use std::cell::Cell;
use std::fs;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

struct World {
    folder: tempfile::TempDir,
    watcher: Watcher,
    said: Receiver<Said>,
    marks: Cell<u32>,
}

impl World {
    fn new() -> World {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("a path");
        let own = |made: bool| {
            if made {
                fs::create_dir(root.join(".driftless")).expect("made")
            }
        };
        // Wine tells of what is in a folder where that came after the watch had begun.
        own(cfg!(unix));
        let (say, said) = channel();
        let watcher = Watcher::start(&root, &path(".driftless"), move |word| {
            let _ = say.send(word);
        });
        let watcher = watcher.expect("a watcher");
        own(cfg!(windows));
        let world = World { folder, watcher, said, marks: Cell::new(0) };
        world.until_heard();
        world
    }

    /// Wine hears what happens in a new folder only from a moment on after it came.
    fn until_heard(&self) {
        let heard = |said| matches!(said, Said::Own(own) if own == path("begun"));
        for _ in 0..300 {
            fs::write(self.folder.path().join(".driftless/begun"), b"").expect("written");
            if self.said.recv_timeout(Duration::from_millis(100)).is_ok_and(heard) {
                return;
            }
        }
        panic!("nothing is heard of");
    }

    /// All that was said until the mark that is made now.
    fn told(&self) -> Vec<Said> {
        let mark = format!("mark{}", self.marks.replace(self.marks.get() + 1));
        fs::write(self.folder.path().join(".driftless").join(&mark), b"").expect("written");
        let mut told = Vec::new();
        loop {
            let said = self.said.recv_timeout(Duration::from_secs(30)).unwrap_or_else(|_| panic!("{mark} is not seen: {told:?}"));
            match said {
                Said::Own(own) if own == path(&mark) => return told,
                Said::Own(_) => {}
                said => told.push(said),
            }
        }
    }

    fn hinted(&self, at: &str) -> bool {
        self.told().contains(&Said::Hint(Target { path: path(at), reach: Reach::Entry }))
    }
}

fn path(text: &str) -> RelPath {
    RelPath::parse(text.as_bytes()).expect("a path")
}

#[test]
fn what_happens_in_an_entered_folder_is_told_before_a_later_mark() {
    let world = World::new();
    let at = world.folder.path();
    fs::write(at.join("a"), b"1").expect("written");
    assert!(world.hinted("a"));
    fs::create_dir(at.join("d")).expect("made");
    assert!(world.told().contains(&Said::Hint(Target::tree(path("d")))));
    world.watcher.enter(&path("d"));
    fs::write(at.join("d/x"), b"1").expect("written");
    assert!(world.hinted("d/x"));
    // A folder that takes the place of another one is entered anew.
    fs::rename(at.join("d"), at.join("e")).expect("moved");
    fs::create_dir(at.join("d")).expect("made");
    let told = world.told();
    assert!(
        told.contains(&Said::Hint(Target::tree(path("e")))) && told.contains(&Said::Hint(Target::tree(path("d")))),
        "{told:?}"
    );
    // Wine tells nothing of what is in a folder that was moved.
    for folder in ["d", "e"].into_iter().filter(|folder| cfg!(unix) || *folder == "d") {
        world.watcher.enter(&path(folder));
        fs::write(at.join(folder).join("y"), b"1").expect("written");
        assert!(world.hinted(&format!("{folder}/y")), "{folder}");
    }
    assert_eq!(world.watcher.bare(), []);
}

#[test]
fn a_root_that_goes_away_is_told() {
    let world = World::new();
    let at = world.folder.path();
    fs::create_dir(at.join("in")).expect("made");
    let moved = at.with_extension("moved");
    fs::rename(at, &moved).expect("moved");
    let said = || world.said.recv_timeout(Duration::from_secs(30)).expect("something is told");
    while said() != Said::Gone {}
    fs::rename(&moved, at).expect("moved back");
}

#[cfg(unix)]
#[test]
fn a_link_is_not_followed() {
    let world = World::new();
    let (at, elsewhere) = (world.folder.path(), tempfile::tempdir().expect("a folder"));
    std::os::unix::fs::symlink(elsewhere.path(), at.join("link")).expect("made");
    world.told();
    world.watcher.enter(&path("link"));
    fs::write(elsewhere.path().join("secret"), b"1").expect("written");
    let told = world.told();
    assert!(
        !told.iter().any(|said| matches!(said, Said::Hint(target) if target.path.is_within(&path("link/secret")))),
        "{told:?}"
    );
}

#[test]
fn a_folder_that_took_the_place_of_one_that_was_entered_alone_is_told_of() {
    let world = World::new();
    let at = world.folder.path();
    let outside = tempfile::tempdir_in(at.parent().expect("a folder")).expect("made");
    fs::create_dir_all(at.join("a/b")).expect("made");
    world.watcher.enter(&path("a/b"));
    world.told();
    fs::rename(at.join("a/b"), outside.path().join("b")).expect("moved");
    fs::create_dir(at.join("a/b")).expect("made");
    world.told();
    world.watcher.enter(&path("a"));
    world.watcher.enter(&path("a/b"));
    fs::write(at.join("a/b/file"), b"1").expect("written");
    assert!(world.hinted("a/b/file"));
}
