//! `sdsc`: stock JupyterHub without root, and a Docker container for each user.

use crate::story::Story;

#[test]
fn jupyterhub_with_docker() {
    let mut story = Story::provision("sdsc", &["hub.admins=[ada]"]);
    story.add_users(&["ada", "bob"]);
    story.work("ada");
    story.is_settled();

    let server = story.server();
    crate::sudo::hub_is_not_root(&server);
    let hub = story.hub();
    let mut session = hub.open("bob", &story.password("bob"));

    // Of the machine a container reaches the hub and nothing else; not the metadata, nor the engine, nor other homes.
    let reach = |host: &str, port: u16| {
        format!(
            "import socket\ntry:\n    socket.create_connection(('{host}', {port}), 3).close()\n    print('open')\nexcept OSError as error:\n    print('closed')"
        )
    };
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

    story.reboot();
    story.work("ada");
    story.destroy();
}
