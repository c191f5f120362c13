//! Plans as lines of text, and their mirror images.

use super::trees::{OLD, mirrored_base, policies, time_word};
use crate::model::conflict::{Conflict, Policy};
use crate::model::entry::{Base, Kind};
use crate::model::finding::Problem;
use crate::model::listing::{Difference, Seen};
use crate::model::plan::{Action, Op, Plan};
use crate::model::reconcile::Rules;
use crate::model::side::Side;

/// One line for each thing that a plan says, actions first.
pub(super) fn lines(plan: &Plan) -> Vec<String> {
    let mut lines: Vec<String> = plan.actions.iter().map(action).collect();
    lines.extend(plan.conflicts.iter().map(|conflict| format!("conflict {} ({})", conflict.path, conflict.why.sentence())));
    lines.extend(plan.problems.iter().map(|problem| format!("{} {} {}", problem.kind.word(), problem.side, problem.path)));
    let mut notes: Vec<String> = plan.notes.iter().map(|note| format!("note {}", note.path)).collect();
    notes.sort();
    notes.dedup();
    lines.extend(notes);
    for side in Side::BOTH {
        if plan.pending[side] > 0 {
            lines.push(format!("pending {side} {}", plan.pending[side]));
        }
    }
    lines
}

fn action(action: &Action) -> String {
    let Action { path, op, why } = action;
    let what = match op {
        Op::Record { first: true, .. } => format!("adopt {path}"),
        Op::Record { first: false, .. } => format!("record {path}"),
        Op::Forget => format!("forget {path}"),
        Op::Write { to, from, expect, revived } => {
            let word = match (revived, expect.found().map(|old| old.entry.kind())) {
                (true, _) => "revive",
                (false, None) => "write",
                (false, Some(kind)) if kind == from.entry.kind() => "overwrite",
                (false, Some(_)) => "replace",
            };
            format!("{word} {to} {path}")
        }
        Op::Delete { side, .. } => format!("delete {side} {path}"),
        Op::Touch { side, mtime, mode, .. } => {
            let mtime = mtime.map(|time| format!(" {}", time_word(time))).unwrap_or_default();
            let mode = mode.map(|mode| format!(" :{mode:o}")).unwrap_or_default();
            format!("touch {side} {path}{mtime}{mode}")
        }
        Op::Rename { side, from, .. } => format!("rename {side} {from} {path}"),
        Op::Aside { to, .. } => format!("aside {path} {to}"),
    };
    // The mark of a version that is kept beside, in short.
    let what = what.replace(".conflict-staging-20231116T020000Z-lab", "~");
    format!("{what} ({})", why.sentence())
}

pub(super) fn mirrored_rows(rows: &[Difference]) -> Vec<Difference> {
    let mirrored = |row: &Difference| Difference {
        path: row.path.clone(),
        base: row.base.clone().map(|base| Box::new(mirrored_base(*base))),
        staging: row.network.clone(),
        network: row.staging.clone(),
    };
    rows.iter().map(mirrored).collect()
}

pub(super) fn mirrored_rules(rules: &Rules<'static>) -> Rules<'static> {
    let policies = match rules.policies.default() {
        Policy::Prefer(side) => policies(Policy::Prefer(side.other())),
        _ => rules.policies,
    };
    Rules { direction: rules.direction.mirrored(), policies, take: rules.take.map(Side::other), ..*rules }
}

pub(super) fn mirrored(plan: Plan) -> Plan {
    let conflict = |c: Conflict| Conflict { path: c.path, why: c.why.mirrored(), staging: c.network, network: c.staging };
    let mut problems: Vec<Problem> =
        plan.problems.into_iter().map(|problem| Problem { side: problem.side.other(), ..problem }).collect();
    problems.sort_by(|a, b| (&a.path, a.side).cmp(&(&b.path, b.side)));
    let mut actions: Vec<Action> = plan.actions.into_iter().map(mirrored_action).collect();
    // Two touches of one path come staging first.
    actions.sort_by(|a, b| (&a.path, a.op.side()).cmp(&(&b.path, b.op.side())));
    Plan {
        actions,
        conflicts: plan.conflicts.into_iter().map(conflict).collect(),
        problems,
        notes: plan.notes,
        pending: plan.pending.mirrored(),
        held: plan.held.into_iter().map(mirrored_action).collect(),
        aborted: plan.aborted,
    }
}

fn mirrored_action(action: Action) -> Action {
    let boxed = |base: Box<Base>| Box::new(mirrored_base(*base));
    let op = match action.op {
        Op::Record { base, first } => Op::Record { base: boxed(base), first },
        Op::Forget => Op::Forget,
        Op::Write { to, from, expect, revived } => Op::Write { to: to.other(), from, expect, revived },
        Op::Delete { side, expect, base } => Op::Delete { side: side.other(), expect, base: base.map(boxed) },
        Op::Touch { side, expect, mtime, mode, base } => Op::Touch { side: side.other(), expect, mtime, mode, base: boxed(base) },
        Op::Rename { side, from, expect, found } => Op::Rename { side: side.other(), from, expect, found },
        Op::Aside { .. } => panic!("staging's version goes aside on purpose: there is no mirror image"),
    };
    Action { path: action.path, op, why: action.why.mirrored() }
}

/// A plan without what nobody promises: the words of findings, their number at one place, and which of two times
/// that a root cannot tell apart the base keeps, or which mode where modes do not count.
pub(super) fn promised(mut plan: Plan, modes: bool) -> Plan {
    for problem in &mut plan.problems {
        problem.message.clear();
    }
    plan.problems.sort_by(|a, b| (&a.path, a.side).cmp(&(&b.path, b.side)));
    plan.notes.iter_mut().for_each(|note| note.message.clear());
    plan.notes.sort_by(|a, b| a.path.cmp(&b.path));
    plan.notes.dedup();
    for action in &mut plan.actions {
        if let Op::Record { base, .. } | Op::Touch { base, .. } = &mut action.op {
            base.entry.mtime = OLD;
            if !modes || base.entry.kind() == Kind::Link {
                base.entry.mode = 0;
            }
        }
    }
    plan
}

/// What stands at a path, for messages of failed laws.
pub(super) fn word(seen: &Seen) -> String {
    match seen {
        Seen::Absent => "absent".to_owned(),
        Seen::Ignored(why) => format!("ignored {why:?}"),
        Seen::Unknown(why) => format!("unknown {why:?}"),
        Seen::There(found) => format!("{} {} {:o}", found.entry.kind().word(), time_word(found.entry.mtime), found.entry.mode),
    }
}
