//! Tables by column name, with offset and weight, and a run of a recipe over them with plain sums.
#![allow(dead_code, unreachable_pub, reason = "helpers of tests")]

use motet_recipes::glm::GlmOutcome;
use motet_recipes::{Glm, Outcome, Recipe, RecipeError, Rows, State};
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::fold::plain_sum;
use ndarray::{Array1, Array2};
use std::collections::BTreeMap;

/// One site's columns.
#[derive(Clone, Default)]
pub struct Columns(pub BTreeMap<String, Vec<f64>>);

impl Columns {
    pub fn of(columns: &[(&str, Vec<f64>)]) -> Self {
        Self(
            columns
                .iter()
                .map(|(name, values)| ((*name).to_owned(), values.clone()))
                .collect(),
        )
    }

    /// The same, row by row.
    pub fn lines<const N: usize>(columns: &[&str; N], rows: &[[f64; N]]) -> Self {
        let column = |at: usize| rows.iter().map(|row| row[at]).collect();
        Self(
            columns
                .iter()
                .enumerate()
                .map(|(at, name)| ((*name).to_owned(), column(at)))
                .collect(),
        )
    }

    /// Every row as often as its weight says.
    pub fn written_out(&self) -> Self {
        let times = |(row, weight): (usize, &f64)| std::iter::repeat_n(row, *weight as usize);
        self.pick(
            &self
                .column("weight")
                .iter()
                .enumerate()
                .flat_map(times)
                .collect::<Vec<usize>>(),
        )
    }

    pub fn column(&self, name: &str) -> &[f64] {
        self.0
            .get(name)
            .unwrap_or_else(|| panic!("no column {name}"))
    }

    pub fn len(&self) -> usize {
        self.0.values().next().map_or(0, Vec::len)
    }

    /// Adds a column made row by row from others.
    pub fn with(mut self, name: &str, from: &[&str], make: impl Fn(&[f64]) -> f64) -> Self {
        let sides: Vec<Vec<f64>> = from.iter().map(|name| self.column(name).to_vec()).collect();
        let line = |row: usize| make(&sides.iter().map(|side| side[row]).collect::<Vec<f64>>());
        let values = (0..self.len()).map(line).collect();
        self.0.insert(name.to_owned(), values);
        self
    }

    /// The rows whose number is picked, in that order.
    pub fn pick(&self, rows: &[usize]) -> Self {
        let pick = |values: &Vec<f64>| rows.iter().map(|row| values[*row]).collect();
        Self(
            self.0
                .iter()
                .map(|(name, values)| (name.clone(), pick(values)))
                .collect(),
        )
    }

    /// All rows in one table.
    pub fn joined(tables: &[Columns]) -> Self {
        let mut all: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for (name, values) in tables.iter().flat_map(|table| &table.0) {
            all.entry(name.clone()).or_default().extend(values);
        }
        Self(all)
    }

    /// What the recipe reads of it.
    pub fn read<T>(&self, recipe: &Glm, use_: impl FnOnce(&Rows<'_>) -> T) -> T {
        let names = &recipe.design.columns;
        let x = Array2::from_shape_fn((self.len(), names.len()), |(row, at)| {
            self.column(&names[at])[row]
        });
        let side = |name: &str| Array1::from(self.column(name).to_vec());
        let (y, offset, weight) = (
            side(&recipe.outcome),
            recipe.offset.then(|| side("offset")),
            recipe.weight.map(|_| side("weight")),
        );
        let mut rows = Rows::new(x.view()).outcome(y.view());
        rows.offset = offset.as_ref().map(|side| side.view());
        rows.weight = weight.as_ref().map(|side| side.view());
        use_(&rows)
    }
}

/// One round. Every state goes through its canonical bytes.
pub fn round(recipe: &Glm, state: &State, sites: &[Columns]) -> Option<Result<State, RecipeError>> {
    let whole = Recipe::from(recipe.clone());
    let state = State::from_bytes(&state.to_bytes()).unwrap();
    let question = match whole.ask(&state, sites.len() as u32) {
        Ok(question) => question?,
        Err(error) => return Some(Err(error)),
    };
    let mut updates = Vec::new();
    for site in sites {
        match site.read(recipe, |rows| {
            whole.answer(
                &state,
                &question,
                rows,
                &motet_recipes::Memory::default(),
                &mut crate::common::rng(0),
            )
        }) {
            Ok(answer) => updates.push(answer.update),
            Err(error) => return Some(Err(error)),
        }
    }
    let set = Digest::of("test/set", &[&[sites.len() as u8][..]]);
    Some(whole.absorb(&state, &plain_sum(&question.layout, set, updates).unwrap()))
}

/// The whole run; no state may repeat.
pub fn run(recipe: &Glm, sites: &[Columns]) -> Result<GlmOutcome, RecipeError> {
    let whole = Recipe::from(recipe.clone());
    let mut state = whole.start(Digest([3; 32]));
    let mut roots = std::collections::BTreeSet::from([state.root()]);
    for _ in 0..200 {
        match round(recipe, &state, sites) {
            Some(next) => state = next?,
            None => {
                let outcome = whole.outcome(&state);
                assert_eq!(state.stuck(), outcome.is_err());
                return outcome.map(|outcome| match outcome {
                    Outcome::Glm(outcome) => outcome,
                    other => panic!("another outcome: {other:?}"),
                });
            }
        }
        assert!(roots.insert(state.root()), "a state root repeats");
    }
    panic!("the run does not end");
}

/// The demo's tables with offset and weight as the reference has them.
pub fn heart() -> Vec<Columns> {
    let site = |site: crate::common::Site| {
        let mut columns = Columns::default();
        for (at, name) in crate::common::HEART_COLUMNS.iter().enumerate() {
            columns
                .0
                .insert((*name).to_owned(), site.x.column(at).to_vec());
        }
        columns.0.insert("y".into(), site.y.to_vec());
        columns
            .with("offset", &["chol"], |row| 0.002 * row[0])
            .with("weight", &["sex", "fbs"], |row| {
                1.0 + row[0] + 0.25 * row[1]
            })
    };
    crate::common::heart().into_iter().map(site).collect()
}

pub fn stroke() -> Vec<Columns> {
    let site = |name: &&str| {
        let (header, rows) = crate::common::table("stroke", name);
        let column = |at: usize| rows.iter().map(|row| row[at]).collect();
        let mut columns = Columns(
            header
                .iter()
                .enumerate()
                .map(|(at, name)| (name.clone(), column(at)))
                .collect(),
        );
        columns.0.remove("country");
        for country in &crate::common::STROKE[1..] {
            let here = f64::from(u8::from(country == name));
            columns
                .0
                .insert(format!("country_{country}"), vec![here; rows.len()]);
        }
        columns
            .with("offset", &["delay_h"], |row| 0.01 * row[0])
            .with("weight", &["heparin", "aspirin"], |row| {
                1.0 + row[0] + 0.5 * row[1]
            })
            .with("share", &["n_deficits"], |row| row[0] / 8.0)
    };
    crate::common::STROKE.iter().map(site).collect()
}
