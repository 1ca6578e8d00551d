//! `hard-way`: stock JupyterHub, Traefik as its external proxy, either restarting without the other.

use std::time::Duration;

use crate::provider::people_come_from_a_provider;
use crate::story::{OF_A_HUB, Story};
use crate::tunnel::Tunnel;

/// Traefik from the package registry: here its releases are not to be had.
const SETS: [&str; 2] = ["proxy.source=registry", "hub.admins=[ada]"];

#[test]
fn jupyterhub_the_hard_way() {
    let mut story = Story::provision("hard-way", &SETS);
    story.add_users(&["ada", "bob"]);
    story.work("ada");
    story.is_whole(&OF_A_HUB);

    let server = story.server();
    what_traefik_is_held_to(&story);

    // Either restarts, and who works through them goes on.
    let hub = story.hub();
    let mut session = hub.open("bob", &story.password("bob"));
    what_the_operator_sees(&mut story);
    // Whose connection the end of the proxy cut.
    hub.reopen(&mut session);
    let began = |unit: &str| {
        server.run(&format!(
            "systemctl show {unit} --value --property=ActiveEnterTimestampMonotonic"
        ))
    };
    let (proxy, of_hub) = (began("traefik.service"), began("jupyterhub.service"));
    server.run("sudo systemctl restart jupyterhub.service");
    hub.wait(Duration::from_secs(60));
    assert_eq!(began("traefik.service"), proxy, "Traefik was restarted");
    assert_eq!(hub.run(&mut session, "print(2 ** 10)"), "1024");
    let after = began("jupyterhub.service");
    assert_ne!(after, of_hub);
    server.run("sudo systemctl restart traefik.service");
    hub.wait(Duration::from_secs(60));
    assert_eq!(began("jupyterhub.service"), after, "the hub was restarted");
    hub.reopen(&mut session);
    assert_eq!(hub.run(&mut session, "print('back')"), "back");

    story.is_settled();
    story.reboot();
    story.work("bob");
    the_release_from_a_mirror(&mut story);
    people_come_from_a_provider(&mut story);
    hubd_without_tls(&mut story);
    story.destroy();
}

/// The routes that are in force, the proxy's words, and a proxy that does not run.
fn what_the_operator_sees(story: &mut Story) {
    let events = story.hubctl(&["routes"]);
    let told = events.iter().find(|event| event["event"] == "routes");
    let told = told.unwrap();
    assert_eq!(told["proxy"], "traefik");
    let routes = told["routes"].as_object().unwrap();
    let paths: Vec<&str> = routes.keys().map(String::as_str).collect();
    assert_eq!(paths, ["/", "/user/bob/"], "{told}");
    assert_eq!(routes["/"]["target"], "http://127.0.0.1:881", "{told}");
    story.run_servers_of(&["bob"]);

    let server = story.server();
    let ways =
        server.run("systemctl list-units --plain --no-legend 'jupyterhub-way-*' | cut -d ' ' -f 1");
    assert!(ways.contains("jupyterhub-way-bob.socket"), "{ways}");
    assert!(!ways.contains("ada"), "a way is left: {ways}");
    server.run("sudo systemctl stop traefik-https.socket traefik.service");
    story.is_broken(
        "connection",
        &format!(
            "{}:443 refuses connections; traefik.service is inactive (dead), traefik-https.socket is inactive (dead)",
            story.hub().address().ip()
        ),
    );
    let log = story.logs(&["proxy"]);
    assert!(log.contains("Stopped traefik.service"), "{log}");
    // As it says: that starts it, and the hub, which ended with it.
    story.hubctl(&["provision", "--yes"]);
}

