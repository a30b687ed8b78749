//! What a study says about times to an event and the numbers of its run do not.

use crate::context::Survival;
use motet_recipes::km::Interval;
use motet_recipes::{Cox, Grid, KaplanMeier, Strata, Ties, Times};

impl From<&Cox> for Survival {
    fn from(recipe: &Cox) -> Self {
        let own = Self {
            time: recipe.time.clone(),
            ties: Some(match recipe.ties {
                Ties::Efron => "efron",
                Ties::Breslow => "breslow",
            }),
            strata: match &recipe.strata {
                Strata::None => None,
                Strata::Site => Some("site".to_owned()),
                Strata::Group(grouping) => Some(grouping.column.clone()),
            },
            min_cell: u64::from(recipe.min_cell),
            ..Self::default()
        };
        on(own, &recipe.grid)
    }
}

impl From<&KaplanMeier> for Survival {
    fn from(recipe: &KaplanMeier) -> Self {
        let group = recipe.group.as_ref();
        let own = Self {
            time: recipe.time.clone(),
            group: group.map(|grouping| grouping.column.clone()),
            interval: Some(match recipe.interval {
                Interval::LogLog => "log-log",
                Interval::Log => "log",
                Interval::Plain => "plain",
            }),
            min_cell: u64::from(recipe.min_cell),
            ..Self::default()
        };
        on(own, &recipe.grid)
    }
}

fn on(survival: Survival, grid: &Grid) -> Survival {
    debug_assert!(grid.step > 0.0, "times can be told apart");
    let times = match grid.times {
        Times::Grid => "grid",
        Times::Exact => "exact",
    };
    Survival {
        times: Some(times),
        step: Some(grid.step),
        horizon: Some(grid.horizon),
        ..survival
    }
}
