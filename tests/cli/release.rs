//! Programs for the server that come from a URL.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use sha2::{Digest, Sha256};

use crate::{hubctl, say};

const X86_64: u16 = 62;
const AARCH64: u16 = 183;

/// What `make dist` packs for a processor, as far as anybody looks.
fn archive(machine: u16) -> Vec<u8> {
    let mut packed = tar::Builder::new(flate2::write::GzEncoder::new(
        Vec::new(),
        flate2::Compression::fast(),
    ));
    let mut program = b"\x7fELF\x02\x01\x01".to_vec();
    program.resize(18, 0);
    program.extend(machine.to_le_bytes());
    for name in ["hubd", "hubproxy", "hub-helper"] {
        let mut header = tar::Header::new_gnu();
        header.set_size(program.len() as u64);
        header.set_mode(0o755);
        let path = format!("hubctl-1/lib/hubctl/{name}");
        packed
            .append_data(&mut header, path, program.as_slice())
            .unwrap();
    }
    packed.into_inner().unwrap().finish().unwrap()
}

fn checksum(content: &[u8]) -> String {
    let sum = Sha256::digest(content);
    sum.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Serves one file to whoever asks, until somebody connects and says nothing.
fn serve(listener: &TcpListener, content: &[u8]) {
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let mut asked = [0; 4096];
        if stream.read(&mut asked).unwrap() == 0 {
            return;
        }
        let length = content.len();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        stream.write_all(content).unwrap();
    }
}

#[test]
fn a_release_is_downloaded_once_and_another_than_the_checksum_says_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let content = archive(X86_64);
    let sum = checksum(&content);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || serve(&listener, &content));
    let spec = |sum: &str| {
        let url = format!("http://{address}/hubctl-1-x86_64-linux.tar.gz");
        let text =
            format!("name: class\nprofile: rust\nrelease:\n  source: {url}\n  sha256: {sum}\n");
        fs::write(folder.path().join("hub.yaml"), text).unwrap();
    };

    spec(&"f".repeat(64));
    let said = say(hubctl(folder.path()).args(["render", "out"]));
    assert_eq!(said.code, 2, "{}", said.err);
    let why = format!("has the checksum {sum}, not ffff");
    assert!(said.err.contains(&why), "{}", said.err);

    spec(&sum);
    let said = say(hubctl(folder.path()).args(["render", "out"]));
    assert_eq!(said.code, 0, "{}", said.err);
    let kept = folder.path().join(".cache/hubctl/releases").join(&sum);
    assert!(kept.exists());

    // Without the server.
    drop(TcpStream::connect(address).unwrap());
    server.join().unwrap();
    let said = say(hubctl(folder.path()).args(["render", "again"]));
    assert_eq!(said.code, 0, "{}", said.err);
    fs::remove_file(kept).unwrap();
    let said = say(hubctl(folder.path()).args(["render", "again"]));
    assert_eq!(said.code, 2, "{}", said.err);
    let why = format!("downloading http://{address}/");
    assert!(said.err.contains(&why), "{}", said.err);
}

#[test]
fn a_release_for_another_processor_than_the_images_is_refused_before_anything_is_made() {
    let cloud = sandbox::Sandbox::start(sandbox::Options::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let content = archive(AARCH64);
    let sum = checksum(&content);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || serve(&listener, &content));
    let text = format!(
        "name: class\nprofile: rust\nrelease:\n  source: http://{address}/hubctl-1-aarch64-linux.tar.gz\n  sha256: {sum}\n"
    );
    fs::write(folder.path().join("hub.yaml"), text).unwrap();
    let said = say(hubctl(folder.path())
        .args(["provision", "--yes"])
        .env("OS_CLIENT_CONFIG_FILE", &cloud.clouds_yaml)
        .env("OS_CLOUD", "sandbox"));
    drop(TcpStream::connect(address).unwrap());
    server.join().unwrap();
    assert_eq!(said.code, 2, "{}", said.err);
    for part in [
        "is for x86_64, and hubctl's own programs here are built for aarch64",
        "name those for x86_64 in `release.source` (a folder, or a release's archive)",
    ] {
        assert!(said.err.contains(part), "{part}: {}", said.err);
    }
    // Not even a key pair.
    let made = cloud.control.requests();
    let made: Vec<_> = made
        .iter()
        .filter(|request| request.method != "GET" && !request.path.starts_with("/auth"))
        .collect();
    assert!(made.is_empty(), "{made:?}");
}
