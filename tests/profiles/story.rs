//! What is asked of every profile: provision, log in, a cell, a terminal, more users, nothing to do the second time, a
//! reboot, and away.

use std::time::{Duration, Instant};

use ::hubctl::event::Silent;
use ::hubctl::health::{Browser, Fault, Kernel, Terminal};
use ::hubctl::secret::Secret;

use crate::cloud::Cloud;
use crate::hub::Hub;
use crate::hubctl::{Operator, Run, done};
use crate::server::Server;

const SPAWN: Duration = Duration::from_secs(120);
const REBOOT: Duration = Duration::from_secs(120);
/// The deployment's name in every story.
pub(crate) const NAME: &str = "class";

/// A profile at work.
pub(crate) struct Story {
    pub(crate) cloud: Cloud,
    pub(crate) operator: Operator,
    arguments: Vec<String>,
    begun: Instant,
}

impl Story {
    /// Provisions `profile` with these settings (`--set`).
    pub(crate) fn provision(profile: &str, sets: &[&str]) -> Self {
        let begun = Instant::now();
        let cloud = Cloud::start();
        let operator = cloud.operator(&format!("name: {NAME}\nlimits:\n  seats: 4\n"));
        let mut arguments = vec!["--profile".to_owned(), profile.to_owned()];
        for set in sets {
            arguments.extend(["--set".to_owned(), (*set).to_owned()]);
        }
        let mut story = Self {
            cloud,
            operator,
            arguments,
            begun,
        };
        let events = story.hubctl(&["provision", "--yes"]);
        assert!(done(&events)["changed"].as_u64().unwrap() > 20);
        assert!(events.iter().any(|event| event["name"] == "check compute"));
        story.tell("provisioned");
        story
    }

    /// Another setting (`--set`) from here on, in place of one of the same field.
    pub(crate) fn set(&mut self, set: &str) {
        let field = |text: &str| text.split('=').next().map(str::to_owned);
        match self
            .arguments
            .iter_mut()
            .find(|given| given.contains('=') && field(given) == field(set))
        {
            Some(given) => *given = set.to_owned(),
            None => self.arguments.extend(["--set".to_owned(), set.to_owned()]),
        }
    }

    /// Runs a command on this profile to its good end.
    pub(crate) fn hubctl(&mut self, words: &[&str]) -> Vec<serde_json::Value> {
        let words: Vec<&str> = words
            .iter()
            .copied()
            .chain(self.arguments.iter().map(String::as_str))
            .collect();
        self.operator.events(&words)
    }

    /// The same, whatever comes of it.
    pub(crate) fn try_hubctl(&mut self, words: &[&str]) -> Run {
        let words: Vec<&str> = words
            .iter()
            .copied()
            .chain(self.arguments.iter().map(String::as_str))
            .collect();
        self.operator.run(&words)
    }

    pub(crate) fn server(&self) -> Server {
        Server::of(&self.operator, NAME)
    }

    pub(crate) fn hub(&self) -> Hub {
        Hub::of(&self.operator, NAME)
    }

    /// People are added, each with a password of their own.
    pub(crate) fn add_users(&mut self, names: &[&str]) {
        let words = [&["add-users"], names].concat();
        let events = self.hubctl(&words);
        assert_eq!(
            done(&events)["created"].as_array().unwrap().len(),
            names.len()
        );
        self.tell("users added");
    }

    pub(crate) fn password(&self, user: &str) -> String {
        self.operator.password(NAME, user)
    }

    /// Somebody starts a server and works in a notebook and in a terminal.
    pub(crate) fn work(&self, user: &str) {
        let (endpoint, runtime) = self.hub().inside();
        let password = Secret::new(self.password(user));
        let work = async {
            let browser = Browser::login(&endpoint, user, &password).await?;
            browser.spawn(SPAWN, &Silent).await?;
            browser.open().await?;
            work_in(&browser, user).await?;
            browser.stop(SPAWN, &Silent).await?;
            browser.logout().await
        };
        runtime
            .block_on(work)
            .unwrap_or_else(|fault| panic!("{user}: {fault:?}"));
        self.tell(&format!("{user} worked"));
    }

