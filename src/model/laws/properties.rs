//! Laws, tried on worlds that come from one tree perturbed twice. `PROPTEST_CASES` raises the number of tries.

use proptest::prelude::*;
use proptest::sample::Index;

use super::carry::check_plan;
use super::reference::reference;
use super::render::{lines, mirrored, mirrored_rows, mirrored_rules, promised};
use super::trees::{FAR, Node, OLD, Tree, World, at, file, folder, is_blind, link, policies, rules, unknown};
use crate::model::conflict::Policy;
use crate::model::entry::{Content, Entry, Kind};
use crate::model::listing::Ignored;
use crate::model::path::RelPath;
use crate::model::plan::{Op, Plan};
use crate::model::reconcile::{Rules, reconcile};
use crate::model::side::{Direction, Side};
use crate::model::time::Time;

const NAMES: [&str; 6] = ["a", "A", "b", "d", "d.x", "e"];
const DIRECTIONS: [Direction; 3] = [Direction::Up, Direction::Down, Direction::Both];

#[derive(Clone, Debug)]
enum Edit {
    Put(Node),
    Delete,
    Swap,
    Move(RelPath),
    Chmod(u32),
    Touch(Time),
}

#[derive(Clone, Debug)]
enum Place {
    Existing(Index),
    Any(RelPath),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Who {
    Staging,
    Network,
    Twice,
}

fn any_path() -> impl Strategy<Value = RelPath> {
    proptest::collection::vec(proptest::sample::select(&NAMES[..]), 1..=3)
        .prop_map(|names| RelPath::parse(names.join("/").as_bytes()).expect("names of the alphabet"))
}

fn any_time() -> impl Strategy<Value = Time> {
    prop_oneof![8 => (0i64..4).prop_map(at), 1 => Just(OLD), 1 => Just(FAR)]
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let content = prop_oneof![
        4 => proptest::sample::select(&["1", "2", "11"][..]).prop_map(file),
        2 => Just(folder()),
        1 => proptest::sample::select(&["a", "../b"][..]).prop_map(link),
    ];
    (content, any_time()).prop_map(|(entry, mtime)| Entry { mtime, ..entry })
}

fn any_blind() -> impl Strategy<Value = Node> {
    prop_oneof![
        3 => Just(Node::Ignored(Ignored::Pattern)),
        2 => Just(Node::Ignored(Ignored::Junk)),
        3 => proptest::sample::select(&["special", "fs", "moving", "error"][..]).prop_map(|word| Node::Unknown(unknown(word))),
    ]
}

fn any_edit(blind: bool) -> impl Strategy<Value = Edit> {
    prop_oneof![
        6 => any_entry().prop_map(|entry| Edit::Put(Node::There(entry))),
        4 => Just(Edit::Delete),
        2 => Just(Edit::Swap),
        2 => any_path().prop_map(Edit::Move),
        1 => proptest::sample::select(&[0o600, 0o755][..]).prop_map(Edit::Chmod),
        2 => any_time().prop_map(Edit::Touch),
        if blind { 3 } else { 0 } => any_blind().prop_map(Edit::Put),
    ]
}

fn any_step(blind: bool) -> impl Strategy<Value = (Who, Place, Edit)> {
    let who = prop_oneof![2 => Just(Who::Staging), 2 => Just(Who::Network), 1 => Just(Who::Twice)];
    let place = prop_oneof![7 => any::<Index>().prop_map(Place::Existing), 3 => any_path().prop_map(Place::Any)];
    (who, place, any_edit(blind))
}

fn any_tree() -> impl Strategy<Value = Tree> {
    proptest::collection::vec((any_path(), any_entry()), 0..10).prop_map(|entries| {
        let mut tree = Tree::new();
        entries.into_iter().for_each(|(path, entry)| put(&mut tree, &path, Node::There(entry)));
        tree
    })
}

/// One base, perturbed twice. One in eight has lost its base.
fn any_world(blind: bool) -> impl Strategy<Value = World> {
    let steps = proptest::collection::vec(any_step(blind), 0..8);
    (any_tree(), steps, 0..8).prop_map(|(base, steps, lost)| {
        let mut world = World::new(&base, base.clone(), base.clone());
        for (who, place, edit) in steps {
            for side in Side::BOTH {
                if who == Who::Twice || (who == Who::Staging) == (side == Side::Staging) {
                    apply(&mut world.sides[side], &place, &edit);
                }
            }
        }
        if lost == 0 {
            world.base.clear();
        }
        world
    })
}

fn any_rules() -> impl Strategy<Value = Rules<'static>> {
    let direction = proptest::sample::select(&DIRECTIONS[..]);
    let granularity = proptest::sample::select(&[1i64, 2_000_000_000][..]);
    (direction, granularity, prop::bool::weighted(0.8)).prop_map(|(direction, granularity_ns, modes)| Rules {
        granularity_ns,
        modes,
        ..rules(direction)
    })
}

