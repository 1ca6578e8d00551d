//! What the tests of the host half set up.
#![allow(dead_code, reason = "each test file uses its part")]

use hubctl::secret::Secret;
use hubctl::setup::Site;
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
        proxy_token: Secret::new("1".repeat(64)),
        cookie_secret: Secret::new("2".repeat(64)),
        api_token: Secret::new("3".repeat(64)),
        operator_keys: Vec::new(),
    }
}
