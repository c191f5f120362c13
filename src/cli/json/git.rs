//! What the commands of `git` tell.

use serde::Serialize;

use super::{PathText, line};
use crate::cli::exit::Exit;
use crate::cli::git::word;
use crate::git::backup::{Backup, Restored};
use crate::git::deliver::{Delivery, Outcome};
use crate::git::names::Oid;
use crate::git::publish::{End, Published};
use crate::git::state::Standing;
use crate::git::sync::Synced;
use crate::git::tree::Dirty;

fn paths(paths: &[Vec<u8>]) -> Vec<PathText> {
    paths.iter().map(|path| PathText::new(path)).collect()
}

fn oid(oid: Option<&Oid>) -> Option<&str> {
    oid.map(Oid::as_str)
}

#[derive(Serialize)]
struct StandingItem<'a> {
    state: &'static str,
    ahead: Option<u64>,
    behind: Option<u64>,
    local: Option<&'a str>,
    remote: Option<&'a str>,
    merge_base: Option<&'a str>,
    branch: Option<&'a str>,
    upstream: Option<String>,
    fetched: bool,
    shallow: bool,
    operation: Option<&'static str>,
    dirty: DirtyItem,
    reason: Option<String>,
}

#[derive(Serialize)]
struct DirtyItem {
    staged: usize,
    unstaged: usize,
    untracked: usize,
    would_block: Vec<PathText>,
}

impl<'a> StandingItem<'a> {
    fn of(standing: &'a Standing) -> StandingItem<'a> {
        let number = |which: fn(&Dirty) -> bool| standing.status.dirty.iter().filter(|dirty| which(dirty)).count();
        StandingItem {
            state: standing.relation.word(),
            ahead: standing.ahead,
            behind: standing.behind,
            local: oid(standing.head.commit.as_ref()),
            remote: oid(standing.remote.as_ref()),
            merge_base: oid(standing.merge_base.as_ref()),
            branch: standing.head.branch.as_deref(),
            upstream: standing.target.as_ref().map(ToString::to_string),
            fetched: standing.asked,
            shallow: standing.shallow,
            operation: standing.operation,
            dirty: DirtyItem {
                staged: number(|dirty| dirty.staged),
                unstaged: number(|dirty| dirty.unstaged),
                untracked: standing.status.untracked.len(),
                would_block: paths(&standing.in_the_way),
            },
            reason: standing.cause.as_ref().map(ToString::to_string),
        }
    }
}

/// How the branch stands.
pub fn git_state(standing: &Standing, exit: Exit) -> String {
    #[derive(Serialize)]
    struct Object<'a> {
        schema: &'static str,
        exit_code: u8,
        #[serde(flatten)]
        standing: StandingItem<'a>,
    }
    line(&Object { schema: "driftless.git.state/1", exit_code: exit.code(), standing: StandingItem::of(standing) })
}

#[derive(Serialize)]
struct DeliveryItem {
    delivered: usize,
    conflicts: Vec<ConflictItem>,
    rejected: Vec<String>,
    waiting: Option<String>,
}

#[derive(Serialize)]
struct ConflictItem {
    paths: Vec<PathText>,
    kept: String,
}

impl DeliveryItem {
    fn of(delivery: &Delivery) -> DeliveryItem {
        let mut item = DeliveryItem {
            delivered: 0,
            conflicts: Vec::new(),
            rejected: Vec::new(),
            waiting: delivery.left.as_ref().map(ToString::to_string),
        };
        for (_, outcome) in &delivery.outcomes {
            match outcome {
                Outcome::Landed(_) | Outcome::Unchanged => item.delivered += 1,
                Outcome::Conflict { paths: all, kept } => item.conflicts.push(ConflictItem { paths: paths(all), kept: kept.clone() }),
                Outcome::Rejected { kept, .. } => item.rejected.push(kept.clone()),
            }
        }
        item
    }
}

