//! The table `[rounds]` and its durations.

use super::raw::{RawRounds, Reading};
use super::{Rounds, SiteLoss};
use motet_toml::Checked;
use toml::Spanned;

/// A phase longer than a week is a forgotten run.
const LONGEST_PHASE_S: u32 = 7 * 24 * 3600;

/// The units of a span of time, in seconds.
const UNITS: [(char, u32); 3] = [('s', 1), ('m', 60), ('h', 3600)];

/// Seconds of a text in this unit.
fn of_unit(text: &str, letter: char, seconds: u32) -> Option<u32> {
    let digits = text
        .strip_suffix(letter)
        .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
    digits.parse::<u32>().ok()?.checked_mul(seconds)
}

impl Reading<'_> {
    pub(super) fn rounds(&self, raw: &RawRounds) -> Checked<Rounds> {
        let losses = [("pause", SiteLoss::Pause), ("continue", SiteLoss::Continue)];
        Ok(Rounds {
            join_s: self.seconds(&raw.join, "join", 30)?,
            share_s: self.seconds(&raw.share, "share", 30)?,
            upload_s: self.seconds(&raw.upload, "upload", 600)?,
            sign_s: self.seconds(&raw.sign, "sign", 30)?,
            reveal_s: self.seconds(&raw.reveal, "reveal", 30)?,
            quorum: match &raw.quorum {
                Some(_) => Some(self.file.whole(&raw.quorum, "quorum", 3, 3..=250)?),
                None => None,
            },
            on_site_loss: match &raw.on_site_loss {
                Some(word) => self.file.word(word, "on_site_loss", &losses)?,
                None => SiteLoss::Pause,
            },
        })
    }

    fn seconds(&self, value: &Option<Spanned<String>>, key: &str, default: u32) -> Checked<u32> {
        let Some(value) = value else {
            return Ok(default);
        };
        let text = value.get_ref().as_str();
        match UNITS
            .into_iter()
            .find_map(|(letter, seconds)| of_unit(text, letter, seconds))
        {
            Some(seconds) if (1..=LONGEST_PHASE_S).contains(&seconds) => Ok(seconds),
            _ => self.refuse(
                value.span(),
                format!("`{key}` is {text:?}"),
                "write \"30s\", \"10m\" or \"2h\", at most a week",
            ),
        }
    }
}
