//! `notebook`: one person's Jupyter Server, without a hub.

use ::hubctl::health::{Browser, Endpoint, Trust};
use ::hubctl::secret::Secret;

use crate::story::{NAME, Story, work_in};

#[test]
fn one_persons_notebook_server() {
    let sets = [
        "environment.r=true",
        "environment.packages=[humanize]",
        "environment.lock=environment.lock",
    ];
    let mut story = Story::provision("notebook", &sets);
    works(&story);
    story.is_settled();
    r_computes(&story);
    let newest = versions_are_kept(&mut story);

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

    // Another server gets what is locked, and not the newest.
    story.operator.events(&["destroy", NAME, "--yes"]);
    story.hubctl(&["provision", "--yes"]);
    story.tell("provisioned again");
    assert_eq!(installed(&story.server()), OLDER);
    assert_ne!(OLDER, newest);
    works(&story);
    packages_of_a_channel(&mut story);
    story.destroy();
}

/// Packages of a conda channel, which this machine has itself: conda-forge is out of reach. What was installed stays when
/// the channel has newer ones, also where all of it was lost.
fn packages_of_a_channel(story: &mut Story) {
    let server = story.server();
    let channel = |versions: &str| {
        let make = format!("sudo /opt/notebook/bin/python - {versions}");
        server.run_with(&make, include_str!("channel.py"));
    };
    channel("1.0");
    server.run(
        "sudo systemd-run --quiet --unit channel python3 -m http.server --bind 127.0.0.1 --directory /srv/channel 8099; \
         for i in $(seq 100); do curl -sf http://127.0.0.1:8099/ >/dev/null && exit; sleep 0.1; done; exit 1",
    );
    story.set("environment.conda=[greeting]");
    story.set("environment.conda_channel=http://127.0.0.1:8099");
    story.hubctl(&["provision", "--yes"]);
    let computes = |story: &Story| {
        let (browser, runtime) = log_in(story);
        let printed = runtime.block_on(async {
            let mut kernel = ::hubctl::health::Kernel::start_kind(&browser, "conda").await?;
            let code = "import greeting, sys; print(greeting.version, sys.prefix)";
            let printed = kernel.execute(code).await?;
            kernel.end(&browser).await?;
            Ok::<_, ::hubctl::health::Fault>(printed)
        });
        assert_eq!(printed.unwrap().trim(), "1.0 /opt/conda");
    };
    computes(story);
    story.tell("packages of a channel computed");

    channel("1.0 2.0");
    story.is_settled();
    server.run("sudo rm -rf /opt/conda /var/lib/hubctl/conda.lock");
    story.hubctl(&["provision", "--yes"]);
    computes(story);
    story.is_settled();
}

/// The kernel of the distribution's R, which the server speaks to on sockets, too.
fn r_computes(story: &Story) {
    let (browser, runtime) = log_in(story);
    let printed = runtime.block_on(async {
        let mut kernel = ::hubctl::health::Kernel::start_kind(&browser, "ir").await?;
        let printed = kernel.execute("cat(R.version$language, 1 + 1)").await?;
        kernel.end(&browser).await?;
        Ok::<_, ::hubctl::health::Fault>(printed)
    });
    assert_eq!(printed.unwrap(), "R 2");
    story.tell("R computed");
}

/// A version of the package that is asked for without one.
const OLDER: &str = "4.10.0";

fn installed(server: &crate::server::Server) -> String {
    server.run("/opt/notebook/bin/python -c 'import importlib.metadata as m; print(m.version(\"humanize\"))'")
}

/// What was installed is in the file here, as uv lists it; another version in it is installed by the next run. Returns the
/// version that was installed first.
fn versions_are_kept(story: &mut Story) -> String {
    let server = story.server();
    let file = story.operator.folder.join("environment.lock");
    let text = std::fs::read_to_string(&file).unwrap();
    let kept: toml::Table = text.parse().unwrap();
    let kept: Vec<&str> = kept["notebook"]["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line.as_str().unwrap())
        .collect();
    let frozen = server
        .run("sudo /opt/hubctl/uv/bin/uv pip freeze --quiet --python /opt/notebook/bin/python");
    assert_eq!(kept, frozen.lines().collect::<Vec<_>>());
    let newest = installed(&server);

    let other = text.replace(
        &format!("humanize=={newest}"),
        &format!("humanize=={OLDER}"),
    );
    assert_ne!(other, text);
    std::fs::write(&file, &other).unwrap();
    let events = story.hubctl(&["provision", "--yes"]);
    assert_eq!(crate::hubctl::done(&events)["changed"], 1, "{events:?}");
    assert_eq!(installed(&server), OLDER);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), other);
    story.is_settled();
    story.tell("another version was locked");
    newest
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
