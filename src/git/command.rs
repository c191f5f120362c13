//! The git command line, run so that it neither asks, hangs, nor works on another repository than ours.
//!
//! Invariants. No shell: arguments go as they are, and none of them is a credential. Whatever the environment says of other
//! repositories, index files and editors is taken away; what it says of credentials, ssh and proxies stays. Git runs in a
//! process group of its own, and all of it is ended where time runs out or somebody stops us: first asked, so that it takes
//! its lock files away, then killed. Who owns a repository is judged by git itself (`safe.directory`), and never by us.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};

use super::error::{Error, Result};
use super::version;
use super::words::told;
use crate::disk::group::{self, Group};

/// How long a step on this machine may take: a checkout of a large tree with filters is the longest.
const LOCAL: Duration = Duration::from_secs(600);
/// How long a step over the network may take.
pub const NETWORK: Duration = Duration::from_secs(300);
/// How long an asked process may take to put its locks away.
const GRACE: Duration = Duration::from_secs(2);
/// A child of git that stays (a connection of ssh that is kept) may hold its stderr open for ever.
const LINGER: Duration = Duration::from_millis(300);
/// A part of an answer is none: where its end does not come this long after git's own, there was none.
const STRAGGLE: Duration = Duration::from_secs(10);
/// No answer of git that we ask for is longer.
const MOST: usize = 512 << 20;
/// Of messages the end is kept: there git says what failed, whatever a server said before.
const LAST_WORDS: usize = 64 << 10;

/// Variables that would lead git elsewhere or change what it answers.
const TAKEN: &[&str] = &[
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INDEX_VERSION",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_CEILING_DIRECTORIES",
    "GIT_QUARANTINE_PATH",
    "GIT_SHALLOW_FILE",
    "GIT_GRAFT_FILE",
    "GIT_REPLACE_REF_BASE",
    "GIT_LITERAL_PATHSPECS",
    "GIT_GLOB_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_ICASE_PATHSPECS",
    "GIT_EXTERNAL_DIFF",
    "GIT_DIFF_OPTS",
    "GIT_REFLOG_ACTION",
    "GIT_PUSH_OPTION_COUNT",
    "GIT_TRACE",
    "GIT_TRACE_CURL",
    "GIT_TRACE_PACKET",
    "GIT_TRACE_SETUP",
    "GIT_TRACE2",
    "GIT_FLUSH",
    "LANGUAGE",
];

/// Settings of a repository that would start programs or do more than was asked for.
const SETTINGS: &[&str] = &[
    "core.fsmonitor=false",
    "core.alternateRefsCommand=",
    "core.quotePath=false",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "push.recurseSubmodules=no",
    "push.followTags=false",
    "maintenance.auto=false",
    "gc.auto=0",
    "core.filesRefLockTimeout=2000",
    "protocol.ext.allow=never",
];

/// Two questions at the same time: most of what a small one costs is the start of git.
pub fn both<A, B: Send>(first: impl FnOnce() -> Result<A>, second: impl FnOnce() -> Result<B> + Send) -> Result<(A, B)> {
    let (first, second) = thread::scope(|scope| {
        let second = scope.spawn(second);
        (first(), second.join())
    });
    let broken = || Error::NoGit(io::Error::other("a thread of ours broke off"));
    Ok((first?, second.map_err(|_| broken())??))
}

/// Where git runs, and for whom.
#[derive(Clone)]
pub struct Git {
    folder: PathBuf,
    stop: Arc<AtomicBool>,
    settings: Vec<String>,
    environment: Vec<(&'static str, OsString)>,
    /// Never shown, whoever says them.
    secrets: Vec<String>,
}

/// A credential that this program hands to git when it asks.
#[derive(Clone)]
pub struct Token {
    pub text: String,
    /// The only host that is told.
    pub host: String,
    /// This program, as `GIT_ASKPASS`.
    pub program: PathBuf,
}

/// The variables by which our own askpass knows what to answer.
pub const ASKPASS_HOST: &str = "DRIFTLESS_ASKPASS_HOST";
pub const ASKPASS_TOKEN: &str = "DRIFTLESS_ASKPASS_TOKEN";

/// What is written to git's stdin.
pub enum Part {
    Bytes(Vec<u8>),
    /// Exactly that many bytes of a file.
    File(Box<dyn Read + Send>, u64),
}

/// One command of git in the making.
pub struct Call<'a> {
    git: &'a Git,
    arguments: Vec<OsString>,
    input: Vec<Part>,
    limit: Duration,
    stoppable: bool,
}

