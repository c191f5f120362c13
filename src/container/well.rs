//! Waiting until the containers of a service are well.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::rebuild::Order;
use crate::docker::{Container, Health};
use crate::model::shown::short;

/// A container that nobody checks is well when it has run for so long, or for all the time there is to wait.
const STEADY: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Why a container is not well.
pub enum Unwell {
    /// Tame.
    Lost(String),
    /// Nobody waits for it any more.
    Stopped,
}

impl fmt::Display for Unwell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unwell::Lost(why) => f.write_str(why),
            Unwell::Stopped => f.write_str("it was not waited for: stopped"),
        }
    }
}

impl Order<'_> {
    /// Waits until all containers of the service are well. `passing`: one that ends with 0 is well, too.
    pub(super) fn until_well(&self, service: &str, passing: bool, stop: Option<&AtomicBool>) -> Result<(), Unwell> {
        let began = Instant::now();
        let (mut since, mut before) = (began, Vec::new());
        loop {
            let containers = self.containers(service).map_err(|error| Unwell::Lost(short(&error.to_string())))?;
            let now: Vec<_> = containers
                .iter()
                .map(|container| (container.id.clone(), container.state.started, container.state.restarts))
                .collect();
            if now != before {
                (since, before) = (Instant::now(), now);
            }
            let is_done = |container: &Container| {
                passing && container.state.word == "exited" && container.state.exit_code == 0 && !container.state.is_restarting
            };
            if let Some(why) = containers.iter().filter(|container| !is_done(container)).find_map(lost) {
                return Err(Unwell::Lost(why));
            }
            let steady = since.elapsed() >= STEADY.min(self.wait);
            let well = |container: &Container| match container.state.health {
                _ if is_done(container) => true,
                Health::Healthy => true,
                Health::Unchecked => container.state.is_running && !container.state.is_restarting && steady,
                Health::Starting | Health::Unhealthy => false,
            };
            if !containers.is_empty() && containers.iter().all(well) {
                return Ok(());
            }
            if began.elapsed() > self.wait + LOOK_AGAIN * 5 {
                return Err(Unwell::Lost(format!("it was not well within {} s", self.wait.as_secs())));
            }
            if stop.is_some_and(|stop| stop.load(Ordering::SeqCst)) {
                return Err(Unwell::Stopped);
            }
            thread::sleep(LOOK_AGAIN);
        }
    }
}

/// Why a container will not get well by waiting.
fn lost(container: &Container) -> Option<String> {
    let state = &container.state;
    if !state.is_running && !state.is_restarting && state.word != "created" {
        return Some(format!("it ended with {}", state.exit_code));
    }
    (state.health == Health::Unhealthy).then(|| "it is unhealthy".to_owned())
}
