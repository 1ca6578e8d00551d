//! Each link of the way to a result is broken once on a real machine: `hubctl doctor` says which and how to mend it, and
//! that mends it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hubctl::state::State;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::cloud::Cloud;
use crate::hub::Hub;
use crate::hubctl::{Operator, done};
use crate::server::Server;

const SPEC: &str =
    "name: class\nprofile: jupyterhub\nlimits:\n  seats: 4\nspawner:\n  start_timeout: 30\n";
const PROVISION: &str = "`hubctl provision` starts it; `hubctl logs WHOSE` shows what it said";
const WHY_NOT_IN: &str =
    "`hubctl list-users` shows who has an account; `hubctl logs hub` why one was not let in";

/// What a doctor said: the links by name, the first that is broken, and how the run ended.
struct Said {
    links: BTreeMap<String, Value>,
    first: Option<String>,
    code: Option<i32>,
}

fn ask(operator: &mut Operator) -> Said {
    let run = operator.run(&["doctor", "--output", "json"]);
    let events = run.events();
    let links = events
        .iter()
        .filter(|event| event["event"] == "check")
        .map(|event| (event["part"].as_str().unwrap().to_owned(), event.clone()))
        .collect();
    Said {
        links,
        first: done(&events)["broken"].as_str().map(str::to_owned),
        code: run.status.code(),
    }
}

/// A broken link as it must be told, and the links that are not looked at for it.
struct Case {
    name: &'static str,
    link: &'static str,
    cause: &'static str,
    hint: String,
    skipped: &'static [&'static str],
}

struct Clinic {
    operator: Operator,
    /// The deployment's.
    name: &'static str,
    address: String,
    /// What was told otherwise than it should have been; all of it is told at the end.
    wrong: String,
}

impl Clinic {
    fn of(operator: Operator, name: &'static str) -> Self {
        let address = operator.receipt(name)["address"]
            .as_str()
            .unwrap()
            .to_owned();
        Self {
            operator,
            name,
            address,
            wrong: String::new(),
        }
    }

    /// All is well, and everything that was told was told as it should be.
    fn close(mut self) -> Operator {
        let said = ask(&mut self.operator);
        assert_eq!(
            (said.code, said.first),
            (Some(0), None),
            "{:#?}",
            said.links
        );
        assert!(self.wrong.is_empty(), "{}", self.wrong);
        self.operator
    }

    fn sees(&mut self, case: &Case) -> Said {
        let begun = Instant::now();
        let said = ask(&mut self.operator);
        let seconds = begun.elapsed().as_secs_f64();
        let link = &said.links[case.link];
        let cause = link["cause"].as_str().unwrap_or_default();
        let cause = cause.replace(&self.address, "ADDRESS");
        println!("{}: {}: {cause} ({seconds:.1} s)", case.name, case.link);
        let mut differs = |what: &str, is: &str, should: &str| {
            if is != should {
                self.wrong += &format!(
                    "{}: {what} is\n  {is}\nand should be\n  {should}\n",
                    case.name
                );
            }
        };
        let first = said.first.as_deref().unwrap_or("none");
        differs("the first broken link", first, case.link);
        differs("the cause", &cause, case.cause);
        differs(
            "the hint",
            link["hint"].as_str().unwrap_or_default(),
            &case.hint,
        );
        for part in case.skipped {
            let state = said.links[*part]["state"].as_str().unwrap_or_default();
            differs(part, state, "skipped");
        }
        differs("the status", &format!("{:?}", said.code), "Some(7)");
        // The page has it, too.
        let page = fs::read_to_string("docs/troubleshooting.md").unwrap();
        let part = case.cause.replace("ADDRESS", "192.0.2.7");
        let part = part.split(", ").next().unwrap();
        assert!(
            page.contains(part),
            "{part} is not in docs/troubleshooting.md"
        );
        said
    }

