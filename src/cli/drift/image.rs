//! The repository and the image at its registry.

use super::{Finding, Severity};
use crate::cli::args::image::Check;
use crate::cli::failure::Failure;
use crate::cli::image::{Site, check, sentence, text};
use crate::cli::json;
use crate::cli::render::Paint;
use crate::cli::settings::gates::Gate;
use crate::cli::trust::Clone;
use crate::image::finding::{self, Finding as Found};

/// How the image that the project names stands. `site` is the top of `clone`; in one that others write to nothing is fetched, and no
/// git is started before `pair.toml` agrees.
pub fn find(site: &Site, clone: &Clone) -> Result<Finding, Failure> {
    match () {
        () if clone.top.is_none() || !site.names_an_image()? => Ok(Finding::not_set_up("driftless.toml names no image")),
        () if !clone.is_agreed(Gate::Image)? => Ok(clone.not_agreed(Gate::Image)),
        () => find_named(site, !clone.is_own()),
    }
}

/// The same for a gate: an image has to be named. `untouched`: nothing is written into the clone.
pub fn find_named(site: &Site, untouched: bool) -> Result<Finding, Failure> {
    let found = if untouched { check::find_untouched(site)? } else { check::find(site, &Check::default())? };
    Ok(of(&found))
}

fn of(found: &Found) -> Finding {
    let severity = match found.severity() {
        finding::Severity::InStep => Severity::InStep,
        finding::Severity::Drift => Severity::Drift,
        finding::Severity::CouldNotTell => Severity::CouldNotTell,
    };
    let mut finding = Finding::new(severity, found.state.word(), sentence(found));
    finding.fatal = found.state.fatal();
    let told = text::finding(found, Paint::PLAIN);
    let wanted = ["repository  ", "image  ", "distance  "];
    let lines = told.lines().map(str::trim_start).filter(|line| wanted.iter().any(|wanted| line.starts_with(wanted)));
    finding.details = lines.map(str::to_owned).collect();
    finding.mend = found.mend();
    finding.with_object(json::image_check(found, check::exit(found.severity())))
}
