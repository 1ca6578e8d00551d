//! Nothing is left of a sandbox that was killed.

use std::path::Path;
use std::process::Stdio;

use crate::support::{Cloud, run, until};
use sandbox::machine::Machines;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// The sandbox that gets killed: boots a machine with a volume, says where it is, and stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs as a process of its own, started by the tests below"]
async fn holder() {
    let cloud = Cloud::start().await;
    let mut spec = cloud.spec("held", [10, 20, 0, 5]);
    let volume = cloud
        .dir
        .path()
        .join("1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed");
    std::fs::File::create(&volume)
        .unwrap()
        .set_len(1 << 20)
        .unwrap();
    spec.volumes = vec![volume];
    let address = cloud.floating(0).await;
    cloud.boot(&spec, address).await;
    println!("\nHELD {address} {}", cloud.dir.path().display());
    std::future::pending::<()>().await;
}

struct Held {
    child: Child,
    /// `hubctl-sandbox-3`
    number: String,
    dir: String,
}

async fn hold() -> Held {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sweep::holder", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        if let Some(words) = line.strip_prefix("HELD ") {
            let (address, dir) = words.split_once(' ').unwrap();
            let third: u8 = address.split('.').nth(2).unwrap().parse().unwrap();
            return Held {
                child,
                number: (third - 4).to_string(),
                dir: dir.to_owned(),
            };
        }
    }
    panic!("the holder ended: {:?}", child.wait().await);
}

/// Everything on this box that carries the sandbox's number.
async fn traces(held: &Held) -> Vec<String> {
    let number = &held.number;
    let mut found = Vec::new();
    // Groups may go while it looks.
    let find = format!(
        "find /sys/fs/cgroup -type d -name hubctl-sandbox-{number} -prune 2>/dev/null || true"
    );
    for (what, text, mark) in [
        (
            "netns",
            run("ip", &["netns"]).await,
            format!("hubs{number}-"),
        ),
        (
            "link",
            run("ip", &["-o", "link"]).await,
            format!("hubs{number}r"),
        ),
        (
            "route",
            run("ip", &["route"]).await,
            format!("metric {}", 9000 + number.parse::<u32>().unwrap()),
        ),
        (
            "table",
            run("nft", &["list", "tables"]).await,
            format!("hubctl_sandbox_{number}"),
        ),
        (
            "mount",
            std::fs::read_to_string("/proc/self/mountinfo").unwrap(),
            held.dir.clone(),
        ),
        (
            "loop",
            run("losetup", &["-l", "-n", "-O", "BACK-FILE"]).await,
            held.dir.clone(),
        ),
        (
            "group",
            run("sh", &["-c", &find]).await,
            "hubctl".to_owned(),
        ),
        (
            "record",
            run("ls", &["/run/hubctl-sandbox"]).await,
            format!("{number}\n"),
        ),
    ] {
        found.extend(
            text.lines()
                .map(|line| format!("{line}\n"))
                .filter(|line| line.contains(&mark))
                .map(|line| format!("{what}: {line}")),
        );
    }
    if Path::new(&held.dir)
        .join("state")
        .join(format!("sandbox-{number}"))
        .exists()
    {
        found.push("files".to_owned());
    }
    found
}

async fn gone(held: &Held, seconds: u64) {
    let in_time = until(seconds, async || traces(held).await.is_empty()).await;
    assert!(in_time, "left: {:?}", traces(held).await);
    std::fs::remove_dir_all(&held.dir).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn machines_end_with_the_sandbox_even_when_it_is_killed() {
    let mut held = hold().await;
    assert!(traces(&held).await.len() > 8, "{:?}", traces(&held).await);
    held.child.kill().await.unwrap();
    gone(&held, 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_sandbox_and_its_watchdog_left_the_next_one_sweeps() {
    let mut held = hold().await;
    let children = format!("/proc/{0}/task", held.child.id().unwrap());
    let mut watchdogs = Vec::new();
    for task in std::fs::read_dir(children).unwrap().flatten() {
        let list = std::fs::read_to_string(task.path().join("children")).unwrap();
        for pid in list.split_whitespace() {
            let words = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
            if words.contains("hubctl-sandbox-watchdog") {
                watchdogs.push(pid.to_owned());
            }
        }
    }
    assert_eq!(watchdogs.len(), 1);
    run("kill", &["-KILL", &watchdogs[0]]).await;
    held.child.kill().await.unwrap();
    assert!(traces(&held).await.len() > 8, "{:?}", traces(&held).await);

    let next = Cloud::start().await;
    next.machines.sweep().await.unwrap();
    // Its number may be the next one's own by now.
    if next.floating(0).await.octets()[2].to_string()
        == (held.number.parse::<u8>().unwrap() + 4).to_string()
    {
        next.end().await;
        gone(&held, 5).await;
    } else {
        gone(&held, 5).await;
        next.end().await;
    }
}
