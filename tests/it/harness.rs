//! A world of one test: a network and a staging folder, a state folder of its own, and the binary run in an environment
//! that holds nothing else.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use filetime::FileTime;
use serde_json::Value;
use tempfile::TempDir;

use crate::tree::Tree;

/// The user that owns nothing.
pub(crate) const NOBODY: u32 = 65_534;

/// No state is waited for longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Commands that take `--network` and `--staging`.
const OF_A_PAIR: &[&str] = &[
    "sync",
    "status",
    "watch",
    "stop",
    "pause",
    "resume",
    "conflicts",
    "revert",
    "history",
    "undo",
    "trash",
    "doctor",
    "relink",
    "step",
];

pub(crate) struct World {
    folder: TempDir,
    pub(crate) network: PathBuf,
    pub(crate) staging: PathBuf,
    pub(crate) state: PathBuf,
    program: PathBuf,
    user: Option<u32>,
    environment: Vec<(String, String)>,
}

/// How a run of the program ended.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl World {
    /// Two empty folders; no pair yet.
    pub(crate) fn new() -> World {
        World::below(None)
    }

    /// The same, made below another folder: on another file system.
    pub(crate) fn below(place: Option<&Path>) -> World {
        let mut name = tempfile::Builder::new();
        name.prefix("driftless-it-");
        let folder = place.map_or_else(|| name.tempdir(), |place| name.tempdir_in(place)).expect("a folder of the moment");
        let top = fs::canonicalize(folder.path()).expect("its real path");
        let [network, staging, state] = ["network", "staging", "state"].map(|name| top.join(name));
        fs::create_dir(&network).expect("a network folder");
        fs::create_dir(&staging).expect("a staging folder");
        let program = PathBuf::from(env!("CARGO_BIN_EXE_driftless"));
        World { folder, network, staging, state, program, user: None, environment: Vec::new() }
    }

    /// The folder that holds everything of this test.
    pub(crate) fn top(&self) -> PathBuf {
        fs::canonicalize(self.folder.path()).expect("its real path")
    }

    /// A pair that is in step: `files` on both sides.
    pub(crate) fn paired(files: &[(&str, &str)]) -> World {
        let world = World::new();
        for (path, content) in files {
            write(&world.network.join(path), content);
        }
        world.run(&["sync", "down"]).ends_with(0);
        world
    }

    /// From now on everything here belongs to an ordinary user and the program runs as one. Where the tests do not run
    /// as root they are that user already.
    pub(crate) fn as_nobody(&mut self) {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let top = self.top();
        let program = top.join("driftless");
        // The build folder may not be open to everybody.
        fs::copy(&self.program, &program).expect("a copy of the program");
        self.program = program;
        self.user = Some(NOBODY);
        self.give_away(&top);
    }

    /// Everything below `path` belongs to the user that the program runs as.
    pub(crate) fn give_away(&self, path: &Path) {
        let Some(user) = self.user else { return };
        std::os::unix::fs::lchown(path, Some(user), Some(user)).expect("a new owner");
        let is_folder = fs::symlink_metadata(path).expect("its kind").is_dir();
        for entry in is_folder.then(|| fs::read_dir(path).expect("a listing")).into_iter().flatten() {
            self.give_away(&entry.expect("an entry").path());
        }
    }

    pub(crate) fn set(&mut self, variable: &str, value: &str) {
        self.environment.push((variable.to_owned(), value.to_owned()));
    }

    /// The program with the arguments as they are, in the folder `here`.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, here: &Path, arguments: &[S]) -> Command {
        let mut command = Command::new(&self.program);
        let home = self.top().join("home");
        command.args(arguments).current_dir(here).env_clear().stdin(Stdio::null());
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", home).env("LC_ALL", "C");
        command.env("DRIFTLESS_HOME", &self.state);
        command.envs(self.environment.iter().map(|(variable, value)| (variable, value)));
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        command
    }

    /// The arguments with this world's roots, where the command takes them.
    pub(crate) fn arguments(&self, arguments: &[&str]) -> Vec<String> {
        let mut all: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let named = arguments.iter().any(|argument| ["--pair", "--network", "--staging", "--help"].contains(argument));
        if !named && arguments.iter().any(|argument| OF_A_PAIR.contains(argument)) {
            for (option, root) in [("--network", &self.network), ("--staging", &self.staging)] {
                all.extend([option.to_owned(), root.to_str().expect("a path of this test").to_owned()]);
            }
        }
        all
    }

    /// Runs the program on this world's two roots.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        self.run_in(&self.top(), &self.arguments(arguments))
    }

    /// Runs the program in the folder `here`, with the arguments as they are.
    pub(crate) fn run_in<S: AsRef<OsStr>>(&self, here: &Path, arguments: &[S]) -> Ended {
        Ended::of(self.command(here, arguments).output().expect("the program runs"))
    }

    /// Runs a command with `--json` that has to end with `code`; answers its object.
    pub(crate) fn json(&self, arguments: &[&str], code: i32) -> Value {
        let mut all = arguments.to_vec();
        all.push("--json");
        let ended = self.run(&all);
        ended.ends_with(code);
        ended.json()
    }

    /// Starts the program on this world's two roots.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(&self.top(), &self.arguments(arguments));
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
    }

    /// The program on this world's two roots under strace, which does as `how` says.
    pub(crate) fn traced(&self, how: &[&str], arguments: &[&str]) -> Command {
        let plain = self.command(&self.top(), &self.arguments(arguments));
        let mut command = Command::new("strace");
        command.args(["-f", "-o", "/dev/null"]).args(how).arg(plain.get_program()).args(plain.get_args());
        command.current_dir(self.top()).env_clear().stdin(Stdio::null());
        command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command
    }

    /// Runs the program until before the call of that number, of all that `how` leaves; `false` where it made fewer.
    pub(crate) fn killed_at(&self, arguments: &[&str], calls: &str, number: u32, how: &[&str]) -> bool {
        let (trace, inject) = (format!("trace={calls}"), format!("inject={calls}:signal=KILL:when={number}"));
        let how = [&["-e", &trace, "-e", &inject], how].concat();
        let ended = Ended::of(self.traced(&how, arguments).output().expect("strace starts"));
        assert!([-9, 0, 6].contains(&ended.code), "{ended}");
        ended.code == -9
    }

    /// Both roots, each with what it holds.
    pub(crate) fn trees(&self) -> (Tree, Tree) {
        (Tree::of(&self.staging), Tree::of(&self.network))
    }

    /// Both roots hold the same, and a further run has nothing to do.
    pub(crate) fn in_step(&self) {
        let (staging, network) = self.trees();
        network.assert_same(&staging, "the network root against staging");
        let again = self.json(&["sync"], 0);
        assert_eq!(again["pending"], serde_json::json!({"up": 0, "down": 0}), "{again}");
        wrote_nothing(&again);
    }
}

