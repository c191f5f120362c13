//! Somebody rewrites the remote's history: what is missing of ours comes back, what is there all the same does not.

use std::path::{Path, PathBuf};

use super::{Hub, commit, git, ours, sound};
use crate::harness::write;

/// Two versions of a path and one of another, published from a clone that then rests; somebody else has them too.
fn published() -> (Hub, PathBuf, PathBuf) {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    for (path, text) in [("s.json", "1\n"), ("other", "o\n"), ("s.json", "2\n")] {
        write(&clone.join(path), text);
        hub.json(&clone, &["publish", path, "-m", text], 0);
    }
    let other = hub.top().join("first");
    git(&other, &["pull", "-q", "origin", "main"]);
    (hub, clone, other)
}

fn force(other: &Path) {
    git(other, &["push", "-q", "--force", "origin", "main"]);
}

#[test]
fn rc_05_a_squash_is_left_as_it_is() {
    let (hub, clone, other) = published();
    git(&other, &["reset", "-q", "--soft", "HEAD~3"]);
    commit(&other, "squashed");
    force(&other);
    let tip = hub.tip();
    let synced = hub.json(&clone, &["sync"], 0);
    assert_eq!((&synced["pending"]["delivered"], hub.tip()), (&0.into(), tip), "{synced}");
    sound(&clone);
}

/// Each version of the path that is missing comes back, and the other path stays as it is.
#[test]
fn rc_05_only_what_is_missing_comes_back() {
    let (hub, clone, other) = published();
    git(&other, &["reset", "-q", "--soft", "HEAD~3"]);
    git(&other, &["rm", "-q", "-f", "s.json"]);
    commit(&other, "squashed without");
    force(&other);
    assert_eq!(hub.json(&clone, &["sync"], 0)["pending"]["delivered"], 2);
    let history = |path: &str| git(&hub.bare, &["log", "--format=%h", "main", "--", path]).lines().count();
    assert_eq!((history("s.json"), history("other"), hub.at_tip("s.json").as_deref()), (2, 1, Some("2\n")));
    sound(&clone);
}

#[test]
fn rc_05_what_was_taken_out_on_purpose_can_stay_out() {
    for accept in [false, true] {
        let (hub, clone, other) = published();
        let last = hub.tip();
        git(&other, &["reset", "-q", "--hard", "HEAD~3"]);
        write(&other.join("zero.txt"), "rewritten\n");
        commit(&other, "taken out");
        force(&other);
        // Also where somebody has looked already.
        hub.json(&clone, &["state"], 0);
        assert_eq!(ours(&clone, "pending").len(), 3);
        if !accept {
            assert_eq!(hub.json(&clone, &["sync"], 0)["pending"]["delivered"], 3);
            assert_eq!(git(&hub.bare, &["log", "--format=%h", "main", "--", "s.json"]).lines().count(), 2, "each version");
            continue;
        }
        let synced = hub.json(&clone, &["sync", "--accept-rewrite"], 0);
        assert_eq!((&synced["left_out"]["commits"], hub.at_tip("s.json")), (&3.into(), None), "{synced}");
        let kept = format!("refs/driftless/backup/{}^1", synced["left_out"]["backups"][0].as_str().expect("a backup"));
        assert_eq!(git(&clone, &["rev-parse", &kept]), last);
        hub.json(&clone, &["sync"], 0);
        assert_eq!((hub.at_tip("s.json"), ours(&clone, "pending").len()), (None, 0));
        write(&clone.join("s.json"), "4\n");
        hub.json(&clone, &["tick", "--paths", "s.json"], 0);
        assert_eq!(hub.at_tip("s.json").as_deref(), Some("4\n"));
        sound(&clone);
    }
}
