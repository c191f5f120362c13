//! Whether the roots that are there are the roots of the pair: the table of guard *Identity*, as a pure function.
//!
//! Invariant. A root that is present but not known to be ours never yields [`Identity::Go`]: nearly every story of a
//! mass deletion begins with a root that was there and wrong or empty. [`accept`] answers for `relink`, where a person
//! says that they are the right ones; what belongs to another pair needs a further word even there.

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
    Refuse(Refusal),
}

/// Why a root is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub side: Side,
    /// A part of a sentence.
    pub message: String,
    pub way: Way,
}

/// What helps where the folder is the right one all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// `relink`.
    Relink,
    /// `relink --new-id`: the root gets a name of its own.
    NewId,
    /// To make the folder, or to tell `relink` where the root lies now.
    Place,
}

/// Compares what the roots say with what the manifest remembers.
///
/// A manifest that knows only one of the roots is taken for none: first-sync rules never delete.
pub fn identify(staging: Option<&Marker>, network: Option<&Marker>, manifest: &PerSide<Option<Known>>) -> Identity {
    let markers = PerSide::new(staging, network);
    if let Some(refusal) = misplaced(&markers) {
        return Identity::Refuse(refusal);
    }
    match (manifest.staging, manifest.network) {
        (Some(known_staging), Some(known_network)) => recorded(&markers, &PerSide::new(known_staging, known_network)),
        _ => unrecorded(&markers),
    }
}

/// A marker of one side on the other one, or one root under two paths.
fn misplaced(markers: &PerSide<Option<&Marker>>) -> Option<Refusal> {
    Side::BOTH.into_iter().find_map(|side| {
        let marker = markers[side].filter(|marker| marker.side() != side)?;
        Some(Refusal { side, message: misplaced_words(marker.side()), way: Way::NewId })
    })
}

fn misplaced_words(was: Side) -> String {
    format!("it is the {was} root of a pair, or a copy of one")
}

fn recorded(markers: &PerSide<Option<&Marker>>, known: &PerSide<Known>) -> Identity {
    for side in Side::BOTH {
        let Some(marker) = markers[side] else {
            let message = "it has lost its marker: it may be another folder, emptied, or a share that is not mounted";
            return refuse(side, message.into(), Way::Relink);
        };
        if marker.id != known[side].id {
            let message = format!("it has another id ({} instead of {})", marker.id, known[side].id);
            let of = |network: RootId| is_of(marker, network);
            let ours = side == Side::Network || of(known.network.id) || markers.network.is_some_and(|given| of(given.id));
            return refuse(side, message, if ours { Way::Relink } else { Way::NewId });
        }
        if marker.generation < known[side].generation {
            let message = format!(
                "it is older than this pair last saw it (generation {} instead of {}): a snapshot or backup was put back",
                marker.generation, known[side].generation
            );
            return refuse(side, message, Way::Relink);
        }
    }
    if markers.staging.is_some_and(|staging| !is_of(staging, known.network.id)) {
        let message = "it was paired with another network root meanwhile";
        return refuse(Side::Staging, message.into(), Way::Relink);
    }
    Identity::Go
}

fn unrecorded(markers: &PerSide<Option<&Marker>>) -> Identity {
    match (markers.staging, markers.network) {
        (None, _) => Identity::NewPair,
        (Some(staging), Some(network)) if is_of(staging, network.id) => Identity::ManifestLost,
        (Some(_), Some(_)) => refuse(Side::Staging, ANOTHER_PAIR.into(), Way::NewId),
        (Some(_), None) => refuse(
            Side::Network,
            "staging belongs to a network root, but this one has no marker: it may be emptied, another folder, or a share \
             that is not mounted"
                .into(),
            Way::NewId,
        ),
    }
}

fn is_of(staging: &Marker, network: RootId) -> bool {
    staging.belongs == Belongs::Staging { network }
}

const ANOTHER_PAIR: &str = "it belongs to another pair, or is a copy of a folder that does";

fn refuse(side: Side, message: String, way: Way) -> Identity {
    Identity::Refuse(Refusal { side, message, way })
}

/// What a root says of itself, read for `relink`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark<'a> {
    None,
    /// There is a file, and it is no marker that this version knows.
    Damaged,
    Reads(&'a Marker),
}

/// What `relink` takes a root for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    AsRecorded,
    /// Marked, and the manifest has no record of it.
    Unrecorded,
    /// No marker and no record.
    New,
    LostMarker,
    DamagedMarker,
    OtherId,
    OlderGeneration,
    /// Staging, paired with another network root meanwhile.
    OtherNetwork,
    /// A marker of the other side: a copy of that root.
    OtherSide,
    OtherPair,
}

