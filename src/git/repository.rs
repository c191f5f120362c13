//! A clone: where its parts lie, what its settings say, which branch is checked out, and what stands open in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::command::{Git, both};
use super::error::{Error, Result};
use super::names::{Oid, Target};
use crate::disk::{checkout, local};
use crate::model::native;

/// A clone with a work tree.
pub struct Repository {
    /// git at the top of the work tree.
    pub git: Git,
    pub top: PathBuf,
    /// That of this work tree.
    pub git_dir: PathBuf,
    /// That which all work trees of this clone share.
    pub common: PathBuf,
    pub shallow: bool,
    config: Config,
}

/// What is checked out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// `None`: no branch (detached).
    pub branch: Option<String>,
    /// `None`: no commit yet.
    pub commit: Option<Oid>,
}

/// The settings as git sees them, in their order. It may hold credentials: never printed.
struct Config(Vec<(String, Option<String>)>);

impl Repository {
    /// The clone that `git.folder()` lies in.
    pub fn open(git: &Git) -> Result<Repository> {
        let asked = ["rev-parse", "--path-format=absolute", "--is-bare-repository", "--is-shallow-repository", "--git-dir"];
        let mut fitted = git.clone();
        let ((output, config), ()) = both(
            || {
                both(
                    || git.call(&asked).args(["--git-common-dir", "--show-toplevel"]).run(),
                    || git.call(&["config", "-z", "--list"]).run(),
                )
            },
            || fitted.fit(),
        )?;
        let lines: Vec<&[u8]> = output.stdout.strip_suffix(b"\n").unwrap_or_default().split(|byte| *byte == b'\n').collect();
        if output.code != 0 || lines.len() != 5 {
            return Err(no_clone(git.folder(), &lines, &output.message));
        }
        let path = |line: &[u8]| PathBuf::from(native::spelled(line).into_owned());
        let top = path(lines[4]);
        let mut git = fitted.at(&top);
        if config.code != 0 {
            return Err(config.error("config"));
        }
        let config = Config::parse(&config.stdout);
        // ssh would ask on the terminal; what the user has set up for it stays.
        let own = ["GIT_SSH_COMMAND", "GIT_SSH"].iter().any(|name| std::env::var_os(name).is_some());
        if !own && config.last("core.sshcommand").is_none() {
            git.set("core.sshCommand=ssh -o BatchMode=yes");
        }
        Ok(Repository { git, top, git_dir: path(lines[2]), common: path(lines[3]), shallow: lines[1] == b"true", config })
    }

    /// A folder for what we keep beside the refs; made, for this user alone where it is new.
    pub fn own_folder(&self) -> Result<PathBuf> {
        let own = self.common.join("driftless");
        if !local::is_folder(&own) {
            local::make_folders_like(&own, &self.common)?;
        }
        Ok(own)
    }

    /// What is checked out, with its commit.
    pub fn head(&self) -> Result<Head> {
        Ok(Head { branch: self.branch()?, commit: self.commit("HEAD")? })
    }

    /// The branch that is checked out. Where git keeps refs in files, the file says so.
    pub fn branch(&self) -> Result<Option<String>> {
        let file = local::read_text(&self.git_dir.join("HEAD"), 4096).ok().flatten().unwrap_or_default();
        match file.strip_suffix('\n').and_then(|text| text.strip_prefix("ref: refs/heads/")) {
            Some(branch) if super::names::is_name(branch) => Ok(Some(branch.to_owned())),
            _ => self.ask_for_branch(),
        }
    }

    /// Several refs by one question; those that there are.
    pub fn refs(&self, names: &[&str]) -> Result<BTreeMap<String, Oid>> {
        Ok(super::refs::list(self, names)?.into_iter().map(|one| (one.name, one.oid)).collect())
    }

    fn ask_for_branch(&self) -> Result<Option<String>> {
        let named = self.git.call(&["symbolic-ref", "-q", "HEAD"]).run()?;
        match named.code {
            0 => {
                let name = String::from_utf8_lossy(&named.stdout).trim().to_owned();
                let branch = name.strip_prefix("refs/heads/").map(str::to_owned);
                branch.ok_or_else(|| Error::Answer { verb: "symbolic-ref".to_owned(), message: name }).map(Some)
            }
            1 => Ok(None),
            _ => Err(named.error("symbolic-ref")),
        }
    }

