//! `git pending`: what is not at the remote is listed, tried again and given up; and whatever its commits say is only text.

use std::fs;

use super::{Hub, commit, git, ours, sound};
use crate::harness::write;

/// A message that a list of messages would be torn by, at the remote's tip.
#[test]
fn a_strangers_message_stops_nobody() {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    let other = hub.top().join("first");
    for (number, message) in
        [&b"a\x01b\n\nc\x01refs/driftless/pending/origin/main/x\x01"[..], b"\xff\xfe\x02\r\n\x01\n\nparent 0\n"]
            .into_iter()
            .enumerate()
    {
        let file = hub.top().join("message");
        fs::write(&file, message).expect("a message");
        git(&other, &["commit", "-q", "--allow-empty", "--cleanup=verbatim", "-F", file.to_str().expect("text")]);
        git(&other, &["push", "-q", "origin", "main"]);
        assert_eq!(hub.json(&clone, &["sync"], 0)["action"], "fast_forward", "{number}");
        write(&clone.join("a"), format!("{number}\n"));
        assert_eq!(hub.json(&clone, &["publish", "a", "-m", "a"], 0)["result"], "pushed", "{number}");
        hub.json(&clone, &["tick", "--run", &format!("mkdir -p state; echo {number} >state/s")], 0);
        assert_eq!(hub.at_tip("state/s"), Some(format!("{number}\n")));
        git(&other, &["pull", "-q", "origin", "main"]);
    }
    // And so does one of our own that waits.
    let away = hub.top().join("away.git");
    fs::rename(&hub.bare, &away).expect("away");
    write(&clone.join("a"), "waits\n");
    hub.json(&clone, &["publish", "a", "-m", "x\u{1}y\u{1b}[2J\nparent 0\n\ncommitter z"], 0);
    let shown = hub.run(&clone, &["pending", "list"]);
    shown.ends_with(0).says("waiting").says("xy\\u{1b}[2J");
    let listed = hub.json(&clone, &["pending", "list"], 0);
    assert_eq!(listed["publishes"][0]["message"], "xy\u{1b}[2J\nparent 0\n\ncommitter z\n", "{listed}");
    fs::rename(&away, &hub.bare).expect("back");
    hub.json(&clone, &["sync"], 0);
    assert_eq!(hub.at_tip("a").as_deref(), Some("waits\n"));
    sound(&clone);
}

/// RC-03, RC-04: each of the three kinds, to its end.
#[test]
fn rc_04_what_did_not_arrive_is_listed_tried_again_and_dropped() {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    hub.run(&clone, &["pending", "list"]).ends_with(0).says("Nothing waits");
    hub.json(&clone, &["state"], 0);
    hub.moves();
    write(&clone.join("edit.txt"), "mine\n");
    hub.json(&clone, &["publish", "edit.txt", "-m", "met"], 3);
    let hook = hub.bare.join("hooks/pre-receive");
    write(&hook, "#!/bin/sh\nexit 1\n");
    crate::harness::chmod(&hook, 0o755);
    write(&clone.join("r"), "mine\n");
    hub.json(&clone, &["publish", "r", "-m", "not taken"], 4);
    fs::remove_file(&hook).expect("removed");
    let away = hub.top().join("away.git");
    fs::rename(&hub.bare, &away).expect("away");
    for name in ["w", "v"] {
        write(&clone.join(name), "mine\n");
        hub.json(&clone, &["publish", name, "-m", "waits"], 0);
    }
    let listed = hub.json(&clone, &["pending", "list"], 0);
    let all = listed["publishes"].as_array().expect("publishes");
    let told: Vec<_> = all.iter().map(|one| (one["state"].as_str(), one["paths"][0]["path"].as_str())).collect();
    let expected = [("waiting", "w"), ("waiting", "v"), ("conflict", "edit.txt"), ("rejected", "r")];
    assert_eq!(told, expected.map(|(state, path)| (Some(state), Some(path))), "{listed}");
    let id = |number: usize| all[number]["id"].as_str().expect("an id").to_owned();
    hub.run(&clone, &["pending", "show", &id(2)])
        .ends_with(0)
        .says("changed  edit.txt")
        .says("met")
        .says("git show refs/driftless/");
    // Dropped: only what was named, and its commit is told.
    let dropped = hub.run(&clone, &["pending", "drop", &id(1)]);
    dropped.ends_with(0).says(all[1]["commit"].as_str().expect("a commit"));
    hub.run(&clone, &["pending", "drop", &id(0), "20260101T000000Z-x"]).ends_with(4).says("Nothing was changed");
    assert_eq!(ours(&clone, "pending").len(), 1);
    let offline = hub.json(&clone, &["pending", "retry", &id(3)], 75);
    assert_eq!((offline["retried"][0].as_str(), ours(&clone, "pending").len()), (Some(&id(3)[..]), 2), "{offline}");
    fs::rename(&away, &hub.bare).expect("back");
    // What would be delivered is told before, with the end of the real run.
    hub.run(&clone, &["sync", "--dry-run"]).ends_with(0).says("2 updates that wait would be delivered").says("Would follow");
    assert_eq!((ours(&clone, "pending").len(), hub.at_tip("w")), (2, None));
    let again = hub.json(&clone, &["pending", "retry", &id(2)], 3);
    assert_eq!((&again["pending"]["delivered"], hub.at_tip("edit.txt").as_deref()), (&2.into(), Some("theirs\n")), "{again}");
    assert_eq!((hub.at_tip("r").as_deref(), hub.at_tip("w").as_deref()), (Some("mine\n"), Some("mine\n")));
    assert_eq!((hub.at_tip("v"), ours(&clone, "rejected").len()), (None, 0));
    hub.run(&clone, &["pending", "retry", "--all", "--on-conflict", "ours"]).ends_with(0).says("was delivered");
    assert_eq!(hub.at_tip("edit.txt").as_deref(), Some("mine\n"));
    sound(&clone);
}

/// A dry run ends as the real one would.
#[test]
fn gs_02_a_dry_run_tells_of_a_conflict_that_waits() {
    let hub = Hub::new();
    let clone = hub.clone("mine", None);
    hub.json(&clone, &["state"], 0);
    let away = hub.top().join("away.git");
    fs::rename(&hub.bare, &away).expect("away");
    write(&clone.join("edit.txt"), "mine\n");
    hub.json(&clone, &["publish", "edit.txt", "-m", "waits"], 0);
    fs::rename(&away, &hub.bare).expect("back");
    hub.moves();
    let dry = hub.json(&clone, &["sync", "--dry-run"], 3);
    assert_eq!((ours(&clone, "pending").len(), ours(&clone, "conflict").len()), (1, 0), "{dry}");
    let real = hub.json(&clone, &["sync"], 3);
    assert_eq!((&dry["action"], &dry["pending"]), (&real["action"], &real["pending"]));
    assert_eq!((ours(&clone, "pending").len(), ours(&clone, "conflict").len()), (0, 1));
    commit(&clone, "mine");
}
