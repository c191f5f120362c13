//! The marker `.driftless/root.toml`: whose a root is, and how often it was written.
//!
//! Invariants. A marker is read strictly: what is not exactly a marker is an error, never a missing marker, because
//! a missing one may lead to a new pair. It is written whole and flushed, whatever `durability` says, so that after a
//! power cut no older generation comes back unseen.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::error::{Error, Result};
use super::own::{self, Keep};
use crate::disk::clock::random;
use crate::disk::{ErrorKind, Onto, Root};
use crate::model::shown::short;
use crate::model::side::Side;

const FILE: &str = "root.toml";

const HEADING: &str = "# Driftless knows this folder by this file. It must not be edited, nor copied into another folder.\n";

/// The last generation that TOML can hold; a marker there is forged, for no root is written so often.
const LAST_GENERATION: u64 = i64::MAX as u64;

/// A root's own random name: 128 bits, written as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RootId(u128);

impl RootId {
    pub fn random() -> Result<RootId> {
        let mut bits = [0; 16];
        random(&mut bits).map_err(Error::Random)?;
        Ok(RootId(u128::from_be_bytes(bits)))
    }

    /// Exactly 32 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Option<RootId> {
        let ours = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if ours { u128::from_str_radix(text, 16).ok().map(RootId) } else { None }
    }

    #[cfg(test)]
    pub(super) const fn of(number: u128) -> RootId {
        RootId(number)
    }
}

impl fmt::Display for RootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for RootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// What a root says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marker {
    pub id: RootId,
    /// Rises before each run's first visible write in the root.
    pub generation: u64,
    pub belongs: Belongs,
}

/// Which root of which pairs it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Belongs {
    /// A staging root belongs to one pair, and so names its network root.
    Staging { network: RootId },
    /// Any number of pairs may share a network root, and so it names none.
    Network,
}

impl Marker {
    pub fn side(&self) -> Side {
        match self.belongs {
            Belongs::Staging { .. } => Side::Staging,
            Belongs::Network => Side::Network,
        }
    }

    /// The marker of a new network root.
    pub fn new_network() -> Result<Marker> {
        Ok(Marker { id: RootId::random()?, generation: 0, belongs: Belongs::Network })
    }

    /// The marker of a new staging root of the network root `network`.
    pub fn new_staging(network: RootId) -> Result<Marker> {
        Ok(Marker { id: RootId::random()?, generation: 0, belongs: Belongs::Staging { network } })
    }
}

/// The file as written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    id: String,
    generation: u64,
    side: String,
    network: Option<String>,
}

/// A marker as another process of ours tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Told(Written);

impl Told {
    pub fn of(marker: &Marker) -> Told {
        Told(written(marker))
    }

    pub fn marker(&self) -> Option<Marker> {
        believe(&self.0).ok()
    }
}

/// Reads the root's marker; `None` where the root has none.
///
/// # Errors
/// [`Error::BadMarker`] for what is no marker, [`Error::NotOurs`] where `.driftless` is no folder, else the disk's.
pub fn read(root: &dyn Root) -> Result<Option<Marker>> {
    let Some(folder) = own::open(root)? else { return Ok(None) };
    let Some(bytes) = own::read(folder.as_ref(), &own::name(FILE))? else { return Ok(None) };
    parse(&bytes).map(Some).map_err(Error::BadMarker)
}

