//! The judgement alone: a table of what an image may say, against a small history.

use std::cell::RefCell;
use std::time::Duration;

use super::cause::{Cause, Error, Kind, Result};
use super::check::{Question, Seen, judge};
use super::contents::{Contents, Image, Words};
use super::evidence::{CONTEXT, REVISION, SOURCE};
use super::finding::{Finding, Severity, State};
use super::history::{Against, Distance, History, Relation, Search};
use super::http::Asked;
use super::reference::Reference;

/// Commits are letters, forty of them: `a` ← `b` ← `c` is the history that counts, `c` its end; `d` comes after `c`, `e` after `a`. `f` has
/// the tree of `c`. What begins with `0` cannot be told.
struct Story {
    asked: RefCell<Vec<String>>,
}

fn commit(letter: char) -> String {
    letter.to_string().repeat(40)
}

impl History for Story {
    fn remotes(&self) -> Vec<String> {
        vec!["git@h.io:ours/app.git".to_owned()]
    }

    fn find(&self, hex: &str) -> Result<Search> {
        self.asked.borrow_mut().push(hex.to_owned());
        Ok(match hex.chars().next().expect("digits") {
            '0' => return Err(Cause { kind: Kind::Unreachable, message: "gone".to_owned(), mend: String::new() }.into()),
            '1' => Search::Several,
            letter @ 'a'..='f' => Search::Commit(commit(letter)),
            _ => Search::Nothing,
        })
    }

    fn tree(&self, name: &str) -> Result<Option<String>> {
        let letter = name.chars().next().expect("a letter");
        Ok(Some(if letter == 'f' { "tree of c".to_owned() } else { format!("tree of {letter}") }))
    }

    fn distance(&self, image: &str, _: &str) -> Result<Distance> {
        let (relation, behind, ahead) = match image.chars().next().expect("a letter") {
            'a' => (Relation::Behind, 2, 0),
            'b' => (Relation::Behind, 1, 0),
            'd' => (Relation::Ahead, 0, 1),
            _ => (Relation::Diverged, 2, 1),
        };
        let oldest = (behind > 0).then_some(Duration::from_secs(600));
        Ok(Distance { relation, behind, in_context: 1, ahead, exact: true, oldest, subjects: Vec::new() })
    }
}

fn words(pairs: &[(&str, &str)]) -> Words {
    pairs.iter().map(|(key, word)| ((*key).to_owned(), (*word).to_owned())).collect()
}

fn question() -> Question {
    Question {
        reference: Reference::parse("h.io/app:latest").expect("a name"),
        platform: None,
        keys: Vec::new(),
        variables: Vec::new(),
        sources: Vec::new(),
        grace: Duration::ZERO,
        require_source: false,
        allow_dirty: false,
        context: String::new(),
        against_head: false,
    }
}

fn image(labels: &[(&str, &str)], annotations: &[(&str, &str)]) -> Image {
    Image { platform: "linux/amd64".to_owned(), labels: words(labels), annotations: words(annotations), ..Image::default() }
}

fn judged(question: &Question, images: Vec<Image>) -> Finding {
    let contents = Some(Contents { images, ..Contents::default() });
    let seen = Seen { contents, notes: Vec::new(), asked: Asked::default(), rate_left: None };
    let against = Against { name: "origin/main".to_owned(), commit: commit('c') };
    judge(question, seen, against, &Story { asked: RefCell::default() }).expect("nobody stops it")
}

