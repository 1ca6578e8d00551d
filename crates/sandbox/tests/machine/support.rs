//! A sandbox for one test, and a client of its machines.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sandbox::machine::namespaces::{Namespaces, Options};
use sandbox::machine::{Direction, MachineSpec, Machines, Rule};
use tempfile::TempDir;
use tokio::process::Command;

pub struct Cloud {
    pub machines: Namespaces,
    pub image: PathBuf,
    pub dir: TempDir,
}

/// What a command on a machine said.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Cloud {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("machines-")
            .tempdir_in("/var/tmp")
            .unwrap();
        let mut options = Options::new(dir.path().join("state"), cache());
        change(&mut options);
        let machines = Namespaces::new(options).await.unwrap();
        let image = match std::env::var_os("HUBCTL_TEST_IMAGE") {
            Some(image) => image.into(),
            None => machines.prepare().await.unwrap(),
        };
        let key = dir.path().join("key");
        run(
            "ssh-keygen",
            &["-q", "-t", "ed25519", "-N", "", "-f", key.to_str().unwrap()],
        )
        .await;
        Self {
            machines,
            image,
            dir,
        }
    }

    pub fn key(&self) -> PathBuf {
        self.dir.path().join("key")
    }

    pub fn spec(&self, name: &str, address: [u8; 4]) -> MachineSpec {
        let address = Ipv4Addr::from(address);
        let [a, b, c, _] = address.octets();
        MachineSpec {
            id: uuid::Uuid::new_v4().to_string(),
            name: name.to_owned(),
            vcpus: 1,
            memory_mb: 1024,
            network: "net-1".to_owned(),
            address,
            subnet: format!("{a}.{b}.{c}.0/24").parse().unwrap(),
            gateway: Ipv4Addr::new(a, b, c, 1),
            login: "debian".to_owned(),
            authorized_keys: vec![
                std::fs::read_to_string(self.key().with_extension("pub"))
                    .unwrap()
                    .trim()
                    .to_owned(),
            ],
            user_data: None,
            metadata: serde_json::Value::Null,
            image: self.image.clone(),
            volumes: Vec::new(),
        }
    }

    /// The `n`th address of the pool that is free for floating IPs.
    pub async fn floating(&self, n: usize) -> Ipv4Addr {
        self.machines.pool().await.hosts().nth(9 + n).unwrap()
    }

    /// Boots a machine that lets SSH and pings in and everything out, and waits for its SSH.
    pub async fn boot(&self, spec: &MachineSpec, floating: Ipv4Addr) {
        self.machines.set_rules(&spec.id, &open()).await.unwrap();
        self.machines.boot(spec).await.unwrap();
        self.machines.bind(floating, &spec.id).await.unwrap();
        self.login(floating).await;
    }

    /// Waits until the default login gets in.
    pub async fn login(&self, address: Ipv4Addr) {
        let last = std::cell::RefCell::new(String::new());
        let in_time = until(60, async || {
            let said = self.ssh(address, "true").await;
            *last.borrow_mut() = said.err;
            said.code == Some(0)
        });
        assert!(in_time.await, "no login at {address}: {}", last.borrow());
    }

    pub async fn ssh(&self, address: Ipv4Addr, command: &str) -> Said {
        self.ssh_as("debian", address, command).await
    }

    pub async fn ssh_as(&self, login: &str, address: Ipv4Addr, command: &str) -> Said {
        let output = Command::new("ssh")
            .args([
                "-i",
                self.key().to_str().unwrap(),
                "-F",
                "none",
                "-o",
                "BatchMode=yes",
            ])
            .args([
                "-o",
                "StrictHostKeyChecking=no",
                "-o",
                "UserKnownHostsFile=/dev/null",
            ])
            .args([
                "-o",
                "LogLevel=ERROR",
                "-o",
                &format!("ConnectTimeout={}", 3 * patience()),
                "-o",
                "IdentitiesOnly=yes",
            ])
            .args([&format!("{login}@{address}"), command])
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        Said {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs a command that must succeed and returns what it printed, trimmed.
    pub async fn get(&self, address: Ipv4Addr, command: &str) -> String {
        let said = self.ssh(address, command).await;
        assert_eq!(said.code, Some(0), "{command}: {said:?}");
        said.out.trim().to_owned()
    }

    pub async fn end(self) {
        self.machines.close().await.unwrap();
    }
}

/// Images are kept where the sandbox keeps them, so that the tests find the one it built.
pub fn cache() -> PathBuf {
    Path::new(&std::env::var("HOME").unwrap_or_else(|_| "/root".to_owned()))
        .join(".cache/hubctl-sandbox")
}

pub fn rule(
    direction: Direction,
    protocol: Option<&str>,
    port: Option<u16>,
    remote: Option<&str>,
) -> Rule {
    Rule {
        direction,
        protocol: protocol.map(str::to_owned),
        ports: port.map(|port| (port, port)),
        remote: remote.map(|net| net.parse().unwrap()),
    }
}

pub fn open() -> Vec<Rule> {
    vec![
        rule(Direction::Egress, None, None, None),
        rule(Direction::Ingress, Some("tcp"), Some(22), None),
        rule(Direction::Ingress, Some("icmp"), None, None),
    ]
}

/// How many times as long as usual things may take: `scripts/test-vm` runs on an emulated machine.
pub fn patience() -> u32 {
    let given = std::env::var("HUBCTL_TEST_PATIENCE");
    given.map_or(1, |times| times.parse().unwrap())
}

/// Looks again and again until it holds; false when the seconds are over.
pub async fn until(seconds: u64, mut look: impl AsyncFnMut() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(seconds) * patience();
    while Instant::now() < deadline {
        if look().await {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}

pub async fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().await.unwrap();
    assert!(output.status.success(), "{program} {args:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Whether something answers on a TCP port within a moment.
pub async fn answers(address: Ipv4Addr, port: u16) -> bool {
    let connect = tokio::net::TcpStream::connect((address, port));
    matches!(
        tokio::time::timeout(Duration::from_secs(2), connect).await,
        Ok(Ok(_))
    )
}
