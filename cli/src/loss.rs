//! `--drop SITE@PHASE[:ROUND]`: which node's process ends itself, and when.

use motet_common::round::PhaseName;
use std::str::FromStr;

/// The round when nobody says: the third Newton round of a logistic fit, after moments, spread and
/// two Newton rounds.
const USUAL_ROUND: u64 = 5;

/// A node that is lost on purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The site.
    pub site: String,
    /// The phase it reaches and does not finish.
    pub phase: PhaseName,
    /// The round, from 1.
    pub round: u64,
}

impl Loss {
    /// As `motet node run --drill` takes it.
    pub(super) fn drill(&self) -> String {
        format!("{}:{}", self.phase.as_str(), self.round)
    }
}

impl FromStr for Loss {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (site, rest) = text
            .split_once('@')
            .filter(|(site, _)| !site.is_empty())
            .ok_or("write SITE@PHASE or SITE@PHASE:ROUND, for instance ITAL@upload")?;
        let (phase, round) = rest
            .split_once(':')
            .map_or((rest, None), |(phase, round)| (phase, Some(round)));
        let phase = PhaseName::parse(phase).ok_or_else(|| {
            format!("`{phase}` is not a phase: join, share, upload, sign or reveal")
        })?;
        let round = match round.map(str::parse::<u64>) {
            None => USUAL_ROUND,
            Some(Ok(round)) if round > 0 => round,
            Some(_) => return Err("the round after `:` is a number from 1".to_owned()),
        };
        Ok(Self {
            site: site.to_owned(),
            phase,
            round,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_names_a_site_a_phase_and_perhaps_a_round() {
        let loss: Loss = "ITAL@upload".parse().unwrap();
        assert_eq!(
            (loss.site.as_str(), loss.phase, loss.round),
            ("ITAL", PhaseName::Upload, 5)
        );
        assert_eq!(loss.drill(), "upload:5");
        assert_eq!("va@reveal:2".parse::<Loss>().unwrap().drill(), "reveal:2");
        for bad in [
            "",
            "ITAL",
            "@upload",
            "ITAL@",
            "ITAL@train",
            "ITAL@upload:",
            "ITAL@upload:0",
            "ITAL@upload:x",
            "ITAL@released",
        ] {
            assert!(bad.parse::<Loss>().is_err(), "{bad}");
        }
    }
}