#[test]
fn what_an_image_says_comes_to_a_state() {
    let full = |letter| commit(letter);
    let dirty = format!("{}-dirty", full('c'));
    let ours = "https://h.io/ours/app";
    let other = "https://h.io/other/app";
    for (labels, annotations, expected) in [
        (vec![(REVISION, full('c'))], vec![], "in_step"),
        (vec![(REVISION, full('f'))], vec![], "in_step_by_tree"),
        (vec![(REVISION, full('b'))], vec![], "behind"),
        (vec![(REVISION, full('d'))], vec![], "ahead"),
        (vec![(REVISION, full('e'))], vec![], "diverged"),
        (vec![(REVISION, dirty.clone())], vec![], "dirty_build"),
        (vec![(REVISION, format!("{}-dirty", full('b')))], vec![], "behind"),
        (vec![], vec![], "unlabelled"),
        (vec![(REVISION, "main".to_owned())], vec![], "unlabelled"),
        (vec![(REVISION, full('9'))], vec![], "unknown_revision"),
        (vec![(REVISION, full('9')), (CONTEXT, "tree of c".to_owned())], vec![], "in_step_by_tree"),
        (vec![(REVISION, full('9')), (CONTEXT, "tree of b".to_owned())], vec![], "unknown_revision"),
        (vec![(REVISION, "1".repeat(7))], vec![], "unknown_revision"),
        (vec![(REVISION, full('0'))], vec![], "could_not_tell"),
        (vec![(REVISION, full('c')), (SOURCE, ours.to_owned())], vec![], "in_step"),
        (vec![(REVISION, full('c')), (SOURCE, other.to_owned())], vec![], "foreign"),
        // A label of a base image is passed over; an annotation of another project is not.
        (vec![(REVISION, full('a')), (SOURCE, other.to_owned())], vec![(REVISION, full('c'))], "in_step"),
        (vec![(REVISION, full('c'))], vec![(REVISION, full('c')), (SOURCE, other.to_owned())], "foreign"),
        (vec![(REVISION, full('c'))], vec![(REVISION, full('b'))], "behind"),
        (vec![(REVISION, full('b'))], vec![(REVISION, full('c'))], "could_not_tell"),
        // Another commit with the same tree, or one that nobody knows, is no contradiction.
        (vec![(REVISION, full('f'))], vec![(REVISION, full('c'))], "in_step"),
        (vec![(REVISION, full('9'))], vec![(REVISION, full('c'))], "in_step"),
        // One that says "not clean" of what is built is enough, also beside what is trusted more.
        (vec![(REVISION, full('c')), ("org.label-schema.vcs-ref", dirty.clone())], vec![], "dirty_build"),
        (vec![(REVISION, dirty.clone())], vec![(REVISION, full('c'))], "dirty_build"),
        (vec![(REVISION, dirty.clone())], vec![(REVISION, full('f'))], "dirty_build"),
        (vec![(REVISION, dirty.clone()), (SOURCE, other.to_owned())], vec![(REVISION, full('c'))], "in_step"),
        // The label came down from a base of this repository, which was built from another folder of the commit.
        (vec![(REVISION, full('c')), (CONTEXT, "tree of c".to_owned())], vec![], "in_step"),
        (vec![(REVISION, full('c')), (CONTEXT, String::new())], vec![], "in_step"),
        (vec![(REVISION, full('c')), (CONTEXT, "tree of base".to_owned())], vec![], "could_not_tell"),
        (vec![(REVISION, full('c')), (SOURCE, ours.to_owned()), (CONTEXT, "tree of b".to_owned())], vec![], "could_not_tell"),
        (vec![(REVISION, full('b')), (CONTEXT, "tree of base".to_owned())], vec![], "behind"),
        (vec![(REVISION, full('c')), (CONTEXT, "tree of base".to_owned())], vec![(REVISION, full('c'))], "in_step"),
        // An annotation that names nothing says nothing.
        (vec![(REVISION, full('c'))], vec![(REVISION, "latest".to_owned())], "in_step"),
    ] {
        let labels: Vec<_> = labels.iter().map(|(key, word)| (*key, &word[..])).collect();
        let annotations: Vec<_> = annotations.iter().map(|(key, word): &(&str, String)| (*key, &word[..])).collect();
        let finding = judged(&question(), vec![image(&labels, &annotations)]);
        assert_eq!(finding.state.word(), expected, "{labels:?} {annotations:?}");
        let fatal = finding.state.fatal().is_some();
        assert_eq!(fatal, finding.severity() == Severity::Drift, "{labels:?} {annotations:?}");
        assert_eq!(finding.mend().is_none(), matches!(finding.state, State::InStep | State::InStepByTree));
    }
}

