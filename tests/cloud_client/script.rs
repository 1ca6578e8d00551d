//! A cloud that answers from a list: for clouds no sandbox is like.

use std::sync::{Arc, Mutex};

use hubctl::cloud::{Cloud, CloudConfig, CloudError, Places};
use hubctl::event::Silent;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::limits;

/// An answer: to a method and path (query left out), a status, a body. Each is given once, in order; the last stays.
pub type Answer = (&'static str, u16, &'static str);

pub struct Script {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Script {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Script {
    pub async fn new(answers: &[Answer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let left = Arc::new(Mutex::new(answers.to_vec()));
        let (log, base) = (asked.clone(), address.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (left, log, base) = (left.clone(), log.clone(), base.clone());
                tokio::spawn(async move { answer(stream, &left, &log, &base).await });
            }
        });
        Self {
            address,
            asked,
            task,
        }
    }

    pub fn config(&self) -> CloudConfig {
        let env = [
            ("OS_AUTH_URL", self.address.as_str()),
            ("OS_USERNAME", "ada"),
            ("OS_PASSWORD", "hunter2"),
            ("OS_PROJECT_NAME", "class"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let mut config = CloudConfig::load(&env, &Places::default(), None).unwrap();
        config.limits = limits();
        config
    }

    pub async fn try_connect(&self) -> Result<Cloud, CloudError> {
        Cloud::connect(self.config(), Arc::new(Silent)).await
    }

    pub async fn connect(&self) -> Cloud {
        self.try_connect().await.unwrap()
    }

    /// `METHOD /path?query microversion body`, but for the logins.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn answer(
    mut stream: TcpStream,
    left: &Mutex<Vec<Answer>>,
    log: &Mutex<Vec<String>>,
    base: &str,
) {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    let (head, body) = loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = header(head, "content-length")
                .and_then(|n| n.parse().ok())
                .unwrap_or(0);
            if body.len() >= length {
                break (head.to_owned(), body.to_owned());
            }
        }
        match stream.read(&mut buffer).await {
            Ok(n) if n > 0 => bytes.extend_from_slice(&buffer[..n]),
            _ => return,
        }
    };
    let mut words = head.split_whitespace();
    let (method, target) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let what = format!("{method} {}", target.split('?').next().unwrap_or_default());
    let found = {
        let mut left = left.lock().unwrap();
        let mine: Vec<usize> = (0..left.len()).filter(|i| left[*i].0 == what).collect();
        match mine.as_slice() {
            [] => None,
            [last] => Some(left[*last]),
            [first, ..] => Some(left.remove(*first)),
        }
    };
    let (status, text) = match found {
        Some((_, status, text)) => (status, text.replace("BASE", base)),
        None if what == "POST /v3/auth/tokens" => (201, token(base)),
        None => (
            404,
            r#"{"error": {"code": 404, "message": "not in the script"}}"#.to_owned(),
        ),
    };
    if !what.ends_with("/auth/tokens") {
        let version = header(&head, "openstack-api-version").unwrap_or_default();
        log.lock().unwrap().push(
            format!("{method} {target} {version} {body}")
                .trim()
                .to_owned(),
        );
    }
    let location = if (300..400).contains(&status) {
        "Location: https://elsewhere.example/v3\r\n"
    } else {
        ""
    };
    let answer = format!(
        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nX-Subject-Token: t\r\nx-openstack-request-id: req-9\r\n\
         {location}Connection: close\r\n\r\n{text}",
        text.len()
    );
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

fn token(base: &str) -> String {
    let service = |kind: &str, path: &str| {
        serde_json::json!({"type": kind, "endpoints": [
            {"interface": "public", "region_id": "one", "url": format!("{base}{path}")}]})
    };
    serde_json::json!({"token": {
        "expires_at": "2099-01-01T00:00:00.000000Z",
        "user": {"id": "u", "name": "ada"},
        "project": {"id": "p", "name": "class"},
        "catalog": [service("compute", "/nova/v2.1/p"), service("network", "/neutron"), service("image", "/glance"),
                    service("block-storage", "/cinder/v3/p"), service("dns", "/designate")]}})
    .to_string()
}
