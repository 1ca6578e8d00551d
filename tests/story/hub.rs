//! The hub as its users see it.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use hubctl::event::Silent;
use hubctl::health::{self, Browser, Endpoint, Fault, Kernel, Trust};
use hubctl::secret::Secret;

use serde_json::Value;

use crate::hubctl::Operator;

const SPAWN: Duration = Duration::from_secs(120);

/// Somebody at work.
pub(crate) struct Session {
    pub(crate) browser: Browser,
    kernel: Kernel,
}

pub(crate) struct Hub {
    endpoint: Endpoint,
    /// For the API, with a token and no cookies.
    client: reqwest::Client,
    address: IpAddr,
    runtime: tokio::runtime::Runtime,
}

impl Hub {
    pub(crate) fn of(operator: &Operator, name: &str) -> Self {
        let receipt = operator.receipt(name);
        let authority = std::fs::read_to_string(operator.state(name).join("ca.pem")).unwrap();
        let address: IpAddr = receipt["address"].as_str().unwrap().parse().unwrap();
        let url = receipt["url"].as_str().unwrap();
        let root = reqwest::Certificate::from_pem(authority.as_bytes()).unwrap();
        let client = reqwest::Client::builder()
            .add_root_certificate(root)
            .no_proxy()
            .timeout(Duration::from_secs(30));
        let endpoint = Endpoint::new(url, Some(address), &Trust::Authority(authority)).unwrap();
        Self {
            address,
            client: client.build().unwrap(),
            endpoint: if receipt["notebook"] == true {
                endpoint.of_notebook()
            } else {
                endpoint
            },
            runtime: tokio::runtime::Runtime::new().unwrap(),
        }
    }

    pub(crate) fn try_log_in(&self, user: &str, password: &str) -> Result<(), Fault> {
        self.runtime.block_on(async {
            let browser = Browser::login(&self.endpoint, user, &Secret::new(password)).await?;
            browser.logout().await
        })
    }

    pub(crate) fn log_in(&self, user: &str, password: &str) {
        self.try_log_in(user, password)
            .unwrap_or_else(|fault| panic!("{user} cannot log in: {fault:?}"));
    }

    /// Logs in, starts the user's server, runs `code` over the WebSocket, stops the server; returns what it printed.
    pub(crate) fn compute(&self, user: &str, password: &str, code: &str) -> String {
        let work = async {
            let browser = Browser::login(&self.endpoint, user, &Secret::new(password)).await?;
            browser.spawn(SPAWN, &Silent).await?;
            browser.open().await?;
            let mut kernel = Kernel::start(&browser).await?;
            let output = kernel.execute(code).await?;
            kernel.end(&browser).await?;
            browser.stop(SPAWN, &Silent).await?;
            browser.logout().await?;
            Ok::<_, Fault>(output)
        };
        self.runtime
            .block_on(work)
            .unwrap_or_else(|fault| panic!("{user}: {fault:?}"))
            .trim()
            .to_owned()
    }

    /// Logs in, starts the user's server and a kernel in it, and keeps the WebSocket to it open.
    pub(crate) fn open(&self, user: &str, password: &str) -> Session {
        let work = async {
            let browser = Browser::login(&self.endpoint, user, &Secret::new(password)).await?;
            browser.spawn(SPAWN, &Silent).await?;
            browser.open().await?;
            let kernel = Kernel::start(&browser).await?;
            Ok::<_, Fault>(Session { browser, kernel })
        };
        self.runtime
            .block_on(work)
            .unwrap_or_else(|fault| panic!("{user}: {fault:?}"))
    }

    /// As [`Self::open`], all of them at the same time.
    pub(crate) fn open_all(&self, users: &[(String, String)]) -> Vec<Session> {
        let work = users.iter().map(|(user, password)| async move {
            let browser = Browser::login(&self.endpoint, user, &Secret::new(password)).await?;
            browser.spawn(SPAWN, &Silent).await?;
            browser.open().await?;
            let kernel = Kernel::start(&browser).await?;
            Ok::<_, Fault>(Session { browser, kernel })
        });
        let all = self.runtime.block_on(futures::future::join_all(work));
        let named = all.into_iter().zip(users);
        named
            .map(|(session, (user, _))| session.unwrap_or_else(|fault| panic!("{user}: {fault:?}")))
            .collect()
    }

