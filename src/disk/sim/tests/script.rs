//! One script of calls on the real disk and on a simulated volume: the answers are the same but for ids and times.

use std::sync::Arc;

use crate::disk::sim::{Habits, World};
use crate::disk::{Folder, Freshness, Node, NodeContent, Onto, Reader, Result, Root};
use crate::model::entry::Content;
use crate::model::path::{Name, RelPath};
use crate::model::time::Time;

fn path(text: &str) -> RelPath {
    RelPath::parse(text.as_bytes()).expect("a path")
}

fn name(text: &str) -> Name {
    Name::new(text.as_bytes()).expect("a name")
}

fn node(node: &Node) -> String {
    let size = node.stamp.size;
    match &node.content {
        NodeContent::Plain(Content::File { size: told, .. }) => format!("file {size} {told} {:o}", node.mode),
        NodeContent::Plain(Content::Folder) => format!("folder {:o}", node.mode),
        NodeContent::Plain(Content::Link { target }) => format!("link {size} {}", target.escape_ascii()),
        NodeContent::Unreadable { kind, .. } => format!("unreadable {kind:?}"),
        other => format!("{other:?}"),
    }
}

/// Plays the script on one root and keeps the answers.
struct Player {
    root: Arc<dyn Root>,
    answers: Vec<String>,
}

impl Player {
    fn say<T>(&mut self, what: &str, answer: Result<T>, told: impl FnOnce(&T) -> String) -> Option<T> {
        let text = match &answer {
            Ok(value) => told(value),
            Err(error) => format!("{:?}", error.kind),
        };
        self.answers.push(format!("{what}: {text}"));
        answer.ok()
    }

    fn done<T>(&mut self, what: &str, answer: Result<T>) -> Option<T> {
        self.say(what, answer, |_| "done".to_owned())
    }

    fn folder(&mut self, at: &str) -> Option<Box<dyn Folder>> {
        let opened = self.root.folder(&path(at));
        self.done(&format!("open {at}"), opened)
    }

    fn top(&self) -> Box<dyn Folder> {
        self.root.folder(&RelPath::root()).expect("the top opens")
    }

    fn look(&mut self, at: &str) {
        for freshness in [Freshness::Cached, Freshness::Fresh] {
            let looked = self.top().look(&name(at), freshness);
            self.say(&format!("look {at}"), looked, |found| found.as_ref().map_or_else(|| "none".to_owned(), node));
        }
    }

    fn list(&mut self, folder: &dyn Folder) {
        self.say("list", folder.list(), |listing| {
            let line = |item: &crate::model::listing::Item<Node>| format!("{} {}", item.name, node(&item.value));
            listing.iter().map(line).collect::<Vec<_>>().join(", ")
        });
    }

    fn write(&mut self, at: &str, bytes: &[u8]) {
        let staged = self.top().stage(&name(at));
        let Some(mut writer) = self.done(&format!("stage {at}"), staged) else { return };
        self.done("write", writer.write_all(bytes));
        self.say("finish", writer.finish(Time(1_700_000_000_123_456_789), Some(0o644), true), node);
    }

    fn read(&mut self, at: &str) {
        let opened = self.top().read(&name(at));
        let Some(mut reader) = self.done(&format!("read {at}"), opened) else { return };
        self.read_on(&mut *reader);
    }

    fn read_on(&mut self, reader: &mut dyn Reader) {
        let mut buffer = [0; 64];
        let read = reader.read(&mut buffer);
        self.say("bytes", read, |count| buffer[..*count].escape_ascii().to_string());
    }

    fn rename(&mut self, from: &str, to: &str, onto: Onto) {
        let answer = self.root.rename(&path(from), &path(to), onto);
        self.done(&format!("rename {from} to {to} {onto:?}"), answer);
    }

    fn link(&mut self, from: &str, to: &str) {
        let answer = self.root.link(&path(from), &path(to));
        self.done(&format!("link {from} to {to}"), answer);
    }
}

fn things(p: &mut Player) {
    let top = p.top();
    p.write("a", b"first");
    p.write("a", b"again");
    p.done("make f", top.make_folder(&name("f"), 0o755));
    p.done("make f again", top.make_folder(&name("f"), 0o755));
    p.done("make a", top.make_folder(&name("a"), 0o755));
    p.done("stage f", top.stage(&name("f")).map(drop));
    p.done("link", top.make_link(&name("l"), b"a"));
    p.done("link again", top.make_link(&name("l"), b"b"));
    p.done("link to nothing", top.make_link(&name("empty"), b""));
    p.done("link too far", top.make_link(&name("far"), &[b'x'; 4096]));
    p.done("link as far as it goes", top.make_link(&name("far"), &[b'x'; 4095]));
    p.done("remove it", top.remove_file(&name("far")));
    p.done("mode of f", top.touch(&name("f"), None, Some(0o750)));
    p.done("mode of l", top.touch(&name("l"), Some(Time(7)), Some(0o600)));
    p.done("touch nothing", top.touch(&name("none"), Some(Time(7)), None));
    for at in ["a", "f", "l", "none", "fifo"] {
        p.look(at);
        p.read(at);
        p.say(&format!("writer of {at}"), top.has_writer(&name(at)), |found| format!("{found:?}"));
    }
    let long = Name::new(&[b'x'; 256]).expect("a name of ours");
    p.done("look at a long name", top.look(&long, Freshness::Fresh));
    p.done("stage a long name", top.stage(&long).map(drop));
    p.done("remove a long name", top.remove_file(&long));
    p.list(&*top);
    for at in ["f", "none", "a", "l", "l/x", "a/x", "fifo", "f/none/x"] {
        p.folder(at);
    }
}

