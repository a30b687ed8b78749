//! The table `[rounds]`, and the numbers, words and durations of the tables beside the recipe.

use super::raw::RawRounds;
use super::reading::{Checked, Reading};
use super::{Rounds, SiteLoss};
use std::ops::RangeInclusive;
use toml::Spanned;

/// A phase longer than a week is a forgotten run.
const LONGEST_PHASE_S: u32 = 7 * 24 * 3600;

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
                Some(_) => Some(self.whole(&raw.quorum, "quorum", 3, 3..=250)?),
                None => None,
            },
            on_site_loss: self.choice(&raw.on_site_loss, "on_site_loss", &losses)?,
        })
    }

    fn seconds(&self, value: &Option<Spanned<String>>, key: &str, default: u32) -> Checked<u32> {
        let Some(value) = value else {
            return Ok(default);
        };
        let text = value.get_ref().as_str();
        let unit = |letter: char, seconds: u32| {
            let digits = text
                .strip_suffix(letter)
                .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
            digits.parse::<u32>().ok()?.checked_mul(seconds)
        };
        match unit('s', 1)
            .or_else(|| unit('m', 60))
            .or_else(|| unit('h', 3600))
        {
            Some(seconds) if (1..=LONGEST_PHASE_S).contains(&seconds) => Ok(seconds),
            _ => self.refuse(
                value.span(),
                format!("`{key}` is {text:?}"),
                "write \"30s\", \"10m\" or \"2h\", at most a week",
            ),
        }
    }

    pub(super) fn whole(
        &self,
        value: &Option<Spanned<u32>>,
        key: &str,
        default: u32,
        range: RangeInclusive<u32>,
    ) -> Checked<u32> {
        let Some(value) = value else {
            return Ok(default);
        };
        if range.contains(value.get_ref()) {
            return Ok(*value.get_ref());
        }
        let fix = format!("write {} to {}", range.start(), range.end());
        self.refuse(
            value.span(),
            format!("`{key}` is `{}`", value.get_ref()),
            fix,
        )
    }

    /// One of a few words; the first is the default.
    fn choice<T: Copy>(
        &self,
        value: &Option<Spanned<String>>,
        key: &str,
        words: &[(&str, T); 2],
    ) -> Checked<T> {
        let [first, second] = words;
        match value
            .as_ref()
            .map(|value| (value, value.get_ref().as_str()))
        {
            None => Ok(first.1),
            Some((_, word)) if word == first.0 => Ok(first.1),
            Some((_, word)) if word == second.0 => Ok(second.1),
            Some((value, word)) => {
                let fix = format!("write \"{}\" or \"{}\"", first.0, second.0);
                self.refuse(value.span(), format!("`{key}` is {word:?}"), fix)
            }
        }
    }
}
