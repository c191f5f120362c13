//! The engine's image against the registry's, with a real engine.

use std::process::Command;

use super::{REVISION, Shop};
use crate::services::{Engine, Picture};

/// IM-05: is there a newer image than the one that the engine has?
#[test]
fn im_05_the_engine_has_the_registrys_image_or_it_is_said() {
    let mut shop = Shop::new();
    let engine = Engine::start(&shop.hub.top().join("e"));
    shop.hub.world.set("DOCKER_HOST", engine.host());
    let name = shop.name();
    let docker = |words: &[&str]| {
        let output = Command::new("docker").args(words).env("DOCKER_HOST", engine.host()).output().expect("it starts");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let head = shop.head();
    shop.build(&head);
    let object = shop.check(&["--local"], 5, "in_step");
    assert_eq!((&object["local"]["state"], &object["severity"]), (&"absent".into(), &"drift".into()), "{object}");
    assert_eq!(
        (&object["mend"], &object["fatal"]),
        (&format!("docker pull {name}").into(), &serde_json::Value::Null),
        "{object}"
    );
    docker(&["pull", "-q", &name]);
    let object = shop.check(&["--local"], 0, "in_step");
    assert_eq!(object["local"]["state"], "same", "{object}");
    // Somebody pushes another one of the same commit.
    shop.registry.push("team/app", "latest", &Picture::labelled(&[(REVISION, &head), ("again", "yes")]));
    let object = shop.check(&["--local"], 5, "in_step");
    assert_eq!(object["local"]["state"], "differs", "{object}");
    docker(&["pull", "-q", &name]);
    assert_eq!(shop.check(&["--local"], 0, "in_step")["local"]["state"], "same");
    // An index: the engine keeps one image of it.
    let of = |architecture| Picture::labelled(&[(REVISION, &head)]).on(architecture);
    shop.registry.push_index("team/app", "latest", &[of("amd64"), of("arm64")], &[]);
    docker(&["pull", "-q", &name]);
    assert_eq!(shop.check(&["--local"], 0, "in_step")["local"]["state"], "same");
    // Made here under the same name, and never pushed.
    let id = docker(&["image", "inspect", "--format", "{{.Id}}", &name]);
    docker(&["image", "rm", &name]);
    let made = shop.hub.top().join("made");
    crate::harness::write(&made.join("Dockerfile"), "FROM scratch\nCOPY Dockerfile /\n");
    docker(&["build", "-q", "-t", &name, made.to_str().expect("text")]);
    let object = shop.check(&["--local"], 5, "in_step");
    assert_eq!(object["local"]["state"], "local_only", "{object}");
    assert_ne!(object["local"]["id"], id);
    let told = shop.run(&["--local"]);
    told.ends_with(5);
    assert!(told.stdout.starts_with("The container engine has not the image"), "{told}");
    drop(engine);
    let object = shop.check(&["--local"], 7, "in_step");
    assert_eq!(object["local"]["state"], "could_not_tell", "{object}");
}
