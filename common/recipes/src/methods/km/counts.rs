//! What the two rounds tell of one group.

/// One group at the asked grid points.
pub(super) struct Counts<'a> {
    pub(super) rows: u64,
    pub(super) cells: &'a [u32],
    pub(super) events: &'a [u64],
    pub(super) at_risk: &'a [u64],
}

impl Counts<'_> {
    /// Whether rows leave and never come: nobody is at risk who was not before, and no more have
    /// the event than are at risk.
    pub(super) fn possible(&self) -> bool {
        let mut left = self.rows;
        self.events
            .iter()
            .zip(self.at_risk)
            .all(|(events, at_risk)| {
                let fits = events <= at_risk && *at_risk <= left;
                left = at_risk.saturating_sub(*events);
                fits
            })
    }
}