    /// What the doctor says to do.
    fn provision(&mut self) {
        self.operator.events(&["provision", "--yes"]);
    }
}

#[test]
fn each_broken_link_is_named_and_its_remedy_mends_it() {
    let cloud = Cloud::start();
    let mut operator = cloud.operator(SPEC);
    operator.events(&["provision", "--yes"]);
    let server = Server::of(&operator, "class");
    let hub = Hub::of(&operator, "class");
    let said = ask(&mut operator);
    assert_eq!(
        (said.code, said.first),
        (Some(0), None),
        "{:#?}",
        said.links
    );
    assert_eq!(said.links.len(), 17, "all but a name's: {:#?}", said.links);
    assert!(said.links.values().all(|link| link["state"] == "holds"));
    the_other_commands(&mut operator, "class", "ada", &hub);

    let mut clinic = Clinic::of(operator, "class");
    the_cloud_s_side(&mut clinic, &cloud);
    the_services(&mut clinic, &server);
    the_server_itself(&mut clinic, &server);

    // Somebody switched it off.
    cloud.stop_server();
    clinic.sees(&Case {
        name: "server off",
        link: "server",
        cause: "server hubctl-class is SHUTOFF",
        hint: "`hubctl provision` starts it".to_owned(),
        skipped: &["address", "connection", "ssh", "login"],
    });
    clinic.provision();
    clinic.close();
}

/// The same for hubd and hubproxy: what is of the cloud's side is not looked at again.
pub(crate) fn the_links_of_hubd(
    operator: Operator,
    name: &'static str,
    server: &Server,
) -> Operator {
    let mut clinic = Clinic::of(operator, name);
    // With its sockets: whoever knocks would start it again.
    server.run("sudo systemctl stop 'hubproxy*.socket' hubproxy.service");
    clinic.sees(&Case {
        name: "hubproxy stopped",
        link: "connection",
        cause: "ADDRESS:443 refuses connections; hubproxy.service is inactive (dead), hubproxy-http.socket is inactive (dead), hubproxy-https.socket is inactive (dead), hubproxy-api.socket is inactive (dead)",
        hint: PROVISION.replace("WHOSE", "proxy"),
        skipped: &["certificate", "proxy", "hub", "login"],
    });
    clinic.provision();

    server.run("sudo systemctl stop hubd-public.socket hubd-internal.socket hubd.service");
    clinic.sees(&Case {
        name: "hubd stopped",
        link: "hub",
        cause: "the proxy cannot reach the hub (HTTP 503 Service Unavailable); hubd.service is inactive (dead), hubd-public.socket is inactive (dead), hubd-internal.socket is inactive (dead)",
        hint: PROVISION.replace("WHOSE", "hub"),
        skipped: &["login", "spawn"],
    });
    clinic.provision();

    a_full_disk(&mut clinic, server);

    server.run("echo 'auth required pam_deny.so' | sudo tee /etc/pam.d/hubd");
    clinic.sees(&Case {
        name: "hubd's login refused",
        link: "login",
        cause: "User name or password are not right, or you may not use this hub.",
        hint: WHY_NOT_IN.to_owned(),
        skipped: &["spawn", "notebook", "kernel", "compute"],
    });
    clinic.provision();

    a_broken_spawn(&mut clinic, server);
    clinic.close()
}

fn the_cloud_s_side(clinic: &mut Clinic, cloud: &Cloud) {
    cloud.remove_rule("hubctl-class", 443);
    let said = clinic.sees(&Case {
        name: "rule removed",
        link: "security-group",
        cause: "security group hubctl-class does not let in tcp 443 from 0.0.0.0/0, tcp 443 from ::/0",
        hint: "`hubctl provision` puts the rules back".to_owned(),
        skipped: &["connection", "certificate", "proxy", "hub", "login", "compute"],
    });
    // What does not depend on it is looked at all the same, and SSH leads to the hub.
    assert_eq!(said.links["host"]["state"], "holds");
    through_the_tunnel(&clinic.operator);
    clinic.provision();

    cloud.detach_floating_ip();
    clinic.sees(&Case {
        name: "floating IP detached",
        link: "address",
        cause: "floating IP ADDRESS is attached to nothing",
        hint: "`hubctl provision` attaches it to the server again".to_owned(),
        skipped: &["connection", "hub", "ssh", "login"],
    });
    clinic.provision();
}