    /// Runs a cell in each of the sessions at the same time.
    pub(crate) fn run_all<'a>(
        &self,
        sessions: impl Iterator<Item = (&'a mut Session, String)>,
    ) -> Vec<String> {
        let work = sessions.map(|(session, code)| async move {
            let output = session.kernel.execute(&code).await;
            output.unwrap_or_else(|fault| panic!("{}: {fault:?}", session.browser.user()))
        });
        let all = self.runtime.block_on(futures::future::join_all(work));
        all.iter().map(|output| output.trim().to_owned()).collect()
    }

    /// Runs a cell that does not end; leaves it when `until` says so.
    pub(crate) fn begin(&self, session: &mut Session, code: &str, until: impl Fn() -> bool) {
        let started = Instant::now();
        self.runtime.block_on(async {
            let mut running = std::pin::pin!(session.kernel.execute(code));
            while !tokio::task::block_in_place(&until) {
                let a_moment = Duration::from_millis(300);
                if let Ok(outcome) = tokio::time::timeout(a_moment, &mut running).await {
                    panic!("it ended: {outcome:?}");
                }
                assert!(started.elapsed() < Duration::from_secs(90), "nothing of it");
            }
        });
    }

    /// Runs `code` through the WebSocket that is open.
    pub(crate) fn run(&self, session: &mut Session, code: &str) -> String {
        self.runtime
            .block_on(session.kernel.execute(code))
            .unwrap_or_else(|fault| panic!("the WebSocket was cut: {fault:?}"))
            .trim()
            .to_owned()
    }

    /// Opens another WebSocket to a kernel of the same server, which has not been restarted.
    pub(crate) fn reopen(&self, session: &mut Session) {
        session.kernel = self
            .runtime
            .block_on(Kernel::start(&session.browser))
            .unwrap_or_else(|fault| panic!("the server is not reached any more: {fault:?}"));
    }

    /// Somebody who logged in and has done nothing else.
    pub(crate) fn browse(&self, user: &str, password: &str) -> Browser {
        self.runtime
            .block_on(Browser::login(&self.endpoint, user, &Secret::new(password)))
            .unwrap_or_else(|fault| panic!("{user} cannot log in: {fault:?}"))
    }

    /// Whether the hub knows who it is: else it asks for a password.
    pub(crate) fn is_in(&self, browser: &Browser) -> bool {
        let page = self
            .runtime
            .block_on(browser.read("hub/home"))
            .unwrap_or_else(|fault| panic!("{}: {fault:?}", browser.user()));
        !page.contains("name=\"password\"")
    }

    /// What the user is shown at home.
    pub(crate) fn home(&self, session: &Session) -> String {
        self.runtime
            .block_on(session.browser.read("hub/home"))
            .unwrap_or_else(|fault| panic!("{}: {fault:?}", session.browser.user()))
    }

    /// Asks the API with a token.
    pub(crate) fn api(&self, token: &str, path: &str) -> Value {
        let request = self
            .client
            .get(
                self.endpoint
                    .url()
                    .join(&format!("hub/api/{path}"))
                    .unwrap(),
            )
            .header("Authorization", format!("token {token}"));
        let work = async { request.send().await?.error_for_status()?.json().await };
        self.runtime
            .block_on(work)
            .unwrap_or_else(|error: reqwest::Error| panic!("{path}: {error:?}"))
    }

    /// Where it is, and what its users' requests run in.
    pub(crate) fn inside(self) -> (Endpoint, tokio::runtime::Runtime) {
        (self.endpoint, self.runtime)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::new(self.address, 443)
    }

    /// Waits until the hub answers again.
    pub(crate) fn wait(&self, within: Duration) {
        let started = Instant::now();
        loop {
            let report = self
                .runtime
                .block_on(health::light(&self.endpoint, &Silent));
            if report.is_healthy() {
                return;
            }
            assert!(started.elapsed() < within, "{report:?}");
            std::thread::sleep(Duration::from_millis(500));
        }
    }
}
