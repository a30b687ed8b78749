//! Under what a study was approved, held against the site's limits of now.

use super::{AtSite, Proposal, Standing, Studies};
use crate::home::Paths;
use crate::records::Under;
use crate::settings::Settings;
use motet_common::opening::Lifted;
use motet_common::refusal::{Code, Refusal};
use motet_common::study::Date;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;

impl Studies {
    /// Under what the decision that stands was made.
    pub(crate) fn under(&self, standing: &Standing) -> Option<&Under> {
        let Standing::Decided(signed) = standing else {
            return None;
        };
        self.under.get(&signed.digest("decision"))
    }

    /// The frozen table over which a study is answered: the one that the standing approval names.
    pub(crate) fn frozen(&self, study: &Digest) -> Option<Digest> {
        let known = self
            .by_id
            .values()
            .find(|known| known.proposal.digest == *study)?;
        known.standing.frozen()
    }

    /// The sites by which the steward let sums of this study differ from those of other studies
    /// over the same data.
    pub(crate) fn again(&self, study: &Digest) -> Lifted {
        let known = self
            .by_id
            .values()
            .find(|known| known.proposal.digest == *study);
        let under = known.and_then(|known| self.under(&known.standing));
        under.map_or_else(Lifted::default, |under| under.again.clone())
    }

    /// A permit counts on every day on which it is needed, not only on that of the decision.
    pub(super) fn permitted(&self, known: &AtSite, today: Date) -> Result<(), Refusal> {
        let id = &known.proposal.study.id;
        let detail = match self
            .under(&known.standing)
            .and_then(|under| under.permit.as_ref())
        {
            Some((reference, until)) if *until < today => {
                format!(
                    "study `{id}` was approved under permit `{reference}`, which held until {until}"
                )
            }
            None if self.settings.limits.permit_required => {
                format!(
                    "study `{id}` was approved without a permit, and node.toml asks \
                     for one now: approve it with `--permit P.toml`"
                )
            }
            _ => return Ok(()),
        };
        Err(Refusal::new(Code::StudyNotApproved, detail))
    }

    /// The stricter of the settings of now and of those under which a study was approved: a limit
    /// that is loosened afterwards takes another decision, one that is tightened holds at once.
    /// What decides whether a study runs at all needs no such care: it was approved under it.
    pub(super) fn stricter(&self, under: Option<&Under>) -> Settings {
        let mut settings = self.settings.clone();
        if let Some(under) = under {
            settings.min_sites = settings.min_sites.max(under.min_sites);
            settings.max_set_change = settings.max_set_change.min(under.max_set_change);
            settings.limits.own_metrics &= under.own_metrics;
            let rows = &mut settings.limits.floors.min_rows;
            *rows = (*rows).max(under.min_rows);
        }
        settings
    }

    /// The site's limits for a study that was decided: the stricter of those at the decision and
    /// those of now.
    pub(crate) fn limits(&self, study: &Digest) -> Settings {
        let known = self
            .by_id
            .values()
            .find(|known| known.proposal.digest == *study);
        self.stricter(known.and_then(|known| self.under(&known.standing)))
    }

    /// Where node.toml says that the coordinator is.
    pub(crate) fn address(&self) -> &str {
        &self.settings.address
    }

    /// Takes in node.toml as it is now: a limit that was changed since the node started holds from
    /// the next message on.
    ///
    /// # Errors
    /// `study_not_approved` where it cannot be read or understood: then nothing is answered.
    pub(crate) fn read_settings(&mut self, paths: &Paths) -> Result<&Settings, Refusal> {
        self.settings = paths.read_settings().map_err(|error| {
            let detail = format!("node.toml cannot be read as it is now ({error})");
            Refusal::new(Code::StudyNotApproved, detail)
        })?;
        Ok(&self.settings)
    }

    /// The last day on which a study may be answered: its own, or that of the permit under which it
    /// was approved.
    pub(crate) fn last_day(&self, proposal: &Proposal) -> Date {
        let known = self
            .by_id
            .values()
            .find(|known| known.proposal.digest == proposal.digest);
        let permit = known
            .and_then(|known| self.under(&known.standing))
            .and_then(|under| under.permit.as_ref());
        permit.map_or(proposal.study.ends, |(_, until)| {
            proposal.study.ends.min(*until)
        })
    }
}
