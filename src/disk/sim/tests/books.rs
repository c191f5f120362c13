//! The oracle bites: each way to lose or tear a content is told, and what is none is not.

use super::*;
use crate::disk::Onto;
use crate::disk::sim::{Crash, Loss, Names, Place, ProjectFile, Shown};

/// A project with `file` (`kept`), its trash and conflicts, and a temporary file with new content.
fn project() -> Volume {
    let volume = volume(Habits::LOCAL);
    let user = volume.user();
    user.make_folders(".driftless/trash/run").expect("made");
    user.make_folders(".driftless/conflicts").expect("made");
    user.write("file", b"kept").expect("written");
    volume
}

fn losses(volume: &Volume) -> Vec<(Vec<u8>, String, Place)> {
    let line = |loss: Loss| (loss.bytes.to_vec(), loss.path.to_string(), loss.from);
    volume.world.losses().into_iter().map(line).collect()
}

#[test]
fn the_last_name_of_a_content_is_missed_whichever_call_takes_it() {
    type Deed = fn(&dyn Root, &dyn Folder) -> Result<()>;
    let deeds: [(&str, Deed); 5] = [
        ("removed", |_, top| top.remove_file(&name("file"))),
        ("replaced", |_, top| top.rename(&name(".dl~new"), &name("file"), Onto::File)),
        ("exchanged", |_, top| top.exchange(&name(".dl~new"), &name("file"))),
        ("renamed", |_, top| top.rename(&name("file"), &name(".dl~old"), Onto::Nothing)),
        ("hidden", |root, _| root.rename(&path("file"), &path(".driftless/file"), Onto::Nothing)),
    ];
    for (what, deed) in deeds {
        let volume = project();
        let (root, top) = (root(&volume), top(&volume));
        write(&*top, ".dl~new", b"new", true).expect("written");
        assert!(volume.world.losses().is_empty());
        deed(&*root, &*top).expect(what);
        assert_eq!(losses(&volume), [(b"kept".to_vec(), "file".to_owned(), Place::Project)], "{what}");
        let loss = &volume.world.losses()[0];
        assert!(loss.call.contains(" file") && loss.volume == "volume" && loss.elsewhere == 0, "{loss:?}");
        assert_eq!(loss.content, crate::model::digest::of(b"kept"));
        assert_eq!(volume.names_of(b"kept").safe(), 0, "{what}");
    }
}

#[test]
fn what_is_kept_or_a_users_own_is_no_loss() {
    let volume = project();
    let (root, top, user) = (root(&volume), top(&volume), volume.user());
    let trash = path(".driftless/trash/run/file");
    root.link(&path("file"), &trash).expect("linked");
    assert_eq!(volume.names_of(b"kept"), Names { project: 1, trash: 1, ..Names::default() });
    write(&*top, ".dl~new", b"new", true).expect("written");
    top.rename(&name(".dl~new"), &name("file"), Onto::File).expect("replaced");
    assert_eq!(volume.names_of(b"kept"), Names { trash: 1, ..Names::default() });
    root.rename(&trash, &path(".driftless/conflicts/file"), Onto::Nothing).expect("renamed");
    assert_eq!(volume.names_of(b"kept"), Names { conflicts: 1, ..Names::default() });
    user.write("mine", b"mine").expect("written");
    user.write("mine", b"again").expect("overwritten");
    user.replace("mine", b"once more").expect("replaced");
    user.delete("mine").expect("deleted");
    top.remove_file(&name("file")).expect("the engine's own content, that no user wrote");
    assert_eq!(losses(&volume), []);
    root.folder(&path(".driftless/conflicts")).and_then(|folder| folder.remove_file(&name("file"))).expect("removed");
    assert_eq!(losses(&volume), [(b"kept".to_vec(), ".driftless/conflicts/file".to_owned(), Place::Conflicts)]);
}

#[test]
fn a_folder_takes_its_contents_along() {
    let volume = project();
    let (root, user) = (root(&volume), volume.user());
    user.make_folders("a/b").expect("made");
    user.write("a/b/one", b"one").expect("written");
    user.link("a/b/one", "a/two").expect("linked");
    root.rename(&path("a"), &path(".driftless/trash/run/a"), Onto::Nothing).expect("renamed");
    assert_eq!(volume.names_of(b"one"), Names { trash: 2, ..Names::default() });
    root.rename(&path(".driftless/trash/run/a/b"), &path(".dl~b"), Onto::Nothing).expect("renamed");
    assert_eq!(volume.names_of(b"one"), Names { trash: 1, temporary: 1, ..Names::default() });
    root.rename(&path(".driftless/trash/run/a"), &path(".driftless/a"), Onto::Nothing).expect("renamed");
    assert_eq!(volume.names_of(b"one"), Names { temporary: 1, own: 1, ..Names::default() });
    assert_eq!(losses(&volume), [(b"one".to_vec(), ".driftless/trash/run/a/two".to_owned(), Place::Trash)]);
}

