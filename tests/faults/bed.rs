//! A server whose Python can be made to fail, and the two states that it goes back to.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sandbox::machine::namespaces::Saved;
use serde_json::{Value, json};

use super::survey::{self, Step};
use crate::hubctl::{Operator, Run};
use crate::machines::Machines;
use crate::server::Server;

const STRIKE: &str = include_str!("strike.py");
/// Where the runner on the server keeps others off.
pub(crate) const LOCK: &str = "/run/lock/hubctl.lock";
const NAME: &str = "class";
pub(crate) const PROVISION: [&str; 4] = ["provision", "--yes", "--output", "json"];
/// Operations that download and install into a folder of their own.
const INSTALLERS: [&str; 5] = ["uv", "venv", "conda", "npm", "fetch"];

pub(crate) struct Bed {
    pub(crate) machines: Machines,
    pub(crate) operator: Operator,
    pub(crate) server: Server,
}

/// A state to go back to: of the server, and of what the operator's machine keeps.
pub(crate) struct Base {
    pub(crate) name: &'static str,
    machine: Saved,
    laptop: PathBuf,
    /// What a provision does from there on.
    pub(crate) steps: Vec<Step>,
}

impl Bed {
    /// A server to which nothing was done yet but that its Python can be made to fail.
    pub(crate) fn make(spec: &str) -> Self {
        let machines = Machines::start();
        let mut operator = machines.operator(spec);
        operator.run_until(&PROVISION, |line| {
            line.contains("phase-started") && line.contains("\"host\"")
        });
        let server = Server::of(&operator, NAME);
        server.run_with(
            "file=$(python3 -c 'import sitecustomize as s; print(s.__file__)' 2>/dev/null) || \
             file=/usr/lib/python3/dist-packages/sitecustomize.py; sudo tee -a $file >/dev/null",
            STRIKE,
        );
        Self {
            machines,
            operator,
            server,
        }
    }

    pub(crate) fn provision(&mut self) -> Run {
        self.operator.run(&PROVISION)
    }

    /// Tells `strike.py` what to do, as soon as the server answers.
    pub(crate) fn arm(&self, plan: &Value) {
        let line = "sudo install -d /run/faults && sudo rm -f /run/faults/* && sudo tee /run/faults/plan >/dev/null";
        let begun = Instant::now();
        while let Err(error) = self.server.try_run(line, &plan.to_string()) {
            assert!(begun.elapsed() < Duration::from_secs(120), "{error}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// What `strike.py` left in a file.
    pub(crate) fn noted(&self, name: &str) -> String {
        self.server
            .run(&format!("cat /run/faults/{name} 2>/dev/null || true"))
    }

    pub(crate) fn back(&self, base: &Base) {
        self.machines.restore(&base.machine);
        let state = self.operator.state(NAME);
        fs::remove_dir_all(&state).unwrap();
        copy(&base.laptop, &state);
    }

    /// Keeps what there is now, and walks from there to the end once to see what is done on the way.
    fn base(&mut self, name: &'static str) -> Base {
        let machine = self.machines.save(name);
        let laptop = self.machines.place(&format!("laptop-{name}"));
        copy(&self.operator.state(NAME), &laptop);
        self.arm(&json!({"lock": LOCK, "survey": true}));
        let run = self.provision();
        assert!(
            run.status.success(),
            "from {name}: {}{}",
            run.stdout,
            run.stderr
        );
        let steps = survey::read(&self.noted("seen"));
        Base {
            name,
            machine,
            laptop,
            steps,
        }
    }

    /// A fresh server, and one that has all that takes long to install and nothing else: on it a setup takes seconds.
    pub(crate) fn bases(&mut self) -> [Base; 2] {
        let fresh = self.base("fresh");
        let packages = self.server.run("dpkg-query -W -f '${Package} '");
        let archive = self.machines.place("installed.tar");
        let mut folders: Vec<&str> = fresh
            .steps
            .iter()
            .filter_map(|step| step.name.split_once(' '))
            .filter(|(op, _)| INSTALLERS.contains(op))
            .map(|(_, folder)| folder.trim_start_matches('/'))
            .collect();
        // What environments link to, and that the system was upgraded.
        folders.extend(["opt/nodejs", "var/lib/hubctl"]);
        let pack = format!(
            "cd / && sudo tar -c --ignore-failed-read {}",
            folders.join(" ")
        );
        self.stream(&pack, Stdio::null(), File::create(&archive).unwrap().into());

        self.back(&fresh);
        self.arm(&json!({"lock": LOCK, "survey": true}));
        self.server.run(&format!(
            "export DEBIAN_FRONTEND=noninteractive && sudo -E apt-get -qq update && \
             sudo -E apt-get -qq -y dist-upgrade >/dev/null && \
             sudo -E apt-get -qq -y --no-install-recommends install {packages} >/dev/null"
        ));
        let unpack = "cd / && sudo tar -x";
        self.stream(unpack, File::open(&archive).unwrap().into(), Stdio::null());
        let furnished = self.base("furnished");
        [fresh, furnished]
    }

    fn stream(&self, line: &str, input: Stdio, output: Stdio) {
        let done = Command::new("ssh")
            .args(&self.server.ssh)
            .arg(line)
            .stdin(input)
            .stdout(output)
            .status()
            .expect("ssh starts");
        // tar's status for a file that is not there is 0 or 1, by its version.
        assert!(done.code().is_some_and(|code| code < 2), "{line}: {done}");
    }
}

fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(
        done.expect("cp starts").success(),
        "copying {}",
        from.display()
    );
}