    /// The commit behind a ref or a name; `None` where there is none.
    pub fn commit(&self, name: &str) -> Result<Option<Oid>> {
        let output =
            self.git.call(&["rev-parse", "-q", "--verify", "--end-of-options"]).arg(format!("{name}^{{commit}}")).run()?;
        match output.code {
            0 => Oid::of("rev-parse", &output.stdout).map(Some),
            1 => Ok(None),
            _ => Err(output.error("rev-parse")),
        }
    }

    /// Puts a ref that was made just now on the disk, with its name in its folders: git flushes the file alone, and that from
    /// 2.36 on. What it names was there before.
    pub fn flush_ref(&self, name: &str) -> Result<()> {
        let file = self.common.join(name);
        // Where refs lie in a table, git flushes that.
        let lies_in_a_file = local::is_file(&file);
        let above = file.ancestors().skip(1).take_while(|folder| *folder != self.common && lies_in_a_file);
        if lies_in_a_file {
            local::flush_folder(&file)?;
        }
        for folder in above {
            local::flush_folder(folder)?;
        }
        Ok(())
    }

    /// Is the first commit in the history of the second? An error where that history is not all here.
    pub fn is_ancestor(&self, above: &Oid, below: &Oid) -> Result<bool> {
        let output = self.git.call(&["merge-base", "--is-ancestor", above.as_str(), below.as_str()]).run()?;
        match output.code {
            0 => Ok(true),
            1 => Ok(false),
            _ => Err(output.error("merge-base")),
        }
    }

    /// The branch of the remote that `branch` goes with; `None` where nothing says so.
    pub fn upstream(&self, branch: Option<&str>) -> Result<Option<Target>> {
        let Some(branch) = branch else { return Ok(None) };
        let (remote, merge) = (self.setting(&format!("branch.{branch}.remote")), self.setting(&format!("branch.{branch}.merge")));
        match (remote, merge.and_then(|merge| merge.strip_prefix("refs/heads/"))) {
            (Some(remote), Some(merge)) if self.has_remote(remote) => Target::new(remote, merge).map(Some),
            _ => Ok(None),
        }
    }

    /// What the words of a command line and the settings come to.
    pub fn target(&self, checked_out: Option<&str>, remote: Option<&str>, branch: Option<&str>) -> Result<Option<Target>> {
        let upstream = self.upstream(checked_out)?;
        if remote.is_none() && branch.is_none() {
            return Ok(upstream);
        }
        let told = |pick: fn(&Target) -> &String| upstream.as_ref().map(|target| pick(target).clone());
        let remote = remote.map(str::to_owned).or_else(|| told(|target| &target.remote)).unwrap_or_else(|| "origin".to_owned());
        if !self.has_remote(&remote) {
            let known = "Nothing was changed. `git remote -v` lists those that there are.";
            return Err(Error::refused(
                format!("This clone has no remote called {}.", crate::model::shown::short(&remote)),
                known,
            ));
        }
        let branch =
            branch.map(str::to_owned).or_else(|| told(|target| &target.branch)).or_else(|| checked_out.map(str::to_owned));
        branch.map(|branch| Target::new(&remote, &branch)).transpose()
    }

    pub fn has_remote(&self, name: &str) -> bool {
        self.setting(&format!("remote.{name}.url")).is_some()
    }

