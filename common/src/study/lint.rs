//! Advice before a study is proposed: what the line-up allows, and what a steward will ask about.

use super::ranges::in_words;
use super::{Floors, LEAST_ROWS, SiteLoss, Study};
use motet_recipes::{Remark, Subgroups};
use motet_secagg::threshold::{Thresholds, default_h_min};
use std::fmt;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The study cannot run like this.
    Error,
    /// It can run; a steward should know.
    Warning,
    /// A number to know.
    Note,
}

/// One remark about a study.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What it is and what to do.
    pub message: String,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.severity, self.message)
    }
}

impl Severity {
    fn of(self, message: impl Into<String>) -> Finding {
        Finding {
            severity: self,
            message: message.into(),
        }
    }
}

/// A shorter question does not tell a steward what is asked.
const SHORT_QUESTION: usize = 25;

impl Study {
    /// Everything worth saying about this study with `sites` enrolled sites (those it names, if it
    /// names any), errors first. A study with an error is refused.
    pub fn lint(&self, sites: usize) -> Vec<Finding> {
        let mut found = Vec::new();
        let line_up = if self.sites.is_empty() {
            sites
        } else {
            self.sites.len()
        };
        if line_up > sites {
            found.push(Severity::Error.of(format!(
                "the study names `{line_up}` sites, `{sites}` are enrolled; invite the others first"
            )));
        }
        match self.thresholds(line_up) {
            Err(error) => found.push(Severity::Error.of(error.to_string())),
            Ok(thresholds) => self.lint_line_up(line_up, thresholds, &mut found),
        }
        if self.rounds.on_site_loss == SiteLoss::Continue {
            let message = "`on_site_loss = \"continue\"`: if a site leaves during a run, \
                its own statistics become computable \
                           by difference; the card tells every steward \
                           so, and a site approves it only with \
                           `max_set_change = 1` in its node.toml";
            found.push(Severity::Warning.of(message));
        }
        if self.privacy.min_rows < LEAST_ROWS {
            let message = format!(
                "`min_rows` is `{}`; no site takes part with fewer than {LEAST_ROWS}, whatever a study says",
                self.privacy.min_rows
            );
            found.push(Severity::Warning.of(message));
        }
        if let Some(below) = self.below(&Floors {
            extremes: true,
            exact_times: true,
            ..Floors::default()
        }) {
            found.push(Severity::Error.of(format!("the study {below}")));
        } else if let Some(below) = self.below(&Floors::default()) {
            found.push(Severity::Warning.of(format!("the study {below}")));
        }
        if self.question.chars().count() < SHORT_QUESTION {
            found.push(
                Severity::Warning.of("`question` is very short; a steward reads it to decide"),
            );
        }
        if let Some(asked) = self.recipe.judged.as_ref() {
            self.lint_groups(asked, &mut found);
        }
        self.lint_meanings(&mut found);
        // A roster has no more than 250 sites.
        for remark in self.recipe.method.remarks(line_up as u32) {
            found.push(match remark {
                Remark::Refused(message) => Severity::Error.of(message),
                Remark::Note(message) => Severity::Note.of(message),
            });
        }
        found.sort_by_key(|finding| finding.severity);
        found
    }

    /// Numbers of which the study does not say what one is.
    fn lint_meanings(&self, found: &mut Vec<Finding>) {
        let units = self.without_unit();
        if !units.is_empty() {
            found.push(Severity::Note.of(format!(
                "no unit of {}: a site with another one is neither converted nor refused; \
                 write `unit` under `[data.columns.NAME]` (or `type = \"bool\"` of yes and no)",
                in_words(&units)
            )));
        }
        let ranges = self.without(|meaning| meaning.range.is_none());
        if !ranges.is_empty() {
            found.push(Severity::Note.of(format!(
                "no plausible range of {}: no site hears that its values look like those of \
                 another unit; write `range` under `[data.columns.NAME]`",
                in_words(&ranges)
            )));
        }
    }

    /// What the judgement of the model asks of stewards, and of the number of sites.
    fn lint_groups(&self, asked: &Subgroups, found: &mut Vec<Finding>) {
        if asked.sites {
            let message = "`sites = true`: only sites with `own_metrics = true` in their \
                node.toml tell their own figures; the card calls \
                           it a disclosure";
            found.push(Severity::Note.of(message));
        }
        found.extend(self.lint_held_out().map(|said| Severity::Note.of(said)));
        if asked.in_columns().next().is_some() {
            let message = format!(
                "a group of fewer than `{}` sites is not shown unless all of them \
                 tell their own figures: so a country with one \
                 hospital, for instance",
                asked.min_sites
            );
            found.push(Severity::Note.of(message));
        }
    }

    fn lint_line_up(&self, line_up: usize, thresholds: Thresholds, found: &mut Vec<Finding>) {
        let Thresholds {
            colluders,
            threshold,
            survivors,
        } = thresholds;
        let spare = line_up - survivors;
        found.push(Severity::Note.of(format!(
            "with `{line_up}` sites, `{survivors}` must stay in every sum and \
                 `{threshold}` must open it: `{spare}` may \
                 drop out; holds while at most `{colluders}` collude with the coordinator"
        )));
        match self.rounds.quorum.map(|quorum| quorum as usize) {
            Some(quorum) if quorum < survivors => found.push(Severity::Error.of(format!(
                "`quorum` is `{quorum}`, but `{survivors}` sites must stay in \
                     the sum; write `{survivors}` or leave it out"
            ))),
            Some(quorum) if quorum > line_up => {
                found.push(Severity::Error.of(
                    format!(
                        "`quorum` is `{quorum}`, but only `{line_up}` sites take part; write at most that"
                    ),
                ));
            }
            _ => {}
        }
        if spare == 0 {
            found.push(
                Severity::Warning
                    .of("no drop-out is tolerated: one site away and nothing is opened"),
            );
        }
        if line_up == 3 {
            found.push(Severity::Warning.of(
                "with 3 sites, one that colludes with the coordinator learns the sum of the other two",
            ));
        } else if default_h_min(line_up) < 3 {
            let message = "with 4 sites, one colluding and one dropping out leave \
                a site mixed with one honest other";
            found.push(Severity::Warning.of(message));
        }
    }
}