fn the_services(clinic: &mut Clinic, server: &Server) {
    server.run("sudo systemctl stop jupyterhub-proxy.service");
    let said = clinic.sees(&Case {
        name: "proxy stopped",
        link: "connection",
        cause: "ADDRESS:443 refuses connections; jupyterhub-proxy.service is failed (exit-code)",
        hint: PROVISION.replace("WHOSE", "proxy"),
        skipped: &["certificate", "proxy", "hub", "login"],
    });
    let log = said.links["connection"]["log"].as_array().unwrap();
    assert!(!log.is_empty());
    clinic.provision();

    server.run("sudo systemctl stop jupyterhub.service");
    clinic.sees(&Case {
        name: "hub stopped",
        link: "hub",
        cause: "the proxy cannot reach the hub (HTTP 503 Service Unavailable); jupyterhub.service is inactive (dead)",
        hint: PROVISION.replace("WHOSE", "hub"),
        skipped: &["login", "spawn"],
    });
    clinic.provision();

    server.run(
        "cd /etc/jupyterhub/tls && sudo openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj \
         /CN=elsewhere.example.org -days 30 -keyout /root/other.key -out /root/other.pem 2>/dev/null && sudo sh -c \
         'cat /root/other.key > key.pem; cat /root/other.pem > certificate.pem' && sudo systemctl restart \
         jupyterhub-proxy.service",
    );
    server.run("until curl -sk -o /dev/null https://127.0.0.1/; do sleep 0.2; done");
    clinic.sees(&Case {
        name: "another's certificate",
        link: "certificate",
        cause: "the certificate is signed by an authority that is not trusted here",
        hint: "another server may answer at this address; `hubctl provision` sends the deployment's certificate again"
            .to_owned(),
        skipped: &["proxy", "hub", "login"],
    });
    clinic.provision();
}

fn a_full_disk(clinic: &mut Clinic, server: &Server) {
    // The machine's disk is its host's: a small one is put in a place of its own, and filled. Not in the homes' place, where
    // the operator's key is.
    server.run(
        "sudo mount -t tmpfs -o size=1M tmpfs /tmp && sudo sh -c 'dd if=/dev/zero of=/tmp/full bs=64k 2>/dev/null; true'",
    );
    clinic.sees(&Case {
        name: "disk full",
        link: "host",
        cause: "/tmp is full: 0 KiB left of 1 MiB",
        hint: "`hubctl ssh -- sudo du -xh --max-depth=2 /tmp` shows what fills it".to_owned(),
        skipped: &["login", "spawn", "compute"],
    });
    server.run("sudo umount /tmp");
}

fn a_broken_spawn(clinic: &mut Clinic, server: &Server) {
    server.run("sudo chmod 0 /opt/notebook/bin/jupyterhub-singleuser");
    let said = ask(&mut clinic.operator);
    let link = &said.links["spawn"];
    println!("spawn broken: {link}");
    assert_eq!(said.first.as_deref(), Some("spawn"), "{:#?}", said.links);
    let log = link["log"].to_string();
    // As the hub says it, or systemd: the program cannot be run.
    let told = ["jupyterhub-singleuser", "status=203/EXEC"];
    assert!(told.iter().any(|why| log.contains(why)), "{link:#}");
    server.run("sudo chmod 755 /opt/notebook/bin/jupyterhub-singleuser");
}

