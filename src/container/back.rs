//! Bringing the old container back.
//!
//! Invariant. What the new one wrote is kept before it gives way: it may have served for minutes.

use super::chain::shell;
use super::error::{Error, Result};
use super::kept;
use super::rebuild::{End, Former, Order, Rebuilt};
use crate::docker::{self, Container};
use crate::model::shown::short;

impl Order<'_> {
    /// The old one was not replaced, for an error before that: nothing of it is gone.
    pub(super) fn left(&self, mut former: Former, error: &Error) -> Rebuilt {
        let why = Some(short(&error.to_string()));
        let again = match former.container.as_ref().filter(|_| former.was_running()) {
            Some(container) => self.engine.start(&container.id),
            None => Ok(()),
        };
        let gone = matches!(again, Err(docker::Error::NoContainer(_)));
        // Whoever took it away put something there that is not ours to replace.
        let way_back = if gone { None } else { kept::goes_on(self, &former) };
        if again.is_ok() {
            self.untouched(&mut former);
        }
        former.kept_files = None;
        let end = if again.is_ok() { End::RolledBack } else { End::Failed };
        let (stands_still, not_back) = (again.is_err() && !gone, again.err().map(|error| short(&error.to_string())));
        Rebuilt { why, not_back, way_back, stands_still, ..Rebuilt::of(former, end) }
    }

    pub(super) fn roll_back(&self, rebuilt: &mut Rebuilt, say: &mut dyn FnMut(&str)) {
        let former = &rebuilt.former;
        let (Some(kept), Some(old)) = (former.brings_back(), &former.container) else { return };
        say(&format!("{} did not get well. Bringing the old one back.", shell(&former.service)));
        match self.keep_new(former, say) {
            Ok(new_files) => rebuilt.new_files = new_files,
            Err(error) => {
                rebuilt.not_back = Some(format!("what the new one wrote could not be kept: {}", short(&error.to_string())));
                return;
            }
        }
        let back = match self.engine.container(&old.id) {
            Ok(still) => {
                self.give_name_back(former);
                self.start_again(&still, old, &former.service)
            }
            Err(docker::Error::NoContainer(_)) => {
                rebuilt.made_again = true;
                self.make_again(former, kept, say)
            }
            Err(error) => Err(error.into()),
        };
        let back = back.map_err(|error| short(&error.to_string()));
        let well = || match old.state.is_running {
            true => self.until_well(&former.service, former.is_passing(), None).map_err(|unwell| unwell.to_string()),
            false => Ok(()),
        };
        match back.and_then(|()| well()).and_then(|()| kept::is_back(self, former)) {
            Ok(()) => rebuilt.end = End::RolledBack,
            Err(why) => rebuilt.not_back = Some(why),
        }
    }

    /// Stops the new container and keeps what it wrote: the image, and the files.
    fn keep_new(&self, former: &Former, say: &mut dyn FnMut(&str)) -> Result<Option<(String, Vec<String>)>> {
        let Some(new) = self.newcomer(former)? else { return Ok(None) };
        if new.state.is_running || new.state.is_restarting {
            self.halt(&former.service, say)?;
        }
        let files = self.written(&new)?;
        if files.is_empty() {
            return Ok(None);
        }
        let kept = kept::of_new(self, former, &new)?;
        Ok(kept.map(|kept| (kept, files)))
    }

    /// The old container is still there: what was made in its place goes.
    fn start_again(&self, still: &Container, old: &Container, service: &str) -> Result<()> {
        for container in self.containers(service)? {
            if container.id != still.id {
                self.engine.remove(&container.id)?;
            }
        }
        if still.name != old.name {
            self.engine.rename(&still.id, &old.name)?;
        }
        if old.state.is_running && !still.state.is_running {
            self.engine.start(&still.id)?;
        }
        Ok(())
    }

    /// The old container is gone: its image gets the name that compose asks for.
    fn make_again(&self, former: &Former, kept: &str, say: &mut dyn FnMut(&str)) -> Result<()> {
        let (name, tag) = kept::name_and_tag(&former.image);
        self.engine.tag(kept, name, tag)?;
        self.up(&former.service, former.was_running(), false, say)
    }
}