#[test]
fn the_other_volume_is_counted_beside() {
    let world = World::new(1);
    let [staging, network] = ["staging", "network"].map(|name| world.volume(name, Habits::LOCAL));
    staging.user().write("file", b"both").expect("written");
    write(&*top(&network), "copy", b"both", true).expect("copied");
    top(&network).remove_file(&name("copy")).expect("removed");
    top(&staging).remove_file(&name("file")).expect("removed");
    let told: Vec<(String, u32)> = world.losses().into_iter().map(|loss| (loss.volume, loss.elsewhere)).collect();
    assert_eq!(told, [("network".to_owned(), 1), ("staging".to_owned(), 0)]);
    world.know(b"snapshot");
    assert_eq!(world.known().len(), 2);
}

#[test]
fn what_is_hidden_and_comes_back_is_missed_only_meanwhile() {
    let volume = project();
    let top = top(&volume);
    write(&*top, ".dl~new", b"new", true).expect("written");
    top.exchange(&name(".dl~new"), &name("file")).expect("exchanged");
    assert_eq!((volume.world.missing().len(), volume.world.missing()[0].hidden), (1, 1));
    top.exchange(&name(".dl~new"), &name("file")).expect("exchanged back");
    assert_eq!((volume.world.missing().len(), volume.world.losses().len()), (0, 1));
    top.remove_file(&name("file")).expect("removed");
    assert_eq!(volume.world.missing().last().map(|loss| loss.hidden), Some(0));
}

/// The old version goes before the new copy of it is flushed: only a power cut shows it.
#[test]
fn a_cut_that_takes_a_durable_content_is_told() {
    let lost = |seed: u64, flush: bool| {
        let volume = World::new(seed).volume("volume", Habits::LOCAL);
        volume.user().make_folders(".driftless/trash").expect("made");
        volume.user().write("file", b"kept").expect("written");
        let trash = root(&volume).folder(&path(".driftless/trash")).expect("opened");
        write(&*trash, "copy", b"kept", flush).expect("copied");
        trash.flush().expect("flushed");
        top(&volume).remove_file(&name("file")).expect("removed");
        top(&volume).flush().expect("flushed");
        assert!(volume.world.losses().is_empty(), "a copy has its name");
        volume.crash(Crash::Power);
        let losses = volume.world.losses();
        assert!(losses.iter().all(|loss| loss.call == "crash" && loss.bytes.as_slice() == b"kept"), "{losses:?}");
        !losses.is_empty()
    };
    assert!((0..20).any(|seed| lost(seed, false)) && !(0..20).any(|seed| lost(seed, true)));
}

#[test]
fn bytes_that_no_user_wrote_as_a_whole_are_torn() {
    let volume = project();
    let (top, user) = (top(&volume), volume.user());
    user.begin_write("slow", b"0123456789").expect("begun");
    assert_eq!(top.has_writer(&name("slow")).expect("asked"), Some(true));
    let shown = |at: &str| volume.every_project_file().into_iter().find(|file| file.path == path(at)).expect("there").shown;
    assert_eq!((shown("slow"), shown("file")), (Shown::InTheMaking, Shown::Whole));
    let copied = user.read("slow").expect("there");
    assert_eq!(copied, b"01234");
    write(&*top, ".dl~copy", &copied, true).expect("written");
    assert!(volume.torn().is_empty(), "a temporary name shows nothing");
    top.rename(&name(".dl~copy"), &name("copy"), Onto::Nothing).expect("renamed");
    assert_eq!(volume.torn(), [path("copy")]);
    user.end_write("slow", b"0123456789").expect("ended");
    assert_eq!((shown("slow"), shown("copy")), (Shown::Whole, Shown::Torn));
    assert_eq!(top.has_writer(&name("slow")).expect("asked"), Some(false));
    volume.world.know(b"01234");
    assert!(volume.torn().is_empty());
    let files: Vec<ProjectFile> = volume.every_project_file();
    assert_eq!((files.len(), files[0].bytes.as_slice()), (3, &b"01234"[..]));
}

#[test]
fn a_cut_tears_what_took_its_name_before_it_was_flushed() {
    let torn = |seed: u64, flush: bool| {
        let volume = World::new(seed).volume("volume", Habits::LOCAL);
        let top = top(&volume);
        volume.world.know(b"content");
        write(&*top, ".dl~new", b"content", flush).expect("written");
        top.rename(&name(".dl~new"), &name("file"), Onto::Nothing).expect("renamed");
        top.flush().expect("flushed");
        volume.crash(Crash::Power);
        !volume.torn().is_empty()
    };
    assert!((0..20).any(|seed| torn(seed, false)) && !(0..20).any(|seed| torn(seed, true)));
}
