//! Advice before a study is proposed: what the line-up allows, and what a steward will ask about.

use super::{Floors, LEAST_ROWS, SiteLoss, Study};
use motet_recipes::{AnyMethod, FedAvg, Subgroups, Weight, fraction_bits, most_rows};
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

/// A shorter question does not tell a steward what is asked.
const SHORT_QUESTION: usize = 25;

impl Study {
    /// Everything worth saying about this study with `sites` enrolled sites (those it names, if it
    /// names any), errors first. A study with an error is refused.
    pub fn lint(&self, sites: usize) -> Vec<Finding> {
        let mut found = Vec::new();
        let mut say = |severity, message: String| found.push(Finding { severity, message });
        let line_up = if self.sites.is_empty() {
            sites
        } else {
            self.sites.len()
        };
        if line_up > sites {
            say(
                Severity::Error,
                format!(
                    "the study names `{line_up}` sites, `{sites}` are enrolled; invite the others first"
                ),
            );
        }
        match self.thresholds(line_up) {
            Err(error) => say(Severity::Error, error.to_string()),
            Ok(thresholds) => self.lint_line_up(line_up, thresholds, &mut say),
        }
        if self.rounds.on_site_loss == SiteLoss::Continue {
            let message = "`on_site_loss = \"continue\"`: if a site leaves during a run, its own statistics become computable \
                           by difference; the card tells every steward so, and a site approves it only with \
                           `max_set_change = 1` in its node.toml";
            say(Severity::Warning, message.into());
        }
        if self.privacy.min_rows < LEAST_ROWS {
            let message = format!(
                "`min_rows` is `{}`; no site takes part with fewer than {LEAST_ROWS}, whatever a study says",
                self.privacy.min_rows
            );
            say(Severity::Warning, message);
        }
        if let Some(below) = self.below(&Floors {
            extremes: true,
            exact_times: true,
            ..Floors::default()
        }) {
            say(Severity::Error, format!("the study {below}"));
        } else if let Some(below) = self.below(&Floors::default()) {
            say(Severity::Warning, format!("the study {below}"));
        }
        if self.question.chars().count() < SHORT_QUESTION {
            say(
                Severity::Warning,
                "`question` is very short; a steward reads it to decide".into(),
            );
        }
        if let Some(asked) = self.recipe.judged.as_ref() {
            self.lint_groups(asked, &mut say);
        }
        if let AnyMethod::FedAvg(method) = &self.recipe.method {
            if method.weight == Weight::Equal {
                say(
                    Severity::Note,
                    "`weight = \"equal\"`: a small site counts as much as a large one".into(),
                );
            }
            self.lint_ring(method, line_up, &mut say);
        }
        found.sort_by_key(|finding| finding.severity);
        found
    }

    /// What the judgement of the model asks of stewards, and of the number of sites.
    fn lint_groups(&self, asked: &Subgroups, say: &mut impl FnMut(Severity, String)) {
        if asked.sites {
            let message = "`sites = true`: only sites with `own_metrics = true` in their node.toml tell their own figures; the card calls \
                           it a disclosure";
            say(Severity::Note, message.into());
        }
        if !asked.groups.is_empty() {
            let message = format!(
                "a group of fewer than `{}` sites is not shown unless all of them tell their own figures: so a country with one \
                 hospital, for instance",
                asked.min_sites
            );
            say(Severity::Note, message);
        }
    }

    /// What a narrow ring leaves: bits after the point, and rows that it can count.
    fn lint_ring(&self, method: &FedAvg, line_up: usize, say: &mut impl FnMut(Severity, String)) {
        let bits = method.ring.bits();
        if let Some(needed) = self.recipe.method.too_narrow(line_up) {
            let message =
                format!("`ring = {bits}` leaves `{line_up}` sites too few bits; write `{needed}`");
            return say(Severity::Error, message);
        }
        let sites = u32::try_from(line_up).unwrap_or(u32::MAX);
        if let (true, Some(fraction)) = (bits < 32, fraction_bits(method.ring, sites)) {
            let rows = most_rows(method.ring, sites);
            let message = format!(
                "`ring = {bits}`: `{line_up}` sites round each change of the model to 2^-{fraction}; with more than `{rows}` \
                 rows together, the next wider ring is taken"
            );
            say(Severity::Note, message);
        }
    }

    fn lint_line_up(
        &self,
        line_up: usize,
        thresholds: Thresholds,
        say: &mut impl FnMut(Severity, String),
    ) {
        let Thresholds {
            colluders,
            threshold,
            survivors,
        } = thresholds;
        let spare = line_up - survivors;
        say(
            Severity::Note,
            format!(
                "with `{line_up}` sites, `{survivors}` must stay in every sum and `{threshold}` must open it: `{spare}` may \
                 drop out; holds while at most `{colluders}` collude with the coordinator"
            ),
        );
        match self.rounds.quorum.map(|quorum| quorum as usize) {
            Some(quorum) if quorum < survivors => say(
                Severity::Error,
                format!(
                    "`quorum` is `{quorum}`, but `{survivors}` sites must stay in the sum; write `{survivors}` or leave it out"
                ),
            ),
            Some(quorum) if quorum > line_up => {
                say(
                    Severity::Error,
                    format!(
                        "`quorum` is `{quorum}`, but only `{line_up}` sites take part; write at most that"
                    ),
                );
            }
            _ => {}
        }
        if spare == 0 {
            say(
                Severity::Warning,
                "no drop-out is tolerated: one site away and nothing is opened".into(),
            );
        }
        if line_up == 3 {
            say(
                Severity::Warning,
                "with 3 sites, one that colludes with the coordinator learns the sum of the other two".into(),
            );
        } else if default_h_min(line_up) < 3 {
            let message = "with 4 sites, one colluding and one dropping out leave a site mixed with one honest other";
            say(Severity::Warning, message.into());
        }
    }
}
