//! The programs that are sent to the host, run here: their protocol, and how they end.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use hubctl::setup::facts::Facts;
use serde_json::{Value, json};

const APPLY: &str = hubctl::setup::APPLY;
const OBSERVE: &str = include_str!("../templates/runner/observe.py");

/// The program that carries out steps, with what it is sent.
struct Run {
    process: Child,
    input: Option<ChildStdin>,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Run {
    fn start(folder: &Path, steps: &Value, blobs: &[&str], silence: f64) -> Self {
        let blobs: Vec<&[u8]> = blobs.iter().map(|blob| blob.as_bytes()).collect();
        Self::start_with(folder, steps, &blobs, silence)
    }

    fn start_with(folder: &Path, steps: &Value, blobs: &[&[u8]], silence: f64) -> Self {
        let bootstrap = "import sys; i = sys.stdin.buffer; exec(compile(i.read(int(i.readline())), 'hubctl', 'exec'))";
        let mut process = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "python3", "-I", "-c", bootstrap])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let header = json!({
            "lock": folder.join("lock"), "lock_deadline": 60, "silence": silence, "environment": {}, "steps": steps,
            "blobs": blobs.iter().map(|blob| blob.len()).collect::<Vec<_>>(),
        })
        .to_string();
        let mut input = process.stdin.take().unwrap();
        write!(input, "{}\n{APPLY}{}\n{header}", APPLY.len(), header.len(),).unwrap();
        input.write_all(&blobs.concat()).unwrap();
        input.flush().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self {
            process,
            input: Some(input),
            lines,
        }
    }

    /// The next event but details.
    fn event(&mut self) -> Option<Value> {
        let line = self.lines.next()?.unwrap();
        let mut event: Value = serde_json::from_str(&line).unwrap();
        if let Some(fields) = event.as_object_mut() {
            fields.remove("seconds");
        }
        Some(event)
    }

    fn rest(mut self) -> (Vec<Value>, i32) {
        let mut events = Vec::new();
        while let Some(event) = self.event() {
            events.push(event);
        }
        (events, self.process.wait().unwrap().code().unwrap_or(-1))
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn name(flag: &str) -> String {
    let output = Command::new("id").arg(flag).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn shell(script: &str) -> Value {
    json!({"op": "run", "commands": [["sh", "-c", script]], "deadline": 60})
}

fn gone(pid: &str) {
    let path = PathBuf::from(format!("/proc/{}", pid.trim()));
    let begun = Instant::now();
    while path.exists() {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "{pid} still runs"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn content(path: &Path) -> String {
    let begun = Instant::now();
    loop {
        match std::fs::read_to_string(path) {
            Ok(text) if text.ends_with('\n') => return text,
            _ => assert!(
                begun.elapsed() < Duration::from_secs(30),
                "no {}",
                path.display()
            ),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// As hubctl sends a program.
#[test]
fn a_program_comes_packed() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bin/hubproxy");
    // zlib's form of the text, by hand: a stored block.
    let text = b"a program\n";
    let sum = text.iter().fold((1_u32, 0_u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65521;
        (a, (b + a) % 65521)
    });
    let length = u16::try_from(text.len()).unwrap();
    let mut packed = vec![0x78, 0x01, 0x01];
    packed.extend(length.to_le_bytes());
    packed.extend((!length).to_le_bytes());
    packed.extend(text);
    packed.extend(((sum.1 << 16) | sum.0).to_be_bytes());
    let step = json!({
        "op": "write", "path": path, "owner": name("-un"), "group": name("-gn"), "mode": "0755", "blob": 0,
        "packed": true,
    });
    let (events, status) = Run::start_with(folder.path(), &json!([step]), &[&packed], 60.0).rest();
    assert_eq!(
        (events.last().unwrap()["event"].as_str(), status),
        (Some("done"), 0),
        "{events:?}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), text);
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o755);
}

#[test]
fn files_are_written_whole_with_their_mode() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made/secret");
    std::fs::create_dir(folder.path().join("made")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
    let step = json!({"op": "write", "path": path, "owner": name("-un"), "group": name("-gn"), "mode": "0600", "blob": 1});
    let (events, status) =
        Run::start(folder.path(), &json!([step]), &["first", "sécond\n"], 60.0).rest();
    assert_eq!(
        events,
        [
            json!({"event": "started", "step": 0}),
            json!({"event": "finished", "step": 0}),
            json!({"event": "done"}),
        ]
    );
    assert_eq!(status, 0);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "sécond\n");
    let found = std::fs::symlink_metadata(&path).unwrap();
    assert!(found.is_file(), "the link was replaced, not followed");
    assert_eq!(found.permissions().mode() & 0o7777, 0o600);
    let left: Vec<_> = std::fs::read_dir(folder.path().join("made"))
        .unwrap()
        .collect();
    assert_eq!(left.len(), 1);
}

#[test]
fn a_failure_names_its_step_and_shows_the_last_lines() {
    let folder = tempfile::tempdir().unwrap();
    let after = folder.path().join("after");
    let steps = json!([
        shell("true"),
        shell("echo what; echo went wrong >&2; exit 7"),
        shell(&format!("touch {}", after.display())),
    ]);
    let (events, status) = Run::start(folder.path(), &steps, &[], 60.0).rest();
    assert_eq!(
        *events.last().unwrap(),
        json!({"event": "failed", "step": 1, "message": "sh ended with status 7", "tail": "what\nwent wrong"})
    );
    assert_eq!(status, 1);
    assert!(!after.exists());
}

#[test]
fn a_step_that_hangs_is_ended_at_its_deadline() {
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let mut step = shell(&format!("echo $$ > {}; sleep 600", pid.display()));
    step["deadline"] = json!(1);
    let (events, _) = Run::start(folder.path(), &json!([step]), &[], 60.0).rest();
    assert_eq!(events.last().unwrap()["message"], "sh was ended after 1 s");
    gone(&content(&pid));
}

#[test]
fn the_end_of_the_input_ends_all_that_was_started() {
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    // A grandchild that ignores the first signal.
    let script = format!(
        "(trap '' TERM; echo $$ > {}; while :; do sleep 1; done)",
        pid.display()
    );
    let mut run = Run::start(folder.path(), &json!([shell(&script)]), &[], 60.0);
    let pid = content(&pid);
    drop(run.input.take());
    gone(&pid);
    assert_eq!(run.process.wait().unwrap().code(), Some(3));
    let (events, _) = Run::start(folder.path(), &json!([shell("true")]), &[], 60.0).rest();
    assert_eq!(
        events[0],
        json!({"event": "started", "step": 0}),
        "the lock is free"
    );
}

#[test]
fn silence_of_the_other_side_ends_the_run_and_a_sign_of_life_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let script = format!("echo $$ > {}; sleep 600", pid.display());
    let mut run = Run::start(folder.path(), &json!([shell(&script)]), &[], 2.0);
    let pid = content(&pid);
    for _ in 0..12 {
        std::thread::sleep(Duration::from_millis(300));
        writeln!(run.input.as_ref().unwrap()).unwrap();
    }
    assert!(Path::new(&format!("/proc/{}", pid.trim())).exists());
    gone(&pid);
    assert_eq!(run.process.wait().unwrap().code(), Some(3));
}

#[test]
fn what_a_killed_run_left_running_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let (pid, go) = (folder.path().join("pid"), folder.path().join("go"));
    let script = format!(
        "echo $$ > {}; while [ ! -e {} ]; do sleep 0.1; done",
        pid.display(),
        go.display()
    );
    let mut first = Run::start(folder.path(), &json!([shell(&script)]), &[], 60.0);
    let pid = content(&pid);
    first.process.kill().unwrap();
    first.process.wait().unwrap();
    assert!(Path::new(&format!("/proc/{}", pid.trim())).exists());

    let mut second = Run::start(folder.path(), &json!([shell("true")]), &[], 60.0);
    let event = second.event().unwrap();
    assert_eq!(event["event"], "waiting");
    assert_eq!(event["what"], "another run on this host to end");
    std::fs::write(&go, "").unwrap();
    let (events, status) = second.rest();
    assert_eq!(*events.last().unwrap(), json!({"event": "done"}));
    assert_eq!(status, 0);
}

#[test]
fn lanes_run_side_by_side_and_their_steps_one_after_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().display();
    let until = |file: &str| format!("while [ ! -e {here}/{file} ]; do sleep 0.05; done");
    let lane = |lane: &str, script: String| {
        let mut step = shell(&script);
        step["lane"] = json!(lane);
        step
    };
    // Each lane waits for what the other does.
    let steps = json!([
        lane("a", format!("touch {here}/a1; {}", until("b1"))),
        lane("a", format!("touch {here}/a2")),
        lane(
            "b",
            format!("{}; touch {here}/b1; {}", until("a1"), until("a2"))
        ),
        shell(&format!("rm {here}/a2")),
    ]);
    let (events, status) = Run::start(folder.path(), &steps, &[], 60.0).rest();
    assert_eq!(status, 0, "{events:?}");
    assert_eq!(
        events[events.len() - 3],
        json!({"event": "started", "step": 3})
    );
}

#[test]
fn a_failing_lane_ends_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let mut steps = json!([
        shell(&format!("echo $$ > {}; sleep 600", pid.display())),
        shell(&format!(
            "while [ ! -s {} ]; do sleep 0.05; done; exit 9",
            pid.display()
        )),
    ]);
    (steps[0]["lane"], steps[1]["lane"]) = (json!("a"), json!("b"));
    let (events, status) = Run::start(folder.path(), &steps, &[], 60.0).rest();
    assert_eq!(
        *events.last().unwrap(),
        json!({"event": "failed", "step": 1, "message": "sh ended with status 9", "tail": ""})
    );
    assert_eq!(status, 1);
    gone(&content(&pid));
}

#[test]
fn observing_reports_what_the_diff_reads() {
    let folder = tempfile::tempdir().unwrap();
    let (shown, hidden) = (folder.path().join("shown"), folder.path().join("hidden"));
    std::fs::write(&shown, "text\n").unwrap();
    std::fs::write(&hidden, "a secret\n").unwrap();
    let empty = folder.path().join("volume");
    std::fs::File::create(&empty)
        .unwrap()
        .set_len(4 << 20)
        .unwrap();
    let request = json!({
        "cloud_init_deadline": 1,
        "files": [{"path": shown, "text": true}, {"path": hidden, "text": false}, {"path": "/nowhere", "text": true}],
        "packages": ["python3-minimal", "no-such-package"],
        "units": [{"name": "no-such.service", "reads": [shown]}],
        "accounts": ["root", "nobody-at-all"], "groups": ["root", "no-such-group"], "venvs": ["/nowhere"],
        "npm": [{"folder": "/nowhere", "package": "none"}], "tables": ["inet no-such-table"],
        "servers": [],
        "volume": empty, "ports": [1], "lock": folder.path().join("lock"),
    });
    let script = format!(
        "{OBSERVE}\nobserve(json.loads({}))\n",
        Value::from(request.to_string())
    );
    let output = Command::new("python3")
        .args(["-I", "-c", &script])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(!text.contains("a secret"));
    let mut answer: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    let facts: Facts = serde_json::from_value(answer["facts"].take()).unwrap();
    let file = |path: &Path| facts.files[path.to_str().unwrap()].clone().unwrap();
    assert_eq!(file(&shown).text.as_deref(), Some("text\n"));
    assert_eq!(
        file(&shown).sha256.as_deref(),
        Some("b9e68e1bea3e5b19ca6b2f98b73a54b73daafaa250484902e09982e07a12e733")
    );
    assert!(file(&hidden).sha256.is_some() && file(&hidden).text.is_none());
    assert_eq!(facts.files["/nowhere"], None);
    assert_eq!(facts.packages["no-such-package"], None);
    assert_eq!(facts.accounts["root"].as_ref().unwrap().uid, 0);
    assert_eq!(
        (
            &facts.accounts["nobody-at-all"],
            &facts.groups["no-such-group"]
        ),
        (&None, &None)
    );
    assert_eq!(facts.venvs["/nowhere"], None);
    assert!(facts.memory_kb > 0 && facts.disk_free_mb > 0);
    let volume = facts.volume.unwrap();
    assert!(volume.present && volume.empty, "{volume:?}");
}

#[test]
fn a_volume_with_anything_on_it_is_not_empty() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("volume");
    let look = || {
        let script = format!(
            "{OBSERVE}\nimport sys; print(json.dumps(volume_facts({})))\n",
            Value::from(path.to_str().unwrap())
        );
        let output = Command::new("python3")
            .args(["-I", "-c", &script])
            .output()
            .unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let reset = || {
        std::fs::File::create(&path)
            .unwrap()
            .set_len(16 << 20)
            .unwrap()
    };
    reset();
    assert_eq!(look()["empty"], true);
    for (what, command) in [
        ("a file system", "mkfs.ext4 -q"),
        ("swap", "mkswap"),
        (
            "bytes nobody knows",
            "sh -c 'printf data | dd conv=notrunc bs=1 seek=5000 of=$0 2>/dev/null'",
        ),
    ] {
        reset();
        let script = format!("{command} {}", path.display());
        assert!(
            Command::new("sh")
                .args(["-c", &script])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .unwrap()
                .success()
        );
        assert_eq!(look()["empty"], false, "{what}");
    }
}

#[test]
fn the_programs_run_on_the_oldest_python_of_a_supported_image() {
    for source in [APPLY, OBSERVE] {
        let script = "import ast, sys; ast.parse(sys.stdin.read(), feature_version=(3, 8))";
        let mut python = Command::new("python3")
            .args(["-I", "-c", script])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        python
            .stdin
            .take()
            .unwrap()
            .write_all(source.as_bytes())
            .unwrap();
        assert!(python.wait().unwrap().success());
    }
}

/// Gives one file to whoever asks, as often as it is asked for; its URL.
fn serve(content: Vec<u8>) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/traefik.tar.gz", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { break };
            let mut head = BufReader::new(stream.try_clone().unwrap());
            let mut line = String::new();
            while head.read_line(&mut line).is_ok_and(|read| read > 2) {
                line.clear();
            }
            let length = content.len();
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
            );
            let _ = stream.write_all(&content);
        }
    });
    url
}

