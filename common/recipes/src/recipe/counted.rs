//! A method behind a first round that says whether there is enough to ask about: see [`Census`].

use super::{Outcome, Recipe, State, judged};
use crate::census::{Beside, Census, Tally};
use crate::design::{Design, Shape, Term};
use crate::error::RecipeError;
use crate::memory::{Answer, Memory};
use crate::rows::Rows;
use motet_secagg::digest::Digest;
use motet_secagg::encode::{Canonical, Malformed, Reader};
use motet_secagg::fold::plain_sum;
use motet_secagg::layout::{ClearUpdate, Layout, Sum};
use rand_core::CryptoRng;

/// The phase of the first round.
const PHASE: &str = "census";

/// A method and what is counted before it.
#[derive(Debug, Clone, PartialEq)]
pub struct Counted {
    /// What is counted.
    pub census: Census,
    /// The method, judged or not.
    pub method: Box<Recipe>,
}

/// What was counted, and the state of the method.
#[derive(Debug, Clone, PartialEq)]
pub struct CountedState {
    /// What was counted.
    pub tally: Tally,
    /// The state of the method; its rounds count the first one too.
    pub method: Box<State>,
}

// Neither is inside of another: bytes that nest without end would end the process.
macro_rules! behind {
    ($whole:ident, $first:ident, $what:literal) => {
        impl Canonical for $whole {
            fn write(&self, out: &mut Vec<u8>) {
                self.$first.write(out);
                (*self.method).write(out);
            }
            fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
                let $first = Canonical::read(input)?;
                if input.peek() == Some(judged::COUNTED) {
                    return Err(Malformed { what: $what });
                }
                Ok(Self {
                    $first,
                    method: Box::new(Canonical::read(input)?),
                })
            }
        }
    };
}
behind!(Counted, census, "Counted");
behind!(CountedState, tally, "CountedState");

impl Counted {
    /// What of the method itself is counted beside the columns.
    fn beside(&self) -> Beside {
        let (bins, gaps) = match self.method.method() {
            Recipe::Summary(recipe) => (recipe.scaled(), recipe.columns.len()),
            _ => (Vec::new(), 0),
        };
        Beside {
            products: self.products(),
            terms: self.terms(),
            knots: self.knots(),
            bins,
            gaps,
            parts: matches!(self.method.method(), Recipe::Gbdt(_)),
        }
    }

    /// The knots that a formula gives, by the place of their column.
    fn knots(&self) -> Vec<(usize, Vec<f64>)> {
        let Recipe::Glm(recipe) = self.method.method() else {
            return Vec::new();
        };
        let mut known: Vec<(usize, Vec<f64>)> = Vec::new();
        for factor in recipe.design.terms.iter().flat_map(|term| &term.factors) {
            if let Shape::Spline(spline) = &factor.shape {
                let of = (factor.column as usize, spline.knots.clone());
                if !known.contains(&of) {
                    known.push(of);
                }
            }
        }
        known
    }

    /// The terms that are not columns themselves.
    fn products(&self) -> Option<Design> {
        let Recipe::Glm(recipe) = self.method.method() else {
            return None;
        };
        let itself = |term: &Term| {
            term.factors.len() == 1
                && term
                    .factors
                    .iter()
                    .all(|factor| factor.shape == Shape::Plain)
        };
        let mut design = recipe.design.clone();
        design.terms.retain(|term| !itself(term));
        (!design.terms.is_empty()).then_some(design)
    }

    /// Of these the ones whose values are known before the fit.
    fn terms(&self) -> Option<Design> {
        let mut design = self.products()?;
        let sought = |term: &Term| {
            term.factors
                .iter()
                .any(|factor| matches!(factor.shape, Shape::Sought(_)))
        };
        design.terms.retain(|term| !sought(term));
        (!design.terms.is_empty()).then_some(design)
    }

    /// How many numbers a site's vector of the first round has.
    pub fn numbers(&self) -> usize {
        self.census.numbers(&self.beside())
    }

    pub(super) fn check(&self) -> Result<(), RecipeError> {
        self.method.check()?;
        self.census.check(&self.beside())
    }

