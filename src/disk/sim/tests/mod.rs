//! The simulated volumes themselves.

mod books;
mod faults;
mod habits;
mod power;
mod replay;
#[cfg(target_os = "linux")]
mod script;

use std::sync::Arc;

use super::{Habits, Volume, World};
use crate::disk::{ErrorKind, Folder, Freshness, Node, Result, Root};
use crate::model::path::{Name, RelPath};
use crate::model::time::Time;

const SECOND: i64 = 1_000_000_000;
const SECONDS: u64 = 1_000_000_000;

fn path(text: &str) -> RelPath {
    RelPath::parse(text.as_bytes()).expect("a path")
}

fn name(text: &str) -> Name {
    Name::new(text.as_bytes()).expect("a name")
}

fn volume(habits: Habits) -> Volume {
    World::new(1).volume("volume", habits)
}

fn root(volume: &Volume) -> Arc<dyn Root> {
    volume.open().expect("the root opens")
}

fn top(volume: &Volume) -> Box<dyn Folder> {
    root(volume).folder(&RelPath::root()).expect("the top opens")
}

fn kind_of<T>(result: Result<T>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind)
}

/// Writes a file as the engine does.
fn write(folder: &dyn Folder, file: &str, bytes: &[u8], flush: bool) -> Result<Node> {
    let mut writer = folder.stage(&name(file))?;
    writer.write_all(bytes)?;
    writer.finish(Time(1_700_000_001_123_456_789), Some(0o640), flush)
}

fn look(folder: &dyn Folder, file: &str, freshness: Freshness) -> Option<Node> {
    folder.look(&name(file), freshness).expect("looked")
}

fn names(folder: &dyn Folder) -> Vec<String> {
    folder.list().expect("listed").iter().map(|item| item.name.to_string()).collect()
}
