//! The claim `.driftless/claim.toml` in staging: whose manifest last wrote a base for it.
//!
//! Invariant. A base is only believed as a whole while the claim names its manifest. Two state folders may share both roots
//! (two users of one machine): what the other one's runs agreed on meanwhile is not in our base.

use serde::{Deserialize, Serialize};

use super::error::Result;
use super::marker::RootId;
use super::own::{self, Keep};
use crate::disk::{ErrorKind, Onto, Root};

const FILE: &str = "claim.toml";

/// While an overtaken base is brought up to date.
pub const NOBODY: &str = "nobody";

/// The file as written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    manifest: String,
}

/// A name for a new manifest.
pub fn new_name() -> Result<String> {
    RootId::random().map(|id| id.to_string())
}

/// The name of the manifest that has the claim; `None` where none has, or what stands there is no claim.
pub fn read(staging: &dyn Root) -> Result<Option<String>> {
    let Some(folder) = own::open(staging)? else { return Ok(None) };
    let bytes = own::read(folder.as_ref(), &own::name(FILE)).or_else(|error| match error.kind() {
        // A folder or a link in its place is no claim, and one that we may not read is not ours.
        Some(ErrorKind::WrongKind | ErrorKind::Barred | ErrorKind::Denied) => Ok(None),
        // It may well be there and ours: to doubt the base would bring back what was deleted.
        _ => Err(error),
    })?;
    Ok(bytes.as_deref().and_then(parse))
}

fn parse(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok().filter(|_| !own::too_long(bytes))?;
    toml::from_str::<Written>(text).ok().map(|written| written.manifest)
}

/// Claims staging for the manifest of that name, flushed: before the run's first change of its base.
pub fn write(staging: &dyn Root, manifest: &str) -> Result<()> {
    let folder = own::open_or_make(staging)?;
    own::replace(folder.as_ref(), &own::name(FILE), &text(manifest), Keep::Flushed, Onto::File)
}

fn text(manifest: &str) -> String {
    toml::to_string(&Written { manifest: manifest.to_owned() }).expect("a string can be written as TOML")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::sim::{Fault, Habits, Rule, World};
    use crate::model::mutants::hostile;
    use crate::model::path::RelPath;
    use proptest::prelude::*;

    #[test]
    fn a_claim_that_cannot_be_read_is_not_taken_for_none() {
        let world = World::new(1);
        let volume = world.volume("staging", Habits::LOCAL);
        let root = volume.open().expect("it opens");
        write(&*root, "0123456789abcdef").expect("claimed");
        let file = RelPath::parse(b".driftless/claim.toml").expect("a path");
        for (fault, none) in [(Fault::Io, false), (Fault::Busy, false), (Fault::Denied, true)] {
            volume.plan(vec![Rule::next(fault, "read", &file)]);
            let found = read(&*root);
            assert_eq!(found.is_ok_and(|found| found.is_none()), none, "{fault:?}");
        }
        assert_eq!(read(&*root).expect("read"), Some("0123456789abcdef".to_owned()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_claim_or_none(bytes in hostile(&["manifest = \"0123456789abcdef\"\n", "manifest = \"nobody\"\n"])) {
            if let Some(manifest) = parse(&bytes) {
                prop_assert_eq!(parse(text(&manifest).as_bytes()), Some(manifest));
            }
        }
    }
}
