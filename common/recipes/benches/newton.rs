//! What one step of an exact fit costs at a site and at the coordinator: `cargo bench -p
//! motet-recipes`. Ten thousand patients, ten and forty columns. Times of one sitting compare; times
//! of two do not.
#![allow(clippy::expect_used, reason = "a bench that cannot be set up stops")]

use divan::{Bencher, black_box};
use motet_recipes::{Design, Family, Glm, Memory, Question, Recipe, Rows, State};
use motet_secagg::digest::Digest;
use motet_secagg::fold::plain_sum;
use motet_secagg::layout::ClearUpdate;
use ndarray::{Array1, Array2};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};

const PATIENTS: usize = 10_000;
const COLUMNS: [usize; 2] = [10, 40];

fn main() {
    divan::main();
}

/// A table of fair rng: columns between 0 and 1, an outcome that leans on the first.
fn table(columns: usize) -> (Array2<f64>, Array1<f64>) {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut draw = || f64::from(rng.next_u32()) / f64::from(u32::MAX);
    let x = Array2::from_shape_simple_fn((PATIENTS, columns), &mut draw);
    let y = x
        .column(0)
        .map(|value| f64::from(u8::from(draw() < 0.2 + 0.4 * value)));
    (x, y)
}

/// A logistic regression that stands before a step of Newton's.
struct Fit {
    recipe: Recipe,
    state: State,
    question: Question,
    x: Array2<f64>,
    y: Array1<f64>,
}

impl Fit {
    /// After the round that centres and scales the columns.
    fn before_a_step(columns: usize) -> Self {
        let (x, y) = table(columns);
        let names = (0..columns).map(|at| format!("x{at}")).collect();
        let design = Design::plain(names);
        let recipe = Recipe::from(Glm::new(design, "y".to_owned(), Family::Logistic));
        let state = recipe.start(Digest([1; 32]));
        let question = asked(&recipe, &state);
        let mut fit = Self {
            recipe,
            state,
            question,
            x,
            y,
        };
        fit.state = fit.absorbed(fit.answered());
        fit.question = asked(&fit.recipe, &fit.state);
        fit
    }

    fn answered(&self) -> ClearUpdate {
        let mut rows = Rows::new(self.x.view());
        rows.y = Some(self.y.view());
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let memory = Memory::default();
        let answer = self
            .recipe
            .answer(&self.state, &self.question, &rows, &memory, &mut rng);
        answer.expect("the rows are those of the recipe").update
    }

    fn absorbed(&self, answer: ClearUpdate) -> State {
        let sum = plain_sum(&self.question.layout, Digest([2; 32]), vec![answer]);
        let sum = sum.expect("the answer lies within its layout");
        let state = self.recipe.absorb(&self.state, &sum);
        state.expect("the sum is one of these rows")
    }
}

fn asked(recipe: &Recipe, state: &State) -> Question {
    let question = recipe.ask(state, 1).expect("the state is the recipe's");
    question.expect("the fit has not ended")
}

/// Log-likelihood, gradient and information of one site's rows.
#[divan::bench(args = COLUMNS)]
fn answer(bencher: Bencher<'_, '_>, columns: usize) {
    let fit = Fit::before_a_step(columns);
    bencher.bench_local(|| black_box(&fit).answered());
}

/// The step from a sum: a factor of the information, and new coefficients.
#[divan::bench(args = COLUMNS)]
fn absorb(bencher: Bencher<'_, '_>, columns: usize) {
    let fit = Fit::before_a_step(columns);
    bencher
        .with_inputs(|| fit.answered())
        .bench_local_values(|answer| fit.absorbed(answer));
}
