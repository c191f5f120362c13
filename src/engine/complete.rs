//! May a command start on the staged copy?

use super::error::Error;
use super::report::{Outcome, Report};
use super::request::{Pair, Request};
use crate::manifest::{Reader, key};
use crate::model::finding::ProblemKind;
use crate::model::side::Side;

/// Did staging ever hold everything that it could take of the network root? A command that works on less finds inputs missing
/// and makes new ones.
///
/// # Errors
/// That the manifest cannot be read.
pub fn is_complete(pair: &Pair) -> Result<bool, Error> {
    let Some(reader) = Reader::open(&pair.state)? else { return Ok(false) };
    Ok(reader.meta(key::STAGING_COMPLETE)?.is_some())
}

/// Has this run, which came to its end, made staging complete? What nobody may read here, or what staging cannot hold, would be
/// missing for ever, and does not count.
pub(super) fn is_completed_by(request: &Request, report: &Report) -> bool {
    let for_a_while = |kind| match kind {
        ProblemKind::Busy | ProblemKind::Unreadable | ProblemKind::Full | ProblemKind::Io => true,
        ProblemKind::Permission | ProblemKind::NotRepresentable | ProblemKind::Taken => false,
    };
    let whole = request.is_whole() && request.direction.writes(Side::Staging) && report.outcome == Outcome::Done;
    whole && !report.problems.iter().any(|problem| for_a_while(problem.kind))
}

#[cfg(test)]
mod tests {
    use super::super::sync::empty_report;
    use super::*;
    use crate::model::finding::Problem;
    use crate::model::path::RelPath;
    use crate::model::side::Direction;

    #[test]
    fn only_a_whole_run_into_staging_with_nothing_left_for_later_completes_it() {
        let pair =
            Pair { name: "p".to_owned(), state: "/state".into(), staging: "/s".into(), network: "/n".into(), others: Vec::new() };
        let path = RelPath::parse(b"a").expect("a path");
        let one = |kind| Problem { path: path.clone(), side: Side::Network, kind, message: String::new() };
        let part = |direction| Request { paths: vec![path.clone()], ..Request::plain(direction) };
        for (request, outcome, problems, expected) in [
            (Request::plain(Direction::Down), Outcome::Done, vec![], true),
            (Request::plain(Direction::Both), Outcome::Done, vec![], true),
            (Request::plain(Direction::Up), Outcome::Done, vec![], false),
            (part(Direction::Down), Outcome::Done, vec![], false),
            (Request::plain(Direction::Down), Outcome::Interrupted, vec![], false),
            (Request::plain(Direction::Down), Outcome::Done, vec![one(ProblemKind::Permission)], true),
            (Request::plain(Direction::Down), Outcome::Done, vec![one(ProblemKind::NotRepresentable)], true),
            (Request::plain(Direction::Down), Outcome::Done, vec![one(ProblemKind::Permission), one(ProblemKind::Io)], false),
            (Request::plain(Direction::Down), Outcome::Done, vec![one(ProblemKind::Busy)], false),
        ] {
            let report = Report { outcome, problems, ..empty_report(&pair, &request) };
            assert_eq!(is_completed_by(&request, &report), expected, "{request:?} {report:?}");
        }
    }
}
