//! Hints to change sets: which paths may have changed, and when they have been quiet long enough to be looked at.
//!
//! A hint is no fact. It says where to look, never what is there, so that a hint too many costs a look and nothing else.
//! Hints that come together leave together, because a program that writes twenty files means one change; but a path that is
//! written to all the time holds nothing else up. What is too much to be kept path by path becomes a folder, then a whole
//! subtree: more to look at, never less.
//!
//! Times are arguments, counted from any one moment. Deliberately missing: what an event was called. Systems differ in that
//! and lose some; the look finds out.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::path::RelPath;
use super::target::{Reach, Target};

/// How long a path has to be quiet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Since the last hint, when little happens; ten times as long in a storm.
    pub quiet: Duration,
    /// Since the first hint, whatever happens.
    pub longest: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { quiet: Duration::from_millis(20), longest: Duration::from_secs(2) }
    }
}

/// As many paths make the pause once longer.
const BURST: usize = 64;
const SLOWEST: usize = 10;
/// More entries of one folder are that folder.
const SIBLINGS: usize = 256;
/// More places are folders, then whole subtrees.
const PLACES: usize = 16_384;

/// What may have changed and was not looked at yet.
#[derive(Debug)]
pub struct Settle {
    pace: Pace,
    dirty: Places,
    /// When a path was last named that did not wait already.
    news: Duration,
}

type Places = BTreeMap<RelPath, Dirt>;

#[derive(Clone, Copy, Debug)]
struct Dirt {
    reach: Reach,
    first: Duration,
    last: Duration,
}

impl Dirt {
    fn with(self, other: Dirt) -> Dirt {
        let Dirt { reach, first, last } = other;
        Dirt { reach: self.reach.max(reach), first: self.first.min(first), last: self.last.max(last) }
    }
}

impl Settle {
    pub fn new(pace: Pace) -> Settle {
        Settle { pace, dirty: Places::new(), news: Duration::ZERO }
    }

    pub fn is_empty(&self) -> bool {
        self.dirty.is_empty()
    }

    /// Places that wait.
    pub fn len(&self) -> usize {
        self.dirty.len()
    }

    /// Something may have changed there.
    pub fn hint(&mut self, now: Duration, target: Target) {
        let dirt = Dirt { reach: target.reach, first: now, last: now };
        if put(&mut self.dirty, target.path, dirt) {
            self.news = now;
        }
        if self.dirty.len() > PLACES {
            self.dirty = folded(std::mem::take(&mut self.dirty));
        }
    }

    /// When there is something to look at, if nothing more comes; `None` while nothing waits.
    pub fn due(&self) -> Option<Duration> {
        let oldest = self.dirty.values().map(|dirt| dirt.first).min()? + self.pace.longest;
        let calmest = self.dirty.values().map(|dirt| dirt.last).min()? + self.pace.quiet;
        Some(oldest.min(calmest.max(self.news + self.pause())))
    }

    /// The places that have been quiet, in path order; what still changes waits, but not beyond `longest`. Nothing before
    /// [`Settle::due`].
    pub fn take(&mut self, now: Duration) -> Vec<Target> {
        if self.due().is_none_or(|due| now < due) {
            return Vec::new();
        }
        let ready = |dirt: &Dirt| now >= dirt.last + self.pace.quiet || now >= dirt.first + self.pace.longest;
        let (taken, rest) = std::mem::take(&mut self.dirty).into_iter().partition(|(_, dirt)| ready(dirt));
        self.dirty = rest;
        targets(taken)
    }

    /// Everything that waits, at once.
    pub fn take_all(&mut self) -> Vec<Target> {
        targets(std::mem::take(&mut self.dirty))
    }

    /// How long nothing new has to come.
    fn pause(&self) -> Duration {
        let times = (1 + self.dirty.len() / BURST).min(SLOWEST);
        self.pace.quiet * u32::try_from(times).unwrap_or(u32::MAX)
    }
}

/// Was it not there yet?
fn put(places: &mut Places, path: RelPath, dirt: Dirt) -> bool {
    let mut new = true;
    let merge = |known: &mut Dirt| {
        *known = known.with(dirt);
        new = false;
    };
    places.entry(path).and_modify(merge).or_insert(dirt);
    new
}

fn targets(places: Places) -> Vec<Target> {
    let places = without_covered(by_folder(places));
    places.into_iter().map(|(path, Dirt { reach, .. })| Target { path, reach }).collect()
}

