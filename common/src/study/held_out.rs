//! Patients that a study holds out of its fit:
//! `test_fraction` under `[data]`. Which they are is
//! decided at each site when the rows are frozen; the
//! finished model is judged on them.

use super::Study;
use super::raw::{RawData, RawEvaluation, Reading};
use motet_recipes::subgroups::Measure;
use motet_toml::Checked;
use std::ops::RangeInclusive;
use toml::Spanned;

/// What may be held out. Of less too few are left to judge
/// by, of more too few to fit.
const FRACTIONS: RangeInclusive<f64> = 0.05..=0.5;

impl Reading<'_> {
    /// The share that is held out; 0 where none is.
    pub(super) fn test_fraction(&self, raw: &RawData) -> Checked<f64> {
        match &raw.test_fraction {
            None => Ok(0.0),
            Some(share) if *share.get_ref() == 0.0 => Ok(0.0),
            Some(share) if FRACTIONS.contains(share.get_ref()) => Ok(*share.get_ref()),
            Some(share) => self.refuse(
                share.span(),
                format!("`test_fraction` is `{}`", share.get_ref()),
                format!(
                    "write a share from {} to {}, or leave it out to hold nobody out",
                    FRACTIONS.start(),
                    FRACTIONS.end()
                ),
            ),
        }
    }

    /// Folds are a mistake, as long as no study has them.
    pub(super) fn no_folds(&self, raw: &RawEvaluation) -> Checked<()> {
        match &raw.folds {
            None => Ok(()),
            Some(folds) => self.refuse(
                folds.span(),
                "`folds` is not available in this version",
                "write `test_fraction` under [data], which holds one part of the patients out",
            ),
        }
    }

    /// Why nobody can be held out, in the line that asks for
    /// it.
    pub(super) fn nobody_held_out<T>(&self, raw: &RawData, problem: String) -> Checked<T> {
        let place = raw.test_fraction.as_ref().map_or(0..0, Spanned::span);
        self.refuse(place, problem, "remove `test_fraction`")
    }
}

impl Study {
    /// The share of patients that is held out, where some are.
    pub fn held_out(&self) -> Option<f64> {
        Some(self.data.test_fraction).filter(|share| *share > 0.0)
    }

    /// About how many in a hundred.
    fn percent_held_out(&self) -> Option<String> {
        let share = self.held_out()?;
        Some(format!("{} %", (share * 1e4).round() / 1e2))
    }

    /// Who is held out, in sentences about the data for the
    /// steward.
    pub(super) fn holds_out(&self) -> Option<String> {
        let percent = self.percent_held_out()?;
        let least = self.privacy.min_rows;
        Some(format!(
            "held out: about {percent} of these patients are put aside when you approve, drawn by a \
             secret of your site from the text of this \
             study and the key of each patient; with \
             another text they are others. The model is \
             fitted on the rest, and judged on both. Your \
             schema must name its `key`, a patient without one is left out, and your site takes part \
             only where each of the two parts has at \
             least {least} patients, or more where your \
             node.toml says so"
        ))
    }

    /// What is added up of both parts, for the steward.
    pub(super) fn held_out_adds_up(&self, enough: &str) -> Option<String> {
        let asked = self
            .recipe
            .judged
            .as_ref()
            .filter(|asked| asked.holds_out())?;
        let figures = match self.judged_as() {
            Measure::Risk => {
                "a histogram of the predicted risk with and without the outcome, the risks, \
                 the squared errors, and in \
                 further rounds the sums of a line of \
                 calibration"
            }
            Measure::Number => "the outcome and the model's errors, and their squares",
            Measure::Time => "how many pairs of patients at one site the model ranks rightly",
        };
        let unlike = match self.judged_as() {
            Measure::Time => "",
            Measure::Risk | Measure::Number => {
                "what the model predicts, its squares, and whether a patient is unlike all others; and \
                 where none is: "
            }
        };
        Some(format!(
            "when the model is finished, of the patients it was fitted on, and of those held out: how \
             many sites, patients and of them with the \
             outcome; and then, where there are at least {} \
             patients ({enough}) from at least {} sites: {unlike}{figures}",
            asked.min_cell, asked.min_sites
        ))
    }

    /// What that shows of few, for the steward.
    pub(super) fn held_out_shows(&self) -> Option<String> {
        self.held_out()?;
        let unlike = match self.judged_as() {
            Measure::Time => "",
            Measure::Risk | Measure::Number => {
                ". Before a figure of a part is asked for each site says yes or no, and the sum shows how \
                 many say yes: whether what the model \
                 predicts for one of its patients has \
                 nearly half of the spread of all \
                 predictions, or more; of a part with one \
                 yes nothing further is asked. Of less \
                 than that the figures of few patients \
                 may still show something of one's outcome, and of three \
                 patients alike, and a site that lies in it is not found out"
            }
        };
        Some(format!(
            "the first sum about the two parts shows how many patients are held out, and how many of \
             them have the outcome, however few. Another \
             study that asks the same of the same \
             patients and holds out none, or others, \
             shows by the difference what those held out \
             here, or there, add up to at all its sites together, \
             of one patient and of what is not shown here, too; a card \
             of the second says so{unlike}"
        ))
    }

    /// What a proposer should know of it.
    pub(super) fn lint_held_out(&self) -> Option<String> {
        let share = self.held_out()?;
        // So many that the smaller part, a binomial number, rarely has fewer: 1.7 of its errors.
        let spread = 1.7 * (share * (1.0 - share)).sqrt();
        let rows = f64::from(self.privacy.min_rows);
        let root = (spread + (spread * spread + 4.0 * share * rows).sqrt()) / (2.0 * share);
        let least = (root * root).ceil();
        Some(format!(
            "`test_fraction = {share}`: a site needs `min_rows` patients in each part, so about \
             `{least}` in all, and a `key` in its schema; others decline"
        ))
    }
}
