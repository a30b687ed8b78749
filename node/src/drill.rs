//! A rehearsal of a lost site: the node ends its own process
//! when a round reaches a phase, or between two of its acts
//! there.

use motet_common::round::PhaseName;
use std::str::FromStr;

/// When the process ends itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drill {
    /// On entering this phase,
    pub phase: PhaseName,
    /// of this round (counted from 1), or of the first round that
    /// gets there;
    pub round: Option<u64>,
    /// there before this act (counted from 1) of what the node
    /// then does, where one is named.
    pub act: Option<u32>,
}

impl FromStr for Drill {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (phase, numbers) = match text.split_once(':') {
            Some((phase, numbers)) => (phase, Some(numbers)),
            None => (text, None),
        };
        let phase = PhaseName::parse(phase).ok_or_else(|| {
            format!("`{phase}` is not a phase: `join`, `share`, `upload`, `sign` or `reveal`")
        })?;
        let mut numbers = numbers.into_iter().flat_map(|numbers| numbers.split(':'));
        Ok(Self {
            phase,
            round: number(numbers.next(), "round")?.map(u64::from),
            act: number(numbers.next(), "act")?,
        })
    }
}

/// A number that may be left out.
fn number(text: Option<&str>, what: &str) -> Result<Option<u32>, String> {
    match text.map(str::parse::<u32>) {
        None => Ok(None),
        Some(Ok(number)) if number > 0 => Ok(Some(number)),
        Some(_) => Err(format!("the {what} after `:` is a number from 1")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drill_names_a_phase_and_perhaps_a_round_and_an_act() {
        let upload = PhaseName::Upload;
        assert_eq!(
            "upload".parse(),
            Ok(Drill {
                phase: upload,
                round: None,
                act: None
            })
        );
        assert_eq!(
            "upload:3".parse(),
            Ok(Drill {
                phase: upload,
                round: Some(3),
                act: None
            })
        );
        assert_eq!(
            "upload:3:2".parse(),
            Ok(Drill {
                phase: upload,
                round: Some(3),
                act: Some(2)
            })
        );
        for bad in [
            "",
            "train",
            "upload:",
            "upload:0",
            "upload:x",
            "upload:1:0",
            "released",
        ] {
            assert!(bad.parse::<Drill>().is_err(), "{bad}");
        }
    }
}
