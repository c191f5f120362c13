//! Copies of staging's versions of held conflicts, below the network root's own folder, so that they do not live on one
//! disk only.

use super::chunk::split;
use super::copy::{Copying, Errand, stage};
use super::trash::{self, make_folders};
use super::{Failure, Run};
use crate::disk::{Freshness, Node, NodeContent, Onto};
use crate::model::database::{Ending, database_of};
use crate::model::entry::Content;
use crate::model::path::RelPath;
use crate::model::side::Side;

/// A file or a folder with what is wanted in it.
pub struct Original<'a> {
    pub path: &'a RelPath,
    /// Is this path, a folder or not, synchronised at all?
    pub wanted: &'a dyn Fn(&RelPath, bool) -> bool,
    /// Bytes of all files together; a larger one is not copied.
    pub most: u64,
}

/// Copies staging's version to `kept`, where nothing stands yet; it is not flushed. `false` where it is larger than it may be, or a link.
///
/// # Errors
/// A sentence for a note: what is copied there only adds to safety.
pub fn keep_copy(run: &Run<'_>, original: &Original<'_>, kept: &RelPath) -> Result<bool, String> {
    let at = |error: crate::disk::Error| error.to_string();
    let Some(node) = run.roots.staging.look(original.path, Freshness::Fresh).map_err(at)? else { return Ok(false) };
    let mut files = Vec::new();
    gather(run, original, &RelPath::root(), &node, &mut files)?;
    let total = files.iter().fold(0, |total: u64, (_, node)| total.saturating_add(node.stamp.size));
    if files.is_empty() || total > original.most {
        return Ok(false);
    }
    let mut copying = Copying::default();
    for (below, node) in &files {
        copy_one(run, &original.path.append(below), node, &kept.append(below), &mut copying).map_err(words)?;
    }
    Ok(true)
}

/// The files at and below a path of staging, by their place below it.
fn gather(
    run: &Run<'_>,
    original: &Original<'_>,
    below: &RelPath,
    node: &Node,
    files: &mut Vec<(RelPath, Node)>,
) -> Result<(), String> {
    match &node.content {
        NodeContent::Plain(Content::File { .. }) => files.push((below.clone(), node.clone())),
        NodeContent::Plain(Content::Folder) => {
            let path = original.path.append(below);
            let listing = run.roots.staging.folder(&path).and_then(|folder| folder.list()).map_err(|error| error.to_string())?;
            for item in listing {
                let folder = item.value.is_folder();
                // Its database is copied with what is in its log; a log never lies beside another database.
                let log = database_of(&item.name).is_some_and(|(_, ending)| ending != Ending::Journal);
                if !log && (original.wanted)(&path.join(&item.name), folder) {
                    gather(run, original, &below.join(&item.name), &item.value, files)?;
                }
            }
        }
        _ => {}
    }
    Ok(())
}

fn copy_one(run: &Run<'_>, path: &RelPath, node: &Node, kept: &RelPath, copying: &mut Copying) -> Result<(), Failure> {
    let at = |error| Failure::At(Side::Network, error);
    let ((parent, name), (kept_parent, kept_name)) = (split(path), split(kept));
    let root = &*run.roots.network;
    make_folders(root, &kept_parent).map_err(at)?;
    let source = run.roots.staging.folder(&parent).map_err(|error| Failure::At(Side::Staging, error))?;
    let target = root.folder(&kept_parent).map_err(at)?;
    let Some(planned) = node.found() else { return Ok(()) };
    let temp = run.temp_name(kept, &node.stamp);
    let errand = Errand {
        to: Side::Network,
        path: kept,
        source: &*source,
        name: &name,
        planned: &planned,
        replaced: None,
        target: &*target,
        temp: &temp,
        flush: run.flush,
        in_place: false,
    };
    stage(run, &errand, copying)?;
    // Its folder at its place may be closed to others; the folders here are not.
    let closed = if run.traits.network.modes { target.touch(&temp, None, Some(0o600)) } else { Ok(()) };
    closed.and_then(|()| target.rename(&temp, &kept_name, Onto::Nothing)).map_err(|error| {
        // Best effort: the copy that broke off goes as a whole.
        let _ = target.remove_file(&temp);
        at(error)
    })
}

fn words(failure: Failure) -> String {
    match failure {
        Failure::At(_, error) => error.to_string(),
        Failure::Unexpected(_) => "it changed meanwhile".to_owned(),
        Failure::Path(_, _, message) => message,
        Failure::Torn(..) => "it was written to while it was copied".to_owned(),
        Failure::Stopped => "stopped".to_owned(),
    }
}

/// Moves a copy that is not needed any more to the trash.
pub fn drop_copy(run: &Run<'_>, kept: &RelPath) -> Result<(), String> {
    trash::take(run, Side::Network, kept, kept).map(drop).map_err(words)
}
