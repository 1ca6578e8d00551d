//! What notebooks run in: R of the distribution, versions that are kept, packages of a conda channel.

use ::hubctl::health::{Fault, Kernel};

use crate::notebook::{log_in, works};
use crate::story::{NAME, Story};

#[test]
fn what_notebooks_run_in() {
    let sets = [
        "environment.r=true",
        "environment.packages=[humanize]",
        "environment.lock=environment.lock",
    ];
    let mut story = Story::provision("notebook", &sets);
    r_computes(&story);
    let newest = versions_are_kept(&mut story);

    // Another server gets what is locked, and not the newest.
    story.operator.events(&["destroy", NAME, "--yes"]);
    story.set("environment.r=false");
    story.hubctl(&["provision", "--yes"]);
    story.tell("provisioned again");
    assert_eq!(installed(&story.server()), OLDER);
    assert_ne!(OLDER, newest);
    works(&story);
    half_an_installation_is_finished(&mut story);
    packages_of_a_channel(&mut story);
    story.destroy();
}

/// What an installation leaves that was ended half-way: a package that looks installed and has not all of its files. A first
/// installation is done anew, one of further packages is put right in its place.
fn half_an_installation_is_finished(story: &mut Story) {
    let server = story.server();
    let stamp = "/opt/notebook/hubctl-requirements.txt";
    let file = "/opt/notebook/share/jupyter/lab/static/index.html";
    for left in [
        format!("sudo rm {stamp}"),
        format!("sudo sed -i '1i # not finished' {stamp}"),
    ] {
        server.run(&format!("{left} && sudo rm {file}"));
        story.hubctl(&["provision", "--yes"]);
        server.run(&format!("test -s {file}"));
        story.is_settled();
    }
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
    // What somebody else installed in its place is not touched.
    server.run("sudo install -D /dev/null /opt/conda/bin/theirs");
    let refused = story.try_hubctl(&["provision", "--yes"]);
    let why = "/opt/conda is there and not of hubctl's making";
    assert!(refused.stderr.contains(why), "{}", refused.stderr);
    server.run("sudo rm -r /opt/conda/bin/theirs /opt/conda");
    story.hubctl(&["provision", "--yes"]);
    let computes = |story: &Story| {
        let (browser, runtime) = log_in(story);
        let printed = runtime.block_on(async {
            let mut kernel = Kernel::start_kind(&browser, "conda").await?;
            let code = "import greeting, sys; print(greeting.version, sys.prefix)";
            let printed = kernel.execute(code).await?;
            kernel.end(&browser).await?;
            Ok::<_, Fault>(printed)
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
        let mut kernel = Kernel::start_kind(&browser, "ir").await?;
        let printed = kernel.execute("cat(R.version$language, 1 + 1)").await?;
        kernel.end(&browser).await?;
        Ok::<_, Fault>(printed)
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
    let changed: Vec<&str> = events
        .iter()
        .filter(|event| event["event"] == "step-finished" && event["changed"] == true)
        .filter_map(|event| event["name"].as_str())
        .collect();
    // The server runs from there, too.
    let expected = [
        "install JupyterLab into /opt/notebook",
        "restart notebook.service",
    ];
    assert_eq!(changed, expected);
    assert_eq!(installed(&server), OLDER);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), other);
    story.is_settled();
    story.tell("another version was locked");
    newest
}