fn renames(p: &mut Player) {
    let top = p.top();
    for at in ["b", "c"] {
        p.write(at, at.as_bytes());
    }
    for at in ["g", "g2", "f"] {
        p.done("make", top.make_folder(&name(at), 0o755));
    }
    p.rename("b", "c", Onto::Nothing);
    p.rename("b", "b", Onto::Nothing);
    p.rename("b", "b", Onto::File);
    p.rename("b", "c", Onto::File);
    p.rename("b", "c", Onto::File);
    p.rename("none", "c", Onto::Nothing);
    p.rename("none", "d", Onto::Nothing);
    p.rename("c", "g", Onto::File);
    p.rename("g", "c", Onto::File);
    p.rename("g", "g2", Onto::File);
    p.rename("g2", "g2/below", Onto::Nothing);
    p.rename("c", "g2/c", Onto::Nothing);
    p.rename("f", "g2", Onto::File);
    p.rename("g2/c", "g2", Onto::File);
    p.rename("g2", "f/g2", Onto::Nothing);
    p.rename("", "x", Onto::Nothing);
    p.rename("a", "none/a", Onto::Nothing);
    p.rename("a", "l/a", Onto::Nothing);
    p.rename("a", "c/a", Onto::Nothing);
    p.rename("l", "l2", Onto::Nothing);
    p.rename("a", "l2", Onto::File);
    p.done("exchange", top.exchange(&name("l2"), &name("f")));
    p.done("exchange with nothing", top.exchange(&name("l2"), &name("none")));
    p.look("l2");
    p.done("and back", top.exchange(&name("l2"), &name("f")));
    p.link("l2", "second");
    p.link("l2", "second");
    p.link("f", "h");
    p.link("f", "second");
    p.link("none", "second");
    p.link("none", "third");
    p.rename("l2", "second", Onto::File);
    p.list(&*top);
    p.done("remove a folder as a file", top.remove_file(&name("f")));
    p.done("remove a file as a folder", top.remove_folder(&name("second")));
    p.done("remove a full folder", top.remove_folder(&name("f")));
    p.done("remove nothing", top.remove_file(&name("none")));
    p.done("remove no folder", top.remove_folder(&name("none")));
    p.done("remove a link", top.remove_file(&name("second")));
    p.read("l2");
    p.list(&*top);
}

/// A folder and a file that are open while their names go, and writing on.
fn handles(p: &mut Player) {
    let top = p.top();
    p.done("make", top.make_folder(&name("open"), 0o755));
    let Some(open) = p.folder("open") else { return };
    p.done("moved", top.rename(&name("open"), &name("moved"), Onto::Nothing));
    let staged = open.stage(&name("in"));
    let Some(mut writer) = p.done("stage in what was moved", staged) else { return };
    p.say("writer while it is written", open.has_writer(&name("in")), |found| format!("{found:?}"));
    p.done("write", writer.write_all(b"0123456789"));
    let paused = writer.pause(true);
    let id = paused.as_ref().map_or(0, |node| node.stamp.id);
    p.say("pause", paused, node);
    drop(writer);
    p.done("resume too far", open.resume(&name("in"), id, 11).map(drop));
    p.done("resume another", open.resume(&name("in"), id + 1, 4).map(drop));
    p.link("moved/in", "moved/twin");
    p.done("resume with a second name", open.resume(&name("in"), id, 4).map(drop));
    p.done("without it", open.remove_file(&name("twin")));
    p.done("resume a folder", top.resume(&name("moved"), id, 4).map(drop));
    p.done("resume nothing", top.resume(&name("none"), id, 4).map(drop));
    p.done("resume a FIFO", top.resume(&name("fifo"), id, 4).map(drop));
    let resumed = open.resume(&name("in"), id, 4);
    if let Some(mut writer) = p.done("resume", resumed) {
        p.done("write on", writer.write_all(b"abc"));
        p.say("finish", writer.finish(Time(1), Some(0o400), false), node);
    }
    let Some(mut reader) = open.read(&name("in")).ok() else { return };
    p.done("remove under the reader", open.remove_file(&name("in")));
    p.done("move", reader.seek(2));
    p.read_on(&mut *reader);
    p.read_on(&mut *reader);
    p.say("its stat", reader.node(), node);
    p.done("remove the folder", top.remove_folder(&name("moved")));
    p.list(&*open);
    p.done("stage in what is gone", open.stage(&name("in")).map(drop));
    p.done("make in what is gone", open.make_folder(&name("in"), 0o755));
    p.say("look in what is gone", open.look(&name("in"), Freshness::Fresh), |found| format!("{}", found.is_some()));
    p.done("touch what is gone", open.touch_self(Some(Time(5)), None));
    p.done("flush what is gone", open.flush());
}

