//! Addresses to listen on.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

/// A free address of this test alone: other tests look for theirs on other addresses of the loopback, so that none is
/// taken between its being found and its being used.
pub fn free() -> SocketAddr {
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    let ip = IpAddr::V4(Ipv4Addr::new(
        127,
        64 | high << 4 | middle & 63,
        middle ^ high,
        low.max(2),
    ));
    let listener = TcpListener::bind((ip, 0)).expect("a loopback address");
    listener.local_addr().expect("an address")
}
