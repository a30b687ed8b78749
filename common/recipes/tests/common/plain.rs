//! Whole runs in which every site keeps its memory, summed in the recipe's words or in plain
//! numbers.

use super::{fedavg, rng};
use motet_recipes::{Memory, Outcome, Recipe, RecipeError, Rows, State};
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::fold::plain_sum;
use motet_secagg::layout::{Layout, Ring, Scale};
use motet_secagg::quantise::fixed_bits;

/// The same vector in words so fine (more than 50 bits after the point) that the sum is that of the
/// numbers.
fn finest(layout: &Layout, sites: u32) -> Layout {
    let mut layout = Layout {
        ring: Ring::Bits64,
        ..layout.clone()
    };
    for block in &mut layout.blocks {
        if let Scale::Weighted(bits) = &mut block.scale {
            *bits = fixed_bits(Ring::Bits64, sites, block.bound as u64, 60, 50).unwrap();
        }
    }
    layout
}

/// The whole run over these tables; `plain` sums in the finest words instead of the recipe's.
pub fn drive(recipe: &Recipe, tables: &[Rows<'_>], plain: bool) -> Result<Outcome, RecipeError> {
    let state = finished(recipe, tables, plain)?;
    recipe.outcome(&state)
}

/// Its last state.
pub fn finished(recipe: &Recipe, tables: &[Rows<'_>], plain: bool) -> Result<State, RecipeError> {
    finished_with(recipe, tables, plain, |_| tables.len())
}

/// The same with that many of the tables in each round, which is counted from 0.
pub fn finished_with(
    recipe: &Recipe,
    tables: &[Rows<'_>],
    plain: bool,
    present: impl Fn(u32) -> usize,
) -> Result<State, RecipeError> {
    let mut memories: Vec<Memory> = tables.iter().map(|_| Memory::default()).collect();
    let mut state = recipe.start(Digest([3; 32]));
    loop {
        let here = present(state.progress().round);
        let count = here as u32;
        let Some(question) = recipe.ask(&state, count)? else {
            return Ok(state);
        };
        state = State::from_bytes(&state.to_bytes()).unwrap();
        let mut updates = Vec::new();
        for (rows, memory) in tables.iter().zip(&mut memories).take(here) {
            let answer = recipe.answer(&state, &question, rows, memory, &mut rng(1))?;
            updates.push(answer.update);
            if let Some(next) = answer.memory {
                *memory = Memory::from_bytes(&next.to_bytes()).unwrap();
            }
        }
        let layout = if plain {
            finest(&question.layout, count)
        } else {
            question.layout
        };
        state = recipe.absorb(
            &state,
            &plain_sum(&layout, Digest::of("test/set", &[&[here as u8]]), updates)?,
        )?;
    }
}

/// The weights of a regression, intercept first.
pub fn weights(outcome: Result<Outcome, RecipeError>) -> Vec<f64> {
    let outcome = fedavg(outcome);
    let values = |name: &str| {
        outcome
            .layers
            .iter()
            .find(|layer| layer.name == name)
            .unwrap()
            .values
            .clone()
    };
    [values("layers.0.bias"), values("layers.0.weight")].concat()
}
