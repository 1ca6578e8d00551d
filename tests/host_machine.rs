//! The host half on a real machine. Ignored unless asked for: it needs a fresh Debian machine.
//!
//! `HUBCTL_MACHINE=address HUBCTL_MACHINE_KEY=file cargo test --test host_machine -- --ignored --nocapture`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test"
)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hubctl::event::{Event, Observer};
use hubctl::host::{Host, Identity, Target, Trust};
use hubctl::secret::Secret;
use hubctl::setup::{self, HostPlan, Site};
use hubctl::spec::model::Spec;

struct Plain(Instant);

impl Observer for Plain {
    fn on(&self, event: Event) {
        let elapsed = self.0.elapsed().as_secs_f64();
        match event {
            Event::Detail { .. } => {}
            Event::Waiting { what, state, .. } => {
                println!("{elapsed:6.1} waiting for {what}: {state}");
            }
            Event::StepStarted { .. } => {}
            Event::StepFinished { name, seconds, .. } => {
                println!("{elapsed:6.1} {name} {seconds:.2}");
            }
            event => println!("{elapsed:6.1} {event:?}"),
        }
    }
}

fn site(address: SocketAddr) -> Site {
    let folder = std::env::temp_dir().join(format!("hubctl-machine-{}", address.ip()));
    std::fs::create_dir_all(&folder).unwrap();
    let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    if !certificate.exists() {
        let made = rcgen::generate_simple_self_signed(vec![address.ip().to_string()]).unwrap();
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    }
    Site {
        public_address: address.ip(),
        domain: None,
        login: "debian".to_owned(),
        hostname: "class".to_owned(),
        memory_mb: 4096,
        vcpus: 2,
        data_volume: std::env::var("HUBCTL_MACHINE_VOLUME").ok(),
        certificate_pem: std::fs::read_to_string(certificate).unwrap(),
        key_pem: Secret::new(std::fs::read_to_string(key).unwrap()),
        proxy_token: Secret::new("1".repeat(64)),
        cookie_secret: Secret::new("2".repeat(64)),
        api_token: Secret::new("3".repeat(64)),
        operator_keys: Vec::new(),
    }
}

#[tokio::test]
#[ignore = "needs a machine"]
async fn provision() {
    let address: SocketAddr = format!("{}:22", std::env::var("HUBCTL_MACHINE").unwrap())
        .parse()
        .unwrap();
    let observer = Plain(Instant::now());
    let target = Target {
        address,
        login: "debian".to_owned(),
        identities: vec![Identity::File(PathBuf::from(
            std::env::var("HUBCTL_MACHINE_KEY").unwrap(),
        ))],
        known_hosts: std::env::temp_dir()
            .join(format!("hubctl-machine-{}", address.ip()))
            .join("known_hosts"),
        trust: Trust::FirstUse,
    };
    let text = std::env::var("HUBCTL_MACHINE_SPEC").unwrap_or_else(|_| "{name: class}".to_owned());
    let spec: Spec = serde_yaml::from_str(&text).unwrap();
    let desired = setup::desired(&spec, &site(address)).unwrap();
    let host = Host::wait(&target, Duration::from_secs(60), &observer)
        .await
        .unwrap();
    let plan = look(&host, &desired, &observer).await;
    println!("{plan}");
    if std::env::var("HUBCTL_MACHINE_PLAN").is_err() {
        let applied = match setup::apply(&host, &plan, &observer).await {
            Ok(applied) => applied,
            Err(error) => panic!("{error}\n  {:?}", error.hint()),
        };
        println!(
            "{:.1} s, {applied:?}, {} exchanges",
            observer.0.elapsed().as_secs_f64(),
            host.exchanges()
        );
        let again = look(&host, &desired, &observer).await;
        assert!(again.is_empty(), "left to do:\n{again}");
    }
}

async fn look(host: &Host, desired: &setup::Desired, observer: &dyn Observer) -> HostPlan {
    match setup::observe(host, desired, observer).await {
        Ok(facts) => setup::diff(desired, &facts),
        Err(error) => panic!("{error}\n  {:?}", error.hint()),
    }
}
