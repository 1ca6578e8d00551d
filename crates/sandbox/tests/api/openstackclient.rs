//! python-openstackclient's everyday commands. Each start of it costs two seconds, so they go in by the dozen.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sandbox::{Options, Sandbox};

/// Longest one session of commands may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs commands in one session of `openstack`, as this entry; what it said to each.
fn openstack(clouds_yaml: &Path, entry: &str, commands: &[&str]) -> Vec<String> {
    const MARK: &str = "@@next@@";
    let mut client = Command::new("/usr/bin/openstack")
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", clouds_yaml.parent().unwrap())
        .env("OS_CLIENT_CONFIG_FILE", clouds_yaml)
        .env("OS_CLOUD", entry)
        .env("OS_COMPUTE_API_VERSION", "2.90")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3-openstackclient is installed");
    let mut stdin = client.stdin.take().unwrap();
    let mut script = String::new();
    for command in commands {
        script += &format!("{command}\n!echo {MARK}\n");
    }
    let writer = std::thread::spawn(move || stdin.write_all(script.as_bytes()));
    let (sender, answer) = std::sync::mpsc::channel();
    let id = client.id();
    std::thread::spawn(move || sender.send(client.wait_with_output().unwrap()));
    let output = answer.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        let _ = Command::new("kill").arg(id.to_string()).status();
        panic!("openstack took longer than {PATIENCE:?}");
    });
    writer.join().unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).replace("(openstack) ", "");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let parts: Vec<String> = said
        .split(&format!("{MARK}\n"))
        .map(|p| p.trim().to_owned())
        .collect();
    assert!(
        parts.len() > commands.len(),
        "it ended early:\n{said}\n{errors}"
    );
    assert_eq!(errors.trim(), "", "{said}");
    parts[..commands.len()].to_vec()
}

fn key(dir: &Path) -> String {
    let file = dir.join("key");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&file)
        .status()
        .unwrap();
    assert!(made.success());
    file.with_extension("pub").display().to_string()
}

#[test]
fn a_cycle_from_key_pair_to_nothing() {
    let started = Instant::now();
    let sandbox = Sandbox::start(Options::default()).unwrap();
    let dir = sandbox.clouds_yaml.parent().unwrap();
    let public_key = key(dir);
    std::fs::write(dir.join("user-data"), "#cloud-config\n").unwrap();
    let keypair = format!("keypair create --public-key {public_key} t1 -f value -c name");
    let create = format!(
        "server create --image debian-12 --flavor m1.small --network t1 --key-name t1 --security-group t1 \
         --user-data {} --property course=physics --tag blue --wait t1 -f value -c status",
        dir.join("user-data").display()
    );
    let said = openstack(
        &sandbox.clouds_yaml,
        "sandbox",
        &[
            "token issue -f value -c project_id",
            "catalog list -f value -c Name",
            &keypair,
            "security group create --tag a:b t1 -f value -c name",
            "security group rule create --ingress --protocol tcp --dst-port 22 --remote-ip 0.0.0.0/0 t1 -f value -c protocol",
            "network create --tag a:b t1 -f value -c status",
            "subnet create --network t1 --subnet-range 10.42.0.0/24 t1 -f value -c gateway_ip",
            "router create t1 -f value -c status",
            "router set --external-gateway public --tag a:b t1",
            "router add subnet t1 t1",
            &create,
            "floating ip create --tag a:b --description mine public -f value -c floating_ip_address",
            "server add floating ip t1 172.24.4.11",
            "server show t1 -f json -c addresses -c properties -c tags -c key_name",
            "console log show t1",
            "server list -f value -c Name -c Status -c Image -c Flavor",
            "floating ip list --tags a:b -f value",
            "port list --server t1 -f value -c Status",
            "security group rule list t1 --ingress -f value",
        ],
    );
    assert_eq!(said[0].len(), 32);
    assert_eq!(
        said[1].split_whitespace().collect::<Vec<_>>(),
        [
            "keystone",
            "glance",
            "nova",
            "neutron",
            "cinder",
            "designate"
        ]
    );
    let plain = [
        &said[2], &said[3], &said[4], &said[5], &said[6], &said[7], &said[8], &said[9],
    ];
    assert_eq!(
        plain,
        ["t1", "t1", "tcp", "ACTIVE", "10.42.0.1", "ACTIVE", "", ""]
    );
    assert!(said[10].ends_with("ACTIVE"), "{}", said[10]);
    assert_eq!((said[11].as_str(), said[12].as_str()), ("172.24.4.11", ""));
    let shown: serde_json::Value = serde_json::from_str(&said[13]).unwrap();
    let expected = serde_json::json!({
        "addresses": {"t1": ["10.42.0.3", "172.24.4.11"]}, "properties": {"course": "physics"}, "tags": ["blue"], "key_name": "t1",
    });
    assert_eq!(shown, expected);
    assert!(said[14].contains("-----BEGIN SSH HOST KEY FINGERPRINTS-----"));
    assert_eq!(said[15], "t1 ACTIVE debian-12 m1.small");
    assert!(said[16].contains("172.24.4.11 10.42.0.3"), "{}", said[16]);
    assert_eq!(said[17], "ACTIVE");
    assert!(
        said[18].contains(" tcp IPv4 0.0.0.0/0 22:22 "),
        "{}",
        said[18]
    );

    let said = openstack(
        &sandbox.clouds_yaml,
        "sandbox-appcred",
        &[
            "application credential list -f value -c Name",
            "quota show -f value -c instances",
            "limits show --absolute -f value -c Name",
            "volume create --size 1 --description d v1 -f value -c size",
            "server set --property a=b t1",
            "server unset --property course t1",
            "network set --tag c:d t1",
            "server event list t1 -f value -c Action",
            "server stop t1",
            "volume list -f value -c Name -c Size",
            "server add volume t1 v1 -f value -c Device",
            "server remove volume t1 v1",
            "server delete --wait t1",
            "volume delete v1",
            "floating ip delete 172.24.4.11",
            "router remove subnet t1 t1",
            "router unset --external-gateway t1",
            "router delete t1",
            "network delete t1",
            "security group delete t1",
            "keypair delete t1",
            "server list -f value",
            "floating ip list -f value",
            "router list -f value",
            "network list --internal -f value",
            "volume list -f value",
            "port list -f value",
        ],
    );
    assert_eq!(said[0], "sandbox");
    assert!(
        said[1].contains("10")
            && said[2].contains("maxTotalInstances")
            && said[2].contains("totalGigabytesUsed")
    );
    assert_eq!(
        (said[3].as_str(), said[9].as_str(), said[10].as_str()),
        ("1", "v1 1", "/dev/vdb")
    );
    assert!(said[7].contains("create"), "{}", said[7]);
    let quiet = [4, 5, 6, 8, 11, 13, 14, 15, 16, 17, 18, 19, 20].map(|n| said[n].as_str());
    assert_eq!(quiet, [""; 13]);
    assert_eq!(said[21..], ["", "", "", "", "", ""]);
    assert!(started.elapsed() < PATIENCE);
}
