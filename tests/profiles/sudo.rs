//! `sudo`: stock JupyterHub without root, which starts users' servers by sudo.

use crate::story::{OF_A_HUB, Story};

#[test]
fn jupyterhub_by_sudo() {
    let mut story = Story::provision("sudo", &["hub.admins=[ada]"]);
    story.add_users(&["ada", "bob"]);
    story.work("ada");
    story.is_settled();

    let server = story.server();
    hub_is_not_root(&server);
    // The hub may run one program as its users, and nothing as anybody else; nobody else may run it.
    let may = |command: &str| {
        server.run(&format!(
            "sudo runuser -u jupyterhub -- {command} >/dev/null 2>&1 </dev/null; echo $?"
        ))
    };
    assert_eq!(may("sudo -n -u root /opt/notebook/bin/sudospawner"), "1");
    assert_eq!(may("sudo -n -u debian /opt/notebook/bin/sudospawner"), "1");
    assert_eq!(may("sudo -n -u ada id"), "1");
    let asked = "sudo runuser -u jupyterhub -- sh -c 'echo {} | sudo -n -u ada /opt/notebook/bin/sudospawner' 2>&1 || true";
    let said = server.run(asked);
    assert!(said.contains("KeyError: 'action'"), "it runs: {said}");
    assert_eq!(
        server.run("sudo runuser -u bob -- sudo -n -u ada /opt/notebook/bin/sudospawner </dev/null >/dev/null 2>&1; echo $?"),
        "1"
    );
    assert_eq!(
        server.run("sudo stat -c '%U:%G %a' /etc/sudoers.d/hubctl-sudospawner"),
        "root:root 440"
    );
    assert_eq!(server.run("sudo visudo -c >/dev/null && echo good"), "good");
    // The operator sees who is at work, though there is no unit, and where their server speaks.
    story.is_whole(&OF_A_HUB);
    let session = story.hub().open("bob", &story.password("bob"));
    story.run_servers_of(&["bob"]);
    let log = story.logs(&["user", "bob"]);
    assert!(log.contains("`hubctl logs hub`"), "{log}");
    let log = story.logs(&["hub"]);
    assert!(log.contains("/user/bob/"), "{log}");
    drop(session);
    // Homes are their owners' alone.
    assert_eq!(server.run("stat -c %a /home/ada /home/bob"), "700\n700");

    story.reboot();
    story.work("bob");
    story.destroy();
}

/// The hub runs as an account of its own, which reads the password hashes and what is the hub's, and owns its configuration.
pub(crate) fn hub_is_not_root(server: &crate::server::Server) {
    let pid = server.run("systemctl show jupyterhub.service --value --property=MainPID");
    assert_eq!(server.run(&format!("stat -c %U /proc/{pid}")), "jupyterhub");
    let groups = server.run(&format!("grep ^Groups: /proc/{pid}/status"));
    let shadow = server.run("getent group shadow | cut -d: -f3");
    assert!(groups.split_whitespace().any(|group| group == shadow));
    assert_eq!(
        server
            .run("stat -c '%U:%G %a' /etc/jupyterhub/jupyterhub_config.py /etc/jupyterhub/secrets"),
        "jupyterhub:jupyterhub 600\nroot:jupyterhub 750"
    );
}
