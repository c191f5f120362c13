//! Rebuilds that would lose what nobody could bring back: refused, with what is in the way and the commands for it.

use super::chain::shell;
use super::compose;
use super::error::{Error, Result};
use super::rebuild::Order;
use crate::docker::Container;
use crate::model::shown::short;

/// Refuses where a rebuild of `service` would take away more than is kept of it.
pub fn what_would_be_lost(order: &Order<'_>, service: &str, image: &str, containers: &[Container]) -> Result<()> {
    let name = short(service);
    let refused = |message: String, advice: String| Err(Error::Refused { message, advice });
    if containers.len() > 1 {
        let (count, by_hand) =
            (containers.len(), by_hand(order, service, &format!("--scale {}={} ", shell(service), containers.len())));
        let message = format!("the service {name} has {count} containers, and one alone is kept of a rebuild");
        return refused(message, format!("What was written inside them is lost by: {by_hand}"));
    }
    let names = order.project.name.as_deref().unwrap_or_default();
    let mut others = compose::namesakes(order.engine, service, &order.project.folder, names)?;
    for id in order.project.ids(service)? {
        if !containers.iter().any(|container| container.id.starts_with(&id)) {
            others.push(order.engine.container(&id)?);
        }
    }
    if let Some(other) = others.first() {
        let message = format!(
            "compose takes the container {} for the service {name}, and it was made in another folder",
            short(&other.name)
        );
        return refused(
            message,
            "Rebuild it from there, or give one of the projects another name (COMPOSE_PROJECT_NAME).".to_owned(),
        );
    }
    let guests = |(_, other): &(&String, &compose::Service)| {
        other.network_mode.as_deref().and_then(|mode| mode.strip_prefix("service:")) == Some(service)
    };
    if let Some((guest, _)) = order.project.services.iter().find(guests) {
        let message = format!("the service {} lives in the network of {name}, and would lose it", short(guest));
        let by_hand = by_hand(order, service, "").replace(" --no-deps", "");
        return refused(message, format!("Both are made anew by: {by_hand} {}", shell(guest)));
    }
    if image.is_empty() || image.contains('@') || image.starts_with("sha256:") {
        return refused(
            format!("the image of {name} has no name that can be given to another one"),
            "Name it in the compose file, like `image: app:1`.".to_owned(),
        );
    }
    if let Some(other) = order.project.shares_image(service, image).filter(|_| order.rollback && !containers.is_empty()) {
        let message = format!(
            "the services {name} and {} have the same image name {}: what brought the one back would be what the other is made of",
            short(other),
            short(image)
        );
        return refused(message, "Give each a name of its own in the compose file, or add --no-rollback.".to_owned());
    }
    let anonymous = containers.iter().flat_map(|container| &container.mounts).find(|mount| mount.is_anonymous());
    if let Some(mount) = anonymous.filter(|_| order.renew_volumes && order.rollback) {
        let (target, volume) = (short(&mount.target), short(&mount.name));
        let message = format!("with --renew-volumes the old container of {name} could not come back with its volume at {target}");
        return refused(message, format!("Add --no-rollback; the old volume stays in the engine as {volume}."));
    }
    Ok(())
}

/// What a person types who wants it all the same.
fn by_hand(order: &Order<'_>, service: &str, more: &str) -> String {
    let service = shell(service);
    let words = |words: String| order.project.shown(&words);
    let up = words(format!("up -d --no-deps --force-recreate {more}{service}"));
    order.project.line(&[words(format!("build --no-cache {service}")), up])
}
