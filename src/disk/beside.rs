//! What SQLite keeps beside a database, asked of one open folder. The database itself is only read, never by SQLite.

use super::{ErrorKind, Folder, Freshness, Node, Result, Root};
use crate::model::database::{self, Ending, HEADER};
use crate::model::entry::Stamp;
use crate::model::path::{Name, RelPath};

/// The files beside one database.
#[derive(Debug, Default)]
pub struct Beside {
    /// A write-ahead log that holds something, and its first bytes.
    pub log: Option<Log>,
    /// A rollback journal that holds something that would be rolled back.
    pub hot: bool,
    /// Every regular file that stands there, whatever it holds.
    pub names: Vec<Name>,
}

/// A write-ahead log that is not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    pub stamp: Stamp,
    /// The header: SQLite gives it new salts each time it begins the log anew.
    pub first: First,
}

/// The first bytes of a file, zeros where it is shorter.
pub type First = [u8; HEADER];

/// Looks at the three names beside the database `name`.
pub fn beside(folder: &dyn Folder, name: &Name, freshness: Freshness) -> Result<Beside> {
    let mut found = Beside::default();
    for ending in Ending::ALL {
        let Some(side_name) = database::beside(name, ending) else { continue };
        let Some(node) = look(folder, &side_name, freshness)?.filter(Node::is_file) else { continue };
        if node.stamp.size > 0 {
            match ending {
                Ending::Shm => {}
                Ending::Journal => found.hot = first(folder, &side_name)?.is_some_and(|first| database::is_hot(&first)),
                Ending::Wal => found.log = first(folder, &side_name)?.map(|first| Log { stamp: node.stamp, first }),
            }
        }
        found.names.push(side_name);
    }
    Ok(found)
}

/// A name as long as the system takes may be too long with an ending: then nothing can stand there.
fn look(folder: &dyn Folder, name: &Name, freshness: Freshness) -> Result<Option<Node>> {
    match folder.look(name, freshness) {
        Err(error) if error.kind == ErrorKind::BadName => Ok(None),
        other => other,
    }
}

/// Is the file `node` at `name` a database? Its size answers for nearly all files without reading them.
pub fn is_database(folder: &dyn Folder, name: &Name, node: &Node) -> Result<bool> {
    if !node.is_file() || !database::may_be_database(node.stamp.size) {
        return Ok(false);
    }
    Ok(first(folder, name)?.is_some_and(|first| database::is_database(&first)))
}

/// Does a database stand at `path`?
pub fn is_database_at(root: &dyn Root, path: &RelPath) -> Result<bool> {
    let (Some(parent), Some(name)) = (path.parent(), path.name()) else { return Ok(false) };
    let folder = root.folder(&parent)?;
    let node = folder.look(&name, Freshness::Fresh)?;
    node.map_or(Ok(false), |node| is_database(&*folder, &name, &node))
}

/// The first bytes of a file; `None` where it is no longer there.
pub fn first(folder: &(impl Folder + ?Sized), name: &Name) -> Result<Option<First>> {
    let mut reader = match folder.read(name) {
        Err(error) if matches!(error.kind, ErrorKind::Absent | ErrorKind::WrongKind | ErrorKind::Barred) => return Ok(None),
        other => other?,
    };
    let mut first = [0; HEADER];
    reader.fill(&mut first)?;
    Ok(Some(first))
}