fn parse(bytes: &[u8]) -> std::result::Result<Marker, String> {
    if own::too_long(bytes) {
        return Err("it is longer than 64 KiB".into());
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8 text")?;
    let written: Written = toml::from_str(text).map_err(|error| {
        let sentence = error.message().lines().next().unwrap_or("it is no TOML");
        format!("{} (damaged, or of a newer version?)", short(sentence))
    })?;
    believe(&written)
}

fn believe(written: &Written) -> std::result::Result<Marker, String> {
    let id = |text: &str, key: &str| RootId::parse(text).ok_or(format!("`{key}` is not 32 hexadecimal digits"));
    let belongs = match (written.side.as_str(), &written.network) {
        ("network", None) => Belongs::Network,
        ("staging", Some(network)) => Belongs::Staging { network: id(network, "network")? },
        ("network", Some(_)) => return Err("a network root's marker names no other root".into()),
        ("staging", None) => return Err("a staging root's marker must name its network root".into()),
        _ => return Err("`side` is neither \"staging\" nor \"network\"".into()),
    };
    if written.generation >= LAST_GENERATION {
        return Err("`generation` is too high to be true".into());
    }
    Ok(Marker { id: id(&written.id, "id")?, generation: written.generation, belongs })
}

fn written(marker: &Marker) -> Written {
    let network = match marker.belongs {
        Belongs::Staging { network } => Some(network.to_string()),
        Belongs::Network => None,
    };
    let side = marker.side().word().to_string();
    Written { id: marker.id.to_string(), generation: marker.generation, side, network }
}

fn text(marker: &Marker) -> String {
    let body = toml::to_string(&written(marker)).expect("strings and a number below 2^63 can be written as TOML");
    format!("{HEADING}{body}")
}

/// Writes the root's marker, flushed. Of a new pair the network root's is written first: a staging marker that names
/// a root which never got its own could not be told from a network root that was emptied.
pub fn write(root: &dyn Root, marker: &Marker) -> Result<()> {
    let folder = own::open_or_make(root)?;
    own::replace(folder.as_ref(), &own::name(FILE), &text(marker), Keep::Flushed, Onto::File)
}

/// Writes the marker of a network root that has none, and answers what the root is marked with then: another machine may
/// be faster, and its marker stays.
///
/// RACE: where a rename cannot refuse to replace, and both are at it at once, the marker read back may be replaced. Worst
/// outcome: one of the pairs refuses with exit 4 until `relink`; nothing is written or deleted for it.
pub fn write_first(root: &dyn Root, marker: &Marker) -> Result<Marker> {
    let folder = own::open_or_make(root)?;
    match own::replace(folder.as_ref(), &own::name(FILE), &text(marker), Keep::Flushed, Onto::Nothing) {
        Err(error) if error.kind() != Some(ErrorKind::Exists) => return Err(error),
        _ => {}
    }
    read(root)?.ok_or(Error::Swapped("is gone"))
}

/// Raises the generation of the root `id` by one, flushed, and returns what the marker says now. Called before a run's
/// first visible write in the root; the returned generation is recorded after.
///
/// RACE: a run of another pair that stalls between reading and writing can put back a lower generation. Worst outcome:
/// this pair refuses with exit 4 until `relink`; nothing is written or deleted for it.
pub fn bump_generation(root: &dyn Root, id: RootId) -> Result<Marker> {
    let mut marker = read(root)?.ok_or(Error::Swapped("is gone"))?;
    if marker.id != id {
        return Err(Error::Swapped("names another root"));
    }
    marker.generation += 1;
    write(root, &marker)?;
    Ok(marker)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::mutants::{hostile, is_tame};
    use proptest::prelude::*;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn a_marker_reads_as_it_was_written() {
        let network = Marker { id: RootId::of(7), generation: 41, belongs: Belongs::Network };
        let staging = Marker { id: RootId::of(u128::MAX), generation: 0, belongs: Belongs::Staging { network: network.id } };
        for marker in [network, staging] {
            assert_eq!(parse(text(&marker).as_bytes()), Ok(marker), "{}", text(&marker));
        }
    }

    #[test]
    fn what_is_not_exactly_a_marker_is_an_error() {
        let good = format!("id = \"{ID}\"\ngeneration = 3\nside = \"network\"\n");
        assert!(parse(good.as_bytes()).is_ok());
        let bad = [
            (String::new(), "missing field"),
            ("\0\0\0\0".into(), "newer version"),
            ("id = ".into(), "newer version"),
            (good.replace(ID, "0123"), "32 hexadecimal"),
            (good.replace(ID, &ID.to_uppercase()), "32 hexadecimal"),
            (good.replace(ID, "+123456789abcdef0123456789abcdef"), "32 hexadecimal"),
            (good.replace("= 3", "= -3"), "invalid value"),
            (good.replace("= 3", "= 9223372036854775807"), "too high"),
            (good.replace("= 3", "= 99999999999999999999"), "newer version"),
            (good.replace("network", "middle"), "side"),
            (good.replace("network", "staging"), "must name"),
            (format!("{good}network = \"{ID}\"\n"), "names no other"),
            (format!("{good}extra = 1\n"), "unknown field"),
            (format!("{good}id = \"{ID}\"\n"), "duplicate"),
            (format!("{good}#{}", " ".repeat(70_000)), "64 KiB"),
            (format!("x = {}", "[".repeat(60_000)), "newer version"),
        ];
        for (text, expected) in bad {
            let shown: String = text.chars().take(80).collect();
            let error = parse(text.as_bytes()).expect_err(&shown);
            assert!(error.contains(expected), "{shown:?} gave {error:?}");
        }
        assert!(parse(b"id = \"\xff\"").is_err());
    }

    proptest! {
        /// A forged or damaged marker is a sentence that may be shown; a marker reads back as it is written.
        #[test]
        fn any_bytes_are_a_marker_or_a_sentence(
            bytes in hostile(&[
                "# h\nid = \"0123456789abcdef0123456789abcdef\"\ngeneration = 3\nside = \"network\"\n",
                "id = \"0123456789abcdef0123456789abcdef\"\ngeneration = 3\nside = \"staging\"\nnetwork = \"00000000000000000000000000000007\"\n",
            ]),
        ) {
            match parse(&bytes) {
                Ok(marker) => prop_assert_eq!(parse(text(&marker).as_bytes()), Ok(marker)),
                Err(sentence) => prop_assert!(is_tame(&sentence), "{sentence:?}"),
            }
        }
    }
}
