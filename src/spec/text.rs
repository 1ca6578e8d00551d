//! The values of the spec that are written as text: how they are read, shown and described.

use super::model::{FloatingIpChoice, Memory, ReleaseSource, Source};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::{borrow::Cow, fmt, str::FromStr};

impl FromStr for FloatingIpChoice {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "none" => Ok(Self::None),
            other => other
                .parse()
                .map(Self::Address)
                .map_err(|_| "wants `auto`, `none` or an IPv4 address".to_owned()),
        }
    }
}

impl fmt::Display for FloatingIpChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::None => f.write_str("none"),
            Self::Address(address) => address.fmt(f),
        }
    }
}

impl FromStr for Source {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "operator" {
            return Ok(Self::Operator);
        }
        text.parse()
            .or_else(|_| text.parse::<std::net::IpAddr>().map(Into::into))
            .map(|net: ipnet::IpNet| Self::Net(net.trunc()))
            .map_err(|_| {
                "wants `operator` or a network in CIDR form such as 192.0.2.0/24".to_owned()
            })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator => f.write_str("operator"),
            Self::Net(net) => net.fmt(f),
        }
    }
}

impl FromStr for ReleaseSource {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if !text.contains("://") {
            return Ok(Self::Folder(text.into()));
        }
        text.parse()
            .map(Self::Url)
            .map_err(|error| format!("wants a folder or a URL: {error}"))
    }
}

impl fmt::Display for ReleaseSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => folder.display().fmt(f),
            Self::Url(url) => url.fmt(f),
        }
    }
}

impl FromStr for Memory {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "wants an amount of memory such as 512M, 1G or 1.5G".to_owned();
        let (number, unit) =
            text.split_at(text.find(|c: char| c.is_alphabetic()).ok_or_else(wrong)?);
        let unit: f64 = match unit {
            "M" | "MB" | "MiB" => 1024.0 * 1024.0,
            "G" | "GB" | "GiB" => 1024.0 * 1024.0 * 1024.0,
            _ => return Err(wrong()),
        };
        let number: f64 = number.trim().parse().map_err(|_| wrong())?;
        let bytes = number * unit;
        if !(1024.0 * 1024.0..=1e15).contains(&bytes) {
            return Err(wrong());
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "range checked above"
        )]
        Ok(Self {
            bytes: bytes as u64,
        })
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MEBI: u64 = 1024 * 1024;
        if self.bytes.is_multiple_of(1024 * MEBI) {
            write!(f, "{}G", self.bytes / (1024 * MEBI))
        } else {
            write!(f, "{}M", self.bytes / MEBI)
        }
    }
}

macro_rules! as_text {
    ($type:ty, $name:literal, $format:literal, $pattern:literal, $example:literal) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?
                    .parse()
                    .map_err(D::Error::custom)
            }
        }
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string", "format": $format, "pattern": $pattern, "examples": [$example]
                })
            }
        }
    };
}

as_text!(
    FloatingIpChoice,
    "FloatingIp",
    "floating-ip",
    r"^(auto|none|[0-9]{1,3}(\.[0-9]{1,3}){3})$",
    "auto"
);
as_text!(
    Source,
    "Source",
    "source",
    r"^(operator|[0-9a-fA-F:.]+(/[0-9]{1,3})?)$",
    "192.0.2.0/24"
);
as_text!(
    Memory,
    "Memory",
    "memory",
    r"^[0-9]+(\.[0-9]+)?(M|MB|MiB|G|GB|GiB)$",
    "1G"
);
as_text!(
    ReleaseSource,
    "ReleaseSource",
    "release-source",
    r"^.+$",
    "target/release"
);