impl Taken {
    /// The root gets a new id.
    pub fn needs_new_id(self) -> bool {
        match self {
            Taken::New | Taken::LostMarker | Taken::DamagedMarker | Taken::OtherSide | Taken::OtherPair => true,
            Taken::AsRecorded | Taken::Unrecorded | Taken::OtherId | Taken::OlderGeneration | Taken::OtherNetwork => false,
        }
    }

    /// The folder may be the one in which the base's stamps were taken.
    pub fn may_be_the_same(self) -> bool {
        match self {
            Taken::AsRecorded | Taken::Unrecorded | Taken::LostMarker | Taken::DamagedMarker => true,
            Taken::OlderGeneration | Taken::OtherNetwork => true,
            Taken::New | Taken::OtherId | Taken::OtherSide | Taken::OtherPair => false,
        }
    }
}

/// What `relink` takes the roots for, or why it needs `--new-id` first.
pub fn accept(marks: &PerSide<Mark<'_>>, known: &PerSide<Option<Known>>, new_id: bool) -> Result<PerSide<Taken>, Refusal> {
    let taken = PerSide::new(take_staging(marks, known), take_network(&marks.network, known.network));
    for side in Side::BOTH {
        let message = match taken[side] {
            Taken::OtherSide => misplaced_words(side.other()),
            Taken::OtherPair => ANOTHER_PAIR.to_owned(),
            // A later version of this program may have written it, for a pair that we know nothing of.
            Taken::DamagedMarker if known[side].is_none() => "its marker cannot be read".to_owned(),
            _ => continue,
        };
        if !new_id {
            return Err(Refusal { side, message, way: Way::NewId });
        }
    }
    Ok(taken)
}

fn take_network(mark: &Mark<'_>, known: Option<Known>) -> Taken {
    match (mark, known) {
        (Mark::None, None) => Taken::New,
        (Mark::None, Some(_)) => Taken::LostMarker,
        (Mark::Damaged, _) => Taken::DamagedMarker,
        (Mark::Reads(marker), _) if marker.side() != Side::Network => Taken::OtherSide,
        (Mark::Reads(_), None) => Taken::Unrecorded,
        (Mark::Reads(marker), Some(known)) if marker.id != known.id => Taken::OtherId,
        (Mark::Reads(marker), Some(known)) if marker.generation < known.generation => Taken::OlderGeneration,
        (Mark::Reads(_), Some(_)) => Taken::AsRecorded,
    }
}

