//! Every cell of state × mode × work tree × history: what `git sync` and `git tick` do, and that nothing of the user's is lost.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Hub, commit, git, head, ours, sound, try_git};
use crate::harness::{read, write};

/// How the branch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    UpToDate,
    Behind,
    Ahead,
    Diverged,
}

/// What the work tree holds besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tree {
    Clean,
    /// An edit of what the remote changes.
    Edited,
    /// Staged so, and edited again since.
    Staged,
    /// A file that git does not know, where the remote adds one.
    Untracked,
    /// The same, ignored.
    Ignored,
    /// The remote's own content there already.
    Same,
    /// A folder of untracked files where the remote adds a file.
    Folder,
    /// An edit of what the remote deletes.
    Doomed,
    /// The remote changes what was deleted here.
    Deleted,
    /// Several of these at different paths.
    Mixed,
    Other,
}

const STATES: [Stands; 4] = [Stands::UpToDate, Stands::Behind, Stands::Ahead, Stands::Diverged];
/// What is at different paths is tried in one cell.
const TREES: [Tree; 6] = [Tree::Clean, Tree::Edited, Tree::Untracked, Tree::Same, Tree::Mixed, Tree::Other];

/// Puts it there; answers what a follow has to keep, as (path in the backup, content).
fn put(clone: &Path, tree: Tree) -> Vec<(&'static str, &'static str)> {
    match tree {
        Tree::Clean => vec![],
        Tree::Edited => {
            write(&clone.join("edit.txt"), "my edit\r\n");
            vec![("edit.txt", "my edit\r\n")]
        }
        Tree::Staged => {
            write(&clone.join("edit.txt"), "staged\n");
            git(clone, &["add", "edit.txt"]);
            write(&clone.join("edit.txt"), "on the disk\n");
            vec![("edit.txt", "on the disk\n")]
        }
        Tree::Untracked => {
            write(&clone.join("new.txt"), "my own\n");
            vec![("new.txt", "my own\n")]
        }
        Tree::Ignored => {
            write(&clone.join(".git/info/exclude"), "new.txt\n");
            write(&clone.join("new.txt"), "ignored\n");
            vec![("new.txt", "ignored\n")]
        }
        Tree::Same => {
            write(&clone.join("new.txt"), "new\n");
            vec![]
        }
        Tree::Folder => {
            write(&clone.join("new.txt/a b"), "deep\n");
            write(&clone.join("new.txt/c.log"), "log\n");
            vec![("new.txt/a b", "deep\n"), ("new.txt/c.log", "log\n")]
        }
        Tree::Doomed => {
            write(&clone.join("gone.txt"), "saved?\n");
            vec![("gone.txt", "saved?\n")]
        }
        Tree::Mixed => [Tree::Staged, Tree::Folder, Tree::Doomed].into_iter().flat_map(|tree| put(clone, tree)).collect(),
        Tree::Other => [Tree::Deleted, Tree::Ignored].into_iter().flat_map(|tree| put(clone, tree)).collect(),
        Tree::Deleted => {
            fs::remove_file(clone.join("edit.txt")).expect("removed");
            vec![]
        }
    }
}

struct Cell {
    command: &'static str,
    stands: Stands,
    tree: Tree,
    mode: &'static [&'static str],
    depth: Option<&'static str>,
}

impl Cell {
    /// Does a tick push the user's commits here, and over others?
    fn pushes(&self) -> bool {
        let may = self.stands == Stands::Ahead || (self.stands == Stands::Diverged && self.mode.contains(&"--alpha"));
        self.command == "tick" && may
    }

    /// Is the remote followed here?
    fn follows(&self) -> bool {
        let alpha = self.mode.contains(&"--alpha") && !self.mode.contains(&"--initial");
        self.stands == Stands::Behind || (self.stands == Stands::Diverged && !alpha)
    }