    /// The last value of a setting. Section and key are in small letters.
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.config.last(key)
    }

    /// The URLs of all remotes as they are set. They may hold credentials: never printed.
    pub fn remote_urls(&self) -> Vec<String> {
        let of_remote = |key: &str| key.starts_with("remote.") && (key.ends_with(".url") || key.ends_with(".pushurl"));
        self.config.0.iter().filter(|(key, _)| of_remote(key)).filter_map(|(_, value)| value.clone()).collect()
    }

    /// `origin`, else the only remote that there is.
    pub fn main_remote(&self) -> Option<String> {
        if self.has_remote("origin") {
            return Some("origin".to_owned());
        }
        let name = |key: &str| Some(key.strip_prefix("remote.")?.strip_suffix(".url")?.to_owned());
        let mut names: Vec<String> = self.config.0.iter().filter_map(|(key, _)| name(key)).collect();
        names.dedup();
        names.pop().filter(|only| names.is_empty() && super::names::is_name(only))
    }

    /// Is a setting on? `None` where it is not there.
    pub fn is_on(&self, key: &str) -> Option<bool> {
        let value = self.config.0.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value.as_deref())?;
        Some(!matches!(value.map(str::to_ascii_lowercase).as_deref(), Some("false" | "no" | "off" | "0" | "")))
    }

    /// What the user is in the middle of.
    pub fn operation(&self) -> Option<&'static str> {
        let signs = [
            ("rebase-merge", "rebase"),
            ("rebase-apply/applying", "am"),
            ("rebase-apply", "rebase"),
            ("MERGE_HEAD", "merge"),
            ("CHERRY_PICK_HEAD", "cherry-pick"),
            ("REVERT_HEAD", "revert"),
            ("BISECT_LOG", "bisect"),
            ("sequencer", "cherry-pick"),
        ];
        signs.into_iter().find(|(sign, _)| local::is_taken(&self.git_dir.join(sign))).map(|(_, word)| word)
    }

    /// The path of a file below the top, by its bytes.
    pub fn place(&self, path: &[u8]) -> PathBuf {
        checkout::place(&self.top, path)
    }

    /// The path below the top of something that the user named; empty for the top itself.
    pub fn below_top(&self, path: &Path) -> Option<Vec<u8>> {
        let below = native::slashed(path.strip_prefix(&self.top).ok()?).into_owned();
        (below.is_empty() || is_path(&below)).then_some(below)
    }
}

/// May a commit hold this path? Git itself takes less care where a commit is made by hand.
pub fn is_path(path: &[u8]) -> bool {
    let part = |part: &[u8]| !matches!(part, b"" | b"." | b"..") && !part.eq_ignore_ascii_case(b".git") && !part.contains(&0);
    path.split(|byte| *byte == b'/').all(part)
}

fn no_clone(folder: &Path, lines: &[&[u8]], message: &str) -> Error {
    let shown = folder.to_string_lossy();
    let shown = crate::model::shown::short(&shown);
    if message.contains("dubious ownership") {
        let advice = "Nothing was done. If you trust it, `git config --global --add safe.directory DIR` says so.";
        return Error::refused(format!("The repository at {shown} belongs to another user: {message}."), advice);
    }
    if lines.first() == Some(&&b"true"[..]) {
        let advice = "Run this in a clone with a work tree.";
        return Error::refused(format!("The repository at {shown} has no work tree (it is bare)."), advice);
    }
    let advice = "Go to a clone, name one with -C DIR, or make one: driftless git sync --initial --clone URL.";
    Error::refused(format!("The folder {shown} lies in no git repository."), advice)
}

impl Config {
    fn parse(listed: &[u8]) -> Config {
        let text = String::from_utf8_lossy(listed);
        let entries = text.split('\0').filter(|entry| !entry.is_empty());
        Config(
            entries
                .map(|entry| match entry.split_once('\n') {
                    Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
                    None => (entry.to_owned(), None),
                })
                .collect(),
        )
    }

    fn last(&self, key: &str) -> Option<&str> {
        self.0.iter().rev().find(|(name, _)| name == key)?.1.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_as_git_lists_them() {
        let config = Config::parse(b"core.bare\nfalse\0branch.a.b.remote\norigin\0core.x\0user.name\nA\nB\0user.name\nC\0");
        assert_eq!(config.last("branch.a.b.remote"), Some("origin"));
        assert_eq!(config.last("user.name"), Some("C"));
        assert_eq!(config.last("core.x"), None);
        assert_eq!(config.last("core.y"), None);
    }

    #[test]
    fn a_path_stays_in_the_work_tree_and_out_of_git() {
        for path in [&b"a"[..], b"a/b c", b"\xff", b"a/.github", b"...", b"git"] {
            assert!(is_path(path), "{path:?}");
        }
        for path in [&b""[..], b"/a", b"a/", b"a//b", b"../a", b"a/./b", b".git/config", b"a/.GIT/x", b"a\0b"] {
            assert!(!is_path(path), "{path:?}");
        }
    }
}