/// Far fewer places, and at least what they were.
fn folded(places: Places) -> Places {
    let mut places = without_covered(by_folder(places));
    while places.len() > PLACES / 2 {
        let mut above = Places::new();
        for (path, dirt) in places {
            put(&mut above, path.parent().unwrap_or_default(), Dirt { reach: Reach::Tree, ..dirt });
        }
        places = without_covered(above);
    }
    places
}

/// Many entries of one folder become that folder.
fn by_folder(places: Places) -> Places {
    let mut siblings: HashMap<RelPath, usize> = HashMap::new();
    for parent in places.keys().filter_map(RelPath::parent) {
        *siblings.entry(parent).or_default() += 1;
    }
    siblings.retain(|_, count| *count > SIBLINGS);
    if siblings.is_empty() {
        return places;
    }
    let mut folded = Places::new();
    for (path, dirt) in places {
        match path.parent().filter(|parent| siblings.contains_key(parent)) {
            Some(parent) => {
                put(&mut folded, parent, Dirt { reach: Reach::Children, ..dirt });
                if dirt.reach > Reach::Entry {
                    put(&mut folded, path, dirt);
                }
            }
            None => {
                put(&mut folded, path, dirt);
            }
        }
    }
    folded
}

/// Without what another place is looked at for.
fn without_covered(places: Places) -> Places {
    let mut kept = Places::new();
    let mut tree: Option<RelPath> = None;
    for (path, dirt) in places {
        if tree.as_ref().is_some_and(|tree| path.is_within(tree)) {
            continue;
        }
        let listed = |folder: RelPath| kept.get(&folder).is_some_and(|above| above.reach == Reach::Children);
        if dirt.reach == Reach::Entry && path.parent().is_some_and(listed) {
            continue;
        }
        if dirt.reach == Reach::Tree {
            tree = Some(path.clone());
        }
        kept.insert(path, dirt);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(text: &str) -> RelPath {
        RelPath::parse(text.as_bytes()).expect("a path")
    }

    /// `a` an entry, `a/*` a folder with its entries, `a/**` everything below.
    fn target(text: &str) -> Target {
        match text
            .strip_suffix("/**")
            .map(|folder| (folder, Reach::Tree))
            .or(text.strip_suffix("/*").map(|f| (f, Reach::Children)))
        {
            Some((folder, reach)) => Target { path: path(folder), reach },
            None if text == "**" => Target::tree(RelPath::root()),
            None => Target { path: path(text), reach: Reach::Entry },
        }
    }

    fn told(targets: Vec<Target>) -> Vec<String> {
        let ending = |reach: Reach| match reach {
            Reach::Entry => "",
            Reach::Children => "/*",
            Reach::Tree => "/**",
        };
        targets.into_iter().map(|target| format!("{}{}", target.path, ending(target.reach))).collect()
    }

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    /// Hints at milliseconds; then what is taken at others.
    fn check(hints: &[(u64, &str)], takes: &[(u64, &[&str])]) {
        let mut settle = Settle::new(Pace::default());
        let mut hints = hints.iter().peekable();
        for (at, expected) in takes {
            while let Some((moment, text)) = hints.next_if(|(moment, _)| moment <= at) {
                settle.hint(ms(*moment), target(text));
            }
            assert_eq!(told(settle.take(ms(*at))), *expected, "at {at} ms");
        }
        assert!(settle.is_empty(), "{settle:?}");
    }

    #[test]
    fn what_is_quiet_is_taken_once() {
        check(&[(0, "a")], &[(19, &[]), (20, &["a"]), (40, &[])]);
        check(&[(0, "a"), (15, "a")], &[(20, &[]), (34, &[]), (35, &["a"])]);
        check(&[(0, "b"), (10, "a")], &[(29, &[]), (30, &["a", "b"])]);
    }

    #[test]
    fn a_path_that_never_rests_is_taken_in_the_end_and_holds_up_nobody() {
        let busy: Vec<(u64, &str)> = (0..=200).map(|tick| (tick * 10, "run.log")).collect();
        check(&busy, &[(1_990, &[]), (2_000, &["run.log"])]);
        let mut with_a_save = busy[..=60].to_vec();
        with_a_save.insert(31, (305, "paper.tex"));
        check(&with_a_save, &[(324, &[]), (325, &["paper.tex"]), (600, &[]), (620, &["run.log"])]);
    }

    #[test]
    fn a_storm_is_one_change_set() {
        let names: Vec<String> = (0..1_000).map(|n| format!("d{}/f{n}", n % 10)).collect();
        let hints: Vec<(u64, &str)> = names.iter().enumerate().map(|(n, name)| (n as u64, name.as_str())).collect();
        let mut settle = Settle::new(Pace::default());
        for (at, name) in hints {
            settle.hint(ms(at), target(name));
            assert_eq!(settle.take(ms(at)), [], "at {at} ms");
        }
        assert_eq!(settle.due(), Some(ms(999 + 200)));
        assert_eq!(settle.take(ms(1_199)).len(), 1_000);
    }

    #[test]
    fn one_place_is_looked_at_once() {
        check(&[(0, "a/**"), (0, "a/b"), (1, "a/c/*"), (1, "b")], &[(40, &["a/**", "b"])]);
        check(&[(0, "a/b"), (0, "a"), (1, "a/b/c"), (2, "a/b/**")], &[(40, &["a", "a/b/**"])]);
        check(&[(0, "a/*"), (0, "a/b"), (0, "a/b/c")], &[(40, &["a/*", "a/b/c"])]);
        check(&[(0, "a/b"), (0, "**")], &[(40, &["/**"])]);
    }

    #[test]
    fn many_entries_are_their_folder_and_too_many_places_a_subtree() {
        let mut settle = Settle::new(Pace::default());
        for n in 0..=SIBLINGS {
            settle.hint(ms(0), target(&format!("d/f{n}")));
        }
        settle.hint(ms(0), target("d/f7/**"));
        settle.hint(ms(0), target("e/x"));
        assert_eq!(told(settle.take_all()), ["d/*", "d/f7/**", "e/x"]);
        for n in 0..PLACES * 2 {
            settle.hint(ms(0), target(&format!("d{}/e{}/f{n}", n % 3, n % 9_000)));
        }
        assert!(settle.len() <= PLACES, "{}", settle.len());
        assert!(told(settle.take_all()).len() <= PLACES);
    }

    fn any_target() -> impl Strategy<Value = Target> {
        let name = prop::sample::select(vec!["a", "b", "c"]);
        let reach = prop::sample::select(vec![Reach::Entry, Reach::Entry, Reach::Children, Reach::Tree]);
        (prop::collection::vec(name, 0..4), reach).prop_map(|(names, reach)| Target { path: path(&names.join("/")), reach })
    }

    proptest! {
        /// Whatever was hinted at is looked at, by the place itself or by one above it.
        #[test]
        fn no_hint_is_lost(hints in prop::collection::vec((0..50u64, any_target()), 1..60), takes in prop::collection::vec(0..100u64, 0..20)) {
            let mut settle = Settle::new(Pace::default());
            let (mut now, mut taken): (u64, Vec<(usize, Target)>) = (0, Vec::new());
            for (n, (later, hint)) in hints.iter().enumerate() {
                now += later;
                settle.hint(ms(now), hint.clone());
                if let Some(wait) = takes.get(n) {
                    now += wait;
                    taken.extend(settle.take(ms(now)).into_iter().map(|place| (n, place)));
                }
            }
            prop_assert_eq!(settle.due().is_none(), settle.is_empty());
            now += 2_000;
            taken.extend(settle.take(ms(now)).into_iter().map(|place| (hints.len(), place)));
            prop_assert!(settle.is_empty());
            for (n, (_, hint)) in hints.iter().enumerate() {
                let looked_after = |(at, place): &(usize, Target)| *at >= n && place.spans(hint);
                prop_assert!(taken.iter().any(looked_after), "{hint:?} is not in {taken:?}");
            }
        }

        /// Folding looks at more, never at less.
        #[test]
        fn folding_covers(hints in prop::collection::vec(any_target(), 1..40)) {
            let dirt = |reach| Dirt { reach, first: ms(0), last: ms(0) };
            let mut places = Places::new();
            for hint in &hints {
                put(&mut places, hint.path.clone(), dirt(hint.reach));
            }
            let folded = targets(folded(places));
            for hint in hints {
                prop_assert!(folded.iter().any(|place| place.spans(&hint)), "{hint:?} is not in {folded:?}");
            }
        }
    }
}
