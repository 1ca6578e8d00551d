//! The distributions that a server may run, and what each has of what hubctl builds on.

use super::facts::Os;

/// A release of a distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Distribution {
    /// As `/etc/os-release` has it.
    pub id: &'static str,
    /// Likewise.
    pub version: &'static str,
    pub title: &'static str,
    /// Whether hubctl's tests run on it.
    pub tested: bool,
    /// The packages that hubctl installs by one name everywhere, and the versions that this release has of them.
    pub packages: [(&'static str, &'static str); 6],
    /// What goes with a package here that is part of it elsewhere: the one, and the other.
    pub beside: &'static [(&'static str, &'static str)],
}

/// Those that hubctl knows.
pub const DISTRIBUTIONS: [Distribution; 4] = [
    Distribution {
        id: "debian",
        version: "12",
        title: "Debian 12",
        tested: true,
        packages: [
            ("python3", "3.11"),
            ("systemd", "252"),
            ("nftables", "1.0.6"),
            ("nginx", "1.22"),
            ("apache2", "2.4"),
            ("docker.io", "20.10"),
        ],
        beside: &[],
    },
    Distribution {
        id: "debian",
        version: "13",
        title: "Debian 13",
        tested: false,
        packages: [
            ("python3", "3.13"),
            ("systemd", "257"),
            ("nftables", "1.1.3"),
            ("nginx", "1.26"),
            ("apache2", "2.4"),
            ("docker.io", "26.1"),
        ],
        beside: &[("docker.io", "docker-cli")],
    },
    Distribution {
        id: "ubuntu",
        version: "22.04",
        title: "Ubuntu 22.04",
        tested: false,
        packages: [
            ("python3", "3.10"),
            ("systemd", "249"),
            ("nftables", "1.0.2"),
            ("nginx", "1.18"),
            ("apache2", "2.4"),
            ("docker.io", "20.10 or later"),
        ],
        beside: &[],
    },
    Distribution {
        id: "ubuntu",
        version: "24.04",
        title: "Ubuntu 24.04",
        tested: false,
        packages: [
            ("python3", "3.12"),
            ("systemd", "255"),
            ("nftables", "1.0.9"),
            ("nginx", "1.24"),
            ("apache2", "2.4"),
            ("docker.io", "24.0 or later"),
        ],
        beside: &[],
    },
];

impl Distribution {
    /// The one that a server runs, where it is known.
    pub fn of(os: &Os) -> Option<&'static Self> {
        DISTRIBUTIONS
            .iter()
            .find(|one| one.id == os.id && one.version == os.version)
    }

    /// Whether releases of this family are known at all.
    pub(super) fn is_family(id: &str) -> bool {
        DISTRIBUTIONS.iter().any(|one| one.id == id)
    }

    /// What goes with these packages here.
    pub(super) fn beside<'a>(
        &self,
        packages: &'a [String],
    ) -> impl Iterator<Item = &'static str> + use<'a> {
        let pairs = self.beside.iter();
        pairs
            .filter(|(one, _)| packages.iter().any(|package| package == one))
            .map(|(_, other)| *other)
    }

    /// All of them in a sentence.
    pub(super) fn list() -> String {
        DISTRIBUTIONS.map(|one| one.title).join(", ")
    }
}
