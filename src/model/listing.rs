//! One folder as a look found it, and three of them zipped by name.

use super::entry::{Base, Found};
use super::finding::ProblemKind;
use super::path::{Name, RelPath};
use super::side::Side;

/// What one side shows at a path. Absent, ignored and unknown are three things: silence is no deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Really looked, in a complete listing of the parent: there is nothing.
    Absent,
    /// There, and not synchronised.
    Ignored(Ignored),
    /// There or not, or what, we could not see.
    Unknown(Unknown),
    There(Box<Found>),
}

/// Why an entry is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ignored {
    /// Built-in junk, which goes with its folder.
    Junk,
    /// By a pattern of the user, who then wants to keep it where it is.
    Pattern,
}

/// Why an entry could not be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// A device, socket or FIFO.
    Special,
    /// A folder on another file system than its root.
    OtherFileSystem,
    /// Could not be listed or read.
    Error { kind: ProblemKind, message: String },
    /// Went away or changed while it was looked at; the next run sees it.
    Moving,
    /// A folder that is held as one; what there is to say is said elsewhere.
    Whole,
}

impl Seen {
    pub fn found(&self) -> Option<&Found> {
        match self {
            Seen::There(found) => Some(found),
            Seen::Absent | Seen::Ignored(_) | Seen::Unknown(_) => None,
        }
    }

    pub fn found_mut(&mut self) -> Option<&mut Found> {
        match self {
            Seen::There(found) => Some(found),
            Seen::Absent | Seen::Ignored(_) | Seen::Unknown(_) => None,
        }
    }

    pub fn is_folder(&self) -> bool {
        self.found().is_some_and(|found| found.entry.is_folder())
    }
}

/// One entry of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item<T> {
    pub name: Name,
    pub value: T,
}

/// A complete listing of one folder: sorted by name, each name once. An incomplete one does not exist; it is an
/// error and makes the folder [`Seen::Unknown`].
pub type Listing<T> = Vec<Item<T>>;

/// A folder's number in the manifest. It stays the same when the folder is renamed and is never given to another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FolderId(pub i64);

impl FolderId {
    /// The root of the pair, which has no row of its own.
    pub const ROOT: FolderId = FolderId(1);
}

/// One name of the base as the manifest keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub base: Base,
    /// Where the rows below it are; only for folders.
    pub folder: Option<FolderId>,
}

/// A path at which not everything is as the base says, with what each of the three holds. The unit of deciding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub path: RelPath,
    pub base: Option<Box<Base>>,
    pub staging: Seen,
    pub network: Seen,
}

impl Difference {
    pub fn at(&self, side: Side) -> &Seen {
        match side {
            Side::Staging => &self.staging,
            Side::Network => &self.network,
        }
    }

    pub fn at_mut(&mut self, side: Side) -> &mut Seen {
        match side {
            Side::Staging => &mut self.staging,
            Side::Network => &mut self.network,
        }
    }
}

/// The three listings of one folder in step: each name that any of them holds, once, in order.
pub struct Zip<B, S, N> {
    base: std::iter::Peekable<std::vec::IntoIter<Item<B>>>,
    staging: std::iter::Peekable<std::vec::IntoIter<Item<S>>>,
    network: std::iter::Peekable<std::vec::IntoIter<Item<N>>>,
}

/// One name of a [`Zip`].
pub struct Triple<B, S, N> {
    pub name: Name,
    pub base: Option<B>,
    pub staging: Option<S>,
    pub network: Option<N>,
}

pub fn zip<B, S, N>(base: Listing<B>, staging: Listing<S>, network: Listing<N>) -> Zip<B, S, N> {
    Zip { base: base.into_iter().peekable(), staging: staging.into_iter().peekable(), network: network.into_iter().peekable() }
}

impl<B, S, N> Iterator for Zip<B, S, N> {
    type Item = Triple<B, S, N>;

    fn next(&mut self) -> Option<Self::Item> {
        let names = [
            self.base.peek().map(|item| &item.name),
            self.staging.peek().map(|item| &item.name),
            self.network.peek().map(|item| &item.name),
        ];
        let first = names.into_iter().flatten().min()?;
        let [in_base, in_staging, in_network] = names.map(|name| name == Some(first));
        let base = in_base.then(|| self.base.next()).flatten();
        let staging = in_staging.then(|| self.staging.next()).flatten();
        let network = in_network.then(|| self.network.next()).flatten();
        let (mut name, mut triple) = (None, (None, None, None));
        if let Some(item) = base {
            (name, triple.0) = (Some(item.name), Some(item.value));
        }
        if let Some(item) = staging {
            (name, triple.1) = (Some(item.name), Some(item.value));
        }
        if let Some(item) = network {
            (name, triple.2) = (Some(item.name), Some(item.value));
        }
        let name = name.expect("one of the three holds the first name");
        Some(Triple { name, base: triple.0, staging: triple.1, network: triple.2 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(names: &str) -> Listing<char> {
        names.chars().map(|c| Item { name: Name::new(c.to_string().as_bytes()).expect("a name"), value: c }).collect()
    }

    #[test]
    fn each_name_once_and_in_order() {
        let zipped: Vec<String> = zip(items("acd"), items("ab"), items("bde"))
            .map(|t| [t.base, t.staging, t.network].map(|c| c.unwrap_or('-')).iter().collect())
            .collect();
        assert_eq!(zipped, ["aa-", "-bb", "c--", "d-d", "--e"]);
    }
}
