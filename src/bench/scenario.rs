//! What is done to a project before a tool is measured.

/// One kind of change, and what a tool has to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scenario {
    First,
    Nothing,
    Changed,
    Percent,
    Touch,
    Rename,
    Append,
    Middle,
    Delete,
    Conflicts,
    Storm,
    Event,
    Flush,
}

impl Scenario {
    /// In the order in which they are measured.
    pub const ALL: [Scenario; 13] = [
        Scenario::First,
        Scenario::Nothing,
        Scenario::Changed,
        Scenario::Percent,
        Scenario::Touch,
        Scenario::Rename,
        Scenario::Append,
        Scenario::Middle,
        Scenario::Delete,
        Scenario::Conflicts,
        Scenario::Storm,
        Scenario::Event,
        Scenario::Flush,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Scenario::First => "first",
            Scenario::Nothing => "nothing",
            Scenario::Changed => "changed",
            Scenario::Percent => "percent",
            Scenario::Touch => "touch",
            Scenario::Rename => "rename",
            Scenario::Append => "append",
            Scenario::Middle => "middle",
            Scenario::Delete => "delete",
            Scenario::Conflicts => "conflicts",
            Scenario::Storm => "storm",
            Scenario::Event => "event",
            Scenario::Flush => "flush",
        }
    }

    /// What it is, for people.
    pub fn sentence(self) -> &'static str {
        match self {
            Scenario::First => "first sync into an empty folder",
            Scenario::Nothing => "nothing changed",
            Scenario::Changed => "a few files changed",
            Scenario::Percent => "one file in a hundred changed",
            Scenario::Touch => "every file has a new time and no new content",
            Scenario::Rename => "the largest folder renamed",
            Scenario::Append => "a huge file grew by 64 KiB",
            Scenario::Middle => "4 KiB changed in the middle of a huge file",
            Scenario::Delete => "a tenth of the files deleted",
            Scenario::Conflicts => "the same files changed on both sides",
            Scenario::Storm => "many files saved at once under a watch process, until the last is there",
            Scenario::Event => "one file saved under a watch process, until it is there",
            Scenario::Flush => "a few files changed, then a sync; ours asks its watch process",
        }
    }

    /// Is a tool watching while this is measured?
    pub fn is_watched(self) -> bool {
        matches!(self, Scenario::Storm | Scenario::Event | Scenario::Flush)
    }

    pub fn needs_huge_file(self) -> bool {
        matches!(self, Scenario::Append | Scenario::Middle)
    }
}
