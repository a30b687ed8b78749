//! A rehearsal of a lost coordinator: the process ends itself before or after it writes one entry
//! of one round.

use std::str::FromStr;

/// When the process ends itself: `ROUND:ENTRY`, or `ROUND:ENTRY+` for after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drill {
    /// The round, counted from 1.
    pub round: u64,
    /// Which of the entries that are written about it, counted from 1; the first is its plan. After
    /// the last round come the result and who cosigned it.
    pub entry: u32,
    /// After the entry is written, and before it.
    pub after: bool,
}

impl Drill {
    /// Ends the process, as a power cut would, where it is due: `count` is the number of the entry
    /// at hand.
    pub(crate) fn at(self, round: u64, count: u32, after: bool) {
        if (self.round, self.entry, self.after) == (round, count, after) {
            tracing::warn!(round, entry = count, "drill: this process ends here");
            std::process::abort();
        }
    }
}

impl FromStr for Drill {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not ROUND:ENTRY or ROUND:ENTRY+, each a number from 1");
        let (numbers, after) = text
            .strip_suffix('+')
            .map_or((text, false), |numbers| (numbers, true));
        let (round, entry) = numbers.split_once(':').ok_or_else(wrong)?;
        let round = round.parse().map_err(|_| wrong())?;
        let entry = entry.parse().map_err(|_| wrong())?;
        if round == 0 || entry == 0 {
            Err(wrong())
        } else {
            Ok(Self {
                round,
                entry,
                after,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drill_names_a_round_and_an_entry() {
        assert_eq!(
            "3:12".parse(),
            Ok(Drill {
                round: 3,
                entry: 12,
                after: false
            })
        );
        assert_eq!(
            "3:12+".parse(),
            Ok(Drill {
                round: 3,
                entry: 12,
                after: true
            })
        );
        for bad in ["", "3", "3:", "0:1", "1:0", "1:x", "1:2-"] {
            assert!(bad.parse::<Drill>().is_err(), "{bad}");
        }
    }
}