fn the_server_itself(clinic: &mut Clinic, server: &Server) {
    a_full_disk(clinic, server);

    server.run("echo 'auth required pam_deny.so' | sudo tee /etc/pam.d/jupyterhub");
    clinic.sees(&Case {
        name: "login refused",
        link: "login",
        cause: "Invalid username or password",
        hint: WHY_NOT_IN.to_owned(),
        skipped: &["spawn", "notebook", "kernel", "compute"],
    });
    clinic.provision();

    a_broken_spawn(clinic, server);

    mirror_down(clinic, server);

    // Another server under the address, as far as this laptop can tell.
    let known = clinic.operator.state(clinic.name).join("known_hosts");
    let right = fs::read_to_string(&known).unwrap();
    let wrong: String = right
        .lines()
        .map(|line| {
            let mut words: Vec<&str> = line.split(' ').collect();
            words[1] = "ssh-ed25519";
            words[2] = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
            words.join(" ") + "\n"
        })
        .collect();
    fs::write(&known, wrong).unwrap();
    let said = ask(&mut clinic.operator);
    assert_eq!((said.first.as_deref(), said.code), (Some("ssh"), Some(6)));
    let cause = said.links["ssh"]["cause"].as_str().unwrap();
    assert!(
        cause.contains("is not the one of this deployment's server"),
        "{cause}"
    );
    assert_eq!(said.links["hub"]["state"], "holds");
    let refused = clinic.operator.run(&["ssh", "--", "true"]);
    assert_eq!(refused.status.code(), Some(255), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("Host key verification failed"),
        "{}",
        refused.stderr
    );
    fs::write(&known, right).unwrap();
}

/// A package mirror that does not answer is named, with what was wanted from it.
fn mirror_down(clinic: &mut Clinic, server: &Server) {
    server.run(
        "sudo sh -c 'cd /etc/apt && mkdir /root/apt && mv sources.list* /root/apt/ && echo deb http://127.0.0.1:9/debian \
         bookworm main > sources.list'",
    );
    let run = clinic
        .operator
        .run(&["provision", "--yes", "--set", "host.packages=[cowsay]"]);
    println!("mirror down:\n{}", run.stderr);
    assert_eq!(run.status.code(), Some(6), "{}", run.stderr);
    for part in ["127.0.0.1:9", "cowsay", "registries"] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
    // And what it has nothing new of is not called upgraded.
    let run = clinic.operator.run(&["provision", "--yes", "--upgrade"]);
    assert_eq!(run.status.code(), Some(6), "{}", run.stderr);
    for part in ["upgrade the system", "127.0.0.1:9"] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
    let page = fs::read_to_string("docs/troubleshooting.md").unwrap();
    for part in [
        "the server cannot reach its package registries",
        "--set host.upgrade=false",
    ] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
        assert!(page.contains(part), "{part} is not on the page");
    }
    server.run("sudo sh -c 'rm -rf /etc/apt/sources.list*; mv /root/apt/* /etc/apt/'");
}

