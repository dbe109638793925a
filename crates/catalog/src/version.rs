//! Versions as the catalogue writes them: `12`, `9.6`, `1.10`. Two numbers, compared as numbers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A server's major version (`12`, `9.6`) or an extension's version (`1.10`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Version {
    /// The number before the dot.
    pub major: u32,
    /// The number after the dot; 0 where there is none.
    pub minor: u32,
}

/// A text that is not a version.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not a version: expected one or two numbers with a dot, such as 12, 9.6 or 1.10")]
pub struct VersionError(String);

impl Version {
    /// The major version of a server from its `server_version_num`: 90624 is 9.6, 170004 is 17.
    #[must_use]
    pub const fn of_server(server_version_num: u32) -> Self {
        if server_version_num >= 100_000 {
            Self { major: server_version_num / 10_000, minor: 0 }
        } else {
            Self { major: server_version_num / 10_000, minor: server_version_num / 100 % 100 }
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A server from 10 on has one number; extensions and older servers have two.
        if self.minor == 0 && self.major >= 10 {
            write!(f, "{}", self.major)
        } else {
            write!(f, "{}.{}", self.major, self.minor)
        }
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let number = |part: &str| match part.parse::<u32>() {
            Ok(n) if part.bytes().all(|b| b.is_ascii_digit()) => Ok(n),
            _ => Err(VersionError(text.to_owned())),
        };
        match text.split_once('.') {
            None => Ok(Self { major: number(text)?, minor: 0 }),
            Some((major, minor)) => Ok(Self { major: number(major)?, minor: number(minor)? }),
        }
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

impl TryFrom<String> for Version {
    type Error = VersionError;

    fn try_from(text: String) -> Result<Self, VersionError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn compares_as_numbers_and_reads_server_version_num() {
        let parse = |text: &str| text.parse::<Version>().expect("a version");
        assert!(parse("1.9") < parse("1.10"));
        assert!(parse("9.6") < parse("12"));
        assert_eq!(Version::of_server(90_624), parse("9.6"));
        assert_eq!(Version::of_server(170_004), parse("17"));
        assert_eq!(parse("12").to_string(), "12");
        assert_eq!(parse("1.10").to_string(), "1.10");
        for bad in ["", "a", "1.", ".1", "1.2.3", "-1", "+1", "1.x"] {
            assert!(bad.parse::<Version>().is_err(), "{bad:?} must be refused");
        }
    }
}
