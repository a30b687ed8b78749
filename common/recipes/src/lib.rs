//! The federated methods. Each is the same four steps: the question follows from the recipe and the chained state
//! ([`Recipe::ask`]), a site answers it from its own rows ([`Recipe::answer`]), the masked sum opens, and the sum moves
//! the state ([`Recipe::absorb`]). Pure: no clock, no files, no randomness but the dice handed in.
//!
//! ```text
//! start --> State --ask--> Question --answer(rows)--> ClearUpdate ==masked sum==> Sum --absorb--> State' --> ... --> outcome
//!           public         public                     secret                      public          public
//! ```
//!
//! `ask` and `absorb` give the same bits on every processor (`+ - * /`, square root and `libm` in a fixed order), so that
//! every node can recompute the chain of [`State::root`]. `answer` may be fast instead.
//!
//! What a sum shows it shows to the coordinator and to every site of the study: score histograms of the whole sum may
//! hold cells of one patient, though not where that patient is.
#![warn(missing_docs)]

// the dispatch: one enum over the methods, their states and outcomes
mod recipe;

// the methods
pub mod count; //       rounded counts: is a study feasible
pub mod fedavg; //      federated averaging of a logistic model or a small neural network
pub mod gbdt; //        gradient boosting of trees
pub mod logistic; //    exact logistic regression
pub mod summary; //     counts, means, variances, distributions, a table by group

// what they share
mod error; //           why a recipe cannot go on
mod moments; //         pooled mean and standard deviation
mod phase; //           the phases of a fit
mod rows; //            a site's table, checked; a sum, read from front to back
mod score;
mod tails; //           chi-square and F distribution
mod windows; //         counts in ever narrower intervals //           histograms of the score: AUC, ROC, Brier, calibration

// numerics
mod linear; //          Cholesky factor of a small symmetric matrix
mod network; //         forward, backward and start of the neural network
mod newton; //          the climb of the logistic fit to the maximum of its likelihood
mod normal; //          p-values

pub use count::{Count, CountOutcome, Rounded};
pub use error::{RecipeError, Stuck};
pub use fedavg::{Epoch, FedAvg, FedAvgOutcome, Layer, Weight, fraction_bits, most_rows};
pub use gbdt::{Boost, Fit, Gbdt, GbdtOutcome, Loss, Node, Split, Tree};
pub use logistic::{Coefficient, Logistic, LogisticOutcome};
pub use newton::Step;
pub use phase::Phase;
pub use recipe::{Outcome, Progress, Question, Recipe, State};
pub use rows::Rows;
pub use score::{CalibrationBin, Metrics};
pub use summary::{Details, Scale, Summary, SummaryOutcome, Variable};
