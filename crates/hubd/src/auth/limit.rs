//! How often a login may fail: delays that grow, by name and by address, then refusals.
//!
//! Names are counted as they were typed, whether there is such a user or not: the count tells nobody which names exist.
//! A name is only ever slowed down, never locked, or anyone could lock anyone out; an address that goes on is refused.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// What to do with a login that is about to be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Try it after this delay (zero for who did not fail lately).
    After(Duration),
    /// Do not try it; the address may come again after this long.
    Refuse(Duration),
}

/// How much is let pass.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    /// Failures of one name before it is slowed down.
    pub free_failures: u32,
    /// The longest delay of a name.
    pub longest_delay: Duration,
    /// Failures of one address before it is refused. A class may sit behind one address.
    pub address_failures: u32,
    /// How long an address takes to win back one failure, and a name to win back all.
    pub address_recovery: Duration,
    /// When a name's failures are forgotten.
    pub name_recovery: Duration,
    /// How many names and addresses are kept in mind; beyond that those that failed longest ago are forgotten.
    pub kept: usize,
}

impl Default for Allowance {
    fn default() -> Self {
        Self {
            free_failures: 3,
            longest_delay: Duration::from_secs(8),
            address_failures: 60,
            address_recovery: Duration::from_secs(5),
            name_recovery: Duration::from_secs(15 * 60),
            kept: 10_000,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

/// Counts failed logins.
#[derive(Debug)]
pub struct Limit {
    allowance: Allowance,
    names: HashMap<String, Failures>,
    addresses: HashMap<IpAddr, Failures>,
}

impl Limit {
    /// With nothing counted yet.
    pub fn new(allowance: Allowance) -> Self {
        Self {
            allowance,
            names: HashMap::new(),
            addresses: HashMap::new(),
        }
    }

    /// What to do with a login of that name from that address.
    pub fn look(&self, now: Instant, name: &str, address: IpAddr) -> Verdict {
        let allowance = &self.allowance;
        if let Some(failures) = self.addresses.get(&network(address)) {
            let count = recovered(failures, now, allowance.address_recovery);
            if count >= allowance.address_failures {
                let wait = allowance.address_recovery * (count - allowance.address_failures + 1);
                return Verdict::Refuse(wait);
            }
        }
        let failures = self
            .names
            .get(name)
            .filter(|failures| {
                now.saturating_duration_since(failures.last) < allowance.name_recovery
            })
            .map_or(0, |failures| failures.count);
        let beyond = failures.saturating_sub(allowance.free_failures);
        let delay = if beyond == 0 {
            Duration::ZERO
        } else {
            Duration::from_millis(500 << (beyond - 1).min(10)).min(allowance.longest_delay)
        };
        Verdict::After(delay)
    }

    /// Counts a failure. Called before the password is tried, and taken back by [`Limit::succeeded`], so that a hundred
    /// guesses at once do not all pass as the first.
    pub fn failed(&mut self, now: Instant, name: &str, address: IpAddr) {
        let Allowance {
            address_recovery,
            name_recovery,
            kept,
            ..
        } = self.allowance;
        make_room(&mut self.names, name, kept);
        let entry = self.names.entry(name.to_owned()).or_insert(Failures {
            count: 0,
            last: now,
        });
        if now.saturating_duration_since(entry.last) >= name_recovery {
            entry.count = 0;
        }
        *entry = Failures {
            count: entry.count.saturating_add(1),
            last: now,
        };

        let address = network(address);
        make_room(&mut self.addresses, &address, kept);
        let entry = self.addresses.entry(address).or_insert(Failures {
            count: 0,
            last: now,
        });
        *entry = Failures {
            count: recovered(entry, now, address_recovery).saturating_add(1),
            last: now,
        };
    }

    /// Takes back what [`Limit::failed`] counted for this login, and forgets the name's failures.
    pub fn succeeded(&mut self, name: &str, address: IpAddr) {
        self.names.remove(name);
        let address = network(address);
        if let Some(entry) = self.addresses.get_mut(&address) {
            entry.count = entry.count.saturating_sub(1);
            if entry.count == 0 {
                self.addresses.remove(&address);
            }
        }
    }
}

/// An IPv6 customer has a whole /64: it counts as one.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        v4 => v4,
    }
}

fn recovered(failures: &Failures, now: Instant, each: Duration) -> u32 {
    let passed = now.saturating_duration_since(failures.last).as_millis() / each.as_millis().max(1);
    failures
        .count
        .saturating_sub(u32::try_from(passed).unwrap_or(u32::MAX))
}

/// Forgets the older half when full: what an attacker may fill has an end, at little cost for each entry.
fn make_room<K, Q>(map: &mut HashMap<K, Failures>, key: &Q, kept: usize)
where
    K: std::borrow::Borrow<Q> + std::hash::Hash + Eq,
    Q: std::hash::Hash + Eq + ?Sized,
{
    if map.len() < kept || map.contains_key(key) {
        return;
    }
    let mut times: Vec<Instant> = map.values().map(|failures| failures.last).collect();
    let middle = times.len() / 2;
    let (_, median, _) = times.select_nth_unstable(middle);
    let median = *median;
    map.retain(|_, failures| failures.last > median);
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_name_is_slowed_down_and_never_locked() {
        let start = Instant::now();
        let mut limit = Limit::new(Allowance::default());
        let mut delays = Vec::new();
        for attempt in 0..12 {
            // From many addresses at once, and whether or not there is such a user.
            let from = address(&format!("198.51.100.{attempt}"));
            let Verdict::After(delay) = limit.look(start, "alice", from) else {
                panic!("refused")
            };
            delays.push(delay.as_millis());
            limit.failed(start, "alice", from);
        }
        assert_eq!(
            delays,
            [0, 0, 0, 0, 500, 1000, 2000, 4000, 8000, 8000, 8000, 8000]
        );
        assert_eq!(
            limit.look(start, "bob", HERE),
            Verdict::After(Duration::ZERO)
        );
        let later = start + Duration::from_secs(15 * 60);
        assert_eq!(
            limit.look(later, "alice", HERE),
            Verdict::After(Duration::ZERO)
        );
        limit.succeeded("alice", HERE);
        assert_eq!(
            limit.look(start, "alice", HERE),
            Verdict::After(Duration::ZERO)
        );
    }

    #[test]
    fn an_address_is_refused_and_recovers() {
        let start = Instant::now();
        let mut limit = Limit::new(Allowance::default());
        for attempt in 0..60 {
            assert_eq!(
                limit.look(start, &format!("user{attempt}"), HERE),
                Verdict::After(Duration::ZERO)
            );
            limit.failed(start, &format!("user{attempt}"), HERE);
        }
        assert_eq!(
            limit.look(start, "another", HERE),
            Verdict::Refuse(Duration::from_secs(5))
        );
        assert_eq!(
            limit.look(start, "another", address("192.0.2.2")),
            Verdict::After(Duration::ZERO)
        );
        assert_eq!(
            limit.look(start + Duration::from_secs(5), "another", HERE),
            Verdict::After(Duration::ZERO)
        );
    }

    #[test]
    fn a_class_that_logs_in_from_one_address_is_no_attack() {
        let start = Instant::now();
        let mut limit = Limit::new(Allowance::default());
        for student in 0..300 {
            let name = format!("student{student}");
            assert_eq!(
                limit.look(start, &name, HERE),
                Verdict::After(Duration::ZERO)
            );
            limit.failed(start, &name, HERE);
            limit.succeeded(&name, HERE);
        }
        assert!(limit.addresses.is_empty() && limit.names.is_empty());
    }

    #[test]
    fn guesses_at_the_same_moment_are_all_counted() {
        let start = Instant::now();
        let mut limit = Limit::new(Allowance::default());
        for _ in 0..100 {
            limit.failed(start, "alice", HERE);
        }
        assert!(matches!(
            limit.look(start, "alice", HERE),
            Verdict::Refuse(_)
        ));
    }

    #[test]
    fn a_customer_with_many_addresses_counts_as_one() {
        for (one, other, same) in [
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
            ("::ffff:192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
        ] {
            assert_eq!(
                network(address(one)) == network(address(other)),
                same,
                "{one} {other}"
            );
        }
    }

    #[test]
    fn what_is_kept_in_mind_has_an_end() {
        let start = Instant::now();
        let mut limit = Limit::new(Allowance {
            kept: 100,
            ..Allowance::default()
        });
        for number in 0..1000u32 {
            let now = start + Duration::from_millis(number.into());
            limit.failed(now, &format!("name{number}"), IpAddr::V4(number.into()));
            assert!(limit.names.len() <= 100 && limit.addresses.len() <= 100);
        }
        assert!(limit.names.contains_key("name999") && limit.names.contains_key("name990"));
    }
}