/// How a command ended.
pub struct Output {
    /// 128 + n where a signal n ended it.
    pub code: i32,
    killed: bool,
    pub stdout: Vec<u8>,
    /// Redacted, tame, in one line.
    pub message: String,
}

impl Git {
    /// git in `folder`; `stop` ends whatever runs.
    pub fn new(folder: &Path, stop: Arc<AtomicBool>) -> Git {
        let (settings, environment) = (SETTINGS.iter().map(|&text| text.to_owned()).collect(), Vec::new());
        Git { folder: folder.to_owned(), stop, settings, environment, secrets: Vec::new() }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The same in another folder.
    pub fn at(&self, folder: &Path) -> Git {
        Git { folder: folder.to_owned(), ..self.clone() }
    }

    /// One more setting for each command. Never a credential: arguments can be read by everybody.
    pub fn set(&mut self, setting: &str) {
        self.settings.push(setting.to_owned());
    }

    /// Looks whether this git is new enough, and tells it from now on to put what it makes on the disk.
    pub fn fit(&mut self) -> Result<()> {
        let settings = version::settings(self)?;
        settings.iter().for_each(|setting| self.set(setting));
        Ok(())
    }

    /// The token is what git gets where the remote asks; other helpers are not asked, so that none of them keeps it.
    pub fn with_token(&mut self, token: Token) {
        self.set("credential.helper=");
        self.environment.push(("GIT_ASKPASS", token.program.into_os_string()));
        self.environment.push((ASKPASS_HOST, token.host.into()));
        self.environment.push((ASKPASS_TOKEN, token.text.clone().into()));
        self.secrets.push(token.text);
    }

    /// Set once the user wants to stop.
    pub fn stop(&self) -> &AtomicBool {
        &self.stop
    }

    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// A command, by its words.
    pub fn call<S: AsRef<OsStr>>(&self, words: &[S]) -> Call<'_> {
        let arguments = words.iter().map(|word| word.as_ref().to_owned()).collect();
        Call { git: self, arguments, input: Vec::new(), limit: LOCAL, stoppable: true }
    }

