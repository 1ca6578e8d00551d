//! Swap, and the volume that the homes are on.

use hubctl::setup::facts::VolumeFacts;
use hubctl::setup::{self};

use crate::common::{site, spec};
use crate::{STOCK, check, converged, desired, steps};

#[test]
fn a_small_server_gets_swap_but_a_container_cannot() {
    let mut site = site();
    site.memory_mb = 1024;
    let desired = setup::desired(&spec(STOCK), &site).unwrap();
    let mut facts = converged(&desired);
    facts.memory_kb = 1 << 20;
    assert_eq!(
        steps(&desired, &facts),
        ["make a swap file (1024 MB of memory)"]
    );
    facts.container = true;
    assert_eq!(steps(&desired, &facts), [""; 0]);
    facts.container = false;
    facts.swap_kb = 100;
    assert_eq!(steps(&desired, &facts), [""; 0]);
}

fn volume(present: bool, empty: bool, kind: Option<&str>, mounted: &[&str]) -> VolumeFacts {
    VolumeFacts {
        device: "/dev/disk/by-id/virtio-0123".to_owned(),
        present,
        empty,
        kind: kind.map(ToOwned::to_owned),
        uuid: None,
        size: 10 << 30,
        used: kind.map(|_| 10 << 30),
        mounted: mounted.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn a_data_volume_is_formatted_only_when_it_holds_nothing_at_all() {
    let steps_with = |volume| {
        let desired = desired();
        let mut facts = converged(&desired);
        facts.volume = Some(volume);
        let plan = setup::diff(&desired, &facts);
        let steps = plan
            .steps
            .iter()
            .map(|step| format!("{} ({})", step.name, step.why));
        let problems = plan
            .problems
            .iter()
            .map(|problem| format!("! {}", problem.message));
        problems.chain(steps).collect::<Vec<_>>()
    };
    for (volume, expected) in [
        (
            volume(true, true, None, &[]),
            vec!["format the data volume and mount it at /home (it is empty)"],
        ),
        (
            volume(true, false, Some("ext4"), &[]),
            vec!["mount the data volume at /home (it is not mounted)"],
        ),
        (volume(true, false, Some("ext4"), &["/home"]), vec![]),
        (
            volume(true, false, Some("xfs"), &[]),
            vec![
                "! the data volume /dev/disk/by-id/virtio-0123 holds something else than homes (xfs); it is not formatted",
            ],
        ),
        (
            volume(true, false, None, &[]),
            vec![
                "! the data volume /dev/disk/by-id/virtio-0123 holds something else than homes (not a file system); it is not formatted",
            ],
        ),
        (
            volume(false, false, None, &[]),
            vec!["! the data volume /dev/disk/by-id/virtio-0123 is not on the server"],
        ),
    ] {
        let steps = steps_with(volume);
        assert_eq!(
            steps
                .iter()
                .map(String::as_str)
                .take(expected.len().max(1))
                .collect::<Vec<_>>(),
            expected
        );
    }
}

#[test]
fn a_volume_that_grew_takes_its_file_system_along() {
    check(
        |_, facts| {
            let mut grown = volume(true, false, Some("ext4"), &["/home"]);
            grown.size = 20 << 30;
            facts.volume = Some(grown);
        },
        &["grow the homes' file system to its volume (10240 MB of it are not used)"],
    );
}
