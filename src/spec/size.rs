//! Seats against memory: pure arithmetic, the same for `init`, the preflight and the host's limits.

use super::model::{Limits, Memory};

/// What the system, hub and proxy need for themselves, in MiB.
pub const RESERVE_MIB: u64 = 1536;
/// What a seat is reckoned with where the spec says nothing, in MiB: a notebook server, a kernel and small data.
pub const SEAT_MIB: u64 = 512;
/// What a seat gets at the least, in MiB, however many there are.
pub const LEAST_SEAT_MIB: u64 = 256;
/// The smallest disk a hub is put on, in GiB.
pub const DISK_GIB: u64 = 10;
/// More seats than this on one vCPU are slow when all compute at once.
const SEATS_A_VCPU: u64 = 16;

const MEBI: u64 = 1024 * 1024;

/// A flavor, as far as sizes go: memory in MiB, disk in GiB (0: boots from volumes only).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flavor {
    pub name: String,
    pub memory: u64,
    pub vcpus: u64,
    pub disk: u64,
}

/// Memory the seats need together, what the system needs included, in MiB.
pub fn needed(limits: &Limits) -> u64 {
    u64::from(limits.seats)
        .saturating_mul(reckoned(limits))
        .saturating_add(RESERVE_MIB)
}

/// What one seat is reckoned with, in MiB.
fn reckoned(limits: &Limits) -> u64 {
    limits
        .memory
        .map_or(SEAT_MIB, |memory| (memory.bytes / MEBI).max(1))
}

/// How many seats of these limits a server with so much memory (MiB) holds.
pub fn seats_held(limits: &Limits, memory: u64) -> u64 {
    memory.saturating_sub(RESERVE_MIB) / reckoned(limits)
}

/// The memory limit of one seat on a server with so much memory (MiB): the one asked for, else an even share of what
/// the system leaves, in whole MiB and never below [`LEAST_SEAT_MIB`].
pub fn seat_memory(limits: &Limits, memory: u64) -> Memory {
    limits.memory.unwrap_or_else(|| {
        let share = memory.saturating_sub(RESERVE_MIB) / u64::from(limits.seats.max(1));
        Memory {
            bytes: share.max(LEAST_SEAT_MIB) * MEBI,
        }
    })
}

/// The smallest flavor that holds the seats. `volumes`: the cloud can boot from a volume where a flavor's disk is too
/// small.
pub fn smallest<'a>(flavors: &'a [Flavor], limits: &Limits, volumes: bool) -> Option<&'a Flavor> {
    flavors
        .iter()
        .filter(|flavor| flavor.memory >= needed(limits) && (volumes || flavor.disk >= DISK_GIB))
        .min_by_key(|flavor| (flavor.memory, flavor.vcpus, flavor.disk, &flavor.name))
}

/// What there is to say about a flavor for these limits, a sentence each; the first says whether it is large enough.
pub fn advice(flavor: &Flavor, limits: &Limits) -> Vec<String> {
    let held = seats_held(limits, flavor.memory);
    let seats = u64::from(limits.seats);
    let each = words(reckoned(limits));
    let mut said = Vec::new();
    if held >= seats {
        said.push(format!(
            "{} has {}: room for {held} seats of {each} beside the system.",
            flavor.name,
            words(flavor.memory)
        ));
    } else {
        let mut short = format!(
            "{} has {}, {seats} seats of {each} and the system need {}: it holds {held}.",
            flavor.name,
            words(flavor.memory),
            words(needed(limits))
        );
        let share = flavor.memory.saturating_sub(RESERVE_MIB) / seats.max(1);
        if share >= LEAST_SEAT_MIB {
            short.push_str(&format!(
                " With `limits.memory: {share}M` it holds {seats}."
            ));
        }
        said.push(short);
    }
    if seats > flavor.vcpus.saturating_mul(SEATS_A_VCPU) {
        said.push(format!(
            "{seats} seats share {}: enough to write and try code, slow when all compute at once.",
            vcpus(flavor.vcpus)
        ));
    }
    said
}

/// A smaller flavor that would do if each seat took a little less than it is reckoned with; nothing where the spec
/// says how much a seat gets.
pub fn nearly(flavors: &[Flavor], limits: &Limits, volumes: bool) -> Option<String> {
    let tight = Limits {
        memory: Some(Memory {
            bytes: SEAT_MIB * 3 / 4 * MEBI,
        }),
        ..limits.clone()
    };
    let smaller = smallest(flavors, &tight, volumes).filter(|_| limits.memory.is_none())?;
    if smallest(flavors, limits, volumes)? == smaller {
        return None;
    }
    let each = seat_memory(limits, smaller.memory).bytes / MEBI;
    Some(format!(
        "{} would do with {} a seat.",
        smaller.name,
        words(each)
    ))
}

