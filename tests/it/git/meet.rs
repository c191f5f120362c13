//! Where one side has a file and the other a folder of the same name: nothing goes that its writer here had not seen.

use std::fs;
use std::path::Path;

use super::{Hub, commit, git, ours, sound};
use crate::harness::write;

/// What one side wants at the tip, what the other has put there meanwhile, and whether that was seen here.
struct Cell {
    publish: &'static [&'static str],
    /// Paths that are at the tip where the other side stays, and those where ours is published.
    theirs: &'static [&'static str],
    ours: &'static [&'static str],
    seen: bool,
}

const CELLS: &[Cell] = &[
    // A file of theirs, a folder of ours.
    Cell { publish: &["n1/q"], theirs: &["n1"], ours: &["n1/q"], seen: false },
    // A folder of theirs, a file of ours.
    Cell { publish: &["n2"], theirs: &["n2/1", "n2/d/2"], ours: &["n2"], seen: false },
    // A folder that is a file here now; theirs changed one of its files.
    Cell { publish: &["d3"], theirs: &["d3/a", "d3/b"], ours: &["d3"], seen: false },
    // The same; theirs added one.
    Cell { publish: &["d4"], theirs: &["d4/a", "d4/b", "d4/new"], ours: &["d4"], seen: false },
    // Theirs made a folder of the file, ours edited it.
    Cell { publish: &["f5"], theirs: &["f5/q"], ours: &["f5"], seen: false },
    // Theirs made a file of the folder, ours edited in it.
    Cell { publish: &["d6/a"], theirs: &["d6"], ours: &["d6/a"], seen: false },
    // A file that theirs changed is a folder here now.
    Cell { publish: &["f7/q"], theirs: &["f7"], ours: &["f7/q"], seen: false },
    // Only we changed anything.
    Cell { publish: &["d8"], theirs: &["d8/a", "d8/b"], ours: &["d8"], seen: true },
    Cell { publish: &["f9/q"], theirs: &["f9"], ours: &["f9/q"], seen: true },
];

fn below(place: &Path, words: &[&str]) -> Vec<String> {
    let mut all = vec!["ls-tree", "-r", "--name-only", "refs/heads/main", "--"];
    all.extend(words);
    git(place, &all).lines().map(str::to_owned).collect()
}

/// A file or folder goes, a file comes.
fn instead(clone: &Path, gone: &str, come: &str) {
    let gone = clone.join(gone);
    if gone.is_dir() { fs::remove_dir_all(gone) } else { fs::remove_file(gone) }.expect("removed");
    write(&clone.join(come), "mine\n");
}

fn hub_and_clone() -> (Hub, std::path::PathBuf) {
    let hub = Hub::new();
    let other = hub.top().join("first");
    for path in ["d3/a", "d3/b", "d4/a", "d4/b", "f5", "d6/a", "f7", "d8/a", "d8/b", "f9"] {
        write(&other.join(path), "base\n");
    }
    commit(&other, "base");
    git(&other, &["push", "-q", "origin", "main"]);
    let clone = hub.clone("mine", None);
    hub.json(&clone, &["state"], 0);
    for path in ["n1", "n2/1", "n2/d/2", "d3/a", "d4/new", "f7"] {
        write(&other.join(path), "theirs\n");
    }
    instead(&other, "f5", "f5/q");
    instead(&other, "d6", "d6");
    commit(&other, "theirs");
    git(&other, &["push", "-q", "origin", "main"]);
    for path in ["n1/q", "n2", "f5", "d6/a"] {
        write(&clone.join(path), "mine\n");
    }
    for (gone, come) in [("d3", "d3"), ("d4", "d4"), ("f7", "f7/q"), ("d8", "d8"), ("f9", "f9/q")] {
        instead(&clone, gone, come);
    }
    (hub, clone)
}

/// Each cell by each policy, one after the other: the first onto a tip that is not known yet.
#[test]
fn rc_03_a_file_and_a_folder_that_meet_are_a_conflict() {
    for (policy, code) in [("fail", 3), ("theirs", 0), ("ours", 0)] {
        let (hub, clone) = hub_and_clone();
        for Cell { publish, theirs, ours, seen } in CELLS {
            let mut words = vec!["publish", "-m", "mine", "--on-conflict", policy];
            words.extend(*publish);
            let object = hub.json(&clone, &words, if *seen { 0 } else { code });
            let wins = *seen || policy == "ours";
            assert_eq!(object["result"], if wins { "pushed" } else { "conflict" }, "{policy} {publish:?}: {object}");
            let name = publish[0].split('/').next().expect("a name");
            assert_eq!(below(&hub.bare, &[name]), *if wins { ours } else { theirs }, "{policy} {publish:?}");
        }
        sound(&clone);
    }
}

