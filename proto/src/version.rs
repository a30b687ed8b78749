//! The version of what travels: a major number that both sides must share, and a minor one, of
//! which the smaller counts.
//!
//! A higher minor adds fields and messages that an older peer does without; protobuf skips what it
//! does not know. Another major is another protocol, and whoever meets it says so instead of
//! guessing.

use motet_common::refusal::{Code, Refusal};
use motet_secagg::message::VERSION;
use std::fmt;

/// The minor this release speaks: 1 says the minor, which 0 did not; 2 lets a download go on where
/// it broke and says which decisions are known; 3 has a catalogue.
pub const MINOR: u32 = 3;

/// The longest name of a release that is repeated to a person.
const MOST_SOFTWARE: usize = 40;

/// A protocol version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Both sides must share it.
    pub major: u32,
    /// The smaller of both counts; 0 where a peer says none.
    pub minor: u32,
}

/// What one side speaks.
#[derive(Debug, Clone)]
pub struct Side<'a> {
    /// Its protocol.
    pub version: Version,
    /// Its release.
    pub software: &'a str,
}

impl Version {
    /// Whether the coordinator sends the rest of a download, and not the whole again.
    pub fn resumes(self) -> bool {
        self.minor >= 2
    }

    /// Whether the coordinator keeps a catalogue.
    pub fn has_catalogue(self) -> bool {
        self.minor >= 3
    }

    /// What this release speaks.
    pub fn ours() -> Self {
        Self {
            major: u32::from(VERSION),
            minor: MINOR,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// What a node and a coordinator will speak with each other.
///
/// # Errors
/// `version_unknown` for two majors, with both versions and the release to install at the node.
pub fn agree(node: &Side<'_>, coordinator: &Side<'_>) -> Result<Version, Refusal> {
    if node.version.major == coordinator.version.major {
        return Ok(node.version.min(coordinator.version));
    }
    let theirs = release(node);
    let ours = release(coordinator);
    let detail = format!(
        "the node speaks protocol {} (motet `{theirs}`), the coordinator {} \
         (motet `{ours}`): install motet `{ours}` at \
         the node",
        node.version, coordinator.version
    );
    Err(Refusal::new(Code::VersionUnknown, detail))
}

fn release(side: &Side<'_>) -> String {
    side.software
        .chars()
        .filter(|letter| letter.is_ascii_graphic())
        .take(MOST_SOFTWARE)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(major: u32, minor: u32, software: &str) -> Side<'_> {
        Side {
            version: Version { major, minor },
            software,
        }
    }

    #[test]
    fn the_smaller_minor_counts_whoever_says_it() {
        for (node, coordinator, agreed) in [(0, 1, 0), (1, 0, 0), (1, 1, 1), (7, 1, 1)] {
            let version = agree(&side(1, node, "a"), &side(1, coordinator, "b")).unwrap();
            assert_eq!(
                version,
                Version {
                    major: 1,
                    minor: agreed
                }
            );
        }
    }

    #[test]
    fn another_major_is_refused_with_both_versions_and_what_to_install() {
        let refusal = agree(&side(1, 1, "0.1.0"), &side(2, 0, "0.9.0\u{1b}[2J")).unwrap_err();
        assert_eq!(refusal.code, Code::VersionUnknown);
        for part in [
            "1.1",
            "2.0",
            "`0.1.0`",
            "install motet `0.9.0[2J` at the node",
        ] {
            assert!(refusal.detail.contains(part), "{part}: {}", refusal.detail);
        }
        assert!(
            agree(&side(0, 9, "a"), &side(1, 1, "b")).is_err(),
            "an older major is another protocol too"
        );
    }
}
