//! An ACME directory (Pebble, a Debian package) that a server of the sandbox reaches, and that finds the hub by any name.

use std::fs;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

pub(crate) struct Directory {
    pub(crate) url: String,
    /// The authorities that sign its HTTPS and its certificates, PEM.
    pub(crate) authorities: PathBuf,
    programs: Vec<Child>,
}

impl Drop for Directory {
    fn drop(&mut self) {
        for program in &mut self.programs {
            let _ = program.kill();
            let _ = program.wait();
        }
    }
}

impl Directory {
    pub(crate) fn start(folder: &Path, hub: IpAddr) -> Self {
        let folder = folder.join("directory");
        fs::create_dir_all(&folder).unwrap();
        let here = seen_from(hub);
        let authority = certificates(&folder, here);
        let [port, management, dns, dns_management] = [(); 4].map(|()| free_port(here));
        let config = serde_json::json!({ "pebble": {
            "listenAddress": format!("{here}:{port}"), "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": folder.join("server.pem"), "privateKey": folder.join("server.key"),
            "httpPort": 80, "tlsPort": 443, "ocspResponderURL": "", "certificateValidityPeriod": 90 * 24 * 3600,
        }});
        fs::write(folder.join("pebble.json"), config.to_string()).unwrap();
        let resolver = spawn(&[
            "pebble-challtestsrv",
            "-http01=",
            "-https01=",
            "-tlsalpn01=",
            "-defaultIPv6=",
            &format!("-defaultIPv4={hub}"),
            &format!("-dns01=127.0.0.1:{dns}"),
            &format!("-management=127.0.0.1:{dns_management}"),
        ]);
        let config = folder.join("pebble.json");
        let pebble = spawn(&[
            "pebble",
            "-config",
            config.to_str().unwrap(),
            "-dnsserver",
            &format!("127.0.0.1:{dns}"),
        ]);
        let directory = Self {
            url: format!("https://{here}:{port}/dir"),
            authorities: folder.join("authorities.pem"),
            programs: vec![resolver, pebble],
        };
        let root = root(&authority, SocketAddr::from(([127, 0, 0, 1], management)));
        fs::write(&directory.authorities, format!("{authority}{root}")).unwrap();
        directory
    }
}

/// This machine's address as `hub` sees it.
pub(crate) fn seen_from(hub: IpAddr) -> IpAddr {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.connect((hub, 9)).unwrap();
    socket.local_addr().unwrap().ip()
}

fn free_port(here: IpAddr) -> u16 {
    let listener = TcpListener::bind((here, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// Ends with us, however we end.
fn spawn(words: &[&str]) -> Child {
    Command::new("setpriv")
        .args(["--pdeathsig", "KILL"])
        .args(words)
        .env("PEBBLE_VA_NOSLEEP", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("setpriv starts")
}

/// A certificate for the directory's own HTTPS; returns its authority.
fn certificates(folder: &Path, here: IpAddr) -> String {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let names = vec![here.to_string(), "127.0.0.1".to_owned()];
    let server = CertificateParams::new(names)
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    fs::write(folder.join("server.pem"), server.pem()).unwrap();
    fs::write(folder.join("server.key"), key.serialize_pem()).unwrap();
    authority
}

/// The authority it signs with, which it makes anew at each start.
fn root(authority: &str, management: SocketAddr) -> String {
    let begun = Instant::now();
    while TcpStream::connect(management).is_err() {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "Pebble never listens"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    let ask = async {
        let certificate = reqwest::Certificate::from_pem(authority.as_bytes())?;
        let client = reqwest::Client::builder()
            .add_root_certificate(certificate)
            .no_proxy()
            .build()?;
        let url = format!("https://{management}/roots/0");
        client.get(url).send().await?.text().await
    };
    tokio::runtime::Runtime::new()
        .unwrap()
        .block_on(ask)
        .unwrap()
}
