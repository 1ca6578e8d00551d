//! Image, flavor and sizes: what the spec names, or the best of what the cloud offers.

use super::offer::Offer;
use super::problem::{Problem, pick};
use crate::cloud::{Flavor, Image};
use crate::spec::Spec;
use crate::spec::size::{self, DISK_GIB};

/// A boot volume where none was asked for, in GiB.
const BOOT_VOLUME_GIB: u64 = 20;

const GIB: u64 = 1 << 30;

/// The image to boot: the one named, or the newest public Debian 12.
pub(super) fn image<'a>(spec: &Spec, offer: &'a Offer) -> Result<&'a Image, Problem> {
    let Some(wanted) = &spec.server.image else {
        return default_image(offer);
    };
    let active = offer.images.iter().filter(|image| image.status == "active");
    let image = pick(
        "server.image",
        "image",
        wanted,
        active,
        |image| &image.id,
        |image| &image.name,
    )
    .map_err(|problem| {
        match offer
            .images
            .iter()
            .find(|image| image.name == *wanted || image.id == *wanted)
        {
            Some(image) if image.status != "active" => Problem::new(
                format!("image {wanted} is {}, not active", image.status),
                "wait until it is, or name another: `openstack image list --status active`",
            ),
            _ => problem,
        }
    })?;
    let runs =
        |architecture: &str| matches!(architecture, "x86_64" | "amd64" | "aarch64" | "arm64");
    match image.architecture.as_deref() {
        Some(other) if !runs(other) => Err(Problem::new(
            format!(
                "image {} is for {other}; hubs run on x86_64 and aarch64",
                image.name
            ),
            "name an image for one of these: `--set server.image=NAME`",
        )),
        _ => Ok(image),
    }
}

fn default_image(offer: &Offer) -> Result<&Image, Problem> {
    let mut debian: Vec<&Image> = offer
        .images
        .iter()
        .filter(|image| {
            image.status == "active"
                && image.visibility.as_deref() != Some("private")
                && is_debian_12(image)
        })
        .collect();
    // The newest, on x86_64 where a cloud has both; the time is ISO 8601, so text order is its order.
    debian.sort_by_key(|image| (!is_arm(image), image.created_at.clone(), image.id.clone()));
    debian.last().copied().ok_or_else(|| {
        let mut names: Vec<&str> = offer
            .images
            .iter()
            .filter(|image| image.status == "active")
            .map(|image| image.name.as_str())
            .collect();
        names.sort_unstable();
        names.dedup();
        names.truncate(20);
        Problem::new(
            "the cloud has no public Debian 12 image",
            format!(
                "name an image: `--set server.image=NAME`; there is {}",
                names.join(", ")
            ),
        )
    })
}

/// The processor that an image is for, as `uname -m` names it; `None` where it does not say.
pub(super) fn machine(image: &Image) -> Option<&'static str> {
    match image.architecture.as_deref() {
        Some("x86_64" | "amd64") => Some("x86_64"),
        _ => is_arm(image).then_some("aarch64"),
    }
}

fn is_arm(image: &Image) -> bool {
    let name = image.name.to_lowercase();
    match image.architecture.as_deref() {
        Some(architecture) => matches!(architecture, "aarch64" | "arm64"),
        None => name.contains("arm64") || name.contains("aarch64"),
    }
}

/// Whether the image is one that is taken where the spec names none.
pub fn is_debian_12(image: &Image) -> bool {
    if let (Some(distro), Some(version)) = (&image.os_distro, &image.os_version) {
        return distro.eq_ignore_ascii_case("debian") && version.split('.').next() == Some("12");
    }
    let name = image.name.to_lowercase();
    name.contains("bookworm")
        || name.split_once("debian").is_some_and(|(_, rest)| {
            let version = rest
                .trim_start_matches("gnu/linux")
                .trim_start_matches(|c: char| !c.is_ascii_digit());
            version
                .strip_prefix("12")
                .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
        })
}

/// The image in words.
pub(super) fn image_words(image: &Image) -> &str {
    if image.name.is_empty() {
        &image.id
    } else {
        &image.name
    }
}