/// What to do where no flavor is large enough.
pub fn advice_without(flavors: &[Flavor], limits: &Limits) -> String {
    let seats = limits.seats;
    let need = format!(
        "No flavor holds {seats} seats of {}: they and the system need {}.",
        words(reckoned(limits)),
        words(needed(limits))
    );
    match flavors.iter().max_by_key(|flavor| flavor.memory) {
        Some(largest) => format!(
            "{need} The largest, {}, has {} and holds {}.",
            largest.name,
            words(largest.memory),
            seats_held(limits, largest.memory)
        ),
        None => need,
    }
}

/// An amount of MiB in words: `512 MiB`, `8 GiB`, `16.5 GiB`.
pub fn words(mib: u64) -> String {
    if mib < 1024 {
        format!("{mib} MiB")
    } else if mib.is_multiple_of(1024) {
        format!("{} GiB", mib / 1024)
    } else {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let gib = mib as f64 / 1024.0;
        format!("{gib:.1} GiB")
    }
}

pub(super) fn vcpus(count: u64) -> String {
    match count {
        1 => "1 vCPU".to_owned(),
        count => format!("{count} vCPUs"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flavor(name: &str, memory: u64, vcpus: u64, disk: u64) -> Flavor {
        Flavor {
            name: name.to_owned(),
            memory,
            vcpus,
            disk,
        }
    }

    fn flavors() -> Vec<Flavor> {
        vec![
            flavor("m1.xlarge", 16384, 8, 160),
            flavor("r1.large", 8192, 2, 0),
            flavor("m1.large", 8192, 4, 80),
            flavor("m1.small", 2048, 1, 20),
        ]
    }

    fn limits(seats: u32, memory: Option<&str>) -> Limits {
        Limits {
            seats,
            memory: memory.map(|memory| memory.parse().unwrap()),
            cpu: None,
        }
    }

    #[test]
    fn the_smallest_that_holds_the_seats_is_chosen() {
        for (seats, memory, volumes, expected) in [
            (1, None, false, Some("m1.small")), // 1536 + 512 is all it has
            (2, None, false, Some("m1.large")),
            (13, None, false, Some("m1.large")),
            (13, None, true, Some("r1.large")), // as much memory for fewer vCPUs, and its disk does not matter
            (14, None, false, Some("m1.xlarge")),
            (14, Some("1G"), false, Some("m1.xlarge")),
            (15, Some("1G"), false, None),
            (2000, Some("1000G"), true, None),
        ] {
            let flavors = flavors();
            let chosen = smallest(&flavors, &limits(seats, memory), volumes);
            assert_eq!(
                chosen.map(|flavor| flavor.name.as_str()),
                expected,
                "{seats} {memory:?}"
            );
        }
    }

    #[test]
    fn a_seat_gets_its_share_and_never_less_than_the_floor() {
        for (seats, memory, server, expected) in [
            (10, None, 8192, "665M"),
            (1, None, 2048, "512M"),
            (100, None, 8192, "256M"),
            (10, None, 1024, "256M"),
            (10, Some("2G"), 8192, "2G"),
        ] {
            let share = seat_memory(&limits(seats, memory), server);
            assert_eq!(share.to_string(), expected, "{seats} on {server}");
        }
    }

    #[test]
    fn what_is_held_fits() {
        for memory in (0..70_000).step_by(311) {
            for seat in [None, Some("300M"), Some("1.5G")] {
                let held = seats_held(&limits(1, seat), memory);
                if held > 0 {
                    assert!(needed(&limits(u32::try_from(held).unwrap(), seat)) <= memory);
                }
                assert!(needed(&limits(u32::try_from(held).unwrap() + 1, seat)) > memory);
            }
        }
    }

    #[test]
    fn advice_names_the_numbers() {
        let flavors = flavors();
        assert_eq!(
            advice(&flavors[2], &limits(10, None)),
            ["m1.large has 8 GiB: room for 13 seats of 512 MiB beside the system."]
        );
        assert_eq!(
            advice(&flavors[1], &limits(40, Some("1G"))),
            [
                "r1.large has 8 GiB, 40 seats of 1 GiB and the system need 41.5 GiB: it holds 6.",
                "40 seats share 2 vCPUs: enough to write and try code, slow when all compute at once."
            ]
        );
        assert_eq!(
            advice(&flavors[2], &limits(20, None))[0],
            "m1.large has 8 GiB, 20 seats of 512 MiB and the system need 11.5 GiB: it holds 13. With \
             `limits.memory: 332M` it holds 20."
        );
        assert_eq!(
            advice_without(&flavors, &limits(30, Some("1G"))),
            "No flavor holds 30 seats of 1 GiB: they and the system need 31.5 GiB. The largest, m1.xlarge, has 16 GiB \
             and holds 14."
        );
    }
}
