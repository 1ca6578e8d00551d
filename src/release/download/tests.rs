//! Downloads from a server on loopback.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::super::tests::elf;
use super::*;
use crate::event::Silent;

/// What the server does with a request.
#[derive(Clone)]
enum Answer {
    Content(Vec<u8>),
    Status(u16),
    /// Half of what was promised, then the connection's end.
    Half(Vec<u8>),
    /// Half, then silence for as long as the client stays.
    Stall(Vec<u8>),
}

/// An HTTP server with a few files; it ends when this is dropped.
struct Files {
    address: std::net::SocketAddr,
    asked: Arc<AtomicUsize>,
    answers: Arc<Mutex<Vec<(String, Answer)>>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Files {
    fn start(answers: Vec<(&str, Answer)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let answers: Vec<(String, Answer)> = answers
            .into_iter()
            .map(|(path, answer)| (path.to_owned(), answer))
            .collect();
        let answers = Arc::new(Mutex::new(answers));
        let (count, table) = (Arc::clone(&asked), Arc::clone(&answers));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Some(path) = serve(stream.unwrap(), &table.lock().unwrap()) else {
                    return;
                };
                if path != "/" {
                    count.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        Self {
            address,
            asked,
            answers,
            thread: Some(thread),
        }
    }

    fn remote(&self, path: &str, content: &[u8]) -> Remote {
        Remote {
            url: format!("http://{}{path}", self.address).parse().unwrap(),
            sha256: checksum(content),
        }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn now(&self, path: &str, answer: Answer) {
        let mut answers = self.answers.lock().unwrap();
        answers.retain(|(known, _)| known != path);
        answers.push((path.to_owned(), answer));
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // An empty request ends the thread.
        drop(TcpStream::connect(self.address));
        self.thread.take().unwrap().join().unwrap();
    }
}

/// Answers one request; `None` for a connection without one.
fn serve(mut stream: TcpStream, answers: &[(String, Answer)]) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).unwrap_or(0) == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    let answer = answers.iter().find(|(known, _)| *known == path);
    let answer = answer.map_or(Answer::Status(404), |(_, answer)| answer.clone());
    let (status, body, sent) = match &answer {
        Answer::Content(body) => (200, body.as_slice(), body.len()),
        Answer::Status(status) => (*status, &[][..], 0),
        Answer::Half(body) | Answer::Stall(body) => (200, body.as_slice(), body.len() / 2),
    };
    write!(
        stream,
        "HTTP/1.1 {status} Said\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )
    .unwrap();
    // The client may have gone: it does not take what is too large.
    let _ = stream.write_all(&body[..sent]);
    if matches!(answer, Answer::Stall(_)) {
        // The client goes away when it has waited long enough.
        let _ = stream.read(&mut byte);
    }
    let _ = stream.shutdown(Shutdown::Both);
    Some(path)
}

fn packed() -> Vec<u8> {
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(
        Vec::new(),
        flate2::Compression::fast(),
    ));
    let program = elf(62);
    let mut header = tar::Header::new_gnu();
    header.set_size(program.len() as u64);
    header.set_mode(0o755);
    tar.append_data(&mut header, "hubctl-1/lib/hubctl/hubd", program.as_slice())
        .unwrap();
    tar.into_inner().unwrap().finish().unwrap()
}

const ARCHIVE: &str = "/v1/hubctl-1-x86_64-linux.tar.gz";

async fn fetched(remote: &Remote, cache: &Path) -> Result<Archive, ReleaseError> {
    let limits = Limits {
        silence: Duration::from_millis(300),
        most: 1 << 20,
        ..Limits::default()
    };
    fetch(remote, "x86_64", cache, &limits, &Silent).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_downloaded_once_and_the_cache_is_believed_no_more_than_the_network() {
    let (folder, packed) = (tempfile::tempdir().unwrap(), packed());
    let cache = folder.path().join("cache/hubctl");
    let files = Files::start(vec![(ARCHIVE, Answer::Content(packed.clone()))]);
    let remote = files.remote(ARCHIVE, &packed);
    for _ in 0..2 {
        let archive = fetched(&remote, &cache).await.unwrap();
        assert_eq!(archive.program("hubd").unwrap().content(), elf(62));
    }
    assert_eq!(files.asked(), 1);
    let kept = std::fs::read_dir(&cache).unwrap().next().unwrap().unwrap();
    std::fs::write(kept.path(), b"changed").unwrap();
    fetched(&remote, &cache).await.unwrap();
    assert_eq!(
        (files.asked(), std::fs::read(kept.path()).unwrap()),
        (2, packed)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_checksum_is_refused_and_nothing_is_kept() {
    let (folder, packed) = (tempfile::tempdir().unwrap(), packed());
    let files = Files::start(vec![(ARCHIVE, Answer::Content(b"something else".to_vec()))]);
    let remote = files.remote(ARCHIVE, &packed);
    let error = fetched(&remote, folder.path()).await.err().unwrap();
    assert_eq!(
        error.to_string(),
        format!(
            "{} has the checksum {}, not {}",
            remote.url,
            checksum(b"something else"),
            remote.sha256
        )
    );
    assert!(error.hint().contains("release.sha256"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_that_goes_wrong_is_told_and_the_next_one_works() {
    let (folder, packed) = (tempfile::tempdir().unwrap(), packed());
    let files = Files::start(Vec::new());
    let remote = files.remote(ARCHIVE, &packed);
    for (answer, says) in [
        (Answer::Status(404), "answers 404"),
        (Answer::Status(503), "answers 503"),
        (Answer::Half(packed.clone()), "downloading http"),
        (Answer::Stall(packed.clone()), "downloading http"),
        (Answer::Content(vec![0; 2 << 20]), "is larger than"),
    ] {
        files.now(ARCHIVE, answer);
        let error = fetched(&remote, folder.path()).await.err().unwrap();
        let said = error.to_string();
        assert!(said.contains(says), "{said} has no {says}");
    }
    files.now(ARCHIVE, Answer::Content(packed));
    fetched(&remote, folder.path()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_of_checksums_leads_to_the_archive_for_this_processor() {
    let (folder, packed) = (tempfile::tempdir().unwrap(), packed());
    let other = checksum(b"another");
    let list = format!(
        "{}  hubctl-1-x86_64-linux.tar.gz\n{other} *hubctl-1-aarch64-linux.tar.gz\n{other}  ../../elsewhere.tar.gz\n",
        checksum(&packed)
    );
    let files = Files::start(vec![
        (ARCHIVE, Answer::Content(packed)),
        ("/v1/SHA256SUMS", Answer::Content(list.clone().into_bytes())),
    ]);
    let remote = files.remote("/v1/SHA256SUMS", list.as_bytes());
    let archive = fetched(&remote, folder.path()).await.unwrap();
    assert!(archive.program("hubd").is_ok());
    assert!(archive.name.ends_with(ARCHIVE), "{}", archive.name);
    let none = fetch(
        &remote,
        "riscv64",
        folder.path(),
        &Limits::default(),
        &Silent,
    )
    .await;
    assert_eq!(
        none.err().unwrap().to_string(),
        format!(
            "{} has not one archive for riscv64, but hubctl-1-x86_64-linux.tar.gz, hubctl-1-aarch64-linux.tar.gz",
            remote.url
        )
    );
}
