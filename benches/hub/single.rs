//! A single-user server that is none: it answers, and that is all. As light as a process can be, so that a thousand fit.

use std::io::{Read, Write};
use std::net::TcpListener;

use anyhow::Context;

/// The argument by which this program is one.
pub const NAME: &str = "single-user";

/// Answers at the place that the hub named, for ever.
pub fn serve() -> anyhow::Result<()> {
    let url = std::env::var("JUPYTERHUB_SERVICE_URL").context("started by no hub")?;
    let place = url
        .strip_prefix("http://")
        .and_then(|rest| rest.split('/').next());
    let listener = TcpListener::bind(place.context("no place in the URL")?)?;
    let mut request = [0; 4096];
    for stream in listener.incoming() {
        let mut stream = stream?;
        // Who asks may be gone again: the next one is not.
        let _asked = stream.read(&mut request);
        let answer = "HTTP/1.1 200 OK\r\nX-JupyterHub-Version: 6.1.1\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
        let _answered = stream.write_all(answer.as_bytes());
    }
    Ok(())
}
