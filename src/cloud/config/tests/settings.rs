//! Certificates, endpoints, networks, time limits.

use super::*;

#[test]
fn certificates_and_their_checks() {
    let entry = |rest: &str| {
        format!(
            "clouds: {{a: {{auth: {{auth_url: 'https://one', username: u, password: p}}, {rest}}}}}"
        )
    };
    for (rest, verify) in [
        ("x: 1", true),
        ("verify: true", true),
        ("verify: false", false),
        ("verify: 'False'", false),
        ("verify: no", false),
        ("insecure: true", false),
        ("insecure: 'True', verify: true", false),
        ("insecure: false", true),
        // As with the other clients: what is not checked needs no certificate.
        ("verify: false, cacert: /nowhere/ca.pem", false),
    ] {
        assert_eq!(
            Machine::new().clouds(&entry(rest)).ok(None).verify,
            verify,
            "{rest}"
        );
    }
    assert!(
        Machine::new()
            .clouds(&entry("verify: maybe"))
            .error(None)
            .contains("verify is neither true nor false")
    );
    let told = Machine::new()
        .clouds(&entry("cacert: gone.pem"))
        .error(None);
    assert!(
        told.contains("cacert: reading /cwd/gone.pem: No such file or directory"),
        "{told}"
    );

    let pem = rcgen::generate_simple_self_signed(vec!["one".into()]).unwrap();
    for (rest, file) in [
        ("cacert: ~/ca.pem", "home/ca.pem"),
        ("cacert: ca.pem", "cwd/ca.pem"),
        ("verify: ./ca.pem", "cwd/ca.pem"),
    ] {
        let machine = Machine::new()
            .clouds(&entry(rest))
            .file(file, &pem.cert.pem());
        let config = machine.ok(None);
        assert_eq!(config.ca, pem.cert.pem().as_bytes(), "{rest}");
        config.http_client().unwrap().build().unwrap();
    }
    let machine = Machine::new()
        .clouds(&entry("cacert: ca.pem"))
        .file("cwd/ca.pem", "no certificate");
    let error = machine.ok(None).http_client().expect_err("no certificate");
    assert_eq!(error.to_string(), "cacert of cloud a holds no certificate");
    // The certificate itself, as Terraform's users write it.
    let inline = format!(
        "clouds:\n  a:\n    auth: {{auth_url: 'https://one', username: u, password: p}}\n    cacert: |\n{}",
        pem.cert
            .pem()
            .lines()
            .map(|line| format!("      {line}\n"))
            .collect::<String>()
    );
    assert!(!Machine::new().clouds(&inline).ok(None).ca.is_empty());
    // A client certificate and its key.
    let machine = Machine::new()
        .clouds(&entry("cert: c.pem, key: k.pem"))
        .file("cwd/c.pem", &pem.cert.pem())
        .file("cwd/k.pem", &pem.signing_key.serialize_pem());
    machine.ok(None).http_client().unwrap().build().unwrap();
}

#[test]
fn os_cacert_belongs_to_the_machine() {
    let machine = Machine::new()
        .clouds(ONE)
        .file("cwd/ca.pem", "pem")
        .env(&[("OS_CACERT", "ca.pem")]);
    assert_eq!(machine.ok(None).ca, b"pem");
}

#[test]
fn endpoints_interfaces_and_time_limits() {
    let machine = Machine::new().clouds(
        "
clouds:
  a:
    auth: {auth_url: 'https://one', username: u, password: p}
    interface: internalURL
    compute_endpoint_override: https://nova/v2.1
    block-storage-endpoint-override: https://cinder/v3
    api_timeout: 20
    networks:
      - {name: public, routes_externally: true}
      - {name: private, nat_destination: true, default_interface: true}
",
    );
    let config = machine.ok(None);
    assert_eq!(config.interfaces, ["internal"]);
    assert_eq!(
        config.endpoint_override(Service::Compute),
        Some("https://nova/v2.1")
    );
    assert_eq!(
        config.endpoint_override(Service::BlockStorage),
        Some("https://cinder/v3")
    );
    assert_eq!(config.endpoint_override(Service::Network), None);
    assert_eq!(config.limits.attempt, Duration::from_secs(20));
    assert_eq!(config.networks.len(), 2);
    assert!(config.networks[0].routes_externally && config.networks[1].nat_destination);
    let entry = |rest: &str| {
        format!(
            "clouds: {{a: {{auth: {{auth_url: 'https://one', username: u, password: p}}, {rest}}}}}"
        )
    };
    for (rest, message) in [
        (
            "interface: outside",
            "interface outside is none of public, internal, admin",
        ),
        ("api_timeout: soon", "api_timeout is no number of seconds"),
        (
            "networks: [{routes_externally: true}]",
            "an entry of networks has no name",
        ),
        ("auth_type: [password]", "auth_type is no text"),
    ] {
        let told = Machine::new().clouds(&entry(rest)).error(None);
        assert!(told.contains(message), "{told}");
    }
}

#[test]
fn endpoint_overrides_come_as_variables_too() {
    let machine = Machine::new().env(&[
        ("OS_AUTH_URL", "https://env"),
        ("OS_USERNAME", "ada"),
        ("OS_PASSWORD", "p"),
        ("OS_NETWORK_ENDPOINT_OVERRIDE", "http://n"),
        ("OS_ENDPOINT_TYPE", "adminURL"),
        ("OS_INSECURE", "true"),
        ("OS_FORCE_IPV4", "true"),
    ]);
    let config = machine.ok(None);
    assert_eq!(config.endpoint_override(Service::Network), Some("http://n"));
    assert_eq!(config.interfaces, ["admin"]);
    assert!(!config.verify && config.force_ipv4);
}
