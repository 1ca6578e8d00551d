//! Programs for the server that come from a URL.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use sha2::{Digest, Sha256};

use crate::{hubctl, say};

/// What `make dist` packs, as far as anybody looks.
fn archive() -> Vec<u8> {
    let mut packed = tar::Builder::new(flate2::write::GzEncoder::new(
        Vec::new(),
        flate2::Compression::fast(),
    ));
    let mut program = b"\x7fELF\x02\x01\x01".to_vec();
    program.resize(18, 0);
    program.extend(62_u16.to_le_bytes());
    for name in ["hubd", "hubproxy", "hub-helper"] {
        let mut header = tar::Header::new_gnu();
        header.set_size(program.len() as u64);
        header.set_mode(0o755);
        let path = format!("hubctl-1-x86_64-linux/lib/hubctl/{name}");
        packed
            .append_data(&mut header, path, program.as_slice())
            .unwrap();
    }
    packed.into_inner().unwrap().finish().unwrap()
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
    let content = archive();
    let sum: String = Sha256::digest(&content)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || serve(&listener, &content));
    let spec = |sum: &str| {
        let url = format!("http://{address}/hubctl-1-x86_64-linux.tar.gz");
        let text =
            format!("name: class\nprofile: rust\nrelease:\n  source: {url}\n  sha256: {sum}\n");
        fs::write(folder.path().join("hub.yaml"), text).unwrap();
    };

    spec(&"0".repeat(64));
    let said = say(hubctl(folder.path()).args(["render", "out"]));
    assert_eq!(said.code, 2, "{}", said.err);
    let why = format!("has the checksum {sum}, not 0000");
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
