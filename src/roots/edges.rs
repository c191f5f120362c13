//! Pairs of roots that must not be: the same folder twice, one inside the other, a file, none at all.
//!
//! Paths come in canonical, so links are already followed; what bind mounts and case-folding file systems still hide
//! is found by the device and file number of every folder on the way up.

use std::path::{Path, PathBuf};

use crate::disk::{self, Chain};
use crate::model::shown::quoted;
use crate::model::side::{PerSide, Side};

/// A device and a file number: two paths with the same are the same folder. Wide enough for every platform's numbers.
type FolderId = (i128, i128);

/// Where a root is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    path: PathBuf,
    /// The root's own number first, then those of the folders above it.
    chain: Vec<FolderId>,
}

/// A root of another pair on this machine, by its recorded canonical path. It is not asked: it may be a stalled mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownRoot {
    /// The other pair's name.
    pub pair: String,
    pub side: Side,
    pub path: PathBuf,
}

/// Why these roots cannot be a pair.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("the {side} root {} does not exist", quoted(path))]
    Missing { side: Side, path: PathBuf },
    #[error("the {side} root {} is not a folder", quoted(path))]
    NotAFolder { side: Side, path: PathBuf },
    #[error("the {side} root {} cannot be looked at: {source}", quoted(path))]
    Unreadable {
        side: Side,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("both roots are the same folder: {} and {}", quoted(staging), quoted(network))]
    Same { staging: PathBuf, network: PathBuf },
    #[error("the {inner} root {} lies inside the {} root {}", quoted(inner_path), inner.other(), quoted(outer_path))]
    Inside { inner: Side, inner_path: PathBuf, outer_path: PathBuf },
    #[error("the {side} root {} lies inside {}, the {side} root of the pair {pair:?}", quoted(path), quoted(other))]
    InsideKnown { side: Side, path: PathBuf, other: PathBuf, pair: String },
    #[error("the {side} root {} lies around {}, the {side} root of the pair {pair:?}", quoted(path), quoted(other))]
    AroundKnown { side: Side, path: PathBuf, other: PathBuf, pair: String },
    #[error("the staging root {} is already that of the pair {pair:?}; a staging root belongs to one pair", quoted(path))]
    StagingTaken { path: PathBuf, pair: String },
}

/// The place of a root by its canonical path and what was found there. What cannot be canonicalised is reported by
/// [`unreachable`].
pub fn place(side: Side, canonical: &Path, found: disk::Result<Chain>) -> Result<Place, Refusal> {
    let found = found.map_err(|error| unreachable(side, canonical, error.source))?;
    if !found.is_folder {
        return Err(Refusal::NotAFolder { side, path: canonical.into() });
    }
    let chain = found.ids.into_iter().map(|(device, number)| (i128::from(device), i128::from(number))).collect();
    Ok(Place { path: canonical.into(), chain })
}

/// The refusal for a root whose path could not be canonicalised or looked at.
pub fn unreachable(side: Side, path: &Path, source: std::io::Error) -> Refusal {
    match source.kind() {
        // A share that is away counts as such to the standard library.
        std::io::ErrorKind::NotFound if !disk::local::is_absent(&source) => {
            Refusal::Unreadable { side, path: path.into(), source }
        }
        std::io::ErrorKind::NotFound => Refusal::Missing { side, path: path.into() },
        std::io::ErrorKind::NotADirectory => Refusal::NotAFolder { side, path: path.into() },
        _ => Refusal::Unreadable { side, path: path.into(), source },
    }
}

/// Refuses a pair that must not be. `known` are the roots of all *other* pairs; a network root may be shared.
pub fn check(roots: &PerSide<Place>, known: &[KnownRoot]) -> Result<(), Refusal> {
    if is_within(&roots.staging, &roots.network) && is_within(&roots.network, &roots.staging) {
        return Err(Refusal::Same { staging: roots.staging.path.clone(), network: roots.network.path.clone() });
    }
    for inner in Side::BOTH {
        let (inside, outside) = (&roots[inner], &roots[inner.other()]);
        if is_within(inside, outside) {
            let (inner_path, outer_path) = (inside.path.clone(), outside.path.clone());
            return Err(Refusal::Inside { inner, inner_path, outer_path });
        }
    }
    known.iter().try_for_each(|other| beside(&roots[other.side].path, other))
}

