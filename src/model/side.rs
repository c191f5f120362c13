//! The two roots of a pair and the directions a run can take.

use std::fmt;
use std::ops::{Index, IndexMut};

/// One of the two roots of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// The local, fast copy that tools work on.
    Staging,
    /// The shared copy that people keep.
    Network,
}

impl Side {
    pub const BOTH: [Side; 2] = [Side::Staging, Side::Network];

    pub fn other(self) -> Side {
        match self {
            Side::Staging => Side::Network,
            Side::Network => Side::Staging,
        }
    }

    /// The word that reports and the manifest use.
    pub fn word(self) -> &'static str {
        match self {
            Side::Staging => "staging",
            Side::Network => "network",
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Which sides a run may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Staging's changes go to the network root.
    Up,
    /// The network's changes go to staging.
    Down,
    /// Both.
    Both,
}

impl Direction {
    /// May this run write at `side`? (Invariant *Direction*.)
    pub fn writes(self, side: Side) -> bool {
        match self {
            Direction::Up => side == Side::Network,
            Direction::Down => side == Side::Staging,
            Direction::Both => true,
        }
    }

    /// The same run with the sides' names exchanged.
    #[cfg(test)]
    pub fn mirrored(self) -> Direction {
        match self {
            Direction::Up => Direction::Down,
            Direction::Down => Direction::Up,
            Direction::Both => Direction::Both,
        }
    }

    /// The word that reports and the manifest use.
    pub fn word(self) -> &'static str {
        match self {
            Direction::Up => "up",
            Direction::Down => "down",
            Direction::Both => "both",
        }
    }
}

/// A value for each side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerSide<T> {
    pub staging: T,
    pub network: T,
}

impl<T> PerSide<T> {
    pub fn new(staging: T, network: T) -> Self {
        PerSide { staging, network }
    }

    /// The same values with the sides exchanged.
    #[cfg(test)]
    pub fn mirrored(self) -> Self {
        PerSide { staging: self.network, network: self.staging }
    }

    pub fn as_ref(&self) -> PerSide<&T> {
        PerSide { staging: &self.staging, network: &self.network }
    }

    pub fn map<U>(self, mut f: impl FnMut(T) -> U) -> PerSide<U> {
        PerSide { staging: f(self.staging), network: f(self.network) }
    }
}

impl<T> Index<Side> for PerSide<T> {
    type Output = T;

    fn index(&self, side: Side) -> &T {
        match side {
            Side::Staging => &self.staging,
            Side::Network => &self.network,
        }
    }
}

impl<T> IndexMut<Side> for PerSide<T> {
    fn index_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Staging => &mut self.staging,
            Side::Network => &mut self.network,
        }
    }
}
