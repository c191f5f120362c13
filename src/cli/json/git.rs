//! What the commands of `git` tell.

use serde::Serialize;

use super::{PathText, line};
use crate::cli::exit::Exit;
use crate::cli::git::{Board, Judged, Turns, tick_word, word};
use crate::git::backup::{Backup, Restored};
use crate::git::deliver::{Delivery, Outcome};
use crate::git::history::{Event, Health};
use crate::git::kept::Kept;
use crate::git::lock::{Holder, Which};
use crate::git::names::Oid;
use crate::git::publish::{End, Published};
use crate::git::state::Standing;
use crate::git::sync::Synced;
use crate::git::tick::Ticked;
use crate::git::tree::{Change, Dirty, Version};
use crate::git::unlock::Verdict;

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
                Outcome::Conflict { paths: all, kept } => {
                    item.conflicts.push(ConflictItem { paths: paths(all), kept: kept.clone() })
                }
                Outcome::Rejected { kept, .. } => item.rejected.push(kept.clone()),
            }
        }
        item
    }
}

#[derive(Serialize)]
struct LeftOutItem<'a> {
    commits: usize,
    backups: &'a [String],
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
        left_out: Option<LeftOutItem<'a>>,
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
        left_out: synced.left_out.as_ref().map(|out| LeftOutItem { commits: out.commits, backups: &out.backups }),
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

#[derive(Serialize)]
struct KeptItem<'a> {
    id: &'a str,
    state: &'static str,
    upstream: String,
    #[serde(rename = "ref")]
    name: &'a str,
    commit: &'a str,
    time: &'a str,
    on_conflict: &'static str,
    message: &'a str,
    paths: Vec<PathItem<'a>>,
}

#[derive(Serialize)]
struct PathItem<'a> {
    #[serde(flatten)]
    path: PathText,
    blob: Option<&'a str>,
    was: Option<&'a str>,
}

impl<'a> KeptItem<'a> {
    fn of(kept: &'a Kept) -> KeptItem<'a> {
        let version = |version: &'a Option<Version>| version.as_ref().map(|version| version.oid.as_str());
        let path = |change: &'a Change| PathItem {
            path: PathText::new(&change.path),
            blob: version(&change.after),
            was: version(&change.before),
        };
        KeptItem {
            id: &kept.publish.id,
            state: kept.state(),
            upstream: kept.target.to_string(),
            name: &kept.name,
            commit: kept.publish.commit.as_str(),
            time: &kept.time,
            on_conflict: kept.publish.policy.word(),
            message: &kept.publish.message,
            paths: kept.publish.changes.iter().map(path).collect(),
        }
    }
}

/// Publishes that are not at the remote.
pub fn git_pending(all: &[Kept]) -> String {
    #[derive(Serialize)]
    struct Object<'a> {
        schema: &'static str,
        exit_code: u8,
        publishes: Vec<KeptItem<'a>>,
    }
    line(&Object { schema: "driftless.git.pending/1", exit_code: 0, publishes: all.iter().map(KeptItem::of).collect() })
}

/// What became of those that were tried again.
pub fn git_retried(all: &[Kept], delivery: &Delivery, exit: Exit) -> String {
    #[derive(Serialize)]
    struct Object<'a> {
        schema: &'static str,
        exit_code: u8,
        retried: Vec<&'a str>,
        pending: DeliveryItem,
    }
    let retried = all.iter().map(|kept| &kept.publish.id[..]).collect();
    let pending = DeliveryItem::of(delivery);
    line(&Object { schema: "driftless.git.pending/1", exit_code: exit.code(), retried, pending })
}

/// Those that were given up.
pub fn git_dropped(all: &[Kept]) -> String {
    #[derive(Serialize)]
    struct Object<'a> {
        schema: &'static str,
        exit_code: u8,
        dropped: Vec<KeptItem<'a>>,
    }
    line(&Object { schema: "driftless.git.pending/1", exit_code: 0, dropped: all.iter().map(KeptItem::of).collect() })
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

/// Those that were deleted.
pub fn git_pruned(pruned: &[(String, Oid)]) -> String {
    #[derive(Serialize)]
    struct Item<'a> {
        id: &'a str,
        commit: &'a str,
    }
    #[derive(Serialize)]
    struct Object<'a> {
        schema: &'static str,
        exit_code: u8,
        pruned: Vec<Item<'a>>,
    }
    let pruned = pruned.iter().map(|(id, commit)| Item { id, commit: commit.as_str() }).collect();
    line(&Object { schema: "driftless.git.backups/1", exit_code: 0, pruned })
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

/// What a tick came to.
pub fn git_tick(ticked: &Ticked, exit: Exit) -> String {
    #[derive(Serialize)]
    struct Object<'a> {
        schema: &'static str,
        exit_code: u8,
        result: &'static str,
        id: Option<&'a str>,
        paths: Vec<PathText>,
        pushed: Option<&'a str>,
        replaced: Option<&'a str>,
        backup: Option<&'a str>,
        action: Option<&'static str>,
        pending: Option<DeliveryItem>,
        reason: Option<String>,
    }
    let (pushed, synced) = (ticked.pushed.as_ref(), ticked.synced.as_ref());
    let replaced = pushed.and_then(|ours| ours.replaced.as_ref());
    line(&Object {
        schema: "driftless.git.tick/1",
        exit_code: exit.code(),
        result: tick_word(ticked),
        id: ticked.id.as_deref(),
        paths: paths(&ticked.paths),
        pushed: pushed.map(|ours| ours.commit.as_str()),
        replaced: replaced.map(|(was, _)| was.as_str()),
        backup: replaced.map(|(_, kept)| kept.as_str()),
        action: synced.map(|synced| synced.action.word()),
        pending: synced.map(|synced| DeliveryItem::of(&synced.delivery)),
        reason: ticked.left.as_ref().map(ToString::to_string),
    })
}

