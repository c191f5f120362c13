//! Two roots in a folder of their own and the real program run on them, for the tests that trace it, kill it or take its
//! mounts away: it runs under a tracer, and as whoever the tests run as.

#![expect(clippy::disallowed_methods, reason = "builds the roots that the program is tried on")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime};

use serde_json::Value;

/// The roots, the state folder, and a place for everything else a test needs.
pub struct Ground {
    dir: tempfile::TempDir,
    pub staging: PathBuf,
    pub network: PathBuf,
    durability: &'static str,
    settings: Vec<(&'static str, String)>,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub json: Value,
    pub stderr: String,
}

impl Ground {
    pub fn new() -> Ground {
        Ground::at(tempfile::Builder::new().prefix("driftless-it-").tempdir().expect("a temporary folder"))
    }

    /// In memory, where the machine has a folder there: for what is begun anew many times, and where no power is cut.
    pub fn in_memory() -> Ground {
        let mut name = tempfile::Builder::new();
        name.prefix("driftless-it-");
        Ground::at(name.tempdir_in("/dev/shm").or_else(|_| name.tempdir()).expect("a temporary folder"))
    }

    fn at(dir: tempfile::TempDir) -> Ground {
        let (staging, network) = (dir.path().join("staging"), dir.path().join("network"));
        fs::create_dir(&staging).expect("a staging root");
        fs::create_dir(&network).expect("a network root");
        Ground { dir, staging, network, durability: "none", settings: Vec::new() }
    }

    pub fn durability(mut self, durability: &'static str) -> Ground {
        self.durability = durability;
        self
    }

    pub fn setting(mut self, name: &'static str, value: impl ToString) -> Ground {
        self.settings.push((name, value.to_string()));
        self
    }

    /// Something else of this test, beside the roots.
    pub fn place(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `before` (a tracer, or nothing) and the program with `words` and the pair's roots.
    pub fn command(&self, before: &[&str], words: &[&str]) -> Command {
        let program = env!("CARGO_BIN_EXE_driftless");
        let mut line = before.iter().copied().chain([program]).chain(words.iter().copied());
        let mut command = Command::new(line.next().expect("at least the program"));
        command.args(line).arg("--network").arg(&self.network).arg("--staging").arg(&self.staging);
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"DRIFTLESS_") {
                command.env_remove(name);
            }
        }
        command.env("DRIFTLESS_HOME", self.place("home")).env("DRIFTLESS_DURABILITY", self.durability);
        command.envs(self.settings.iter().map(|(name, value)| (*name, value)));
        command.stdin(Stdio::null());
        command
    }

    /// Runs `sync` with `words`.
    pub fn sync(&self, words: &[&str]) -> Ended {
        self.traced(&[], words)
    }

    /// Runs `sync` with `words` under a tracer.
    pub fn traced(&self, before: &[&str], words: &[&str]) -> Ended {
        let words: Vec<&str> = ["sync"].into_iter().chain(words.iter().copied()).chain(["--json"]).collect();
        ended(self.command(before, &words).output().expect("the program starts"))
    }

    /// Runs `sync` with `words` and expects that all went well.
    pub fn synced(&self, words: &[&str]) -> Ended {
        let ended = self.sync(words);
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        ended
    }
}

pub fn ended(output: Output) -> Ended {
    let json = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    Ended { code: output.status.code(), json, stderr: String::from_utf8_lossy(&output.stderr).into_owned() }
}

impl Ended {
    pub fn list(&self, key: &str) -> &[Value] {
        self.json[key].as_array().map_or(&[], Vec::as_slice)
    }

    /// Paths in one of the report's lists, sorted.
    pub fn paths(&self, key: &str) -> Vec<&str> {
        let mut paths: Vec<&str> = self.list(key).iter().filter_map(|item| item["path"].as_str()).collect();
        paths.sort_unstable();
        paths
    }

    /// Message and advice, as the user reads them.
    pub fn words(&self) -> String {
        let text = |key: &str| self.json[key].as_str().unwrap_or_default().to_owned();
        format!("{} {} {}", text("message"), text("advice"), self.stderr)
    }

    /// The run found nothing to do.
    #[track_caller]
    pub fn did_nothing(&self) {
        let counts = ["written", "deleted", "held"].map(|key| self.json[key].clone());
        let flat = ["metadata", "renamed", "adopted", "revived"].map(|key| self.json[key].clone());
        let all_zero = |value: &Value| match value {
            Value::Object(map) => map.values().all(|number| number == 0),
            number => number == 0,
        };
        assert!(counts.iter().chain(&flat).all(all_zero), "the run was to find nothing to do: {self:#?}");
    }
}

/// A day in 2020, and `seconds` more.
pub fn then(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::new(1_600_000_000 + seconds, 0)
}

/// Writes a file with its folders, time and mode.
pub fn write(path: &Path, bytes: &[u8], mtime: SystemTime) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("its folder");
    fs::write(path, bytes).unwrap_or_else(|error| panic!("cannot write {path:?}: {error}"));
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).expect("its mode");
    set_time(path, mtime);
}

pub fn set_time(path: &Path, mtime: SystemTime) {
    fs::File::options().write(true).open(path).and_then(|file| file.set_modified(mtime)).expect("its time");
}

/// Bytes that no other seed and length give.
pub fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Runs `scripts/soak-kills` with `words`. A round that fails keeps its folder and names its seed.
#[track_caller]
pub fn soak(words: &[&str]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/soak-kills");
    let mut command = Command::new(script);
    command.args(words).env("DRIFTLESS", env!("CARGO_BIN_EXE_driftless")).stdin(Stdio::null());
    let output = command.output().expect("python3 and the script start");
    let [out, said] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
    assert!(output.status.success(), "{words:?}: {out}{said}");
}