    pub(super) fn ask(
        &self,
        state: &CountedState,
        sites: u32,
    ) -> Result<Option<Layout>, RecipeError> {
        match state.tally {
            Tally { lack: Some(_), .. } => Ok(None),
            Tally { asked: false, .. } => self.census.ask(&self.beside()).map(Some),
            Tally { asked: true, .. } => Ok(self
                .method
                .ask(&state.method, sites)?
                .map(|question| question.layout)),
        }
    }

    pub(super) fn answer(
        &self,
        state: &CountedState,
        rows: &Rows<'_>,
        memory: &Memory,
        dice: &mut impl CryptoRng,
    ) -> Result<Answer, RecipeError> {
        if state.tally.asked {
            return self.method.answer_phase(&state.method, rows, memory, dice);
        }
        // A table that the method will refuse is refused now, while the others can still begin
        // without this site.
        if state.method.progress().round == 0
            && let Some(question) = self.method.ask(&state.method, 1)?
        {
            let first = self
                .method
                .answer_phase(&state.method, rows, memory, dice)?;
            plain_sum(&question.layout, Digest::default(), vec![first.update])?;
        }
        Ok(ClearUpdate::new(1, self.census.answer(&self.beside(), rows)?).into())
    }

    pub(super) fn absorb(
        &self,
        state: &CountedState,
        sum: &Sum,
    ) -> Result<CountedState, RecipeError> {
        if !state.tally.asked {
            let rounds = state.method.progress().round + 1;
            let tally = self.census.absorb(&self.beside(), sum)?;
            return Ok(CountedState {
                tally,
                method: Box::new(judged::counted(&state.method, rounds)),
            });
        }
        let method = Box::new(self.method.absorb(&state.method, sum)?);
        Ok(CountedState {
            tally: state.tally.clone(),
            method,
        })
    }

    /// That the first round has let the run go on.
    ///
    /// # Errors
    /// What there is not enough of.
    pub(super) fn passed(&self, state: &CountedState) -> Result<(), RecipeError> {
        match state.tally.lack {
            Some(lack) => Err(self.census.error(&self.beside(), &state.tally, lack)),
            None if state.tally.asked => Ok(()),
            None => Err(RecipeError::Unfinished { phase: PHASE }),
        }
    }
}

/// Rows and events of what was fitted to a yes or no; the rows of a time are all said to be events,
/// for those without are no class.
fn classes(outcome: &Outcome) -> Option<(u64, u64)> {
    match outcome {
        Outcome::FedAvg(model) => Some((model.rows, model.events)),
        Outcome::Glm(fit) => fit.events.map(|events| (fit.rows, events)),
        Outcome::Gbdt(model) => model.events.map(|events| (model.rows, events)),
        Outcome::Cox(fit) => Some((u64::MAX, fit.events)),
        Outcome::KaplanMeier(found) => Some((u64::MAX, found.events)),
        Outcome::FedTime(model) => Some((u64::MAX, model.events)),
        Outcome::Summary(_) | Outcome::Count(_) | Outcome::FedNumber(_) => None,
    }
}

impl Counted {
    /// The result, where a site that was lost took no class of patients below what may be told:
    /// coefficients, errors, curves and measures of a few events are those events.
    ///
    /// # Errors
    /// [`RecipeError::FewEvents`].
    pub(super) fn enough(
        &self,
        tally: &Tally,
        mut outcome: Outcome,
    ) -> Result<Outcome, RecipeError> {
        if let Outcome::Summary(found) = &mut outcome {
            found.withhold(&self.census, tally);
        }
        let least = u64::from(self.census.min_cell);
        let few = classes(&outcome).and_then(|(rows, events)| match () {
            () if events < least => Some("with"),
            () if rows.saturating_sub(events) < least => Some("without"),
            () => None,
        });
        few.map_or(Ok(outcome), |which| Err(self.census.few(which)))
    }
}

impl CountedState {
    /// The phase of the next round.
    pub(super) fn phase(&self) -> &'static str {
        match self.tally {
            Tally { lack: Some(_), .. } => "too little to go on",
            Tally { asked: false, .. } => PHASE,
            Tally { asked: true, .. } => self.method.progress().phase,
        }
    }
}