impl Ended {
    pub(crate) fn of(output: Output) -> Ended {
        let code = output.status.code().unwrap_or_else(|| -output.status.signal().expect("a signal where there is no code"));
        let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).expect("UTF-8"));
        Ended { code, stdout, stderr }
    }

    #[track_caller]
    pub(crate) fn ends_with(&self, code: i32) -> &Ended {
        assert_eq!(self.code, code, "the exit code; {self}");
        assert!(!self.stderr.contains("panicked"), "{self}");
        self
    }

    /// Text for people, on either stream.
    #[track_caller]
    pub(crate) fn says(&self, part: &str) -> &Ended {
        assert!(self.stdout.contains(part) || self.stderr.contains(part), "{part:?} is not said; {self}");
        self
    }

    /// Exactly one object, and nothing else.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let lines: Vec<&str> = self.stdout.lines().collect();
        assert_eq!(lines.len(), 1, "one line of JSON; {self}");
        serde_json::from_str(lines[0]).unwrap_or_else(|error| panic!("{error}; {self}"))
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "code {}\nstdout:\n{}\nstderr:\n{}", self.code, self.stdout, self.stderr)
    }
}

/// A run that had nothing to do at either root.
#[track_caller]
pub(crate) fn wrote_nothing(object: &Value) {
    let none = serde_json::json!({"files": 0, "dirs": 0, "symlinks": 0, "bytes": 0});
    assert_eq!(object["written"], none, "{object}");
    for key in ["metadata", "renamed", "revived", "adopted"] {
        assert_eq!(object[key], 0, "{key} in {object}");
    }
    assert_eq!(object["deleted"], serde_json::json!({"files": 0, "dirs": 0}), "{object}");
}

/// The paths that an object lists under `key`.
pub(crate) fn paths<'a>(object: &'a Value, key: &str) -> Vec<&'a str> {
    let listed = object[key].as_array().unwrap_or_else(|| panic!("no list {key} in {object}"));
    listed.iter().map(|item| item["path"].as_str().expect("a path")).collect()
}

/// Writes a file, its folders too.
pub(crate) fn write(path: &Path, content: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().expect("a folder above")).expect("folders");
    fs::write(path, content).expect("a file");
}

pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
}

/// Sets a file's or link's mtime.
pub(crate) fn touch(path: &Path, seconds: i64, nanos: u32) {
    let time = FileTime::from_unix_time(seconds, nanos);
    filetime::set_symlink_file_times(path, time, time).expect("a time");
}

/// Is there anything of that name?
pub(crate) fn stands(path: &Path) -> bool {
    match fs::symlink_metadata(path) {
        Ok(_) => true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => panic!("{}: {error}", path.display()),
    }
}

/// A path below `folder` by its bytes.
pub(crate) fn below(folder: &Path, name: &[u8]) -> PathBuf {
    folder.join(OsStr::from_bytes(name))
}

/// Makes the small laboratory project that the demonstration uses.
pub(crate) fn make_lab_project(folder: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/make-lab-project");
    let made = Command::new(script).arg(folder).output().expect("the script runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    assert!(made.stderr.is_empty(), "left out: {}", String::from_utf8_lossy(&made.stderr));
}

/// Looks again and again until `state` is there.
#[track_caller]
pub(crate) fn wait_for(what: &str, mut state: impl FnMut() -> bool) {
    let began = Instant::now();
    while !state() {
        assert!(began.elapsed() < PATIENCE, "waited in vain for: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Tests that need root or a mount ask this; where it is not to be had, they say so.
pub(crate) fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("skipped: not root");
    }
    root
}