fn take_staging(marks: &PerSide<Mark<'_>>, known: &PerSide<Option<Known>>) -> Taken {
    let marker = match (marks.staging, known.staging) {
        (Mark::None, None) => return Taken::New,
        (Mark::None, Some(_)) => return Taken::LostMarker,
        (Mark::Damaged, _) => return Taken::DamagedMarker,
        (Mark::Reads(marker), _) if marker.side() != Side::Staging => return Taken::OtherSide,
        (Mark::Reads(marker), _) => marker,
    };
    let given = if let Mark::Reads(network) = marks.network { Some(network.id) } else { None };
    let of = |network: Option<RootId>| network.is_some_and(|network| is_of(marker, network));
    let of_known = of(known.network.map(|known| known.id));
    match known.staging {
        Some(known) if marker.id == known.id && marker.generation < known.generation => Taken::OlderGeneration,
        // A network root that could never be marked has no id to be compared with.
        Some(own) if marker.id == own.id && (of_known || known.network.is_none()) => Taken::AsRecorded,
        Some(known) if marker.id == known.id => Taken::OtherNetwork,
        Some(_) if of_known || of(given) => Taken::OtherId,
        None if of(given) => Taken::Unrecorded,
        _ => Taken::OtherPair,
    }
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
        let rows: [(&str, Option<Marker>, Option<Marker>, PerSide<Option<Known>>, &str); 23] = [
            ("nothing anywhere", None, None, none, "new"),
            ("a shared network root", None, theirs, none, "new"),
            ("as recorded", ours, theirs, known, "go"),
            ("newer network generation", ours, network(N, 10), known, "go"),
            ("newer staging generation", staging(S, 6, N), theirs, known, "go"),
            ("manifest lost", ours, theirs, none, "lost"),
            ("half a manifest", ours, theirs, half, "lost"),
            ("half a manifest, no marker", None, theirs, half, "new"),
            ("staging marker missing", None, theirs, known, "staging: Relink"),
            ("network marker missing", ours, None, known, "network: Relink"),
            ("both missing", None, None, known, "staging: Relink"),
            ("other staging id", staging(OTHER, 5, N), theirs, known, "staging: Relink"),
            ("other network id", ours, network(OTHER, 9), known, "network: Relink"),
            ("another pair's staging", staging(OTHER, 5, OTHER), theirs, known, "staging: NewId"),
            ("older staging generation", staging(S, 4, N), theirs, known, "staging: Relink"),
            ("older network generation", ours, network(N, 8), known, "network: Relink"),
            ("ours, of another network root", staging(S, 5, OTHER), theirs, known, "staging: Relink"),
            ("of another pair", staging(S, 5, OTHER), theirs, none, "staging: NewId"),
            ("of another pair, half a manifest", staging(S, 5, OTHER), theirs, half, "staging: NewId"),
            ("network root emptied, manifest lost", ours, None, none, "network: NewId"),
            ("staging is a network root", theirs, theirs, none, "staging: NewId"),
            ("network is a staging root", None, ours, none, "network: NewId"),
            ("sides exchanged", theirs, ours, known, "staging: NewId"),
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
            Identity::Refuse(Refusal { side, message, way }) => {
                assert_eq!(format!("{}: {way:?}", side.word()), expected, "{row}: {message}");
            }
        }
    }

    #[test]
    fn what_relink_takes_roots_for() {
        use Taken::{
            AsRecorded, DamagedMarker, LostMarker, New, OlderGeneration, OtherId, OtherNetwork, OtherPair, OtherSide, Unrecorded,
        };
        let known = PerSide::new(Some(Known { id: S, generation: 5 }), Some(Known { id: N, generation: 9 }));
        let (none, half) = (PerSide::default(), PerSide::new(known.staging, None));
        let (ours, theirs) = (staging(S, 5, N), network(N, 9));
        let rows: [(&str, Option<Marker>, Option<Marker>, PerSide<Option<Known>>, Taken, Taken); 19] = [
            ("nothing anywhere", None, None, none, New, New),
            ("a shared network root", None, theirs, none, New, Unrecorded),
            ("as recorded", ours, theirs, known, AsRecorded, AsRecorded),
            ("manifest lost", ours, theirs, none, Unrecorded, Unrecorded),
            ("staging marker missing", None, theirs, known, LostMarker, AsRecorded),
            ("network marker missing", ours, None, known, AsRecorded, LostMarker),
            ("both missing", None, None, known, LostMarker, LostMarker),
            ("other staging id", staging(OTHER, 1, N), theirs, known, OtherId, AsRecorded),
            ("other network id", ours, network(OTHER, 1), known, AsRecorded, OtherId),
            ("both other, of each other", staging(OTHER, 0, OTHER), network(OTHER, 1), known, OtherId, OtherId),
            ("older generations", staging(S, 4, N), network(N, 8), known, OlderGeneration, OlderGeneration),
            ("ours, of another network root", staging(S, 5, OTHER), theirs, known, OtherNetwork, AsRecorded),
            ("network root never marked", staging(S, 5, OTHER), None, half, AsRecorded, New),
            ("another pair's staging", staging(OTHER, 5, OTHER), theirs, known, OtherPair, AsRecorded),
            ("of another pair", staging(S, 5, OTHER), theirs, none, OtherPair, Unrecorded),
            ("network emptied, manifest lost", ours, None, none, OtherPair, New),
            ("staging is a copy of the network root", theirs, theirs, none, OtherSide, Unrecorded),
            ("network is a copy of staging", None, ours, none, New, OtherSide),
            ("sides exchanged", theirs, ours, known, OtherSide, OtherSide),
        ];
        for (row, staging, network, known, staging_is, network_is) in rows {
            let mark = |marker: &Option<Marker>| marker.as_ref().map(|marker| *marker);
            let markers = PerSide::new(mark(&staging), mark(&network));
            let marks = markers.as_ref().map(|marker| marker.as_ref().map_or(Mark::None, Mark::Reads));
            let expected = PerSide::new(staging_is, network_is);
            assert_eq!(accept(&marks, &known, true), Ok(expected), "{row}");
            let foreign = |taken: Taken| matches!(taken, OtherPair | OtherSide);
            let refused = accept(&marks, &known, false).is_err_and(|refusal| refusal.way == Way::NewId);
            assert_eq!(refused, foreign(staging_is) || foreign(network_is), "{row}");
        }
        let damaged = PerSide::new(Mark::Damaged, Mark::Damaged);
        assert_eq!(accept(&damaged, &known, false), Ok(PerSide::new(DamagedMarker, DamagedMarker)));
        assert!(accept(&damaged, &none, false).is_err(), "nothing says whose staging it was");
    }
}
