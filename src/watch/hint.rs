//! What one event of the system hints at.

use std::path::{Path, PathBuf};

use notify::event::{CreateKind, Event, EventKind, ModifyKind};

use super::Said;
use crate::model::ignore::{is_own_name, is_temp_name};
use crate::model::native;
use crate::model::path::{Name, RelPath};
use crate::model::target::{Reach, Target};

/// What an event below `root` says, in order.
pub(super) fn hints(root: &Path, event: notify::Result<Event>) -> Vec<Said> {
    let event = match event {
        Ok(event) => event,
        Err(error) => return vec![Said::Lost(error.to_string())],
    };
    // Before anything else: the paths of such an event are not all that was lost.
    if event.need_rescan() || event.paths.is_empty() {
        return vec![Said::Lost("the system dropped events".to_owned())];
    }
    event.paths.iter().filter_map(|path| hint(root, path, event.kind)).collect()
}

fn hint(root: &Path, at: &Path, kind: EventKind) -> Option<Said> {
    let path = below(root, at)?;
    if path.is_root() {
        let gone = matches!(kind, EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)));
        return Some(if gone { Said::Gone } else { Said::Hint(Target { path, reach: Reach::Entry }) });
    }
    let top = path.names().next().and_then(|name| Name::new(name).ok());
    if top.is_some_and(|name| is_own_name(&name) && !is_temp_name(&name)) {
        return Some(Said::Own(path.names().skip(1).fold(RelPath::root(), |whole, name| whole.join(name))));
    }
    if path.name().is_some_and(|name| is_own_name(&name)) {
        return None;
    }
    let reach = match kind {
        EventKind::Access(_) | EventKind::Remove(_) | EventKind::Create(CreateKind::File) => Reach::Entry,
        EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Metadata(_)) => Reach::Entry,
        // It may be a folder that brought something along, or that takes the place of another one.
        EventKind::Create(_) | EventKind::Modify(_) | EventKind::Any | EventKind::Other => Reach::Tree,
    };
    Some(Said::Hint(Target { path, reach }))
}

/// `None` for what lies elsewhere, and for names that cannot be ours.
fn below(root: &Path, at: &Path) -> Option<RelPath> {
    let rest = at.strip_prefix(root).ok()?;
    let names = rest.components().map(|name| native::to_bytes(name.as_os_str()));
    RelPath::parse(&names.collect::<Vec<&[u8]>>().join(&b'/')).ok()
}

/// `None` where the system cannot spell it: nothing is there then.
pub(super) fn under(root: &Path, path: &RelPath) -> Option<PathBuf> {
    path.names().try_fold(root.to_owned(), |whole, name| Some(whole.join(native::from_bytes(name)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::{AccessKind, DataChange, Flag, MetadataKind, RemoveKind, RenameMode};

    fn said(kind: EventKind, paths: &[&str]) -> Vec<String> {
        let event = paths.iter().fold(Event::new(kind), |event, path| event.add_path(PathBuf::from(path)));
        let told = |said: Said| match said {
            Said::Hint(Target { path, reach }) => format!("{path} {reach:?}"),
            Said::Own(path) => format!("own {path}"),
            Said::Lost(_) => "lost".to_owned(),
            Said::Gone => "gone".to_owned(),
        };
        hints(Path::new("/r"), Ok(event)).into_iter().map(told).collect()
    }

    #[test]
    fn each_kind_of_event_says_how_far_to_look() {
        let data = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        let meta = EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any));
        let moved = EventKind::Modify(ModifyKind::Name(RenameMode::Both));
        for (kind, paths, expected) in [
            (data, vec!["/r/a/b"], vec!["a/b Entry"]),
            (meta, vec!["/r/a"], vec!["a Entry"]),
            (EventKind::Create(CreateKind::File), vec!["/r/a"], vec!["a Entry"]),
            (EventKind::Create(CreateKind::Folder), vec!["/r/a"], vec!["a Tree"]),
            (EventKind::Create(CreateKind::Any), vec!["/r/a"], vec!["a Tree"]),
            (EventKind::Remove(RemoveKind::Folder), vec!["/r/a"], vec!["a Entry"]),
            (moved, vec!["/r/a", "/r/b"], vec!["a Tree", "b Tree"]),
            (EventKind::Access(AccessKind::Any), vec!["/r/a"], vec!["a Entry"]),
            (EventKind::Any, vec!["/r/a"], vec!["a Tree"]),
            (EventKind::Other, vec![], vec!["lost"]),
            (meta, vec!["/r"], vec![" Entry"]),
            (EventKind::Remove(RemoveKind::Folder), vec!["/r"], vec!["gone"]),
            (EventKind::Modify(ModifyKind::Name(RenameMode::From)), vec!["/r"], vec!["gone"]),
            (data, vec!["/r/.driftless/cookies/7"], vec!["own cookies/7"]),
            (data, vec!["/r/.dl~0123abcd-89efabcd"], vec![]),
            (data, vec!["/r/a/.dl~0123abcd-89efabcd"], vec![]),
            (data, vec!["/r/a/.driftless"], vec![]),
            (data, vec!["/elsewhere/a"], vec![]),
        ] {
            assert_eq!(said(kind, &paths), expected, "{kind:?} {paths:?}");
        }
        let lost = Event::new(EventKind::Other).set_flag(Flag::Rescan).add_path(PathBuf::from("/r/a"));
        assert!(matches!(hints(Path::new("/r"), Ok(lost))[..], [Said::Lost(_)]));
        assert!(matches!(hints(Path::new("/r"), Err(notify::Error::generic("x")))[..], [Said::Lost(_)]));
    }
}