    /// The doctor finds every link whole, from outside in.
    pub(crate) fn is_whole(&mut self, links: &[&str]) {
        let events = self.hubctl(&["doctor"]);
        let found: Vec<&str> = events
            .iter()
            .filter(|event| event["event"] == "check")
            .map(|check| {
                assert_eq!(check["state"], "holds", "{check}");
                check["part"].as_str().unwrap()
            })
            .collect();
        assert_eq!(found, links);
        let done = done(&events);
        assert_eq!(done["healthy"], true, "{done}");
        let status = self.hubctl(&["status"]);
        let status = status.iter().find(|event| event["event"] == "status");
        assert_eq!(status.unwrap()["works"], true, "{status:?}");
        self.tell("the doctor is content");
    }

    /// The doctor names this link as the first that is broken, and says this of it.
    pub(crate) fn is_broken(&mut self, link: &str, cause: &str) {
        let said = self.try_hubctl(&["doctor", "--output", "json"]);
        assert_eq!(said.status.code(), Some(7), "{}", said.stdout);
        let events = said.events();
        assert_eq!(done(&events)["broken"], link, "{}", said.stdout);
        let check = events.iter().find(|event| event["part"] == link).unwrap();
        assert_eq!(check["cause"], cause);
        self.tell(&format!("the doctor sees: {link}"));
    }

    /// Whose servers run, and what they use at least, as `status` tells it.
    pub(crate) fn run_servers_of(&mut self, users: &[&str]) {
        let events = self.hubctl(&["status"]);
        let status = events.iter().find(|event| event["event"] == "status");
        let seats = status.unwrap()["host"]["seats"].as_array().unwrap();
        let found: Vec<&str> = seats
            .iter()
            .map(|seat| {
                // No Jupyter server takes less.
                assert!(seat["memory"].as_u64().unwrap() > 40 << 20, "{seat}");
                seat["user"].as_str().unwrap()
            })
            .collect();
        assert_eq!(found, users);
    }

    /// What `logs` shows of somebody.
    pub(crate) fn logs(&mut self, whose: &[&str]) -> String {
        let words = [&["logs", "--deployment", NAME], whose].concat();
        let said = self.operator.run(&words);
        assert!(said.status.success(), "{}", said.stderr);
        format!("{}{}", said.stdout, said.stderr)
    }

    /// A second run costs one look and changes nothing.
    pub(crate) fn is_settled(&mut self) {
        let events = self.hubctl(&["provision", "--yes"]);
        let second = done(&events);
        assert_eq!(second["changed"], 0, "{events:?}");
        assert_eq!(second["ssh_exchanges"], 1, "{second}");
        self.tell("nothing to do");
    }

    /// A server that was restarted comes back by itself.
    pub(crate) fn reboot(&mut self) {
        self.server().reboot();
        self.hub().wait(REBOOT);
        self.is_settled();
    }

    /// And away without a trace.
    pub(crate) fn destroy(mut self) {
        let events = self.operator.events(&["destroy", NAME, "--yes"]);
        assert_eq!(done(&events)["left"].as_array().unwrap().len(), 0);
        self.cloud.assert_empty(NAME);
        assert!(!self.operator.state(NAME).exists());
        self.tell("destroyed");
    }

    pub(crate) fn tell(&self, what: &str) {
        eprintln!("{:6.1} s  {what}", self.begun.elapsed().as_secs_f64());
    }
}

/// The links of a hub with users, from outside in.
pub(crate) const OF_A_HUB: [&str; 17] = [
    "cloud",
    "server",
    "address",
    "security-group",
    "connection",
    "certificate",
    "proxy",
    "hub",
    "ssh",
    "host",
    "login",
    "spawn",
    "notebook",
    "kernel",
    "compute",
    "stop",
    "logout",
];

/// A cell over one WebSocket, a command over another.
pub(crate) async fn work_in(browser: &Browser, user: &str) -> Result<(), Fault> {
    let mut kernel = Kernel::start(browser).await?;
    let printed = kernel
        .execute("import getpass; print(getpass.getuser(), 6 * 7)")
        .await?;
    assert_eq!(printed.trim(), format!("{user} 42"));
    kernel.end(browser).await?;
    let mut terminal = Terminal::start(browser).await?;
    let shown = terminal.run("echo I am $(id -un)").await?;
    assert!(shown.contains(&format!("I am {user}")), "{shown}");
    terminal.end(browser).await
}