    fn command(&self, call: &[OsString]) -> Command {
        let mut command = Command::new("git");
        command.current_dir(&self.folder);
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        command.args(call);
        for name in TAKEN {
            command.env_remove(name);
        }
        command.env("GIT_TERMINAL_PROMPT", "0").env("GIT_OPTIONAL_LOCKS", "0").env("LC_ALL", "C");
        command.env("GIT_EDITOR", ":").env("GIT_SEQUENCE_EDITOR", ":").env("GIT_PAGER", "cat");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

impl Call<'_> {
    pub fn arg(mut self, word: impl AsRef<OsStr>) -> Self {
        self.arguments.push(word.as_ref().to_owned());
        self
    }

    pub fn args<S: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = S>) -> Self {
        self.arguments.extend(words.into_iter().map(|word| word.as_ref().to_owned()));
        self
    }

    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = vec![Part::Bytes(bytes.into())];
        self
    }

    pub fn parts(mut self, parts: Vec<Part>) -> Self {
        self.input = parts;
        self
    }

    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Goes to its end also where somebody asked us to stop: half of it would be worse.
    pub fn unstopped(mut self) -> Self {
        self.stoppable = false;
        self
    }

    /// The word that says what is done.
    fn verb(&self) -> String {
        self.arguments
            .iter()
            .find(|word| !word.as_encoded_bytes().starts_with(b"-"))
            .map_or_else(String::new, |word| word.to_string_lossy().into_owned())
    }

    /// Runs it; an end with another code than 0 is an answer.
    pub fn run(self) -> Result<Output> {
        if self.stoppable && self.git.is_stopped() {
            return Err(Error::Stopped);
        }
        let mut command = self.git.command(&self.arguments);
        command.stdin(if self.input.is_empty() { Stdio::null() } else { Stdio::piped() });
        let verb = self.verb();
        let mut child = group::spawn(&mut command).map_err(Error::NoGit)?;
        let feeder = child.stdin.take().map(|stdin| feed(stdin, self.input));
        let (stdout, stderr) = (child.stdout.take().expect("it is piped"), child.stderr.take().expect("it is piped"));
        let ended = Streams::read(stdout, stderr).wait(&mut child, self.limit, self.stoppable.then_some(&*self.git.stop), &verb);
        // The process is gone, so its end of the pipe is; the feeder ends by itself.
        let fed = feeder.map(|feeder| feeder.join().unwrap_or_else(|_| Err(io::Error::other("the input broke off"))));
        let (status, stdout, stderr) = ended?;
        let output = Output {
            code: group::code_of(status),
            killed: group::was_killed(status),
            stdout,
            message: told(&stderr, &self.git.secrets),
        };
        match fed {
            // Half of the input arrived, and git took it for the whole.
            Some(Err(error)) if output.code == 0 => Err(Error::Git { verb, message: error.to_string() }),
            _ => Ok(output),
        }
    }

    /// Runs it; another code than 0 is an error. Answers its stdout.
    pub fn ok(self) -> Result<Vec<u8>> {
        let verb = self.verb();
        let output = self.run()?;
        if output.code == 0 { Ok(output.stdout) } else { Err(output.error(&verb)) }
    }

    /// The same, as text without the end of its line.
    pub fn line(self) -> Result<String> {
        let verb = self.verb();
        let stdout = self.ok()?;
        let text = String::from_utf8(stdout).map_err(|_| Error::Answer { verb, message: "no text".to_owned() })?;
        Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
    }
}

impl Output {
    /// What it failed with.
    pub fn error(&self, verb: &str) -> Error {
        Error::Git { verb: verb.to_owned(), message: self.said() }
    }

    /// Its message, or at least how it ended.
    pub fn said(&self) -> String {
        if self.message.is_empty() { format!("ended with {}", self.code) } else { self.message.clone() }
    }

    /// Did a signal end it? Then its code says nothing.
    pub fn was_killed(&self) -> bool {
        self.killed
    }
}

fn feed(mut stdin: ChildStdin, parts: Vec<Part>) -> thread::JoinHandle<io::Result<()>> {
    thread::spawn(move || {
        for part in parts {
            match part {
                Part::Bytes(bytes) => stdin.write_all(&bytes)?,
                Part::File(file, length) => {
                    // More than was told would be read as commands.
                    if io::copy(&mut file.take(length), &mut stdin)? != length {
                        return Err(io::Error::other("a file became shorter while it was read"));
                    }
                }
            }
        }
        stdin.flush()
    })
}

/// What a process says, read by threads of its own.
struct Streams {
    stdout: Arc<Mutex<Vec<u8>>>,
    stderr: Arc<Mutex<Vec<u8>>>,
    ended: Receiver<Ended>,
}

/// A stream came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Stdout,
    /// What came after was not read.
    StdoutTooLong,
    Stderr,
}

impl Streams {
    fn read(mut stdout: impl Read + Send + 'static, mut stderr: impl Read + Send + 'static) -> Streams {
        let (tell, ended) = bounded(2);
        let kept = || Arc::new(Mutex::new(Vec::new()));
        let streams = Streams { stdout: kept(), stderr: kept(), ended };
        let (said, told) = (Arc::clone(&streams.stdout), tell.clone());
        thread::spawn(move || {
            let whole = drain(&mut stdout, &said, |kept| kept.len() <= MOST);
            let _ = told.send(if whole { Ended::Stdout } else { Ended::StdoutTooLong });
        });
        let said = Arc::clone(&streams.stderr);
        thread::spawn(move || {
            drain(&mut stderr, &said, |kept| {
                if kept.len() > 2 * LAST_WORDS {
                    kept.drain(..kept.len() - LAST_WORDS);
                }
                true
            });
            let _ = tell.send(Ended::Stderr);
        });
        streams
    }