/// What else an operator asks a hub that works, on which `user` is the first.
pub(crate) fn the_other_commands(operator: &mut Operator, name: &str, user: &str, hub: &Hub) {
    operator.events(&["add-users", user]);
    let password = operator.password(name, user);
    let mut session = hub.open(user, &password);
    assert_eq!(hub.run(&mut session, "print('here')"), "here");

    let routes = operator.events(&["routes"]);
    let paths: Vec<&String> = routes[0]["routes"].as_object().unwrap().keys().collect();
    let of_user = format!("/user/{user}");
    assert_eq!(paths, ["/", &of_user], "{routes:#?}");
    let told = operator.run(&["routes"]);
    assert!(told.stdout.contains(&of_user), "{}", told.stdout);
    let told = operator.run(&["logs", "user", user]);
    // By one of the names that the server has in its own log.
    let names = ["ServerApp", "SingleUser", "singleuser"];
    assert!(
        names.iter().any(|name| told.stdout.contains(name)),
        "{}{}",
        told.stdout,
        told.stderr
    );

    // While another run works on it.
    let lock = State::open(&operator.folder.join("state"), name).unwrap();
    let status = operator.run(&["status"]);
    drop(lock);
    for part in [
        "busy    another hubctl works on it (process ",
        "server  ACTIVE at ",
        "host    up ",
        "units   ",
        "users   1, 0 of them admins",
        "seats   1 run",
        &format!("        {user}: "),
        "drift   none",
    ] {
        assert!(
            status.stdout.contains(part),
            "{part}: {}{}",
            status.stdout,
            status.stderr
        );
    }
    println!("{}", status.stdout);

    let said = operator.run(&["ssh", "--", "sh", "-c", "'id -un; exit 7'"]);
    assert_eq!(
        (said.stdout.as_str(), said.status.code()),
        ("debian\n", Some(7)),
        "{}",
        said.stderr
    );

    let junit = operator.run(&["doctor", "--output", "junit"]);
    assert!(junit.stdout.starts_with("<?xml"), "{}", junit.stdout);
    assert_eq!(
        junit.stdout.matches("<testcase ").count(),
        17,
        "{}",
        junit.stdout
    );

    // What is said is shown as it is said, until somebody has seen enough.
    let (mut child, mut lines) = start(operator, &["logs", "-f", "-n", "0", "hub"]);
    let seen = AtomicBool::new(false);
    let noise = std::thread::scope(|scope| {
        scope.spawn(|| {
            // Again and again: the journal is followed from some moment on.
            for _ in 0..60 {
                if seen.load(Ordering::Relaxed) {
                    break;
                }
                let _ = hub.try_log_in("nobody-here", "wrong");
                std::thread::sleep(Duration::from_millis(200));
            }
        });
        let mut line = String::new();
        while !line.contains("nobody-here") {
            line.clear();
            assert!(lines.read_line(&mut line).unwrap() > 0, "the log ends");
        }
        seen.store(true, Ordering::Relaxed);
        line
    });
    end(&mut child);
    assert!(noise.contains("nobody-here"));
}

/// The hub by way of SSH, while the cloud lets nobody else in.
fn through_the_tunnel(operator: &Operator) {
    let (mut child, mut lines) = start(operator, &["tunnel", "--port", "0"]);
    let mut url = String::new();
    lines.read_line(&mut url).unwrap();
    let port: u16 = url
        .trim()
        .strip_prefix("https://localhost:")
        .and_then(|rest| rest.trim_end_matches('/').parse().ok())
        .unwrap_or_else(|| panic!("{url}"));
    // Whose certificate it is was looked at above; here it is for a name it has not.
    let ask = async {
        let client = reqwest::Client::builder()
            .danger_accept_invalid_certs(true)
            .no_proxy()
            .build()?;
        let url = format!("https://localhost:{port}/hub/api");
        let asked = (0..3).map(|_| client.get(&url).timeout(Duration::from_secs(30)).send());
        let answers = futures::future::try_join_all(asked).await?;
        let texts = answers.into_iter().map(reqwest::Response::text);
        futures::future::try_join_all(texts).await
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for answer in runtime.block_on(ask).unwrap() {
        assert!(answer.contains("\"version\""), "{answer}");
    }
    end(&mut child);
}

fn start(operator: &Operator, args: &[&str]) -> (Child, BufReader<ChildStdout>) {
    let command = operator.command(args);
    // Ends with us, however we end.
    let mut child = Command::new("setpriv")
        .args(["--pdeathsig", "KILL"])
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(&operator.folder)
        .env_clear()
        .envs(
            command
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("setpriv starts");
    let lines = BufReader::new(child.stdout.take().unwrap());
    (child, lines)
}

/// Ends it as an operator does, which is no failure.
fn end(child: &mut Child) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    kill(pid, Signal::SIGINT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
