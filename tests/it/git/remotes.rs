//! Remotes over ssh (a real sshd on the loopback) and over HTTP (git's own `http-backend`), with credentials.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use super::{Hub, git, head, ours, sound};
use crate::harness::{read, write};
use crate::services::Server;

#[test]
fn over_ssh_it_works_stops_and_goes_on_with_the_server() {
    let mut hub = Hub::new();
    let mut server = Server::start(&hub.top().join("sshd"));
    hub.world.set("GIT_SSH_COMMAND", &format!("ssh -F {}", server.client().display()));
    let clone = hub.clone("mine", None);
    git(&clone, &["remote", "set-url", "origin", &format!("ssh://served{}", hub.bare.display())]);
    assert_eq!(hub.json(&clone, &["state"], 0)["state"], "up-to-date");
    write(&clone.join("a"), "a\n");
    assert_eq!(hub.json(&clone, &["publish", "a", "-m", "a"], 0)["result"], "pushed");
    hub.moves_after_pull();
    assert_eq!(hub.json(&clone, &["sync"], 0)["action"], "fast_forward");
    server.kill();
    write(&clone.join("a"), "b\n");
    assert_eq!(hub.json(&clone, &["publish", "a", "-m", "b"], 0)["result"], "deferred");
    hub.run(&clone, &["state"]).ends_with(7).says("cannot be reached");
    server.resume();
    hub.run(&clone, &["sync"]).ends_with(0).says("1 update that had waited was delivered");
    assert_eq!((hub.at_tip("a").as_deref(), head(&clone)), (Some("b\n"), hub.tip()));
    sound(&clone);
}

impl Hub {
    fn moves_after_pull(&self) {
        git(&self.top().join("first"), &["pull", "-q", "origin", "main"]);
        self.moves();
    }
}

/// `git http-backend` behind as much of a web server as git needs. Whoever does not say `secret` is turned away.
struct Web {
    port: u16,
}

impl Web {
    fn serve(root: &Path, secret: Option<&'static str>) -> Web {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let root: Arc<PathBuf> = Arc::new(root.to_owned());
        // It ends with the process of this test.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let root = Arc::clone(&root);
                std::thread::spawn(move || answer(stream, &root, secret));
            }
        });
        Web { port }
    }
}

/// One request of a connection that is closed after it.
fn answer(stream: TcpStream, root: &Path, secret: Option<&str>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let (method, url) = (line.split(' ').next()?.to_owned(), line.split(' ').nth(1)?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        headers.push((name.to_lowercase(), value.to_owned()));
    }
    let header = |name: &str| headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str());
    let mut stream = stream;
    if let Some(secret) = secret {
        let expected = format!("Basic {}", base64(&format!("x-access-token:{secret}")));
        if header("authorization") != Some(&expected) {
            let refusal =
                "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"git\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            return stream.write_all(refusal.as_bytes()).ok();
        }
    }
    let body = if header("transfer-encoding") == Some("chunked") {
        chunks(&mut reader)?
    } else {
        let mut body = vec![0; header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0)];
        reader.read_exact(&mut body).ok()?;
        body
    };
    let (path, query) = url.split_once('?').unwrap_or((&url, ""));
    let mut backend = Command::new("git");
    backend.args(["-c", "http.receivepack=true", "http-backend"]).env("GIT_PROJECT_ROOT", root).env("GIT_HTTP_EXPORT_ALL", "1");
    backend.env("REQUEST_METHOD", method).env("PATH_INFO", path).env("QUERY_STRING", query).env("REMOTE_USER", "u");
    backend.env("CONTENT_TYPE", header("content-type").unwrap_or("")).env("CONTENT_LENGTH", body.len().to_string());
    for (variable, name) in [("HTTP_CONTENT_ENCODING", "content-encoding"), ("GIT_PROTOCOL", "git-protocol")] {
        header(name).map(|value| backend.env(variable, value));
    }
    let mut child = backend.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let mut stdin = child.stdin.take()?;
    let feeder = std::thread::spawn(move || drop(stdin.write_all(&body)));
    let mut told = Vec::new();
    child.stdout.take()?.read_to_end(&mut told).ok()?;
    feeder.join().ok()?;
    child.wait().ok()?;
    let status = if told.starts_with(b"Status: ") {
        String::from_utf8_lossy(told[8..].split(|byte| *byte == b'\r').next()?).into_owned()
    } else {
        "200 OK".to_owned()
    };
    stream.write_all(format!("HTTP/1.1 {status}\r\nConnection: close\r\n").as_bytes()).ok()?;
    stream.write_all(&told).ok()
}

