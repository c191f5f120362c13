//! Commands of the user around a sync, with its report on their stdin.
//!
//! Invariants. They come from this machine's configuration alone. None is waited for beyond its time, or when somebody asks for an
//! end, and none of their failures changes what a sync did or how it ends.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::Stdio;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use crate::disk::group::{self, End};
use crate::engine::request::Pair;

/// A hook may take this long.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Set for a hook, so that a sync in it runs none.
pub const VARIABLE: &str = "DRIFTLESS_HOOK";

/// When a hook runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Occasion {
    BeforeSync,
    AfterSync,
    AfterDown,
    AfterUp,
    OnConflict,
    OnOffline,
    OnHeld,
}

impl Occasion {
    pub const ALL: [Occasion; 7] = [
        Occasion::BeforeSync,
        Occasion::AfterSync,
        Occasion::AfterDown,
        Occasion::AfterUp,
        Occasion::OnConflict,
        Occasion::OnOffline,
        Occasion::OnHeld,
    ];

    /// The key in `pair.toml`.
    pub fn word(self) -> &'static str {
        match self {
            Occasion::BeforeSync => "before_sync",
            Occasion::AfterSync => "after_sync",
            Occasion::AfterDown => "after_down",
            Occasion::AfterUp => "after_up",
            Occasion::OnConflict => "on_conflict",
            Occasion::OnOffline => "on_offline",
            Occasion::OnHeld => "on_held",
        }
    }

    pub fn parse(word: &str) -> Option<Occasion> {
        Occasion::ALL.into_iter().find(|occasion| occasion.word() == word)
    }
}

/// The command lines by occasion.
pub type Hooks = BTreeMap<Occasion, String>;

/// Runs the hook of an occasion, where there is one, in the pair's state folder: no root has to be there. `input` is its stdin, what
/// it prints goes to `stderr` of this program.
///
/// # Errors
/// A sentence: it could not be started, failed, or was ended, because it took longer than `patience` or `stop` was set.
pub fn run(
    hooks: &Hooks,
    occasion: Occasion,
    pair: &Pair,
    input: &str,
    patience: Duration,
    stop: &AtomicBool,
) -> Result<(), String> {
    let Some(line) = hooks.get(&occasion) else { return Ok(()) };
    let word = occasion.word();
    let failed = |error: io::Error| format!("the hook {word} could not be run: {error}");
    let mut command = group::shell(line);
    command.current_dir(&pair.state).env(VARIABLE, word).env("DRIFTLESS_PAIR", &pair.name);
    command.env("NETWORK_PROJECT_PATH", &pair.network).env("LOCAL_PROJECT_PATH", &pair.staging);
    // A group of its own, so that all of it can be ended. Its words are no result of ours.
    command.stdin(Stdio::piped()).stdout(io::stderr());
    let mut child = group::spawn(&mut command).map_err(failed)?;
    let mut stdin = child.stdin.take().expect("asked for above");
    let text = input.to_owned();
    // One that does not read is not waited for: the thread ends with the pipe.
    thread::spawn(move || drop(stdin.write_all(text.as_bytes())));
    // Its time is over: it was told how long it may take.
    match child.wait_for(Some(patience), Duration::ZERO, stop).map_err(failed)? {
        End::Own(status) if status.success() => Ok(()),
        End::Own(status) => Err(format!("the hook {word} failed ({status})")),
        End::Late => Err(format!("the hook {word} took longer than {} s and was ended", patience.as_secs_f32())),
        End::Stopped => Err(format!("the hook {word} was stopped")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(windows)]
    #[test]
    fn a_hook_is_a_line_for_cmd_and_its_end_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = folder.path().to_path_buf();
        let pair = Pair { name: "p".to_owned(), state, staging: "s".into(), network: "n".into(), others: Vec::new() };
        let run = |line: &str| {
            let hooks = Hooks::from([(Occasion::AfterUp, line.to_owned())]);
            let run = || run(&hooks, Occasion::AfterUp, &pair, "a=1\n", PATIENCE, &AtomicBool::new(false));
            let never = |words: &String| ["(os error 1359)", "0xc0000142"].iter().any(|word| words.contains(word));
            group::begun(run, |told| !told.as_ref().is_err_and(never))
        };
        assert_eq!(run("echo %DRIFTLESS_HOOK% \"%DRIFTLESS_PAIR%\">got"), Ok(()));
        let got = std::fs::read_to_string(folder.path().join("got")).expect("written");
        assert_eq!(got.trim_end(), "after_up \"p\"");
        assert!(run("exit 3").expect_err("failed").contains("after_up failed"));
    }

    #[cfg(unix)]
    #[test]
    fn a_hook_gets_the_report_and_its_end_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let hooks = |line: &str| Hooks::from([(Occasion::AfterUp, line.to_owned())]);
        let state = folder.path().to_path_buf();
        let pair = Pair { name: "p".to_owned(), state, staging: "/s".into(), network: "/n".into(), others: Vec::new() };
        let given = |line: &str, occasion, patience, stop| {
            run(&hooks(line), occasion, &pair, "{\"a\":1}", patience, &AtomicBool::new(stop))
        };
        let run = |line: &str, occasion| given(line, occasion, PATIENCE, false);
        assert_eq!(run("cat >got; echo $DRIFTLESS_HOOK $DRIFTLESS_PAIR >>got", Occasion::AfterUp), Ok(()));
        let got = std::fs::read_to_string(folder.path().join("got")).expect("written");
        assert_eq!(got, "{\"a\":1}after_up p\n");
        assert_eq!(run("exit 3", Occasion::AfterDown), Ok(()), "another occasion");
        assert!(run("exit 3", Occasion::AfterUp).expect_err("failed").contains("after_up failed"));
        let sleeps = |patience, stop| given("sleep 60; exit 0", Occasion::AfterUp, patience, stop).expect_err("too long");
        assert!(sleeps(Duration::from_millis(50), false).contains("was ended"));
        assert!(sleeps(PATIENCE, true).contains("was stopped"));
    }

    #[test]
    fn every_occasion_has_its_word() {
        for occasion in Occasion::ALL {
            assert_eq!(Occasion::parse(occasion.word()), Some(occasion));
        }
    }
}