#[test]
fn a_time_to_build_and_other_wishes() {
    let behind = || vec![image(&[(REVISION, &commit('b'))], &[])];
    let patient = |seconds| Question { grace: Duration::from_secs(seconds), ..question() };
    assert_eq!(judged(&patient(601), behind()).state, State::Pending);
    assert_eq!(judged(&patient(600), behind()).state, State::Behind);
    let diverged = vec![image(&[(REVISION, &commit('e'))], &[])];
    assert_eq!(judged(&patient(601), diverged).state, State::Diverged);
    let dirty = || vec![image(&[(REVISION, &format!("{}-dirty", commit('c')))], &[])];
    assert_eq!(judged(&Question { allow_dirty: true, ..question() }, dirty()).state, State::InStep);
    let unsaid = || vec![image(&[(REVISION, &commit('c'))], &[])];
    assert_eq!(judged(&Question { require_source: true, ..question() }, unsaid()).state, State::Unlabelled);
    // What does not count makes no contradiction either.
    let both = vec![image(&[(REVISION, &commit('b'))], &[(REVISION, &commit('c')), (SOURCE, "https://h.io/ours/app")])];
    assert_eq!(judged(&Question { require_source: true, ..question() }, both).state, State::InStep);
}

#[test]
fn platforms_have_to_agree() {
    let of = |letter| image(&[(REVISION, &commit(letter))], &[]);
    let on = |mut image: Image, platform: &str| {
        image.platform = platform.to_owned();
        image
    };
    let two = |one, other| judged(&question(), vec![on(one, "linux/amd64"), on(other, "linux/arm64")]);
    assert_eq!(two(of('c'), of('c')).state, State::InStep);
    assert_eq!(two(of('c'), image(&[(REVISION, "ccccccc")], &[])).state, State::InStep);
    for other in [of('b'), of('9'), image(&[], &[]), image(&[(REVISION, &format!("{}-dirty", commit('c')))], &[])] {
        assert_eq!(two(of('c'), other).state, State::PartialPlatforms);
    }
    let finding = two(of('b'), of('b'));
    assert_eq!(finding.state, State::Behind);
    assert!(finding.mend().is_some_and(|mend| mend.contains("--platform linux/amd64,linux/arm64")));
}

#[test]
fn each_commit_is_looked_up_once_and_the_one_that_counts_never() {
    let images = ["linux/amd64", "linux/arm64"].map(|platform| Image {
        platform: platform.to_owned(),
        ..image(&[(REVISION, &commit('c')), ("org.label-schema.vcs-ref", "bbbbbbb")], &[])
    });
    let story = Story { asked: RefCell::default() };
    let contents = Some(Contents { images: images.into(), ..Contents::default() });
    let seen = Seen { contents, notes: Vec::new(), asked: Asked::default(), rate_left: None };
    let against = Against { name: "HEAD".to_owned(), commit: commit('c') };
    let finding = judge(&question(), seen, against, &story).expect("nobody stops it");
    assert!(finding.disagreement && finding.severity() == Severity::CouldNotTell);
    assert_eq!(story.asked.into_inner(), ["bbbbbbb"]);
}

#[test]
fn who_stops_it_gets_no_answer() {
    struct Stopped;
    impl History for Stopped {
        fn remotes(&self) -> Vec<String> {
            Vec::new()
        }
        fn find(&self, _: &str) -> Result<Search> {
            Err(Error::Stopped)
        }
        fn tree(&self, _: &str) -> Result<Option<String>> {
            Err(Error::Stopped)
        }
        fn distance(&self, _: &str, _: &str) -> Result<Distance> {
            Err(Error::Stopped)
        }
    }
    let contents = Some(Contents { images: vec![image(&[(REVISION, &commit('b'))], &[])], ..Contents::default() });
    let seen = Seen { contents, notes: Vec::new(), asked: Asked::default(), rate_left: None };
    let against = Against { name: "HEAD".to_owned(), commit: commit('c') };
    assert_eq!(judge(&question(), seen, against, &Stopped).err(), Some(Error::Stopped));
}
