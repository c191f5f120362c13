//! `git backups`: what following displaced, and taking it back.

use super::{Here, some};
use crate::cli::args::git::Backups;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::render::count;
use crate::cli::{Answer, json};
use crate::git::backup::{Backup, Restored, list, prune, restore};
use crate::git::lock::{self, Which};
use crate::git::names::Oid;

pub fn run(here: &Here<'_>, typed: &Backups) -> Result<Answer, Failure> {
    let repository = here.repository()?;
    match typed {
        Backups::List => {
            let backups = list(&repository)?;
            Ok(here.context.answer(Exit::Done, || json::git_backups(&backups), || text(&backups)))
        }
        Backups::Prune { older_than } => {
            let held = lock::take(&repository, Which::Writer, "backups prune", here.wait())?;
            let pruned = prune(&repository, &held, *older_than)?;
            Ok(here.context.answer(Exit::Done, || json::git_pruned(&pruned), || gone(&pruned)))
        }
        Backups::Restore { id, paths, to_branch } => {
            let mut only = paths.iter().map(|path| here.below_top(&repository, path)).collect::<Result<Vec<_>, _>>()?;
            if only.iter().any(Vec::is_empty) {
                only.clear();
            }
            let restored = restore(&repository, &repository.head()?, id, &only, to_branch.as_deref())?;
            Ok(here.context.answer(Exit::Done, || json::git_restored(id, &restored), || told(&restored)))
        }
    }
}

fn text(backups: &[Backup]) -> String {
    if backups.is_empty() {
        return "No backups.\n".to_owned();
    }
    let item = |backup: &Backup| {
        let commits = if backup.commits > 0 { format!(", {}", count(backup.commits, "commit")) } else { String::new() };
        let files = if backup.files.is_empty() { String::new() } else { format!(": {}", some(&backup.files)) };
        let number = count(backup.files.len() as u64, "file");
        format!("{}  {}\n  {}\n  {number}{commits}{files}\n", backup.id, backup.time, backup.why)
    };
    let items: String = backups.iter().map(item).collect();
    format!("{items}To take files back: driftless git backups restore ID [PATH…]; the commits: --to-branch NAME.\n")
}

fn gone(pruned: &[(String, Oid)]) -> String {
    if pruned.is_empty() {
        return "No backup is that old.\n".to_owned();
    }
    let lines: String = pruned.iter().map(|(id, commit)| format!("Deleted {id}: its commit was {commit}.\n")).collect();
    format!("{lines}Until git cleans up, `git branch NAME COMMIT` takes one back.\n")
}

fn told(restored: &Restored) -> String {
    let mut text = String::new();
    if !restored.files.is_empty() {
        text.push_str(&format!("Written back: {}.\n", some(&restored.files)));
    }
    if !restored.deletes.is_empty() {
        text.push_str(&format!("Had been deleted, and is left as it is: {}.\n", some(&restored.deletes)));
    }
    if let Some(branch) = &restored.branch {
        text.push_str(&format!("The commits that were left are the branch {branch}.\n"));
    }
    if text.is_empty() {
        text.push_str("The backup holds commits only: --to-branch NAME makes a branch of them.\n");
    }
    text
}