#[test]
fn a_release_is_taken_for_its_checksum_alone() {
    use sha2::{Digest, Sha256};
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("traefik"), "the program\n").unwrap();
    std::fs::write(folder.path().join("LICENSE.md"), "the terms\n").unwrap();
    let packed = Command::new("tar")
        .args(["-cz", "LICENSE.md", "traefik"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let sha256: String = Sha256::digest(&packed.stdout)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let url = serve(packed.stdout);
    let place = folder.path().join("opt");
    let fetch = |sha256: &str| {
        let step = json!({
            "op": "fetch", "folder": place, "member": "traefik", "url": url, "sha256": sha256,
            "stamp": format!("{sha256}\n"), "stamp_file": "hubctl-release.txt",
        });
        Run::start(folder.path(), &json!([step]), &[], 60.0).rest()
    };
    let (events, status) = fetch(&sha256);
    assert_eq!(status, 0, "{events:?}");
    let program = place.join("bin/traefik");
    assert_eq!(std::fs::read_to_string(&program).unwrap(), "the program\n");
    let mode = std::fs::metadata(&program).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o755);
    let stamp = || std::fs::read_to_string(place.join("hubctl-release.txt")).unwrap();
    assert_eq!(stamp(), format!("{sha256}\n"));

    // Another one than was asked for is not taken, and what was there stays.
    let wrong = "0".repeat(64);
    let (events, status) = fetch(&wrong);
    assert_eq!(status, 1, "{events:?}");
    let message = events.last().unwrap()["message"].as_str().unwrap();
    let expected = format!("is not what it should be: its SHA-256 is {sha256}, not {wrong}");
    assert!(message.ends_with(&expected), "{message}");
    assert_eq!(stamp(), format!("{sha256}\n"));
}
