//! hubd with `spawner.kind: docker`: a container for each user, and a hub that is as far from the engine as from root.

use crate::story::{OF_A_HUB, Story};

#[test]
fn hubd_with_containers() {
    let mut story = Story::provision("rust", &["spawner.kind=docker", "hub.admins=[ada]"]);
    story.add_users(&["ada", "bob"]);
    story.work("ada");
    story.is_settled();
    story.is_whole(&OF_A_HUB);

    let server = story.server();
    the_hub_has_nothing_of_root_s(&server);
    let hub = story.hub();
    let mut ada = hub.open("ada", &story.password("ada"));
    let mut bob = hub.open("bob", &story.password("bob"));
    story.run_servers_of(&["ada", "bob"]);
    let log = story.logs(&["user", "bob"]);
    assert!(log.contains("JupyterHub"), "{log}");
    let address = server.run(
        "sudo docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' jupyter-ada",
    );
    // Somebody listens in ada's container; nobody in another reaches it.
    let listen =
        "import socket, threading\ns = socket.create_server(('0.0.0.0', 7000)); print('listens')";
    assert_eq!(hub.run(&mut ada, listen), "listens");
    let own = crate::sdsc::reach("127.0.0.1", 7000);
    assert_eq!(hub.run(&mut ada, &own), "open");

    let mut asked = |code: &str| hub.run(&mut bob, code);
    let mut reaches = |host: &str, port: u16| asked(&crate::sdsc::reach(host, port));
    assert_eq!(reaches("172.31.250.1", 881), "open");
    for (host, port) in [
        (address.as_str(), 7000),
        ("172.31.250.1", 22),
        ("172.31.250.1", 443),
        ("169.254.169.254", 80),
    ] {
        assert_eq!(reaches(host, port), "closed", "{host}:{port}");
    }
    for path in [
        "/run/docker.sock",
        "/var/run/docker.sock",
        "/run/hub-helper.sock",
        "/run/jupyter/ada",
        "/home/ada",
    ] {
        let code = format!("import os; os.path.lexists('{path}')");
        assert_eq!(asked(&code), "False", "{path}");
    }
    assert_eq!(
        asked("import os; os.listdir('/run/jupyter/bob')"),
        "['server.sock']"
    );
    let status = asked("print(open('/proc/self/status').read())");
    for line in [
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "NoNewPrivs:\t1",
    ] {
        assert!(status.contains(line), "{line} is not in\n{status}");
    }
    assert_eq!(
        asked("import os; os.getuid() == os.stat(os.environ['HOME']).st_uid, os.getgid() > 999"),
        "(True, True)"
    );
    let write =
        "try:\n    open('/usr/x', 'w')\nexcept OSError as error:\n    print(error.strerror)";
    assert_eq!(asked(write), "Read-only file system");

    // What it may use is the container's, whose memory is all together the slice's.
    let limits = server.run(
        "sudo docker inspect -f '{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.PidsLimit}} \
         {{.HostConfig.CgroupParent}}' jupyter-bob",
    );
    let limits: Vec<&str> = limits.split_whitespace().collect();
    assert_eq!(limits[0], limits[1]);
    assert_eq!(&limits[2..], ["1024", "jupyter.slice"]);
    // No secret of a server's is where others look.
    let command =
        server.run("ps -eo args | grep '[d]ocker run'; sudo systemctl cat jupyter@bob.service");
    assert!(
        command.contains("--env JUPYTERHUB_API_TOKEN ")
            && !command.contains("JUPYTERHUB_API_TOKEN=")
    );

    // The hub restarts, and who works goes on.
    server.run("sudo systemctl restart hubd.service");
    hub.wait(std::time::Duration::from_secs(60));
    assert_eq!(hub.run(&mut ada, "print(2 ** 10)"), "1024");

    // A server that ends by itself is told, and its container goes with it; so does one whose command is killed.
    server.run("sudo docker kill --signal=TERM jupyter-ada");
    server.run("sudo systemctl kill --kill-who=main --signal=SIGKILL jupyter@bob.service");
    server.run(
        "for i in $(seq 100); do [ -z \"$(sudo docker ps -aq)\" ] && exit; sleep 0.3; done; exit 1",
    );
    drop((ada, bob));
    story.work("bob");

    story.reboot();
    story.work("ada");
    story.destroy();
}

fn the_hub_has_nothing_of_root_s(server: &crate::server::Server) {
    let pid = server.run("systemctl show hubd.service --value --property=MainPID");
    assert_eq!(server.run(&format!("stat -c %U /proc/{pid}")), "hubd");
    let held = server.run(&format!(
        "grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/{pid}/status"
    ));
    for line in [
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "NoNewPrivs:\t1",
    ] {
        assert!(held.contains(line), "{line} is not in\n{held}");
    }
    // Neither by a group nor by its rights does it open the engine's socket.
    let docker = server.run("getent group docker | cut -d: -f3");
    let groups = server.run(&format!("grep ^Groups: /proc/{pid}/status"));
    assert!(
        !groups.split_whitespace().any(|group| group == docker),
        "{groups}"
    );
    assert_eq!(
        server.run("sudo runuser -u hubd -- docker ps >/dev/null 2>&1; echo $?"),
        "1"
    );
}
