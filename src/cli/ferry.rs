//! The syncs of `run` and `step`: by the watch process where there is one, else here, with the user's hooks around them.

use std::sync::atomic::AtomicBool;

use crate::cli::exit;
use crate::cli::failure::Failure;
use crate::cli::settings::Settings;
use crate::cli::{Context, hooks, json as objects, say, steer};
use crate::engine;
use crate::engine::report::{Progress, Report};
use crate::engine::request::{Pair, Request};
use crate::model::side::Direction;
use crate::run::{Carried, Carrier, Hold, Wait};

/// What the syncs of one command share.
pub struct Ferry<'a> {
    pub context: &'a Context,
    pub pair: &'a Pair,
    pub settings: &'a Settings,
}

/// One sync.
#[derive(Debug)]
pub struct Done {
    pub carried: Carried,
    /// Where it was done here.
    pub report: Option<Report>,
}

impl Ferry<'_> {
    /// As the settings say.
    pub fn request(&self, direction: Direction) -> Request {
        Request {
            policies: self.settings.policies.clone(),
            policies_by_flag: self.settings.policies_by_flag,
            wait: self.settings.wait,
            yes: self.context.common.yes,
            ..Request::plain(direction)
        }
    }

    /// One sync with its hooks.
    pub fn sync(&self, request: &Request, tell: &(dyn Fn(Progress) + Sync)) -> Done {
        let stop = self.context.stop.flag();
        hooks::before_sync(self.settings, self.pair, request.direction, stop);
        let done = self.sync_alone(request, tell);
        hooks::after_sync(self.settings, self.pair, request.direction, &done.carried, stop);
        done
    }

    fn sync_alone(&self, request: &Request, tell: &(dyn Fn(Progress) + Sync)) -> Done {
        let asked = steer::ask(self.context, self.pair, request, tell);
        if let Some(Ok(done)) = &asked
            && (done.exit_code == 0 || !request.insist)
        {
            let report = serde_json::from_str(done.report.get()).unwrap_or_default();
            return Done { carried: Carried { code: done.exit_code, report }, report: None };
        }
        let failed = |failure: Failure| {
            let report = serde_json::from_str(&objects::failure("sync", &failure)).unwrap_or_default();
            Done { carried: Carried { code: failure.exit.code(), report }, report: None }
        };
        if let Some(Err(failure)) = asked
            && !request.insist
        {
            return failed(failure);
        }
        // It tries once more at once what is still written to; the watch process does not.
        match engine::sync(self.pair, request, &self.settings.options, tell, self.context.stop.flag()) {
            Ok(report) => {
                let (exit, outcome) = exit::of_report(&report, self.context.stop.signal());
                let object = objects::sync("sync", &report, exit, outcome, false, "scan");
                let carried = Carried { code: exit.code(), report: serde_json::from_str(&object).unwrap_or_default() };
                Done { carried, report: Some(report) }
            }
            Err(error) => failed(error.into()),
        }
    }

    /// Changes that are in staging alone, in words; not counted to the end where `stop` is set.
    pub fn unsent(&self, stop: &AtomicBool) -> String {
        match engine::unsent(self.pair, &self.settings.options, stop) {
            Some(1) => "1 change is".to_owned(),
            Some(number) => format!("{number} changes are"),
            None => "What changed is".to_owned(),
        }
    }
}

impl Carrier for Ferry<'_> {
    fn carry(&self, direction: Direction, wait: Wait) -> Carried {
        let mut request = self.request(direction);
        if wait == Wait::No {
            request.wait = std::time::Duration::ZERO;
        }
        // The terminal is the command's.
        self.sync(&request, &|_| {}).carried
    }

    fn hold(&self, held: bool) -> Hold {
        steer::hold(self.pair, held)
    }

    fn say(&self, line: &str) {
        say(&format!("driftless: {line}\n"));
    }
}