/// Puts `node` there with all its parents, unless something above is in the way.
fn put(tree: &mut Tree, path: &RelPath, node: Node) {
    let above: Vec<RelPath> = path.ancestors().into_iter().filter(|above| !above.is_root()).collect();
    let blocked = |above: &RelPath| !matches!(tree.get(above), None | Some(Node::There(Entry { content: Content::Folder, .. })));
    if above.iter().any(blocked) {
        return;
    }
    for parent in above {
        tree.entry(parent).or_insert_with(|| Node::There(folder()));
    }
    let stays_folder = |node: &Node| matches!(node, Node::There(entry) if entry.is_folder());
    if !stays_folder(&node) {
        take(tree, path);
    }
    tree.insert(path.clone(), node);
}

fn take(tree: &mut Tree, path: &RelPath) -> Vec<(RelPath, Node)> {
    let whole: Vec<RelPath> = tree.keys().filter(|at| at.is_within(path)).cloned().collect();
    whole.into_iter().filter_map(|at| tree.remove_entry(&at)).collect()
}

fn apply(tree: &mut Tree, place: &Place, edit: &Edit) {
    let path = match place {
        Place::Any(path) => path.clone(),
        Place::Existing(_) if tree.is_empty() => return,
        Place::Existing(index) => index.get(&tree.keys().cloned().collect::<Vec<_>>()).clone(),
    };
    match edit {
        Edit::Put(node) => put(tree, &path, node.clone()),
        Edit::Delete => drop(take(tree, &path)),
        Edit::Swap => match tree.get(&path) {
            Some(Node::There(entry)) if entry.is_folder() => put(tree, &path, Node::There(file("1"))),
            Some(Node::There(_)) => {
                put(tree, &path, Node::There(folder()));
                put(tree, &path.join(b"b"), Node::There(file("2")));
            }
            _ => {}
        },
        Edit::Move(target) => {
            if !target.is_within(&path) && !path.is_within(target) {
                for (at, node) in take(tree, &path) {
                    put(tree, &target.append(&at.below(&path).expect("it was within")), node);
                }
            }
        }
        Edit::Chmod(mode) => {
            if let Some(Node::There(entry)) = tree.get_mut(&path)
                && entry.kind() != Kind::Link
            {
                entry.mode = *mode;
            }
        }
        Edit::Touch(mtime) => {
            if let Some(Node::There(entry)) = tree.get_mut(&path) {
                entry.mtime = *mtime;
            }
        }
    }
}

/// With whatever policy, or a side that is taken.
fn any_ruling() -> impl Strategy<Value = Rules<'static>> {
    let policy = proptest::sample::select(&Policy::ALL[..]);
    let take = prop_oneof![4 => Just(None), 1 => Just(Some(Side::Staging)), 1 => Just(Some(Side::Network))];
    (any_rules(), policy, take).prop_map(|(rules, policy, take)| {
        // Only a run that may write the other side takes one.
        let take = take.filter(|side| rules.direction.writes(side.other()));
        Rules { policies: policies(policy), take, ..rules }
    })
}