/// The same where all of it waited, and goes out at once.
#[test]
fn rc_03_what_waited_overwrites_no_folder_unseen() {
    for policy in ["merge", "ours"] {
        let (hub, clone) = hub_and_clone();
        let away = hub.top().join("away.git");
        fs::rename(&hub.bare, &away).expect("away");
        for Cell { publish, .. } in CELLS {
            let mut words = vec!["publish", "-m", "mine", "--on-conflict", policy];
            words.extend(*publish);
            assert_eq!(hub.json(&clone, &words, 0)["result"], "deferred");
        }
        // Over a file that waits itself, and was so seen.
        write(&clone.join("m0"), "mine\n");
        hub.json(&clone, &["publish", "m0", "-m", "a file"], 0);
        instead(&clone, "m0", "m0/q");
        hub.json(&clone, &["publish", "m0", "-m", "a folder"], 0);
        fs::rename(&away, &hub.bare).expect("back");
        write(&clone.join("last"), "mine\n");
        assert_eq!(hub.json(&clone, &["publish", "last", "-m", "last"], 0)["result"], "pushed");
        for Cell { publish, theirs, ours, seen } in CELLS {
            let name = publish[0].split('/').next().expect("a name");
            let expected = if *seen || policy == "ours" { ours } else { theirs };
            assert_eq!(below(&hub.bare, &[name]), *expected, "{policy} {publish:?}");
        }
        assert_eq!(below(&hub.bare, &["m0"]), ["m0/q"]);
        assert_eq!((ours(&clone, "pending").len(), ours(&clone, "conflict").len()), (0, 7), "{policy}");
        sound(&clone);
    }
}

/// Nothing is published into the place of another repository's commit.
#[test]
fn rc_03_a_submodule_is_not_made_a_folder() {
    let hub = Hub::new();
    let other = hub.top().join("first");
    let clone = hub.clone("mine", None);
    hub.json(&clone, &["state"], 0);
    git(&other, &["submodule", "add", "-q", &hub.url(), "sm"]);
    commit(&other, "a submodule");
    git(&other, &["push", "-q", "origin", "main"]);
    let link = git(&hub.bare, &["rev-parse", "main:sm"]);
    write(&clone.join("sm/q"), "mine\n");
    hub.json(&clone, &["publish", "sm/q", "-m", "unseen", "--on-conflict", "ours"], 3);
    hub.run(&clone, &["publish", "sm/q", "-m", "seen", "--on-conflict", "ours"]).ends_with(4).says("lies in the submodule sm");
    assert_eq!(git(&hub.bare, &["rev-parse", "main:sm"]), link);
    // A tick leaves a submodule alone that stands elsewhere.
    let with = hub.top().join("with");
    git(&hub.top(), &["clone", "-q", "--recurse-submodules", &hub.url(), "with"]);
    commit(&with.join("sm"), "moved");
    write(&with.join("sm/loose"), "mine\n");
    hub.json(&with, &["tick", "--paths", "sm"], 0);
    assert_eq!(git(&hub.bare, &["rev-parse", "main:sm"]), link);
}

/// Exactly the files that were seen go with a folder, now or later.
#[test]
fn rc_01_a_deleted_folder_is_the_files_that_were_seen_in_it() {
    for waits in [false, true] {
        let hub = Hub::new();
        let other = hub.top().join("first");
        for path in ["old/1", "old/deep/2"] {
            write(&other.join(path), "base\n");
        }
        commit(&other, "base");
        git(&other, &["push", "-q", "origin", "main"]);
        let clone = hub.clone("mine", None);
        hub.json(&clone, &["state"], 0);
        write(&other.join("old/new"), "theirs\n");
        commit(&other, "theirs");
        git(&other, &["push", "-q", "origin", "main"]);
        let away = hub.top().join("away.git");
        if waits {
            fs::rename(&hub.bare, &away).expect("away");
        }
        fs::remove_dir_all(clone.join("old")).expect("removed");
        let object = hub.json(&clone, &["publish", "--delete", "old", "-m", "gone"], 0);
        assert_eq!(object["result"], if waits { "deferred" } else { "pushed" }, "{object}");
        assert_eq!(object["paths"].as_array().map(Vec::len), Some(2), "{object}");
        if waits {
            fs::rename(&away, &hub.bare).expect("back");
            hub.run(&clone, &["sync"]).ends_with(0).says("1 update that had waited was delivered");
        }
        assert_eq!(below(&hub.bare, &["old"]), ["old/new"], "{waits}");
        assert_eq!(hub.json(&clone, &["publish", "--delete", "no/such", "-m", "gone"], 0)["result"], "noop");
        sound(&clone);
    }
}
