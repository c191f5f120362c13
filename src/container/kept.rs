//! What is kept of a container before it is replaced: its image, and all that was written inside it beside volumes, each under a
//! name of ours, looked at again before anything depends on it; and the lines that bring it back.
//!
//! While the old container is there it alone has what was written inside: no line that is told then takes it away.

use super::chain::shell;
use super::error::{Error, Result};
use super::rebuild::{Former, Order};
use crate::disk::clock;
use crate::docker::{self, Container, Mount, MountKind};
use crate::model::digest;
use crate::model::shown::short;
use crate::model::utc;

/// What the name ends with where files are in it.
const FILES: &str = "-files";
/// The label of an image, and of every container made of it, that has in it what was written inside an earlier container.
pub const LABEL: &str = "driftless.written-inside";

/// Gives the image of what serves now a name of ours, before its own name means something else.
pub fn name(order: &Order<'_>, former: &mut Former, say: &mut dyn FnMut(&str)) -> Result<()> {
    let Some(container) = &former.container else { return Ok(()) };
    let (name, mut tag) = kept_name(order, &former.service, container);
    if former.has_earlier_files() {
        tag.push_str(FILES);
    }
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
    say(&format!("The old image of {service} is kept as {kept}. Until it is replaced, the old container has all that is in it."));
    if let Some(line) = goes_on(order, former) {
        say(&format!("If this is broken off before, it goes on by\n  {line}"));
    }
    if order.rollback && former.same_settings == Some(false) {
        say(&format!("The compose file says other things of {service} than when its container was made: {NOT_SURE}."));
    }
    for mount in container.mounts.iter().filter(|mount| order.renew_volumes && mount.is_anonymous()) {
        say(&format!("The old volume at {} stays in the engine as {}.", short(&mount.target), short(&mount.name)));
    }
    Ok(())
}

/// What a changed compose file means for the way back.
pub const NOT_SURE: &str = "if the new one does not get well, the old image comes back with the settings of now, or not at all";

/// Keeps what was written inside the stopped container, and tells how it comes back once it is gone.
pub fn with_files(order: &Order<'_>, former: &mut Former, say: &mut dyn FnMut(&str)) -> Result<()> {
    let (Some(container), Some(plain)) = (&former.container, &former.kept) else { return Ok(()) };
    if former.has_earlier_files() {
        former.kept_files = Some(plain.clone());
    }
    if !former.written.is_empty() {
        let kept = commit(order, container, &format!("{plain}{FILES}"))?;
        say(&format!("What was written inside the old container is kept in the image {kept}."));
        former.kept_files = Some(kept);
    }
    if former.kept_files.is_some() {
        say("That image has the container's environment and files in it, secrets too: do not push it.");
    }
    match way_back(order, former) {
        Some(way) => {
            say(
                "From here on the old container may be gone. If this is broken off, it comes back by this line; what a new one wrote goes",
            );
            say(&format!("with that, and variables of this shell count that the compose file names:\n  {way}"));
        }
        None => say("Other services have the same image name: no line of commands brings the old one back."),
    }
    Ok(())
}

/// Keeps what the new container wrote before it gives way to the old one, and says what it wrote.
pub fn of_new(order: &Order<'_>, former: &Former, new: &Container) -> Result<Option<String>> {
    former.kept.as_deref().map(|plain| commit(order, new, &format!("{plain}-failed{FILES}"))).transpose()
}

fn commit(order: &Order<'_>, container: &Container, kept: &str) -> Result<String> {
    let (name, tag) = name_and_tag(kept);
    let made = order.engine.commit(&container.id, name, tag, (LABEL, kept))?;
    verify(order, kept, &made)?;
    Ok(kept.to_owned())
}

fn verify(order: &Order<'_>, kept: &str, id: &str) -> Result<()> {
    if order.engine.image(kept)?.id == id {
        return Ok(());
    }
    Err(Error::Refused { message: format!("the image {kept} is not the one that was kept"), advice: "Run it again.".to_owned() })
}

/// What a person types, from anywhere, while the old container is still there: it serves as it did, and its image's name means what it
/// meant.
pub fn goes_on(order: &Order<'_>, former: &Former) -> Option<String> {
    let container = former.container.as_ref()?;
    let start = container.state.is_running.then(|| format!("docker start {}", brief(&container.id)));
    let tag = former.image_id.as_deref().map(|id| format!("docker tag {id} {}", shell(&former.image)));
    let commands: Vec<String> = start.into_iter().chain(tag).collect();
    (!commands.is_empty()).then(|| order.project.engine_line(&commands))
}

