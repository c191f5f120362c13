//! A command on the staged copy: the process and its signals, steps with their mailbox, hooks around a sync.
//!
//! Invariants. Nothing here touches a root's content: results are taken over by [`Carrier`], which is a plain `sync`. No
//! failure of one ends the command. What a command inside staging can ask for is in [`mailbox`], and nothing else is.

pub mod child;
pub mod desk;
pub mod hooks;
pub mod mailbox;
pub mod steps;

use serde_json::Value;

use crate::model::side::Direction;

/// Who takes changes over: the engine here, or a watch process that is asked.
pub trait Carrier: Sync {
    /// One `sync` over everything.
    fn carry(&self, direction: Direction, wait: Wait) -> Carried;
    /// Lets a watch process carry nothing by itself, or go on.
    fn hold(&self, held: bool) -> Hold;
    /// A line for the user.
    fn say(&self, line: &str);
}

/// Is a root that is away, or another run, waited for?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// It is tried again soon anyway.
    No,
    AsSet,
}

/// What became of a word to the watch process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    Done,
    /// There is none, or it was so already.
    Needless,
    /// It did not answer: it may go on as before.
    Failed,
}

/// How a sync ended.
#[derive(Clone, Debug)]
pub struct Carried {
    /// The exit code that `sync` would have had.
    pub code: u8,
    /// The object of `sync --json`.
    pub report: Value,
}

impl Carried {
    /// "3 files (5120 bytes) sent, 1 deleted, 0.4 s"; what could not be done, in the words of the report.
    pub fn words(&self) -> String {
        let number = |path: &[&str]| path.iter().fold(&self.report, |value, key| &value[*key]).as_u64().unwrap_or_default();
        let files = number(&["written", "files"]);
        let plural = if files == 1 { "" } else { "s" };
        let mut words = format!("{files} file{plural} ({} bytes)", number(&["written", "bytes"]));
        for (key, what) in [("files", "deleted"), ("dirs", "folders deleted")] {
            match number(&["deleted", key]) {
                0 => {}
                deleted => words.push_str(&format!(", {deleted} {what}")),
            }
        }
        let seconds = self.seconds();
        words.push_str(&format!(", {seconds} s"));
        // The network was looked at within the run: what it told is no older than the run took. A watch process that sends does not look.
        if self.report["via"] != "watch" || self.report["direction"] != "up" {
            words.push_str(&format!(", network seen at most {seconds} s ago"));
        }
        words
    }

    fn seconds(&self) -> String {
        let milliseconds = self.report["elapsed_ms"].as_u64().unwrap_or_default();
        format!("{}.{}", milliseconds / 1_000, milliseconds % 1_000 / 100)
    }

    /// Why it was not done, or not all of it.
    pub fn trouble(&self) -> String {
        let list = |key: &str| self.report[key].as_array().map_or(0, Vec::len);
        let text = |key: &str| self.report[key].as_str();
        let count = |number: usize, one: &str, many: &str| match number {
            0 => None,
            1 => Some(format!("1 {one}")),
            number => Some(format!("{number} {many}")),
        };
        let found = [count(list("conflicts"), "conflict", "conflicts"), count(list("problems"), "path left", "paths left")];
        let listed: Vec<String> = found.into_iter().flatten().collect();
        match text("message") {
            Some(message) => message.trim_end_matches('.').to_owned(),
            None if listed.is_empty() => text("outcome").unwrap_or("failed").to_owned(),
            None => listed.join(", "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_sync_is_told_in_one_line() {
        let report = json!({"written": {"files": 1, "bytes": 9}, "deleted": {"files": 2, "dirs": 0}, "elapsed_ms": 1_450});
        let done = Carried { code: 0, report };
        assert_eq!(done.words(), "1 file (9 bytes), 2 deleted, 1.4 s, network seen at most 1.4 s ago");
        let watched = Carried { code: 0, report: json!({"via": "watch", "direction": "up", "elapsed_ms": 20}) };
        assert_eq!(watched.words(), "0 files (0 bytes), 0.0 s");
        for (report, expected) in [
            (json!({"message": "It is away."}), "It is away"),
            (json!({"conflicts": [1], "problems": [1, 2], "outcome": "conflicts"}), "1 conflict, 2 paths left"),
            (json!({"outcome": "held"}), "held"),
            (json!({}), "failed"),
        ] {
            assert_eq!(Carried { code: 3, report }.trouble(), expected);
        }
    }
}