/// Every file and link of a side, by content, wherever it stands.
fn versions(tree: &Tree) -> Vec<Content> {
    let content = |node: &Node| match node {
        Node::There(entry) if !entry.is_folder() => Some(entry.content.clone()),
        _ => None,
    };
    tree.values().filter_map(content).collect()
}

fn plan(world: &World, rules: &Rules<'static>) -> Plan {
    reconcile(world.differences(), rules)
}

/// Kind and content, which both sides end up with whatever their times.
fn contents(tree: &Tree) -> Vec<(RelPath, Option<Entry>)> {
    let bare = |entry: &Entry| Entry { mtime: at(0), mode: 0, content: entry.content.clone() };
    let entry = |node: &Node| match node {
        Node::There(entry) => Some(bare(entry)),
        Node::Ignored(_) | Node::Unknown(_) => None,
    };
    tree.iter().map(|(path, node)| (path.clone(), entry(node))).collect()
}

fn assert_settled(world: &World, plan: &Plan, rules: &Rules<'static>) {
    let excused = |path: &RelPath| {
        plan.conflicts
            .iter()
            .map(|conflict| &conflict.path)
            .chain(plan.problems.iter().map(|problem| &problem.path))
            .any(|top| path.is_within(top))
            || Side::BOTH.iter().any(|&side| {
                let blind = |(at, node): (&RelPath, &Node)| is_blind(node) && (at.is_within(path) || path.is_within(at));
                world.sides[side].iter().any(blind)
            })
    };
    for side in Side::BOTH {
        for (path, node) in &world.sides[side] {
            let Node::There(mine) = node else { continue };
            if excused(path) {
                continue;
            }
            let other = world.there(side.other(), path).unwrap_or_else(|| panic!("{path}: only on {side} at the end"));
            assert!(mine.same_content(other), "{path}: different at the end");
            assert!(!rules.modes || mine.kind() == Kind::Link || mine.mode == other.mode, "{path}: different modes at the end");
            // Each is as near to the agreed time as a root can tell.
            let times_count = mine.kind() != Kind::Folder && mine.mtime.sane(rules.now) && other.mtime.sane(rules.now);
            assert!(!times_count || mine.mtime.near(other.mtime, 2 * rules.granularity_ns), "{path}: different times at the end");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn the_reference_agrees(world in any_world(true), rules in any_ruling()) {
        let rows = world.differences();
        let naive = reference(&rows, &rules);
        let plan = reconcile(rows, &rules);
        prop_assert_eq!(lines(&plan), lines(&naive));
        prop_assert_eq!(promised(plan, rules.modes), promised(naive, rules.modes));
    }

    #[test]
    fn every_plan_is_in_order_within_its_direction_and_displaces_only_what_the_base_knows(
        world in any_world(true),
        rules in any_ruling(),
    ) {
        let rows = world.differences();
        let plan = reconcile(rows.clone(), &rules);
        check_plan(&rows, &plan, &rules);
        // Panics where a parent is missing, or where something not known to the base would go with its folder.
        world.after(&plan, &rules);
    }

    #[test]
    fn no_edit_is_displaced(world in any_world(true), rules in any_rules()) {
        let after = world.after(&plan(&world, &rules), &rules);
        for side in Side::BOTH {
            for (path, node) in &world.sides[side] {
                match node {
                    Node::There(entry) if world.base.get(path).is_none_or(|base| !base.entry.same_content(entry)) => {
                        let kept = after.there(side, path).is_some_and(|left| left.same_content(entry));
                        prop_assert!(kept, "{} was lost on {}", path, side);
                    }
                    Node::There(_) | Node::Ignored(Ignored::Junk) => {}
                    blind => prop_assert_eq!(after.sides[side].get(path), Some(blind)),
                }
            }
        }
    }

    #[test]
    fn a_diff_applied_gives_the_second_listing(before in any_tree(), steps in proptest::collection::vec(any_step(false), 0..8)) {
        let mut target = before.clone();
        steps.iter().for_each(|(_, place, edit)| apply(&mut target, place, edit));
        for (direction, staging, network) in
            [(Direction::Up, &target, &before), (Direction::Down, &before, &target), (Direction::Both, &target, &before)]
        {
            let world = World::new(&before, staging.clone(), network.clone());
            let rules = rules(direction);
            let plan = plan(&world, &rules);
            prop_assert_eq!(&plan.conflicts, &[]);
            prop_assert_eq!(plan.pending.staging + plan.pending.network, 0);
            let after = world.after(&plan, &rules);
            prop_assert_eq!(contents(&after.sides.staging), contents(&target));
            prop_assert_eq!(contents(&after.sides.network), contents(&target));
            let base: Vec<(RelPath, Option<Entry>)> =
                after.base.into_iter().map(|(path, base)| (path, Some(Entry { mtime: at(0), mode: 0, ..base.entry }))).collect();
            prop_assert_eq!(base, contents(&target));
        }
    }

    #[test]
    fn equal_sides_only_teach_the_base(mut world in any_world(true), rules in any_rules()) {
        world.sides.network = world.sides.staging.clone();
        let plan = plan(&world, &rules);
        let quiet = plan.actions.iter().all(|action| matches!(action.op, Op::Record { .. } | Op::Forget));
        prop_assert!(quiet, "{:#?}", lines(&plan));
        prop_assert_eq!(&plan.conflicts, &[]);
        prop_assert_eq!(plan.pending.staging + plan.pending.network, 0);
    }

    /// Modes apart, whose ties go by side.
    #[test]
    fn exchanging_the_sides_exchanges_the_plan(world in any_world(true), rules in any_rules()) {
        let rules = Rules { modes: false, ..rules };
        let rows = world.differences();
        let there = reconcile(rows.clone(), &rules);
        let back = reconcile(mirrored_rows(&rows), &mirrored_rules(&rules));
        let mirror = mirrored(back);
        prop_assert_eq!(lines(&promised(there.clone(), false)), lines(&promised(mirror.clone(), false)));
        prop_assert_eq!(promised(there, false), promised(mirror, false));
    }

    #[test]
    fn unchanged_rows_and_the_order_of_looking_change_nothing(world in any_world(true), rules in any_ruling()) {
        let all = reconcile(world.rows(), &rules);
        prop_assert_eq!(lines(&plan(&world, &rules)), lines(&all));
    }

    #[test]
    fn a_plan_carried_out_is_done(world in any_world(true), rules in any_ruling()) {
        let after = world.after(&plan(&world, &rules), &rules);
        let again = plan(&after, &rules);
        prop_assert_eq!(lines(&Plan { actions: again.actions, ..Plan::default() }), [""; 0]);
    }

    /// What a direction leaves for another run is still there for that run.
    #[test]
    fn one_direction_first_changes_nothing_in_the_end(world in any_world(true), one in any_rules()) {
        let both = Rules { direction: Direction::Both, ..one };
        let at_once = world.after(&plan(&world, &both), &both);
        let first = world.after(&plan(&world, &one), &one);
        let then = first.after(&plan(&first, &both), &both);
        for side in Side::BOTH {
            prop_assert_eq!(contents(&at_once.sides[side]), contents(&then.sides[side]));
        }
    }

    /// Killed anywhere and run again: the same end.
    #[test]
    fn a_killed_run_is_completed_by_the_next(world in any_world(true), rules in any_ruling(), cut in any::<Index>()) {
        let whole = plan(&world, &rules);
        let end = world.after(&whole, &rules);
        let cut = cut.index(whole.actions.len() + 1);
        let killed = world.stopped_after(cut, &whole, &rules);
        let next = plan(&killed, &rules);
        prop_assert_eq!(next.conflicts.len(), whole.conflicts.len());
        let completed = killed.after(&next, &rules);
        // A folder with nothing but ignored files may count as one of them in the second run, where the base has
        // unlearnt it.
        let ruled = rules.take.is_some() || rules.policies.default() != Policy::Hold;
        let counts = |(_, entry): &(RelPath, Option<Entry>)| !ruled || entry.as_ref().is_some_and(|entry| !entry.is_folder());
        let all = |tree: &Tree| contents(tree).into_iter().filter(counts).collect::<Vec<_>>();
        for side in Side::BOTH {
            prop_assert_eq!(all(&completed.sides[side]), all(&end.sides[side]));
        }
    }

    #[test]
    fn both_directions_settle(world in any_world(true), rules in any_rules()) {
        let rules = Rules { direction: Direction::Both, ..rules };
        let mut world = world;
        for _ in 0..3 {
            let plan = plan(&world, &rules);
            prop_assert_eq!(plan.pending.staging + plan.pending.network, 0);
            world = world.after(&plan, &rules);
        }
        let last = plan(&world, &rules);
        prop_assert_eq!(lines(&Plan { actions: last.actions.clone(), ..Plan::default() }), [""; 0]);
        assert_settled(&world, &last, &rules);
    }

    #[test]
    fn both_versions_of_a_conflict_are_kept_on_both_sides(world in any_world(false)) {
        let rules = Rules { policies: policies(Policy::KeepBoth), ..rules(Direction::Both) };
        let hold = plan(&world, &Rules { policies: policies(Policy::Hold), ..rules });
        let keep = plan(&world, &rules);
        prop_assert_eq!(&keep.conflicts, &[]);
        let after = world.after(&keep, &rules);
        prop_assert_eq!(contents(&after.sides.staging), contents(&after.sides.network));
        for conflict in &hold.conflicts {
            for side in Side::BOTH {
                for (_, node) in world.sides[side].iter().filter(|(path, _)| path.is_within(&conflict.path)) {
                    let Node::There(entry) = node else { continue };
                    let kept = entry.is_folder() || versions(&after.sides[side]).contains(&entry.content);
                    prop_assert!(kept, "{}: a version of {} is gone", conflict.path, side);
                }
            }
        }
    }

    /// Where nothing is hidden from the run, the preferred side ends as it was where both had changed, and both are equal.
    #[test]
    fn the_preferred_side_keeps_its_versions(world in any_world(false), winner in proptest::sample::select(&Side::BOTH[..])) {
        let rules = Rules { policies: policies(Policy::Prefer(winner)), ..rules(Direction::Both) };
        let hold = plan(&world, &Rules { policies: policies(Policy::Hold), ..rules });
        let prefer = plan(&world, &rules);
        prop_assert_eq!(&prefer.conflicts, &[]);
        let after = world.after(&prefer, &rules);
        prop_assert_eq!(contents(&after.sides.staging), contents(&after.sides.network));
        for conflict in &hold.conflicts {
            let below = |tree: &Tree| -> Tree {
                tree.iter().filter(|(path, _)| path.is_within(&conflict.path)).map(|(path, node)| (path.clone(), node.clone())).collect()
            };
            prop_assert_eq!(contents(&below(&after.sides[winner])), contents(&below(&world.sides[winner])));
        }
    }

    /// `revert`: staging becomes what the network is, and the network stays as it is.
    #[test]
    fn what_is_taken_back_is_the_other_side(world in any_world(false)) {
        let rules = Rules { take: Some(Side::Network), ..rules(Direction::Down) };
        let after = world.after(&plan(&world, &rules), &rules);
        prop_assert_eq!(contents(&after.sides.network), contents(&world.sides.network));
        prop_assert_eq!(contents(&after.sides.staging), contents(&world.sides.network));
    }

    #[test]
    fn abort_does_nothing_where_hold_has_a_conflict(world in any_world(true), rules in any_rules()) {
        let hold = plan(&world, &rules);
        let abort = plan(&world, &Rules { policies: policies(Policy::Abort), ..rules });
        prop_assert_eq!(&hold.conflicts, &abort.conflicts);
        if hold.conflicts.is_empty() {
            prop_assert_eq!(hold, abort);
        } else {
            prop_assert_eq!(&abort.actions, &[]);
        }
    }
}

/// The default configuration has read `PROPTEST_CASES`.
fn cases() -> u32 {
    ProptestConfig::default().cases.max(512)
}
