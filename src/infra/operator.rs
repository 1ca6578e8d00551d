//! The address this machine is seen under from outside.

use std::net::{IpAddr, SocketAddr};

use super::survey::is_global;
use super::survey::is_public;

/// Why the address is not known.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    #[error("finding the address this machine is seen under: {api} cannot be reached")]
    Unreachable {
        api: String,
        #[source]
        source: std::io::Error,
    },
    /// Somewhere on the way it becomes another: only who is outside can tell which.
    #[error("this machine's own address is {local}, which is not the one it is seen under")]
    Private { local: IpAddr },
}

impl OperatorError {
    pub fn hint(&self) -> String {
        "write the address or the network in place of `operator`: `--set access.ssh=[192.0.2.7/32]`"
            .to_owned()
    }
}

/// The address that connections to the cloud's API leave from, where that is the one they arrive with. Nothing is sent:
/// a datagram socket only asks the system for the way.
///
/// `host` and `port` are the API's.
pub async fn operator_address(host: &str, port: u16) -> Result<IpAddr, OperatorError> {
    let local = local_address(host, port)
        .await
        .map_err(|source| OperatorError::Unreachable {
            api: format!("{host}:{port}"),
            source,
        })?;
    match local {
        IpAddr::V4(address) if is_public(address) => Ok(local),
        IpAddr::V6(address) if is_global(address) => Ok(local),
        _ => Err(OperatorError::Private { local }),
    }
}

async fn local_address(host: &str, port: u16) -> std::io::Result<IpAddr> {
    let mut last = None;
    for remote in tokio::net::lookup_host((host.trim_matches(['[', ']']), port)).await? {
        let any: SocketAddr = if remote.is_ipv4() {
            ([0, 0, 0, 0], 0).into()
        } else {
            (std::net::Ipv6Addr::UNSPECIFIED, 0).into()
        };
        let attempt = async {
            let socket = tokio::net::UdpSocket::bind(any).await?;
            socket.connect(remote).await?;
            socket.local_addr()
        };
        match attempt.await {
            Ok(local) => return Ok(local.ip()),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| {
        std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address")
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_that_others_do_not_see_is_refused() {
        let error = operator_address("127.0.0.1", 5000).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "this machine's own address is 127.0.0.1, which is not the one it is seen under"
        );
        assert!(error.hint().contains("--set access.ssh"));
    }

    #[tokio::test]
    async fn a_name_without_address_is_told() {
        let error = operator_address("no-such-host.invalid", 443)
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains("no-such-host.invalid:443"),
            "{error}"
        );
    }
}
