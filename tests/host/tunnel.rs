//! Connections that come out on the server.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use hubctl::host::{Destination, HostError, Passage};

use crate::sshd::Sshd;

/// Sends back what it is sent, until the other end has said all; many at a time.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut copy = stream.try_clone().unwrap();
                let _ = std::io::copy(&mut copy, &mut stream);
                let _ = stream.shutdown(Shutdown::Write);
            });
        }
    });
    address
}

struct Tunnel {
    address: SocketAddr,
    passages: mpsc::Receiver<Passage>,
    task: tokio::task::JoinHandle<Result<(), HostError>>,
}

async fn tunnel(sshd: &Sshd, to: SocketAddr) -> Tunnel {
    let host = sshd.host().await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let destination = Destination {
        host: to.ip().to_string(),
        port: to.port(),
    };
    let (say, passages) = mpsc::channel();
    let task = tokio::spawn(async move {
        host.tunnel(listener, destination, move |passage| {
            let _ = say.send(passage);
        })
        .await
    });
    Tunnel {
        address,
        passages,
        task,
    }
}

/// Bytes that tell which connection they belong to, and where in it.
fn pattern(number: usize, length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| u8::try_from((at * 31 + at / 251 + number * 97) % 256).unwrap())
        .collect()
}

/// Sends all, says so, reads all.
fn through(address: SocketAddr, sent: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let mut reader = stream.try_clone().unwrap();
    let reading = thread::spawn(move || {
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        all
    });
    stream.write_all(sent).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    reading.join().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn many_connections_at_once_carry_every_byte_both_ways() {
    let sshd = Sshd::running();
    let tunnel = tunnel(&sshd, echo()).await;
    let address = tunnel.address;
    let done = tokio::task::spawn_blocking(move || {
        let workers: Vec<_> = (0..12)
            .map(|number| {
                thread::spawn(move || {
                    let sent = pattern(number, if number % 3 == 0 { 3 << 20 } else { 10_000 });
                    assert!(through(address, &sent) == sent, "connection {number}");
                })
            })
            .collect();
        workers.into_iter().all(|worker| worker.join().is_ok())
    });
    assert!(done.await.unwrap());
    // One after the other, too; and each is closed.
    let closed = tokio::task::spawn_blocking(move || {
        for number in 0..20 {
            let sent = pattern(number, 100);
            assert!(through(address, &sent) == sent);
        }
        let mut counts = [0, 0];
        while counts[1] < 32 {
            match tunnel
                .passages
                .recv_timeout(Duration::from_secs(30))
                .unwrap()
            {
                Passage::Opened => counts[0] += 1,
                Passage::Closed => counts[1] += 1,
                Passage::Refused => panic!("refused"),
            }
        }
        counts
    });
    assert_eq!(closed.await.unwrap(), [32, 32]);
    tunnel.task.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_nobody_reads_does_not_hold_up_the_others() {
    let sshd = Sshd::running();
    let tunnel = tunnel(&sshd, echo()).await;
    let address = tunnel.address;
    let done = tokio::task::spawn_blocking(move || {
        // It sends and never reads: its buffers, and its channel's window, fill.
        let mut greedy = TcpStream::connect(address).unwrap();
        greedy.set_nonblocking(true).unwrap();
        let bytes = vec![7; 1 << 16];
        let mut stalled = 0;
        while stalled < 20 {
            match greedy.write(&bytes) {
                Ok(count) => stalled = if count == 0 { 20 } else { 0 },
                Err(_) => {
                    stalled += 1;
                    thread::sleep(Duration::from_millis(10));
                }
            }
        }
        let sent = pattern(1, 2 << 20);
        through(address, &sent) == sent
    });
    assert!(done.await.unwrap());
    tunnel.task.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_port_is_said_and_the_tunnel_stays() {
    let sshd = Sshd::running();
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let tunnel = tunnel(&sshd, nobody).await;
    let address = tunnel.address;
    let passage = tokio::task::spawn_blocking(move || {
        for _ in 0..2 {
            let mut stream = TcpStream::connect(address).unwrap();
            stream
                .set_read_timeout(Some(Duration::from_secs(30)))
                .unwrap();
            assert_eq!(stream.read(&mut [0; 1]).unwrap_or(0), 0);
        }
        let second = Duration::from_secs(30);
        [
            tunnel.passages.recv_timeout(second).unwrap(),
            tunnel.passages.recv_timeout(second).unwrap(),
        ]
    });
    assert_eq!(passage.await.unwrap(), [Passage::Refused, Passage::Refused]);
    tunnel.task.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_whose_session_ends_says_so() {
    let mut sshd = Sshd::running();
    let tunnel = tunnel(&sshd, echo()).await;
    let address = tunnel.address;
    let sent = pattern(3, 1000);
    let came = tokio::task::spawn_blocking(move || through(address, &sent) == sent);
    assert!(came.await.unwrap());
    // sshd's process for this session is a child of the one that listens.
    let parent = sshd.process.as_ref().unwrap().id().to_string();
    let children = std::process::Command::new("pgrep")
        .args(["-P", &parent])
        .output()
        .unwrap();
    for child in String::from_utf8(children.stdout).unwrap().lines() {
        let killed = std::process::Command::new("kill")
            .args(["-9", child])
            .status();
        assert!(killed.unwrap().success());
    }
    let ended = tokio::time::timeout(Duration::from_secs(30), tunnel.task).await;
    let error = ended.expect("it ends").unwrap().unwrap_err();
    assert!(
        matches!(&error, HostError::Lost { command, .. } if command == "the tunnel"),
        "{error:?}"
    );
    drop(
        sshd.process
            .take()
            .map(|mut process| (process.kill(), process.wait())),
    );
}
