//! What image and repository can be to each other.

use super::{REVISION, SOURCE, Shop};
use crate::git::{commit, git};
use crate::harness::write;
use crate::services::Picture;

const UPDATED: &str = "FATAL: Repository has been updated but no corresponding Docker image exists";
const OUT_OF_SYNC: &str = "FATAL: Docker image is out of sync with repository";
const DIVERGED: &str = "FATAL: Repository and Docker image have diverged";

/// IM-01, IM-02, IM-03: the whole story of a project, state by state.
#[test]
fn im_03_each_mismatch_is_fatal_and_says_what_mends_it() {
    let shop = Shop::new();
    let missing = shop.check(&[], 5, "missing");
    assert_eq!((&missing["fatal"], &missing["built_from"]), (&UPDATED.into(), &serde_json::Value::Null), "{missing}");
    let first = shop.head();
    shop.build(&first);
    let object = shop.check(&[], 0, "in_step");
    assert_eq!((&object["built_from"], &object["fatal"]), (&first.clone().into(), &serde_json::Value::Null));
    assert_eq!(object["repository"]["against"], "origin/main");
    // A commit beside the build context changes nothing in the image.
    shop.change("docs.txt");
    assert_eq!(shop.check(&[], 0, "in_step_by_tree")["built_from"], first);
    let second = shop.change("app/main.py");
    let third = shop.change("more.txt");
    let object = shop.check(&[], 5, "behind");
    assert_eq!(object["fatal"], UPDATED);
    assert_eq!((&object["distance"]["behind"], &object["distance"]["in_context"]), (&3.into(), &1.into()), "{object}");
    assert_eq!((&object["built_from"], &object["repository"]["commit"]), (&first.clone().into(), &third.clone().into()));
    assert_eq!(object["distance"]["subjects"][0], "change app/main.py");
    let told = shop.run(&[]);
    told.ends_with(5);
    assert!(told.stdout.starts_with(UPDATED), "{told}");
    let name = shop.name();
    for part in [&first, &third, "3 commits, 1 in the build context", &format!("-t {name} app && docker push {name}")] {
        assert!(told.stdout.contains(part), "{part}: {told}");
    }
    assert_eq!(shop.check(&["--grace", "1h"], 0, "pending")["fatal"], serde_json::Value::Null);
    shop.build(&second);
    shop.check(&[], 0, "in_step_by_tree");
    // Built from what is not at the remote yet.
    write(&shop.clone.join("app/main.py"), "newer\n");
    let newer = commit(&shop.clone, "not pushed");
    shop.build(&newer);
    let object = shop.check(&[], 5, "ahead");
    assert_eq!((&object["fatal"], &object["mend"]), (&OUT_OF_SYNC.into(), &"git push".into()), "{object}");
    shop.check(&["--against", "head"], 0, "in_step");
    assert_eq!(shop.check(&["--against", &second], 5, "ahead")["distance"]["ahead"], 2);
    // The remote went another way.
    git(&shop.clone, &["switch", "-q", "-c", "other", &third]);
    let other = shop.change("app/other.py");
    git(&shop.clone, &["switch", "-q", "main"]);
    let object = shop.check(&[], 5, "diverged");
    assert_eq!((&object["fatal"], &object["repository"]["commit"]), (&DIVERGED.into(), &other.into()), "{object}");
    assert_eq!((&object["distance"]["ahead"], &object["distance"]["behind"]), (&1.into(), &1.into()), "{object}");
}

/// A steady state costs one HEAD; who reads it is not asked again.
#[test]
fn im_01_a_steady_state_is_one_request() {
    let shop = Shop::new();
    let digest = shop.build(&shop.head());
    let object = shop.check(&[], 0, "in_step");
    assert_eq!(object["requests"], serde_json::json!({"head": 1, "get": 2, "token": 0}), "{object}");
    assert_eq!(object["image"]["digest"], digest);
    let object = shop.check(&[], 0, "in_step");
    assert_eq!(object["requests"], serde_json::json!({"head": 1, "get": 0, "token": 0}), "{object}");
    // What somebody changed on the disk is not believed.
    let documents = shop.hub.world.state.join(".documents");
    for entry in std::fs::read_dir(&documents).expect("it is kept there") {
        let path = entry.expect("an entry").path();
        let text = crate::harness::read(&path).replace(&shop.head(), &"0".repeat(40)).replace("sha256", "sha255");
        write(&path, text);
    }
    assert_eq!(shop.check(&[], 0, "in_step")["requests"]["get"], 2);
}

