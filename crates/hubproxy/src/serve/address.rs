//! What each client address has open and how often it posts its password.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::limits::LoginLimit;

/// The unit that is counted: an IPv4 address, or the /64 that one IPv6 client commands.
fn unit(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}

/// The open connections of each address.
#[derive(Debug, Default)]
pub(super) struct Connections {
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// One open connection; its address has one less when it is dropped.
#[derive(Debug)]
pub(super) struct Held {
    connections: Arc<Connections>,
    unit: IpAddr,
}

impl Connections {
    /// Counts a connection of `address`, or refuses it where there are `most` already.
    pub(super) fn hold(self: &Arc<Self>, address: IpAddr, most: usize) -> Option<Held> {
        let unit = unit(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(unit).or_insert(0);
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Held {
            connections: Arc::clone(self),
            unit,
        })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut open = self
            .connections
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.unit) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.unit);
            }
        }
    }
}

/// How many addresses are remembered before those that are rested are forgotten.
const REMEMBERED: usize = 4096;

/// A bucket of login attempts for each address.
#[derive(Debug, Default)]
pub(crate) struct Logins {
    buckets: Mutex<Buckets>,
}

#[derive(Debug)]
struct Buckets {
    by_address: HashMap<IpAddr, Bucket>,
    /// How many there are when all are looked at next. It doubles with those that stay, or a flood of addresses would
    /// have each attempt look at all before it.
    sweep_at: usize,
}

impl Default for Buckets {
    fn default() -> Self {
        Self {
            by_address: HashMap::new(),
            sweep_at: REMEMBERED,
        }
    }
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Logins {
    /// Takes one attempt of `address`, or says how long to wait for the next.
    pub(crate) fn attempt(
        &self,
        address: IpAddr,
        limit: &LoginLimit,
        now: Instant,
    ) -> Result<(), Duration> {
        let a_second = f64::from(limit.per_minute.max(1)) / 60.0;
        let burst = f64::from(limit.burst.max(1));
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let Buckets {
            by_address,
            sweep_at,
        } = &mut *buckets;
        let refilled = |bucket: &Bucket| {
            (bucket.tokens + now.saturating_duration_since(bucket.at).as_secs_f64() * a_second)
                .min(burst)
        };
        if by_address.len() >= *sweep_at {
            by_address.retain(|_, bucket| refilled(bucket) < burst);
            *sweep_at = REMEMBERED.max(by_address.len() * 2);
        }
        let bucket = by_address.entry(unit(address)).or_insert(Bucket {
            tokens: burst,
            at: now,
        });
        bucket.tokens = refilled(bucket);
        bucket.at = now;
        if bucket.tokens < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - bucket.tokens) / a_second));
        }
        bucket.tokens -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_connections_and_a_v6_client_one_network() {
        let connections = Arc::new(Connections::default());
        let v4: IpAddr = "192.0.2.1".parse().unwrap();
        let mapped: IpAddr = "::ffff:192.0.2.1".parse().unwrap();
        let first = connections.hold(v4, 2).unwrap();
        let _second = connections.hold(mapped, 2).unwrap();
        assert!(connections.hold(v4, 2).is_none());
        drop(first);
        assert!(connections.hold(v4, 2).is_some());

        let _here = connections.hold("2001:db8::1".parse().unwrap(), 1).unwrap();
        assert!(
            connections
                .hold("2001:db8::ffff:2".parse().unwrap(), 1)
                .is_none()
        );
        assert!(
            connections
                .hold("2001:db8:0:1::1".parse().unwrap(), 1)
                .is_some()
        );
    }

    #[test]
    fn logins_are_a_burst_and_then_a_rate() {
        let logins = Logins::default();
        let limit = LoginLimit {
            path: "/hub/login".to_owned(),
            per_minute: 6,
            burst: 2,
        };
        let ada: IpAddr = "192.0.2.1".parse().unwrap();
        let start = Instant::now();
        assert!(logins.attempt(ada, &limit, start).is_ok());
        assert!(logins.attempt(ada, &limit, start).is_ok());
        let wait = logins.attempt(ada, &limit, start).unwrap_err();
        assert!((9.9..10.1).contains(&wait.as_secs_f64()), "{wait:?}");
        assert!(
            logins
                .attempt("192.0.2.2".parse().unwrap(), &limit, start)
                .is_ok()
        );
        assert!(logins.attempt(ada, &limit, start + wait).is_ok());
        assert!(logins.attempt(ada, &limit, start + wait).is_err());
    }

    #[test]
    fn a_flood_of_addresses_is_forgotten_once_rested() {
        let logins = Logins::default();
        let limit = LoginLimit {
            path: String::new(),
            per_minute: 60,
            burst: 1,
        };
        let start = Instant::now();
        for n in 0..5000_u32 {
            let at = start + Duration::from_millis(u64::from(n));
            logins.attempt(IpAddr::V4(n.into()), &limit, at).unwrap();
        }
        assert!(logins.buckets.lock().unwrap().by_address.len() <= REMEMBERED);
        // All at once, none is rested, and they are looked at once for each time that they double.
        let at = start + Duration::from_secs(60);
        for n in 0..10_000_u32 {
            logins.attempt(IpAddr::V4(n.into()), &limit, at).unwrap();
        }
        assert!(logins.buckets.lock().unwrap().sweep_at > 3 * REMEMBERED);
        let at = at + Duration::from_secs(60);
        for n in 10_000..20_000_u32 {
            logins.attempt(IpAddr::V4(n.into()), &limit, at).unwrap();
        }
        assert!(logins.buckets.lock().unwrap().by_address.len() < 15_000);
    }
}