/// How a watch stands: its status file, and with `--json` its lines.
pub fn git_watch(board: &Board, op: &str, now: &str) -> String {
    #[derive(Serialize)]
    struct Loop<'a> {
        every_ms: Option<u64>,
        running_since: Option<&'a str>,
        last_at: Option<&'a str>,
        last_event: Option<&'a str>,
        last_success_at: Option<&'a str>,
        consecutive_failures: u64,
        message: Option<&'a str>,
    }
    #[derive(Serialize)]
    struct Object<'a> {
        schema: &'static str,
        at: &'a str,
        op: &'a str,
        process: u32,
        state: Option<&'a str>,
        consecutive_failures: u64,
        sync: Loop<'a>,
        tick: Option<Loop<'a>>,
        after_change: Option<Loop<'a>>,
    }
    fn of(turns: &Turns) -> Loop<'_> {
        Loop {
            every_ms: turns.every.map(|every| u64::try_from(every.as_millis()).unwrap_or(u64::MAX)),
            running_since: turns.running_since.as_deref(),
            last_at: turns.last_at.as_deref(),
            last_event: turns.last_event.as_deref(),
            last_success_at: turns.last_success_at.as_deref(),
            consecutive_failures: turns.consecutive_failures,
            message: turns.message.as_deref(),
        }
    }
    let all = [Some(&board.sync), board.tick.as_ref(), board.after_change.as_ref()];
    line(&Object {
        schema: "driftless.git.watch/1",
        at: now,
        op,
        process: std::process::id(),
        state: board.state,
        consecutive_failures: all.into_iter().flatten().map(|turns| turns.consecutive_failures).max().unwrap_or_default(),
        sync: of(&board.sync),
        tick: board.tick.as_ref().map(of),
        after_change: board.after_change.as_ref().map(of),
    })
}

#[derive(Serialize)]
struct HolderItem<'a> {
    host: &'a str,
    process: u32,
    purpose: &'a str,
    since: &'a str,
}

impl<'a> HolderItem<'a> {
    fn of(holder: &'a Holder) -> HolderItem<'a> {
        HolderItem { host: &holder.host, process: holder.process, purpose: &holder.purpose, since: &holder.since }
    }
}

/// How it goes.
pub fn git_health(health: &Health, holder: Option<&Holder>, exit: Exit) -> String {
    #[derive(Serialize)]
    struct Object<'a> {
        schema: &'static str,
        exit_code: u8,
        events: u64,
        went_well: u64,
        success_rate: Option<f64>,
        last: Option<&'a Event>,
        last_success: Option<&'a Event>,
        last_failure: Option<&'a Event>,
        consecutive_failures: u64,
        pending: usize,
        oldest_pending: Option<&'a str>,
        conflicts: usize,
        rejected: usize,
        backups: usize,
        lock: Option<HolderItem<'a>>,
    }
    let rate = (health.events > 0).then(|| health.went_well as f64 / health.events as f64);
    line(&Object {
        schema: "driftless.git.health/1",
        exit_code: exit.code(),
        events: health.events,
        went_well: health.went_well,
        success_rate: rate,
        last: health.last.as_ref(),
        last_success: health.last_success.as_ref(),
        last_failure: health.last_failure.as_ref(),
        consecutive_failures: health.failures,
        pending: health.pending,
        oldest_pending: health.oldest.as_deref(),
        conflicts: health.conflicts,
        rejected: health.rejected,
        backups: health.backups,
        lock: holder.map(HolderItem::of),
    })
}

/// Who is at work.
pub fn git_lock(holders: &[(Which, Option<Holder>)]) -> String {
    #[derive(Serialize)]
    struct Object<'a> {
        schema: &'static str,
        exit_code: u8,
        refs: Option<HolderItem<'a>>,
        work_tree: Option<HolderItem<'a>>,
    }
    let of = |which: Which| {
        let found = holders.iter().find(|(other, _)| *other == which);
        found.and_then(|(_, holder)| holder.as_ref()).map(HolderItem::of)
    };
    line(&Object { schema: "driftless.git.lock/1", exit_code: 0, refs: of(Which::Writer), work_tree: of(Which::Turn) })
}

/// What became of lock files.
pub fn git_unlock(judged: &[Judged], dry_run: bool, exit: Exit) -> String {
    #[derive(Serialize)]
    struct Item<'a> {
        #[serde(flatten)]
        path: PathText,
        age_s: u64,
        left: bool,
        removed: bool,
        why: &'a str,
    }
    #[derive(Serialize)]
    struct Object<'a> {
        schema: &'static str,
        exit_code: u8,
        dry_run: bool,
        locks: Vec<Item<'a>>,
    }
    let locks = judged.iter().map(|(found, removed)| {
        let (left, why) = match &found.verdict {
            Verdict::Left(why) => (true, why.as_str()),
            Verdict::Stays(why) => (false, why.as_str()),
        };
        Item { path: PathText::whole(&found.path), age_s: found.age.as_secs(), left, removed: *removed, why }
    });
    line(&Object { schema: "driftless.git.unlock/1", exit_code: exit.code(), dry_run, locks: locks.collect() })
}
