//! Looks for secrets where they do not belong.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::hubctl::Operator;
use crate::server::Server;

/// Takes down the command line of every process of this box, those in the machines among them.
pub(crate) struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<BTreeSet<String>>,
}

impl Watch {
    pub(crate) fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut seen = BTreeSet::new();
            while !stopped.load(Ordering::Relaxed) {
                for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
                    if let Ok(line) = fs::read(entry.path().join("cmdline")) {
                        seen.insert(String::from_utf8_lossy(&line).replace('\0', " "));
                    }
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            seen
        });
        Self { stop, thread }
    }

    pub(crate) fn end(self) -> BTreeSet<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// Every secret of a deployment, as text that would be found if it were somewhere.
fn secrets(operator: &Operator, name: &str) -> Vec<String> {
    let state = operator.state(name);
    let receipt = operator.receipt(name);
    let mut secrets: Vec<String> = receipt["secrets"]
        .as_object()
        .unwrap()
        .values()
        .map(|value| value.as_str().unwrap().to_owned())
        .collect();
    secrets.extend(operator.passwords(name).into_values());
    for file in ["id_ed25519", "ca.key", "server.key"] {
        let text = fs::read_to_string(state.join(file)).unwrap();
        // The second line of the body: the first of an SSH key is the same for all of its kind.
        secrets.extend(
            text.lines()
                .filter(|line| !line.starts_with("-----"))
                .nth(1)
                .map(str::to_owned),
        );
    }
    assert!(secrets.len() > 15 && secrets.iter().all(|secret| secret.len() >= 10));
    secrets
}

pub(crate) fn scan(operator: &Operator, name: &str, server: &Server, commands: &BTreeSet<String>) {
    let secrets = secrets(operator, name);
    let clean = |what: &str, text: &str| {
        for secret in &secrets {
            assert!(
                !text.contains(secret.as_str()),
                "a secret is in {what}: {secret}"
            );
        }
    };
    assert!(commands.len() > 50);
    for line in commands {
        clean("a process list", line);
    }
    for log in files(&operator.folder.join("logs")) {
        clean(&log, &fs::read_to_string(&log).unwrap());
    }
    clean(
        "the journal",
        &server.run("sudo journalctl --no-pager --output=cat"),
    );
    clean(
        "user data and metadata",
        &server.run("for f in user_data meta_data.json; do sudo curl -s http://169.254.169.254/openstack/latest/$f; done"),
    );
    // What a notebook user can read anywhere on the server.
    let found = server.run_with(
        &format!("sudo python3 -c '{READABLE}'"),
        &secrets.join("\n"),
    );
    assert_eq!(found, "looked", "readable for a notebook user");
    // On the server there are hashes of passwords, not passwords, even for root.
    let passwords: Vec<String> = operator.passwords(name).into_values().collect();
    let found = server.run_with(
        "sudo grep -rlFf - /etc /var/lib/jupyterhub /var/lib/hubctl /var/log /root /home /run 2>/dev/null || true",
        &passwords.join("\n"),
    );
    assert_eq!(found, "", "passwords on the server");
    // Here everything is for the operator alone.
    use std::os::unix::fs::PermissionsExt;
    for file in files(&operator.state(name)) {
        let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{file}");
    }
}

/// Walks the whole file system as the user ada and prints the files that hold one of the lines of standard input.
const READABLE: &str = r#"
import os, pwd, sys
secrets = [line.encode() for line in sys.stdin.read().split("\n")]
ada = pwd.getpwnam("ada")
os.setgroups(os.getgrouplist("ada", ada.pw_gid)); os.setgid(ada.pw_gid); os.setuid(ada.pw_uid)
count = 0
for folder, folders, names in os.walk("/"):
    if folder == "/":
        folders[:] = [f for f in folders if f not in ("sys", "dev", "usr", "opt")]
    for name in names:
        path = os.path.join(folder, name)
        try:
            if folder.startswith("/proc") and name not in ("cmdline", "environ"):
                continue
            with open(path, "rb") as file:
                text = file.read(4000000)
        except OSError:
            continue
        count += 1
        for secret in secrets:
            if secret in text:
                print(path)
print("looked" if count > 100 else "looked at too little: %d" % count)
"#;

fn files(folder: &Path) -> Vec<String> {
    let mut files: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| path.display().to_string())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}
