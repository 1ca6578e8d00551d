//! `sdsc`: stock JupyterHub without root, and a Docker container for each user.

use crate::story::{OF_A_HUB, Story};

#[test]
fn jupyterhub_with_docker() {
    let mut story = Story::provision("sdsc", &["hub.admins=[ada]"]);
    story.add_users(&["ada", "bob"]);
    story.work("ada");
    story.is_settled();
    story.is_whole(&OF_A_HUB);

    let server = story.server();
    crate::sudo::hub_is_not_root(&server);
    let hub = story.hub();
    let mut session = hub.open("bob", &story.password("bob"));

    // Of the machine a container reaches the hub and nothing else; not the metadata, nor the engine, nor other homes.
    let mut asked = |code: &str| hub.run(&mut session, code);
    assert_eq!(asked(&reach("172.31.250.1", 881)), "open");
    assert_eq!(asked(&reach("172.31.250.1", 22)), "closed");
    assert_eq!(asked(&reach("169.254.169.254", 80)), "closed");
    assert_eq!(
        asked("import os; os.path.exists('/run/docker.sock')"),
        "False"
    );
    assert_eq!(asked("sorted(os.listdir('/home'))"), "['bob']");
    let status = asked("print(open('/proc/self/status').read())");
    for line in ["CapEff:\t0000000000000000", "NoNewPrivs:\t1"] {
        assert!(status.contains(line), "{line} is not in\n{status}");
    }
    // From outside the hub's own port is closed, and on the machine it answers.
    assert_eq!(
        server.run("curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:881/hub/health"),
        "200"
    );
    let outside = std::net::TcpStream::connect_timeout(
        &std::net::SocketAddr::new(hub.address().ip(), 881),
        std::time::Duration::from_secs(2),
    );
    assert!(outside.is_err(), "the hub's port is open to the world");

    // The operator sees who is at work, and what a container says, also after its end.
    story.run_servers_of(&["bob"]);
    let log = story.logs(&["user", "bob"]);
    assert!(log.contains("JupyterHub"), "{log}");
    let log = story.logs(&["user", "ada"]);
    assert!(log.contains("JupyterHub"), "{log}");

    // Other settings: the container of before goes with its server, the next one has them.
    let limit = || server.run("sudo docker inspect -f '{{.HostConfig.Memory}}' jupyter-bob");
    let before = limit();
    story.set("limits.memory=300M");
    story.hubctl(&["provision", "--yes"]);
    assert_eq!(limit(), before, "who is at work goes on");
    assert_eq!(hub.run(&mut session, "print(2 ** 10)"), "1024");
    drop(session);
    story.work("bob");
    let session = hub.open("ada", &story.password("ada"));
    assert_eq!(
        server.run("sudo docker inspect -f '{{.HostConfig.Memory}}' jupyter-ada"),
        (300 << 20).to_string()
    );
    drop(session);
    story.work("ada");
    assert_eq!(
        server.run("sudo docker ps --all --quiet"),
        "",
        "stale containers"
    );

    images_of_the_operator_s_own(&mut story);

    story.reboot();
    story.work("ada");
    story.destroy();
}

/// Python that says whether a port is reached.
pub(crate) fn reach(host: &str, port: u16) -> String {
    format!(
        "import socket\ntry:\n    socket.create_connection(('{host}', {port}), 3).close()\n    print('open')\nexcept OSError as error:\n    print('closed')"
    )
}

/// What a single-user server takes of the machine's own system and notebooks, as an image for `docker save`. There is no
/// registry to pull one from.
const MAKE_IMAGE: &str = r#"set -eu
bins="/usr/bin/python3 /usr/bin/python3.11 /usr/bin/dash /usr/bin/bash /usr/bin/sh /usr/bin/env /usr/bin/id"
libs=$(find /opt/notebook /usr/lib/python3.11/lib-dynload -name '*.so*' -type f | xargs ldd $bins 2>/dev/null |
  grep -o '/[^ )]*\.so[^ )]*' | grep -v '^/opt' | sort -u)
tar -ch --no-recursion /tmp --recursion --exclude='*.map' --exclude='jupyterlab/galata' --exclude='*/tests' \
  --exclude='lib/python3.11/test' --exclude='lib/python3.11/config-*' \
  $bins /bin/sh /usr/lib/python3.11 $libs /opt/notebook 2>/dev/null |
  docker import -c 'ENV PATH=/opt/notebook/bin:/usr/bin:/bin' -c 'ENV LANG=C.UTF-8' - class-base:1 >&2
docker save class-base:1 | gzip -1
docker image rm class-base:1 >&2
"#;

/// An archive, then a Dockerfile upon what it brought, then another Dockerfile: who is at work goes on, the next server is
/// of the image of now, and what nobody uses any more goes.
fn images_of_the_operator_s_own(story: &mut Story) {
    let server = story.server();
    let laptop = story.operator.folder.clone();
    server.fetch(
        &format!("sudo sh -c '{}'", MAKE_IMAGE.replace('\'', "'\\''")),
        &laptop.join("base.tar.gz"),
    );
    story.tell("an image was saved");
    let said = |events: &[serde_json::Value], what: &str| {
        events.iter().any(|event| {
            event["name"]
                .as_str()
                .is_some_and(|name| name.starts_with(what))
        })
    };
    story.set("spawner.source=base.tar.gz");
    let events = story.hubctl(&["provision", "--yes"]);
    assert!(
        said(&events, "load the image hubctl/notebook:"),
        "{events:?}"
    );
    story.work("ada");
    story.is_settled();

    let dockerfile = |version: &str| {
        let text = format!("FROM class-base:1\nRUN echo {version} >/etc/version\n");
        std::fs::write(laptop.join("Dockerfile"), text).unwrap();
    };
    dockerfile("first");
    story.set("spawner.source=Dockerfile");
    let events = story.hubctl(&["provision", "--yes"]);
    assert!(
        said(&events, "build the image hubctl/notebook:"),
        "{events:?}"
    );
    let left = server.run("sudo docker image ls --format '{{.Repository}}' | sort | tr '\\n' ' '");
    assert_eq!(
        left, "class-base hubctl/notebook",
        "images that nobody uses are left"
    );
    let hub = story.hub();
    let mut session = hub.open("bob", &story.password("bob"));
    const VERSION: &str = "print(open('/etc/version').read())";
    assert_eq!(hub.run(&mut session, VERSION), "first");
    let image = |server: &crate::server::Server| {
        server.run("sudo docker inspect -f '{{.Image}}' jupyter-bob")
    };
    let first = image(&server);

    dockerfile("second");
    let events = story.hubctl(&["provision", "--yes"]);
    assert!(
        said(&events, "build the image hubctl/notebook:"),
        "{events:?}"
    );
    assert_eq!(
        hub.run(&mut session, VERSION),
        "first",
        "who is at work goes on"
    );
    story.is_settled();
    drop(session);
    story.work("bob");
    let mut session = hub.open("bob", &story.password("bob"));
    assert_eq!(hub.run(&mut session, VERSION), "second");
    assert_ne!(image(&server), first);
    drop(session);
    story.work("bob");

    assert_eq!(
        server.run("sudo docker ps --all --quiet"),
        "",
        "stale containers"
    );
}
