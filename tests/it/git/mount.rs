//! A clone on a network drive that two hosts work in: each mounts it for itself, so that kernel locks do not reach the other.

use std::path::Path;
use std::process::{Command, Stdio};

use super::{Hub, git, sound};
use crate::harness::{Ended, stands, wait_for, write};
use crate::services::{Server, need_mounts};

impl Hub {
    /// `git …` as a host of that name has it, by a UTS namespace.
    fn on(&self, host: &str, folder: &Path, words: &[&str]) -> Command {
        let plain = self.world.command(folder, &[&["git"], words].concat());
        let mut command = Command::new("unshare");
        command
            .args(["--uts", "sh", "-c", "hostname \"$0\" && exec \"$@\"", host])
            .arg(plain.get_program())
            .args(plain.get_args());
        command.current_dir(folder).env_clear().envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("T", self.top()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn ends_on(&self, host: &str, folder: &Path, words: &[&str]) -> Ended {
        Ended::of(self.on(host, folder, words).output().expect("unshare starts"))
    }
}

#[test]
fn rc_02_two_hosts_take_turns_in_one_clone() {
    need_mounts();
    let hub = Hub::new();
    let served = hub.top().join("served");
    std::fs::create_dir(&served).expect("a folder");
    git(&served, &["clone", "-q", &hub.url(), "clone"]);
    let server = Server::start(&hub.top().join("server"));
    let points = ["left", "right"].map(|name| hub.top().join(name));
    points.iter().for_each(|point| std::fs::create_dir(point).expect("a folder"));
    let _mounts =
        points.each_ref().map(|point| server.mount(&served, point, "direct_io,dir_cache=no,attr_timeout=0,entry_timeout=0"));
    let [left, right] = points.each_ref().map(|point| point.join("clone"));

    let command = "echo > $T/begun; until [ -e $T/go ]; do sleep 0.05; done; echo left > keep.txt";
    let at_work = hub.on("left", &left, &["tick", "--run", command, "--paths", "keep.txt"]).spawn().expect("it starts");
    wait_for("the command of the tick", || stands(&hub.top().join("begun")));
    let told = hub.ends_on("right", &right, &["lock", "--json"]).json();
    assert_eq!((&told["work_tree"]["host"], &told["refs"]), (&"left".into(), &serde_json::Value::Null), "{told}");
    hub.ends_on("right", &right, &["tick", "--wait", "1s", "--paths", "keep.txt"]).ends_with(8).says("on left (tick)");

    write(&hub.top().join("go"), "");
    Ended::of(at_work.wait_with_output().expect("waited for")).ends_with(0);
    assert_eq!(hub.at_tip("keep.txt").as_deref(), Some("left\n"));
    assert_eq!(hub.ends_on("right", &right, &["lock", "--json"]).json()["work_tree"], serde_json::Value::Null);
    write(&right.join("keep.txt"), "right\n");
    hub.ends_on("right", &right, &["tick", "--wait", "1s", "--paths", "keep.txt"]).ends_with(0);
    assert_eq!(hub.at_tip("keep.txt").as_deref(), Some("right\n"));
    sound(&served.join("clone"));
}