/// Is `inner` the folder `outer` or somewhere below it?
fn is_within(inner: &Place, outer: &Place) -> bool {
    lies_within(&inner.path, &outer.path) || outer.chain.first().is_some_and(|own| inner.chain.contains(own))
}

/// By the text of canonical paths. Windows folds case nearly everywhere; two folders that differ by case alone are taken for
/// one there, which refuses too much rather than too little.
fn lies_within(inner: &Path, outer: &Path) -> bool {
    if cfg!(windows) { folded(inner).starts_with(folded(outer)) } else { inner.starts_with(outer) }
}

fn folded(path: &Path) -> PathBuf {
    PathBuf::from(path.to_string_lossy().to_lowercase())
}

fn beside(path: &Path, known: &KnownRoot) -> Result<(), Refusal> {
    let KnownRoot { pair, side, path: other } = known.clone();
    match (lies_within(path, &other), lies_within(&other, path)) {
        (true, true) if side == Side::Staging => Err(Refusal::StagingTaken { path: path.into(), pair }),
        (true, true) | (false, false) => Ok(()),
        (true, false) => Err(Refusal::InsideKnown { side, path: path.into(), other, pair }),
        (false, true) => Err(Refusal::AroundKnown { side, path: path.into(), other, pair }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &str, chain: &[i128]) -> Place {
        Place { path: path.into(), chain: chain.iter().map(|&number| (1, number)).collect() }
    }

    fn outcome(staging: Place, network: Place, known: &[(Side, &str)]) -> String {
        let known: Vec<KnownRoot> =
            known.iter().map(|&(side, path)| KnownRoot { pair: "other".into(), side, path: path.into() }).collect();
        match check(&PerSide::new(staging, network), &known) {
            Ok(()) => "fine".into(),
            Err(refusal) => refusal.to_string(),
        }
    }

    #[test]
    fn roots_that_cannot_be_a_pair() {
        use Side::{Network, Staging};
        let (a, b) = (|| at("/a", &[11, 2]), || at("/b", &[12, 2]));
        let rows: [(Place, Place, &[(Side, &str)], &str); 14] = [
            (a(), b(), &[], "fine"),
            (a(), a(), &[], "both roots are the same"),
            (a(), at("/bound", &[11, 2]), &[], "both roots are the same"),
            (at("/b/in", &[13, 12, 2]), b(), &[], "the staging root \"/b/in\" lies inside the network root \"/b\""),
            (a(), at("/a/in", &[13, 11, 2]), &[], "the network root \"/a/in\" lies inside the staging root \"/a\""),
            (a(), at("/bound/in", &[13, 11, 2]), &[], "lies inside the staging root"),
            (at("/ab", &[13, 2]), a(), &[], "fine"),
            (a(), b(), &[(Network, "/b")], "fine"),
            (a(), b(), &[(Staging, "/a")], "already that of the pair \"other\""),
            (a(), b(), &[(Staging, "/a/deep")], "lies around \"/a/deep\""),
            (a(), b(), &[(Staging, "/")], "lies inside \"/\""),
            (a(), b(), &[(Network, "/b/deep")], "lies around"),
            (a(), b(), &[(Network, "/a/deep")], "fine"),
            (a(), b(), &[(Staging, "/aa"), (Network, "/bb")], "fine"),
        ];
        for (staging, network, known, expected) in rows {
            let shown = format!("{staging:?} {network:?} {known:?}");
            let outcome = outcome(staging, network, known);
            assert!(outcome.contains(expected), "{shown}: {outcome}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn real_places() {
        let found = |side, path: &Path| place(side, path, disk::local::chain(path));
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().canonicalize().expect("its path");
        std::fs::create_dir(path.join("in")).expect("a folder");
        std::fs::write(path.join("file"), "x").expect("a file");
        let outer = found(Side::Network, &path).expect("a place");
        let inner = found(Side::Staging, &path.join("in")).expect("a place");
        assert!(matches!(check(&PerSide::new(inner, outer), &[]), Err(Refusal::Inside { inner: Side::Staging, .. })));
        let refused = |name: &str| found(Side::Staging, &path.join(name)).expect_err(name);
        assert!(matches!(refused("file"), Refusal::NotAFolder { side: Side::Staging, .. }));
        assert!(matches!(refused("file/x"), Refusal::NotAFolder { .. }));
        assert!(matches!(refused("none"), Refusal::Missing { .. }));
    }
}