/// IM-02: an image that names no commit, or not one of ours.
#[test]
fn im_02_labels_that_lie_are_found_out() {
    let shop = Shop::new();
    let head = shop.head();
    let push = |labels: &[(&str, &str)]| shop.registry.push("team/app", "latest", &Picture::labelled(labels));
    for labels in [&[][..], &[(REVISION, "main")], &[(REVISION, "")], &[(REVISION, "HEAD")]] {
        push(labels);
        assert_eq!(shop.check(&[], 5, "unlabelled")["fatal"], OUT_OF_SYNC, "{labels:?}");
    }
    push(&[(REVISION, &head), (SOURCE, "https://example.org/base/image")]);
    let object = shop.check(&[], 5, "foreign");
    assert_eq!((&object["fatal"], &object["evidence"][0]["whose"]), (&OUT_OF_SYNC.into(), &"foreign".into()), "{object}");
    shop.check(&["--source", "git@example.org:base/image.git"], 0, "in_step");
    push(&[(REVISION, &"1".repeat(40))]);
    let object = shop.check(&[], 5, "unknown_revision");
    assert_eq!(object["fatal"], OUT_OF_SYNC, "{object}");
    push(&[(REVISION, "1234567")]);
    shop.check(&[], 5, "unknown_revision");
    // A branch that is called like an abbreviation is no commit of that name.
    git(&shop.clone, &["branch", "1234567"]);
    shop.check(&[], 5, "unknown_revision");
    push(&[(REVISION, &head[..10]), (SOURCE, &shop.hub.url())]);
    assert_eq!(shop.check(&["--require-source"], 0, "in_step")["evidence"][0]["trust"], "medium");
    push(&[(REVISION, &head)]);
    shop.check(&["--require-source"], 5, "unlabelled");
    push(&[(REVISION, &format!("{head}-dirty"))]);
    let object = shop.check(&[], 5, "dirty_build");
    assert_eq!((&object["built_from"], &object["evidence"][0]["dirty"]), (&head.clone().into(), &true.into()), "{object}");
    shop.check(&["--allow-dirty"], 0, "in_step");
    push(&[("built-from", &head)]);
    shop.check(&[], 5, "unlabelled");
    shop.check(&["--key", "built-from"], 0, "in_step");
    push(&[("org.label-schema.vcs-ref", &head)]);
    shop.check(&[], 0, "in_step");
}

/// A commit that is not here is asked for by its name before it counts as unknown.
#[test]
fn im_02_a_commit_of_another_branch_is_fetched() {
    let shop = Shop::new();
    let other = shop.hub.clone("theirs", None);
    git(&other, &["switch", "-q", "-c", "feature"]);
    write(&other.join("app/feature.py"), "x\n");
    let made = commit(&other, "a feature");
    git(&other, &["push", "-q", "origin", "feature"]);
    shop.build(&made);
    let object = shop.check(&["--no-fetch"], 7, "could_not_tell");
    assert_eq!(object["cause"], "unreachable", "{object}");
    assert_eq!(shop.check(&[], 5, "ahead")["distance"]["ahead"], 1);
    assert_eq!(git(&shop.clone, &["for-each-ref", "refs/remotes/origin/feature"]), "");
}

