//! A real sshd on this machine, with its own key, port and list of guests. It never runs as root: where the tests do, it runs as
//! user 65534, to whom a wrapper gives a home and a shell; nothing outside its folder is written.

#![expect(clippy::disallowed_methods, reason = "this fixture starts sshd and writes its files")]

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use mjolnir::clock::nap;
use tempfile::TempDir;

use super::fixture::{have, is_root};
use crate::support::skip::skip;

const NOBODY: u32 = 65_534;

/// A server at work. Dropping it ends it.
pub struct Sshd {
    dir: TempDir,
    child: Child,
    pub port: u16,
    pub user: String,
}

impl Sshd {
    /// Starts one; `None`, said aloud, where something is missing.
    pub fn start() -> Option<Self> {
        if !have(&["sshd", "ssh", "ssh-keygen", "ssh-keyscan", "rsync"]) {
            return None;
        }
        let wrapper = wrapper();
        if is_root() && wrapper.is_none() {
            skip("nss-wrapper", "libnss_wrapper.so is not there, and sshd must not run as root");
            return None;
        }
        let dir = TempDir::with_prefix_in("sshd-", "/tmp").unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        key(&dir.path().join("me"));
        fs::copy(dir.path().join("me.pub"), dir.path().join("guests")).unwrap();
        key(&dir.path().join("host"));
        fs::create_dir(dir.path().join("there")).unwrap();
        fs::write(dir.path().join("owner"), "").unwrap();
        if is_root() {
            for name in ["host", "there", "owner"] {
                chown(dir.path().join(name), Some(NOBODY), Some(NOBODY)).unwrap();
            }
            let shell = format!("deployer:x:{NOBODY}:{NOBODY}::{}:/bin/sh\n", dir.path().display());
            fs::write(dir.path().join("passwd"), shell).unwrap();
            fs::write(dir.path().join("group"), format!("nogroup:x:{NOBODY}:\n")).unwrap();
        }
        let user = if is_root() { "deployer".to_owned() } else { own_name() };
        let (child, port) = serve(dir.path(), wrapper.as_deref());
        Some(Self { dir, child, port, user })
    }

    /// Ends the server and starts another one with another key, on the same port.
    pub fn change_key(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        for name in ["host", "host.pub"] {
            fs::remove_file(self.dir.path().join(name)).unwrap();
        }
        key(&self.dir.path().join("host"));
        if is_root() {
            chown(self.dir.path().join("host"), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        self.child = start(self.dir.path(), self.port, wrapper().as_deref());
        assert!(listens(self.dir.path(), &mut self.child));
    }

    /// Where the target may lie: the only folder that the user there owns.
    pub fn there(&self) -> PathBuf {
        self.dir.path().join("there")
    }

    /// The fingerprint of its key.
    pub fn fingerprint(&self) -> String {
        let said =
            Command::new("ssh-keygen").arg("-lf").arg(self.dir.path().join("host.pub")).output();
        let said = String::from_utf8(said.unwrap().stdout).unwrap();
        said.split(' ').nth(1).unwrap().to_owned()
    }

    /// Arguments that reach it.
    pub fn words(&self) -> Vec<String> {
        let identity = self.dir.path().join("me");
        [
            "host=127.0.0.1".to_owned(),
            format!("port={}", self.port),
            format!("user={}", self.user),
            format!("host-key={}", self.fingerprint()),
            format!("identity={}", identity.display()),
        ]
        .to_vec()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn wrapper() -> Option<PathBuf> {
    let dirs =
        fs::read_dir("/usr/lib").ok()?.flatten().map(|dir| dir.path().join("libnss_wrapper.so"));
    dirs.into_iter().find(|path| path.exists())
}

fn own_name() -> String {
    let said = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(said.stdout).unwrap().trim().to_owned()
}

fn key(path: &Path) {
    let made =
        Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path).status();
    assert!(made.unwrap().success());
}

/// A server on some free port. Somebody may take a port between its choice and its use: then another one is tried.
fn serve(dir: &Path, wrapper: Option<&Path>) -> (Child, u16) {
    for _ in 0..10 {
        let port = free_port();
        let mut child = start(dir, port, wrapper);
        if listens(dir, &mut child) {
            return (child, port);
        }
        child.kill().ok();
        child.wait().ok();
    }
    panic!("sshd does not start: {}", fs::read_to_string(dir.join("log")).unwrap_or_default());
}

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn start(dir: &Path, port: u16, wrapper: Option<&Path>) -> Child {
    let at = |name: &str| dir.join(name).display().to_string();
    let settings = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\n\
        UsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nMaxStartups 100\nMaxSessions 100\n",
        at("host"),
        at("guests")
    );
    fs::write(dir.join("sshd.conf"), settings).unwrap();
    let log = fs::File::create(dir.join("log")).unwrap();
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        command.args([format!("--reuid={NOBODY}"), format!("--regid={NOBODY}")]);
        command.args(["--clear-groups", "/usr/sbin/sshd"]);
        command.env("LD_PRELOAD", wrapper.unwrap());
        command.env("NSS_WRAPPER_PASSWD", at("passwd")).env("NSS_WRAPPER_GROUP", at("group"));
        command
    } else {
        Command::new("/usr/sbin/sshd")
    };
    command.args(["-D", "-e", "-f"]).arg(dir.join("sshd.conf"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap()
}

/// Waits until it says that it listens; false when it ended instead. A port that answers could be that of somebody else.
fn listens(dir: &Path, child: &mut Child) -> bool {
    for _ in 0..4_000 {
        let log = fs::read_to_string(dir.join("log")).unwrap_or_default();
        if log.contains("Server listening on") {
            return true;
        }
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        nap(Duration::from_millis(25));
    }
    false
}