    fn wait(
        self,
        child: &mut Group,
        limit: Duration,
        stop: Option<&AtomicBool>,
        verb: &str,
    ) -> Result<(ExitStatus, Vec<u8>, Vec<u8>)> {
        let failed = |source: io::Error| Error::Git { verb: verb.to_owned(), message: source.to_string() };
        let (began, mut pause) = (Instant::now(), Duration::from_millis(1));
        let (mut stdout_open, mut stderr_open) = (true, true);
        let mut exited: Option<(ExitStatus, Instant)> = None;
        while stdout_open || stderr_open {
            let since = exited.map(|(_, at)| at.elapsed());
            match self.ended.recv_timeout(pause) {
                Ok(Ended::Stdout) => stdout_open = false,
                Ok(Ended::StdoutTooLong) => {
                    end(child);
                    return Err(Error::Answer { verb: verb.to_owned(), message: "it is too long".to_owned() });
                }
                Ok(Ended::Stderr) => stderr_open = false,
                Err(RecvTimeoutError::Disconnected) => (stdout_open, stderr_open) = (false, false),
                // On a machine that stood still its last words may just be being read.
                Err(RecvTimeoutError::Timeout) if since.is_some_and(|since| !stdout_open && since > LINGER) => break,
                Err(RecvTimeoutError::Timeout) => pause = (pause * 2).min(Duration::from_millis(50)),
            }
            let stopped = stop.is_some_and(|stop| stop.load(Ordering::SeqCst));
            match since {
                None => exited = child.try_wait().map_err(failed)?.map(|status| (status, Instant::now())),
                Some(since) if stdout_open && (stopped || since > STRAGGLE) => {
                    return Err(if stopped { Error::Stopped } else { silent(verb, STRAGGLE) });
                }
                Some(_) => {}
            }
            if exited.is_none() && (stopped || began.elapsed() > limit) {
                end(child);
                return Err(if stopped { Error::Stopped } else { silent(verb, limit) });
            }
        }
        let status = match exited {
            Some((status, _)) => status,
            None => child.wait().map_err(failed)?,
        };
        let take = |kept: &Mutex<Vec<u8>>| std::mem::take(&mut *kept.lock().unwrap_or_else(PoisonError::into_inner));
        Ok((status, take(&self.stdout), take(&self.stderr)))
    }
}

