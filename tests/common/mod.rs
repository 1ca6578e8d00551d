//! What the tests of the host half set up.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test file uses its part"
)]

use std::path::Path;

use hubctl::release::Program;
use hubctl::secret::Secret;
use hubctl::setup::{Locks, Site};
use hubctl::spec::model::Spec;

pub fn spec(yaml: &str) -> Spec {
    serde_yaml::from_str(yaml).unwrap()
}

pub fn site() -> Site {
    Site {
        public_address: [192, 0, 2, 7].into(),
        domain: None,
        login: "debian".to_owned(),
        hostname: "class".to_owned(),
        memory_mb: 8192,
        vcpus: 4,
        data_volume: None,
        certificate_pem: "-----BEGIN CERTIFICATE-----\nof the hub\n-----END CERTIFICATE-----\n"
            .to_owned(),
        key_pem: Secret::new("private-key-of-the-proxy\n"),
        authority_pem: Some(
            "-----BEGIN CERTIFICATE-----\nof the authority\n-----END CERTIFICATE-----\n".to_owned(),
        ),
        proxy_token: Secret::new("1".repeat(64)),
        cookie_secret: Secret::new("2".repeat(64)),
        api_token: Secret::new("3".repeat(64)),
        oauth_client_secret: None,
        password_hash: None,
        programs: Vec::new(),
        locks: Locks::default(),
        operator_keys: Vec::new(),
    }
}

/// A program for this processor, as far as anybody looks.
pub fn program(name: &str, machine: u16) -> Program {
    let mut content = b"\x7fELF\x02\x01\x01".to_vec();
    content.resize(18, 0);
    content.extend(machine.to_le_bytes());
    let found = Path::new("/usr/lib/hubctl").join(name);
    Program::new(name, &found, content).unwrap()
}

/// The processors that programs are for, as ELF numbers them.
pub const X86_64: u16 = 62;
pub const AARCH64: u16 = 183;
