//! The recipe: what a study fixes of a Cox fit.

use super::points::Ties;
use super::proportional::Clock;
use crate::followup::{Grid, Grouping};
use motet_secagg::canonical;

canonical! {
    /// Which patients are compared with each other.
    #[derive(Debug, Clone, PartialEq)]
    pub enum Strata {
        /// All with all.
        1 => None,
        /// Those of one level of a column: each level has a baseline hazard of its own.
        2 => Group(Grouping),
        /// Those of one site: no event times are shown.
        3 => Site,
    }
}

canonical! {
    /// `hazard(t | x) = hazard_0(t) exp(sum b_j x_j)`, maximising the log partial likelihood less
    /// `ridge / 2 * sum b_j^2` on columns standardised by the pooled standard deviation.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Cox {
        /// Columns of the table, in the order of the coefficients.
        pub columns: Vec<String>,
        /// The column of times.
        pub time: String,
        /// Whether the event was seen, 0 or 1.
        pub event: String,
        /// The grid of times.
        pub grid: Grid,
        /// Which patients are compared.
        pub strata: Strata,
        /// How tied events are treated.
        pub ties: Ties,
        /// Strength of the ridge; 0 for maximum likelihood.
        pub ridge: f64,
        /// Largest coefficient of the last Newton step, on the standardised scale.
        pub tolerance: f64,
        /// Points at which the likelihood is asked for before the fit ends without having
        /// converged.
        pub max_rounds: u32,
        /// The check of proportional hazards; left out with a ridge, for which the test does not
        /// hold.
        pub clock: Clock,
        /// The outcome tells the baseline hazard after no fewer events than this; it does not
        /// change the sums.
        pub min_cell: u32,
    }
}

impl Cox {
    /// Maximum likelihood over one set of risk sets with Efron's ties, tolerance 1e-10, at most 30
    /// points, R's check, and steps of the baseline hazard of at least 5 events.
    pub fn new(columns: Vec<String>, time: String, event: String, grid: Grid) -> Self {
        Self {
            columns,
            time,
            event,
            grid,
            strata: Strata::None,
            ties: Ties::Efron,
            ridge: 0.0,
            tolerance: 1e-10,
            max_rounds: 30,
            clock: Clock::Km,
            min_cell: 5,
        }
    }
    pub(super) fn by_site(&self) -> bool {
        self.strata == Strata::Site
    }

    pub(super) fn grouping(&self) -> Option<&Grouping> {
        match &self.strata {
            Strata::Group(grouping) => Some(grouping),
            Strata::None | Strata::Site => None,
        }
    }

    /// How many strata with grid points of their own the sums know.
    pub(super) fn strata(&self) -> usize {
        self.grouping().map_or(1, |grouping| grouping.levels.len())
    }

    pub(super) fn clock(&self) -> Clock {
        if self.ridge > 0.0 {
            Clock::Off
        } else {
            self.clock
        }
    }
}