    fn check(&self) {
        let name = format!("{} {:?} {:?} {:?} {:?}", self.command, self.stands, self.tree, self.mode, self.depth);
        let hub = Hub::new();
        let clone = hub.clone("mine", self.depth);
        let before = head(&clone);
        let mut left = before.clone();
        if matches!(self.stands, Stands::Ahead | Stands::Diverged) {
            write(&clone.join("mine.txt"), "mine\n");
            left = commit(&clone, "mine");
        }
        if matches!(self.stands, Stands::Behind | Stands::Diverged) {
            hub.moves();
        }
        // Not in the way of anything.
        write(&clone.join("dir/x.txt"), "my x\n");
        write(&clone.join("loose.txt"), "loose\n");
        write(&clone.join("keep.txt"), "staged keep\n");
        git(&clone, &["add", "keep.txt"]);
        let kept = put(&clone, self.tree);
        let tip = hub.tip();
        let (status, files) = (git(&clone, &["status", "--porcelain"]), listing(&clone));
        let state = hub.json(&clone, &["state"], 0);
        let expected = ["up-to-date", "behind", "ahead", "diverged"][self.stands as usize];
        assert_eq!(state["state"], expected, "{name}: {state}");
        let counts = [(0, 0), (0, 2), (1, 0), (1, 2)][self.stands as usize];
        assert_eq!((state["ahead"].as_u64(), state["behind"].as_u64()), (Some(counts.0), Some(counts.1)), "{name}: {state}");
        assert_eq!(
            (git(&clone, &["status", "--porcelain"]), listing(&clone), head(&clone)),
            (status.clone(), files.clone(), left.clone()),
            "{name}"
        );
        let mut words = vec![self.command];
        words.extend(self.mode);
        let synced = hub.json(&clone, &words, 0);
        let expected = if self.pushes() { &left } else { &tip };
        assert_eq!(&hub.tip(), expected, "{name}: nothing else is pushed");
        if self.pushes() && self.stands == Stands::Diverged {
            let backup = ours(&clone, "backup").pop().expect("what was replaced is kept");
            assert_eq!(git(&clone, &["rev-parse", &format!("{backup}^1")]), tip, "{name}");
            assert_eq!((git(&clone, &["status", "--porcelain"]), listing(&clone), head(&clone)), (status, files, left), "{name}");
        } else if self.follows() {
            self.followed(&name, &clone, &tip, &left, &kept, &synced);
        } else {
            assert_eq!((git(&clone, &["status", "--porcelain"]), listing(&clone), head(&clone)), (status, files, left), "{name}");
            assert_eq!(ours(&clone, "backup"), [] as [&str; 0], "{name}");
        }
        for (path, content) in [("dir/x.txt", "my x\n"), ("loose.txt", "loose\n"), ("keep.txt", "staged keep\n")] {
            assert_eq!(read(&clone.join(path)), content, "{name}");
        }
        assert_eq!(git(&clone, &["show", ":keep.txt"]), "staged keep", "{name}");
        sound(&clone);
    }

    fn followed(&self, name: &str, clone: &Path, tip: &str, left: &str, kept: &[(&str, &str)], synced: &serde_json::Value) {
        assert_eq!(head(clone), tip, "{name}: {synced}");
        assert_eq!(git(clone, &["rev-parse", "refs/remotes/origin/main"]), tip, "{name}");
        let mut status: Vec<String> = git(clone, &["status", "--porcelain"]).lines().map(|line| line.trim().to_owned()).collect();
        status.sort();
        assert_eq!(status, ["?? loose.txt", "M  keep.txt", "M dir/x.txt"], "{name}: {synced}");
        assert_eq!(
            (read(&clone.join("edit.txt")), read(&clone.join("new.txt"))),
            ("theirs\n".to_owned(), "new\n".to_owned()),
            "{name}"
        );
        assert!(!clone.join("gone.txt").exists() && !clone.join("mine.txt").exists(), "{name}");
        let backups = ours(clone, "backup");
        let needed = !kept.is_empty() || self.stands == Stands::Diverged;
        assert_eq!(backups.len(), usize::from(needed), "{name}: {synced}");
        let Some(backup) = backups.first() else { return };
        assert_eq!(git(clone, &["rev-parse", &format!("{backup}^1")]), left, "{name}: the commit that was left");
        for (path, content) in kept {
            let shown = try_git(clone, &["show", &format!("{backup}:{path}")]);
            assert_eq!(String::from_utf8_lossy(&shown.stdout), *content, "{name}: {path}");
        }
        if self.tree == Tree::Mixed {
            assert_eq!(git(clone, &["show", &format!("{backup}^2:edit.txt")]), "staged", "{name}");
        }
    }
}

/// Every file of the work tree with its content.
pub fn listing(clone: &Path) -> Vec<(PathBuf, String)> {
    let files = crate::harness::below_all(clone).into_iter().filter(|path| !path.starts_with(".git/"));
    let files = files.map(|path| clone.join(path)).filter(|path| path.is_file());
    files.map(|path| (path.clone(), read(&path))).collect()
}

fn all(command: &'static str, mode: &'static [&'static str], depth: Option<&'static str>) {
    for stands in STATES {
        // A tick follows as a sync does: what differs is what it pushes.
        for tree in TREES.into_iter().filter(|tree| command == "sync" || !matches!(tree, Tree::Edited | Tree::Untracked)) {
            Cell { command, stands, tree, mode, depth }.check();
        }
    }
}

#[test]
fn gs_02_06_the_remote_counts_full() {
    all("sync", &[], None);
}

#[test]
fn gs_02_06_the_remote_counts_shallow() {
    all("sync", &[], Some("1"));
}

#[test]
fn gs_02_06_this_copy_counts_full() {
    all("sync", &["--alpha"], None);
}

#[test]
fn gs_02_06_this_copy_counts_shallow() {
    all("sync", &["--alpha"], Some("1"));
}

#[test]
fn gs_04_a_tick_where_the_remote_counts_full() {
    all("tick", &[], None);
}

#[test]
fn gs_04_a_tick_where_the_remote_counts_shallow() {
    all("tick", &[], Some("1"));
}

#[test]
fn gs_04_a_tick_where_this_copy_counts_full() {
    all("tick", &["--alpha"], None);
}

#[test]
fn gs_04_a_tick_where_this_copy_counts_shallow() {
    all("tick", &["--alpha"], Some("1"));
}

/// GS-03: at start-up the remote counts, whatever the mode.
#[test]
fn gs_03_start_up_takes_the_newest_state() {
    for tree in [Tree::Clean, Tree::Mixed] {
        Cell { command: "sync", stands: Stands::Diverged, tree, mode: &["--alpha", "--initial"], depth: None }.check();
    }
}