fn holes(p: &mut Player) {
    const BLOCK: u64 = 4096;
    let top = p.top();
    let Some(mut writer) = top.stage(&name("holes")).ok() else { return };
    p.done("hole", writer.skip(4 * BLOCK));
    p.done("data", writer.write_all(b"middle"));
    p.done("hole", writer.skip(4 * BLOCK));
    p.say("finish", writer.finish(Time(1), Some(0o644), true), node);
    let Some(mut reader) = top.read(&name("holes")).ok() else { return };
    p.answers.push(format!("sparse: {}", reader.sparse()));
    for offset in [0, 4 * BLOCK + 1, 5 * BLOCK, 8 * BLOCK + 5, 8 * BLOCK + 6, 9 * BLOCK] {
        p.say(&format!("data from {offset}"), reader.next_data(offset), |found| format!("{found:?}"));
    }
    p.done("move", reader.seek(4 * BLOCK - 2));
    p.read_on(&mut *reader);
}

/// What an ordinary user may not do.
fn rights(p: &mut Player) {
    let top = p.top();
    p.write("secret", b"x");
    p.done("closed", top.touch(&name("secret"), None, Some(0)));
    p.read("secret");
    p.look("secret");
    p.done("resume", top.resume(&name("secret"), 1, 0).map(drop));
    p.say("writer", top.has_writer(&name("secret")), |found| format!("{found:?}"));
    p.done("touch", top.touch(&name("secret"), Some(Time(5)), Some(0o200)));
    for (at, mode) in [("unlisted", 0o300), ("unsearched", 0o600), ("fixed", 0o500)] {
        p.done("make", top.make_folder(&name(at), 0o700));
        let below = path(at).join(b"file");
        let staged = p.folder(at).and_then(|folder| folder.stage(&name("file")).ok());
        p.answers.push(format!("staged: {}", staged.is_some()));
        p.done("mode", top.touch(&name(at), None, Some(mode)));
        if let Some(folder) = p.folder(at) {
            p.list(&*folder);
            p.done("look", folder.look(&name("file"), Freshness::Fresh));
            p.done("stage", folder.stage(&name("new")).map(drop));
            p.done("stage again", folder.stage(&name("file")).map(drop));
            p.done("remove", folder.remove_file(&name("file")));
            p.done("remove nothing", folder.remove_file(&name("none")));
            p.done("make link", folder.make_link(&name("new"), b"x"));
        }
        let moved = p.root.rename(&below, &path("out"), Onto::Nothing);
        p.done("move out", moved);
        let linked = p.root.link(&below, &path(at).join(b"twin"));
        p.done("link in", linked);
        p.done("open again", top.touch(&name(at), None, Some(0o700)));
    }
}

fn play(root: Arc<dyn Root>) -> Vec<String> {
    let mut player = Player { root, answers: Vec::new() };
    for scene in [things, renames, handles, holes, rights] {
        scene(&mut player);
    }
    let root = player.root.clone();
    player.done("flush", root.flush_all());
    player.done("device", root.device());
    player.done("space", root.space());
    player.say("still there", root.still_there(), bool::to_string);
    player.answers
}

fn played_on_the_real_disk() -> Vec<String> {
    use std::os::unix::fs::PermissionsExt;
    let held = tempfile::tempdir().expect("a folder for the moment");
    std::fs::set_permissions(held.path(), std::fs::Permissions::from_mode(0o777)).expect("a mode");
    crate::disk::unix::tests::kinds::as_ordinary_user(|| {
        let at = held.path().join("root");
        std::fs::create_dir(&at).expect("a root");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, at.join("fifo"), rustix::fs::FileType::Fifo, mode, 0).expect("a FIFO");
        play(crate::disk::open_root(&at, false).expect("the root opens"))
    })
}

#[test]
#[cfg(target_os = "linux")]
fn a_simulated_volume_answers_what_the_real_disk_answers() {
    let volume = World::new(1).volume("volume", Habits::LOCAL);
    volume.user().make_special("fifo").expect("a FIFO");
    volume.user().chmod("fifo", 0o600).expect("its mode");
    let simulated = play(volume.open().expect("the root opens"));
    let real = played_on_the_real_disk();
    assert!(real.len() > 150, "{} answers", real.len());
    let pairs = real.iter().zip(&simulated).enumerate().filter(|(_, (real, simulated))| real != simulated);
    let wrong: Vec<String> =
        pairs.map(|(at, (real, simulated))| format!("{at}\n  real      {real}\n  simulated {simulated}")).collect();
    assert!(wrong.is_empty() && real.len() == simulated.len(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}
