//! Whether the roots that are there are the roots of the pair: the table of guard *Identity*, as a pure function.
//!
//! Invariant. A root that is present but not known to be ours never yields [`Identity::Go`]: nearly every story of a
//! mass deletion begins with a root that was there and wrong or empty.

use super::marker::{Belongs, Marker, RootId};
use crate::model::side::{PerSide, Side};

/// What the manifest remembers of a root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    pub id: RootId,
    /// The last generation that a run of this pair saw or wrote.
    pub generation: u64,
}

/// What follows from the markers and the manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// First-sync rules; staging gets a marker, and the network root where it has none.
    NewPair,
    Go,
    /// The same pair without its memory: first-sync rules, the markers stay.
    ManifestLost,
    /// Exit 4.
    Refuse {
        side: Side,
        /// A sentence, with the way out.
        message: String,
    },
}

/// Compares what the roots say with what the manifest remembers.
///
/// A manifest that knows only one of the roots is taken for none: first-sync rules never delete.
pub fn identify(staging: Option<&Marker>, network: Option<&Marker>, manifest: &PerSide<Option<Known>>) -> Identity {
    let markers = PerSide::new(staging, network);
    if let Some(refusal) = misplaced(&markers) {
        return refusal;
    }
    match (manifest.staging, manifest.network) {
        (Some(known_staging), Some(known_network)) => recorded(&markers, &PerSide::new(known_staging, known_network)),
        _ => unrecorded(&markers),
    }
}

/// A marker of one side on the other one, or one root under two paths.
fn misplaced(markers: &PerSide<Option<&Marker>>) -> Option<Identity> {
    for side in Side::BOTH {
        if let Some(marker) = markers[side].filter(|marker| marker.side() != side) {
            let was = marker.side();
            return Some(refuse(side, format!("the {side} root given is the {was} root of a pair; choose another folder")));
        }
    }
    None
}

fn recorded(markers: &PerSide<Option<&Marker>>, known: &PerSide<Known>) -> Identity {
    for side in Side::BOTH {
        let Some(marker) = markers[side] else {
            return refuse(
                side,
                format!(
                    "the {side} root has lost its marker: it may be another folder, emptied, or a share that is not \
                     mounted. If it is the right one, docs/semantics.md says how to pair it anew"
                ),
            );
        };
        if marker.id != known[side].id {
            return refuse(
                side,
                format!(
                    "the {side} root is not the one of this pair: it has another id ({} instead of {}). If it is to \
                     take its place, docs/semantics.md says how to pair it anew",
                    marker.id, known[side].id
                ),
            );
        }
        if marker.generation < known[side].generation {
            return refuse(
                side,
                format!(
                    "the {side} root is older than this pair last saw it (generation {} instead of {}): a snapshot or \
                     backup was put back. To go on with it, docs/semantics.md says how to pair it anew",
                    marker.generation, known[side].generation
                ),
            );
        }
    }
    if markers.staging.is_some_and(|staging| !is_of(staging, known.network.id)) {
        return refuse(Side::Staging, another_pair());
    }
    Identity::Go
}

fn unrecorded(markers: &PerSide<Option<&Marker>>) -> Identity {
    match (markers.staging, markers.network) {
        (None, _) => Identity::NewPair,
        (Some(staging), Some(network)) if is_of(staging, network.id) => Identity::ManifestLost,
        (Some(_), Some(_)) => refuse(Side::Staging, another_pair()),
        (Some(_), None) => refuse(
            Side::Network,
            "the staging root belongs to a network root, but the one given has no marker: it may be emptied, another \
             folder, or a share that is not mounted. If it is the right one, docs/semantics.md says how to pair it anew"
                .into(),
        ),
    }
}

fn is_of(staging: &Marker, network: RootId) -> bool {
    staging.belongs == Belongs::Staging { network }
}

fn another_pair() -> String {
    "the staging root belongs to another pair, or is a copy of one that does. To make it a root of its own: \
     docs/semantics.md says how to pair it anew"
        .into()
}

fn refuse(side: Side, message: String) -> Identity {
    Identity::Refuse { side, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: RootId = RootId::of(1);
    const N: RootId = RootId::of(2);
    const OTHER: RootId = RootId::of(3);

    fn staging(id: RootId, generation: u64, network: RootId) -> Option<Marker> {
        Some(Marker { id, generation, belongs: Belongs::Staging { network } })
    }

    fn network(id: RootId, generation: u64) -> Option<Marker> {
        Some(Marker { id, generation, belongs: Belongs::Network })
    }

    #[test]
    fn each_row_of_the_table() {
        let known = PerSide::new(Some(Known { id: S, generation: 5 }), Some(Known { id: N, generation: 9 }));
        let none = PerSide::default();
        let half = PerSide::new(known.staging, None);
        let (ours, theirs) = (staging(S, 5, N), network(N, 9));
        let rows: [(&str, Option<Marker>, Option<Marker>, PerSide<Option<Known>>, &str); 22] = [
            ("nothing anywhere", None, None, none, "new"),
            ("a shared network root", None, theirs, none, "new"),
            ("as recorded", ours, theirs, known, "go"),
            ("newer network generation", ours, network(N, 10), known, "go"),
            ("newer staging generation", staging(S, 6, N), theirs, known, "go"),
            ("manifest lost", ours, theirs, none, "lost"),
            ("half a manifest", ours, theirs, half, "lost"),
            ("half a manifest, no marker", None, theirs, half, "new"),
            ("staging marker missing", None, theirs, known, "staging: pair it anew"),
            ("network marker missing", ours, None, known, "network: pair it anew"),
            ("both missing", None, None, known, "staging: pair it anew"),
            ("other staging id", staging(OTHER, 5, N), theirs, known, "staging: pair it anew"),
            ("other network id", ours, network(OTHER, 9), known, "network: pair it anew"),
            ("older staging generation", staging(S, 4, N), theirs, known, "staging: pair it anew"),
            ("older network generation", ours, network(N, 8), known, "network: pair it anew"),
            ("ours, of another network root", staging(S, 5, OTHER), theirs, known, "staging: pair it anew"),
            ("of another pair", staging(S, 5, OTHER), theirs, none, "staging: pair it anew"),
            ("of another pair, half a manifest", staging(S, 5, OTHER), theirs, half, "staging: pair it anew"),
            ("network root emptied, manifest lost", ours, None, none, "network: pair it anew"),
            ("staging is a network root", theirs, theirs, none, "staging: another folder"),
            ("network is a staging root", None, ours, none, "network: another folder"),
            ("sides exchanged", theirs, ours, known, "staging: another folder"),
        ];
        for (row, staging, network, manifest, expected) in rows {
            check(row, &identify(staging.as_ref(), network.as_ref(), &manifest), expected);
        }
    }

    fn check(row: &str, identity: &Identity, expected: &str) {
        match identity {
            Identity::NewPair => assert_eq!("new", expected, "{row}"),
            Identity::Go => assert_eq!("go", expected, "{row}"),
            Identity::ManifestLost => assert_eq!("lost", expected, "{row}"),
            Identity::Refuse { side, message } => {
                let (expected_side, hint) = expected.split_once(": ").unwrap_or(("nothing refused", ""));
                assert_eq!(side.word(), expected_side, "{row}: {message}");
                assert!(message.contains(hint), "{row}: {message}");
            }
        }
    }
}
