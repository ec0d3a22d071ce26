// SPDX-License-Identifier: Apache-2.0
//! Protocol versions, the two eras, and sets of versions.

/// How a message states its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Era {
    /// Up to 2025-11-25: a handshake, sessions, streams opened by GET.
    Legacy,
    /// From 2026-07-28: version and capabilities in every request, mirrored headers, no session.
    Modern,
}

/// A published protocol version; the order is the order of age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// `2024-11-05`
    V2024_11_05,
    /// `2025-03-26`
    V2025_03_26,
    /// `2025-06-18`
    V2025_06_18,
    /// `2025-11-25`
    V2025_11_25,
    /// `2026-07-28`
    V2026_07_28,
}

impl Version {
    /// Every version, oldest first.
    pub const ALL: [Version; 5] = [
        Version::V2024_11_05,
        Version::V2025_03_26,
        Version::V2025_06_18,
        Version::V2025_11_25,
        Version::V2026_07_28,
    ];

    /// What a legacy request without a version header counts as.
    pub const ASSUMED: Version = Version::V2025_03_26;

    /// The version of exactly that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Version> {
        Version::written(text.as_bytes())
    }

    /// The same of a text that nobody has looked at yet.
    #[must_use]
    pub fn written(text: &[u8]) -> Option<Version> {
        // Whole names are compared: patterns of bytes would be compared byte by byte.
        let is = |name: &str| text == name.as_bytes();
        if is("2025-11-25") {
            Some(Version::V2025_11_25)
        } else if is("2026-07-28") {
            Some(Version::V2026_07_28)
        } else if is("2025-06-18") {
            Some(Version::V2025_06_18)
        } else if is("2025-03-26") {
            Some(Version::V2025_03_26)
        } else if is("2024-11-05") {
            Some(Version::V2024_11_05)
        } else {
            None
        }
    }

    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Version::V2024_11_05 => "2024-11-05",
            Version::V2025_03_26 => "2025-03-26",
            Version::V2025_06_18 => "2025-06-18",
            Version::V2025_11_25 => "2025-11-25",
            Version::V2026_07_28 => "2026-07-28",
        }
    }

    /// The era it belongs to.
    #[must_use]
    pub fn era(self) -> Era {
        match self {
            Version::V2024_11_05 | Version::V2025_03_26 | Version::V2025_06_18 | Version::V2025_11_25 => {
                Era::Legacy
            }
            Version::V2026_07_28 => Era::Modern,
        }
    }

    fn bit(self) -> u8 {
        match self {
            Version::V2024_11_05 => 1,
            Version::V2025_03_26 => 2,
            Version::V2025_06_18 => 4,
            Version::V2025_11_25 => 8,
            Version::V2026_07_28 => 16,
        }
    }
}

/// The versions a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionSet(u8);

impl VersionSet {
    /// No version.
    pub const EMPTY: VersionSet = VersionSet(0);
    /// Every published version.
    pub const ALL: VersionSet = VersionSet(31);
    /// What a server speaks unless configured: every version of the streamable HTTP transport.
    pub const STREAMABLE: VersionSet = VersionSet(30);

    /// This set and one version more.
    #[must_use]
    pub fn with(self, version: Version) -> VersionSet {
        VersionSet(self.0 | version.bit())
    }

    /// Whether the version is in the set.
    #[must_use]
    pub fn contains(self, version: Version) -> bool {
        self.0 & version.bit() != 0
    }

    /// The versions in the set, oldest first.
    pub fn iter(self) -> impl Iterator<Item = Version> {
        Version::ALL.into_iter().filter(move |version| self.contains(*version))
    }

    /// The newest version of an era in the set.
    #[must_use]
    pub fn newest(self, era: Era) -> Option<Version> {
        self.iter().filter(|version| version.era() == era).last()
    }
}

impl FromIterator<Version> for VersionSet {
    fn from_iter<I: IntoIterator<Item = Version>>(versions: I) -> VersionSet {
        versions.into_iter().fold(VersionSet::EMPTY, VersionSet::with)
    }
}