/// The strongest evidence decides, and what does not go with it is never in step.
#[test]
fn im_01_evidence_in_its_order() {
    let shop = Shop::new();
    let old = shop.head();
    let new = shop.change("app/main.py");
    let push = |picture: &Picture| shop.registry.push("team/app", "latest", picture);
    // The label came down from a base of another project: the annotation is of the image itself.
    push(&Picture::labelled(&[(REVISION, &"a".repeat(40)), (SOURCE, "https://h/base")]).annotated(&[(REVISION, &new)]));
    let object = shop.check(&[], 0, "in_step");
    assert_eq!(
        (&object["evidence"][0]["from"], &object["disagreement"]),
        (&"manifest annotation".into(), &false.into()),
        "{object}"
    );
    push(&Picture::labelled(&[(REVISION, &new)]).annotated(&[(REVISION, &new), (SOURCE, "https://h/other")]));
    shop.check(&[], 5, "foreign");
    // Two commits of ours: which is it?
    push(&Picture::labelled(&[(REVISION, &old)]).annotated(&[(REVISION, &new)]));
    let object = shop.check(&[], 7, "could_not_tell");
    assert_eq!((&object["cause"], &object["disagreement"]), (&"contradiction".into(), &true.into()), "{object}");
    push(&Picture::labelled(&[(REVISION, &new)]).annotated(&[(REVISION, &old)]));
    assert_eq!(shop.check(&[], 5, "behind")["disagreement"], true);
    // BuildKit's provenance counts more than a label, an annotation of the index more than both.
    let url = format!("https://me:s3cret@{}", shop.hub.url().trim_start_matches("file://"));
    let built = Picture { provenance: Some((new.clone(), shop.hub.url())), ..Picture::labelled(&[]) };
    shop.registry.push_index("team/app", "latest", std::slice::from_ref(&built), &[]);
    let object = shop.check(&[], 0, "in_step");
    assert_eq!(
        (&object["evidence"][0]["from"], &object["evidence"][0]["trust"]),
        (&"provenance".into(), &"high".into()),
        "{object}"
    );
    let leaky = Picture { provenance: Some((new.clone(), url)), ..Picture::labelled(&[]) };
    shop.registry.push_index("team/app", "latest", &[leaky], &[]);
    let told = shop.run(&["--json"]);
    assert!(!told.stdout.contains("s3cret"), "{told}");
    shop.registry.push_index("team/app", "latest", &[Picture::labelled(&[])], &[(REVISION, &new)]);
    assert_eq!(shop.check(&[], 0, "in_step")["evidence"][0]["from"], "index annotation");
    // A tag says it too, where nothing else does.
    shop.registry.push("team/app", &format!("sha-{}", &new[..9]), &Picture::labelled(&[]));
    let name = format!("{}/team/app:sha-{}", shop.registry.host(), &new[..9]);
    let ended = shop.hub.world.run_in(&shop.clone, &["image", "check", &name, "--json"]);
    ended.ends_with(0);
    assert_eq!(ended.json()["evidence"][0]["trust"], "low");
}

/// An index of several platforms, in both kinds of documents.
#[test]
fn im_02_platforms_go_together_or_it_is_said() {
    let shop = Shop::new();
    let old = shop.head();
    let new = shop.change("app/main.py");
    let of = |revision: &str, architecture| Picture::labelled(&[(REVISION, revision)]).on(architecture);
    shop.registry.push_index("team/app", "latest", &[of(&new, "amd64"), of(&new, "arm64")], &[]);
    let object = shop.check(&[], 0, "in_step");
    assert_eq!(object["image"]["platforms"].as_array().map(Vec::len), Some(2), "{object}");
    assert_eq!(shop.check(&[], 0, "in_step")["requests"]["get"], 0);
    shop.registry.push_index("team/app", "latest", &[of(&new, "amd64"), of(&old, "arm64")], &[]);
    let object = shop.check(&[], 5, "partial_platforms");
    assert_eq!(object["fatal"], OUT_OF_SYNC);
    let revisions: Vec<_> = [0, 1].map(|which| object["image"]["platforms"][which]["revision"].clone()).into();
    assert_eq!(revisions, [new.clone(), old.clone()], "{object}");
    shop.check(&["--platform", "linux/amd64"], 0, "in_step");
    shop.check(&["--platform", "linux/arm64"], 5, "behind");
    let object = shop.check(&["--platform", "linux/s390x"], 5, "missing");
    assert!(object["notes"][0].as_str().is_some_and(|note| note.contains("linux/s390x")), "{object}");
    shop.registry.push_index("team/app", "latest", &[of(&new, "amd64"), Picture::labelled(&[]).on("arm64")], &[]);
    shop.check(&[], 5, "partial_platforms");
    shop.registry.push("team/app", "latest", &Picture { of_docker: true, ..of(&new, "amd64") });
    shop.check(&[], 0, "in_step");
}