/// Reads to the end, or until `fits` does not agree; was it the end?
fn drain(pipe: &mut impl Read, kept: &Mutex<Vec<u8>>, fits: impl Fn(&mut Vec<u8>) -> bool) -> bool {
    let mut block = vec![0; 64 << 10];
    loop {
        match pipe.read(&mut block) {
            Ok(0) => return true,
            Ok(count) => {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.extend_from_slice(&block[..count]);
                if !fits(&mut kept) {
                    return false;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
}

fn silent(verb: &str, limit: Duration) -> Error {
    Error::Silent { verb: verb.to_owned(), seconds: limit.as_secs() }
}

fn end(child: &mut Group) {
    drop(child.end(GRACE));
}

/// A command that is talked to line by line.
pub struct Talk {
    child: Group,
    stdin: Option<ChildStdin>,
    lines: Receiver<Vec<u8>>,
    stderr: Arc<Mutex<Vec<u8>>>,
    verb: String,
    secrets: Vec<String>,
    stop: Arc<AtomicBool>,
}

impl Talk {
    pub fn start(git: &Git, words: &[&str]) -> Result<Talk> {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        let mut child = group::spawn(git.command(&words).stdin(Stdio::piped())).map_err(Error::NoGit)?;
        let stdin = child.stdin.take();
        let (stdout, mut stderr) = (child.stdout.take().expect("it is piped"), child.stderr.take().expect("it is piped"));
        let (tell, lines) = bounded(16);
        thread::spawn(move || {
            let mut stdout = io::BufReader::new(stdout);
            let mut line = Vec::new();
            while io::BufRead::read_until(&mut stdout, b'\n', &mut line).is_ok_and(|count| count > 0) {
                if tell.send(std::mem::take(&mut line)).is_err() {
                    break;
                }
            }
        });
        let said = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&said);
        thread::spawn(move || {
            let mut text = Vec::new();
            drop(stderr.by_ref().take(1 << 20).read_to_end(&mut text));
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = text;
        });
        let verb = words.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
        let (secrets, stop) = (git.secrets.clone(), Arc::clone(&git.stop));
        Ok(Talk { child, stdin, lines, stderr: said, verb, secrets, stop })
    }

    /// Says something and waits for one line. A hook of the user's may stand in between, and hang.
    pub fn ask(&mut self, text: &[u8]) -> Result<Vec<u8>> {
        self.tell(text)?;
        let began = Instant::now();
        loop {
            match self.lines.recv_timeout(Duration::from_millis(20)) {
                Ok(line) => return Ok(line),
                Err(RecvTimeoutError::Disconnected) => return Err(self.failure()),
                Err(RecvTimeoutError::Timeout) if self.stop.load(Ordering::SeqCst) => return Err(Error::Stopped),
                Err(RecvTimeoutError::Timeout) if began.elapsed() > LOCAL => return Err(silent(&self.verb, LOCAL)),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    pub fn tell(&mut self, text: &[u8]) -> Result<()> {
        let told = self.stdin.as_mut().map(|stdin| stdin.write_all(text).and_then(|()| stdin.flush()));
        match told {
            Some(Ok(())) => Ok(()),
            _ => Err(self.failure()),
        }
    }

    /// Ends the talk and waits for the end of the command.
    pub fn finish(mut self) -> Result<()> {
        match self.leave(LOCAL) {
            Some(status) if status.success() => Ok(()),
            Some(_) => Err(self.failure()),
            None => Err(silent(&self.verb, LOCAL)),
        }
    }

    /// Without its stdin git gives up what it prepared, and ends; `None` where it had to be ended.
    fn leave(&mut self, limit: Duration) -> Option<ExitStatus> {
        self.stdin = None;
        let began = Instant::now();
        while began.elapsed() < limit {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) => thread::sleep(Duration::from_millis(1)),
                Err(_) => return None,
            }
        }
        end(&mut self.child);
        None
    }

    fn failure(&mut self) -> Error {
        self.leave(GRACE);
        // Its last words are read by then, or nearly.
        let began = Instant::now();
        let read = || self.stderr.lock().unwrap_or_else(PoisonError::into_inner).clone();
        while read().is_empty() && began.elapsed() < LINGER {
            thread::sleep(Duration::from_millis(1));
        }
        Error::Git { verb: self.verb.clone(), message: told(&read(), &self.secrets) }
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        self.leave(GRACE);
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn said(script: &str) -> Result<(ExitStatus, Vec<u8>, Vec<u8>)> {
        let mut command = group::shell(script);
        let mut child = group::spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped())).expect("a shell starts");
        let (stdout, stderr) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        Streams::read(stdout, stderr).wait(&mut child, LOCAL, None, "test")
    }

    #[test]
    fn an_answer_is_whole_also_where_its_end_comes_late() {
        let (status, stdout, _) = said("(exec 2>&-; sleep 0.6; echo late) & echo early").expect("an answer");
        assert!(status.success());
        assert_eq!(String::from_utf8_lossy(&stdout), "early\nlate\n");
    }

    #[test]
    fn of_endless_messages_the_end_is_kept() {
        let (_, _, stderr) = said("head -c 3000000 /dev/zero | tr '\\0' x >&2; echo fatal: the end >&2").expect("an answer");
        assert!(stderr.ends_with(b"fatal: the end\n") && stderr.len() <= 3 * LAST_WORDS, "{}", stderr.len());
    }
}