/// The image's sudo user.
pub(super) fn login(spec: &Spec, image: &Image) -> Result<String, Problem> {
    if let Some(login) = spec.server.login.as_ref().or(image.os_admin_user.as_ref()) {
        return Ok(login.clone());
    }
    let known = [
        ("debian", "debian"),
        ("bookworm", "debian"),
        ("ubuntu", "ubuntu"),
        ("rocky", "rocky"),
        ("alma", "almalinux"),
        ("fedora", "fedora"),
    ];
    let said = image
        .os_distro
        .as_deref()
        .unwrap_or(&image.name)
        .to_lowercase();
    known
        .iter()
        .find(|(distro, _)| said.contains(distro))
        .map(|(_, login)| (*login).to_owned())
        .ok_or_else(|| {
            Problem::new(
                format!("image {} does not tell its login", image_words(image)),
                "name its sudo user: `--set server.login=NAME`",
            )
        })
}

/// The flavor: the one named, that of the server `before` which is made anew, or the smallest that holds the seats.
pub(super) fn flavor<'a>(
    spec: &Spec,
    offer: &'a Offer,
    image: Option<&Image>,
    before: Option<&str>,
    block_storage: bool,
) -> Result<&'a Flavor, Problem> {
    if let Some(wanted) = &spec.server.flavor {
        return pick(
            "server.flavor",
            "flavor",
            wanted,
            &offer.flavors,
            |f| &f.id,
            |f| &f.name,
        );
    }
    if let Some(kept) = offer
        .flavors
        .iter()
        .find(|flavor| Some(flavor.name.as_str()) == before)
    {
        return Ok(kept);
    }
    let needed = size::needed(&spec.limits).max(image.map_or(0, |image| image.min_ram));
    let boots = |flavor: &&Flavor| block_storage || flavor.disk >= disk_needed(image);
    let mut fitting: Vec<&Flavor> = offer
        .flavors
        .iter()
        .filter(boots)
        .filter(|flavor| flavor.ram >= needed)
        .collect();
    fitting.sort_by_key(|flavor| {
        // Of one memory, rather one that needs no volume to boot from.
        let diskless = flavor.disk < disk_needed(image);
        (
            flavor.ram,
            diskless,
            flavor.vcpus,
            flavor.disk,
            flavor.name.clone(),
        )
    });
    fitting.first().copied().ok_or_else(|| {
        let seats = spec.limits.seats;
        let message = format!("no flavor holds {seats} seats: they need {}", size::words(needed));
        match offer.flavors.iter().filter(boots).max_by_key(|flavor| flavor.ram) {
            Some(largest) => Problem::new(
                message,
                format!(
                    "the largest, {}, has {} and holds {}: `--set limits.seats={}`, or less for each with `--set limits.memory=…`",
                    largest.name,
                    size::words(largest.ram),
                    size::seats_held(&spec.limits, largest.ram),
                    size::seats_held(&spec.limits, largest.ram),
                ),
            ),
            None => Problem::new(message, "the cloud shows no flavor: check the project and the region"),
        }
    })
}

/// Disk that the image and a hub on it need, in GiB.
pub(super) fn disk_needed(image: Option<&Image>) -> u64 {
    image.map_or(DISK_GIB, |image| {
        let unpacked = image.virtual_size.or(image.size).unwrap_or(0).div_ceil(GIB);
        DISK_GIB.max(image.min_disk).max(unpacked)
    })
}

/// Size of the volume to boot from, in GiB; `None` boots from the flavor's own disk.
pub(super) fn boot_volume(
    spec: &Spec,
    flavor: &Flavor,
    image: &Image,
    block_storage: bool,
) -> Result<Option<u32>, Problem> {
    let needed = disk_needed(Some(image));
    let at_least = |size: u64| u32::try_from(size.max(needed)).unwrap_or(u32::MAX);
    let disk = flavor.disk;
    match spec.server.boot_volume {
        Some(_) if !block_storage => Err(Problem::new(
            "this cloud has no block storage for a boot volume",
            "leave `server.boot_volume` out, and name a flavor with a disk of its own",
        )),
        Some(size) if u64::from(size) < needed => Err(Problem::new(
            format!(
                "a boot volume of {size} GiB is too small for image {}",
                image_words(image)
            ),
            format!("it needs {needed} GiB: `--set server.boot_volume={needed}`"),
        )),
        Some(size) => Ok(Some(size)),
        None if disk >= needed => Ok(None),
        None if block_storage => Ok(Some(at_least(BOOT_VOLUME_GIB))),
        None => Err(Problem::new(
            format!(
                "flavor {} has a disk of {disk} GiB, image {} needs {needed}, and this cloud has no block storage",
                flavor.name,
                image_words(image),
            ),
            format!(
                "name a flavor with a disk of {needed} GiB or more: `--set server.flavor=NAME`"
            ),
        )),
    }
}