/// What a person types to bring the old one back when its container is gone, from anywhere. `None` where another service would get
/// its image, too.
pub fn way_back(order: &Order<'_>, former: &Former) -> Option<String> {
    Some(order.project.line(&back_by(order, former)?))
}

/// The same, and what the container wrote that is there now is kept.
pub fn way_back_from(order: &Order<'_>, former: &Former, now: &Container) -> Option<String> {
    let (id, plain) = (brief(&now.id), former.kept.as_deref()?);
    let mut commands = vec![format!("docker stop {id}"), format!("docker commit {id} {plain}-left{FILES}")];
    commands.extend(back_by(order, former)?);
    Some(order.project.line(&commands))
}

fn back_by(order: &Order<'_>, former: &Former) -> Option<Vec<String>> {
    let kept = former.brings_back()?;
    if order.project.shares_image(&former.service, &former.image).is_some() {
        return None;
    }
    let words = order.project.up_words(&former.service, former.was_running(), false);
    let words: Vec<String> = words.iter().map(|word| shell(word)).collect();
    Some(vec![format!("docker tag {kept} {}", shell(&former.image)), order.project.shown(&words.join(" "))])
}

/// An id as people know it.
pub fn brief(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

/// Does the service run what was kept, with the volumes and folders that it had? The error says what is other. Tame.
pub fn is_back(order: &Order<'_>, former: &Former) -> std::result::Result<(), String> {
    let (Some(kept), Some(old)) = (former.brings_back(), &former.container) else { return Ok(()) };
    let told = |error: docker::Error| short(&error.to_string());
    let (image, now) = (order.engine.image(kept).map_err(told)?.id, order.containers(&former.service).map_err(told)?);
    if now.is_empty() {
        return Err("it has no container".to_owned());
    }
    for container in now.iter().filter(|container| container.id != old.id) {
        if container.image_id != image {
            return Err(format!("the container {} runs another image than {kept}", short(&container.name)));
        }
        if let Some(mount) = left_behind(&old.mounts, &container.mounts).first() {
            let (target, what) = (short(&mount.target), shown(mount));
            return Err(format!("its image is back, but at {target} it has not {what} that it had"));
        }
    }
    Ok(())
}

/// What lay in the old container and does not lie there in the new one.
pub fn left_behind<'m>(old: &'m [Mount], new: &[Mount]) -> Vec<&'m Mount> {
    let is_there = |mount: &&Mount| {
        let same = |other: &Mount| match mount.kind {
            MountKind::Volume => other.name == mount.name,
            _ => other.source == mount.source,
        };
        new.iter().any(|other| other.target == mount.target && other.kind == mount.kind && same(other))
    };
    let lasting = |mount: &&Mount| matches!(mount.kind, MountKind::Volume | MountKind::Bind);
    old.iter().filter(lasting).filter(|mount| !is_there(mount)).collect()
}

/// What is mounted, for people.
pub fn shown(mount: &Mount) -> String {
    if mount.kind == MountKind::Volume { format!("the volume {}", short(&mount.name)) } else { short(&mount.source) }
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
    fn what_lay_elsewhere_stayed_behind() {
        let mount = |kind, target: &str, by: &str| {
            let (source, name) = if kind == Bind { (by, "") } else { ("", by) };
            Mount { kind, target: target.to_owned(), source: source.to_owned(), name: name.to_owned() }
        };
        use MountKind::{Bind, Memory, Volume};
        let old = [mount(Bind, "/a", "/1"), mount(Volume, "/b", "v"), mount(Volume, "/c", "w"), mount(Memory, "/d", "")];
        for (new, expected) in [
            (vec![mount(Bind, "/a", "/1"), mount(Volume, "/b", "v"), mount(Volume, "/c", "w")], vec![]),
            (vec![mount(Bind, "/a", "/2"), mount(Volume, "/b", "w"), mount(Volume, "/c", "w")], vec!["/a", "/b"]),
            (vec![mount(Volume, "/a", "/1"), mount(Volume, "/x", "v")], vec!["/a", "/b", "/c"]),
        ] {
            let found: Vec<_> = left_behind(&old, &new).into_iter().map(|mount| mount.target.as_str()).collect();
            assert_eq!(found, expected, "{new:?}");
        }
    }

    #[test]
    fn a_port_is_no_tag() {
        for (reference, expected) in
            [("a", ("a", "latest")), ("a:1", ("a", "1")), ("h:5000/a", ("h:5000/a", "latest")), ("h:5000/a:1", ("h:5000/a", "1"))]
        {
            assert_eq!(name_and_tag(reference), expected);
        }
    }
}
