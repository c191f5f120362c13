//! Named three-way cases: files and links here, folders in [`super::table_folders`].
//!
//! A case is a line `name | base | staging | network | circumstances` and, indented, what each direction plans.
//! A reason in parentheses is checked where it is given. Every case is checked a second time with the sides
//! exchanged, unless it is `tied`: decided by side on purpose. Circumstances: `coarse` (times in steps of 2 s),
//! `modeless` (modes do not count), a policy's word, `take-staging`, `take-network`. `~` in a name stands for the mark of
//! a version that is kept beside.

use std::collections::BTreeSet;

use super::carry::check_plan;
use super::reference::reference;
use super::render::{lines, mirrored, mirrored_rows, mirrored_rules, promised};
use super::trees::{World, policies, rules};
use crate::model::conflict::Policy;
use crate::model::plan::Plan;
use crate::model::reconcile::{Rules, reconcile};
use crate::model::side::{Direction, Side};

pub(super) const FILES: &str = "
nothing at all | | | |
    all: nothing
unchanged | a=1 | a=1 | a=1 |
    all: nothing

created in staging | | a=1 | |
    up both: write network a (created in staging)
    down: pending staging 1
link created in staging | | l->a | |
    up both: write network l (created in staging)
    down: pending staging 1
created on both sides, equal | | a=1 | a=1 |
    all: adopt a (created on both sides)
created on both sides, of one size | | a=1 | a=2 |
    all: conflict a (created on both sides)
created on both sides, of two sizes | | a=1 | a=11 |
    all: conflict a (created on both sides)
created on both sides, empty | | a= | a= |
    all: adopt a
links created on both sides, equal | | l->a | l->a |
    all: adopt l
links created on both sides, unequal | | l->a | l->b |
    all: conflict l
file and link of one name | | a=1 | a->x |
    all: conflict a
names that differ by case are two names | | a=1 | A=2 |
    up: write network a; pending network 1
    down: write staging A; pending staging 1
    both: write staging A; write network a

modified in staging, of the same size | a=1 | a=2 | a=1 |
    up both: overwrite network a (modified in staging)
    down: pending staging 1
modified in staging, grown | a=1 | a=11 | a=1 |
    up both: overwrite network a (modified in staging)
    down: pending staging 1
modified in staging, emptied | a=1 | a= | a=1 |
    up both: overwrite network a
    down: pending staging 1
link turned elsewhere | l->a | l->b | l->a |
    up both: overwrite network l (modified in staging)
    down: pending staging 1
modified on both sides, equally | a=1 | a=2 | a=2 |
    all: record a (modified on both sides)
modified on both sides, of another size, equally | a=1 | a=22 | a=22 |
    all: record a (modified on both sides)
modified on both sides, unequally | a=1 | a=2 | a=3 |
    all: conflict a (modified on both sides)
modified on both sides, to two sizes | a=1 | a=22 | a=333 |
    all: conflict a
modified in staging, touched on network | a=1 | a=2 | a=1@5 |
    up both: overwrite network a (modified in staging, touched on network)
    down: pending staging 1
modified in staging, other mode on network | a=1 | a=2 | a=1:600 |
    up both: overwrite network a
    down: pending staging 1
links turned elsewhere on both sides | l->a | l->b | l->c |
    all: conflict l

deleted in staging | a=1 | | a=1 |
    up both: delete network a (deleted in staging)
    down: pending staging 1
link deleted in staging | l->a | | l->a |
    up both: delete network l
    down: pending staging 1
deleted on both sides | a=1 | | |
    all: forget a (deleted on both sides)
deleted in staging, touched on network | a=1 | | a=1@5 |
    up both: delete network a (deleted in staging, touched on network)
    down: pending staging 1
deleted in staging, other mode on network | a=1 | | a=1:600 |
    up both: delete network a
    down: pending staging 1