/// What `image stamp` says is what the check believes, also where the commit was squashed away.
#[test]
fn im_01_a_stamped_build_is_in_step() {
    let shop = Shop::new();
    let stamp = || {
        let ended = shop.hub.world.run_in(&shop.clone, &["image", "stamp", "--context", "app", "--json"]);
        ended.ends_with(0);
        ended.json()
    };
    let build = || {
        let object = stamp();
        let labels: Vec<(String, String)> = object["labels"]
            .as_object()
            .expect("labels")
            .iter()
            .map(|(key, word)| (key.clone(), word.as_str().expect("a word").to_owned()))
            .collect();
        let labels: Vec<(&str, &str)> = labels.iter().map(|(key, word)| (&key[..], &word[..])).collect();
        shop.registry.push("team/app", "latest", &Picture::labelled(&labels));
    };
    build();
    shop.check(&[], 0, "in_step");
    write(&shop.clone.join("app/new.py"), "not committed\n");
    assert_eq!(stamp()["dirty"], true);
    build();
    shop.check(&[], 5, "dirty_build");
    // A commit that nobody else will ever see, then the same tree as another commit.
    commit(&shop.clone, "to be squashed");
    build();
    git(&shop.clone, &["commit", "-q", "--amend", "-m", "squashed"]);
    shop.publish();
    shop.check(&[], 0, "in_step_by_tree");
    git(&shop.clone, &["reflog", "expire", "--expire=now", "--all"]);
    git(&shop.clone, &["gc", "-q", "--prune=now"]);
    shop.check(&[], 0, "in_step_by_tree");
    shop.change("app/new.py");
    shop.check(&[], 5, "unknown_revision");
    let plain = shop.hub.world.run_in(&shop.clone, &["image", "stamp"]);
    plain.ends_with(0);
    assert!(plain.stdout.starts_with(&format!("--label {REVISION}={} --label ", shop.head())), "{plain}");
}

/// A shallow clone is told more, or it could not be told.
#[test]
fn im_02_a_shallow_history_is_not_misread() {
    let shop = Shop::new();
    let old = shop.head();
    shop.build(&old);
    for number in 0..4 {
        shop.change(&format!("app/{number}.py"));
    }
    let shallow = shop.hub.clone("shallow", Some("1"));
    let name = shop.name();
    let check = |words: &[&str]| shop.hub.world.run_in(&shallow, &[&["image", "check", &name[..], "--json"], words].concat());
    let object = check(&["--no-fetch"]).json();
    assert_eq!(object["state"], "could_not_tell", "{object}");
    let ended = check(&[]);
    ended.ends_with(5);
    let object = ended.json();
    assert_eq!((&object["state"], &object["distance"]["behind"]), (&"behind".into(), &4.into()), "{object}");
    // As machines that build have it: one commit, no branch.
    let build = shop.hub.clone("build", Some("1"));
    git(&build, &["switch", "-q", "--detach"]);
    let ended = shop.hub.world.run_in(&build, &["image", "check", &name, "--json"]);
    ended.ends_with(5);
    let object = ended.json();
    assert_eq!((&object["state"], &object["repository"]["against"]), (&"behind".into(), &"HEAD".into()), "{object}");
    assert_eq!(object["distance"]["behind"], 4, "{object}");
    // Both commits are there and nothing between them; nobody may be asked.
    let cut = shop.hub.clone("cut", Some("1"));
    git(&cut, &["fetch", "-q", "--depth", "1", "origin", &old]);
    let ended = shop.hub.world.run_in(&cut, &["image", "check", &name, "--json", "--no-fetch"]);
    ended.ends_with(7);
    assert_eq!(ended.json()["cause"], "shallow", "{ended}");
}

/// The keys of `driftless.toml`: what is checked, never how a registry is reached.
#[test]
fn im_04_the_project_names_its_image() {
    let shop = Shop::new();
    let head = shop.head();
    shop.build(&head);
    let check = || shop.hub.world.run_in(&shop.clone, &["image", "check", "--json"]);
    check().ends_with(2);
    write(&shop.clone.join("driftless.toml"), format!("[image]\nref = '{}'\ncontext = 'app'\nagainst = 'head'\n", shop.name()));
    check().ends_with(0);
    shop.change("docs.txt");
    assert_eq!(check().json()["state"], "in_step_by_tree");
    // Who may write that file does not learn the variables of an image; who types a name sees no word that is no commit.
    write(&shop.clone.join("driftless.toml"), format!("[image]\nref = '{}'\nkeys = ['BUILT_FROM']\n", shop.name()));
    let words = |ended: crate::harness::Ended| ended.json()["evidence"].to_string();
    assert!(!words(check()).contains("BUILT_FROM"));
    let typed = words(shop.hub.world.run_in(&shop.clone, &["image", "check", "--json", "--key", "BUILT_FROM"]));
    assert!(typed.contains("key BUILT_FROM") && !typed.contains("main"), "{typed}");
    write(&shop.clone.join("driftless.toml"), "[image]\nplain_http = ['x']\n");
    check().ends_with(1).says("plain_http");
    write(&shop.clone.join("driftless.toml"), "[image]\nref = 'a; reboot'\n");
    check().ends_with(2).says("no name of an image");
}
