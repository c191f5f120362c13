//! A world of one test: a network and a staging folder, a state folder of its own, and the binary run in an environment
//! that holds nothing else.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use filetime::FileTime;
use serde_json::Value;
use tempfile::TempDir;

use crate::tree::Tree;

#[cfg(unix)]
#[path = "harness/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "harness/windows.rs"]
mod system;

pub(crate) use system::place_of_networks;
#[cfg(unix)]
pub(crate) use system::{NOBODY, below, chmod, is_root};

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
    /// On another drive.
    _network: Option<TempDir>,
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
        let mut world = World::below(None);
        if let Some(place) = place_of_networks() {
            let folder = tempfile::Builder::new().prefix("driftless-it-").tempdir_in(place).expect("a folder of the moment");
            world.network = folder.path().join("network");
            fs::create_dir(&world.network).expect("a network folder");
            world._network = Some(folder);
        }
        world
    }

    /// The same, made below another folder: on another file system.
    pub(crate) fn below(place: Option<&Path>) -> World {
        let mut name = tempfile::Builder::new();
        name.prefix("driftless-it-");
        let folder = place.map_or_else(|| name.tempdir(), |place| name.tempdir_in(place)).expect("a folder of the moment");
        let top = system::real_path(folder.path());
        let [network, staging, state] = ["network", "staging", "state"].map(|name| top.join(name));
        fs::create_dir(&network).expect("a network folder");
        fs::create_dir(&staging).expect("a staging folder");
        let program = PathBuf::from(env!("CARGO_BIN_EXE_driftless"));
        World { folder, _network: None, network, staging, state, program, user: None, environment: Vec::new() }
    }

    /// The folder that holds everything of this test.
    pub(crate) fn top(&self) -> PathBuf {
        system::real_path(self.folder.path())
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

    pub(crate) fn set(&mut self, variable: &str, value: &str) {
        self.environment.push((variable.to_owned(), value.to_owned()));
    }

    /// The program with the arguments as they are, in the folder `here`.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, here: &Path, arguments: &[S]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(here).env_clear().stdin(Stdio::null());
        system::surround(&mut command, &self.top().join("home"));
        command.env("DRIFTLESS_HOME", &self.state);
        command.envs(self.environment.iter().map(|(variable, value)| (variable, value)));
        if let Some(user) = self.user {
            system::run_as(&mut command, user);
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
        let mut command = self.command(here, arguments);
        begun(|| Ended::of(started(|| command.output())))
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
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        started(|| command.spawn())
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
        let code = output.status.code().unwrap_or_else(|| -system::signal(output.status));
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

/// Every path below `folder`, the tool's own included, sorted.
pub(crate) fn below_all(folder: &Path) -> Vec<String> {
    let mut open = vec![folder.to_owned()];
    let mut found = Vec::new();
    while let Some(path) = open.pop() {
        for entry in fs::read_dir(&path).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            found.push(path.strip_prefix(folder).expect("below").to_string_lossy().into_owned());
            if path.is_dir() && !path.is_symlink() {
                open.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Copies a folder of files with everything in it, times too.
pub(crate) fn copy_all(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap_or_else(|error| panic!("{}: {error}", to.display()));
    for item in fs::read_dir(from).expect("a listing") {
        let item = item.expect("an entry");
        let (from, to) = (item.path(), to.join(item.file_name()));
        if item.file_type().expect("its kind").is_dir() {
            copy_all(&from, &to);
            continue;
        }
        fs::copy(&from, &to).expect("copied");
        let time = FileTime::from_last_modification_time(&fs::metadata(&from).expect("there"));
        filetime::set_file_mtime(&to, time).expect("a time");
    }
}

/// Sets a file's or link's mtime.
pub(crate) fn touch(path: &Path, seconds: i64, nanos: u32) {
    let time = FileTime::from_unix_time(seconds, nanos);
    filetime::set_symlink_file_times(path, time, time).expect("a time");
}

/// When a file was last written to, in whole seconds.
pub(crate) fn seconds(path: &Path) -> i64 {
    FileTime::from_last_modification_time(&fs::metadata(path).expect("there")).unix_seconds()
}

/// Is there anything of that name?
pub(crate) fn stands(path: &Path) -> bool {
    match fs::symlink_metadata(path) {
        Ok(_) => true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => panic!("{}: {error}", path.display()),
    }
}

/// Makes the small laboratory project that the demonstration uses.
pub(crate) fn make_lab_project(folder: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/make-lab-project");
    let made = Command::new(script).arg(folder).output().expect("the script runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    assert!(made.stderr.is_empty(), "left out: {}", String::from_utf8_lossy(&made.stderr));
}

/// Starts a program again where Wine on a busy machine could not do it (`ERROR_INTERNAL_ERROR`).
#[track_caller]
pub(crate) fn started<T>(mut start: impl FnMut() -> io::Result<T>) -> T {
    let mut begun = start();
    for _ in 0..3 {
        if cfg!(windows) && begun.as_ref().is_err_and(|error| error.raw_os_error() == Some(1359)) {
            begun = start();
        }
    }
    begun.expect("the program starts")
}

/// Runs a program again that never began, or that says so of the one that it had to start.
#[track_caller]
pub(crate) fn begun(mut run: impl FnMut() -> Ended) -> Ended {
    let began = |ended: &Ended| !cfg!(windows) || ended.code != NEVER_BEGAN && !ended.stderr.contains("0xc0000142");
    let mut ended = run();
    for _ in 0..3 {
        if !began(&ended) {
            ended = run();
        }
    }
    ended
}

/// `STATUS_DLL_INIT_FAILED`: on a busy machine Wine gives a program up before its first instruction, now and then.
const NEVER_BEGAN: i32 = 0xc000_0142_u32.cast_signed();

/// Looks again and again until `state` is there.
#[track_caller]
pub(crate) fn wait_for(what: &str, mut state: impl FnMut() -> bool) {
    let began = Instant::now();
    while !state() {
        assert!(began.elapsed() < PATIENCE, "waited in vain for: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Sets it when dropped, so that a thread beside a test that fails ends too.
pub(crate) struct Ends<'a>(pub(crate) &'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
