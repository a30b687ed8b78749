//! What a phase is called outside: in study files, flags and documents.

/// The outside name of a phase: the words of code, study files, `--drop` and documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PhaseName {
    /// Adverts.
    Join,
    /// Shares.
    Share,
    /// Masked vectors.
    Upload,
    /// Signatures over the set.
    Sign,
    /// Opened shares, then folding.
    Reveal,
    /// The sum is public.
    Released,
    /// The attempt ended without a sum.
    Abandoned,
}

impl PhaseName {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::Share => "share",
            Self::Upload => "upload",
            Self::Sign => "sign",
            Self::Reveal => "reveal",
            Self::Released => "released",
            Self::Abandoned => "abandoned",
        }
    }

    /// The phase of this name.
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Join,
            Self::Share,
            Self::Upload,
            Self::Sign,
            Self::Reveal,
        ]
        .into_iter()
        .find(|p| p.as_str() == text)
    }
}
