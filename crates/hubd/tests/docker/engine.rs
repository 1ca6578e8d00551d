//! An engine in namespaces of its own: nothing of it is seen outside, and all of it ends with this test, however that ends.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use bollard::query_parameters::CreateImageOptions;
use bollard::{API_DEFAULT_VERSION, body_full};
use futures::TryStreamExt;
use hub_api::hub::Docker as Configuration;
use hubd::spawner::docker::Docker;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

const SUBNET: &str = "10.89.7.0/24";
/// Where the hub's stand-in listens, on the first address of the servers' network.
pub const HUB: &str = "10.89.7.1:881";
/// The control group of an engine's containers, the id of its test behind it.
const CGROUP: &str = "/hubd-test-";
const IMAGE: &str = "hubd-test:1";
/// Runs what it is sent, as a kernel would.
const RUN: &str = "#!/bin/sh\necho\nsh -c \"$(cat)\" 2>&1\n";

pub struct Engine {
    folder: TempDir,
    daemon: Child,
    hub: tokio::sync::Mutex<Option<Child>>,
    cgroup: String,
}

impl Engine {
    pub async fn start() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("engine-")
            .tempdir_in("/var/tmp")
            .unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("daemon.json"), "{}").unwrap();
        sweep().await;
        let cgroup = format!("{CGROUP}{}", std::process::id());
        let log = std::fs::File::create(path("log")).unwrap();
        let daemon = Command::new("setpriv")
            .args([
                "--pdeathsig",
                "KILL",
                "unshare",
                "--net",
                "--mount",
                "--pid",
            ])
            .args(["--mount-proc", "--fork", "--kill-child=KILL", "dockerd"])
            .args(["--storage-driver", "vfs", "--bridge", "none"])
            .args(["--cgroup-parent", &cgroup])
            .arg("--host")
            .arg(format!("unix://{}", path("engine.sock").display()))
            .arg("--config-file")
            .arg(path("daemon.json"))
            .arg("--data-root")
            .arg(path("data"))
            .arg("--exec-root")
            .arg(path("exec"))
            .arg("--pidfile")
            .arg(path("pid"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let engine = Self {
            folder,
            daemon,
            hub: tokio::sync::Mutex::default(),
            cgroup,
        };
        engine.import().await;
        engine
    }

    /// Ends the engine, its containers with it, and what they leave.
    pub async fn end(mut self) {
        if let Some(mut hub) = self.hub.lock().await.take() {
            hub.kill().await.unwrap();
        }
        self.daemon.kill().await.unwrap();
        for hierarchy in hierarchies() {
            remove_groups(&hierarchy.join(&self.cgroup[1..])).await;
        }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("engine.sock")
    }

    pub fn spawner(&self, change: impl FnOnce(&mut Configuration)) -> Docker {
        let text = format!(
            "socket = {:?}\nimage = {IMAGE:?}\nsubnet = {SUBNET:?}\nhome = \"home-{{username}}\"\npull = \"never\"\n\
             command = [\"/bin/busybox\", \"httpd\", \"-f\", \"-p\", \"0.0.0.0:8888\", \"-h\", \"/www\"]",
            self.socket()
        );
        let mut configuration: Configuration = toml::from_str(&text).unwrap();
        change(&mut configuration);
        Docker::new(&configuration).unwrap()
    }

    /// An image of one static program, from a tarball made here.
    async fn import(&self) {
        let root = self.folder.path().join("image");
        for folder in ["bin", "www/cgi-bin", "home/jovyan", "tmp"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        std::fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
        for program in [
            "sh", "cat", "echo", "nc", "printf", "hostname", "grep", "ls",
        ] {
            std::os::unix::fs::symlink("busybox", root.join("bin").join(program)).unwrap();
        }
        let script = root.join("www/cgi-bin/run");
        std::fs::write(&script, RUN).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&script, mode).unwrap();
        let tar = Command::new("tar")
            .arg("-C")
            .arg(&root)
            .args(["-c", "."])
            .output()
            .await
            .unwrap();
        assert!(tar.status.success());
        let options = CreateImageOptions {
            from_src: Some("-".to_owned()),
            repo: Some("hubd-test".to_owned()),
            tag: Some("1".to_owned()),
            ..CreateImageOptions::default()
        };
        let client = self.client().await;
        let body = Some(body_full(tar.stdout.into()));
        let import = client.create_image(Some(options), body, None);
        import.try_for_each(|_| async { Ok(()) }).await.unwrap();
    }

    async fn client(&self) -> bollard::Docker {
        let socket = self.socket();
        for _ in 0..600 {
            if let Ok(client) = bollard::Docker::connect_with_unix(
                &socket.to_string_lossy(),
                60,
                API_DEFAULT_VERSION,
            ) && let Ok(client) = client.negotiate_version().await
            {
                return client;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!(
            "{}",
            std::fs::read_to_string(self.folder.path().join("log")).unwrap()
        );
    }

    /// A program on the machine of the engine, as far as its network goes.
    fn beside(&self, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "nsenter", "--net", "--target"])
            .arg(self.daemon.id().unwrap().to_string())
            .arg(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// A metadata service behind this machine, as a cloud has it, that containers reach until the filter is there.
    pub async fn metadata_service(&self) -> Child {
        self.hub_listens().await;
        let script = "echo up; until ip link show far >/dev/null 2>&1; do sleep 0.05; done
            ip address add 169.254.169.254/30 dev far; ip link set far up
            ip route add default via 169.254.169.253
            exec /bin/busybox httpd -f -p 169.254.169.254:80 -h \"$0\"";
        let mut service = Command::new("setpriv")
            .args([
                "--pdeathsig",
                "KILL",
                "unshare",
                "--net",
                "sh",
                "-c",
                script,
            ])
            .arg(self.folder.path().join("hub"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        // It has left this namespace when it says so: its end of the wire must not be put here.
        let mut up = [0; 3];
        service
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut up)
            .await
            .unwrap();
        let pid = service.id().unwrap();
        let wire = format!(
            "ip link add near type veth peer name far netns {pid} && ip link set near up &&
             ip address add 169.254.169.253/30 dev near"
        );
        self.run("sh", &["-c", &wire]).await;
        service
    }

    /// Closes it as hubctl does on its servers.
    pub async fn close_metadata(&self) {
        let filter =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../templates/system/metadata.nft.tera");
        self.run("nft", &["-f", &filter.to_string_lossy()]).await;
    }

    async fn run(&self, program: &str, arguments: &[&str]) {
        let said = self.beside(program).args(arguments).output().await.unwrap();
        assert!(said.status.success(), "{program} {arguments:?}: {said:?}");
    }

    /// Runs a command in the server that listens there, asked by the hub.
    pub async fn inside(&self, server: SocketAddr, command: &str) -> String {
        self.hub_listens().await;
        for _ in 0..200 {
            let mut asked = self
                .beside("curl")
                .args(["-s", "--max-time", "20", "--data-binary", "@-"])
                .arg(format!("http://{server}/cgi-bin/run"))
                .spawn()
                .unwrap();
            let mut stdin = asked.stdin.take().unwrap();
            stdin.write_all(command.as_bytes()).await.unwrap();
            drop(stdin);
            let said = asked.wait_with_output().await.unwrap();
            if said.status.success() {
                return String::from_utf8_lossy(&said.stdout).trim().to_owned();
            }
            // 7: nothing listens yet.
            assert_eq!(said.status.code(), Some(7), "{said:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{server} does not answer");
    }

    /// Something that answers as the hub would; it can listen once the network's first address is there.
    async fn hub_listens(&self) {
        let mut hub = self.hub.lock().await;
        if hub.is_some() {
            return;
        }
        let pages = self.folder.path().join("hub");
        std::fs::create_dir_all(&pages).unwrap();
        std::fs::write(pages.join("index.html"), "the hub").unwrap();
        let listening = self
            .beside("/bin/busybox")
            .args(["httpd", "-f", "-p", HUB, "-h"])
            .arg(pages)
            .spawn();
        *hub = Some(listening.unwrap());
    }
}

/// Where control groups are, on v2 and v1.
fn hierarchies() -> Vec<PathBuf> {
    let mount = PathBuf::from("/sys/fs/cgroup");
    let v1 = std::fs::read_dir(&mount)
        .unwrap()
        .flatten()
        .map(|entry| entry.path());
    v1.chain([mount.clone()]).collect()
}

/// Removes the groups that tests left which were killed.
async fn sweep() {
    for hierarchy in hierarchies() {
        for entry in std::fs::read_dir(hierarchy).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let test = name.strip_prefix(&CGROUP[1..]);
            if test.is_some_and(|test| !Path::new("/proc").join(test).exists()) {
                remove_groups(&entry.path()).await;
            }
        }
    }
}

/// Removes a tree of control groups whose processes are gone, or going.
async fn remove_groups(group: &Path) {
    for _ in 0..100 {
        let mut groups = vec![group.to_owned()];
        let mut at = 0;
        while at < groups.len() {
            let below = std::fs::read_dir(&groups[at])
                .into_iter()
                .flatten()
                .flatten();
            let below = below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            groups.extend(below.map(|entry| entry.path()).collect::<Vec<_>>());
            at += 1;
        }
        for group in groups.iter().rev() {
            let _ = std::fs::remove_dir(group);
        }
        if !group.exists() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{} is left", group.display());
}
