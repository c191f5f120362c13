//! `image …` against a real registry and real repositories: each state, each reason why something could not be told.

mod engine;
mod logins;
mod states;
mod unknown;

use std::path::PathBuf;

use serde_json::Value;

use crate::git::{Hub, commit, git, head};
use crate::harness::{Ended, write};
use crate::services::{Gate, Picture, Registry};

const REVISION: &str = "org.opencontainers.image.revision";
const SOURCE: &str = "org.opencontainers.image.source";

/// A clone with a folder that an image is built from, and a registry.
struct Shop {
    hub: Hub,
    clone: PathBuf,
    registry: Registry,
}

impl Shop {
    fn new() -> Shop {
        let hub = Hub::new();
        let registry = Registry::start(&hub.top(), Gate::Open);
        let clone = hub.clone("mine", None);
        write(&clone.join("app/Dockerfile"), "FROM scratch\n");
        commit(&clone, "an app");
        let shop = Shop { hub, clone, registry };
        shop.publish();
        shop
    }

    /// What is committed goes to the hub.
    fn publish(&self) {
        git(&self.clone, &["push", "-q", "origin", "HEAD:main"]);
    }

    fn head(&self) -> String {
        head(&self.clone)
    }

    /// A commit that changes a file, published.
    fn change(&self, path: &str) -> String {
        write(&self.clone.join(path), format!("{}\n", self.head()));
        let made = commit(&self.clone, &format!("change {path}"));
        self.publish();
        made
    }

    /// An image of that commit, as `team/app:latest`.
    fn build(&self, revision: &str) -> String {
        self.registry.push("team/app", "latest", &Picture::labelled(&[(REVISION, revision)]))
    }

    fn name(&self) -> String {
        format!("{}/team/app:latest", self.registry.host())
    }

    fn run(&self, words: &[&str]) -> Ended {
        let name = self.name();
        let mut all = vec!["image", "check", &name, "--context", "app"];
        all.extend(words);
        self.hub.world.run_in(&self.clone, &all)
    }

    /// The object of a check, which has to end in that state.
    #[track_caller]
    fn check(&self, words: &[&str], code: i32, state: &str) -> Value {
        let ended = self.run(&[words, &["--json"]].concat());
        ended.ends_with(code);
        let object = ended.json();
        assert_eq!(object["state"], state, "{object}");
        assert_eq!(object["exit_code"], code, "{object}");
        object
    }
}
