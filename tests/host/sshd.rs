//! A real sshd on loopback.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::time::Duration;

use hubctl::event::Silent;
use hubctl::host::{Fingerprint, Host, Identity, Target, Trust};

/// An sshd with a host key and one key that may log in. Ends with its test, even if that is killed.
pub(crate) struct Sshd {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) address: SocketAddr,
    pub(crate) process: Option<Child>,
}

impl Sshd {
    /// Makes the keys and the configuration, and chooses a port; does not start.
    pub(crate) fn prepared() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["host", "login", "stranger"] {
            make_key(&folder.path().join(name));
        }
        std::fs::copy(
            folder.path().join("login.pub"),
            folder.path().join("authorized"),
        )
        .unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let path = folder.path().display();
        let config = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {path}/host\nAuthorizedKeysFile {path}/authorized\nPidFile none\n\
             StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n"
        );
        std::fs::write(folder.path().join("config"), config).unwrap();
        Self {
            address: ([127, 0, 0, 1], port).into(),
            folder,
            process: None,
        }
    }

    pub(crate) fn start(&mut self) {
        assert!(
            Path::new("/usr/sbin/sshd").exists(),
            "these tests need Debian's openssh-server"
        );
        // As root, sshd wants this folder; otherwise it does not.
        let _ = std::fs::create_dir_all("/run/sshd");
        let child = Process::new("setpriv")
            .args(["--pdeathsig", "KILL", "/usr/sbin/sshd", "-D", "-e", "-f"])
            .arg(self.folder.path().join("config"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(self.folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        self.process = Some(child);
    }

    pub(crate) fn running() -> Self {
        let mut sshd = Self::prepared();
        sshd.start();
        sshd
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn fingerprint(&self, name: &str) -> Fingerprint {
        let text = std::fs::read_to_string(self.file(&format!("{name}.pub"))).unwrap();
        Fingerprint::of_base64(text.split_whitespace().nth(1).unwrap()).unwrap()
    }

    pub(crate) fn target(&self) -> Target {
        let login = Process::new("id").arg("-un").output().unwrap().stdout;
        Target {
            address: self.address,
            login: String::from_utf8(login).unwrap().trim().to_owned(),
            identities: vec![Identity::File(self.file("login"))],
            known_hosts: self.file("known_hosts"),
            trust: Trust::Expected(vec![self.fingerprint("host")]),
        }
    }

    pub(crate) async fn host(&self) -> Host {
        Host::wait(&self.target(), Duration::from_secs(30), &Silent)
            .await
            .unwrap()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

pub(crate) fn make_key(path: &Path) {
    let done = Process::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(path)
        .status()
        .unwrap();
    assert!(done.success());
}
