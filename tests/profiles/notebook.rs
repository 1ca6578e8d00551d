//! `notebook`: one person's Jupyter Server, without a hub.

use ::hubctl::health::{Browser, Endpoint, Trust};
use ::hubctl::secret::Secret;

use crate::story::{NAME, Story, work_in};

#[test]
fn one_persons_notebook_server() {
    let mut story = Story::provision("notebook", &[]);
    works(&story);
    story.is_settled();

    // It has no users to add, and says so.
    let said = story
        .operator
        .run(&["add-users", "ada", "--deployment", NAME]);
    assert!(!said.status.success());
    assert!(
        said.stderr.contains("one person's notebook server"),
        "{}",
        said.stderr
    );

    let server = story.server();
    let pid = server.run("systemctl show notebook.service --value --property=MainPID");
    assert_eq!(server.run(&format!("stat -c %U /proc/{pid}")), "notebook");
    let held = server.run(&format!(
        "grep -E '^(CapBnd|NoNewPrivs)' /proc/{pid}/status"
    ));
    for line in ["CapBnd:\t0000000000000000", "NoNewPrivs:\t1"] {
        assert!(held.contains(line), "{line} is not in\n{held}");
    }
    // The hash is the server's, the password is nowhere on it.
    assert_eq!(
        server.run("sudo stat -c '%U:%G %a' /etc/notebook/secrets/password-hash"),
        "root:notebook 640"
    );
    let found = server.run_with(
        "sudo grep -rlFf - /etc /var/lib /home /run 2>/dev/null || true",
        &story.password("notebook"),
    );
    assert_eq!(found, "", "the password is on the server");
    // The root of it leads to its base URL.
    let url = story.operator.receipt(NAME)["url"]
        .as_str()
        .unwrap()
        .to_owned();
    let root = url.replace("/jupyter/", "/");
    assert_eq!(
        server.run(&format!(
            "curl -sk -o /dev/null -w '%{{http_code}} %{{redirect_url}}' {root}"
        )),
        format!("302 {url}")
    );
    // Kernels are spoken to on sockets. A kernel's one port is for what processes forked in it print: it is on the loopback
    // device, and takes nothing without a secret of the kernel's.
    let (browser, runtime) = log_in(&story);
    let (listening, transports) = runtime.block_on(async {
        let kernel = ::hubctl::health::Kernel::start(&browser).await.unwrap();
        let listening = server.run(
            "sudo ss -Hltn | awk '{print $4}' | grep -v '^127\\.0\\.0\\.1:' | sed 's/.*://' | sort -nu | tr '\\n' ' '",
        );
        let transports = server.run("sudo sh -c 'cat /run/notebook/kernel-*.json' | grep -o '\"transport\": *\"[a-z]*\"'");
        kernel.end(&browser).await.unwrap();
        (listening, transports)
    });
    assert_eq!(listening, "22 8888");
    assert_eq!(transports, "\"transport\": \"ipc\"");

    story.reboot();
    works(&story);
    story.destroy();
}

fn log_in(story: &Story) -> (Browser, tokio::runtime::Runtime) {
    let receipt = story.operator.receipt(NAME);
    let authority = std::fs::read_to_string(story.operator.state(NAME).join("ca.pem")).unwrap();
    let endpoint = Endpoint::new(
        receipt["url"].as_str().unwrap(),
        None,
        &Trust::Authority(authority),
    )
    .unwrap()
    .of_notebook();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let password = Secret::new(story.password("notebook"));
    let browser = runtime
        .block_on(Browser::login_to_notebook(&endpoint, &password))
        .unwrap();
    let wrong = Secret::new("something else");
    let refused = runtime.block_on(Browser::login_to_notebook(&endpoint, &wrong));
    assert!(refused.is_err());
    (browser, runtime)
}

fn works(story: &Story) {
    let (browser, runtime) = log_in(story);
    runtime
        .block_on(async {
            browser.open().await?;
            work_in(&browser, "notebook").await?;
            browser.logout().await
        })
        .unwrap();
    story.tell("worked");
}