deleted in staging, modified on network | a=1 | | a=2 |
    up: pending network 1
    down both: revive staging a (deleted in staging, modified on network)
deleted in staging, grown on network | a=1 | | a=11 |
    up: pending network 1
    down both: revive staging a
link deleted in staging, turned elsewhere on network | l->a | | l->b |
    up: pending network 1
    down both: revive staging l
deleted in staging, another kind on network | a=1 | | a->x |
    up: pending network 1
    down both: revive staging a
renamed in staging | a=1 | b=1 | a=1 |
    up both: delete network a; write network b
    down: pending staging 2
renamed in staging, modified on network | a=1 | b=1 | a=2 |
    up: write network b; pending network 1
    down: revive staging a; pending staging 1
    both: revive staging a; write network b

touched in staging | a=1 | a=1@5 | a=1 |
    up both: touch network a @5 (touched in staging)
    down: pending staging 1
other mode in staging | a=1 | a=1:600 | a=1 |
    up both: touch network a :600
    down: pending staging 1
touched and other mode in staging | a=1 | a=1@5:600 | a=1 |
    up both: touch network a @5 :600
    down: pending staging 1
link touched in staging | l->a | l->a@5 | l->a |
    up both: touch network l @5
    down: pending staging 1
a link's mode counts nowhere | l->a | l->a:700 | l->a |
    all: nothing
modes that are not kept count nowhere | a=1 | a=1:600 | a=1 | modeless
    all: nothing
touched and a mode that is not kept | a=1 | a=1@5:600 | a=1 | modeless
    up both: touch network a @5
    down: pending staging 1
touched on both sides, equally | a=1 | a=1@5 | a=1@5 |
    all: record a (touched on both sides)
touched on both sides, unequally | a=1 | a=1@5 | a=1@7 |
    up: touch network a @5
    down both: touch staging a @7
touched in staging, other mode on network | a=1 | a=1@5 | a=1:600 |
    up: touch network a @5; pending network 1
    down: touch staging a :600; pending staging 1
    both: touch staging a :600; touch network a @5
other mode on both sides, equally | a=1 | a=1:600 | a=1:600 |
    all: record a
other mode on both sides, unequally | a=1 | a=1:600 | a=1:755 | tied
    up both: touch network a :600
    down: touch staging a :755
modified equally, times apart | a=1 | a=2@5 | a=2@7 |
    up: touch network a @5
    down both: touch staging a @7
modified equally, one with another mode | a=1 | a=2 | a=2:600 |
    up: record a; pending network 1
    down both: touch staging a :600
set back in time in staging | a=1@5 | a=1@2 | a=1@5 |
    up both: touch network a @2
    down: pending staging 1
touched by less than the roots can tell | a=1 | a=1@1 | a=1 | coarse
    all: record a
touched by as much as the roots can tell | a=1 | a=1@2 | a=1 | coarse
    up both: touch network a @2
    down: pending staging 1
created equally, times closer than the roots can tell | | a=1@0 | a=1@1 | coarse
    all: adopt a

met with times apart, staging's the earlier | | a=1@3 | a=1@7 |
    up both: touch network a @3 (created on both sides)
    down: adopt a
met with a time of 1970 | | a=1@old | a=1@7 |
    up: adopt a
    down both: touch staging a @7
met with a time far ahead | | a=1@far | a=1@7 |
    up: adopt a
    down both: touch staging a @7
met with two insane times | | a=1@old | a=1@far |
    all: adopt a
met with modes apart | | a=1:600 | a=1:755 | tied
    up: adopt a
    down both: touch staging a :755
met as links with times apart | | l->a@3 | l->a@7 |
    up both: touch network l @3
    down: adopt l
met with modes that are not kept | | a=1:600 | a=1:755 | modeless
    all: adopt a

created with a time of 1970 | | a=1@old | |
    up both: write network a; note a
    down: pending staging 1
modified with a time of 1970 | a=1@5 | a=2@old | a=1@5 |
    up both: overwrite network a; note a
    down: pending staging 1
