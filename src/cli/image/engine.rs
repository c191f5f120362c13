//! What the container engine of this machine has under a name.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::docker::{self, Engine, Error, Surroundings};
use crate::image::cause;
use crate::image::local::{Engine as Told, Held};
use crate::image::reference::Reference;

/// Asks it; only a signal is an error.
pub fn held(reference: &Reference, stop: &Arc<AtomicBool>) -> cause::Result<Told> {
    match ask(reference, stop) {
        Ok(held) => Ok(Told::Held(held)),
        Err(Error::NoImage(_)) => Ok(Told::Absent),
        Err(Error::Stopped) => Err(cause::Error::Stopped),
        Err(error) => Ok(Told::Unknown(error.to_string())),
    }
}

fn ask(reference: &Reference, stop: &Arc<AtomicBool>) -> docker::Result<Held> {
    let engine = Engine::connect(docker::find(&Surroundings::of_this_process())?, Arc::clone(stop))?;
    // One with a tag and a digest is known to engines by the digest.
    let named = match &reference.digest {
        Some(digest) => format!("{}@{digest}", reference.name()),
        None => reference.to_string(),
    };
    let image = engine.image(&named)?;
    let variant = if image.variant.is_empty() { String::new() } else { format!("/{}", image.variant) };
    Ok(Held {
        id: image.id,
        digests: image.digests,
        manifest: image.descriptor.map(|(_, digest)| digest),
        layers: image.layers,
        platform: format!("{}/{}{variant}", image.os, image.arch),
        created: image.created,
    })
}