fn chunks(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let length = usize::from_str_radix(line.trim(), 16).ok()?;
        let mut chunk = vec![0; length + 2];
        reader.read_exact(&mut chunk).ok()?;
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(&chunk[..length]);
    }
}

fn base64(text: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut coded = String::new();
    for three in text.as_bytes().chunks(3) {
        let number = three.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for at in 0..4 {
            let letter = LETTERS[(number >> (18 - 6 * at)) as usize & 63];
            coded.push(if at <= three.len() { char::from(letter) } else { '=' });
        }
    }
    coded
}

/// The token comes from the environment or a file, and stands nowhere else.
#[test]
fn over_http_a_token_is_told_to_the_remote_alone() {
    let mut hub = Hub::new();
    fs::create_dir(hub.top().join("owner")).expect("a folder");
    let served = hub.top().join("owner/repo.git");
    fs::rename(&hub.bare, &served).expect("renamed");
    hub.bare = served;
    let web = Web::serve(&hub.top(), Some("t0ken-t0ken"));
    let server = format!("http://127.0.0.1:{}", web.port);
    let clone = hub.top().join("mine");
    let place = clone.to_str().expect("text").to_owned();
    hub.world.set("GITHUB_SERVER_URL", &server);
    hub.world.set("GITHUB_REPOSITORY", "owner/repo");
    let refused = hub.run(&hub.top(), &["sync", "--initial", "-C", &place]);
    refused.ends_with(1);
    assert!(!clone.exists(), "no half of a clone: {refused}");
    let file = hub.top().join("token");
    write(&file, "wr0ng-wr0ng\n");
    let token_file = file.to_str().expect("text").to_owned();
    let wrong = hub.run(&hub.top(), &["sync", "--initial", "-C", &place, "--token-file", &token_file]);
    wrong.ends_with(1).says("Authentication failed");
    hub.world.set("GITHUB_TOKEN", "t0ken-t0ken");
    // Helpers of the user's would keep it.
    let kept = hub.top().join("kept");
    let keeper = format!("store --file={}", kept.display());
    hub.world.set("GIT_CONFIG_COUNT", "1");
    hub.world.set("GIT_CONFIG_KEY_0", "credential.helper");
    hub.world.set("GIT_CONFIG_VALUE_0", &keeper);
    let cloned = hub.run(&hub.top(), &["sync", "--initial", "-C", &place, "-v"]);
    cloned.ends_with(0);
    assert_eq!(head(&clone), hub.tip());
    write(&clone.join("a"), "a\n");
    assert_eq!(hub.json(&clone, &["publish", "a", "-m", "a"], 0)["result"], "pushed");
    let denied = hub.run(&clone, &["publish", "keep.txt", "a", "-m", "x", "-v", "--token-file", &token_file]);
    denied.ends_with(1).says("does not let us in");
    write(&clone.join("a"), "b\n");
    let waits = hub.run(&clone, &["publish", "a", "-m", "b", "-v", "--token-file", &token_file]);
    waits.ends_with(1).says("does not let us in");
    assert_eq!(ours(&clone, "pending").len(), 2, "both are kept all the same");
    for (what, text) in [("wrong", &wrong), ("cloned", &cloned), ("denied", &denied), ("waits", &waits)] {
        let all = format!("{text}");
        assert!(!all.contains("t0ken") && !all.contains("wr0ng"), "{what}: {all}");
    }
    for path in crate::harness::below_all(&clone.join(".git")).into_iter().map(|path| clone.join(".git").join(path)) {
        let bytes = if path.is_file() { fs::read(&path).expect("a file") } else { Vec::new() };
        assert!(!bytes.windows(6).any(|part| part == b"t0ken-" || part == b"wr0ng-"), "{path:?}");
    }
    assert!(!kept.exists() || !read(&kept).contains("t0ken"), "no helper keeps it");
    hub.run(&clone, &["sync"]).ends_with(0);
    assert_eq!(hub.at_tip("a").as_deref(), Some("b\n"));
    sound(&clone);
    let secret = format!("http://u:p@127.0.0.1:{}/owner/repo.git", web.port);
    let ended = hub.run(&hub.top(), &["sync", "--initial", "-C", "elsewhere", "--clone", &secret]);
    ended.ends_with(2).says("holds a password");
    assert!(!format!("{ended}").contains("u:p@"), "{ended}");
}