touched to 1970 | a=1@5 | a=1@old | a=1@5 |
    all: record a; note a
touched to a time far ahead | a=1@5 | a=1@far | a=1@5 |
    all: record a; note a
touched to 1970, with another mode | a=1@5 | a=1@old:600 | a=1@5 |
    up both: touch network a :600; note a
    down: record a; pending staging 1; note a
revived with a time far ahead | a=1 | | a=2@far |
    up: pending network 1
    down both: revive staging a; note a

unknown on network, never seen in staging | | | a?error |
    all: permission network a
unknown on network, unchanged in staging | a=1 | a=1 | a?error |
    all: permission network a
unknown on network, modified in staging | a=1 | a=2 | a?error |
    all: permission network a
unknown on network, deleted in staging | a=1 | | a?error |
    all: permission network a
unknown on network, created in staging | | a=1 | a?error |
    all: permission network a
unknown on both sides | a=1 | a?error | a?error |
    all: permission staging a; permission network a
a device on network | | | a?special |
    all: note a
a device where staging has a file | | a=1 | a?special |
    all: not_representable network a
a device where both had a file | a=1 | a=1 | a?special |
    all: not_representable network a
a device where staging deleted | a=1 | | a?special |
    all: not_representable network a
devices on both sides | | a?special | a?special |
    all: note a
another file system on network | | | d?fs |
    all: note d
another file system where staging has a folder | d/x=1 | d/x=1 | d?fs |
    all: unreadable network d
moving on network | a=1 | a=2 | a?moving |
    all: note a
unknown holds nothing else up | a=1 b=1 | a=2 b=2 | a?error b=1 |
    up both: overwrite network b; permission network a
    down: permission network a; pending staging 1

ignored on both sides, never known | | a! | a! |
    all: nothing
newly ignored on both sides | a=1 | a! | a! |
    all: forget a
newly junk on both sides | a=1 | a!junk | a!junk |
    all: forget a
newly ignored in staging, gone on network | a=1 | a! | |
    all: forget a
ignored in staging, created on network | | a! | a=1 |
    all: taken staging a
ignored in staging, unchanged on network | a=1 | a! | a=1 |
    all: taken staging a
junk in staging, modified on network | a=1 | a!junk | a=2 |
    all: taken staging a
no longer ignored, equal | | a=1 | a=1 |
    all: adopt a
ignored on one side alone | | a! | |
    all: nothing
ignored holds nothing else up | b=1 | a! b=2 | a=1 b=1 |
    up both: overwrite network b; taken staging a
    down: taken staging a; pending staging 1

conflicts are touched nowhere, the rest goes on | a=1 b=1 | a=2 b=2 | a=3 b=1 |
    up both: overwrite network b; conflict a
    down: conflict a; pending staging 1
abort does nothing beside a conflict | a=1 b=1 c=1 | a=2 b=2 | a=3 b=1 c=1 | abort
    up both: conflict a
    down: conflict a; pending staging 2
abort without a conflict changes nothing | b=1 | b=2 | b=1 | abort
    up both: overwrite network b
    down: pending staging 1
each goes its own way | a=1 b=1 c=1 | a=2 b=1 d=1 | a=1 b=2 c=1 e=1 |
    up: overwrite network a; delete network c; write network d; pending network 2
    down: overwrite staging b; write staging e; pending staging 3
    both: overwrite network a; overwrite staging b; delete network c; write network d; write staging e
";

/// One trio of trees and what a direction plans for them.
struct Case<'a> {
    name: String,
    world: World,
    rules: Rules<'static>,
    tied: bool,
    expected: Vec<&'a str>,
}

