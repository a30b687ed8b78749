//! The federated methods. Each is the same four steps: the question follows from the recipe and the
//! chained state ([`Recipe::ask`]), a site answers it from its own rows ([`Recipe::answer`]), the
//! masked sum opens, and the sum moves the state ([`Recipe::absorb`]). Pure: no clock, no files, no
//! randomness but the generator handed in.
//!
//! ```text
//! start --> State --ask--> Question --answer(rows)--> ClearUpdate ==masked sum==> Sum --absorb--> State' --> ... --> outcome
//!           public         public                     secret                      public          public
//! ```
//!
//! `ask` and `absorb` give the same bits on every processor (`+ - * /`, square root and `libm` in a
//! fixed order), so that every node can recompute the chain of [`State::root`]. `answer` may be
//! fast instead.
//!
//! What a sum shows it shows to the coordinator and to every site of the study: score histograms of
//! the whole sum may hold cells of one patient, though not where that patient is.
//!
//! A summary of two sites, in two rounds. Between hospitals the sum is masked; here it is plain:
//!
//! ```
//! use motet_recipes::{Memory, Outcome, Recipe, Rows, Summary};
//! use motet_secagg::{digest::Digest, fold::plain_sum};
//! use ndarray::array;
//! # use rand_core::SeedableRng as _;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
//! # let (seed, set) = (Digest([1; 32]), Digest([2; 32]));
//! # let memory = Memory::default();
//! let recipe = Recipe::from(Summary::new(vec!["sbp".to_owned()]));
//! let sites = [
//!     array![[150.0], [141.0], [165.0]],
//!     array![[160.0], [134.0]],
//! ];
//! let mut state = recipe.start(seed);
//! while let Some(question) = recipe.ask(&state, 2)? {
//!     let mut updates = Vec::new();
//!     for site in &sites {
//!         let rows = Rows::new(site.view());
//!         let answer = recipe.answer(&state, &question, &rows, &memory, &mut rng)?;
//!         updates.push(answer.update);
//!     }
//!     let sum = plain_sum(&question.layout, set, updates)?;
//!     state = recipe.absorb(&state, &sum)?;
//! }
//!
//! let Outcome::Summary(table) = recipe.outcome(&state)? else {
//!     unreachable!()
//! };
//! assert_eq!((table.rounds, table.sites), (2, 2));
//! assert_eq!(table.variables[0].count, 5);
//! assert!((table.variables[0].mean - 150.0).abs() < 1e-9);
//! # Ok(())
//! # }
//! ```
#![warn(missing_docs)]

mod recipe; //          a study's question: a method, what is counted before it, how its model is judged after

// what a study says of its data, before any method
pub mod data; //        its columns: what is explained, what explains, and what each one is
pub mod filter; //      the rule that says which patients form the cohort

// the methods
mod methods; //         each a folder and a line

// what is asked before any of them
pub mod census; //      is there enough of each column at enough sites

// what a site learns for itself
pub mod verdict; //     whether the common model serves this site's own patients

// what a finished model is worth to whom
pub mod subgroups; //   by group of patients, and by site

// what they share
mod compared; //        a model to be compared with a site's own
pub mod design; //      the columns of a regression, made from those of the table
mod error; //           why a recipe cannot go on
mod followup; //        how long each patient was followed, on a grid of times
pub mod formula; //     a formula in the manner of R, which gives a design
mod keyed; //           what a method is in a study file and on a card
mod layer; //           a model as named arrays
mod loss; //            what a model is to predict, and how far off it is
mod memory; //          what a site keeps for itself between rounds
mod method; //          what every method brings
mod moments; //         pooled mean and standard deviation
mod phase; //           the phases of averaging
mod rows; //            a site's table, checked; a sum, read from front to back
mod score; //           histograms of the score: AUC, ROC, Brier, calibration
pub mod tokens; //      the words of a formula and of a filter
mod windows; //         counts in ever narrower intervals
mod written; //         how the values of a study file are written back

// numerics
mod auc; //             area under the ROC curve of one table, with its interval
mod basis; //           columns that nearly depend on each other, turned
mod derivatives; //     log-likelihood, gradient and information of a regression, by rows
mod lasso; //           the Newton step with a lasso
mod leverage; //        what one row, or one site, decides alone
mod linear; //          Cholesky factor of a small symmetric matrix
mod network; //         forward, backward and start of the neural network
mod newton; //          the climb of a fit to the maximum of its likelihood
mod nobody; //          directions that no row has, taken out of the sums
mod normal; //          p-values
mod partial; //         Cox's partial likelihood and pairs of one site
mod spline; //          natural cubic splines
mod squares; //         centred squares in whatever unit
mod student; //         p-values where the dispersion is estimated too
mod tails; //           chi-square and F distribution
mod units; //           from standardised columns back to their units

pub use auc::Interval;
pub use census::{COMMON_EXPLAINED, Category, Census, Explained};
pub use data::WeightKind;
pub use design::Design;
pub use error::{RecipeError, Stuck};
pub use followup::{Grid, Grouping, Times};
pub use formula::{Formula, FormulaError};
pub use keyed::{Fineness, OffsetWeighs, Remark, Wanted, Wants};
pub use layer::Layer;
pub use loss::Loss;
pub use memory::{Answer, Memory};
pub use method::{MethodTypes, Pass};
pub use methods::*;
pub use newton::Step;
pub use phase::Phase;
pub use recipe::{Progress, Question, Recipe, State};
pub use rows::Rows;
pub use score::{CalibrationBin, Metrics};
pub use spline::{Placed, Sought, Spline};
pub use subgroups::{
    Figures, Findings, GroupFindings, LevelFindings, NumberFigures, RiskFigures, Shown,
    SiteFindings, Subgroup, SubgroupKind, Subgroups, TimeFigures, Why,
};
pub use tails::ChiSquare;
pub use verdict::{Comparison, Difference, OwnModels, Quality, Verdict, compare};
