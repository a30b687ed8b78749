//! Cox's proportional hazards model: the maximum of the partial likelihood (or ridge fit) that one
//! table of all rows would give.
//!
//! ```text
//! strata none or a column                                    strata = site: each site its own risk sets
//! moments     [ rows, events | sum x a column ]              the same
//! spread      [ sum (x - mean)^2 | events a grid point ]     [ sum (x - mean)^2 ]
//! risk sets   [ beyond | S0, S1 a point | D0, D1 a tied
//!               point | sum of z over events ]               newton   [ beyond | loglik | gradient | information ]
//! information [ sum of z z' r (W - v) ]                               until the step is small
//!             back to risk sets until the step is small
//! evaluate    [ score x time histogram | others | drift ]    evaluate [ pairs | drift ]
//! ```
//!
//! z is the row standardised by the pooled mean and standard deviation, r = exp(b z), a point a
//! grid point (of a stratum) at which there are events; `risk.rs` has the formulas. With p columns,
//! K grid points, M event points, T of them with ties and t = p (p + 1) / 2: risk sets are (M + T)
//! (p + 1) + p numbers in limbs, information t, evaluate at most 20,000 counts (4,000 a stratum
//! where there are more than five), of yes/no columns one more, and p + 2 t numbers. A step that
//! lowered the likelihood is seen after `risk sets`; no information is asked there.
//!
//! **What it shows**, to the coordinator and to all sites, of the sum of all sites: at which grid
//! points (of which stratum) there were how many events, single ones included; and at each, for the
//! coefficients of every step, the weight and the mean covariates of those at risk. At the last
//! event times these may be few patients, and the difference of two neighbouring risk sets is those
//! who left between: **with few patients at risk their covariates can be worked out from the
//! sums**, though not at which site they are. A coarser `step` and an earlier `horizon` are the
//! remedy, or `strata = site`: then no event time and no risk set leaves a site, one round makes a
//! step, and there is no baseline hazard.
//!
//! **One set of sites**, as in `glm`: a sum of another set begins the pass again.
//!
//! Sources: R's package survival 3.5 (`coxph`, `basehaz`, `concordance`, `cox.zph`); Therneau &
//! Grambsch, Modeling Survival Data, 2000.

mod answer;
mod concordance;
mod keys; // its keys in a study file
mod method;
mod model;
mod outcome;
mod points;
mod proportional;
mod risk;
mod state;
mod stuck;

pub use concordance::{Concordance, Pairs, Within};
pub use model::{Cox, Strata};
pub use outcome::{Baseline, Coefficient, CoxOutcome};
pub use points::{EventPoint, Ties};
pub use proportional::{Clock, Drift, Proportionality};
pub use risk::RiskSets;
pub use state::{CoxPhase, CoxState};
pub use stuck::CoxStuck;
