//! What is kept of a container before it is replaced: its image, and all that was written inside it beside volumes, each under a
//! name of ours, looked at again before anything depends on it.

use super::chain::shell;
use super::error::{Error, Result};
use super::rebuild::{Former, Order};
use crate::disk::clock;
use crate::docker::{self, Container, MountKind};
use crate::model::digest;
use crate::model::shown::short;
use crate::model::utc;

/// What the name ends with where files are in it.
const FILES: &str = "-files";

/// Gives the image of what serves now a name of ours, before its own name means something else.
pub fn name(order: &Order<'_>, former: &mut Former, say: &mut dyn FnMut(&str)) -> Result<()> {
    let Some(container) = &former.container else { return Ok(()) };
    let (name, tag) = kept_name(order, &former.service, container);
    let kept = format!("{name}:{tag}");
    match order.engine.image(&kept) {
        Err(docker::Error::NoImage(_)) => {}
        Err(error) => return Err(error.into()),
        Ok(_) => {
            return Err(Error::Refused {
                message: format!("an image is called {kept} already"),
                advice: "Run it again in a second.".to_owned(),
            });
        }
    }
    order.engine.tag(&container.image_id, &name, &tag)?;
    verify(order, &kept, &container.image_id)?;
    former.kept = Some(kept.clone());
    let service = shell(&former.service);
    say(&format!("The old image of {service} is kept as {kept}. If this is broken off, it comes back by"));
    way_back(order, former).iter().for_each(|way| say(&format!("  {way}")));
    if !former.written.is_empty() {
        say(&format!("What was written inside the container of {service} is kept before it is replaced."));
    }
    for mount in container.mounts.iter().filter(|mount| order.renew_volumes && mount.is_anonymous()) {
        say(&format!("The old volume at {} stays in the engine as {}.", short(&mount.target), short(&mount.name)));
    }
    Ok(())
}

/// Makes an image of the stopped container with all that was written inside it.
pub fn with_files(order: &Order<'_>, former: &mut Former, say: &mut dyn FnMut(&str)) -> Result<()> {
    let (Some(container), Some(plain)) = (&former.container, &former.kept) else { return Ok(()) };
    let (name, tag) = name_and_tag(plain);
    let tag = format!("{tag}{FILES}");
    let made = order.engine.commit(&container.id, name, &tag)?;
    let kept = format!("{name}:{tag}");
    verify(order, &kept, &made)?;
    say(&format!(
        "What was written inside the old container is kept in the image {kept}. If this is broken off, it comes back by"
    ));
    former.kept = Some(kept);
    way_back(order, former).iter().for_each(|way| say(&format!("  {way}")));
    say("That image has the container's environment and files in it, secrets too: do not push it.");
    Ok(())
}

fn verify(order: &Order<'_>, kept: &str, id: &str) -> Result<()> {
    if order.engine.image(kept)?.id == id {
        return Ok(());
    }
    Err(Error::Refused { message: format!("the image {kept} is not the one that was kept"), advice: "Run it again.".to_owned() })
}

/// What a person types to bring the old one back, from anywhere.
pub fn way_back(order: &Order<'_>, former: &Former) -> Option<String> {
    let kept = former.kept.as_deref()?;
    let mut words = order.up_words(&former.service);
    let service = shell(words.pop().unwrap_or_default());
    let up = order.project.shown(&format!("{} {service}", words.join(" ")));
    Some(order.project.line(&[format!("docker tag {kept} {}", shell(&former.image)), up]))
}

/// Does the service run what was kept, with the volumes that it had? The error says what is other. Tame.
pub fn is_back(order: &Order<'_>, former: &Former) -> std::result::Result<(), String> {
    let (Some(kept), Some(old)) = (&former.kept, &former.container) else { return Ok(()) };
    let told = |error: docker::Error| short(&error.to_string());
    let (image, now) = (order.engine.image(kept).map_err(told)?.id, order.containers(&former.service).map_err(told)?);
    if now.is_empty() {
        return Err("it has no container".to_owned());
    }
    for container in now.iter().filter(|container| container.id != old.id) {
        if container.image_id != image {
            return Err(format!("the container {} runs another image than {kept}", short(&container.name)));
        }
        for mount in old.mounts.iter().filter(|mount| mount.kind == MountKind::Volume) {
            let is_there = |other: &docker::Mount| other.target == mount.target && other.name == mount.name;
            if !container.mounts.iter().any(is_there) {
                let (target, name) = (short(&mount.target), short(&mount.name));
                return Err(format!("its image is back, but at {target} it has not the volume {name} that it had"));
            }
        }
    }
    Ok(())
}

/// A name in the engine for an old image, and its tag. What is left out of the names for their looks is in the digest; the tag has
/// the container's id.
fn kept_name(order: &Order<'_>, service: &str, container: &Container) -> (String, String) {
    let folder = order.project.folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let project = order.project.name.as_deref().unwrap_or(&folder);
    let raw = digest::of(format!("{project}\0{service}").as_bytes());
    let id: String = container.id.chars().take(12).collect();
    let tag = format!("{}-{}-{id}", utc::compact(clock::now()), &format!("{raw:?}")[..8]);
    (format!("driftless-rollback/{}/{}", plain(project), plain(service)), tag)
}

fn plain(text: &str) -> String {
    let plain: String = text.to_ascii_lowercase().chars().filter(|c| c.is_ascii_alphanumeric()).take(64).collect();
    if plain.is_empty() { "x".to_owned() } else { plain }
}

/// A reference's name and its tag; a colon before a slash belongs to a port.
pub fn name_and_tag(reference: &str) -> (&str, &str) {
    match reference.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (reference, "latest"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_no_tag() {
        for (reference, expected) in
            [("a", ("a", "latest")), ("a:1", ("a", "1")), ("h:5000/a", ("h:5000/a", "latest")), ("h:5000/a:1", ("h:5000/a", "1"))]
        {
            assert_eq!(name_and_tag(reference), expected);
        }
    }
}
