//! A rehearsal of a lost site: the node ends its own process when a round reaches a phase.

use motet_common::round::PhaseName;
use std::str::FromStr;

/// When the process ends itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drill {
    /// On entering this phase,
    pub phase: PhaseName,
    /// of this round (counted from 1), or of the first round that gets there.
    pub round: Option<u64>,
}

impl FromStr for Drill {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (phase, round) = text.split_once(':').map_or((text, None), |(phase, round)| (phase, Some(round)));
        let phase = PhaseName::parse(phase).ok_or_else(|| {
            format!("`{phase}` is not a phase: `join`, `share`, `upload`, `sign` or `reveal`")
        })?;
        let round = match round.map(str::parse::<u64>) {
            None => None,
            Some(Ok(round)) if round > 0 => Some(round),
            Some(_) => return Err("the round after `:` is a number from 1".to_owned()),
        };
        Ok(Self { phase, round })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drill_names_a_phase_and_perhaps_a_round() {
        assert_eq!("upload".parse(), Ok(Drill { phase: PhaseName::Upload, round: None }));
        assert_eq!("reveal:3".parse(), Ok(Drill { phase: PhaseName::Reveal, round: Some(3) }));
        for bad in ["", "train", "upload:", "upload:0", "upload:x", "released"] {
            assert!(bad.parse::<Drill>().is_err(), "{bad}");
        }
    }
}
