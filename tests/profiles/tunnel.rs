//! A hub that only its server reaches, by way of SSH.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use reqwest::cookie::{CookieStore, Jar};

use crate::hubctl::Operator;
use crate::story::NAME;

/// `hubctl tunnel`, until it is dropped.
pub(crate) struct Tunnel {
    program: Child,
    /// Of the hub, as it printed it.
    pub(crate) url: String,
}

impl Tunnel {
    pub(crate) fn start(operator: &Operator) -> Self {
        let command = operator.command(&["tunnel", "--port", "0", "--deployment", NAME]);
        // Ends with us, however we end.
        let mut program = Command::new("setpriv")
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
        let mut url = String::new();
        BufReader::new(program.stdout.take().unwrap())
            .read_line(&mut url)
            .unwrap();
        Self {
            program,
            url: url.trim().to_owned(),
        }
    }

    /// Fills in the form at a page; the statuses of what is inside before that, of the form's answer, and of what is
    /// inside after it.
    pub(crate) fn log_in(&self, page: &str, form: &[(&str, &str)], inside: &str) -> [u16; 3] {
        let work = async {
            let jar = Arc::new(Jar::default());
            let client = reqwest::Client::builder()
                .cookie_provider(Arc::clone(&jar))
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy()
                .timeout(Duration::from_secs(30))
                .build()?;
            let at = |path: &str| reqwest::Url::parse(&self.url).unwrap().join(path).unwrap();
            let before = client.get(at(inside)).send().await?.status();
            client.get(at(page)).send().await?.error_for_status()?;
            let cookies = jar.cookies(&at(page)).expect("a cookie");
            let xsrf = cookies
                .to_str()
                .unwrap()
                .split("; ")
                .find_map(|cookie| cookie.strip_prefix("_xsrf="))
                .expect("a token of the form's")
                .to_owned();
            let form = [form, &[("_xsrf", &xsrf)]].concat();
            let asked = client.post(at(page)).form(&form).send().await?.status();
            let after = client.get(at(inside)).send().await?.status();
            Ok::<_, reqwest::Error>([before, asked, after].map(|status| status.as_u16()))
        };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(work).unwrap()
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}
