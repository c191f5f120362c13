//! Live databases: staging holds the database with its log, the network root what it was sent of it.
//!
//! Cases as in [`super::table`], for one path whose base is `live` in staging and `sent` on the network. These rows have
//! no mirror image: only staging's databases are sent as something else than their bytes.

use super::render::lines;
use super::trees::{agreed, file, path, rules, stamp};
use crate::model::digest;
use crate::model::entry::{Base, Found, Sent};
use crate::model::listing::{Difference, Seen};
use crate::model::plan::Op;
use crate::model::reconcile::reconcile;
use crate::model::side::{Direction, PerSide, Side};
use crate::model::traits::Traits;
use crate::model::vouch::{Effort, Learn, to_learn};

const LIVE: &str = "database and log";
const SENT: &str = "database";

fn base() -> Base {
    let sent = Some(Sent { size: SENT.len() as u64, digest: digest::of(SENT.as_bytes()) });
    let stamps = PerSide::new(agreed(&file(LIVE)).stamps.staging, agreed(&file(SENT)).stamps.network);
    Base { entry: file(LIVE), stamps, sent }
}

fn seen(content: &str) -> Seen {
    if content.is_empty() {
        return Seen::Absent;
    }
    let entry = file(content);
    Seen::There(Box::new(Found { stamp: stamp(&entry), entry }))
}

fn plan(staging: &str, network: &str, direction: Direction) -> (Vec<String>, Option<Base>) {
    let difference = Difference { path: path("a"), base: Some(Box::new(base())), staging: seen(staging), network: seen(network) };
    let plan = reconcile(vec![difference], &rules(direction));
    let learnt = plan.actions.iter().find_map(|action| match &action.op {
        Op::Record { base, .. } => Some((**base).clone()),
        _ => None,
    });
    (lines(&plan), learnt)
}

#[test]
fn the_sides_agree_while_each_has_its_own() {
    use Direction::{Both, Down, Up};
    for (name, staging, network, direction, expected) in [
        ("both as they were", LIVE, SENT, Both, ""),
        ("the program went on", "more of it", SENT, Up, "overwrite network a (modified in staging)"),
        ("the program went on, down", "more of it", SENT, Down, "pending staging 1"),
        ("a new one on the network", LIVE, "another", Down, "overwrite staging a (modified on network)"),
        ("the log came into the file", SENT, SENT, Up, "record a (agreed again)"),
        ("the same, and a new one on the network", SENT, "another", Both, "overwrite staging a (modified on network)"),
        ("the same, and deleted on the network", SENT, "", Both, "delete staging a (deleted on network)"),
        ("a copy of both files on the network", LIVE, LIVE, Both, "record a (modified on network)"),
        ("deleted on the network", LIVE, "", Both, "delete staging a (deleted on network)"),
        ("deleted in staging", "", SENT, Both, "delete network a (deleted in staging)"),
        (
            "deleted in staging, new on the network",
            "",
            "another",
            Both,
            "revive staging a (deleted in staging, modified on network)",
        ),
        ("both changed", "more of it", "another", Both, "conflict a (modified on both sides)"),
    ] {
        assert_eq!(plan(staging, network, direction).0.join("; "), expected, "{name}");
    }
}

#[test]
fn an_agreement_keeps_what_was_sent_until_the_bytes_are_equal() {
    let mut base = base();
    base.stamps.staging = None;
    let difference = Difference { path: path("a"), base: Some(Box::new(base)), staging: seen(LIVE), network: seen(SENT) };
    let again = reconcile(vec![difference], &rules(Direction::Up));
    let Some(Op::Record { base: learnt, .. }) = again.actions.first().map(|action| &action.op) else {
        panic!("a stamp that was not known is news: {again:?}");
    };
    assert_eq!((learnt.sent, &learnt.entry.content), (self::base().sent, &file(LIVE).content));
    let (_, learnt) = plan(SENT, SENT, Direction::Up);
    assert_eq!(learnt.map(|base| (base.sent, base.entry.content)), Some((None, file(SENT).content)));
}

#[test]
fn each_side_is_read_against_its_own() {
    let (live, sent, other) = (seen(LIVE), seen(SENT), seen("neither of them"));
    let mut old = base();
    old.stamps = PerSide::default();
    let traits = PerSide::new(Traits::LOCAL, Traits::LOCAL);
    for (staging, network, expected) in [
        (&live, &sent, (Learn::Read, Learn::Read)),
        (&sent, &sent, (Learn::Read, Learn::Read)),
        (&sent, &live, (Learn::Read, Learn::Nothing)),
        (&other, &sent, (Learn::Nothing, Learn::Read)),
    ] {
        let found = PerSide::new(staging.found(), network.found());
        let learn = to_learn(Some(&old), found, &traits, Effort::Normal);
        assert_eq!((learn.staging, learn.network), expected);
    }
    assert_eq!(base().digest_at(Side::Network), Some(digest::of(SENT.as_bytes())));
}