/// What a sync did.
pub fn git_sync(synced: &Synced, dry_run: bool, exit: Exit, elapsed_ms: u64) -> String {
    #[derive(Serialize)]
    struct Object<'a> {
        schema: &'static str,
        exit_code: u8,
        dry_run: bool,
        action: &'static str,
        from: Option<&'a str>,
        to: Option<&'a str>,
        files_changed: usize,
        kept_dirty: usize,
        backup: Option<&'a str>,
        displaced: Vec<PathText>,
        pending: DeliveryItem,
        found: StandingItem<'a>,
        elapsed_ms: u64,
    }
    let followed = synced.followed.as_ref();
    line(&Object {
        schema: "driftless.git.sync/1",
        exit_code: exit.code(),
        dry_run,
        action: synced.action.word(),
        from: followed.and_then(|followed| oid(followed.from.as_ref())),
        to: followed.map(|followed| followed.to.as_str()),
        files_changed: followed.map(|followed| followed.files_changed).unwrap_or_default(),
        kept_dirty: followed.map(|followed| followed.kept_dirty).unwrap_or_default(),
        backup: followed.and_then(|followed| followed.backup.as_deref()),
        displaced: followed.map(|followed| paths(&followed.displaced)).unwrap_or_default(),
        pending: DeliveryItem::of(&synced.delivery),
        found: StandingItem::of(&synced.standing),
        elapsed_ms,
    })
}

/// What became of a publish.
pub fn git_publish(published: &Published, target: &str, exit: Exit) -> String {
    #[derive(Serialize)]
    struct Item<'a> {
        #[serde(flatten)]
        path: PathText,
        blob: Option<&'a str>,
        was: Option<&'a str>,
        settled: Option<&'static str>,
    }
    #[derive(Serialize)]
    struct Object<'a> {
        schema: &'static str,
        exit_code: u8,
        result: &'static str,
        upstream: &'a str,
        id: &'a str,
        commit: Option<&'a str>,
        attempts: u32,
        others: usize,
        paths: Vec<Item<'a>>,
        conflicts: Vec<PathText>,
        kept: Option<&'a str>,
        reason: Option<String>,
    }
    let settled = |path: &[u8]| published.settled.iter().find(|(other, _)| other == path).map(|(_, policy)| policy.word());
    let (mut commit, mut conflicts, mut kept, mut reason) = (None, Vec::new(), None, None);
    match &published.end {
        End::Done(Outcome::Landed(landed)) => commit = Some(landed.as_str()),
        End::Done(Outcome::Unchanged) => {}
        End::Done(Outcome::Conflict { paths: all, kept: under }) => (conflicts, kept) = (paths(all), Some(under.as_str())),
        End::Done(Outcome::Rejected { message, kept: under }) => (kept, reason) = (Some(under.as_str()), Some(message.clone())),
        End::Waits { kept: under, why } => (kept, reason) = (Some(under.as_str()), Some(why.to_string())),
    }
    line(&Object {
        schema: "driftless.git.publish/1",
        exit_code: exit.code(),
        result: word(&published.end),
        upstream: target,
        id: &published.id,
        commit,
        attempts: published.attempts,
        others: published.others,
        paths: published
            .paths
            .iter()
            .map(|(path, was, blob)| Item {
                path: PathText::new(path),
                blob: oid(blob.as_ref()),
                was: oid(was.as_ref()),
                settled: settled(path),
            })
            .collect(),
        conflicts,
        kept,
        reason,
    })
}

/// All backups.
pub fn git_backups(backups: &[Backup]) -> String {
    #[derive(Serialize)]
    struct Item<'a> {
        id: &'a str,
        commit: &'a str,
        time: &'a str,
        why: &'a str,
        head: Option<&'a str>,
        commits: u64,
        files: Vec<PathText>,
    }
    #[derive(Serialize)]
    struct Object<'a> {
        schema: &'static str,
        exit_code: u8,
        backups: Vec<Item<'a>>,
    }
    let items = backups.iter().map(|backup| Item {
        id: &backup.id,
        commit: backup.commit.as_str(),
        time: &backup.time,
        why: &backup.why,
        head: oid(backup.head.as_ref()),
        commits: backup.commits,
        files: paths(&backup.files),
    });
    line(&Object { schema: "driftless.git.backups/1", exit_code: 0, backups: items.collect() })
}

/// What was taken out of one.
pub fn git_restored(id: &str, restored: &Restored) -> String {
    #[derive(Serialize)]
    struct Object<'a> {
        schema: &'static str,
        exit_code: u8,
        restored: &'a str,
        files: Vec<PathText>,
        deletes: Vec<PathText>,
        branch: Option<&'a str>,
    }
    line(&Object {
        schema: "driftless.git.backups/1",
        exit_code: 0,
        restored: id,
        files: paths(&restored.files),
        deletes: paths(&restored.deletes),
        branch: restored.branch.as_deref(),
    })
}
