//! A private sshd on the loopback address with keys of its own, and sshfs mounts of folders that it serves.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::harness::wait_for;

use super::{Running, free_port, is_mounted, need_mounts, run, unmount};

const SOON: Duration = Duration::from_secs(20);

/// The server: its folder, its port, and the process while it runs.
pub struct Server {
    folder: PathBuf,
    port: u16,
    process: Option<Running>,
}

impl Server {
    /// Makes keys and settings in `folder` and starts it.
    pub fn start(folder: &Path) -> Server {
        need_mounts();
        fs::create_dir(folder).expect("the server's folder");
        for key in ["host", "user"] {
            run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &text(&folder.join(key))]);
        }
        let port = free_port();
        let at = |name: &str| text(&folder.join(name));
        let settings = [
            format!("Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nPidFile none\n", at("host")),
            format!("AuthorizedKeysFile {}\nStrictModes no\nUsePAM no\n", at("user.pub")),
            "PasswordAuthentication no\nPermitRootLogin prohibit-password\nSubsystem sftp internal-sftp\nUseDNS no\n".to_owned(),
        ];
        fs::write(folder.join("server"), settings.concat()).expect("the server's settings");
        let host = fs::read_to_string(folder.join("host.pub")).expect("the host's key");
        fs::write(folder.join("known"), format!("[127.0.0.1]:{port} {host}")).expect("the known host");
        let client = [
            format!("Host served\nHostName 127.0.0.1\nPort {port}\nUser root\nIdentityFile {}\n", at("user")),
            format!("IdentitiesOnly yes\nUserKnownHostsFile {}\nGlobalKnownHostsFile /dev/null\nBatchMode yes\n", at("known")),
        ];
        fs::write(folder.join("client"), client.concat()).expect("the client's settings");
        let mut server = Server { folder: folder.to_owned(), port, process: None };
        server.resume();
        server
    }

    /// The settings with which `ssh` reaches it as the host `served`.
    pub fn client(&self) -> PathBuf {
        self.folder.join("client")
    }

    /// Starts it (again) on the same port.
    pub fn resume(&mut self) {
        // sshd refuses to start without this folder, and the package leaves it to the system's start to make it.
        fs::create_dir_all("/run/sshd").expect("the folder that sshd insists on");
        // One that still runs has the port.
        self.process = None;
        let mut command = Command::new("/usr/sbin/sshd");
        command.args(["-D", "-e", "-f"]).arg(self.folder.join("server"));
        let log = fs::File::options().create(true).append(true).open(self.folder.join("log")).expect("a log");
        self.process = Some(Running::start(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log)));
        let log = || fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let began = std::time::Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            assert!(began.elapsed() < SOON, "sshd does not answer: {}", log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends the server and all its sessions at once.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Stops the server and its sessions where they stand: whoever asks them anything hangs.
    pub fn stall(&self) {
        self.process.as_ref().expect("it runs").signal_all(rustix::process::Signal::STOP);
    }

    pub fn is_running(&self) -> bool {
        self.process.is_some()
    }

    pub fn wake(&self) {
        self.process.as_ref().expect("it runs").signal_all(rustix::process::Signal::CONT);
    }

    /// Mounts the served folder `from` at `point`, with more sshfs options.
    pub fn mount(&self, from: &Path, point: &Path, options: &str) -> Sshfs {
        let mut command = Command::new("sshfs");
        command.arg("-f").arg("-F").arg(self.folder.join("client"));
        if !options.is_empty() {
            command.args(["-o", options]);
        }
        command.arg(format!("served:{}", text(from))).arg(point);
        let process = Running::start(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()));
        let mut mount = Sshfs { point: point.to_owned(), process };
        let point = point.to_owned();
        wait_for("the sshfs mount", || {
            assert!(!mount.process.has_ended(), "sshfs ended before it mounted {point:?}");
            is_mounted(&point)
        });
        mount
    }
}

/// A mount; taken down when dropped.
pub struct Sshfs {
    point: PathBuf,
    process: Running,
}

impl Sshfs {
    /// Waits until the mount went away by itself, as it does when its server is gone.
    pub fn wait_gone(&self) {
        wait_for("sshfs unmounting itself", || !is_mounted(&self.point));
    }

    /// Ends the daemon; the mount stays and answers "not connected".
    pub fn kill_daemon(&mut self) {
        self.process.kill_alone();
        assert!(is_mounted(&self.point), "the mount of a killed daemon stays");
    }
}

impl Drop for Sshfs {
    fn drop(&mut self) {
        unmount(&self.point);
        self.process.kill();
        unmount(&self.point);
    }
}

fn text(path: &Path) -> String {
    path.to_str().expect("paths of the tests are plain").to_owned()
}