/// hubd, which is there by now: without TLS the server alone reaches it, and its operator, through SSH.
fn hubd_without_tls(story: &mut Story) {
    for set in [
        "authenticator.kind=pam",
        "authenticator.client_id=null",
        "authenticator.client_secret_file=null",
        "authenticator.issuer=null",
        "authenticator.allowed_users=null",
        "tls.kind=none",
        "access.web=[]",
    ] {
        story.set(set);
    }
    let events = story.hubctl(&["provision", "--yes"]);
    assert!(events.iter().any(|event| event["name"] == "check compute"));
    let listening = story.server().run(
        "sudo ss -Hltn | awk '{print $4}' | grep -v '^127\\.0\\.0\\.[0-9]*:' | sed 's/.*://' | sort -nu | tr '\\n' ' '",
    );
    assert_eq!(listening, "22", "more than SSH is open");
    let tunnel = Tunnel::start(&story.operator);
    let password = story.password("ada");
    let form = [("username", "ada"), ("password", &password)];
    assert_eq!(
        tunnel.log_in("hub/login", &form, "hub/home"),
        [302, 302, 200]
    );
    story.tell("through the tunnel");

    story.is_settled();
    story.is_whole(&WITHOUT_TLS);
    story
        .server()
        .run("sudo systemctl stop hubd.service hubd-public.socket");
    story.is_broken(
        "hub",
        "the proxy cannot reach the hub (HTTP 503 Service Unavailable); hubd.service is inactive (dead), \
         hubd-public.socket is inactive (dead)",
    );
    story.hubctl(&["provision", "--yes"]);
}

/// By way of SSH alone, with users.
const WITHOUT_TLS: [&str; 15] = [
    "cloud",
    "server",
    "address",
    "security-group",
    "ssh",
    "host",
    "proxy",
    "hub",
    "login",
    "spawn",
    "notebook",
    "kernel",
    "compute",
    "stop",
    "logout",
];

/// The program of the project's release, from a mirror on the server's own loopback: another archive than the one that was
/// named is not taken and changes nothing; the right one is put in the registry's place.
fn the_release_from_a_mirror(story: &mut Story) {
    let server = story.server();
    server.run(
        "sudo sh -ec 'mkdir -p /srv/mirror; tar -czf /srv/mirror/traefik.tar.gz -C /opt/traefik/bin traefik
         systemd-run --quiet --unit=mirror --property=DynamicUser=yes python3 -m http.server --bind 127.0.0.1 --directory /srv/mirror 8099'",
    );
    let sha256 = server.run("sha256sum /srv/mirror/traefik.tar.gz | cut -d ' ' -f 1");
    let wrong = "0".repeat(64);
    let url = "http://127.0.0.1:8099/traefik.tar.gz";
    story.set("proxy.source=release");
    story.set(&format!("proxy.release.url={url}"));
    story.set(&format!("proxy.release.sha256={wrong}"));
    let refused = story.try_hubctl(&["provision", "--yes"]);
    assert!(!refused.status.success());
    let why = format!("{url} is not what it should be: its SHA-256 is {sha256}, not {wrong}");
    assert!(refused.stderr.contains(&why), "{}", refused.stderr);
    let main = "systemctl show traefik.service --value --property=MainPID";
    let before = server.run(main);
    story.work("ada");

    story.set(&format!("proxy.release.sha256={sha256}"));
    story.hubctl(&["provision", "--yes"]);
    let stamp = server.run("cat /opt/traefik/hubctl-release.txt");
    assert_eq!(stamp, format!("{sha256}  {url}"));
    assert_ne!(server.run(main), before, "it runs what was there before");
    story.is_settled();
    story.work("ada");
}

/// Its rights, its API's password, the redirect, what its log keeps to itself, and that users' servers are nobody else's.
fn what_traefik_is_held_to(story: &Story) {
    let server = story.server();
    let requires = server.run("systemctl show jupyterhub.service --value --property=Requires");
    for socket in [
        "traefik-http.socket",
        "traefik-https.socket",
        "traefik-api.socket",
    ] {
        assert!(requires.contains(socket), "{socket}: {requires}");
    }
    let pid = server.run("systemctl show traefik.service --value --property=MainPID");
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
    let status = |arguments: &str| {
        server.run(&format!(
            "sudo curl -sk -o /dev/null -w '%{{http_code}} %{{redirect_url}}' {arguments}"
        ))
    };
    assert_eq!(status("http://127.0.0.1:882/api/overview"), "401");
    let with_password = "-u jupyterhub:$(sudo cat /etc/jupyterhub/secrets/proxy-token) http://127.0.0.1:882/api/overview";
    assert_eq!(status(with_password), "200");
    assert_eq!(
        status("http://127.0.0.1/hub/login?next=x"),
        "301 https://127.0.0.1/hub/login?next=x"
    );
    // A request that fails is noted, without its query and its secrets.
    status("-H 'Cookie: a=geheim' 'https://127.0.0.1/hub/static/%00?token=geheim'");
    let log = server.run("sudo journalctl -u traefik.service -o cat --no-pager");
    assert!(!log.contains("geheim"), "{log}");
}
