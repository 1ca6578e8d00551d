//! Addresses that no other test takes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the ports that connections take for themselves: one of those is in the way of who listens on all addresses, as
/// CHP does for its redirection.
const FIRST: u16 = 10_000;
const COUNT: u16 = 10_000;

/// An address of this test's own, as each is a process of its own, and a port that nobody has anywhere.
pub fn free() -> SocketAddr {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let id = std::process::id();
    let [_, high, middle, low] = id.to_be_bytes();
    let ip = IpAddr::V4(Ipv4Addr::new(
        127,
        64 | high << 4 | middle & 63,
        middle ^ high,
        low.max(2),
    ));
    // Tests that start together are far from each other.
    let start = u16::try_from(id.wrapping_mul(7919) % u32::from(COUNT)).expect("a small number");
    for _ in 0..COUNT {
        let taken = TAKEN.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (start + taken % COUNT) % COUNT;
        let anywhere = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port))
            .or_else(|_| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)));
        if anywhere.is_ok() {
            return (ip, port).into();
        }
    }
    panic!("{COUNT} ports are taken");
}