fn cases(table: &str) -> Vec<Case<'_>> {
    let mut cases = Vec::new();
    let mut head: &str = "";
    for line in table.lines().filter(|line| !line.trim().is_empty()) {
        let Some(answer) = line.strip_prefix("    ") else {
            head = line;
            continue;
        };
        let (directions, expected) = answer.split_once(": ").expect("`directions: expected`");
        for direction in directions.split(' ').flat_map(named_directions) {
            cases.push(case(head, *direction, expected));
        }
    }
    cases
}

fn named_directions(word: &str) -> &'static [Direction] {
    match word {
        "up" => &[Direction::Up],
        "down" => &[Direction::Down],
        "both" => &[Direction::Both],
        "all" => &[Direction::Up, Direction::Down, Direction::Both],
        other => panic!("no such direction: {other}"),
    }
}

fn case<'a>(head: &str, direction: Direction, expected: &'a str) -> Case<'a> {
    let fields: Vec<&str> = head.split('|').map(str::trim).collect();
    let [name, base, staging, network, circumstances] = fields[..] else { panic!("five fields in a case, not: {head}") };
    let has = |word: &str| circumstances.split(' ').any(|given| given == word);
    let policy = Policy::ALL.into_iter().find(|policy| has(policy.word())).unwrap_or_default();
    let rules = Rules {
        policies: policies(policy),
        take: Side::BOTH.into_iter().find(|side| has(&format!("take-{side}"))),
        granularity_ns: if has("coarse") { 2_000_000_000 } else { 1 },
        modes: !has("modeless"),
        ..rules(direction)
    };
    Case {
        name: format!("{name}, {}", direction.word()),
        world: World::parse(base, staging, network),
        rules,
        tied: has("tied"),
        expected: if expected == "nothing" { Vec::new() } else { expected.split("; ").collect() },
    }
}

/// Findings have no order among themselves; actions do.
fn matches(expected: &[&str], plan: &Plan) -> bool {
    let found = lines(plan);
    let same = |wanted: &str, line: &str| line == wanted || line.split(" (").next() == Some(wanted);
    let actions = plan.actions.len();
    let in_order = expected.iter().zip(&found).take(actions).all(|(wanted, line)| same(wanted, line));
    let wanted_is_there = |wanted: &&str| found.iter().any(|line| same(wanted, line));
    found.len() == expected.len() && in_order && expected.iter().all(wanted_is_there)
}

fn failures_of(case: &Case) -> Vec<String> {
    let rows = case.world.differences();
    let (swapped, swapped_rules) = (mirrored_rows(&rows), mirrored_rules(&case.rules));
    let naive = reference(&rows, &case.rules);
    let mut plans = vec![("", reconcile(rows.clone(), &case.rules)), (", by the reference", naive)];
    check_plan(&rows, &plans[0].1, &case.rules);
    if !case.tied {
        plans.push((", sides exchanged", mirrored(reconcile(swapped, &swapped_rules))));
    }
    let wrong = plans.into_iter().map(|(how, plan)| (how, promised(plan, case.rules.modes)));
    wrong
        .filter(|(_, plan)| !matches(&case.expected, plan))
        .map(|(how, plan)| format!("{}{how}\n    expected {:?}\n    planned  {:?}", case.name, case.expected, lines(&plan)))
        .collect()
}

pub(super) fn check(table: &str) {
    let wrong: Vec<String> = cases(table).iter().flat_map(failures_of).collect();
    assert!(wrong.is_empty(), "{} cases are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn files_and_links() {
    check(FILES);
}

#[test]
fn every_case_has_its_own_name_and_all_directions() {
    let tables = [FILES, super::table_folders::FOLDERS, super::table_folders::KINDS, super::table_rulings::RULINGS];
    let all: Vec<Case> = tables.into_iter().flat_map(cases).collect();
    let names: BTreeSet<&str> = all.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), all.len(), "a name is used twice");
    let heads = tables.iter().flat_map(|table| table.lines()).filter(|line| line.contains(" | ")).count();
    assert_eq!(all.len(), heads * 3, "a case leaves a direction out");
    assert!(heads >= 120, "only {heads} cases");
}
