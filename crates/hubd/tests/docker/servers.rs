//! Servers as containers: what they reach, what stays, how they end.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::engine::{Engine, HUB};
use hub_api::hub::Pull;
use hubd::spawner::docker::Docker;
use hubd::spawner::{Ending, Launch, ServerKey, SpawnError, Spawner, Started, Status, Target};

fn key(user: &str, name: &str) -> ServerKey {
    ServerKey {
        user: user.to_owned(),
        name: name.to_owned(),
    }
}

fn launch(key: ServerKey) -> Launch {
    Launch {
        key,
        environment: BTreeMap::from([(
            "JUPYTERHUB_API_TOKEN".to_owned(),
            "a \"b\" $c=d".to_owned(),
        )]),
        profile: None,
        within: Duration::from_secs(60),
    }
}

async fn start(spawner: &Docker, key: ServerKey) -> Started {
    let target = spawner.prepare(&key).await.unwrap();
    spawner.start(&launch(key), &target).await.unwrap()
}

fn address(started: &Started) -> SocketAddr {
    match started.target {
        Target::Tcp(address) => address,
        Target::Unix(_) => panic!("{started:?}"),
    }
}

/// Asks for a page from inside a container. (The static program has no other client that works without a resolver.)
fn fetch(from: SocketAddr) -> String {
    let (ip, port) = (from.ip(), from.port());
    format!("printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 {ip} {port}")
}

async fn ended(spawner: &Docker, key: &ServerKey, started: &Started) -> Ending {
    for _ in 0..400 {
        if let Status::Ended(ending) = spawner.poll(key, &started.state).await.unwrap() {
            return ending;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it still runs");
}

/// One engine for all of it: to start one costs more than any of the proofs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn containers_are_servers() {
    let engine = Engine::start().await;
    servers_reach_the_hub_and_not_each_other(&engine).await;
    homes_stay_and_a_hub_started_anew_finds_what_runs(&engine).await;
    endings_are_told(&engine).await;
    an_image_that_is_not_there_is_told(&engine).await;
    engine.end().await;
}

async fn servers_reach_the_hub_and_not_each_other(engine: &Engine) {
    let spawner = engine.spawner(|_| {});
    let ada = start(&spawner, key("ada", "")).await;
    let bob = start(&spawner, key("bob@example.org", "")).await;
    let work = start(&spawner, key("ada", "work")).await;
    let own = engine
        .inside(address(&ada), "echo $JUPYTERHUB_API_TOKEN; hostname -i")
        .await;
    assert_eq!(own, format!("a \"b\" $c=d\n{}", address(&ada).ip()));
    let page = engine
        .inside(address(&ada), &fetch(HUB.parse().unwrap()))
        .await;
    assert!(page.ends_with("the hub"), "{page}");
    for other in [&bob, &work] {
        let other = address(other);
        // It answers the hub's side, so that silence below means what it should.
        assert_eq!(engine.inside(other, "echo up").await, "up");
        let said = engine.inside(address(&ada), &fetch(other)).await;
        assert!(said.ends_with("timed out"), "{other}: {said}");
    }
    let service = engine.metadata_service().await;
    let metadata = fetch("169.254.169.254:80".parse().unwrap());
    let mut page = String::new();
    for _ in 0..50 {
        page = engine.inside(address(&ada), &metadata).await;
        if page.ends_with("the hub") {
            break;
        }
    }
    assert!(page.ends_with("the hub"), "it is there: {page}");
    engine.close_metadata().await;
    let page = engine.inside(address(&ada), &metadata).await;
    assert!(
        page.ends_with("refused") || page.ends_with("unreachable"),
        "{page}"
    );
    drop(service);
    let status = engine
        .inside(
            address(&ada),
            "grep -E 'NoNewPrivs|CapBnd|CapEff' /proc/self/status",
        )
        .await;
    let zero = "0000000000000000";
    assert_eq!(
        status,
        format!("CapEff:\t{zero}\nCapBnd:\t{zero}\nNoNewPrivs:\t1")
    );
    let socket = "ls /run/docker.sock /var/run/docker.sock 2>/dev/null; echo none";
    assert_eq!(engine.inside(address(&ada), socket).await, "none");
    for (key, started) in [
        (key("ada", ""), &ada),
        (key("bob@example.org", ""), &bob),
        (key("ada", "work"), &work),
    ] {
        spawner.stop(&key, &started.state).await.unwrap();
    }
}

async fn homes_stay_and_a_hub_started_anew_finds_what_runs(engine: &Engine) {
    let ada = key("ada", "");
    let spawner = engine.spawner(|_| {});
    let first = start(&spawner, ada.clone()).await;
    engine
        .inside(address(&first), "echo work >/home/jovyan/notes")
        .await;
    let anew = engine.spawner(|_| {});
    assert_eq!(
        anew.poll(&ada, &first.state).await.unwrap(),
        Status::Running
    );
    // A start of the same key ends the leftover.
    let second = start(&anew, ada.clone()).await;
    assert!(matches!(
        anew.poll(&ada, &first.state).await.unwrap(),
        Status::Ended(_)
    ));
    let notes = engine
        .inside(address(&second), "cat /home/jovyan/notes")
        .await;
    assert_eq!(notes, "work");
    anew.stop(&ada, &second.state).await.unwrap();
    assert!(matches!(
        anew.poll(&ada, &second.state).await.unwrap(),
        Status::Ended(_)
    ));
    anew.stop(&ada, &second.state).await.unwrap();
}

async fn endings_are_told(engine: &Engine) {
    let command = |script: &str| {
        ["/bin/busybox", "sh", "-c", script]
            .map(str::to_owned)
            .to_vec()
    };
    let ada = key("ada", "");
    let fails = engine.spawner(|c| {
        c.command = command("echo 'no lab: token=0123456789abcdef0123456789abcdef' >&2; exit 3");
    });
    let started = start(&fails, ada.clone()).await;
    let ending = ended(&fails, &ada, &started).await;
    assert_eq!(
        ending,
        Ending {
            code: Some(3),
            out_of_memory: false,
            last_lines: vec!["no lab: token=[hidden]".to_owned()],
        }
    );
    let eats = engine.spawner(|c| {
        c.command = command("exec busybox awk 'BEGIN { x = \"x\"; while (1) x = x x }'");
        c.mem_limit = Some(16 << 20);
        c.init = false;
    });
    let started = start(&eats, ada.clone()).await;
    let ending = ended(&eats, &ada, &started).await;
    assert!(ending.out_of_memory, "{ending:?}");
    eats.stop(&ada, &started.state).await.unwrap();
}

async fn an_image_that_is_not_there_is_told(engine: &Engine) {
    let spawner = engine.spawner(|c| {
        c.image = "no-such-image:7".to_owned();
        c.pull = Pull::Never;
    });
    let ada = key("ada", "");
    let target = spawner.prepare(&ada).await.unwrap();
    let error = spawner.start(&launch(ada), &target).await.unwrap_err();
    let SpawnError::Engine { cause, .. } = error else {
        panic!("{error:?}");
    };
    assert!(
        cause.contains("no-such-image:7") && cause.contains("never"),
        "{cause}"
    );
}
